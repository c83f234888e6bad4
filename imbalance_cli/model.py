"""The networks: M multilayer perceptrons of one shape, each with one logit a label.

Shapes: M members, B batch, F numeric features, C embedded categorical features, E numbers an
embedding, T bins, L labels. Every parameter has a leading axis of members; rows are (B, F), the
same for all members, or (M, B, F).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from imbalance_cli.device import autocast, generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.dataset import Dataset, Rows

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "selu": nn.SELU,
}
EMBEDDING_WIDTH = 8
SCORING_ROWS = 4096  # scored at a time, always so many: a row's score then depends on it alone
INPUTS_MULTIPLE = 4
"""Of other widths, Intel MKL rounds a row's products by its place among the rows."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """All that is needed to build the network again.

    Attributes:
        numeric: F.
        cardinalities: the number of indices of each embedded feature, (C,).
        labels: L.
        hidden: the width of each hidden layer; none makes a logistic regression.
        activation: one of ACTIVATIONS.
        dropout: the share of hidden units left out in training.
        continuous: how many of the F are numbers rather than 0/1; they come first.
        bins: T, the bins of each number's piecewise linear encoding; 0 for none.
    """

    numeric: int
    cardinalities: list[int]
    labels: int
    hidden: list[int]
    activation: str = "relu"
    dropout: float = 0.0
    continuous: int = 0
    bins: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the shape as plain data."""
        return dataclasses.asdict(self)


class PiecewiseLinear(nn.Module):
    """Gorishniy et al. 2022: each number as how far it reaches into each of T bins.

    Args:
        features: the first so many of the numeric features.
        bins: T.
    """

    edges: torch.Tensor

    def __init__(self, features: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(features, bins + 1))

    def fit(self, numeric: torch.Tensor) -> None:
        """Put the edges at the quantiles of training rows, (N, F)."""
        numeric = numeric[:, : len(self.edges)]
        bins = self.edges.shape[1] - 1
        rows = torch.arange(bins + 1, device=numeric.device) * (len(numeric) - 1) // bins
        self.edges.copy_(numeric.sort(dim=0).values[rows].T)

    def forward(self, numeric: torch.Tensor) -> torch.Tensor:
        """Return (..., features * T) numbers in [0, 1]; bins of no width give 0."""
        numeric = numeric[..., : len(self.edges)]
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        width = high - low
        reach = (numeric[..., None] - low) / width.where(width > 0, torch.inf)
        return reach.clamp(0, 1).flatten(start_dim=-2)


class MemberLinear(nn.Module):
    """M linear layers: weights (M, out, in) as torch.nn.Linear has them, biases (M, out)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(members, outputs))

    def draw(self, member: int, random: torch.Generator) -> None:
        """Start a member as torch.nn.Linear starts."""
        weight, bias = self.weight.detach()[member], self.bias.detach()[member]
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=random)
        nn.init.uniform_(bias, -(bound := 1 / math.sqrt(weight.shape[1])), bound, random)

    def forward(self, rows: torch.Tensor, outputs: slice | None = None) -> torch.Tensor:
        """Return (M, B, out), or some of the outputs; of one member, (B, in) stays (B, out)."""
        all_weights: torch.Tensor = self.weight
        biases: torch.Tensor = self.bias
        if outputs is not None:
            all_weights, biases = all_weights[:, outputs], biases[:, outputs]
        if len(all_weights) == 1:
            weight = all_weights.squeeze(0)
            if not self.training and (missing := -weight.shape[1] % INPUTS_MULTIPLE):
                rows, weight = (nn.functional.pad(part, (0, missing)) for part in (rows, weight))
            return nn.functional.linear(rows, weight, biases.squeeze(0))
        rows = rows.expand(len(all_weights), *rows.shape[-2:])
        return torch.baddbmm(biases[:, None, :], rows, all_weights.mT)


class MemberEmbedding(nn.Module):
    """M embeddings of all categorical features together: (M, indices of all features, E)."""

    offsets: torch.Tensor

    def __init__(self, members: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, sum(cardinalities), EMBEDDING_WIDTH))
        starts = [sum(cardinalities[:i]) for i in range(len(cardinalities))]
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.int64))

    def draw(self, member: int, random: torch.Generator) -> None:
        """Start a member as torch.nn.Embedding starts."""
        nn.init.normal_(self.weight.detach()[member], generator=random)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return (..., C * E) of indices (..., C); a member looks up its own table."""
        members, size, _ = self.weight.shape
        rows = codes + self.offsets
        if members > 1:
            rows = rows + size * torch.arange(members, device=codes.device)[:, None, None]
        return nn.functional.embedding(rows, self.weight.flatten(0, 1)).flatten(start_dim=-2)


