"""How the columns of sources are written: what a config says of it, and what their cells say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from imbalance_cli.errors import ConfigError, FeatureError, nearest
from imbalance_cli.features.kinds import list_ways
from imbalance_cli.labels import match_columns
from imbalance_cli.notation import Notation, NotationScan, NotationSettings, choose_notations
from imbalance_cli.readers.plain_numbers import read_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imbalance_cli.config import DataSection
    from imbalance_cli.readers import Table
    from imbalance_cli.rows.roles import Roles


def read_notations(
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
