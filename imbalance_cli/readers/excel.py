"""Excel workbooks: the first sheet, its first row as the names of the columns."""

from __future__ import annotations

import collections
import weakref
from typing import TYPE_CHECKING

from imbalance_cli.errors import DependencyError, SourceError
from imbalance_cli.readers.streams import STDIN, as_file
from imbalance_cli.readers.typed import Part, ScannedSource, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

UNNAMED = "__UNNAMED__"  # what fastexcel calls a column without a name, before its number


class ExcelSource(ScannedSource):
    """The first sheet of an .xlsx or .xlsm file, held in memory.

    Args:
        name: a path, or "-" for stdin, which is copied to a temporary file.

    Raises:
        DependencyError: fastexcel is not installed.
        SourceError: the file cannot be read, its sheet is empty, or two columns have one name.
    """

    def __init__(self, name: str) -> None:
        try:
            import fastexcel
        except ImportError as error:
            raise DependencyError(name, "excel", "fastexcel") from error
        import polars as pl

        path, is_temporary = as_file(name)
        if is_temporary:
            weakref.finalize(self, path.unlink)
        shown = "stdin" if name == STDIN else name
        try:
            book = fastexcel.read_excel(path)
            first, *others = book.sheet_names
            header = book.load_sheet(0, header_row=None, n_rows=1, dtypes="string").to_polars()
            frame = book.load_sheet(0).to_polars()
        except (fastexcel.FastExcelError, OSError) as error:
            raise SourceError(f"{shown}: not an Excel file: {first_line(error)}") from error
        names = [str(cell).strip() for cell in (header.row(0) if header.height else ()) if cell]
        twice = [known for known, count in collections.Counter(names).items() if count > 1]
        if twice:
            raise SourceError(
                f"{shown}: sheet {first!r}: two columns are called {twice[0]!r}", hint="rename one"
            )
        if not names:
            raise SourceError(f"{shown}: sheet {first!r} is empty", hint="put the table first")
        frame.columns = [
            f"column_{i}" if column.startswith(UNNAMED) else column.strip()
            for i, column in enumerate(frame.columns, start=1)
        ]
        if frame.width > 1:  # as a blank line of delimited text, a blank row is none
            frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
        self._sheet, self._others = first, others
        super().__init__(shown, [Part(shown, frame.lazy(), frame.height)])

    @property
    def remarks(self) -> Sequence[str]:
        """A sentence on other sheets."""
        others = ", ".join(map(repr, self._others))
        return [f"{self.name}: reads sheet {self._sheet!r}, and not {others}"] if others else []
