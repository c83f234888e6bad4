"""Rows with probabilities and targets, wherever these are kept.

Shapes: N rows, L labels, n and l some of them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from imbalance_cli.errors import EvaluationError
from imbalance_cli.labels.targets import ALL
from imbalance_cli.progress import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from imbalance_cli.progress import Tell

    Cells = tuple[torch.Tensor, torch.Tensor]

CELLS_AT_ONCE = 1_000_000  # each takes some hundred bytes while it is sorted and summed
LABELS_AT_ONCE = 512


class ScoredRows(Protocol):
    """What an evaluation needs of rows: some labels of all rows, or all labels of some rows.

    So neither the probabilities nor the targets of ten thousand labels need be there at once.
    """

    @property
    def rows(self) -> int:
        """N."""
        ...

    @property
    def labels(self) -> int:
        """L."""
        ...

    def columns(self, labels: slice) -> Cells:
        """Return probabilities and targets, (N, l) each; a missing target is NaN."""
        ...

    def block(self, rows: slice) -> Cells:
        """Return probabilities and targets, (n, L) each."""
        ...


@dataclasses.dataclass(frozen=True)
class DenseRows:
    """Rows whose probabilities and targets are tensors, (N, L) each."""

    probabilities: torch.Tensor
    targets: torch.Tensor

    @property
    def rows(self) -> int:
        """N."""
        return len(self.targets)

    @property
    def labels(self) -> int:
        """L."""
        return self.targets.shape[1]

    def columns(self, labels: slice = ALL) -> Cells:
        """Return probabilities and targets, (N, l) each."""
        return self.probabilities[:, labels], self.targets[:, labels]

    def block(self, rows: slice) -> Cells:
        """Return probabilities and targets, (n, L) each."""
        return self.probabilities[rows], self.targets[rows]


@dataclasses.dataclass(frozen=True)
class SelectedRows:
    """Some rows of others.

    Attributes:
        whole: the others.
        kept: (N,) their numbers.
    """

    whole: ScoredRows
    kept: torch.Tensor

    @property
    def rows(self) -> int:
        """N."""
        return len(self.kept)

    @property
    def labels(self) -> int:
        """L."""
        return self.whole.labels

    def columns(self, labels: slice) -> Cells:
        """Return probabilities and targets, (N, l) each."""
        probabilities, targets = self.whole.columns(labels)
        return probabilities[self.kept], targets[self.kept]

    def block(self, rows: slice) -> Cells:
        """Return probabilities and targets, (n, L) each."""
        kept = self.kept[rows]
        first = int(kept[0]) if len(kept) else 0
        last = int(kept[-1]) + 1 if len(kept) else 0
        probabilities, targets = self.whole.block(slice(first, last))
        return probabilities[kept - first], targets[kept - first]


@dataclasses.dataclass(frozen=True)
class MovedRows:
    """Rows whose cells are brought to a device.

    Attributes:
        whole: the rows.
        device: where numbers are made of them.
    """

    whole: ScoredRows
    device: torch.device

    @property
    def rows(self) -> int:
        """N."""
        return self.whole.rows

    @property
    def labels(self) -> int:
        """L."""
        return self.whole.labels

    def columns(self, labels: slice) -> Cells:
        """Return probabilities and targets, (N, l) each."""
        probabilities, targets = self.whole.columns(labels)
        return probabilities.to(self.device), targets.to(self.device)

    def block(self, rows: slice) -> Cells:
        """Return probabilities and targets, (n, L) each."""
        probabilities, targets = self.whole.block(rows)
        return probabilities.to(self.device), targets.to(self.device)


@dataclasses.dataclass(frozen=True)
class CheckedRows:
    """Rows whose predictions are probabilities and targets 0, 1 or missing, or an error says which.

    Attributes:
        whole: the rows.
        names: (L,) of the labels.
        source: what they were read from.
    """

    whole: ScoredRows
    names: Sequence[str]
    source: str

    @property
    def rows(self) -> int:
        """N."""
        return self.whole.rows

    @property
    def labels(self) -> int:
        """L."""
        return self.whole.labels

    def columns(self, labels: slice) -> Cells:
        """Return probabilities and targets, (N, l) each.

        Raises:
            EvaluationError: it names the row, the label and the value.
        """
        probabilities, targets = self.whole.columns(labels)
        wrong = ~((probabilities >= 0) & (probabilities <= 1))
        if wrong.any():
            row, value, name = self._first(wrong, probabilities, labels)
            raise EvaluationError(
                f"{self.source}: row {row} predicts {value:g} for label {name!r}, which is no "
                "probability",
                hint="numbers from 0 to 1",
            )
        wrong = (targets != 0) & (targets != 1) & ~targets.isnan()
        if wrong.any():
            row, value, name = self._first(wrong, targets, labels)
            raise EvaluationError(
                f"{self.source}: row {row} has the target {value:g} for label {name!r}",
                hint="0, 1, or NaN where it is missing",
            )
        return probabilities, targets

    def _first(
        self, wrong: torch.Tensor, cells: torch.Tensor, labels: slice
    ) -> tuple[int, float, str]:
        """Return the row, from 1, the value and the label of the first wrong cell."""
        row, column = wrong.nonzero()[0].tolist()
        name = self.names[range(self.labels)[labels][column]]
        return row + 1, float(cells[row, column]), name

    def block(self, rows: slice) -> Cells:
        """Return probabilities and targets, (n, L) each; `columns` has seen them all."""
        return self.whole.block(rows)


def label_slices(rows: ScoredRows) -> list[slice]:
    """Return the labels that fit into memory together, block after block; one block at least."""
    width = min(max(CELLS_AT_ONCE // max(rows.rows, 1), 1), LABELS_AT_ONCE)
    starts = range(0, max(rows.labels, 1), width)
    return [slice(start, min(start + width, rows.labels)) for start in starts]


def row_slices(rows: ScoredRows) -> list[slice]:
    """Return the rows that fit into memory together, block after block."""
    height = max(CELLS_AT_ONCE // max(rows.labels, 1), 1)
    starts = range(0, rows.rows, height)
    return [slice(start, min(start + height, rows.rows)) for start in starts]


def follow_labels(rows: ScoredRows, tell: Tell, stage: str) -> Iterator[slice]:
    """Yield `label_slices`, and tell how many labels are done."""
    slices = label_slices(rows)
    return follow(
        slices, tell, stage, lambda some: some.stop - some.start, total=rows.labels, unit="labels"
    )
