"""From the sources of a config to labelled rows, cut into train, valid and test.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from imbalance_cli.errors import LONGEST_SHOWN, shorten
from imbalance_cli.labels import list_names
from imbalance_cli.notation import Notation, apply_notations
from imbalance_cli.progress import follow, tell_nobody
from imbalance_cli.readers import Table, find_row, read_table, stack_tables, stream_tables
from imbalance_cli.rows.checks import (
    check_given_parts,
    check_part,
    check_sides,
    check_split,
    remark_on_sizes,
)
from imbalance_cli.rows.encoders import fit_encoder
from imbalance_cli.rows.keys import KeyReader
from imbalance_cli.rows.notations import read_notations
from imbalance_cli.rows.roles import Roles, assign_roles
from imbalance_cli.rows.slices import SliceReader
from imbalance_cli.rows.sources import check_columns, open_parts, refuse_shared_files
from imbalance_cli.splits import PARTS, Split, cut, cut_by_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from imbalance_cli.config import Config, DataSection
    from imbalance_cli.labels.encoding import LabelEncoder
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers.source import Source
    from imbalance_cli.rows.keys import RowKeys
    from imbalance_cli.rows.slices import SliceColumn


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
        weights: (N,) sample weights, or (N, L) of cells, where there are any.
        slices: columns by whose values the report is broken down.
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
    slices: tuple[SliceColumn, ...] = ()
    remarks: list[str] = dataclasses.field(default_factory=list)
    notations: dict[str, Notation] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    reopen: Callable[[], list[Source]] = list


@dataclasses.dataclass(frozen=True)
class _UnkeyedCells:
    """The cells of sources, before their keys are read.

    Attributes:
        table: all rows; without columns where they are streamed.
        parts: the keys of each part's rows, some rows at a time.
        find: returns where a row stands, and a table of it alone.
        encoder: of the labels.
        remarks: what was noticed while the labels were read.
        notations: how columns are written, where it is not the usual way.
        notes: what was decided about them.
    """

    table: Table
    parts: Mapping[str, Iterable[Table]]
    find: Callable[[int], tuple[str, Table]]
    encoder: LabelEncoder
    remarks: list[str]
    notations: dict[str, Notation]
    notes: list[str]


def read_labelled(
    config: Config, *, with_features: bool = True, tell: Tell = tell_nobody
) -> tuple[Roles, LabelledTable]:
    """Read the sources of a config, encode the labels and cut the rows into parts.

    Args:
        config: names the sources, and what their columns are.
        with_features: whether the table holds the features; else they are for others to stream.
        tell: receives how many rows are read.

    Raises:
        ImbtrainError: a source, a column or a cell cannot be used, or the rows cannot be cut.
    """
    data = config.data
    sources = open_parts(data)
    refuse_shared_files(sources)
    roles = assign_roles(data, sources["train"][0], config.report.slices)
    opened = [source for part in sources.values() for source in part]
    check_columns(opened, roles.columns)
    name = ", ".join(source.name for source in opened)
    read = _hold_cells if with_features else _stream_cells
    cells = read(config, roles, sources, name, tell)
    given, keys = _read_keys(data, roles, cells.encoder, cells.parts, name)
    labels, remarks = cells.encoder.labels, cells.remarks
    remarks += [remark for source in opened for remark in source.remarks]
    check_sides(name, keys.targets.take(keys.kept), labels)
    if keys.parts is None:
        split = _split(config, keys, given)
    else:
        split = cut_by_numbers(keys.parts, f"{name}: column {roles.part!r}")
        split = Split(split.strategy, *(p[keys.kept[p]] for p in split.rows_of_parts().values()))

    def show(column: str, row: int) -> str:
        place, found = cells.find(row)
        return f"{place}: {column} {shorten(str(found.frame[column][0]), LONGEST_SHOWN)}"

    check_given_parts(roles, keys, split, show)
    if roles.part is not None:
        check_part(roles.part, split, name)
    check_split(split, keys.targets, labels)
    remarks += remark_on_sizes(config, split)
    shown = {
        part: list_names([source.name for source in sources.get(part, sources["train"])], most=3)
        for part in PARTS
    }
    return roles, LabelledTable(
        cells.table,
        labels,
        keys.targets,
        split,
        shown,
        keys.groups,
        keys.weights,
        keys.slices,
        remarks,
        cells.notations,
        cells.notes,
        functools.partial(_reopen, data, roles),
    )


def _hold_cells(
    config: Config, roles: Roles, sources: Mapping[str, list[Source]], name: str, tell: Tell
) -> _UnkeyedCells:
    """Read all columns into memory."""
    tables = {part: read_table(opened, roles.columns, tell) for part, opened in sources.items()}
    notations, notes = read_notations(config.data, roles, tables.values(), name)
    tables = {part: apply_notations(table, notations) for part, table in tables.items()}
    table = stack_tables(list(tables.values()), name)
    encoder, remarks = fit_encoder(config, [table], name, roles.label_columns)

    def find(row: int) -> tuple[str, Table]:
        return table.place(row), dataclasses.replace(table, frame=table.frame[row : row + 1])

    parts = {part: [own] for part, own in tables.items()}
    return _UnkeyedCells(table, parts, find, encoder, remarks, notations, notes)


def _stream_cells(
    config: Config, roles: Roles, sources: Mapping[str, list[Source]], name: str, tell: Tell
) -> _UnkeyedCells:
    """Pass over the columns once for each thing to know, and keep none of them."""
    data = config.data
    seen = stream_tables(_reopen(data, roles), roles.written, sparse=False)
    notations, notes = read_notations(data, roles, seen, name)
    cells = stream_tables(_reopen(data, roles), roles.label_columns)
    encoder, remarks = fit_encoder(config, cells, name, roles.label_columns)

    def find(row: int) -> tuple[str, Table]:
        return find_row(_reopen(data, roles), roles.keys, row)

    parts = {
        part: follow(
            (apply_notations(table, notations) for table in stream_tables(opened, roles.keys)),
            tell,
            "reading labels",
            lambda table: table.frame.height,
        )
        for part, opened in sources.items()
    }
    table = Table(name, pl.DataFrame(), lambda row: find(row)[0])
    return _UnkeyedCells(table, parts, find, encoder, remarks, notations, notes)


def _reopen(data: DataSection, roles: Roles) -> list[Source]:
    """Open all sources again."""
    sources = [source for opened in open_parts(data).values() for source in opened]
    check_columns(sources, roles.columns)
    return sources


def _read_keys(
    data: DataSection,
    roles: Roles,
    encoder: LabelEncoder,
    parts: Mapping[str, Iterable[Table]],
    name: str,
) -> tuple[NDArray[np.int8], RowKeys]:
    """Return the part that each row was given for, (N,) indices of PARTS, and the keys of all."""
    slices = [SliceReader(column, "report.slices", data.categories) for column in roles.slices]
    reader = KeyReader(roles, encoder, data.missing_labels, slices)
    heights = dict.fromkeys(PARTS, 0)
    for part, tables in parts.items():
        for table in tables:
            reader.add(table)
            heights[part] += table.frame.height
    given = np.repeat(np.arange(len(PARTS), dtype=np.int8), list(heights.values()))
    return given, reader.finish(name)


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
