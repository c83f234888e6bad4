"""Parquet and .npy: typed cells, read as the same texts as everywhere else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from imbalance_cli.errors import LabelError, SourceError
from imbalance_cli.labels import LabelCounts, count_labels
from imbalance_cli.readers import open_source, typed
from imbalance_cli.readers.typed import ParquetSource

if TYPE_CHECKING:
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
    path, array = tmp_path / "t.parquet", tmp_path / "t.npy"
    pl.DataFrame(values, schema=["y_0", "y_1"]).write_parquet(path, row_group_size=30)
    np.save(array, values)
    for source in (open_source(str(path)), open_source(str(array))):
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
    path = tmp_path / "t.npy"
    np.save(path, np.array([0, 1] * 10 + [3] + [0, 1] * 10))
    with pytest.raises(LabelError, match="row 21: column 'y': '3' is not a binary label"):
        count_labels(open_source(str(path)))


def test_counting_stops_where_a_column_is_no_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed, "BATCH_ROWS", 20)
    path = tmp_path / "t.npy"
    np.save(path, np.arange(1000))
    assert open_source(str(path)).tally(["y"]).rows == 20


def test_parquet_errors(tmp_path: Path, write: WriteFile) -> None:
    with pytest.raises(SourceError, match="not a Parquet file"):
        open_source(write("t.parquet", b"PAR1 not really PAR1"))
    pl.DataFrame({"y": []}, schema={"y": pl.Int8}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="no rows"):
        open_source(str(tmp_path / "t.parquet"))
    (tmp_path / "d.parquet").mkdir()
    with pytest.raises(SourceError, match="is a directory"):
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


@pytest.mark.parametrize("dtype", ["bool", "i1", "u8", ">i4", "f2", ">f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_numeric_type(tmp_path: Path, dtype: str, order: Any) -> None:  # noqa: ANN401  a Literal of numpy's
    values = np.random.default_rng(0).integers(0, 2, (50, 3))
    np.save(tmp_path / "t.npy", np.asarray(values, dtype, order=order))
    counts = count_labels(open_source(str(tmp_path / "t.npy")))
    assert [label.label for label in counts.labels] == ["y_0", "y_1", "y_2"]
    assert [label.positives for label in counts.labels] == values.sum(axis=0).tolist()
    assert [label.negatives for label in counts.labels] == (1 - values).sum(axis=0).tolist()


def test_nan_in_an_array_is_missing(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([1.0, np.nan, 0.0]))
    assert count_labels(open_source(str(tmp_path / "t.npy"))).labels == [LabelCounts("y", 1, 1, 1)]


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.array([{"a": 1}, None], dtype=object), "not a plain .npy array of numbers"),
        (np.array(["0", "1"]), "an array of <U1, where numbers are needed"),
        (np.array([1j]), "an array of complex128, where numbers are needed"),
        (np.array(1), "an array of shape (), where (rows,) or (rows, columns) is read"),
        (np.zeros((2, 2, 2)), "an array of shape (2, 2, 2), where"),
        (np.zeros(0), "an array of shape (0,), where"),
        (np.zeros((3, 0)), "an array of shape (3, 0), where"),
    ],
)
def test_arrays_that_are_no_table(tmp_path: Path, array: np.ndarray, problem: str) -> None:
    path = tmp_path / "t.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(SourceError) as caught:
        open_source(str(path))
    assert caught.value.message.startswith(f"{path}: {problem}")


def test_files_that_are_no_array(write: WriteFile, tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros(1000))
    for content in (b"y\n1\n", b"\x93NUMPY", (tmp_path / "whole.npy").read_bytes()[:500]):
        with pytest.raises(SourceError, match=r"cut\.npy: not a plain \.npy array of numbers"):
            open_source(write("cut.npy", content))
    np.savez(tmp_path / "t.npz", y=np.zeros(3))
    (tmp_path / "t.npz").rename(tmp_path / "t.npy")
    with pytest.raises(SourceError, match=r"it is a \.npz archive"):
        open_source(str(tmp_path / "t.npy"))
