"""The numbers of some labels: point estimates, and replicates of them.

Shapes: N rows, L labels, R replicates.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.evaluation.resampling import draw_apart, intervals_of
from imbalance_cli.evaluation.results import METRICS
from imbalance_cli.metrics import (
    TOP_SHARE,
    BandCounts,
    BandRows,
    Bands,
    Confusion,
    average_precision,
    brier,
    brier_skill,
    lift,
    log_loss,
    precision_at_k,
    recall_at_precision,
    roc_auc,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from imbalance_cli.evaluation.resampling import JointDraws, Resampling
    from imbalance_cli.metrics import Levels

    Ends = tuple[torch.Tensor, torch.Tensor]


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
class LabelBlock:
    """The numbers of some labels.

    Attributes:
        points: by metric, (L,), NaN where undefined.
        intervals: by metric, low and high, (L,), NaN where there is none.
        confusion: (L,) decisions.
        support: (L,) rows whose target is known.
        positives: (L,) of them.
    """

    points: dict[str, torch.Tensor]
    intervals: dict[str, Ends]
    confusion: Confusion
    support: torch.Tensor
    positives: torch.Tensor

    @classmethod
    def join(cls, blocks: Sequence[LabelBlock]) -> LabelBlock:
        """Return the numbers of several blocks as one."""
        first = blocks[0]
        return cls(
            {name: torch.cat([block.points[name] for block in blocks]) for name in first.points},
            {
                name: (
                    torch.cat([block.intervals[name][0] for block in blocks]),
                    torch.cat([block.intervals[name][1] for block in blocks]),
                )
                for name in first.intervals
            },
            Confusion.join([block.confusion for block in blocks], dim=0),
            torch.cat([block.support for block in blocks]),
            torch.cat([block.positives for block in blocks]),
        )


def evaluate_block(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    thresholds: torch.Tensor,
    sample: Sample,
    *,
    first: int,
    counted: torch.Tensor,
) -> LabelBlock:
    """Compute the numbers of some labels, and add them to the joint draws.

    Args:
        probabilities: (N, L), N at least 1.
        targets: (N, L), NaN where missing.
        thresholds: (L,).
        sample: what they share with the other labels.
        first: the number of the first one.
        counted: (L,) whether averages are over a label.
    """
    confusion = Confusion.of(probabilities >= thresholds, targets, sample.weights)
    positives, negatives = (targets == 1).sum(dim=0), (targets == 0).sum(dim=0)
    if not targets.numel():
        points = dict.fromkeys(METRICS, torch.full_like(confusion.precision(), torch.nan))
        return LabelBlock(points, {}, confusion, positives + negatives, positives)
    bands = Bands.of(probabilities, targets, thresholds, sample.weights)
    points = _measure(bands, confusion, probabilities, targets, sample)
    replicates, confidence = sample.resampling.replicates, sample.resampling.confidence
    intervals: dict[str, Ends] = {}
    if sample.joint is None and sample.weights is None:
        counts = BandCounts.of(bands, sample.levels)
        shift = _complete(points, counts.itself().metrics())
        if replicates:
            sizes = torch.minimum(positives, negatives)
            intervals = _draw_apart(counts, points, shift, sizes, sample.resampling, first)
    else:
        rows = BandRows.of(bands, sample.levels, sample.weights)
        shift = _complete(points, rows.itself().metrics())
        if sample.joint is not None:
            draws, decisions = sample.joint.draw(rows)
            draws = shift_draws(draws, shift)
            sample.joint.add(draws, decisions, counted)
            sizes = count_units(targets, sample.joint.units.of_row)
            intervals = intervals_of(points, draws, sizes, confidence)
    return LabelBlock(points, intervals, confusion, positives + negatives, positives)


def _complete(
    points: dict[str, torch.Tensor], itself: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Add the calibration error to points, and return what bands are off by, (L,) each.

    Only bands of several runs are off.

    Args:
        points: by metric, (L,).
        itself: what the bands of the data come to, (L, 1).
    """
    points["ece"] = itself["ece"][:, 0]
    return {name: points[name] - values[:, 0] for name, values in itself.items()}


