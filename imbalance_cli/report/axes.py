"""Axes with at least three round ticks: of numbers, of probabilities, of names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imbalance_cli.report.figures import Axis

if TYPE_CHECKING:
    from collections.abc import Sequence

_TENTHS = tuple(10.0**-power for power in range(12, 0, -1))
DECADES = (*_TENTHS, 0.5, *(1 - p for p in reversed(_TENTHS)))
BETWEEN = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Probabilities that an axis of log-odds may have ticks at."""
FEWEST, MOST_STEPS = 3, 5
FLAT, LEAST = 1e-9, 1e-300  # a range, of its numbers or at all, that has no steps
NARROWEST = ((4.0, 0.01), (13.8, 0.3), (math.inf, 9.3))
"""Up to how far from 0 in log-odds, the least that an axis of probabilities spans there."""


def number_axis(
    title: str, low: float, high: float, spec: str = "g", *, least_step: float = 0.0
) -> Axis:
    """Return an axis with three to six round numbers, from low to high to a billionth of a step.

    Args:
        title: of the axis.
        low: that it holds.
        high: that it holds.
        spec: how the numbers are written.
        least_step: between two ticks, as 1 for what is counted.
    """
    span = max(high - low, (FEWEST - 1) * least_step)
    if span <= max(FLAT * max(abs(low), abs(high)), LEAST):
        span = max(abs(high), 1.0)
    step = _round_step(span)
    step = max(step, least_step)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    ticks = [float(f"{i * step:.12g}") for i in range(first, last + 1)]
    return Axis(title, ticks[0], ticks[-1], tuple((tick, format(tick, spec)) for tick in ticks))


def log_odds_axis(title: str, low: float, high: float) -> Axis:
    """Return an axis in log-odds whose ticks are probabilities."""
    low, high = _widen(low, high)
    for rising in (DECADES, BETWEEN):  # the finer ones where too few of the coarser fit
        places = [(log_odds(p), _show_probability(p)) for p in rising]
        inside = [(place, text) for place, text in places if low <= place <= high]
        if len(inside) >= FEWEST:
            return Axis(title, low, high, tuple(inside))
    return Axis(title, low, high, tuple(_even_probabilities(low, high)))


def name_axis(title: str, names: Sequence[str], *, falls: bool = False) -> Axis:
    """Return an axis with a name in the middle of each whole step.

    Args:
        title: of the axis.
        names: in their order.
        falls: whether the first stands at the far end, as at the top of a vertical axis.
    """
    ticks = tuple((i + 0.5, name) for i, name in enumerate(names))
    low, high = (len(names), 0) if falls else (0, len(names))
    return Axis(title, low, high, ticks, has_grid=False)


def log_odds(p: float) -> float:
    """Return log-odds for drawing: what is past one in 10^12 lies at the edge."""
    inside = min(max(p, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))


def probability(odds: float) -> float:
    """Return the probability of log-odds."""
    return 1 / (1 + math.exp(-odds))


def _round_step(span: float) -> float:
    """Return 1, 2, 5 or 10 times a power of ten, of which a span has MOST_STEPS at most."""
    step = 10.0 ** math.floor(math.log10(span / FEWEST))
    return step * next(f for f in (1, 2, 5, 10) if span / (step * f) <= MOST_STEPS)


def _widen(low: float, high: float) -> tuple[float, float]:
    """Return a range, wider if it has no three ticks of few digits, and then toward 0."""
    far = max(abs(low), abs(high))
    least = next(least for reach, least in NARROWEST if far <= reach)
    missing = least - (high - low)
    if missing <= 0:
        return low, high
    return (low - missing, high) if low + high > 0 else (low, high + missing)


def _even_probabilities(low: float, high: float) -> list[tuple[float, str]]:
    """Return three or more ticks, a round step of probability apart, and their texts."""
    first, last = probability(low), probability(high)
    step = 10.0 ** math.floor(math.log10((last - first) / FEWEST))
    step *= next(f for f in (5, 2, 1) if (last - first) / (step * f) >= FEWEST)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    steps = range(math.ceil(first / step), math.floor(last / step) + 1)
    return [
        (min(max(log_odds(i * step), low), high), _show_probability(i * step, digits))
        for i in steps
    ]


def _show_probability(p: float, digits: int = 4) -> str:
    if 1e-4 <= p <= 1 - 1e-4:  # noqa: PLR2004  more zeros are hard to count
        return f"{p:.{digits}f}".rstrip("0")
    rest = f"{min(p, 1 - p):.2g}".replace("e-0", "e-")
    return rest if p < 1 / 2 else f"1-{rest}"
