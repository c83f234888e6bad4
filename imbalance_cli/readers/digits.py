"""Counting rows of single-digit 0/1 cells, as a matrix of bytes.

Shapes: N rows, W bytes a row (a digit and a separator a column), C columns.
"""

from __future__ import annotations

ZERO = ord("0")
ROWS_A_SUM = 255  # so many ones fit the 8-bit sum that the processor adds fastest


def digit_width(record: bytes, columns: int) -> int | None:
    """Return W if a record is `columns` digits 0 or 1, each followed by one separator."""
    body = record.rstrip(b"\r\n")
    is_digits = len(body) == 2 * columns - 1 and not body[::2].strip(b"01")
    return len(record) if is_digits and record.endswith(b"\n") else None


def count_ones(
    block: bytes, width: int, columns: int, delimiter: bytes
) -> tuple[int, list[int]] | None:
    """Count the ones in each column of a block of 0/1 digits.

    The bytewise OR and AND over all rows say whether each digit was 0 or 1 and each separator in
    its place; the bytewise sum, taken over at most 255 rows at a time, counts the ones.

    Args:
        block: whole records, (N * W) bytes.
        width: W.
        columns: C.
        delimiter: the byte between two cells.

    Returns:
        N and the ones in each of the C columns, or None if the block is anything else.
    """
    import numpy as np

    if len(block) % width:
        return None
    rows = np.frombuffer(block, np.uint8).reshape(-1, width)
    any_bits = np.zeros(width, np.uint8)
    all_bits = np.full(width, 255, np.uint8)
    ones = np.zeros(width, np.int64)
    whole = len(rows) // ROWS_A_SUM * ROWS_A_SUM
    for part, height in ((rows[:whole], ROWS_A_SUM), (rows[whole:], len(rows) - whole)):
        if not len(part):
            continue
        wide = part.reshape(height, -1)  # long contiguous rows, which reduce fastest
        any_bits |= np.bitwise_or.reduce(np.bitwise_or.reduce(wide).reshape(-1, width))
        all_bits &= np.bitwise_and.reduce(np.bitwise_and.reduce(wide).reshape(-1, width))
        sums = np.add.reduce(wide, dtype=np.uint8) - np.uint8(height * ZERO % 256)
        ones += sums.reshape(-1, width).sum(axis=0, dtype=np.int64)

    newline = b"\r\n" if width == 2 * columns + 1 else b"\n"
    for bits in (any_bits, all_bits):
        cells = bits.tobytes()
        if cells[: 2 * columns : 2].strip(b"01"):
            return None
        if cells[1 : 2 * columns : 2] + cells[2 * columns :] != delimiter * (columns - 1) + newline:
            return None
    return len(rows), ones[: 2 * columns : 2].tolist()
