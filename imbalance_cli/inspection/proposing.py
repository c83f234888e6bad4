"""From an inspection to what a config for the source would say."""

from __future__ import annotations

import re
import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from imbalance_cli.config.template import Proposal
from imbalance_cli.errors import (
    ConfigError,
    LabelError,
    nearest,
    number_of,
    show_cell,
    show_percent,
)
from imbalance_cli.features.kinds import KINDS
from imbalance_cli.labels import list_names
from imbalance_cli.readers.streams import STDIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.inspection.columns import Column
    from imbalance_cli.inspection.results import Inspection
    from imbalance_cli.labels import LabelSettings

GROUP_NAME = re.compile(
    r"(^|[^a-z])(id|qid|patient|customer|client|user|subject|account|session|group)s?($|[^a-z])",
    re.IGNORECASE,
)
TIME_NAME = re.compile(r"(^|[^a-z])(date|time|timestamp|year)($|[^a-z])", re.IGNORECASE)
MOST_NAMED = 10
MOST_SUGGESTED = 5
ROLES = ("group", "time")
ROWS_A_GROUP = 2  # at least, on average


def propose_config(
    path: str,
    found: Inspection,
    settings: LabelSettings,
    given: Mapping[str, str | int] = MappingProxyType({}),
    *,
    targets_file: str | None = None,
) -> Proposal:
    """Return what a config for the source says: labels, columns to leave out, groups and times.

    Args:
        path: what `data.train` is.
        found: what an inspection of it found.
        settings: how the labels are read.
        given: other keys of `data` and their values; group and time are columns.
        targets_file: what holds the labels, where `path` holds features alone.

    Raises:
        ConfigError: the group or the time is no column, or a label.
        LabelError: there is no label, or one that cannot be read.
    """
    if not found.label_columns:
        raise _no_label(found)
    for finding in found.findings:
        if finding.outcome == "refused" and finding.column in found.label_columns:
            raise LabelError(finding.problem, hint=finding.hint)
    roles = {key: str(column) for key, column in given.items() if key in ROLES}
    for key, column in roles.items():
        _check_role(key, column, found)
    exclude = _list_excluded(found)
    written = [c for c in found.columns if c.settings and c.name not in exclude]
    return Proposal(
        source=path,
        about=_describe(path, found, exclude),
        labels={targets_file: number_of(len(found.labels), "label")}
        if targets_file is not None
        else {column: _describe_label(column, found) for column in found.label_columns},
        exclude={column: why for column, why in exclude.items() if column not in roles.values()},
        settings=_list_settings(settings, found) | _list_notations(written) | dict(given),
        remarks=_list_remarks(found, written),
        suggested={
            "group": _first(_list_groups(found, exclude)),
            "time": _first(_list_times(found.columns)),
        },
    )


def _check_role(key: str, column: str, found: Inspection) -> None:
    names = [known.name for known in found.columns]
    if column not in names:
        raise ConfigError(
            f"--{key}: {found.source} has no column {column!r}; "
            f"the columns are {list_names(names)}",
            hint=nearest(column, names),
        )
    if column in found.label_columns:
        raise ConfigError(f"--{key}: {column!r} is a label", hint=f"another column for --{key}")
    known = next(known for known in found.columns if known.name == column)
    if not KINDS[known.kind].may_be_key:
        raise ConfigError(f"--{key}: {found.source}: column {column!r} {known.problem}")
    if known.first_missing is not None:
        raise ConfigError(
            f"--{key}: {known.first_missing}: column {column!r}: the {key} is missing",
            hint=f"every row needs one: fill it in, or another column for --{key}",
        )
    if key == "time" and known.first_no_time is not None:
        place, cell = known.first_no_time
        raise ConfigError(
            f"--{key}: {place}: column {column!r}: {show_cell(cell)} is not a time",
            hint="numbers, or dates such as 2013-02-08 or 2013-02-08 17:30:00; data.date_format in "
            "a config says how others are written",
        )


def _list_settings(settings: LabelSettings, found: Inspection) -> dict[str, str]:
    """Return the keys of `data` on the labels that differ from their defaults."""
    given = {} if settings.encoding == "auto" else {"encoding": str(settings.encoding)}
    if settings.separator is not None:
        given["tag_separator"] = settings.separator
    if any(label.blank_hint for label in found.labels):
        given["missing_labels"] = "negative"
    return given if settings.positive is None else given | {"positive": settings.positive}


def _describe(path: str, found: Inspection, exclude: dict[str, str]) -> list[str]:
    about = [f"{found.source}: {found.size}. Made by imbtrain init."]
    if path == STDIN:
        about.append("data.train is stdin: imbtrain fit CONFIG < TABLE; or name a file there.")
    return about + [
        (f"{finding.column}: " if finding.column else "") + finding.problem
        for finding in found.findings
        if finding.outcome == "warned" and finding.column not in exclude
    ]


def _describe_label(column: str, found: Inspection) -> str:
    for label in found.labels:
        if label.label == column and label.prevalence is not None:
            missing = f", {label.missing:,} missing" if label.missing else ""
            return f"{label.positives:,} positives, {show_percent(label.prevalence)}{missing}"
    return number_of(len(found.labels), "label") if found.labels else ""


