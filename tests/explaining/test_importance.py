"""Permutation importance: against scikit-learn's, and what must hold of any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss

from imbalance_cli.comparison.bootstrap import Sample
from imbalance_cli.evaluation import Resampling
from imbalance_cli.explaining.columns import ColumnGroup
from imbalance_cli.explaining.importance import measure_importance
from imbalance_cli.features import FeatureRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.explaining.results import Importance

ROWS, REPEATS = 800, 20
NONE = np.empty((ROWS, 0), np.int64)


@pytest.fixture(scope="module")
def values() -> NDArray[np.float32]:
    """Draw (N, 3) numbers."""
    return np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model(values: NDArray[np.float32]) -> LogisticRegression:
    """Fit a model of a strong column, a weak one, and one that says nothing."""
    odds = 2 * values[:, 0] + 0.5 * values[:, 1] - 2
    y = np.random.default_rng(1).random(ROWS) < 1 / (1 + np.exp(-odds))
    return LogisticRegression().fit(values, y)


def make_targets(model: LogisticRegression, values: NDArray[np.float32]) -> NDArray[np.float64]:
    drawn = np.random.default_rng(2).random(len(values))
    targets: NDArray[np.float64] = (drawn < model.predict_proba(values)[:, 1]).astype(np.float64)
    return targets


def measure(
    model: LogisticRegression,
    values: NDArray[np.float32],
    groups: list[ColumnGroup],
    *,
    repeats: int = REPEATS,
    weights: torch.Tensor | None = None,
    replicates: int = 200,
) -> tuple[dict[str, dict[str, float | None]], dict[str, Importance]]:
    """Return the metrics and the importance of groups, by their first column."""

    def score(rows: FeatureRows) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.asarray(model.predict_proba(rows.numeric))[:, 1:]
        return found

    targets = torch.from_numpy(make_targets(model, values))[:, None]
    metrics, found = measure_importance(
        score,
        FeatureRows(values, NONE[: len(values)]),
        groups,
        Sample.of(targets, [True], weights=weights),
        ["y"],
        resampling=Resampling(replicates),
        repeats=repeats,
    )
    return metrics, {each.columns[0]: each for each in found}


SINGLES = [ColumnGroup([name], [i], []) for i, name in enumerate("abc")]


def test_it_is_that_of_scikit_learn(model: LogisticRegression, values: NDArray[np.float32]) -> None:
    y = make_targets(model, values)
    metrics, found = measure(model, values, SINGLES)
    p = model.predict_proba(values)[:, 1]
    assert metrics["y"]["average_precision"] == pytest.approx(average_precision_score(y, p))
    assert metrics["y"]["log_loss"] == pytest.approx(log_loss(y, p))
    for scoring, metric in (
        ("average_precision", "average_precision"),
        ("neg_log_loss", "log_loss"),
    ):
        wanted = permutation_importance(
            model, values, y, scoring=scoring, n_repeats=REPEATS, random_state=3
        )
        for i, name in enumerate("abc"):
            loss = found[name].labels["y"][metric]
            between = wanted.importances[i].std() * np.sqrt(2 / REPEATS)
            assert loss.value == pytest.approx(wanted.importances_mean[i], abs=5 * between + 1e-6)


def test_what_matters_and_what_does_not(
    model: LogisticRegression, values: NDArray[np.float32]
) -> None:
    _, found = measure(model, values, SINGLES)
    assert [*found] == ["a", "b", "c"]
    assert all(loss.is_real for loss in found["a"].macro.values())
    assert not any(loss.is_real for loss in found["c"].macro.values())
    for each in found.values():
        assert each.macro == each.labels["y"]
        for loss in each.macro.values():
            assert loss.value is not None
            assert loss.low is not None
            assert loss.high is not None
            assert loss.low < loss.value < loss.high


def test_a_column_the_model_does_not_read_loses_nothing(
    model: LogisticRegression, values: NDArray[np.float32]
) -> None:
    _, found = measure(model, values, [*SINGLES, ColumnGroup(["d"], [], [])])
    for loss in found["d"].macro.values():
        assert (loss.value, loss.is_real) == (0.0, False)
        assert (loss.low, loss.high) == pytest.approx((0.0, 0.0))


def test_all_columns_together_leave_the_prevalence(
    model: LogisticRegression, values: NDArray[np.float32]
) -> None:
    metrics, found = measure(model, values, [ColumnGroup([*"abc"], [0, 1, 2], [])])
    before, lost = metrics["y"]["average_precision"], found["a"].macro["average_precision"].value
    assert before is not None
    assert lost is not None
    assert before - lost == pytest.approx(make_targets(model, values).mean(), abs=0.03)


def test_rows_of_weight_two_are_rows_twice(
    model: LogisticRegression, values: NDArray[np.float32]
) -> None:
    weights = torch.ones(ROWS, dtype=torch.float64)
    plain, _ = measure(model, values, SINGLES[:1], repeats=1, weights=weights)
    doubled, _ = measure(model, values, SINGLES[:1], repeats=1, weights=2 * weights)
    assert plain["y"] == pytest.approx(doubled["y"])


def test_no_interval_without_replicates_or_of_few_positives(
    model: LogisticRegression, values: NDArray[np.float32]
) -> None:
    _, found = measure(model, values, SINGLES, replicates=0)
    _, few = measure(model, values[:12], SINGLES)
    for each in (*found.values(), *few.values()):
        for loss in each.macro.values():
            assert loss.value is not None
            assert (loss.low, loss.high, loss.is_real) == (None, None, None)
