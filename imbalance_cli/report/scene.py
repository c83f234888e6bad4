"""A figure laid out: lines, areas, rings and texts at their places, for any painter.

Lengths are in points, from the top left. A painter needs to know nothing of axes.
"""

from __future__ import annotations

import dataclasses
import textwrap
import unicodedata
from typing import TYPE_CHECKING, Literal

from imbalance_cli.report.figures import Bars, Cell, Line
from imbalance_cli.report.names import ELLIPSIS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.report.figures import Axis, Chart, Dots, Mark

    Point = tuple[float, float]

EDGE = 8.0  # left of the names and of the titles
RIGHT, BOTTOM = 12.0, 42.0
PLAIN, HEADING, LARGE = 12.5, 13.0, 19.0  # font sizes
NARROW, LETTER, CAPITAL, WIDE = (
    0.42,
    0.6,
    0.75,
    1.0,
)  # widths, in font sizes, in the widest of the fonts in use
NARROW_LETTERS, WIDE_LETTERS = frozenset("fijlrtI .,:;'()"), frozenset("mwMW@%")
BOLD = 1.15  # times as wide
LETTERS_A_LINE = 36  # of a heading
SWATCH = 18.0  # before a name in the legend
LINE_HEIGHT = 18.0
LEAST_GAP = 6.0  # between two texts below an axis
RADIUS = 4.0
AREA = 0.22  # opacity of what bars enclose
DARKEST = 0.55  # opacity of a cell


@dataclasses.dataclass(frozen=True)
class Path:
    """Points joined by lines, of no width for none; filled with an opacity above 0."""

    role: str
    points: tuple[Point, ...]
    width: float = 1.0
    dashed: bool = False
    fill: float = 0.0


@dataclasses.dataclass(frozen=True)
class Ring:
    """A circle, filled with the paper if hollow."""

    role: str
    x: float
    y: float
    radius: float = RADIUS
    hollow: bool = False


@dataclasses.dataclass(frozen=True)
class Text:
    """Words, y being their base line."""

    role: str
    x: float
    y: float
    text: str
    size: float = PLAIN
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


Shape = Path | Ring | Text


@dataclasses.dataclass(frozen=True)
class Scene:
    """Shapes from back to front."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def lay_out(chart: Chart, heading: str = "") -> Scene:
    """Lay a chart out.

    Args:
        chart: what to draw.
        heading: to stand above it; a page has its own, and leaves it out.
    """
    titles = _lay_out_heading(heading, chart.width)
    above = LINE_HEIGHT * len(titles) + 6
    legend, lines = _lay_out_legend(chart, above)
    top = above + LINE_HEIGHT * (lines + 1) + 7
    # lines of the heading and of the legend but the first leave the chart its height
    height = chart.height + LINE_HEIGHT * (len(titles) + max(lines - 1, 0))
    left = max(text_width(text, PLAIN) for _, text in chart.y.ticks) + EDGE + 6
    frame = _Frame(chart.x, chart.y, left, top, chart.width - RIGHT, height - BOTTOM)
    shapes = [*titles, *legend, *_lay_out_axes(frame)]
    for mark in chart.marks:
        shapes += _lay_out_mark(mark, frame)
    return Scene(chart.width, height, tuple(shapes))


@dataclasses.dataclass(frozen=True)
class _Frame:
    """Where a chart's axes lie, and from numbers to places."""

    x: Axis
    y: Axis
    left: float
    top: float
    right: float
    bottom: float

    def across(self, value: float) -> float:
        return self.left + _share(value, self.x) * (self.right - self.left)

    def up(self, value: float) -> float:
        return self.bottom - _share(value, self.y) * (self.bottom - self.top)

    def at(self, x: Sequence[float], y: Sequence[float]) -> list[Point]:
        return [(self.across(a), self.up(b)) for a, b in zip(x, y, strict=True)]


def _share(value: float, axis: Axis) -> float:
    return min(max((value - axis.low) / (axis.high - axis.low), 0.0), 1.0)


def _lay_out_heading(heading: str, width: float) -> list[Shape]:
    lines = textwrap.wrap(heading, LETTERS_A_LINE, max_lines=2, placeholder=ELLIPSIS)
    shapes: list[Shape] = []
    for i, line in enumerate(lines):
        size = min(HEADING, (width - 2 * EDGE) / (BOLD * text_width(line, 1.0)))
        shapes.append(Text("ink", EDGE, LINE_HEIGHT * (i + 1), line, size, bold=True))
    return shapes


def _lay_out_legend(chart: Chart, top: float) -> tuple[list[Shape], int]:
    """Return the names of the marks with their swatches, and how many lines they take."""
    shapes: list[Shape] = []
    x, lines = EDGE, 0
    for mark in (mark for mark in chart.marks if mark.name):
        width = SWATCH + text_width(mark.name, PLAIN) + 8
        if not lines or (x > EDGE and x + width > chart.width):
            x, lines = EDGE, lines + 1
        y = top + LINE_HEIGHT * lines - 8
        shapes += _swatch(mark, x, y - 4)
        shapes.append(Text("ink", x + SWATCH, y, mark.name))
        x += width
    return shapes, lines


