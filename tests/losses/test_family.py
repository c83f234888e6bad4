"""Every loss equals its published form, stays finite at every logit, and has the right slope."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from imbalance_cli.labels import LabelCounts
from imbalance_cli.losses.family import (
    NEUTRAL,
    Loss,
    Reduction,
    asymmetric,
    bce,
    cell_weights,
    compute_loss,
    distribution_balanced,
    focal,
    logit_adjusted,
    loss_and_slope,
    rare_loss_and_slope,
    stack_losses,
    weighted_bce,
)
from imbalance_cli.weighting.pos_weight import Strategy, pos_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    Weighted = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

FAR = [40.0, 100.0, 1e4]
REDUCTIONS: list[Reduction] = ["none", "mean", "sum"]
NAN = math.nan
ROWS, LABELS = 200, 3

WEIGHTS = torch.tensor([0.01, 3.0, 1e5])
PREVALENCE = torch.tensor([0.001, 0.3, 0.9])
POSITIVES, KNOWN = torch.tensor([10.0, 300.0, 900.0]), torch.tensor([1000.0, 1000.0, 1000.0])
MEMBERS = {
    "bce": bce(),
    "weighted_bce": weighted_bce(WEIGHTS),
    "focal": focal(),
    "focal, gamma 0": focal(0.0),
    "focal, gamma 0.5, alpha": focal(0.5, alpha=0.25),
    "focal, gamma 6, weighted": focal(6.0, alpha=0.9, pos_weight=WEIGHTS),
    "asymmetric": asymmetric(),
    "asymmetric, no margin": asymmetric(margin=0.0),
    "asymmetric, margin alone": asymmetric(0.0, 0.0, 0.2),
    "asymmetric, wide margin": asymmetric(2.0, 0.5, 0.9, pos_weight=WEIGHTS),
    "logit_adjusted": logit_adjusted(PREVALENCE),
    "logit_adjusted, tau 0": logit_adjusted(PREVALENCE, 0.0),
    "distribution_balanced": distribution_balanced(POSITIVES, KNOWN),
    "distribution_balanced, gamma 0": distribution_balanced(POSITIVES, KNOWN, 0.0, 1.0, 5.0),
    "drawn rows": Loss(prior_shift=WEIGHTS),
}
each_member = pytest.mark.parametrize("loss", MEMBERS.values(), ids=MEMBERS)


def run_backward(loss: torch.Tensor) -> None:
    torch.autograd.backward(loss)


def make_cells(
    seed: int, *shape: int, spread: float = 3.0, share: float = 0.3
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and hard targets, in float32."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(shape, generator=random) * spread
    return z, (torch.rand(shape, generator=random) < share).float()


def evaluate(
    function: Function, z: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each cell's loss and its gradient."""
    z = z.clone().requires_grad_()
    cells = function(z, y)
    (gradient,) = torch.autograd.grad(cells.sum(), z)
    return cells.detach(), gradient


def cells_of(loss: Loss) -> Function:
    return lambda z, y: compute_loss(z, y, loss, reduction="none")


@each_member
@pytest.mark.parametrize("members", [1, 3])
def test_losses_of_rare_positives_are_those_of_any(loss: Loss, members: int) -> None:
    z, y = make_cells(0, members, 50, 3, spread=8.0, share=0.05)
    y[:, :5] = NAN
    y[:, :, 2][:, 7:20] = NAN
    stacked = stack_losses([loss] * members, 3)
    pairs = zip(rare_loss_and_slope(z, y, stacked), loss_and_slope(z, y, stacked), strict=True)
    for rare, wanted in pairs:
        torch.testing.assert_close(rare, wanted, rtol=1e-6, atol=1e-12)


# --------------------------------------------------------------------------- binary cross entropy


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
    return compute_loss(z, y, weighted_bce(alpha))


