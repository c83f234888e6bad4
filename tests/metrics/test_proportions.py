"""Intervals of proportions are those of Clopper and Pearson, at the cases that vary as much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from imbalance_cli.metrics.proportions import Cases, bound_proportion
from imbalance_cli.metrics.registry import METRIC_SPECS


@given(cases=st.integers(1, 200), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95]))
def test_of_counts_they_are_scipys(cases: int, share: float, confidence: float) -> None:
    found = round(share * cases)
    value = found / cases
    wanted = binomtest(found, cases).proportion_ci(confidence, method="exact")
    ours = bound_proportion(value, value * (1 - value) / cases, cases, confidence)
    assert ours == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@given(
    value=st.floats(0, 1),
    variance=st.sampled_from([0.0, 1e-30, 1e-6, 0.01, 0.25, 1.0]),
    cases=st.floats(0.5, 1e7),
)
def test_they_hold_the_value_and_stay_in_range(value: float, variance: float, cases: float) -> None:
    low, high = bound_proportion(value, variance, cases, 0.95)
    assert 0 <= low <= value <= high <= 1


def test_what_varies_more_has_a_wider_interval() -> None:
    """As many rows in groups of four, which are all right or all wrong."""
    rows = bound_proportion(0.2, 0.16 / 400, 400, 0.95)
    groups = bound_proportion(0.2, 4 * 0.16 / 400, 400, 0.95)
    wanted = binomtest(20, 100).proportion_ci(0.95, method="exact")
    assert groups == pytest.approx((wanted.low, wanted.high))
    assert groups[1] - groups[0] > 1.8 * (rows[1] - rows[0])


def test_cases_of_each_metric() -> None:
    cases = Cases(positives=5, negatives=90, rows=95, decided=8, budget=50)
    wanted = {"recall": 5, "specificity": 90, "precision": 8, "precision_at_k": 50, "brier": 95}
    wanted |= {"average_precision": 5, "f1": 5, "roc_auc": 5, "mcc": 5, "lift_at_1_percent": 5}
    assert {name: getattr(cases, METRIC_SPECS[name].cases) for name in wanted} == wanted
