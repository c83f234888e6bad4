"""How much of a gain is selection: by brute force, on noise, and where little is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imbalance_cli.searching import SearchResult, Tried, estimate_selection

SCORES = st.integers(1, 6).flatmap(
    lambda number: st.integers(2, 5).flatmap(
        lambda folds: st.lists(
            st.lists(st.floats(0, 1), min_size=folds, max_size=folds),
            min_size=number,
            max_size=number,
        )
    )
)


@given(SCORES, st.sampled_from([1, -1]))
def test_it_is_a_cross_validation_of_the_choice(table: list[list[float]], sign: int) -> None:
    found = estimate_selection(table, sign)
    folds = range(len(table[0]))
    outer = []
    for left_out in folds:
        means = [sign * np.mean([row[k] for k in folds if k != left_out]).item() for row in table]
        good = [
            row[left_out]
            for row, mean in zip(table, means, strict=True)
            if mean >= max(means) - 1e-12
        ]
        outer.append((min(good), max(good)))  # of equal ones any
    low, high = np.mean(outer, axis=0)
    assert low - 1e-9 <= found.nested <= high + 1e-9
    best = max(sign * np.mean(row).item() for row in table)
    assert found.best == pytest.approx(sign * best)
    assert found.config == pytest.approx(np.mean(table[0]))


def test_of_noise_all_is_selection() -> None:
    random = np.random.default_rng(0)
    found = [estimate_selection(random.normal(size=(30, 4)).tolist()) for _ in range(300)]
    assert np.mean([each.best for each in found]) > 0.9  # of 30 means whose deviation is 1/2
    assert np.mean([each.nested for each in found]) == pytest.approx(0, abs=0.1)


def test_a_gain_is_clear_by_the_t_test_of_scipy() -> None:
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        gains = random.normal(0.5, 0.4, size=4)
        selection = estimate_selection([[0.0] * 4, gains.tolist()])
        if (gains.sum() - gains > 0).all():  # it is chosen on all folds but any one
            tested = stats.ttest_1samp(gains, 0, alternative="greater")
            assert selection.is_clear == (tested.pvalue < 0.025)
            found.append(selection.is_clear)
    assert 0.1 < np.mean(found) < 0.9


def test_one_candidate_is_not_chosen() -> None:
    found = estimate_selection([[0.4, 0.6]])
    assert found.config == found.best == found.nested == pytest.approx(0.5)
    assert found.standard_error == 0
    assert not found.is_clear


def test_folds_where_the_score_is_undefined_are_left_out() -> None:
    whole = estimate_selection([[0.1, 0.2], [0.3, 0.1]])
    assert estimate_selection([[0.1, None, 0.2], [0.3, None, 0.1]]) == whole
    assert estimate_selection([[0.1, None], [0.3, None]]).standard_error is None


def test_of_equal_candidates_the_config_is_kept() -> None:
    tried = [
        Tried(name, settings, "finished", [], 1, 1.0, 1.0, folds=[0.5, 0.7])
        for name, settings in (("config", {}), ("wide", {"model.hidden": [9]}))
    ]
    stopped = Tried("plain", {"model.recipe": "plain"}, "stopped", [0.1], 1, 1.0, 2.0)
    result = SearchResult(
        score="brier",
        lower_is_better=True,
        source="t.csv",
        rows=9,
        folds=2,
        minutes=1,
        seconds=2,
        kept=[],
        tried=[*tried, stopped],
    )
    assert result.best.name == "config"
    assert [one.name for one in result.finished] == ["config", "wide"]
    assert Tried.of_dict(stopped.to_dict()) == stopped
