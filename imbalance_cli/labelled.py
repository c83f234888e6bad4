"""From the sources of a config to labelled rows, cut into train, valid and test.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import glob
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import ConfigError, LabelError, SourceError, SplitError, nearest
from imbalance_cli.labels import (
    encode_labels,
    list_names,
    match_columns,
    no_label_found,
    select_labels,
)
from imbalance_cli.readers import Table, open_source, read_table, stack_tables
from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts
from imbalance_cli.splits import PARTS, Split, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.config import Config, DataSection
    from imbalance_cli.readers.source import Source


@dataclasses.dataclass(frozen=True)
class Roles:
    """What the columns of a source are.

    Attributes:
        labels: what is learned, L of them.
        features: what it is learned from.
        group: whose rows stay together.
        time: what orders the rows.
    """

    labels: list[str]
    features: list[str]
    group: str | None
    time: str | None

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        others = [column for column in (self.group, self.time) if column is not None]
        return list(dict.fromkeys([*self.features, *self.labels, *others]))


@dataclasses.dataclass(frozen=True)
class LabelledTable:
    """Rows with their targets, cut into parts.

    Attributes:
        table: the columns.
        targets: (N, L) float32, NaN where missing.
        split: the rows of each part.
        sources: the names of what each part was read from.
        groups: (N,) the number of each row's group, where there are groups.
    """

    table: Table
    targets: NDArray[np.float32]
    split: Split
    sources: dict[str, str]
    groups: NDArray[np.intp] | None = None


def positive_text(data: DataSection) -> str | None:
    """Return the text that means 1, as the cells are written."""
    if data.positive is None:
        return None
    return str(data.positive).lower() if isinstance(data.positive, bool) else str(data.positive)


def read_labelled(config: Config) -> tuple[Roles, LabelledTable]:
    """Read the sources of a config, encode the labels and cut the rows into parts.

    Raises:
        ImbtrainError: a source, a column or a cell cannot be used, or the rows cannot be cut.
    """
    data = config.data
    names = {"train": data.train, "valid": data.valid or [], "test": data.test or []}
    sources = {part: _open(names[part], part) for part in PARTS if names[part]}
    _refuse_shared_files(sources)
    roles = assign_roles(data, sources["train"][0])
    _check_columns([source for part in sources.values() for source in part], roles.columns)
    tables = {part: read_table(opened, roles.columns) for part, opened in sources.items()}
    table = stack_tables(list(tables.values()), ", ".join(table.name for table in tables.values()))
    targets = encode_labels(table, roles.labels, positive_text(data))
    targets, kept = apply_missing_policy(data, table, targets, roles.labels)
    heights = [tables[part].frame.height if part in tables else 0 for part in PARTS]
    groups = None if roles.group is None else _group_numbers(table, roles.group)
    given = np.repeat(np.arange(len(PARTS)), heights)
    split = _split(config, roles, table, targets, given, kept, groups=groups)
    _check_split(split, targets, roles.labels)
    shown = {
        part: list_names([source.name for source in sources.get(part, sources["train"])], most=3)
        for part in PARTS
    }
    return roles, LabelledTable(table, targets, split, shown, groups)


def _refuse_shared_files(sources: dict[str, list[Source]]) -> None:
    """Raise where a file is given for two parts, since its rows would be in both."""
    parts: dict[str, str] = {}
    for part, opened in sources.items():
        for source in opened:
            path = str(Path(source.name).resolve())
            if parts.setdefault(path, part) != part:
                raise SplitError(
                    f"data.{part}: {source.name} is in data.{parts[path]} as well",
                    hint="leave one of them out, and the part is cut from train",
                )


def assign_roles(data: DataSection, source: Source) -> Roles:
    """Say what each column of a source is.

    Raises:
        ConfigError: a column named in the config is not there, or has two roles.
        LabelError: no label is found.
    """
    labels = select_labels(source.columns, data.labels, source.name)
    if labels is None:
        raise no_label_found(source)
    for key in ("group", "time"):
        column = getattr(data, key)
        if column is not None and column not in source.columns:
            raise ConfigError(
                f"data.{key}: {source.name} has no column {column!r}; "
                f"the columns are {list_names(source.columns)}",
                hint=nearest(column, source.columns),
            )
        if column in labels:
            raise ConfigError(f"data.{key}: {column!r} is a label")
    excluded = match_columns(data.exclude, source.columns, f"data.exclude: {source.name}")
    both = [label for label in labels if label in excluded]
    if both:
        raise ConfigError(f"data.exclude: {both[0]!r} is a label")
    taken = {*labels, *excluded, data.group, data.time}
    features = [column for column in source.columns if column not in taken]
    return Roles(labels, features, data.group, data.time)


def _open(names: Sequence[str], part: str) -> list[Source]:
    paths: dict[str, None] = {}  # two globs may match one file
    for name in names:
        is_glob = any(mark in name for mark in "*?[") and not Path(name).exists()
        matches = sorted(glob.glob(name, recursive=True)) if is_glob else [name]  # noqa: PTH207  Path.glob takes no absolute pattern
        if not matches:
            raise SourceError(f"data.{part}: no file matches {name!r}")
        paths |= dict.fromkeys(matches)
    return [open_source(path) for path in paths]


def _check_columns(sources: Sequence[Source], columns: Sequence[str]) -> None:
    first, *others = sources
    for source in others:
        missing = [column for column in columns if column not in source.columns]
        if missing:
            shown = ", ".join(map(repr, missing))
            raise SourceError(
                f"{source.name}: without the column{'s' if len(missing) > 1 else ''} {shown}, "
                f"which {first.name} has",
                hint=nearest(missing[0], source.columns),
            )


def apply_missing_policy(
    data: DataSection, table: Table, targets: NDArray[np.float32], labels: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return targets, and which rows stay, (N,), under data.missing_labels.

    Raises:
        LabelError: a label is missing and the policy is `error`.
    """
    missing = np.isnan(targets)
    if data.missing_labels == "error" and missing.any():
        row, label = (int(index) for index in np.argwhere(missing)[0])
        raise LabelError(
            f"{table.place(row)}: column {labels[label]!r}: the label is missing, and "
            "data.missing_labels is error",
            hint="data.missing_labels: mask, negative or drop",
        )
    if data.missing_labels == "negative":
        return np.nan_to_num(targets, nan=0.0), np.ones(len(targets), np.bool_)
    if data.missing_labels == "drop":
        incomplete = missing.sum(axis=1) > 0
        return np.where(incomplete[:, None], np.float32(np.nan), targets), ~incomplete
    return targets, np.ones(len(targets), np.bool_)


