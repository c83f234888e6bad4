"""How a model does on the groups of a column, and which groups differ from the others.

Shapes: N rows, n of a group, G groups.

Recall, average precision and calibration error of a group have the intervals that those of all rows
have. A group differs from the rows of all other groups if the interval of the difference, made of
both intervals (Zou & Donner 2008), does not hold 0. These are widened from the quantile of one
comparison to that of all comparisons (Bonferroni).
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.evaluation.curves import normal_quantile, wilson_interval
from imbalance_cli.evaluation.label_numbers import evaluate_label
from imbalance_cli.evaluation.resampling import plan_joint_draws
from imbalance_cli.evaluation.results import (
    LEAST_POSITIVES,
    LEAST_ROWS,
    SLICED,
    Estimate,
    SliceEvaluation,
    Slices,
    finite,
)
from imbalance_cli.evaluation.scored_rows import DenseRows
from imbalance_cli.metrics import METRIC_SPECS, interval_multiplier, weights_of_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.evaluation.label_numbers import LabelNumbers, Shared
    from imbalance_cli.evaluation.resampling import Resampling

PLACES = {name: place for place, name in enumerate(METRIC_SPECS) if name in SLICED}


@dataclasses.dataclass(frozen=True)
class Grouping:
    """Which group of a column each row is in.

    Attributes:
        column: its name.
        names: (G,) of the groups; None for that of missing cells.
        of_row: (N,) from 0.
    """

    column: str
    names: Sequence[str | None]
    of_row: NDArray[np.intp]

    def take(self, rows: torch.Tensor | None) -> Grouping:
        """Return the same of some rows, by their numbers; None for all."""
        if rows is None:
            return self
        return dataclasses.replace(self, of_row=self.of_row[rows.cpu().numpy()])


class SliceScan:
    """Takes in labels, and says how each does on the groups of some columns.

    Args:
        groupings: of the N rows.
        shared: by all labels; its joint draws are of all rows, and so of no use here.
        names: of the labels.
    """

    def __init__(self, groupings: Sequence[Grouping], shared: Shared, names: Sequence[str]) -> None:
        self._groupings, self._shared, self._names = groupings, shared, names
        self._looked: list[list[_Looked]] = [[] for grouping in groupings for _ in grouping.names]

    def add(self, probabilities: torch.Tensor, targets: torch.Tensor, number: int) -> None:
        """Take in a label: (N,) probabilities and targets, NaN where missing."""
        if not self._shared.counted[number]:
            return
        known = (~targets.isnan()).cpu().numpy()
        positives = int((targets == 1).sum())
        weights = weights_of_labels(self._shared.weights, number)
        shared = dataclasses.replace(self._shared, weights=weights)
        whole = _Part(probabilities, targets, number, shared)
        looked = iter(self._looked)
        for grouping in self._groupings:
            for place, group in enumerate(grouping.names):
                inside = grouping.of_row == place
                part = whole.take(inside & known)
                found = part.describe(grouping.column, group, self._names[number])
                own = others = None
                if found.positives >= LEAST_POSITIVES:
                    own = part.evaluate()
                    found = _with_metrics(found, own)
                is_seen = place == 1 and len(grouping.names) == 2  # noqa: PLR2004  by the other one
                is_enough = positives - found.positives >= LEAST_POSITIVES
                if own is not None and is_enough and not is_seen:
                    others = whole.take(~inside & known).evaluate()
                next(looked).append(_Looked(found, own, others))

    def finish(self) -> Slices:
        """Return how the labels do on each group, and which groups differ from the others."""
        looked = [one for group in self._looked for one in group]
        looks = sum(len(one.metrics()) for one in looked)
        return Slices(looks, [_judge(one, looks, self._shared.resampling) for one in looked])


@dataclasses.dataclass(frozen=True)
class _Part:
    """A label in some rows, (n,); what is shared has their weights, (n,), and groups."""

    probabilities: torch.Tensor
    targets: torch.Tensor
    number: int
    shared: Shared

    def take(self, chosen: NDArray[np.bool_]) -> _Part:
        """Return the rows that are chosen, (n,)."""
        device, shared = self.targets.device, self.shared
        rows = torch.from_numpy(np.flatnonzero(chosen)).to(device)
        weights = None if shared.weights is None else shared.weights[rows]
        groups = None if shared.groups is None else shared.groups.select(rows)
        own = dataclasses.replace(shared, weights=weights, groups=groups)
        return _Part(self.probabilities[rows], self.targets[rows], self.number, own)

    def describe(self, column: str, group: str | None, label: str) -> SliceEvaluation:
        """Return what is known before any metric: counts and the rate of positive decisions."""
        rows = len(self.targets)
        w = torch.ones(rows) if self.shared.weights is None else self.shared.weights
        weights, y = w.cpu().double().numpy(), self.targets.cpu().double().numpy()
        undefined = dict.fromkeys(SLICED, f"fewer than {LEAST_POSITIVES} positives")
        undefined |= {"decided": f"fewer than {LEAST_ROWS} rows"} if rows < LEAST_ROWS else {}
        return SliceEvaluation(
            slice=column,
            group=group,
            label=label,
            rows=rows,
            positives=int((y == 1).sum()),
            prevalence=float(weights @ y / weights.sum()) if rows else None,
            decided=Estimate(None) if rows < LEAST_ROWS else self._rate(weights),
            metrics=dict.fromkeys(SLICED, Estimate(None)),
            undefined=undefined,
        )

    def _rate(self, weights: NDArray[np.float64]) -> Estimate:
        """Return the share that is decided positive, with Wilson's interval.

        It is of as many rows as would vary as much if each varied by itself (Korn & Graubard 1998).
        """
        decided = self.probabilities >= self.shared.thresholds[self.number]
        apart, total = decided.cpu().double().numpy(), weights.sum()
        share = float(weights @ apart / total)
        resampling, groups = self.shared.resampling, self.shared.groups
        if not resampling.replicates:
            return Estimate(share)
        unit = np.arange(len(weights)) if groups is None else groups.of_row
        varies = float((np.bincount(unit, weights * (apart - share)) ** 2).sum())
        alike = float((np.bincount(unit, weights) ** 2).sum())
        rows = total**2 * (share * (1 - share) / varies if varies else 1 / alike)
        ends = wilson_interval(
            share, min(rows, len(weights)), normal_quantile(resampling.confidence)
        )
        return Estimate(share, *ends)

    def evaluate(self) -> LabelNumbers:
        """Return the numbers of the label, with intervals by draws of these rows alone."""
        shared = self.shared
        joint = plan_joint_draws(
            DenseRows(self.probabilities[:, None], self.targets[:, None]),
            shared.resampling,
            None if shared.groups is None else torch.from_numpy(shared.groups.of_row),
            is_weighted=shared.weights is not None,
        )
        own = dataclasses.replace(shared, joint=joint, counted=torch.zeros_like(shared.counted))
        return evaluate_label(self.probabilities, self.targets, self.number, own)


def _with_metrics(found: SliceEvaluation, own: LabelNumbers) -> SliceEvaluation:
    """Return a group with its metrics, which are all defined where there are positives."""
    metrics = {
        name: Estimate(float(own.points[place]), *map(finite, own.ends[place].tolist()))
        for name, place in PLACES.items()
    }
    undefined = {name: why for name, why in found.undefined.items() if name not in metrics}
    return dataclasses.replace(found, metrics=metrics, undefined=undefined)


# ------------------------------------------------------------------- which differ from the others


@dataclasses.dataclass(frozen=True)
class _Looked:
    """A group with its numbers, where it has enough positives, and those of all other groups."""

    found: SliceEvaluation
    own: LabelNumbers | None
    others: LabelNumbers | None

    def metrics(self) -> list[str]:
        """Return the metrics that are compared: those with an interval on both sides."""
        if self.own is None or self.others is None:
            return []
        ends = self.own.ends.isnan() | self.others.ends.isnan()
        return [name for name, place in PLACES.items() if not ends[place].any()]


def _judge(one: _Looked, looks: int, resampling: Resampling) -> SliceEvaluation:
    """Return a group with what the others have, and where it differs."""
    names = one.metrics()
    if one.own is None or one.others is None or not names:
        return one.found
    others = {name: float(one.others.points[PLACES[name]]) for name in names}
    others["prevalence"] = float(one.others.confusion.prevalence())
    differs = [name for name in names if _differ(name, one.own, one.others, looks, resampling)]
    return dataclasses.replace(one.found, others=others, differs=differs)


def _differ(
    name: str, own: LabelNumbers, others: LabelNumbers, looks: int, resampling: Resampling
) -> bool:
    """Return whether the interval of the difference of a metric, over all looks, is without 0."""
    (value, low, high), (other, other_low, other_high) = (
        _stretch(name, numbers, looks, resampling) for numbers in (own, others)
    )
    difference = value - other
    reach = (
        (value - low, other_high - other) if difference > 0 else (high - value, other - other_low)
    )
    return abs(difference) > math.hypot(*reach)


def _stretch(
    name: str, numbers: LabelNumbers, looks: int, resampling: Resampling
) -> tuple[float, ...]:
    """Return a metric and the ends of its interval at a level that allows for all looks.

    The ends move away from it on the scale of its intervals; those of a metric at the end of its
    range, which has no place there, as they are.
    """
    scale = METRIC_SPECS[name].scale
    one, all_of_them = (
        interval_multiplier(
            numbers.rarer, 1 - (1 - resampling.confidence) / n, resampling.replicates
        )
        for n in (1, looks)
    )
    value, ends = numbers.points[PLACES[name]], numbers.ends[PLACES[name]]
    place = scale.to(value)
    if place.isfinite():
        ends = scale.back(place + (scale.to(ends) - place) * (all_of_them / one))
    else:
        ends = value + (ends - value) * (all_of_them / one)
    least, most = scale.ends
    return (float(value), *ends.clamp(least, most).tolist())
