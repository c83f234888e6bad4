"""Counting delimiters, to tell whether every row has as many cells as the header.

polars reads only the columns asked for, fills a row that is too short with blanks, and cuts one
that is too long without a word; bytes that are no text it passes over in the other columns.
Looking at every byte is a fraction of the work of its scan.
"""

from __future__ import annotations

import numpy as np

QUOTE, NEWLINE, RETURN = b'"\n\r'
PART = 2**18  # bytes at a time, so that what is compared stays in the processor's cache


def count_in_text(block: bytes, delimiter: bytes) -> int | None:
    """Count the delimiters in a text with nothing odd in it, inside quotes and outside.

    Args:
        block: whole records, each with its newline.
        delimiter: the byte between two cells.

    Returns:
        The number, or None where the exact reader has to judge: bytes that are not UTF-8, a NUL,
        a carriage return with no newline after it, text after a quote that closes, or a quote
        that does not.
    """
    if b"\0" in block or not is_utf8(block):
        return None
    if (b'"' in block or b"\r" in block) and _has_odd_mark(block, delimiter):
        return None
    cells = np.frombuffer(block, np.uint8)
    (mark,) = delimiter
    parts = (cells[start : start + PART] for start in range(0, len(cells), PART))
    return sum(int(np.count_nonzero(part == mark)) for part in parts)


def rows_have_width(block: bytes, delimiter: bytes, columns: int) -> bool:
    """Return whether every record of a block has as many cells as there are columns.

    Args:
        block: whole records, each with its newline.
        delimiter: the byte between two cells.
        columns: how many cells a row should have.
    """
    cells = np.frombuffer(block, np.uint8)
    outside = ~np.logical_xor.accumulate(cells == QUOTE)  # a doubled quote leaves and enters
    ends = np.flatnonzero((cells == NEWLINE) & outside)
    starts = np.concatenate([[0], ends[:-1] + 1])
    delimiters = (cells == ord(delimiter)) & outside
    return bool((np.add.reduceat(delimiters, starts, dtype=np.int64) == columns - 1).all())


def is_utf8(block: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_odd_mark(block: bytes, delimiter: bytes) -> bool:
    """Say whether a quote never closes, or something odd follows one or a carriage return."""
    cells = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(cells == QUOTE)
    returns = np.flatnonzero(cells == RETURN)
    follows_closing = np.array([ord(delimiter), NEWLINE, RETURN, QUOTE], np.uint8)
    return (
        len(quotes) % 2 == 1
        or not np.isin(cells[quotes[1::2] + 1], follows_closing).all()
        or bool((cells[returns + 1] != NEWLINE).any())
    )
