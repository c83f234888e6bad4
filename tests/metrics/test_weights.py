"""Weights of cells: each label's metrics are scikit-learn's with the weights of that label."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
import torch

from imbalance_cli.config import ThresholdsSection
from imbalance_cli.decisions.calibration import fit_calibration
from imbalance_cli.decisions.thresholds import ScorePool, choose_thresholds
from imbalance_cli.errors import EvaluationError
from imbalance_cli.evaluation import DenseRows, Evaluation, Grouping, Resampling, evaluate_rows
from imbalance_cli.metrics import (
    Confusion,
    Ranking,
    average_precision_of,
    brier,
    judge_rows,
    log_loss,
    multilabel_metrics,
    roc_auc,
    simplify_weights,
    weights_of_rows,
)

ROWS, LABELS = 120, 3
NAMES = ["a", "b", "c"]


def draw(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return probabilities with ties, targets with missing cells, and weights, (N, L) each."""
    random = np.random.default_rng(seed)
    p = random.integers(1, 60, (ROWS, LABELS)) / 60
    y = (random.random((ROWS, LABELS)) < p).astype(float)
    y[random.random((ROWS, LABELS)) < 0.2] = np.nan
    w = random.integers(1, 5, (ROWS, LABELS)).astype(float)
    return torch.from_numpy(p), torch.from_numpy(y), torch.from_numpy(w)


P, Y, W = draw()


def evaluate(
    p: torch.Tensor, y: torch.Tensor, w: torch.Tensor | None, replicates: int = 0
) -> Evaluation:
    """Return the numbers of labels at thresholds of a half."""
    labels = y.shape[1]
    halves = Grouping("half", ["first", "second"], np.arange(len(y)) % 2)
    return evaluate_rows(
        DenseRows(p, y, p**2),
        torch.full((labels,), 0.5, dtype=torch.float64),
        NAMES[:labels],
        part="test",
        source="t.csv",
        learnable=[True] * labels,
        resampling=Resampling(replicates),
        weights=w,
        slices=[halves],
    )


@pytest.mark.parametrize("label", range(LABELS))
def test_each_label_has_its_weights(label: int) -> None:
    known = ~Y[:, label].isnan()
    p, y, w = (cells[known, label].numpy() for cells in (P, Y, W))
    options = {"sample_weight": w}
    found = {
        "average_precision": average_precision_of(P, Y, W),
        "roc_auc": roc_auc(Ranking.of(P, Y, W)),
        "brier": brier(P, Y, W),
        "log_loss": log_loss(P, Y, W),
        "f1": Confusion.of(P >= 0.5, Y, W).f_beta(),
        "mcc": Confusion.of(P >= 0.5, Y, W).mcc(),
    }
    wanted = {
        "average_precision": reference.average_precision_score(y, p, **options),
        "roc_auc": reference.roc_auc_score(y, p, **options),
        "brier": reference.brier_score_loss(y, p, **options),
        "log_loss": reference.log_loss(y, p, **options),
        "f1": reference.f1_score(y, p >= 0.5, **options),
        "mcc": reference.matthews_corrcoef(y, p >= 0.5, **options),
    }
    assert {name: float(values[label]) for name, values in found.items()} == pytest.approx(wanted)
    metrics = evaluate(P, Y, W).labels[label].metrics
    assert {name: metrics[name].value for name in wanted} == pytest.approx(wanted)


def test_whole_weights_of_cells_are_repeated_cells() -> None:
    for label in range(LABELS):
        rows = np.repeat(np.arange(ROWS), W[:, label].long().numpy())
        p, y = P[rows, label, None], Y[rows, label, None]
        for metric in (brier, log_loss):
            own = metric(P, Y, weights=W)[label]
            torch.testing.assert_close(own, metric(p, y)[0])


