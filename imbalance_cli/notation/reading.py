"""Reading the cells of a column whose notation is known.

Shapes: N rows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import polars as pl

from imbalance_cli.errors import FeatureError, show_cell
from imbalance_cli.readers.cells import CELL, WHOLE_FLOAT, parse_dates, parse_numbers, parse_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imbalance_cli.readers import Table

CURRENCIES = (
    "[$€£¥₹]|US\\$|R\\$|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|BRL)\\b|zł|kr"
)
UNITS = (
    "%|‰|°C|°F|°|[nµμm]?g|kg|lbs?|oz|[nµμmck]?m|in|ft|mi|[mcd]?l|L|m?s|sec|min|hrs?|h|hours?|days?|"
    "weeks?|months?|yrs?|years?|[kh]?Pa|mmHg|bpm|rpm|[kMG]?Hz|m?V|k?Wh?|mA|m?mol/[lL]|[mµnk]?g/[dm]?[lL]|"
    "km/h|mph|[KMGT]?B|px|[kKM]"
)
PREFIX = rf"^([-+]?) ?(?:{CURRENCIES}) ?([-+]?[\d.,])"
SUFFIX = rf"^(.*[\d.]) ?({CURRENCIES}|{UNITS})$"
BRACKETS = r"^\((.*\d.*)\)$"  # of negative amounts
BLANKS = "[ \u00a0\u202f]"
GROUP_MARKS = {",": ",", ".": r"\.", " ": BLANKS, "'": "['\u2019]"}


@dataclasses.dataclass(frozen=True)
class Notation:
    """How a column is written.

    Attributes:
        kind: what its cells are; None where only the words for missing values are known.
        decimal: stands before the decimals of a number.
        thousands: stands between groups of three digits; "" for nothing, " " for any blank.
        date_format: of dates, as strptime takes it.
        missing: further texts that stand for a missing value.
    """

    kind: Literal["number", "date", "category"] | None = None
    decimal: str = "."
    thousands: str = ""
    date_format: str | None = None
    missing: tuple[str, ...] = ()

    def read(self, column: pl.Series) -> tuple[pl.Series, int | None]:
        """Return a column as typed values, and the first row that is not written so, or None.

        A column that has types already is read as it is, but for words of missing values and for
        numbers that are names.
        """
        cells = self._drop_missing(column.alias(CELL))
        if self.kind == "category":
            return _read_names(cells), None
        if cells.dtype != pl.String or self.kind is None:
            return cells, None
        texts = parse_texts(cells)
        if self.kind == "number":
            parsed = parse_numbers(self._plain(texts))
            return parsed.values, parsed.bad_row
        values = texts.str.to_datetime(self.date_format, time_unit="us", strict=False)
        bad = parse_dates(texts.filter(values.is_null())).bad_row
        if bad is None:
            return values, None
        return values, int((texts.is_not_null() & values.is_null()).arg_max() or 0)

    def _drop_missing(self, cells: pl.Series) -> pl.Series:
        if not self.missing:
            return cells
        if cells.dtype == pl.String:
            return cells.set(
                cells.str.strip_chars().is_in(self.missing).fill_null(value=False), None
            )
        if not cells.dtype.is_numeric():
            return cells
        numbers = pl.Series(self.missing).cast(pl.Float64, strict=False).drop_nulls()
        return cells.set(
            cells.cast(pl.Float64).is_in(numbers.to_list()).fill_null(value=False), None
        )

    def _plain(self, texts: pl.Series) -> pl.Series:
        """Return the numbers as Python writes them."""
        plain = strip_unit(texts)
        if self.thousands:
            plain = plain.str.replace_all(GROUP_MARKS[self.thousands], "")
        return plain if self.decimal == "." else plain.str.replace(self.decimal, ".", literal=True)


def strip_unit(texts: pl.Series) -> pl.Series:
    """Return numbers without a currency, a unit or a percent sign, brackets as a minus."""
    plain = texts.str.replace_all("\u2212", "-", literal=True).str.replace(BRACKETS, "-$1")
    return plain.str.replace(PREFIX, "$1$2").str.replace(SUFFIX, "$1")


def _read_names(cells: pl.Series) -> pl.Series:
    """Return names: 7, 7.0 and "7" are one, whatever the type of the column."""
    texts = parse_texts(cells).str.replace(WHOLE_FLOAT, "$1")
    return texts.cast(pl.Categorical)


def apply_notations(table: Table, notations: Mapping[str, Notation]) -> Table:
    """Return a table whose columns are typed where they are written in a notation.

    Raises:
        FeatureError: a cell is not written as the others are.
    """
    columns = [column for column in notations if column in table.frame.columns]
    read = []
    for column in columns:
        notation = notations[column]
        values, bad = notation.read(table.frame[column])
        if bad is not None:
            raise FeatureError(
                f"{table.place(bad)}: column {column!r}: {show_cell(table.frame[column][bad])} is "
                f"not a {notation.kind} written like the others ({describe(notation)})",
                hint=f"correct the cell, leave it blank, or data.exclude: [{column}]",
            )
        read.append(values.alias(column))
    return dataclasses.replace(table, frame=table.frame.with_columns(read)) if read else table


def describe(notation: Notation) -> str:
    """Return the keys of the config that a notation stands for, in words."""
    if notation.kind == "date":
        return f"date_format {notation.date_format}"
    parts = [f"decimal {notation.decimal!r}"]
    if notation.thousands:
        parts.append(f"thousands {notation.thousands!r}")
    return ", ".join(parts)
