"""Averages over labels, metrics over all cells, and metrics of whole rows.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from imbalance_cli.evaluation.label_numbers import ECE, bound_error
from imbalance_cli.evaluation.reasons import (
    Facts,
    explain_multilabel,
    explain_no_interval,
)
from imbalance_cli.evaluation.results import Averages, Interval, finite
from imbalance_cli.evaluation.scored_rows import row_slices
from imbalance_cli.metrics import (
    FIELDS,
    METRIC_SPECS,
    Confusion,
    bound_ratios,
    judge_rows,
    macro,
    make_intervals,
    multilabel_metrics,
    weighted_mean,
    weights_of_labels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imbalance_cli.evaluation.label_numbers import LabelNumbers, Shared
    from imbalance_cli.evaluation.pooling import Pool
    from imbalance_cli.evaluation.resampling import JointDraws, LabelSums
    from imbalance_cli.evaluation.scored_rows import ScoredRows


def average(
    rows: ScoredRows, numbers: Sequence[LabelNumbers], shared: Shared, pool: Pool
) -> Averages:
    """Average over labels.

    Args:
        rows: that were evaluated.
        numbers: (L,) of all labels.
        shared: whose joint draws are of all labels.
        pool: of their cells.
    """
    chosen = [
        number for number, is_counted in zip(numbers, shared.counted, strict=True) if is_counted
    ]
    means, labels, weighted = _mean(chosen)
    micro: dict[str, float | None] = dict.fromkeys(METRIC_SPECS)
    micro_intervals: dict[str, Interval] = {}
    if any(number.support for number in chosen):
        points, ends = pool.evaluate(chosen, shared)
        micro = dict(zip(METRIC_SPECS, map(finite, points.tolist()), strict=True))
        micro_intervals = _as_intervals(ends)
    facts = Facts(
        sum(number.support for number in chosen),
        sum(number.positives for number in chosen),
        any(bool(number.confusion.decided()) for number in chosen),
        bool(chosen),
        shared.levels.top_k,
    )
    undefined = {
        f"micro.{name}": facts.explain(name) for name in METRIC_SPECS if micro[name] is None
    }
    multilabel: dict[str, float | None] = {}
    multilabel_intervals: dict[str, Interval] = {}
    if len(numbers) > 1:
        multilabel, multilabel_intervals = _judge_rows(rows, shared)
        undefined |= {
            f"multilabel.{name}": explain_multilabel(name, any_known=facts.support > 0)
            for name, number in multilabel.items()
            if number is None
        }
    macro_intervals = _mean_intervals(means, chosen, shared, lambda joint: joint.macro)
    weighted_intervals = _mean_intervals(weighted, chosen, shared, lambda joint: joint.weighted)
    kinds = {
        "macro": (means, macro_intervals),
        "micro": (micro, micro_intervals),
        "weighted_average": (weighted, weighted_intervals),
        "multilabel": (multilabel, multilabel_intervals),
    }
    return Averages(
        macro=means,
        macro_labels=labels,
        weighted_average=weighted,
        micro=micro,
        multilabel=multilabel,
        undefined=undefined,
        macro_intervals=macro_intervals,
        weighted_intervals=weighted_intervals,
        micro_intervals=micro_intervals,
        multilabel_intervals=multilabel_intervals,
        without_interval={
            f"{kind}.{name}": explain_no_interval(shared.units, is_enough=bool(intervals))
            for kind, (values, intervals) in kinds.items()
            for name, value in values.items()
            if shared.resampling.replicates and value is not None and name not in intervals
        },
    )


def _mean(
    numbers: Sequence[LabelNumbers],
) -> tuple[dict[str, float | None], dict[str, int], dict[str, float | None]]:
    """Return the mean of each metric, over how many labels it is, and weighted by positives."""
    if not numbers:
        nothing = dict.fromkeys(METRIC_SPECS)
        return nothing, dict.fromkeys(METRIC_SPECS, 0), nothing
    points = torch.stack([number.points for number in numbers], dim=1)
    confusion = Confusion.join([number.confusion for number in numbers])
    found = confusion.true_positives + confusion.false_negatives
    rows = list(zip(METRIC_SPECS, points, strict=True))
    return (
        {name: macro(values) for name, values in rows},
        {name: int((~values.isnan()).sum()) for name, values in rows},
        {name: weighted_mean(values, found) for name, values in rows},
    )


def _mean_intervals(
    means: Mapping[str, float | None],
    numbers: Sequence[LabelNumbers],
    shared: Shared,
    sums_of: Callable[[JointDraws], LabelSums],
) -> dict[str, Interval]:
    """Return the intervals of the means: of joint draws, or those of the only label there is."""
    if len(numbers) == 1:
        of_label = _as_intervals(numbers[0].ends)
        return {name: ends for name, ends in of_label.items() if means[name] is not None}
    if shared.joint is None or not numbers or shared.has_few_groups:
        return {}
    sums, confidence = sums_of(shared.joint), shared.resampling.confidence
    draws, ece_tests = sums.mean(), sums.ece_tests()
    values = draws.new_tensor([math.nan if mean is None else mean for mean in means.values()])
    ends = make_intervals(values, draws, sums.sizes(), confidence)
    if ece_tests is not None and not ends[ECE].isnan().any():
        ends[ECE] = bound_error(ece_tests, values[ECE], confidence)
    return _as_intervals(ends)


def _as_intervals(ends: torch.Tensor) -> dict[str, Interval]:
    pairs = zip(METRIC_SPECS, ends.tolist(), strict=True)
    return {name: Interval(low, high) for name, (low, high) in pairs if not math.isnan(low)}


def _judge_rows(
    rows: ScoredRows, shared: Shared
) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """Return each metric of whole rows over the labels that are counted, and their intervals."""
    device, counted = shared.thresholds.device, shared.counted
    sums = torch.zeros(len(FIELDS), dtype=torch.float64, device=device)
    products = sums.new_zeros(len(FIELDS), len(FIELDS))
    groups = None if shared.groups is None else torch.from_numpy(shared.groups.of_row).to(device)
    of_groups = sums.new_zeros(len(FIELDS), 0 if shared.groups is None else shared.groups.size)
    for chosen in row_slices(rows):
        probabilities, targets = (cells[:, counted] for cells in rows.block(chosen))
        decisions = probabilities >= shared.thresholds[counted]
        own = None if shared.weights is None else shared.weights[chosen]
        own = weights_of_labels(own, counted)
        judged = judge_rows(probabilities, decisions, targets, own)
        sums += judged.sum(dim=1)
        if groups is None:
            products += judged @ judged.T
        else:
            of_groups.index_add_(1, groups[chosen], judged)
    products = products if groups is None else of_groups @ of_groups.T
    numbers = {name: finite(value) for name, value in multilabel_metrics(sums).items()}
    if not shared.resampling.replicates or shared.has_few_groups:
        return numbers, {}
    ends = bound_ratios(sums, products, int(counted.sum()), shared.resampling.confidence)
    return numbers, {name: Interval(*pair) for name, pair in ends.items()}
