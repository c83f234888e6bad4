"""The report as a table: every number, in 80 columns, without markup in names."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from report_data import change_label
from rich.cells import cell_len
from rich.console import Console

from imbalance_cli.errors import ConfigError
from imbalance_cli.evaluation import DenseRows, Estimate, Evaluation, Resampling, evaluate_rows
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report import documents
from imbalance_cli.report.bars import WIDTH, BarScale, draw_bar
from imbalance_cli.report.label_columns import list_columns
from imbalance_cli.report.names import fold_name
from imbalance_cli.report.ordering import list_sorts, read_sort, sort_evaluation, value_of
from imbalance_cli.report.sentences import describe_findings
from imbalance_cli.report.terminal import Report


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
    return evaluate_rows(
        DenseRows(probabilities, targets),
        torch.full((len(labels),), 0.5),
        labels,
        part=part,
        source="t.csv",
        learnable=learnable,
        resampling=Resampling(replicates),
    )


def draw(evaluation: Evaluation, width: int = 80, sort: str = "prevalence") -> list[str]:
    """Return the report's lines on a terminal of some width."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(Report(evaluation, "runs/a", sort))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_row_a_label_commonest_first() -> None:
    lines = draw(make_evaluation(["few", "many", "none"]))
    assert lines[0].rstrip() == "400 test rows of t.csv"
    names = [line.split()[0] if line.strip() else "" for line in lines[2:]]
    assert names.index("many") < names.index("few") < names.index("none")
    assert names.index("none") < names.index("macro") < names.index("micro")
    assert lines[-1].rstrip() == "run: runs/a"


def test_labels_without_an_average_precision_set_no_scale() -> None:
    evaluation = make_evaluation(["few", "many", "none"])
    text = " ".join(line.strip() for line in draw(evaluation))
    shares = [label.prevalence for label in evaluation.labels[:2]]
    assert f"average precision, {shares[0]:.3f} to {shares[1]:.3f} without skill" in text
    assert "replicates of these rows, without" in text
    grouped = " ".join(map(str.strip, draw(dataclasses.replace(evaluation, resampled="groups"))))
    assert "replicates of these groups, without" in grouped


def test_part_is_named_as_it_is_spoken() -> None:
    for part, spoken in (("valid", "validation"), ("out_of_fold", "out-of-fold")):
        evaluation = make_evaluation(["few", "none"], part=part)
        assert draw(evaluation)[0].rstrip() == f"400 {spoken} rows of t.csv"
        document = json.loads(documents.to_json(evaluation, "runs/a"))
        assert list(document["splits"]) == [part]


def test_numbers_are_those_of_the_evaluation() -> None:
    evaluation = make_evaluation(["few", "many", "none"])
    [line] = [line for line in draw(evaluation) if line.startswith("few ")]
    label = evaluation.labels[0]
    cells = line.split()
    assert cells[1] == f"{label.positives}"
    assert f"{label.average_precision.value:.3f}" in cells
    assert f"{label.roc_auc.value:.3f}" in cells
    assert f"{label.recall.value:.3f}" in cells


def test_what_is_undefined_is_a_dash() -> None:
    lines = draw(make_evaluation(["few", "many", "none"]))
    line = next(line for line in lines if line.startswith("none"))
    assert line.split().count("-") >= 3
    assert "nan" not in "".join(lines).lower()
    assert any("not" in line and "learned" in line for line in lines)


def test_one_label_has_no_averages_and_may_have_no_intervals() -> None:
    for replicates in (0, 20):
        evaluation = make_evaluation(["only", "none"], replicates=replicates)
        text = "\n".join(draw(dataclasses.replace(evaluation, labels=evaluation.labels[:1])))
        assert "macro" not in text
        assert ("bootstrap" in text) == bool(replicates)


def test_a_report_of_rows_without_known_labels() -> None:
    text = "\n".join(draw(make_evaluation(["a", "b"], known=False)))
    assert "nan" not in text.lower()
    assert "0/0" not in text
    assert "bar" not in text.split("AUC: ROC AUC")[1]


