"""Cells of a column as numbers or dates, whether the source gave texts or typed values."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.readers.source import MISSING_TEXTS, MISSING_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS_A_DAY = 86_400
WHOLE_FLOAT = r"^([-+]?\d+)\.0+$"  # a whole number, written as others are
CELL = "cell"  # what a column is called while it is parsed
LONGEST_MISSING = max(map(len, MISSING_TEXTS))
BOOLEANS = {"true": 1.0, "false": 0.0}  # in any case; typed booleans are numbers too
FIRST_YEAR = 1000  # of four digits
TIME_ZONE = r"(\d:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(?:Z|UTC|([-+])(\d{2}):?(\d{2})?)$"
MOMENTS = (  # ISO, with a time of day
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
)


@dataclasses.dataclass(frozen=True)
class Parsed:
    """A column read as one kind.

    Attributes:
        values: Float64 (numbers, dates in days since 1970) or String; null where missing.
        bad_row: the first row whose cell is neither missing nor of that kind, or None.
        bad_rows: how many such rows there are.
        texts: of a column of texts that was read as numbers, the cells as `parse_texts` gives them.
        has_words: whether any of the numbers is written as true or false.
        missing_words: how many cells hold each of MISSING_WORDS, as it is written.
    """

    values: pl.Series
    bad_row: int | None = None
    bad_rows: int = 0
    texts: pl.Series | None = None
    has_words: bool = False
    missing_words: Mapping[str, int] = dataclasses.field(default_factory=dict)


def parse_texts(column: pl.Series) -> pl.Series:
    """Return a column as stripped strings, null where a cell is missing."""
    # polars takes a name such as ^x$ for a pattern, also that of the series it is asked of
    cells = column.alias(CELL).cast(pl.String).str.strip_chars()
    is_short = cells.str.len_bytes() <= LONGEST_MISSING
    if not is_short.any():  # which takes less time than to look for these texts
        return cells
    missing = cells.str.to_lowercase().is_in(list(MISSING_TEXTS))
    return cells.set(missing.fill_null(value=False), None)


def parse_numbers(column: pl.Series) -> Parsed:
    """Read a column as numbers; infinity is a number here, and true and false are 1 and 0."""
    column = column.alias(CELL)
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return Parsed(column.cast(pl.Float64).fill_nan(None))
    cells = parse_texts(column)
    if column.dtype.is_temporal():
        return _report_bad(cells, no_numbers(len(column)))
    values = cells.cast(pl.Float64, strict=False).fill_nan(None)
    texts = cells if column.dtype == pl.String else None
    has_words = False
    missing_words: Mapping[str, int] = {}
    if values.null_count() > cells.null_count():
        words = cells.str.to_lowercase()
        flags = words.replace_strict(BOOLEANS, default=None, return_dtype=pl.Float64)
        has_words = flags.null_count() < len(flags)
        values = values.zip_with(values.is_not_null(), flags)
        cells, missing_words = drop_missing_words(cells)
    parsed = _report_bad(cells, values)
    return dataclasses.replace(
        parsed, texts=texts, has_words=has_words, missing_words=missing_words
    )


def parse_dates(column: pl.Series) -> Parsed:
    """Read a column of ISO dates, with or without a time of day, as days since 1970 (UTC).

    A time of day may have an offset, such as Z, +01:00, +0100 or +01.
    """
    column = column.alias(CELL)
    if column.dtype.is_temporal() and column.dtype != pl.Time:
        return Parsed(_days(column.cast(pl.Datetime("us"))))
    cells = parse_texts(column)
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Time):
        return _report_bad(cells, no_numbers(len(column)))
    moments = cells.str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
    missing_words: Mapping[str, int] = {}
    if moments.null_count() > cells.null_count():
        cells, missing_words = drop_missing_words(cells)
        clocks, offset = _split_offset(cells)
        for form in MOMENTS:
            if moments.null_count() == cells.null_count():
                break
            read = clocks.str.to_datetime(form, time_unit="us", strict=False) - offset
            moments = moments.zip_with(moments.is_not_null(), read)
    is_early = (moments.dt.year() < FIRST_YEAR).fill_null(value=False)
    if is_early.any():  # polars takes 2-10-03 for a day of the year 2
        moments = moments.set(is_early & ~column.str.contains(r"^\s*\d{4}-"), None)
    return dataclasses.replace(_report_bad(cells, _days(moments)), missing_words=missing_words)


def drop_missing_words(cells: pl.Series) -> tuple[pl.Series, Mapping[str, int]]:
    """Return the cells, those of MISSING_WORDS null, and how many cells hold each of these."""
    is_missing = cells.str.to_lowercase().is_in(list(MISSING_WORDS)).fill_null(value=False)
    if not is_missing.any():
        return cells, {}
    counts = cells.filter(is_missing).value_counts()
    return cells.set(is_missing, None), dict(counts.iter_rows())


def _split_offset(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return times of day without their offset from UTC, and the offset, 0 where there is none."""
    parts = cells.str.extract_groups(TIME_ZONE).struct.unnest()
    sign = parts["2"].replace_strict({"-": -1, "+": 1}, default=0, return_dtype=pl.Int64)
    hours = parts["3"].cast(pl.Int64).fill_null(0)
    minutes = 60 * hours + parts["4"].cast(pl.Int64).fill_null(0)
    seconds = 60 * sign * minutes
    return cells.str.replace(TIME_ZONE, "$1"), (seconds * 1_000_000).cast(pl.Duration("us"))


def no_numbers(rows: int) -> pl.Series:
    """Return what a column without a number or a date has for values."""
    return pl.Series(CELL, [None], pl.Float64).new_from_index(0, rows)


def show_days(days: float) -> str:
    """Return days since 1970 as an ISO date, with the time of day where it is not midnight."""
    moment = np.datetime64(0, "s") + np.timedelta64(round(days * SECONDS_A_DAY), "s")
    return str(moment).replace("T", " ").removesuffix(" 00:00:00")


def _days(moments: pl.Series) -> pl.Series:
    return moments.dt.epoch("us").cast(pl.Float64) / (1e6 * SECONDS_A_DAY)


def _report_bad(cells: pl.Series, values: pl.Series) -> Parsed:
    if values.null_count() == cells.null_count():  # as of most columns
        return Parsed(values)
    bad = cells.is_not_null() & values.is_null()
    # "nan" was taken for missing in `cells`, so whatever is left did not parse
    first = bad.arg_max() if bad.any() else None
    return Parsed(values, first, int(bad.sum()))
