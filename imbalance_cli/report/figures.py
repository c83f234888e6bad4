"""What a figure is, whoever draws it: axes, marks and a sentence that says what it shows."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TENTHS = tuple(10.0**-power for power in range(12, 0, -1))
DECADES = (*_TENTHS, 0.5, *(1 - p for p in reversed(_TENTHS)))
BETWEEN = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Probabilities that an axis of log-odds may have ticks at."""
FLAT, LEAST = 1e-9, 1e-300  # a range, of its numbers or at all, that has no steps
UNIT_TICKS = tuple((i / 4, f"{i / 4:g}") for i in range(5))


@dataclasses.dataclass(frozen=True)
class Axis:
    """One side of a chart.

    Attributes:
        title: what it measures.
        low: where it begins.
        high: where it ends.
        ticks: places and their texts.
    """

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve; `role` names its colour in the palette, `name` stands in the legend.

    Attributes:
        steps: whether y holds from the point before to its own, rather than a straight line.
        dashed: as what is no curve of the model: chance, a cost, a threshold.
    """

    role: str
    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    steps: bool = False
    dashed: bool = False


@dataclasses.dataclass(frozen=True)
class Dots:
    """Points, each with an interval where there is one.

    Attributes:
        hollow: drawn as rings.
        bars: (low, high) of each point's y, or none.
        joined: by a line.
    """

    role: str
    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    hollow: bool = False
    bars: Sequence[tuple[float, float]] = ()
    joined: bool = True


@dataclasses.dataclass(frozen=True)
class Bars:
    """Bars side by side without a gap: a histogram's outline and area.

    Attributes:
        edges: one more than heights.
    """

    role: str
    edges: Sequence[float]
    heights: Sequence[float]
    name: str = ""


Mark = Line | Dots | Bars


@dataclasses.dataclass(frozen=True)
class Chart:
    """Marks between two axes.

    Attributes:
        name: of the file.
        title: a few words.
        description: sentences that say what it shows to whoever does not see it.
        x: the horizontal axis.
        y: the vertical axis.
        marks: from back to front.
    """

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a matrix: its text, what stands below it, and its shade from 0 to 1."""

    text: str
    note: str
    shade: float


@dataclasses.dataclass(frozen=True)
class Matrix:
    """Rows and columns of shaded cells.

    Attributes:
        name: of the file.
        title: a few words.
        description: as of a chart.
        rows: what the rows are called.
        columns: what the columns are called.
        cells: a row each.
        corner: what rows and columns are.
    """

    name: str
    title: str
    description: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    corner: str = ""


@dataclasses.dataclass(frozen=True)
class Bullet:
    """One line of a ranking: a value in its interval, against what chance gives.

    `group` stands above the first of those that have it in common.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    chance: float | None
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Labels one below the other, each with a value on a scale from 0 to 1.

    Attributes:
        name: of the file.
        title: a few words.
        description: as of a chart.
        scale: what the values are.
        bullets: from top to bottom.
    """

    name: str
    title: str
    description: str
    scale: str
    bullets: tuple[Bullet, ...]


Figure = Chart | Matrix | Ranking


def unit_axis(title: str) -> Axis:
    """Return an axis from 0 to 1."""
    return Axis(title, 0.0, 1.0, UNIT_TICKS)


def log_odds_axis(title: str, low: float, high: float) -> Axis:
    """Return an axis in log-odds whose ticks are probabilities."""
    inside: list[tuple[float, str]] = []
    for rising in (DECADES, BETWEEN):  # the finer ones where two of the coarser do not fit
        places = [(math.log(p / (1 - p)), _show_probability(p)) for p in rising]
        inside = [(place, text) for place, text in places if low <= place <= high]
        if len(inside) > 2:  # noqa: PLR2004  fewer do not show what the scale is
            break
    if not inside:
        middle = (low + high) / 2
        inside = [(middle, f"{1 / (1 + math.exp(-middle)):.2g}")]
    return Axis(title, low, high, tuple(inside))


def number_axis(title: str, low: float, high: float, spec: str = "g") -> Axis:
    """Return an axis with three to six round numbers, from low to high to a billionth of a step."""
    span = high - low
    if span <= max(FLAT * max(abs(low), abs(high)), LEAST):
        span = max(abs(high), 1.0)
    step = 10.0 ** math.floor(math.log10(span / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)  # noqa: PLR2004  steps
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    ticks = [float(f"{i * step:.12g}") for i in range(first, last + 1)]
    return Axis(title, ticks[0], ticks[-1], tuple((tick, format(tick, spec)) for tick in ticks))


def _show_probability(p: float) -> str:
    if 1e-4 <= p <= 1 - 1e-4:  # noqa: PLR2004  more zeros are hard to count
        return f"{p:.4f}".rstrip("0")
    return f"{p:.0e}".replace("e-0", "e-") if p < 1 / 2 else f"1-{1 - p:.0e}".replace("e-0", "e-")