def test_all_cells_together_are_those_of_a_flat_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    known = ~Y.isnan()
    p, y, w = (cells[known].numpy() for cells in (P, Y, W))
    wanted = {
        "average_precision": reference.average_precision_score(y, p, sample_weight=w),
        "roc_auc": reference.roc_auc_score(y, p, sample_weight=w),
        "log_loss": reference.log_loss(y, p, sample_weight=w),
        "f1": reference.f1_score(y, p >= 0.5, sample_weight=w),
    }
    few = evaluate(P, Y, W).micro
    monkeypatch.setattr("imbalance_cli.evaluation.pooling.POOLED_AT_ONCE", 0)
    many = evaluate(P, Y, W).micro
    for micro in (few, many):
        assert {name: micro[name] for name in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize("label", range(LABELS))
def test_a_label_has_the_intervals_that_it_has_alone(label: int) -> None:
    together = evaluate(P, Y, W, 50)
    one = slice(label, label + 1)
    alone = evaluate(P[:, one], Y[:, one], W[:, label], 50)
    found, wanted = together.labels[label], alone.labels[0]
    assert found.metrics == wanted.metrics
    assert found.untuned == wanted.untuned
    assert (found.prevalence, found.support) == (wanted.prevalence, wanted.support)
    assert together.slices is not None
    assert alone.slices is not None
    of_label = [entry for entry in together.slices.groups if entry.label == NAMES[label]]
    for mine, its in zip(of_label, alone.slices.groups, strict=True):
        assert (mine.group, mine.prevalence, mine.decided) == (
            its.group,
            its.prevalence,
            its.decided,
        )


def test_cells_of_a_row_that_weigh_alike_are_a_weighted_row() -> None:
    of_rows = W[:, 0]
    of_cells = of_rows[:, None].expand(ROWS, LABELS).contiguous()
    found, wanted = (evaluate(P, Y, w, 20) for w in (of_cells, of_rows))
    for mine, its in zip(found.labels, wanted.labels, strict=True):
        assert mine.metrics == its.metrics
    assert found.micro == pytest.approx(wanted.micro)
    assert found.macro == wanted.macro
    assert found.multilabel == pytest.approx(wanted.multilabel)
    known = ~Y.isnan()
    own = weights_of_rows(of_cells, known)
    assert own is not None
    torch.testing.assert_close(own[known.any(dim=1)], of_rows[known.any(dim=1)])


def test_hamming_loss_weighs_every_cell() -> None:
    sums = judge_rows(P, P >= 0.5, Y, W).sum(dim=1)
    known = ~Y.isnan()
    wanted = reference.zero_one_loss(
        Y[known].numpy(), (P >= 0.5)[known].double().numpy(), sample_weight=W[known].numpy()
    )
    assert multilabel_metrics(sums)["hamming_loss"] == pytest.approx(wanted)


@pytest.mark.parametrize("method", ["auto", "temperature", "platt", "quadratic"])
def test_a_label_is_calibrated_as_alone(method: str) -> None:
    odds = P.clamp(0.01, 0.99).logit() * 2 + 0.5
    together = fit_calibration(odds, Y, method, W)  # type: ignore[arg-type]
    for label in range(LABELS):
        one = slice(label, label + 1)
        alone = fit_calibration(odds[:, one], Y[:, one], method, W[:, label])  # type: ignore[arg-type]
        for name, values in alone._tensors().items():
            assert torch.equal(getattr(together, name)[one], values)


@pytest.mark.parametrize(
    ("objective", "target"), [("f1", None), ("mcc", None), ("top_k", 0.2), ("cost", None)]
)
def test_a_label_is_cut_as_alone(objective: str, target: float | None) -> None:
    settings = ThresholdsSection(objective=objective, target=target, minimum_positives=0)  # type: ignore[arg-type]
    together = choose_thresholds(P, Y, settings, W)
    for label in range(LABELS):
        one = slice(label, label + 1)
        alone = choose_thresholds(P[:, one], Y[:, one], settings, W[:, label])
        assert torch.equal(together.values[one], alone.values)
        assert torch.equal(together.counts.true_positives[one], alone.counts.true_positives)


def test_a_pool_is_the_sum_of_its_labels() -> None:
    whole = ScorePool.of(P, Y, W)
    parts = [ScorePool.of(P[:, [i]], Y[:, [i]], W[:, [i]]) for i in range(LABELS)]
    summed = parts[0] + parts[1] + parts[2]
    torch.testing.assert_close(whole.positives, summed.positives)
    known = float((~Y.isnan()).sum())
    assert float((whole.positives + whole.negatives).sum()) == pytest.approx(known)
    times_seven = ScorePool.of(P, Y, 7 * W)
    torch.testing.assert_close(whole.negatives, times_seven.negatives)


def test_cells_that_all_weigh_alike_have_no_weights() -> None:
    weights, (kept,) = simplify_weights(torch.full((3, 2), 4.0), torch.arange(3))
    assert weights is None
    assert kept.tolist() == [0, 1, 2]
    weights, (kept,) = simplify_weights(torch.tensor([[0.0, 0], [0, 2]]), torch.arange(2))
    assert weights is not None
    assert weights.tolist() == [[0, 2]]
    assert kept.tolist() == [1]


@pytest.mark.parametrize("shape", [(ROWS, 2), (LABELS,), (ROWS, LABELS, 1)])
def test_weights_of_other_cells_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EvaluationError, match="weights of shape"):
        evaluate(P, Y, torch.ones(shape))
    with pytest.raises(EvaluationError, match="weights of shape"):
        log_loss(P, Y, torch.ones(shape))
