"""What kind of table a text is, by its first lines: delimited, and by what, or svmlight."""

from __future__ import annotations

import codecs
import re

from imbalance_cli.readers.record_ends import BYTE_ORDER_MARK

DELIMITERS = (";", "\t", "|")  # beside the comma
RARE_DELIMITERS = ("^", "~", "\x01", "\x1f")  # looked for where there is none of the others
QUOTED = re.compile(rb'"[^"]*"')
CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x01\x1f"))  # in no text
LOOKED_AT = 20  # lines
NUMBER = rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
LABELS = re.compile(rb"%s(?:,%s)*" % (NUMBER, NUMBER))
PAIR = re.compile(rb"\d+:(?:%s|nan)" % NUMBER, re.IGNORECASE)
QUERY = re.compile(rb"qid:\d+")
SIZES = 3  # numbers of the first line that may say how many rows, features and labels there are


def sniff_delimiter(head: bytes) -> str:
    r"""Return the delimiter of a delimited text: , or else the one of ; \t | that must be meant.

    It must be meant where the header has no comma, and the next record has as many of it. Where the
    header has none of them, it may be one of RARE_DELIMITERS.
    """
    header, record, is_whole = _first_records(head)
    if b"," in header:
        return ","
    is_rare = not any(delimiter.encode() in header for delimiter in DELIMITERS)
    meant = [
        delimiter
        for delimiter in (RARE_DELIMITERS if is_rare else DELIMITERS)
        if (count := header.count(delimiter.encode()))
        and (record.count(delimiter.encode()) == count or not is_whole)
    ]
    return meant[0] if len(meant) == 1 else ","


def choose_delimiter(head: bytes, otherwise: str, usual: str | None) -> str:
    """Return the usual delimiter if the header holds it or cannot be seen, else the other one."""
    header, _, _ = _first_records(head)
    is_there = usual is not None and (usual.encode() in header or not head)
    return usual if usual is not None and is_there else otherwise


def format_of_text(head: bytes) -> str | None:
    """Say what the first bytes of a text show, whatever it is called: svmlight, csv or nothing.

    Delimited text is recognised by a first record with as many of a delimiter as the header has.
    """
    text = head.removeprefix(BYTE_ORDER_MARK)
    if not _is_text(text):
        return None
    if is_svmlight(text):
        return "svmlight"
    header, record, is_whole = _first_records(text)
    counts = {
        delimiter: (header.count(delimiter.encode()), record.count(delimiter.encode()))
        for delimiter in (",", *DELIMITERS, *RARE_DELIMITERS)
    }
    agree = any(there and (there == below or not is_whole) for there, below in counts.values())
    return "csv" if agree else None


def is_svmlight(text: bytes) -> bool:
    """Return whether the first lines are rows of svmlight text, at least one with both parts."""
    lines = text.split(b"\n")
    if len(lines) > 1:
        lines.pop()  # may be cut off
    rows = [tokens for line in lines[:LOOKED_AT] if (tokens := line.partition(b"#")[0].split())]
    if len(rows) > 1 and len(rows[0]) == SIZES and all(token.isdigit() for token in rows[0]):
        rows.pop(0)
    are_rows = all(_is_row(tokens) for tokens in rows)
    return are_rows and any(
        LABELS.fullmatch(first) and others and PAIR.fullmatch(others[-1]) for first, *others in rows
    )


def _is_row(tokens: list[bytes]) -> bool:
    first, *others = tokens
    is_begun = LABELS.fullmatch(first) or PAIR.fullmatch(first)
    return bool(is_begun) and all(PAIR.fullmatch(t) or QUERY.fullmatch(t) for t in others)


def _is_text(head: bytes) -> bool:
    """Return whether bytes are UTF-8, the last character maybe cut off, without odd controls."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return len(head.translate(None, CONTROLS)) == len(head)


def _first_records(head: bytes) -> tuple[bytes, bytes, bool]:
    """Return the first two records without what is quoted, and whether the second one ends."""
    plain = QUOTED.sub(b"", head.removeprefix(BYTE_ORDER_MARK)).lstrip(b"\r\n")
    header, _, rest = plain.partition(b"\n")
    record, end, _ = rest.partition(b"\n")
    return header, record, bool(end)
