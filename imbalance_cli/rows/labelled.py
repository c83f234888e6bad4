"""From the sources of a config to labelled rows, cut into train, valid and test.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from imbalance_cli.errors import (
    LONGEST_SHOWN,
    ConfigError,
    FeatureError,
    LabelError,
    SourceError,
    SplitError,
    nearest,
    number_of,
    shorten,
)
from imbalance_cli.features.kinds import list_ways
from imbalance_cli.labels import (
    LabelCounts,
    list_names,
    match_columns,
    no_label_found,
    only_column,
    require_column,
    select_labels,
)
from imbalance_cli.labels.encoding import LabelEncoder, Vocabulary
from imbalance_cli.notation import (
    Notation,
    NotationScan,
    NotationSettings,
    apply_notations,
    choose_notations,
)
from imbalance_cli.progress import follow, tell_nobody
from imbalance_cli.readers import (
    Table,
    find_row,
    open_source,
    read_table,
    stack_tables,
    stream_tables,
)
from imbalance_cli.readers.frames import FrameSource
from imbalance_cli.readers.joined import JoinedSource, is_file, is_targets_file
from imbalance_cli.readers.partitions import find_parts
from imbalance_cli.readers.plain_numbers import read_columns
from imbalance_cli.readers.renamed import is_bare
from imbalance_cli.readers.streams import STDIN
from imbalance_cli.rows.keys import KeyColumns, KeyReader
from imbalance_cli.splits import (
    PARTS,
    Split,
    apportion,
    check_disjoint,
    check_order,
    cut,
    cut_by_numbers,
    is_far,
)
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.config import Config, DataSection
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers.source import Source
    from imbalance_cli.rows.keys import RowKeys


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

    @property
    def written(self) -> list[str]:
        """The columns that hold numbers, dates or categories, in one notation or another."""
        others = [column for column in (self.time, self.sample_weight) if column is not None]
        return list(dict.fromkeys([*self.features, *others]))


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
        notations: how columns are written, where it is not the usual way.
        notes: what was decided about them.
        reopen: opens the sources again, whose rows one after the other are those of the table.
    """

    table: Table
    labels: list[str]
    targets: Targets
    split: Split
    sources: dict[str, str]
    groups: NDArray[np.integer[Any]] | None = None
    weights: NDArray[np.float64] | None = None
    remarks: list[str] = dataclasses.field(default_factory=list)
    notations: dict[str, Notation] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    reopen: Callable[[], list[Source]] = list


def positive_text(data: DataSection) -> str | None:
    """Return the text that means 1, as the cells are written."""
    if data.positive is None:
        return None
    return str(data.positive).lower() if isinstance(data.positive, bool) else str(data.positive)


def read_labelled(
    config: Config, *, with_features: bool = True, tell: Tell = tell_nobody
) -> tuple[Roles, LabelledTable]:
    """Read the sources of a config, encode the labels and cut the rows into parts.

    Args:
        config: names the sources, and what their columns are.
        with_features: whether the table holds the features; else they are for others to stream.
        tell: is told how many rows are read.

    Raises:
        ImbtrainError: a source, a column or a cell cannot be used, or the rows cannot be cut.
    """
    data = config.data
    sources = _open_parts(data)
    _refuse_shared_files(sources)
    roles = assign_roles(data, sources["train"][0])
    _check_columns([source for part in sources.values() for source in part], roles.columns)
    reopen = functools.partial(_reopen, data, roles)
    name = ", ".join(source.name for part in sources.values() for source in part)
    if with_features:
        tables = {part: read_table(opened, roles.columns, tell) for part, opened in sources.items()}
        notations, notes = _read_notations(data, roles, tables.values(), name)
        tables = {part: apply_notations(table, notations) for part, table in tables.items()}
        table = stack_tables(list(tables.values()), name)
        encoder, remarks = fit_encoder(config, [table], name, roles.label_columns)
        parts: dict[str, Iterable[Table]] = {part: [table] for part, table in tables.items()}
    else:
        table = Table(name, pl.DataFrame(), lambda row: find_row(reopen(), roles.keys, row)[0])
        seen = stream_tables(reopen(), roles.written, sparse=False)
        notations, notes = _read_notations(data, roles, seen, name)
        cells = stream_tables(reopen(), roles.label_columns)
        encoder, remarks = fit_encoder(config, cells, name, roles.label_columns)
        streams = {part: stream_tables(opened, roles.keys) for part, opened in sources.items()}
        parts = {
            part: follow(
                (apply_notations(table, notations) for table in tables),
                tell,
                "reading labels",
                lambda table: table.frame.height,
            )
            for part, tables in streams.items()
        }
    given, keys = _read_keys(data, roles, encoder, parts, name)
    remarks += [r for part in sources.values() for source in part for r in source.remarks]
    _check_sides(name, keys.targets.take(keys.kept), encoder.labels)
    if keys.parts is None:
        split = _split(config, keys, given)
    else:
        split = cut_by_numbers(keys.parts, f"{name}: column {roles.part!r}")
        split = Split(split.strategy, *(p[keys.kept[p]] for p in split.rows_of_parts().values()))

    def show(column: str, row: int) -> str:
        place, found = table.place(row), table.frame[row : row + 1]
        if not with_features:
            place, streamed = find_row(reopen(), roles.keys, row)
            found = streamed.frame
        return f"{place}: {column} {shorten(str(found[column][0]), LONGEST_SHOWN)}"

    _check_given_parts(roles, keys, split, show)
    if roles.part is not None:
        _check_part(roles.part, split, name)
    _check_split(split, keys.targets, encoder.labels)
    remarks += _remark_on_sizes(config, split)
    shown = {
        part: list_names([source.name for source in sources.get(part, sources["train"])], most=3)
        for part in PARTS
    }
    return roles, LabelledTable(
        table,
        encoder.labels,
        keys.targets,
        split,
        shown,
        keys.groups,
        keys.weights,
        remarks,
        notations,
        notes,
        reopen,
    )