def _list_excluded(found: Inspection) -> dict[str, str]:
    """Return the columns that `fit` would refuse or drop, or that tell a label, and why.

    Columns that tell a label stay where there are no others, since something is to be learned. Why
    a column is refused comes with what reads it all the same.
    """
    settled = {c.name for c in found.columns if c.settings and not _is_name_of_a_row(c)}
    refused = {f.column for f in found.findings if f.outcome == "refused"} - settled
    idle = {column.name for column in found.columns if KINDS[column.kind].is_left_out}
    telling = {leak.column for leak in found.leaks}
    names = {column.name for column in found.columns} - {*found.label_columns, *refused}
    if names - idle - telling:
        idle |= telling
    leaks = {c.column: f"may be a leak: {c.describe()}" for c in reversed(found.leaks)}
    ways = {column.name: column.hint for column in found.columns}
    reasons: dict[str, str] = {}
    for finding in found.findings:
        column = finding.column
        if column is None or column in found.label_columns or column not in idle | refused:
            continue
        way = ways.get(column) if finding.outcome == "refused" else None
        reason = f"{finding.problem}; {way}" if way else finding.problem
        reasons.setdefault(column, reason if column in refused else leaks.get(column, reason))
    return reasons


def _is_name_of_a_row(column: Column) -> bool:
    """Return whether a column would be one of names that hardly repeat."""
    return "categories" in column.settings and 2 * column.distinct > column.known


def _list_notations(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the keys of `data` that say how columns are written; columns that differ need none."""
    settings = [column.settings for column in columns]
    merged: dict[str, Any] = {}
    for key in ("decimal", "thousands"):
        values = {given[key] for given in settings if key in given}
        if len(values) == 1:
            merged[key] = values.pop()
    if merged.get("decimal") == merged.get("thousands"):
        merged.clear()
    words = {
        column.name: list(column.settings["missing_values"])
        for column in columns
        if "missing_values" in column.settings
    }
    distinct = list(dict.fromkeys(word for given in words.values() for word in given))
    # what is a word of one column may be a name in another
    are_marks = not any(letter.isalnum() for word in distinct for letter in word)
    merged |= {"missing_values": distinct if are_marks else words} if words else {}
    categories = [name for given in settings for name in given.get("categories", ())]
    formats = {c: f for given in settings for c, f in given.get("date_format", {}).items()}
    merged |= {"categories": categories} if categories else {}
    return merged | ({"date_format": formats} if formats else {})


def _list_remarks(found: Inspection, columns: Sequence[Column]) -> dict[str, str]:
    """Return why some keys of `data` are there."""
    why = {
        key: [
            f"{c.name}: {c.problem or c.note}"
            for c in columns
            if key in c.settings and (c.problem or c.note)
        ]
        for key in ("missing_values", "categories")
    }
    why["missing_labels"] = [f"{c.label}: has no negative" for c in found.labels if c.blank_hint]
    return {
        key: "; ".join(whys[:MOST_SUGGESTED]) + ("; ..." if len(whys) > MOST_SUGGESTED else "")
        for key, whys in why.items()
        if whys
    }


def _list_groups(found: Inspection, exclude: dict[str, str]) -> dict[str, str]:
    """Return columns whose rows may belong together."""
    groups = {}
    for column in found.columns:
        repeats = column.known == found.rows >= ROWS_A_GROUP * column.distinct > ROWS_A_GROUP
        may_be_group = KINDS[column.kind].is_date or GROUP_NAME.search(column.name)
        if repeats and may_be_group and column.name not in exclude:
            rows = found.rows / column.distinct
            groups[column.name] = f"{column.distinct:,} values, {rows:,.3g} rows each"
    return {name: why for name, why in groups.items() if name not in found.label_columns}


def _list_times(columns: Sequence[Column]) -> dict[str, str]:
    """Return columns that may order the rows."""
    return {
        column.name: f"{column.minimum} to {column.maximum}"
        for column in columns
        if not column.missing and column.problem is None and _may_be_time(column)
    }


def _may_be_time(column: Column) -> bool:
    kind = KINDS[column.kind]
    return kind.is_date or (kind.may_be_time and TIME_NAME.search(column.name) is not None)


def _first(columns: dict[str, str]) -> dict[str, str]:
    return dict(list(columns.items())[:MOST_SUGGESTED])


def _no_label(found: Inspection) -> LabelError:
    rarest = sorted(found.candidates, key=lambda candidate: candidate.positives)[:MOST_NAMED]
    if not rarest:
        return LabelError(
            f"{found.source}: no column is called y, label, target or y_*, and none has two values",
            hint="--labels NAME --encoding one_vs_rest reads a column of classes, --encoding tags "
            "one of tags",
        )
    shown = ", ".join(candidate.column for candidate in rarest)
    first = rarest[0]
    positive = f" --positive {shlex.quote(first.positive)}" if first.needs_positive else ""
    return LabelError(
        f"{found.source}: no column is called y, label, target or y_*; columns of two values: "
        f"{shown}",
        hint=f"say which are labels, for instance --labels {shlex.quote(first.column)}{positive}",
    )
