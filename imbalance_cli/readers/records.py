"""Whole records of CSV or TSV, cut into cells by polars or, exact about lines, one by one."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
PROBLEMS = {
    "unexpected end": (
        "a quote that never closes",
        'write a quote inside a quoted cell twice ("")',
    ),
    "new-line character": (
        "a lone carriage return outside quotes",
        "if it is meant to end the line: tr '\\r' '\\n'",
    ),
}
"""What a message of the csv module says in our words, and what to do."""
GZIP_MARK = b"\x1f\x8b"

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

        if self.data.startswith(BYTE_ORDER_MARK):  # polars would drop it
            return self._exact_frame(columns)
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
        if self._is_ragged(frame):
            return self._exact_frame(columns)
        return frame.select(columns)

    def place(self, row: int, height: int) -> str:
        """Say on which line row `row` of the `height` rows begins."""
        if self.data.count(b"\n") == height:
            return f"line {self.first_line + row}"
        line, _ = next(itertools.islice(self.records(), row, None))
        return f"line {line}"

    def _is_ragged(self, frame: pl.DataFrame) -> bool:
        """Say whether a row is too long, which polars cuts off, or too short, which it fills up."""
        from imbalance_cli.readers.delimiters import count_byte, rows_have_width

        delimiter, columns = self.delimiter.encode(), len(self.columns)
        is_filled = not (frame[self.columns[-1]] == "").any()
        if is_filled and count_byte(self.data, delimiter) == frame.height * (columns - 1):
            return False
        return not rows_have_width(self.data, delimiter, columns)

    def _exact_frame(self, columns: Sequence[str]) -> pl.DataFrame:
        import polars as pl

        rows = [cells for _, cells in self.records()]
        schema = dict.fromkeys(self.columns, pl.String)
        return pl.DataFrame(rows, schema=schema, orient="row").select(columns)


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
            hint=_encoding_hint(data),
        ) from error
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)
    begins = first_line
    try:
        for cells in reader:
            yield begins, cells
            begins = first_line + reader.line_num
    except csv.Error as error:
        problem, hint = next(
            (ours for theirs, ours in PROBLEMS.items() if theirs in str(error)),
            (f"bad CSV: {error}", 'write a quote inside a quoted cell twice ("")'),
        )
        raise SourceError(f"{name}: line {begins}: {problem}", hint=hint) from error


def _encoding_hint(data: bytes) -> str:
    if data.startswith(GZIP_MARK):
        return "it is compressed: give the file a name that ends in .gz, or pipe it through zcat"
    encoding = "utf-16" if data.startswith(UTF_16_MARKS) else "latin1"
    return f"convert it, for instance: iconv -f {encoding} -t utf-8"


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
