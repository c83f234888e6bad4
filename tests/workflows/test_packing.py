"""What is packed into a cache is unpacked the same, through the files of a cache."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from imbalance_cli.features import Preprocessing
from imbalance_cli.features.preprocessing import CategoricalFeature, NumericFeature
from imbalance_cli.labels.targets import DenseTargets, SparseTargets
from imbalance_cli.leaks import Duplicates, Leak
from imbalance_cli.readers import Table
from imbalance_cli.rows.cache import Contents, ModelRows, cached_rows
from imbalance_cli.rows.labelled import LabelledTable, Roles
from imbalance_cli.splits import Split
from imbalance_cli.workflows.packing import pack, unpack
from imbalance_cli.workflows.scanning import Scan

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.labels.targets import Targets

ROLES = Roles(["y"], ["x", "kind"], group="g", sample_weight="w")
SCAN = Scan(
    Preprocessing(
        [NumericFeature("x", "number", 0.1 + 0.2, 1 / 3, indicator=True)],
        [CategoricalFeature("kind", ["a", "\u00e9"], one_hot=True)],
        dropped=["constant"],
    ),
    Duplicates(5, 2, 1, {"valid": 1, "test": 0}),
    [Leak("x", "y", "higher")],
    2,
    ["x: other values than in training"],
)
DENSE = DenseTargets(np.array([[1, 0], [0, -1], [1, 1], [0, 0], [-1, 0]], np.int8))
SPARSE = SparseTargets.of(
    np.array([0, 2, 2]), np.array([1, 0, 1]), (5, 2), np.array([0, 1, 0, 0, 0], np.bool_)
)


def make_data(targets: Targets, *, plain: bool) -> LabelledTable:
    return LabelledTable(
        table=Table("a.csv, b.csv", pl.DataFrame(), str),
        labels=["y", "z"],
        targets=targets,
        split=Split("iterative", np.array([0, 3]), np.array([4]), np.array([1])),
        sources={"train": "a.csv", "valid": "a.csv", "test": "b.csv"},
        groups=None if plain else np.array([0, 1, 1, 2, 0], np.int32),
        weights=None if plain else np.array([0.5, 1, 2, 1 / 3, 1]),
        remarks=["a remark"],
    )


@pytest.mark.parametrize("targets", [DENSE, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("plain", [True, False])
def test_what_was_packed_comes_back(targets: Targets, tmp_path: Path, *, plain: bool) -> None:
    data = make_data(targets, plain=plain)
    rows = ModelRows(np.zeros((5, 1), np.float32), np.zeros((5, 0), np.int64))
    contents = Contents(*pack(ROLES, data, SCAN), [rows])
    with cached_rows(tmp_path / "cache", "key", lambda: contents) as cache:
        roles, found, scan = unpack(cache.document, cache.arrays)
    assert (roles, scan) == (ROLES, SCAN)
    assert found.targets.digest() == targets.digest()
    assert type(found.targets) is type(targets)
    for part, numbers in data.split.rows_of_parts().items():
        assert found.split.rows_of_parts()[part].tolist() == numbers.tolist()
    for name in ("groups", "weights"):
        ours, theirs = getattr(found, name), getattr(data, name)
        assert (ours is None) == (theirs is None) == plain
        np.testing.assert_array_equal(ours, theirs)
    same = {field.name for field in dataclasses.fields(data)}
    for name in same & {"labels", "sources", "remarks"}:
        assert getattr(found, name) == getattr(data, name)
    assert found.table.name == data.table.name
    assert found.split.strategy == data.split.strategy
