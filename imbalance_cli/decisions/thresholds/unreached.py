"""Targets that no threshold reaches on the validation rows, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import show_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import ThresholdsSection
    from imbalance_cli.decisions.thresholds.choosing import Thresholds

NAMED = 3  # labels that a warning names
HELD = {"recall_at_precision": "precision", "precision_at_recall": "recall"}
"""The metric that thresholds.target is a value of; of top_k it is rows."""


def describe_unreached(
    thresholds: Thresholds, labels: Sequence[str], settings: ThresholdsSection
) -> list[str]:
    """Return a sentence on the labels whose target cannot be reached, or none."""
    missed = (~thresholds.reached.isnan()).nonzero()[:, 0].tolist()
    target = settings.target
    if not missed or target is None:
        return []
    farthest = sorted(missed, key=lambda i: -abs(float(thresholds.reached[i]) - target))
    nearest = {
        i: show_nearest(float(thresholds.reached[i]), settings.objective, target)
        for i in farthest[:NAMED]
    }
    shown = [f"{labels[i]!r} ({value})" for i, value in nearest.items()]
    more = len(missed) - len(shown)
    shown += [f"{more:,} more"] if more else []
    *names, last = shown
    listed = f"{', '.join(names)} and {last}" if names else last
    aim = (
        f"{show_rows(target)} decided positive"
        if settings.objective == "top_k"
        else f"{HELD[settings.objective]} {target:g}"
    )
    what = f"thresholds.target: {aim} cannot be reached"
    return [f"{what} on the validation rows of {listed}; the nearest that can be was taken"]


def show_rows(target: float) -> str:
    """Return the target of top_k in words: "1,000 rows" or "2 % of the rows"."""
    return f"{target:,.0f} rows" if target >= 1 else f"{show_percent(target)} of the rows"


def show_nearest(reached: float, objective: str, target: float) -> str:
    """Return what a threshold reaches of a target: a number of rows, their share, or a metric."""
    if objective != "top_k":
        return f"{reached:.3g}"
    return f"{reached:,.0f}" if target >= 1 else f"{show_percent(reached)}"
