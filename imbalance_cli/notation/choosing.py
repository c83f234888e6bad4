"""From the evidence on a column to its notation, or to why there is none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from imbalance_cli.errors import show_cell
from imbalance_cli.notation.reading import Notation
from imbalance_cli.notation.scanning import (
    NUMBER_NOTATIONS,
    THOUSANDS_WITH_DOTS,
    UNITS_ONLY,
    NotationScan,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DECIMAL_COMMA, THOUSANDS_COMMA = Notation("number", ","), Notation("number", ".", ",")
LEAST_GROUPED = 20  # cells such as 1.324 that make thousands likely
MARKS = {",": "comma", ".": "dot", " ": "blank", "'": "apostrophe"}


@dataclasses.dataclass(frozen=True)
class NotationSettings:
    """What a config says of how columns are written.

    Attributes:
        decimal: of all columns; None where each column shows it.
        thousands: as decimal.
        date_formats: of a column.
        missing: further texts that stand for a missing value, of a column; None is all others.
        categories: columns whose cells are names, whatever they look like.
    """

    decimal: str | None = None
    thousands: str | None = None
    date_formats: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing: Mapping[str | None, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    categories: frozenset[str] = frozenset()

    def missing_of(self, column: str) -> tuple[str, ...]:
        """Return the texts that stand for a missing value in a column."""
        return self.missing.get(column, self.missing.get(None, ()))


@dataclasses.dataclass(frozen=True)
class NotationChoice:
    """How a column is to be read.

    Attributes:
        notation: None where its cells are read as they are.
        kind: what most cells are where a few cannot be read, or None.
        problem: why it cannot be read, or None.
        hint: what to do about that.
        note: what was decided without being asked, or None.
        settings: keys of `data` that say the same or solve the problem, as init writes them.
    """

    notation: Notation | None = None
    kind: Literal["number", "date"] | None = None
    problem: str | None = None
    hint: str | None = None
    note: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def choose_notations(
    scans: Mapping[str, NotationScan], settings: NotationSettings
) -> dict[str, NotationChoice]:
    """Return how each column is read, those of the usual notation left out.

    Args:
        scans: the evidence on each column.
        settings: what is known already.
    """
    decimals = {settings.decimal} - {None}
    decimals = decimals or set().union(*(_sure_decimals(scan) for scan in scans.values()))
    choices = {column: _choose(column, scan, settings, decimals) for column, scan in scans.items()}
    return {column: c for column, c in choices.items() if c != NotationChoice()}


def _sure_decimals(scan: NotationScan) -> set[str | None]:
    """Return the decimal marks that a column cannot be read without."""
    full = [notation for notation in NUMBER_NOTATIONS if _cells_read(scan, notation) == scan.known]
    if full and all(notation.decimal == "," for notation in full):
        return {","}
    is_plain = scan.numbers == scan.known and scan.grouped < scan.dotted
    return {"."} if is_plain or (full and THOUSANDS_COMMA not in full) else set()


def _choose(
    column: str, scan: NotationScan, settings: NotationSettings, decimals: set[str | None]
) -> NotationChoice:
    missing = settings.missing_of(column)
    as_given = NotationChoice(Notation(missing=missing)) if missing else NotationChoice()
    if column in settings.categories:
        return NotationChoice(Notation("category", missing=missing))
    if column in settings.date_formats:
        date_format = settings.date_formats[column]
        return NotationChoice(Notation("date", date_format=date_format, missing=missing))
    choice = (
        _choose_grouped(column, scan, settings, decimals)
        or _choose_number(column, scan, settings, decimals)
        or _choose_date(column, scan)
        or _find_words(column, scan)
    )
    if choice is None:
        return as_given
    if choice.notation is None:
        return choice
    return dataclasses.replace(
        choice, notation=dataclasses.replace(choice.notation, missing=missing)
    )


def _cells_read(scan: NotationScan, notation: Notation) -> int:
    """Return how many cells are numbers in a notation."""
    fit = scan.fits.get(notation)
    plain = scan.undotted
    if notation.decimal == "." or (notation.thousands == "." and scan.grouped == scan.dotted):
        plain += scan.dotted
    if notation == THOUSANDS_COMMA and scan.has_long:
        plain = 0
    return plain + (0 if fit is None or notation == UNITS_ONLY else fit.cells)


def _choose_grouped(
    column: str, scan: NotationScan, settings: NotationSettings, decimals: set[str | None]
) -> NotationChoice | None:
    """Tell 1.324 of 1324 from 1.324 of 1.324, where all cells are numbers as they are."""
    if scan.numbers < scan.known or scan.grouped < scan.dotted or not scan.dotted or scan.has_long:
        return None
    if settings.thousands == ".":
        return NotationChoice(THOUSANDS_WITH_DOTS)
    if settings.decimal == "." or scan.dotted < LEAST_GROUPED or not scan.undotted:
        return None
    if decimals == {","}:
        return _number_choice(column, scan, THOUSANDS_WITH_DOTS)
    return NotationChoice(
        problem=f"each of {scan.dotted:,} numbers with a dot has three digits after it, as in "
        "1.324, and the others have none: the dot may stand between thousands",
        hint="data.thousands: '.' reads 1.324 as 1324; data.decimal: '.' as 1.324",
        settings={"thousands": "."},
    )


def _choose_number(
    column: str, scan: NotationScan, settings: NotationSettings, decimals: set[str | None]
) -> NotationChoice | None:
    full = [
        notation
        for notation in (UNITS_ONLY, *NUMBER_NOTATIONS)
        if notation in scan.fits and _cells_read(scan, notation) == scan.known
    ]
    given = [n for n in full if settings.decimal in {None, n.decimal}]
    given = [n for n in given if settings.thousands in {None, n.thousands}] or given
    is_given = settings.decimal is not None or settings.thousands is not None
    if not given or not (scan.has_many_numbers or is_given):
        return None
    if not is_given and {DECIMAL_COMMA, THOUSANDS_COMMA} <= set(given):
        if len(decimals) != 1:
            example = scan.fits[DECIMAL_COMMA].example
            return NotationChoice(
                problem=f"numbers such as {show_cell(example)} can be read in two ways: the comma "
                "stands before decimals or between thousands",
                hint="data.decimal: ',' or data.thousands: ','",
            )
        given = [n for n in given if n.decimal in decimals] or given
    return _refuse_units(scan) or _number_choice(column, scan, given[0])


def _refuse_units(scan: NotationScan) -> NotationChoice | None:
    """Refuse numbers in several units, or some of them in none."""
    units = {unit: count for unit, count in scan.units.items() if unit}
    if not units:
        return None
    bare = scan.known - sum(scan.units.values())
    if len(units) == 1 and not bare:
        return None
    shown = [f"{count:,} in {unit!r}" for unit, count in units.items()]
    shown += [f"{bare:,} without a unit"] if bare else []
    return NotationChoice(
        problem=f"numbers in different units: {', '.join(shown)}",
        hint="write them in one unit, or without it",
    )


def _number_choice(column: str, scan: NotationScan, notation: Notation) -> NotationChoice:
    settings = {"decimal": notation.decimal} if notation.decimal != "." else {}
    if notation.thousands:
        settings["thousands"] = notation.thousands
    words = []
    if "decimal" in settings:
        words.append(f"a decimal {MARKS[notation.decimal]}")
    if notation.thousands:
        words.append(f"a {MARKS[notation.thousands]} between thousands")
    if notation == UNITS_ONLY or not words:
        words.append("a unit or sign, which is left out")
    example = scan.fits[notation].example if notation in scan.fits else "1.324"
    keys = ", ".join(f"data.{key}: {value!r}" for key, value in settings.items())
    return NotationChoice(
        notation,
        note=f"{column!r} is read as numbers with {' and '.join(words)}, such as "
        f"{show_cell(example)}" + (f" ({keys})" if keys else ""),
        settings=settings,
    )


def _choose_date(column: str, scan: NotationScan) -> NotationChoice | None:
    dates = {n: fit for n, fit in scan.fits.items() if n.kind == "date"}
    full = [n for n, fit in dates.items() if fit.cells == scan.known]
    if len(full) > 1:
        forms = " or ".join(f"{n.date_format!r}" for n in full)
        return NotationChoice(
            problem=f"dates such as {show_cell(dates[full[0]].example)} can be read in "
            f"{len(full)} ways: the day may come before or after the month",
            hint=f"data.date_format: {{{column}: ...}}, with {forms}",
        )
    if full:
        date_format = str(full[0].date_format)
        key = f"data.date_format: {{{column}: {date_format!r}}}"
        return NotationChoice(
            full[0],
            note=f"{column!r} is read as dates such as {show_cell(dates[full[0]].example)} ({key})",
            settings={"date_format": {column: date_format}},
        )
    return None


def _find_words(column: str, scan: NotationScan) -> NotationChoice | None:
    """Refuse a few words, or other notations, where most cells are numbers or dates."""
    counts = {n: _cells_read(scan, n) for n in (UNITS_ONLY, *scan.fits) if n.kind == "number"}
    counts |= {n: fit.cells for n, fit in scan.fits.items() if n.kind == "date"}
    counts[Notation("date")] = scan.dates
    notation = max(counts, key=lambda n: counts[n])
    most = counts[notation]
    if 2 * most <= scan.known or most == scan.known or scan.has_many_words:
        return None
    if notation.kind == "number" and not scan.has_many_numbers:
        return None
    kind: Literal["number", "date"] = "date" if notation.kind == "date" else "number"
    words = scan.words
    if scan.censored:
        return dataclasses.replace(_censored(column, scan), kind=kind)
    if not words:
        others = dict.fromkeys(fit.example for n, fit in scan.fits.items() if n != notation)
        if not others:
            return None  # a few numbers among dates
        shown = ", ".join(map(show_cell, others))
        return NotationChoice(
            kind=kind,
            problem=f"{kind}s written in several ways: {scan.known - most:,} of {scan.known:,} "
            f"cells otherwise than the others, such as {shown}",
            hint=f"write all of them in one way, or data.exclude: [{column}]",
        )
    shown = ", ".join(f"{show_cell(word)} ({count:,})" for word, count in words.items())
    total = sum(words.values())
    return NotationChoice(
        kind=kind,
        problem=f"{total:,} of {scan.known:,} cells are words among {kind}s: {shown}",
        hint=f"data.missing_values: {list(words)} reads them as missing; or data.exclude: "
        f"[{column}]" + (f", or data.categories: [{column}]" if kind == "number" else ""),
        settings={"missing_values": list(words)},
    )


def _censored(column: str, scan: NotationScan) -> NotationChoice:
    """Refuse values of which only a bound is known."""
    words = [scan.censored_example, *scan.words]
    return NotationChoice(
        problem=f"{scan.censored:,} of {scan.known:,} cells are censored, such as "
        f"{show_cell(scan.censored_example)}: only a bound of the value is known",
        hint=f"write a number in their place, such as the bound; or data.missing_values: {words} "
        f"reads them as missing; or data.exclude: [{column}]",
        settings={"missing_values": words},
    )
