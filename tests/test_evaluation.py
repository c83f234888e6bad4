"""An Evaluation holds scikit-learn's numbers, intervals that cover, and None where undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as reference
import torch

from imbalance_cli.evaluation import (
    METRICS,
    Estimate,
    Evaluation,
    Resampling,
    evaluate_scores,
)
from imbalance_cli.metrics import Ranking, average_precision, roc_auc

NAN = math.nan
STATISTICS = {"average_precision": average_precision, "roc_auc": roc_auc}


def simulate(rows: int, labels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities and targets, (N, L)."""
    random = torch.Generator().manual_seed(seed)
    p = torch.rand(rows, labels, generator=random, dtype=torch.float64)
    return p, (torch.rand(rows, labels, generator=random, dtype=torch.float64) < p**2).double()


def evaluate(
    p: torch.Tensor,
    y: torch.Tensor,
    learnable: list[bool],
    replicates: int = 20,
    weights: torch.Tensor | None = None,
) -> Evaluation:
    labels = p.shape[1]
    return evaluate_scores(
        p,
        y,
        torch.full((labels,), 0.5, dtype=torch.float64),
        [f"y_{i}" for i in range(labels)],
        part="test",
        source="rows.csv",
        learnable=learnable,
        resampling=Resampling(replicates=replicates),
        weights=weights,
    )


def test_numbers_of_each_label() -> None:
    p, y = simulate(400, 3, seed=0)
    y[:50, 1] = NAN
    evaluation = evaluate(p, y, [True, True, True])
    assert (evaluation.part, evaluation.source, evaluation.rows) == ("test", "rows.csv", 400)
    for i, entry in enumerate(evaluation.labels):
        known = ~y[:, i].isnan().numpy()
        truth, scores = y[known, i].numpy(), p[known, i].numpy()
        assert entry.label == f"y_{i}"
        assert entry.support == known.sum()
        assert entry.positives == truth.sum()
        assert entry.prevalence == pytest.approx(truth.mean())
        assert entry.threshold == 0.5
        assert entry.average_precision.value == pytest.approx(
            reference.average_precision_score(truth, scores), abs=1e-9
        )
        assert entry.roc_auc.value == pytest.approx(
            reference.roc_auc_score(truth, scores), abs=1e-9
        )
        assert entry.f1.value == pytest.approx(reference.f1_score(truth, scores >= 0.5), abs=1e-9)
        assert entry.log_loss.value == pytest.approx(reference.log_loss(truth, scores), abs=1e-9)
        for estimate in (entry.average_precision, entry.roc_auc):
            assert estimate.low is not None
            assert estimate.value is not None
            assert estimate.high is not None
            assert estimate.low < estimate.value < estimate.high


def test_macro_and_micro_leave_out_what_cannot_be_learned() -> None:
    p, y = simulate(300, 3, seed=1)
    both = evaluate(p[:, :2], y[:, :2], [True, True])
    evaluation = evaluate(p, y, [True, True, False])
    assert evaluation.macro == both.macro
    assert evaluation.micro == both.micro
    first, second = (entry.roc_auc.value for entry in both.labels)
    assert first is not None
    assert second is not None
    assert both.macro["roc_auc"] == pytest.approx((first + second) / 2)
    assert both.micro["average_precision"] == pytest.approx(
        reference.average_precision_score(y[:, :2].flatten(), p[:, :2].flatten()), abs=1e-9
    )
    assert both.micro["recall"] == pytest.approx(
        reference.recall_score(y[:, :2].flatten(), p[:, :2].flatten() >= 0.5), abs=1e-9
    )


def test_undefined_is_none() -> None:
    p = torch.full((4, 3), 0.2, dtype=torch.float64)
    y = torch.tensor([[0.0, NAN, 1.0]] * 4)
    evaluation = evaluate(p, y, [True, True, True])
    none, missing, _ = evaluation.labels
    assert none.average_precision.value is None
    assert none.average_precision.low is None
    assert none.recall.value is None
    assert none.brier.value == pytest.approx(0.04)
    assert missing.prevalence is None
    assert missing.brier.value is None
    assert missing.support == 0
    assert tuple(evaluation.macro) == METRICS


def test_a_label_that_was_not_learned_has_no_numbers() -> None:
    p, y = simulate(50, 2, seed=2)
    evaluation = evaluate(p, y, [False, False])
    for label in evaluation.labels:
        assert label.positives > 0
        assert set(label.estimates().values()) == {Estimate(None)}
        assert label.threshold is None
    assert set(evaluation.macro.values()) == {None}
    assert set(evaluation.micro.values()) == {None}


