"""CSV and TSV, from a file, a compressed file or stdin.

A block of whole records is read in one of three ways that agree to the cell (a property test
holds them together): as a matrix of 0/1 digits, by polars, or record by record. The last one is
exact about lines and reports what is wrong; the other two are fast and hand over to it at the
first doubt.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import functools
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.digits import count_mapped, count_ones, digit_width
from imbalance_cli.readers.source import Batch, Tally, tally_frame
from imbalance_cli.readers.streams import STDIN, open_bytes, read_bytes, record_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

SMALL = 64 * 2**10  # below this, loading polars costs more than reading the records one by one
BLOCK = 16 * 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OTHER_DELIMITERS = ";\t|,"

csv.field_size_limit(2**31 - 1)


@dataclasses.dataclass(frozen=True)
class RecordBlock:
    """Whole records of a delimited file, without the header.

    Attributes:
        data: the bytes.
        first_line: the line number of the first record.
        columns: the names in the header.
        delimiter: between two cells.
        name: the source, for errors.
    """

    data: bytes
    first_line: int
    columns: list[str]
    delimiter: str
    name: str

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of each record; a blank line is a record only in a lone column.

        Raises:
            SourceError: not UTF-8, a quote that never closes, or too few or too many cells.
        """
        for line, cells in parse_records(self.data, self.first_line, self.delimiter, self.name):
            if not cells and len(self.columns) > 1:
                continue
            row = cells or [""]
            if len(row) != len(self.columns):
                raise SourceError(
                    f"{self.name}: line {line}: {_cells(len(row))} where the header has "
                    f"{len(self.columns)}",
                    hint="quote a cell that holds a delimiter, or mend the row",
                )
            yield line, row

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return the columns as strings, every cell as it stands.

        Raises:
            SourceError: as `records`.
        """
        import polars as pl

        try:
            table = pl.scan_csv(
                self.data,
                has_header=False,
                schema=dict.fromkeys(self.columns, pl.String),
                separator=self.delimiter,
                empty_string_is_null=False,
                extra_columns="raise",
            )
            wanted = list(dict.fromkeys([*columns, self.columns[-1]]))
            frame = table.select(wanted).collect(engine="streaming")
        except pl.exceptions.PolarsError:
            return self._exact_frame(columns)
        if self._may_be_ragged(frame):
            return self._exact_frame(columns)
        return frame.select(columns)

    def place(self, row: int, height: int) -> str:
        """Say on which line row `row` of the `height` rows begins."""
        if self.data.count(b"\n") == height:
            return f"line {self.first_line + row}"
        line, _ = next(itertools.islice(self.records(), row, None))
        return f"line {line}"

    def _may_be_ragged(self, frame: pl.DataFrame) -> bool:
        # polars fills a row that is too short with empty cells, so the last cell shows it
        if len(self.columns) == 1 or not (frame[self.columns[-1]] == "").any():
            return False
        delimiters = self.data.count(self.delimiter.encode())
        return b'"' in self.data or delimiters != frame.height * (len(self.columns) - 1)

    def _exact_frame(self, columns: Sequence[str]) -> pl.DataFrame:
        import polars as pl

        rows = [cells for _, cells in self.records()]
        schema = dict.fromkeys(self.columns, pl.String)
        return pl.DataFrame(rows, schema=schema, orient="row").select(columns)


class DelimitedSource:
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
        self._read = read_bytes(open_bytes(name), self.name)
        header, self._body = self._read_header()
        self._body_offset = len(header)
        self._first_line = 1 + header.count(b"\n")
        self.columns = self._parse_header(header)
        is_big = len(self._body) + len(header) >= SMALL
        is_plain = name != STDIN and not name.endswith((".gz", ".zst"))
        self._scannable = Path(name) if is_big and is_plain else None

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory.

        Raises:
            SourceError: a record cannot be read, or there is none.
        """
        width = digit_width(self._body[: self._body.find(b"\n") + 1], len(self.columns))
        if self._scannable:
            path = self._scannable
            scanned = self._scan_digits(path, width, columns) if width else self._scan(path, columns)
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
        while not (end := _first_record_end(data)) and (more := self._read(SMALL)):
            data += more
        end = end or len(data)
        return data[:end], data[end:]

    def _parse_header(self, header: bytes) -> list[str]:
        text = header.removeprefix(BYTE_ORDER_MARK)
        names = next(parse_records(text, 1, self.delimiter, self.name), (1, []))[1]
        columns = [name.strip() or f"column_{i}" for i, name in enumerate(names, start=1)]
        if not columns:
            raise SourceError(f"{self.name}: line 1: the header is blank")
        check_delimiter(columns, self.delimiter, self.name)
        twice = [column for column, count in collections.Counter(columns).items() if count > 1]
        if twice:
            raise SourceError(f"{self.name}: line 1: two columns are called {twice[0]!r}")
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
        indices = {column: self.columns.index(column) for column in tally.columns}
        records = list(block.records())
        for column, column_tally in tally.columns.items():
            cells = [row[indices[column]] for _, row in records]
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
        """Count a mapped file of 0/1 digits; None at the first doubt."""
        delimiter = self.delimiter.encode()
        counted = count_mapped(path, self._body_offset, width, len(self.columns), delimiter)
        if counted is None:
            return None
        tally = Tally.empty(columns)
        self._add_ones(tally, *counted)
        return tally

    def _add_ones(self, tally: Tally, rows: int, ones: Sequence[int]) -> None:
        for column, column_tally in tally.columns.items():
            positives = ones[self.columns.index(column)]
            counts = {"0": rows - positives, "1": positives}
            column_tally.add({text: count for text, count in counts.items() if count})
        tally.rows += rows

    def _scan(self, path: Path, columns: Sequence[str]) -> Tally | None:
        """Count cells 0, 1 and blank by polars' streaming scan; None at the first doubt.

        A blank in the last column is a doubt: polars gives one too where a row is too short.
        """
        import polars as pl

        cells = dict.fromkeys(self.columns, pl.String) | dict.fromkeys(columns, pl.Int8)
        table = pl.scan_csv(path, schema=cells, separator=self.delimiter, extra_columns="raise")
        counts = [
            getattr(pl.col(column), statistic)().alias(f"{i}_{statistic}")
            for i, column in enumerate(columns)
            for statistic in ("sum", "null_count", "min", "max")
        ]
        last_blanks = pl.col(self.columns[-1]).null_count().alias("last_blanks")
        try:
            query = table.select(pl.len().alias("rows"), last_blanks, *counts)
            found = query.collect(engine="streaming").row(0, named=True)
        except pl.exceptions.PolarsError:
            return None
        if found["last_blanks"] or not found["rows"]:
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


