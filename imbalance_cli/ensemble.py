"""Networks of several shapes as one model.

Embeddings suit a table or do not, and which does shows only in its validation rows. Networks with
different ones err differently, and the mean of their probabilities is better than that of as many
alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import nn

from imbalance_cli.model import MultilayerPerceptron, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ensemble(nn.Module):
    """Models one after the other: the members of the first, then those of the next.

    Args:
        parts: each of one shape, all with as many heads, labels and hidden units.
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
        """The shape of the first part, whose heads, labels and hidden layers are those of all."""
        return self.parts()[0].shape

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
