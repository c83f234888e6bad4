"""The inverse link: from the logits of any loss of the family to probabilities, and back.

Shapes: as in family.py; logits are (..., L), and a loss's parameters broadcast to them.

The probability that a logit stands for is the one at which the expected loss
eta * L(z, 1) + (1 - eta) * L(z, 0) is least there:

    eta(z) = L0' / (L0' - L1')          L1, L0: the loss for y = 1 and y = 0, ' its slope in z
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import logsigmoid, relu

from imbalance_cli.losses.family import arguments, log_complement, shift_probability

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.losses.family import Loss

    Range = tuple[torch.Tensor, torch.Tensor]

FLAT_BELOW = math.log(1e-6 / (1 - 1e-6))  # the log-odds under which a margin's link is continued
FLAT_SLOPE = 1e-6  # with which it is continued where it would be flat at the top
STEEP_ENOUGH = 14.0  # exp(-14) is less than FLAT_SLOPE
BISECTIONS = 80  # halve an interval of some hundreds to the spacing of float64
FARTHEST = 60.0  # from zero that `link` looks for a logit; exp(-60) is less than a float64's digits


def log_odds(logits: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return log(eta / (1 - eta)) of the probabilities eta that logits stand for.

    From eta = L0' / (L0' - L1'): log L0' - log(-L1'), less the logarithm of `prior_shift`. For
    `weighted_bce` that is z - log w, for `logit_adjusted` z + b, and for `focal` the correction of
    Charoenphakdee et al. 2021. Below a margin L0' is 0, whatever the logit; there, and where the
    formula levels off, a straight line keeps the order of the logits.

    Args:
        logits: (..., L), trained with the loss.
        loss: whose parameters broadcast to the logits.

    Returns:
        (..., L) float64, strictly increasing in the logits.
    """
    loss = loss.to(torch.float64)
    return _continued(logits.double(), loss, steep_range(loss))


def inverse_link(logits: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return the probabilities eta that logits stand for, (..., L) float64; see `log_odds`."""
    return torch.sigmoid(log_odds(logits, loss))


def mean_log_odds(logits: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return the log-odds of the mean of the members' probabilities, (N, L) float64.

    Args:
        logits: (M, N, L).
        loss: whose parameters broadcast to them.
    """
    odds = log_odds(logits, loss)
    if len(odds) == 1:
        return odds[0]
    # log(mean eta) - log(1 - mean eta), which stays exact where eta is near 0 or 1
    return logsigmoid(odds).logsumexp(dim=0) - logsigmoid(-odds).logsumexp(dim=0)


def link(probabilities: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return the logits whose inverse link gives the probabilities, (..., L) float64.

    Where none does, the nearest; none lies farther than FARTHEST from 0.
    """
    loss = loss.to(torch.float64)
    steep = steep_range(loss)  # once, not at each of the steps
    wanted = torch.logit(probabilities.double())
    return _bisect(lambda z: _continued(z, loss, steep), wanted, -FARTHEST, FARTHEST)


def _continued(z: torch.Tensor, loss: Loss, steep: Range | None) -> torch.Tensor:
    """Return the formula where it is steep, and straight lines beyond."""
    if steep is None:
        return _formula(z, loss)
    low, high = steep
    bottom = _formula(low, loss).clamp(max=FLAT_BELOW)
    slope = FLAT_SLOPE if loss.gamma_positive is None else loss.gamma_positive.clamp(FLAT_SLOPE)
    inside = _formula(torch.maximum(z, low).minimum(high), loss)
    return torch.where(z < low, bottom - (low - z), inside + slope * relu(z - high))


def _formula(z: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return log L0' - log(-L1') - log(w * prior_shift); -inf where a margin makes L0' zero.

    With r(u) = -log p / exp(-u), log(-L1') = (g_pos + 1) log(1 - p) + log(1 + g_pos r(u)), and
    log L0' = (g_neg + 1) log p + log(1 + g_neg r(-v)) where there is no margin.
    """
    u, v = arguments(z, loss)
    # the difference of the two logarithms without g, which is u itself where v is
    odds = u if loss.negative_scale is None else logsigmoid(v) - logsigmoid(-u)
    if loss.margin is not None:
        q, rest = shift_probability(v, loss.margin)
        log_rest = log_complement(q, rest)
        shifted = odds + logsigmoid(-v) - log_rest
        if (g := loss.gamma_negative) is not None:
            curve = -log_rest * rest / q.clamp(min=torch.finfo(q.dtype).tiny)
            # 0 * log 0 is 0 here, as 0^0 is 1
            shifted = shifted + torch.xlogy(g, q) + torch.log1p(g * curve)
        shifted = shifted.where(q > 0, -torch.inf)
    if (g := loss.gamma_negative) is not None:
        odds = odds + g * logsigmoid(v) + torch.log1p(g * _curve(-v))
    if loss.margin is not None:
        odds = torch.where(loss.margin > 0, shifted, odds)
    if (g := loss.gamma_positive) is not None:
        odds = odds - g * logsigmoid(-u) - torch.log1p(g * _curve(u))
    for multiplier in (loss.pos_weight, loss.prior_shift):
        odds = odds if multiplier is None else odds - multiplier.log()
    return odds


def _curve(u: torch.Tensor) -> torch.Tensor:
    """Return r(u) = log(1 + t) / t at t = exp(-u), which rises from 0 to 1."""
    t = torch.exp(-u.clamp(0, FARTHEST))  # from there on r is 1; past 708 t would lose its digits
    return torch.where(u > 0, torch.log1p(t) / t, -logsigmoid(u) * torch.exp(u.clamp(max=0)))


def steep_range(loss: Loss) -> Range | None:
    """Return the logits between which a loss with a margin has a link that rises; None without.

    Below the first eta is under 1e-6; above the second the formula's slope is g_pos, or 0.
    """
    if loss.margin is None:
        return None
    given = loss.parameters()
    shapes = [value.shape for value in given.values()]
    shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    margin = given["margin"].expand(shape)
    neutral = margin.new_zeros(shape)
    offset = given.get("offset", neutral)
    high = (STEEP_ENOUGH - margin.log()) / given.get("negative_scale", neutral + 1) - offset
    wanted = neutral + FLAT_BELOW
    low = _bisect(lambda z: _formula(z, loss), wanted, -FARTHEST - offset, high)
    unbounded = margin == 0
    return low.masked_fill(unbounded, -torch.inf), high.masked_fill(unbounded, torch.inf)


def _bisect(
    rising: Callable[[torch.Tensor], torch.Tensor],
    wanted: torch.Tensor,
    low: torch.Tensor | float,
    high: torch.Tensor | float,
) -> torch.Tensor:
    """Return the least argument at which a rising function reaches what is wanted, or `high`."""
    below, above = torch.zeros_like(wanted) + low, torch.zeros_like(wanted) + high
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        reached = rising(middle) >= wanted
        below, above = below.where(reached, middle), above.where(~reached, middle)
    return above
