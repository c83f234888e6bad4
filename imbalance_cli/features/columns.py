"""What a stream of cells says of its column, in bounded memory: its kind, and the feature it makes.

A column of texts may turn out as any kind at its end, so it is watched as numbers, as dates and as
texts until then. A cell that is a number is never a date.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from imbalance_cli.errors import FeatureError, SourceError
from imbalance_cli.features.kinds import (
    EXACT_INTEGERS,
    ID_NAME,
    KINDS,
    NEARLY_ALL,
    list_ways,
    tell_kind,
)
from imbalance_cli.features.preprocessing import (
    CategoricalFeature,
    NumericFeature,
    feature_cells,
    large_cell,
)
from imbalance_cli.features.sketches import DistinctCounter, QuantileSketch
from imbalance_cli.features.texts import TextScan
from imbalance_cli.readers.cells import (
    Parsed,
    no_numbers,
    parse_dates,
    parse_numbers,
    parse_texts,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.readers import Table
    from imbalance_cli.readers.plain_numbers import PlainNumbers

CHUNK = 2**20
BEGINS_AS_DATE = r"^[-+]?\d+-"  # and much else does
FEW = 100


class ColumnScan:
    """One column of a stream, as `tell_kind` asks for it.

    Attributes:
        note: a reason against the column, once it is finished.

    Args:
        column: its name.
        exact: up to so many distinct cells, all is exact.
    """

    type_name: str | None = None  # other types are refused at once
    are_booleans = False  # true and false are numbers as good as others here

    def __init__(self, column: str, exact: int) -> None:
        self.column = column
        self.are_names = False
        self._type: pl.DataType | None = None
        self.known = self._chosen = 0
        self.numbers = _Reading("number", QuantileSketch(exact))
        self.dates = _Reading("date", QuantileSketch(exact))
        self._texts = TextScan(column, exact)
        self._succession = _Succession()
        self._has_long_numbers = False
        self._ids = DistinctCounter(exact) if ID_NAME.fullmatch(column) else None
        self.missing_words: Counter[str] = Counter()
        self.note: str | None = None

    def add(self, table: Table, rows: NDArray[np.bool_] | None) -> None:
        """Take in the column's cells of a batch; `rows` (N,) are of the training part.

        Raises:
            FeatureError: they are lists, bytes or the like.
            SourceError: they are of another type than before.
        """
        cells = feature_cells(table, self.column)
        self._check_type(cells.dtype, table.name)
        self.are_names = is_names(cells.dtype)
        numbers = _no_numbers(cells) if self.are_names else parse_numbers(cells)
        self.known += len(cells) - numbers.values.null_count() + numbers.bad_rows
        self.known += sum(numbers.missing_words.values())
        self.missing_words.update(numbers.missing_words)
        self._chosen += len(cells) if rows is None else int(rows.sum())
        self._add_values(self.numbers.add(numbers, table, self.column, rows))
        if not _is_numeric(cells.dtype):
            self.dates.add(_read_dates(cells, numbers), table, self.column, rows)
        if _can_be_category(cells.dtype) or _can_be_long(cells.dtype):
            are_numbers = numbers.bad_row is None and not numbers.has_words
            texts = cells if numbers.texts is None else numbers.texts
            self._texts.add(texts, rows, are_numbers=are_numbers)

    def add_numbers(
        self, numbers: PlainNumbers, table: Table, rows: NDArray[np.bool_] | None
    ) -> None:
        """Take in cells that are all numbers or missing, as `add` would.

        Raises:
            SourceError: they are of another type than before.
        """
        dtype = table.frame[self.column].dtype
        self._check_type(dtype, table.name)
        known = int(np.count_nonzero(numbers.known))
        self.known += known
        self._chosen += len(numbers.known) if rows is None else int(rows.sum())
        self.numbers.add_values(numbers.values, table, self.column, rows)
        self._add_values(numbers.values)
        if numbers.is_text:
            if self.dates.bad is None and known:
                first = int(numbers.known.argmax())
                self.dates.bad = table.place(first), numbers.text(first)
            self._texts.add(numbers.texts, rows, are_numbers=True)
        elif _can_be_long(dtype):
            self._texts.add(table.frame[self.column], rows, are_numbers=True)

    def _add_values(self, values: NDArray[np.float64]) -> None:
        self._succession.add(values)
        self._has_long_numbers |= bool((np.abs(values) >= EXACT_INTEGERS).any())
        if self._ids is not None:
            self._ids.add(pl.Series(values[values == np.floor(values)]))

    def finish(self, name: str) -> NumericFeature | CategoricalFeature | None:
        """Return the feature, or None where the training rows are constant.

        Args:
            name: of the source, for errors.

        Raises:
            FeatureError: as `fit_preprocessing`.
        """
        judgement = tell_kind(self)
        kind = KINDS[judgement.kind]
        self.note = judgement.note
        if judgement.problem is not None:
            colon = ":" if judgement.is_clause else ""
            raise FeatureError(
                f"{judgement.place or name}: column {self.column!r}{colon} {judgement.problem}",
                hint=list_ways(self.column, judgement.hint),
            )
        if kind.is_numeric:
            return self._fit_numeric(self.dates if kind.is_date else self.numbers)
        self.missing_words.clear()  # None is a category here
        return self._texts.category(name)

    @property
    def rows(self) -> int:
        """How many cells there are."""
        return self._succession.rows

    @property
    def characters(self) -> int:
        """How many characters all known cells have."""
        return self._texts.characters()

    @property
    def example(self) -> str:
        """The first known cell."""
        return self._texts.first()

    @property
    def has_booleans(self) -> bool:
        """Whether any cell is true or false."""
        return self._texts.has_booleans()

    def distinct(self) -> tuple[int, bool]:
        """Return how many different known cells there are, and whether that is no estimate."""
        return self._texts.distinct()

    def successive(self) -> tuple[float, float] | None:
        """Return the first and last of successive whole numbers that are there once each."""
        ends = self._succession.first, self._succession.last
        return ends if self._succession.has_each_once() else None

    def are_unlike(self) -> bool:
        """Return whether every row has a whole number, and another one."""
        if self._ids is None or self.numbers.cells < self.rows:
            return False
        least = 1 if self._ids.is_exact else NEARLY_ALL
        return self._ids.count >= least * self.rows

    def are_long_numbers(self) -> bool:
        """Return whether all are written as whole numbers, some too long for a float."""
        return self._has_long_numbers and self._texts.is_whole()

    def _check_type(self, dtype: pl.DataType, name: str) -> None:
        if self._type is not None and dtype != self._type:
            raise SourceError(
                f"{name}: column {self.column!r}: columns of different types: {dtype} after "
                f"{self._type}"
            )
        self._type = dtype

    def _fit_numeric(self, reading: _Reading) -> NumericFeature | None:
        known = reading.values.count
        indicator = 0 < known < self._chosen
        if not known:
            return None
        shares = (0, 0.25, 0.5, 0.75, 1)
        low, first, median, third, high = reading.values.quantiles(shares)
        scale = third - first or (high - low) / 2
        if not scale and not indicator:
            return None
        return NumericFeature(
            self.column, reading.kind, float(median), float(scale) or None, indicator
        )


@dataclasses.dataclass
class _Reading:
    """A column read as numbers, or as dates.

    Attributes:
        kind: which.
        values: of the training rows.
        cells: how many are of that kind, in all rows.
        bad: where the first cell stands that is neither missing nor of that kind, and its text.
        large: what `large_cell` found first.
    """

    kind: Literal["number", "date"]
    values: QuantileSketch
    cells: int = 0
    bad: tuple[str, str] | None = None
    large: tuple[str, str] | None = None

    def add(
        self, parsed: Parsed, table: Table, column: str, rows: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        """Take in a batch, and return its values, (N,), NaN where they are not of that kind."""
        if self.bad is None and parsed.bad_row is not None:
            cell = parse_texts(table.frame[column].slice(parsed.bad_row, 1))[0]
            self.bad = (table.place(parsed.bad_row), cell)
        values = parsed.values.to_numpy().astype(np.float64)
        self.add_values(values, table, column, rows)
        return values

    def add_values(
        self,
        values: NDArray[np.float64],
        table: Table,
        column: str,
        rows: NDArray[np.bool_] | None,
    ) -> None:
        """Take in the values of a batch, (N,), NaN where they are not of that kind."""
        self.cells += len(values) - int(np.count_nonzero(np.isnan(values)))
        if self.large is None:
            self.large = large_cell(table, column, values)
        chosen = values if rows is None else values[rows]
        self.values.add(chosen[~np.isnan(chosen)])


class _Succession:
    """Whether numbers are successive ones, each once, in any order.

    The numbers are not kept: their hashes are added up, and compared with the sum that the
    numbers from the first to the last have. Two columns in 2^64 are mistaken for each other.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.first, self.last = np.inf, -np.inf
        self._sum = 0
        self._is_complete = True  # no cell is missing, or not a whole number from another

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in numbers, (N,), NaN where missing."""
        self.rows += len(values)
        if not len(values) or not self._is_complete:
            return
        few = values[:FEW]  # most columns are out at a glance, and need no hashes
        with np.errstate(invalid="ignore", over="ignore"):  # infinity less infinity, 1e308 twice
            is_apart = (few[0] + np.round(few - few[0]) == few).all()
        self._is_complete = bool(is_apart) and not np.isnan(values).any()
        if self._is_complete:
            self.first, self.last = min(self.first, values.min()), max(self.last, values.max())
            self._sum += _hash_sum(values)

    def has_each_once(self) -> bool:
        """Whether they are."""
        if not self._is_complete or self.last - self.first + 1 != self.rows:
            return False
        expected = 0
        for start in range(0, self.rows, CHUNK):
            steps = np.arange(start, min(start + CHUNK, self.rows), dtype=np.float64)
            expected += _hash_sum(np.float64(self.first) + steps)
        return (self._sum - expected) % 2**64 == 0


def _hash_sum(values: NDArray[np.float64]) -> int:
    """Return the sum of hashes of (N,), by the finaliser of splitmix64 (Steele et al. 2014)."""
    bits = (values + 0.0).view(np.uint64)  # -0 and 0 are one number
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((bits ^ (bits >> np.uint64(31))).sum())


def _read_dates(cells: pl.Series, numbers: Parsed) -> Parsed:
    """Read cells as dates, the slow way only where any of them may be one; a number is none."""
    if is_names(cells.dtype):
        return numbers
    is_known = numbers.values.is_not_null()
    if numbers.bad_row is not None:
        if cells.dtype.is_temporal():
            return parse_dates(cells)
        texts = parse_texts(cells) if numbers.texts is None else numbers.texts
        if texts.str.contains(BEGINS_AS_DATE).any():
            return parse_dates(texts)
        is_known = texts.is_not_null()
    return _all_bad(is_known)


def is_names(dtype: pl.DataType) -> bool:
    """Return whether a type says that its texts are categories, whatever they look like."""
    return dtype == pl.Categorical or dtype == pl.Enum  # noqa: PLR1714  types compare to classes


def _no_numbers(cells: pl.Series) -> Parsed:
    texts = parse_texts(cells)
    return dataclasses.replace(_all_bad(texts.is_not_null()), texts=texts)


def _all_bad(is_known: pl.Series) -> Parsed:
    """Return a column of which no known cell is of a kind."""
    first = is_known.arg_max() if is_known.any() else None
    return Parsed(no_numbers(len(is_known)), first, int(is_known.sum()))


def _is_numeric(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean


def _can_be_category(dtype: pl.DataType) -> bool:
    return not _is_numeric(dtype) and (not dtype.is_temporal() or dtype == pl.Time)


def _can_be_long(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Decimal):
        return dtype.scale == 0
    return dtype in (pl.Int64, pl.UInt64, pl.Int128, pl.UInt128)
