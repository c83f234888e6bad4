"""Thresholds are the best of all there are, and say so where they cannot be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.config import ThresholdsSection
from imbalance_cli.decisions.thresholds import (
    ScorePool,
    Thresholds,
    choose_thresholds,
    describe_unreached,
)
from imbalance_cli.decisions.thresholds.drawing import (
    MOST_CELLS,
    bound_thresholds,
    count_draws,
)
from imbalance_cli.metrics import Units

if TYPE_CHECKING:
    from collections.abc import Callable

NAN = math.nan
Objective = Literal["f1", "f2", "mcc", "balanced_accuracy"]
Held = Literal["recall_at_precision", "precision_at_recall"]
OBJECTIVES = ["f1", "f2", "mcc", "balanced_accuracy"]
SUPPORT = 2


def own(objective: str, **others: float) -> ThresholdsSection:
    """Return settings by which a label's own targets decide, whatever their number."""
    section = {"objective": objective, "minimum_positives": 0, **others}
    return ThresholdsSection.model_validate(section)


def quality(objective: str, y: np.ndarray, decided: np.ndarray, w: np.ndarray) -> float:
    """Return an objective of weighted rows, by its definition."""
    tp, fp = (w * decided * y).sum(), (w * decided * (1 - y)).sum()
    fn, tn = (w * ~decided * y).sum(), (w * ~decided * (1 - y)).sum()
    match objective:
        case "f1" | "f2":
            square = 4 if objective == "f2" else 1
            return float((1 + square) * tp / ((1 + square) * tp + square * fn + fp))
        case "mcc":
            root = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
            return float((tp * tn - fp * fn) / root) if root else 0.0
    return float((tp / (tp + fn) + tn / (tn + fp)) / 2)


def of_sklearn(objective: str, y: np.ndarray, decided: np.ndarray, w: np.ndarray) -> float:
    """Return scikit-learn's value of an objective."""
    match objective:
        case "f1" | "f2":
            beta = int(objective[1])
            return float(
                reference.fbeta_score(y, decided, beta=beta, zero_division=0, sample_weight=w)
            )
        case "mcc":
            return float(reference.matthews_corrcoef(y, decided, sample_weight=w))
    return float(reference.balanced_accuracy_score(y, decided, sample_weight=w))


