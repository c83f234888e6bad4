"""CSV and TSV, from a file, a compressed file or stdin.

Labels are counted in one of four ways that agree to the cell (a property test holds them together):
as a matrix of 0/1 digits, by where the separators stand, by polars, or record by record. The last
one is exact about lines and reports what is wrong; the others are fast and hand over at the first
doubt.
"""

from __future__ import annotations

import collections
import functools
import io
import itertools
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError, shorten
from imbalance_cli.readers.digits import count_mapped, count_ones, digit_width
from imbalance_cli.readers.records import (
    BYTE_ORDER_MARK,
    NULL_HINT,
    RecordBlock,
    first_null,
    parse_records,
)
from imbalance_cli.readers.source import Batch, Source, Tally, tally_frame
from imbalance_cli.readers.streams import STDIN, open_bytes, read_bytes, record_blocks
from imbalance_cli.readers.text_formats import is_svmlight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SMALL = 64 * 2**10  # below this, loading polars costs more than reading the records one by one
BLOCK = 16 * 2**20
SAMPLED_ROWS = 100
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
        self._body_offset = len(header)
        self._first_line = 1 + header.count(b"\n")
        self.columns = self._parse_header(header)
        self._positions = {column: i for i, column in enumerate(self.columns)}
        is_big = len(self._body) + len(header) >= SMALL
        is_file = isinstance(getattr(stream, "raw", None), io.FileIO) and Path(name).is_file()
        self._scannable = Path(name) if is_big and is_file and name != STDIN else None

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory.

        Raises:
            SourceError: a record cannot be read, or there is none.
        """
        width = digit_width(self._body[: self._body.find(b"\n") + 1], len(self.columns))
        if self._scannable:
            scanned = self._scan_digits(self._scannable, width, columns) if width else None
            if not scanned and self._have_numbers(columns):
                scanned = self._count_fields(self._scannable, columns) or self._scan(
                    self._scannable, columns
                )
            if scanned:
                return scanned
        tally = Tally.empty(columns)
        for block in self._blocks():
            if len(block.data) < SMALL:
                self._tally_records(block, tally)
            elif not (width and self._tally_digits(block, width, tally)):
                frame = block.frame(columns)
                for column, text, row in tally_frame(frame, tally):
                    tally.columns[column].places[text] = block.place(row, frame.height)
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

    def _blocks(self) -> Iterator[RecordBlock]:
        pending = [self._body]

        def read(size: int) -> bytes:
            return (pending.pop() if pending else b"") + self._read(size)

        line = self._first_line
        for data in record_blocks(read, BLOCK, self.name):
            yield RecordBlock(data, line, self.columns, self.delimiter, self.name)
            line += data.count(b"\n")

    def _tally_records(self, block: RecordBlock, tally: Tally) -> None:
        records = list(block.records())
        for column, column_tally in tally.columns.items():
            cells = [row[self._positions[column]] for _, row in records]
            for text in column_tally.add(collections.Counter(cells)):
                column_tally.places[text] = f"line {records[cells.index(text)][0]}"
        tally.rows += len(records)

    def _tally_digits(self, block: RecordBlock, width: int, tally: Tally) -> bool:
        counted = count_ones(block.data, width, len(self.columns), self.delimiter.encode())
        if counted is None:
            return False
        self._add_ones(tally, *counted)
        return True

    def _scan_digits(self, path: Path, width: int, columns: Sequence[str]) -> Tally | None:
        """Count a mapped file of 0/1 digits, or return None at the first doubt."""
        delimiter = self.delimiter.encode()
        counted = count_mapped(path, self._body_offset, width, len(self.columns), delimiter)
        if counted is None:
            return None
        tally = Tally.empty(columns)
        self._add_ones(tally, *counted)
        return tally

    def _add_ones(self, tally: Tally, rows: int, ones: Sequence[int]) -> None:
        for column, column_tally in tally.columns.items():
            positives = ones[self._positions[column]]
            counts = {"0": rows - positives, "1": positives}
            column_tally.add({text: count for text, count in counts.items() if count})
        tally.rows += rows

    def _count_fields(self, path: Path, columns: Sequence[str]) -> Tally | None:
        """Count cells 0, 1 and blank where no quote is, or return None at the first doubt."""
        if len(self.columns) == 1:  # whose blank lines are no rows
            return None
        from imbalance_cli.readers.fields import count_fields

        numbers = [self._positions[column] for column in columns]
        delimiter = self.delimiter.encode()
        counted = count_fields(path, self._body_offset, len(self.columns), numbers, delimiter)
        if counted is None:
            return None
        tally = Tally.empty(columns)
        tally.rows, cells = counted
        for column, own in zip(columns, cells.tolist(), strict=True):
            counts = dict(zip(("0", "1", ""), own, strict=True))
            tally.columns[column].add({text: n for text, n in counts.items() if n})
        return tally

    def _scan(self, path: Path, columns: Sequence[str]) -> Tally | None:
        """Count cells 0, 1 and blank by polars' streaming scan, or return None at the first doubt.

        A row that is too short has a blank in the last column; one that is too long, which polars
        would cut off, makes too many delimiters. Both are doubts.
        """
        delimiter = self.delimiter.encode()
        look = _Look(path, self._body_offset, delimiter)
        look.start()
        found = self._scan_statistics(path, columns)
        delimiters = look.finish()
        if delimiters is None or not found or found["last_blanks"] or not found["rows"]:
            return None
        wanted = found["rows"] * (len(self.columns) - 1)
        if delimiters != wanted:
            from imbalance_cli.readers.delimiters import count_outside_quotes, file_parts

            parts = file_parts(path, self._body_offset)
            if count_outside_quotes(parts, delimiter) != wanted:
                return None
        tally = Tally.empty(columns)
        tally.rows = found["rows"]
        for i, column in enumerate(columns):
            low, high, blanks = (found[f"{i}_{s}"] for s in ("min", "max", "null_count"))
            if low is not None and (low < 0 or high > 1):
                return None
            ones = found[f"{i}_sum"]
            cells_by_text = {"0": tally.rows - blanks - ones, "1": ones, "": blanks}
            tally.columns[column].add({text: n for text, n in cells_by_text.items() if n})
        return tally

    def _have_numbers(self, labels: Sequence[str]) -> bool:
        """Say whether the labels hold whole numbers and blanks in the first rows."""
        head = self._body[: self._body.rfind(b"\n") + 1]
        indices = [self._positions[label] for label in labels]
        rows = parse_records(head, self._first_line, self.delimiter, self.name)
        try:
            for _, cells in itertools.islice(rows, SAMPLED_ROWS):
                for i in indices:
                    int(cells[i] or 0)
        except (ValueError, IndexError, SourceError):
            return False
        return True

    def _scan_statistics(self, path: Path, columns: Sequence[str]) -> dict[str, int] | None:
        """Return polars' statistics of the columns read as small integers, None if they are not."""
        import polars as pl

        cells = dict.fromkeys(self.columns, pl.String)
        table = pl.scan_csv(
            path,
            schema=cells | dict.fromkeys(columns, pl.Int8),
            separator=self.delimiter,
            has_header=False,
            skip_lines=self._first_line - 1,
            extra_columns="raise",
            glob=False,
        )
        statistics = [
            getattr(pl.col(column), statistic)().alias(f"{i}_{statistic}")
            for i, column in enumerate(columns)
            for statistic in ("sum", "null_count", "min", "max")
        ]
        query = table.select(
            pl.len().alias("rows"),
            pl.col(self.columns[-1]).null_count().alias("last_blanks"),
            *statistics,
        )
        try:
            return query.collect(engine="streaming").row(0, named=True)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None


class _Look(threading.Thread):
    """Looks at every byte of a file while polars scans it, which leaves a core idle for long.

    Args:
        path: the file.
        first: the byte to begin with.
        delimiter: what is counted.
    """

    def __init__(self, path: Path, first: int, delimiter: bytes) -> None:
        super().__init__(daemon=True)
        self._arguments = path, first, delimiter
        self._count: int | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Count, as `count_in_text` does."""
        try:
            # numpy is imported here, beside polars
            from imbalance_cli.readers.delimiters import count_in_text, file_parts

            path, first, delimiter = self._arguments
            self._count = count_in_text(file_parts(path, first), delimiter)
        except BaseException as error:  # noqa: BLE001  raised by the thread that asks
            self._error = error

    def finish(self) -> int | None:
        """Return the number of delimiters, or None where the exact reader has to judge.

        Raises:
            BaseException: whatever looking raised.
        """
        self.join()
        if self._error is not None:
            raise self._error
        return self._count


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
