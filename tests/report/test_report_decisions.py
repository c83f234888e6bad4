"""What thresholds were chosen for, in sentences; the numbers are scikit-learn's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics
from small_runs import fit_run, make_columns, succeed, write_config

from imbalance_cli.config import ThresholdsSection
from imbalance_cli.report.decisions import describe_decisions

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = [30.0, 10.0, 20.0, 940.0]  # true and false positives, false and true negatives
TARGETS = np.repeat([1, 0, 1, 0], [30, 10, 20, 940])
DECISIONS = np.repeat([1, 1, 0, 0], [30, 10, 20, 940])


def label(name: str = "y", **changes: Any) -> dict[str, Any]:  # noqa: ANN401  of run.json
    entry: dict[str, Any] = {"label": name, "learnable": True, "validation_positives": 50}
    entry |= {"threshold_pooled": False, "threshold_reached": None, "validation_counts": COUNTS}
    return entry | changes


def describe(labels: list[dict[str, Any]], **settings: Any) -> str:  # noqa: ANN401  of a config
    section = ThresholdsSection.model_validate(settings)
    return " ".join(describe_decisions(section.model_dump(mode="json"), labels))


@pytest.mark.parametrize(
    ("objective", "name", "value"),
    [
        ("f1", "F1", metrics.f1_score(TARGETS, DECISIONS)),
        ("f2", "F2", metrics.fbeta_score(TARGETS, DECISIONS, beta=2)),
        ("mcc", "MCC", metrics.matthews_corrcoef(TARGETS, DECISIONS)),
        (
            "balanced_accuracy",
            "balanced accuracy",
            metrics.balanced_accuracy_score(TARGETS, DECISIONS),
        ),
    ],
)
def test_a_number_to_make_best_and_what_it_reached(objective: str, name: str, value: float) -> None:
    said = f"chosen for {name}, which is {value:.3f} on the validation rows (50 positives)."
    assert describe([label()], objective=objective) == f"The threshold was {said}"


def test_several_labels_have_means_and_the_fewest_positives() -> None:
    other = label("z", validation_counts=[10.0, 0.0, 0.0, 90.0], validation_positives=10)
    mean = (metrics.f1_score(TARGETS, DECISIONS) + 1) / 2
    said = f"F1, which is on mean {mean:.3f} on the validation rows (10 positives or more)."
    assert describe([label(), other]) == f"Thresholds were chosen for {said}"


def test_a_target_that_is_held_and_one_that_cannot_be() -> None:
    held = describe([label()], objective="recall_at_precision", target=0.7)
    assert "most recall at a precision of no less than 0.7" in held
    assert "recall is 0.600 at a precision of 0.750." in held
    missed = label(threshold_reached=0.75)
    told = describe([missed], objective="recall_at_precision", target=0.9)
    assert told.endswith(
        "The target, a precision of 0.9, cannot be reached on the validation rows of y: the "
        "nearest, 0.75, was taken."
    )
    both = describe(
        [missed, label("z", threshold_reached=0.5)], objective="precision_at_recall", target=0.99
    )
    assert (
        "The target, a recall of 0.99, cannot be reached on the validation rows of y and z" in both
    )


def test_folds_are_validated_on_by_the_networks_of_others() -> None:
    section = ThresholdsSection().model_dump(mode="json")
    [told] = describe_decisions(section, [label()], folds=5)
    assert told.endswith("on the rows held out of each fold (50 positives).")


def test_costs_are_of_a_validation_row() -> None:
    settings = {"objective": "cost", "false_positive_cost": 1.0, "false_negative_cost": 20.0}
    told = describe([label()], **settings)
    assert "costs of a false positive, 1, and of a false negative, 20" in told
    assert f"a row's cost is {(10 + 20 * 20) / 1000:.3f}." in told


@pytest.mark.parametrize(("target", "which"), [(40.0, "40 rows"), (0.02, "2 % of the rows")])
def test_top_k_says_what_it_finds(target: float, which: str) -> None:
    told = describe([label()], objective="top_k", target=target)
    assert f"chosen to decide the {which} of highest probability positive" in told
    assert "precision is 0.750 and recall 0.600." in told
    missed = describe([label(threshold_reached=1234.0)], objective="top_k", target=1e9)
    assert "target, 1,000,000,000 rows, cannot be reached on the validation rows of y" in missed
    assert missed.endswith("the nearest, 1,234, was taken.")


def test_half_is_no_choice_and_precision_may_be_undefined() -> None:
    nothing = label(validation_counts=[0.0, 0.0, 50.0, 950.0])
    told = describe([nothing], objective="half")
    assert told.startswith("The threshold was left at 0.5 (thresholds.objective: half)")
    assert "precision is \N{EN DASH} and recall 0.000." in told


def test_labels_of_few_positives_are_named() -> None:
    few = label("rare", threshold_pooled=True, validation_positives=3)
    sentence = "the threshold depends mostly on the calibrated probabilities: rare."
    assert f"With fewer than 100 validation positives, {sentence}" in describe([label(), few])
    assert "it depends mostly on the calibrated probabilities" in describe([few])


def test_labels_without_a_validation_positive_are_in_no_mean_and_named() -> None:
    nothing = {"validation_positives": 0, "validation_counts": [0.0, 10.0, 0.0, 990.0]}
    none = label("none", threshold_pooled=True, **nothing)
    told = describe([label(), none])
    mean = metrics.f1_score(TARGETS, DECISIONS)
    assert f"{mean:.3f} on the validation rows (1 label with 50 positives)." in told
    assert told.endswith(
        "Without a positive on the validation rows, the threshold depends on the "
        "calibrated probabilities alone: none."
    )
    assert "few positives" not in told
    assert "(2 labels with 50 positives or more)." in describe([label(), label("z"), none])
    assert "(no label has a positive there)" in describe([none, none])
    alone = describe([none])
    assert "on the validation rows (0 positives)." in alone
    assert alone.endswith(
        "Without a positive there, it is the best one by the calibrated probabilities."
    )


def test_what_was_not_learned_has_no_threshold() -> None:
    assert describe([label(learnable=False)]) == ""


def test_report_and_page_of_a_run_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    thresholds = {"objective": "precision_at_recall", "target": 0.8}
    report = {"plots": True}
    run = fit_run(tmp_path, make_columns(), thresholds=thresholds, report=report)
    said = "Thresholds were chosen for the most precision at a recall of no less than 0.8"
    assert said in (run.path / "report.html").read_text()
    assert said in succeed("report", run.path, "--format", "table").text
    assert said in succeed("evaluate", run.path, run.table, "--format", "table").text
    for entry in json.loads((run.path / "run.json").read_text())["labels"]:
        assert sum(entry["validation_counts"]) > 0
        found, _, missed, _ = entry["validation_counts"]
        assert found + missed == entry["validation_positives"]


def test_a_candidate_of_a_comparison_says_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    table = tmp_path / "table.csv"
    fit_run(tmp_path, make_columns(200))
    config = write_config(tmp_path / "compare.yaml", table, thresholds={"objective": "f2"})
    compared = ("--run-dir", tmp_path / "compared", "--losses", "bce", "--folds", "2", "--quiet")
    succeed("compare", config, *compared)
    arguments = ("--from-compare", tmp_path / "compared", "--choose", "bce", "--format", "table")
    outcome = succeed("fit", *arguments, "--run-dir", tmp_path / "chosen")
    assert "Thresholds were chosen for F2, which is on mean" in outcome.text
