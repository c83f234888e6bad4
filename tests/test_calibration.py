"""The Platt step equals independent fits, keeps the order of scores, and stays where it helps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import binary_cross_entropy_with_logits

from imbalance_cli.calibration import Calibration, Method, fit_calibration
from imbalance_cli.metrics import log_loss


def simulate(
    rows: int, slope: float, intercept: float, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-odds (N, 1) that need a step of (slope, intercept), and targets (N, 1)."""
    random = torch.Generator().manual_seed(seed)
    u = torch.randn(rows, 1, generator=random, dtype=torch.float64) * 1.5 - 2
    chance = torch.sigmoid(slope * u + intercept)
    return u, (torch.rand(rows, 1, generator=random, dtype=torch.float64) < chance).float()


def test_equals_sklearn() -> None:
    """Nearly unpenalised on both sides: many rows, and C is infinite."""
    u, y = simulate(100_000, 0.5, -0.7)
    ours = fit_calibration(u, y, "platt")
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(u.numpy(), y[:, 0].numpy())
    assert ours.slope.item() == pytest.approx(theirs.coef_[0, 0], abs=1e-3)
    assert ours.intercept.item() == pytest.approx(theirs.intercept_[0], abs=1e-3)
    assert ours.fitted.all()


@pytest.mark.parametrize("rows", [20, 300])
def test_equals_general_minimiser(rows: int) -> None:
    """The penalised likelihood (a normal prior around the identity), minimised by LBFGS."""
    u, y = simulate(rows, 1.7, 1.0, seed=rows)
    identity = torch.tensor([1.0, 0.0], dtype=torch.float64)
    beta = identity.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [beta],
        max_iter=200,
        tolerance_grad=1e-10,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        likelihood = binary_cross_entropy_with_logits(
            beta[0] * u + beta[1], y.double(), reduction="sum"
        )
        loss = likelihood + (beta - identity).square().sum() / 2
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    ours = fit_calibration(u, y, "platt")
    torch.testing.assert_close(
        torch.cat([ours.slope, ours.intercept]), beta.detach(), rtol=0, atol=1e-6
    )


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


@pytest.mark.parametrize("method", ["analytic", "none"])
def test_other_methods_change_nothing(method: Method) -> None:
    u, y = simulate(1000, 0.4, 1.0)
    calibration = fit_calibration(u, y, method)
    assert torch.equal(torch.sigmoid(calibration.apply(u)), torch.sigmoid(u))
    assert not calibration.fitted.any()


@settings(deadline=None, max_examples=30)
@given(
    slope=st.floats(-2, 3),
    intercept=st.floats(-3, 3),
    rows=st.integers(2, 200),
    method=st.sampled_from(["auto", "platt"]),
)
def test_order_of_scores_is_kept(slope: float, intercept: float, rows: int, method: Method) -> None:
    u, y = simulate(rows, slope, intercept)
    calibration = fit_calibration(u, y, method)
    assert (calibration.slope > 0).all()
    p = torch.sigmoid(calibration.apply(u))[:, 0]
    assert (p[u[:, 0].argsort()].diff() >= 0).all()


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
    monkeypatch.setattr("imbalance_cli.calibration.CELLS_AT_ONCE", 5 * 300)
    random = torch.Generator().manual_seed(0)
    parts = [simulate(300, 0.2 + 0.2 * i, i / 8 - 1, seed=i) for i in range(12)]
    u, y = (torch.cat(same, dim=1) for same in zip(*parts, strict=True))
    y = y.where(torch.rand(y.shape, generator=random) > 0.1, torch.nan)
    weights = draw_weights(300) if is_weighted else None
    together = fit_calibration(u, y, "auto", weights)
    alone = [fit_calibration(u[:, [i]], y[:, [i]], "auto", weights) for i in range(12)]
    assert 0 < together.fitted.sum() < len(together.fitted)
    for name in ("slope", "intercept", "fitted"):
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
    monkeypatch.setattr("imbalance_cli.calibration.NEWTON_STEPS", 2)
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


