"""What a column holds, found while its rows stream past.

Its kind is that of features.kinds, by counts alone, so that memory does not grow with the
rows.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from imbalance_cli.errors import shorten
from imbalance_cli.features.columns import is_names
from imbalance_cli.features.kinds import CONSTANT, EXACT_INTEGERS, KINDS, NEARLY_ALL, tell_kind
from imbalance_cli.features.preprocessing import (
    LARGEST,
    describe_large,
    describe_missing_words,
)
from imbalance_cli.features.sketches import DistinctCounter
from imbalance_cli.notation import NotationScan
from imbalance_cli.notation.scanning import Fit
from imbalance_cli.readers.cells import (
    BOOLEANS,
    CELL,
    Parsed,
    parse_dates,
    parse_numbers,
    parse_texts,
    show_days,
)
from imbalance_cli.readers.source import DISTINCT_LIMIT, ColumnTally, is_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from imbalance_cli.notation import Notation, NotationChoice
    from imbalance_cli.readers.plain_numbers import PlainNumbers

    _Cell = tuple[str, str]  # where it stands, and its text

WHOLE = r"^[-+]?\d+$"
DISTINCT_HASHES = 2**12  # kept a column; past it distinct values are known to 1.6 %
LONGEST_EXAMPLE = 40  # characters


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: of the column.
        kind: one of features.kinds; all label columns of a source that holds them sparse are one
            of kind labels, whose cells are counted together.
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
    kind: str
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
    """A column read as numbers or dates: how many cells are, the first that is not, the range.

    `large` says where the first number is that no float32 holds, and which it is.
    """

    cells: int = 0
    bad: tuple[str, str] | None = None
    low: float = np.inf
    high: float = -np.inf
    large: tuple[str, str] | None = None

    def add(
        self, values: NDArray[np.float64], counts: NDArray[np.int64], find: Callable[[int], _Cell]
    ) -> None:
        """Take in values, (V,), NaN where missing, each of so many cells."""
        known = ~np.isnan(values)
        if not known.any():
            return
        self.cells += int(counts[known].sum())
        numbers = values[known] + 0.0  # which makes 0 of -0
        self.low = min(self.low, float(numbers.min()))
        self.high = max(self.high, float(numbers.max()))
        if self.large is None and max(abs(self.low), abs(self.high)) > LARGEST:
            row = int((np.abs(values) > LARGEST).argmax())
            place, cell = find(row)
            self.large = place, describe_large(cell, values[row])


class ColumnScan:
    """One column of a source, as `tell_kind` asks for it.

    Args:
        name: of the column.
    """

    def __init__(self, name: str) -> None:
        self.column = name
        self.notation = NotationScan()
        self.missing_words: Counter[str] = Counter()
        self.rows = self.known = self.characters = 0
        self.type_name: str | None = None
        self.are_names = False
        self._first_missing: str | None = None
        self.has_booleans, self.are_booleans = False, True
        self._are_integers = self._are_whole = True
        self.numbers, self.dates = _Reading(), _Reading()
        self._tally = ColumnTally()
        self._distinct = DistinctCounter(DISTINCT_HASHES)

    def add(self, cells: pl.Series, place: Callable[[int], str]) -> None:
        """Add some rows.

        Args:
            cells: of the column, as texts or typed.
            place: says where a row of them stands.
        """
        self.rows += len(cells)
        if not is_readable(cells.dtype):
            self.type_name = str(cells.dtype)
            self.known += len(cells) - cells.null_count()
            return
        if cells.dtype == pl.String and not self.notation.is_clear:
            self.notation.add(cells, place)
        self.are_names = is_names(cells.dtype)
        # each value once: a column of few values costs no more than those
        column = cells.alias(CELL).to_frame()
        found = column.group_by(CELL, maintain_order=True).len("rows")
        found = found.with_columns(parse_texts(found[CELL]).alias("text"))
        missing = found.filter(pl.col("text").is_null())[CELL]
        if self._first_missing is None and len(missing):
            self._first_missing = place(cells.index_of(missing[0]) or 0)
        found = found.filter(pl.col("text").is_not_null())
        if found.is_empty():
            return
        values, texts, counts = found[CELL], found["text"], found["rows"]
        self.known += int(counts.sum())
        self.characters += int((texts.str.len_chars() * counts).sum())

        def find(number: int) -> _Cell:
            text = str(texts[number])
            return place(parse_texts(cells).index_of(text) or 0), text

        numbers = parse_numbers(values)
        for word in numbers.missing_words:
            self.missing_words[word] += int(counts.filter(texts == word).sum())
        self._add_reading(self.numbers, numbers, counts, find)
        are_booleans = texts.str.to_lowercase().is_in(list(BOOLEANS))
        if self.numbers.bad:
            self._add_reading(self.dates, parse_dates(values), counts, find)
            self.has_booleans |= bool(are_booleans.any())
        elif self.dates.bad is None:  # a number is no date
            self.dates.bad = find(0)
        self.are_booleans &= bool(are_booleans.all())
        self._are_integers = self._are_integers and _are_integers(numbers.values.to_numpy())
        self._are_whole = self._are_whole and texts.str.contains(WHOLE).all()
        self._distinct.add(texts)
        if not self._tally.overflow:
            self._tally.add(_sum_by_text(texts, counts))

    def add_numbers(self, cells: PlainNumbers, place: Callable[[int], str]) -> None:
        """Add some rows whose cells are all numbers or missing, as `add` would."""
        self.rows += len(cells.known)
        if cells.is_text and not self.notation.is_clear:
            self.notation.add(cells, place)
        known = int(np.count_nonzero(cells.known))
        if known < len(cells.known) and self._first_missing is None:
            self._first_missing = place(int(cells.known.argmin()))
        if not known:
            return

        def find(row: int) -> _Cell:
            return place(row), cells.text(row)

        self.known += known
        self.characters += cells.characters
        self.are_booleans = False
        self.numbers.add(cells.values, cells.known.astype(np.int64), find)
        if self.dates.bad is None:
            self.dates.bad = find(int(cells.known.argmax()))
        self._are_integers = self._are_integers and _are_integers(cells.values)
        self._are_whole = self._are_whole and np.count_nonzero(cells.matches(WHOLE)) == known
        hashes, firsts, counts = cells.distinct
        self._distinct.add_hashes(hashes)
        if not self._tally.overflow:
            order = np.argsort(firsts)
            if len(order) > DISTINCT_LIMIT:  # of too many the first alone is shown
                order, self._tally.overflow = order[:1], True
            self._tally.add({cells.text(firsts[i]): int(counts[i]) for i in order})

    def _add_reading(
        self, reading: _Reading, parsed: Parsed, counts: pl.Series, find: Callable[[int], _Cell]
    ) -> None:
        reading.add(parsed.values.to_numpy(), counts.to_numpy(), find)
        if reading.bad is None and parsed.bad_row is not None:
            reading.bad = find(parsed.bad_row)

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
            hint=choice.hint or column.hint,
            note=choice.note or column.note,
            settings=choice.settings,
        )
        if choice.notation is None or choice.notation.kind is None:
            return column
        written = dataclasses.replace(choice.notation, unit=None, missing=())
        fit = self.notation.fits.get(written, Fit())
        is_date = KINDS[choice.notation.kind].is_date
        low, high = (fit.low, fit.high) if is_date else self._join_range(choice.notation, fit)
        show = show_days if is_date else float
        return dataclasses.replace(
            column,
            kind=choice.notation.kind,
            minimum=show(low),
            maximum=show(high),
            problem=None,
            hint=None,
            first_no_time=None,
        )

    def _join_range(self, notation: Notation, fit: Fit) -> tuple[float, float]:
        """Return the range of numbers, those that are written as usual among them."""
        plain = self.notation if notation.thousands == "." else self.numbers
        return min(fit.low, plain.low), max(fit.high, plain.high)

    def _finish(self) -> Column:
        judgement = tell_kind(self)
        kind, problem = judgement.kind, judgement.problem
        if problem is not None and judgement.place is not None:
            problem = f"{judgement.place}: {problem}"
        if self._distinct.count == 1 and self.known == self.rows and problem is None:
            kind = CONSTANT
        spec, note = KINDS[kind], judgement.note
        if spec.is_numeric:
            self.known -= sum(self.missing_words.values())
            note = note or describe_missing_words(self.missing_words)
        reading = self.dates if spec.is_date else self.numbers
        has_range = np.isfinite([reading.low, reading.high]).all() and not self.type_name
        has_range &= spec.has_range
        show = show_days if spec.is_date else float
        tally = self._tally
        counts = {} if tally.overflow else tally.counts
        return Column(
            self.column,
            kind,
            known=self.known,
            missing=self.rows - self.known,
            distinct=min(self._distinct.count, self.known),
            distinct_is_exact=self._distinct.is_exact,
            minimum=show(reading.low) if has_range else None,
            maximum=show(reading.high) if has_range else None,
            values=dict(sorted(counts.items(), key=lambda item: -item[1])),
            example=shorten(self.example, LONGEST_EXAMPLE) if tally.counts else None,
            problem=problem,
            hint=judgement.hint,
            note=note,
            first_missing=self._first_missing,
            first_no_time=self.dates.bad if self.numbers.bad and self.dates.bad else None,
        )

    @property
    def example(self) -> str:
        """The first known cell."""
        return next(iter(self._tally.counts), "")

    def distinct(self) -> tuple[int, bool]:
        """Return how many different known cells there are, and whether that is no estimate."""
        return self._distinct.count, self._distinct.is_exact

    def successive(self) -> tuple[float, float] | None:
        """Return the first and last of successive whole numbers that are there once each."""
        low, high = self.numbers.low, self.numbers.high
        return (low, high) if self.are_unlike() and high - low + 1 == self.rows else None

    def are_unlike(self) -> bool:
        """Return whether every row has a whole number, and another one."""
        least = 1 if self._distinct.is_exact else NEARLY_ALL
        is_full = self.known == self.rows and self._are_integers
        return is_full and self._distinct.count >= least * self.known

    def are_long_numbers(self) -> bool:
        """Return whether all are written as whole numbers, some too long for a float."""
        longest = max(abs(self.numbers.low), abs(self.numbers.high))
        return self._are_whole and longest >= EXACT_INTEGERS


def _are_integers(values: NDArray[np.float64]) -> bool:
    return bool((np.isnan(values) | (values == np.floor(values))).all())


def _sum_by_text(texts: pl.Series, counts: pl.Series) -> dict[str, int]:
    """Return rows a text, in the order of appearance; " 1" and "1" are one text."""
    found: dict[str, int] = {}
    for text, count in zip(texts, counts, strict=True):
        found[text] = found.get(text, 0) + count
        if len(found) > DISTINCT_LIMIT:  # the tally overflows by it, and counts no further
            break
    return found
