"""From bootstrap replicates to intervals.

Shapes: R replicates.

An interval is h(value) -+ t s, taken back from a scale h on which the metric is nearer to normal:
log-odds for what lies between 0 and 1, and the like. s is the spread of the replicates on that
scale, as their standard deviation there or as h's slope times that of the replicates themselves,
whichever is larger, times sqrt(n / (n - 1)); t is the quantile of Student's distribution with n - 1
degrees of freedom, n being the rows of the rarer class: what is uncertain about a label is mostly
which positives there are. Percentiles of the same replicates cover less; benchmarks/RESULTS.md has
both.

The calibration error keeps its own scale, cut at 0: near 0, where a good model is, its replicates
lie above it (they add chance to the chance that is in the data), their percentiles with them, and
log-odds would reach over most of the range.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import torch
from scipy.stats import t as student

from imbalance_cli.metrics.replicates import METRICS, TOP_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable

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


def make_intervals(
    values: torch.Tensor, draws: torch.Tensor, size: float, confidence: float
) -> torch.Tensor:
    """Return low and high of each of METRICS, (metrics, 2); NaN where the replicates do not vary.

    A value at the end of its range (an F1 of 0) has no place on such a scale; its interval is of
    percentiles. An interval is finite, within the range of its metric, and holds the value.

    Args:
        values: (metrics,) of the data, NaN where undefined.
        draws: (metrics, R) of the replicates, NaN where undefined.
        size: rows, or groups, of the rarer class, above 1; infinite for an average.
        confidence: of the interval.
    """
    factor = float(student.ppf((1 + confidence) / 2, size - 1))
    factor *= math.sqrt(size / (size - 1)) if math.isfinite(size) else 1.0
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
        low[chosen] = scale.back(place - factor * reach).where(reach.isfinite(), torch.nan)
        high[chosen] = scale.back(place + factor * reach).where(reach.isfinite(), torch.nan)
    at_end = ~(low.isfinite() & high.isfinite())
    if at_end.any():
        tails = draws.new_tensor([(1 - confidence) / 2, (1 + confidence) / 2])
        low[at_end], high[at_end] = draws[at_end].nanquantile(tails, dim=1)
    least_of_all, most_of_all = values.new_tensor(ENDS).T
    low = low.maximum(least_of_all).minimum(values)
    high = high.minimum(most_of_all).maximum(values)
    varies = (spread > ROUNDING * values.abs()) & ~values.isnan()
    return torch.stack([low, high], dim=1).where(varies[:, None], torch.nan)


def _deviation(draws: torch.Tensor) -> torch.Tensor:
    """Return (...,) the standard deviation over replicates; NaN of fewer than two."""
    count = (~draws.isnan()).sum(dim=-1)
    mean = draws.nansum(dim=-1) / count
    squares = ((draws - mean[..., None]) ** 2).nansum(dim=-1)
    return (squares / (count - 1)).sqrt().where(count > 1, torch.nan)
