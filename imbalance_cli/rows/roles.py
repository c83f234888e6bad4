"""What each column of a source is: a label, a feature, or what else is known of its rows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.errors import ConfigError, LabelError
from imbalance_cli.labels import match_columns, no_label_found, require_column, select_labels
from imbalance_cli.labels.sample_weights import WeightColumns, choose_cell_weights
from imbalance_cli.readers.arrays import is_bare
from imbalance_cli.readers.joined import is_targets_file
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import DataSection
    from imbalance_cli.readers.source import Source

UNWEIGHTED = WeightColumns()


@dataclasses.dataclass(frozen=True)
class Roles:
    """What the columns of a source are.

    Attributes:
        label_columns: what the labels are read from.
        features: what they are learned from.
        group: whose rows stay together.
        time: what orders the rows.
        part: what names the part of each row.
        weights: what weighs the rows, and the cells of labels.
        slices: by whose values the report is broken down; they may be features, too.
    """

    label_columns: list[str]
    features: list[str]
    group: str | None = None
    time: str | None = None
    part: str | None = None
    weights: WeightColumns = UNWEIGHTED
    slices: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        return list(dict.fromkeys([*self.features, *self.keys]))

    @property
    def keys(self) -> list[str]:
        """All columns that are read for more than their features."""
        singles = (self.group, self.time, self.part)
        others = [column for column in singles if column is not None]
        others += self.weights.columns
        return list(dict.fromkeys([*self.label_columns, *others, *self.slices]))

    @property
    def written(self) -> list[str]:
        """The columns that hold numbers, dates or categories, in one notation or another."""
        times = [] if self.time is None else [self.time]
        return list(dict.fromkeys([*self.features, *times, *self.weights.columns, *self.slices]))


def assign_roles(data: DataSection, source: Source, slices: Sequence[str] = ()) -> Roles:
    """Say what each column of a source is.

    Args:
        data: says it.
        source: of the columns.
        slices: report.slices, names or globs.

    Raises:
        ConfigError: a column named in the config is not there, or has two roles.
        LabelError: no label is found.
    """
    files = [name for name in data.labels if is_targets_file(name, source)]
    patterns = [name for name in data.labels if name not in files]
    if is_bare(source) and not patterns:
        raise LabelError(
            f"{source.name}: one array, which cannot hold features and labels both",
            hint="data.labels: [targets.npy], the file that holds the labels; or its columns that "
            f"are labels, such as data.labels: [{quote(source.columns[0])}]",
        )
    labels = select_labels(source.columns, patterns, source.name, source)
    if labels is None:
        raise no_label_found(source)
    keys = ("group", "time", "part", "sample_weight")
    singles = {key: getattr(data, key) for key in keys}
    for key, column in singles.items():
        if column is not None:
            require_column(column, source, f"data.{key}")
        if column in labels:
            raise ConfigError(f"data.{key}: {column!r} is a label")
    where = f"data.exclude: {source.name}"
    excluded = match_columns(data.exclude, source.columns, where, keys=source.keys)
    both = [label for label in labels if label in excluded]
    if both:
        raise ConfigError(f"data.exclude: {both[0]!r} is a label")
    weights = WeightColumns(
        singles.pop("sample_weight"), _choose_cell_weights(data, labels, source)
    )
    # what a format itself calls a label or a group is never a feature, asked for or not
    own = {*source.own_labels, *source.own_groups}
    taken = {*labels, *excluded, *singles.values(), *weights.columns, *own}
    features = [column for column in source.columns if column not in taken]
    chosen = choose_slices(slices, source, labels, "report.slices")
    return Roles(labels, features, **singles, weights=weights, slices=chosen)


def _choose_cell_weights(
    data: DataSection, labels: Sequence[str], source: Source
) -> dict[str, str]:
    """Return the column that weighs the cells of each label that has one.

    Raises:
        ConfigError: there is none such, it is something else, or the labels are no columns.
    """
    if data.cell_weights is not None and data.encoding in {"one_vs_rest", "tags"}:
        raise ConfigError(
            f"data.cell_weights: labels of data.encoding {data.encoding} are values of one column, "
            "and have no column of weights each",
            hint="data.sample_weight, a weight a row; or a column a label",
        )
    others = dict.fromkeys(data.categories, "one of data.categories")
    for key in ("sample_weight", "group", "time", "part"):
        others[getattr(data, key)] = f"data.{key}"
    return choose_cell_weights(data.cell_weights, labels, source, others, "data.cell_weights")


def choose_slices(
    patterns: Sequence[str], source: Source, labels: Sequence[str], asked_by: str
) -> tuple[str, ...]:
    """Return the columns of a source that names or globs ask to break a report down by.

    Raises:
        ConfigError: there is no such column, or it is a label.
    """
    where = f"{asked_by}: {source.name}"
    chosen = match_columns(patterns, source.columns, where, keys=source.keys)
    both = [column for column in chosen if column in labels]
    named = [column for column in both if column in patterns]
    if named:
        raise ConfigError(f"{asked_by}: {named[0]!r} is a label")
    return tuple(column for column in chosen if column not in both)
