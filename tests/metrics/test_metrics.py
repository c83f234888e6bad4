"""Every metric equals scikit-learn's, on random and degenerate inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imbalance_cli.errors import EvaluationError
from imbalance_cli.metrics import (
    Confusion,
    Ranking,
    average_precision,
    average_precision_of,
    brier,
    expected_calibration_error,
    log_loss,
    macro,
    roc_auc,
    simplify_weights,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NAN = math.nan


@st.composite
def labelled_scores(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Draw probabilities with many ties, and targets of which some are missing: (N, L) each."""
    shape = draw(st.tuples(st.integers(1, 30), st.integers(1, 4)))
    scores = draw(arrays(np.float64, shape, elements=st.sampled_from([0, 0.1, 0.25, 0.5, 0.9, 1])))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, NAN])))
    return scores, targets


def expected(name: str, scores: Floats, targets: Floats, **options: Any) -> list[float]:  # noqa: ANN401 - as scikit-learn
    """Return scikit-learn's metric of each label, without its missing cells; NaN if undefined."""
    values = []
    for p, y in zip(scores.T, targets.T, strict=True):
        known = ~np.isnan(y)
        p_known, y_known = p[known], y[known].astype(int)
        classes = set(y_known.tolist())
        needed = {"average_precision_score": {1}, "roc_auc_score": {0, 1}}.get(name, set())
        if not classes or not needed <= classes:
            values.append(NAN)
            continue
        values.append(float(getattr(reference, name)(y_known, p_known, **options)))
    return values


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("average_precision_score", {}),
        ("roc_auc_score", {}),
        ("log_loss", {"labels": [0, 1]}),
        ("brier_score_loss", {"labels": [0, 1]}),
    ],
)
@settings(deadline=None, max_examples=100)
@given(cells=labelled_scores())
def test_equals_sklearn(name: str, options: dict[str, Any], cells: tuple[Floats, Floats]) -> None:
    scores, targets = torch.from_numpy(cells[0]), torch.from_numpy(cells[1])
    values = {
        "average_precision_score": lambda: average_precision(Ranking.of(scores, targets)),
        "roc_auc_score": lambda: roc_auc(Ranking.of(scores, targets)),
        "log_loss": lambda: log_loss(scores, targets),
        "brier_score_loss": lambda: brier(scores, targets),
    }[name]()
    np.testing.assert_allclose(
        values.numpy(), expected(name, *cells, **options), rtol=1e-9, atol=1e-9
    )


@settings(deadline=None, max_examples=100)
@given(cells=labelled_scores(), is_weighted=st.booleans())
def test_average_precision_is_that_of_the_ranking(
    cells: tuple[Floats, Floats],
    is_weighted: bool,  # noqa: FBT001  drawn
) -> None:
    scores, targets = (torch.from_numpy(part) for part in cells)
    weights = torch.arange(1.0, len(scores) + 1) if is_weighted else None
    wanted = average_precision(Ranking.of(scores, targets, weights))
    found = average_precision_of(scores, targets, weights)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 1000])
def test_continuous_scores(rows: int) -> None:
    random = np.random.default_rng(rows)
    scores = random.random((rows, 3))
    targets = (random.random((rows, 3)) < 0.1).astype(float)
    ranking = Ranking.of(torch.from_numpy(scores), torch.from_numpy(targets))
    for metric, name in (
        (average_precision, "average_precision_score"),
        (roc_auc, "roc_auc_score"),
    ):
        np.testing.assert_allclose(
            metric(ranking).numpy(), expected(name, scores, targets), rtol=1e-9
        )


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31), levels=st.integers(1, 50))
def test_sample_weights(seed: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, 40) / levels
    targets = (random.random(40) < 0.3).astype(float)
    targets[:2] = 0, 1
    weights = random.integers(0, 4, 40) * random.random(40)
    weights[:2] = 1
    ranking = Ranking.of(torch.from_numpy(scores[:, None]), torch.from_numpy(targets[:, None]))
    weighted = ranking.reweighted(torch.from_numpy(weights)[ranking.order])
    for metric, theirs in (
        (average_precision, reference.average_precision_score),
        (roc_auc, reference.roc_auc_score),
    ):
        wanted = theirs(targets, scores, sample_weight=weights)
        assert metric(weighted).item() == pytest.approx(wanted, abs=1e-9)


def test_the_order_of_a_ranking_is_that_of_its_rows() -> None:
    scores = torch.tensor([[0.1, 0.5], [0.9, 0.5], [0.4, 0.7]])
    ranking = Ranking.of(scores, torch.zeros(3, 2))
    assert ranking.order.tolist() == [[1, 2, 0], [2, 0, 1]]
    assert torch.equal(scores.double().T.gather(1, ranking.order), ranking.scores)


