"""The network: a multilayer perceptron with one logit a label.

Shapes: B batch, F numeric features, C embedded categorical features, E numbers an embedding,
T bins, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from imbalance_cli.device import autocast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.dataset import Dataset

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "selu": nn.SELU,
}
EMBEDDING_WIDTH = 8
SCORING_ROWS = 4096  # scored at a time, always so many: a row's score then depends on it alone


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
        """Return (B, features * T) numbers in [0, 1]; bins of no width give 0."""
        numeric = numeric[:, : len(self.edges)]
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        width = high - low
        reach = (numeric[..., None] - low) / width.where(width > 0, torch.inf)
        return reach.clamp(0, 1).flatten(start_dim=1)


class MultilayerPerceptron(nn.Module):
    """Numbers, their bins and embeddings, hidden layers, and L logits."""

    offsets: torch.Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.bins = PiecewiseLinear(shape.continuous, shape.bins) if shape.bins else None
        embedded = sum(shape.cardinalities)
        self.embedding = nn.Embedding(embedded, EMBEDDING_WIDTH) if embedded else None
        offsets = [sum(shape.cardinalities[:i]) for i in range(len(shape.cardinalities))]
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.int64), persistent=False)
        width = shape.numeric + shape.continuous * shape.bins
        width += len(shape.cardinalities) * EMBEDDING_WIDTH
        layers: list[nn.Module] = []
        for hidden in shape.hidden:
            layers += [nn.Linear(width, hidden), ACTIVATIONS[shape.activation]()]
            layers += [nn.Dropout(shape.dropout)] if shape.dropout else []
            width = hidden
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, shape.labels)

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return logits, (B, L), of numbers (B, F) and indices (B, C)."""
        inputs = [numeric]
        if self.bins is not None:
            inputs.append(self.bins(numeric))
        if self.embedding is not None:
            inputs.append(self.embedding(codes + self.offsets).flatten(start_dim=1))
        hidden = self.hidden(torch.cat(inputs, dim=1) if len(inputs) > 1 else numeric)
        # a logit in bfloat16 has three digits, and so ties with its neighbours in any ranking
        with torch.autocast(hidden.device.type, enabled=False):
            logits: torch.Tensor = self.output(hidden.to(self.output.weight.dtype))
        return logits


def build_model(
    shape: Shape, seed: int, output_bias: Sequence[float] | None = None
) -> MultilayerPerceptron:
    """Build a network whose start depends on the seed alone.

    Args:
        shape: of the network.
        seed: of the weights.
        output_bias: the logits it starts at, (L,).
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # of the CPU alone, unlike torch.manual_seed
        model = MultilayerPerceptron(shape)
    if output_bias is not None:
        with torch.no_grad():
            model.output.weight.mul_(0.1)  # so that the bias, not chance, decides the first scores
            model.output.bias.copy_(torch.tensor(output_bias))
    return model


@torch.no_grad()
def score_rows(model: MultilayerPerceptron, rows: Dataset, precision: str) -> torch.Tensor:
    """Return the logits of rows, (N, L) float32.

    Rows go through the network SCORING_ROWS at a time, the last ones filled up with zeros, since
    matrix products round differently for other numbers of rows.
    """
    model.eval()
    logits = []
    device = rows.numeric.device
    for numeric, codes in zip(
        torch.split(rows.numeric, SCORING_ROWS), torch.split(rows.codes, SCORING_ROWS), strict=True
    ):
        missing = SCORING_ROWS - len(numeric)
        padded = nn.functional.pad(numeric, (0, 0, 0, missing))
        padded_codes = nn.functional.pad(codes, (0, 0, 0, missing))
        with autocast(device, precision):
            logits.append(model(padded, padded_codes)[: len(numeric)].float())
    return torch.cat(logits)
