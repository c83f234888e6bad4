"""Preprocessing that is fitted on training rows and saved as data.

Shapes: N rows, F numeric features after fitting, C categorical features with embeddings.

A column becomes one of:
- number: centred on the median, divided by the interquartile range and smoothly clipped to (-3, 3)
  (Holzmueller et al. 2024, RealMLP); a missing cell becomes the median and sets an indicator;
- date: days since 1970, then as a number;
- category: an index; 0 is missing, 1 is a category that was rare or absent in training.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from imbalance_cli.errors import FeatureError
from imbalance_cli.readers.cells import (
    BOOLEANS,
    Parsed,
    parse_dates,
    parse_numbers,
    parse_texts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.readers import Table

Kind = Literal["number", "date", "category"]

MISSING, OTHER, FIRST_CATEGORY = 0, 1, 2
RARE = 3  # a category with fewer training rows shares the index of unseen ones, and so trains it
ONE_HOT_CATEGORIES = 10  # up to so many categories are one-hot columns; more are embedded
CLIP = 3.0
LARGEST = float(np.finfo(np.float32).max)
MOSTLY = 0.95  # a column with this share of numbers is a column of numbers with bad cells
ID_ROWS = 50  # in fewer rows than these, distinct values say nothing
EXACT_INTEGERS = 2**53  # whole numbers below this are floats of their own
TEXT_LENGTH = 40  # characters, on average, that no category name has


@dataclasses.dataclass(frozen=True)
class NumericFeature:
    """How a column of numbers or dates becomes a number near 0.

    Attributes:
        column: its name.
        kind: number or date.
        median: in the column's unit (dates: days since 1970).
        scale: what one unit of the result is; None where only the indicator is kept.
        indicator: whether a further feature says that the cell was missing.
    """

    column: str
    kind: Literal["number", "date"]
    median: float
    scale: float | None
    indicator: bool


@dataclasses.dataclass(frozen=True)
class CategoricalFeature:
    """How a column of texts becomes an index.

    Attributes:
        column: its name.
        categories: the texts with an index of their own, from FIRST_CATEGORY up.
        one_hot: whether the index becomes one-hot columns rather than an embedding.
    """

    column: str
    categories: list[str]
    one_hot: bool

    @property
    def size(self) -> int:
        """The number of indices."""
        return FIRST_CATEGORY + len(self.categories)


@dataclasses.dataclass(frozen=True)
class FeatureRows:
    """Rows ready for the model.

    Attributes:
        numeric: (N, F) float32.
        codes: (N, C) int64.
    """

    numeric: NDArray[np.float32]
    codes: NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Fitted features of a table, and what was noticed while fitting.

    Attributes:
        numeric: in the order of the columns.
        categorical: in the order of the columns.
        dropped: columns left out, since they are constant in the training rows (categories of
            fewer than RARE rows count as one).
    """

    numeric: list[NumericFeature]
    categorical: list[CategoricalFeature]
    dropped: list[str] = dataclasses.field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        numeric = [feature.column for feature in self.numeric]
        return numeric + [feature.column for feature in self.categorical]

    @property
    def continuous(self) -> int:
        """How many of the numeric features are numbers rather than 0/1; they come first."""
        return sum(feature.scale is not None for feature in self.numeric)

    @property
    def cardinalities(self) -> list[int]:
        """The number of indices of each embedded feature, (C,)."""
        return [feature.size for feature in self.categorical if not feature.one_hot]

    def transform(self, table: Table) -> FeatureRows:
        """Turn rows into what the model takes.

        Raises:
            FeatureError: a cell is not of its column's kind, or infinite.
        """
        continuous: list[NDArray[np.float32]] = []
        binary: list[NDArray[np.float32]] = []
        for feature in self.numeric:
            values = _values(_parse(table, feature.column, feature.kind), table, feature.column)
            if feature.scale is not None:
                continuous.append(_scale(feature, feature.scale, values))
            if feature.indicator:
                binary.append(np.isnan(values).astype(np.float32))
        codes = []
        for category in self.categorical:
            indices = _indices(category, parse_texts(_cells(table, category.column)))
            if category.one_hot:
                binary.append(np.eye(category.size, dtype=np.float32)[indices])
            else:
                codes.append(indices)
        rows = table.frame.height
        blocks = [*continuous, *binary]
        return FeatureRows(
            np.column_stack(blocks) if blocks else np.empty((rows, 0), np.float32),
            np.column_stack(codes) if codes else np.empty((rows, 0), np.int64),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the features as plain data."""
        return {
            "numeric": [dataclasses.asdict(feature) for feature in self.numeric],
            "categorical": [dataclasses.asdict(feature) for feature in self.categorical],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Preprocessing:
        """Return the features that `to_dict` gave."""
        return cls(
            [NumericFeature(**feature) for feature in document["numeric"]],
            [CategoricalFeature(**feature) for feature in document["categorical"]],
        )


def fit_preprocessing(
    table: Table, columns: Sequence[str], rows: NDArray[np.intp]
) -> Preprocessing:
    """Fit the preprocessing of the columns on the training rows.

    The kind of a column is read off the whole table; every number comes from the training rows.

    Args:
        table: holds the columns.
        columns: the features.
        rows: row numbers of the training part.

    Raises:
        FeatureError: a column is all missing, infinite, an id or free text, or mixes numbers and
            other texts; or no column is left.
    """
    numeric: list[NumericFeature] = []
    categorical: list[CategoricalFeature] = []
    dropped: list[str] = []
    for column in columns:
        kind, parsed = _read_kind(table, column)
        if kind == "category":
            category = _fit_category(column, parsed.values.gather(rows))
            if category is None:
                dropped.append(column)
            else:
                categorical.append(category)
            continue
        values = _values(parsed, table, column)
        if kind == "number":
            _refuse_row_numbers(table, column, values)
            _refuse_long_numbers(table, column, values)
        feature = _fit_numeric(column, kind, values[rows])
        if feature is None:
            dropped.append(column)
        else:
            numeric.append(feature)
    if not numeric and not categorical:
        raise FeatureError(f"{table.name}: no feature is left: every column is a label or constant")
    return Preprocessing(numeric, categorical, dropped)


def _read_kind(table: Table, column: str) -> tuple[Kind, Parsed]:
    numbers = parse_numbers(_cells(table, column))
    if numbers.values.null_count() == len(numbers.values) and numbers.bad_row is None:
        raise FeatureError(
            f"{table.name}: column {column!r}: every cell is missing",
            hint=f"data.exclude: [{column}]",
        )
    if numbers.bad_row is None:
        return "number", numbers
    dates = parse_dates(_cells(table, column))
    if dates.bad_row is None:
        return "date", dates
    cells = parse_texts(_cells(table, column))
    known = len(cells) - cells.null_count()
    # true, false and a third word are three categories, not numbers with a bad cell
    candidates = (
        ((dates, "date"),) if _has_booleans(cells) else ((numbers, "number"), (dates, "date"))
    )
    for parsed, kind in candidates:
        if parsed.bad_row is not None and known - parsed.bad_rows > MOSTLY * known:
            raise FeatureError(
                f"{table.place(parsed.bad_row)}: column {column!r}: {cells[parsed.bad_row]!r} is "
                f"not a {kind}, as {known - parsed.bad_rows:,} of {known:,} cells are",
                hint=f"mend it, leave the cell blank, or data.exclude: [{column}]",
            )
    _refuse_ids(table, column, cells, known)
    return "category", Parsed(cells)


def _cells(table: Table, column: str) -> pl.Series:
    cells = table.frame[column]
    if cells.dtype.is_nested() or cells.dtype in (pl.Binary, pl.Duration, pl.Object):
        raise FeatureError(
            f"{table.name}: column {column!r} holds {cells.dtype}, and a feature is a number, a "
            "date or a category",
            hint=f"data.exclude: [{column}]",
        )
    return cells


def _has_booleans(cells: pl.Series) -> bool:
    return bool(cells.str.to_lowercase().is_in(list(BOOLEANS)).any())


def _refuse_ids(table: Table, column: str, cells: pl.Series, known: int) -> None:
    distinct = cells.n_unique() - (cells.null_count() > 0)
    lengths = cells.str.len_chars().mean()
    is_text = isinstance(lengths, float) and lengths > TEXT_LENGTH
    if distinct >= ID_ROWS and (2 * distinct > known or is_text):
        raise FeatureError(
            f"{table.name}: column {column!r} looks like {'free text' if is_text else 'an id'}: "
            f"{distinct:,} distinct values in {known:,} cells, such as {cells.drop_nulls()[0]!r}",
            hint=f"data.exclude: [{column}]",
        )


def _refuse_row_numbers(table: Table, column: str, values: NDArray[np.float64]) -> None:
    if len(values) < ID_ROWS or np.isnan(values).any():
        return
    first, last = values.min(), values.max()
    if last - first + 1 == len(values) and (np.diff(np.sort(values)) == 1).all():
        raise FeatureError(
            f"{table.name}: column {column!r} looks like an id: the numbers from {first:g} to "
            f"{last:g}, each once",
            hint=f"data.exclude: [{column}]",
        )


def _refuse_long_numbers(table: Table, column: str, values: NDArray[np.float64]) -> None:
    """Raise for whole numbers too long to tell apart as floats, which are ids if they differ."""
    if not (np.abs(values) >= EXACT_INTEGERS).any():
        return
    cells = parse_texts(_cells(table, column))
    if cells.drop_nulls().str.contains(r"^[-+]?\d+$").all():
        _refuse_ids(table, column, cells, len(cells) - cells.null_count())


def _fit_numeric(
    column: str, kind: Literal["number", "date"], values: NDArray[np.float64]
) -> NumericFeature | None:
    known = values[~np.isnan(values)]
    indicator = 0 < len(known) < len(values)
    if not len(known):
        return None
    low, first, median, third, high = np.quantile(known, [0, 0.25, 0.5, 0.75, 1])
    scale = third - first or (high - low) / 2
    if not scale and not indicator:
        return None
    return NumericFeature(column, kind, float(median), float(scale) or None, indicator)


def _fit_category(column: str, cells: pl.Series) -> CategoricalFeature | None:
    counts = cells.drop_nulls().alias("text").value_counts(sort=False, name="rows").sort("text")
    frequent = counts.filter(pl.col("rows") >= RARE)["text"].to_list()
    indices = len(frequent) + (len(frequent) < len(counts)) + (cells.null_count() > 0)
    if indices <= 1:
        return None
    return CategoricalFeature(column, frequent, one_hot=len(frequent) <= ONE_HOT_CATEGORIES)


def _parse(table: Table, column: str, kind: Kind) -> Parsed:
    cells = _cells(table, column)
    parsed = (parse_numbers if kind == "number" else parse_dates)(cells)
    if parsed.bad_row is not None:
        cell = parse_texts(cells)[parsed.bad_row]
        raise FeatureError(
            f"{table.place(parsed.bad_row)}: column {column!r}: {cell!r} is not a {kind}, "
            "as it was in training"
        )
    return parsed


def _values(parsed: Parsed, table: Table, column: str) -> NDArray[np.float64]:
    """Return (N,) numbers, NaN where missing."""
    values = parsed.values.to_numpy().astype(np.float64)
    large = np.flatnonzero(np.abs(values) > LARGEST)
    if len(large):
        row = int(large[0])
        problem = "infinite" if np.isinf(values[row]) else f"too large: the most is {LARGEST:.1e}"
        raise FeatureError(
            f"{table.place(row)}: column {column!r}: {table.frame[column][row]!r} is {problem}",
            hint="leave the cell blank, or write a finite number",
        )
    return values


def _scale(
    feature: NumericFeature, scale: float, values: NDArray[np.float64]
) -> NDArray[np.float32]:
    centred = np.where(np.isnan(values), 0.0, values - feature.median)
    # x / sqrt(1 + (x / CLIP)**2) of x = centred / scale, where no step can overflow
    return (centred / np.hypot(scale, centred / CLIP)).astype(np.float32)


def _indices(feature: CategoricalFeature, cells: pl.Series) -> NDArray[np.int64]:
    known = {text: FIRST_CATEGORY + i for i, text in enumerate(feature.categories)}
    indices = cells.replace_strict(known, default=OTHER, return_dtype=pl.Int64)
    return indices.set(cells.is_null(), MISSING).to_numpy().astype(np.int64)
