"""The networks: M multilayer perceptrons of one shape, each with K heads of one logit per label.

Shapes: M networks, K heads of each, B batch, F numeric features, C embedded categorical features,
D inputs of the first layer, H units of a layer, L labels. Every parameter has a leading axis of
networks, or of networks x heads, those of one network next to each other; rows are (B, F), the same
for all networks, or (M, B, F).

The heads of a network share its embeddings and hidden layers, and each sees the inputs through a
scale of its own: TabM-mini of Gorishniy et al. 2025. They are an ensemble for little more than the
arithmetic of their rows.

Training calls `vjp`, which is made of those of the layers: autograd takes longer for a step of a
network this small than its arithmetic.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from imbalance_cli.machine.device import autocast, generator
from imbalance_cli.network.embeddings import (
    CATEGORY_WIDTH,
    PERIODIC_WIDTH,
    Categories,
    LearnedBins,
    Periodic,
    PiecewiseLinear,
)
from imbalance_cli.network.layers import ACTIVATIONS, HeadScales, MemberLinear

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.network.layers import Pullback
    from imbalance_cli.rows.dataset import Dataset, Rows

SCORING_ROWS = 1024  # scored at a time, always so many: a row's score then depends on it alone
WIDE, WIDE_SCORING_ROWS = 4096, 64  # with more inputs than these, padding would cost most
EIGHT_BYTES = (-(2**63), 2**63 - 1)
BYTE_VALUES = 256
FIRST_LOGITS = 0.1  # of the usual size: the bias, not chance, then decides the first scores


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
        binned: which of the numbers have a piecewise linear embedding.
        bins: T of each of them.
        bin_outputs: of what is learned of a number's bins; 0 takes the bins as they are.
        frequencies: the standard deviation of each frequency of a number's periodic embedding at
            the start; empty for none.
        heads: K.
        is_scaled: whether inputs have a learned scale and weights start at unit variance per layer,
            as those of RealMLP do (Holzmueller et al. 2024).
    """

    numeric: int
    cardinalities: list[int]
    labels: int
    hidden: list[int]
    activation: str = "relu"
    dropout: float = 0.0
    continuous: int = 0
    binned: list[int] = dataclasses.field(default_factory=list)
    bins: int = 0
    bin_outputs: int = 0
    frequencies: list[float] = dataclasses.field(default_factory=list)
    heads: int = 1
    is_scaled: bool = False

    @property
    def inputs(self) -> int:
        """D."""
        bins = len(self.binned) * (self.bin_outputs or self.bins)
        waves = self.continuous * PERIODIC_WIDTH if self.frequencies else 0
        categories = CATEGORY_WIDTH * len(self.cardinalities)
        return self.numeric + bins + waves + categories

    @property
    def scoring_rows(self) -> int:
        """How many rows are scored at a time."""
        return SCORING_ROWS if self.inputs <= WIDE else WIDE_SCORING_ROWS

    def to_dict(self) -> dict[str, Any]:
        """Return the shape as plain data."""
        return dataclasses.asdict(self)


DRAWN = (MemberLinear, HeadScales, Periodic, LearnedBins, Categories)
"""The layers that start at random, each a network at a time."""


