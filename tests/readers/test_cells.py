"""Cells are the same numbers and dates whether they come as texts or typed."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest

from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts

DAY = 18_263  # 2020-01-02
UTC = dt.UTC


def test_texts_are_stripped_and_missing_ones_null() -> None:
    cells = pl.Series("x", [" a ", "", "NA", "NaN", "null", " NULL ", None, "nap"])
    assert parse_texts(cells).to_list() == ["a", None, None, None, None, None, None, "nap"]
    assert parse_texts(pl.Series("x", [1, None])).to_list() == ["1", None]


def test_numbers_of_texts() -> None:
    parsed = parse_numbers(pl.Series("x", [" 1", "-2.5", "1e3", "+.5", "NA", "inf", None]))
    assert parsed.values.to_list() == [1, -2.5, 1000, 0.5, None, math.inf, None]
    assert parsed.bad_row is None


@pytest.mark.parametrize(
    "cells",
    [
        pl.Series("x", [1, 0, None], dtype=pl.Int8),
        pl.Series("x", [1.0, 0.0, math.nan]),
        pl.Series("x", [True, False, None]),
        pl.Series("x", ["1", "0", None], dtype=pl.Categorical),
        pl.Series("x", ["1", "0.0", "nan"]),
        pl.Series("x", ["TRUE", "false", ""]),
        pl.Series("x", [1, 0, None], dtype=pl.Decimal(10, 2)),
    ],
)
def test_typed_numbers_equal_texts(cells: pl.Series) -> None:
    parsed = parse_numbers(cells)
    assert parsed.values.to_list() == [1, 0, None]
    assert parsed.values.dtype == pl.Float64
    assert parsed.bad_row is None


def test_the_texts_of_numbers_are_given_too() -> None:
    cells = pl.Series("x", [" 1", "NA", "2.5 ", "-0.12345"])
    parsed = parse_numbers(cells)
    assert parsed.texts is not None
    assert parsed.texts.equals(parse_texts(cells), null_equal=True)
    assert parsed.texts.to_list() == ["1", None, "2.5", "-0.12345"]
    assert not parsed.has_words
    assert parse_numbers(pl.Series("x", ["1", "True"])).has_words
    assert not parse_numbers(pl.Series("x", ["1", "truth"])).has_words
    assert parse_numbers(pl.Series("x", [1, 2])).texts is None


def test_cells_that_are_too_long_to_be_missing() -> None:
    cells = pl.Series("x", ["  missing", "nulls ", None])
    assert parse_texts(cells).to_list() == ["missing", "nulls", None]
    assert parse_texts(pl.Series("x", [" null  ", "missing"])).to_list() == [None, "missing"]


def test_what_is_no_number() -> None:
    parsed = parse_numbers(pl.Series("x", ["1", "", "x", "true", "0x1"]))
    assert parsed.values.to_list() == [1, None, None, 1, None]
    assert (parsed.bad_row, parsed.bad_rows) == (2, 2)
    dates = parse_numbers(pl.Series("x", [None, dt.date(2020, 1, 2)]))
    assert (dates.bad_row, dates.bad_rows) == (1, 1)
    assert dates.values.to_list() == [None, None]
    nothing = parse_numbers(pl.Series("x", [None, None], dtype=pl.Date))
    assert nothing.bad_row is None


def test_numbers_at_the_ends_of_their_ranges() -> None:
    texts = ["inf", "-Infinity", "1e400", "-1e400", "1e-400", "4.9e-324", "1" * 400]
    cells = [*texts, str(2**63), str(2**64 + 1), str(-(2**70))]
    parsed = parse_numbers(pl.Series("x", cells))
    assert parsed.values.to_list() == [float(cell) for cell in cells]
    assert parsed.bad_row is None


@pytest.mark.parametrize("cell", ["1\0", "1_000", "1,5", "٣", "0b1", "1e", "--1", "1 2", "$1"])
def test_a_text_among_numbers_is_the_bad_row(cell: str) -> None:
    parsed = parse_numbers(pl.Series("x", ["1", "nan", cell, "2", cell]))
    assert (parsed.bad_row, parsed.bad_rows) == (2, 2)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2020-01-02", 0.0),
        ("2020-01-02 06:00:00", 0.25),
        ("2020-01-02T06:00:00Z", 0.25),
        ("2020-01-02T06:00:00.5", 0.25 + 0.5 / 86_400),
        ("2020-01-02 06:00", 0.25),
        ("2020-01-02T06:00", 0.25),
        ("1969-12-31", -1.0 - DAY),
    ],
)
def test_dates_of_texts(text: str, days: float) -> None:
    parsed = parse_dates(pl.Series("x", [text, None, "NA", "2020-01-02"]))
    assert parsed.values.to_list() == pytest.approx([DAY + days, None, None, DAY])
    assert parsed.bad_row is None


def test_typed_dates() -> None:
    moment = dt.datetime(2020, 1, 2, 6, tzinfo=UTC)
    in_new_york = pl.Series("x", [moment]).dt.convert_time_zone("America/New_York")
    for cells in (
        pl.Series("x", [moment]),
        in_new_york,
        pl.Series("x", [moment.replace(tzinfo=None)]),
    ):
        assert parse_dates(cells).values.to_list() == [DAY + 0.25]
    assert parse_dates(pl.Series("x", [dt.date(2020, 1, 2), None])).values.to_list() == [DAY, None]
    categories = pl.Series("x", ["2020-01-02"], dtype=pl.Categorical)
    assert parse_dates(categories).values.to_list() == [DAY]


@pytest.mark.parametrize(
    "cells",
    [
        pl.Series("x", ["2020-01-02", "2020-13-02"]),
        pl.Series("x", [None, 1]),
        pl.Series("x", [None, True]),
        pl.Series("x", [None, dt.time(6)]),
    ],
)
def test_what_is_no_date(cells: pl.Series) -> None:
    parsed = parse_dates(cells)
    assert (parsed.bad_row, parsed.bad_rows) == (1, 1)
    assert parsed.values.dtype == pl.Float64
