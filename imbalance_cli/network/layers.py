"""Layers of M networks side by side, and activations, each with its gradients written out.

Shapes: M networks, K heads of each, B batch, D inputs. Rows are (1, B, ...), the same for all
networks, or (M, B, ...).

`vjp` is what torch.func.vjp is: it returns the outputs, and a function from the gradient of a loss
by them to that by the inputs, which sets the gradients of the parameters on its way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

Pullback = Callable[[torch.Tensor], torch.Tensor]
"""Takes the gradient of a loss by a layer's outputs to that by its inputs."""


class Activation(NamedTuple):
    """A function between two layers, and what takes a gradient by its values to its arguments'."""

    function: Callable[[torch.Tensor], torch.Tensor]
    pull: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


ATEN = torch.ops.aten
SELU = (1.6732632423543772, 1.0507009873554805)  # alpha and scale, Klambauer et al. 2017
ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(nn.functional.relu, lambda g, z: ATEN.threshold_backward(g, z, 0)),
    "gelu": Activation(nn.functional.gelu, ATEN.gelu_backward),
    "silu": Activation(nn.functional.silu, ATEN.silu_backward),
    "selu": Activation(nn.functional.selu, lambda g, z: ATEN.elu_backward(g, *SELU, 1, False, z)),
}
INPUTS_MULTIPLE = 4
"""Of other widths, Intel MKL rounds a row's products by its place among the rows."""


def set_gradient(parameter: nn.Parameter, gradient: torch.Tensor) -> None:
    """Set the gradient of a parameter, whatever the precision it was computed in."""
    parameter.grad = gradient.to(parameter.dtype)


class MemberLinear(nn.Module):
    """M linear layers: weights (M, out, in) as torch.nn.Linear has them, biases (M, out).

    Args:
        members: M.
        inputs: of each.
        outputs: of each.
        unit_variance: whether weights start normal, with outputs of the variance of the inputs.
    """

    def __init__(
        self, members: int, inputs: int, outputs: int, *, unit_variance: bool = False
    ) -> None:
        super().__init__()
        self._unit_variance = unit_variance
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(members, outputs))

    def draw(self, member: int, random: torch.Generator) -> None:
        """Start a member, as torch.nn.Linear starts unless its variance is to be one."""
        weight, bias = self.weight.detach()[member], self.bias.detach()[member]
        bound = 1 / math.sqrt(max(weight.shape[1], 1))
        if self._unit_variance:
            nn.init.normal_(weight, std=bound, generator=random)
            nn.init.normal_(bias, generator=random)
            return
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=random)
        nn.init.uniform_(bias, -bound, bound, random)

    def forward(self, rows: torch.Tensor, outputs: slice | None = None) -> torch.Tensor:
        """Return (M, B, out), or some of the outputs; of one member, (B, in) stays (B, out)."""
        weights: torch.Tensor = self.weight
        biases: torch.Tensor = self.bias
        if outputs is not None:
            weights, biases = weights[:, outputs], biases[:, outputs]
        if not self.training and (missing := -weights.shape[2] % INPUTS_MULTIPLE):
            rows, weights = (nn.functional.pad(part, (0, missing)) for part in (rows, weights))
        if len(weights) == 1:
            return nn.functional.linear(rows, weights.squeeze(0), biases.squeeze(0))
        rows = rows.expand(len(weights), *rows.shape[-2:])
        return torch.baddbmm(biases[:, None, :], rows, weights.mT)

    def vjp(self, rows: torch.Tensor, *, is_first: bool = False) -> tuple[torch.Tensor, Pullback]:
        """Return what `forward` does of (1, B, in) or (M, B, in), and the function of the gradient.

        It returns that by the rows, (M, B, in). Before the first layer nothing learns, so there it
        returns what it is given.
        """

        def pull(gradient: torch.Tensor) -> torch.Tensor:
            set_gradient(self.weight, gradient.mT @ rows)
            set_gradient(self.bias, gradient.sum(dim=-2))
            return gradient if is_first else gradient @ self.weight

        return self(rows), pull


class HeadScales(nn.Module):
    """What each head multiplies the inputs with: a random sign at the start, or 1 of one head."""

    def __init__(self, members: int, heads: int, inputs: int) -> None:
        super().__init__()
        self._heads = heads
        self.weight = nn.Parameter(torch.empty(members * heads, inputs))

    def draw(self, member: int, random: torch.Generator) -> None:
        """Start the heads of a network."""
        own = self.weight.detach()[member * self._heads : (member + 1) * self._heads]
        if self._heads == 1:
            own.fill_(1)
            return
        own.copy_(torch.randint(2, own.shape, generator=random) * 2 - 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (M, K * B, D), head after head, of rows (1, B, D) or (M, B, D)."""
        return self.vjp(rows)[0]

    def vjp(self, rows: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        """Return what `forward` does, and the function of the gradient by it.

        It returns that by the rows, (M, B, D).
        """
        scales = self.weight.view(-1, self._heads, 1, self.weight.shape[-1])
        scaled = rows[:, None] * scales

        def pull(gradient: torch.Tensor) -> torch.Tensor:
            own = gradient.view_as(scaled)
            set_gradient(self.weight, (own * rows[:, None]).sum(dim=2).flatten(0, 1))
            return own.mul_(scales).sum(dim=1)

        return scaled.flatten(1, 2), pull