def torch_bce(z: torch.Tensor, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    loss: torch.Tensor = nn.BCEWithLogitsLoss(pos_weight=alpha)(z, y)
    return loss


def sigmoid_then_bce(z: torch.Tensor, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    loss: torch.Tensor = nn.BCELoss(weight=torch.where(y == 1, alpha, 1.0))(torch.sigmoid(z), y)
    return loss


def at_weights(function: Weighted, alpha: torch.Tensor) -> Function:
    return lambda z, y: function(z, y, alpha)


def test_documented_example() -> None:
    targets = torch.ones(10, 64)
    logits = torch.full((10, 64), 0.999)
    loss = compute_loss(logits, targets, weighted_bce(torch.ones(64)))
    assert f"{loss.item():.4f}" == "0.3135"


@pytest.mark.parametrize("reference", [torch_bce, sigmoid_then_bce, hand_written])
@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 9),
    labels=st.integers(1, 7),
    seed=st.integers(0, 2**31),
    spread=st.floats(0, 2),
)
def test_weighted_bce_equals_references(
    reference: Weighted,
    rows: int,
    labels: int,
    seed: int,
    spread: float,
) -> None:
    values, targets = make_cells(seed, rows, labels, spread=spread)
    alpha = torch.rand(labels, generator=torch.Generator().manual_seed(seed)) * 9 + 0.1
    results = [
        evaluate(at_weights(function, alpha), values, targets) for function in (ours, reference)
    ]
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("z", [sign * far for far in FAR for sign in (1, -1)])
def test_far_logits(z: float, dtype: torch.dtype) -> None:
    """Far on the wrong side the loss is |z| (times the weight), and its gradient the weight."""
    loss = weighted_bce(torch.tensor([4.0], dtype=dtype))
    target = torch.tensor([float(z < 0)], dtype=dtype)  # the wrong side
    logit = torch.tensor([z], dtype=dtype, requires_grad=True)
    wrong = compute_loss(logit, target, loss)
    run_backward(wrong)
    assert logit.grad is not None
    slope = -4.0 if z < 0 else 1.0
    assert wrong.item() == pytest.approx(abs(slope) * abs(logit.item()), rel=1e-6)
    assert logit.grad.item() == slope

    right = compute_loss(logit.detach(), 1 - target, loss)
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
    z, y = torch.tensor([[-20.0, 20.0]]), torch.tensor([[0.0, 1.0]])
    loss, gradient = evaluate(cells_of(bce()), z, y)
    small = math.exp(-20)
    torch.testing.assert_close(loss, torch.full((1, 2), small), rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, small * torch.tensor([[1.0, -1.0]]), rtol=1e-5, atol=0)


# --------------------------------------------------------------------------- the published forms


