"""From the sources of a config to labelled rows, cut into train, valid and test.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
import glob
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import ConfigError, LabelError, SourceError, SplitError, nearest
from imbalance_cli.labels import (
    list_names,
    match_columns,
    no_label_found,
    only_column,
    require_column,
    select_labels,
)
from imbalance_cli.labels.encoding import LabelEncoder, Vocabulary, apply_missing_policy
from imbalance_cli.labels.sample_weights import read_sample_weights
from imbalance_cli.readers import Table, open_source, read_columns, read_table, stack_tables
from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts
from imbalance_cli.readers.joined import JoinedSource
from imbalance_cli.readers.streams import STDIN
from imbalance_cli.splits import PARTS, Split, check_disjoint, check_order, cut, cut_by_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.config import Config, DataSection
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.readers.source import Source


@dataclasses.dataclass(frozen=True)
class Roles:
    """What the columns of a source are.

    Attributes:
        label_columns: what the labels are read from.
        features: what they are learned from.
        group: whose rows stay together.
        time: what orders the rows.
        part: what names the part of each row.
        sample_weight: what weighs the rows.
    """

    label_columns: list[str]
    features: list[str]
    group: str | None = None
    time: str | None = None
    part: str | None = None
    sample_weight: str | None = None

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        return list(dict.fromkeys([*self.features, *self.keys]))

    @property
    def keys(self) -> list[str]:
        """All columns that are read and are no features."""
        singles = (self.group, self.time, self.part, self.sample_weight)
        others = [column for column in singles if column is not None]
        return list(dict.fromkeys([*self.label_columns, *others]))


@dataclasses.dataclass(frozen=True)
class LabelledTable:
    """Rows with their targets, cut into parts.

    Attributes:
        table: the columns; without the features where those are streamed.
        labels: names, (L,).
        targets: (N, L).
        split: the rows of each part.
        sources: the names of what each part was read from.
        groups: (N,) the number of each row's group, where there are groups.
        weights: (N,) sample weights, where there are any.
        remarks: what was noticed while the labels were read.
        reopen: opens the sources again, whose rows one after the other are those of the table.
    """

    table: Table
    labels: list[str]
    targets: Targets
    split: Split
    sources: dict[str, str]
    groups: NDArray[np.intp] | None = None
    weights: NDArray[np.float64] | None = None
    remarks: list[str] = dataclasses.field(default_factory=list)
    reopen: Callable[[], list[Source]] = list


def positive_text(data: DataSection) -> str | None:
    """Return the text that means 1, as the cells are written."""
    if data.positive is None:
        return None
    return str(data.positive).lower() if isinstance(data.positive, bool) else str(data.positive)


def read_labelled(config: Config, *, with_features: bool = True) -> tuple[Roles, LabelledTable]:
    """Read the sources of a config, encode the labels and cut the rows into parts.

    Args:
        config: names the sources, and what their columns are.
        with_features: whether the table holds the features; else they are for others to stream.

    Raises:
        ImbtrainError: a source, a column or a cell cannot be used, or the rows cannot be cut.
    """
    data = config.data
    sources = _open_parts(data)
    _refuse_shared_files(sources)
    roles = assign_roles(data, sources["train"][0])
    _check_columns([source for part in sources.values() for source in part], roles.columns)
    if with_features:
        tables = {part: read_table(opened, roles.columns) for part, opened in sources.items()}
    else:
        tables = {
            part: read_columns(functools.partial(_reopen, data, roles, part), roles.keys)
            for part in sources
        }
    table = stack_tables(list(tables.values()), ", ".join(table.name for table in tables.values()))
    encoder, remarks = fit_encoder(config, table, roles.label_columns)
    targets = encoder.encode(table)
    remarks += _remark_on_blanks(data, targets, encoder)
    targets, kept = apply_missing_policy(data.missing_labels, table, targets, encoder.labels)
    weights = None
    if roles.sample_weight is not None:
        weights = read_sample_weights(table, roles.sample_weight)
        if not weights.any():
            raise LabelError(
                f"{table.name}: column {roles.sample_weight!r}: every sample weight is 0",
                hint="a sample weight says how much a row counts",
            )
        kept &= weights > 0
    heights = [tables[part].frame.height if part in tables else 0 for part in PARTS]
    groups = None if roles.group is None else _group_numbers(table, roles.group)
    given = np.repeat(np.arange(len(PARTS)), heights)
    if roles.part is None:
        split = _split(config, roles, table, targets, given, kept, groups=groups)
    else:
        split = _split_by_names(table, roles.part, kept)
    _check_given_parts(table, roles, split, groups)
    _check_split(split, targets, encoder.labels)
    shown = {
        part: list_names([source.name for source in sources.get(part, sources["train"])], most=3)
        for part in PARTS
    }
    reopen = functools.partial(_reopen, data, roles)
    return roles, LabelledTable(
        table, encoder.labels, targets, split, shown, groups, weights, remarks, reopen
    )


def _open_parts(data: DataSection) -> dict[str, list[Source]]:
    names = {"train": data.train, "valid": data.valid or [], "test": data.test or []}
    return {part: open_sources(names[part], part, data) for part in PARTS if names[part]}


def _reopen(data: DataSection, roles: Roles, part: str | None = None) -> list[Source]:
    """Open the sources of a part again, or of all of them."""
    parts = _open_parts(data)
    sources = [source for opened in parts.values() for source in opened]
    _check_columns(sources, roles.columns)
    return sources if part is None else parts[part]


def fit_encoder(config: Config, table: Table, columns: list[str]) -> tuple[LabelEncoder, list[str]]:
    """Return how the label columns of a table are read, and what to remark on.

    Raises:
        LabelError: there are several columns of classes or tags, or too few or too many of them.
    """
    data = config.data
    if data.encoding in {"auto", "binary"}:
        return encoder_of(data, columns, columns), []
    column = only_column(columns, data.encoding, table.name)
    vocabulary = Vocabulary(column, data.encoding, data.tag_separator)  # type: ignore[arg-type]
    vocabulary.add(table)
    labels = vocabulary.labels(table.name)
    rare = vocabulary.rare(config.thresholds.minimum_positives)
    remarks = []
    if rare:
        kind = "classes" if data.encoding == "one_vs_rest" else "tags"
        remarks.append(
            f"{len(rare)} {kind} of {column!r} in fewer than {config.thresholds.minimum_positives} "
            f"rows (thresholds.minimum_positives): {list_names(rare, most=10)}"
        )
    return encoder_of(data, columns, labels), remarks


def encoder_of(data: DataSection, columns: list[str], labels: list[str]) -> LabelEncoder:
    """Return how the columns are read into labels that are known."""
    encoding = "binary" if data.encoding == "auto" else data.encoding
    return LabelEncoder(encoding, columns, labels, positive_text(data), data.tag_separator)


def _remark_on_blanks(data: DataSection, targets: Targets, encoder: LabelEncoder) -> list[str]:
    """Say that a blank cell of tags is missing, since some mean no tags by it."""
    blank = int(targets.incomplete_rows().sum())
    if not blank or encoder.encoding != "tags" or "missing_labels" in data.model_fields_set:
        return []
    remark = (
        f"{blank:,} cells of {encoder.columns[0]!r} are blank and so count as missing; "
        "data.missing_labels: negative makes them rows without tags"
    )
    return [remark]


def _split_by_names(table: Table, column: str, kept: NDArray[np.bool_]) -> Split:
    split = cut_by_names(table.frame[column], table.place)
    parts = [part[kept[part]] for part in (split.train, split.valid, split.test)]
    return Split(split.strategy, *parts)


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
    files = [name for name in data.labels if is_targets_file(name, source)]
    patterns = [name for name in data.labels if name not in files]
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
    taken = {*labels, *excluded, *singles.values()}
    features = [column for column in source.columns if column not in taken]
    return Roles(labels, features, **singles)


def open_sources(names: Sequence[str], part: str, data: DataSection) -> list[Source]:
    """Open the sources of a part; where the labels are a file, its columns stand beside them.

    Raises:
        SourceError: no file matches, or one cannot be opened.
        ConfigError: a file of labels goes with several sources, or with a part given apart.
    """
    sources = [open_source(path, data.input_format) for path in _match_paths(names, part)]
    return [_join_targets(source, part, data, len(sources)) for source in sources]


def find_files(data: DataSection) -> list[Path]:
    """Return every file that the sources of a config are read from; stdin is none.

    Raises:
        SourceError: no file matches.
    """
    parts = {"train": data.train, "valid": data.valid or [], "test": data.test or []}
    names = [path for part, given in parts.items() for path in _match_paths(given, part)]
    found = [Path(name) for name in names if name != STDIN]
    found += [Path(name) for name in data.labels if Path(name).is_file()]
    return [
        file
        for path in found
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file()
    ]


def _match_paths(names: Sequence[str], part: str) -> list[str]:
    """Return the paths that names and globs stand for, each once."""
    paths: dict[str, None] = {}  # two globs may match one file
    for name in names:
        is_glob = any(mark in name for mark in "*?[") and not Path(name).exists()
        matches = sorted(glob.glob(name, recursive=True)) if is_glob else [name]  # noqa: PTH207  Path.glob takes no absolute pattern
        if not matches:
            raise SourceError(f"data.{part}: no file matches {name!r}")
        paths |= dict.fromkeys(matches)
    return list(paths)


def is_targets_file(name: str, source: Source) -> bool:
    """Return whether a name of data.labels is a file, rather than columns of the source."""
    known = name in source.columns or name in source.keys
    return not known and Path(name).is_file()


def _join_targets(source: Source, part: str, data: DataSection, sources: int) -> Source:
    files = [name for name in data.labels if is_targets_file(name, source)]
    if not files:
        return source
    if len(data.labels) > 1 or sources > 1 or part != "train":
        raise ConfigError(
            f"data.labels: {files[0]}: a file of labels goes with one source of data.train alone",
            hint="one file that holds features and labels, by key, for each part",
        )
    return JoinedSource(source, open_source(files[0]))


def _check_columns(sources: Sequence[Source], columns: Sequence[str]) -> None:
    first, *others = sources
    for source in others:
        source.include(columns)
        missing = [column for column in columns if column not in source.columns]
        if missing:
            shown = ", ".join(map(repr, missing))
            raise SourceError(
                f"{source.name}: without the column{'s' if len(missing) > 1 else ''} {shown}, "
                f"which {first.name} has",
                hint=nearest(missing[0], source.columns),
            )


def _split(
    config: Config,
    roles: Roles,
    table: Table,
    targets: Targets,
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
            targets.take(rows),
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


def _check_given_parts(
    table: Table, roles: Roles, split: Split, groups: NDArray[np.intp] | None
) -> None:
    """Raise where parts that were given share a group, or are not in the order of time."""

    def show(column: str) -> Callable[[int], str]:
        return lambda row: f"{table.place(row)}: {column} {table.frame[column][row]}"

    if groups is not None and roles.group is not None:
        check_disjoint(groups, split.rows_of_parts(), show(roles.group))
    if roles.time is not None and split.strategy in {"time", "given"}:
        times = _read_times(table, roles.time)
        check_order(times, split.rows_of_parts(), show(roles.time))


def _check_split(split: Split, targets: Targets, labels: Sequence[str]) -> None:
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
    sides = {part: targets.take(rows).counts()[:2] for part, rows in parts.items()}
    if np.logical_and.reduce([(counts > 0).all(axis=0) for counts in sides.values()]).any():
        return
    label = int(targets.counts()[0].argmax())
    counts = {part: counted[:, label].astype(int) for part, counted in sides.items()}
    shown = ", ".join(f"{part} {pos} and {neg}" for part, (pos, neg) in counts.items())
    raise SplitError(
        f"the split is too small for label {labels[label]!r}: positives and negatives are {shown}, "
        "and each part needs one of both",
        hint="more rows, or parts of other sizes"
        if split.strategy in {"time", "given"}
        else "more rows, larger split.valid and split.test, or another split.seed",
    )
