"""What a column holds, found while its rows stream past.

A kind is told by the rules that `features` reads a column by, from counts alone, so that memory
does not grow with the rows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from imbalance_cli.errors import shorten, show_cell
from imbalance_cli.features.columns import EXACT_INTEGERS, ID_NAME, MOSTLY, NEARLY_ALL, is_names
from imbalance_cli.features.preprocessing import LARGEST, describe_missing_words
from imbalance_cli.features.texts import ID_ROWS, TEXT_LENGTH
from imbalance_cli.notation import NotationScan
from imbalance_cli.notation.scanning import Fit
from imbalance_cli.readers.cells import (
    BOOLEANS,
    MISSING_WORDS,
    Parsed,
    is_readable,
    parse_dates,
    parse_numbers,
    parse_texts,
)
from imbalance_cli.readers.source import DISTINCT_LIMIT, ColumnTally
from imbalance_cli.sketches import DistinctCounter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imbalance_cli.notation import Notation, NotationChoice

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

DISTINCT_HASHES = 2**12  # kept a column; past it distinct values are known to 1.6 %
LONGEST_EXAMPLE = 40  # characters
SECONDS_A_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: of the column.
        kind: number, boolean (true and false), date, category, text (free text), id (an
            identifier or a row number), constant, empty, other (a type that no feature is made
            of), or labels: all label columns of a source that holds them sparse, whose cells are
            counted together.
        known: cells that are not missing.
        missing: cells that are.
        distinct: different known values; estimated where there are many.
        distinct_is_exact: whether it is no estimate.
        minimum: of a number; of a date as ISO text.
        maximum: as minimum.
        values: rows a value, most frequent first; none where there are more than a few.
        example: the first value.
        problem: why `fit` would refuse the column as a feature, or None.
        hint: what to do about it, where that is not to leave it out.
        note: how `fit` reads it, where that is not plain to see.
        settings: keys of `data` that say so, or that solve the problem.
        first_missing: where the first missing cell stands, or None.
        first_no_time: where the first cell stands that is neither a number nor a date in a column
            of them, and the cell; None where all cells are.
    """

    name: str
    kind: Kind
    known: int
    missing: int
    distinct: int
    distinct_is_exact: bool = True
    minimum: float | str | None = None
    maximum: float | str | None = None
    values: dict[str, int] = dataclasses.field(default_factory=dict)
    example: str | None = None
    problem: str | None = None
    hint: str | None = None
    note: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    first_missing: str | None = None
    first_no_time: tuple[str, str] | None = None

    @property
    def missing_share(self) -> float:
        """Missing cells over all cells."""
        return self.missing / max(self.known + self.missing, 1)


@dataclasses.dataclass
class _Reading:
    """How many cells are not of a kind, the first of them, and the range of the others.

    `large` says where the first number is that no float32 holds, and which it is.
    """

    bad: int = 0
    bad_cell: str | None = None
    bad_place: str = ""
    low: float = np.inf
    high: float = -np.inf
    large: str | None = None

    def add(
        self, parsed: Parsed, texts: pl.Series, counts: pl.Series, place: Callable[[str], str]
    ) -> None:
        values = parsed.values
        if values.null_count() < len(values):
            known = values.drop_nulls().to_numpy()
            self.low = min(self.low, float(known.min()))
            self.high = max(self.high, float(known.max()))
            if self.large is None and max(abs(self.low), abs(self.high)) > LARGEST:
                row = (values.abs() > LARGEST).fill_null(value=False).arg_max() or 0
                cell, is_infinite = str(texts[row]), np.isinf(values[row])
                problem = "infinite" if is_infinite else f"too large: the most is {LARGEST:.1e}"
                self.large = f"{place(cell)}: {show_cell(cell)} is {problem}"
        if parsed.bad_row is None:
            return
        if self.bad_cell is None:
            self.bad_cell = str(texts[parsed.bad_row])
            self.bad_place = place(self.bad_cell)
        is_word = texts.str.to_lowercase().is_in(list(MISSING_WORDS))
        self.bad += int(counts.filter(values.is_null() & ~is_word).sum())


