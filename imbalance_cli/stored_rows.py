"""Rows in a cache on disk, as training and scoring take them; only targets and weights stay here.

Shapes: N rows, B batch, F numeric features, C embedded categorical features, L labels.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.dataset import Dataset
from imbalance_cli.row_cache import ShuffledBlocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from imbalance_cli.row_cache import ModelRows, RowCache


@dataclasses.dataclass(frozen=True)
class StoredRows:
    """Features on disk, targets and weights in memory.

    Attributes:
        cache: of these rows and perhaps others.
        numbers: (N,) which rows of the cache these are.
        targets: (N, L) float32 on the device, NaN where missing; the cache's own are not read.
        weights: (N,) float32 on the device; None for alike.
    """

    cache: RowCache
    numbers: NDArray[np.intp]
    targets: torch.Tensor
    weights: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def device(self) -> torch.device:
        """Where batches of the rows are."""
        return self.targets.device

    @property
    def width(self) -> int:
        """F."""
        return self.cache.widths["numeric"]

    @property
    def labels(self) -> int:
        """L."""
        return self.targets.shape[1]

    def is_known(self) -> torch.Tensor:
        """Return whether any target of a row is known, (N,)."""
        return ~self.targets.isnan().all(dim=1)

    def columns(self, labels: slice) -> torch.Tensor:
        """Return the targets of some labels, (N, l), as a view."""
        return self.targets[:, labels]

    def select(self, rows: torch.Tensor) -> Dataset:
        """Return the rows of some row numbers, (B,), read from the disk."""
        selected = self.cache.select(self.numbers[rows.cpu().numpy()])
        self.cache.release()
        return _put(selected, self.device)

    def part(self, rows: torch.Tensor) -> StoredRows:
        """Return the rows of some row numbers, (N_part,), without reading their features."""
        return StoredRows(
            self.cache,
            self.numbers[rows.cpu().numpy()],
            self.targets.index_select(0, rows),
            None if self.weights is None else self.weights.index_select(0, rows),
        )

    def blocks(self, size: int) -> Iterator[Dataset]:
        """Yield all rows in their order, `size` at a time; at least one block, if an empty one."""
        if not len(self):
            yield self.select(torch.empty(0, dtype=torch.int64))
        for batch in self.cache.batches(self.numbers, size):
            yield _put(batch, self.device)

    def epochs(
        self, rows: torch.Tensor, batch_size: int, seed: int
    ) -> Callable[[], Iterator[Dataset]]:
        """Return what begins another epoch of some rows each time: batches in a random order.

        Args:
            rows: row numbers, (N_part,), each once.
            batch_size: the most rows of a batch.
            seed: of the order of all epochs.
        """
        numbers = np.sort(self.numbers[rows.cpu().numpy()])
        random = np.random.default_rng(seed)
        shuffled = ShuffledBlocks(self.cache, numbers, batch_size, random)

        def begin() -> Iterator[Dataset]:
            with contextlib.closing(iter(shuffled)) as batches:
                for batch in batches:
                    yield _put(batch, self.device)

        return begin


def _put(rows: ModelRows, device: torch.device) -> Dataset:
    return Dataset(
        torch.from_numpy(rows.numeric).to(device),
        torch.from_numpy(rows.codes).to(device),
        torch.from_numpy(rows.targets).to(device),
        None if rows.weights is None else torch.from_numpy(rows.weights).to(device),
    )
