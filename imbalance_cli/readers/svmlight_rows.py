"""Lines of svmlight text as sparse rows.

A line is `LABELS INDEX:VALUE INDEX:VALUE ... # comment`; LABELS is a number, several with commas
between them, or nothing. `qid:N` after the labels is the query that the row is of.

Shapes: N rows, K stored values in them, P labels in them.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.errors import SourceError, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    RowError = Callable[..., SourceError]

LARGEST = 2**24  # an index or label; a larger one is a hash or a slip, and no width of a table
LONGEST_SHOWN = 60  # characters of a token in an error
SPACES = bytes.maketrans(b"\t\r\v\f", b"    ")
ORDER_HINT = "the indices of a row increase from left to right"
LABEL_HINT = "-1, 0 and 1, or the numbers of labels with commas between them, can be read"


@dataclasses.dataclass(frozen=True)
class Limits:
    """The largest index and label that are read, and whether the file declares them."""

    index: int = LARGEST
    label: int = LARGEST
    declared: bool = False

    def exceed(self, what: str, token: str, most: int) -> str:
        """Say that a token is beyond a limit."""
        width = f"the width {most} that the header declares" if self.declared else str(most)
        return f"{token!r}: {what} is past {width}"


@dataclasses.dataclass(frozen=True)
class SparseRows:
    """Some consecutive rows, of which only what they name is held.

    Attributes:
        lines: (N,) where each stands in the file.
        rows: (K,) of each value, increasing.
        indices: (K,) as in the file, increasing in a row.
        values: (K,) NaN where missing.
        label_rows: (P,) of each label, increasing.
        labels: (P,) increasing in a row.
        queries: (N,) the texts after `qid:`, null where there is none.
    """

    lines: NDArray[np.int64]
    rows: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]
    label_rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    queries: pl.Series

    def __len__(self) -> int:
        """Return N."""
        return len(self.lines)

    def __getitem__(self, part: slice) -> SparseRows:
        """Return some consecutive rows."""
        first, end, _ = part.indices(len(self))
        values = slice(*np.searchsorted(self.rows, [first, end]))
        labels = slice(*np.searchsorted(self.label_rows, [first, end]))
        return SparseRows(
            self.lines[first:end],
            self.rows[values] - first,
            self.indices[values],
            self.values[values],
            self.label_rows[labels] - first,
            self.labels[labels],
            self.queries[first:end],
        )


@dataclasses.dataclass
class FileSummary:
    """What a pass over all rows finds.

    Attributes:
        rows: N.
        indices: the smallest and the largest of each block, and the line where it is seen first.
        label_counts: rows of each label.
        negative_line: the first line with the label -1.
        multi_line: the first line that a binary file would not have.
        has_queries: whether any row says of which query it is.
    """

    rows: int = 0
    indices: dict[int, int] = dataclasses.field(default_factory=dict)
    label_counts: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    negative_line: int | None = None
    multi_line: int | None = None
    has_queries: bool = False

    def add(self, block: SparseRows) -> None:
        """Take in the rows that follow."""
        self.rows += len(block)
        self.has_queries = self.has_queries or block.queries.count() > 0
        if len(block.indices):
            for at in (block.indices.argmin(), block.indices.argmax()):
                line = int(block.lines[block.rows[at]])
                self.indices.setdefault(int(block.indices[at]), line)
        labels, counts = np.unique(block.labels, return_counts=True)
        self.label_counts.update(dict(zip(labels.tolist(), counts.tolist(), strict=True)))
        is_multi = np.bincount(block.label_rows, minlength=len(block)) != 1
        is_multi[block.label_rows[block.labels > 1]] = True
        if self.multi_line is None and is_multi.any():
            self.multi_line = int(block.lines[is_multi.argmax()])
        negative = block.label_rows[block.labels < 0]
        if self.negative_line is None and len(negative):
            self.negative_line = int(block.lines[negative[0]])


def parse_rows(
    data: bytes, line: int, name: str, limits: Limits, *, with_blank: bool
) -> SparseRows:
    """Read a block of whole lines.

    Args:
        data: the lines.
        line: the number of the first one.
        name: the source, for errors.
        limits: what is read.
        with_blank: whether a blank line is a row with no labels and no values, and not nothing.

    Raises:
        SourceError: a token is no label, no index with a value, past a limit, or out of order.
    """
    text = data.translate(SPACES).decode(errors="replace")
    lines = pl.DataFrame({"token": text.removesuffix("\n").split("\n")}).with_row_index("line")
    is_row = np.ones(lines.height, np.bool_)
    if "#" in text:
        commented = lines["token"].str.contains("#", literal=True)
        lines = lines.with_columns(pl.col("token").str.replace("#.*", ""))
        # a line that is a comment and nothing else is no row, even where a blank one is
        is_row = ~(commented & (lines["token"].str.strip_chars() == "")).to_numpy()
    tokens = lines.with_columns(pl.col("token").str.split(" ")).explode("token")
    tokens = tokens.filter(pl.col("token") != "")
    token_lines = tokens["line"].to_numpy().astype(np.int64)
    if not with_blank:
        is_row = np.bincount(token_lines, minlength=lines.height) > 0
    token_rows = (np.cumsum(is_row) - 1)[token_lines]
    is_label, is_query, is_feature = _sort_tokens(tokens["token"], token_lines)
    row_lines = line + np.flatnonzero(is_row)

    def error(row: int, problem: str, hint: str | None = None) -> SourceError:
        return SourceError(f"{name}: line {row_lines[row]}: {problem}", hint=hint)

    labels, label_rows = _parse_labels(
        tokens["token"].filter(pl.Series(is_label)), token_rows[is_label], limits, error
    )
    rows = token_rows[is_feature]
    indices, values = _parse_features(
        tokens["token"].filter(pl.Series(is_feature)), rows, limits, error
    )
    queries = _parse_queries(
        tokens["token"].filter(pl.Series(is_query)), token_rows[is_query], len(row_lines)
    )
    return SparseRows(row_lines, rows, indices, values, label_rows, labels, queries)


def _sort_tokens(
    tokens: pl.Series, lines: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which tokens are labels, which are queries, and which are values."""
    is_first = np.diff(lines, prepend=-1) > 0
    is_label = is_first & ~tokens.str.contains(":", literal=True).to_numpy()
    after_labels = is_first | np.concatenate([[False], is_label[:-1]]) if len(lines) else is_first
    is_query = after_labels & tokens.str.starts_with("qid:").to_numpy()
    return is_label, is_query, ~is_label & ~is_query


