"""The inverse link gives the probability at which the expected loss is least, and keeps order."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imbalance_cli.losses.family import (
    STEEPEST,
    Loss,
    asymmetric,
    bce,
    compute_loss,
    distribution_balanced,
    focal,
    logit_adjusted,
    stack_losses,
    weighted_bce,
)
from imbalance_cli.losses.link import inverse_link, link, log_odds
from imbalance_cli.metrics import expected_calibration_error

if TYPE_CHECKING:
    from collections.abc import Callable

PREVALENCE = torch.tensor([0.01])
POSITIVES, ROWS = torch.tensor([30.0]), torch.tensor([1000.0])
MEMBERS = {
    "bce": bce(),
    "weighted_bce 0.2": weighted_bce(torch.tensor([0.2])),
    "weighted_bce 19": weighted_bce(torch.tensor([19.0])),
    "weighted_bce 999": weighted_bce(torch.tensor([999.0])),
    "focal": focal(),
    "focal, gamma 0": focal(0.0),
    "focal, gamma 0.5": focal(0.5),
    "focal, gamma 5, alpha": focal(5.0, alpha=0.25),
    "focal, weighted": focal(1.0, pos_weight=torch.tensor([50.0])),
    "asymmetric": asymmetric(),
    "asymmetric, weighted": asymmetric(pos_weight=torch.tensor([50.0])),
    "asymmetric, no margin": asymmetric(margin=0.0),
    "asymmetric, small gammas": asymmetric(0.5, 0.5, 0.05),
    "asymmetric, large gammas": asymmetric(6.0, 6.0, 0.3),
    "asymmetric, gamma_positive 0": asymmetric(0.0, 4.0, 0.05),
    "asymmetric, gamma_negative 0": asymmetric(1.0, 0.0, 0.05),
    "asymmetric, margin alone": asymmetric(0.0, 0.0, 0.2),
    "logit_adjusted": logit_adjusted(PREVALENCE),
    "logit_adjusted, tau 2": logit_adjusted(PREVALENCE, 2.0),
    "distribution_balanced": distribution_balanced(POSITIVES, ROWS),
    "distribution_balanced, gamma 0": distribution_balanced(POSITIVES, ROWS, 0.0, 1.0, 5.0),
    "distribution_balanced, steepest": distribution_balanced(
        POSITIVES, ROWS, 3.0, negative_scale=STEEPEST
    ),
}
each_member = pytest.mark.parametrize("loss", MEMBERS.values(), ids=MEMBERS)

GRID = torch.linspace(-200, 200, 40_001)[:, None]
FAR = [60.0, 720.0, 1e4, 1e19, 3.4028234663852886e38]
FARTHEST = torch.tensor([-z for z in reversed(FAR)] + [0.0, *FAR])[:, None]
ETAS = torch.tensor(
    [1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 0.999, 0.9999],
    dtype=torch.float64,
)


def assert_rises(logits: torch.Tensor, loss: Loss) -> None:
    """Strictly, and without an infinite or undefined value."""
    odds = log_odds(logits, loss)
    assert odds.dtype == torch.float64
    assert odds.isfinite().all()
    assert (odds.diff(dim=0) > 0).all()


# ---------------------------------------------------------------- order, and every finite logit


@each_member
def test_log_odds_rise_strictly(loss: Loss) -> None:
    assert_rises(GRID, loss)


@each_member
def test_log_odds_rise_strictly_at_farthest_logits(loss: Loss) -> None:
    assert_rises(FARTHEST, loss)


scalars = st.floats(0.0, 6.0)
pos_weights = st.floats(1e-3, 1e5)
offsets = st.floats(-10.0, 10.0)


@settings(deadline=None, max_examples=60)
@given(
    gamma_positive=scalars,
    gamma_negative=scalars,
    pos_weight=pos_weights,
    offset=offsets,
    negative_scale=st.floats(1.0, 5.0),
    prior_shift=pos_weights,
)
def test_log_odds_rise_strictly_for_any_parameters_without_a_margin(**values: float) -> None:
    given = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    assert_rises(GRID[::2], Loss(**given))
    assert log_odds(FARTHEST, Loss(**given)).isfinite().all()


@settings(deadline=None, max_examples=40)
@given(
    gamma_positive=scalars,
    gamma_negative=scalars,
    margin=st.floats(0.0, 0.9),
    pos_weight=pos_weights,
    offset=offsets,
    prior_shift=pos_weights,
)
def test_log_odds_rise_strictly_for_any_parameters_with_a_margin(**values: float) -> None:
    """No named loss has both a margin and a negative_scale, whose link would turn around."""
    given = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    assert_rises(GRID[::4], Loss(**given))
    assert log_odds(FARTHEST, Loss(**given)).isfinite().all()


@settings(deadline=None, max_examples=40)
@given(gamma=st.floats(0.0, 50.0), negative_scale=st.floats(1.0, STEEPEST))
def test_log_odds_rise_strictly_for_any_distribution_balanced_loss(
    gamma: float, negative_scale: float
) -> None:
    loss = distribution_balanced(POSITIVES, ROWS, gamma, negative_scale=negative_scale)
    assert_rises(GRID[::2], loss)


def test_a_negative_scale_past_the_steepest_would_not_keep_order() -> None:
    g = torch.tensor(3.0)
    loss = Loss(gamma_positive=g, gamma_negative=g, negative_scale=torch.tensor(2 * STEEPEST))
    assert (log_odds(torch.linspace(-1, 1, 1001), loss).diff() < 0).any()


@pytest.mark.parametrize("name", [name for name in MEMBERS if MEMBERS[name].margin is not None])
def test_below_one_in_a_million_a_margin_keeps_the_order(name: str) -> None:
    """There the loss of a negative is 0 at every logit; a line of slope 1 stands for the odds."""
    loss = MEMBERS[name]
    floor = math.log(1e-6 / (1 - 1e-6))
    z = torch.linspace(-100, 5, 10_501, dtype=torch.float64)[:, None]
    odds = log_odds(z, loss)
    below = (odds < floor)[:, 0]
    assert 100 < int(below.sum()) < len(z)
    assert below[: int(below.sum())].all()
    slopes = odds[below].diff(dim=0) / z[below].diff(dim=0)
    torch.testing.assert_close(slopes, torch.ones_like(slopes), rtol=1e-6, atol=0)


# --------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("weight", [1e-3, 0.2, 1.0, 19.0, 1e5])
def test_link_of_weighted_bce_subtracts_log_w(weight: float) -> None:
    w = torch.tensor([weight], dtype=torch.float64)
    torch.testing.assert_close(
        inverse_link(GRID, weighted_bce(w)), torch.sigmoid(GRID.double() - w.log())
    )


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.5])
def test_link_of_logit_adjusted_adds_the_offset(tau: float) -> None:
    prevalence = torch.tensor([0.03], dtype=torch.float64)
    b = tau * (prevalence / (1 - prevalence)).log()
    torch.testing.assert_close(
        inverse_link(GRID, logit_adjusted(prevalence, tau)), torch.sigmoid(GRID.double() + b)
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_link_of_focal_is_the_published_correction(gamma: float) -> None:
    """Charoenphakdee et al. 2021 with two classes: h(p) / (h(p) + h(1 - p)), h(v) = v / phi(v)."""

    def phi(v: torch.Tensor) -> torch.Tensor:
        return (1 - v) ** gamma - gamma * (1 - v) ** (gamma - 1) * v * v.log()

    z = torch.linspace(-15, 15, 3001, dtype=torch.float64)
    p = torch.sigmoid(z)
    h, h_other = p / phi(p), (1 - p) / phi(1 - p)
    expected = h / (h + h_other)
    torch.testing.assert_close(inverse_link(z, focal(gamma)), expected, rtol=1e-6, atol=0)
    alpha = 0.25  # an overall factor, and w = alpha / (1 - alpha)
    shifted = (h / h_other).log() - math.log(alpha / (1 - alpha))
    result = log_odds(z, focal(gamma, alpha))
    torch.testing.assert_close(result, shifted, rtol=1e-6, atol=1e-6)


@each_member
def test_link_is_the_ratio_of_the_slopes(loss: Loss) -> None:
    """That is, L0' / (L0' - L1') with the slopes of the loss as it is computed."""
    loss = dataclasses.replace(loss, rarity=None)
    z = torch.linspace(-8, 8, 321, dtype=torch.float64)[:, None].requires_grad_()
    positive, negative = (
        torch.autograd.grad(compute_loss(z, torch.full_like(z, side), loss).sum(), z)[0]
        for side in (1.0, 0.0)
    )
    expected = negative / (negative - positive)
    likely = expected > 1e-6  # below, a margin's link is continued
    result = inverse_link(z.detach(), loss)
    torch.testing.assert_close(result[likely], expected[likely], rtol=1e-6, atol=0)
    assert (result[~likely] < 1.001e-6).all()


