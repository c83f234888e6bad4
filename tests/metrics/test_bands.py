"""Bands say of a label what its rows say: every metric from them is scikit-learn's."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imbalance_cli.metrics import (
    METRIC_SPECS,
    BandCounts,
    BandRows,
    Bands,
    Levels,
    Units,
    expected_calibration_error,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METRICS = tuple(METRIC_SPECS)

NAN = math.nan
LEVELS = Levels(top_k=3, at_precision=0.6)
LADDER = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]


@st.composite
def labelled_rows(draw: st.DrawFn) -> tuple[Floats, Floats, float]:
    """Draw probabilities with many ties, targets of which some are missing, and a threshold."""
    size = draw(st.integers(1, 40))
    p = draw(arrays(np.float64, size, elements=st.sampled_from(LADDER)))
    y = draw(arrays(np.float64, size, elements=st.sampled_from([0.0, 0.0, 1.0, NAN])))
    y[draw(st.integers(0, size - 1))] = draw(st.sampled_from([0.0, 1.0]))
    return p, y, draw(st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0]))


def of_bands(
    p: Floats,
    y: Floats,
    threshold: float,
    weights: Floats | None = None,
    levels: Levels = LEVELS,
) -> dict[str, float]:
    """Return every metric from bands."""
    if weights is None:
        bands = Bands.of(torch.from_numpy(p), torch.from_numpy(y), threshold)
        values = BandCounts.of(bands).itself().metrics(levels)
    else:
        w = torch.from_numpy(weights)
        bands = Bands.of(torch.from_numpy(p), torch.from_numpy(y), threshold, w)
        values = BandRows.of(bands, Units.of(len(p)), w).itself().metrics(levels)
    return dict(zip(METRICS, values[:, 0].tolist(), strict=True))


def of_scikit_learn(
    p: Floats, y: Floats, threshold: float, weights: Floats | None = None
) -> dict[str, float]:
    """Return the metrics that scikit-learn has, NaN where we say that they are undefined."""
    known = ~np.isnan(y)
    p, truth = p[known], y[known].astype(int)
    w = None if weights is None else weights[known]
    decided = (p >= threshold).astype(int)
    positive, both = bool(truth.any()), 0 < truth.sum() < len(truth)
    options = {"sample_weight": w}
    values = dict.fromkeys(METRICS, NAN)
    values["brier"] = reference.brier_score_loss(truth, p, **options, pos_label=1)
    values["log_loss"] = reference.log_loss(truth, p, labels=[0, 1], **options)
    if decided.any():
        values["precision"] = reference.precision_score(truth, decided, **options)
    if not truth.all():
        values["specificity"] = reference.recall_score(truth, decided, pos_label=0, **options)
    if positive:
        values["average_precision"] = reference.average_precision_score(truth, p, **options)
        values["recall"] = reference.recall_score(truth, decided, **options)
        values["f1"] = reference.f1_score(truth, decided, **options)
        values["f2"] = reference.fbeta_score(truth, decided, beta=2, **options)
        precision, recall, _ = reference.precision_recall_curve(truth, p, **options)
        reached = precision >= LEVELS.at_precision * (1 - 1e-12)
        values["recall_at_precision"] = recall[reached].max()
    if both:
        values["roc_auc"] = reference.roc_auc_score(truth, p, **options)
        values["mcc"] = reference.matthews_corrcoef(truth, decided, **options)
        values["balanced_accuracy"] = reference.balanced_accuracy_score(truth, decided, **options)
        share = np.average(truth, weights=w)
        constant = reference.brier_score_loss(truth, np.full(len(truth), share), **options)
        values["brier_skill"] = 1 - values["brier"] / constant
    return values


THEIRS = [m for m in METRICS if m not in {"ece", "precision_at_k", "lift_at_1_percent"}]


@settings(deadline=None, max_examples=300)
@given(rows=labelled_rows())
def test_every_metric_equals_scikit_learn(rows: tuple[Floats, Floats, float]) -> None:
    ours, theirs = of_bands(*rows), of_scikit_learn(*rows)
    for name in THEIRS:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9, nan_ok=True), name


@settings(deadline=None, max_examples=200)
@given(rows=labelled_rows(), seed=st.integers(0, 2**31))
def test_every_weighted_metric_equals_scikit_learn(
    rows: tuple[Floats, Floats, float], seed: int
) -> None:
    # in eighths: scikit-learn's correlation of sums that round to less than nothing is NaN
    weights = np.random.default_rng(seed).integers(1, 40, len(rows[0])) / 8
    ours, theirs = of_bands(*rows, weights), of_scikit_learn(*rows, weights)
    for name in THEIRS:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9, nan_ok=True), name


@settings(deadline=None, max_examples=200)
@given(rows=labelled_rows(), is_weighted=st.booleans())
def test_what_scikit_learn_has_not_is_that_of_the_rows(
    *, rows: tuple[Floats, Floats, float], is_weighted: bool
) -> None:
    p, y, threshold = rows
    w = np.random.default_rng(len(p)).random(len(p)) + 0.1 if is_weighted else None
    ours = of_bands(p, y, threshold, w)
    cells = torch.from_numpy(p[:, None]), torch.from_numpy(y[:, None])
    weights = None if w is None else torch.from_numpy(w)
    error = expected_calibration_error(*cells, weights=weights, debias=True).item()
    known = ~np.isnan(y)
    p, truth = p[known], y[known] == 1
    w = np.ones(len(p)) if w is None else w[known]
    prevalence = w[truth].sum() / w.sum()
    of_k = share_of_positives(p, truth, w, np.ones(len(p)), LEVELS.top_k)
    of_top = share_of_positives(p, truth, w, w, 0.01 * w.sum())
    wanted = {
        "precision_at_k": of_k if len(p) >= LEVELS.top_k else NAN,
        "lift_at_1_percent": of_top / prevalence if truth.any() else NAN,
        "ece": error,
    }
    for name, value in wanted.items():
        assert ours[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def share_of_positives(
    p: Floats, truth: NDArray[np.bool_], w: Floats, measure: Floats, amount: float
) -> float:
    """Return it among the first rows that measure an amount, of their weight.

    A run of equal scores that the amount divides counts in part.
    """
    found = mass = 0.0
    for score in sorted(set(p.tolist()), reverse=True):
        tied = p == score
        size = measure[tied].sum()
        part = min(amount / size, 1.0)
        found += part * w[tied & truth].sum()
        mass += part * w[tied].sum()
        amount -= part * size
    return float(found / mass)


@settings(deadline=None, max_examples=60)
@given(rows=labelled_rows(), level=st.sampled_from([0.1, 0.5, 0.75, 1.0]))
def test_recall_at_precision_is_that_of_the_curve(
    rows: tuple[Floats, Floats, float], level: float
) -> None:
    p, y, threshold = rows
    known = ~np.isnan(y)
    value = of_bands(p, y, threshold, levels=Levels(at_precision=level))["recall_at_precision"]
    if not (y[known] == 1).any():
        assert math.isnan(value)
        return
    precision, recall, _ = reference.precision_recall_curve(y[known], p[known])
    assert value == pytest.approx(recall[precision >= level - 1e-12].max())


@settings(deadline=None, max_examples=100)
@given(rows=labelled_rows(), seed=st.integers(0, 2**31))
def test_the_order_of_the_rows_says_nothing(rows: tuple[Floats, Floats, float], seed: int) -> None:
    p, y, threshold = rows
    order = np.random.default_rng(seed).permutation(len(p))
    ours, shuffled = of_bands(*rows), of_bands(p[order], y[order], threshold)
    for name, value in ours.items():
        assert shuffled[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def naive_precision_at_k(p: Floats, y: Floats, k: int) -> float:
    """Return the mean over orders of the ties of the share of positives among the first k."""
    random = np.random.default_rng(0)
    shares = []
    for _ in range(4000):
        order = np.lexsort([random.random(len(p)), -p])
        shares.append(y[order[:k]].mean())
    return float(np.mean(shares))


def test_precision_at_k_of_ties_is_an_expectation() -> None:
    p = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    y = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    ours = of_bands(p, y, 0.5)["precision_at_k"]
    assert ours == pytest.approx(2 / 3)
    assert ours == pytest.approx(naive_precision_at_k(p, y, 3), abs=0.02)
    assert math.isnan(of_bands(p[:2], y[:2], 0.5)["precision_at_k"])


def test_precision_at_k_counts_rows_and_weighs_hits() -> None:
    p, y = np.array([0.9, 0.8, 0.7, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    ours = of_bands(p, y, 0.5, np.array([1.0, 5.0, 2.0, 100.0]))["precision_at_k"]
    assert ours == pytest.approx(3 / 8)


def test_lift() -> None:
    """Of 1,000 rows the first ten hold five of the ten positives: fifty times as many as chance."""
    p, y = np.linspace(1, 0, 1000), np.zeros(1000)
    y[[0, 1, 2, 3, 4, 20, 30, 40, 50, 60]] = 1
    assert of_bands(p, y, 0.5)["lift_at_1_percent"] == pytest.approx(50)
    assert of_bands(np.full(1000, 0.5), y, 0.5)["lift_at_1_percent"] == pytest.approx(1)
    assert of_bands(p[:50], y[:50], 0.5)["lift_at_1_percent"] == pytest.approx(50 / 8)


def simulate(rows: int, prevalence: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return calibrated probabilities and targets drawn from them, (N,)."""
    random = np.random.default_rng(seed)
    odds = np.log(prevalence) - 1 + 1.5 * random.standard_normal(rows)
    p = 1 / (1 + np.exp(-odds))
    return torch.from_numpy(p), torch.from_numpy((random.random(rows) < p).astype(float))