def test_to_dict_is_plain_data() -> None:
    p, y = simulate(50, 1, seed=2)
    document = evaluate(p, y, [True]).to_dict()
    assert set(document["labels"][0]["average_precision"]) == {"value", "low", "high"}
    assert document["replicates"] == 20


def test_flat_rows() -> None:
    p, y = simulate(50, 2, seed=2)
    evaluation = evaluate(p, y, [True, True])
    rows = evaluation.flat_rows()
    assert [row["label"] for row in rows] == ["y_0", "y_1"]
    for row, entry in zip(rows, evaluation.labels, strict=True):
        assert row["roc_auc"] == entry.roc_auc.value
        assert (row["roc_auc_low"], row["roc_auc_high"]) == (entry.roc_auc.low, entry.roc_auc.high)
        assert row["f1"] == entry.f1.value


def test_bootstrap_equals_naive_resampling() -> None:
    """Rows drawn with replacement within each class, and scikit-learn on what was drawn."""
    p, y = simulate(150, 1, seed=3)
    resampling = Resampling(replicates=800, confidence=0.9, seed=1)
    intervals = bootstrap_intervals(Ranking.of(p, y), STATISTICS, resampling)
    random = np.random.default_rng(0)
    scores, truth = p[:, 0].numpy(), y[:, 0].numpy()
    classes = [np.flatnonzero(truth == side) for side in (0, 1)]
    draws: dict[str, list[float]] = {name: [] for name in STATISTICS}
    for _ in range(800):
        rows = np.concatenate([random.choice(side, len(side)) for side in classes])
        draws["average_precision"].append(
            reference.average_precision_score(truth[rows], scores[rows])
        )
        draws["roc_auc"].append(reference.roc_auc_score(truth[rows], scores[rows]))
    for name, values in draws.items():
        wanted = np.quantile(values, [0.05, 0.95])
        low, high = intervals[name]
        np.testing.assert_allclose([low.item(), high.item()], wanted, atol=0.015)


def test_every_replicate_has_as_many_of_each_class() -> None:
    p, y = simulate(60, 2, seed=4)
    y[:20, 1] = NAN
    seen = []

    def count(ranking: Ranking) -> torch.Tensor:
        seen.append(torch.stack([ranking.positives.sum(dim=1), ranking.negatives.sum(dim=1)]))
        return ranking.positives.sum(dim=1)

    bootstrap_intervals(Ranking.of(p, y), {"count": count}, Resampling(replicates=30))
    wanted = torch.stack([(y == 1).sum(dim=0), (y == 0).sum(dim=0)]).double()
    assert all(torch.equal(counts, wanted) for counts in seen)


def test_interval_covers_the_truth() -> None:
    """95 % intervals of the AUC of 200 data sets, each a label, of scores N(1, 1) and N(0, 1)."""
    random = torch.Generator().manual_seed(5)
    y = torch.zeros(300, 200, dtype=torch.float64)
    y[:60] = 1
    scores = torch.randn(300, 200, generator=random, dtype=torch.float64) + y
    truth = 0.5 * (1 + math.erf(1 / 2))  # P(N(1, 2) > 0)
    resampling = Resampling(replicates=200)
    low, high = bootstrap_intervals(Ranking.of(scores, y), STATISTICS, resampling)["roc_auc"]
    assert 0.90 <= ((low <= truth) & (truth <= high)).double().mean().item() <= 0.99


def test_too_few_for_an_interval() -> None:
    p, y = simulate(40, 2, seed=6)
    y[:, 0] = 0
    y[0, 0] = 1
    ranking = Ranking.of(p, y)
    low, high = bootstrap_intervals(ranking, STATISTICS, Resampling())["roc_auc"]
    assert low.isnan().tolist() == high.isnan().tolist() == [True, False]
    low, _ = bootstrap_intervals(ranking, STATISTICS, Resampling(replicates=0))["roc_auc"]
    assert low.isnan().all()


