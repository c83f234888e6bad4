"""The loss equals PyTorch's and the hand-written form, stays finite, and its link is right."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imbalance_cli.losses import Reduction, inverse_link, link, log_odds, weighted_bce
from imbalance_cli.metrics import expected_calibration_error

FAR = [40.0, 100.0, 1e4]
REDUCTIONS: list[Reduction] = ["none", "mean", "sum"]
NAN = math.nan


def run_backward(loss: torch.Tensor) -> None:
    torch.autograd.backward(loss)


def hand_written(z: torch.Tensor, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """The form that textbooks write, from probabilities."""
    p = torch.sigmoid(z)
    return (-alpha * y * torch.log(p) - (1 - y) * torch.log(1 - p)).mean()


def clamped(z: torch.Tensor, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """The usual repair of the hand-written form."""
    eps = torch.finfo(z.dtype).eps
    p = torch.sigmoid(z).clamp(eps, 1 - eps)
    return (-alpha * y * torch.log(p) - (1 - y) * torch.log(1 - p)).mean()


def ours(z: torch.Tensor, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    return weighted_bce(z, y, pos_weight=alpha)


def torch_bce(z: torch.Tensor, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    loss: torch.Tensor = nn.BCEWithLogitsLoss(pos_weight=alpha)(z, y)
    return loss


def sigmoid_then_bce(z: torch.Tensor, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    loss: torch.Tensor = nn.BCELoss(weight=torch.where(y == 1, alpha, 1.0))(torch.sigmoid(z), y)
    return loss


def test_documented_example() -> None:
    targets = torch.ones(10, 64)
    logits = torch.full((10, 64), 0.999)
    loss = weighted_bce(logits, targets, pos_weight=torch.ones(64))
    assert f"{loss.item():.4f}" == "0.3135"


@pytest.mark.parametrize("reference", [torch_bce, sigmoid_then_bce, hand_written])
@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 9),
    labels=st.integers(1, 7),
    seed=st.integers(0, 2**31),
    spread=st.floats(0, 2),
)
def test_equals_references(
    reference: object, rows: int, labels: int, seed: int, spread: float
) -> None:
    assert callable(reference)
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, labels, generator=random) * spread
    targets = (torch.rand(rows, labels, generator=random) < 0.3).float()
    alpha = torch.rand(labels, generator=random) * 9 + 0.1
    results = []
    for function in (ours, reference):
        z = values.clone().requires_grad_()
        loss = function(z, targets, alpha)
        run_backward(loss)
        results.append((loss.detach(), z.grad))
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("z", [sign * far for far in FAR for sign in (1, -1)])
def test_far_logits(z: float, dtype: torch.dtype) -> None:
    """Far on the wrong side the loss is |z| (times the weight), and its gradient the weight."""
    weight = torch.tensor([4.0], dtype=dtype)
    target = torch.tensor([float(z < 0)], dtype=dtype)  # the wrong side
    logit = torch.tensor([z], dtype=dtype, requires_grad=True)
    loss = weighted_bce(logit, target, pos_weight=weight)
    run_backward(loss)
    assert logit.grad is not None
    slope = -4.0 if z < 0 else 1.0
    assert loss.item() == pytest.approx(abs(slope) * abs(logit.item()), rel=1e-6)
    assert logit.grad.item() == slope

    right = weighted_bce(logit.detach(), 1 - target, pos_weight=weight)
    assert 0 <= right.item() <= 4 * math.exp(-40) * 1.001


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("z", [sign * far for far in FAR for sign in (1, -1)])
def test_hand_written_fails_far_out(z: float, dtype: torch.dtype) -> None:
    """At sigmoid(z) = 1 or exp(z) = 0 it is nan or inf; clamped, it no longer learns."""
    alpha = torch.tensor([4.0], dtype=dtype)
    target = torch.tensor([float(z < 0)], dtype=dtype)
    z_wrong = torch.tensor([z], dtype=dtype, requires_grad=True)
    underflows = abs(z) >= 100 or z > 0  # sigmoid(-40) is 4e-18, which float32 still holds
    assert bool(hand_written(z_wrong, target, alpha).isfinite()) is not underflows
    repaired = clamped(z_wrong, target, alpha)
    run_backward(repaired)
    assert z_wrong.grad is not None
    assert repaired.isfinite()
    assert z_wrong.grad.item() == 0.0


def test_small_loss_of_far_right_logits() -> None:
    """Confident and right: the loss is exp(-|z|), not 0, and so is the gradient."""
    z = torch.tensor([[-20.0, 20.0]], requires_grad=True)
    loss = weighted_bce(z, torch.tensor([[0.0, 1.0]]), reduction="none")
    run_backward(loss.sum())
    torch.testing.assert_close(loss, torch.full((1, 2), math.exp(-20)), rtol=1e-5, atol=0)
    assert z.grad is not None
    torch.testing.assert_close(
        z.grad, math.exp(-20) * torch.tensor([[1.0, -1.0]]), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions_and_weights(reduction: Reduction) -> None:
    random = torch.Generator().manual_seed(0)
    z = torch.randn(6, 3, generator=random)
    y = (torch.rand(6, 3, generator=random) < 0.5).float()
    weight = torch.rand(6, 1, generator=random)
    pos_weight = torch.tensor([1.0, 5.0, 9.0])
    expected = nn.functional.binary_cross_entropy_with_logits(
        z, y, weight=weight.expand(6, 3), pos_weight=pos_weight, reduction=reduction
    )
    result = weighted_bce(z, y, pos_weight=pos_weight, weight=weight, reduction=reduction)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)


def test_pos_weight_of_members() -> None:
    """(M, 1, L) gives each member its own weights."""
    random = torch.Generator().manual_seed(1)
    z = torch.randn(3, 5, 2, generator=random)
    y = (torch.rand(3, 5, 2, generator=random) < 0.5).float()
    pos_weight = torch.rand(3, 1, 2, generator=random) * 9
    together = weighted_bce(z, y, pos_weight=pos_weight, reduction="none")
    apart = [
        weighted_bce(z[m], y[m], pos_weight=pos_weight[m, 0], reduction="none") for m in range(3)
    ]
    assert together.shape == (3, 5, 2)
    torch.testing.assert_close(together, torch.stack(apart), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64])
def test_integer_targets_are_converted(dtype: torch.dtype) -> None:
    z = torch.tensor([[0.5, -1.0]])
    y = torch.tensor([[1, 0]])
    assert weighted_bce(z, y.to(dtype)) == weighted_bce(z, y.float())


def test_refusals() -> None:
    z = torch.zeros(2, 3)
    with pytest.raises(TypeError, match="complex64"):
        weighted_bce(z, torch.zeros(2, 3, dtype=torch.complex64))
    with pytest.raises(TypeError, match="int64"):
        weighted_bce(torch.zeros(2, 3, dtype=torch.int64), z)
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        weighted_bce(z, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="'median'"):
        weighted_bce(z, z, reduction="median")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2,), (4, 1, 3), (2, 1, 1)])
def test_weights_that_would_widen_the_loss_are_refused(shape: tuple[int, ...]) -> None:
    z = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="pos_weight of shape"):
        weighted_bce(z, z, pos_weight=torch.ones(shape))
    with pytest.raises(ValueError, match=r"^weight of shape"):
        weighted_bce(z, z, weight=torch.ones(shape))


def test_missing_targets_add_nothing() -> None:
    z = torch.tensor([[1.0, -2.0], [0.3, 5.0]], requires_grad=True)
    y = torch.tensor([[1.0, NAN], [NAN, 0.0]])
    loss = weighted_bce(z, y, pos_weight=torch.tensor([3.0, 7.0]))
    run_backward(loss)
    known = weighted_bce(torch.tensor([1.0]), torch.ones(1), pos_weight=torch.tensor([3.0]))
    known = known + weighted_bce(torch.tensor([5.0]), torch.zeros(1))
    assert loss.item() == pytest.approx(float(known) / 2)
    assert z.grad is not None
    assert z.grad[0, 1] == z.grad[1, 0] == 0
    assert weighted_bce(z, y, reduction="none")[0, 1] == 0


def test_all_missing_is_no_loss() -> None:
    z = torch.ones(2, 2, requires_grad=True)
    loss = weighted_bce(z, torch.full((2, 2), NAN))
    run_backward(loss)
    assert z.grad is not None
    assert loss.item() == 0
    assert not z.grad.any()


def test_gradcheck() -> None:
    random = torch.Generator().manual_seed(2)
    z = torch.randn(3, 4, generator=random, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.0, 1.0, 0.25, NAN]], dtype=torch.float64).expand(3, 4)
    w = torch.tensor([1.0, 20.0, 3.0, 4.0], dtype=torch.float64)

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return weighted_bce(logits, y, pos_weight=w)

    assert torch.autograd.gradcheck(loss, (z,))
    assert torch.autograd.gradgradcheck(loss, (z,))


@pytest.mark.parametrize("weight", [0.2, 1.0, 19.0, 999.0])
def test_log_odds_is_where_the_expected_loss_is_least(weight: float) -> None:
    """Newton's method on the expected loss, knowing nothing of the formula."""
    eta = torch.tensor([0.001, 0.02, 0.3, 0.5, 0.9, 0.999], dtype=torch.float64)
    w = torch.full_like(eta, weight)
    z = torch.zeros_like(eta, requires_grad=True)
    for _ in range(200):
        one = weighted_bce(z, torch.ones_like(z), pos_weight=w, reduction="none")
        zero = weighted_bce(z, torch.zeros_like(z), pos_weight=w, reduction="none")
        expected = (eta * one + (1 - eta) * zero).sum()
        (slope,) = torch.autograd.grad(expected, z, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), z)
        z = (z - (slope / curvature).clamp(-0.5, 0.5)).detach().requires_grad_()
    torch.testing.assert_close(log_odds(z.detach(), w), torch.logit(eta), rtol=0, atol=1e-4)
    torch.testing.assert_close(inverse_link(z.detach(), w), eta, rtol=0, atol=1e-4)
    torch.testing.assert_close(link(eta, w), z.detach(), rtol=0, atol=1e-4)


def test_inverse_link_is_calibrated_where_sigmoid_is_not() -> None:
    """A logistic regression with pos_weight on simulated rows of known eta, prevalence near 3 %."""
    random = torch.Generator().manual_seed(3)
    x = torch.randn(40_000, 2, generator=random, dtype=torch.float64)
    eta = torch.sigmoid(x @ torch.tensor([1.0, -0.5], dtype=torch.float64) - 4)
    y = (torch.rand(len(x), generator=random, dtype=torch.float64) < eta).double()[:, None]
    w = (len(y) - y.sum(dim=0)) / y.sum(dim=0)
    assert 0.01 < float(y.mean()) < 0.05
    model = nn.Linear(2, 1).double()
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", max_iter=60)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = weighted_bce(model(x), y, pos_weight=w)
        run_backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    z = model(x).detach()
    corrected = inverse_link(z, w)
    assert float(expected_calibration_error(corrected, y)) < 0.003
    assert float(expected_calibration_error(torch.sigmoid(z), y)) > 0.2
    torch.testing.assert_close(corrected[:, 0].mean(), eta.mean(), rtol=0.05, atol=0)