@pytest.mark.parametrize("shift", [0.1, 20.0])
def test_prior_shift_divides_the_odds(shift: float) -> None:
    for loss in (bce(), focal(), asymmetric(0.0, 0.0, 0.05)):
        shifted = dataclasses.replace(loss, prior_shift=torch.tensor([shift]))
        z = torch.linspace(-2, 8, 101)[:, None]
        difference = log_odds(z, loss) - log_odds(z, shifted)
        torch.testing.assert_close(difference, torch.full_like(difference, math.log(shift)))


# ------------------------------------------------------------- the least expected loss, by search


def minimise(function: Callable[[torch.Tensor], torch.Tensor], size: int) -> torch.Tensor:
    """Golden section on [-60, 60], for `size` functions of one variable at once."""
    ratio = (math.sqrt(5) - 1) / 2
    low = torch.full((size,), -60.0, dtype=torch.float64)
    high = -low
    for _ in range(75):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        falls = function(left) > function(right)
        low, high = low.where(~falls, left), high.where(falls, right)
    return (low + high) / 2


def recoverable(loss: Loss) -> torch.Tensor:
    """The ETAS that have a minimiser of their own.

    A margin without gamma_negative puts a kink at p = m, and all below its eta have their minimum
    there. A margin without gamma_positive bounds the odds as p goes to 1: above, the expected loss
    falls for ever. The slopes at the two ends are written out here.
    """
    if loss.margin is None:
        return ETAS
    m = float(loss.margin)
    g_pos, g_neg = (
        0.0 if gamma is None else float(gamma)
        for gamma in (loss.gamma_positive, loss.gamma_negative)
    )
    w = 1.0 if loss.pos_weight is None else float(loss.pos_weight)
    keep = torch.ones(len(ETAS), dtype=torch.bool)
    if g_neg == 0:
        phi = (1 - m) ** g_pos - g_pos * (1 - m) ** (g_pos - 1) * m * math.log(m)
        keep &= m / (m + w * phi) < ETAS
    if g_pos == 0:
        q = 1 - m
        most = q**g_neg * (1 / m - g_neg * math.log(m) / q) / w
        keep &= most / (1 + most) > ETAS
    return ETAS[keep]