class MultilayerPerceptron(nn.Module):
    """M networks: embeddings, hidden layers, and K heads of L logits each.

    Its parameters are whatever was in their memory, until `draw` or load_state_dict sets them. So
    one on the meta device costs nothing, where torch imports sympy and torch._dynamo to draw.

    Args:
        shape: of each.
        members: M.
    """

    last_left_out: torch.Tensor
    rescaled: torch.Tensor

    def __init__(self, shape: Shape, members: int = 1) -> None:
        super().__init__()
        self.shape, self.members = shape, members
        binned = len(shape.binned)
        self.bins = PiecewiseLinear(binned, shape.bins) if binned else None
        self.learned_bins = (
            LearnedBins(members, binned, shape.bins, shape.bin_outputs)
            if binned and shape.bin_outputs
            else None
        )
        self.periodic = (
            Periodic(members, shape.continuous, shape.frequencies) if shape.frequencies else None
        )
        self.embedding = Categories(members, shape.cardinalities) if shape.cardinalities else None
        has_scales = shape.is_scaled or shape.heads > 1
        self.scale = HeadScales(members, shape.heads, shape.inputs) if has_scales else None
        widths = [shape.inputs, *shape.hidden]
        self.hidden = nn.ModuleList(
            MemberLinear(members, *pair, unit_variance=shape.is_scaled)
            for pair in itertools.pairwise(widths)
        )
        # tensors, so that a recorded step reads what they are by then
        for name in ("last_left_out", "rescaled"):
            self.register_buffer(name, torch.zeros(()), persistent=False)
        self.set_dropout(shape.dropout)
        self.output = MemberLinear(
            members * shape.heads, widths[-1], shape.labels, unit_variance=shape.is_scaled
        )

    def set_dropout(self, share: float) -> None:
        """Leave out so large a share of the hidden units, rounded to 1 / 256."""
        left_out = min(round(share * BYTE_VALUES), BYTE_VALUES - 1)
        self.last_left_out.fill_(left_out - 1)
        self.rescaled.fill_(BYTE_VALUES / (BYTE_VALUES - left_out))

    def draw(self, seeds: Sequence[int]) -> None:
        """Start each network as its seed alone says, (M,)."""
        heads = self.shape.heads
        for member, seed in enumerate(seeds):
            random = generator(torch.device("cpu"), seed)
            for layer in self.modules():
                if layer is self.output:
                    for head in range(member * heads, (member + 1) * heads):
                        self.output.draw(head, random)
                elif isinstance(layer, DRAWN):
                    layer.draw(member, random)

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return logits, (M * K, B, L), of numbers (B, F) or (M, B, F) and indices (..., C)."""
        return self.logits(self.represent(numeric, codes))

    def vjp(
        self, numeric: torch.Tensor, codes: torch.Tensor
    ) -> tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
        """Return logits as `forward` does, and the function of the gradient by them.

        It is called once at most, in the same precision, and sets the gradient of every parameter.
        """
        pulls: list[Pullback] = []
        rows = self.represent(numeric, codes, pulls)
        with torch.autocast(rows.device.type, enabled=False):
            precise = rows.to(self.output.weight.dtype)
            logits, pull_logits = self.output.vjp(precise, is_first=not pulls)

        def pull(gradient: torch.Tensor) -> None:
            with torch.autocast(rows.device.type, enabled=False):
                gradient = pull_logits(gradient)
            if pulls:
                gradient = gradient.to(rows.dtype).reshape(self.members, -1, rows.shape[-1])
            for pull_layer in reversed(pulls):
                gradient = pull_layer(gradient)

        return logits, pull

    def represent(
        self, numeric: torch.Tensor, codes: torch.Tensor, pulls: list[Pullback] | None = None
    ) -> torch.Tensor:
        """Return the last hidden layer of each head, (M * K, B, H).

        Args:
            numeric: as of `forward`.
            codes: as of `forward`.
            pulls: to which the layers that learn add their functions of the gradient, which keep
                what they need of the rows; None keeps nothing.
        """

        def take(rows: torch.Tensor, pull: Pullback | None) -> torch.Tensor:
            if pulls is not None and pull is not None:
                pulls.append(pull)
            return rows

        if numeric.dim() == 2:  # noqa: PLR2004  all networks share the rows
            numeric, codes = numeric[None], codes[None]
        rows = take(*self._embed(numeric, codes))
        rows_of_head = rows.shape[1]
        if self.scale is not None:
            rows = take(*self.scale.vjp(rows))
        for layer in self.hidden:
            rows = take(*cast("MemberLinear", layer).vjp(rows, is_first=not pulls))
            rows = take(*self._activate(rows))
        heads = self.members * self.shape.heads
        rows = rows.expand(self.members, -1, -1)
        return rows.reshape(heads, rows_of_head, rows.shape[-1])

    def _embed(
        self, numeric: torch.Tensor, codes: torch.Tensor
    ) -> tuple[torch.Tensor, Pullback | None]:
        """Return the inputs of the first layer, (1, B, D) or (M, B, D).

        And the function of the gradient by them, if anything is learned of them.
        """
        numbers = numeric[..., : self.shape.continuous]
        inputs, learned = [numeric], []
        if self.bins is not None:
            is_of_all = len(self.shape.binned) == self.shape.continuous
            reach = self.bins(numbers if is_of_all else numbers[..., self.shape.binned])
            if self.learned_bins is None:
                inputs.append(reach.transpose(-3, -2).flatten(start_dim=-2))
            else:
                learned.append(self.learned_bins.vjp(reach))
        learned += [self.periodic.vjp(numbers)] if self.periodic is not None else []
        learned += [self.embedding.vjp(codes)] if self.embedding is not None else []
        inputs += [part for part, _ in learned]

        def pull(gradient: torch.Tensor) -> torch.Tensor:
            widths = [part.shape[-1] for part in inputs]
            own = torch.split(gradient, widths, dim=-1)[-len(learned) :]
            for part, (_, pull_part) in zip(own, learned, strict=True):
                pull_part(part)
            return gradient

        if len(inputs) == 1:
            return numeric, None
        members = max(map(len, inputs))
        rows = torch.cat([part.expand(members, -1, -1) for part in inputs], dim=-1)
        return rows, pull if learned else None

    def _activate(self, rows: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        """Return a hidden layer after its activation and dropout, (M, K * B, H)."""
        activation = ACTIVATIONS[self.shape.activation]
        outputs = activation.function(rows)
        if not self.training or not self.shape.dropout:
            return outputs, lambda gradient: activation.pull(gradient, rows)
        kept = self._draw_kept(outputs)
        return outputs.mul_(kept), lambda gradient: activation.pull(gradient.mul_(kept), rows)

    def _draw_kept(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what units are multiplied by, (M, K * B, H): 0, or what makes up for the others.

        Each is drawn by a byte of a random number: drawing takes longest.
        """
        numbers = torch.randint(*EIGHT_BYTES, (-(-rows.numel() // 8),), device=rows.device)
        bytes_of = numbers.view(torch.uint8)[: rows.numel()].view(rows.shape)
        # 1 after that byte, else 0; what compares bytes is several times slower on the CPU
        kept = (bytes_of.to(torch.float32) - self.last_left_out).clamp_(0, 1)
        return kept.mul_(self.rescaled)

    def logits(self, rows: torch.Tensor, labels: slice | None = None) -> torch.Tensor:
        """Return logits, (M * K, B, L), of a last hidden layer; or those of some labels."""
        # a logit in bfloat16 has three digits, and so ties with its neighbours in any ranking
        with torch.autocast(rows.device.type, enabled=False):
            logits: torch.Tensor = self.output(rows.to(self.output.weight.dtype), labels)
        return logits

    @property
    def heads(self) -> list[int]:
        """K of each network, (M,)."""
        return [self.shape.heads] * self.members

    def parts(self) -> list[MultilayerPerceptron]:
        """Return the models of one shape each: this one."""
        return [self]

    def part(self, start: int, stop: int) -> MultilayerPerceptron:
        """Return some networks: a model whose parameters are this one's memory."""
        if (start, stop) == (0, self.members):
            return self
        with torch.device("meta"):
            part = MultilayerPerceptron(self.shape, stop - start)
        state = self.state_dict()
        for name, parameter in self.named_parameters():
            each = len(parameter) // self.members  # its heads, or itself
            state[name] = parameter.detach()[start * each : stop * each]
        part.load_state_dict(state, assign=True)
        # each of those that take turns fades its own
        part.last_left_out, part.rescaled = self.last_left_out.clone(), self.rescaled.clone()
        return part.requires_grad_()

    def member(self, index: int) -> MultilayerPerceptron:
        """Return one network, as `part` does."""
        return self.part(index, index + 1)

    def alone(self) -> list[MultilayerPerceptron]:
        """Return each network, as `part` does."""
        return [self.member(index) for index in range(self.members)]


class Ensemble(nn.Module):
    """Models of several shapes as one: the members of the first, then those of the next.

    Embeddings suit a table or do not. Networks with different ones err differently, and the mean of
    their probabilities is better than that of as many alike.

    Args:
        parts: each of one shape, all with as many labels and hidden units.
    """

    def __init__(self, parts: Sequence[MultilayerPerceptron]) -> None:
        super().__init__()
        self.models = nn.ModuleList(parts)

    @property
    def members(self) -> int:
        """How many networks there are."""
        return sum(part.members for part in self.parts())

    @property
    def shape(self) -> Shape:
        """The shape of the first part, whose labels and hidden layers are those of all."""
        return self.parts()[0].shape

    @property
    def heads(self) -> list[int]:
        """K of each network, (M,)."""
        return [heads for part in self.parts() for heads in part.heads]

    def parts(self) -> list[MultilayerPerceptron]:
        """Return the models of one shape each."""
        return [cast("MultilayerPerceptron", part) for part in self.models]

    def part(self, start: int, stop: int) -> Ensemble:
        """Return some networks: a model whose parameters are this one's memory."""
        found, first = [], 0
        for model in self.parts():
            low, high = max(start - first, 0), min(stop - first, model.members)
            found += [model.part(low, high)] if low < high else []
            first += model.members
        return Ensemble(found)

    def member(self, index: int) -> MultilayerPerceptron:
        """Return one network, as `part` does."""
        return self.part(index, index + 1).parts()[0]

    def alone(self) -> list[MultilayerPerceptron]:
        """Return each network, as `part` does."""
        return [network for part in self.parts() for network in part.alone()]


Model = MultilayerPerceptron | Ensemble


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
            model.output.weight.mul_(FIRST_LOGITS)
            model.output.bias.copy_(output_bias.repeat_interleave(shape.heads, dim=0))
    return model


@torch.no_grad()
def score_rows(
    model: Model, rows: Rows, precision: str, *, is_filled_up: bool = True
) -> torch.Tensor:
    """Return the logits of rows, (heads of all networks, N, L) float32.

    On the CPU a network is scored by itself, so that its scores are the same to the bit as those of
    the network trained alone.

    Args:
        model: of M networks.
        rows: (N, ...).
        precision: as in a config.
        is_filled_up: whether rows go through the networks `Shape.scoring_rows` at a time, the last
            ones filled up with zeros, since matrix products round differently for other numbers of
            rows. Otherwise they are cut evenly: few rows take less time, and a row's score depends
            on how many there are.
    """
    networks = model.alone() if rows.device.type == "cpu" else model.parts()
    size = model.shape.scoring_rows
    if not is_filled_up:
        size = math.ceil(len(rows) / max(math.ceil(len(rows) / size), 1))
    return torch.cat([_score_blocks(network.eval(), rows, precision, size) for network in networks])


def _score_blocks(
    model: MultilayerPerceptron, rows: Rows, precision: str, size: int
) -> torch.Tensor:
    # made at once: small results kept between large layers that are freed would split the heap up
    heads = model.members * model.shape.heads
    logits = torch.empty(heads, len(rows), model.shape.labels, device=rows.device)
    first = 0
    for block in rows.blocks(size):
        with autocast(rows.device, precision):
            logits[:, first : first + len(block)] = model(*pad_block(block, size))[:, : len(block)]
        first += len(block)
    return logits


def pad_block(block: Dataset, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers and indices of at most so many rows, filled up with rows of 0."""
    missing = (0, 0, 0, rows - len(block))
    return nn.functional.pad(block.numeric, missing), nn.functional.pad(block.codes, missing)
