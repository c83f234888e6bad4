"""A figure laid out: lines, areas, rings and texts at their places, for any painter.

Lengths are in points, from the top left. A painter needs to know nothing of axes.
"""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from typing import TYPE_CHECKING, Literal

from imbalance_cli.errors import shorten
from imbalance_cli.report.figures import Bars, Chart, Dots, Line, Matrix
from imbalance_cli.report.names import show_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.report.figures import Axis, Figure, Mark, Ranking

    Point = tuple[float, float]

WIDTH, HEIGHT = 360.0, 276.0
LEFT, RIGHT, BOTTOM = 44.0, 12.0, 38.0
SMALL, PLAIN, TITLE = 10.5, 11.5, 14.0  # font sizes
LETTER, CAPITAL, WIDE = 0.6, 0.75, 1.0  # widths, in font sizes, in the widest of the fonts in use
WIDE_LETTERS = frozenset("mwMW@%")
BOLD = 1.15  # times as wide
LONGEST_HEADING = 50  # letters
SWATCH = 18.0  # before a name in the legend
LINE_HEIGHT = 17.0
LEAST_GAP = 30.0  # between two texts below an axis
LONGEST_NAME = 24  # letters of a label beside a ranking or a matrix
MOST_CELLS_WITH_TEXT = 6  # columns of a matrix
FEW_ROWS, TALL_ROW = 2, 104.0  # of a matrix that is as tall as a chart
ROW = 22.0  # of a ranking


@dataclasses.dataclass(frozen=True)
class Path:
    """Points joined by lines; filled, faintly, if `area`."""

    role: str
    points: tuple[Point, ...]
    width: float = 1.0
    dashed: bool = False
    area: bool = False


@dataclasses.dataclass(frozen=True)
class Block:
    """A rectangle of a shade from 0 to 1."""

    role: str
    x: float
    y: float
    width: float
    height: float
    shade: float


@dataclasses.dataclass(frozen=True)
class Ring:
    """A circle, filled with the paper if hollow."""

    role: str
    x: float
    y: float
    radius: float
    hollow: bool = False


@dataclasses.dataclass(frozen=True)
class Text:
    """Words, y being their base line."""

    role: str
    x: float
    y: float
    text: str
    size: float = SMALL
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


Shape = Path | Block | Ring | Text


