"""Features and targets in two files, held to the same rows read from one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.errors import LabelError, SourceError
from imbalance_cli.labels import count_labels
from imbalance_cli.readers import arrays
from imbalance_cli.readers.arrays import ArraySource
from imbalance_cli.readers.delimited import DelimitedSource
from imbalance_cli.readers.joined import JoinedSource
from imbalance_cli.readers.source import Batch, Source, Tally
from imbalance_cli.readers.svmlight import SvmlightSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from conftest import WriteFile


class Pieces(Source):
    """A frame whose batches have given heights."""

    def __init__(self, name: str, frame: pl.DataFrame, heights: Sequence[int]) -> None:
        self.name, self.columns = name, frame.columns
        self._frame, self._heights = frame, heights

    def tally(self, columns: Sequence[str]) -> Tally:
        """Refuse: it has to be counted by batches."""
        raise NotImplementedError(columns)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield batches of the heights; the last one is what is left."""
        first = 0
        for height in (*self._heights, self._frame.height):
            frame = self._frame[first : first + height]
            yield Batch(frame.select(columns), functools.partial(self._place, first))
            first += frame.height

    def _place(self, first: int, row: int) -> str:
        return f"row {first + row + 1}"


def save(path: Path, array: np.ndarray) -> ArraySource:
    np.save(path, array)
    return ArraySource(str(path), "npy")


def read(source: JoinedSource, columns: Sequence[str] | None = None) -> pl.DataFrame:
    return pl.concat(batch.frame for batch in source.batches(columns or source.columns))


@settings(deadline=None)
@given(
    rows=st.integers(1, 40),
    left=st.lists(st.integers(0, 9), max_size=8),
    right=st.lists(st.integers(0, 9), max_size=8),
    missing=st.integers(-3, 3),
)
def test_rows_stay_together_whatever_the_batches(
    rows: int, left: list[int], right: list[int], missing: int
) -> None:
    numbers = list(range(rows))
    targets = pl.DataFrame({"y": range(max(rows + missing, 1))})
    frame = pl.DataFrame({"a": numbers, "b": numbers})
    source = JoinedSource(Pieces("X", frame, left), Pieces("Y", targets, right))
    if targets.height != rows:
        for columns in (["a", "y"], ["y"], ["b"]):
            with pytest.raises(SourceError) as caught:
                list(source.batches(columns))
            assert caught.value.message == f"X has {rows} rows and Y {targets.height}"
        return
    row = 0
    for batch in source.batches(["y", "a"]):
        assert batch.frame.columns == ["y", "a"]
        assert batch.frame.rows() == [(i, i) for i in range(row, row + batch.frame.height)]
        assert [batch.place(i) for i in range(batch.frame.height)] == [
            f"row {i + 1}" for i in range(row, row + batch.frame.height)
        ]
        row += batch.frame.height
    assert row == rows
    assert read(source, ["b"])["b"].to_list() == numbers
    assert source.tally(["y"]).rows == min(rows, source.tally(["y"]).rows)


@pytest.mark.parametrize("width", [None, 1, 3])
def test_two_arrays(tmp_path: Path, width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "BATCH_ROWS", 7)
    random = np.random.default_rng(0)
    features = random.normal(size=(50, 3))
    targets = random.integers(0, 2, (50,) if width is None else (50, width))
    labels = [f"y_{i}" for i in range(3)] if width == 3 else ["y"]
    source = JoinedSource(save(tmp_path / "X.npy", features), save(tmp_path / "t.npy", targets))
    assert source.name == f"{tmp_path / 'X.npy'}, {tmp_path / 't.npy'}"
    assert source.columns == ["x_0", "x_1", "x_2", *labels]
    assert source.own_labels == labels
    assert source.keys == {"x": ["x_0", "x_1", "x_2"], "y": labels}
    np.testing.assert_array_equal(read(source)[:, :3].to_numpy(), features)
    np.testing.assert_array_equal(read(source)[:, 3:].to_numpy(), targets.reshape(50, -1))
    np.testing.assert_array_equal(read(source, ["x_2", "x_0"]).to_numpy(), features[:, [2, 0]])
    np.testing.assert_array_equal(read(source, labels).to_numpy(), targets.reshape(50, -1))
    positives = [label.positives for label in count_labels(source).labels]
    assert positives == targets.reshape(50, -1).sum(axis=0).tolist()


