"""The loss family; link.py has the probabilities that its logits stand for.

Shapes: B batch (or N rows), L labels, M members. Logits and targets are (..., L), or (M, B, L) for
several networks at once; parameters broadcast to them: (L,) for labels, (M, 1, L) for members.

Every loss is one point of

    L(z, y) = - y       * w    * (1 - p)^g_pos * log p              p = sigmoid(u),  u = z + b
              - (1 - y) * 1/s  *     q^g_neg   * log(1 - q)         q = max(sigmoid(s u) - m, 0)

times an overall factor; L1 and L0 are the loss for y = 1 and y = 0. Logarithms are taken as
softplus(-u) and softplus(u), never from p: sigmoid(40) is 1 in float32, so log(1 - p) would be
-inf, and clamping p would stop the gradient.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch.nn.functional import relu, softplus

if TYPE_CHECKING:
    from collections.abc import Sequence

SOFTPLUS_IS_X = 40.0  # from where log(1 + exp(x)) is x in float64
Reduction = Literal["none", "mean", "sum"]

STEEPEST = 20.0  # past about 30 the link of a focal loss falls somewhere, and orders no logits
LOG1P_BELOW = 0.5  # of q and 1 - q, the smaller one has the digits of log(1 - q)


@dataclasses.dataclass(frozen=True)
class Loss:
    """A point of the family; None where a parameter changes nothing.

    Attributes:
        pos_weight: w, above 0; 1 if None.
        gamma_positive: g_pos, from 0 up; 0 if None.
        gamma_negative: g_neg, from 0 up; 0 if None.
        margin: m in [0, 1); 0 if None.
        offset: b; 0 if None.
        negative_scale: s, from 1 up; 1 if None.
        factor: of the whole loss, above 0; 1 if None.
        rarity: 1 / positives of each label, which weighs cells as Wu et al. 2020 do; 0 or None
            weighs them alike.
        prior_shift: by how much the odds of a positive were multiplied before the loss saw them,
            by drawing or by weighing rows; 1 if None. Changes the link, not the loss.
    """

    pos_weight: torch.Tensor | None = None
    gamma_positive: torch.Tensor | None = None
    gamma_negative: torch.Tensor | None = None
    margin: torch.Tensor | None = None
    offset: torch.Tensor | None = None
    negative_scale: torch.Tensor | None = None
    factor: torch.Tensor | None = None
    rarity: torch.Tensor | None = None
    prior_shift: torch.Tensor | None = None

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return the parameters that are not None, by name."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in given.items() if value is not None}

    def to(self, target: torch.device | torch.dtype) -> Loss:
        """Return the same loss on a device, or in another type."""
        return Loss(**{name: value.to(target) for name, value in self.parameters().items()})

    def labels(self, part: slice) -> Loss:
        """Return the same loss for some of the labels."""
        return Loss(
            **{
                name: value[..., part] if value.dim() and value.shape[-1] > 1 else value
                for name, value in self.parameters().items()
            }
        )

    def of_heads(self, heads: Sequence[int]) -> Loss:
        """Return the loss of M networks, (M, 1, L), for each of their heads, (sum of K, 1, L).

        Args:
            heads: K of each network, (M,).
        """
        return self.of_members([m for m, number in enumerate(heads) for _ in range(number)])

    def of_members(self, members: Sequence[int]) -> Loss:
        """Return the loss of some of M networks, its parameters (len(members), 1, L)."""
        parameters = self.parameters().items()
        return Loss(**{name: value[list(members)] for name, value in parameters})


NEUTRAL = {
    "pos_weight": 1.0,
    "gamma_positive": 0.0,
    "gamma_negative": 0.0,
    "margin": 0.0,
    "offset": 0.0,
    "negative_scale": 1.0,
    "factor": 1.0,
    "rarity": 0.0,
    "prior_shift": 1.0,
}
"""What each parameter is where it is None."""


def stack_losses(losses: Sequence[Loss], labels: int) -> Loss:
    """Return one loss for M members, its parameters (M, 1, L)."""
    names = {name for loss in losses for name in loss.parameters()}
    stacked = {}
    for name in names:
        given = [loss.parameters().get(name, torch.tensor(NEUTRAL[name])) for loss in losses]
        stacked[name] = torch.stack([value.expand(labels) for value in given])[:, None, :]
    return Loss(**stacked)


# ------------------------------------------------------------------------------- the named points


def bce() -> Loss:
    """Return plain binary cross entropy."""
    return Loss()


def weighted_bce(pos_weight: torch.Tensor) -> Loss:
    """Return the loss of torch.nn.BCEWithLogitsLoss(pos_weight), (L,)."""
    return Loss(pos_weight=pos_weight)


def focal(
    gamma: float = 2.0, alpha: float | None = None, pos_weight: torch.Tensor | None = None
) -> Loss:
    """Return the focal loss (Lin et al. 2017).

    Args:
        gamma: how fast the loss of a cell that is right already falls, from 0 up.
        alpha: the share of the positives' loss, in (0, 1): a factor 1 - alpha and
            w = alpha / (1 - alpha); None leaves both at 1.
        pos_weight: (L,), multiplies w.

    Raises:
        ValueError: gamma or alpha is out of range.
    """
    _check("gamma", gamma, "from 0 up", lies_inside=0 <= gamma < math.inf)
    g = torch.tensor(gamma)
    if alpha is None:
        return Loss(pos_weight=pos_weight, gamma_positive=g, gamma_negative=g)
    _check("alpha", alpha, "above 0 and below 1", lies_inside=0 < alpha < 1)
    w = torch.tensor(alpha / (1 - alpha))
    return Loss(
        pos_weight=w if pos_weight is None else w * pos_weight,
        gamma_positive=g,
        gamma_negative=g,
        factor=torch.tensor(1 - alpha),
    )


def asymmetric(
    gamma_positive: float = 1.0,
    gamma_negative: float = 4.0,
    margin: float = 0.05,
    pos_weight: torch.Tensor | None = None,
) -> Loss:
    """Return the asymmetric loss (Ridnik et al. 2021), with its published defaults.

    Raises:
        ValueError: a parameter is out of range.
    """
    for name, gamma in (("gamma_positive", gamma_positive), ("gamma_negative", gamma_negative)):
        _check(name, gamma, "from 0 up", lies_inside=0 <= gamma < math.inf)
    _check("margin", margin, "at least 0 and below 1", lies_inside=0 <= margin < 1)
    return Loss(
        pos_weight=pos_weight,
        gamma_positive=torch.tensor(gamma_positive),
        gamma_negative=torch.tensor(gamma_negative),
        margin=torch.tensor(margin) if margin else None,
    )


def logit_adjusted(prevalence: torch.Tensor, tau: float = 1.0) -> Loss:
    """Return the logit-adjusted loss (Menon et al. 2021), of a prevalence in (0, 1), (L,).

    Raises:
        ValueError: tau is out of range.
    """
    _check("tau", tau, "from 0 up", lies_inside=0 <= tau < math.inf)
    return Loss(offset=tau * torch.logit(prevalence))


def distribution_balanced(
    positives: torch.Tensor,
    rows: torch.Tensor,
    gamma: float = 2.0,
    kappa: float = 0.05,
    negative_scale: float = 2.0,
) -> Loss:
    """Return the distribution-balanced loss (Wu et al. 2020), with its published defaults.

    Args:
        positives: (L,) of the training rows, above 0.
        rows: (L,) whose target is known.
        gamma: as of `focal`; 0 leaves that part out.
        kappa: the offset is kappa * log(prevalence / (1 - prevalence)).
        negative_scale: how much steeper the negatives' loss is, from 1 to STEEPEST.

    Raises:
        ValueError: a parameter is out of range.
    """
    _check("gamma", gamma, "from 0 up", lies_inside=0 <= gamma < math.inf)
    lies_inside = 1 <= negative_scale <= STEEPEST
    _check("negative_scale", negative_scale, f"from 1 to {STEEPEST}", lies_inside=lies_inside)
    prevalence = positives / rows
    return Loss(
        gamma_positive=torch.tensor(gamma),
        gamma_negative=torch.tensor(gamma),
        offset=kappa * torch.logit(prevalence),
        negative_scale=torch.tensor(negative_scale),
        rarity=1 / positives,
    )


def _check(name: str, value: float, needed: str, *, lies_inside: bool) -> None:
    if not lies_inside:
        raise ValueError(f"{name} must be {needed}, not {value}")


# --------------------------------------------------------------------------------------- the loss


def compute_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    loss: Loss | None = None,
    *,
    weight: torch.Tensor | None = None,
    reduction: Reduction = "mean",
) -> torch.Tensor:
    """Return a loss of the family at logits.

    Args:
        logits: (..., L), any floating type; the loss is computed in float32 or wider.
        targets: (..., L) in [0, 1], NaN where missing; integer and boolean ones are converted.
        loss: which member of the family; None is `bce`.
        weight: a weight for each element, broadcast to the logits; None is 1.
        reduction: "none" gives each element (0 where the target is missing), "sum" their sum,
            "mean" their mean over the known targets, 0 where none is.

    Returns:
        (..., L) for "none", else a scalar. The logits get a gradient; parameters and targets get
        none.

    Raises:
        TypeError: targets or logits are of another type.
        ValueError: logits and targets differ in shape, a parameter does not broadcast to them, or
            the reduction is unknown.
    """
    loss = loss or Loss()
    if not logits.is_floating_point():
        raise TypeError(f"logits must be floating point, not {logits.dtype}")
    if logits.shape != targets.shape:
        raise ValueError(
            f"logits of shape {tuple(logits.shape)}, targets of shape {tuple(targets.shape)}"
        )
    given = loss.parameters() if weight is None else loss.parameters() | {"weight": weight}
    for name, value in given.items():
        if not _broadcasts(value.shape, logits.shape):
            raise ValueError(
                f"{name} of shape {tuple(value.shape)} does not broadcast to logits of shape "
                f"{tuple(logits.shape)}"
            )
    if reduction not in {"none", "mean", "sum"}:
        raise ValueError(f"reduction must be none, mean or sum, not {reduction!r}")
    z = logits if logits.dtype == torch.float64 else logits.float()
    y = _as_float(targets).to(z.dtype)
    cells: torch.Tensor = _Loss.apply(z, *_weigh_sides(y, loss, weight), loss.to(z.dtype))  # type: ignore[no-untyped-call]
    if reduction == "none":
        return cells
    if reduction == "sum":
        return cells.sum()
    return (cells / (~y.isnan()).sum().clamp(min=1)).sum()  # the sum alone may overflow


@torch.no_grad()
def loss_and_slope(
    logits: torch.Tensor, targets: torch.Tensor, loss: Loss
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `compute_loss` gives each element, and its slope in the logit, (..., L) each.

    For a training loop, which can begin its backward pass at the logits. Arguments are taken as
    they are: floating, of one shape, in float32 or float64.
    """
    positive, negative = _weigh_sides(targets, loss, None)
    sides, slopes = _losses(logits, loss), _slopes(logits, loss)
    return (
        positive * sides[0] + negative * sides[1],
        positive * slopes[0] + negative * slopes[1],
    )


