"""Preprocessing, once fitted: what turns cells into what the model takes; saved as data.

Shapes: N rows, F numeric features after fitting, C categorical features with embeddings.

A column becomes one of:
- number: centred on the median, divided by the interquartile range and smoothly clipped to (-3, 3)
  (Holzmueller et al. 2024, RealMLP); a missing cell becomes the median and sets an indicator;
- date: days since 1970, then as a number;
- category: an index; 0 is missing, 1 is a category that was rare or absent in training.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from imbalance_cli.errors import FeatureError, number_of, show_cell
from imbalance_cli.features.drift import FeatureCounts, FeatureDrift, compare_counts
from imbalance_cli.features.kinds import FIRST_CATEGORY, LARGE_HINT, MISSING, OTHER, list_ways
from imbalance_cli.notation import Notation, apply_notations
from imbalance_cli.readers.cells import (
    Parsed,
    parse_dates,
    parse_numbers,
    parse_texts,
)
from imbalance_cli.readers.plain_numbers import read_columns
from imbalance_cli.readers.source import is_readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from imbalance_cli.readers import Table
    from imbalance_cli.readers.plain_numbers import PlainNumbers

Kind = Literal["number", "date", "category"]

PAIR = 2
CLIP = 3.0
LARGEST = float(np.finfo(np.float32).max)


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
        has_missing: whether a training row has no category.
        has_other: whether a training row has a rare one.
    """

    column: str
    categories: list[str]
    one_hot: bool
    has_missing: bool = True
    has_other: bool = True

    @property
    def size(self) -> int:
        """The number of indices."""
        return FIRST_CATEGORY + len(self.categories)

    def encode(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a one-hot column for each index that training rows have, (N, 1 or more).

        Two of them say the same, and become one of -1 and 1. An index that no training row has is
        0 in all columns.
        """
        is_learned = np.ones(self.size, np.bool_)
        is_learned[[MISSING, OTHER]] = self.has_missing, self.has_other
        columns = np.eye(self.size, dtype=np.float32)[:, is_learned][indices]
        if columns.shape[1] == PAIR:
            return columns[:, 1:] - columns[:, :1]
        return columns


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
class FeaturePlaces:
    """Where the features of a column are.

    Attributes:
        values: numeric features that hold what its cells say.
        indicators: numeric features that say whether a cell is missing.
        codes: embedded categories.
    """

    values: list[int]
    indicators: list[int]
    codes: list[int]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Fitted features of a table, and what was noticed while fitting.

    Attributes:
        numeric: in the order of the columns.
        categorical: in the order of the columns.
        notations: how columns are written, where it is not the usual way.
        profile: what `FeatureCounts` counted of the training rows, for `drift`.
        dropped: columns left out, since they are constant in the training rows (categories of
            fewer than RARE rows count as one).
        ids: columns that are called like an id and hold another whole number in every row.
        missing_words: how many cells of a column hold each word that stands for a missing number
            or date, such as N/A.
    """

    numeric: list[NumericFeature]
    categorical: list[CategoricalFeature]
    notations: Mapping[str, Notation] = dataclasses.field(default_factory=dict)
    profile: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    dropped: list[str] = dataclasses.field(default_factory=list)
    ids: list[str] = dataclasses.field(default_factory=list)
    missing_words: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)

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

    def places(self) -> dict[str, FeaturePlaces]:
        """Return where `transform` puts the features of each column."""
        found = {column: FeaturePlaces([], [], []) for column in self.columns}
        of_missing = self.continuous
        of_value = itertools.count()
        for feature in self.numeric:
            own = found[feature.column]
            if feature.scale is not None:
                own.values.append(next(of_value))
            if feature.indicator:
                own.indicators.append(of_missing)
                of_missing += 1
        end, code = of_missing, itertools.count()
        for category in self.categorical:
            own = found[category.column]
            if category.one_hot:
                width = category.encode(np.zeros(1, np.int64)).shape[1]
                own.values.extend(range(end, end + width))
                end += width
            else:
                own.codes.append(next(code))
        return found

    def transform(self, table: Table, counts: FeatureCounts | None = None) -> FeatureRows:
        """Turn rows into what the model takes.

        Args:
            table: the rows.
            counts: counts them, where it is asked how they differ from others.

        Raises:
            FeatureError: a cell is not of its column's kind, or infinite.
        """
        table = apply_notations(table, self.notations)
        continuous: list[NDArray[np.float32]] = []
        binary: list[NDArray[np.float32]] = []
        read = read_columns(table.frame, [feature.column for feature in self.numeric])
        for feature, (_, numbers) in zip(self.numeric, read, strict=True):
            values = _read_values(feature, numbers, table)
            scaled = None if feature.scale is None else _scale(feature, feature.scale, values)
            if scaled is not None:
                continuous.append(scaled)
            if counts is not None:
                is_date = feature.kind == "date"
                counts.add_number(feature.column, values, scaled, is_date=is_date)
            if feature.indicator:
                binary.append(np.isnan(values).astype(np.float32))
        codes = []
        for category in self.categorical:
            texts = parse_texts(feature_cells(table, category.column))
            indices = _indices(category, texts)
            if counts is not None:
                counts.add_category(category.column, texts, indices, category.size)
            if category.one_hot:
                binary.append(category.encode(indices))
            else:
                codes.append(indices)
        rows = table.frame.height
        blocks = [*continuous, *binary]
        return FeatureRows(
            np.column_stack(blocks) if blocks else np.empty((rows, 0), np.float32),
            np.column_stack(codes) if codes else np.empty((rows, 0), np.int64),
        )

    def read_cells(self, table: Table) -> dict[str, NDArray[np.float64] | pl.Series]:
        """Return what the cells of each column are, before any of it is scaled or numbered.

        Numbers and days are (N,) with NaN where missing, texts are null there.

        Raises:
            FeatureError: as of `transform`.
        """
        table = apply_notations(table, self.notations)
        read = read_columns(table.frame, [feature.column for feature in self.numeric])
        cells: dict[str, NDArray[np.float64] | pl.Series] = {
            feature.column: _read_values(feature, numbers, table)
            for feature, (_, numbers) in zip(self.numeric, read, strict=True)
        }
        for category in self.categorical:
            cells[category.column] = parse_texts(feature_cells(table, category.column))
        return cells

    def to_dict(self) -> dict[str, Any]:
        """Return the features as plain data."""
        return {
            "numeric": [dataclasses.asdict(feature) for feature in self.numeric],
            "categorical": [dataclasses.asdict(feature) for feature in self.categorical],
            "notations": {c: dataclasses.asdict(n) for c, n in self.notations.items()},
            "profile": dict(self.profile),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Preprocessing:
        """Return the features that `to_dict` gave."""
        return cls(
            [NumericFeature(**feature) for feature in document["numeric"]],
            [CategoricalFeature(**feature) for feature in document["categorical"]],
            {
                column: Notation(**values | {"missing": tuple(values["missing"])})
                for column, values in document["notations"].items()
            },
            document["profile"],
        )

    def profiled(self, table: Table) -> Preprocessing:
        """Return the same with the profile of training rows."""
        counts = FeatureCounts()
        self.transform(table, counts)
        return dataclasses.replace(self, profile=counts.profile())

    def drift(self, counts: FeatureCounts) -> list[FeatureDrift]:
        """Return how counted rows differ from those of training, feature by feature."""
        categories = {feature.column: feature.categories for feature in self.categorical}
        return compare_counts(counts, self.profile, categories)


def describe_missing_words(words: Mapping[str, int]) -> str | None:
    """Say how many cells count as missing by what is written there; None where none do."""
    if not words:
        return None
    shown = ", ".join(f"{word} ({count:,})" for word, count in words.items())
    return f"{number_of(sum(words.values()), 'cell')} counted as missing: {shown}"


def feature_cells(table: Table, column: str) -> pl.Series:
    """Return the cells of a column.

    Raises:
        FeatureError: they are lists, bytes or the like.
    """
    cells = table.frame[column]
    if not is_readable(cells.dtype):
        raise FeatureError(
            f"{table.name}: column {column!r} holds {cells.dtype}, and a feature is a number, a "
            "date or a category",
            hint=list_ways(column),
        )
    return cells


def large_cell(table: Table, column: str, values: NDArray[np.float64]) -> tuple[str, str] | None:
    """Return where the first of (N,) values stands that no float32 holds, and the problem."""
    large = np.flatnonzero(np.abs(values) > LARGEST)
    if not len(large):
        return None
    row = int(large[0])
    return table.place(row), describe_large(table.frame[column][row], float(values[row]))


def describe_large(cell: object, value: float) -> str:
    """Say what is wrong with a number that no float32 holds."""
    problem = "infinite" if np.isinf(value) else f"too large: the most is {LARGEST:.1e}"
    return f"{show_cell(cell)} is {problem}"


def _read_values(
    feature: NumericFeature, numbers: PlainNumbers | None, table: Table
) -> NDArray[np.float64]:
    """Return (N,) numbers, NaN where missing."""
    column = feature.column
    if numbers is not None and feature.kind == "number":
        values = numbers.values
    else:
        values = _parse(table, column, feature.kind).values.to_numpy().astype(np.float64)
    if (large := large_cell(table, column, values)) is not None:
        place, problem = large
        raise FeatureError(f"{place}: column {column!r}: {problem}", hint=LARGE_HINT)
    return values


def _parse(table: Table, column: str, kind: Kind) -> Parsed:
    cells = feature_cells(table, column)
    parsed = (parse_numbers if kind == "number" else parse_dates)(cells)
    if parsed.bad_row is not None:
        cell = parse_texts(cells)[parsed.bad_row]
        raise FeatureError(
            f"{table.place(parsed.bad_row)}: column {column!r}: {show_cell(cell)} is not a {kind}, "
            "as it was in training",
            hint="write it as the training rows have it, or leave it blank where it is missing",
        )
    return parsed


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