def test_same_seed_same_interval() -> None:
    ranking = Ranking.of(*simulate(80, 2, seed=7))
    first, again, other = (
        bootstrap_intervals(ranking, STATISTICS, Resampling(seed=seed))["roc_auc"][0]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# ---------------------------------------------------------------------------------- sample weights


def simulate_weighted(
    rows: int, labels: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return probabilities and targets (N, L), of which some are missing, and whole weights."""
    p, y = simulate(rows, labels, seed)
    random = torch.Generator().manual_seed(seed)
    y[torch.rand(y.shape, generator=random) < 0.1] = NAN
    return p, y, torch.randint(5, (rows,), generator=random).float()


def numbers_of(evaluation: Evaluation) -> dict[str, float | None]:
    """Return every point estimate but the two that count rows: of bins, and of a budget."""
    numbers = {
        f"{row['label']}/{name}": row[name]
        for row in evaluation.flat_rows()
        for name in ("prevalence", *METRICS)
    }
    numbers |= {f"macro/{name}": value for name, value in evaluation.macro.items()}
    numbers |= {f"micro/{name}": value for name, value in evaluation.micro.items()}
    of_rows = ("/ece", "/precision_at_k")
    return {name: value for name, value in numbers.items() if not name.endswith(of_rows)}


def test_whole_weights_are_repeated_rows() -> None:
    p, y, weights = simulate_weighted(200, 3, seed=8)
    ours = evaluate(p, y, [True, True, False], weights=weights)
    repeated = [tensor.repeat_interleave(weights.long(), dim=0) for tensor in (p, y)]
    wanted = evaluate(repeated[0], repeated[1], [True, True, False])
    assert numbers_of(ours) == pytest.approx(numbers_of(wanted), abs=1e-9)


def test_counts_of_weighted_rows_are_counts_of_rows() -> None:
    p, y, weights = simulate_weighted(200, 2, seed=9)
    counted = weights > 0
    evaluation = evaluate(p, y, [True, True], weights=weights)
    assert evaluation.rows == int(counted.sum())
    for i, entry in enumerate(evaluation.labels):
        truth = y[counted, i]
        assert entry.support == int((~truth.isnan()).sum())
        assert entry.positives == int((truth == 1).sum())
        share = np.average(truth.nan_to_num(), weights=weights[counted] * ~truth.isnan())
        assert entry.prevalence == pytest.approx(share)


def test_a_row_of_weight_zero_is_not_there() -> None:
    """Nor in the intervals."""
    p, y, weights = simulate_weighted(200, 2, seed=10)
    counted = weights > 0
    ours = evaluate(p, y, [True, True], weights=weights)
    assert ours == evaluate(p[counted], y[counted], [True, True], weights=weights[counted])


def test_weights_that_are_alike_change_nothing_to_the_bit() -> None:
    p, y, _ = simulate_weighted(200, 2, seed=11)
    plain = evaluate(p, y, [True, True])
    assert evaluate(p, y, [True, True], weights=torch.full((200,), 0.3)) == plain


@pytest.mark.parametrize("scale", [0.25, 64.0])
def test_the_scale_of_the_weights_says_nothing(scale: float) -> None:
    p, y, weights = simulate_weighted(200, 2, seed=12)
    ours = evaluate(p, y, [True, True], weights=scale * weights)
    assert ours == evaluate(p, y, [True, True], weights=weights)


def test_weighted_bootstrap_equals_naive_resampling() -> None:
    """Rows drawn within each class, each with its weight: heavy rows widen the interval."""
    p, y = simulate(150, 1, seed=13)
    weights = torch.rand(150, generator=torch.Generator().manual_seed(0)).double() ** 4
    resampling = Resampling(replicates=800, confidence=0.9, seed=1)
    intervals = bootstrap_intervals(Ranking.of(p, y, weights), STATISTICS, resampling)
    random = np.random.default_rng(0)
    scores, truth, w = p[:, 0].numpy(), y[:, 0].numpy(), weights.numpy()
    classes = [np.flatnonzero(truth == side) for side in (0, 1)]
    draws: dict[str, list[float]] = {name: [] for name in STATISTICS}
    metrics = {
        "average_precision": reference.average_precision_score,
        "roc_auc": reference.roc_auc_score,
    }
    for _ in range(800):
        rows = np.concatenate([random.choice(side, len(side)) for side in classes])
        for name, metric in metrics.items():
            draws[name].append(metric(truth[rows], scores[rows], sample_weight=w[rows]))
    plain = bootstrap_intervals(Ranking.of(p, y), STATISTICS, resampling)
    for name, values in draws.items():
        low, high = intervals[name]
        wanted = np.quantile(values, [0.05, 0.95])
        np.testing.assert_allclose([low.item(), high.item()], wanted, atol=0.02)
        assert high - low > plain[name][1] - plain[name][0]


def test_one_heavy_row_is_too_few_for_an_interval() -> None:
    """Rows are what is drawn: a positive of weight 100 is one positive."""
    p, y = simulate(40, 1, seed=14)
    y[:] = 0
    y[3] = 1
    weights = torch.ones(40, dtype=torch.float64)
    weights[3] = 100
    low, _ = bootstrap_intervals(Ranking.of(p, y, weights), STATISTICS, Resampling())["roc_auc"]
    assert low.isnan().all()
