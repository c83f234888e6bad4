"""Columns of plain numbers, read together: of many columns, one by one takes long.

Shapes: B rows of a frame, K columns of a block.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from imbalance_cli.readers.cells import CELL, parse_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

MOST_ROWS = 2**13
MOST_CELLS = 2**21  # of a block


def read_columns(
    frame: pl.DataFrame, columns: Sequence[str]
) -> Iterator[tuple[str, PlainNumbers | None]]:
    """Yield each column, and its cells where all are plain numbers or missing.

    Of very many rows, no cells are yielded: reading them costs more than asking for them.

    Args:
        frame: B rows.
        columns: of the frame; those of one type that are near each other are read together.
    """
    if frame.height > MOST_ROWS:
        yield from ((name, None) for name in columns)
        return
    schema = frame.schema  # which polars makes anew whenever it is asked for
    width = max(MOST_CELLS // max(frame.height, 1), 1)
    for first in range(0, len(columns), width):
        names = columns[first : first + width]
        found: dict[str, PlainNumbers] = {}
        by_type = sorted(names, key=lambda name: str(schema[name]))
        for dtype, alike in itertools.groupby(by_type, key=schema.__getitem__):
            if dtype == pl.String or dtype.is_numeric():
                found |= _read_block(frame, list(alike))
        yield from ((name, found.get(name)) for name in names)


def _read_block(frame: pl.DataFrame, names: list[str]) -> dict[str, PlainNumbers]:
    """Return those of some columns of one type that hold nothing but plain numbers."""
    columns = [frame.get_column(name).alias(CELL) for name in names]
    block = _Block(pl.concat(columns, rechunk=True), len(names))
    return {names[i]: PlainNumbers(block, i) for i in np.flatnonzero(block.are_plain).tolist()}


class PlainNumbers:
    """A column of which every cell is missing, or a number that is written as Python does.

    Attributes:
        values: (B,) NaN where missing; infinity is a number.
        known: (B,) whether a cell is not missing.
        is_text: whether the source gave texts.
    """

    def __init__(self, block: _Block, number: int) -> None:
        self.values: NDArray[np.float64] = block.values[number]
        self.known: Flags = block.known[number]
        self.is_text = block.is_text
        self._block, self._number = block, number

    @classmethod
    def of(cls, texts: pl.Series) -> PlainNumbers:
        """Return texts that are known to be plain numbers."""
        return cls(_Block(texts, 1), 0)

    @property
    def texts(self) -> pl.Series:
        """The cells as `parse_texts` gives them."""
        return self._block.texts.slice(self._start, len(self.values))

    def text(self, row: int) -> str:
        """Return one of them, which is known."""
        return str(self._block.texts[int(self._start + row)])

    def matches(self, pattern: str) -> Flags:
        """Return which texts match a pattern, (B,); missing ones do not."""
        found: Flags = self._block.matches(pattern)[self._number] & self.known
        return found

    def without(self, texts: tuple[str, ...]) -> PlainNumbers:
        """Return the same with cells of some texts missing."""
        others = PlainNumbers(self._block, self._number)
        others.known = self.known & ~self._block.are_in(texts)[self._number]
        others.values = np.where(others.known, self.values, np.nan)
        return others

    @property
    def characters(self) -> int:
        """How many characters all texts have."""
        return int(self._block.characters[self._number])

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """Of the known texts, a number that is the same where they are."""
        found: NDArray[np.uint64] = self._block.hashes[self._number][self.known]
        return found

    @functools.cached_property
    def distinct(self) -> tuple[NDArray[np.uint64], NDArray[np.intp], NDArray[np.intp]]:
        """The distinct texts: their hashes in rising order, and the first row and rows of each."""
        order = self._block.by_hash[self._number]
        order = order[self.known[order]]
        ascending = self._block.hashes[self._number][order]
        starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1])[: len(order)])
        return ascending[starts], order[starts], np.diff(starts, append=len(order))

    @property
    def _start(self) -> int:
        return self._number * len(self.values)


class _Block:
    """Columns of one type one after the other, and what is asked of all their cells at once.

    Args:
        cells: (K * B,) as the source has them.
        columns: K.
    """

    def __init__(self, cells: pl.Series, columns: int) -> None:
        self._shape = columns, len(cells) // columns
        self._cells = cells
        self._flags: dict[object, Flags] = {}
        self.is_text = cells.dtype == pl.String
        read = self.texts.cast(pl.Float64, strict=False) if self.is_text else cells.cast(pl.Float64)
        values = read.to_numpy()
        self.values = values.astype(np.float64, copy=False).reshape(self._shape)
        self.known = ~np.isnan(self.values)
        self.are_plain = np.ones(columns, np.bool_)
        if self.is_text:
            is_text = self._reshape(self.texts.is_not_null())
            self.are_plain = (is_text == self.known).all(axis=1)

    @functools.cached_property
    def texts(self) -> pl.Series:
        """See `PlainNumbers.texts`, (K * B,)."""
        # -0.0 and 0.0 are one number, and two texts
        is_float = self._cells.dtype.is_float()
        return parse_texts(self._cells + 0.0 if is_float else self._cells)

    @functools.cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """Of the texts, (K, B)."""
        return self._reshape(self.texts.hash(seed=0))

    @functools.cached_property
    def by_hash(self) -> NDArray[np.intp]:
        """The rows of each column by their hashes, of the same hash in their order, (K, B)."""
        return self.hashes.argsort(axis=1, kind="stable")

    @functools.cached_property
    def characters(self) -> NDArray[np.int64]:
        """How many each column has, (K,)."""
        lengths = self._reshape(self.texts.str.len_chars().fill_null(0))
        sums: NDArray[np.int64] = lengths.sum(axis=1, dtype=np.int64)
        return sums

    def matches(self, pattern: str) -> Flags:
        """See `PlainNumbers.matches`, (K, B)."""
        if pattern not in self._flags:
            found = self.texts.str.contains(pattern).fill_null(value=False)
            self._flags[pattern] = self._reshape(found)
        return self._flags[pattern]

    def are_in(self, texts: tuple[str, ...]) -> Flags:
        """See `PlainNumbers.are_in`, (K, B)."""
        if texts not in self._flags:
            found = self.texts.is_in(texts).fill_null(value=False)
            self._flags[texts] = self._reshape(found)
        return self._flags[texts]

    def _reshape(self, flat: pl.Series) -> NDArray[Any]:
        return flat.to_numpy().reshape(self._shape)
