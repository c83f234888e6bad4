"""Which columns of a source are labels."""

from __future__ import annotations

import fnmatch
import re
import types
from typing import TYPE_CHECKING

from imbalance_cli.errors import ConfigError, ImbtrainError, LabelError, nearest
from imbalance_cli.readers.arrays import is_bare
from imbalance_cli.readers.first_lines import is_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imbalance_cli.readers.source import Source

LABEL_NAMES = frozenset({"y", "label", "target"})
LABEL_PREFIX = "y_"
TARGET_KEYS = frozenset({"y", "label", "labels", "target", "targets"})  # of arrays, in lower case
MARK = re.compile(r"[^\w\s]")  # in a lone name, what may separate several


def select_labels(
    columns: Sequence[str], patterns: Sequence[str], name: str, source: Source | None = None
) -> list[str] | None:
    """Choose the label columns by name or glob, in the order of the patterns.

    Args:
        columns: all columns of the source.
        patterns: names or globs; none means those called y, label, target or y_*, or else those
            of arrays called targets or labels.
        name: the source, for errors.
        source: may say itself which columns are labels, and which stand for one array.

    Returns:
        The label columns, or None where there are no patterns and no column has such a name.

    Raises:
        LabelError: a pattern matches no column.
        SourceError: the same, where what is read as names seems to be a row.
    """
    keys = {} if source is None else source.keys
    if not patterns:
        if source is not None and source.own_labels:
            return list(source.own_labels)
        named = [c for c in columns if c in LABEL_NAMES or c.startswith(LABEL_PREFIX)]
        named = named or [c for key in keys if key.lower() in TARGET_KEYS for c in keys[key]]
        if not named and source is not None and source.doubt:
            raise source.doubt
        return named or None
    try:
        return match_columns(patterns, columns, name, LabelError, keys)
    except LabelError as error:
        raise (source.doubt if source else None) or error  # noqa: B904  the one or the other


def match_columns(
    patterns: Sequence[str],
    columns: Sequence[str],
    where: str,
    error: type[ImbtrainError] = ConfigError,
    keys: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
    of: str = "column",
) -> list[str]:
    """Choose columns by name or glob, in the order of the patterns.

    Args:
        patterns: a column's name means that column alone, whatever it would match as a glob.
        columns: all columns of the source.
        where: the source, and what asked for the columns, for errors.
        error: what is raised.
        keys: names that stand for several columns.
        of: what they are, for errors.

    Raises:
        ImbtrainError: an `error`, if a pattern matches no column.
    """
    chosen: dict[str, None] = {}
    known = frozenset(columns)
    for pattern in patterns:
        matches: Sequence[str] = [pattern] if pattern in known else keys.get(pattern, ())
        matches = matches or [c for c in columns if fnmatch.fnmatchcase(c, pattern)]
        if not matches:
            raise error(
                f"{where}: no {of} {pattern!r}; the {of}s are {list_names(columns)}",
                hint=nearest(pattern, columns),
            )
        chosen |= dict.fromkeys(matches)
    return list(chosen)


def require_column(column: str, source: Source, asked_by: str | None = None) -> None:
    """Raise if a source has no such column.

    Args:
        column: its name.
        source: that should have it.
        asked_by: the key of the config that names it; None where it is a label of a run.

    Raises:
        ConfigError: it names what asked for the column.
        LabelError: the label is not there.
        SourceError: the same, where what is read as names seems to be a row.
    """
    if column in source.columns:
        return
    if source.doubt:
        raise source.doubt
    columns, hint = list_names(source.columns), nearest(column, source.columns)
    if asked_by is None:
        raise LabelError(
            f"{source.name}: no column {column!r}; the columns are {columns}", hint=hint
        )
    raise ConfigError(
        f"{asked_by}: {source.name} has no column {column!r}; the columns are {columns}", hint=hint
    )


def only_column(columns: Sequence[str], encoding: str, name: str) -> str:
    """Return the one column that holds the classes or tags.

    Raises:
        LabelError: there are several.
    """
    if len(columns) > 1:
        raise LabelError(
            f"{name}: {encoding} reads one column, and the labels are {list_names(columns)}",
            hint=f"name one of them: --labels {columns[0]}, or data.labels in a config",
        )
    return columns[0]


def explain_bare(error: LabelError, source: Source) -> LabelError:
    """Return the error that an array without a key, which is read as labels, holds none."""
    if not is_bare(source):
        return error
    return LabelError(
        f"{source.name}: one array, which is read as labels: "
        f"{error.message.removeprefix(f'{source.name}: ')}",
        hint="if it holds features, the labels are elsewhere: --labels FILE beside it "
        "(data.labels: [FILE] in a config)",
    )


def list_names(names: Iterable[str], most: int = 20) -> str:
    """Return names as a readable list that stops after `most`."""
    known = list(names)
    shown = ", ".join(known[:most])
    return f"{shown}, ... ({len(known):,} in all)" if len(known) > most else shown


def no_label_found(source: Source, others: Sequence[str] = ()) -> LabelError:
    """Return the error that no column of a source has a label's name."""
    more = f", and {others[0]!r} holds more than 0, 1 and blanks" if others else ""
    hint = "say which are labels: --labels NAME, or data.labels in a config"
    if len(source.columns) == 1 and MARK.search(source.columns[0]):
        hint += "; or what separates the cells: --delimiter (data.delimiter)"
    if any(map(is_number, source.columns)):
        hint += "; or --no-header (data.header: false), if these are the cells of a row"
    return LabelError(
        f"{source.name}: no column is called y, label, target or y_*{more}; "
        f"the columns are {list_names(source.columns)}",
        hint=hint,
    )
