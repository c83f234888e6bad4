"""CSV and TSV, from a file, a compressed file or stdin.

Labels are counted block by block in one of three ways that agree to the cell (a property test holds
them together): as a matrix of 0/1 digits, by where the separators stand, or record by record. The
last one is exact about lines and reports what is wrong; the others are fast, take a thread for each
processor, and leave it a block at the first doubt.
"""

from __future__ import annotations

import collections
import functools
import io
import os
import weakref
from typing import TYPE_CHECKING

from imbalance_cli.errors import NoRowsError, SourceError
from imbalance_cli.readers.dialect import UNKNOWN, Dialect
from imbalance_cli.readers.digits import digit_width
from imbalance_cli.readers.header import read_header
from imbalance_cli.readers.record_ends import BYTE_ORDER_MARK, between_comments, find_record
from imbalance_cli.readers.records import RecordBlock
from imbalance_cli.readers.source import Batch, Source, Tally
from imbalance_cli.readers.streams import STDIN, ByteReader, open_bytes, record_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from imbalance_cli.readers.fields import FieldCounts

SMALL = 64 * 2**10  # below this, loading numpy costs more than reading the records one by one
BLOCK = 16 * 2**20
COUNTED_BLOCK = 2**20  # so that what is made of it stays in the processor's cache
MOST_THREADS = 4  # reading the file keeps up with no more


class DelimitedSource(Source):
    """A CSV or TSV table.

    Args:
        name: a path, or "-" for stdin.
        delimiter: between two cells, where neither the dialect nor a first line `sep=;` says it.
        dialect: how the text is written.

    Raises:
        SourceError: the file cannot be opened, or has no usable header.
    """

    def __init__(self, name: str, delimiter: str, dialect: Dialect = UNKNOWN) -> None:
        self.name = "stdin" if name == STDIN else name
        self._comment = (dialect.comment or "").encode()
        stream = open_bytes(name)
        if name != STDIN:
            weakref.finalize(self, stream.close)
        self._bytes = ByteReader(stream, self.name)
        self._header = read_header(self._bytes.read, delimiter, dialect, self.name)
        self.delimiter = self._header.delimiter
        self.columns, self.doubt = self._header.columns, self._header.doubt
        self._positions = {column: i for i, column in enumerate(self.columns)}
        self._is_big = self._header.seen >= SMALL

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory.

        Raises:
            SourceError: a record cannot be read, or there is none.
        """
        tally = Tally.empty(columns)
        line = self._header.first_line
        for skipped, data, counted in self._counted_blocks(columns):
            line += skipped
            block = self._block(data, line)
            if counted is None:
                self._refuse_header(block)
                self._tally_records(block, tally)
                line += data.count(b"\n")
            else:
                if self._may_have_header(columns, counted):
                    self._refuse_header(block)
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
            self._refuse_header(block)
            frame = block.frame(columns)
            rows += frame.height
            yield Batch(frame, functools.partial(block.place, height=frame.height))
        self._check_rows(rows)

    def _check_rows(self, rows: int) -> None:
        if not rows:
            raise NoRowsError(f"{self.name}: a header and no rows")

    def _may_have_header(self, columns: Sequence[str], counted: FieldCounts) -> bool:
        """Say whether each column has its name among the texts that were counted in it."""
        names = [self._header.names[self._positions[column]] for column in columns]
        return all(
            name in texts or BYTE_ORDER_MARK.decode() + name in texts
            for name, texts in zip(names, counted.texts, strict=True)
        )

    def _refuse_header(self, block: RecordBlock) -> None:
        """Raise where the header stands among the rows, as where files were put together."""
        at = find_record(block.data, self._header.record) if self._header.record else -1
        if at >= 0:
            line = block.first_line + block.data.count(b"\n", 0, at)
            raise SourceError(
                f"{self.name}: line {line}: the header again: these seem to be several files in "
                "one",
                hint="leave out that line, or give the files one by one; --no-header "
                "(data.header: false) if line 1 is a row",
            )

    def _block(self, data: bytes, line: int) -> RecordBlock:
        return RecordBlock(data, line, self.columns, self.delimiter, self.name, self._header.about)

    def _raw_blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield whole records, and how many lines were left out before them."""
        body = io.BytesIO(self._header.body)

        def read(size: int) -> bytes:
            return body.read(size) or self._bytes.read_arrived(size)

        skipped = 0
        for block in record_blocks(read, size, self.name, self._comment):
            for comments, data in between_comments(block, self._comment):
                skipped += comments
                if data:
                    yield skipped, data
                    skipped = 0

    def _blocks(self) -> Iterator[RecordBlock]:
        line = self._header.first_line
        for skipped, data in self._raw_blocks(BLOCK):
            line += skipped
            yield self._block(data, line)
            line += data.count(b"\n")

    def _counted_blocks(
        self, columns: Sequence[str]
    ) -> Iterator[tuple[int, bytes, FieldCounts | None]]:
        """Yield blocks and what was counted in them, None where the records have to be read.

        Before each there is the number of lines that were left out.
        """
        if not self._is_big:
            for skipped, data in self._raw_blocks(BLOCK):
                yield skipped, data, None
            return
        from concurrent.futures import ThreadPoolExecutor

        from imbalance_cli.machine.allocation import keep_freed_memory
        from imbalance_cli.readers.fields import count_block

        numbers = [self._positions[column] for column in columns]
        count = functools.partial(
            count_block,
            columns=len(self.columns),
            counted=numbers,
            delimiter=self.delimiter.encode(),
            digit_width=digit_width(
                self._header.body[: self._header.body.find(b"\n") + 1], len(self.columns)
            ),
        )
        threads = min(os.cpu_count() or 1, MOST_THREADS)
        keep_freed_memory()
        with ThreadPoolExecutor(threads) as pool:
            begun: collections.deque[tuple[int, bytes, Future[FieldCounts | None]]] = (
                collections.deque()
            )
            for skipped, data in self._raw_blocks(COUNTED_BLOCK):
                begun.append((skipped, data, pool.submit(count, data)))
                if len(begun) > 2 * threads:
                    lines, first, future = begun.popleft()
                    yield lines, first, future.result()
            for lines, first, future in begun:
                yield lines, first, future.result()

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
