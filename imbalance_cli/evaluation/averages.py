"""Averages over labels, metrics over all cells, and metrics of whole rows.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING

import torch

from imbalance_cli.evaluation.label_numbers import pool_labels
from imbalance_cli.evaluation.reasons import Facts, explain_multilabel
from imbalance_cli.evaluation.results import Interval, finite
from imbalance_cli.evaluation.scored_rows import label_slices, row_slices
from imbalance_cli.metrics import (
    METRICS,
    Confusion,
    MultilabelSums,
    PooledRanking,
    macro,
    make_intervals,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imbalance_cli.evaluation.label_numbers import LabelNumbers, Sample
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
    numbers: Sequence[LabelNumbers],
    thresholds: torch.Tensor,
    sample: Sample,
    counted: torch.Tensor,
) -> Averages:
    """Average over labels.

    Args:
        rows: that were evaluated.
        numbers: (L,) of all labels.
        thresholds: (L,).
        sample: whose joint draws are of all labels.
        counted: (L,) whether averages are over a label.
    """
    chosen = [number for number, is_counted in zip(numbers, counted, strict=True) if is_counted]
    means, labels, weighted = _mean(chosen)
    pooled, pooled_intervals = _pool(rows, chosen, sample, counted)
    facts = Facts(
        sum(number.support for number in chosen),
        sum(number.positives for number in chosen),
        any(bool(number.confusion.decided()) for number in chosen),
        bool(chosen),
        sample.levels.top_k,
    )
    undefined = {f"micro.{name}": facts.explain(name) for name in METRICS if pooled[name] is None}
    multilabel: dict[str, float | None] = {}
    if len(numbers) > 1:
        multilabel, reasons = _judge_rows(rows, thresholds, sample.weights, counted)
        undefined |= reasons
    return Averages(
        macro=means,
        macro_labels=labels,
        weighted=weighted,
        micro=pooled,
        multilabel=multilabel,
        undefined=undefined,
        macro_intervals=_macro_intervals(means, chosen, sample),
        micro_intervals=pooled_intervals,
    )


def _mean(
    numbers: Sequence[LabelNumbers],
) -> tuple[dict[str, float | None], dict[str, int], dict[str, float | None]]:
    """Return the mean of each metric, over how many labels it is, and weighted by positives."""
    if not numbers:
        nothing = dict.fromkeys(METRICS)
        return nothing, dict.fromkeys(METRICS, 0), nothing
    points = torch.stack([number.points for number in numbers], dim=1)
    confusion = Confusion.join([number.confusion for number in numbers])
    found = confusion.true_positives + confusion.false_negatives
    rows = list(zip(METRICS, points, strict=True))
    return (
        {name: macro(values) for name, values in rows},
        {name: int((~values.isnan()).sum()) for name, values in rows},
        {name: weighted_mean(values, found) for name, values in rows},
    )


def _macro_intervals(
    means: Mapping[str, float | None], numbers: Sequence[LabelNumbers], sample: Sample
) -> dict[str, Interval]:
    """Return the intervals of the means: of joint draws, or those of the only label there is."""
    if len(numbers) == 1:
        return _as_intervals(numbers[0].ends)
    if sample.joint is None or not numbers:
        return {}
    draws = sample.joint.macro()
    values = draws.new_tensor([math.nan if mean is None else mean for mean in means.values()])
    return _as_intervals(make_intervals(values, draws, math.inf, sample.resampling.confidence))


def _as_intervals(ends: torch.Tensor) -> dict[str, Interval]:
    pairs = zip(METRICS, ends.tolist(), strict=True)
    return {name: Interval(low, high) for name, (low, high) in pairs if not math.isnan(low)}


def _pool(
    rows: ScoredRows, numbers: Sequence[LabelNumbers], sample: Sample, counted: torch.Tensor
) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """Return each metric over all cells of the labels that are counted, and their intervals."""
    if not any(number.support for number in numbers):
        return dict.fromkeys(METRICS), {}
    confusion = Confusion.join([number.confusion for number in numbers]).total()
    if len(numbers) == 1:
        points, intervals = numbers[0].points, _as_intervals(numbers[0].ends)
    elif rows.rows * len(numbers) <= POOLED_AT_ONCE:
        blocks = list(_counted_columns(rows, counted))
        probabilities, targets = (torch.cat(same, dim=1) for same in zip(*blocks, strict=True))
        points, ends = pool_labels(probabilities, targets, confusion, sample)
        intervals = _as_intervals(ends)
    else:
        points, intervals = _sum_pooled(rows, sample, counted, confusion), {}
    pairs = zip(METRICS, points.tolist(), strict=True)
    return {name: finite(number) for name, number in pairs}, intervals


def _counted_columns(
    rows: ScoredRows, counted: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield probabilities and targets, (N, l), of the labels that are counted."""
    for chosen in label_slices(rows):
        if counted[chosen].any():
            probabilities, targets = rows.columns(chosen)
            kept = counted[chosen].to(targets.device)
            yield probabilities[:, kept], targets[:, kept]


def _sum_pooled(
    rows: ScoredRows, sample: Sample, counted: torch.Tensor, confusion: Confusion
) -> torch.Tensor:
    """Return each metric over more cells than are sorted at once, (metrics,), in two passes."""
    found = [torch.unique(p[y == 1].double()) for p, y in _counted_columns(rows, counted)]
    scores = torch.unique(torch.cat(found))
    parts = (
        PooledRanking.of(
            scores,
            p.flatten(),
            y.flatten(),
            None if sample.weights is None else sample.weights.repeat_interleave(y.shape[1]),
        )
        for p, y in _counted_columns(rows, counted)
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
