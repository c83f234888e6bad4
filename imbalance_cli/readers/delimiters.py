"""Counting delimiters, to tell whether every row has as many cells as the header.

polars reads only the columns asked for, fills a row that is too short with blanks, and cuts one
that is too long without a word; bytes that are no text it passes over in the other columns.
Looking at every byte is a fraction of the work of its scan.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

QUOTE, NEWLINE, RETURN = b'"\n\r'
PART = 2**18  # bytes at a time, so that what is compared stays in the processor's cache


def block_parts(block: bytes) -> Iterator[bytes]:
    """Yield a block in parts."""
    for start in range(0, len(block), PART):
        yield block[start : start + PART]


def count_in_text(parts: Iterable[bytes | bytearray], delimiter: bytes) -> int | None:
    """Count the delimiters in a text with nothing odd in it, inside quotes and outside.

    Returns:
        The number, or None where the exact reader has to judge: bytes that are not UTF-8, a NUL,
        a carriage return with no newline after it, text after a quote that closes, or a quote
        that does not.
    """
    count = quotes = 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_cut = False  # whether the part before ended inside a character
    held = b""  # a mark that ended the part before, which what follows it will judge
    for part in parts:
        if b"\0" in part:
            return None
        if is_cut or not part.isascii():
            try:
                decoder.decode(part)
            except UnicodeDecodeError:
                return None
            is_cut = decoder.getstate()[0] != b""
        count += count_byte(part, delimiter)
        if held or b'"' in part or b"\r" in part:
            marked = held + part
            if _has_odd_mark(marked, delimiter, quoted=quotes % 2 == 1):
                return None
            held = marked[-1:] if marked.endswith((b'"', b"\r")) else b""
            quotes += count_byte(marked, b'"') - held.count(b'"')
    return None if is_cut or (quotes + held.count(b'"')) % 2 else count


def rows_have_width(block: bytes, delimiter: bytes, columns: int) -> bool:
    """Return whether every record of a block has as many cells as there are columns.

    Args:
        block: whole records, each with its newline.
        delimiter: the byte between two cells.
        columns: how many cells a row should have.
    """
    cells = np.frombuffer(block, np.uint8)
    outside = ~_inside(cells)
    ends = np.flatnonzero((cells == NEWLINE) & outside)
    starts = np.concatenate([[0], ends[:-1] + 1])
    delimiters = (cells == ord(delimiter)) & outside
    return bool((np.add.reduceat(delimiters, starts, dtype=np.int64) == columns - 1).all())


def count_byte(block: bytes | bytearray, byte: bytes) -> int:
    """Count a byte, several times as fast as bytes.count where it is frequent."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord(byte)))


def _has_odd_mark(part: bytes, delimiter: bytes, *, quoted: bool) -> bool:
    """Say whether text follows a quote that closes, or no newline follows a carriage return.

    Args:
        part: of a table; a mark in its last byte is not judged.
        delimiter: the byte between two cells.
        quoted: whether it begins inside quotes.
    """
    cells = np.frombuffer(part, np.uint8)
    closing = np.flatnonzero(cells[:-1] == QUOTE)[0 if quoted else 1 :: 2]
    follows_closing = np.array([ord(delimiter), NEWLINE, RETURN, QUOTE], np.uint8)
    if not np.isin(cells[closing + 1], follows_closing).all():
        return True
    return bool(((cells[:-1] == RETURN) & (cells[1:] != NEWLINE)).any())


def _inside(cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say of each byte whether it stands inside quotes; a doubled quote leaves and enters."""
    inside: NDArray[np.bool_] = np.logical_xor.accumulate(cells == QUOTE)
    return inside