def test_a_column_of_features_is_called_x(tmp_path: Path) -> None:
    binary = np.array([1, 0, 1])
    source = JoinedSource(save(tmp_path / "a.npy", binary), save(tmp_path / "b.npy", 1 - binary))
    assert source.columns == ["x", "y"]
    assert source.tally(["x"]).columns["x"].counts == {"0": 1, "1": 2}
    both = source.tally(["y", "x"])
    assert both.rows == 3
    assert both.columns["x"].counts == {"0": 1, "1": 2}


def test_rows_of_arrays_are_compared_at_once(tmp_path: Path) -> None:
    left, right = save(tmp_path / "X.npy", np.zeros((5, 2))), save(tmp_path / "t.npy", np.zeros(4))
    with pytest.raises(SourceError) as caught:
        JoinedSource(left, right)
    assert caught.value.message == f"{left.name} has 5 rows and {right.name} 4"


def test_a_table_and_an_array(tmp_path: Path, write: WriteFile) -> None:
    table = DelimitedSource(write("X.csv", "a,b\n1,u\n2,v\n3,w\n"), ",")
    source = JoinedSource(table, save(tmp_path / "t.npy", np.array([0, 1, 7])))
    assert read(source).rows() == [("1", "u", 0), ("2", "v", 1), ("3", "w", 7)]
    with pytest.raises(LabelError) as caught:
        count_labels(source)
    place = f"line 4 of {table.name}, row 3 of {tmp_path / 't.npy'}"
    assert caught.value.message == (
        f"{table.name}, {tmp_path / 't.npy'}: {place}: column 'y': '7' is not a binary label"
    )
    short = JoinedSource(table, save(tmp_path / "s.npy", np.array([0, 1])))
    with pytest.raises(SourceError, match=r"X\.csv has 3 rows and .*s\.npy 2"):
        count_labels(short)


def test_names_that_both_have(tmp_path: Path, write: WriteFile) -> None:
    left = DelimitedSource(write("X.csv", "id,y\n1,2\n"), ",")
    right = DelimitedSource(write("t.csv", "id\n1\n"), ",")
    with pytest.raises(SourceError, match=r"X\.csv and .*t\.csv both have a column 'id'"):
        JoinedSource(left, right)
    with pytest.raises(SourceError, match=r"X\.csv and .*t\.npy both have a column 'y'"):
        JoinedSource(left, save(tmp_path / "t.npy", np.zeros(1)))
    np.savez(tmp_path / "a.npz", k=np.zeros((1, 2)))
    np.savez(tmp_path / "b.npz", k=np.zeros(1))
    one, two = (ArraySource(str(tmp_path / f"{name}.npz"), "npz") for name in "ab")
    with pytest.raises(SourceError, match=r"a\.npz and .*b\.npz both have an array 'k'"):
        JoinedSource(one, two)


def test_features_with_labels_of_their_own(tmp_path: Path) -> None:
    left = Pieces("X.svm", pl.DataFrame({"y": [1], "x_1": [0.5]}), [])
    left.own_labels = ["y"]
    with pytest.raises(SourceError, match=r"X\.svm: has the label 'y', and .*t\.npy is given for"):
        JoinedSource(left, save(tmp_path / "t.npy", np.zeros(1)))


def test_sparse_features_take_in_those_of_other_files(tmp_path: Path, write: WriteFile) -> None:
    features = SvmlightSource(write("f.svm", " 1:0.5\n 2:1\n"))
    source = JoinedSource(features, save(tmp_path / "y.npy", np.array([1, 0])))
    source.include(["x_1", "x_2", "x_4", "y"])
    assert source.columns == ["x_1", "x_2", "x_3", "x_4", "y"]
    assert read(source, ["x_2", "x_4", "y"]).rows() == [(0.0, 0.0, 1), (1.0, 0.0, 0)]
    source.refuse_beyond(["x_1", "x_4"])
    with pytest.raises(SourceError, match=r"f\.svm: line 2: the index 2, where features run from"):
        source.refuse_beyond(["x_0", "x_1"])