def draw_rows(seed: int, rows: int, levels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities with ties, targets of both classes, and weights."""
    random = np.random.default_rng(seed)
    p = random.integers(0, levels + 1, rows) / levels
    y = (random.random(rows) < 0.3).astype(float)
    y[:2] = 0, 1
    return p, y, 0.01 + random.random(rows) ** 3


def supported(p: np.ndarray) -> list[float]:
    """Return the scores at which at least two rows are decided positive."""
    return [float(c) for c in np.unique(p) if (p >= c).sum() >= SUPPORT]


def column(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values[:, None])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_the_best_is_told_by_the_values_of_scikit_learn(objective: str) -> None:
    for seed in range(20):
        p, y, w = draw_rows(seed, rows=3 + seed, levels=10)
        decided = p >= np.median(p)
        wanted = of_sklearn(objective, y, decided, w)
        assert quality(objective, y, decided, w) == pytest.approx(wanted, abs=1e-12)
        both = (reference.precision_score, reference.recall_score)
        pair = [metric(y, decided, sample_weight=w, zero_division=0) for metric in both]
        assert held(y, decided, w) == pytest.approx(pair, abs=1e-12)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e3])
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 40), levels=st.integers(1, 60))
def test_best_of_all_candidates(
    objective: Objective, scale: float, seed: int, rows: int, levels: int
) -> None:
    """By its own targets a label gets the best of all thresholds that two rows support."""
    p, y, w = draw_rows(seed, rows, levels)
    w = scale * w if scale else np.ones(rows)
    weights = torch.from_numpy(w) if scale else None
    chosen = choose_thresholds(column(p), column(y), own(objective), weights)
    best = max(quality(objective, y, p >= candidate, w) for candidate in supported(p))
    found = quality(objective, y, p >= chosen.values.item(), w)
    assert found == pytest.approx(best, abs=1e-9)
    assert chosen.positives.tolist() == [int(y.sum())]
    assert chosen.shrinkage.tolist() == [0]
    assert chosen.reached.isnan().all()


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(2, 40),
    minimum=st.sampled_from([1, 10, 1000]),
    by_weight=st.booleans(),
)
def test_best_of_all_candidates_of_rows_that_are_positive_in_part(
    objective: Objective, seed: int, rows: int, minimum: int, *, by_weight: bool
) -> None:
    """Shrinkage: a row stands twice, once as a positive and once as a negative, in proportion."""
    p, y, w = draw_rows(seed, rows, 50)
    w = w if by_weight else np.ones(rows)
    weights = torch.from_numpy(w) if by_weight else None
    section = ThresholdsSection(objective=objective, minimum_positives=minimum)
    chosen = choose_thresholds(column(p), column(y), section, weights)
    share = minimum / (minimum + y.sum())
    assert chosen.shrinkage.item() == pytest.approx(share)
    pool = ScorePool.of(column(p), column(y), weights)
    part = (1 - share) * y + share * pool.expected_targets(torch.from_numpy(p)).numpy()
    both = np.repeat([1.0, 0.0], rows)

    def blended(threshold: float) -> float:
        decided, counts = np.tile(p >= threshold, 2), np.r_[w * part, w * (1 - part)]
        return quality(objective, both, decided, counts)

    best = max(map(blended, supported(p)))
    assert blended(chosen.values.item()) == pytest.approx(best, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    objective=st.sampled_from([*OBJECTIVES, "recall_at_precision", "precision_at_recall"]),
    seed=st.integers(0, 2**31),
    rows=st.integers(2, 30),
    minimum=st.sampled_from([0, 3, 100]),
)
def test_a_lone_row_supports_no_threshold(
    objective: str, seed: int, rows: int, minimum: int
) -> None:
    p, y, _ = draw_rows(seed, rows, 1000)
    target = {"target": 0.8} if "_at_" in objective else {}
    section = {"objective": objective, "minimum_positives": minimum, **target}
    chosen = choose_thresholds(column(p), column(y), ThresholdsSection.model_validate(section))
    assert (p >= chosen.values.item()).sum() >= SUPPORT


def test_a_positive_far_above_all_others_is_no_optimum() -> None:
    """Alone it has precision 1, and a lone row would be all that the threshold rests on."""
    p = torch.tensor([[0.99], [0.5], [0.4], [0.3], [0.2], [0.1]], dtype=torch.float64)
    y = torch.tensor([[1.0], [0.0], [0.0], [0.0], [0.0], [1.0]])
    held = choose_thresholds(p, y, own("recall_at_precision", target=0.9))
    assert (p >= held.values).sum() == SUPPORT
    assert held.reached.item() == pytest.approx(0.5)


def test_half_way_between_neighbours() -> None:
    p = torch.tensor([[0.9], [0.6], [0.2]])
    y = torch.tensor([[1.0], [1.0], [0.0]])
    assert choose_thresholds(p, y, own("f1")).values.item() == pytest.approx(0.4)


def test_lowest_score_is_itself_a_threshold() -> None:
    p, y = torch.tensor([[0.9], [0.6]], dtype=torch.float64), torch.ones(2, 1)
    assert choose_thresholds(p, y, own("f1")).values.item() == 0.6


def test_neighbouring_floats_are_told_apart() -> None:
    """The middle of two adjacent floats rounds to one of them: never to the lower."""
    for low in (0.3, np.nextafter(0.3, 1), 5e-324):
        high = np.nextafter(low, 1)
        p = torch.tensor([[high], [high], [low]], dtype=torch.float64)
        y = torch.tensor([[1.0], [1.0], [0.0]])
        threshold = choose_thresholds(p, y, own("f1")).values
        assert (p >= threshold)[:, 0].tolist() == [True, True, False]


@pytest.mark.parametrize("minimum", [0, 10])
def test_missing_cells_make_no_difference(minimum: int) -> None:
    p = torch.tensor([[0.9], [0.55], [0.45], [0.1], [0.99], [0.01]])
    y = torch.tensor([[1.0], [NAN], [0.0], [0.0], [NAN], [NAN]])
    known = ~y[:, 0].isnan()
    section = ThresholdsSection(minimum_positives=minimum)
    assert torch.equal(
        choose_thresholds(p, y, section).values,
        choose_thresholds(p[known], y[known], section).values,
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_nothing_known_is_half(objective: Objective) -> None:
    p = torch.tensor([[0.9, 0.9], [0.2, 0.2]])
    y = torch.tensor([[0.0, NAN], [0.0, NAN]])
    assert choose_thresholds(p, y, own(objective)).values.tolist() == [0.5, 0.5]


def test_no_validation_rows_is_half() -> None:
    section = ThresholdsSection(objective="recall_at_precision", target=0.9)
    chosen = choose_thresholds(torch.empty(0, 2), torch.empty(0, 2), section)
    assert chosen.values.tolist() == [0.5, 0.5]
    assert chosen.reached.isnan().all()
    assert chosen.shrinkage.tolist() == [1, 1]


# ---------------------------------------------------------------------------- cost, half and top_k


def test_cost_and_half_need_no_search() -> None:
    p, y = torch.rand(5, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(5, 2)
    cost = ThresholdsSection(objective="cost", false_positive_cost=1.0, false_negative_cost=19.0)
    assert choose_thresholds(p, y, cost).values.tolist() == [0.05, 0.05]
    half = choose_thresholds(p, y, ThresholdsSection(objective="half"))
    assert half.values.tolist() == [0.5, 0.5]
    assert half.values.dtype == torch.float64
    assert half.shrinkage.tolist() == [0, 0]


def test_cost_threshold_is_cheapest() -> None:
    """On calibrated probabilities the formula beats its neighbours in expected cost."""
    p = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    section = ThresholdsSection(objective="cost", false_positive_cost=2.0, false_negative_cost=7.0)
    chosen = choose_thresholds(p[:, None], torch.zeros(10_001, 1), section).values.item()

    def cost(threshold: float) -> float:
        return float(torch.where(p >= threshold, 2 * (1 - p), 7 * p).sum())

    assert cost(chosen) <= min(cost(chosen + step) for step in (-0.1, -0.01, 0.01, 0.1))


def top(target: float, minimum: int = 10) -> ThresholdsSection:
    return ThresholdsSection(objective="top_k", target=target, minimum_positives=minimum)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(1, 40),
    levels=st.sampled_from([3, 10, 10_000]),
    k=st.integers(1, 50),
)
def test_top_k_is_as_near_to_k_rows_as_ties_allow(
    seed: int, rows: int, levels: int, k: int
) -> None:
    random = np.random.default_rng(seed)
    p, y = random.integers(0, levels + 1, rows) / levels, np.zeros(rows)
    y[random.random(rows) < 0.2] = NAN
    chosen = choose_thresholds(column(p), column(y), top(k))
    known = p[~np.isnan(y)]
    decided = int((known >= chosen.values.item()).sum())
    sizes = [int((known >= c).sum()) for c in np.unique(known)]
    if not sizes:
        assert chosen.values.item() == 0.5
        assert chosen.reached.isnan().item()
    else:
        assert abs(decided - k) == min(abs(size - k) for size in sizes)
        assert chosen.reached.isnan().item() == (decided == k)
    assert chosen.shrinkage.item() == 0


def test_top_k_below_1_is_a_share() -> None:
    p = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
    y = torch.zeros(200, 1)
    chosen = choose_thresholds(p, y, top(0.1))
    assert (p >= chosen.values).sum() == 20
    assert chosen.reached.isnan().all()
    heavy = torch.ones(200)
    heavy[-10:] = 50  # ten rows that are most of the weight
    chosen = choose_thresholds(p, y, top(0.5), heavy)
    assert 5 <= (p >= chosen.values).sum() <= 9


def test_top_1_row_may_be_alone() -> None:
    """It was asked for."""
    p = torch.tensor([[0.9], [0.6], [0.2]], dtype=torch.float64)
    assert choose_thresholds(p, torch.zeros(3, 1), top(1)).values.item() == 0.75


# --------------------------------------------------------------------- one metric held at a target


def held(y: np.ndarray, decided: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    hits, found = (w * decided * y).sum(), (w * decided).sum()
    return float(hits / found) if found else 0.0, float(hits / (w * y).sum())


@pytest.mark.parametrize("objective", ["recall_at_precision", "precision_at_recall"])
@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(2, 40),
    target=st.sampled_from([0.05, 0.5, 0.9, 1.0]),
    by_weight=st.booleans(),
)
def test_most_of_one_metric_with_the_other_at_its_target(
    objective: Held, seed: int, rows: int, target: float, *, by_weight: bool
) -> None:
    p, y, w = draw_rows(seed, rows, 50)
    w = w if by_weight else np.ones(rows)
    weights = torch.from_numpy(w) if by_weight else None
    chosen = choose_thresholds(column(p), column(y), own(objective, target=target), weights)
    side = 0 if objective == "recall_at_precision" else 1
    values = [held(y, p >= c, w) for c in supported(p)]
    found = held(y, p >= chosen.values.item(), w)
    holding = [value for value in values if value[side] >= target - 1e-12]
    if holding:
        assert found[side] >= target - 1e-9
        assert found[1 - side] == pytest.approx(max(v[1 - side] for v in holding), abs=1e-9)
        assert chosen.reached.isnan().item()
    else:
        nearest = max(value[side] for value in values)
        assert found[side] == pytest.approx(nearest, abs=1e-9)
        assert chosen.reached.item() == pytest.approx(nearest, abs=1e-9)


@pytest.mark.parametrize("objective", ["recall_at_precision", "precision_at_recall"])
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 40), minimum=st.sampled_from([1, 10, 500]))
def test_a_target_that_can_be_held_is_held_however_few_the_positives(
    objective: Held, seed: int, rows: int, minimum: int
) -> None:
    p, y, _ = draw_rows(seed, rows, 50)
    section = ThresholdsSection(objective=objective, target=0.6, minimum_positives=minimum)
    chosen = choose_thresholds(column(p), column(y), section)
    side = 0 if objective == "recall_at_precision" else 1
    w = np.ones(rows)
    possible = max(held(y, p >= c, w)[side] for c in supported(p)) >= 0.6
    assert chosen.reached.isnan().item() == possible
    if possible:
        assert held(y, p >= chosen.values.item(), w)[side] >= 0.6


def test_few_positives_are_not_taken_at_their_word() -> None:
    """Two lucky positives on top have precision 1, where scores of that height mean a half."""
    p = torch.tensor([[0.62], [0.61], [0.6], [0.2], [0.1]], dtype=torch.float64)
    y = torch.tensor([[1.0], [1.0], [0.0], [0.0], [0.0]])
    section = ThresholdsSection(objective="precision_at_recall", target=0.5, minimum_positives=100)
    chosen = choose_thresholds(p, y, section)
    by_itself = choose_thresholds(p, y, own("precision_at_recall", target=0.5))
    assert chosen.values <= by_itself.values
    assert (p >= by_itself.values).sum() == 2


def test_what_cannot_be_reached_is_told() -> None:
    random = torch.Generator().manual_seed(3)
    p = torch.rand(60, 6, generator=random, dtype=torch.float64)
    y = (torch.rand(60, 6, generator=random) < 0.2).double()
    y[:, 0] = (p[:, 0] > 0.5).double()
    section = own("recall_at_precision", target=0.95)
    chosen = choose_thresholds(p, y, section)
    names = ["well", "a\nb", "c", "d", "e", "f"]
    [told] = describe_unreached(chosen, names, section)
    assert told.startswith("thresholds.target: precision 0.95 cannot be reached on the validation")
    assert told.endswith("and 2 more; the nearest that can be was taken")
    assert "'well'" not in told
    assert "\n" not in told
    lowest = int(chosen.reached.nan_to_num(1.0).argmin())
    assert f"{names[lowest]!r} ({chosen.reached[lowest]:.3g})" in told
    reached = choose_thresholds(p[:, :1], y[:, :1], section)
    assert describe_unreached(reached, names[:1], section) == []
    one = choose_thresholds(p[:, 2:3], y[:, 2:3], section)
    assert "rows of 'c' (0." in describe_unreached(one, ["c"], section)[0]
    assert describe_unreached(chosen, names, own("f1")) == []


def test_rows_that_there_are_not_so_many_of_are_told_as_rows() -> None:
    p = torch.linspace(0, 1, 1234, dtype=torch.float64)[:, None]
    many = own("top_k", target=1e9)
    [told] = describe_unreached(choose_thresholds(p, p.round(), many), ["y"], many)
    assert "1,000,000,000 rows decided positive cannot be reached" in told
    assert "of 'y' (1,234);" in told
    share = own("top_k", target=0.02)
    same = torch.full_like(p, 0.5)
    [told] = describe_unreached(choose_thresholds(same, p.round(), share), ["y"], share)
    assert "2 % of the rows decided positive cannot be reached" in told
    assert "of 'y' (100 %);" in told


# ------------------------------------------------------------------- few positives, and all labels


def calibrated(rows: int, labels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities that mean what they say, the later labels rarer, and targets."""
    random = torch.Generator().manual_seed(seed)
    heights = torch.linspace(-1.0, -4.0, labels, dtype=torch.float64)
    noise = torch.randn(rows, labels, generator=random, dtype=torch.float64)
    p = (heights + 1.5 * noise).sigmoid()
    y = (torch.rand(rows, labels, generator=random, dtype=torch.float64) < p).double()
    return p, y


def expected_f1(p: torch.Tensor, threshold: float) -> float:
    decided = p >= threshold
    return float(2 * p[decided].sum() / (decided.sum() + p.sum()))


def test_without_positives_f1_is_cut_at_half_the_f1_that_the_scores_promise() -> None:
    p, y = calibrated(20_000, 3, seed=0)
    y[:, 2] = 0.0  # not one positive by chance, in a pool that is as it should be
    pool = ScorePool.of(*calibrated(20_000, 3, seed=0))
    chosen = choose_thresholds(p, y, ThresholdsSection(), pool=pool)
    assert chosen.shrinkage[2] == 1
    threshold = float(chosen.values[2])
    assert threshold == pytest.approx(expected_f1(p[:, 2], threshold) / 2, rel=0.05)


def test_shrinkage_falls_with_the_positives() -> None:
    p, y = calibrated(2_000, 4, seed=1)
    chosen = choose_thresholds(p, y, ThresholdsSection())
    expected = 100 / (100 + y.sum(dim=0))
    assert torch.allclose(chosen.shrinkage, expected)
    assert chosen.pooled.tolist() == (y.sum(dim=0) < 100).tolist()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_shrinkage_brings_thresholds_nearer_to_the_right_one(objective: Objective) -> None:
    """Over 60 labels of about 4 validation positives, by the quality on many other rows."""
    random = np.random.default_rng(5)
    by_itself: list[float] = []
    shrunk: list[float] = []
    for seed in range(60):
        p, y = calibrated(80, 1, seed=seed)
        p, y = p * 0.2, (torch.from_numpy(random.random((80, 1))) < 0.2 * p).double()
        unseen, hits = calibrated(4_000, 1, seed=1000 + seed)
        unseen, hits = unseen * 0.2, (torch.from_numpy(random.random((4000, 1))) < 0.2 * unseen)
        for section, found in (
            (own(objective), by_itself),
            (ThresholdsSection(objective=objective), shrunk),
        ):
            threshold = choose_thresholds(p, y, section).values.item()
            decided = (unseen >= threshold)[:, 0].numpy()
            found.append(quality(objective, hits[:, 0].numpy(), decided, np.ones(4000)))
    assert np.mean(shrunk) > np.mean(by_itself)


def test_the_pool_of_blocks_is_that_of_all_labels() -> None:
    p, y = calibrated(300, 7, seed=2)
    y[torch.rand(y.shape, generator=torch.Generator().manual_seed(0)) < 0.1] = NAN
    section = ThresholdsSection()
    whole = choose_thresholds(p, y, section)
    blocks = [slice(0, 3), slice(3, 4), slice(4, 7)]
    first, *others = [ScorePool.of(p[:, b], y[:, b]) for b in blocks]
    pool = sum(others, start=first)
    assert torch.equal(pool.positives, ScorePool.of(p, y).positives)
    parts = [choose_thresholds(p[:, b], y[:, b], section, pool=pool) for b in blocks]
    joined = Thresholds.concatenate(parts)
    assert torch.equal(joined.values, whole.values)
    assert torch.equal(joined.positives, whole.positives)
    assert torch.equal(joined.shrinkage, whole.shrinkage)


@pytest.mark.parametrize(
    ("bend", "name"),
    [(lambda u: u + 3.0, "weighted"), (lambda u: 0.5 * u, "dull"), (lambda u: u, "right")],
)
def test_the_pool_knows_what_bent_scores_mean(
    bend: Callable[[torch.Tensor], torch.Tensor], name: str
) -> None:
    p, y = calibrated(20_000, 3, seed=4)
    scores = bend(p.logit()).sigmoid()
    expected = ScorePool.of(scores, y).expected_targets(scores)
    assert (expected - p).abs().max() < 0.04, name


def test_a_pool_of_nothing_takes_scores_at_their_word() -> None:
    p = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
    nothing = ScorePool.of(torch.empty(0, 1), torch.empty(0, 1))
    assert torch.allclose(nothing.expected_targets(p), p, atol=1e-6)


# ---------------------------------------------------------------------------------- sample weights


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 40))
def test_whole_weights_are_repeated_rows(objective: Objective, seed: int, rows: int) -> None:
    """But for the number of rows: each is one, and only rows of weight 0 are none."""
    random = torch.Generator().manual_seed(seed)
    p = torch.randint(8, (rows, 3), generator=random).double() / 7
    y = torch.randint(2, (rows, 3), generator=random).double()
    y[torch.rand(y.shape, generator=random) < 0.1] = NAN
    weights = torch.randint(4, (rows,), generator=random).double()
    ours = choose_thresholds(p, y, own(objective), weights)
    counted, times = weights > 0, weights.long()
    assert torch.equal(ours.positives, (y[counted] == 1).sum(dim=0))
    removed = choose_thresholds(p[counted], y[counted], own(objective), weights[counted])
    assert torch.equal(ours.values, removed.values)
    assert torch.equal(ours.values, choose_thresholds(p, y, own(objective), 0.25 * weights).values)
    repeated = choose_thresholds(
        p.repeat_interleave(times, dim=0), y.repeat_interleave(times, dim=0), own(objective)
    )
    # a lone row of weight 2 is one row, and two rows where it is repeated
    known = ~y[counted].isnan()
    supports = ((p[counted] >= repeated.values) & known).sum(dim=0) >= SUPPORT
    assert torch.equal(ours.values[supports], repeated.values[supports])


