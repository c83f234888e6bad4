"""Reading the cells of a column whose notation is known.

Shapes: N rows.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Literal

import polars as pl

from imbalance_cli.errors import FeatureError, show_cell
from imbalance_cli.readers.cells import (
    CELL,
    WHOLE_FLOAT,
    drop_missing_words,
    parse_dates,
    parse_numbers,
    parse_texts,
)

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
PREFIX = rf"^([-+]?) ?({CURRENCIES}) ?([-+]?[\d.,])"
SUFFIX = rf"^(.*[\d.]) ?({CURRENCIES}|{UNITS})$"
NEGATIVES = (r"^\((.*\d.*)\)$", r"^([^-+].*\d)-$")  # (5) and 5-, as accounts have them
MICROSECONDS_A_DAY = 86_400_000_000
BLANKS = "[ \u00a0\u202f]"
GROUP_MARKS = {",": ",", ".": r"\.", " ": BLANKS, "'": "['\u2019]"}
LETTERS = r"[^\W\d_]{3,9}"
DIRECTIVES = {
    "%d": r"\d{1,2}",
    "%m": r"\d{1,2}",
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%A": LETTERS,
    "%B": LETTERS,
    "%H": r"\d{1,2}",
    "%I": r"\d{1,2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%.f": r"\.\d+",
    "%p": r"[AaPp][Mm]",
    "%z": r"[-+]\d{2}:?\d{2}",
}
"""What each part of a date format may be; strptime takes other lengths too."""


@dataclasses.dataclass(frozen=True)
class Notation:
    """How a column is written.

    Attributes:
        kind: what its cells are; None where only the words for missing values are known.
        decimal: stands before the decimals of a number.
        thousands: stands between groups of three digits; "" for nothing, " " for any blank.
        unit: the sign or unit of every number, "" for none; None where it is not held against one.
        date_format: of dates, as strptime takes it.
        missing: further texts that stand for a missing value.
    """

    kind: Literal["number", "date", "category"] | None = None
    decimal: str = "."
    thousands: str = ""
    unit: str | None = None
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
        values = self._read_numbers(texts) if self.kind == "number" else self._read_dates(texts)
        bad = texts.is_not_null() & values.is_null()
        if bad.any():
            bad &= drop_missing_words(texts)[0].is_not_null()
        return values, bad.arg_max() if bad.any() else None

    def _read_numbers(self, texts: pl.Series) -> pl.Series:
        """Return numbers, null where a text is not written so."""
        bare = strip_unit(texts)
        if self.unit is not None:
            bare = bare.set(read_unit(texts) != self.unit, None)
        if self.decimal == "." and not self.thousands:
            return parse_numbers(bare).values
        group, mark = GROUP_MARKS.get(self.thousands), re.escape(self.decimal)
        # from the last mark on groups have three digits, before it two in India
        whole = rf"[1-9]\d{{0,2}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+" if group else r"\d+"
        fits = rf"^[-+]?(?:(?:{whole})(?:{mark}\d*)?|{mark}\d+)(?:[eE][-+]?\d+)?$"
        plain = bare.set(~bare.str.contains(fits), None)
        plain = plain.str.replace_all(group, "") if group else plain
        return parse_numbers(plain.str.replace(self.decimal, ".", literal=True)).values

    def _read_dates(self, texts: pl.Series) -> pl.Series:
        """Return moments, ISO ones among them, null where a text is not written so."""
        moments = read_moments(texts, str(self.date_format))
        others = texts.set(moments.is_not_null(), None)
        if others.null_count() == len(others):
            return moments
        iso = parse_dates(others).values * MICROSECONDS_A_DAY
        return moments.zip_with(moments.is_not_null(), iso.round().cast(pl.Datetime("us")))

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


def read_moments(texts: pl.Series, date_format: str) -> pl.Series:
    """Return moments, null where a text is not written in a date format."""
    fits = texts.str.contains(f"^{date_pattern(date_format)}$")
    if not fits.any():
        return pl.Series(CELL, [None], pl.Datetime("us")).new_from_index(0, len(texts))
    moments = texts.set(~fits, None).str.to_datetime(date_format, time_unit="us", strict=False)
    return moments.dt.replace_time_zone(None)  # of an offset it is UTC by now


def date_pattern(date_format: str) -> str:
    """Return what a date of a format looks like, as a regular expression."""
    parts = re.split(r"(%\.f|%[a-zA-Z])", date_format)
    return "".join(
        DIRECTIVES.get(part, ".+" if part.startswith("%") else re.escape(part)) for part in parts
    )


def strip_unit(texts: pl.Series) -> pl.Series:
    """Return numbers without a currency, a unit or a percent sign, brackets as a minus."""
    plain = texts.str.replace_all("\u2212", "-", literal=True)
    for negative in NEGATIVES:
        plain = plain.str.replace(negative, "-$1")
    return plain.str.replace(PREFIX, "$1$3").str.replace(SUFFIX, "$1")


def read_unit(texts: pl.Series) -> pl.Series:
    """Return the sign of currency before each number and the unit behind it, "" for none."""
    plain = texts.str.replace(r"^\((.*)\)$", "$1")
    return plain.str.extract(PREFIX, 2).fill_null("") + plain.str.extract(SUFFIX, 2).fill_null("")


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
        if column in table.plain and notation.kind == "number":
            notation = Notation(kind="number", missing=notation.missing)
        values, bad = notation.read(table.frame[column])
        if bad is not None:
            raise FeatureError(
                f"{table.place(bad)}: column {column!r}: {show_cell(table.frame[column][bad])} is "
                f"not a {notation.kind} written like the others ({describe(notation)})",
                hint="write it as they are, or leave it blank",
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
    if notation.unit:
        parts.append(f"unit {notation.unit!r}")
    return ", ".join(parts)
