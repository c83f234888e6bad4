"""CSV and TSV, from a file, a compressed file or stdin.

Labels are counted block by block in one of three ways that agree to the cell (a property test holds
them together): as a matrix of 0/1 digits, by where the separators stand, or record by record. The
last one is exact about lines and reports what is wrong; the others are fast, take a thread for each
processor, and leave it a block at the first doubt.
"""

from __future__ import annotations

import collections
import functools
import os
import weakref
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError, shorten
from imbalance_cli.readers.digits import digit_width
from imbalance_cli.readers.records import (
    BYTE_ORDER_MARK,
    NULL_HINT,
    RecordBlock,
    first_null,
    parse_records,
)
from imbalance_cli.readers.source import Batch, Source, Tally
from imbalance_cli.readers.streams import STDIN, open_bytes, read_bytes, record_blocks
from imbalance_cli.readers.text_formats import is_svmlight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from imbalance_cli.readers.fields import FieldCounts

SMALL = 64 * 2**10  # below this, loading numpy costs more than reading the records one by one
BLOCK = 16 * 2**20
COUNTED_BLOCK = 2**20  # so that what is made of it stays in the processor's cache
MOST_THREADS = 4  # reading the file keeps up with no more
LONGEST_HEADER = 16 * 2**20
LONGEST_SHOWN = 60  # characters of a name in an error
ZIP_MARK = b"PK\x03\x04"
OTHER_DELIMITERS = ";\t|,"


