"""The kinds of columns: one KindSpec each, all that `fit`, `inspect` and `init` know of one.

To add a kind, call `register_kind`: what was seen of a column decides for it, and how it is
encoded, shown and left out follows.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final, Literal

from imbalance_cli.errors import show_cell
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.features.evidence import Evidence, Reading

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
CONSTANT, LABELS = "constant", "labels"


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What a column is.

    Attributes:
        kind: the name of a KindSpec.
        problem: why it cannot be a feature, or None.
        place: of the cell that is the problem; None where it is the column.
        hint: what to do about the problem, beside leaving the column out.
        note: a reason against it, though it can be a feature.
        is_clause: whether the problem is a sentence of its own, rather than what the column does.
    """

    kind: str
    problem: str | None = None
    place: str | None = None
    hint: str | None = None
    note: str | None = None
    is_clause: bool = True


@dataclasses.dataclass(frozen=True)
class KindSpec:
    """A kind of column.

    Attributes:
        name: as `inspect` shows it.
        tell: judges a column that is of the kind, and returns None of another one; None where
            more than its cells decides.
        encoding: how `fit` reads and encodes it; None where it can be no feature.
        has_range: whether `inspect` shows the least and the largest value.
        is_left_out: whether `init` leaves it out, though `fit` takes it.
        may_be_key: whether it can be data.group or data.time.
        may_be_time: whether `init` suggests it as data.time where it is called like one; a date
            always is.
        remark: what `inspect` warns of, with {} for the first value.
    """

    name: str
    tell: Callable[[Evidence], Judgement | None] | None = None
    encoding: Literal["number", "date", "category"] | None = None
    has_range: bool = False
    is_left_out: bool = False
    may_be_key: bool = True
    may_be_time: bool = False
    remark: str | None = None

    @property
    def is_date(self) -> bool:
        """Whether its values are days."""
        return self.encoding == "date"

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers or days, so that words such as N/A are missing ones."""
        return self.encoding in {"number", "date"}


KINDS: Final[dict[str, KindSpec]] = {}
"""In the order in which they are asked whether a column is of them."""


def register_kind(spec: KindSpec) -> None:
    """Make a kind known, asked before all others; it takes the place of one of its name."""
    others = {name: other for name, other in KINDS.items() if name != spec.name}
    KINDS.clear()
    KINDS.update({spec.name: spec} | others)


def tell_kind(column: Evidence) -> Judgement:
    """Return what a column is, by all of its cells; constants apart."""
    asked = (spec.tell(column) for spec in KINDS.values() if spec.tell is not None)
    return next(judgement for judgement in asked if judgement is not None)


def list_ways(column: str, way: str | None = None) -> str:
    """Return what to do about a column that can be no feature: what reads it, or to leave it out.

    Args:
        column: its name.
        way: what reads it, where anything does.
    """
    exclude = f"data.exclude: [{quote(column)}]"
    if not way:
        return exclude
    return f"{way}{'; or' if ':' in way else ', or'} {exclude}"


def _tell_other(column: Evidence) -> Judgement | None:
    if column.type_name is None:
        return None
    problem = f"holds {column.type_name}, and a feature is a number, a date or a category"
    return Judgement("other", problem)


def _tell_empty(column: Evidence) -> Judgement | None:
    return None if column.known else Judgement("empty", "every cell is missing")


def _tell_boolean(column: Evidence) -> Judgement | None:
    return Judgement("boolean") if _are_finite(column) and column.are_booleans else None


def _tell_id(column: Evidence) -> Judgement | None:
    if _are_finite(column) and column.rows >= ID_ROWS:
        if (ends := column.successive()) is not None:
            problem = f"looks like an id: the numbers from {ends[0]:g} to {ends[1]:g}, each once"
            return Judgement("id", problem, is_clause=False)
        if ID_NAME.fullmatch(column.column) and column.are_unlike():
            note = "holds another number in every row, and is called like an id"
            return Judgement("id", note=note)
    return _tell_unlike(column, "id", "an id", are_long=False)


def _tell_text(column: Evidence) -> Judgement | None:
    return _tell_unlike(column, "text", "free text", are_long=True)


def _tell_date(column: Evidence) -> Judgement | None:
    return Judgement("date") if _are_dates(column) else _tell_bad_date(column)


def _tell_number(column: Evidence) -> Judgement | None:
    if not _are_numbers(column):
        return _tell_bad_number(column)
    if column.numbers.large is None:
        return Judgement("number")
    place, problem = column.numbers.large
    return Judgement("number", problem, place, LARGE_HINT)


def _are_numbers(column: Evidence) -> bool:
    return not column.are_names and column.numbers.bad is None and column.numbers.cells > 0


def _are_finite(column: Evidence) -> bool:
    return _are_numbers(column) and column.numbers.large is None


def _are_dates(column: Evidence) -> bool:
    return not column.are_names and column.dates.bad is None and column.dates.cells > 0


def _tell_bad_number(column: Evidence) -> Judgement | None:
    # true, false and a third word are three categories, not numbers with a bad cell
    judgement = _tell_bad_cell(column, "number", column.numbers)
    return None if judgement is not None and column.has_booleans else judgement


def _tell_bad_date(column: Evidence) -> Judgement | None:
    return _tell_bad_cell(column, "date", column.dates)


def _tell_bad_cell(column: Evidence, kind: str, reading: Reading) -> Judgement | None:
    """Name the first of a few cells that are not of the kind that the others are."""
    known = column.known - sum(column.missing_words.values())
    if column.are_names or reading.bad is None or reading.cells <= MOSTLY * known:
        return None
    place, cell = reading.bad
    problem = f"{show_cell(cell)} is not a {kind}, as {reading.cells:,} of {known:,} cells are"
    return Judgement(kind, problem, place, "mend it, leave the cell blank")


def _is_long(column: Evidence) -> bool:
    return column.characters > TEXT_LENGTH * column.known


def _tell_unlike(column: Evidence, kind: str, what: str, *, are_long: bool) -> Judgement | None:
    """Judge names that hardly repeat, or numbers that are too long for a float and so may be."""
    if _are_numbers(column):
        if not _are_finite(column) or not column.are_long_numbers():
            return None
    elif _are_dates(column) or _tell_bad_number(column) or _tell_bad_date(column):
        return None
    if _is_long(column) != are_long:  # asked last: texts of numbers need not be counted
        return None
    known = column.known
    distinct, is_exact = column.distinct()
    distinct = min(distinct, known)  # an estimate may be above
    if distinct < ID_ROWS or (2 * distinct <= known and not are_long):
        return None
    problem = (
        f"looks like {what}: {'' if is_exact else 'about '}{distinct:,} distinct values in "
        f"{known:,} cells, such as {show_cell(column.example)}"
    )
    return Judgement(kind, problem, is_clause=False)


for _spec in (
    KindSpec(LABELS),  # all label columns of a source that holds them sparse
    KindSpec(
        CONSTANT,
        has_range=True,
        is_left_out=True,
        remark="constant ({!r}), and so dropped",
    ),
    KindSpec("category", lambda _: Judgement("category"), "category"),
    KindSpec("number", _tell_number, "number", has_range=True, may_be_time=True),
    KindSpec("date", _tell_date, "date", has_range=True),
    KindSpec("text", _tell_text),
    KindSpec("id", _tell_id, "number", has_range=True, is_left_out=True),
    KindSpec("boolean", _tell_boolean, "number"),
    KindSpec("empty", _tell_empty),
    KindSpec("other", _tell_other, may_be_key=False),
):
    register_kind(_spec)