def bce_cells(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")


def focal_as_published(gamma: float, alpha: float | None) -> Function:
    """As torchvision.ops.sigmoid_focal_loss computes it (Lin et al. 2017)."""

    def reference(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        p = torch.sigmoid(z)
        p_t = p * y + (1 - p) * (1 - y)
        loss = bce_cells(z, y) * (1 - p_t) ** gamma
        return loss if alpha is None else (alpha * y + (1 - alpha) * (1 - y)) * loss

    return reference


def asymmetric_as_published(gamma_positive: float, gamma_negative: float, clip: float) -> Function:
    """The formula of Ridnik et al. 2021; the focusing weight has a gradient, as in the formula."""

    def reference(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        xs_pos = torch.sigmoid(z)
        xs_neg = (1 - xs_pos + clip).clamp(max=1)
        cross_entropy = y * torch.log(xs_pos) + (1 - y) * torch.log(xs_neg)
        p_t = xs_pos * y + xs_neg * (1 - y)
        return -cross_entropy * (1 - p_t) ** (gamma_positive * y + gamma_negative * (1 - y))

    return reference


def logit_adjusted_as_published(prevalence: torch.Tensor, tau: float) -> Function:
    """Cross entropy at z + tau * log(pi / (1 - pi)) (Menon et al. 2021)."""
    return lambda z, y: bce_cells(z + tau * (prevalence / (1 - prevalence)).log(), y)


def distribution_balanced_as_published(positives: torch.Tensor, rows: torch.Tensor) -> Function:
    """Their ResampleLoss (Wu et al. 2020), 'rebalance', with the paper's parameters.

    Their overall factor, loss_weight 0.5 times balance_param 2, is 1. Their code divides the bias
    by neg_scale, which the paper does not and later copies call a bug: it is not divided here.
    """
    alpha, beta, mu, kappa, neg_scale, gamma = 0.1, 10.0, 0.2, 0.05, 2.0, 2.0

    def reference(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        repeat_rate = (y / positives).sum(dim=1, keepdim=True)
        weight = torch.sigmoid(beta * (1 / positives / repeat_rate - mu)) + alpha
        z = z - torch.log(rows / positives - 1) * kappa
        z = z * (1 - y) * neg_scale + z * y
        weight = weight / neg_scale * (1 - y) + weight * y
        cross_entropy = bce_cells(z, y)
        return (1 - torch.exp(-cross_entropy)) ** gamma * weight * cross_entropy

    return reference


PUBLISHED: dict[str, tuple[Loss, Function]] = {
    f"focal, gamma {gamma}, alpha {alpha}": (focal(gamma, alpha), focal_as_published(gamma, alpha))
    for gamma in (0.0, 0.5, 1.0, 2.0, 5.0)
    for alpha in (None, 0.25)
}
PUBLISHED |= {
    f"asymmetric {given}": (asymmetric(*given), asymmetric_as_published(*given))
    for given in [(1.0, 4.0, 0.0), (0.0, 4.0, 0.05), (2.0, 1.5, 0.3), (0.0, 0.0, 0.2)]
}
PUBLISHED |= {
    f"logit_adjusted, tau {tau}": (
        logit_adjusted(PREVALENCE, tau),
        logit_adjusted_as_published(PREVALENCE, tau),
    )
    for tau in (0.0, 1.0, 1.5)
}
PUBLISHED |= {
    "focal by default": (focal(), focal_as_published(2.0, None)),
    "asymmetric by default": (asymmetric(), asymmetric_as_published(1.0, 4.0, 0.05)),
    "logit_adjusted by default": (
        logit_adjusted(PREVALENCE),
        logit_adjusted_as_published(PREVALENCE, 1.0),
    ),
    "distribution_balanced by default": (
        distribution_balanced(POSITIVES, KNOWN),
        distribution_balanced_as_published(POSITIVES, KNOWN),
    ),
}


@pytest.mark.parametrize(("loss", "reference"), PUBLISHED.values(), ids=PUBLISHED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_equal_the_published_form(
    loss: Loss, reference: Function, dtype: torch.dtype
) -> None:
    z, y = make_cells(4, ROWS, LABELS)
    results = evaluate(cells_of(loss), z.to(dtype), y.to(dtype))
    expected = evaluate(reference, z.double(), y.double())
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == dtype
        torch.testing.assert_close(result.double(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999])
def test_class_balanced_is_focal_with_effective_weights(beta: float, gamma: float) -> None:
    """Cui et al. 2019: each class weighs (1 - beta) / (1 - beta^n); ours is that over w_neg."""
    positives, negatives = [3, 40, 900], [997, 960, 100]
    w_pos, w_neg = (
        torch.tensor([(1 - beta) / (1 - beta**n) for n in counts], dtype=torch.float64)
        for counts in (positives, negatives)
    )
    ratio = torch.tensor(
        [
            pos_weight(LabelCounts("y", *counts), Strategy("effective", beta=beta))
            for counts in zip(positives, negatives, strict=True)
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(ratio, w_pos / w_neg, rtol=1e-9, atol=0)
    z, y = (value.double() for value in make_cells(5, ROWS, LABELS))
    wanted = focal_as_published(gamma, None)(z, y) * (w_pos * y + w_neg * (1 - y)) / w_neg
    result = compute_loss(z, y, focal(gamma, pos_weight=ratio), reduction="none")
    torch.testing.assert_close(result, wanted, rtol=1e-6, atol=1e-6)


def test_a_pos_weight_multiplies_the_positives_of_focal_and_asymmetric() -> None:
    z, y = make_cells(6, ROWS, LABELS)
    for made in (focal, asymmetric):
        plain = compute_loss(z, y, made(), reduction="none")
        weighted = compute_loss(z, y, made(pos_weight=WEIGHTS), reduction="none")
        torch.testing.assert_close(weighted, plain * torch.where(y == 1, WEIGHTS, 1.0))


def test_prior_shift_is_not_seen_by_the_loss() -> None:
    z, y = make_cells(7, ROWS, LABELS)
    assert compute_loss(z, y, MEMBERS["drawn rows"]) == compute_loss(z, y)


# ---------------------------------------------------------------------- slopes, and every logit


def make_checked_cells(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that need a gradient, and hard, soft and missing targets, in float64."""
    cells = math.prod(shape)
    z = torch.linspace(-6, 6, cells, dtype=torch.float64).reshape(shape).requires_grad_()
    y = torch.tensor([0.0, 1.0, 0.25, NAN, 0.0, 1.0, 0.5], dtype=torch.float64).repeat(cells)
    return z, y[:cells].reshape(shape)


@each_member
def test_slope_and_curvature_by_differences(loss: Loss) -> None:
    z, y = make_checked_cells(10, LABELS)

    def function(logits: torch.Tensor) -> torch.Tensor:
        return compute_loss(logits, y, loss)

    assert torch.autograd.gradcheck(function, (z,))
    assert torch.autograd.gradgradcheck(function, (z,))


def test_slope_and_curvature_of_stacked_members() -> None:
    z, y = make_checked_cells(5, LABELS)
    z = z.detach().expand(len(MEMBERS), -1, -1).clone().requires_grad_()
    y = y.expand_as(z)
    stacked = stack_losses(list(MEMBERS.values()), LABELS)
    assert all(value.shape[1] == 1 for value in stacked.parameters().values())

    def function(logits: torch.Tensor) -> torch.Tensor:
        return compute_loss(logits, y, stacked)

    assert torch.autograd.gradcheck(function, (z,))
    assert torch.autograd.gradgradcheck(function, (z,))


EXTREMES = [
    sign * z
    for z in (
        0.0,
        1e-45,
        1e-30,
        1.0,
        17.0,
        40.0,
        88.8,
        104.0,
        710.0,
        1e19,
        1e38,
        3.4028234663852886e38,
    )
    for sign in (1, -1)
]


@each_member
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@settings(deadline=None, max_examples=20)
@example(values=EXTREMES)
@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_loss_and_gradient_are_finite_at_every_finite_logit(
    loss: Loss, dtype: torch.dtype, values: list[float]
) -> None:
    largest = torch.finfo(dtype).max
    z = torch.tensor(values)[:, None].expand(-1, LABELS).clamp(-largest, largest).to(dtype)
    assert z.isfinite().all()
    for side in (0.0, 1.0):
        cells, gradient = evaluate(cells_of(loss), z, torch.full_like(z, side))
        assert cells.dtype == torch.float32
        assert gradient.dtype == dtype
        assert cells.isfinite().all()
        assert (cells >= 0).all()
        assert gradient.isfinite().all()


@each_member
def test_float32_has_the_digits_of_float64_from_end_to_end(loss: Loss) -> None:
    """A power takes gamma |z| roundings into its exponent; a margin's q is a difference."""
    z = torch.linspace(-100, 100, 4001)[:, None].expand(-1, LABELS)
    atol = 1e-32 if loss.margin is None else 1e-6
    for side in (0.0, 1.0):
        y = torch.full_like(z, side)
        single, double = evaluate(cells_of(loss), z, y), evaluate(cells_of(loss), z.double(), y)
        for result, wanted in zip(single, double, strict=True):
            torch.testing.assert_close(result.double(), wanted, rtol=1e-4, atol=atol)


@each_member
def test_loss_of_half_precision_logits_is_computed_in_float32(loss: Loss) -> None:
    z, y = make_cells(9, ROWS, LABELS)
    for dtype in (torch.bfloat16, torch.float16):
        half = z.to(dtype)
        result = compute_loss(half, y.to(dtype), loss)
        assert result == compute_loss(half.float(), y, loss)


@pytest.mark.parametrize("z", [-3.0, -20.0, -200.0])
def test_below_the_margin_a_negative_has_no_loss_and_no_slope(z: float) -> None:
    for loss in (asymmetric(), asymmetric(0.0, 0.0, 0.05)):
        cells, gradient = evaluate(cells_of(loss), torch.tensor([z]), torch.zeros(1))
        assert cells.item() == gradient.item() == 0


# ------------------------------------------------------- reductions, weights, targets, shapes


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions_and_weights(reduction: Reduction) -> None:
    z, y = make_cells(0, 6, 3, share=0.5)
    weight = torch.rand(6, 1, generator=torch.Generator().manual_seed(0))
    alpha = torch.tensor([1.0, 5.0, 9.0])
    expected = nn.functional.binary_cross_entropy_with_logits(
        z, y, weight=weight.expand(6, 3), pos_weight=alpha, reduction=reduction
    )
    result = compute_loss(z, y, weighted_bce(alpha), weight=weight, reduction=reduction)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)


@each_member
def test_sample_weights_multiply_each_row(loss: Loss) -> None:
    z, y = make_cells(10, 8, LABELS)
    weight = torch.arange(8.0)[:, None]
    cells, gradient = evaluate(cells_of(loss), z, y)
    result = evaluate(lambda z, y: compute_loss(z, y, loss, weight=weight, reduction="none"), z, y)
    torch.testing.assert_close(result, (weight * cells, weight * gradient), rtol=1e-6, atol=0)
    total = compute_loss(z, y, loss, weight=weight, reduction="sum")
    torch.testing.assert_close(total, (weight * cells).sum())
    torch.testing.assert_close(compute_loss(z, y, loss, weight=weight), total / z.numel())


def test_pos_weight_of_members() -> None:
    """(M, 1, L) gives each member its own weights."""
    z, y = make_cells(1, 3, 5, 2, share=0.5)
    alpha = torch.rand(3, 1, 2, generator=torch.Generator().manual_seed(1)) * 9
    together = compute_loss(z, y, weighted_bce(alpha), reduction="none")
    apart = [
        compute_loss(z[m], y[m], weighted_bce(alpha[m, 0]), reduction="none") for m in range(3)
    ]
    assert together.shape == (3, 5, 2)
    torch.testing.assert_close(together, torch.stack(apart))  # some processors round by place


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64])
def test_integer_targets_are_converted(dtype: torch.dtype) -> None:
    z = torch.tensor([[0.5, -1.0]])
    y = torch.tensor([[1, 0]])
    assert compute_loss(z, y.to(dtype)) == compute_loss(z, y.float())


@each_member
def test_soft_targets_are_linear_between_the_two_sides(loss: Loss) -> None:
    """The cells' weights of `rarity` depend on the row's targets themselves: they are left out."""
    loss = dataclasses.replace(loss, rarity=None)
    z, _ = make_cells(11, ROWS, LABELS)
    y = torch.rand(ROWS, LABELS, generator=torch.Generator().manual_seed(11))
    negative, positive = (
        evaluate(cells_of(loss), z, torch.full_like(z, side)) for side in (0.0, 1.0)
    )
    for result, low, high in zip(evaluate(cells_of(loss), z, y), negative, positive, strict=True):
        torch.testing.assert_close(result, (1 - y) * low + y * high, rtol=1e-5, atol=1e-6)


@each_member
def test_missing_targets_add_nothing(loss: Loss) -> None:
    """Neither to the loss, nor to a gradient, nor to the count."""
    z, y = make_cells(12, ROWS, LABELS)
    missing = torch.rand(ROWS, LABELS, generator=torch.Generator().manual_seed(12)) < 0.4
    y[missing] = NAN
    cells, gradient = evaluate(cells_of(loss), z, y)
    assert not cells[missing].any()
    assert not gradient[missing].any()
    assert cells[~missing].all() or loss.margin is not None
    total = compute_loss(z, y, loss, reduction="sum")
    torch.testing.assert_close(total, cells.sum())
    torch.testing.assert_close(compute_loss(z, y, loss), total / (~missing).sum())
    if loss.rarity is None:
        labels = [dataclasses.replace(loss, **one_label(loss, label)) for label in range(LABELS)]
        known = [
            compute_loss(z[~missing[:, i], i, None], y[~missing[:, i], i, None], of_label)
            for i, of_label in enumerate(labels)
        ]
        counts = (~missing).sum(dim=0)
        mean = (torch.stack(known) * counts).sum() / counts.sum()
        torch.testing.assert_close(compute_loss(z, y, loss), mean)


def one_label(loss: Loss, label: int) -> dict[str, torch.Tensor]:
    return {
        name: value[label, None] if value.ndim else value
        for name, value in loss.parameters().items()
    }


@each_member
def test_all_missing_is_no_loss(loss: Loss) -> None:
    z = torch.ones(2, LABELS, requires_grad=True)
    result = compute_loss(z, torch.full((2, LABELS), NAN), loss)
    run_backward(result)
    assert z.grad is not None
    assert result.item() == 0
    assert not z.grad.any()


def test_no_rows_are_no_loss() -> None:
    assert compute_loss(torch.zeros(0, LABELS), torch.zeros(0, LABELS)).item() == 0


def test_cells_of_rows_without_labels_weigh_alike() -> None:
    """Wu et al.: in an empty row every cell is 1.1; a missing target is as an absent one."""
    rarity = 1 / POSITIVES
    y = torch.tensor([[0.0, 0.0, 0.0], [NAN, 0.0, NAN], [1.0, 0.0, 0.0], [1.0, NAN, 0.0]])
    weights = cell_weights(y, rarity)
    torch.testing.assert_close(weights[:2], torch.full((2, 3), 1.1))
    torch.testing.assert_close(weights[2], weights[3], rtol=0, atol=0)
    assert (cell_weights(y, torch.zeros(3)) == 1).all()


# -------------------------------------------------------------------------------------- stacking


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-7), (torch.float32, 1e-6)])
def test_stacked_members_are_each_what_they_are_alone(dtype: torch.dtype, rtol: float) -> None:
    losses = list(MEMBERS.values())
    z, y = (value.to(dtype) for value in make_cells(13, len(losses), ROWS, LABELS))
    stacked = stack_losses(losses, LABELS)
    assert {value.shape for value in stacked.parameters().values()} == {(len(losses), 1, LABELS)}
    together = evaluate(cells_of(stacked), z, y)
    for m, loss in enumerate(losses):
        alone = evaluate(cells_of(loss), z[m], y[m])
        for result, wanted in zip(together, alone, strict=True):
            torch.testing.assert_close(result[m], wanted, rtol=rtol, atol=1e-7)


def test_stacked_members_are_each_what_they_are_alone_at_extreme_logits() -> None:
    z = torch.tensor(EXTREMES)[:, None].expand(-1, LABELS)
    stacked = stack_losses(list(MEMBERS.values()), LABELS)
    for side in (0.0, 1.0):
        y = torch.full_like(z, side)
        many = z.expand(len(MEMBERS), -1, -1)
        together = evaluate(cells_of(stacked), many, torch.full_like(many, side))
        for m, loss in enumerate(MEMBERS.values()):
            alone = evaluate(cells_of(loss), z, y)
            for result, wanted in zip(together, alone, strict=True):
                assert result[m].isfinite().all()
                torch.testing.assert_close(result[m], wanted, rtol=1e-6, atol=1e-7)


def test_one_member_stacks_to_itself() -> None:
    z, y = make_cells(14, 1, ROWS, LABELS)
    assert stack_losses([bce()], LABELS) == bce()
    stacked = stack_losses([focal(2)], LABELS)
    torch.testing.assert_close(compute_loss(z, y, stacked), compute_loss(z[0], y[0], focal()))


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_parameters_change_nothing(name: str) -> None:
    z, y = make_cells(15, ROWS, LABELS)
    neutral = Loss(**{name: torch.tensor(NEUTRAL[name])})
    results, expected = evaluate(cells_of(neutral), z, y), evaluate(cells_of(bce()), z, y)
    torch.testing.assert_close(results, expected, rtol=1e-6, atol=1e-7)
    assert set(NEUTRAL) == {field.name for field in dataclasses.fields(Loss)}


# -------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: focal(-0.1), r"gamma must be from 0 up, not -0\.1"),
        (lambda: focal(NAN), "gamma .* not nan"),
        (lambda: focal(math.inf), "gamma .* not inf"),
        (lambda: focal(alpha=0.0), r"alpha must be above 0 and below 1, not 0\.0"),
        (lambda: focal(alpha=1.0), r"alpha .* not 1\.0"),
        (lambda: focal(alpha=NAN), "alpha .* not nan"),
        (lambda: asymmetric(-1.0), r"gamma_positive .* not -1\.0"),
        (lambda: asymmetric(1.0, -1.0), r"gamma_negative .* not -1\.0"),
        (lambda: asymmetric(margin=-0.05), r"margin must be at least 0 and below 1, not -0\.05"),
        (lambda: asymmetric(margin=1.0), r"margin .* not 1\.0"),
        (lambda: asymmetric(margin=NAN), "margin .* not nan"),
        (lambda: logit_adjusted(PREVALENCE, -1.0), r"tau must be from 0 up, not -1\.0"),
        (lambda: logit_adjusted(PREVALENCE, NAN), "tau .* not nan"),
        (lambda: distribution_balanced(POSITIVES, KNOWN, -1.0), r"gamma .* not -1\.0"),
        (
            lambda: distribution_balanced(POSITIVES, KNOWN, negative_scale=0.5),
            r"negative_scale must be from 1 to 20\.0, not 0\.5",
        ),
        (
            lambda: distribution_balanced(POSITIVES, KNOWN, negative_scale=21.0),
            r"negative_scale .* not 21\.0",
        ),
    ],
)
def test_parameters_out_of_range_are_refused(make: Callable[[], Loss], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_refusals() -> None:
    z = torch.zeros(2, 3)
    with pytest.raises(TypeError, match="complex64"):
        compute_loss(z, torch.zeros(2, 3, dtype=torch.complex64))
    with pytest.raises(TypeError, match="int64"):
        compute_loss(torch.zeros(2, 3, dtype=torch.int64), z)
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        compute_loss(z, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="'median'"):
        compute_loss(z, z, reduction="median")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2,), (4, 1, 3), (2, 1, 1)])
def test_parameters_that_would_widen_the_loss_are_refused(shape: tuple[int, ...]) -> None:
    z = torch.zeros(2, 3)
    for name in NEUTRAL:
        with pytest.raises(ValueError, match=rf"^{name} of shape"):
            compute_loss(z, z, Loss(**{name: torch.ones(shape)}))
    with pytest.raises(ValueError, match=r"^weight of shape"):
        compute_loss(z, z, weight=torch.ones(shape))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_mean_of_huge_losses_is_finite(dtype: torch.dtype) -> None:
    z = torch.full((4, 2), 3e38, dtype=dtype)
    mean = compute_loss(z, torch.zeros(4, 2))
    assert mean.item() == pytest.approx(z[0, 0].item(), rel=1e-6)
