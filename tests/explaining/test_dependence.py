"""Partial dependence: against scikit-learn's, on values that rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import partial_dependence

from imbalance_cli.explaining.dependence import measure_dependence
from imbalance_cli.features import FeaturePlaces, FeatureRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(300, 2)).round(2).astype(np.float32)
MODEL = HistGradientBoostingClassifier(max_iter=20).fit(
    VALUES, (VALUES[:, 0] + VALUES[:, 1] ** 2 > 1).astype(int)
)
PLACES = {"a": FeaturePlaces([0], [], []), "b": FeaturePlaces([1], [], [])}
CODES = np.empty((300, 0), np.int64)


def score(rows: FeatureRows) -> NDArray[np.float64]:
    return np.asarray(MODEL.predict_proba(rows.numeric))[:, 1:]


def test_numbers_at_their_quantiles_are_those_of_scikit_learn() -> None:
    cells = pl.DataFrame({name: VALUES[:, i].astype(str) for i, name in enumerate("ab")})
    found = measure_dependence(
        score, FeatureRows(VALUES, CODES), cells, "a", PLACES, ["y"], is_ordered=True
    )
    grid = [float(point.value or "nan") for point in found.points]
    assert grid == sorted(set(grid))
    ends = VALUES[:, 0].min().item(), VALUES[:, 0].max().item()
    assert (grid[0], grid[-1]) == pytest.approx(ends)
    wanted = partial_dependence(
        MODEL, VALUES, [0], custom_values={0: np.array(grid)}, method="brute"
    )
    shown = [point.probabilities["y"] for point in found.points]
    assert shown == pytest.approx(wanted["average"][0].tolist())
    assert sum(point.share for point in found.points) == pytest.approx(1.0)


def test_a_missing_number_comes_last() -> None:
    values = np.column_stack([VALUES, np.arange(300) < 30]).astype(np.float32)
    cells = pl.DataFrame({"a": [None if i < 30 else str(v) for i, v in enumerate(VALUES[:, 0])]})
    places = {"a": FeaturePlaces([0], [2], [])}

    def of_missing(rows: FeatureRows) -> NDArray[np.float64]:
        return rows.numeric[:, 2:].astype(np.float64)

    found = measure_dependence(
        of_missing, FeatureRows(values, CODES), cells, "a", places, ["y"], is_ordered=True
    )
    assert [point.value for point in found.points][-1] is None
    assert [point.probabilities["y"] for point in found.points] == [0.0] * 12 + [1.0]
    assert found.points[-1].share == pytest.approx(0.1)
    assert sum(point.share for point in found.points) == pytest.approx(1.0)


def test_categories_are_in_the_order_of_how_common_they_are() -> None:
    cells = pl.DataFrame({"a": ["x"] * 150 + [None] * 100 + ["y"] * 50})
    codes = np.repeat([2, 0, 3], [150, 100, 50])[:, None]

    def of_code(rows: FeatureRows) -> NDArray[np.float64]:
        return rows.codes / 10

    found = measure_dependence(
        of_code,
        FeatureRows(np.empty((300, 0), np.float32), codes),
        cells,
        "a",
        {"a": FeaturePlaces([], [], [0])},
        ["y"],
        is_ordered=False,
    )
    assert [(point.value, point.probabilities["y"]) for point in found.points] == [
        ("x", pytest.approx(0.2)),
        (None, 0.0),
        ("y", pytest.approx(0.3)),
    ]
    assert [point.share for point in found.points] == pytest.approx([1 / 2, 1 / 3, 1 / 6])


def test_a_number_that_is_only_there_or_missing() -> None:
    numeric = (np.arange(300) < 60).astype(np.float32)[:, None]
    cells = pl.DataFrame({"a": [None if i < 60 else "5" for i in range(300)]})

    def of_indicator(rows: FeatureRows) -> NDArray[np.float64]:
        return rows.numeric.astype(np.float64)

    found = measure_dependence(
        of_indicator,
        FeatureRows(numeric, CODES),
        cells,
        "a",
        {"a": FeaturePlaces([], [0], [])},
        ["y"],
        is_ordered=True,
    )
    assert [(p.value, p.probabilities["y"]) for p in found.points] == [("5", 0.0), (None, 1.0)]


def test_weights_count_rows() -> None:
    cells = pl.DataFrame({name: VALUES[:, i].astype(str) for i, name in enumerate("ab")})
    weights = np.where(VALUES[:, 1] > 0, 3.0, 0.0)  # as if the others were not there
    rows, kept = FeatureRows(VALUES, CODES), VALUES[:, 1] > 0
    some = FeatureRows(VALUES[kept], CODES[kept])
    weighted = measure_dependence(
        score, rows, cells, "a", PLACES, ["y"], is_ordered=True, weights=weights
    )
    alone = measure_dependence(score, some, cells.filter(kept), "a", PLACES, ["y"], is_ordered=True)
    assert [p.value for p in weighted.points[1:]] == [p.value for p in alone.points[1:]]
    for own, other in zip(weighted.points[1:], alone.points[1:], strict=True):
        assert own.share == pytest.approx(other.share)
        assert own.probabilities["y"] == pytest.approx(other.probabilities["y"], abs=0.05)


def test_shares_of_categories_are_weighted() -> None:
    found = measure_dependence(
        lambda rows: rows.codes / 10,
        FeatureRows(np.empty((4, 0), np.float32), np.array([[2], [2], [3], [3]])),
        pl.DataFrame({"a": ["x", "x", "y", "y"]}),
        "a",
        {"a": FeaturePlaces([], [], [0])},
        ["y"],
        is_ordered=False,
        weights=np.array([1.0, 1.0, 3.0, 5.0]),
    )
    assert [point.value for point in found.points] == ["y", "x"]
    assert [point.share for point in found.points] == pytest.approx([0.8, 0.2])