def parse_records(
    data: bytes, first_line: int, delimiter: str, name: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each record, a blank line as no cells.

    Raises:
        SourceError: not UTF-8, or a quote that never closes.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise SourceError(
            f"{name}: line {line}: not UTF-8: byte 0x{data[error.start]:02x}",
            hint="convert it, for instance: iconv -f latin1 -t utf-8",
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = first_line
    try:
        for cells in reader:
            yield begins, cells
            begins = first_line + reader.line_num
    except csv.Error as error:
        problem = (
            "a quote that never closes" if "unexpected end" in str(error) else f"bad CSV: {error}"
        )
        raise SourceError(
            f"{name}: line {begins}: {problem}",
            hint='write a quote inside a quoted cell twice ("")',
        ) from error


def check_delimiter(columns: Sequence[str], delimiter: str, name: str) -> None:
    """Raise if a lone column's name looks like a whole header with another delimiter.

    Raises:
        SourceError: it does.
    """
    others = [other for other in OTHER_DELIMITERS if other != delimiter and other in columns[0]]
    if len(columns) == 1 and others:
        raise SourceError(
            f"{name}: line 1: one column, {_shorten(columns[0])!r}: the cells seem to be "
            f"separated by {others[0]!r}, not by {delimiter!r}",
            hint="commas for .csv and stdin, tabs for .tsv",
        )


def _first_record_end(data: bytes) -> int:
    """Return where the first record ends, or 0 if it does not end in the data."""
    end = data.find(b"\n") + 1
    while end and data.count(b'"', 0, end) % 2:
        end = data.find(b"\n", end) + 1
    return end


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"


def _shorten(text: str) -> str:
    longest = 60
    return text if len(text) <= longest else text[: longest - 3] + "..."
