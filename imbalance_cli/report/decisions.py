"""What thresholds were chosen for, and what came of it on the validation rows, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from imbalance_cli.metrics import Confusion
from imbalance_cli.report.names import list_names
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
    counts = [label["validation_counts"] for label in learned]
    found = Confusion(*torch.tensor(counts, dtype=torch.float64).T)
    fewest = min(label["validation_positives"] for label in learned)
    is_one = len(labels) == 1
    rows = "the rows held out of each fold" if folds else "the validation rows"
    choice = _describe_choice(
        settings,
        found,
        "is" if is_one else "is on mean",
        f"{rows} ({fewest:,} positives{'' if is_one else ' or more'})",
    )
    first = f"{'The threshold was' if is_one else 'Thresholds were'} {choice}."
    return [first, *_describe_pooled(learned), *_describe_unreached(settings, learned, rows)]


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
        share = f"{target:,.0f} rows" if target >= 1 else f"{target:.3g} of the rows"
        aim = f"chosen to decide the {share} of highest probability positive"
    else:
        aim = "left at 0.5 (thresholds.objective: half)"
    return f"{aim}: on {rows} precision {is_} {precision} and recall {recall}"


def _describe_pooled(learned: Sequence[Mapping[str, Any]]) -> list[str]:
    pooled = [label["label"] for label in learned if label["threshold_pooled"]]
    if not pooled:
        return []
    if len(learned) == 1:
        return ["So few positives had less say in it than the calibrated probabilities."]
    return [f"All labels together have more say than the few positives of {list_names(pooled)}."]


def _describe_unreached(
    settings: Mapping[str, Any], learned: Sequence[Mapping[str, Any]], rows: str
) -> list[str]:
    missed = [label for label in learned if label["threshold_reached"] is not None]
    if not missed:
        return []
    counted = "number of rows" if settings["target"] >= 1 else "share of the rows"
    what = HELD.get(settings["objective"], ("", counted))[1]
    nearest = min(label["threshold_reached"] for label in missed)
    names = list_names([label["label"] for label in missed])
    target = f"The target, a {what} of {settings['target']:g}, cannot be reached"
    if len(missed) == 1:
        return [f"{target} on {rows} of {names}: the nearest, {nearest:.3g}, was taken."]
    return [f"{target} on {rows} of {names}: the nearest was taken."]


def _cost_of_a_row(found: Confusion, false_positive: float, false_negative: float) -> torch.Tensor:
    cost = false_positive * found.false_positives + false_negative * found.false_negatives
    return cost / torch.stack(found.parts()).sum(dim=0)


def _mean(values: torch.Tensor) -> str:
    mean = float(values.nanmean())
    return show_number(None if math.isnan(mean) else mean)
