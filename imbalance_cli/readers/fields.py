"""Counting cells 0, 1 and blank of some columns of a wide file, by where its separators stand.

Shapes: N rows of a block, C columns, K columns that are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ZERO, ONE, NEWLINE, RETURN = b"01\n\r"
BLOCK = 2**20  # bytes at a time, so that separators and cells stay in the processor's cache


def count_fields(
    path: Path, first: int, columns: int, counted: Sequence[int], delimiter: bytes
) -> tuple[int, NDArray[np.int64]] | None:
    """Count the cells of some columns of a file without quotes; memory stays flat.

    Args:
        path: the file.
        first: where the records begin.
        columns: C, more than one.
        counted: (K,) the numbers of the columns.
        delimiter: the byte between two cells.

    Returns:
        N, and how often 0, 1 and blank stand in each column, (K, 3); or None if anything else does,
        if a row has not C cells, at a quote or what is no text, or where there are no rows.
    """
    cells = np.zeros((len(counted), 3), np.int64)
    with path.open("rb", buffering=0) as file:
        file.seek(first)
        rest = b""
        while more := file.read(BLOCK):
            data = rest + more
            end = data.rfind(b"\n") + 1
            block, rest = data[:end], data[end:]
            if not end and len(rest) > BLOCK:  # a record that is longer
                return None
            if end and not _add_block(block, columns, counted, delimiter, cells):
                return None
    if rest and not _add_block(rest + b"\n", columns, counted, delimiter, cells):
        return None
    rows = int(cells[0].sum())
    return (rows, cells) if rows else None


def _add_block(
    block: bytes, columns: int, counted: Sequence[int], delimiter: bytes, cells: NDArray[np.int64]
) -> bool:
    """Add the cells of whole records to (K, 3) of 0, 1 and blank; False at the first doubt."""
    if b'"' in block or b"\0" in block or not _is_text(block):
        return False
    data = np.frombuffer(block, np.uint8)
    newlines = data == NEWLINE
    height = int(np.count_nonzero(newlines))
    separators = np.flatnonzero(np.logical_or(newlines, data == ord(delimiter), out=newlines))
    if len(separators) != height * columns:
        return False
    ends = separators.reshape(height, columns)
    if (data[ends[:, -1]] != NEWLINE).any():
        return False
    longer = 0
    if b"\r" in block:
        longer = 1
        ends[:, -1] -= 1  # each row ends in \r\n, or the exact reader has to judge
        if block.count(b"\r") != height or (data[ends[:, -1]] != RETURN).any():
            return False
    for own, column in zip(cells, counted, strict=True):
        if column:
            starts = ends[:, column - 1] + 1
        else:
            starts = np.concatenate([[0], ends[:-1, -1] + (1 + longer)])
        if not _add_cells(data, starts, ends[:, column], own):
            return False
    return True


def _add_cells(
    data: NDArray[np.uint8],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    own: NDArray[np.int64],
) -> bool:
    """Add the cells of a column, (N,), to how many are 0, 1 and blank; False at another one."""
    lengths = ends - starts
    if lengths.max() > 1:
        return False
    blanks = len(starts) - np.count_nonzero(lengths)
    texts = data[starts[lengths > 0] if blanks else starts]
    zeros, ones = (np.count_nonzero(texts == digit) for digit in (ZERO, ONE))
    own += (zeros, ones, blanks)
    return bool(zeros + ones + blanks == len(starts))


def _is_text(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
