"""What a figure is, however it is drawn: marks between two axes, and what describes it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 340.0, 276.0  # of a chart, in points


@dataclasses.dataclass(frozen=True)
class Axis:
    """One side of a chart.

    Attributes:
        title: what it measures.
        low: where it begins; more than `high` where the first tick is to stand at the top.
        high: where it ends.
        ticks: places and their texts.
        has_grid: whether lines run across the chart at the ticks.
    """

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    has_grid: bool = True


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve; `role` names its colour in the palette, `name` stands in the legend.

    Attributes:
        steps: whether y holds from the point before to its own, rather than a straight line.
        dashed: as what is no curve of the model: chance, a threshold, an epoch.
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
    joined: bool = False


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


@dataclasses.dataclass(frozen=True)
class Cell:
    """A shaded rectangle from one whole number to the next, on both axes.

    Attributes:
        column: where it begins on the horizontal axis.
        row: where it begins on the vertical axis.
        shade: from 0 to 1.
        lines: of text in it; the first is large if there are more.
        name: none; a cell is not in the legend.
    """

    role: str
    column: int
    row: int
    shade: float
    lines: tuple[str, ...] = ()
    name: str = ""


Mark = Line | Dots | Bars | Cell


@dataclasses.dataclass(frozen=True)
class Chart:
    """Marks between two axes.

    Attributes:
        name: of the file.
        title: a few words.
        description: sentences that say what it shows, for readers who do not see it.
        x: the horizontal axis.
        y: the vertical axis.
        marks: from back to front.
        width: in points, at least WIDTH.
        height: in points, without the legend's further lines.
    """

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    width: float = WIDTH
    height: float = HEIGHT
