"""From bootstrap replicates to intervals.

Shapes: R replicates.

Most intervals are h(value) -+ t s, taken back from a scale h on which the metric is nearer
to normal: log-odds for what lies between 0 and 1, and the like. s is their spread on that
scale, as their standard deviation there or as h's slope times that of the replicates themselves,
whichever is larger, times sqrt(n / (n - 1)); t is the quantile of Student's distribution with n - 1
degrees of freedom, n being the rows of the rarer class: what is uncertain about a label is mostly
which positives there are. Somewhat fewer, as s is of so many replicates only. Percentiles of the
same replicates cover less; benchmarks/RESULTS.md has both.

Shares of cases that are right or wrong, F1 and F2 have the intervals of proportions.py instead, of
as many cases as vary like the replicates do; so has what is at an end of its range and does not
vary. That of the balanced accuracy, the mean of two such shares, is of both theirs (Zou & Donner
2008). The recall at a precision, which is the best of many and so is too high rather than too low,
has the lower of both low ends.

The calibration error of a label has an interval of its own (ece_interval.py). Here it keeps its own
scale, cut at 0: near 0, where a good model is, its replicates lie above it (they add chance to the
chance that is in the data), their percentiles with them, and log-odds would reach over most of the
range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from scipy.special import stdtrit  # scipy.stats has it too, for a second of imports

from imbalance_cli.metrics.proportions import bound_proportion
from imbalance_cli.metrics.registry import METRIC_SPECS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.metrics.proportions import Cases
    from imbalance_cli.metrics.registry import MetricSpec

ROUNDING = 1e-12  # replicates that vary by less than this share are alike
NEAREST = 0.01  # to an end of its range that a replicate counts, in shares of the value's distance


HALVES = ("recall", "specificity")  # of the balanced accuracy


def make_intervals(
    values: torch.Tensor,
    draws: torch.Tensor,
    size: float | Sequence[float],
    confidence: float,
    cases: Cases | None = None,
) -> torch.Tensor:
    """Return low and high of each metric, (metrics, 2); NaN where the replicates do not vary.

    A value at the end of its range (an F1 of 0) has no place on such a scale; its interval is of
    percentiles, and reaches at least as far as that of a proportion of 0 or 1. An interval is
    finite, within the range of its metric, and holds the value.

    Args:
        values: (metrics,) of the data, NaN where undefined.
        draws: (metrics, R) of the replicates, NaN where undefined.
        size: rows, or groups, of the rarer class, above 1; for all metrics or for each.
        confidence: of the interval.
        cases: that proportions are of; None for an average, which is none.
    """
    sizes = [size] * len(values) if isinstance(size, (int, float)) else size
    multipliers = {
        each: interval_multiplier(each, confidence, draws.shape[1]) for each in set(sizes)
    }
    factor = values.new_tensor([multipliers[each] for each in sizes])
    spread = _deviation(draws)
    low, high = torch.empty_like(values), torch.empty_like(values)
    specs = list(METRIC_SPECS.values())
    for scale in dict.fromkeys(spec.scale for spec in specs):
        chosen = [i for i, spec in enumerate(specs) if spec.scale is scale]
        own, of_scale = values[chosen], draws[chosen]
        least, most = scale.ends
        below = own - (1 - NEAREST) * (own - least) if math.isfinite(least) else own - math.inf
        above = own + (1 - NEAREST) * (most - own) if math.isfinite(most) else own + math.inf
        inside = of_scale.maximum(below[:, None]).minimum(above[:, None])
        reach = (scale.slope(own) * spread[chosen]).maximum(_deviation(scale.to(inside)))
        place = scale.to(own)
        off = factor[chosen] * reach
        low[chosen] = scale.back(place - off).where(reach.isfinite(), torch.nan)
        high[chosen] = scale.back(place + off).where(reach.isfinite(), torch.nan)
    at_end = ~(low.isfinite() & high.isfinite())
    if at_end.any():
        tails = draws.new_tensor([(1 - confidence) / 2, (1 + confidence) / 2])
        low[at_end], high[at_end] = draws[at_end].nanquantile(tails, dim=1)
    least_of_all, most_of_all = values.new_tensor([spec.scale.ends for spec in specs]).T
    low = low.maximum(least_of_all).minimum(values)
    high = high.minimum(most_of_all).maximum(values)
    varies = (spread > ROUNDING * values.abs()) & ~values.isnan()
    ends = torch.stack([low, high], dim=1).where(varies[:, None], torch.nan)
    if cases is None:
        return ends
    rows = zip(specs, values.tolist(), spread.tolist(), ends.tolist(), strict=True)
    bounded = {row[0].name: _bound(*row, cases, confidence) for row in rows}
    points = dict(zip(METRIC_SPECS, values.tolist(), strict=True))
    halves = [(points[name], *bounded[name]) for name in HALVES]
    if not any(math.isnan(number) for half in halves for number in half):
        bounded["balanced_accuracy"] = _average(*halves)
    return ends.new_tensor(list(bounded.values()))


def interval_multiplier(size: float, confidence: float, replicates: float = math.inf) -> float:
    """Return how many deviations of the replicates an interval reaches to either side.

    Args:
        size: of the rarer class.
        confidence: of the interval.
        replicates: that the deviation is estimated of.
    """
    unsure = 1 / (size - 1) + 1 / max(replicates - 1, 1)  # Satterthwaite 1946
    factor = float(stdtrit(1 / unsure if unsure else math.inf, (1 + confidence) / 2))
    return factor * math.sqrt(size / (size - 1)) if math.isfinite(size) else factor


def _bound(
    spec: MetricSpec,
    value: float,
    spread: float,
    ends: list[float],
    cases: Cases,
    confidence: float,
) -> tuple[float, float]:
    """Return low and high of a metric as of a proportion, or as they are where it is none."""
    (low, high), (least, most) = ends, spec.scale.ends
    size = getattr(cases, spec.cases)
    at_least, at_most = (abs(value - end) <= ROUNDING * max(abs(end), 1.0) for end in (least, most))
    if (at_least or at_most) and math.isfinite(most - least) and size > 0:
        shares = bound_proportion(float(at_most), 0.0, size, confidence)
        if spec.beta is not None and at_least:  # the most that F can be at such a recall
            weight = spec.beta**2
            shares = 0.0, (1 + weight) * shares[1] / (weight + shares[1])
        below, above = (least + (most - least) * share for share in shares)
        below, above = min(below, value), max(above, value)
        return (min(below, low)), (max(above, high))
    if not spec.is_proportion or not spread > ROUNDING * abs(value) or not 0 < value < 1:
        return low, high
    below, above = bound_proportion(value, spread**2, size, confidence)
    return (min(low, below) if spec.is_best_of_many else below), above


def _average(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> tuple[float, float]:
    """Return low and high of the mean of two proportions, each with its own, of other cases."""
    middle = (one[0] + other[0]) / 2
    below = math.hypot(one[0] - one[1], other[0] - other[1]) / 2
    above = math.hypot(one[2] - one[0], other[2] - other[0]) / 2
    return max(middle - below, 0.0), min(middle + above, 1.0)


def _deviation(draws: torch.Tensor) -> torch.Tensor:
    """Return (...,) the standard deviation over replicates; NaN of fewer than two."""
    count = (~draws.isnan()).sum(dim=-1)
    mean = draws.nansum(dim=-1) / count
    squares = ((draws - mean[..., None]) ** 2).nansum(dim=-1)
    return (squares / (count - 1)).sqrt().where(count > 1, torch.nan)
