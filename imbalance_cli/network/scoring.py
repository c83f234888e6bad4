"""Logits of many rows: kept as they are of few labels, made some labels at a time of many.

Shapes: M members, N rows, H units of the last hidden layer, L labels.

A product rounds by its shape. So the output layer takes OUTPUT_ROWS rows and LABEL_BLOCK labels at
a time, whoever asks for which of them, and a cell's logit is the same to the bit in every use.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Protocol

import torch

from imbalance_cli.labels.targets import ALL
from imbalance_cli.machine.device import autocast
from imbalance_cli.network.model import pad_block, score_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.network.model import Model, MultilayerPerceptron
    from imbalance_cli.rows.dataset import Rows

LABEL_BLOCK = 256  # labels whose scores are made at a time; of no more, all are kept
OUTPUT_ROWS = (
    256  # whose scores of these labels are made at a time; hidden layers have a multiple of these
)


class Logits(Protocol):
    """Logits (M, N, L)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, N, L)."""
        ...

    def cells(self, rows: slice = ALL, labels: slice = ALL) -> torch.Tensor:
        """Return some neighbouring rows and labels, (M, n, l) float32."""
        ...


@dataclasses.dataclass(frozen=True)
class KeptLogits:
    """Logits as they are.

    Attributes:
        values: (M, N, L) float32.
    """

    values: torch.Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, N, L)."""
        members, rows, labels = self.values.shape
        return members, rows, labels

    def cells(self, rows: slice = ALL, labels: slice = ALL) -> torch.Tensor:
        """Return some rows and labels, (M, n, l)."""
        return self.values[:, rows, labels]


@dataclasses.dataclass(frozen=True)
class LazyLogits:
    """What the output layers make logits of, when they are asked for.

    Attributes:
        networks: M networks, or one model of M members.
        hidden: of each of them the last hidden layer, (N + padding, H) or (M, N + padding, H).
        rows: N.
    """

    networks: Sequence[MultilayerPerceptron]
    hidden: Sequence[torch.Tensor]
    rows: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, N, L)."""
        members = sum(network.members * network.shape.heads for network in self.networks)
        return members, self.rows, self.networks[0].shape.labels

    @torch.no_grad()
    def cells(self, rows: slice = ALL, labels: slice = ALL) -> torch.Tensor:
        """Return some rows and labels, (M, n, l)."""
        members, number, width = self.shape
        first, end, _ = rows.indices(number)
        start, stop, _ = labels.indices(width)
        result = self.hidden[0].new_empty((members, end - first, stop - start))
        for block in label_blocks(width, labels):
            inside = slice(max(block.start, start), min(block.stop, stop))
            own = slice(inside.start - block.start, inside.stop - block.start)
            for top in range(first - first % OUTPUT_ROWS, end, OUTPUT_ROWS):
                low, high = max(top, first), min(top + OUTPUT_ROWS, end)
                logits = self._block(slice(top, top + OUTPUT_ROWS), block)
                target = result[:, low - first : high - first]
                target[:, :, inside.start - start : inside.stop - start] = logits[
                    :, low - top : high - top, own
                ]
        return result

    def _block(self, rows: slice, labels: slice) -> torch.Tensor:
        pairs = zip(self.networks, self.hidden, strict=True)
        logits = [network.eval().logits(hidden[..., rows, :], labels) for network, hidden in pairs]
        return torch.cat(logits).float()


def label_blocks(labels: int, part: slice = ALL) -> Iterator[slice]:
    """Yield the blocks of labels that a part of them touches, from the first label on."""
    first, end, _ = part.indices(labels)
    for start in range(first - first % LABEL_BLOCK, end, LABEL_BLOCK):
        yield slice(start, min(start + LABEL_BLOCK, labels))


def score(model: Model, rows: Rows, precision: str, *, is_filled_up: bool = True) -> Logits:
    """Return the logits of rows, (M, N, L), kept unless there are more than LABEL_BLOCK labels.

    Args:
        model: of the networks.
        rows: (N, ...).
        precision: as in a config.
        is_filled_up: as of `score_rows`; of more labels rows always are.
    """
    if model.shape.labels <= LABEL_BLOCK:
        return KeptLogits(score_rows(model, rows, precision, is_filled_up=is_filled_up))
    networks = model.alone() if rows.device.type == "cpu" else model.parts()
    hidden = [_represent(network.eval(), rows, precision) for network in networks]
    return LazyLogits(networks, hidden, len(rows))


@torch.no_grad()
def _represent(model: MultilayerPerceptron, rows: Rows, precision: str) -> torch.Tensor:
    """Return the last hidden layer of rows, padded to a multiple of OUTPUT_ROWS.

    It is made at once, as `score_rows` makes its result.
    """
    hidden = torch.empty(0)
    size = max(model.shape.scoring_rows, OUTPUT_ROWS)
    for number, block in enumerate(rows.blocks(size)):
        with autocast(rows.device, precision):
            units = model.represent(*pad_block(block, size)).float()
        if not number:
            blocks = max(math.ceil(len(rows) / size), 1)
            hidden = units.new_empty((*units.shape[:-2], blocks * size, units.shape[-1]))
        hidden[..., number * size : (number + 1) * size, :] = units
    return hidden