def _parse_queries(tokens: pl.Series, rows: NDArray[np.int64], height: int) -> pl.Series:
    queries = pl.Series([None], dtype=pl.String).new_from_index(0, height)
    return queries.scatter(rows, tokens.str.strip_prefix("qid:")) if len(rows) else queries


def _parse_features(
    tokens: pl.Series, rows: NDArray[np.int64], limits: Limits, error: RowError
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    parts = tokens.alias("t").str.splitn(":", 2).struct.unnest()
    numbers = parts["field_0"].cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
    cells = parts["field_1"].cast(pl.Float64, strict=False)
    values = cells.fill_null(0.0).to_numpy()
    is_repeated = np.zeros(len(rows), np.bool_)
    is_repeated[1:] = (rows[1:] == rows[:-1]) & (numbers[1:] <= numbers[:-1])
    is_wide = numbers > limits.index
    bad = (numbers < 0) | is_wide | cells.is_null().to_numpy() | np.isinf(values) | is_repeated
    if bad.any():
        at = int(bad.argmax())
        token = shorten(tokens[at], LONGEST_SHOWN)
        hint: str | None = "INDEX:VALUE with a number, such as 7:0.5; nan where it is missing"
        if parts["field_1"][at] is None:
            problem = f"{token!r} is not INDEX:VALUE"
        elif numbers[at] < 0:
            problem = f"{token!r}: the index is not a whole number from 0 on"
        elif is_wide[at]:
            problem, hint = limits.exceed("the index", token, limits.index), None
        elif cells[at] is None:
            problem = f"{token!r}: the value is not a number"
        elif np.isinf(values[at]):
            problem = f"{token!r}: the value is infinite"
        elif numbers[at] == numbers[at - 1]:
            problem = f"{token!r}: the row has the index {numbers[at]} already"
            hint = "an index stands once in a row"
        else:
            problem, hint = f"{token!r} stands after the index {numbers[at - 1]}", ORDER_HINT
        raise error(int(rows[at]), problem, hint)
    return numbers, values


def _parse_labels(
    tokens: pl.Series, rows: NDArray[np.int64], limits: Limits, error: RowError
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels and the row of each, increasing in a row."""
    split = pl.DataFrame({"row": rows, "label": tokens.str.split(",")}).explode("label")
    rows = split["row"].to_numpy()
    numbers = split["label"].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    with np.errstate(invalid="ignore"):
        is_whole = np.isfinite(numbers) & (np.trunc(numbers) == numbers) & (numbers >= -1)
    bad = ~is_whole | (numbers > limits.label)
    if bad.any():
        at = int(bad.argmax())
        token = shorten(split["label"][at] or "", LONGEST_SHOWN)
        if is_whole[at]:
            raise error(int(rows[at]), limits.exceed("the label", token, limits.label))
        raise error(int(rows[at]), f"{token!r} is not a label", LABEL_HINT)
    labels = numbers.astype(np.int64)
    order = np.lexsort((labels, rows))
    labels, rows = labels[order], rows[order]
    is_repeated = (rows[1:] == rows[:-1]) & (labels[1:] == labels[:-1])
    if is_repeated.any():
        at = int(is_repeated.argmax())
        raise error(int(rows[at]), f"the label {labels[at]} stands there twice")
    return labels, rows
