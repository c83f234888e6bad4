"""Rows ready for the model: what all of them give, and those in memory, as tensors on the device.

A batch is a gather of row numbers.

Shapes: N rows, B batch, F numeric features, C embedded categorical features, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from imbalance_cli.features import FeatureRows


class Rows(Protocol):
    """What training and scoring need of rows, wherever these are kept.

    Attributes:
        weights: (N,) float32 on the device, (N, L) of cells; None for alike.
    """

    @property
    def weights(self) -> torch.Tensor | None: ...  # noqa: D102  stands above
    @property
    def device(self) -> torch.device:
        """Where batches of them are."""
        ...

    @property
    def width(self) -> int:
        """F."""
        ...

    @property
    def labels(self) -> int:
        """L."""
        ...

    @property
    def is_stored(self) -> bool:
        """Whether they are on disk rather than in memory."""
        ...

    def is_known(self) -> torch.Tensor:
        """Return whether any target of a row is known, (N,)."""
        ...

    def columns(self, labels: slice) -> torch.Tensor:
        """Return the targets of some labels, (N, l) float32 on the device, NaN where missing."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: torch.Tensor) -> Dataset:
        """Return the rows of some row numbers, (B,)."""
        ...

    def part(self, rows: torch.Tensor) -> Rows:
        """Return the rows of some row numbers, (N_part,), kept where all are."""
        ...

    def blocks(self, size: int) -> Iterator[Dataset]:
        """Yield all rows in their order, `size` at a time; at least one block, if an empty one.

        They are for scoring: their targets may be left out.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Features and targets of some rows.

    Attributes:
        numeric: (N, F) float32.
        codes: (N, C) int64.
        targets: (N, L) float32, NaN where missing.
        weights: (N,) float32, how much each row counts, or (N, L), each cell; None for alike.
    """

    numeric: torch.Tensor
    codes: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None = None

    @classmethod
    def from_rows(
        cls,
        features: FeatureRows,
        targets: NDArray[np.float32],
        device: torch.device,
        weights: NDArray[np.float32] | None = None,
    ) -> Dataset:
        """Put rows on a device."""
        return cls(
            torch.from_numpy(features.numeric).to(device),
            torch.from_numpy(features.codes).to(device),
            torch.from_numpy(targets).to(device),
            None if weights is None else torch.from_numpy(weights).to(device),
        )

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.targets.device

    @property
    def width(self) -> int:
        """F."""
        return self.numeric.shape[1]

    @property
    def labels(self) -> int:
        """L."""
        return self.targets.shape[1]

    @property
    def is_stored(self) -> bool:
        """They are in memory."""
        return False

    def tensors(self) -> list[torch.Tensor]:
        """Return features, targets and, where there are any, weights."""
        tensors = [self.numeric, self.codes, self.targets]
        return tensors if self.weights is None else [*tensors, self.weights]

    def clone(self) -> Dataset:
        """Return a copy with memory of its own."""
        return Dataset(*(tensor.clone() for tensor in self.tensors()))

    def is_known(self) -> torch.Tensor:
        """Return whether any target of a row is known, (N,)."""
        return ~self.targets.isnan().all(dim=1)

    def columns(self, labels: slice) -> torch.Tensor:
        """Return the targets of some labels, (N, l), as a view."""
        return self.targets[:, labels]

    def take(self, rows: torch.Tensor) -> Dataset:
        """Return the rows of some row numbers, (B,)."""
        # index_select copies whole rows, which on the CPU is several times faster than indexing
        return Dataset(
            self.numeric.index_select(0, rows),
            self.codes.index_select(0, rows),
            self.targets.index_select(0, rows),
            None if self.weights is None else self.weights.index_select(0, rows),
        )

    def part(self, rows: torch.Tensor) -> Dataset:
        """Return the rows of some row numbers, (N_part,)."""
        return self.take(rows)

    def blocks(self, size: int) -> Iterator[Dataset]:
        """Yield all rows in their order, `size` at a time, as views."""
        columns = (self.numeric, self.codes, self.targets)
        parts = zip(*(torch.split(column, size) for column in columns), strict=True)
        weights = None if self.weights is None else torch.split(self.weights, size)
        for number, (numeric, codes, targets) in enumerate(parts):
            own = None if weights is None else weights[number]
            yield Dataset(numeric, codes, targets, own)

    def batches(self, order: torch.Tensor, size: int) -> Iterator[Dataset]:
        """Yield batches of B rows in an order, (N,); the last one may be smaller."""
        for rows in torch.split(order, size):
            yield self.take(rows)
