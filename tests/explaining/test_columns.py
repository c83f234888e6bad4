"""Columns that are correlated are put together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats.contingency import association, crosstab

from imbalance_cli.explaining.columns import ColumnGroup, _cramers_v, group_columns, take_rows
from imbalance_cli.features import FeaturePlaces, FeatureRows

ROWS = 400
RANDOM = np.random.default_rng(0)


def test_numbers_that_are_correlated_in_either_direction() -> None:
    a, b = RANDOM.normal(size=(2, ROWS))
    numeric = np.column_stack([a, b, -a + 0.1 * b, a]).astype(np.float32)
    places = {name: FeaturePlaces([i], [], []) for i, name in enumerate(["a", "b", "c"])}
    found = group_columns(places, FeatureRows(numeric, np.empty((ROWS, 0), np.int64)))
    assert found == [ColumnGroup(["a", "c"], [0, 2], []), ColumnGroup(["b"], [1], [])]


def test_missing_together_is_not_correlated() -> None:
    a, b = RANDOM.normal(size=(2, ROWS))
    gone = (RANDOM.random(ROWS) < 0.3).astype(float)
    numeric = np.column_stack([a, b, gone, gone]).astype(np.float32)
    places = {"a": FeaturePlaces([0], [2], []), "b": FeaturePlaces([1], [3], [])}
    found = group_columns(places, FeatureRows(numeric, np.empty((ROWS, 0), np.int64)))
    assert found == [ColumnGroup(["a"], [0, 2], []), ColumnGroup(["b"], [1, 3], [])]


def test_one_hot_columns_of_one_category_are_one_column() -> None:
    is_red = RANDOM.random(ROWS) < 0.5
    numeric = np.column_stack([is_red, ~is_red]).astype(np.float32)
    places = {"colour": FeaturePlaces([0, 1], [], [])}
    rows = FeatureRows(numeric, np.empty((ROWS, 0), np.int64))
    assert group_columns(places, rows) == [ColumnGroup(["colour"], [0, 1], [])]


def test_categories_that_name_the_same_thing() -> None:
    city = RANDOM.integers(2, 14, ROWS)
    codes = np.column_stack([city, 20 - city, RANDOM.integers(2, 14, ROWS)])
    places = {name: FeaturePlaces([], [], [i]) for i, name in enumerate(["a", "b", "c"])}
    found = group_columns(places, FeatureRows(np.empty((ROWS, 0), np.float32), codes))
    assert [group.columns for group in found] == [["a", "b"], ["c"]]


def test_cramers_v_without_its_bias() -> None:
    a = RANDOM.integers(0, 4, 5000)
    b = np.where(RANDOM.random(5000) < 0.8, a, RANDOM.integers(0, 4, 5000))
    wanted = association(crosstab(a, b).count, method="cramer")
    assert _cramers_v(a, b) == pytest.approx(wanted, abs=2e-3)
    many, others = RANDOM.integers(0, 60, (2, 300))  # of so many categories chance gives 0.4
    assert association(crosstab(many, others).count, method="cramer") > 0.4
    assert _cramers_v(many, others) < 0.15
    assert _cramers_v(np.zeros(9, np.int64), np.arange(9)) == 0.0


def test_constant_columns_stay_alone() -> None:
    rows = FeatureRows(np.ones((5, 2), np.float32), np.empty((5, 0), np.int64))
    places = {name: FeaturePlaces([i], [], []) for i, name in enumerate("ab")}
    assert [group.columns for group in group_columns(places, rows)] == [["a"], ["b"]]


def test_mixing_changes_the_columns_alone() -> None:
    rows = FeatureRows(np.arange(12, dtype=np.float32).reshape(4, 3), np.arange(4)[:, None])
    mixed = ColumnGroup(["b"], [1], [0]).mix(rows, take_rows(rows, np.array([3, 2, 1, 0])))
    assert mixed.numeric[:, 1].tolist() == [10.0, 7.0, 4.0, 1.0]
    assert mixed.codes[:, 0].tolist() == [3, 2, 1, 0]
    assert (mixed.numeric[:, [0, 2]] == rows.numeric[:, [0, 2]]).all()
    assert rows.numeric[0, 1] == 1.0
