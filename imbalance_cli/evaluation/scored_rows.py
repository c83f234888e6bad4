"""Rows with probabilities and targets, wherever these are kept.

Shapes: N rows, L labels, n and l some of them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from imbalance_cli.errors import EvaluationError
from imbalance_cli.labels.targets import ALL
from imbalance_cli.metrics.checks import check_shapes
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

    def raw(self, labels: slice) -> torch.Tensor | None:
        """Return raw scores, (N, l), or None where they are not kept."""
        ...


@dataclasses.dataclass(frozen=True)
class DenseRows:
    """Rows whose probabilities and targets are tensors, (N, L) each.

    Attributes:
        probabilities: calibrated.
        targets: NaN where missing.
        scores: raw ones, or None.

    Raises:
        EvaluationError: these are of different shapes.
    """

    probabilities: torch.Tensor
    targets: torch.Tensor
    scores: torch.Tensor | None = None

    def __post_init__(self) -> None:
        check_shapes(self.probabilities, self.targets)

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

    def raw(self, labels: slice = ALL) -> torch.Tensor | None:
        """Return raw scores, (N, l), or None."""
        return None if self.scores is None else self.scores[:, labels]


@dataclasses.dataclass(frozen=True)
class CheckedRows:
    """The rows that count, on the device where their numbers are made.

    Attributes:
        whole: all rows.
        names: (L,) of the labels.
        source: what the rows were read from.
        device: to which cells are brought.
        kept: (N,) the numbers of the rows that count; None for all.
    """

    whole: ScoredRows
    names: Sequence[str]
    source: str
    device: torch.device
    kept: torch.Tensor | None = None

    @property
    def rows(self) -> int:
        """N."""
        return self.whole.rows if self.kept is None else len(self.kept)

    @property
    def labels(self) -> int:
        """L."""
        return self.whole.labels

    def columns(self, labels: slice) -> Cells:
        """Return probabilities and targets, (N, l) each.

        Raises:
            EvaluationError: a prediction is no probability, or a target is none; it names the row,
                the label and the value.
        """
        probabilities, targets = (self._take(cells) for cells in self.whole.columns(labels))
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

    def raw(self, labels: slice) -> torch.Tensor | None:
        """Return raw scores, (N, l), or None where they are not kept."""
        scores = self.whole.raw(labels)
        return None if scores is None else self._take(scores)

    def block(self, rows: slice) -> Cells:
        """Return probabilities and targets, (n, L) each; `columns` has seen them all."""
        if self.kept is None:
            probabilities, targets = self.whole.block(rows)
            return probabilities.to(self.device), targets.to(self.device)
        kept = self.kept[rows]
        first = int(kept[0]) if len(kept) else 0
        last = int(kept[-1]) + 1 if len(kept) else 0
        probabilities, targets = self.whole.block(slice(first, last))
        return probabilities.to(self.device)[kept - first], targets.to(self.device)[kept - first]

    def _take(self, cells: torch.Tensor) -> torch.Tensor:
        cells = cells.to(self.device)
        return cells if self.kept is None else cells[self.kept]

    def _first(
        self, wrong: torch.Tensor, cells: torch.Tensor, labels: slice
    ) -> tuple[int, float, str]:
        """Return the row, from 1, the value and the label of the first wrong cell."""
        row, column = wrong.nonzero()[0].tolist()
        name = self.names[range(self.labels)[labels][column]]
        number = row if self.kept is None else int(self.kept[row])
        return number + 1, float(cells[row, column]), name


def label_slices(rows: int, labels: int, cells: int | None = None) -> list[slice]:
    """Return the labels of a table that are worked on together, block after block; at least one.

    Args:
        rows: N.
        labels: L.
        cells: that a block has at most; None for as many as fit into memory.
    """
    width = min(max((cells or CELLS_AT_ONCE) // max(rows, 1), 1), LABELS_AT_ONCE)
    return [slice(at, min(at + width, labels)) for at in range(0, max(labels, 1), width)]


def row_slices(rows: ScoredRows) -> list[slice]:
    """Return the rows that fit into memory together, block after block."""
    height = max(CELLS_AT_ONCE // max(rows.labels, 1), 1)
    starts = range(0, rows.rows, height)
    return [slice(start, min(start + height, rows.rows)) for start in starts]


def follow_labels(
    rows: int, labels: int, tell: Tell, stage: str, cells: int | None = None
) -> Iterator[slice]:
    """Yield `label_slices`, and tell how many labels are done."""
    slices = label_slices(rows, labels, cells)
    return follow(
        slices, tell, stage, lambda some: some.stop - some.start, total=labels, unit="labels"
    )