def _notation_settings(data: DataSection, columns: Sequence[str], name: str) -> NotationSettings:
    """Return what a config says of how the columns of a source are written.

    Raises:
        ConfigError: it names a column that is not there.
    """
    words = data.missing_values if isinstance(data.missing_values, dict) else {}
    for key, given in (("missing_values", words), ("date_format", data.date_format)):
        for column in given:
            if column not in columns:
                raise ConfigError(
                    f"data.{key}: {name} has no column {column!r}", hint=nearest(column, columns)
                )
    missing: dict[str | None, tuple[str, ...]] = {
        column: tuple(map(str, texts)) for column, texts in words.items()
    }
    if not isinstance(data.missing_values, dict):
        missing[None] = tuple(map(str, data.missing_values))
    return NotationSettings(
        data.decimal,
        data.thousands,
        data.date_format,
        missing,
        frozenset(match_columns(data.categories, columns, f"data.categories: {name}")),
    )


def _read_notations(
    data: DataSection, roles: Roles, tables: Iterable[Table], name: str
) -> tuple[dict[str, Notation], list[str]]:
    """Return how columns are written, where it is not the usual way, and what was decided.

    Args:
        data: says what is known of it.
        roles: which columns there are.
        tables: hold them; streamed ones are read up to where every column is clear.
        name: of the sources, for errors.

    Raises:
        ConfigError: the config names a column that is not there.
        FeatureError: a column can be read in two ways, or in none.
    """
    settings = _notation_settings(data, roles.columns, name)
    scans: dict[str, NotationScan] = {}
    for table in tables:
        open_columns = []
        for column in roles.written:
            scan = scans.setdefault(column, NotationScan(settings.missing_of(column)))
            if table.frame[column].dtype == pl.String and not scan.is_clear:
                open_columns.append(column)
        for column, numbers in read_columns(table.frame, open_columns):
            scans[column].add(table.frame[column] if numbers is None else numbers, table.place)
        if all(scans[column].is_clear for column in open_columns):
            break
    choices = choose_notations(scans, settings)
    for column, choice in choices.items():
        is_few = choice.kind is not None  # which is for the reader of times and weights to say
        if choice.problem is not None and (column in roles.features or not is_few):
            place = scans[column].place or name
            hint = list_ways(column, choice.hint) if column in roles.features else choice.hint
            raise FeatureError(f"{place}: column {column!r}: {choice.problem}", hint=hint)
    notes = [choice.note for choice in choices.values() if choice.note is not None]
    notations = {c: choice.notation for c, choice in choices.items() if choice.notation}
    if roles.group is not None and (missing := settings.missing_of(roles.group)):
        notations[roles.group] = Notation(missing=missing)
    return notations, notes


