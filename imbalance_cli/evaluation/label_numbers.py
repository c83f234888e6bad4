"""The numbers of one label, or of all cells as if they were of one.

Shapes: N rows, L labels, R replicates.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.evaluation.resampling import draw_apart
from imbalance_cli.metrics import METRICS, BandCounts, BandRows, Bands, Confusion, make_intervals

if TYPE_CHECKING:
    from imbalance_cli.evaluation.resampling import JointDraws, Resampling
    from imbalance_cli.metrics import Levels, Replicates

LEAST_FOR_INTERVAL = 5  # positives, and negatives; of 2, one is nearly the whole range


@dataclasses.dataclass(frozen=True)
class Sample:
    """What all labels share.

    Attributes:
        resampling: how intervals are made.
        levels: of the metrics.
        weights: (N,) above 0; None for alike.
        joint: draws the same rows for all labels; None where each is drawn apart.
    """

    resampling: Resampling
    levels: Levels
    weights: torch.Tensor | None
    joint: JointDraws | None


@dataclasses.dataclass(frozen=True)
class LabelNumbers:
    """The numbers of one label.

    Attributes:
        points: (metrics,) NaN where undefined.
        ends: (metrics, 2) of intervals, NaN where there is none.
        confusion: (1,) decisions.
        support: rows whose target is known.
        positives: of them.
    """

    points: torch.Tensor
    ends: torch.Tensor
    confusion: Confusion
    support: int
    positives: int


def evaluate_label(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    threshold: float,
    sample: Sample,
    *,
    number: int,
    is_counted: bool,
) -> LabelNumbers:
    """Compute the numbers of one label, and add its replicates to the averages.

    Args:
        probabilities: (N,).
        targets: (N,), NaN where missing.
        threshold: from which a row is decided positive.
        sample: what it shares with the other labels.
        number: of the label, which its own draws depend on.
        is_counted: whether averages are over it.
    """
    support, positives = int((~targets.isnan()).sum()), int((targets == 1).sum())
    nothing = torch.full((len(METRICS),), torch.nan, dtype=torch.float64, device=targets.device)
    ends = nothing[:, None].expand(-1, 2)
    if not support:
        none = torch.zeros(1, dtype=torch.float64, device=targets.device)
        return LabelNumbers(nothing, ends, Confusion(none, none, none, none), 0, 0)
    bands = Bands.of(probabilities, targets, threshold, sample.weights)
    merged = bands.merged()
    replicates, levels = sample.resampling.replicates, sample.levels
    if sample.joint is None and sample.weights is None:
        counts = BandCounts.of(bands)
        itself = counts.itself()
        points = itself.metrics(levels)[:, 0]
        size = min(positives, support - positives)
        if replicates and size >= LEAST_FOR_INTERVAL:
            fewer = counts if merged is bands else counts.merged(merged, bands)
            draws = draw_apart(fewer, sample.resampling, number, levels)
            if merged is not bands:
                draws += _shift(points, fewer.itself(), levels)
            ends = make_intervals(points, draws, size, sample.resampling.confidence)
        return LabelNumbers(points, ends, itself.confusion(), support, positives)
    rows = BandRows.of(bands, len(targets), sample.weights)
    itself = rows.itself()
    points = itself.metrics(levels)[:, 0]
    if sample.joint is not None:
        if merged is bands:
            draws, decisions = sample.joint.draw(rows, levels)
        else:
            fewer_rows = BandRows.of(merged, len(targets), sample.weights)
            draws, decisions = sample.joint.draw(fewer_rows, levels)
            draws += _shift(points, fewer_rows.itself(), levels)
        if is_counted:
            sample.joint.add(draws, decisions)
        size = sample.joint.units.count_rarer(targets)
        if size >= LEAST_FOR_INTERVAL:
            ends = make_intervals(points, draws, size, sample.resampling.confidence)
    return LabelNumbers(points, ends, itself.confusion(), support, positives)


def pool_labels(
    probabilities: torch.Tensor, targets: torch.Tensor, confusion: Confusion, sample: Sample
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each metric over all cells, (metrics,), and the ends of intervals, (metrics, 2).

    Args:
        probabilities: (N, L), few enough to be sorted as one ranking.
        targets: (N, L), NaN where missing; at least one is not.
        confusion: (1,) over all cells, at the thresholds of the labels.
        sample: with the joint draws of these labels; without, there are no intervals.
    """
    rows, labels = targets.shape
    weights = None if sample.weights is None else sample.weights.repeat_interleave(labels)
    cells = targets.flatten()
    bands = Bands.of(probabilities.flatten(), cells, 0.5, weights)
    levels, joint = sample.levels, sample.joint

    def sums(of: Bands) -> BandRows:
        return BandRows.of(of, rows, weights, cells_of_a_row=labels)

    itself = sums(bands).itself()
    points = itself.metrics(levels, confusion)[:, 0]
    if joint is None:
        return points, points[:, None].expand(-1, 2) * torch.nan
    merged = sums(bands.merged())
    draws = joint.draw_pooled(merged, levels)
    draws += points[:, None] - merged.itself().metrics(levels, confusion)
    size = joint.units.count_rarer(targets)
    if size < LEAST_FOR_INTERVAL:
        return points, points[:, None].expand(-1, 2) * torch.nan
    return points, make_intervals(points, draws, size, sample.resampling.confidence)


def _shift(points: torch.Tensor, merged: Replicates, levels: Levels) -> torch.Tensor:
    """Return (metrics, 1): what merged bands are off by, 0 where undefined."""
    return (points[:, None] - merged.metrics(levels)).nan_to_num(0.0)
