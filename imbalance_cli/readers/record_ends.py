"""Where the records of delimited text end, and which of its lines are comments.

A newline ends a record only outside quotes. A comment is a line, quotes in it or not, that begins
with a mark where a record could begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def first_record_end(data: bytes, start: int = 0) -> int:
    """Return where the record that begins at `start` ends, or 0 if it does not end in the data."""
    quotes = 0
    while end := data.find(b"\n", start) + 1:
        quotes += data.count(b'"', start, end)
        if quotes % 2 == 0:
            break
        start = end
    return end


def last_record_end(data: bytes, comment: bytes = b"") -> int:
    """Return where the last record or comment ends that ends in the data; 0 if none does."""
    start = 0
    for first, end in list_comments(data, comment):
        if not data.endswith(b"\n", first, end):
            return first
        start = end
    tail = data[start:] if start else data
    return start + _last_end(tail)


def _last_end(data: bytes) -> int:
    end = data.rfind(b"\n") + 1
    if b'"' not in data:
        return end
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        previous_end = data.rfind(b"\n", 0, data.rfind(b'"', 0, end)) + 1
        quotes -= data.count(b'"', previous_end, end)
        end = previous_end
    return end


def list_comments(data: bytes, comment: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each comment begins and ends in data that begins with a record.

    Args:
        data: records; the last one may be cut off.
        comment: what a comment begins with; nothing where there are none.
    """
    if not comment:
        return
    mark = b"\n" + comment
    quotes = position = 0
    at = 0 if data.startswith(comment) else data.find(mark) + 1 or None
    while at is not None:
        quotes += data.count(b'"', position, at)
        position = at
        if quotes % 2 == 0:
            position = data.find(b"\n", at) + 1 or len(data)
            yield at, position
        # the newline that ends this comment may begin the mark of the next one
        at = data.find(mark, max(position - 1, at)) + 1 or None


def between_comments(data: bytes, comment: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield how many comments there are before some records, which may be none, and these."""
    start = 0
    for first, end in list_comments(data, comment):
        yield 0, data[start:first]
        yield 1, b""
        start = end
    yield 0, data[start:] if start else data


def find_record(data: bytes, record: bytes) -> int:
    """Return where a record stands among others, byte for byte; -1 if it does nowhere.

    Where files were put one behind the other, a byte order mark may stand before it.
    """
    at = data.find(record)
    while at >= 0:
        before = data[:at] if at <= len(BYTE_ORDER_MARK) else data[at - len(BYTE_ORDER_MARK) : at]
        begins = before in (b"", BYTE_ORDER_MARK) or before.endswith(b"\n")
        ends = data.startswith((b"\n", b"\r\n"), at + len(record))
        if begins and ends and data.count(b'"', 0, at) % 2 == 0:
            break
        at = data.find(record, at + 1)
    return at
