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

The calibration error of a label has an interval of its own (inversion.py). Here it keeps its own
scale, cut at 0: near 0, where a good model is, its replicates lie above it (they add chance to the
chance that is in the data), their percentiles with them, and log-odds would reach over most of the
range.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import torch
from scipy.special import stdtrit  # scipy.stats has it too, for a second of imports

from imbalance_cli.metrics.proportions import bound_proportion
from imbalance_cli.metrics.replicates import METRICS, TOP_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.metrics.proportions import Cases

    Transform = Callable[[torch.Tensor], torch.Tensor]

ROUNDING = 1e-12  # replicates that vary by less than this share are alike
NEAREST = 0.01  # to an end of its range that a replicate counts, in shares of the value's distance


@dataclasses.dataclass(frozen=True)
class Scale:
    """A scale on which a metric is nearer to normal.

    Attributes:
        to: it.
        back: the inverse.
        slope: of `to`.
        ends: of the range of the metric.
    """

    to: Transform
    back: Transform
    slope: Transform
    ends: tuple[float, float]


LOG_ODDS = Scale(torch.logit, torch.sigmoid, lambda x: 1 / (x * (1 - x)), (0.0, 1.0))
FISHER = Scale(torch.atanh, torch.tanh, lambda x: 1 / (1 - x**2), (-1.0, 1.0))
LOG = Scale(torch.log, torch.exp, lambda x: 1 / x, (0.0, math.inf))
LIFT = dataclasses.replace(LOG, ends=(0.0, 1 / TOP_SHARE))
ITSELF = Scale(torch.clone, torch.clone, torch.ones_like, (0.0, 1.0))
LOG_SHORTFALL = Scale(
    lambda x: -torch.log(1 - x),
    lambda z: 1 - torch.exp(-z),
    lambda x: 1 / (1 - x),
    (-math.inf, 1.0),
)
SCALES = {
    "mcc": FISHER,
    "brier_skill": LOG_SHORTFALL,
    "log_loss": LOG,
    "ece": ITSELF,
    "lift_at_1_percent": LIFT,
}
"""Of the metrics whose scale is not LOG_ODDS."""
PLACES = [
    (scale, [i for i, name in enumerate(METRICS) if SCALES.get(name, LOG_ODDS) is scale])
    for scale in (LOG_ODDS, FISHER, LOG, LIFT, ITSELF, LOG_SHORTFALL)
]
ENDS = [SCALES.get(name, LOG_ODDS).ends for name in METRICS]
PROPORTIONS = (
    "precision",
    "recall",
    "specificity",
    "f1",
    "f2",
    "precision_at_k",
    "recall_at_precision",
)
HALVES = ("recall", "specificity")  # of the balanced accuracy
BETAS = {"f1": 1.0, "f2": 4.0}  # squared


def make_intervals(
    values: torch.Tensor,
    draws: torch.Tensor,
    size: float | Sequence[float],
    confidence: float,
    cases: Cases | None = None,
) -> torch.Tensor:
    """Return low and high of each of METRICS, (metrics, 2); NaN where the replicates do not vary.

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
    reaches = {each: reach_of(each, confidence, draws.shape[1]) for each in set(sizes)}
    factor = values.new_tensor([reaches[each] for each in sizes])
    spread = _deviation(draws)
    low, high = torch.empty_like(values), torch.empty_like(values)
    for scale, chosen in PLACES:
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
    least_of_all, most_of_all = values.new_tensor(ENDS).T
    low = low.maximum(least_of_all).minimum(values)
    high = high.minimum(most_of_all).maximum(values)
    varies = (spread > ROUNDING * values.abs()) & ~values.isnan()
    ends = torch.stack([low, high], dim=1).where(varies[:, None], torch.nan)
    if cases is None:
        return ends
    rows = zip(METRICS, values.tolist(), spread.tolist(), ends.tolist(), strict=True)
    bounded = {row[0]: _bound(*row, cases, confidence) for row in rows}
    halves = [(float(values[METRICS.index(name)]), *bounded[name]) for name in HALVES]
    if not any(math.isnan(number) for half in halves for number in half):
        bounded["balanced_accuracy"] = _average(*halves)
    return ends.new_tensor(list(bounded.values()))


def reach_of(size: float, confidence: float, replicates: float = math.inf) -> float:
    """Return how many deviations of the replicates an interval reaches.

    Args:
        size: of the rarer class.
        confidence: of the interval.
        replicates: that the deviation is estimated of.
    """
    unsure = 1 / (size - 1) + 1 / max(replicates - 1, 1)  # Satterthwaite 1946
    factor = float(stdtrit(1 / unsure if unsure else math.inf, (1 + confidence) / 2))
    return factor * math.sqrt(size / (size - 1)) if math.isfinite(size) else factor


def _bound(
    name: str,
    value: float,
    spread: float,
    ends: list[float],
    cases: Cases,
    confidence: float,
) -> tuple[float, float]:
    """Return low and high of a metric as of a proportion, or as they are where it is none."""
    (low, high), (least, most) = ends, SCALES.get(name, LOG_ODDS).ends
    size = cases.of(name)
    at_least, at_most = (abs(value - end) <= ROUNDING * max(abs(end), 1.0) for end in (least, most))
    if (at_least or at_most) and math.isfinite(most - least) and size > 0:
        shares = bound_proportion(float(at_most), 0.0, size, confidence)
        if name in BETAS and at_least:  # the most that F can be at such a recall
            shares = 0.0, (1 + BETAS[name]) * shares[1] / (BETAS[name] + shares[1])
        below, above = (least + (most - least) * share for share in shares)
        below, above = min(below, value), max(above, value)
        return (min(below, low)), (max(above, high))
    if name not in PROPORTIONS or not spread > ROUNDING * abs(value) or not 0 < value < 1:
        return low, high
    below, above = bound_proportion(value, spread**2, size, confidence)
    return (min(low, below) if name == "recall_at_precision" else below), above


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
