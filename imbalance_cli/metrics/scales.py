"""The scales on which metrics are nearer to normal, for their intervals."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    Transform = Callable[[torch.Tensor], torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Scale:
    """A scale on which a metric is nearer to normal.

    Attributes:
        to: it.
        back: the inverse.
        slope: of `to`.
        ends: of the range of the metric.
    """

    to: Transform
    back: Transform
    slope: Transform
    ends: tuple[float, float]


LOG_ODDS = Scale(torch.logit, torch.sigmoid, lambda x: 1 / (x * (1 - x)), (0.0, 1.0))
FISHER = Scale(torch.atanh, torch.tanh, lambda x: 1 / (1 - x**2), (-1.0, 1.0))
LOG = Scale(torch.log, torch.exp, lambda x: 1 / x, (0.0, math.inf))
ITSELF = Scale(torch.clone, torch.clone, torch.ones_like, (0.0, 1.0))
LOG_SHORTFALL = Scale(
    lambda x: -torch.log(1 - x),
    lambda z: 1 - torch.exp(-z),
    lambda x: 1 / (1 - x),
    (-math.inf, 1.0),
)