def test_weighted_equals_sklearn() -> None:
    u, y = simulate(100_000, 0.5, -0.7)
    weights = 0.01 + (u[:, 0] > -2).float()  # where the slope is another
    y = y.where(u < -2, (u > -1).float() * (1 - y))
    ours = fit_calibration(u, y, "platt", weights)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(
        u.numpy(), y[:, 0].numpy(), sample_weight=weights.numpy()
    )
    assert ours.slope.item() == pytest.approx(theirs.coef_[0, 0], abs=1e-3)
    assert ours.intercept.item() == pytest.approx(theirs.intercept_[0], abs=1e-3)
    plain = fit_calibration(u, y, "platt")
    assert abs(plain.intercept.item() - ours.intercept.item()) > 0.1


def test_whole_weights_are_repeated_rows() -> None:
    """But for the prior, which weights of their effective number outweigh a little less."""
    u, y = simulate(50_000, 0.5, -0.7)
    weights = draw_weights(len(u))
    ours = fit_calibration(u, y, "auto", weights)
    u, y = (tensor.repeat_interleave(weights.long(), dim=0) for tensor in (u, y))
    wanted = fit_calibration(u, y, "auto")
    assert ours.slope.item() == pytest.approx(wanted.slope.item(), abs=5e-4)
    assert ours.intercept.item() == pytest.approx(wanted.intercept.item(), abs=5e-4)
    assert ours.fitted.all()


def test_weighted_step_is_the_penalised_minimum_of_the_effective_number() -> None:
    u, y = simulate(60, 1.7, 1.0, seed=5)
    weights = draw_weights(60).double()
    ours = fit_calibration(u, y, "platt", weights)
    counts = (weights * weights.sum() / weights.square().sum())[:, None]
    beta = torch.tensor([ours.slope.item(), ours.intercept.item()]).double().requires_grad_()
    likelihood = binary_cross_entropy_with_logits(
        beta[0] * u + beta[1], y.double(), weight=counts, reduction="sum"
    )
    identity = torch.tensor([1.0, 0.0], dtype=torch.float64)
    torch.autograd.backward(likelihood + (beta - identity).square().sum() / 2)
    assert beta.grad is not None
    assert beta.grad.abs().max() < 1e-5


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(2, 200),
    scale=st.sampled_from([1e-3, 0.3, 7.0, 1e4]),
    method=st.sampled_from(["auto", "platt"]),
)
def test_scale_and_rows_of_weight_zero_say_nothing(
    seed: int, rows: int, scale: float, method: Method
) -> None:
    u, y = simulate(rows, 0.4, 0.5, seed=seed)
    weights, counted = draw_weights(rows, seed), draw_weights(rows, seed) > 0
    ours = fit_calibration(u, y, method, weights)
    removed = fit_calibration(u[counted], y[counted], method, weights[counted])
    scaled = fit_calibration(u, y, method, scale * weights)
    for name in ("slope", "intercept", "fitted"):
        value = getattr(ours, name)
        assert torch.equal(value, getattr(removed, name))
        torch.testing.assert_close(value, getattr(scaled, name), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", ["auto", "platt"])
def test_weights_that_are_alike_change_nothing_to_the_bit(method: Method) -> None:
    u, y = simulate(400, 0.4, 0.5)
    plain, alike = (fit_calibration(u, y, method, w) for w in (None, torch.full((400,), 0.3)))
    assert torch.equal(plain.slope, alike.slope)
    assert torch.equal(plain.intercept, alike.intercept)


def test_few_heavy_rows_do_not_prove_that_a_step_helps() -> None:
    """As many rows as would, but nearly all the weight on some: the error is of those."""
    u, y = simulate(2000, 0.75, 0.3, seed=3)
    assert fit_calibration(u, y, "auto").fitted.all()
    weights = torch.full((2000,), 1e-4)
    weights[:25] = 1.0
    assert fit_calibration(u, y, "platt", weights).fitted.all()
    assert not fit_calibration(u, y, "auto", weights).fitted.any()


def test_a_class_of_weight_zero_is_not_there() -> None:
    u, y = simulate(100, 0.4, 1.0)
    assert not fit_calibration(u, y, "platt", 1 - y[:, 0]).fitted.any()
    assert not fit_calibration(u, y, "platt", torch.zeros(100)).fitted.any()
