"""Rows on disk, as training and scoring take them; only targets and weights stay in memory.

Shapes: N rows, B batch, F numeric features, C embedded categorical features, L labels.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from imbalance_cli.rows.dataset import Dataset
from imbalance_cli.rows.shuffling import ShuffledBlocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.rows.stored_features import NumberedRows, StoredFeatures


SELECTED = 2**14  # rows that are read at a time


@dataclasses.dataclass(frozen=True)
class StoredRows:
    """Features on disk, targets and weights in memory.

    Attributes:
        features: of these rows and perhaps others.
        cells: targets of all stored rows.
        device: where batches of the rows are.
        all_weights: float32 of all stored rows or their cells; None for alike.
        numbers: (N,) which of the stored rows these are; None for all of them.
    """

    features: StoredFeatures
    cells: Targets
    device: torch.device
    all_weights: NDArray[np.float32] | None = None
    numbers: NDArray[np.integer[Any]] | None = None

    def __len__(self) -> int:
        return len(self.features) if self.numbers is None else len(self.numbers)

    @property
    def width(self) -> int:
        """F."""
        return self.features.width

    @property
    def labels(self) -> int:
        """L."""
        return self.cells.shape[1]

    @property
    def is_stored(self) -> bool:
        """They are on disk."""
        return True

    @property
    def weights(self) -> torch.Tensor | None:
        """(N,) float32 on the device, (N, L) of cells; None for alike."""
        if self.all_weights is None:
            return None
        own = self.all_weights if self.numbers is None else self.all_weights[self.numbers]
        return torch.from_numpy(own).to(self.device)

    def is_known(self) -> torch.Tensor:
        """Return whether any target of a row is known, (N,)."""
        known = self.cells.known_rows()
        known = known if self.numbers is None else known[self.numbers]
        return torch.from_numpy(known).to(self.device)

    def columns(self, labels: slice) -> torch.Tensor:
        """Return the targets of some labels, (N, l), made anew each time."""
        cells = self.cells if self.numbers is None else self.cells.take(self.numbers)
        return torch.from_numpy(cells.dense(labels)).to(self.device)

    def take(self, rows: torch.Tensor) -> Dataset:
        """Return the rows of some row numbers, (B,), read from the disk."""
        numbers = self._numbers_of(rows)
        # rows from everywhere would map the whole files at once
        parts = [self._put(part) for part in self.features.blocks(numbers, SELECTED)]
        if not parts:
            return self._put(self.features.take(numbers))
        if len(parts) == 1:
            return parts[0]
        weights = [part.weights for part in parts if part.weights is not None]
        return Dataset(
            torch.cat([part.numeric for part in parts]),
            torch.cat([part.codes for part in parts]),
            torch.cat([part.targets for part in parts]),
            torch.cat(weights) if weights else None,
        )

    def part(self, rows: torch.Tensor) -> StoredRows:
        """Return the rows of some row numbers, (N_part,), without reading their features."""
        return dataclasses.replace(self, numbers=self._numbers_of(rows))

    def blocks(self, size: int) -> Iterator[Dataset]:
        """Yield all rows in their order, `size` at a time; at least one block, if an empty one."""
        if not len(self):
            yield self.take(torch.empty(0, dtype=torch.int64))
        numbers = np.arange(len(self), dtype=np.int32) if self.numbers is None else self.numbers
        for batch in self.features.blocks(numbers, size):
            yield self._put(batch)

    def epochs(
        self, rows: torch.Tensor, batch_size: int, random: np.random.Generator
    ) -> Callable[[], Iterator[Dataset]]:
        """Return what begins another epoch of some rows each time: batches in a random order.

        Args:
            rows: row numbers, (N_part,), each once.
            batch_size: the most rows of a batch.
            random: each epoch takes the seed of its order from it.
        """
        numbers = np.sort(self._numbers_of(rows))
        shuffled = ShuffledBlocks(self.features, numbers, batch_size, random)

        def begin() -> Iterator[Dataset]:
            with contextlib.closing(iter(shuffled)) as batches:
                for batch in batches:
                    yield self._put(batch)

        return begin

    def _numbers_of(self, rows: torch.Tensor) -> NDArray[np.integer[Any]]:
        """Return which of the stored rows some rows are, (B,)."""
        own = rows.cpu().numpy()
        return own if self.numbers is None else self.numbers[own]

    def _put(self, rows: NumberedRows) -> Dataset:
        """Return stored rows, with their targets and weights, on the device."""
        weights = None
        if self.all_weights is not None:
            weights = torch.from_numpy(self.all_weights[rows.numbers]).to(self.device)
        return Dataset(
            torch.from_numpy(rows.numeric).to(self.device),
            torch.from_numpy(rows.codes).to(self.device),
            torch.from_numpy(self.cells.take(rows.numbers).dense()).to(self.device),
            weights,
        )
