"""The comparison as a table of 80 columns, as CSV and as JSON."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import re

import pytest
import torch
from rich.console import Console

from imbalance_cli.comparison import Candidate, Comparison, compare_candidates
from imbalance_cli.evaluation import Resampling
from imbalance_cli.metrics import compared_metrics
from imbalance_cli.report.comparison import Drawing, to_csv, to_json
from imbalance_cli.report.differences import MetricRows, list_metric_rows
from imbalance_cli.workflows.drawing_runs import draw_candidates

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
        source="rows.csv",
    )


def draw(comparison: Comparison, width: int = 80) -> list[str]:
    """Return the drawing's lines on a terminal of some width."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(Drawing(comparison, run="runs/a"))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_one_row_a_candidate_baseline_first_then_by_average_precision() -> None:
    comparison = make_comparison(["y"])
    lines = draw(comparison)
    assert lines[0] == "1,200 out-of-fold rows of rows.csv: y"
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


def labels_of(lines: list[str]) -> list[str]:
    """Return the rows of the table of labels."""
    start = next(i for i, line in enumerate(lines) if line.endswith(" per label"))
    return lines[start + 2 : start + 2 + lines[start + 2 :].index("")]


def test_several_labels_have_a_table_rarest_last_with_the_baseline_and_the_best() -> None:
    comparison = make_comparison(["few", "many", "unlearned"])
    lines = draw(comparison)
    assert lines[0].endswith("macro averages")
    unlearned, _, many, _, few, best = labels_of(lines)
    assert unlearned.startswith("unlearned (not ")
    assert unlearned.split()[3:] == ["bce", *["-"] * 4]
    assert many.startswith("many")
    base, better = (comparison.candidates[i].labels[0] for i in (1, 2))
    ranking = better.metrics["average_precision"]
    value = base.metrics["average_precision"].value
    assert few.split() == ["few", str(base.positives), "bce", f"{value:.3f}", "-", "-", "-"]
    assert best.split()[:3] == [
        "weighted_bce:effective",
        f"{ranking.value:.3f}",
        f"{ranking.difference:+.3f}" + ("▲" if ranking.verdict == "better" else ""),
    ]


def test_few_candidates_are_all_shown_per_label_with_their_intervals() -> None:
    comparison = make_comparison(["few", "many", "x"], noises={"focal": 2.0, "bce": 0.1})
    rows = labels_of(draw(comparison))
    assert [row.split()[-6] for row in rows[-4:]] == ["focal", "bce"] * 2
    many = comparison.candidates[0].labels[1].metrics["average_precision"]
    assert f"{many.value:.3f} {many.low:.2f}-{many.high:.2f}" in rows[-4]


def test_the_baseline_is_the_best_where_none_is_better() -> None:
    comparison = make_comparison(["few", "many", "x"], noises={"focal": 2.0, "bce": 0.1})
    focal, base = comparison.candidates
    twins = [dataclasses.replace(base, name=name) for name in ("twin", "other")]
    comparison = dataclasses.replace(comparison, candidates=[*twins, focal, base])
    rows = labels_of(draw(comparison))
    assert len(rows) == 3
    for row in rows[1:]:
        assert row.split()[2] == "bce"
        assert row.split()[-3:] == ["-", "-", "-"]


@pytest.mark.parametrize("labels", [["y"], ["few", "many_of_a_long_name", "unlearned"]])
def test_a_narrow_terminal_has_a_table_per_metric_and_cuts_no_number(labels: list[str]) -> None:
    comparison = make_comparison(labels)
    lines = draw(comparison, width=40)
    assert max(map(len, lines)) <= 40
    text = "\n".join(lines)
    assert "…" not in text
    for candidate in comparison.candidates:
        for name, places in (("average_precision", 3), ("f1", 3), ("log_loss", 4)):
            found = candidate.macro[name]
            assert f"{found.value:.{places}f}" in text
            if found.difference is not None:
                assert f"{found.difference_low:+.{places}f}" in text


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
    assert "…" not in re.sub("…x+", "", text)  # a long name may lose its middle, a number nothing
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
    content = to_json(comparison, {"run": "runs/a", "seeds": 5})
    assert content.endswith(b"}\n")
    document = json.loads(content)
    assert list(document)[:3] == ["run", "seeds", "rows"]
    assert document["conclusions"] == comparison.conclusions
    base = document["candidates"][1]
    assert base["macro"]["f1"]["difference"] is None
    assert base["labels"][1]["metrics"]["f1"]["value"] is None


# ------------------------------------------------------------------------------------- the page


def rows_of(comparison: Comparison) -> dict[str, MetricRows]:
    """Return the rows of the page by the name of their metric."""
    macro = {candidate.name: candidate.macro for candidate in reversed(comparison.candidates[:2])}
    improving = {c.name for c in comparison.candidates if c.still_improving}
    return {
        rows.name: rows for rows in list_metric_rows(comparison.metrics, {"": macro}, improving)
    }


def test_a_verdict_is_in_words_and_a_tie_is_called_one() -> None:
    comparison = make_comparison(["y"], noises={"focal": 0.7, "bce": 0.7})
    ranking = rows_of(comparison)["AP"]
    base, other = ranking.scopes[""]
    assert (base.sentence, base.drawing) == ("baseline", "")
    assert (other.verdict, other.sentence) == ("tie", "tie: cannot be told apart from bce")
    better = rows_of(make_comparison(["y"], noises={"focal": 0.1, "bce": 0.7}))["AP"].scopes[""][1]
    assert (better.verdict, better.sentence) == ("better", "better")
    focal, bce = comparison.candidates
    unsettled = dataclasses.replace(
        comparison, candidates=[dataclasses.replace(focal, still_improving=True), bce]
    )
    assert (
        rows_of(unsettled)["AP"]
        .scopes[""][1]
        .sentence.startswith("no verdict: focal still improved")
    )
    without = rows_of(make_comparison(["y"], noises={"focal": 0.1, "bce": 0.7}, replicates=0))
    assert without["AP"].scopes[""][1].sentence == "no interval"


def test_one_axis_per_metric_says_which_side_is_better() -> None:
    found = rows_of(make_comparison(["y"], noises={"focal": 0.1, "bce": 0.7}))
    assert [name for name, rows in found.items() if not rows.is_folded] == ["AP", "F1", "Log loss"]
    assert [end.split()[-1] for end in found["AP"].axis] == ["worse", "0", "better"]
    assert [end.split()[-1] for end in found["Log loss"].axis] == ["better", "0", "worse"]


def test_the_page_of_candidates_has_findings_first_and_the_method_last() -> None:
    comparison = make_comparison(["few", "many", "x"])
    page = draw_candidates(comparison, {}).decode()
    text = html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]))
    places = [text.index(sentence) for sentence in comparison.conclusions]
    assert places == sorted(places)
    assert places[-3] < text.index("Averages over labels") < text.index("Method and versions")
    assert text.index("Method and versions") < places[-2] < places[-1]
    assert "1,200 out-of-fold rows of rows.csv" in page