def test_no_rows_is_undefined() -> None:
    scores, targets = torch.empty(0, 2), torch.empty(0, 2)
    ranking = Ranking.of(scores, targets)
    values = [average_precision(ranking), roc_auc(ranking)]
    values += [f(scores, targets) for f in (log_loss, brier, expected_calibration_error)]
    for value in values:
        assert value.shape == (2,)
        assert value.isnan().all()
    assert Ranking.of(torch.empty(0, 0), torch.empty(0, 0)).scores.shape == (0, 0)


def test_nan_probability_is_not_taken_for_a_missing_cell() -> None:
    p, y = torch.tensor([[NAN], [0.5]]), torch.tensor([[1.0], [0.0]])
    assert log_loss(p, y).isnan().all()
    assert brier(p, y).isnan().all()


@settings(deadline=None, max_examples=100)
@given(cells=labelled_scores())
def test_confusion_equals_sklearn(cells: tuple[Floats, Floats]) -> None:
    scores, targets = cells
    decisions = scores >= 0.5
    confusion = Confusion.of(torch.from_numpy(decisions), torch.from_numpy(targets))
    ours = {
        "precision_score": confusion.precision(),
        "recall_score": confusion.recall(),
        "f1_score": confusion.f_beta(),
        "fbeta_score": confusion.f_beta(2.0),
        "matthews_corrcoef": confusion.mcc(),
        "balanced_accuracy_score": confusion.balanced_accuracy(),
    }
    for label, (d, y) in enumerate(zip(decisions.T, targets.T, strict=True)):
        known = ~np.isnan(y)
        truth, decided = y[known].astype(int), d[known].astype(int)
        both = len(set(truth.tolist())) == 2
        defined = {
            "precision_score": bool(decided.any()),
            "recall_score": bool(truth.any()),
            "f1_score": bool(truth.any()),
            "fbeta_score": bool(truth.any()),
            "matthews_corrcoef": both,
            "balanced_accuracy_score": both,
        }
        options: dict[str, dict[str, float]] = {"fbeta_score": {"beta": 2.0}}
        for name, values in ours.items():
            if defined[name]:
                wanted = getattr(reference, name)(truth, decided, **options.get(name, {}))
                assert values[label].item() == pytest.approx(wanted, abs=1e-9), name
            else:
                assert values[label].isnan(), name


def test_confusion_of_all_labels_together() -> None:
    decisions = torch.tensor([[True, False], [True, True], [False, True]])
    targets = torch.tensor([[1.0, 1.0], [0.0, NAN], [0.0, 1.0]])
    total = Confusion.of(decisions, targets).total()
    truth, decided = [1, 1, 0, 0, 1], [1, 0, 1, 0, 1]
    assert total.precision().tolist() == [reference.precision_score(truth, decided)]
    assert total.recall().tolist() == [reference.recall_score(truth, decided)]
    assert total.specificity().tolist() == [0.5]


