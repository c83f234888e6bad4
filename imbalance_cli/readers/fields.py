"""Counting the cells of some columns of delimited text, by where its separators stand.

Only the bytes that mean something to a reader of CSV are looked at one by one: delimiters, ends of
lines, quotes, and what is odd. Of the columns that are not counted no cell is read.

Shapes: B bytes of a block, N rows, C columns, M marks, and of these N * C separators.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.readers.delimiters import is_utf8
from imbalance_cli.readers.digits import count_ones
from imbalance_cli.readers.source import DISTINCT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEWLINE, RETURN, SPACE, QUOTE = b'\n\r "'
LONGEST_CELL = 32  # bytes of a label; a text this long is rarely one
WORD = 8  # bytes that are compared as one number
NOT_ASCII = 128
LONGEST_BLOCK = 16 * 2**20  # of bytes; a longer one holds a record that is


@dataclasses.dataclass(frozen=True)
class FieldCounts:
    """What was counted in a block.

    Attributes:
        rows: N.
        lines: newlines, also those inside quotes.
        texts: of each column the texts of its cells -> how many cells hold it.
        firsts: the same texts -> the byte where the record of the first one begins; empty where
            every cell is 0 or 1.
    """

    rows: int
    lines: int
    texts: list[dict[str, int]]
    firsts: list[dict[str, int]]


def count_block(
    block: bytes,
    columns: int,
    counted: Sequence[int],
    delimiter: bytes,
    digit_width: int | None,
) -> FieldCounts | None:
    """Count as `count_fields` does; a block of nothing but digits, W bytes a row, much faster."""
    ones = count_ones(block, digit_width, columns, delimiter) if digit_width else None
    if ones is None:
        return count_fields(block, columns, counted, delimiter)
    rows, positives = ones
    both = [{"0": rows - positives[column], "1": positives[column]} for column in counted]
    texts = [{text: count for text, count in own.items() if count} for own in both]
    return FieldCounts(rows, rows, texts, [{}] * len(texts))


def count_fields(
    block: bytes, columns: int, counted: Sequence[int], delimiter: bytes
) -> FieldCounts | None:
    """Count the texts of some columns of whole records, each with its newline.

    Args:
        block: the records, (B,).
        columns: C.
        counted: the numbers of the columns.
        delimiter: the byte between two cells.

    Returns:
        The counts, or None where the exact reader has to judge: a row has not C cells, a quote or
        a carriage return stands where none should, there is a NUL, or bytes are not UTF-8; or where
        a column has long texts, or more of them than a label may have.
    """
    if len(block) > LONGEST_BLOCK:
        return None
    cells = np.frombuffer(block, np.uint8)
    (mark,) = delimiter
    is_mark = cells.view(np.int8) < SPACE  # and so is what is not ASCII, which is negative
    is_mark |= cells == mark
    if b'"' in block:
        is_mark |= cells == QUOTE
    marks = np.flatnonzero(is_mark)
    kinds = cells.take(marks)
    if _is_grid(kinds, columns, mark):
        lines, separators = len(kinds) // columns, marks
    else:
        lines = int(np.count_nonzero(kinds == NEWLINE))
        is_separator = _find_separators(block, cells, marks, kinds, mark)
        if is_separator is None or not _is_grid(kinds[is_separator], columns, mark):
            return None
        separators = marks[is_separator]
    ends = separators.reshape(-1, columns)  # of the cells, (N, C)
    records = np.concatenate([[0], ends[:-1, -1] + 1])
    texts: list[dict[str, int]] = []
    firsts: list[dict[str, int]] = []
    for column in counted:
        own_ends = ends[:, column]
        if column == columns - 1:
            own_ends = own_ends - (cells[own_ends - 1] == RETURN)
        starts = ends[:, column - 1] + 1 if column else records
        found = _count_texts(cells, starts, own_ends)
        if found is None:
            return None
        counts: dict[str, int] = {}
        first: dict[str, int] = {}
        for row, count in found.items():
            text = _read_cell(block[starts[row] : own_ends[row]])
            counts[text] = counts.get(text, 0) + count
            first.setdefault(text, int(records[row]))
        texts.append(counts)
        firsts.append(first)
    return FieldCounts(len(ends), lines, texts, firsts)


def _is_grid(kinds: NDArray[np.uint8], columns: int, mark: int) -> bool:
    """Say whether marks are C - 1 delimiters and a newline, over and over."""
    if len(kinds) % columns:
        return False
    rows = kinds.reshape(-1, columns)
    return bool((rows[:, -1] == NEWLINE).all() and (rows[:, :-1] == mark).all())


def _find_separators(
    block: bytes,
    cells: NDArray[np.uint8],
    marks: NDArray[np.intp],
    kinds: NDArray[np.uint8],
    mark: int,
) -> NDArray[np.bool_] | None:
    """Say which marks, (M,), separate cells, or return None where the exact reader has to judge."""
    if not kinds.all() or not (kinds.max() < NOT_ASCII or is_utf8(block)):
        return None
    returns = marks[kinds == RETURN]
    if (cells[returns + 1] != NEWLINE).any():
        return None
    is_separator: NDArray[np.bool_] = (kinds == NEWLINE) | (kinds == mark)
    is_quote = kinds == QUOTE
    if is_quote.any():
        quotes = marks[is_quote]
        # a doubled quote closes and opens; before the first byte there is the end of a line, which
        # the last byte is too
        before = cells[quotes[::2] - 1]
        after = cells[quotes[1::2] + 1]
        is_open = (before == mark) | (before == NEWLINE) | (before == QUOTE)
        is_closed = (after == mark) | (after == NEWLINE) | (after == RETURN) | (after == QUOTE)
        if len(quotes) % 2 or not (is_open.all() and is_closed.all()):
            return None
        inside: NDArray[np.bool_] = np.logical_xor.accumulate(is_quote)
        is_separator &= ~inside
    return is_separator


def _count_texts(
    cells: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> dict[int, int] | None:
    """Count the cells of a column, (N,), that are alike.

    Returns:
        The row of the first cell of each kind -> how many there are, in the order of rows; or None
        if they are too long or too many for a label.
    """
    longest = int((ends - starts).max(initial=1))
    if longest > LONGEST_CELL:
        return None
    width = 1 << (longest - 1).bit_length()
    # the separator after a cell fills it up, and so a longer cell differs from it
    padded = np.empty((len(starts), width), np.uint8)
    for i in range(width):
        padded[:, i] = cells[np.minimum(starts + i, ends) if i else starts]
    texts = padded.view(f"u{width}" if width <= WORD else f"S{width}")[:, 0]
    is_left = np.ones(len(texts), bool)
    found: dict[int, int] = {}
    while is_left.any():
        if len(found) == DISTINCT_LIMIT:
            return None
        row = int(is_left.argmax())
        is_same = texts == texts[row]
        found[row] = int(np.count_nonzero(is_same))
        is_left ^= is_same
    return found


def _read_cell(cell: bytes) -> str:
    text = cell.decode()
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
