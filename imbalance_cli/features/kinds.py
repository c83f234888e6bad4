"""What makes a column a number, a date, a category, an id, free text or a constant.

`fit` and `inspect` collect the evidence in their own ways and judge it here.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Literal, Protocol

from imbalance_cli.errors import show_cell

if TYPE_CHECKING:
    from collections import Counter

Kind = Literal[
    "number",
    "boolean",
    "date",
    "category",
    "text",
    "id",
    "constant",
    "empty",
    "other",
    "labels",
]

MISSING, OTHER, FIRST_CATEGORY = 0, 1, 2  # indices of a category: unknown ones are OTHER

MOSTLY = 0.95  # a column with this share of numbers is a column of numbers with bad cells
ID_ROWS = 50  # in fewer rows than these, distinct values say nothing
TEXT_LENGTH = 40  # characters, on average, that no category name has
EXACT_INTEGERS = 2**53  # whole numbers below this are floats of their own
LARGE_HINT = "leave the cell blank, or write a finite number"
NEARLY_ALL = 0.95  # of an estimated number of distinct values
ID_NAME = re.compile(
    r"(.*[_ .-])?([Ii][Dd]|ID|[Ii]ndex|INDEX|key)|.*[a-z](ID|Id)|Unnamed: \d+|column_1"
)
"""Of a column that identifies rows, or of a first one without a name."""


class Reading(Protocol):
    """A column read as numbers, or as dates.

    Attributes:
        cells: how many are.
        bad: where the first cell stands that is neither missing nor of that kind, and the cell.
        large: where the first one stands that no float32 holds, and what is wrong with it.
    """

    cells: int
    bad: tuple[str, str] | None
    large: tuple[str, str] | None


class Evidence(Protocol):
    """What was seen of a column; what takes long to compute is computed when it is asked for.

    Attributes:
        column: its name.
        type_name: of cells that are no feature, such as lists.
        are_names: whether its type says that it holds categories.
        known: how many cells are not missing.
        are_booleans: whether all known cells are true or false.
        missing_words: how many cells hold each word for a missing number or date.
    """

    column: str
    type_name: str | None
    are_names: bool
    known: int
    are_booleans: bool
    missing_words: Counter[str]

    @property
    def numbers(self) -> Reading:
        """Its cells as numbers."""
        ...

    @property
    def dates(self) -> Reading:
        """Its cells as dates."""
        ...

    @property
    def rows(self) -> int:
        """How many cells there are."""
        ...

    @property
    def characters(self) -> int:
        """How many characters all known cells have."""
        ...

    @property
    def example(self) -> str:
        """The first known cell."""
        ...

    @property
    def has_booleans(self) -> bool:
        """Whether any cell is true or false."""
        ...

    def distinct(self) -> tuple[int, bool]:
        """Return how many different known cells there are, and whether that is no estimate."""
        ...

    def successive(self) -> tuple[float, float] | None:
        """Return the first and last of successive whole numbers that are there once each."""
        ...

    def are_unlike(self) -> bool:
        """Return whether every row has a whole number, and another one."""
        ...

    def are_long_numbers(self) -> bool:
        """Return whether all are written as whole numbers, some too long for a float."""
        ...


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What a column is.

    Attributes:
        kind: number, boolean (true and false), date, category, text (free text), id (an
            identifier or a row number), constant, empty, other (a type that no feature is made
            of), or labels: all label columns of a source that holds them sparse.
        problem: why it cannot be a feature, or None.
        place: of the cell that is the problem; None where it is the column.
        hint: what to do about the problem, beside leaving the column out.
        note: what speaks against it, though it can be a feature.
    """

    kind: Kind
    problem: str | None = None
    place: str | None = None
    hint: str | None = None
    note: str | None = None


def judge(column: Evidence) -> Judgement:
    """Return what a column is, by all of its cells; constants apart."""
    if column.type_name is not None:
        problem = f"holds {column.type_name}, and a feature is a number, a date or a category"
        return Judgement("other", problem)
    if not column.known:
        return Judgement("empty", "every cell is missing")
    if column.are_names:
        return _judge_texts(column)
    if column.numbers.bad is None and column.numbers.cells:
        return _judge_numbers(column)
    if column.dates.bad is None and column.dates.cells:
        return Judgement("date")
    return _judge_few_bad_cells(column) or _judge_texts(column)


def _judge_few_bad_cells(column: Evidence) -> Judgement | None:
    """Name the first of a few cells that are not of the kind that the others are."""
    readings: list[tuple[Kind, Reading]] = [("number", column.numbers), ("date", column.dates)]
    known = column.known - sum(column.missing_words.values())
    for kind, reading in readings:
        if reading.bad is None or reading.cells <= MOSTLY * known:
            continue
        # true, false and a third word are three categories, not numbers with a bad cell
        if kind == "number" and column.has_booleans:
            continue
        place, cell = reading.bad
        problem = f"{show_cell(cell)} is not a {kind}, as {reading.cells:,} of {known:,} cells are"
        return Judgement(kind, problem, place, "mend it, leave the cell blank")
    return None


def _judge_numbers(column: Evidence) -> Judgement:
    if column.numbers.large is not None:
        place, problem = column.numbers.large
        return Judgement("number", problem, place, LARGE_HINT)
    if column.are_booleans:
        return Judgement("boolean")
    if column.rows >= ID_ROWS and (ends := column.successive()) is not None:
        first, last = ends
        problem = f"looks like an id: the numbers from {first:g} to {last:g}, each once"
        return Judgement("id", problem)
    if column.rows >= ID_ROWS and ID_NAME.fullmatch(column.column) and column.are_unlike():
        note = "holds another number in every row, and is called like an id"
        return Judgement("id", note=note)
    if column.are_long_numbers():
        judgement = _judge_texts(column)
        return judgement if judgement.problem else Judgement("number")
    return Judgement("number")


def _judge_texts(column: Evidence) -> Judgement:
    known = column.known
    distinct, is_exact = column.distinct()
    distinct = min(distinct, known)  # an estimate may be above
    if distinct < ID_ROWS:
        return Judgement("category")
    is_text = column.characters > TEXT_LENGTH * known
    if 2 * distinct <= known and not is_text:
        return Judgement("category")
    problem = (
        f"looks like {'free text' if is_text else 'an id'}: {'' if is_exact else 'about '}"
        f"{distinct:,} distinct values in {known:,} cells, such as {show_cell(column.example)}"
    )
    return Judgement("text" if is_text else "id", problem)