def _read_keys(
    data: DataSection,
    roles: Roles,
    encoder: LabelEncoder,
    parts: Mapping[str, Iterable[Table]],
    name: str,
) -> tuple[NDArray[np.int8], RowKeys]:
    """Return the part that each row was given for, (N,) indices of PARTS, and the keys of all."""
    columns = KeyColumns(roles.group, roles.time, roles.part, roles.sample_weight)
    reader = KeyReader(columns, encoder, data.missing_labels)
    heights = dict.fromkeys(PARTS, 0)
    for part, tables in parts.items():
        for table in tables:
            reader.add(table)
            heights[part] += table.frame.height
    given = np.repeat(np.arange(len(PARTS), dtype=np.int8), list(heights.values()))
    return given, reader.finish(name)


def _open_parts(data: DataSection) -> dict[str, list[Source]]:
    names = {"train": data.train, "valid": data.valid or [], "test": data.test or []}
    return {part: open_sources(names[part], part, data) for part in PARTS if names[part]}


def _reopen(data: DataSection, roles: Roles) -> list[Source]:
    """Open all sources again."""
    sources = [source for opened in _open_parts(data).values() for source in opened]
    _check_columns(sources, roles.columns)
    return sources


def fit_encoder(
    config: Config, tables: Iterable[Table], name: str, columns: list[str]
) -> tuple[LabelEncoder, list[str]]:
    """Return how label columns are read, and what to remark on.

    Args:
        config: says how they are encoded.
        tables: hold the columns, and are read where classes or tags have to be known first.
        name: of the sources, for errors.
        columns: of the labels.

    Raises:
        LabelError: there are several columns of classes or tags, or too few or too many of them.
    """
    data = config.data
    if data.encoding in {"auto", "binary"}:
        return encoder_of(data, columns, columns), []
    column = only_column(columns, data.encoding, name)
    separator = data.tag_separator if "tag_separator" in data.model_fields_set else None
    vocabulary = Vocabulary(column, data.encoding, separator)  # type: ignore[arg-type]
    for table in tables:
        vocabulary.add(table)
    labels = vocabulary.labels(name)
    rare = vocabulary.rare(config.thresholds.minimum_positives)
    is_given = "missing_labels" in data.model_fields_set
    remarks = vocabulary.remarks(missing_is_given=is_given)
    if rare:
        kinds = ("class", "classes") if data.encoding == "one_vs_rest" else ("tag", "tags")
        remarks.append(
            f"{number_of(len(rare), *kinds)} of {column!r} in fewer than "
            f"{config.thresholds.minimum_positives} rows (thresholds.minimum_positives): "
            f"{list_names(rare, most=10)}"
        )
    return encoder_of(data, columns, labels), remarks


def encoder_of(data: DataSection, columns: list[str], labels: list[str]) -> LabelEncoder:
    """Return how the columns are read into labels that are known."""
    encoding = "binary" if data.encoding == "auto" else data.encoding
    return LabelEncoder(encoding, columns, labels, positive_text(data), data.tag_separator)


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
    # what a format itself calls a label or a group is never a feature, asked for or not
    own = {*source.own_labels, *source.own_groups}
    taken = {*labels, *excluded, *singles.values(), *own}
    features = [column for column in source.columns if column not in taken]
    return Roles(labels, features, **singles)


def open_sources(names: Sequence[str], part: str, data: DataSection) -> list[Source]:
    """Open the sources of a part; where the labels are a file, its columns stand beside them.

    Raises:
        SourceError: no file matches, or one cannot be opened.
        ConfigError: a file of labels goes with several sources, or with a part given apart.
    """
    sources = [
        FrameSource(data.frames[path], path)
        if path in data.frames
        else open_source(path, data.input_format, data.dialect)
        for path in _match_paths(names, part)
    ]
    return [_join_targets(source, part, data, len(sources)) for source in sources]


