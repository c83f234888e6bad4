"""Columns of weights: of each row, and of the cells of labels.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

from imbalance_cli.errors import (
    ConfigError,
    LabelError,
    nearest,
    number_of,
    show_cell,
    show_percent,
)
from imbalance_cli.labels.selection import list_names, require_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import Source

CellWeights: TypeAlias = "str | Mapping[str, str]"
"""The column of each label's weights: a pattern such as {label}_weight, or the key of an array with
a column a label; or by label, of which those without a column weigh 1."""

MARK = "{label}"
HEAVIEST = 1e9
LARGEST_SHARE = 0.05  # of all weight, that a row may have, if it is also
LARGEST_MULTIPLE = 100  # times what a row has on average


@dataclasses.dataclass(frozen=True)
class WeightColumns:
    """The columns that hold weights.

    Attributes:
        row: of each row; None for 1.
        cells: by label, of its cells; a label without one has 1.
    """

    row: str | None = None
    cells: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """All of them, each once."""
        row = [] if self.row is None else [self.row]
        return list(dict.fromkeys([*row, *self.cells.values()]))

    def __bool__(self) -> bool:
        return bool(self.columns)

    def of(self, label: str) -> str | None:
        """Return the column that weighs the cells of a label, or its rows; None without one."""
        return self.cells.get(label, self.row)

    def read(
        self, table: Table, targets: Targets, labels: Sequence[str]
    ) -> tuple[NDArray[np.float64], Targets]:
        """Return the weights of rows, (N,), or of their cells, (N, L), and the targets that count.

        A cell of weight 0 is as if its target were missing. The weight of a cell is that of its row
        times its own, which may be missing where the target is, and is then 1.

        Args:
            table: with all of these columns.
            targets: (N, L).
            labels: names, (L,).

        Raises:
            LabelError: a weight is missing, not a number, negative or above HEAVIEST; or the labels
                are no columns.
        """
        import numpy as np

        from imbalance_cli.labels.targets import MISSING, DenseTargets

        rows = None if self.row is None else read_sample_weights(table, self.row)
        if not self.cells:
            return np.ones(len(targets)) if rows is None else rows, targets
        if not isinstance(targets, DenseTargets):
            raise LabelError(
                f"{table.name}: the labels are listed row by row, and so cells have no weights",
                hint="a table with a column a label, or data.sample_weight, a weight a row",
            )
        weights = np.ones(targets.shape)
        for number, label in enumerate(labels):
            if label in self.cells:
                is_known = targets.cells[:, number] != MISSING
                weights[:, number] = read_sample_weights(table, self.cells[label], is_known)
        is_out = weights == 0
        weights *= 1 if rows is None else rows[:, None]
        if is_out.any():
            targets = DenseTargets(np.where(is_out, np.int8(MISSING), targets.cells))
        return weights, targets

    def no_weight(self, name: str) -> LabelError:
        """Return the error that no row of a source counts."""
        columns = list_names([repr(column) for column in self.columns], most=3)
        return LabelError(
            f"{name}: column{'s' * (len(self.columns) > 1)} {columns}: every sample weight is 0",
            hint="a sample weight says how much a row counts",
        )


def choose_cell_weights(
    given: CellWeights | None,
    labels: Sequence[str],
    source: Source,
    others: Mapping[str, str],
    asked_by: str,
) -> dict[str, str]:
    """Return the column that holds the weights of each label's cells; not all have to have one.

    Args:
        given: says which; None for none.
        labels: names, (L,), which are columns.
        source: of the columns.
        others: what other columns are.
        asked_by: the key or the option, for errors.

    Raises:
        ConfigError: a label or column is not there, or a column is something else.
    """
    if isinstance(given, str) and MARK not in given and given not in source.keys:
        raise ConfigError(
            f"{asked_by}: {given!r} is the same column for every label",
            hint=f"a pattern such as {MARK}_weight, or a column by label: {{{labels[0]}: "
            f"{given}}}; a weight a row is data.sample_weight",
        )
    chosen = name_cell_weights(given, labels, source, asked_by)
    unknown = [label for label in chosen if label not in labels]
    if unknown:
        raise ConfigError(
            f"{asked_by}: no label {unknown[0]!r}; the labels are {list_names(labels)}",
            hint=nearest(unknown[0], labels),
        )
    for label, column in chosen.items():
        if column in labels:
            raise ConfigError(
                f"{asked_by}: {column!r}, for the weights of {label!r}, is a label",
                hint="if a glob of the labels matches it, name the labels",
            )
        require_column(column, source, asked_by)
        if column in others:
            raise ConfigError(
                f"{asked_by}: {column!r}, for the weights of {label!r}, is also {others[column]}",
                hint="a column has one meaning; a row's weight multiplies those of its cells",
            )
    return chosen


def name_cell_weights(
    given: CellWeights | None, labels: Sequence[str], source: Source, asked_by: str
) -> dict[str, str]:
    """Return what the column of each label's weights is called, whether or not it is there.

    Raises:
        ConfigError: an array has more or fewer columns than there are labels.
    """
    if not isinstance(given, str):
        return dict(given or {})
    columns = source.keys.get(given)
    if MARK in given or columns is None:
        return {label: given.replace(MARK, label) for label in labels}
    if len(columns) != len(labels):
        raise ConfigError(
            f"{asked_by}: the array {given!r} has {number_of(len(columns), 'column')} for "
            f"{number_of(len(labels), 'label')}",
            hint="an array with a column a label",
        )
    return dict(zip(labels, columns, strict=True))


def describe_heaviest(column: str, heaviest: float, total: float, rows: int) -> list[str]:
    """Return a sentence where one row of many has a good part of all weight.

    Args:
        column: of the weights.
        heaviest: the largest weight.
        total: the sum of all weights.
        rows: how many there are.
    """
    if heaviest < max(LARGEST_SHARE, LARGEST_MULTIPLE / max(rows, 1)) * total or not total:
        return []
    share = f"{show_percent(heaviest / total)} of all sample weight ({heaviest:,.10g})"
    meaning = "what is counted, learned and measured depends on that row"
    return [f"column {column!r}: one row of {rows:,} has {share}: {meaning}"]


def read_sample_weights(
    table: Table, column: str, is_known: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return each row's weight, (N,); a weight of 2 is as the row standing there twice.

    Args:
        table: with the column.
        column: of the weights.
        is_known: (N,) whether the row needs a weight; without one, a row that does not has 1. None
            for all.

    Raises:
        LabelError: a weight is missing, not a number, negative or above HEAVIEST.
    """
    import numpy as np

    from imbalance_cli.readers.cells import parse_numbers, parse_texts

    parsed = parse_numbers(table.frame[column])
    weights = parsed.values.to_numpy().astype(np.float64)
    if is_known is not None and not is_known.all():
        blank = parse_texts(table.frame[column]).is_null().to_numpy()
        weights[np.isnan(weights) & blank & ~is_known] = 1
    wrong = ~((weights >= 0) & (weights <= HEAVIEST))
    if wrong.any():
        row = int(wrong.argmax())
        seen = show_cell(table.frame[column][row])
        raise LabelError(
            f"{table.place(row)}: column {column!r}: {seen} is not a sample weight",
            hint=f"a sample weight is a number from 0 to {HEAVIEST:g}; 0 leaves the "
            f"{'row' if is_known is None else 'cell'} out",
        )
    return weights
