"""Every step equals independent fits, keeps the order of scores, and stays where it helps."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import binary_cross_entropy_with_logits

from imbalance_cli.decisions.calibration import (
    POWERS,
    PRIOR_PRECISION,
    Calibration,
    Method,
    fit_calibration,
    fit_polynomial,
)
from imbalance_cli.metrics import log_loss

FITTING: tuple[Method, ...] = ("temperature", "platt", "quadratic")
NAMES = [field.name for field in dataclasses.fields(Calibration)]


def simulate(
    rows: int, slope: float, intercept: float, seed: int = 0, curvature: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-odds (N, 1) that need a step of these coefficients, and targets (N, 1)."""
    random = torch.Generator().manual_seed(seed)
    u = torch.randn(rows, 1, generator=random, dtype=torch.float64) * 1.5 - 2
    chance = torch.sigmoid(curvature * u.square() + slope * u + intercept)
    return u, (torch.rand(rows, 1, generator=random, dtype=torch.float64) < chance).float()


def coefficients(calibration: Calibration) -> torch.Tensor:
    """Return the coefficients of the powers 0, 1 and 2, (3,), of the only label."""
    return torch.cat([calibration.intercept, calibration.slope, calibration.curvature])


@pytest.mark.parametrize("weights", [None, "whole"])
@pytest.mark.parametrize("method", FITTING)
def test_equals_sklearn(
    monkeypatch: pytest.MonkeyPatch, method: Method, weights: str | None
) -> None:
    """Both are maximum likelihood: the prior is flat here, and C is infinite."""
    monkeypatch.setattr("imbalance_cli.decisions.calibration.PRIOR_PRECISION", (1e-9, 1e-9, 1e-9))
    u, y = simulate(20_000, 0.7, -0.7, curvature=0.03)
    given = None if weights is None else draw_weights(len(u))
    ours = fit_calibration(u, y, method, given)
    inputs = {"temperature": [u], "platt": [u], "quadratic": [u, u.square()]}[method]
    model = LogisticRegression(C=np.inf, tol=1e-12, fit_intercept=method != "temperature")
    model.fit(torch.cat(inputs, dim=1).numpy(), y[:, 0].numpy(), given)
    theirs = [*np.ravel(model.intercept_), *model.coef_[0], 0.0][:3]
    assert coefficients(ours).tolist() == pytest.approx(theirs, abs=1e-4)
    assert ours.fitted.all()