def find_files(data: DataSection) -> list[Path]:
    """Return every file that the sources of a config are read from; stdin and frames are none.

    Raises:
        SourceError: no file matches, or a directory is no table.
    """
    parts = {"train": data.train, "valid": data.valid or [], "test": data.test or []}
    names = [path for part, given in parts.items() for path in _match_paths(given, part)]
    found = [Path(name) for name in names if name != STDIN and name not in data.frames]
    found += [Path(name) for name in data.labels if is_file(name)]
    return [
        file
        for path in found
        for file in (find_parts(str(path)) if path.is_dir() else [path])
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
        known = frozenset(source.columns)
        missing = [column for column in columns if column not in known]
        if missing:
            shown = ", ".join(map(repr, missing))
            raise SourceError(
                f"{source.name}: without the column{'s' if len(missing) > 1 else ''} {shown}, "
                f"which {first.name} has",
                hint=nearest(missing[0], source.columns),
            )


def _split(config: Config, keys: RowKeys, given: NDArray[np.int8]) -> Split:
    """Cut the rows of the train sources; rows of given parts stay where they are."""
    is_given = {part: bool((given == PARTS.index(part)).any()) for part in PARTS}
    shares = [
        0.0 if is_given["valid"] else config.split.valid,
        0.0 if is_given["test"] else config.split.test,
    ]
    rows = np.flatnonzero((given == 0) & keys.kept)
    is_all = len(rows) == len(keys)  # and so need not be picked out, which takes memory
    if sum(shares) == 0:
        split = Split("given", np.arange(len(rows)), *(np.empty(0, np.intp) for _ in range(2)))
    else:
        split = cut(
            keys.targets if is_all else keys.targets.take(rows),
            config.split,
            shares=(1 - sum(shares), *shares),
            groups=None if keys.groups is None else keys.groups[rows],
            times=None if keys.times is None else keys.times[rows],
        )
    if is_all:
        return split
    parts = [rows[part] for part in (split.train, split.valid, split.test)]
    for number in (1, 2):
        if is_given[PARTS[number]]:
            parts[number] = np.flatnonzero((given == number) & keys.kept)
    return Split(split.strategy, *parts)


def _remark_on_sizes(config: Config, split: Split) -> list[str]:
    """Say that parts have other sizes than were asked for, where rare labels need that."""
    data, section = config.data, config.split
    if split.strategy != "iterative" or data.valid is not None or data.test is not None:
        return []
    sizes = np.array([len(rows) for rows in split.rows_of_parts().values()])
    shares = (1 - section.valid - section.test, section.valid, section.test)
    if not is_far(sizes, apportion(int(sizes.sum()), shares)):
        return []
    train, valid, test = (
        f"{size:,} ({share:.0%})" for size, share in zip(sizes, shares, strict=True)
    )
    remark = (
        f"split: {train} rows for train, {valid} for valid and {test} for test, with what was "
        "asked for in brackets: many labels have so few positives that one in each part takes more"
    )
    return [remark]


def _check_given_parts(
    roles: Roles, keys: RowKeys, split: Split, show: Callable[[str, int], str]
) -> None:
    """Raise where parts that were given share a group, or are not in the order of time."""
    if keys.groups is not None and roles.group is not None:
        of_group = functools.partial(show, roles.group)
        check_disjoint(keys.groups, split.rows_of_parts(), of_group)
    if keys.times is not None and roles.time is not None and split.strategy in {"time", "given"}:
        check_order(keys.times, split.rows_of_parts(), functools.partial(show, roles.time))


def _check_sides(name: str, targets: Targets, labels: Sequence[str]) -> None:
    """Raise where no label has both classes in any row, so that no split could help.

    Raises:
        LabelError: it names the label with the most positives, and what there is none of.
    """
    positives, negatives, missing = targets.counts()
    if ((positives > 0) & (negatives > 0)).any():
        return
    label = int(positives.argmax())
    counts = LabelCounts(
        labels[label], *(int(side[label]) for side in (positives, negatives, missing))
    )
    side = "negative" if counts.positives else "positive"
    others = "" if len(labels) == 1 else ", and no other label has both positives and negatives"
    raise LabelError(
        f"{name}: label {labels[label]!r} has no {side} in {len(targets):,} rows{others}",
        hint=counts.blank_hint
        or "nothing can be learned from one class: other rows, other data.labels, or "
        "data.positive, the value that means 1",
    )


def _check_part(column: str, split: Split, name: str) -> None:
    """Raise where a column that names the part of each row, or what was dropped, leaves a gap.

    Raises:
        SplitError: it names the sources and the column.
    """
    for part, rows in (("train", split.train), ("valid", split.valid)):
        if not len(rows):
            raise SplitError(
                f"{name}: column {column!r}: no row is for {part}",
                hint=f"name some of them {part}; or leave data.part out, and the rows are cut by "
                "split",
            )


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
    shown = ", ".join(f"{part} {pos:,} and {neg:,}" for part, (pos, neg) in counts.items())
    raise SplitError(
        f"the split is too small for label {labels[label]!r}: positives and negatives are {shown}, "
        "and each part needs one of both",
        hint="more rows, or parts of other sizes"
        if split.strategy in {"time", "given"}
        else "more rows, larger split.valid and split.test, or another split.seed",
    )