class MultilayerPerceptron(nn.Module):
    """M networks: numbers, their bins and embeddings, hidden layers, and L logits each.

    Its parameters are whatever was in their memory, until `draw` or load_state_dict sets them. So
    one on the meta device costs nothing, where torch imports sympy and torch._dynamo to draw.

    Args:
        shape: of each.
        members: M.
    """

    def __init__(self, shape: Shape, members: int = 1) -> None:
        super().__init__()
        self.shape, self.members = shape, members
        self.bins = PiecewiseLinear(shape.continuous, shape.bins) if shape.bins else None
        self.embedding = (
            MemberEmbedding(members, shape.cardinalities) if shape.cardinalities else None
        )
        width = shape.numeric + shape.continuous * shape.bins
        width += len(shape.cardinalities) * EMBEDDING_WIDTH
        self.inputs = width
        widths = [width, *shape.hidden]
        self.hidden = nn.ModuleList(
            MemberLinear(members, *pair) for pair in itertools.pairwise(widths)
        )
        self.activation = ACTIVATIONS[shape.activation]()
        self.dropout = nn.Dropout(shape.dropout)
        self.output = MemberLinear(members, widths[-1], shape.labels)

    def draw(self, seeds: Sequence[int]) -> None:
        """Start each member as its seed alone says, (M,)."""
        layers = [m for m in self.modules() if isinstance(m, MemberLinear | MemberEmbedding)]
        for member, seed in enumerate(seeds):
            random = generator(torch.device("cpu"), seed)
            for layer in layers:
                layer.draw(member, random)

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return logits, (M, B, L), of numbers (B, F) or (M, B, F) and indices (..., C)."""
        return self.logits(self.represent(numeric, codes))

    def represent(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the last hidden layer, (M, B, H); of one member (B, H) where rows are (B, F)."""
        inputs = [numeric]
        if self.bins is not None:
            inputs.append(self.bins(numeric))
        if self.embedding is not None:
            embedded = self.embedding(codes)
            inputs = [part.expand(*embedded.shape[:-1], -1) for part in inputs] + [embedded]
        rows = torch.cat(inputs, dim=-1) if len(inputs) > 1 else numeric
        for layer in self.hidden:
            rows = self.dropout(self.activation(layer(rows)))
        return rows

    def logits(self, rows: torch.Tensor, labels: slice | None = None) -> torch.Tensor:
        """Return logits, (M, B, L), of a last hidden layer; or those of some labels, (M, B, l)."""
        # a logit in bfloat16 has three digits, and so ties with its neighbours in any ranking
        with torch.autocast(rows.device.type, enabled=False):
            logits: torch.Tensor = self.output(rows.to(self.output.weight.dtype), labels)
        return logits.reshape(self.members, -1, logits.shape[-1])

    def part(self, start: int, stop: int) -> MultilayerPerceptron:
        """Return some members: a model whose parameters are this one's memory."""
        if (start, stop) == (0, self.members):
            return self
        with torch.device("meta"):
            part = MultilayerPerceptron(self.shape, stop - start)
        own = {name for name, _ in self.named_parameters()}
        state = {
            name: tensor.detach()[start:stop] if name in own else tensor
            for name, tensor in self.state_dict().items()
        }
        part.load_state_dict(state, assign=True)
        return part.requires_grad_()

    def member(self, index: int) -> MultilayerPerceptron:
        """Return one member, as `part` does."""
        return self.part(index, index + 1)

    def alone(self) -> list[MultilayerPerceptron]:
        """Return each member, as `part` does."""
        return [self.member(index) for index in range(self.members)]


def build_model(
    shape: Shape, seeds: Sequence[int], output_bias: torch.Tensor | None = None
) -> MultilayerPerceptron:
    """Build M networks, each of which starts as its seed alone says.

    Args:
        shape: of each network.
        seeds: of their weights, (M,).
        output_bias: the logits they start at, (M, L).
    """
    model = MultilayerPerceptron(shape, len(seeds))
    model.draw(seeds)
    if output_bias is not None:
        with torch.no_grad():
            model.output.weight.mul_(0.1)  # so that the bias, not chance, decides the first scores
            model.output.bias.copy_(output_bias)
    return model


@torch.no_grad()
def score_rows(model: MultilayerPerceptron, rows: Rows, precision: str) -> torch.Tensor:
    """Return the logits of rows, (M, N, L) float32.

    Rows go through the networks SCORING_ROWS at a time, the last ones filled up with zeros, since
    matrix products round differently for other numbers of rows. On the CPU a member is scored by
    itself, so that its scores are the same to the bit as those of the network trained alone.
    """
    device = rows.device
    networks = model.alone() if device.type == "cpu" else [model]
    return torch.cat([_score_blocks(network.eval(), rows, precision) for network in networks])


def _score_blocks(model: MultilayerPerceptron, rows: Rows, precision: str) -> torch.Tensor:
    # made at once: small results kept between large layers that are freed would split the heap up
    logits = torch.empty(model.members, len(rows), model.shape.labels, device=rows.device)
    first = 0
    for block in rows.blocks(SCORING_ROWS):
        with autocast(rows.device, precision):
            logits[:, first : first + len(block)] = model(*pad_block(block))[:, : len(block)]
        first += len(block)
    return logits


def pad_block(block: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers and indices of at most SCORING_ROWS rows, filled up with rows of 0."""
    missing = (0, 0, 0, SCORING_ROWS - len(block))
    return nn.functional.pad(block.numeric, missing), nn.functional.pad(block.codes, missing)