def penalised_loss(
    beta: torch.Tensor, u: torch.Tensor, y: torch.Tensor, counts: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the loss of coefficients (3,) with normal priors around the identity."""
    odds = beta[0] + beta[1] * u + beta[2] * u.square()
    loss = binary_cross_entropy_with_logits(odds, y.double(), weight=counts, reduction="sum")
    precision, identity = beta.new_tensor(PRIOR_PRECISION), beta.new_tensor([0.0, 1.0, 0.0])
    return loss + (precision * (beta - identity).square()).sum() / 2


@pytest.mark.parametrize("method", FITTING)
@pytest.mark.parametrize("rows", [20, 300])
def test_equals_general_minimiser(rows: int, method: Method) -> None:
    """The penalised likelihood, minimised by LBFGS over the coefficients that are free."""
    u, y = simulate(rows, 1.7, 1.0, seed=rows)
    beta = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64, requires_grad=True)
    free = torch.zeros(3, dtype=torch.float64)
    free[list(POWERS[method])] = 1.0
    optimizer = torch.optim.LBFGS(
        [beta],
        max_iter=200,
        tolerance_grad=1e-10,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = penalised_loss(beta, u, y)
        torch.autograd.backward(loss)
        assert beta.grad is not None
        beta.grad *= free
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    ours = fit_polynomial(u.T, y.double().T, None, POWERS[method])[0]
    torch.testing.assert_close(ours, beta.detach(), rtol=0, atol=1e-6)


def test_auto_fits_where_it_helps_and_only_there() -> None:
    good, y_good = simulate(20_000, 1.0, 0.0, seed=1)
    bent, y_bent = simulate(20_000, 0.4, 1.0, seed=2)
    u, y = torch.cat([good, bent], dim=1), torch.cat([y_good, y_bent], dim=1)
    calibration = fit_calibration(u, y, "auto")
    assert calibration.fitted.tolist() == [False, True]
    assert calibration.slope[0] == 1
    assert calibration.intercept[0] == 0
    assert calibration.slope[1].item() == pytest.approx(0.4, abs=0.03)
    before, after = log_loss(torch.sigmoid(u), y), log_loss(torch.sigmoid(calibration.apply(u)), y)
    assert after[0] == before[0]
    assert after[1] < before[1]


def test_auto_brings_scores_nearer_without_proof_and_never_apart() -> None:
    """A temperature below 1 is kept whatever it gains; one above is no step at all."""
    steep, y_steep = simulate(60, 0.6, 0.0, seed=3)
    ours, alone = (fit_calibration(steep, y_steep, method) for method in ("auto", "temperature"))
    assert 0 < float(alone.slope) < 1
    assert torch.equal(ours.slope, alone.slope)
    assert not ours.intercept.any()
    flat, y_flat = simulate(2000, 1.0, 0.0, seed=8)
    assert float(fit_calibration(flat, y_flat, "temperature").slope) > 1
    assert not fit_calibration(flat, y_flat, "auto").fitted.any()


def test_auto_takes_a_quadratic_where_it_helps_again_and_positives_are_many() -> None:
    straight, y_straight = simulate(20_000, 0.5, 0.3, seed=1)
    curved, y_curved = simulate(20_000, 0.8, -0.3, seed=2, curvature=0.04)
    few = y_curved.where((y_curved.cumsum(dim=0) < 150) | (y_curved == 0), torch.nan)
    u = torch.cat([straight, curved, curved], dim=1)
    calibration = fit_calibration(u, torch.cat([y_straight, y_curved, few], dim=1), "auto")
    assert calibration.fitted.all()
    assert (calibration.curvature != 0).tolist() == [False, True, False]
    alone = fit_calibration(curved, y_curved, "quadratic")
    for name in NAMES:
        torch.testing.assert_close(getattr(calibration, name)[1], getattr(alone, name)[0])


def test_a_quadratic_is_kept_where_it_lowers_the_loss_by_more_than_a_standard_error() -> None:
    kept = []
    for seed in range(20):
        u, y = simulate(400, 0.8, -0.2, seed, curvature=0.02)
        ours = fit_calibration(u, y, "quadratic")
        ungated = fit_polynomial(u.T, y.double().T, None, POWERS["quadratic"])[0]
        odds = (u.pow(torch.arange(3)) * ungated).sum(dim=1, keepdim=True)
        before, after = (
            binary_cross_entropy_with_logits(v, y.double(), reduction="none") for v in (u, odds)
        )
        is_better = before.mean() - after.mean() > stats.sem(before - after)[0]
        least = (ungated[1] + 2 * ungated[2] * torch.stack([u.min(), u.max()])).min()
        assert ours.fitted.item() == (is_better and least > 0)
        kept.append(ours.fitted.item())
    assert 0 < sum(kept) < 20


@pytest.mark.parametrize("method", ["analytic", "none"])
def test_other_methods_change_nothing(method: Method) -> None:
    u, y = simulate(1000, 0.4, 1.0)
    calibration = fit_calibration(u, y, method)
    assert torch.equal(torch.sigmoid(calibration.apply(u)), torch.sigmoid(u))
    assert not calibration.fitted.any()


@settings(deadline=None, max_examples=60)
@given(
    slope=st.floats(-2, 3),
    intercept=st.floats(-3, 3),
    curvature=st.floats(-0.5, 0.5),
    rows=st.integers(2, 200),
    method=st.sampled_from(["auto", *FITTING]),
)
def test_order_of_scores_is_kept(
    slope: float, intercept: float, curvature: float, rows: int, method: Method
) -> None:
    """Of the rows that a step was fitted on, and far beyond."""
    u, y = simulate(rows, slope, intercept, curvature=curvature)
    calibration = fit_calibration(u, y, method)
    assert calibration.rises().all()
    u = torch.cat([u, torch.linspace(-60, 60, 241, dtype=torch.float64)[:, None]])
    odds = calibration.apply(u)[:, 0]
    assert (odds[u[:, 0].argsort()].diff() >= 0).all()


@settings(deadline=None, max_examples=200)
@given(
    ends=st.tuples(st.floats(-50, 50), st.floats(-50, 50)).map(sorted),
    curvature=st.floats(-1e3, 1e3),
    slope=st.floats(-1e3, 1e3),
    intercept=st.floats(-1e3, 1e3),
    score=st.floats(-1e3, 1e3),
)
def test_no_rounding_turns_neighbours_around(
    ends: list[float],
    curvature: float,
    slope: float,
    intercept: float,
    score: float,
) -> None:
    """However steep or flat a curve that rises, scores a rounding error apart stay in order."""
    numbers = dict.fromkeys(NAMES, 0.0) | {"curvature": curvature, "slope": slope}
    numbers |= {"intercept": intercept, "low": ends[0], "high": ends[1], "fitted": True}
    calibration = Calibration.from_documents([numbers])
    near = [np.arange(-50, 51) * np.spacing(place) + place for place in (score, *ends)]
    scores = torch.from_numpy(np.sort(np.concatenate(near)))[:, None]
    if calibration.rises().all():
        assert (calibration.apply(scores)[:, 0].diff() >= 0).all()


def test_a_curve_goes_on_as_its_tangent() -> None:
    u, y = simulate(20_000, 0.8, 0.0, curvature=0.03)
    calibration = fit_calibration(u, y, "quadratic")
    intercept, slope, curvature = coefficients(calibration)
    assert (calibration.low, calibration.high) == (u.min(), u.max())
    inside = calibration.apply(u)
    torch.testing.assert_close(inside, intercept + slope * u + curvature * u.square())
    for end in (calibration.low, calibration.high):
        beyond = end + 7 * end.sign()
        wanted = intercept + slope * end + curvature * end.square()
        wanted += (slope + 2 * curvature * end) * (beyond - end)
        torch.testing.assert_close(calibration.apply(beyond[:, None])[0], wanted)


def test_a_curve_that_falls_somewhere_is_not_kept() -> None:
    u, y = simulate(20_000, 1.0, -1.0, curvature=0.5)  # least at u = -1
    assert not fit_calibration(u, y, "quadratic").fitted.any()


def test_steps_are_read_as_they_were_written() -> None:
    parts = [simulate(2000, 0.6, 0.3, seed, 0.08 * (seed % 2)) for seed in range(4)]
    u, y = (torch.cat(same, dim=1) for same in zip(*parts, strict=True))
    calibration = fit_calibration(u, y, "quadratic")
    assert calibration.fitted.any()
    read = Calibration.from_documents(json.loads(json.dumps(calibration.to_documents())))
    for name in NAMES:
        assert torch.equal(getattr(read, name), getattr(calibration, name))


def test_a_step_of_before_there_were_curves_is_straight() -> None:
    read = Calibration.from_documents([{"slope": 0.5, "intercept": -1.0, "fitted": True}])
    u = torch.tensor([[-3.0], [50.0]])
    assert read.apply(u)[:, 0].tolist() == [-2.5, 24.0]
    with pytest.raises(KeyError, match="slope"):
        Calibration.from_documents([{"intercept": -1.0, "fitted": True}])


def test_reversed_scores_keep_the_identity() -> None:
    u, y = simulate(5000, -1.0, 0.0)
    assert not fit_calibration(u, y, "platt").fitted.any()


def test_missing_and_one_class() -> None:
    u, y = simulate(500, 0.4, 1.0)
    u = torch.cat([u, u, u, u], dim=1)
    nothing = torch.full_like(y, math.nan)
    half = torch.where(torch.arange(500)[:, None] < 250, y, nothing)
    calibration = fit_calibration(
        u, torch.cat([torch.zeros_like(y), torch.ones_like(y), nothing, half], dim=1), "platt"
    )
    assert calibration.fitted.tolist() == [False, False, False, True]
    alone = fit_calibration(u[:250, :1], y[:250], "platt")
    torch.testing.assert_close(calibration.slope[3:], alone.slope, rtol=1e-10, atol=0)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_labels_together_are_labels_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
    is_weighted: bool,  # noqa: FBT001  a parameter of pytest
) -> None:
    """However many stand in a block, and with other cells missing in each."""
    monkeypatch.setattr("imbalance_cli.decisions.calibration.CELLS_IN_CACHE", 5 * 300)
    random = torch.Generator().manual_seed(0)
    parts = [simulate(300, 0.2 + 0.2 * i, i / 8 - 1, seed=i) for i in range(12)]
    u, y = (torch.cat(same, dim=1) for same in zip(*parts, strict=True))
    y = y.where(torch.rand(y.shape, generator=random) > 0.1, torch.nan)
    weights = draw_weights(300) if is_weighted else None
    together = fit_calibration(u, y, "auto", weights)
    alone = [fit_calibration(u[:, [i]], y[:, [i]], "auto", weights) for i in range(12)]
    has_platt = together.intercept != 0
    assert 0 < has_platt.sum() < len(has_platt)  # the others have a temperature
    for name in NAMES:
        wanted = torch.cat([getattr(step, name) for step in alone])
        torch.testing.assert_close(getattr(together, name), wanted, rtol=1e-9, atol=1e-9)


def test_separable_and_extreme_scores_stay_finite() -> None:
    u = torch.tensor([[-1e4], [-30.0], [30.0], [1e4]], dtype=torch.float64)
    for y in ([0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]):
        calibration = fit_calibration(u, torch.tensor(y)[:, None], "platt")
        assert calibration.slope.isfinite().all()
        assert calibration.intercept.isfinite().all()


def test_steps_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps from the identity are already close, and nothing waits for more."""
    monkeypatch.setattr("imbalance_cli.decisions.calibration.NEWTON_STEPS", 2)
    u, y = simulate(5000, 0.8, 0.3)
    assert fit_calibration(u, y, "platt").slope.item() == pytest.approx(0.8, abs=0.1)


def test_identity() -> None:
    calibration = Calibration.identity(3, torch.device("cpu"))
    u = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.sigmoid(calibration.apply(u)), torch.sigmoid(u.double()))