def test_there_are_no_more_bands_than_positives_need() -> None:
    p, y = simulate(20_000, 0.01)
    assert len(Bands.of(p, y, 0.1)) <= 2 * int(y.sum()) + 25


@pytest.mark.parametrize("most", [50, 200])
def test_merged_bands_are_nearly_the_rows(most: int) -> None:
    p, y = simulate(20_000, 0.2)
    bands = Bands.of(p, y, 0.3)
    whole, merged = BandCounts.of(bands), bands.merged(most)
    assert len(merged) <= 1.25 * most + 30
    exact = whole.itself().metrics(LEVELS)[:, 0]
    near = whole.merged(merged, bands).itself().metrics(LEVELS)[:, 0]
    of_rows = BandRows.of(merged, Units.of(len(p))).itself().metrics(LEVELS)[:, 0]
    torch.testing.assert_close(of_rows, near, rtol=1e-9, atol=1e-9)
    by_order = {"average_precision": 0.01, "recall_at_precision": 0.02, "lift_at_1_percent": 0.02}
    for i, name in enumerate(METRICS):
        tolerance = float(exact[i]) * by_order.get(name, 1e-9)
        assert float(near[i]) == pytest.approx(float(exact[i]), abs=tolerance), name


def test_a_large_run_stays_a_band_of_its_own() -> None:
    """Else half of its positives would seem to come before half of its negatives."""
    random = np.random.default_rng(0)
    p = torch.from_numpy(np.where(random.random(4000) < 0.5, 0.4, random.random(4000)))
    y = torch.from_numpy((random.random(4000) < p.numpy()).astype(float))
    bands = Bands.of(p, y, 0.3)
    near = BandCounts.of(bands).merged(bands.merged(40), bands).itself().metrics(LEVELS)[:, 0]
    exact = BandCounts.of(bands).itself().metrics(LEVELS)[:, 0]
    assert float(near[0]) == pytest.approx(float(exact[0]), abs=0.002)


def test_nothing_is_warned_of_on_one_row() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = of_bands(np.array([0.3]), np.array([1.0]), 0.5)
    assert values["average_precision"] == 1
    assert math.isnan(values["roc_auc"])
