"""Parquet and Arrow: typed cells, read as the same texts as everywhere else."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from imbalance_cli.config import load_config
from imbalance_cli.errors import LabelError, SourceError
from imbalance_cli.labels import LabelCounts, count_labels
from imbalance_cli.readers import open_source, partitions, read_table, typed
from imbalance_cli.readers.typed import ArrowSource, ParquetSource
from imbalance_cli.rows.sources import find_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import WriteFile

BINARY_COLUMNS: dict[str, pl.Series] = {
    "bool": pl.Series([True, False, None, True]),
    "int": pl.Series([1, 0, None, 1]),
    "uint8": pl.Series([1, 0, None, 1], dtype=pl.UInt8),
    "float": pl.Series([1.0, 0.0, float("nan"), 1.0]),
    "float and null": pl.Series([1.0, 0.0, None, 1.0], dtype=pl.Float32),
    "text": pl.Series(["yes", "no", "NA", " YES "]),
    "categorical": pl.Series(["t", "f", None, "t"], dtype=pl.Categorical),
    "enum": pl.Series(["y", "n", None, "y"], dtype=pl.Enum(["y", "n"])),
    "decimal": pl.Series([Decimal("1.00"), Decimal("0.00"), None, Decimal("1.00")]),
}
OTHER_COLUMNS: dict[str, tuple[list[Any], str]] = {
    "list": ([[1], [0]], "List(Int64)"),
    "bytes": ([b"\xff", b"1"], "Binary"),
    "struct": ([{"a": 1}, {"a": 0}], "Struct({'a': Int64})"),
    "duration": ([dt.timedelta(1), None], "Duration(time_unit='us')"),
    "date": ([dt.date(2020, 1, 2), None], "2020-01-02"),
    "integers": ([0, 7], "7"),
    "floats": ([0.0, 0.5], "0.5"),
}


@pytest.mark.parametrize("kind", BINARY_COLUMNS)
def test_parquet_labels_of_every_binary_type(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": [1, 2, 3, 4], "y": BINARY_COLUMNS[kind]}).write_parquet(path)
    counts = count_labels(open_source(str(path)))
    assert counts.rows == 4
    assert counts.labels == [LabelCounts("y", 2, 1, 1)]


@pytest.mark.parametrize("kind", OTHER_COLUMNS)
def test_parquet_columns_that_are_no_labels(tmp_path: Path, kind: str) -> None:
    values, seen = OTHER_COLUMNS[kind]
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": values}).write_parquet(path)
    with pytest.raises(LabelError) as caught:
        count_labels(open_source(str(path)), ["a"])
    row = 2 if kind in {"integers", "floats"} else 1
    assert caught.value.message == f"{path}: row {row}: column 'a': {seen!r} is not a binary label"
    with pytest.raises(LabelError, match="no column is called y, label, target"):
        count_labels(open_source(str(path)))


def test_an_all_null_parquet_column_is_all_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"y": [None, None]}).write_parquet(path)
    assert count_labels(open_source(str(path))).labels == [LabelCounts("y", 0, 0, 2)]


def test_batches_of_rows_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "BATCH_ROWS", 7)
    values = np.random.default_rng(0).integers(0, 2, (100, 2))
    path, arrow = tmp_path / "t.parquet", tmp_path / "t.arrow"
    table = pl.DataFrame(values, schema=["y_0", "y_1"])
    table.write_parquet(path, row_group_size=30)
    table.write_ipc(arrow, record_batch_size=30)
    for source in (open_source(str(path)), open_source(str(arrow))):
        counts = count_labels(source)
        assert counts.rows == 100
        assert [label.positives for label in counts.labels] == values.sum(axis=0).tolist()
        batches = list(source.batches(["y_1"]))
        assert pl.concat(b.frame for b in batches)["y_1"].to_list() == values[:, 1].tolist()
        assert [batch.place(0) for batch in batches[:3]] == ["row 1", "row 8", "row 15"]


def test_a_third_value_in_a_late_batch_names_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed, "BATCH_ROWS", 7)
    path = tmp_path / "t.parquet"
    pl.DataFrame({"y": [0, 1] * 10 + [3] + [0, 1] * 10}).write_parquet(path)
    with pytest.raises(LabelError, match="row 21: column 'y': '3' is not a binary label"):
        count_labels(open_source(str(path)))


def test_counting_stops_where_a_column_is_no_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed, "BATCH_ROWS", 20)
    path = tmp_path / "t.parquet"
    pl.DataFrame({"y": range(1000)}).write_parquet(path)
    assert open_source(str(path)).tally(["y"]).rows == 20


def test_parquet_errors(tmp_path: Path, write: WriteFile) -> None:
    with pytest.raises(SourceError, match="not a Parquet file"):
        open_source(write("t.parquet", b"PAR1 not really PAR1"))
    pl.DataFrame({"y": []}, schema={"y": pl.Int8}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="no rows"):
        open_source(str(tmp_path / "t.parquet")).tally(["y"])
    (tmp_path / "d.parquet").mkdir()
    with pytest.raises(SourceError, match="is a directory, and no Parquet file is in it"):
        open_source(str(tmp_path / "d.parquet"))


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"y": np.random.default_rng(0).integers(0, 2, 5000)}).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[100:200] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"t\.parquet: after row 0: cannot be read: "):
        count_labels(open_source(str(path)))


def test_a_parquet_name_that_looks_like_a_glob(tmp_path: Path) -> None:
    pl.DataFrame({"y": [1, 1, 1]}).write_parquet(tmp_path / "part1.parquet")
    pl.DataFrame({"y": [0, 1]}).write_parquet(tmp_path / "part[1].parquet")
    assert ParquetSource(str(tmp_path / "part[1].parquet")).tally(["y"]).rows == 2


def test_an_arrow_name_that_looks_like_a_glob(tmp_path: Path) -> None:
    pl.DataFrame({"y": [1, 1, 1]}).write_ipc(tmp_path / "part1.arrow")
    pl.DataFrame({"y": [0, 1]}).write_ipc(tmp_path / "part[1].arrow")
    assert ArrowSource(str(tmp_path / "part[1].arrow")).tally(["y"]).rows == 2


@pytest.mark.parametrize("cut", [4, 12, 60, -4, -30])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_a_cut_off_arrow_file_is_refused(tmp_path: Path, kind: str, cut: int) -> None:
    path = tmp_path / "t.arrow"
    table = pl.DataFrame({"y": [0, 1] * 50})
    table.write_ipc(path) if kind == "file" else table.write_ipc_stream(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SourceError, match=r"t\.arrow: not an Arrow file: ") as caught:
        open_source(str(path))
    assert "\n" not in caught.value.message


def write_parts(directory: Path, **tables: pl.DataFrame) -> None:
    """Write each table into the directory of its name, as `part.parquet`."""
    for name, table in tables.items():
        path = directory / name / "part.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(path)


def test_a_directory_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    write_parts(parts, b=pl.DataFrame({"y": [0], "x": [7]}), a=pl.DataFrame({"y": [1], "x": [5]}))
    (parts / "_SUCCESS").write_text("")
    write_parts(parts / "_temporary", c=pl.DataFrame({"z": [1]}))
    (parts / "notes.txt").write_text("not a part")
    for name in (str(parts), str(parts / "*" / "*.parquet"), str(parts / "[ab]" / "**")):
        table = read_table([open_source(name)], ["x", "y"])
        assert table.frame.rows() == [(5, 1), (7, 0)]
        assert table.place(1) == f"{name}: {parts / 'b' / 'part.parquet'}: row 1"
    assert count_labels(open_source(str(parts))).labels == [LabelCounts("y", 1, 1)]


def test_a_partitioned_directory_has_its_keys_as_columns(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "x": [1.5, 2.5, 3.5, 4.5],
            "y": [1, 0, None, 1],
            "year": [2013, 2013, 2014, None],
            "code": ["007", "a b", "007", "ä/b"],
        }
    )
    parts = tmp_path / "parts"
    by = pl.PartitionBy(parts, key=["year", "code"], include_key=False)
    table.lazy().sink_parquet(by, mkdir=True)
    source = open_source(str(parts))
    assert source.columns == ["x", "y", "year", "code"]
    found = read_table([source], source.columns).frame
    assert found.sort("x").equals(table)
    assert read_table([open_source(str(parts))], ["code"]).frame.height == 4
    glob = str(parts / "year=2013" / "*" / "*.parquet")
    assert open_source(glob).columns == ["x", "y", "code"]


def test_a_key_that_the_files_have_too_is_theirs(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    write_parts(parts, **{"y=1": pl.DataFrame({"y": [1.0]}), "y=0": pl.DataFrame({"y": [0.0]})})
    found = read_table([open_source(str(parts))], ["y"]).frame
    assert found["y"].to_list() == [0.0, 1.0]


def test_files_of_other_columns_are_no_table(tmp_path: Path) -> None:
    first = pl.DataFrame({"y": [1], "x": [2]})
    a, b = (tmp_path / "t" / name / "part.parquet" for name in ("a", "b"))
    for other, problem in (
        (pl.DataFrame({"y": [1], "x": ["2"]}), f"column 'x' is Int64 in {a}, and String in {b}"),
        (pl.DataFrame({"y": [1]}), f"{b} has no column 'x', which {a} has"),
        (first.with_columns(z=1), f"{a} has no column 'z', which {b} has"),
    ):
        write_parts(tmp_path / "t", a=first, b=other)
        with pytest.raises(SourceError) as caught:
            open_source(str(tmp_path / "t"))
        assert caught.value.message == f"{tmp_path / 't'}: {problem}"
    write_parts(tmp_path / "u", **{"k=1": first, "j=1": first})
    with pytest.raises(SourceError, match=r"k=1/part.parquet is partitioned by k, and .* by j"):
        open_source(str(tmp_path / "u"))


def test_a_damaged_part_is_named_with_its_row(tmp_path: Path) -> None:
    whole = pl.DataFrame({"y": np.random.default_rng(0).integers(0, 2, 5000)})
    write_parts(tmp_path / "t", a=whole, b=whole)
    path = tmp_path / "t" / "b" / "part.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(100) + content[200:])
    with pytest.raises(SourceError, match=r"t: .*/b/part\.parquet: after row 0: cannot be read"):
        count_labels(open_source(str(tmp_path / "t")))
    path.write_bytes(content[:-20])
    with pytest.raises(SourceError, match=r"/b/part\.parquet: not a Parquet file"):
        open_source(str(tmp_path / "t"))
    path.write_bytes(b"")
    with pytest.raises(SourceError, match=r"/b/part\.parquet: the file is empty"):
        open_source(str(tmp_path / "t"))


def test_a_third_value_in_a_part_names_file_and_row(tmp_path: Path) -> None:
    write_parts(tmp_path / "t", a=pl.DataFrame({"y": [0, 1]}), b=pl.DataFrame({"y": [0, 3]}))
    with pytest.raises(LabelError, match=r"t: .*/b/part\.parquet: row 2: column 'y': '3' is not"):
        count_labels(open_source(str(tmp_path / "t")))


def test_a_directory_of_much_else_is_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "MOST_OTHERS", 20)
    for number in range(100):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}" / "notes.txt").touch()
    (tmp_path / ".hidden").mkdir()
    pl.DataFrame({"y": [0, 1]}).write_parquet(tmp_path / "99" / "t.parquet")
    walk, seen = os.walk, list[str]()

    def watch(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for found in walk(top):
            seen.append(found[0])
            yield found

    monkeypatch.setattr(os, "walk", watch)
    data = load_config({"data": {"train": str(tmp_path)}}).data
    for read in (lambda: open_source(str(tmp_path)), lambda: find_files(data)):
        seen.clear()
        with pytest.raises(SourceError, match="is a directory, and no table of Parquet") as caught:
            read()
        assert "21 other files and directories beside 0 Parquet files" in caught.value.message
        assert f"'{tmp_path}/**/*.parquet'" in str(caught.value.hint)
        assert len(seen) == 11
    assert open_source(f"{tmp_path}/**/*.parquet").columns == ["y"]


@pytest.mark.parametrize("folder", ["day={}", "{}"])
def test_a_directory_of_many_parts_is_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setattr(partitions, "MOST_OTHERS", 5)
    for number in range(40):
        part = tmp_path / folder.format(number) / "t.parquet"
        part.parent.mkdir()
        pl.DataFrame({"y": [0, 1]}).write_parquet(part)
        part.with_suffix(".crc").touch()
    assert read_table([open_source(str(tmp_path))], ["y"]).frame.height == 80


def test_globs_that_are_no_table(tmp_path: Path, write: WriteFile) -> None:
    with pytest.raises(SourceError, match="no file matches"):
        open_source(str(tmp_path / "*.parquet"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no file matches"):
        open_source(str(tmp_path / "emp*"))
    write("a.csv", "y\n1\n")
    with pytest.raises(SourceError, match=r"matches .*a\.csv, which is no Parquet file"):
        open_source(str(tmp_path / "*.csv"))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["red", "green"], ["red", "green"]),
        (["red", "5"], ["red", "5"]),
        (["7", "5"], [7, 5]),
        (["007", "5"], ["007", "5"]),
    ],
)
def test_the_keys_of_a_partitioned_directory(
    tmp_path: Path, keys: list[str], expected: list[object]
) -> None:
    for key in keys:
        (tmp_path / f"c={key}").mkdir()
        pl.DataFrame({"y": [1]}).write_parquet(tmp_path / f"c={key}" / "a.parquet")
    [batch, other] = open_source(str(tmp_path)).batches(["c"])
    assert sorted([*batch.frame["c"], *other.frame["c"]], key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("column", "folder", "same"),
    [
        ([2, 2, 3], "k=2", [2, 2]),
        ([2.0, 2.5], "k=2", [2.0]),
        (["f", "m"], "k=f", ["f"]),
        ([True, False], "k=true", [True]),
        ([dt.date(2020, 1, 2), dt.date(2020, 1, 3)], "k=2020-01-02", [dt.date(2020, 1, 2)]),
        ([None, 1], "k=__HIVE_DEFAULT_PARTITION__", [None]),
    ],
)
def test_a_key_that_a_file_contradicts(
    tmp_path: Path, column: list[Any], folder: str, same: list[Any]
) -> None:
    path = tmp_path / "t" / folder / "part.parquet"
    write_parts(tmp_path / "t", **{folder: pl.DataFrame({"k": column, "y": [1] * len(column)})})
    row = len(same)
    says = f"{path}: row {row + 1}: column 'k': {column[row]!r}, in a directory called {folder}"
    with pytest.raises(SourceError) as caught:
        read_table([open_source(str(tmp_path / "t"))], ["k"])
    assert caught.value.message == f"{tmp_path / 't'}: {says}"
    kept = pl.DataFrame({"k": same}, schema={"k": pl.Series(column).dtype})
    write_parts(tmp_path / "t", **{folder: kept.with_columns(y=1)})
    assert read_table([open_source(str(tmp_path / "t"))], ["k"]).frame["k"].to_list() == same


def test_a_key_that_is_a_list_in_the_files_is_theirs(tmp_path: Path) -> None:
    write_parts(tmp_path / "t", **{"k=1": pl.DataFrame({"k": [[1], [2]], "y": [1, 0]})})
    assert read_table([open_source(str(tmp_path / "t"))], ["k"]).frame.height == 2