# ---------------------------------------------------------------------------------- sample weights


def draw_weights(rows: int, seed: int = 0) -> torch.Tensor:
    """Return whole weights from 0 to 4."""
    return torch.randint(5, (rows,), generator=torch.Generator().manual_seed(seed)).float()


def test_whole_weights_are_repeated_rows() -> None:
    """But for the prior, which weights of their effective number outweigh a little less."""
    u, y = simulate(50_000, 0.5, -0.7)
    weights = draw_weights(len(u))
    ours = fit_calibration(u, y, "auto", weights)
    u, y = (tensor.repeat_interleave(weights.long(), dim=0) for tensor in (u, y))
    wanted = fit_calibration(u, y, "auto")
    assert ours.slope.item() == pytest.approx(wanted.slope.item(), abs=2e-3)
    assert ours.intercept.item() == pytest.approx(wanted.intercept.item(), abs=2e-3)
    assert ours.fitted.all()


@pytest.mark.parametrize("method", FITTING)
def test_weighted_step_is_the_penalised_minimum_of_the_effective_number(method: Method) -> None:
    u, y = simulate(60, 1.7, 1.0, seed=5)
    weights = draw_weights(60).double()
    ours = fit_calibration(u, y, method, weights)
    assert ours.fitted.all()
    beta = coefficients(ours).requires_grad_()
    counts = (weights * weights.sum() / weights.square().sum())[:, None]
    torch.autograd.backward(penalised_loss(beta, u, y, counts))
    assert beta.grad is not None
    assert beta.grad[list(POWERS[method])].abs().max() < 1e-5


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(2, 200),
    scale=st.sampled_from([1e-3, 0.3, 7.0, 1e4]),
    method=st.sampled_from(["auto", *FITTING]),
)
def test_scale_and_rows_of_weight_zero_say_nothing(
    seed: int, rows: int, scale: float, method: Method
) -> None:
    u, y = simulate(rows, 0.4, 0.5, seed=seed)
    weights, counted = draw_weights(rows, seed), draw_weights(rows, seed) > 0
    ours = fit_calibration(u, y, method, weights)
    removed = fit_calibration(u[counted], y[counted], method, weights[counted])
    scaled = fit_calibration(u, y, method, scale * weights)
    for name in NAMES:
        value = getattr(ours, name)
        assert torch.equal(value, getattr(removed, name))
        torch.testing.assert_close(value, getattr(scaled, name), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", ["auto", *FITTING])
def test_weights_that_are_alike_change_nothing_to_the_bit(method: Method) -> None:
    u, y = simulate(400, 0.4, 0.5)
    plain, alike = (fit_calibration(u, y, method, w) for w in (None, torch.full((400,), 0.3)))
    assert torch.equal(plain.slope, alike.slope)
    assert torch.equal(plain.intercept, alike.intercept)


def test_few_heavy_rows_do_not_prove_that_a_step_helps() -> None:
    """As many rows as would, but nearly all the weight on some: the error is of those."""
    u, y = simulate(2000, 0.75, 0.3, seed=6)
    assert fit_calibration(u, y, "auto").fitted.all()
    weights = torch.full((2000,), 1e-4)
    weights[:25] = 1.0
    assert fit_calibration(u, y, "platt", weights).fitted.all()
    assert not fit_calibration(u, y, "auto", weights).intercept.any()  # at most a temperature


def test_a_class_of_weight_zero_is_not_there() -> None:
    u, y = simulate(100, 0.4, 1.0)
    assert not fit_calibration(u, y, "platt", 1 - y[:, 0]).fitted.any()
    assert not fit_calibration(u, y, "platt", torch.zeros(100)).fitted.any()
