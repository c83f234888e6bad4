"""Averages over labels, metrics over all cells, and metrics of whole rows.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import torch

from imbalance_cli.evaluation.label_blocks import measure_pooled
from imbalance_cli.evaluation.reasons import Facts, explain_multilabel
from imbalance_cli.evaluation.results import METRICS, Interval, finite
from imbalance_cli.evaluation.scored_rows import label_slices, row_slices
from imbalance_cli.metrics import (
    Confusion,
    MultilabelSums,
    PooledRanking,
    macro,
    make_intervals,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imbalance_cli.evaluation.label_blocks import Ends, LabelBlock, Sample
    from imbalance_cli.evaluation.scored_rows import ScoredRows

POOLED_AT_ONCE = 4_000_000  # cells that are sorted as one ranking; of more, sums are taken


@dataclasses.dataclass(frozen=True)
class Averages:
    """What an Evaluation holds beside its labels; see there."""

    macro: dict[str, float | None]
    macro_labels: dict[str, int]
    weighted: dict[str, float | None]
    micro: dict[str, float | None]
    multilabel: dict[str, float | None]
    undefined: dict[str, str]
    macro_intervals: dict[str, Interval]
    micro_intervals: dict[str, Interval]


def average(
    rows: ScoredRows,
    block: LabelBlock,
    thresholds: torch.Tensor,
    sample: Sample,
    counted: torch.Tensor,
) -> Averages:
    """Average over labels.

    Args:
        rows: that were evaluated.
        block: the numbers of all labels.
        thresholds: (L,).
        sample: whose joint draws are of all labels.
        counted: (L,) whether averages are over a label.
    """
    points = {name: values[counted] for name, values in block.points.items()}
    confusion = Confusion(*(part[counted] for part in block.confusion.parts()))
    found = confusion.true_positives + confusion.false_negatives
    means = {name: macro(points[name]) for name in METRICS}
    pooled, pooled_intervals = _pool(rows, sample, counted, confusion.total())
    facts = Facts(
        int(block.support[counted].sum()),
        int(block.positives[counted].sum()),
        bool(confusion.decided().any()),
        bool(counted.any()),
        sample.levels.top_k,
    )
    undefined = {f"micro.{name}": facts.explain(name) for name in METRICS if pooled[name] is None}
    multilabel: dict[str, float | None] = {}
    if len(counted) > 1:
        multilabel, reasons = _judge_rows(rows, thresholds, sample.weights, counted)
        undefined |= reasons
    return Averages(
        macro=means,
        macro_labels={name: int((~points[name].isnan()).sum()) for name in METRICS},
        weighted={name: weighted_mean(points[name], found) for name in METRICS},
        micro=pooled,
        multilabel=multilabel,
        undefined=undefined,
        macro_intervals=_macro_intervals(means, block, sample, counted),
        micro_intervals=pooled_intervals,
    )


def _macro_intervals(
    means: Mapping[str, float | None], block: LabelBlock, sample: Sample, counted: torch.Tensor
) -> dict[str, Interval]:
    """Return the intervals of the means: of joint draws, or those of the only label there is."""
    if int(counted.sum()) == 1:
        return _as_intervals(
            {name: (low[counted], high[counted]) for name, (low, high) in block.intervals.items()}
        )
    if sample.joint is None or not counted.any():
        return {}
    intervals, confidence = {}, sample.resampling.confidence
    for name, draws in sample.joint.macro().items():
        mean = means[name]
        if mean is not None:
            value, many = draws.new_tensor([mean]), draws.new_tensor([torch.inf])
            intervals[name] = make_intervals(name, value, draws, many, confidence)
    return _as_intervals(intervals)


def _as_intervals(ends: Mapping[str, Ends]) -> dict[str, Interval]:
    return {
        name: Interval(float(low), float(high))
        for name, (low, high) in ends.items()
        if low.isfinite() and high.isfinite()
    }


def _pool(
    rows: ScoredRows, sample: Sample, counted: torch.Tensor, confusion: Confusion
) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """Return each metric over all cells of the labels that are counted, and their intervals."""
    cells = rows.rows * int(counted.sum())
    if not cells:
        return dict.fromkeys(METRICS), {}
    if cells <= POOLED_AT_ONCE:
        blocks = [cells_of for _, cells_of in _counted_columns(rows, counted)]
        probabilities, targets = (torch.cat(same, dim=1) for same in zip(*blocks, strict=True))
        points, ends = measure_pooled(probabilities, targets, confusion, sample)
        intervals = _as_intervals(ends)
    else:
        points, intervals = _sum_pooled(rows, sample, counted, confusion), {}
    return {name: finite(float(points[name])) for name in METRICS}, intervals


def _counted_columns(
    rows: ScoredRows, counted: torch.Tensor
) -> Iterator[tuple[slice, tuple[torch.Tensor, torch.Tensor]]]:
    """Yield labels, and probabilities and targets (N, l) of those of them that are counted."""
    for chosen in label_slices(rows):
        if counted[chosen].any():
            probabilities, targets = rows.columns(chosen)
            kept = counted[chosen].to(targets.device)
            yield chosen, (probabilities[:, kept], targets[:, kept])


def _sum_pooled(
    rows: ScoredRows, sample: Sample, counted: torch.Tensor, confusion: Confusion
) -> dict[str, torch.Tensor]:
    """Return each metric over more cells than are sorted at once, (1,), in two passes."""
    found = [torch.unique(p[y == 1].double()) for _, (p, y) in _counted_columns(rows, counted)]
    scores = torch.unique(torch.cat(found))
    parts = (
        PooledRanking.of(
            scores,
            p.flatten(),
            y.flatten(),
            None if sample.weights is None else sample.weights.repeat_interleave(y.shape[1]),
        )
        for _, (p, y) in _counted_columns(rows, counted)
    )
    return functools.reduce(PooledRanking.merge, parts).metrics(sample.levels, confusion)


def _judge_rows(
    rows: ScoredRows,
    thresholds: torch.Tensor,
    weights: torch.Tensor | None,
    counted: torch.Tensor,
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return each metric of whole rows, over the labels that are counted, and why some are None."""
    parts = []
    for chosen in row_slices(rows):
        probabilities, targets = (cells[:, counted] for cells in rows.block(chosen))
        decisions = probabilities >= thresholds[counted]
        own = None if weights is None else weights[chosen]
        parts.append(MultilabelSums.of(probabilities, decisions, targets, own))
    sums = functools.reduce(MultilabelSums.merge, parts, MultilabelSums.nothing())
    numbers = {name: finite(float(value)) for name, value in sums.values().items()}
    reasons = {
        f"multilabel.{name}": explain_multilabel(name, any_known=float(sums.rows) > 0)
        for name, number in numbers.items()
        if number is None
    }
    return numbers, reasons