@each_member
def test_inverse_link_recovers_eta_from_the_least_expected_loss(loss: Loss) -> None:
    """The search compares values of the loss, knowing nothing of slopes or of the formula.

    The weights of `rarity` depend on the row's other labels; they are left out, as they are of the
    formula.
    """
    loss = dataclasses.replace(loss, rarity=None)
    eta = recoverable(loss)
    assert len(eta) >= 5

    def expected(z: torch.Tensor) -> torch.Tensor:
        one, zero = (
            compute_loss(z[:, None], torch.full_like(z, side)[:, None], loss, reduction="none")
            for side in (1.0, 0.0)
        )
        return eta * one[:, 0] + (1 - eta) * zero[:, 0]

    z = minimise(expected, len(eta))[:, None]
    torch.testing.assert_close(inverse_link(z, loss)[:, 0], eta, rtol=0, atol=1e-4)
    torch.testing.assert_close(log_odds(z, loss)[:, 0], torch.logit(eta), rtol=0, atol=1e-3)
    torch.testing.assert_close(link(eta[:, None], loss), z, rtol=0, atol=1e-3)


def test_below_the_kink_of_a_margin_every_eta_has_the_same_minimum() -> None:
    """Why the test above leaves them out: for a margin of 0.2 they are those below 1 / 6."""
    loss = asymmetric(0.0, 0.0, 0.2)
    eta = torch.tensor([0.01, 0.05, 0.16], dtype=torch.float64)
    kink = torch.logit(torch.tensor(0.2, dtype=torch.float64)).expand(3)

    def expected(z: torch.Tensor) -> torch.Tensor:
        one, zero = (
            compute_loss(z, torch.full_like(z, side), loss, reduction="none") for side in (1.0, 0.0)
        )
        return eta * one + (1 - eta) * zero

    torch.testing.assert_close(minimise(expected, 3), kink, rtol=0, atol=1e-6)
    torch.testing.assert_close(link(eta, loss), kink, rtol=0, atol=1e-6)


# --------------------------------------------------------------------------------- there and back


