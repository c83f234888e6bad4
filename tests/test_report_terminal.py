"""The report as a table: every number, in 80 columns, without markup in names."""

from __future__ import annotations

import csv
import io
import json

import pytest
import torch
from rich.console import Console

from imbalance_cli.evaluation import Evaluation, Resampling, evaluate_scores
from imbalance_cli.report import documents
from imbalance_cli.report.terminal import draw_report


def make_evaluation(
    labels: list[str], *, replicates: int = 20, known: bool = True, part: str = "test"
) -> Evaluation:
    """Evaluate random scores; the last label has no positive and was not learned."""
    random = torch.Generator().manual_seed(0)
    probabilities = torch.rand((400, len(labels)), generator=random, dtype=torch.float64)
    shares = torch.linspace(0.05, 0.4, len(labels))
    targets = (torch.rand(probabilities.shape, generator=random) < shares).float()
    targets[:, -1] = 0
    if not known:
        targets[:] = torch.nan
    learnable = [True] * (len(labels) - 1) + [False]
    return evaluate_scores(
        probabilities,
        targets,
        torch.full((len(labels),), 0.5),
        labels,
        part=part,
        source="t.csv",
        learnable=learnable,
        resampling=Resampling(replicates),
    )


def draw(evaluation: Evaluation, width: int = 80) -> list[str]:
    """Return the report's lines on a terminal of some width."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(draw_report(evaluation, "runs/a"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_row_a_label_commonest_first() -> None:
    lines = draw(make_evaluation(["few", "many", "none"]))
    assert lines[0].rstrip() == "400 test rows of t.csv"
    names = [line.split()[0] for line in lines[2:]]
    assert names.index("many") < names.index("few") < names.index("none")
    assert names.index("none") < names.index("macro") < names.index("micro")
    assert lines[-1].rstrip() == "run: runs/a"


def test_part_is_named_as_it_is_spoken() -> None:
    for part, spoken in (("valid", "valid"), ("out_of_fold", "out-of-fold")):
        evaluation = make_evaluation(["few", "none"], part=part)
        assert draw(evaluation)[0].rstrip() == f"400 {spoken} rows of t.csv"
        document = json.loads(documents.to_json(evaluation, "runs/a"))
        assert list(document["splits"]) == [part]


def test_numbers_are_those_of_the_evaluation() -> None:
    evaluation = make_evaluation(["few", "many", "none"])
    [line] = [line for line in draw(evaluation) if line.startswith("few ")]
    label = evaluation.labels[0]
    cells = line.split()
    assert cells[1] == f"{label.positives}/{label.support}"
    assert f"{label.average_precision.value:.3f}" in cells
    assert f"{label.average_precision.low:.2f}-{label.average_precision.high:.2f}" in cells
    assert f"{label.roc_auc.value:.3f}" in cells
    assert f"{label.recall.value:.3f}" in cells


def test_what_is_undefined_is_a_dash() -> None:
    lines = draw(make_evaluation(["few", "many", "none"]))
    line = next(line for line in lines if line.startswith("none"))
    assert line.split().count("-") >= 3
    assert "nan" not in "".join(lines).lower()
    assert any("not" in line and "learned" in line for line in lines)


def test_one_label_has_no_averages_and_may_have_no_intervals() -> None:
    text = "\n".join(draw(make_evaluation(["only"], replicates=0)))
    assert "macro" not in text
    assert "bootstrap" not in text
    assert "bootstrap" in "\n".join(draw(make_evaluation(["only"])))


def test_a_report_of_rows_without_known_labels() -> None:
    text = "\n".join(draw(make_evaluation(["a", "b"], known=False)))
    assert "nan" not in text.lower()
    assert "0/0" in text


@pytest.mark.parametrize("labels", [["y_departed_180_late", "y_b"], ["x" * 70, "y"]])
def test_it_fits_80_columns(labels: list[str]) -> None:
    lines = draw(make_evaluation([*labels, "[bold]:smile:"]))
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert "…" not in "".join(lines)


def test_names_are_shown_as_they_are() -> None:
    assert any(
        "[bold]:smile:" in line for line in draw(make_evaluation(["a", "[bold]:smile:"]), 120)
    )


def test_json_has_null_for_what_is_undefined() -> None:
    evaluation = make_evaluation(["few", "none"])
    content = documents.to_json(evaluation, "runs/a")
    assert content.endswith(b"}\n")
    document = json.loads(content)
    assert document["run"] == "runs/a"
    few, none = document["splits"]["test"]["labels"]
    assert few["average_precision"]["low"] < few["average_precision"]["value"]
    assert none["average_precision"] == {"value": None, "low": None, "high": None}
    assert none["recall"] is None
    assert none["positives"] == 0


def test_csv_has_a_blank_for_what_is_undefined() -> None:
    evaluation = make_evaluation(["few", 'a "quoted", name'])
    rows = list(csv.DictReader(io.StringIO(documents.to_csv(evaluation).decode())))
    assert [row["label"] for row in rows] == ["few", 'a "quoted", name']
    assert rows[1]["average_precision"] == ""
    assert rows[1]["roc_auc_low"] == ""
    label = evaluation.labels[0]
    assert float(rows[0]["average_precision"]) == label.average_precision.value
    assert float(rows[0]["average_precision_high"]) == label.average_precision.high
    assert int(rows[0]["positives"]) == label.positives


def test_of_many_labels_the_best_the_worst_and_the_rarest_are_shown() -> None:
    names = [f"label{i}" for i in range(70)]
    evaluation = make_evaluation(names, replicates=0)
    lines = draw(evaluation)
    scores = {
        label.label: label.average_precision.value
        for label in evaluation.labels
        if label.average_precision.value is not None
    }
    ranked = sorted(scores, key=lambda name: -scores[name])
    text = [line.rstrip() for line in lines]
    best, worst, rarest, every = (
        next(i for i, line in enumerate(text) if line.startswith(heading))
        for heading in ("best 20", "worst 20", "rarest 20", "all 70")
    )
    shown = [line.split()[0] if line else "" for line in text]
    assert shown[best + 1 : worst] == ranked[:20]
    assert shown[worst + 1 : rarest] == ranked[-20:]
    positives = {label.label: label.positives for label in evaluation.labels}
    others = [count for name, count in positives.items() if name not in shown[rarest:every]]
    assert max(positives[name] for name in shown[rarest + 1 : every]) <= min(
        count for count in others if count
    )
    assert any("70 labels in all: metrics.csv" in line for line in text)
    assert max(map(len, lines)) <= 80
