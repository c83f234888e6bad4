"""The stable weighted cross entropy, and its inverse link.

Shapes: N rows (or B, a batch), L labels, M members. Logits and targets are (..., L); pos_weight
broadcasts to them, so (L,) weighs labels and (M, 1, L) weighs labels of members.

    L(z, y) = - y * w * log p  -  (1 - y) * log(1 - p)        p = sigmoid(z), w = pos_weight

Both logarithms are taken as logsigmoid(z) and logsigmoid(-z), never from p: sigmoid(40) is 1 in
float32, so log(1 - p) would be -inf, and clamping p would stop the gradient. This is what
torch.nn.BCEWithLogitsLoss computes.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn.functional import logsigmoid

Reduction = Literal["none", "mean", "sum"]


def weighted_bce(
    logits: torch.Tensor,
    targets: torch.Tensor,
    *,
    pos_weight: torch.Tensor | None = None,
    weight: torch.Tensor | None = None,
    reduction: Reduction = "mean",
) -> torch.Tensor:
    """Return the weighted binary cross entropy of logits.

    Args:
        logits: (..., L), any floating type; the loss is computed in float32 or wider.
        targets: (..., L) in [0, 1], NaN where missing; integer and boolean ones are converted.
        pos_weight: the weight of positives, broadcast to the logits; None is 1.
        weight: a weight for each element, broadcast to the logits; None is 1.
        reduction: "none" gives each element (0 where the target is missing), "sum" their sum,
            "mean" their mean over the known targets, 0 where none is.

    Returns:
        (..., L) for "none", else a scalar.

    Raises:
        TypeError: targets or logits are of another type.
        ValueError: logits and targets differ in shape, a weight does not broadcast to them, or the
            reduction is unknown.

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """
    if not logits.is_floating_point():
        raise TypeError(f"logits must be floating point, not {logits.dtype}")
    if logits.shape != targets.shape:
        raise ValueError(
            f"logits of shape {tuple(logits.shape)}, targets of shape {tuple(targets.shape)}"
        )
    for name, factor in (("pos_weight", pos_weight), ("weight", weight)):
        if factor is not None and not _broadcasts(factor.shape, logits.shape):
            raise ValueError(
                f"{name} of shape {tuple(factor.shape)} does not broadcast to logits of shape "
                f"{tuple(logits.shape)}"
            )
    if reduction not in {"none", "mean", "sum"}:
        raise ValueError(f"reduction must be none, mean or sum, not {reduction!r}")
    z = logits if logits.dtype == torch.float64 else logits.float()
    y = _as_float(targets).to(z.dtype)
    positive, negative = y.nan_to_num(0.0), (1 - y).nan_to_num(0.0)  # a missing cell is neither
    if pos_weight is not None:
        positive = positive * pos_weight.to(z.dtype)
    loss = -(positive * logsigmoid(z) + negative * logsigmoid(-z))
    if weight is not None:
        loss = loss * weight.to(z.dtype)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / (~y.isnan()).sum().clamp(min=1)


def log_odds(logits: torch.Tensor, pos_weight: torch.Tensor) -> torch.Tensor:
    """Return log(eta / (1 - eta)) of the probabilities eta that logits stand for.

    The expected loss eta * L(z, 1) + (1 - eta) * L(z, 0) is least where
    eta = L0' / (L0' - L1'), which here is sigmoid(z - log w): the weight moves the log-odds by
    log w, and this moves them back.

    Args:
        logits: (..., L), trained with `weighted_bce`.
        pos_weight: broadcasts to the logits.

    Returns:
        (..., L) float64, strictly increasing in the logits.
    """
    return logits.double() - pos_weight.double().log()


def inverse_link(logits: torch.Tensor, pos_weight: torch.Tensor) -> torch.Tensor:
    """Return the probabilities eta that logits stand for, (..., L) float64; see `log_odds`."""
    return torch.sigmoid(log_odds(logits, pos_weight))


def link(probabilities: torch.Tensor, pos_weight: torch.Tensor) -> torch.Tensor:
    """Return the logits whose inverse link gives the probabilities, (..., L) float64."""
    return torch.logit(probabilities.double()) + pos_weight.double().log()


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