def test_rows_of_one_class_have_no_scale_of_bars() -> None:
    evaluation = make_evaluation(["a"], replicates=0)
    for prevalence, value in ((0.0, None), (1.0, 1.0)):
        [label] = evaluation.labels
        alike = change_label(label, prevalence=prevalence, average_precision=Estimate(value))
        degenerate = dataclasses.replace(evaluation, labels=[alike], replicates=20)
        assert "log-odds scale" not in "\n".join(draw(degenerate))
    assert BarScale(0.2, 0.99).describe() == "log-odds scale, 20 % to 99 %"
    assert BarScale(0.998, 0.999).describe() == "log-odds scale, 99.8 % to 99.9 %"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 240])
@pytest.mark.parametrize(
    "labels",
    [
        ["y_departed_180_late", "y_b"],
        ["x" * 500, "y"],
        ["many words in a name that is long", "漢字" * 40],
        [f"label {i} of many" for i in range(70)],
    ],
)
def test_it_fits_the_terminal(labels: list[str], width: int) -> None:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False)
    console.print(Report(make_evaluation([*labels, "[bold]:smile:"]), "runs/a"))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= width


def headings(evaluation: Evaluation, width: int, sort: str = "prevalence") -> str:
    lines = draw(evaluation, width, sort)
    first = next(i for i, line in enumerate(lines) if line.startswith("label"))
    return " ".join(line for line in lines[first - 1 : first + 1] if " rows of " not in line)


def test_80_columns_have_what_a_report_is_asked_for() -> None:
    evaluation = make_evaluation(["y_departed_180_late", "y_cancelled", "none"])
    shown = headings(evaluation, 80)
    for heading in ("pos.", "AP", "┊ no skill", "AUC", "F1", "prec", "recall", "thresh", "ECE"):
        assert heading in shown
    assert "MCC" not in shown


def test_a_wider_terminal_has_more_columns() -> None:
    evaluation = make_evaluation(["y_departed_180_late", "y_cancelled", "none"])
    shown = [headings(evaluation, width).split() for width in (60, 80, 100, 120, 160)]
    assert all(len(a) < len(b) for a, b in itertools.pairwise(shown))
    for heading in ("interval", "MCC", "Brier", "skill", "spec.", "F2", "lift"):
        assert heading in shown[-1]


def test_what_is_sorted_by_is_shown_first_and_best_first() -> None:
    evaluation = make_evaluation(["a", "b", "c", "none"])
    assert "Brier" not in headings(evaluation, 80).split()
    assert "Brier" in headings(evaluation, 80, "brier").split()
    for metric in ("f1", "brier"):
        values = {e.label: getattr(e, metric).value for e in evaluation.labels[:-1]}
        ranked = sorted(values, key=lambda name: values[name], reverse=metric == "f1")
        lines = draw(evaluation, 80, metric)
        stop = next(i for i, line in enumerate(lines) if line.startswith("macro"))
        names = [line.split()[0] for line in lines[:stop] if line.strip()]
        assert [name for name in names if name in {*values, "none"}] == [*ranked, "none"]


def test_long_names_fold_at_word_ends() -> None:
    lines = draw(make_evaluation(["first_word_second_word_third", "b"]))
    start = next(i for i, line in enumerate(lines) if line.startswith("first_word"))
    assert lines[start].rstrip() == "first_word_second_"
    assert lines[start + 1].startswith("word_third ")


def test_names_with_control_characters_are_escaped() -> None:
    text = "\n".join(draw(make_evaluation(["new\nline", "\x1b[31mred", "<script>", "b"])))
    assert r"new\nline" in text
    assert r"\x1b[31mred" in text
    assert "\x1b" not in text
    assert "<script>" in text


def test_averages_say_over_how_many_labels() -> None:
    text = "\n".join(draw(make_evaluation(["few", "many", "none"])))
    assert "macro of 2 " in text
    assert "micro " in text
    assert "weighted " in text
    evaluation = make_evaluation(["few", "many", "none"])
    for name in ("samples F1", "subset accuracy", "Hamming loss", "ranking AP", "coverage error"):
        assert name in " ".join(text.split())
    counts = evaluation.macro_labels | {"precision": 1}
    fewer = dataclasses.replace(evaluation, macro_labels=counts)
    assert "(prec 1)" in "\n".join(draw(fewer))


def test_findings_stand_below_the_table() -> None:
    evaluation = make_evaluation(["few", "many", "none"])
    text = " ".join(" ".join(draw(evaluation)).split())
    for sentence in describe_findings(evaluation):
        assert " ".join(sentence.split()) in text
    assert describe_findings(evaluation)