def _swatch(mark: Mark, x: float, y: float) -> list[Shape]:
    ends = ((x, y), (x + 13, y))
    if isinstance(mark, Line):
        return [Path(mark.role, ends, _stroke(mark), dashed=mark.dashed)]
    if isinstance(mark, Bars | Cell):
        return [Path(mark.role, _box(x, y - 4, x + 13, y + 4), 1.2, fill=AREA)]
    ring = Ring(mark.role, x + 6.5, y, hollow=mark.hollow)
    return [Path(mark.role, ends, 1.2), ring] if mark.joined else [ring]


def _lay_out_axes(frame: _Frame) -> Iterator[Shape]:
    left, top, right, bottom = frame.left, frame.top, frame.right, frame.bottom
    for place, text in frame.y.ticks:
        height = frame.up(place)
        if frame.y.has_grid:
            yield Path("grid", ((left, height), (right, height)), 0.8)
        yield Text("muted", left - 6, height + 4, text, anchor="end")
    taken = 0.0
    for place, text in frame.x.ticks:
        middle, half = frame.across(place), text_width(text, PLAIN) / 2
        if frame.x.has_grid:
            yield Path("grid", ((middle, top), (middle, bottom)), 0.8)
        start = min(middle - half, right + RIGHT - 2 * half)
        if start >= taken:
            yield Text("muted", start + half, bottom + 16, text, anchor="middle")
            taken = start + 2 * half + LEAST_GAP
    yield Path("axis", ((left, top), (left, bottom), (right, bottom)))
    yield Text("muted", EDGE, top - 10, frame.y.title)
    yield Text("muted", right, bottom + 34, frame.x.title, anchor="end")


def _lay_out_mark(mark: Mark, frame: _Frame) -> Iterator[Shape]:
    if isinstance(mark, Line):
        points = frame.at(mark.x, mark.y)
        points = _stairs(points) if mark.steps else points
        if not points:
            return
        yield Path(mark.role, _without_repeats(points), _stroke(mark), dashed=mark.dashed)
    elif isinstance(mark, Bars):
        yield Path(mark.role, _without_repeats(_outline(mark, frame)), 1.4, fill=AREA)
    elif isinstance(mark, Cell):
        yield from _lay_out_cell(mark, frame)
    else:
        yield from _lay_out_dots(mark, frame)


def _lay_out_dots(dots: Dots, frame: _Frame) -> Iterator[Shape]:
    points = frame.at(dots.x, dots.y)
    for (x, _), (low, high) in zip(points, dots.bars, strict=False):
        yield Path(dots.role, ((x, frame.up(low)), (x, frame.up(high))), 1.2)
    if dots.joined:
        yield Path(dots.role, tuple(points), 1.2)
    for x, y in points:
        yield Ring(dots.role, x, y, hollow=dots.hollow)


def _lay_out_cell(cell: Cell, frame: _Frame) -> Iterator[Shape]:
    sides = frame.at((cell.column, cell.column + 1), (cell.row, cell.row + 1))
    (left, top), (right, bottom) = sides
    corners = _box(left + 1, top + 1, right - 1, bottom - 1)
    yield Path(cell.role, corners, 0.0, fill=DARKEST * cell.shade)
    y = (top + bottom) / 2 + 4 - LINE_HEIGHT * (len(cell.lines) - 1) / 2
    for i, line in enumerate(cell.lines):
        large = not i and len(cell.lines) > 1
        size = LARGE if large else PLAIN
        yield Text("ink", (left + right) / 2, y, line, size, "middle", large)
        y += LINE_HEIGHT


def _outline(bars: Bars, frame: _Frame) -> list[Point]:
    rising = zip(bars.edges[:-1], bars.edges[1:], bars.heights, strict=True)
    tops = [(edge, height) for low, high, height in rising for edge in (low, high)]
    outline = [(bars.edges[0], 0.0), *tops, (bars.edges[-1], 0.0)]
    return frame.at(*zip(*outline, strict=True))


def _stroke(line: Line) -> float:
    return 1.2 if line.dashed else 1.9


def _stairs(points: Sequence[Point]) -> list[Point]:
    """Return points joined by right angles: up or down first, then across."""
    stairs = list(points[:1])
    for x, y in points[1:]:
        stairs += [(stairs[-1][0], y), (x, y)]
    return stairs


def _without_repeats(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return points without those that lie on the one before, at the grain of a figure."""
    kept: list[Point] = []
    for x, y in points:
        place = round(x, 1), round(y, 1)
        if not kept or kept[-1] != place:
            kept.append(place)
    return tuple(kept)


def _box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom), (left, top)


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is; painters have fonts of their own."""
    return size * sum(map(_letter_width, text))


def _letter_width(letter: str) -> float:
    if letter in WIDE_LETTERS or unicodedata.east_asian_width(letter) in {"W", "F"}:
        return WIDE
    if letter in NARROW_LETTERS:
        return NARROW
    return CAPITAL if letter.isupper() else LETTER
