"""Columns that a report is broken down by: which group each row is in.

Cells are kept as few bytes a row: a number of 8, or the number of a name.

Shapes: N rows, B rows of a batch.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.errors import ConfigError
from imbalance_cli.notation import apply_notations
from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts, show_days

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.notation import Notation
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.cells import Parsed

MOST_GROUPS = 50  # of names
MOST_VALUES = 8  # of numbers or dates that are each a group; more are cut at quantiles
QUANTILES = 4
KINDS: dict[str, Callable[[pl.Series], Parsed]] = {"number": parse_numbers, "date": parse_dates}


@dataclasses.dataclass(frozen=True)
class SliceColumn:
    """A column that a report is broken down by.

    Attributes:
        name: of the column.
        cells: (N,) numbers, or days since 1970, NaN where missing; or int16 indices of `names`, -1
            where missing.
        names: of categories; None of numbers and dates.
        is_date: whether the cells are days.
    """

    name: str
    cells: NDArray[np.float64] | NDArray[np.int16]
    names: list[str] | None = None
    is_date: bool = False

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> SliceColumn:
        """Return the same of some rows."""
        return dataclasses.replace(self, cells=self.cells[rows])

    def groups(self) -> tuple[list[str | None], NDArray[np.intp]]:
        """Return the names of the groups that the rows are in, and which each is in, (N,).

        Categories are in the order of their names, numbers rise, and missing cells, whose group is
        called None, come last.
        """
        if self.names is None:
            names, of_row = self._cut()
        else:
            order = np.argsort(np.array(self.names, object), kind="stable")
            places = np.append(np.argsort(order), len(order))  # the last one is that of -1
            names, of_row = [self.names[i] for i in order], places[self.cells]
        seen, of_row = np.unique(of_row, return_inverse=True)
        return [[*names, None][i] for i in seen], of_row

    def _cut(self) -> tuple[list[str], NDArray[np.intp]]:
        """Return each value as a group, or of many values quantiles."""
        missing = np.isnan(self.cells)
        known = self.cells[~missing]
        values = np.unique(known)
        if len(values) <= MOST_VALUES:
            names, places = [self._show(value) for value in values], np.searchsorted(values, known)
        else:
            shares = np.arange(1, QUANTILES) / QUANTILES
            edges = np.unique(np.quantile(known, shares, method="inverted_cdf"))
            places = np.searchsorted(edges, known)
            names = []
            for group in range(len(edges) + 1):
                own = known[places == group]
                ends = (own.min(), own.max()) if len(own) else ()
                names.append(" to ".join(dict.fromkeys(map(self._show, ends))))
        of_row = np.full(len(self.cells), len(names))
        of_row[~missing] = places
        return names, of_row

    def _show(self, value: float) -> str:
        if self.is_date:
            return show_days(value)
        value += 0.0  # 0 has no minus
        return f"{value:.15g}" if value == round(value, 0) else f"{value:.4g}"


class SliceReader:
    """Reads a column that a report is broken down by, a batch at a time.

    Numbers, or dates, are what all cells are; else they are names.

    Args:
        column: its name.
        asked_by: the key or option that names it, for errors.
        categories: names or globs of columns whose numbers are names.
        notation: how its cells are written; None where they come in the usual way.
    """

    def __init__(
        self,
        column: str,
        asked_by: str,
        categories: Sequence[str] = (),
        notation: Notation | None = None,
    ) -> None:
        self.column, self._asked_by = column, asked_by
        self._notations = {} if notation is None else {column: notation}
        are_names = any(fnmatch.fnmatchcase(column, pattern) for pattern in categories)
        self._values: dict[str, list[NDArray[np.float64]]] = {}
        if not are_names:
            self._values = {kind: [] for kind in KINDS}
        self._names: dict[str, int] = {}
        self._codes: list[NDArray[np.int16]] | None = []

    def add(self, table: Table) -> None:
        """Take in B rows.

        Raises:
            ConfigError: the column holds too many names, or cells of several values.
        """
        cells = apply_notations(table, self._notations).frame[self.column]
        if cells.dtype.is_nested():
            raise ConfigError(
                f"{self._asked_by}: {table.name}: column {self.column!r} holds lists or records, "
                "which are no groups",
                hint="a column of names, numbers or dates",
            )
        if cells.dtype == pl.Boolean:
            cells = cells.cast(pl.String)
        for kind in list(self._values):
            parsed = KINDS[kind](cells)
            if parsed.bad_row is None and not parsed.has_words:  # true and false are names
                self._values[kind].append(parsed.values.to_numpy())
            else:
                del self._values[kind]
        if self._codes is not None:
            texts = parse_texts(cells)
            for name in texts.unique(maintain_order=True).drop_nulls():
                self._names.setdefault(name, len(self._names))
                if len(self._names) > MOST_GROUPS:
                    self._codes = None
                    break
            else:
                codes = texts.replace_strict(self._names, default=-1).fill_null(-1)
                self._codes.append(codes.cast(int).to_numpy().astype(np.int16))
        if self._codes is None and not self._values:
            raise ConfigError(
                f"{self._asked_by}: {table.name}: column {self.column!r} holds more than "
                f"{MOST_GROUPS} names, of which each would be a group",
                hint="a column with fewer, such as one of their kinds; numbers and dates are cut "
                "at quantiles",
            )

    def finish(self) -> SliceColumn:
        """Return the column; the reader must not be used again."""
        for kind, batches in self._values.items():
            return SliceColumn(self.column, np.concatenate(batches), is_date=kind == "date")
        return SliceColumn(self.column, np.concatenate(self._codes or []), list(self._names))
