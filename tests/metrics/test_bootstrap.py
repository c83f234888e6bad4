"""Replicates of bands vary as replicates of rows do, and intervals are made of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from imbalance_cli.evaluation import Resampling
from imbalance_cli.evaluation.resampling import JointDraws, draw_apart
from imbalance_cli.metrics import (
    DEFAULT_LEVELS,
    METRIC_SPECS,
    BandCounts,
    BandRows,
    Bands,
    Units,
    make_intervals,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = tuple(METRIC_SPECS)

NAN = math.nan
AREA = METRICS.index("roc_auc")


def simulate(
    rows: int, prevalence: float, seed: int, decimals: int = 16
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities, which may have ties, and targets drawn from them, (N,)."""
    random = np.random.default_rng(seed)
    odds = np.log(prevalence / (1 - prevalence)) + 1.5 * random.standard_normal(rows)
    p = np.round(1 / (1 + np.exp(-odds)), decimals)
    return torch.from_numpy(p), torch.from_numpy((random.random(rows) < p).astype(float))


def draw_bands(p: torch.Tensor, y: torch.Tensor, replicates: int, most: int) -> torch.Tensor:
    """Return every metric of replicates of bands, (metrics, R), moved as an evaluation does."""
    bands = Bands.of(p, y, 0.3)
    whole = BandCounts.of(bands)
    counts = whole.merged(bands.merged(most), bands)
    drawn = counts.draw(replicates, np.random.default_rng(0))
    exact, near = (x.itself().metrics(DEFAULT_LEVELS) for x in (whole, counts))
    return drawn.metrics(DEFAULT_LEVELS) + (exact - near).nan_to_num(0.0)


