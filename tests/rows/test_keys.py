"""Keys of rows are the same however the rows are cut into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import ImbtrainError, LabelError, SplitError
from imbalance_cli.labels.encoding import LabelEncoder
from imbalance_cli.labels.sample_weights import WeightColumns
from imbalance_cli.readers import Table
from imbalance_cli.rows import keys as row_keys
from imbalance_cli.rows.keys import KeyReader, RowKeys, number_groups
from imbalance_cli.rows.roles import Roles

if TYPE_CHECKING:
    from imbalance_cli.labels.encoding import MissingPolicy

ROLES = Roles(["y"], [], "group", "time", "part", WeightColumns("weight"))


def make_frame(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "y": random.choice(["0", "1", ""], rows),
            "group": [f"g{i}" for i in random.integers(0, 9, rows)],
            "time": [f"2024-01-{day:02}" for day in random.integers(1, 29, rows)],
            "part": random.choice(["train", "Valid", "TEST"], rows),
            "weight": random.choice(["0", "1", "2.5"], rows),
        }
    )


def read(
    frame: pl.DataFrame, size: int, roles: Roles = ROLES, missing: MissingPolicy = "mask"
) -> RowKeys:
    reader = KeyReader(roles, LabelEncoder("binary", ["y"], ["y"]), missing)
    for first in range(0, frame.height, size):
        reader.add(Table("t", frame[first : first + size], lambda row: f"t: row {row + 1}"))
    return reader.finish("t")


@pytest.mark.parametrize("missing", ["mask", "negative", "drop"])
@pytest.mark.parametrize("size", [1, 7, 60])
def test_batches_make_no_difference(size: int, missing: MissingPolicy) -> None:
    frame = make_frame(60)
    one, other = read(frame, size, missing=missing), read(frame, 60, missing=missing)
    assert len(one) == len(other) == 60
    np.testing.assert_array_equal(one.targets.dense(), other.targets.dense())
    for name in ("kept", "groups", "times", "parts", "weights"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_what_a_row_keeps_is_small() -> None:
    keys = read(make_frame(60), 60)
    types = {"kept": "bool", "groups": "int32", "times": "float64", "parts": "int8"}
    assert {name: getattr(keys, name).dtype.name for name in types} == types
    assert keys.targets.dense().shape == (60, 1)


def test_columns_that_are_not_there_keep_nothing() -> None:
    keys = read(make_frame(60), 7, Roles(["y"], []))
    assert (keys.groups, keys.times, keys.parts, keys.weights) == (None, None, None, None)
    assert keys.kept.all()


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=60), st.integers(1, 70))
def test_groups_are_numbered_by_their_first_row(hashes: list[int], block: int) -> None:
    first: dict[int, int] = {}
    wanted = [first.setdefault(value, len(first)) for value in hashes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_keys, "BLOCK", block)
        numbers = number_groups(np.array(hashes, np.uint64))
    assert numbers.tolist() == wanted
    assert numbers.dtype == np.int32


@pytest.mark.parametrize(
    ("cells", "error", "says"),
    [
        ({"time": ["5", "7", "2024-01-01"]}, SplitError, "row 3: column 'time': '2024-01-01'"),
        ({"time": ["2024-01-01", "7", "x"]}, SplitError, "row 2: column 'time': '7' is not a time"),
        ({"time": ["", "7", "8"]}, SplitError, "row 1: column 'time': '' is not a time"),
        ({"group": ["a", " ", "b"]}, SplitError, "row 2: column 'group': the group is missing"),
        ({"part": ["train", "test", "x"]}, SplitError, "row 3: column 'part': 'x' is not a part"),
        ({"weight": ["1", "-1", "1"]}, LabelError, "row 2: column 'weight'"),
        ({"weight": ["0", "0", "0"]}, LabelError, "t: column 'weight': every sample weight is 0"),
        ({"y": ["0", "1", "2"]}, LabelError, "row 3: column 'y': '2'"),
    ],
)
def test_bad_cells(cells: dict[str, Any], error: type[ImbtrainError], says: str) -> None:
    frame = make_frame(3).with_columns(time=pl.Series(["1", "2", "3"]))
    frame = frame.with_columns(**{name: pl.Series(values) for name, values in cells.items()})
    with pytest.raises(error, match=says):
        read(frame, 3)
