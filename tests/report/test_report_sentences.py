"""What an evaluation says: true of its numbers, and only where they say it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from report_data import change_label

from imbalance_cli.decisions.untuned import Untuned
from imbalance_cli.evaluation import DenseRows, Estimate, Evaluation, Resampling, evaluate_rows
from imbalance_cli.report.chance import is_above_among, is_no_better_than_chance
from imbalance_cli.report.names import list_names, show_name
from imbalance_cli.report.sentences import describe_findings


def evaluate(labels: list[str], replicates: int = 20) -> Evaluation:
    random = torch.Generator().manual_seed(0)
    p = torch.rand(300, len(labels), generator=random, dtype=torch.float64)
    y = (torch.rand(p.shape, generator=random) < 0.2).float()
    half = torch.full((len(labels),), 0.5)
    kept = [True] * len(labels)
    evaluation = evaluate_rows(
        DenseRows(p, y),
        half,
        labels,
        part="test",
        source="t.csv",
        learnable=kept,
        resampling=Resampling(replicates),
    )
    return with_labels(evaluation, untuned=Untuned())


def with_labels(evaluation: Evaluation, **changes: object) -> Evaluation:
    labels = [change_label(label, **changes) for label in evaluation.labels]
    return dataclasses.replace(evaluation, labels=labels)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.05, 0.15, "Not shown to be better than chance (the interval of AP includes the "),
        (0.1, 0.2, "Not shown to be better than chance"),
        (
            0.05,
            0.6,
            "The interval is too wide to tell from chance: a (0.05 to 0.6, prevalence 0.1).",
        ),
        (0.2, 0.8, "Better than chance, but the interval is too wide to tell by how much: a "),
        (0.2, 0.4, ""),
    ],
)
def test_chance_and_wide_intervals(low: float, high: float, said: str) -> None:
    ap = Estimate((low + high) / 2, low, high)
    evaluation = with_labels(evaluate(["a"]), average_precision=ap, prevalence=0.1)
    found = describe_findings(evaluation)
    assert found[0].startswith(said) if said else found == []


@pytest.mark.parametrize(
    ("low", "labels", "is_above"),
    [(0.105, 1, True), (0.105, 15, False), (0.14, 15, True), (0.14, 5000, False), (0.09, 1, False)],
)
def test_better_than_chance_allows_for_how_many_labels_there_are(
    low: float, labels: int, *, is_above: bool
) -> None:
    ap = Estimate(0.2, low, 0.33)
    evaluation = with_labels(evaluate(["a"]), average_precision=ap, prevalence=0.1)
    [label] = evaluation.labels
    assert (
        is_above_among(label, dataclasses.replace(evaluation, labels=[label] * labels)) is is_above
    )


@pytest.mark.parametrize(
    ("ap_high", "auc_high", "said"),
    [
        (0.15, 0.8, "alone (the interval of AP includes the prevalence): a (0.05 to 0.15, "),
        (0.6, 0.8, "alone, and the interval is too wide to tell by how much: a (0.05 to 0.6, "),
        (0.15, 0.95, "by how much: a (0.05 to 0.15, prevalence 0.1; ROC AUC 0.6 to 0.95)."),
    ],
)
def test_what_roc_auc_alone_tells_from_chance(ap_high: float, auc_high: float, said: str) -> None:
    changes = {"average_precision": Estimate(0.1, 0.05, ap_high), "prevalence": 0.1}
    above = with_labels(evaluate(["a"]), **changes, roc_auc=Estimate(0.75, 0.6, auc_high))
    [found] = describe_findings(above)
    assert found.startswith("Better than chance by ROC AUC alone")
    assert said in found


@settings(deadline=None, max_examples=50)
@given(intervals=st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=3))
def test_sentences_count_the_labels_that_the_page_filters(
    intervals: list[tuple[float, float, float, float]],
) -> None:
    three = evaluate(["a", "b", "c"])
    labels = [
        change_label(
            label,
            average_precision=Estimate(0.5, *sorted(ends[:2])),
            roc_auc=Estimate(0.5, *sorted(ends[2:])),
            prevalence=0.1,
        )
        for label, ends in zip(three.labels, intervals, strict=False)
    ]
    told = " ".join(describe_findings(dataclasses.replace(three, labels=labels)))
    better = told[told.index("Better than chance, ") :] if "Better than chance, " in told else ""
    named = told.removesuffix(better).count(", prevalence 0.1")
    assert named == sum(map(is_no_better_than_chance, labels))


def test_few_labels_are_named_and_the_others_counted() -> None:
    evaluation = evaluate([f"label{i}" for i in range(9)])
    found = with_labels(evaluation, average_precision=Estimate(0.2, 0.1, 0.3), prevalence=0.2)
    [sentence] = describe_findings(found)
    assert sentence.count("label") == 3
    assert sentence.endswith("; and 6 more.")
    commonest = max(evaluation.labels, key=lambda label: label.positives)
    assert commonest.label in sentence


def test_no_interval_is_told_unless_none_was_asked_for() -> None:
    why = {"average_precision": "fewer than 5 rows of a class"}
    without = {"average_precision": Estimate(0.5), "without_interval": why}
    lacking = with_labels(evaluate(["a", "b"]), **without)
    found = describe_findings(lacking)
    assert found == ["Too few positives or negatives for an interval (fewer than 5 rows): a and b."]
    found = describe_findings(dataclasses.replace(lacking, resampled="groups"))
    said = "Too few groups for an interval (fewer than 5 have a positive, or a negative): a and b."
    assert found == [said]
    found = describe_findings(with_labels(evaluate(["a"], 0), average_precision=Estimate(0.5)))
    assert found == []
    alike = {"average_precision": "all replicates are alike"}
    perfect = {"average_precision": Estimate(1.0), "without_interval": alike}
    assert describe_findings(with_labels(evaluate(["a"]), **perfect)) == []


def test_nothing_known_says_nothing() -> None:
    nothing = Estimate(None)
    evaluation = with_labels(evaluate(["a", "b"]), average_precision=nothing, f1=nothing)
    assert describe_findings(evaluation) == []


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [(0.3, 0.01, True), (0.3, 0.2, False), (0.009, 0.0, False), (None, 0.0, False)],
)
def test_weighting_that_was_undone(*, before: float | None, after: float, is_told: bool) -> None:
    surely = Estimate(0.5, 0.45, 0.55)
    evaluation = with_labels(
        evaluate(["a"]),
        average_precision=surely,
        ece=Estimate(after),
        untuned=Untuned(None, before),
    )
    told = "The loss miscalibrates the raw scores: ECE 0.300 before correction"
    expected = [told + ", 0.010 after."] if is_told else []
    assert describe_findings(evaluation) == expected


def test_the_most_miscalibrated_label_is_named() -> None:
    evaluation = with_labels(
        evaluate(["a", "b", "c"]),
        average_precision=Estimate(0.5, 0.45, 0.55),
        ece=Estimate(0.01),
    )
    labels = [
        dataclasses.replace(label, untuned=Untuned(None, error))
        for label, error in zip(evaluation.labels, (0.1, 0.4, 0.012), strict=True)
    ]
    [told] = describe_findings(dataclasses.replace(evaluation, labels=labels))
    assert told.startswith("The loss miscalibrates the raw scores of 2 of 3 labels, most for")
    assert "most for b: ECE 0.400 before correction, 0.010 after." in told


@pytest.mark.parametrize(
    ("tuned", "at_half", "told"),
    [
        (0.6, 0.5, "F1 is 0.600 at the chosen threshold, 0.100 more than at 0.5 (0.500)."),
        (0.5, 0.6, "F1 is 0.500 at the chosen threshold, 0.100 less than at 0.5 (0.600)."),
        (0.5, 0.5001, "F1 is 0.500 at the chosen threshold, as it would be at 0.5."),
    ],
)
def test_what_the_threshold_gained(tuned: float, at_half: float, told: str) -> None:
    surely = Estimate(0.5, 0.45, 0.55)
    changes = {"average_precision": surely, "f1": Estimate(tuned), "untuned": Untuned(at_half)}
    assert describe_findings(with_labels(evaluate(["a"]), **changes)) == [told]
    several = describe_findings(with_labels(evaluate(["a", "b"]), **changes))
    assert several == [told.replace("F1", "Macro F1").replace("threshold", "thresholds")]


@pytest.mark.parametrize(("each", "told"), [(6, "12 positives"), (9, "18 positives"), (10, "")])
def test_thresholds_that_rest_on_few_positives(each: int, told: str) -> None:
    changes = {"f1": Estimate(0.25), "untuned": Untuned(0.0), "positives": each}
    surely = Estimate(0.5, 0.45, 0.55)
    [found] = describe_findings(
        with_labels(evaluate(["a", "b"]), average_precision=surely, **changes)
    )
    end = f"; of {told}, too few to rely on." if told else "more than at 0.5 (0.000)."
    assert found.endswith(end)


def test_names_are_on_one_line_and_not_too_long() -> None:
    assert show_name("a\nb\t\x1b[31m") == "a\\nb\\t\\x1b[31m"
    assert show_name("é Ω 漢") == "é Ω 漢"
    assert len(show_name("x" * 500)) == 60
    assert list_names(["a"]) == "a"
    assert list_names(["a", "b", "c"]) == "a, b and c"
    assert list_names(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    evaluation = evaluate(["evil\n\x1b[31mname", "x" * 500])
    found = with_labels(evaluation, average_precision=Estimate(0.2, 0.1, 0.3), prevalence=0.2)
    [sentence] = describe_findings(found)
    assert sentence.isprintable()
    assert len(sentence) < 300
