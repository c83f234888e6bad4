"""What networks say of rows: log-odds, raw scores and calibrated probabilities.

Of few labels all is kept; of many it is made some labels or some rows at a time, so that nothing
of (N, L) is ever in memory. A cell's number is the same to the bit, however it is asked for.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from imbalance_cli.labels.targets import ALL
from imbalance_cli.losses.link import mean_log_odds
from imbalance_cli.network.scoring import KeptLogits, label_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.decisions.calibration import Calibration
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.losses.family import Loss
    from imbalance_cli.network.scoring import Logits

ONE_THREAD = 32768  # torch computes fewer elements than these in one thread
REGISTER = 16  # float32 in the widest vector register
ROWS_AT_ONCE = 2**20  # that are calibrated together


class LogOdds(Protocol):
    """Log-odds of rows before calibration, (N, L)."""

    @property
    def labels(self) -> int:
        """L."""
        ...

    def log_odds(self, labels: slice = ALL, rows: slice = ALL) -> torch.Tensor:
        """Return those of some neighbouring labels and rows, (n, l) float64 on the host."""
        ...


@dataclasses.dataclass(frozen=True)
class KeptLogOdds:
    """Log-odds as they are.

    Attributes:
        values: (N, L) float64.
    """

    values: torch.Tensor

    @property
    def labels(self) -> int:
        """L."""
        return self.values.shape[1]

    def log_odds(self, labels: slice = ALL, rows: slice = ALL) -> torch.Tensor:
        """Return some labels and rows, (n, l)."""
        return self.values[rows, labels]


@dataclasses.dataclass(frozen=True)
class Scores:
    """What networks say of rows before calibration, one set of rows after the other.

    Attributes:
        parts: the logits of each set, and the loss of the networks that made them.
    """

    parts: Sequence[tuple[Logits, Loss]]
    _last: dict[Maker, tuple[slice, torch.Tensor]] = dataclasses.field(
        default_factory=dict, repr=False, compare=False
    )

    def __len__(self) -> int:
        return sum(logits.shape[1] for logits, _ in self.parts)

    @property
    def labels(self) -> int:
        """L."""
        return self.parts[0][0].shape[2]

    def log_odds(self, labels: slice = ALL, rows: slice = ALL) -> torch.Tensor:
        """Return the log-odds of some neighbouring labels and rows, (n, l) float64."""
        return self._make(mean_log_odds_by_row, labels, rows)

    def raw(self, labels: slice = ALL, rows: slice = ALL) -> torch.Tensor:
        """Return sigmoid of the members' mean logit, (n, l) float32.

        It is the score without inverse link and calibration: the scores as the loss distorts them.
        """
        return self._make(_raw_scores_of, labels, rows)

    def _make(self, make: Maker, labels: slice, rows: slice) -> torch.Tensor:
        """Return what is made of some labels and rows, block after block."""
        start, stop, _ = labels.indices(self.labels)
        made = []
        for block in label_blocks(self.labels, labels):
            inside = slice(max(start - block.start, 0), min(stop, block.stop) - block.start)
            is_whole = inside == slice(0, block.stop - block.start)
            made.append(self._make_block(make, block, rows, keep=not is_whole)[:, inside])
        if len(made) == 1:
            return made[0]
        return torch.cat(made, dim=1) if made else torch.empty((len(self), 0))[rows]

    def _make_block(self, make: Maker, block: slice, rows: slice, *, keep: bool) -> torch.Tensor:
        """Return what is made of a block of labels and some rows.

        The last block of all rows may be kept, for who goes through its labels some at a time.
        """
        known, values = self._last.get(make, (None, None))
        if known == block and values is not None:
            return values[rows]
        first, end, _ = rows.indices(len(self))
        made, before = [], 0
        for logits, loss in self.parts:
            height = logits.shape[1]
            own = slice(max(first - before, 0), min(end - before, height))
            before += height
            if own.start < own.stop or len(self.parts) == 1:
                made.append(make(logits.cells(own, block).cpu(), loss.labels(block)))
        whole = torch.cat(made)
        if keep and len(whole) == len(self):
            self._last[make] = block, whole
        return whole


class Maker(Protocol):
    """Makes numbers (n, l) of logits (M, n, l) and their loss."""

    def __call__(self, logits: torch.Tensor, loss: Loss) -> torch.Tensor:
        """Make them."""
        ...


@dataclasses.dataclass(frozen=True)
class CalibratedRows:
    """Rows with their targets and calibrated probabilities.

    Attributes:
        scores: of the rows.
        targets: (N, L).
        calibration: of the log-odds.
    """

    scores: Scores
    targets: Targets
    calibration: Calibration

    @property
    def rows(self) -> int:
        """N."""
        return len(self.targets)

    @property
    def labels(self) -> int:
        """L."""
        return self.targets.shape[1]

    def columns(self, labels: slice = ALL) -> tuple[torch.Tensor, torch.Tensor]:
        """Return probabilities and targets of some labels, (N, l) each, NaN where missing."""
        odds = self.scores.log_odds(labels)
        cells = torch.from_numpy(self.targets.dense(labels))
        return calibrate(odds, self.calibration.labels(labels)), cells

    def block(self, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return probabilities and targets of some rows, (n, L) each, NaN where missing."""
        odds = self.scores.log_odds(rows=rows)
        cells = torch.from_numpy(self.targets.take(rows).dense())
        return calibrate(odds, self.calibration), cells

    def raw(self, labels: slice = ALL) -> torch.Tensor:
        """Return raw scores of some labels, (N, l) float32."""
        return self.scores.raw(labels)