@torch.no_grad()
def rare_loss_and_slope(
    logits: torch.Tensor, targets: torch.Tensor, loss: Loss
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `loss_and_slope` of targets that are 0, 1 or NaN, and hardly ever 1.

    Every cell is taken for a negative first, so that L1 is computed where there is a positive only.
    """
    if loss.rarity is not None:  # each cell weighs what the whole row says
        return loss_and_slope(logits, targets, loss)
    _, v = arguments(logits, loss)
    losses, slopes = _negative_losses(v, loss), _negative_slopes(v, loss)
    if loss.factor is not None:
        losses, slopes = losses * loss.factor, slopes * loss.factor
    missing = targets.isnan()
    losses.masked_fill_(missing, 0.0)
    slopes.masked_fill_(missing, 0.0)
    at = (targets == 1).nonzero(as_tuple=True)
    parameters = loss.parameters().items()
    own = Loss(**{name: value.expand(logits.shape)[at] for name, value in parameters})
    u, _ = arguments(logits[at], own)
    weight, _ = _weigh_sides(torch.ones_like(u), own, None)
    losses[at], slopes[at] = weight * _positive_losses(u, own), weight * _positive_slopes(u, own)
    return losses, slopes


def _weigh_sides(
    y: torch.Tensor, loss: Loss, weight: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how much of L1 / w and of L0 each cell counts for; a missing one is neither."""
    positive, negative = y.nan_to_num(0.0), (1 - y).nan_to_num(0.0)
    weights = [loss.factor, weight, None if loss.rarity is None else cell_weights(y, loss.rarity)]
    for factor in (value.to(y.dtype) for value in weights if value is not None):
        positive, negative = positive * factor, negative * factor
    if loss.pos_weight is not None:
        positive = positive * loss.pos_weight.to(y.dtype)
    return positive, negative


def cell_weights(targets: torch.Tensor, rarity: torch.Tensor) -> torch.Tensor:
    """Return Wu et al. 2020's weight of each cell, (..., L): smooth, near 0.1 to 1.1.

    A label's chance to be drawn for its own sake is set against the chance that a row is drawn for
    any of its labels' sake, so that rows that common labels bring in anyway do not count again.
    """
    drawn = (targets.nan_to_num(0.0) * rarity).sum(dim=-1, keepdim=True)
    smoothed = 0.1 + torch.sigmoid(10 * (rarity / drawn - 0.2))  # no label at all: 1.1
    return torch.where(rarity > 0, smoothed, 1.0)


class _Context(Protocol):
    """What the backward pass finds of the forward pass."""

    saved_tensors: tuple[torch.Tensor, ...]
    loss: Loss

    def save_for_backward(self, *tensors: torch.Tensor) -> None:
        """Keep tensors, which become `saved_tensors`."""
        ...


class _Loss(torch.autograd.Function):
    """positive * L1(z) + negative * L0(z), with the slope by hand."""

    @staticmethod
    def forward(
        ctx: _Context, z: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, loss: Loss
    ) -> torch.Tensor:
        ctx.save_for_backward(z, positive, negative)
        ctx.loss = loss
        of_positive, of_negative = _losses(z, loss)
        cells = positive * of_positive + negative * of_negative
        return cells.clamp_(max=torch.finfo(z.dtype).max)  # a weight takes |z| past the largest

    @staticmethod
    def backward(ctx: _Context, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        z, positive, negative = ctx.saved_tensors
        of_positive, of_negative = _slopes(z, ctx.loss)
        return gradients[0] * (positive * of_positive + negative * of_negative), None, None, None


def arguments(z: torch.Tensor, loss: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Return u of the positives and s u of the negatives, both finite."""
    largest = torch.finfo(z.dtype).max
    u = z if loss.offset is None else (z + loss.offset).clamp(-largest, largest)
    if loss.negative_scale is None:
        return u, u
    return u, (u * loss.negative_scale).clamp(-largest, largest)


def _losses(z: torch.Tensor, loss: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Return L1 without w, and L0, at each logit."""
    u, v = arguments(z, loss)
    return _positive_losses(u, loss), _negative_losses(v, loss)


def _positive_losses(u: torch.Tensor, loss: Loss) -> torch.Tensor:
    positive = _softplus(-u)
    if loss.gamma_positive is not None:
        positive = positive * torch.exp(-loss.gamma_positive * _softplus(u))
    return positive


def _negative_losses(v: torch.Tensor, loss: Loss) -> torch.Tensor:
    negative = _softplus(v)
    if loss.margin is not None:
        q, rest = shift_probability(v, loss.margin)
        negative = torch.where(loss.margin > 0, -log_complement(q, rest), negative)
        if loss.gamma_negative is not None:
            negative = negative * q.pow(loss.gamma_negative)
    elif loss.gamma_negative is not None:
        negative = negative * torch.exp(-loss.gamma_negative * _softplus(-v))
    if loss.negative_scale is not None:
        negative = negative / loss.negative_scale
    return negative


def _slopes(z: torch.Tensor, loss: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the slopes of `_losses` in z."""
    u, v = arguments(z, loss)
    return _positive_slopes(u, loss), _negative_slopes(v, loss)


def _positive_slopes(u: torch.Tensor, loss: Loss) -> torch.Tensor:
    positive = -torch.sigmoid(-u)
    if (g := loss.gamma_positive) is not None:
        focused = positive - g * torch.sigmoid(u) * _softplus(-u)
        positive = focused * torch.exp(-g * _softplus(u))
    return positive


def _negative_slopes(v: torch.Tensor, loss: Loss) -> torch.Tensor:
    if loss.margin is not None:
        return _slope_with_margin(v, loss.margin, loss.gamma_negative)
    negative = torch.sigmoid(v)
    if (g := loss.gamma_negative) is not None:
        focused = negative + g * torch.sigmoid(-v) * _softplus(v)
        negative = focused * torch.exp(-g * _softplus(-v))
    return negative


def _slope_with_margin(
    v: torch.Tensor, margin: torch.Tensor, g: torch.Tensor | None
) -> torch.Tensor:
    """Return L0' = q^g (1 / (1 - q) - g log(1 - q) / q) p (1 - p); 0 where q is."""
    p, complement = torch.sigmoid(v), torch.sigmoid(-v)
    q, rest = shift_probability(v, margin)
    flat = q <= 0
    q, rest = q.where(~flat, 0.5), rest.clamp(min=1e-30)  # what a power and a logarithm take
    slope = p * torch.where(margin > 0, complement / rest, 1.0)
    if g is not None:
        slope = (slope - g * log_complement(q, rest) * complement * p / q) * q.pow(g)
    return slope.where(~flat, 0.0)


def _softplus(x: torch.Tensor) -> torch.Tensor:
    """Return log(1 + exp(x)), which is -log(1 - sigmoid(x)).

    torch's logsigmoid says the same, and wakes its threads for a few elements.
    """
    return softplus(x, threshold=SOFTPLUS_IS_X)


def shift_probability(v: torch.Tensor, margin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return q and 1 - q of a margin, neither from the other."""
    q = relu(torch.sigmoid(v) - margin)
    return q, (torch.sigmoid(-v) + margin).clamp(max=1.0)


def log_complement(q: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """Return log(1 - q), given rest = 1 - q too."""
    return torch.where(q < LOG1P_BELOW, torch.log1p(-q.clamp(max=LOG1P_BELOW)), rest.log())


def _broadcasts(shape: torch.Size, target: torch.Size) -> bool:
    """Return whether a tensor broadcasts to a shape without widening it."""
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(size in {1, wanted} for size, wanted in pairs)


def _as_float(targets: torch.Tensor) -> torch.Tensor:
    if targets.is_floating_point():
        return targets
    if targets.dtype.is_complex or targets.is_quantized:
        raise TypeError(f"targets must be numbers from 0 to 1, not {targets.dtype}")
    return targets.float()
