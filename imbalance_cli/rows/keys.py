"""What stays in memory of each row, wherever its features are: its targets, group, time and weight.

Cells are encoded as they are read, some rows at a time, and then forgotten.

Shapes: N rows, B rows of a batch, L labels, G groups.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_cli.errors import SplitError, show_cell
from imbalance_cli.labels.encoding import apply_missing_policy
from imbalance_cli.labels.targets import MISSING, DenseTargets, stack_targets
from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts
from imbalance_cli.splits.names import read_part_numbers
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.labels.encoding import LabelEncoder, MissingPolicy
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.cells import Parsed
    from imbalance_cli.rows.roles import Roles
    from imbalance_cli.rows.slices import SliceColumn, SliceReader

BLOCK = 2**20  # rows that are looked up at a time


@dataclasses.dataclass(frozen=True)
class RowKeys:
    """What is known of all rows.

    Attributes:
        targets: (N, L), after the policy for missing ones.
        kept: (N,) whether the row is used at all.
        groups: (N,) int32 from 0 up, in the order in which the groups come first.
        times: (N,) numbers, or days since 1970.
        parts: (N,) int8 indices of splits.PARTS.
        weights: (N,) float64; (N, L) where the cells of a row do not all weigh alike.
        slices: columns by whose values the report is broken down.
    """

    targets: Targets
    kept: NDArray[np.bool_]
    groups: NDArray[np.int32] | None
    times: NDArray[np.float64] | None
    parts: NDArray[np.int8] | None
    weights: NDArray[np.float64] | None
    slices: tuple[SliceColumn, ...] = ()

    def __len__(self) -> int:
        return len(self.kept)

    def take_kept(self) -> RowKeys:
        """Return the keys of the rows that are used."""
        arrays = {name: getattr(self, name) for name in ("groups", "times", "parts", "weights")}
        taken = {k: None if array is None else array[self.kept] for k, array in arrays.items()}
        kept = self.kept[self.kept]
        slices = tuple(column.take(self.kept) for column in self.slices)
        return RowKeys(self.targets.take(self.kept), kept, **taken, slices=slices)


class KeyReader:
    """Reads the keys of rows, a batch at a time.

    Args:
        roles: what the columns are.
        encoder: of the labels.
        missing: what to do with missing ones.
        slices: read columns by whose values the report is broken down.
    """

    def __init__(
        self,
        roles: Roles,
        encoder: LabelEncoder,
        missing: MissingPolicy,
        slices: Sequence[SliceReader] = (),
    ) -> None:
        self._roles, self._encoder, self._missing = roles, encoder, missing
        self._slices = slices
        self._targets: list[Targets] = []
        self._arrays: dict[str, list[NDArray[Any]]] = {}
        self._parse_times: Callable[[pl.Series], Parsed] | None = None

    def add(self, table: Table) -> NDArray[np.bool_]:
        """Take in B rows, and return which of them are used, (B,).

        Raises:
            LabelError: a label or a sample weight cannot be read.
            SplitError: a group or a time is missing, or a time or part cannot be read.
            ConfigError: a column to break the report down by holds too many names.
        """
        roles = self._roles
        targets = self._encoder.encode(table)
        targets, kept = apply_missing_policy(self._missing, table, targets, self._encoder.labels)
        if roles.weights:
            weights, targets = roles.weights.read(table, targets, self._encoder.labels)
            self._append("weights", weights)
            kept &= weights > 0 if weights.ndim == 1 else (weights > 0).any(axis=1)
        self._targets.append(targets)
        self._append("kept", kept)
        if roles.group is not None:
            self._append("groups", hash_groups(table, roles.group))
        if roles.time is not None:
            self._append("times", self._read_times(table, roles.time))
        if roles.part is not None:
            self._append("parts", read_part_numbers(table.frame[roles.part], table.place))
        for column in self._slices:
            column.add(table)
        return kept

    def finish(self, name: str) -> RowKeys:
        """Return the keys of all rows; the reader must not be used again.

        Args:
            name: of the sources, for errors.

        Raises:
            LabelError: every sample weight is 0.
        """
        targets = stack_targets(self._targets)
        self._targets.clear()
        weights = self._stack("weights")
        if weights is not None and not weights.any():
            raise self._roles.weights.no_weight(name)
        if weights is not None and isinstance(targets, DenseTargets):
            weights = _of_rows_alone(weights, targets)
        hashes = self._stack("groups")
        return RowKeys(
            targets=targets,
            kept=np.concatenate(self._arrays.pop("kept")),
            groups=None if hashes is None else number_groups(hashes),
            times=self._stack("times"),
            parts=self._stack("parts"),
            weights=weights,
            slices=tuple(column.finish() for column in self._slices),
        )

    def _append(self, name: str, values: NDArray[Any]) -> None:
        self._arrays.setdefault(name, []).append(values)

    def _stack(self, name: str) -> NDArray[Any] | None:
        batches = self._arrays.pop(name, None)
        return None if batches is None else np.concatenate(batches)

    def _read_times(self, table: Table, column: str) -> NDArray[np.float64]:
        """Return times, (B,); the first cell of all says whether they are numbers or dates."""
        cells = table.frame[column]
        if self._parse_times is None:
            is_date = parse_numbers(cells[:1]).bad_row is not None
            self._parse_times = parse_dates if is_date else parse_numbers
        parsed = self._parse_times(cells)
        missing = parsed.values.is_null()
        if missing.any():
            row = missing.arg_max() or 0
            raise SplitError(
                f"{table.place(row)}: column {column!r}: {show_cell(cells[row])} is not a time",
                hint="numbers, or dates such as 2013-02-08 or 2013-02-08 17:30:00; "
                f"data.date_format: {{{quote(column)}: ...}} says how others are written",
            )
        times: NDArray[np.float64] = parsed.values.to_numpy()
        return times


def _of_rows_alone(weights: NDArray[np.float64], targets: DenseTargets) -> NDArray[np.float64]:
    """Return weights of cells, (N, L), as row weights, (N,), if the known cells of each row agree.

    They then give to the bit what row weights give, and take less memory.
    """
    if weights.ndim == 1:
        return weights
    known = targets.cells != MISSING
    known |= ~known.any(axis=1, keepdims=True)
    heaviest = np.where(known, weights, 0).max(axis=1)
    return heaviest if ((weights == heaviest[:, None]) | ~known).all() else weights


def number_groups(hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return a number for each row, (N,), the same where the hashes are.

    Numbers are given out in the order in which the groups come first, so that they depend on
    neither the hashes nor the batches. Groups that share a hash, of 64 bits, are taken for one:
    with ten million groups the chance of it is 3e-6.

    Args:
        hashes: (N,) of each row's group.
    """
    distinct = np.unique(hashes)  # (G,)
    starts = range(0, len(hashes), BLOCK)
    numbers = np.empty(len(hashes), np.int32)
    first = np.empty(len(distinct), np.int64)
    for start in reversed(starts):  # of the rows of a group, the first one is written last
        block = slice(start, start + BLOCK)
        numbers[block] = np.searchsorted(distinct, hashes[block])
        first[numbers[block][::-1]] = np.arange(start, start + len(numbers[block]))[::-1]
    by_place = np.empty(len(distinct), np.int32)
    by_place[np.argsort(first)] = np.arange(len(distinct))
    for start in starts:
        block = slice(start, start + BLOCK)
        numbers[block] = by_place[numbers[block]]
    return numbers


def hash_groups(table: Table, column: str) -> NDArray[np.uint64]:
    """Return a hash of each row's group, (B,).

    Raises:
        SplitError: a group is missing.
    """
    cells = parse_texts(table.frame[column])
    if cells.null_count():
        row = cells.is_null().arg_max() or 0
        raise SplitError(
            f"{table.place(row)}: column {column!r}: the group is missing",
            hint="every row needs one: fill it in, a name of its own for a row that is alone",
        )
    hashes: NDArray[np.uint64] = cells.hash(seed=0).to_numpy()
    return hashes
