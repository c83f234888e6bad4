"""Sources by suffix, tallies of cell texts, and tables of several sources."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest

from imbalance_cli.errors import SourceError
from imbalance_cli.readers import Table, open_source, read_table, stack_tables
from imbalance_cli.readers.source import (
    DISTINCT_LIMIT,
    ColumnTally,
    Tally,
    is_missing,
    tally_frame,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import WriteFile


@pytest.mark.parametrize("suffix", [".xls", "", ".csv.zip", ".old.csv.bak"])
def test_an_unknown_suffix_is_refused(write: WriteFile, suffix: str) -> None:
    path = write(f"data{suffix}", "y\n1\n")
    with pytest.raises(SourceError, match="neither the suffix") as caught:
        open_source(path)
    assert "--input-format (data.input_format) does" in str(caught.value.hint)
    assert repr(suffix.removeprefix(".old")) in caught.value.message


def test_a_directory_and_a_missing_file_without_a_suffix(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a directory, and no Parquet file is in it"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match="no such file"):
        open_source(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "text",
    ["", " ", "NA", "na", " NaN ", "null", "nan", "None", "n/a", "<NA>", "NaT", "-nan", "\\N"],
)
def test_missing_texts(text: str) -> None:
    assert is_missing(text)


@pytest.mark.parametrize("text", ["0", "nil", "-", "?"])
def test_other_texts_are_not_missing(text: str) -> None:
    assert not is_missing(text)


def test_a_tally_keeps_the_first_texts_and_says_that_there_were_more() -> None:
    tally = ColumnTally()
    texts = [f"t{i}" for i in range(DISTINCT_LIMIT + 2)]
    assert tally.add(dict.fromkeys(texts, 1)) == texts[:DISTINCT_LIMIT]
    assert tally.overflow
    assert tally.add({"t0": 4, "other": 1}) == []
    assert tally.counts["t0"] == 5


def test_a_frame_is_tallied_in_the_order_of_appearance() -> None:
    frame = pl.DataFrame({"text": ["b", "a", "b", "", "c"], "len": ["1"] * 5, "other": ["x"] * 5})
    tally = Tally.empty(["text", "len"])
    fresh = tally_frame(frame, tally)
    assert fresh == [
        ("text", "b", 0),
        ("text", "a", 1),
        ("text", "", 3),
        ("text", "c", 4),
        ("len", "1", 0),
    ]
    assert list(tally.columns["text"].counts.items()) == [("b", 2), ("a", 1), ("", 1), ("c", 1)]
    assert tally.rows == 5
    assert tally_frame(frame, tally) == []
    assert tally.columns["len"].counts == {"1": 10}


@pytest.mark.parametrize(
    "cells",
    [
        pl.Series([1, 0, 1], dtype=pl.Int128),
        pl.Series([1, None, 0, None], dtype=pl.UInt8),
        pl.Series([1.0, float("nan"), None, 0.5]),
        pl.Series([0.0, float("nan"), 1.0, float("nan")], dtype=pl.Float32),
        pl.Series([None, True, False]),
        pl.Series([False, False]),
        pl.Series(["a", "", None, "a"], dtype=pl.Categorical),
        pl.Series([0, 1, 2], dtype=pl.Decimal(10, 2)),
        pl.Series([0, 86_400_000_000], dtype=pl.Datetime("us")),
        pl.Series([["a"], ["b"]]),
        pl.Series([None, None]),
    ],
)
def test_typed_cells_are_tallied_as_their_texts(cells: pl.Series) -> None:
    frame = cells.alias("^a$").to_frame()
    typed, read = Tally.empty(["^a$"]), Tally.empty(["^a$"])
    assert tally_frame(frame, typed) == tally_frame(texts(frame), read)
    assert typed == read
    assert list(typed.columns["^a$"].counts) == list(read.columns["^a$"].counts)


def test_a_table_of_several_sources_knows_where_each_row_stands(write: WriteFile) -> None:
    first = write("a.csv", 'y,x\n1,"two\nlines"\n0,b\n')
    second = write("b.csv", "x,y\nc,1\nd,0\n")
    table = read_table([open_source(first), open_source(second)], ["x", "y"])
    assert table.name == f"{first}, {second}"
    assert table.frame.rows() == [("two\nlines", "1"), ("b", "0"), ("c", "1"), ("d", "0")]
    places = [table.place(row) for row in range(4)]
    lines = [(first, 2), (first, 4), (second, 2), (second, 3)]
    assert places == [f"{name}: line {line}" for name, line in lines]


def test_a_table_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"y\n1\n0\n")))
    table = read_table([open_source("-")], ["y"])
    assert (table.name, table.frame["y"].to_list()) == ("stdin", ["1", "0"])
    assert table.place(1) == "stdin: line 3"


def test_sources_that_do_not_fit_together(write: WriteFile, tmp_path: Path) -> None:
    first, second = write("a.csv", "y,x\n1,2\n"), write("b.csv", "y\n1\n")
    with pytest.raises(SourceError, match=r"b\.csv: no column 'x', which .*a\.csv has"):
        read_table([open_source(first), open_source(second)], ["x", "y"])
    pl.DataFrame({"y": [1], "x": [2]}).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(SourceError, match="columns of different types") as caught:
        read_table([open_source(first), open_source(str(tmp_path / "c.parquet"))], ["x", "y"])
    assert "\n" not in caught.value.message


def test_batches_of_a_header_alone_are_refused(write: WriteFile) -> None:
    with pytest.raises(SourceError, match="a header and no rows"):
        read_table([open_source(write("a.csv", "y,x\n"))], ["y"])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "ndjson"])
def test_a_name_that_polars_takes_for_a_pattern_is_a_name(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame({"^a.*$": [1, 2], "*": [3, 4], "ab": [5, 6]})
    path = tmp_path / f"a.{suffix}"
    writers: dict[str, Callable[[Path], None]] = {
        "csv": frame.write_csv,
        "parquet": frame.write_parquet,
        "arrow": frame.write_ipc,
        "ndjson": frame.write_ndjson,
    }
    writers[suffix](path)
    source = open_source(str(path))
    assert source.columns == frame.columns
    table = read_table([source], ["*", "^a.*$"])
    assert table.frame.columns == ["*", "^a.*$"]
    assert table.frame.cast(pl.String).rows() == [("3", "1"), ("4", "2")]
    assert open_source(str(path)).tally(["*"]).columns["*"].counts == {"3": 1, "4": 1}


def test_tables_of_whole_and_other_numbers_are_one_of_numbers() -> None:
    frames = [pl.DataFrame({"x": [1], "y": ["a"]}), pl.DataFrame({"x": [0.5], "y": ["b"]})]
    stacked = stack_tables([Table("t", frame, str) for frame in frames], "t")
    assert stacked.frame.rows() == [(1.0, "a"), (0.5, "b")]
    for other in ({"x": ["1"], "y": ["b"]}, {"x": [0.5], "y": [1]}):
        tables = [Table("t", frame, str) for frame in (frames[0], pl.DataFrame(other))]
        with pytest.raises(SourceError, match="columns of different types"):
            stack_tables(tables, "t")