@each_member
def test_link_is_the_inverse_of_inverse_link(loss: Loss) -> None:
    eta = recoverable(loss)[:, None]
    z = link(eta, loss)
    assert z.dtype == torch.float64
    torch.testing.assert_close(inverse_link(z, loss), eta, rtol=1e-9, atol=0)
    inside = z.min() + torch.linspace(0, 1, 101, dtype=torch.float64)[:, None] * (z.max() - z.min())
    torch.testing.assert_close(link(inverse_link(inside, loss), loss), inside, rtol=0, atol=1e-6)


def test_link_of_certainty_is_the_farthest_logit() -> None:
    certain = torch.tensor([0.0, 1.0])
    for loss in (bce(), focal(), asymmetric()):
        assert link(certain, loss).tolist() == [-60.0, 60.0]


def test_stacked_members_have_the_links_they_have_alone() -> None:
    losses = list(MEMBERS.values())
    z = torch.linspace(-20, 20, 401)[:, None]
    stacked = stack_losses(losses, labels=1)
    together = log_odds(z.expand(len(losses), -1, -1), stacked)
    alone = torch.stack([log_odds(z, loss) for loss in losses])
    torch.testing.assert_close(together, alone, rtol=1e-7, atol=1e-7)
    eta = torch.tensor([[0.3], [0.7]])
    torch.testing.assert_close(
        link(eta.expand(len(losses), -1, -1), stacked),
        torch.stack([link(eta, loss) for loss in losses]),
        rtol=1e-7,
        atol=1e-7,
    )


def test_half_precision_logits_are_taken_as_they_are() -> None:
    z = torch.tensor([-3.0, 0.5, 8.0])
    for loss in (focal(), asymmetric()):
        torch.testing.assert_close(log_odds(z.bfloat16(), loss), log_odds(z, loss), rtol=0, atol=0)


# ------------------------------------------------------------------------- calibrated where needed


def fit_logistic_regression(x: torch.Tensor, y: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return the logits of the rows."""
    model = nn.Linear(x.shape[1], 1).double()
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", max_iter=100)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = compute_loss(model(x), y, loss)
        torch.autograd.backward(value)
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    logits: torch.Tensor = model(x).detach()
    return logits


def test_inverse_link_is_calibrated_where_sigmoid_is_not() -> None:
    """A logistic regression with pos_weight on simulated rows of known eta, prevalence near 3 %."""
    random = torch.Generator().manual_seed(3)
    x = torch.randn(40_000, 2, generator=random, dtype=torch.float64)
    eta = torch.sigmoid(x @ torch.tensor([1.0, -0.5], dtype=torch.float64) - 4)
    y = (torch.rand(len(x), generator=random, dtype=torch.float64) < eta).double()[:, None]
    loss = weighted_bce((len(y) - y.sum(dim=0)) / y.sum(dim=0))
    assert 0.01 < float(y.mean()) < 0.05
    z = fit_logistic_regression(x, y, loss)
    corrected = inverse_link(z, loss)
    assert float(expected_calibration_error(corrected, y)) < 0.003
    assert float(expected_calibration_error(torch.sigmoid(z), y)) > 0.2
    torch.testing.assert_close(corrected[:, 0].mean(), eta.mean(), rtol=0.05, atol=0)


@pytest.mark.parametrize("name", ["focal", "focal, weighted", "asymmetric", "asymmetric, weighted"])
def test_inverse_link_is_calibrated_where_the_link_bends(name: str) -> None:
    """A logistic regression over groups of known eta, which fits them whatever the loss's link."""
    random = torch.Generator().manual_seed(4)
    of_group = torch.sigmoid(torch.linspace(-5, 1, 12, dtype=torch.float64))
    group = torch.arange(24_000) % len(of_group)
    eta = of_group[group][:, None]
    y = (torch.rand(eta.shape, generator=random, dtype=torch.float64) < eta).double()
    x = nn.functional.one_hot(group).double()
    z = fit_logistic_regression(x, y, MEMBERS[name])
    corrected = inverse_link(z, MEMBERS[name])
    assert float(expected_calibration_error(corrected, y)) < 0.003
    assert float(expected_calibration_error(torch.sigmoid(z), y)) > 0.05
    torch.testing.assert_close(corrected, eta, rtol=0.3, atol=0.02)
    frequency = (x * y).sum(dim=0) / x.sum(dim=0)
    torch.testing.assert_close(corrected[: len(frequency), 0], frequency, rtol=0, atol=1e-3)