def calibrate(odds: torch.Tensor, calibration: Calibration) -> torch.Tensor:
    """Return calibrated probabilities, (N, L) float64, of log-odds (N, L)."""
    result = torch.empty(odds.shape, dtype=torch.float64)
    blocks = (torch.split(cells, ROWS_AT_ONCE) for cells in (odds, result))
    for some, into in zip(*blocks, strict=True):
        into.copy_(torch.from_numpy(sigmoid(calibration.apply(some).numpy())))
    return result


def join_scores(batches: Iterable[Scores]) -> Scores:
    """Put what the same networks say of one batch after another together.

    Small results that are kept while the next batch is worked on would split the heap up, so they
    are copied into larger ones.

    Args:
        batches: at least one.
    """
    joined: list[tuple[Logits, Loss]] = []
    small: list[torch.Tensor] = []
    height = 0
    for batch in batches:
        for logits, loss in batch.parts:
            if not isinstance(logits, KeptLogits):
                joined.append((logits, loss))
                continue
            small.append(logits.values)
            height += logits.shape[1]
            if height >= ROWS_AT_ONCE:
                joined.append((KeptLogits(torch.cat(small, dim=1)), loss))
                small, height = [], 0
    if small:
        joined.append((KeptLogits(torch.cat(small, dim=1)), loss))
    return Scores(joined)


def _raw_scores_of(logits: torch.Tensor, loss: Loss) -> torch.Tensor:  # noqa: ARG001  as a Maker
    mean = logits.double().mean(dim=0)
    return torch.from_numpy(sigmoid(mean.numpy()).astype(np.float32))


def mean_log_odds_by_row(logits: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return `mean_log_odds` of (M, N, L), each row's the same however many rows there are.

    torch rounds the elements that do not fill a vector register, and those where two threads meet,
    differently from the others. So rows go through it in blocks of one size, small enough for one
    thread, that fill every register; or, where that cannot be, one by one.
    """
    members, rows, labels = logits.shape
    size = 1 << max(ONE_THREAD // (members * labels), 1).bit_length() - 1
    size = 1 if size * members * labels % REGISTER else size
    padded = torch.nn.functional.pad(logits, (0, 0, 0, -rows % size))
    blocks = [mean_log_odds(block.contiguous(), loss) for block in torch.split(padded, size, dim=1)]
    return torch.cat(blocks)[:rows]


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sigmoid of each value, by numpy.

    torch.sigmoid rounds the last elements of a tensor, which do not fill a vector register,
    differently, so that a row's probability would depend on how many rows there are.
    """
    decay = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, decay) / (1.0 + decay)
