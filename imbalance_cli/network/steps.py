"""The steps of the optimiser: forward, the loss with its slope, backward, update.

Shapes: M networks, K heads of each, B batch, L labels.

A step of a small network is some sixty kernels that each take less time than launching them. On a
CUDA device the step is therefore recorded as a graph, once for each shape of batch, and replayed:
one launch.
"""

from __future__ import annotations

import contextlib
import gc
import warnings
from typing import TYPE_CHECKING

import torch

from imbalance_cli.losses.family import loss_and_slope, rare_loss_and_slope
from imbalance_cli.machine.device import autocast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imbalance_cli.losses.family import Loss
    from imbalance_cli.network.model import MultilayerPerceptron
    from imbalance_cli.network.optimization import Optimizer
    from imbalance_cli.rows.dataset import Dataset

MANY_CELLS, CACHED_CELLS = 2**20, 2**16  # of a batch; as many as are worth taking apart, and taken
STEPS_BEFORE_GRAPHS = 3  # in which the optimiser and the libraries set themselves up
MOST_GRAPHS = 4  # batches of an epoch have two sizes; each graph keeps its own memory


class Steps:
    """Passes over batches, and what they come to.

    Args:
        model: of M networks.
        loss: its parameters (M, 1, L).
        optimizer: of the model.
        precision: as in a config.
    """

    def __init__(
        self,
        model: MultilayerPerceptron,
        loss: Loss,
        optimizer: Optimizer,
        *,
        precision: str,
    ) -> None:
        self._model, self._optimizer, self._precision = model, optimizer, precision
        self._loss = loss.of_heads(model.heads)
        self._device = model.output.weight.device
        self._total = torch.zeros(model.members, device=self._device)
        self._cells = torch.zeros_like(self._total, dtype=torch.int64)  # of weighted rows, a mass
        self._graphs = _Graphs() if self._device.type == "cuda" else None

    def epoch(self, batches: Iterator[Dataset]) -> torch.Tensor:
        """Pass once over the batches and return each network's mean loss per known cell, (M,).

        Means over weighted rows are weighted, each batch's by its own weights.
        """
        self._model.train()
        self._total.zero_()
        self._cells.zero_()
        for batch in batches:
            if batch.weights is not None and not self._cells.is_floating_point():
                self._cells = self._cells.to(batch.weights.dtype)
            if self._graphs is None:
                self._step(batch)
            else:
                self._graphs.step(batch, self._step)
            self._optimizer.advance()
        return self._total / self._cells

    @torch.no_grad()
    def _step(self, batch: Dataset) -> None:
        """Take a step; its backward pass begins at the logits, with the slope of the mean loss."""
        with autocast(self._device, self._precision):
            logits, pull = self._model.vjp(batch.numeric, batch.codes)
        targets, weights = self._of_heads(batch.targets), None
        if batch.weights is not None:
            of_cells = batch.weights.ndim == batch.targets.ndim
            weights = self._of_heads(batch.weights if of_cells else batch.weights[..., None])
        total, known, slopes = _sum_losses(logits, targets, weights, self._loss)
        divisor = known.clamp(min=1) if weights is None else known.where(known > 0, 1.0)
        # of the mean over the heads of each one's mean loss, and never of the loss of their mean
        heads = self._model.shape.heads
        slopes = slopes / (heads * divisor[:, None, None])
        with autocast(self._device, self._precision):
            pull(slopes.to(logits.dtype))
        self._optimizer.step()
        self._total += total.reshape(-1, heads).mean(dim=1)
        self._cells += known[::heads]

    def _of_heads(self, columns: torch.Tensor) -> torch.Tensor:
        """Return columns of rows, (B, n) or (M, B, n), for each head, (M * K, B, n)."""
        own = columns.reshape(self._model.members, *columns.shape[-2:])
        heads = self._model.shape.heads
        return own if heads == 1 else own.repeat_interleave(heads, dim=0)


class _Graphs:
    """Steps that are recorded as CUDA graphs, one for each shape of batch, and replayed.

    The first few are taken as they are, on a stream of their own, as torch's guide to graphs has it
    (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
    """

    def __init__(self) -> None:
        self._graphs: dict[object, tuple[torch.cuda.CUDAGraph, Dataset]] = {}
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch has no types
        self._launched = 0

    def step(self, batch: Dataset, step: Callable[[Dataset], None]) -> None:
        """Take the step of a batch."""
        shape = (batch.targets.shape, batch.weights is None)
        if shape not in self._graphs:
            if self._launched < STEPS_BEFORE_GRAPHS or len(self._graphs) == MOST_GRAPHS:
                self._launched += 1
                self._launch(batch, step)
                return
            self._graphs[shape] = _record(batch, step)
        graph, place = self._graphs[shape]
        for target, source in zip(place.tensors(), batch.tensors(), strict=True):
            target.copy_(source)
        graph.replay()

    def _launch(self, batch: Dataset, step: Callable[[Dataset], None]) -> None:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream), warnings.catch_warnings():
            # of torch's own first backward pass, which then does what it says
            warnings.filterwarnings("ignore", "Attempting to run cuBLAS", UserWarning)
            step(batch)
        torch.cuda.current_stream().wait_stream(self._stream)


def _record(
    batch: Dataset, step: Callable[[Dataset], None]
) -> tuple[torch.cuda.CUDAGraph, Dataset]:
    """Return a step as a graph, and where it reads its batch; the step is not taken."""
    place = batch.clone()
    graph = torch.cuda.CUDAGraph()
    with _no_collection(), torch.cuda.graph(graph):
        step(place)
    return graph, place


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep garbage until later: a graph among it, when freed, breaks the one that is recorded."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _sum_losses(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None, loss: Loss
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return each head's sum of losses, its known cells, (M,) each, and the slope of the sum.

    Of many cells on the CPU it is taken a few rows at a time: there are some ten passes over them,
    which are several times faster in the cache.

    Args:
        logits: (M, B, L).
        targets: (M, B, L).
        weights: (M, B, 1) of the rows, or (M, B, L) of cells, by which losses and cells count; None
            for alike.
        loss: its parameters (M, 1, L).
    """
    members, rows, labels = logits.shape
    logits = logits.detach()
    if logits.device.type != "cpu" or logits.numel() <= MANY_CELLS:
        return _sum_some(*loss_and_slope(logits, targets, loss), targets, weights)
    height = max(CACHED_CELLS // (members * labels), 1)
    slopes = torch.empty_like(logits)
    sums = []
    for first in range(0, rows, height):
        part = slice(first, first + height)
        own = None if weights is None else weights[:, part]
        found = rare_loss_and_slope(logits[:, part], targets[:, part], loss)
        total, known, slopes[:, part] = _sum_some(*found, targets[:, part], own)
        sums.append((total, known))
    totals, cells = (torch.stack(same).sum(dim=0) for same in zip(*sums, strict=True))
    return totals, cells, slopes


def _sum_some(
    losses: torch.Tensor,
    slopes: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    known = ~targets.isnan()
    if weights is not None:
        losses, slopes, known = losses * weights, slopes * weights, known * weights
    return losses.sum(dim=(1, 2)), known.sum(dim=(1, 2)), slopes
