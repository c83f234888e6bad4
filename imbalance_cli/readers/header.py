"""The first lines of delimited text, up to where its rows begin."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError, shorten
from imbalance_cli.readers.first_lines import (
    is_number,
    refuse_first_lines,
    refuse_skipped_row,
    row_for_names,
    seem_to_be_a_row,
)
from imbalance_cli.readers.preamble import Preamble, read_preamble
from imbalance_cli.readers.record_ends import first_record_end
from imbalance_cli.readers.records import NULL_HINT, first_null, parse_records
from imbalance_cli.readers.text_formats import is_svmlight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.readers.dialect import Dialect

PIECE = 64 * 2**10  # bytes
LONGEST_HEADER = 16 * 2**20
LONGEST_SHOWN = 60  # characters of a name in an error
ZIP_MARK = b"PK\x03\x04"
OTHER_DELIMITERS = ";\t|,"


@dataclasses.dataclass(frozen=True)
class Header:
    """What the first lines say, and the first bytes of the rows.

    Attributes:
        delimiter: between two cells.
        columns: their names.
        body: what was read beyond the header.
        first_line: the number of the line that the body begins with.
        seen: how many bytes were read.
        record: the header itself, where no row can look like it, else nothing.
        names: its cells; those of the first row where there is no header.
        about: what has as many cells as each row should: "the header" or "line 1".
        doubt: the error that the header seems to be a row.
    """

    delimiter: str
    columns: list[str]
    body: bytes
    first_line: int
    seen: int
    record: bytes
    names: list[str]
    about: str
    doubt: SourceError | None


def read_header(
    read: Callable[[int], bytes], delimiter: str, dialect: Dialect, name: str
) -> Header:
    """Read a text up to its rows.

    Args:
        read: gives the next bytes.
        delimiter: where neither the dialect nor a first line `sep=;` says it.
        dialect: how the text is written.
        name: the source, for errors.

    Raises:
        SourceError: there is no usable header, or first lines seem to be something else.
    """
    seen, before = _read_start(read, dialect, name)
    data, line = seen[before.size :], before.lines + 1
    delimiter = dialect.delimiter or before.delimiter or delimiter
    record = data[: first_record_end(data) or len(data)]
    refuse_first_lines(data, line, delimiter, dialect, name)
    names, below = _parse_names(record, line, delimiter, name)
    record = record[: len(record) - len(below)]
    if dialect.header is False:
        for number, skipped in enumerate(before.skipped, start=1):
            refuse_skipped_row(skipped, data, number, delimiter, name, "skip_lines")
        columns = [f"column_{i}" for i in range(1, len(names) + 1)]
        return Header(delimiter, columns, data, line, len(seen), b"", names, f"line {line}", None)
    is_row = dialect.header is None and seem_to_be_a_row(names)
    doubt = row_for_names(names, line, name) if is_row else None
    columns = _name_columns(names, line, delimiter, name, doubt)
    body, first_line = data[len(record) :], line + record.count(b"\n")
    for _ in range(dialect.skip_rows or 0):
        while not (end := first_record_end(body)) and (more := read(PIECE)):
            body += more
        row, body = body[: end or len(body)], body[end or len(body) :]
        refuse_skipped_row(row, body, first_line, delimiter, name)
        first_line += row.count(b"\n")
    is_told = len(names) > 1 and not all(map(is_number, names))
    record = record.rstrip(b"\r\n") if is_told else b""
    return Header(
        delimiter, columns, body, first_line, len(seen), record, names, "the header", doubt
    )


def _read_start(
    read: Callable[[int], bytes], dialect: Dialect, name: str
) -> tuple[bytes, Preamble]:
    """Return the first bytes with a whole header in them, and what stands before it."""
    data = read(PIECE)
    if not data:
        raise SourceError(f"{name}: the file is empty")
    while True:
        before = read_preamble(data, dialect)
        more = b"" if first_record_end(data, before.size) else read(len(data))
        if not more:
            break
        data += more
        if len(data) > LONGEST_HEADER:
            raise SourceError(
                f"{name}: line {before.lines + 1}: no end of the header in "
                f"{LONGEST_HEADER >> 20} MB",
                hint="a quote that opens a name is probably never closed",
            )
    if before.size == len(data):
        raise SourceError(
            f"{name}: no header: there are only blank lines, comments and lines to skip",
            hint="the names of the columns stand in the first line that is none of these",
        )
    return data, before


def _parse_names(record: bytes, line: int, delimiter: str, name: str) -> tuple[list[str], bytes]:
    """Return the names, and records below them that a quote inside a bare name has taken in."""
    if record.startswith(ZIP_MARK):
        raise SourceError(
            f"{name}: a zip archive or a spreadsheet, not delimited text",
            hint="unzip it, or save the sheet as CSV",
        )
    records = parse_records(record, line, delimiter, name)
    _, names = next(records)
    following = next(records, None)
    below = record.split(b"\n", following[0] - line)[-1] if following else b""
    if (i := first_null(names)) is not None:
        raise SourceError(
            f"{name}: line {line}: the name of column {i + 1} holds a NUL byte", hint=NULL_HINT
        )
    if is_svmlight(record):
        raise SourceError(
            f"{name}: line {line}: a row of svmlight text, where a header is read",
            hint="--input-format svmlight (data.input_format)",
        )
    return names or [""], below


def _name_columns(
    names: Sequence[str], line: int, delimiter: str, name: str, doubt: SourceError | None
) -> list[str]:
    columns = [name.strip() or f"column_{i}" for i, name in enumerate(names, start=1)]
    check_delimiter(columns, line, delimiter, name)
    twice = [column for column, count in collections.Counter(columns).items() if count > 1]
    if twice:
        raise doubt or SourceError(
            f"{name}: line {line}: two columns are called {twice[0]!r}",
            hint="--no-header (data.header: false) if the line is a row; else rename one"
            if is_number(twice[0])
            else "rename one",
        )
    return columns


def check_delimiter(columns: Sequence[str], line: int, delimiter: str, name: str) -> None:
    """Raise if a lone column's name looks like a whole header with another delimiter.

    Raises:
        SourceError: it does.
    """
    others = [other for other in OTHER_DELIMITERS if other != delimiter and other in columns[0]]
    if len(columns) == 1 and others:
        shown = shorten(columns[0], LONGEST_SHOWN)
        raise SourceError(
            f"{name}: line {line}: one column, {shown!r}: the cells seem to be "
            f"separated by {others[0]!r}, not by {delimiter!r}",
            hint="quote a name that holds it, or write the same delimiter everywhere, which "
            "--delimiter (data.delimiter) may name",
        )