def draw_rows(
    p: torch.Tensor,
    y: torch.Tensor,
    replicates: int,
    groups: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return every metric of replicates of rows, (metrics, R)."""
    units = Units.of(len(p), groups)
    rows = BandRows.of(Bands.of(p, y, 0.3, weights), units, weights)
    joint = JointDraws(units, Resampling(replicates, seed=1))
    return joint.draw(rows, DEFAULT_LEVELS).metrics


def assert_alike(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Means within a fifth of a deviation, deviations within an eighth of each other."""
    spread = theirs.nan_to_num(0.0).std(dim=1)
    apart = (ours.nanmean(dim=1) - theirs.nanmean(dim=1)).abs()
    for i, name in enumerate(METRICS):
        assert apart[i] <= 0.2 * spread[i] + 1e-12, name
        assert ours[i].nan_to_num(0.0).std() == pytest.approx(float(spread[i]), rel=0.12), name


@pytest.mark.parametrize(
    ("rows", "prevalence", "decimals", "most"),
    [
        (400, 0.3, 16, 1024),  # every positive a band of its own
        (400, 0.3, 1, 1024),  # runs of equal probabilities
        (3000, 0.3, 16, 100),  # merged bands
        (3000, 0.3, 2, 100),
    ],
)
def test_bands_vary_as_rows_do(rows: int, prevalence: float, decimals: int, most: int) -> None:
    p, y = simulate(rows, prevalence, seed=2, decimals=decimals)
    assert_alike(draw_bands(p, y, 1500, most), draw_rows(p, y, 1500))


def test_rows_vary_as_scikit_learn_on_rows_that_are_drawn() -> None:
    p, y = simulate(200, 0.3, seed=3, decimals=2)
    ours = draw_rows(p, y, 1000)
    random = np.random.default_rng(5)
    draws = []
    for _ in range(300):
        drawn = random.integers(200, size=200)
        scores, truth = p.numpy()[drawn], y.numpy()[drawn]
        draws.append(
            [
                reference.average_precision_score(truth, scores),
                reference.roc_auc_score(truth, scores),
                reference.brier_score_loss(truth, scores),
                reference.f1_score(truth, scores >= 0.3),
            ]
        )
    names = ("average_precision", "roc_auc", "brier", "f1")
    chosen = [METRICS.index(name) for name in names]
    for name, theirs, own in zip(names, np.array(draws).T, ours[chosen].numpy(), strict=True):
        assert own.mean() == pytest.approx(theirs.mean(), abs=0.2 * theirs.std()), name
        assert own.std() == pytest.approx(theirs.std(), rel=0.15), name


def test_the_number_of_positives_varies_and_that_of_rows_does_not() -> None:
    p, y = simulate(500, 0.1, seed=4)
    drawn = BandCounts.of(Bands.of(p, y, 0.3)).draw(50, np.random.default_rng(0))
    assert len(set(drawn.positives.sum(dim=1).tolist())) > 5
    assert set((drawn.positives + drawn.negatives).sum(dim=1).tolist()) == {500.0}


def test_no_replicate_is_without_a_class() -> None:
    p, y = simulate(300, 0.1, seed=5)
    y[:] = 0
    y[:2] = 1
    drawn = BandCounts.of(Bands.of(p, y, 0.3)).draw(500, np.random.default_rng(0))
    assert int(drawn.positives.sum(dim=1).min()) == 1


def delong(p: torch.Tensor, y: torch.Tensor) -> float:
    """Return the variance of the ROC AUC by DeLong, DeLong & Clarke-Pearson 1988."""
    positives, negatives = p[y == 1], p[y == 0]
    above = (positives[:, None] > negatives).double() + (positives[:, None] == negatives) / 2
    of_positives, of_negatives = above.mean(dim=1), above.mean(dim=0)
    return float(of_positives.var() / len(positives) + of_negatives.var() / len(negatives))


@pytest.mark.parametrize("decimals", [16, 1])
def test_roc_auc_varies_as_delong_says(decimals: int) -> None:
    p, y = simulate(1500, 0.1, seed=6, decimals=decimals)
    spread = float(draw_bands(p, y, 3000, 1024)[AREA].std())
    assert spread == pytest.approx(math.sqrt(delong(p, y)), rel=0.06)


def test_groups_are_drawn_whole() -> None:
    """Rows that stand there ten times over say no more than once, and are no other AP."""
    p, y = simulate(150, 0.3, seed=7)
    groups = torch.arange(150).repeat_interleave(10)
    repeated = p.repeat_interleave(10), y.repeat_interleave(10)
    once, drawn = draw_rows(p, y, 1500), draw_rows(*repeated, 1500, groups)
    naive = draw_rows(*repeated, 1500)
    for name in ("average_precision", "roc_auc", "f1", "brier"):
        i = METRICS.index(name)
        assert drawn[i].std() == pytest.approx(float(once[i].std()), rel=0.1), name
        assert naive[i].std() < 0.5 * drawn[i].std(), name


def test_a_heavy_row_widens_the_interval() -> None:
    p, y = simulate(300, 0.3, seed=8)
    weights = torch.from_numpy(np.random.default_rng(0).random(300)) ** 6 + 1e-6
    plain, weighted = draw_rows(p, y, 800), draw_rows(p, y, 800, weights=weights)
    for name in ("average_precision", "roc_auc", "f1", "brier", "log_loss"):
        i = METRICS.index(name)
        assert weighted[i].std() > 1.3 * plain[i].std(), name


def test_weights_of_rows_are_those_of_scikit_learn_in_each_replicate() -> None:
    p, y = simulate(60, 0.4, seed=9, decimals=1)
    random = np.random.default_rng(0)
    weights, counts = random.integers(1, 30, 60) / 8, random.integers(0, 3, (60, 4)).astype(float)
    w = torch.from_numpy(weights)
    rows = BandRows.of(Bands.of(p, y, 0.3, w), Units.of(60), w)
    values = rows.sum(counts).metrics(DEFAULT_LEVELS)
    for replicate in range(4):
        drawn = weights * counts[:, replicate]
        for name, wanted in {
            "average_precision": reference.average_precision_score(y, p, sample_weight=drawn),
            "roc_auc": reference.roc_auc_score(y, p, sample_weight=drawn),
            "brier": reference.brier_score_loss(y, p, sample_weight=drawn),
            "f1": reference.f1_score(y, p >= 0.3, sample_weight=drawn),
            "log_loss": reference.log_loss(y, p, sample_weight=drawn),
        }.items():
            value = float(values[METRICS.index(name), replicate])
            assert value == pytest.approx(wanted, abs=1e-9), name


def test_draws_of_a_label_do_not_depend_on_how_many_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p, y = simulate(300, 0.2, seed=10)
    counts = BandCounts.of(Bands.of(p, y, 0.3))
    first, again = (draw_apart(counts, Resampling(40), 7, DEFAULT_LEVELS).metrics for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, draw_apart(counts, Resampling(40), 8, DEFAULT_LEVELS).metrics)
    monkeypatch.setattr("imbalance_cli.evaluation.resampling.DRAWN_AT_ONCE", 1000)
    some = draw_apart(counts, Resampling(40), 7, DEFAULT_LEVELS).metrics
    assert some.shape == first.shape


# --------------------------------------------------------------------------------------- intervals


def test_an_interval_is_normal_on_the_log_odds() -> None:
    """With many rows, where neither the scale nor Student's t make a difference."""
    random = np.random.default_rng(0)
    values = torch.full((len(METRICS),), 0.4, dtype=torch.float64)
    draws = torch.from_numpy(0.4 + 0.002 * random.standard_normal((len(METRICS), 4000)))
    ends = make_intervals(values, draws, math.inf, 0.9)
    reach = norm.ppf(0.95) * 0.002
    for i, name in enumerate(METRICS):
        assert ends[i].tolist() == pytest.approx([0.4 - reach, 0.4 + reach], abs=2e-4), name


def test_intervals_stay_in_range_and_hold_the_value() -> None:
    random = np.random.default_rng(1)
    values = torch.full((len(METRICS),), 0.97, dtype=torch.float64)
    draws = torch.from_numpy(np.clip(0.97 + 0.1 * random.standard_normal((16, 300)), 0, 1))
    ends = make_intervals(values, draws, 20, 0.95)
    assert ((ends[:, 0] < 0.97) & (ends[:, 1] > 0.97)).all()
    above = {"log_loss", "lift_at_1_percent"}
    for name, high in zip(METRICS, ends[:, 1].tolist(), strict=True):
        assert (high > 1) == (name in above), name


def test_few_rows_widen_an_interval() -> None:
    values = torch.full((len(METRICS),), 0.4, dtype=torch.float64)
    draws = torch.from_numpy(0.4 + 0.05 * np.random.default_rng(2).standard_normal((16, 300)))
    width = [float(make_intervals(values, draws, n, 0.95).diff(dim=1)[0]) for n in (3, 10, 1000)]
    assert width[0] > 1.5 * width[1] > 1.5 * width[2] / 1.4


def test_replicates_that_do_not_vary_give_no_interval() -> None:
    values = torch.ones(len(METRICS), dtype=torch.float64)
    ends = make_intervals(values, values[:, None].repeat(1, 20), 10, 0.95)
    assert ends.isnan().all()
    undefined = torch.full_like(values, NAN)
    assert make_intervals(undefined, undefined[:, None].repeat(1, 9), 10, 0.95).isnan().all()


def test_a_value_at_the_end_of_its_range_has_percentiles() -> None:
    """As an F1 of 0 where some replicates find a positive."""
    values = torch.zeros(len(METRICS), dtype=torch.float64)
    draws = torch.linspace(0, 0.2, 201, dtype=torch.float64).repeat(len(METRICS), 1)
    low, high = make_intervals(values, draws, 10, 0.95)[METRICS.index("f1")].tolist()
    assert (low, high) == (0, pytest.approx(0.195))


RANGES = {"mcc": (-1, 1), "brier_skill": (-math.inf, 1), "log_loss": (0, math.inf)}
RANGES |= {"lift_at_1_percent": (0, 100)}


def assert_sound(values: torch.Tensor, ends: torch.Tensor) -> None:
    """An interval is finite, in the range of its metric, and holds the value."""
    for name, value, (low, high) in zip(METRICS, values.tolist(), ends.tolist(), strict=True):
        assert math.isnan(low) == math.isnan(high), name
        if not math.isnan(low):
            least, most = RANGES.get(name, (0, 1))
            assert math.isfinite(low), name
            assert math.isfinite(high), name
            assert least <= low <= value <= high <= most, name


@settings(deadline=None)
@given(
    value=st.sampled_from([0.0, 1e-300, 1e-9, 0.0008, 0.3, 1 - 1e-9, 1.0]),
    draws=arrays(np.float64, (16, 30), elements=st.floats(-0.1, 1.2) | st.just(NAN)),
    size=st.sampled_from([2, 5, 50, math.inf]),
)
def test_every_interval_is_sound(value: float, draws: NDArray[np.float64], size: float) -> None:
    values = torch.full((len(METRICS),), value, dtype=torch.float64)
    within = [RANGES.get(name, (0, 1)) for name in METRICS]
    least, most = values.new_tensor(within).T[:, :, None]
    drawn = torch.from_numpy(draws).clamp(least, most)
    assert_sound(values, make_intervals(values, drawn, size, 0.95))


@settings(deadline=None, max_examples=60)
@given(
    p=arrays(np.float64, 60, elements=st.sampled_from([0, 1e-12, 0.01, 0.3, 0.9, 1])),
    chances=st.sampled_from([(0.1, 0.9), (0.3, 0.3), (0.0, 1.0), (0.9, 0.1)]),
    seed=st.integers(0, 1000),
)
def test_every_interval_of_rows_is_sound(
    p: NDArray[np.float64], chances: tuple[float, float], seed: int
) -> None:
    """Of scores at the ends, of decisions that are all right or all wrong, and of merged bands."""
    y = np.random.default_rng(seed).random(60) < np.where(p < 0.3, *chances)
    scores, targets = torch.from_numpy(p), torch.from_numpy(y.astype(float))
    bands = Bands.of(scores, targets, 0.3)
    whole = BandCounts.of(bands)
    values = whole.itself().metrics(DEFAULT_LEVELS)[:, 0]
    drawn = draw_bands(scores, targets, 40, 6)
    assert_sound(values, make_intervals(values, drawn, 10, 0.95))


def test_calibration_error_of_calibrated_rows_is_not_told_from_none() -> None:
    """Its replicates all lie above it, and log-odds would reach from nothing to a seventh."""
    ece = METRICS.index("ece")
    held = 0
    for seed in range(20):
        p, y = simulate(2000, 0.1, seed=seed)
        values = BandCounts.of(Bands.of(p, y, 0.3)).itself().metrics(DEFAULT_LEVELS)[:, 0]
        draws = draw_bands(p, y, 200, 1024)
        low, high = make_intervals(values, draws, int(y.sum()), 0.95)[ece].tolist()
        assert low <= values[ece] <= high < 0.04
        held += low == 0
    assert held >= 12


def test_a_calibration_error_of_0_has_an_interval_from_0() -> None:
    values = torch.zeros(len(METRICS), dtype=torch.float64)
    draws = torch.linspace(0.02, 0.14, 100, dtype=torch.float64).repeat(len(METRICS), 1)
    low, high = make_intervals(values, draws, 10, 0.95)[METRICS.index("ece")].tolist()
    assert low == 0
    assert 0 < high < 0.14


def test_coverage_of_intervals() -> None:
    """Of 150 data sets with 50 positives or so; benchmarks/coverage.py has thousands."""
    p, y = simulate(400_000, 0.03, seed=11)
    names = ("average_precision", "roc_auc", "brier", "f1")
    chosen = [METRICS.index(name) for name in names]
    truth = BandCounts.of(Bands.of(p, y, 0.1)).itself().metrics(DEFAULT_LEVELS)[chosen, 0]
    covered = torch.zeros(len(names))
    for number in range(150):
        p, y = simulate(1000, 0.03, seed=1000 + number)
        counts = BandCounts.of(Bands.of(p, y, 0.1))
        points = counts.itself().metrics(DEFAULT_LEVELS)[:, 0]
        draws = draw_apart(counts, Resampling(200), number, DEFAULT_LEVELS).metrics
        ends = make_intervals(points, draws, int(y.sum()), 0.95)[chosen]
        covered += (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    for name, share in zip(names, (covered / 150).tolist(), strict=True):
        assert 0.89 <= share <= 0.99, name
