"""The curves of a label are scikit-learn's, and thinning them hides nothing that sticks out."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from imbalance_cli.evaluation.curves import (
    BINS,
    MOST_POINTS,
    Costs,
    bin_reliability,
    compute_curves,
    thin,
    to_log_odds,
    wilson_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.evaluation.curves import LabelCurves

    Values = NDArray[np.float64]


def make_rows(rows: int, seed: int = 0, share: float = 0.2) -> tuple[Values, Values]:
    """Return probabilities, some of them equal, and targets that follow them."""
    random = np.random.default_rng(seed)
    p = np.round(random.beta(1.0, 1.0 / share, rows), 3)
    return p, (random.random(rows) < p).astype(np.float64)


def curves_of(p: Values, y: Values, **changes: Any) -> LabelCurves:  # noqa: ANN401  any argument
    settings: dict[str, Any] = {"threshold": 0.3, "costs": Costs(), "confidence": 0.95}
    return compute_curves("y", p, changes.pop("scores", p), y, **settings | changes)


WEIGHTED = [None, np.random.default_rng(5).uniform(0.1, 3.0, 150)]


@pytest.mark.parametrize("weights", WEIGHTED, ids=["alike", "weighted"])
def test_curves_are_those_of_scikit_learn(weights: Values | None) -> None:
    p, y = make_rows(150)
    found = curves_of(p, y, weights=weights)
    precision, recall, thresholds = metrics.precision_recall_curve(y, p, sample_weight=weights)
    assert found.precision_recall is not None
    assert found.precision_recall.x == pytest.approx(recall[-2::-1], abs=1e-12)
    assert found.precision_recall.y == pytest.approx(precision[-2::-1], abs=1e-12)
    fpr, tpr, _ = metrics.roc_curve(y, p, sample_weight=weights, drop_intermediate=False)
    assert found.roc is not None
    assert found.roc.x == pytest.approx(fpr, abs=1e-12)
    assert found.roc.y == pytest.approx(tpr, abs=1e-12)
    assert found.thresholds is not None
    assert found.thresholds.threshold == pytest.approx(thresholds[::-1])
    f1 = [metrics.f1_score(y, p >= t, sample_weight=weights) for t in found.thresholds.threshold]
    assert found.thresholds.f1 == pytest.approx(f1, abs=1e-12)


@pytest.mark.parametrize("weights", WEIGHTED, ids=["alike", "weighted"])
def test_costs_are_those_of_the_confusion_matrix(weights: Values | None) -> None:
    p, y = make_rows(150, seed=1)
    costs = Costs(false_positive=2.0, false_negative=7.0)
    found = curves_of(p, y, weights=weights, costs=costs)

    def cost(decided: NDArray[np.bool_]) -> float:
        (_, fp), (fn, _) = metrics.confusion_matrix(y, decided, sample_weight=weights)
        return float(2 * fp + 7 * fn)

    idle = min(cost(np.zeros(150, bool)), cost(np.ones(150, bool)))
    assert found.thresholds is not None
    wanted = [cost(p >= t) / idle for t in found.thresholds.threshold]
    assert found.thresholds.cost == pytest.approx(wanted, abs=1e-12)
    assert found.decisions.cost == pytest.approx(cost(p >= 0.3) / idle, abs=1e-12)


@pytest.mark.parametrize("weights", WEIGHTED, ids=["alike", "weighted"])
def test_decisions_are_those_of_scikit_learn(weights: Values | None) -> None:
    p, y = make_rows(150, seed=2)
    decided = p >= 0.3
    found = curves_of(p, y, weights=weights).decisions
    matrix = metrics.confusion_matrix(y, decided, sample_weight=weights).ravel()
    counts = dataclasses.astuple(found)[:4]
    assert counts == pytest.approx(matrix[[3, 1, 2, 0]], abs=1e-9)
    for name in ("precision", "recall", "f1"):
        wanted = getattr(metrics, f"{name}_score")(y, decided, sample_weight=weights)
        assert getattr(found, name) == pytest.approx(wanted, abs=1e-12)
    assert found.false_positive_rate == pytest.approx(matrix[1] / matrix[:2].sum())


def test_missing_targets_and_rows_of_weight_0_are_in_nothing() -> None:
    p, y = make_rows(300, seed=3)
    y[::7] = np.nan
    weights = np.random.default_rng(4).uniform(0.5, 2.0, 300)
    weights[::5] = 0
    counted = ~np.isnan(y) & (weights > 0)
    alone = curves_of(p[counted], y[counted], weights=weights[counted])
    assert curves_of(p, y, weights=weights) == alone


def test_many_rows_are_thinned_and_the_chosen_extremes_stay() -> None:
    p, y = make_rows(20_000, seed=6, share=0.01)
    p = p + np.random.default_rng(7).uniform(0, 1e-4, len(p))
    found = curves_of(p, y)
    assert found.thresholds is not None
    assert found.precision_recall is not None
    for series in (found.precision_recall.x, found.thresholds.f1, found.thresholds.threshold):
        assert len(series) <= MOST_POINTS
    precision, recall, _ = metrics.precision_recall_curve(y, p)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert max(found.thresholds.f1) == pytest.approx(f1.max())
    assert found.precision_recall.y[-1] == pytest.approx(y.mean())


@given(
    seed=st.integers(0, 2**32 - 1),
    points=st.integers(1, 3000),
    series=st.integers(1, 4),
    steep=st.booleans(),
)
def test_thinned_points_hold_both_ends_and_every_extreme(
    seed: int, points: int, series: int, *, steep: bool
) -> None:
    random = np.random.default_rng(seed)
    x = np.sort(random.beta(0.05, 0.05, points) if steep else random.random(points))
    columns = random.normal(size=(series, points)) ** 3
    kept = thin(x, *columns)
    assert len(kept) <= MOST_POINTS
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == points - 1
    for column in columns:
        assert column[kept].max() == column.max()
        assert column[kept].min() == column.min()


def test_bins_of_alike_classes_hold_what_they_say() -> None:
    p, y = make_rows(5000, seed=8, share=0.02)
    bins = curves_of(p, y).after
    assert sum(b.rows for b in bins) == 5000
    start = 0
    order = np.argsort(p, kind="stable")
    for b in bins:
        own = order[start : start + b.rows]
        assert b.predicted == pytest.approx(p[own].mean())
        assert b.observed == pytest.approx(y[own].mean())
        interval = stats.binomtest(int(y[own].sum()), b.rows).proportion_ci(0.95, "wilson")
        assert (b.low, b.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
        start += b.rows
    # the rare high probabilities are not all in one bin
    assert sum(b.predicted > 2 * y.mean() for b in bins) >= 3


def test_bins_are_of_equal_expected_mass() -> None:
    p = np.linspace(0.001, 0.999, 10_000)
    bins = bin_reliability(p, np.zeros(10_000), np.ones(10_000), 0.95)
    assert len(bins) == BINS
    masses = np.array([b.predicted * b.rows / p.sum() + (1 - b.predicted) * b.rows / (1 - p).sum()
                       for b in bins])  # fmt: skip
    assert masses == pytest.approx(masses.mean(), rel=0.01)


def test_weights_scale_nothing_and_whole_ones_repeat_rows() -> None:
    p, y = make_rows(400, seed=9)
    weights = np.random.default_rng(1).integers(1, 4, 400).astype(float)
    scaled, weighted = (curves_of(p, y, weights=w) for w in (weights * 8, weights))
    assert scaled.after == weighted.after
    rows = np.repeat(np.arange(400), weights.astype(int))
    again = curves_of(p[rows], y[rows])
    for mine, theirs in zip(weighted.after, again.after, strict=True):
        assert mine.predicted == pytest.approx(theirs.predicted)
        assert mine.observed == pytest.approx(theirs.observed)
    assert weighted.histogram is not None
    assert again.histogram is not None
    assert weighted.histogram.positives == pytest.approx(again.histogram.positives)
    assert weighted.decisions == again.decisions


@given(st.floats(0, 1), st.integers(1, 10**7), st.floats(0.1, 5))
def test_wilson_interval_holds_its_share(share: float, rows: int, z: float) -> None:
    low, high = wilson_interval(share, rows, z)
    assert 0 <= low <= share <= high <= 1


def test_one_class_draws_what_it_can() -> None:
    p, _ = make_rows(50)
    negatives, positives = curves_of(p, np.zeros(50)), curves_of(p, np.ones(50))
    assert negatives.precision_recall is None
    assert positives.precision_recall is not None
    assert set(positives.precision_recall.y) == {1.0}
    for one in (negatives, positives):
        assert one.roc is None
        assert one.thresholds is None
        assert one.after
        assert one.decisions.cost is None
    assert negatives.histogram is not None
    assert negatives.histogram.positives == ()
    assert negatives.decisions.recall is None


@pytest.mark.parametrize("rows", [0, 3], ids=["no rows", "all missing"])
def test_no_known_target_leaves_nothing_to_draw(rows: int) -> None:
    found = curves_of(np.full(rows, 0.5), np.full(rows, np.nan))
    assert found.prevalence is None
    assert found.histogram is None
    assert found.after == ()
    assert found.decisions.precision is None


def test_scores_all_alike_make_one_point_and_one_bin() -> None:
    found = curves_of(np.full(40, 0.2), np.array([0.0, 0.0, 0.0, 1.0] * 10))
    assert found.roc is not None
    assert found.roc.x == (0.0, 1.0)
    assert len(found.after) == 1
    assert found.histogram is not None
    assert sum(found.histogram.positives) == pytest.approx(1)
    assert found.histogram.edges[0] < math.log(0.25) < found.histogram.edges[-1]


def test_probabilities_of_0_and_1_have_finite_log_odds() -> None:
    assert np.isfinite(to_log_odds(np.array([0.0, 1.0, 5e-324]))).all()
    found = curves_of(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    assert found.histogram is not None
    assert np.isfinite(found.histogram.edges).all()


def test_the_scores_before_have_bins_of_their_own() -> None:
    p, y = make_rows(1000, seed=11, share=0.05)
    bent = 9 * p / (9 * p + 1 - p)
    found = curves_of(p, y, scores=bent)
    assert np.mean([b.predicted - b.observed for b in found.before]) > 0.1
    assert np.mean([b.predicted - b.observed for b in found.after]) < 0.05


def test_net_benefit_by_hand() -> None:
    """Of 10 rows with probabilities of 0.2 (4, one positive) and 0.8 (6, three positives).

    At 0.5 the odds are 1: (3 - 3) / 10; on all rows (4 - 6) / 10. At 0.2 they are 1 / 4: all rows
    are acted on, (4 - 6 / 4) / 10.
    """
    p = np.repeat([0.2, 0.8], [4, 6])
    y = np.array([1, 0, 0, 0, 1, 1, 1, 0, 0, 0.0])
    found = curves_of(p, y).benefit
    assert found is not None
    thresholds = np.array(found.threshold)
    assert (thresholds[0], thresholds[-1]) == pytest.approx((0.2, 0.8))
    middle = int(np.abs(thresholds - 0.5).argmin())
    assert thresholds[middle] == pytest.approx(0.5)
    assert found.model[middle] == pytest.approx(0, abs=1e-12)
    assert found.all[middle] == pytest.approx(-0.2)
    low = int((thresholds < 0.2 + 1e-9).argmax())
    assert found.all[low] == pytest.approx(0.25)
    assert found.model[low + 1] == pytest.approx(
        (3 - 3 * thresholds[low + 1] / (1 - thresholds[low + 1])) / 10
    )


@pytest.mark.parametrize("weights", WEIGHTED, ids=["alike", "weighted"])
def test_net_benefit_is_that_of_the_confusion_matrix(weights: Values | None) -> None:
    p, y = make_rows(150, seed=4)
    found = curves_of(p, y, weights=weights).benefit
    assert found is not None
    rows = 150 if weights is None else weights.sum()
    for threshold, model in zip(found.threshold, found.model, strict=True):
        (_, fp), (_, tp) = metrics.confusion_matrix(y, p >= threshold, sample_weight=weights)
        assert model == pytest.approx((tp - fp * threshold / (1 - threshold)) / rows)


def test_there_is_no_net_benefit_of_one_class() -> None:
    p, _ = make_rows(20)
    assert curves_of(p, np.zeros(20)).benefit is None
