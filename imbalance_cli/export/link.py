"""The third stage of the graph: from logits to the log-odds of the mean probability, in float64.

Shapes: M members (every head of every network), N rows, L labels; the parameters of a loss are
(M, 1, L). The formulas are those of losses/link.py, which says where they come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.losses.link import FARTHEST, FLAT_BELOW, FLAT_SLOPE, log_odds, steep_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from imbalance_cli.export.graph import Value
    from imbalance_cli.losses.family import Loss

    Array = NDArray[np.float64]

FARTHEST_ODDS = 700.0  # whose exp is a float64 yet
TINY = float(np.finfo(np.float64).tiny)
HALF = 0.5


def add_mean_log_odds(logits: Value, loss: Loss, members: int, labels: int) -> Value:
    """Return the log-odds of the mean of the members' probabilities, (N, L).

    Args:
        logits: (M, N, L).
        loss: that they were trained with.
        members: M.
        labels: L.
    """
    odds = _add_log_odds(logits.cast(np.float64), loss)
    if members == 1:
        return odds.reshape(-1, labels)
    bounded = odds.clip(-FARTHEST_ODDS, FARTHEST_ODDS)
    positive, negative = (
        sigmoid(side).apply("ReduceMean", axes=[0], keepdims=0).apply("Log")
        for side in (bounded, -bounded)
    )
    return positive - negative


def _add_log_odds(z: Value, loss: Loss) -> Value:
    """Return `log_odds` of logits: the formula where it is steep, straight lines beyond."""
    loss = loss.to(torch.float64)
    parameters = {name: _array(value) for name, value in loss.parameters().items()}
    steep = steep_range(loss)
    if steep is None:
        return _add_formula(z, parameters)
    low, high = (_array(end) for end in steep)
    bottom = np.minimum(_array(log_odds(steep[0], loss)), FLAT_BELOW)
    slope = np.maximum(parameters.get("gamma_positive", np.zeros(())), FLAT_SLOPE)
    graph = z.graph
    inside = graph.add("Min", graph.add("Max", z, low), high)
    above = _add_formula(inside, parameters) + (z - high).at_least(0.0) * slope
    return (z - low + bottom).where(z.below(low), above)


def _add_formula(z: Value, parameters: Mapping[str, Array]) -> Value:
    """Return log L0' - log(-L1') - log(w * prior_shift)."""
    given = parameters.get
    offset, scale, margin = given("offset"), given("negative_scale"), given("margin")
    positive, negative = given("gamma_positive"), given("gamma_negative")
    u = z if offset is None else z + offset
    v = u if scale is None else u * scale
    odds = u if scale is None else _log_sigmoid(v) - _log_sigmoid(-u)
    shifted = None if margin is None else _add_margin(odds, v, margin, negative)
    if negative is not None:
        odds = odds + _log_sigmoid(v) * negative + _log1p(_curve(-v) * negative)
    if margin is not None and shifted is not None:
        odds = shifted.where(z.graph.constant(margin > 0), odds)
    if positive is not None:
        odds = odds - _log_sigmoid(-u) * positive - _log1p(_curve(u) * positive)
    multipliers = [given(name) for name in ("pos_weight", "prior_shift")]
    shift = sum(np.log(each) for each in multipliers if each is not None)
    return odds - shift if np.any(shift) else odds


def _add_margin(odds: Value, v: Value, margin: Array, gamma: Array | None) -> Value:
    """Return the log-odds where the negatives' probability is lowered by a margin."""
    q = (sigmoid(v) - margin).at_least(0.0)
    rest = (sigmoid(-v) + margin).at_most(1.0)
    log_rest = _log1p(-q.at_most(HALF)).where(q.below(HALF), rest.apply("Log"))
    shifted = odds + _log_sigmoid(-v) - log_rest
    if gamma is not None:
        some = q.at_least(TINY)
        shifted = shifted + some.apply("Log") * gamma + _log1p(-log_rest * rest / some * gamma)
    return shifted.where(q.above(0.0), -np.inf)


def _curve(u: Value) -> Value:
    """Return log(1 + t) / t at t = exp(-u), which rises from 0 to 1."""
    t = (-u.clip(0.0, FARTHEST)).apply("Exp")
    return (_log1p(t) / t).where(u.above(0.0), -_log_sigmoid(u) * u.at_most(0.0).apply("Exp"))


def sigmoid(x: Value) -> Value:
    """Return 1 / (1 + exp(-x)), of which ONNX Runtime's own is 0 below -37."""
    return ((-x).apply("Exp") + 1.0).apply("Reciprocal")


def _log_sigmoid(x: Value) -> Value:
    return x.at_most(0.0) - ((-x.apply("Abs")).apply("Exp") + 1.0).apply("Log")


def _log1p(x: Value) -> Value:
    """Return log(1 + x), which ONNX lacks, with all digits of a small x (Higham 2002, 1.14.1)."""
    one_more = x + 1.0
    added = one_more - 1.0
    return x.where(added.equals(0.0), one_more.apply("Log") * x / added)


def _array(tensor: torch.Tensor) -> Array:
    """Return a parameter as float64, once where all members have the same."""
    array: Array = tensor.double().numpy()
    is_same = array.ndim > 0 and bool((array == array[:1]).all())
    return array[:1] if is_same else array
