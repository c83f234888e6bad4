"""Thresholds are the best of all there are, and say so where they cannot be."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.config import ThresholdsSection
from imbalance_cli.thresholds import choose_thresholds

NAN = math.nan
Objective = Literal["f1", "f2", "mcc", "balanced_accuracy"]


def quality(objective: str, y: np.ndarray, decided: np.ndarray) -> float:
    """Return scikit-learn's value of an objective."""
    match objective:
        case "f1":
            return float(reference.f1_score(y, decided, zero_division=0))
        case "f2":
            return float(reference.fbeta_score(y, decided, beta=2, zero_division=0))
        case "mcc":
            return float(reference.matthews_corrcoef(y, decided))
    return float(reference.balanced_accuracy_score(y, decided))


@pytest.mark.parametrize("objective", ["f1", "f2", "mcc", "balanced_accuracy"])
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 40), levels=st.integers(1, 60))
def test_best_of_all_candidates(objective: Objective, seed: int, rows: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    p = random.integers(0, levels + 1, rows) / levels
    y = (random.random(rows) < 0.3).astype(float)
    y[:2] = 0, 1
    chosen = choose_thresholds(
        torch.from_numpy(p[:, None]),
        torch.from_numpy(y[:, None]),
        ThresholdsSection(objective=objective),
    )
    best = max(quality(objective, y, p >= candidate) for candidate in np.unique(p))
    assert quality(objective, y, p >= chosen.values.item()) == pytest.approx(best, abs=1e-12)
    assert chosen.positives.tolist() == [int(y.sum())]
    assert not chosen.pooled.any()


def test_half_way_between_neighbours() -> None:
    p = torch.tensor([[0.9], [0.6], [0.2]])
    y = torch.tensor([[1.0], [1.0], [0.0]])
    assert choose_thresholds(p, y, ThresholdsSection()).values.item() == pytest.approx(0.4)


def test_lowest_score_is_itself_a_threshold() -> None:
    p, y = torch.tensor([[0.9], [0.6]], dtype=torch.float64), torch.ones(2, 1)
    assert choose_thresholds(p, y, ThresholdsSection()).values.item() == 0.6


def test_neighbouring_floats_are_told_apart() -> None:
    """The middle of two adjacent floats rounds to one of them: never to the lower."""
    for low in (0.3, np.nextafter(0.3, 1), 5e-324):
        p = torch.tensor([[np.nextafter(low, 1)], [low]], dtype=torch.float64)
        y = torch.tensor([[1.0], [0.0]])
        threshold = choose_thresholds(p, y, ThresholdsSection()).values
        assert (p >= threshold)[:, 0].tolist() == [True, False]


def test_missing_cells_make_no_difference() -> None:
    p = torch.tensor([[0.9], [0.55], [0.45], [0.1], [0.99], [0.01]])
    y = torch.tensor([[1.0], [NAN], [0.0], [0.0], [NAN], [NAN]])
    known = ~y[:, 0].isnan()
    settings_ = ThresholdsSection()
    assert torch.equal(
        choose_thresholds(p, y, settings_).values,
        choose_thresholds(p[known], y[known], settings_).values,
    )


def test_cost_and_half_need_no_search() -> None:
    p, y = torch.rand(5, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(5, 2)
    cost = ThresholdsSection(objective="cost", false_positive_cost=1.0, false_negative_cost=19.0)
    assert choose_thresholds(p, y, cost).values.tolist() == [0.05, 0.05]
    half = choose_thresholds(p, y, ThresholdsSection(objective="half"))
    assert half.values.tolist() == [0.5, 0.5]
    assert half.values.dtype == torch.float64
    assert half.pooled.tolist() == [False, False]


def test_cost_threshold_is_cheapest() -> None:
    """On calibrated probabilities the formula beats its neighbours in expected cost."""
    p = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    settings_ = ThresholdsSection(
        objective="cost", false_positive_cost=2.0, false_negative_cost=7.0
    )
    chosen = choose_thresholds(p[:, None], torch.zeros(10_001, 1), settings_).values.item()

    def cost(threshold: float) -> float:
        return float(torch.where(p >= threshold, 2 * (1 - p), 7 * p).sum())

    assert cost(chosen) <= min(cost(chosen + step) for step in (-0.1, -0.01, 0.01, 0.1))


def test_few_positives_are_pooled() -> None:
    random = torch.Generator().manual_seed(1)
    y = (torch.rand(300, 3, generator=random) < torch.tensor([0.3, 0.3, 0.01])).float()
    y[:2, 2] = 1
    p = (0.3 * y + torch.rand(300, 3, generator=random)).clamp(max=1)
    chosen = choose_thresholds(p, y, ThresholdsSection(minimum_positives=20))
    assert chosen.pooled.tolist() == [False, False, True]
    together = choose_thresholds(p.reshape(-1, 1), y.reshape(-1, 1), ThresholdsSection())
    assert chosen.values[2] == together.values[0]
    free = choose_thresholds(p, y, ThresholdsSection(minimum_positives=0))
    assert torch.equal(free.values[:2], chosen.values[:2])
    assert not free.pooled.any()


def test_a_lone_label_is_never_pooled() -> None:
    p, y = torch.tensor([[0.9], [0.2]]), torch.tensor([[1.0], [0.0]])
    chosen = choose_thresholds(p, y, ThresholdsSection(minimum_positives=10))
    assert not chosen.pooled.any()
    assert chosen.values.item() == pytest.approx(0.55)


@pytest.mark.parametrize("objective", ["f1", "mcc", "balanced_accuracy"])
def test_nothing_known_is_half(objective: Objective) -> None:
    settings_ = ThresholdsSection(objective=objective, minimum_positives=0)
    p = torch.tensor([[0.9, 0.9], [0.2, 0.2]])
    y = torch.tensor([[0.0, NAN], [0.0, NAN]])
    assert choose_thresholds(p, y, settings_).values.tolist() == [0.5, 0.5]


# ---------------------------------------------------------------------------------- sample weights


def weighted_quality(objective: str, y: np.ndarray, decided: np.ndarray, w: np.ndarray) -> float:
    """Return scikit-learn's value of an objective."""
    match objective:
        case "f1":
            return float(reference.f1_score(y, decided, zero_division=0, sample_weight=w))
        case "f2":
            return float(
                reference.fbeta_score(y, decided, beta=2, zero_division=0, sample_weight=w)
            )
        case "mcc":
            return float(reference.matthews_corrcoef(y, decided, sample_weight=w))
    return float(reference.balanced_accuracy_score(y, decided, sample_weight=w))


@pytest.mark.parametrize("objective", ["f1", "f2", "mcc", "balanced_accuracy"])
@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(2, 40),
    levels=st.integers(1, 60),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_best_of_all_candidates_by_weight(
    objective: Objective, seed: int, rows: int, levels: int, scale: float
) -> None:
    random = np.random.default_rng(seed)
    p = random.integers(0, levels + 1, rows) / levels
    y = (random.random(rows) < 0.3).astype(float)
    y[:2] = 0, 1
    weights = scale * (0.01 + random.random(rows) ** 3)
    chosen = choose_thresholds(
        torch.from_numpy(p[:, None]),
        torch.from_numpy(y[:, None]),
        ThresholdsSection(objective=objective),
        torch.from_numpy(weights),
    )
    best = max(weighted_quality(objective, y, p >= c, weights) for c in np.unique(p))
    found = weighted_quality(objective, y, p >= chosen.values.item(), weights)
    assert found == pytest.approx(best, abs=1e-9)
    assert chosen.positives.tolist() == [int(y.sum())]


@pytest.mark.parametrize("objective", ["f1", "f2", "mcc", "balanced_accuracy"])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 40), minimum=st.sampled_from([0, 5, 1000]))
def test_whole_weights_are_repeated_rows(
    objective: Objective, seed: int, rows: int, minimum: int
) -> None:
    """But for the number of positives: each is one row, and only rows of weight 0 are none."""
    random = torch.Generator().manual_seed(seed)
    p = torch.randint(8, (rows, 3), generator=random).double() / 7
    y = torch.randint(2, (rows, 3), generator=random).double()
    y[torch.rand(y.shape, generator=random) < 0.1] = NAN
    weights = torch.randint(4, (rows,), generator=random).double()
    settings_ = ThresholdsSection(objective=objective, minimum_positives=minimum)
    ours = choose_thresholds(p, y, settings_, weights)
    counted, times = weights > 0, weights.long()
    assert torch.equal(ours.positives, (y[counted] == 1).sum(dim=0))
    assert torch.equal(ours.pooled, ours.positives < minimum)
    removed = choose_thresholds(p[counted], y[counted], settings_, weights[counted])
    assert torch.equal(ours.values, removed.values)
    assert torch.equal(ours.values, choose_thresholds(p, y, settings_, 0.25 * weights).values)
    repeated = choose_thresholds(
        p.repeat_interleave(times, dim=0), y.repeat_interleave(times, dim=0), settings_
    )
    alike = ours.pooled == repeated.pooled
    assert torch.equal(ours.values[alike], repeated.values[alike])


def test_weights_move_the_threshold() -> None:
    """The negative between the positives is let through, unless it weighs more than one of them."""
    p = torch.tensor([[0.9], [0.6], [0.5], [0.2]], dtype=torch.float64)
    y = torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    light, heavy = torch.tensor([1.0, 0.1, 1.0, 1.0]), torch.tensor([1.0, 9.0, 1.0, 1.0])
    chosen = [choose_thresholds(p, y, ThresholdsSection(), w).values.item() for w in (light, heavy)]
    assert chosen == pytest.approx([0.35, 0.75])