def _draw_apart(
    counts: BandCounts,
    points: Mapping[str, torch.Tensor],
    shift: Mapping[str, torch.Tensor],
    sizes: torch.Tensor,
    resampling: Resampling,
    first: int,
) -> dict[str, Ends]:
    """Return the intervals of labels that are drawn apart."""
    parts: dict[str, list[Ends]] = {name: [] for name in points}
    for chosen, replicates in draw_apart(counts, resampling, first):
        own, off = ({name: v[chosen] for name, v in of_all.items()} for of_all in (points, shift))
        draws = shift_draws(replicates.metrics(), off)
        found = intervals_of(own, draws, sizes[chosen], resampling.confidence)
        for name, ends in found.items():
            parts[name].append(ends)
    return {
        name: (torch.cat([low for low, _ in ends]), torch.cat([high for _, high in ends]))
        for name, ends in parts.items()
    }


def shift_draws(
    draws: Mapping[str, torch.Tensor], shift: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return draws (L, R) moved by (L,)."""
    return {name: values + shift[name][:, None] for name, values in draws.items()}


def count_units(targets: torch.Tensor, of_row: NDArray[np.intp]) -> torch.Tensor:
    """Return (L,) how many units have a positive, or a negative if these are fewer."""
    units = torch.from_numpy(of_row).to(targets.device)
    size = int(units.max()) + 1
    fewest = []
    for side in (1, 0):
        cells = (targets == side).double()
        found = cells.new_zeros(size, targets.shape[1]).index_add_(0, units, cells) > 0
        fewest.append(found.sum(dim=0))
    return torch.minimum(*fewest)


def _measure(
    bands: Bands,
    confusion: Confusion,
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    sample: Sample,
) -> dict[str, torch.Tensor]:
    """Return each metric but the calibration error, (L,), NaN where undefined."""
    ranking, weights = bands.ranking, sample.weights
    if weights is not None:
        ranking = ranking.reweighted(weights.double()[ranking.order])
    cells = probabilities, targets, weights
    return {
        "average_precision": average_precision(ranking),
        "roc_auc": roc_auc(ranking),
        "precision": confusion.precision(),
        "recall": confusion.recall(),
        "specificity": confusion.specificity(),
        "f1": confusion.f_beta(),
        "f2": confusion.f_beta(2.0),
        "mcc": confusion.mcc(),
        "balanced_accuracy": confusion.balanced_accuracy(),
        "brier": brier(*cells),
        "brier_skill": brier_skill(*cells),
        "log_loss": log_loss(*cells),
        "precision_at_k": precision_at_k(ranking, sample.levels.top_k),
        "recall_at_precision": recall_at_precision(ranking, sample.levels.at_precision),
        "lift_at_1_percent": lift(ranking, TOP_SHARE),
    }


def measure_pooled(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    confusion: Confusion,
    sample: Sample,
) -> tuple[dict[str, torch.Tensor], dict[str, Ends]]:
    """Return each metric over all cells, and the intervals of those, (1,) each.

    Args:
        probabilities: (N, L), small enough to be sorted at once.
        targets: (N, L), NaN where missing.
        confusion: (1,) over all cells, at the thresholds of the labels.
        sample: with the joint draws of these labels.
    """
    labels = targets.shape[1]
    weights = sample.weights
    of_cells = dataclasses.replace(
        sample, weights=None if weights is None else weights.repeat_interleave(labels)
    )
    p, y = probabilities.reshape(-1, 1), targets.reshape(-1, 1)
    half = torch.full((1,), 0.5, dtype=torch.float64, device=p.device)
    bands = Bands.of(p, y, half, of_cells.weights)
    points = _measure(bands, confusion, p, y, of_cells)
    rows = BandRows.of(bands, sample.levels, of_cells.weights, cells_of_a_row=labels)
    itself = rows.itself().metrics(Confusion(*(part[:, None] for part in confusion.parts())))
    shift = _complete(points, itself)
    joint = sample.joint
    if joint is None:
        return points, {}
    draws = shift_draws(joint.draw_pooled(rows), shift)
    sizes = count_units(targets, joint.units.of_row).sum()[None]
    return points, intervals_of(points, draws, sizes, sample.resampling.confidence)
