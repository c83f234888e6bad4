"""The interval of a calibration error covers it, at 0, near 0 and far from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.evaluation import Resampling
from imbalance_cli.evaluation.resampling import JointDraws, draw_apart
from imbalance_cli.metrics import (
    DEFAULT_LEVELS,
    BandCounts,
    BandRows,
    Bands,
    EceTests,
    Units,
    expected_calibration_error,
)

REPLICATES = 200


def simulate(
    rows: int, seed: int, slope: float = 1.0, shift: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return probabilities, targets, and their chances, (N,), of a tenth of positives or so."""
    random = np.random.default_rng(seed)
    odds = 1.5 * random.standard_normal(rows)
    chance = 1 / (1 + np.exp(3 - odds))
    p = 1 / (1 + np.exp(3 - shift - slope * odds))
    y = (random.random(rows) < chance).astype(float)
    return torch.from_numpy(p), torch.from_numpy(y), torch.from_numpy(chance)


def invert_apart(p: torch.Tensor, y: torch.Tensor, number: int = 0) -> EceTests:
    counts = BandCounts.of(Bands.of(p, y, 0.3))
    itself = counts.itself()
    draws = draw_apart(counts, Resampling(REPLICATES), number, DEFAULT_LEVELS)
    return EceTests.of(itself.gaps[:, 0], draws.gaps, itself.positives_of_bins()[0], 1.0)


def invert_jointly(
    p: torch.Tensor,
    y: torch.Tensor,
    weights: torch.Tensor | None = None,
    groups: torch.Tensor | None = None,
) -> EceTests:
    units = Units.of(len(p), groups)
    rows = BandRows.of(Bands.of(p, y, 0.3, weights), units, weights)
    itself = rows.itself()
    draws = JointDraws(units, Resampling(REPLICATES)).draw(rows, DEFAULT_LEVELS)
    return EceTests.of(itself.gaps[:, 0], draws.gaps, itself.positives_of_bins()[0], 1.0)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (1.0, 0.15), (0.6, 0.0), (1.5, 1.0)])
def test_coverage(slope: float, shift: float) -> None:
    """Of 120 data sets; benchmarks/coverage.py has thousands."""
    p, _, chance = simulate(1_000_000, 0, slope, shift)
    truth = float((p - chance)[p.argsort()].reshape(10, -1).mean(dim=1).abs().mean())
    held = 0
    for number in range(120):
        p, y, _ = simulate(1500, 1 + number, slope, shift)
        low, high = invert_apart(p, y, number).interval(0.95)
        held += low <= truth <= high
    assert held >= 108


def test_the_value_is_the_debiased_error() -> None:
    p, y, _ = simulate(800, 3, 0.5)
    wanted = expected_calibration_error(p[:, None], y[:, None], debias=True).item()
    for ece_tests in (invert_apart(p, y), invert_jointly(p, y)):
        assert float(ece_tests.value) == pytest.approx(wanted, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    rows=st.sampled_from([12, 40, 300]),
    decimals=st.sampled_from([0, 1, 16]),
    slope=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_an_interval_holds_the_value(seed: int, rows: int, decimals: int, slope: float) -> None:
    """Also of ties, of constant scores, and of bins without a positive."""
    p, y, _ = simulate(rows, seed, slope)
    low, high = invert_apart(p.round(decimals=decimals), y).interval(0.95)
    value = expected_calibration_error(
        p.round(decimals=decimals)[:, None], y[:, None], debias=True
    ).item()
    assert 0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1


def test_errors_rise_from_none() -> None:
    p, y, _ = simulate(800, 4, 0.5)
    errors = invert_apart(p, y).errors
    assert errors[0] == 0
    assert (errors.diff() >= 0).all()


def test_an_interval_is_wider_at_a_higher_confidence() -> None:
    p, y, _ = simulate(800, 5, 0.5)
    ece_tests = invert_apart(p, y)
    ends = [ece_tests.interval(confidence) for confidence in (0.5, 0.8, 0.95)]
    assert ends[2][0] <= ends[1][0] <= ends[0][0] < ends[0][1] <= ends[1][1] <= ends[2][1]


def test_rows_that_stand_there_ten_times_over_say_no_more_than_once() -> None:
    p, y, _ = simulate(400, 6, 0.4)
    once = invert_jointly(p, y).interval(0.95)
    groups = torch.arange(400).repeat_interleave(10)
    repeated = p.repeat_interleave(10), y.repeat_interleave(10)
    ten = invert_jointly(*repeated, groups=groups).interval(0.95)
    naive = invert_jointly(*repeated).interval(0.95)
    width = once[1] - once[0]
    assert ten[1] - ten[0] == pytest.approx(width, rel=0.25)
    assert naive[1] - naive[0] < 0.6 * width


def test_weights_that_are_alike_change_nothing() -> None:
    p, y, _ = simulate(300, 7, 0.5)
    plain = invert_jointly(p, y).interval(0.95)
    weighted = invert_jointly(p, y, torch.full((300,), 3.0)).interval(0.95)
    assert weighted == pytest.approx(plain, abs=1e-9)


def test_the_mean_of_calibrated_labels_is_not_told_from_none() -> None:
    """Though each of their errors lies above 0, and the mean of many is sure."""
    units = Units.of(1000)
    held = 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        joint = JointDraws(units, Resampling(REPLICATES, seed=seed))
        total: EceTests | None = None
        for _ in range(8):
            p = torch.from_numpy(random.random(1000) * 0.4)
            y = (torch.from_numpy(random.random(1000)) < p).double()
            rows = BandRows.of(Bands.of(p, y, 0.3), units)
            itself = rows.itself()
            own = EceTests.of(
                itself.gaps[:, 0],
                joint.draw(rows, DEFAULT_LEVELS).gaps,
                itself.positives_of_bins()[0],
                1.0,
            ).scaled(1 / 8)
            total = own if total is None else total.plus(own)
        assert total is not None
        low, high = total.interval(0.95)
        assert low <= float(total.value) <= high
        held += low == 0
    assert held >= 8