def test_a_bar_has_the_point_in_its_interval_and_no_skill_beside_it() -> None:
    evaluation = make_evaluation(["few", "many", "none"])
    label = change_label(
        evaluation.labels[0], prevalence=0.01, average_precision=Estimate(0.3, 0.15, 0.5)
    )
    bar = draw_bar(label, BarScale(0.001, 0.999))
    assert bar.plain == " ┊ ─●─    "
    assert bar.style == "green"
    unclear = change_label(label, average_precision=Estimate(0.3, 0.005, 0.5))
    assert draw_bar(unclear, BarScale(0.001, 0.999)).style == "yellow"
    point = change_label(label, average_precision=Estimate(0.3))
    assert draw_bar(point, BarScale(0.001, 0.999)).plain == " ┊  ●     "
    nothing = change_label(label, prevalence=None, average_precision=Estimate(None))
    assert draw_bar(nothing, BarScale.of([nothing])).plain.isspace()
    same = change_label(label, prevalence=0.3, average_precision=Estimate(0.3))
    assert draw_bar(same, BarScale.of([same])).plain == "●         "


@settings(deadline=None)
@given(shares=st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_every_share_has_a_cell(shares: list[float]) -> None:
    low, value, high, prevalence = *sorted(shares[:3]), shares[3]
    [label] = make_evaluation(["none"]).labels
    label = change_label(label, prevalence=prevalence, average_precision=Estimate(value, low, high))
    bar = draw_bar(label, BarScale.of([label])).plain
    assert len(bar) == WIDTH
    assert bar.count("●") == 1


def test_no_colours_in_a_pipe_nor_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report(make_evaluation(["few", "many", "none"]), "runs/a")

    def written(**options: object) -> str:
        stream = io.StringIO()
        Console(file=stream, width=80, **options).print(report)  # type: ignore[arg-type]
        return stream.getvalue()

    assert "\x1b" not in written()
    colour = re.compile("\x1b\\[[0-9;]*3[0-9]m")
    assert colour.search(written(force_terminal=True, color_system="standard"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(written(force_terminal=True, color_system="standard"))


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
    assert any("70 labels in all, best and worst by AP: " in x for x in text)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", list_sorts())
def test_labels_can_be_sorted_by_what_they_have(name: str) -> None:
    evaluation = make_evaluation(["c", "a", "b", "none"])
    assert read_sort(name) == name
    ordered = sort_evaluation(evaluation, name).labels
    assert sorted(label.label for label in ordered) == ["a", "b", "c", "none"]
    if name == "label":
        assert [label.label for label in ordered] == ["a", "b", "c", "none"]
        return
    values = [value_of(label, name) for label in ordered]
    known = [value for value in values if value is not None]
    assert values[: len(known)] == known
    assert known == sorted(known, reverse=name not in {"brier", "log_loss", "ece"})


def test_labels_can_be_sorted_by_the_headings_of_the_tables() -> None:
    for name, column in list_columns().items():
        if name in list_sorts():
            assert read_sort(column.heading) == name
    for name, word in ((spec.name, spec.heading) for spec in METRIC_SPECS.values()):
        assert read_sort(word) == name
        assert read_sort(word.upper()) == name


def test_other_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="--sort: no metric 'averge_precision'") as raised:
        read_sort("averge_precision")
    assert raised.value.hint == "did you mean 'average_precision'?"
    with pytest.raises(ConfigError) as raised:
        read_sort("zzz")
    assert str(raised.value.hint).startswith("--sort takes prevalence, label, ")


@settings(deadline=None)
@given(name=st.text(max_size=80), width=st.integers(9, 40))
def test_folded_names_fit(name: str, width: int) -> None:
    lines = fold_name(name, width).split("\n")
    assert len(lines) <= 3
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


def test_names_lose_their_middle_where_they_are_too_long() -> None:
    name = "start" + "x" * 490 + "finish"
    first, _, last = fold_name(name, 20).split("\n")
    assert first.startswith("start")
    assert last.startswith("…")
    assert last.endswith("finish")
    assert fold_name("one two three", 20) == "one two three"
    assert fold_name("one two three four", 10) == "one two\nthree four"
