"""The comparison as a table of 80 columns, as CSV and as JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import pytest
import torch
from rich.console import Console

from imbalance_cli.comparison import Candidate, Comparison, compare_candidates
from imbalance_cli.evaluation import Resampling
from imbalance_cli.metrics import compared_metrics
from imbalance_cli.report.comparison import draw_comparison, to_csv, to_json

METRICS = compared_metrics()

NOISES = {"focal": 0.8, "bce": 0.7, "weighted_bce:effective": 0.1, "asymmetric": 2.5}


def make_comparison(
    labels: list[str], *, replicates: int = 30, noises: dict[str, float] = NOISES, scale: float = 2
) -> Comparison:
    """Compare candidates of more and less noise; of several labels the last was not learned."""
    random = torch.Generator().manual_seed(0)

    def normal() -> torch.Tensor:
        return torch.randn(1200, len(labels), generator=random, dtype=torch.float64)

    signal = normal()
    y = (signal + normal() > torch.linspace(2, 0.5, len(labels))).double()
    candidates = []
    for name, noise in noises.items():
        p = torch.sigmoid(scale * (signal + noise * normal()) - 2)
        candidates.append(Candidate(name, name.split(":")[0], None, "shuffle", p, p >= 0.3))
    learnable = [True] * len(labels)
    learnable[-1] = len(labels) == 1
    return compare_candidates(
        candidates,
        y,
        labels,
        learnable=learnable,
        groups=None,
        baseline="bce",
        resampling=Resampling(replicates),
    )


def draw(comparison: Comparison, width: int = 80) -> list[str]:
    """Return the drawing's lines on a terminal of some width."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(draw_comparison(comparison, "runs/a"))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_one_row_a_candidate_baseline_first_then_by_average_precision() -> None:
    comparison = make_comparison(["y"])
    lines = draw(comparison)
    assert lines[0] == "1,200 rows, out of fold: y"
    order = ["bce", "weighted_bce:effective", "focal", "asymmetric"]
    assert [line.split()[0] for line in lines[2:6]] == order
    assert [line.split()[0] for line in lines[9:13]] == order
    assert not any("a label" in line for line in lines)
    assert lines[-1] == "run: runs/a"
    text = " ".join(lines)
    assert all(sentence in text for sentence in comparison.conclusions)


def test_numbers_and_marks_are_those_of_the_comparison() -> None:
    comparison = make_comparison(["y"])
    lines = draw(comparison)
    ranking = comparison.candidates[2].macro["average_precision"]
    assert ranking.verdict == "better"
    cells = lines[3].split()
    assert cells[1] == f"{ranking.value:.3f}"
    assert cells[2] == f"{ranking.difference:+.3f}▲"
    assert cells[3:5] == [f"{ranking.difference_low:+.3f}", f"{ranking.difference_high:+.3f}"]
    assert lines[5].count("▼") == 2  # asymmetric, in AP and F1
    loss = comparison.candidates[3].macro["log_loss"]
    assert f"{loss.difference:+.4f}▼" in lines[12].split()
    assert "▲" not in lines[2] + lines[4]
    assert "▼" not in lines[2] + lines[4]
    assert any(line.endswith("▲ better, ▼ worse.") for line in lines)


def test_several_labels_have_a_table_rarest_last() -> None:
    comparison = make_comparison(["few", "many", "unlearned"])
    lines = draw(comparison)
    assert lines[0].endswith("macro averages")
    start = next(i for i, line in enumerate(lines) if "the highest AP" in line)
    unlearned, many, few = lines[start + 2 : start + 5]
    assert unlearned.startswith("unlearned (not learned)")
    assert unlearned.split()[4:] == ["-"] * 5
    assert many.startswith("many")
    best = comparison.candidates[2].labels[0]
    ranking = best.metrics["average_precision"]
    base = comparison.candidates[1].labels[0].metrics["average_precision"]
    assert few.split()[:5] == [
        "few",
        str(best.positives),
        f"{base.value:.3f}",
        "weighted_bce:effective",
        f"{ranking.difference:+.3f}" + ("▲" if ranking.verdict == "better" else ""),
    ]


def test_the_baseline_is_the_best_where_none_is_better() -> None:
    comparison = make_comparison(["few", "many", "x"], noises={"focal": 2.0, "bce": 0.1})
    twin = dataclasses.replace(comparison.candidates[1], name="twin")
    comparison = dataclasses.replace(comparison, candidates=[twin, *comparison.candidates])
    lines = draw(comparison)
    start = next(i for i, line in enumerate(lines) if "the highest AP" in line)
    for line in lines[start + 3 : start + 5]:
        assert line.split()[3:] == ["bce", "-", "-", "-"]


def test_without_intervals_and_with_one_candidate() -> None:
    text = "\n".join(draw(make_comparison(["y"], replicates=0)))
    assert "No intervals were asked for" in text
    assert "▲" not in text
    assert "▼" not in text
    alone = "\n".join(draw(make_comparison(["a", "b"], noises={"bce": 0.5})))
    assert "nothing to compare" in alone
    assert "diff:" not in alone
    assert "the highest AP" not in alone


@pytest.mark.parametrize("scale", [2, -9])
@pytest.mark.parametrize(
    "labels", [["y"], ["y" * 100], ["y_departed_180_late", "x" * 70, "[bold]:smile:"]]
)
def test_it_fits_80_columns(labels: list[str], scale: float) -> None:
    """Also where all is wrong: a negative MCC, a log loss above 1."""
    lines = draw(make_comparison(labels, scale=scale))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    assert "nan" not in text.lower()
    assert sum(line.startswith("weighted_bce:effective ") for line in lines) == 2
    assert "[bold]" in text or len(labels) == 1


def test_csv_has_a_row_a_candidate_scope_and_metric() -> None:
    comparison = make_comparison(["few", 'a "quoted", name'])
    rows = list(csv.DictReader(io.StringIO(to_csv(comparison).decode())))
    assert list(rows[0])[:10] == [
        "candidate",
        "scope",
        "label",
        "metric",
        "value",
        "low",
        "high",
        "difference",
        "difference_low",
        "difference_high",
    ]
    assert len(rows) == 4 * 3 * len(METRICS)
    first = rows[0]
    assert (first["candidate"], first["scope"], first["label"]) == ("focal", "macro", "")
    ranking = comparison.candidates[0].macro["average_precision"]
    assert float(first["difference_high"]) == ranking.difference_high
    unlearned = [row for row in rows if row["label"] == 'a "quoted", name']
    assert {row["value"] for row in unlearned} == {""}


def test_json_has_null_for_what_is_undefined() -> None:
    comparison = make_comparison(["few", "unlearned"])
    content = to_json(comparison, "runs/a", {"folds": 5})
    assert content.endswith(b"}\n")
    document = json.loads(content)
    assert list(document)[:3] == ["run", "folds", "rows"]
    assert document["conclusions"] == comparison.conclusions
    base = document["candidates"][1]
    assert base["macro"]["f1"]["difference"] is None
    assert base["labels"][1]["metrics"]["f1"]["value"] is None
