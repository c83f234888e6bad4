"""Excel workbooks: the first sheet, whose first lines are read as those of delimited text."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from imbalance_cli.errors import DependencyError, SourceError
from imbalance_cli.readers.dialect import UNKNOWN, Dialect
from imbalance_cli.readers.first_lines import LOOKED_AT
from imbalance_cli.readers.header import read_header
from imbalance_cli.readers.streams import STDIN, as_file
from imbalance_cli.readers.typed import Part, ScannedSource, first_line

if TYPE_CHECKING:
    from polars import DataFrame

BLANK_ROWS = re.compile(r"(?m)^,*$")


class ExcelSource(ScannedSource):
    """The first sheet of an .xlsx or .xlsm file, held in memory.

    Args:
        name: a path, or "-" for stdin, which is copied to a temporary file.
        dialect: which rows of the sheet are the header, and which are left out.

    Raises:
        DependencyError: fastexcel is not installed.
        SourceError: the file cannot be read, its sheet is empty, or has no usable header.
    """

    def __init__(self, name: str, dialect: Dialect = UNKNOWN) -> None:
        try:
            import fastexcel
        except ImportError as error:
            raise DependencyError(name, "excel", "fastexcel") from error
        import polars as pl

        path = as_file(name, self)
        shown = "stdin" if name == STDIN else name
        first_rows = LOOKED_AT + (dialect.skip_lines or 0) + (dialect.skip_rows or 0)
        try:
            book = fastexcel.read_excel(path)
            first, *others = book.sheet_names
            head = book.load_sheet(0, header_row=None, n_rows=first_rows, dtypes="string")
            text = _as_text(head.to_polars())
            if not text.strip():
                raise SourceError(f"{shown}: sheet {first!r} is empty", hint="put the table first")
            header = read_header(io.BytesIO(text).read, ",", dialect, f"{shown}: sheet {first!r}")
            above = header.first_line - 1
            frame = book.load_sheet(0, header_row=None, skip_rows=above).to_polars()
        except (fastexcel.FastExcelError, OSError) as error:
            raise SourceError(f"{shown}: not an Excel file: {first_line(error)}") from error
        if frame.width:
            frame.columns = header.columns
        else:  # of a sheet without rows below the header
            frame = pl.DataFrame(schema=dict.fromkeys(header.columns, pl.String))
        if frame.width > 1:  # as a blank line of delimited text, a blank row is none
            frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
        super().__init__(shown, [Part(shown, frame.lazy(), frame.height)])
        self.doubt = header.doubt
        if others:
            unread = ", ".join(map(repr, others))
            self.remarks = [f"{self.name}: reads sheet {first!r}, and not {unread}"]


def _as_text(rows: DataFrame) -> bytes:
    """Return rows of texts as CSV, a line each."""
    import polars as pl

    one_line = rows.with_columns(pl.all().str.replace_all(r"\s+", " "))
    return BLANK_ROWS.sub("", one_line.write_csv(include_header=False)).encode()
