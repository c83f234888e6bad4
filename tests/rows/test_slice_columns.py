"""Columns to break a report down by: the same groups however the rows are cut into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from imbalance_cli.errors import ConfigError
from imbalance_cli.readers import Table
from imbalance_cli.rows.slices import SliceColumn, SliceReader

if TYPE_CHECKING:
    from collections.abc import Sequence


def read(cells: Sequence[object], size: int = 3, categories: tuple[str, ...] = ()) -> SliceColumn:
    reader = SliceReader("x", "report.slices", categories)
    series = pl.Series("x", cells, strict=False)
    for first in range(0, len(series), size):
        frame = series[first : first + size].to_frame()
        reader.add(Table("t.csv", frame, lambda row: f"t.csv: row {row + 1}"))
    return reader.finish()


def groups_of(column: SliceColumn) -> list[str | None]:
    """Return the name of each row's group."""
    names, of_row = column.groups()
    return [names[place] for place in of_row]


@pytest.mark.parametrize("size", [1, 2, 8])
def test_names_are_groups_and_missing_cells_one_of_their_own(size: int) -> None:
    column = read(["b", "a", "", " b", "NA", "c", None], size)
    assert column.cells.dtype == np.int16
    assert groups_of(column) == ["b", "a", None, "b", None, "c", None]
    assert column.groups()[0] == ["a", "b", "c", None]
    assert groups_of(column.take(np.array([0, 5]))) == ["b", "c"]  # of these rows alone


@pytest.mark.parametrize("size", [1, 4])
def test_a_few_numbers_are_groups_by_their_value(size: int) -> None:
    column = read(["7", "07", "10", "7.0", "", "1.5", "12345678"], size)
    assert groups_of(column) == ["7", "7", "10", "7", None, "1.5", "12345678"]
    assert column.groups()[0] == ["1.5", "7", "10", "12345678", None]
    named = read(["7", "07", "10"], size, categories=("x*",))
    assert groups_of(named) == ["7", "07", "10"]


def test_many_numbers_are_cut_at_quantiles() -> None:
    values = np.random.default_rng(0).permutation(100).tolist()
    column = read([*values, None], size=7)
    names, of_row = column.groups()
    assert names == ["0 to 24", "25 to 49", "50 to 74", "75 to 99", None]
    assert np.bincount(of_row).tolist() == [25, 25, 25, 25, 1]
    assert [names[place] for place in of_row[:5]] == [
        f"{value // 25 * 25} to {value // 25 * 25 + 24}" for value in values[:5]
    ]
    mostly_one = read([0] * 90 + list(range(1, 11)), size=50)
    assert mostly_one.groups()[0] == ["0", "1 to 10"]


def test_dates_are_cut_as_numbers_are() -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 21)]
    assert read(days, size=6).groups()[0] == [
        "2024-01-01 to 2024-01-05",
        "2024-01-06 to 2024-01-10",
        "2024-01-11 to 2024-01-15",
        "2024-01-16 to 2024-01-20",
    ]


def test_numbers_that_turn_out_names_keep_their_first_groups() -> None:
    assert groups_of(read(["1", "2", "2", "two"], size=1)) == ["1", "2", "2", "two"]


@pytest.mark.parametrize("size", [100, 10_000])
def test_ten_thousand_names_are_refused_by_name(size: int) -> None:
    cells = [f"id{i}" for i in range(10_000)]
    with pytest.raises(ConfigError, match=r"report.slices: t.csv: column 'x' .* than 50") as caught:
        read(cells, size)
    assert caught.value.hint is not None
    assert len(read([f"id{i % 50}" for i in range(200)], size).groups()[0]) == 50


@pytest.mark.parametrize("cells", [[True, False, None], ["true", "FALSE", ""]])
def test_true_and_false_are_names(cells: list[object]) -> None:
    assert [None if name is None else name.lower() for name in groups_of(read(cells))] == [
        "true",
        "false",
        None,
    ]


def test_lists_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"column 'x' holds lists"):
        read([["a", "b"], ["a"]])


def test_ten_thousand_numbers_are_four_groups() -> None:
    assert len(read(list(range(10_000)), size=3000).groups()[0]) == 4