class ColumnScan:
    """Keeps what tells the kind of one column.

    Args:
        name: of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.notation = NotationScan()
        self._missing_words: dict[str, int] = {}
        self._rows = self._known = self._letters = 0
        self._unreadable: str | None = None
        self._are_names = False
        self._note: str | None = None
        self._first_missing: str | None = None
        self._has_booleans, self._are_booleans = False, True
        self._are_integers = self._are_whole = True
        self._numbers, self._dates = _Reading(), _Reading()
        self._tally = ColumnTally()
        self._distinct = DistinctCounter(DISTINCT_HASHES)

    def add(self, cells: pl.Series, place: Callable[[int], str]) -> None:
        """Add some rows.

        Args:
            cells: of the column, as texts or typed.
            place: says where a row of them stands.
        """
        self._rows += len(cells)
        if not is_readable(cells.dtype):
            self._unreadable = str(cells.dtype)
            self._known += len(cells) - cells.null_count()
            return
        if cells.dtype == pl.String and not self.notation.is_clear:
            self.notation.add(cells, place)
        self._are_names = is_names(cells.dtype)
        # each value once: a column of few values costs no more than those
        column = cells.alias("cell").to_frame()
        found = column.group_by("cell", maintain_order=True).len("rows")
        found = found.with_columns(parse_texts(found["cell"]).alias("text"))
        missing = found.filter(pl.col("text").is_null())["cell"]
        if self._first_missing is None and len(missing):
            self._first_missing = place(cells.index_of(missing[0]) or 0)
        found = found.filter(pl.col("text").is_not_null())
        if found.is_empty():
            return
        values, texts, counts = found["cell"], found["text"], found["rows"]
        self._known += int(counts.sum())
        self._letters += int((texts.str.len_chars() * counts).sum())

        def place_text(text: str) -> str:
            row = parse_texts(cells).index_of(text)
            return place(row or 0)

        numbers = parse_numbers(values)
        for word in numbers.missing_words:
            count = int(counts.filter(texts == word).sum())
            self._missing_words[word] = self._missing_words.get(word, 0) + count
        self._numbers.add(numbers, texts, counts, place_text)
        if self._numbers.bad:
            self._dates.add(parse_dates(values), texts, counts, place_text)
            self._has_booleans |= bool(texts.str.to_lowercase().is_in(list(BOOLEANS)).any())
        else:  # a number is no date
            nothing = Parsed(numbers.values.clear(len(values)), bad_row=0)
            self._dates.add(nothing, texts, counts, place_text)
        self._are_booleans &= bool(texts.str.to_lowercase().is_in(list(BOOLEANS)).all())
        self._note_integers(numbers.values, texts)
        self._distinct.add(texts)
        if not self._tally.overflow:
            self._tally.add(_sum_by_text(texts, counts))

    def _note_integers(self, values: pl.Series, texts: pl.Series) -> None:
        if self._are_integers:
            self._are_integers = bool((values.is_null() | (values == values.floor())).all())
        if self._are_whole:
            self._are_whole = bool(texts.str.contains(r"^[-+]?\d+$").all())

    def finish(self, choice: NotationChoice | None = None) -> Column:
        """Return what the column holds.

        Args:
            choice: how it is written, where that is not the usual way.
        """
        column = self._finish()
        if choice is None:
            return column
        column = dataclasses.replace(
            column,
            kind=choice.kind or column.kind,
            problem=choice.problem or column.problem,
            hint=choice.hint,
            note=choice.note or column.note,
            settings=choice.settings,
        )
        if choice.notation is None or choice.notation.kind is None:
            return column
        fit = self.notation.fits.get(choice.notation, Fit())
        is_date = choice.notation.kind == "date"
        low, high = (fit.low, fit.high) if is_date else self._join_range(choice.notation, fit)
        show = _show_days if is_date else float
        return dataclasses.replace(
            column,
            kind=choice.notation.kind,
            minimum=show(low),
            maximum=show(high),
            problem=None,
            first_no_time=None,
        )

    def _join_range(self, notation: Notation, fit: Fit) -> tuple[float, float]:
        """Return the range of numbers, those that are written as usual among them."""
        factor = 1000 if notation.thousands == "." and self.notation.dotted else 1
        low, high = self._numbers.low, self._numbers.high
        return min(fit.low, low), max(fit.high, factor * high)

    def _finish(self) -> Column:
        kind, problem = self._tell()
        note = self._note
        if kind in {"number", "boolean", "date"}:
            self._known -= sum(self._missing_words.values())
            note = describe_missing_words(self._missing_words)
        reading = self._dates if kind == "date" else self._numbers
        has_range = np.isfinite([reading.low, reading.high]).all() and not self._unreadable
        has_range &= kind in {"number", "date", "id", "constant"}
        show = _show_days if kind == "date" else float
        tally = self._tally
        counts = {} if tally.overflow else tally.counts
        first = next(iter(tally.counts), None)
        return Column(
            self.name,
            kind,
            known=self._known,
            missing=self._rows - self._known,
            distinct=min(self._distinct.count, self._known),
            distinct_is_exact=self._distinct.is_exact,
            minimum=show(reading.low) if has_range else None,
            maximum=show(reading.high) if has_range else None,
            values=dict(sorted(counts.items(), key=lambda item: -item[1])),
            example=None if first is None else shorten(first, LONGEST_EXAMPLE),
            problem=problem,
            note=note,
            first_missing=self._first_missing,
            first_no_time=self._find_no_time(),
        )

    def _find_no_time(self) -> tuple[str, str] | None:
        """Return where the first cell stands that is no time, as fit reads times, and the cell."""
        if not (self._numbers.bad and self._dates.bad):
            return None
        return self._dates.bad_place, self._dates.bad_cell or ""

    def _tell(self) -> tuple[Kind, str | None]:
        """Return the kind, and why fit would refuse the column."""
        if self._unreadable:
            return "other", f"holds {self._unreadable}, not a number, a date or a category"
        if not self._known:
            return "empty", "every cell is missing"
        if self._are_names:
            kind, problem = self._tell_text() or ("category", None)
        elif not self._numbers.bad and self._numbers.low < np.inf:
            kind, problem = self._tell_number()
        elif not self._dates.bad and self._dates.low < np.inf:
            kind, problem = "date", None
        else:
            kind, problem = self._tell_mixed() or self._tell_text() or ("category", None)
        is_constant = self._distinct.count == 1 and self._known == self._rows
        return ("constant", None) if is_constant and problem is None else (kind, problem)

    def _tell_mixed(self) -> tuple[Kind, str] | None:
        """Return the kind of a column with a few bad cells, and the first of those."""
        readings: list[tuple[_Reading, Kind]] = [(self._numbers, "number"), (self._dates, "date")]
        for reading, kind in readings[1:] if self._has_booleans else readings:
            good = self._known - reading.bad
            if good > MOSTLY * self._known:
                return kind, (
                    f"{reading.bad_place}: {show_cell(reading.bad_cell)} is not a {kind}, as "
                    f"{good:,} of {self._known:,} cells are"
                )
        return None

    def _tell_number(self) -> tuple[Kind, str | None]:
        low, high = self._numbers.low, self._numbers.high
        if self._numbers.large:
            return "number", self._numbers.large
        if self._are_booleans:
            return "boolean", None
        is_full = self._known == self._rows >= ID_ROWS and self._are_integers
        if is_full and high - low + 1 == self._rows and self._are_all_distinct():
            return "id", f"looks like an id: the numbers from {low:g} to {high:g}, each once"
        if is_full and ID_NAME.fullmatch(self.name) and self._are_all_distinct():
            self._note = "holds another number in every row, and is called like an id"
            return "id", None
        if self._are_whole and max(abs(low), abs(high)) >= EXACT_INTEGERS:
            return self._tell_text() or ("number", None)
        return "number", None

    def _tell_text(self) -> tuple[Kind, str] | None:
        distinct = min(self._distinct.count, self._known)
        is_text = self._letters > TEXT_LENGTH * self._known
        if distinct < ID_ROWS or not (2 * distinct > self._known or is_text):
            return None
        looks = "free text" if is_text else "an id"
        example = shorten(next(iter(self._tally.counts)), LONGEST_EXAMPLE)
        about = "" if self._distinct.is_exact else "about "
        problem = (
            f"looks like {looks}: {about}{distinct:,} distinct values in {self._known:,} cells, "
            f"such as {example!r}"
        )
        return "text" if is_text else "id", problem

    def _are_all_distinct(self) -> bool:
        least = 1 if self._distinct.is_exact else NEARLY_ALL
        return self._distinct.count >= least * self._known


def _show_days(days: float) -> str:
    moment = np.datetime64(0, "s") + np.timedelta64(round(days * SECONDS_A_DAY), "s")
    text = str(moment).replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _sum_by_text(texts: pl.Series, counts: pl.Series) -> dict[str, int]:
    """Return rows a text, in the order of appearance; " 1" and "1" are one text."""
    found: dict[str, int] = {}
    for text, count in zip(texts, counts, strict=True):
        found[text] = found.get(text, 0) + count
        if len(found) > DISTINCT_LIMIT:  # the tally overflows by it, and counts no further
            break
    return found