@dataclasses.dataclass(frozen=True)
class Scene:
    """Shapes from back to front."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def lay_out(figure: Figure, heading: str = "") -> Scene:
    """Lay a figure out.

    Args:
        figure: what to draw.
        heading: to stand above it; a page has its own, and leaves it out.
    """
    shapes: list[Shape] = []
    top = 6.0
    if heading:
        shown = shorten(heading, LONGEST_HEADING)
        size = min(TITLE, (WIDTH - 16) / (BOLD * text_width(shown, 1.0)))
        shapes.append(Text("ink", 8.0, 20.0, shown, size, bold=True))
        top = 32.0
    if isinstance(figure, Chart):
        return _lay_out_chart(figure, shapes, top)
    if isinstance(figure, Matrix):
        return _lay_out_matrix(figure, shapes, top)
    return _lay_out_ranking(figure, shapes, top)


# ------------------------------------------------------------------------------------------- charts


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
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def up(self, value: float) -> float:
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)

    def at(self, x: Sequence[float], y: Sequence[float]) -> list[Point]:
        return [(self.across(a), self.up(b)) for a, b in zip(x, y, strict=True)]


def _lay_out_chart(chart: Chart, shapes: list[Shape], top: float) -> Scene:
    legend, top = _lay_out_legend(chart.marks, top)
    frame = _Frame(chart.x, chart.y, LEFT, top + LINE_HEIGHT + 9, WIDTH - RIGHT, HEIGHT - BOTTOM)
    shapes += legend
    shapes += _lay_out_axes(frame)
    for mark in chart.marks:
        shapes += _lay_out_mark(mark, frame)
    return Scene(WIDTH, HEIGHT, tuple(shapes))


def _lay_out_legend(marks: Sequence[Mark], top: float) -> tuple[list[Shape], float]:
    """Return the names of the marks with their swatches, and where the chart may begin."""
    shapes: list[Shape] = []
    x, y = 8.0, top + 10
    for mark in (mark for mark in marks if mark.name):
        width = SWATCH + text_width(mark.name, SMALL) + 10
        if x > 8.0 and x + width > WIDTH:  # noqa: PLR2004  not the first of its line
            x, y = 8.0, y + LINE_HEIGHT
        middle = y - 3.5
        ends = ((x, middle), (x + 13, middle))
        if isinstance(mark, Bars):
            shapes.append(Path(mark.role, _box(x, middle - 4, 13, 8), 1.2, area=True))
        else:
            shapes += _swatch(mark, ends)
        shapes.append(Text("ink", x + SWATCH, y, mark.name))
        x += width
    return shapes, y + 5


def _swatch(mark: Line | Dots, ends: tuple[Point, Point]) -> list[Shape]:
    (left, y), (right, _) = ends
    if isinstance(mark, Line):
        return [Path(mark.role, ends, _stroke(mark), dashed=mark.dashed)]
    ring = Ring(mark.role, (left + right) / 2, y, 3.4, mark.hollow)
    return [Path(mark.role, ends, 1.2), ring] if mark.joined else [ring]


def _lay_out_axes(frame: _Frame) -> list[Shape]:
    shapes: list[Shape] = []
    for place, text in frame.y.ticks:
        y = frame.up(place)
        shapes.append(Path("grid", ((frame.left, y), (frame.right, y)), 0.8))
        shapes.append(Text("muted", frame.left - 6, y + 3.5, text, anchor="end"))
    last = -LEAST_GAP
    for place, text in frame.x.ticks:
        x = frame.across(place)
        shapes.append(Path("grid", ((x, frame.top), (x, frame.bottom)), 0.8))
        if x - last >= LEAST_GAP:
            shapes.append(Text("muted", x, frame.bottom + 14, text, anchor="middle"))
            last = x
    corner = ((frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom))
    shapes.append(Path("axis", corner))
    if frame.y.title:
        shapes.append(Text("muted", 8.0, frame.top - 11, frame.y.title))
    shapes.append(Text("muted", frame.right, frame.bottom + 30, frame.x.title, anchor="end"))
    return shapes


def _lay_out_mark(mark: Mark, frame: _Frame) -> list[Shape]:
    if isinstance(mark, Line):
        points = frame.at(mark.x, mark.y)
        points = _stairs(points) if mark.steps else points
        return [Path(mark.role, _without_repeats(points), _stroke(mark), dashed=mark.dashed)]
    if isinstance(mark, Bars):
        rising = zip(mark.edges[:-1], mark.edges[1:], mark.heights, strict=True)
        tops = [(edge, height) for low, high, height in rising for edge in (low, high)]
        outline = [(mark.edges[0], 0.0), *tops, (mark.edges[-1], 0.0)]
        points = frame.at(*zip(*outline, strict=True))
        return [Path(mark.role, _without_repeats(points), 1.4, area=True)]
    points = frame.at(mark.x, mark.y)
    bars: list[Shape] = [
        Path(mark.role, ((x, frame.up(low)), (x, frame.up(high))), 1.2)
        for (x, _), (low, high) in zip(points, mark.bars, strict=False)
    ]
    line: list[Shape] = [Path(mark.role, tuple(points), 1.2)] if mark.joined else []
    radius = 3.4 if mark.joined else 4.4
    return [*bars, *line, *(Ring(mark.role, x, y, radius, mark.hollow) for x, y in points)]


def _stroke(line: Line) -> float:
    return 1.2 if line.dashed and line.role in {"chance", "chosen"} else 1.9


def _stairs(points: Sequence[Point]) -> list[Point]:
    """Return points joined by right angles: up or down first, then across."""
    stairs = [points[0]]
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


def _box(x: float, y: float, width: float, height: float) -> tuple[Point, ...]:
    return (x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)


# ---------------------------------------------------------------------------- matrices and rankings


def _lay_out_matrix(matrix: Matrix, shapes: list[Shape], top: float) -> Scene:
    names = [show_name(name, LONGEST_NAME) for name in matrix.rows]
    left = 14 + max(text_width(name, SMALL) for name in names)
    has_text = len(matrix.columns) <= MOST_CELLS_WITH_TEXT
    width = max(WIDTH, left + 16 * len(matrix.columns) + RIGHT)
    cell = (width - left - RIGHT) / len(matrix.columns)
    height = TALL_ROW if has_text and len(matrix.rows) <= FEW_ROWS else 26.0
    top += 20
    for j, name in enumerate(matrix.columns):
        shown = show_name(name, max(int(cell / (SMALL * LETTER)), 4)) if has_text else str(j + 1)
        shapes.append(Text("muted", left + (j + 0.5) * cell, top - 6, shown, anchor="middle"))
    for i, (name, row) in enumerate(zip(names, matrix.cells, strict=True)):
        y = top + i * height
        shapes.append(Text("muted", left - 8, y + height / 2 + 4, name, anchor="end"))
        for j, entry in enumerate(row):
            x = left + j * cell
            shapes.append(Block("model", x + 1, y + 1, cell - 2, height - 2, entry.shade))
            if has_text:
                shapes += _lay_out_cell(entry.text, entry.note, x + cell / 2, y + height / 2)
    return Scene(width, top + len(matrix.rows) * height + 10, tuple(shapes))


def _lay_out_cell(text: str, note: str, x: float, y: float) -> list[Shape]:
    if not note:
        return [Text("ink", x, y + 4, text, anchor="middle")]
    return [
        Text("ink", x, y, text, 19.0, anchor="middle", bold=True),
        *(
            Text("ink", x, y + 18 + 14 * i, line.strip(), anchor="middle")
            for i, line in enumerate(note.split(","))
        ),
    ]


def _lay_out_ranking(ranking: Ranking, shapes: list[Shape], top: float) -> Scene:
    names = [show_name(bullet.label, LONGEST_NAME) for bullet in ranking.bullets]
    left = 16 + max(text_width(name, SMALL) for name in names)
    headings = [""] + [bullet.group for bullet in ranking.bullets]
    headings = [b if b != a else "" for a, b in itertools.pairwise(headings)]
    rows = len(names) + sum(map(bool, headings))
    right, bottom = WIDTH - RIGHT - 8, top + ROW * rows + 6

    def across(value: float) -> float:
        return left + value * (right - left)

    for share, text in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        shapes.append(Path("grid", ((across(share), top), (across(share), bottom)), 0.8))
        shapes.append(Text("muted", across(share), bottom + 14, text, anchor="middle"))
    y = top - ROW / 2
    for heading, name, bullet in zip(headings, names, ranking.bullets, strict=True):
        if heading:
            y += ROW
            shapes.append(Text("muted", 8.0, y + 6, heading))
        y += ROW
        shapes.append(Text("ink", left - 10, y + 3.5, name, anchor="end"))
        if bullet.chance is not None:
            x = across(bullet.chance)
            shapes.append(Path("chance", ((x, y - 7), (x, y + 7)), 2.0))
        if bullet.low is not None and bullet.high is not None:
            shapes.append(Path("model", ((across(bullet.low), y), (across(bullet.high), y)), 2.4))
        if bullet.value is not None:
            shapes.append(Ring("model", across(bullet.value), y, 4.0))
    shapes.append(Text("muted", right, bottom + 29, ranking.scale, anchor="end"))
    return Scene(WIDTH, bottom + 36, tuple(shapes))


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is; painters have fonts of their own."""
    return size * sum(map(_letter_width, text))


def _letter_width(letter: str) -> float:
    if letter in WIDE_LETTERS or unicodedata.east_asian_width(letter) in {"W", "F"}:
        return WIDE
    return CAPITAL if letter.isupper() else LETTER