class DelimitedSource(Source):
    """A CSV or TSV table.

    Args:
        name: a path, or "-" for stdin.
        delimiter: between two cells.

    Raises:
        SourceError: the file cannot be opened, or has no usable header.
    """

    def __init__(self, name: str, delimiter: str) -> None:
        self.name = "stdin" if name == STDIN else name
        self.delimiter = delimiter
        stream = open_bytes(name)
        if name != STDIN:
            weakref.finalize(self, stream.close)
        self._read = read_bytes(stream, self.name)
        header, self._body = self._read_header()
        self._first_line = 1 + header.count(b"\n")
        self.columns = self._parse_header(header)
        self._positions = {column: i for i, column in enumerate(self.columns)}
        self._is_big = len(self._body) + len(header) >= SMALL

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory.

        Raises:
            SourceError: a record cannot be read, or there is none.
        """
        tally = Tally.empty(columns)
        line = self._first_line
        for data, counted in self._counted_blocks(columns):
            block = RecordBlock(data, line, self.columns, self.delimiter, self.name)
            if counted is None:
                self._tally_records(block, tally)
                line += data.count(b"\n")
            else:
                _add_fields(block, counted, tally)
                line += counted.lines
            if tally.overflow:
                break
        self._check_rows(tally.rows)
        return tally

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns as strings, some rows at a time.

        Raises:
            SourceError: a record cannot be read, or there is none.
        """
        rows = 0
        for block in self._blocks():
            frame = block.frame(columns)
            rows += frame.height
            yield Batch(frame, functools.partial(block.place, height=frame.height))
        self._check_rows(rows)

    def _check_rows(self, rows: int) -> None:
        if not rows:
            raise SourceError(f"{self.name}: a header and no rows")

    def _read_header(self) -> tuple[bytes, bytes]:
        """Return the first record and what was read beyond it."""
        data = self._read(SMALL)
        if not data:
            raise SourceError(f"{self.name}: the file is empty")
        while not (end := _first_record_end(data)) and (more := self._read(len(data))):
            data += more
            if len(data) > LONGEST_HEADER:
                raise SourceError(
                    f"{self.name}: line 1: no end of the header in {LONGEST_HEADER >> 20} MB",
                    hint="a quote that opens a name is probably never closed",
                )
        end = end or len(data)
        return data[:end], data[end:]

    def _parse_header(self, header: bytes) -> list[str]:
        if header.startswith(ZIP_MARK):
            raise SourceError(
                f"{self.name}: a zip archive or a spreadsheet, not delimited text",
                hint="unzip it, or save the sheet as CSV",
            )
        text = header.removeprefix(BYTE_ORDER_MARK)
        _, names = next(parse_records(text, 1, self.delimiter, self.name))
        columns = [name.strip() or f"column_{i}" for i, name in enumerate(names, start=1)]
        if not columns:
            raise SourceError(
                f"{self.name}: line 1: the header is blank",
                hint="the names of the columns stand in the first line",
            )
        if (i := first_null(names)) is not None:
            raise SourceError(
                f"{self.name}: line 1: the name of column {i + 1} holds a NUL byte", hint=NULL_HINT
            )
        if is_svmlight(text):
            raise SourceError(
                f"{self.name}: line 1: a row of svmlight text, where a header is read",
                hint="--input-format svmlight (data.input_format)",
            )
        check_delimiter(columns, self.delimiter, self.name)
        twice = [column for column, count in collections.Counter(columns).items() if count > 1]
        if twice:
            raise SourceError(
                f"{self.name}: line 1: two columns are called {twice[0]!r}", hint="rename one"
            )
        return columns

    def _raw_blocks(self, size: int) -> Iterator[bytes]:
        pending = [self._body]

        def read(size: int) -> bytes:
            return (pending.pop() if pending else b"") + self._read(size)

        return record_blocks(read, size, self.name)

    def _blocks(self) -> Iterator[RecordBlock]:
        line = self._first_line
        for data in self._raw_blocks(BLOCK):
            yield RecordBlock(data, line, self.columns, self.delimiter, self.name)
            line += data.count(b"\n")

    def _counted_blocks(self, columns: Sequence[str]) -> Iterator[tuple[bytes, FieldCounts | None]]:
        """Yield blocks and what was counted in them, None where the records have to be read."""
        if not self._is_big:
            for data in self._raw_blocks(BLOCK):
                yield data, None
            return
        from concurrent.futures import ThreadPoolExecutor

        from imbalance_cli.allocation import keep_freed_memory
        from imbalance_cli.readers.fields import count_block

        numbers = [self._positions[column] for column in columns]
        count = functools.partial(
            count_block,
            columns=len(self.columns),
            counted=numbers,
            delimiter=self.delimiter.encode(),
            digit_width=digit_width(self._body[: self._body.find(b"\n") + 1], len(self.columns)),
        )
        threads = min(os.cpu_count() or 1, MOST_THREADS)
        keep_freed_memory()
        with ThreadPoolExecutor(threads) as pool:
            begun: collections.deque[tuple[bytes, Future[FieldCounts | None]]] = collections.deque()
            for data in self._raw_blocks(COUNTED_BLOCK):
                begun.append((data, pool.submit(count, data)))
                if len(begun) > 2 * threads:
                    first, future = begun.popleft()
                    yield first, future.result()
            for first, future in begun:
                yield first, future.result()

    def _tally_records(self, block: RecordBlock, tally: Tally) -> None:
        records = list(block.records())
        for column, column_tally in tally.columns.items():
            cells = [row[self._positions[column]] for _, row in records]
            for text in column_tally.add(collections.Counter(cells)):
                column_tally.places[text] = f"line {records[cells.index(text)][0]}"
        tally.rows += len(records)


def _add_fields(block: RecordBlock, counted: FieldCounts, tally: Tally) -> None:
    for column_tally, texts, firsts in zip(
        tally.columns.values(), counted.texts, counted.firsts, strict=True
    ):
        for text in column_tally.add(texts):
            if text in firsts:
                line = block.first_line + block.data.count(b"\n", 0, firsts[text])
                column_tally.places[text] = f"line {line}"
    tally.rows += counted.rows


def check_delimiter(columns: Sequence[str], delimiter: str, name: str) -> None:
    """Raise if a lone column's name looks like a whole header with another delimiter.

    Raises:
        SourceError: it does.
    """
    others = [other for other in OTHER_DELIMITERS if other != delimiter and other in columns[0]]
    if len(columns) == 1 and others:
        shown = shorten(columns[0], LONGEST_SHOWN)
        raise SourceError(
            f"{name}: line 1: one column, {shown!r}: the cells seem to be "
            f"separated by {others[0]!r}, not by {delimiter!r}",
            hint="quote a name that holds it, or write the same delimiter everywhere, which "
            "--delimiter (data.delimiter) may name",
        )


def _first_record_end(data: bytes) -> int:
    """Return where the first record ends, or 0 if it does not end in the data."""
    quotes = start = 0
    while end := data.find(b"\n", start) + 1:
        quotes += data.count(b'"', start, end)
        if quotes % 2 == 0:
            break
        start = end
    return end
