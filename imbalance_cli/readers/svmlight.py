"""Sparse text of the svmlight and libsvm kind, binary or multi-label.

The whole file is read once when it is opened: what its labels mean and how wide it is stands
nowhere else. It is binary, with the label y (1 is 1; -1 and 0 are 0), if every row has one label
and that is -1, 0 or 1. Otherwise the labels are y_0, y_3, ... for each number that occurs, and a
row without labels is negative in all. The features are called x_<index> as in the file; what a
row does not name is 0. Where any row has a query, as qid:7, there is a column qid: a group, and
no feature. A first line of three numbers declares rows, features and labels, as in the extreme
classification repository: http://manikvarma.org/downloads/XC/XMLRepository.html

Shapes: N rows, F features, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.source import (
    MOST_DENSE,
    Batch,
    ColumnTally,
    Source,
    SparseColumns,
    Tally,
)
from imbalance_cli.readers.streams import STDIN, ByteReader, as_file, line_blocks, open_bytes
from imbalance_cli.readers.svmlight_rows import LARGEST, FileSummary, Limits, SparseRows, parse_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


FEATURE, LABEL, BINARY_LABEL, QUERY = "x_", "y_", "y", "qid"
COLUMN = re.compile(rf"(?P<prefix>{FEATURE}|{LABEL})(?P<number>0|[1-9]\d{{0,9}})")
BLOCK = 4 * 2**20
BATCH_BYTES = 64 * 2**20
VALUE_BYTES = 8
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANK_LINES = rb"(?:[ \t\r]*(?:#[^\n]*)?\n)*"
HEADER = re.compile(
    BLANK_LINES + rb"[ \t]*(\d{1,15})[ \t]+(\d{1,15})[ \t]+(\d{1,15})[ \t\r]*(?:#[^\n]*)?\n"
)


@dataclasses.dataclass(frozen=True)
class DeclaredSizes:
    """The N, F and L that a file declares, and where its rows begin.

    Attributes:
        size: bytes before the first row.
        lines: lines before the first row.
    """

    rows: int
    features: int
    labels: int
    size: int
    lines: int


class SvmlightSource(Source):
    """A svmlight file.

    Args:
        name: a path, or "-" for stdin, which is copied to a temporary file.

    Raises:
        SourceError: the file cannot be read, a line is not of this format, binary and
            multi-label lines are mixed, or the header does not hold.
    """

    rows: int

    def __init__(self, name: str) -> None:
        self.name = "stdin" if name == STDIN else name
        self._path = name
        if name == STDIN or not Path(name).is_file():  # a pipe can be read once only
            self._path = str(as_file(name, self))
        self._header: DeclaredSizes | None = None
        self._summary = FileSummary()
        for block in self._blocks():
            self._summary.add(block)
        self.rows = self._summary.rows
        self.own_groups = [QUERY] if self._summary.has_queries else []
        self._check_rows()
        self._is_binary = self._check_labels()
        self._indices = self._check_indices()
        self._name_labels(self._summary.label_counts)

    @functools.cached_property
    def columns(self) -> list[str]:  # type: ignore[override]  # made when asked for: it may be long
        """The label columns, the feature columns, and qid where any row has it."""
        features = (f"{FEATURE}{index}" for index in self._indices)
        return [*self._label_numbers, *features, *self.own_groups]

    def include(self, columns: Sequence[str]) -> None:
        """Take in columns that another file of the same data has and no row of this one names.

        All of their cells are 0. A file that could be binary is multi-label beside one that is.

        Args:
            columns: those of the other file, x_<index>, y_<number> or y.

        Raises:
            SourceError: there cannot be such a column here.
        """
        labels = []
        for column in columns:
            name = COLUMN.fullmatch(column)
            number = int(name["number"]) if name else 0
            is_feature = name is not None and name["prefix"] == FEATURE
            if column in self._label_numbers or (is_feature and number in self._indices):
                continue
            if column == QUERY:
                self.own_groups = [QUERY]
            elif not name or number > LARGEST:
                raise SourceError(f"{self.name}: no column {column!r}")
            elif not is_feature:
                labels.append(number)
            elif self._header:
                raise SourceError(
                    f"{self.name}: no column {column!r}; the header declares "
                    f"{self._header.features} features"
                )
            else:
                first, end = self._indices.start, self._indices.stop
                self._indices = range(min(first, number), max(end, number + 1))
        if labels:
            self._include_labels(labels)
        self.__dict__.pop("columns", None)  # to be made anew

    def refuse_beyond(self, columns: Sequence[str]) -> None:
        """Raise where a row has an index outside of the range of the features of other files.

        Raises:
            SourceError: it names the line and the index.
        """
        names = (COLUMN.fullmatch(column) for column in columns)
        known = [int(name["number"]) for name in names if name and name["prefix"] == FEATURE]
        if not known:
            return
        for index, line in self._summary.indices.items():
            if not min(known) <= index <= max(known):
                raise SourceError(
                    f"{self.name}: line {line}: the index {index}, where features run from "
                    f"{FEATURE}{min(known)} to {FEATURE}{max(known)}",
                    hint="do indices count from 0 in one file and from 1 in the other?",
                )

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns; those of labels are known already.

        Raises:
            SourceError: a row cannot be read.
        """
        others = [column for column in columns if column not in self._label_numbers]
        counted = super().tally(others).columns if others else {}
        for column in columns:
            if column in self._label_numbers:
                positives = self._summary.label_counts[self._label_numbers[column]]
                counts = {"0": self.rows - positives, "1": positives}
                known = {text: count for text, count in counts.items() if count}
                counted[column] = ColumnTally(known)
        return Tally(self.rows, {column: counted[column] for column in columns})

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns, dense, as many rows at a time as fit into BATCH_BYTES.

        Raises:
            SourceError: a row cannot be read.
        """
        return self._batches(columns, [])

    def mixed_batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns as `batches` does; more than MOST_DENSE labels are sparse.

        Raises:
            SourceError: a row cannot be read.
        """
        labels = [column for column in columns if column in self._label_numbers]
        if len(labels) <= MOST_DENSE:
            return self._batches(columns, [])
        others = [column for column in columns if column not in self._label_numbers]
        return self._batches(others, labels)

    def _batches(self, dense: Sequence[str], sparse: list[str]) -> Iterator[Batch]:
        height = max(1, BATCH_BYTES // (VALUE_BYTES * max(1, len(dense))))
        for block in self._blocks():
            for first in range(0, len(block), height):
                rows = block[first : first + height]
                place = functools.partial(_place, rows.lines)
                ones = self._sparse(rows, sparse) if sparse else None
                yield Batch(self._dense(rows, dense), place, ones)

    def _include_labels(self, numbers: list[int]) -> None:
        known = () if self._is_binary else self._label_numbers.values()
        if self._is_binary and self._summary.negative_line is not None:
            raise SourceError(
                f"{self.name}: line {self._summary.negative_line}: the label '-1', but it is "
                f"read with a file that has the label {numbers[0]}",
                hint="one of them is binary and one lists the numbers of labels",
            )
        self._is_binary = False
        self._name_labels({*numbers, *known, *self._summary.label_counts})

    def _dense(self, block: SparseRows, columns: Sequence[str]) -> pl.DataFrame:
        import numpy as np
        import polars as pl

        if not columns:
            return pl.DataFrame(height=len(block))
        labels = {c: self._label_numbers[c] for c in columns if c in self._label_numbers}
        others = [column for column in columns if column not in labels and column != QUERY]
        features = {column: int(column.removeprefix(FEATURE)) for column in others}
        ones = np.ones(len(block.labels), np.uint8)
        series = _scatter(features, (block.indices, block.rows, block.values), len(block))
        series |= _scatter(labels, (block.labels, block.label_rows, ones), len(block))
        series[QUERY] = block.queries.alias(QUERY)
        return pl.DataFrame([series[column] for column in columns])

    def _sparse(self, block: SparseRows, columns: list[str]) -> SparseColumns:
        import numpy as np
        import scipy.sparse as sp

        numbers = np.array([self._label_numbers[column] for column in columns])
        found, is_wanted = _find(numbers, block.labels)
        places = block.label_rows[is_wanted], found[is_wanted]
        cells = np.ones(len(places[0]), np.uint8)
        matrix = sp.csr_array((cells, places), shape=(len(block), len(columns)))
        matrix.sort_indices()
        return SparseColumns(columns, matrix)

    def _blocks(self) -> Iterator[SparseRows]:
        """Yield all rows, a block of text at a time."""
        line, rows, limits = 1, 0, Limits()
        with open_bytes(self._path) as stream:
            for number, block in enumerate(
                line_blocks(ByteReader(stream, self.name).read, BLOCK, self.name)
            ):
                data = block
                if not number:
                    data = data.removeprefix(BYTE_ORDER_MARK)
                    self._header = read_header(data)
                    if self._header:
                        limits = self._declared(self._header)
                        data = data[self._header.size :]
                        line += self._header.lines
                if not data:
                    continue
                parsed = parse_rows(
                    data, line, self.name, limits, with_blank=self._header is not None
                )
                parsed = self._cut_surplus(parsed, rows)
                rows += len(parsed)
                line += data.count(b"\n")
                if len(parsed):
                    yield parsed

    def _declared(self, header: DeclaredSizes) -> Limits:
        if max(header.features, header.labels) > LARGEST:
            raise SourceError(
                f"{self.name}: line {header.lines}: the header declares {header.features} features "
                f"and {header.labels} labels; {LARGEST} of each are read"
            )
        return Limits(header.features, header.labels, declared=True)

    def _cut_surplus(self, block: SparseRows, rows: int) -> SparseRows:
        """Leave out blank lines after the rows that a header declares."""
        if self._header is None or rows + len(block) <= self._header.rows:
            return block
        kept = max(0, self._header.rows - rows)
        surplus = block[kept:]
        if len(surplus.labels) or len(surplus.indices):
            raise SourceError(
                f"{self.name}: more than the {self._header.rows} rows that the header declares",
                hint="the first line says how many rows, features and labels there are",
            )
        return block[:kept]

    def _check_rows(self) -> None:
        if self._header and self.rows < self._header.rows:
            raise SourceError(
                f"{self.name}: {self.rows} rows, where the header declares {self._header.rows}",
                hint="the file is cut off, or its first line is wrong",
            )
        if not self.rows:
            raise SourceError(f"{self.name}: no rows")

    def _check_labels(self) -> bool:
        """Return whether the file is binary."""
        if self._header is None and self._summary.multi_line is None:
            return True
        if self._summary.negative_line is not None:
            line, other = self._summary.negative_line, self._summary.multi_line or 1
            raise SourceError(
                f"{self.name}: line {line}: the label '-1', but line {other} is not of a file of "
                "the labels -1, 0 and 1",
                hint="give every row one label, -1 or 1, or list the numbers of its labels",
            )
        return False

    def _check_indices(self) -> range:
        """Return the indices of the features."""
        seen = self._summary.indices
        smallest, largest = min(seen, default=1), max(seen, default=0)
        if self._header is None:
            return range(min(smallest, 1), largest + 1)
        width = self._header.features
        if largest < width or not width:
            return range(width)
        if smallest == 0:
            raise SourceError(
                f"{self.name}: line {seen[largest]}: the index {largest}, but line {seen[0]} has "
                f"the index 0 and the header declares {width} features",
                hint=f"indices run from 0 to {width - 1} or from 1 to {width}",
            )
        return range(1, width + 1)

    def _name_labels(self, numbers: Iterable[int]) -> None:
        """Set the label columns, and the number in the file that each stands for."""
        self._label_numbers = {f"{LABEL}{number}": number for number in sorted(numbers)}
        if self._is_binary:  # a label that is not 1 is none
            self._label_numbers = {BINARY_LABEL: 1}
        self.own_labels = list(self._label_numbers)


def read_header(data: bytes) -> DeclaredSizes | None:
    """Return what the first line declares that is neither blank nor a comment, if it does."""
    match = HEADER.match(data)
    if match is None:
        return None
    rows, features, labels = (int(number) for number in match.groups())
    return DeclaredSizes(rows, features, labels, match.end(), match[0].count(b"\n"))


def _scatter(
    columns: dict[str, int],
    entries: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.generic]],
    height: int,
) -> dict[str, pl.Series]:
    """Return dense columns.

    Args:
        columns: the number of each.
        entries: number, row and value of each cell that is not 0; others may be among them.
        height: rows.
    """
    import numpy as np
    import polars as pl

    numbers, rows, values = entries
    wanted = np.array(list(columns.values()), np.int64)
    dense = np.zeros((len(wanted), height), values.dtype)
    if len(wanted):
        found, is_wanted = _find(wanted, numbers)
        dense[found[is_wanted], rows[is_wanted]] = values[is_wanted]
    return {name: pl.Series(name, cells) for name, cells in zip(columns, dense, strict=True)}


def _find(
    wanted: NDArray[np.int64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return where each number stands among the wanted ones, and whether it does."""
    import numpy as np

    order = np.argsort(wanted)
    found = order[np.searchsorted(wanted, numbers, sorter=order).clip(max=len(wanted) - 1)]
    return found, wanted[found] == numbers


def _place(lines: NDArray[np.int64], row: int) -> str:
    return f"line {lines[row]}"
