"""What stands before the header of delimited text: titles, blank lines, comments, `sep=;`."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from imbalance_cli.readers.record_ends import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from imbalance_cli.readers.dialect import Dialect

SEPARATOR_LINE = re.compile(rb'"?sep=([\t !#-/:-@\[-^`{-~])"?\r?\n', re.IGNORECASE)
BLANK_LINE = rb"[ \r]*\n"


@dataclasses.dataclass(frozen=True)
class Preamble:
    """The lines before the header, or before the first row where there is none.

    Attributes:
        size: bytes.
        lines: how many.
        delimiter: that a first line `sep=;`, as Excel writes it, names.
        skipped: the lines that the dialect leaves out.
    """

    size: int
    lines: int
    delimiter: str | None = None
    skipped: tuple[bytes, ...] = ()


def read_preamble(data: bytes, dialect: Dialect) -> Preamble:
    """Return what stands before the header in the first bytes of a text; they may be cut off."""
    start = len(BYTE_ORDER_MARK) if data.startswith(BYTE_ORDER_MARK) else 0
    lines, delimiter = 0, None
    if match := SEPARATOR_LINE.match(data, start):
        start, lines, delimiter = match.end(), 1, match[1].decode()
    skipped = []
    while lines < (dialect.skip_lines or 0) and start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        skipped.append(data[start:end])
        start, lines = end, lines + 1
    kinds = [] if dialect.header is False else [BLANK_LINE]
    if dialect.comment is not None:
        kinds.append(re.escape(dialect.comment.encode()) + rb"[^\n]*\n")
    left_out = re.compile(rb"(?:%s)*" % b"|".join(kinds)).match(data, start)
    end = left_out.end() if left_out else start
    return Preamble(end, lines + data.count(b"\n", start, end), delimiter, tuple(skipped))
