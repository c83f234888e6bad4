"""Contributions to one row: exact for additive models, and they add up for all."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from imbalance_cli.explaining.columns import ColumnGroup
from imbalance_cli.explaining.contributions import explain_rows
from imbalance_cli.features import FeatureRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = ["a", "b", "c"]
GROUPS = [ColumnGroup([name], [i], []) for i, name in enumerate(NAMES)]
OTHERS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
ROW = np.array([[1.5, -0.5, 2.0]], np.float32)
CELLS = pl.DataFrame({"a": ["1.5"], "b": [None], "c": ["2"]})


def rows_of(values: NDArray[np.float32]) -> FeatureRows:
    return FeatureRows(values, np.empty((len(values), 0), np.int64))


def additive(rows: FeatureRows) -> NDArray[np.float64]:
    odds: NDArray[np.float64] = rows.numeric.astype(np.float64) @ [
        [3.0, 0.0],
        [1.0, 1.0],
        [0.0, -2.0],
    ]
    return odds - 1


def with_interaction(rows: FeatureRows) -> NDArray[np.float64]:
    a, b, c = rows.numeric.astype(np.float64).T
    odds: NDArray[np.float64] = (a * b + np.maximum(c, a))[:, None]
    return odds


def test_of_an_additive_model_they_are_exact() -> None:
    found = explain_rows(
        additive, rows_of(ROW), CELLS, [7], GROUPS, others=rows_of(OTHERS), labels=["y", "z"]
    )
    assert [(each.row, each.label) for each in found] == [(7, "y"), (7, "z")]
    means = OTHERS.mean(axis=0)
    for each, weights in zip(found, ([3.0, 1.0, 0.0], [0.0, 1.0, -2.0]), strict=True):
        wanted = {n: w * (x - m) for n, w, x, m in zip(NAMES, weights, ROW[0], means, strict=True)}
        for contribution in each.contributions:
            assert contribution.log_odds == pytest.approx(wanted[contribution.columns[0]], abs=1e-5)
        strengths = [abs(contribution.log_odds) for contribution in each.contributions]
        assert strengths == sorted(strengths, reverse=True)
        assert each.probability == pytest.approx(1 / (1 + math.exp(-each.log_odds)))
    values = {each.columns[0]: each.values for each in found[0].contributions}
    assert values == {"a": ["1.5"], "b": [None], "c": ["2"]}


def test_they_add_up_and_are_near_the_exact_shapley_values() -> None:
    [found] = explain_rows(
        with_interaction, rows_of(ROW), CELLS, [0], GROUPS, others=rows_of(OTHERS), labels=["y"]
    )
    total = sum(each.log_odds for each in found.contributions)
    assert total == pytest.approx(found.log_odds - found.usual)

    def mean_with(known: tuple[int, ...]) -> float:
        mixed = OTHERS.copy()
        mixed[:, list(known)] = ROW[:, list(known)]
        return float(with_interaction(rows_of(mixed)).mean())

    for each in found.contributions:
        player = NAMES.index(each.columns[0])
        rest = [i for i in range(3) if i != player]
        exact = sum(
            math.factorial(size)
            * math.factorial(2 - size)
            / 6
            * (mean_with((*known, player)) - mean_with(known))
            for size in range(3)
            for known in itertools.combinations(rest, size)
        )
        assert each.standard_error is not None
        assert each.log_odds == pytest.approx(exact, abs=4 * each.standard_error + 1e-6)


def test_columns_together_have_one_contribution() -> None:
    pair = [ColumnGroup(["a", "b"], [0, 1], []), ColumnGroup(["c"], [2], [])]
    [found] = explain_rows(
        additive, rows_of(ROW), CELLS, [0], pair, others=rows_of(OTHERS), labels=["y"]
    )[:1]
    together = next(each for each in found.contributions if len(each.columns) == 2)
    assert together.values == ["1.5", None]
    difference = ROW[0] - OTHERS.mean(axis=0)
    assert together.log_odds == pytest.approx(3 * difference[0] + difference[1], abs=1e-5)


def test_of_one_other_row_there_is_no_error_to_tell() -> None:
    found = explain_rows(
        additive, rows_of(ROW), CELLS, [0], GROUPS, others=rows_of(OTHERS[:1]), labels=["y", "z"]
    )
    assert {each.standard_error for row in found for each in row.contributions} == {None}
