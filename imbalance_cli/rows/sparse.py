"""Rows on the device whose targets are the positive cells alone; batches of them are dense.

Shapes: N rows, B batch, F numeric features, C embedded categorical features, L labels, P positive
cells.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.rows.dataset import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.features import FeatureRows
    from imbalance_cli.labels.targets import SparseTargets


@dataclasses.dataclass(frozen=True)
class SparseCells:
    """Targets (N, L) in compressed form; cells of row i lie between starts[i] and starts[i + 1].

    Attributes:
        starts: (N + 1,) int64.
        positives: (P,) int64 labels.
        rows: (N,) whether anything is known of a row.
        known: (L,) whether anything is known of a label.
    """

    starts: torch.Tensor
    positives: torch.Tensor
    rows: torch.Tensor
    known: torch.Tensor

    @classmethod
    def of(cls, targets: SparseTargets, device: torch.device) -> SparseCells:
        """Put targets on a device."""
        ones = targets.positives()
        return cls(
            torch.from_numpy(ones.indptr).to(device, torch.int64),
            torch.from_numpy(ones.indices).to(device, torch.int64),
            torch.from_numpy(targets.rows).to(device),
            torch.from_numpy(targets.labels).to(device),
        )

    def take(self, rows: torch.Tensor) -> SparseCells:
        """Return the cells of some row numbers, (B,)."""
        first = self.starts[rows]
        lengths = self.starts[rows + 1] - first
        starts = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
        shift = (first - starts[:-1]).repeat_interleave(lengths)
        places = torch.arange(len(shift), device=rows.device) + shift
        return SparseCells(starts, self.positives[places], self.rows[rows], self.known)

    def dense(self, labels: slice = slice(None)) -> torch.Tensor:
        """Return some neighbouring labels, (N, l) float32, NaN where missing."""
        first, end, _ = labels.indices(len(self.known))
        cells = torch.zeros((len(self.rows), end - first), device=self.rows.device)
        cells[~self.rows] = math.nan
        cells[:, ~self.known[first:end]] = math.nan
        numbers = torch.arange(len(self.rows), device=self.rows.device)
        owners = numbers.repeat_interleave(self.starts.diff())
        columns = self.positives
        if (first, end) != (0, len(self.known)):
            inside = (columns >= first) & (columns < end)
            owners, columns = owners[inside], columns[inside] - first
        cells[owners, columns] = 1
        return cells


@dataclasses.dataclass(frozen=True)
class SparseDataset(Dataset):
    """Rows whose targets are the positive cells alone, where there are many labels.

    Attributes:
        targets: (N, 0).
        cells: (N, L) targets.
    """

    cells: SparseCells = dataclasses.field(kw_only=True)

    @classmethod
    def of(
        cls,
        features: FeatureRows,
        targets: SparseTargets,
        device: torch.device,
        weights: NDArray[np.float32] | None = None,
    ) -> SparseDataset:
        """Put rows on a device."""
        none = np.empty((len(targets), 0), np.float32)
        rows = Dataset.from_rows(features, none, device, weights)
        return _add_cells(rows, SparseCells.of(targets, device))

    @property
    def labels(self) -> int:
        """L."""
        return len(self.cells.known)

    def is_known(self) -> torch.Tensor:
        """Return whether any target of a row is known, (N,)."""
        return self.cells.rows & self.cells.known.any()

    def columns(self, labels: slice) -> torch.Tensor:
        """Return the targets of some labels, (N, l) float32, NaN where missing."""
        return self.cells.dense(labels)

    def take(self, rows: torch.Tensor) -> Dataset:
        """Return the rows of some row numbers, (B,), with dense targets."""
        return dataclasses.replace(super().take(rows), targets=self.cells.take(rows).dense())

    def part(self, rows: torch.Tensor) -> SparseDataset:
        """Return the rows of some row numbers, (N_part,)."""
        return _add_cells(super().take(rows), self.cells.take(rows))


def _add_cells(rows: Dataset, cells: SparseCells) -> SparseDataset:
    return SparseDataset(rows.numeric, rows.codes, rows.targets, rows.weights, cells=cells)