def naive_ece(p: Floats, y: Floats, bins: int) -> float:
    order = np.argsort(p, kind="stable")
    gaps = [
        abs(p[part].mean() - y[part].mean()) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return float(sum(gaps) / len(p))


@pytest.mark.parametrize("rows", [1, 7, 10, 503])
def test_calibration_error(rows: int) -> None:
    random = np.random.default_rng(rows)
    p = random.random(rows)
    y = (random.random(rows) < p).astype(float)
    p_missing, y_missing = np.append(p, [0.1, 0.9]), np.append(y, [NAN, NAN])
    value = expected_calibration_error(
        torch.from_numpy(p_missing[:, None]), torch.from_numpy(y_missing[:, None])
    )
    assert value.item() == pytest.approx(naive_ece(p, y, 10), abs=1e-12)


def test_calibration_error_of_ties_does_not_depend_on_the_order_of_rows() -> None:
    """A constant prediction of the prevalence is calibrated, also if the positives come first."""
    y = torch.cat([torch.ones(10, 1), torch.zeros(90, 1)])
    p = torch.full((100, 1), 0.1)
    assert expected_calibration_error(p, y).item() == pytest.approx(0, abs=1e-8)
    assert expected_calibration_error(p, y.flip(0)).item() == pytest.approx(0, abs=1e-8)
    assert expected_calibration_error(p + 0.2, y).item() == pytest.approx(0.2)


def test_macro() -> None:
    assert macro(torch.tensor([0.25, NAN, 0.75])) == 0.5
    assert macro(torch.tensor([NAN])) is None
    assert macro(torch.tensor([])) is None


# ---------------------------------------------------------------------------------- sample weights


@st.composite
def weighted_scores(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw scores and targets (N, L), and whole weights (N,), some of them 0."""
    scores, targets = draw(labelled_scores())
    weights = draw(arrays(np.float64, len(scores), elements=st.integers(0, 4).map(float)))
    return torch.from_numpy(scores), torch.from_numpy(targets), torch.from_numpy(weights)


def all_metrics(
    p: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    """Return every metric of (N, L)."""
    ranking, confusion = Ranking.of(p, y, weights), Confusion.of(p >= 0.5, y, weights)
    return {
        "average_precision": average_precision(ranking),
        "roc_auc": roc_auc(ranking),
        "log_loss": log_loss(p, y, weights),
        "brier": brier(p, y, weights),
        "precision": confusion.precision(),
        "recall": confusion.recall(),
        "specificity": confusion.specificity(),
        "prevalence": confusion.prevalence(),
        "f1": confusion.f_beta(),
        "f2": confusion.f_beta(2.0),
        "balanced_accuracy": confusion.balanced_accuracy(),
        "mcc": confusion.mcc(),
        "micro_f1": confusion.total().f_beta(),
    }


def assert_same(ours: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    for name, values in ours.items():
        torch.testing.assert_close(
            values, wanted[name], rtol=1e-9, atol=1e-9, equal_nan=True, msg=name
        )


WEIGHTED = {
    "average_precision_score": lambda p, y, w: average_precision(Ranking.of(p, y, w)),
    "roc_auc_score": lambda p, y, w: roc_auc(Ranking.of(p, y, w)),
    "log_loss": log_loss,
    "brier_score_loss": brier,
    "precision_score": lambda p, y, w: Confusion.of(p >= 0.5, y, w).precision(),
    "recall_score": lambda p, y, w: Confusion.of(p >= 0.5, y, w).recall(),
    "f1_score": lambda p, y, w: Confusion.of(p >= 0.5, y, w).f_beta(),
    "matthews_corrcoef": lambda p, y, w: Confusion.of(p >= 0.5, y, w).mcc(),
    "balanced_accuracy_score": lambda p, y, w: Confusion.of(p >= 0.5, y, w).balanced_accuracy(),
}


@pytest.mark.parametrize("name", WEIGHTED)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 80), levels=st.integers(1, 60))
def test_weighted_metrics_equal_sklearn(name: str, seed: int, rows: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    p = random.integers(0, levels + 1, rows) / levels
    y = (random.random(rows) < 0.3).astype(float)
    y[:2], p[0] = (0, 1), 0.75
    weights = random.random(rows) * 10.0 ** random.integers(-3, 4)
    metric: Callable[..., torch.Tensor] = WEIGHTED[name]
    ours = metric(
        torch.from_numpy(p[:, None]), torch.from_numpy(y[:, None]), torch.from_numpy(weights)
    )
    scored = name in {
        "average_precision_score",
        "roc_auc_score",
        "log_loss",
        "brier_score_loss",
    }
    wanted = getattr(reference, name)(y, p if scored else p >= 0.5, sample_weight=weights)
    assert ours.item() == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(cells=weighted_scores())
def test_whole_weights_are_repeated_rows(
    cells: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """A row of weight 0 is not there, whatever its cells hold."""
    p, y, weights = cells
    hidden = p.where(weights[:, None] > 0, NAN)
    ours = all_metrics(hidden, y, weights)
    p, y = (tensor.repeat_interleave(weights.long(), dim=0) for tensor in (p, y))
    assert_same(ours, all_metrics(p, y, None))


@settings(deadline=None, max_examples=100)
@given(cells=weighted_scores(), scale=st.sampled_from([1e-6, 0.3, 7.0, 1e6]))
def test_the_scale_of_the_weights_says_nothing(
    cells: tuple[torch.Tensor, torch.Tensor, torch.Tensor], scale: float
) -> None:
    p, y, weights = cells
    assert_same(all_metrics(p, y, scale * weights), all_metrics(p, y, weights))
    errors = (expected_calibration_error(p, y, weights=w) for w in (weights, scale * weights))
    torch.testing.assert_close(*errors, rtol=1e-9, atol=1e-9, equal_nan=True)


@settings(deadline=None, max_examples=100)
@given(cells=weighted_scores())
def test_calibration_error_of_whole_weights_is_that_of_repeated_rows(
    cells: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """Repeated ten times each, so that ten bins divide their number."""
    p, y, weights = cells
    ours = expected_calibration_error(p.where(weights[:, None] > 0, NAN), y, weights=weights)
    p, y = (tensor.repeat_interleave(10 * weights.long(), dim=0) for tensor in (p, y))
    wanted = expected_calibration_error(p, y)
    torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-9, equal_nan=True)


@settings(deadline=None, max_examples=60)
@given(cells=weighted_scores())
def test_weights_that_are_alike_are_none(
    cells: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    p, y, weights = cells
    counted = weights > 0
    simple, (rows, targets) = simplify_weights(weights, p, y)
    assert torch.equal(rows, p[counted])
    assert torch.equal(targets.nan_to_num(2.0), y[counted].nan_to_num(2.0))
    alike, (same,) = simplify_weights(0.3 * counted, p)
    assert alike is None
    assert torch.equal(same, rows)
    assume(len(set(weights[counted].tolist())) > 1)
    assert simple is not None
    assert torch.equal(simple, weights[counted])


def test_rows_without_weights_stay_as_they_are() -> None:
    p = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    weights, (same,) = simplify_weights(None, p)
    assert weights is None
    assert same is p


def test_no_weight_at_all_is_undefined() -> None:
    p, y = torch.tensor([[0.2], [0.7]]), torch.tensor([[0.0], [1.0]])
    for values in all_metrics(p, y, torch.zeros(2)).values():
        assert values.isnan().all()
    assert expected_calibration_error(p, y, weights=torch.zeros(2)).isnan().all()


def test_a_cut_of_equal_weight_divides_a_row() -> None:
    """Of weights 1 and 3 in two bins, each bin weighs 2, and the heavy row is in both."""
    p = torch.tensor([[0.2], [0.6]], dtype=torch.float64)
    y, weights = torch.tensor([[1.0], [0.0]]), torch.tensor([1.0, 3.0])
    error = expected_calibration_error(p, y, bins=2, weights=weights)
    assert error.item() == pytest.approx((abs(0.2 + 0.6 - 1) + 2 * 0.6) / 4)


# ------------------------------------------------------------------------------------ debiasing


def test_debiasing_takes_off_most_of_what_chance_adds() -> None:
    """Calibrated predictions: the plain error is far above the true one, which is 0."""
    random = np.random.default_rng(0)
    p = torch.from_numpy(random.random((2000, 200)) * 0.2)
    y = torch.from_numpy((random.random((2000, 200)) < p.numpy()).astype(float))
    plain = expected_calibration_error(p, y).mean()
    debiased = expected_calibration_error(p, y, debias=True).mean()
    assert debiased < 0.65 * plain


def test_debiasing_leaves_a_large_error_as_it_is() -> None:
    random = np.random.default_rng(0)
    p = torch.from_numpy(random.random((5000, 1)) * 0.4 + 0.5)
    y = torch.from_numpy((random.random((5000, 1)) < p.numpy() - 0.4).astype(float))
    plain, debiased = (expected_calibration_error(p, y, debias=debias) for debias in (False, True))
    assert debiased.item() == pytest.approx(plain.item(), abs=1e-4)
    assert debiased.item() == pytest.approx(0.4, abs=0.02)


def test_counts_of_disjoint_rows_add_up() -> None:
    random = torch.Generator().manual_seed(0)
    decisions = torch.rand(40, 3, generator=random) < 0.5
    targets = (torch.rand(40, 3, generator=random) < 0.5).double()
    parts = [Confusion.of(decisions[rows], targets[rows]) for rows in (slice(15), slice(15, 40))]
    merged, whole = sum(map(torch.stack, parts)), Confusion.of(decisions, targets)
    assert torch.equal(torch.as_tensor(merged), torch.stack(whole))


def test_weighted_mean() -> None:
    values, weights = torch.tensor([0.2, NAN, 0.8]), torch.tensor([3.0, 5.0, 1.0])
    assert weighted_mean(values, weights) == pytest.approx(0.35)
    assert weighted_mean(values, torch.zeros(3)) is None


# ------------------------------------------------------------------------------------ wrong input


OF_CELLS = (log_loss, brier, expected_calibration_error)


@pytest.mark.parametrize("metric", [*OF_CELLS, Ranking.of, lambda p, y: Confusion.of(p > 0, y)])
def test_predictions_and_labels_of_different_rows(metric: Callable[..., object]) -> None:
    p, y = torch.full((5, 2), 0.5), torch.zeros(4, 2)
    with pytest.raises(EvaluationError, match=r"shape \(5, 2\) for targets of shape \(4, 2\)"):
        metric(p, y)
    with pytest.raises(EvaluationError, match=r"shape \(5, 1\) for targets of shape \(5, 2\)"):
        metric(p[:, :1], torch.zeros(5, 2))


@pytest.mark.parametrize("metric", OF_CELLS)
@pytest.mark.parametrize("wrong", [1.5, -0.25, math.inf])
def test_predictions_that_are_no_probabilities(metric: Callable[..., object], wrong: float) -> None:
    p = torch.tensor([[0.5], [wrong]])
    with pytest.raises(EvaluationError, match="which is no probability"):
        metric(p, torch.zeros(2, 1))


@pytest.mark.parametrize("metric", [*OF_CELLS, Ranking.of])
def test_weights_of_other_rows(metric: Callable[..., object]) -> None:
    with pytest.raises(EvaluationError, match=r"weights of shape \(3,\) for 2 rows"):
        metric(torch.full((2, 1), 0.5), torch.zeros(2, 1), weights=torch.ones(3))
