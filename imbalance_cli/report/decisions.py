"""What thresholds were chosen for, and what came of it on the validation rows, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from imbalance_cli.decisions.thresholds import show_nearest, show_rows
from imbalance_cli.errors import number_of
from imbalance_cli.metrics import Confusion
from imbalance_cli.report.names import list_names, show_name
from imbalance_cli.report.wording import show_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

QUALITIES: dict[str, tuple[str, Callable[[Confusion], torch.Tensor]]] = {
    "f1": ("F1", Confusion.f_beta),
    "f2": ("F2", lambda counts: counts.f_beta(2.0)),
    "mcc": ("MCC", Confusion.mcc),
    "balanced_accuracy": ("balanced accuracy", Confusion.balanced_accuracy),
}
"""The objectives that make one number as good as it can be."""
HELD = {
    "recall_at_precision": ("recall", "precision"),
    "precision_at_recall": ("precision", "recall"),
}
"""The objectives that hold one number: the one that is made as good as it can be, and that one."""
CHOICES = {
    **{objective: f"chosen for {name}" for objective, (name, _) in QUALITIES.items()},
    **{
        objective: f"chosen for the most {best} at a {held}"
        for objective, (best, held) in HELD.items()
    },
    "cost": "set by the costs of a false positive and a false negative",
    "top_k": "chosen to decide the rows of highest probability positive",
    "half": "left at 0.5",
}
"""How thresholds came to be, by the objective, in a few words."""


def describe_decisions(
    settings: Mapping[str, Any], labels: Sequence[Mapping[str, Any]], *, folds: int | None = None
) -> list[str]:
    """Return what the thresholds of a run were chosen for, and what they reached.

    Numbers of several labels are means over those that have them.

    Args:
        settings: the section `thresholds` of its config.
        labels: what run.json holds of each.
        folds: how many the run has; each is then validated on by the others' networks.
    """
    learned = [label for label in labels if label["learnable"]]
    if not learned:
        return []
    rows = "the rows held out of each fold" if folds else "the validation rows"
    is_one = len(labels) == 1
    # labels without a validation positive are in no mean
    counted = [label for label in learned if label["validation_positives"]] or learned
    found = Confusion(
        *torch.tensor([label["validation_counts"] for label in counted], dtype=torch.float64).T
    )
    choice = _describe_choice(
        settings,
        found,
        "is" if is_one else "is on mean",
        f"{rows} ({_count_positives(counted, learned)})",
    )
    first = f"{'The threshold was' if is_one else 'Thresholds were'} {choice}."
    return [
        first,
        *_describe_pooled(learned, rows, settings["minimum_positives"]),
        *_describe_unreached(settings, learned, rows),
    ]


def describe_given(thresholds: Mapping[str, float]) -> list[str]:
    """Return which thresholds were given in place of the run's, by name or glob of labels."""
    of_all = thresholds.get("*")
    others = {name: value for name, value in thresholds.items() if name != "*"}
    shown = [] if of_all is None else [f"{of_all:.3g} for all labels"]
    shown += [f"{value:.3g} for {show_name(name)}" for name, value in others.items()]
    rest = "" if of_all is not None else "; other labels keep the run's"
    return [f"Thresholds were given: {', '.join(shown)}{rest}."]


def _count_positives(
    counted: Sequence[Mapping[str, Any]], learned: Sequence[Mapping[str, Any]]
) -> str:
    """Return "50 positives", or of several labels the fewest that one has."""
    fewest = min(label["validation_positives"] for label in counted)
    if len(learned) == 1:
        return number_of(fewest, "positive")
    if not fewest:
        return "no label has a positive there"
    if len(counted) == len(learned):
        return f"{number_of(fewest, 'positive')} or more"
    if len(counted) == 1:
        return f"1 label with {number_of(fewest, 'positive')}"
    return f"{len(counted):,} labels with {number_of(fewest, 'positive')} or more"


def _describe_choice(settings: Mapping[str, Any], found: Confusion, is_: str, rows: str) -> str:
    """Return what was aimed at and reached.

    Args:
        settings: the section of the config.
        found: the counts of the validation rows of each label.
        is_: says that a number is one, or a mean.
        rows: what the validation rows are called.
    """
    objective, target = settings["objective"], settings["target"]
    precision, recall = _mean(found.precision()), _mean(found.recall())
    if objective in QUALITIES:
        name, quality = QUALITIES[objective]
        return f"chosen for {name}, which {is_} {_mean(quality(found))} on {rows}"
    if objective in HELD:
        best, held = HELD[objective]
        values = {"precision": precision, "recall": recall}
        return (
            f"chosen for the most {best} at a {held} of no less than {target:g}: on {rows} "
            f"{best} {is_} {values[best]} at a {held} of {values[held]}"
        )
    if objective == "cost":
        wrong = settings["false_positive_cost"], settings["false_negative_cost"]
        return (
            f"set by the costs of a false positive, {wrong[0]:g}, and of a false negative, "
            f"{wrong[1]:g}: on {rows} a row's cost {is_} {_mean(_cost_of_a_row(found, *wrong))}"
        )
    if objective == "top_k":
        aim = f"chosen to decide the {show_rows(target)} of highest probability positive"
    else:
        aim = "left at 0.5 (thresholds.objective: half)"
    return f"{aim}: on {rows} precision {is_} {precision} and recall {recall}"


def _describe_pooled(learned: Sequence[Mapping[str, Any]], rows: str, enough: int) -> list[str]:
    """Name the labels whose threshold depends mostly, or only, on calibrated probabilities."""
    pooled = [label for label in learned if label["threshold_pooled"]]
    few = [label["label"] for label in pooled if label["validation_positives"]]
    without = [label["label"] for label in pooled if not label["validation_positives"]]
    if len(learned) == 1 and pooled:
        return [
            f"With fewer than {enough:,} positives, it depends mostly on the calibrated "
            "probabilities."
            if few
            else "Without a positive there, it is the best one by the calibrated probabilities."
        ]
    sentences = []
    if few:
        sentences.append(
            f"With fewer than {enough:,} validation positives, the threshold depends mostly on the "
            f"calibrated probabilities: {list_names(few)}."
        )
    if without:
        sentences.append(
            f"Without a positive on {rows}, the threshold depends on the "
            f"calibrated probabilities alone: {list_names(without)}."
        )
    return sentences


def _describe_unreached(
    settings: Mapping[str, Any], learned: Sequence[Mapping[str, Any]], rows: str
) -> list[str]:
    missed = [label for label in learned if label["threshold_reached"] is not None]
    if not missed:
        return []
    objective, target = settings["objective"], settings["target"]
    aim = show_rows(target) if objective == "top_k" else f"a {HELD[objective][1]} of {target:g}"
    names = list_names([label["label"] for label in missed])
    sentence = f"The target, {aim}, cannot be reached on {rows} of {names}"
    if len(missed) > 1:
        return [f"{sentence}: the nearest was taken."]
    nearest = show_nearest(missed[0]["threshold_reached"], objective, target)
    return [f"{sentence}: the nearest, {nearest}, was taken."]


def _cost_of_a_row(found: Confusion, false_positive: float, false_negative: float) -> torch.Tensor:
    cost = false_positive * found.false_positives + false_negative * found.false_negatives
    return cost / torch.stack(found).sum(dim=0)


def _mean(values: torch.Tensor) -> str:
    mean = float(values.nanmean())
    return show_number(None if math.isnan(mean) else mean)
