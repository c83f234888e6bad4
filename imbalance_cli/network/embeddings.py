"""Embeddings: how a number or a category enters the networks.

Shapes: M networks, B batch, F numbers, C embedded categorical features, T bins, Q frequencies,
E outputs per feature. Rows are (1, B, ...), the same for all networks, or (M, B, ...).

`vjp` is as of layers.py, with no gradient by the inputs, which nothing learns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from imbalance_cli.network.layers import set_gradient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CATEGORY_WIDTH = 8
PERIODIC_WIDTH = 3  # outputs per number; the number itself enters beside them


class PiecewiseLinear(nn.Module):
    """Gorishniy et al. 2022: each number as how far it reaches into each of T bins.

    Args:
        features: F.
        bins: T.
    """

    edges: torch.Tensor

    def __init__(self, features: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(features, bins + 1))

    def fit(self, numbers: torch.Tensor, power: float = 1.0) -> None:
        """Put the edges at quantiles of training rows.

        Args:
            numbers: (N, F).
            power: a value that n rows have counts n ** power times: below 1, one that most rows
                have leaves bins to the others.
        """
        bins = self.edges.shape[1] - 1
        for edges, column in zip(self.edges, numbers.T, strict=True):
            values, counts = column.unique(return_counts=True)
            ends = counts.double().pow(power).cumsum(dim=0)
            ranks = torch.arange(bins + 1, dtype=ends.dtype) * (ends[-1] - 1) / bins
            edges.copy_(values[torch.searchsorted(ends, ranks, right=True)])

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return (..., F, B, T) numbers in [0, 1] of (..., B, F); bins of no width give 0."""
        low, high = self.edges[:, None, :-1], self.edges[:, None, 1:]
        width = high - low
        reach = numbers.mT[..., None] - low
        return reach.div_(width.where(width > 0, torch.inf)).clamp_(0, 1)


class LearnedBins(nn.Module):
    """E learned linear outputs of each number's bins.

    Args:
        members: M.
        features: F.
        bins: T.
        outputs: E.
    """

    def __init__(self, members: int, features: int, bins: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, features, bins, outputs))
        self.bias = nn.Parameter(torch.empty(members, features, outputs))

    def draw(self, member: int, random: torch.Generator) -> None:
        """Start a network's part."""
        bound = self.weight.shape[2] ** -0.5
        nn.init.uniform_(self.weight.detach()[member], -bound, bound, random)
        nn.init.zeros_(self.bias.detach()[member])

    def forward(self, reach: torch.Tensor) -> torch.Tensor:
        """Return (M, B, F * E) of what `PiecewiseLinear` returns, (1 or M, F, B, T)."""
        return self.vjp(reach)[0]

    def vjp(self, reach: torch.Tensor) -> tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
        """Return what `forward` does, and the function of the gradient by it."""
        outputs = reach @ self.weight + self.bias[:, :, None]

        def pull(gradient: torch.Tensor) -> None:
            own = _by_feature(gradient, self.bias)
            set_gradient(self.weight, reach.mT @ own)
            set_gradient(self.bias, own.sum(dim=-2))

        return outputs.transpose(1, 2).flatten(start_dim=-2), pull


class Periodic(nn.Module):
    """PBLD of Holzmueller et al. 2024: cosines of each number, and E linear outputs of these.

    Args:
        members: M.
        features: F.
        scales: the standard deviation of each frequency at the start, (Q,).
    """

    def __init__(self, members: int, features: int, scales: Sequence[float]) -> None:
        super().__init__()
        self._scales = list(scales)
        wide = (members, features, len(scales))
        self.frequency = nn.Parameter(torch.empty(wide))
        self.phase = nn.Parameter(torch.empty(wide))
        self.weight = nn.Parameter(torch.empty(*wide, PERIODIC_WIDTH))
        self.bias = nn.Parameter(torch.empty(members, features, PERIODIC_WIDTH))

    def draw(self, member: int, random: torch.Generator) -> None:
        """Start a network's part."""
        scales = 2 * math.pi * torch.tensor(self._scales)
        with torch.no_grad():
            nn.init.normal_(self.frequency[member], generator=random).mul_(scales)
            nn.init.uniform_(self.phase[member], -math.pi, math.pi, random)
            bound = len(self._scales) ** -0.5
            nn.init.uniform_(self.weight[member], -bound, bound, random)
            nn.init.uniform_(self.bias[member], -bound, bound, random)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return (M, B, F * E) of numbers (1, B, F) or (M, B, F)."""
        return self.vjp(numbers)[0]

    def vjp(self, numbers: torch.Tensor) -> tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
        """Return what `forward` does, and the function of the gradient by it."""
        columns = numbers.mT[..., None]
        angles = torch.addcmul(self.phase[:, :, None], columns, self.frequency[:, :, None])
        cosines = angles.cos()
        outputs = cosines @ self.weight + self.bias[:, :, None]

        def pull(gradient: torch.Tensor) -> None:
            own = _by_feature(gradient, self.bias)
            set_gradient(self.weight, cosines.mT @ own)
            set_gradient(self.bias, own.sum(dim=-2))
            by_angle = (own @ self.weight.mT).mul_(angles.sin_().neg_())
            set_gradient(self.phase, by_angle.sum(dim=-2))
            set_gradient(self.frequency, by_angle.mul_(columns).sum(dim=-2))

        return outputs.transpose(1, 2).flatten(start_dim=-2), pull


def _by_feature(gradient: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return the gradient by what features' embeddings are, (M, B, F * E), as (M, F, B, E)."""
    return gradient.view(*gradient.shape[:2], *bias.shape[1:]).transpose(1, 2)


class Categories(nn.Module):
    """Tables of all embedded categorical features together: (M, indices of all features, E)."""

    offsets: torch.Tensor

    def __init__(self, members: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, sum(cardinalities), CATEGORY_WIDTH))
        starts = [sum(cardinalities[:i]) for i in range(len(cardinalities))]
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.int64))

    def draw(self, member: int, random: torch.Generator) -> None:
        """Start a network's tables as torch.nn.Embedding starts."""
        nn.init.normal_(self.weight.detach()[member], generator=random)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return (M, B, C * E) of indices (1, B, C) or (M, B, C); a network has its own tables."""
        return self.vjp(codes)[0]

    def vjp(self, codes: torch.Tensor) -> tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
        """Return what `forward` does, and the function of the gradient by it."""
        members, size, width = self.weight.shape
        first = size * torch.arange(members, device=codes.device)[:, None, None]
        rows = codes + self.offsets + first

        def pull(gradient: torch.Tensor) -> None:
            own = gradient.reshape(-1, width)
            table = own.new_zeros(members * size, width).index_add_(0, rows.flatten(), own)
            set_gradient(self.weight, table.view_as(self.weight))

        vectors = nn.functional.embedding(rows, self.weight.flatten(0, 1))
        return vectors.flatten(start_dim=-2), pull
