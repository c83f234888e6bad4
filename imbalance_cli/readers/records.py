"""Whole records of CSV or TSV, cut into cells by polars or, exact about lines, one by one."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.record_ends import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

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
NULL_HINT = "if the file is UTF-16: iconv -f utf-16le (or utf-16be) -t utf-8"

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
        about: what has as many cells as each record should.
    """

    data: bytes
    first_line: int
    columns: list[str]
    delimiter: str
    name: str
    about: str = "the header"

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of each record; a blank line is a record only in a lone column.

        Raises:
            SourceError: not UTF-8, a quote that never closes, too few or too many cells, or a NUL.
        """
        has_null = b"\0" in self.data
        for line, cells in parse_records(self.data, self.first_line, self.delimiter, self.name):
            if not cells and len(self.columns) > 1:
                continue
            row = cells or [""]
            if len(row) != len(self.columns):
                raise SourceError(
                    f"{self.name}: line {line}: {_cells(len(row))} where {self.about} has "
                    f"{len(self.columns)}",
                    hint="--comment '#' (data.comment: '#') leaves out lines that begin with it"
                    if row[0].startswith("#")
                    else "quote a cell that holds a delimiter, or mend the row",
                )
            if has_null and (i := first_null(row)) is not None:
                raise SourceError(
                    f"{self.name}: line {line}: column {self.columns[i]!r}: a NUL byte",
                    hint=NULL_HINT,
                )
            yield line, row

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return the columns as strings, every cell as it stands.

        Raises:
            SourceError: as `records`.
        """
        import polars as pl

        from imbalance_cli.readers.delimiters import count_in_text

        delimiters = count_in_text(self.data, self.delimiter.encode())
        if delimiters is None or self.data.startswith(BYTE_ORDER_MARK):  # polars would drop it
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
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return self._exact_frame(columns)
        if self._is_ragged(frame, delimiters):
            return self._exact_frame(columns)
        return frame[list(columns)]

    def place(self, row: int, height: int) -> str:
        """Say on which line row `row` of the `height` rows begins."""
        is_a_line_each = self._newlines == height
        return f"line {self.first_line + row if is_a_line_each else self._lines[row]}"

    @functools.cached_property
    def _newlines(self) -> int:
        return self.data.count(b"\n")

    @functools.cached_property
    def _lines(self) -> list[int]:
        return [line for line, _ in self.records()]

    def _is_ragged(self, frame: pl.DataFrame, delimiters: int) -> bool:
        """Say whether a row is too long, which polars cuts off, or too short, which it fills up."""
        from imbalance_cli.readers.delimiters import rows_have_width

        columns = len(self.columns)
        is_filled = not (frame[self.columns[-1]] == "").any()
        if is_filled and delimiters == frame.height * (columns - 1):
            return False
        return not rows_have_width(self.data, self.delimiter.encode(), columns)

    def _exact_frame(self, columns: Sequence[str]) -> pl.DataFrame:
        import polars as pl

        rows = [cells for _, cells in self.records()]
        schema = dict.fromkeys(self.columns, pl.String)
        return pl.DataFrame(rows, schema=schema, orient="row")[list(columns)]


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


def first_null(cells: list[str]) -> int | None:
    """Return the index of the first cell that holds a NUL, if any does."""
    return next((i for i, cell in enumerate(cells) if "\0" in cell), None)


def _encoding_hint(data: bytes) -> str:
    encoding = "utf-16" if data.startswith(UTF_16_MARKS) else "latin1"
    return f"convert it, for instance: iconv -f {encoding} -t utf-8"


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