def _split(
    config: Config,
    roles: Roles,
    table: Table,
    targets: NDArray[np.float32],
    given: NDArray[np.intp],
    kept: NDArray[np.bool_],
    *,
    groups: NDArray[np.intp] | None,
) -> Split:
    """Cut the rows of the train sources; rows of given parts stay where they are."""
    is_given = {part: bool((given == PARTS.index(part)).any()) for part in PARTS}
    shares = [
        0.0 if is_given["valid"] else config.split.valid,
        0.0 if is_given["test"] else config.split.test,
    ]
    rows = np.flatnonzero((given == 0) & kept)
    times = None if roles.time is None else _read_times(table, roles.time)
    if sum(shares) == 0:
        split = Split("given", np.arange(len(rows)), *(np.empty(0, np.intp) for _ in range(2)))
    else:
        split = cut(
            targets[rows],
            config.split,
            shares=(1 - sum(shares), *shares),
            groups=None if groups is None else groups[rows],
            times=None if times is None else times[rows],
        )
    parts = [rows[part] for part in (split.train, split.valid, split.test)]
    for number in (1, 2):
        if is_given[PARTS[number]]:
            parts[number] = np.flatnonzero((given == number) & kept)
    return Split(split.strategy, *parts)


def _group_numbers(table: Table, column: str) -> NDArray[np.intp]:
    cells = parse_texts(table.frame[column])
    if cells.null_count():
        row = cells.is_null().arg_max() or 0
        raise SplitError(f"{table.place(row)}: column {column!r}: the group is missing")
    return cells.rank("dense").to_numpy().astype(np.intp) - 1


def _read_times(table: Table, column: str) -> NDArray[np.float64]:
    numbers, dates = parse_numbers(table.frame[column]), parse_dates(table.frame[column])
    parsed = numbers if numbers.bad_row is None else dates
    missing = parsed.values.is_null()
    if missing.any():
        row = missing.arg_max() or 0
        raise SplitError(
            f"{table.place(row)}: column {column!r}: {table.frame[column][row]!r} is not a time",
            hint="numbers, or dates such as 2013-02-08 or 2013-02-08 17:30:00",
        )
    return parsed.values.to_numpy()


def _check_split(split: Split, targets: NDArray[np.float32], labels: Sequence[str]) -> None:
    """Raise where no label has both classes in every part, since nothing could be reported.

    Raises:
        SplitError: it names the label with the most positives.
    """
    if not len(split.valid):
        raise SplitError(
            "split.valid is 0: early stopping, calibration and thresholds need validation rows",
            hint="split.valid: 0.15, or data.valid",
        )
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    parts = {part: rows for part, rows in parts.items() if len(rows)}
    both = [
        (targets[rows] == 1).any(axis=0) & (targets[rows] == 0).any(axis=0)
        for rows in parts.values()
    ]
    if np.logical_and.reduce(both).any():
        return
    label = int((targets == 1).sum(axis=0).argmax())
    counts = {
        part: (int((targets[rows, label] == 1).sum()), int((targets[rows, label] == 0).sum()))
        for part, rows in parts.items()
    }
    shown = ", ".join(f"{part} {pos} and {neg}" for part, (pos, neg) in counts.items())
    raise SplitError(
        f"the split is too small for label {labels[label]!r}: positives and negatives are {shown}, "
        "and each part needs one of both",
        hint="more rows, or parts of other sizes"
        if split.strategy in {"time", "given"}
        else "more rows, larger split.valid and split.test, or another split.seed",
    )