def test_the_scale_of_weights_makes_no_difference_to_the_pool() -> None:
    p, y = calibrated(200, 3, seed=6)
    weights = 0.1 + torch.rand(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pools = [ScorePool.of(p, y, scale * weights) for scale in (1e-3, 1.0, 1e3)]
    for pool in pools[1:]:
        assert torch.allclose(pool.positives, pools[0].positives)
        assert torch.allclose(pool.expected_targets(p), pools[0].expected_targets(p))


def test_weights_move_the_threshold() -> None:
    """The negative between the positives is let through, unless it weighs more than one of them."""
    p = torch.tensor([[0.9], [0.8], [0.6], [0.5], [0.2]], dtype=torch.float64)
    y = torch.tensor([[1.0], [1.0], [0.0], [1.0], [0.0]])
    light = torch.tensor([0.5, 0.5, 0.1, 1.0, 1.0])
    heavy = torch.tensor([0.5, 0.5, 9.0, 1.0, 1.0])
    chosen = [choose_thresholds(p, y, own("f1"), w).values.item() for w in (light, heavy)]
    assert chosen == pytest.approx([0.35, 0.7])


def bound(p: torch.Tensor, y: torch.Tensor, groups: torch.Tensor | None = None) -> list[float]:
    """Return the interval of the threshold of one label for F1, at 90 %."""
    units, pool = Units.of(len(y), groups), ScorePool.of(p, y)
    ends = bound_thresholds(p, y, own("f1"), units, 60, confidence=0.9, weights=None, pool=pool)
    interval: list[float] = ends[0].tolist()
    return interval


def test_an_interval_is_of_the_thresholds_of_resampled_rows() -> None:
    cells = torch.tensor(np.stack(draw_rows(0, 80, 40)[:2]))
    p, y = cells[0][:, None], cells[1][:, None]
    random, found = np.random.default_rng(0), []
    for _ in range(60):
        rows = np.sort(random.integers(80, size=80))
        found.append(float(choose_thresholds(p[rows], y[rows], own("f1")).values))
    assert bound(p, y) == pytest.approx(np.quantile(found, [0.05, 0.95]))


def test_rows_that_vary_together_widen_it() -> None:
    cells = torch.tensor(np.stack(draw_rows(1, 150, 100)[:2]))
    p, y = (side.repeat_interleave(4)[:, None] for side in cells)
    low, high = bound(p, y, torch.arange(150).repeat_interleave(4))
    narrow_low, narrow_high = bound(p, y)
    assert high - low > narrow_high - narrow_low


def test_thresholds_are_drawn_where_they_are_searched_and_there_is_time() -> None:
    assert count_draws(1000, 2, 200, own("f1")) == 200
    assert count_draws(MOST_CELLS // 100, 1, 200, own("f1")) == 100
    assert count_draws(MOST_CELLS // 10, 1, 200, own("f1")) == 0
    assert count_draws(1000, 2, 0, own("f1")) == 0
    assert count_draws(1000, 2, 200, own("half")) == 0
    assert count_draws(1000, 2, 200, own("cost")) == 0
