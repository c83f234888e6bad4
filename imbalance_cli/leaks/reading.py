"""A column and the labels as numbers that can be counted.

Shapes: N rows, L labels, l of the labels, R rows in which these are known, Q positives in them,
K distinct values.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import FeatureError, show_cell
from imbalance_cli.features.kinds import list_ways
from imbalance_cli.labels.targets import dense_labels
from imbalance_cli.readers.cells import CELL, parse_dates, parse_numbers, parse_texts
from imbalance_cli.readers.source import is_readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.readers.plain_numbers import PlainNumbers

ABSENT = -1  # the code of a missing cell
FOLDS = 5  # a row is scored by the rows of its category in the other folds


@dataclasses.dataclass(frozen=True)
class Codes:
    """A column, each distinct value by its number.

    Attributes:
        codes: (N,) from 0 up, ABSENT where missing; in rising order of numbers and dates.
        cells: (N,) as they stand.
        is_ordered: whether they are numbers or dates.
    """

    codes: NDArray[np.int64]
    cells: pl.Series
    is_ordered: bool

    def show(self, code: int) -> str:
        """Return a value as it stands in the first row that has it; a text in quotes, and short."""
        cell = self.cells[int((self.codes == code).argmax())]
        return str(cell).strip() if self.is_ordered else show_cell(cell)


@dataclasses.dataclass(frozen=True)
class Block:
    """Labels that are known in the same rows.

    Attributes:
        labels: (l,) their numbers.
        rows: (R,) the rows in which they are known.
        positives: (l,) of each.
        row: (Q,) of each positive cell, a place in `rows`, label by label.
        label: (Q,) of each positive cell, a place in `labels`.
        fold: (R,) of each row, by chance.
    """

    labels: NDArray[np.intp]
    rows: NDArray[np.intp]
    positives: NDArray[np.int64]
    row: NDArray[np.intp]
    label: NDArray[np.intp]
    fold: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.intp], rows: NDArray[np.intp], targets: Targets) -> Block:
        """Return a block of targets, (N, L)."""
        ones = targets.take(rows).select(labels).positives().tocsc()
        positives = np.diff(ones.indptr).astype(np.int64)
        label = np.repeat(np.arange(len(labels)), positives)
        fold = np.random.default_rng(0).integers(FOLDS, size=len(rows))
        return cls(labels, rows, positives, ones.indices, label, fold)


def read_codes(cells: Sequence[pl.Series], numbers: Sequence[PlainNumbers | None]) -> list[Codes]:
    """Read columns, (N,), as numbers or dates where every known cell is one, or else as texts.

    Args:
        cells: the columns.
        numbers: the same where all of one are numbers or missing.

    Raises:
        FeatureError: one holds what is neither number, date nor text.
    """
    plain = [column.values for column in numbers if column is not None]
    of_plain = iter(_number(np.stack(plain)) if plain else ())
    return [
        _read_column(column) if own is None else Codes(next(of_plain), column, is_ordered=True)
        for column, own in zip(cells, numbers, strict=True)
    ]


def _read_column(cells: pl.Series) -> Codes:
    if not is_readable(cells.dtype):
        raise FeatureError(
            f"column {cells.name!r} holds {cells.dtype}, and a feature is a number, a date or a "
            "category",
            hint=list_ways(cells.name),
        )
    cells = cells.alias(CELL)
    for parse in (parse_numbers, parse_dates):
        parsed = parse(cells)
        if parsed.bad_row is None:
            return Codes(_number(parsed.values.to_numpy()[None])[0], cells, is_ordered=True)
    texts = parse_texts(cells)
    hashes = texts.hash()  # two of a million texts share one with a chance of 3e-8
    ranks = hashes.set(texts.is_null(), None).rank("dense").fill_null(ABSENT + 1)
    return Codes(ranks.to_numpy().astype(np.int64) - 1, texts, is_ordered=False)


def _number(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each value among the distinct ones of its row, ABSENT where NaN."""
    order = np.argsort(values, axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    ranks = np.zeros(values.shape, np.int64)
    np.cumsum(ascending[:, 1:] != ascending[:, :-1], axis=1, out=ranks[:, 1:])
    codes = np.empty_like(ranks)
    np.put_along_axis(codes, order, ranks, axis=1)
    codes[np.isnan(values)] = ABSENT
    return codes


def list_blocks(targets: Targets) -> Iterator[Block]:
    """Yield all labels of targets, (N, L), those known in the same rows together."""
    labels = np.arange(targets.shape[1])
    known = targets.known_rows()
    if np.array_equal(known, ~targets.incomplete_rows()):
        yield Block.of(labels, np.flatnonzero(known), targets)
        return
    alike: dict[bytes, list[int]] = {}
    for block, cells in dense_labels(targets, labels):
        for label, column in zip(block.tolist(), cells.T, strict=True):
            alike.setdefault(np.packbits(~np.isnan(column)).tobytes(), []).append(label)
    for packed, together in alike.items():
        flags = np.unpackbits(np.frombuffer(packed, np.uint8), count=len(targets))
        yield Block.of(np.array(together), np.flatnonzero(flags), targets)
