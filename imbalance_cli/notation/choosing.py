"""From the evidence on a column to its notation, or to why there is none."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from imbalance_cli.errors import show_cell
from imbalance_cli.notation.reading import Notation
from imbalance_cli.notation.scanning import (
    NUMBER_NOTATIONS,
    THOUSANDS_WITH_DOTS,
    UNITS_ONLY,
    NotationScan,
    TextCounts,
)
from imbalance_cli.readers.cells import parse_dates
from imbalance_cli.yaml_text import flow, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

DECIMAL_COMMA, THOUSANDS_COMMA = Notation("number", ","), Notation("number", ".", ",")
LEAST_GROUPED = 20  # cells such as 1.324 that make thousands likely
CODE = re.compile(r"[A-Za-z]+[-.]?\d[\w.-]*")  # V45 among codes that are numbers
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
MARKS = {",": "a comma", ".": "a dot", " ": "a blank", "'": "an apostrophe"}
CLEAR_MAJORITY = 2  # times as many columns that need one decimal mark as need the other
FEW = 0.2  # of the cells; so many words may stand for missing values


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
        hint: what reads it all the same.
        note: what was decided without being asked, or None.
        settings: keys of `data` that say the same or solve the problem, as init writes them.
    """

    notation: Notation | None = None
    kind: Literal["number", "date", "category"] | None = None
    problem: str | None = None
    hint: str | None = None
    note: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def reading(self) -> Notation:
        """How its cells are read once the settings are given."""
        missing = tuple(self.settings.get("missing_values", ()))
        return self.notation or Notation(missing=missing)


def choose_notations(
    scans: Mapping[str, NotationScan], settings: NotationSettings
) -> dict[str, NotationChoice]:
    """Return how each column is read, those of the usual notation left out.

    Args:
        scans: the evidence on each column.
        settings: what is known already.
    """
    decimals = {settings.decimal} - {None}
    if not decimals:
        votes = Counter(mark for scan in scans.values() for mark in _sure_decimals(scan))
        (first, most), (_, others), *_ = [*votes.most_common(), (None, 0), (None, 0)]
        decimals = {first} - {None} if most >= CLEAR_MAJORITY * others else {".", ","}
    choices = {column: _choose(column, scan, settings, decimals) for column, scan in scans.items()}
    return {column: c for column, c in choices.items() if c != NotationChoice()}


def _sure_decimals(scan: NotationScan) -> set[str | None]:
    """Return the decimal marks that a column cannot be read without."""
    if scan.numbers == scan.known and scan.grouped == scan.dotted:
        return set()
    full = [notation for notation in NUMBER_NOTATIONS if _cells_read(scan, notation) == scan.known]
    if full and all(notation.decimal == "," for notation in full):
        return {","}
    is_plain = scan.numbers == scan.known
    return {"."} if is_plain or (full and all(n.decimal == "." for n in full)) else set()


def _choose(
    column: str, scan: NotationScan, settings: NotationSettings, decimals: set[str | None]
) -> NotationChoice:
    missing = settings.missing_of(column)
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
        or _note_digits(column, scan)
        or NotationChoice()
    )
    if choice.problem is not None:
        return choice
    notation = choice.notation or (Notation() if missing else None)
    if notation is not None:
        notation = dataclasses.replace(notation, missing=missing)
    return dataclasses.replace(choice, notation=notation)


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
    if settings.thousands == "." or decimals == {","}:
        return _number_choice(column, scan, THOUSANDS_WITH_DOTS)
    if decimals == {"."} or scan.dotted < LEAST_GROUPED or not scan.undotted:
        return None
    return NotationChoice(
        problem=f"each of {scan.dotted:,} numbers with a dot has three digits after it, as in "
        "1.324, and the others have none: the dot may stand between thousands",
        hint="data.thousands: '.' reads 1.324 as 1324; data.decimal: '.' as 1.324",
    )


def _choose_number(
    column: str, scan: NotationScan, settings: NotationSettings, decimals: set[str | None]
) -> NotationChoice | None:
    full = [
        notation
        for notation in (UNITS_ONLY, *NUMBER_NOTATIONS)
        if notation in scan.fits and _cells_read(scan, notation) == scan.known
    ]
    given = [
        n
        for n in full
        if settings.decimal in {None, n.decimal}
        and (settings.thousands is None or n.thousands in {"", settings.thousands})
        and n.decimal != settings.thousands
    ]
    is_given = settings.decimal is not None or settings.thousands is not None
    if not given or not (scan.has_many_values or (is_given and given[0] != UNITS_ONLY)):
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
    return _refuse_units(column, scan) or _number_choice(column, scan, given[0])


def _refuse_units(column: str, scan: NotationScan) -> NotationChoice | None:
    """Refuse numbers in several units, or some of them in none."""
    units = {unit: count for unit, count in scan.units.items() if unit}
    if not units or not scan.has_many_values:
        return None
    bare = scan.known - sum(units.values())
    if len(units) == 1 and not bare:
        return None
    shown = [f"{count:,} in {unit!r}" for unit, count in units.items()]
    shown += [f"{bare:,} without a unit"] if bare else []
    return NotationChoice(
        problem=f"numbers in different units: {', '.join(shown)}",
        hint=f"write them in one unit; or data.categories: [{quote(column)}] if they are names",
    )


def _number_choice(column: str, scan: NotationScan, notation: Notation) -> NotationChoice:
    settings = {"decimal": notation.decimal} if notation.decimal != "." else {}
    if notation.thousands:
        settings["thousands"] = notation.thousands
    words = []
    if "decimal" in settings:
        words.append("a decimal comma")
    if notation.thousands:
        words.append(f"{MARKS[notation.thousands]} between thousands")
    example = scan.fits[notation].example if notation in scan.fits else scan.examples["dotted"]
    value = notation.read(pl.Series([example]))[0][0]
    keys = ", ".join(f"data.{key}: {mark!r}" for key, mark in settings.items())
    unit = next(filter(None, scan.units), "")
    return NotationChoice(
        dataclasses.replace(notation, unit=unit),
        note=f"{column!r} is read as numbers{' with ' if words else ''}{' and '.join(words)}, "
        f"{show_cell(example)} as {value:.15g}" + (f" ({keys})" if keys else ""),
        settings=settings,
    )


def _choose_date(column: str, scan: NotationScan) -> NotationChoice | None:
    """Read dates of one format, among which ISO ones may stand."""
    dates = {n: fit for n, fit in scan.fits.items() if n.kind == "date"}
    full = [n for n, fit in dates.items() if fit.cells + scan.dates == scan.known]
    if len(full) > 1:
        forms = " or ".join(f"{n.date_format!r}" for n in full)
        return NotationChoice(
            problem=f"dates such as {show_cell(dates[full[0]].example)} can be read in "
            f"{len(full)} ways: the day may come before or after the month",
            hint=f"data.date_format: {{{quote(column)}: ...}}, with {forms}",
        )
    if full:
        date_format = str(full[0].date_format)
        key = f"data.date_format: {{{quote(column)}: {date_format!r}}}"
        return NotationChoice(
            full[0],
            note=f"{column!r} is read as dates such as {show_cell(dates[full[0]].example)} ({key})",
            settings={"date_format": {column: date_format}},
        )
    return None


def _find_words(column: str, scan: NotationScan) -> NotationChoice | None:
    """Refuse words, or other notations, where the other cells are numbers or dates."""
    if 2 * scan.unread.cells > scan.known and scan.has_many_values:
        is_date = DATE.search(scan.unread.example)
        written = (
            f"; data.date_format: {{{quote(column)}: ...}} if they are dates" if is_date else ""
        )
        return NotationChoice(
            problem=f"cells such as {show_cell(scan.unread.example)} are neither numbers nor dates "
            "as they are written",
            hint=f"write them as numbers or ISO dates; data.categories: [{quote(column)}] if they "
            f"are names{written}",
            settings={"categories": [column]},
        )
    numbers, dates = scan.numbers + scan.odd_numbers, scan.dates + scan.odd_dates
    kind: Literal["number", "date"] = "date" if dates > numbers else "number"
    if scan.words.has_more or scan.known == 0 or not max(numbers, dates):
        return None
    if not scan.has_many_values and (kind == "number" or 2 * dates <= scan.known):
        return None
    if scan.censored.cells:
        return _refuse_censored(scan)
    return _refuse_words(column, scan, kind) or _refuse_mixture(scan, kind)


def _refuse_words(
    column: str, scan: NotationScan, kind: Literal["number", "date"]
) -> NotationChoice | None:
    """Refuse a few different words among numbers or dates."""
    words = list(scan.words.counts)
    if not words:
        return None
    are_codes = kind == "number" and any(map(CODE.fullmatch, words))
    keys = [f"data.missing_values: {flow(words)} reads them as missing"]
    if kind == "number":
        names = f"data.categories: [{quote(column)}] reads the column as names"
        keys.insert(0 if are_codes else 1, names)
    return NotationChoice(
        kind="category" if are_codes else kind,
        problem=f"{scan.words.cells:,} of {scan.known:,} cells are words among {kind}s: "
        f"{_list_counts(scan.words)}",
        hint="; ".join(keys),
        settings={"categories": [column]} if are_codes else _as_missing(scan, scan.words),
    )


def _refuse_mixture(scan: NotationScan, kind: Literal["number", "date"]) -> NotationChoice | None:
    """Refuse numbers or dates of which no notation reads all."""
    counts = {n: _cells_read(scan, n) for n in (UNITS_ONLY, *scan.fits) if n.kind == "number"}
    counts |= {n: fit.cells + scan.dates for n, fit in scan.fits.items() if n.kind == "date"}
    counts[Notation("date")] = scan.dates
    most = max(counts.values())
    if most == scan.known:
        return None
    notation = max(counts, key=lambda n: counts[n])
    own = ("number", "dotted") if kind == "number" else ("ISO date",)
    cells = [scan.examples.get(sort) for sort in own]
    cells += [fit.own_example or fit.example for fit in scan.fits.values()]
    candidates = pl.Series(list(dict.fromkeys(cell for cell in cells if cell)))
    read = _read_as(notation, candidates)
    others = candidates.filter(read.is_null())
    if others.is_empty():
        return None  # a few numbers among dates, or dates among numbers
    shown = ", ".join(map(show_cell, [*candidates.filter(read.is_not_null())[:1], *others]))
    return NotationChoice(
        kind=kind,
        problem=f"{kind}s written in several ways: {scan.known - most:,} of {scan.known:,} "
        f"cells otherwise than the others, such as {shown}",
        hint="write all of them in one way",
    )


def _read_as(notation: Notation, texts: pl.Series) -> pl.Series:
    if notation == Notation("date"):
        return parse_dates(texts).values
    return notation.read(texts)[0]


def _refuse_censored(scan: NotationScan) -> NotationChoice:
    """Refuse values of which only a bound is known."""
    known = [*scan.censored.counts, *scan.words.counts]
    others = f", and {scan.words.cells:,} words: {_list_counts(scan.words)}"
    hint = "write a number in their place, such as the bound"
    if not scan.censored.has_more:
        hint += f"; or data.missing_values: {flow(known)} reads them as missing"
    return NotationChoice(
        kind="number",
        problem=f"{scan.censored.cells:,} of {scan.known:,} cells are censored, so that only a "
        f"bound of the value is known: {_list_counts(scan.censored)}"
        + (others if scan.words.cells else ""),
        hint=hint,
        settings={} if scan.censored.has_more else _as_missing(scan, scan.censored, scan.words),
    )


def _as_missing(scan: NotationScan, *texts: TextCounts) -> dict[str, Any]:
    """Return the key that reads texts as missing, where they are marks, or few."""
    words = [word for some in texts for word in some.counts]
    are_marks = not any(letter.isalnum() for word in words for letter in word)
    is_few = sum(some.cells for some in texts) <= FEW * scan.known
    return {"missing_values": words} if are_marks or is_few else {}


def _note_digits(column: str, scan: NotationScan) -> NotationChoice | None:
    """Say what is lost where plain numbers may be codes or dates."""
    if scan.numbers < scan.known or not scan.known:
        return None
    if scan.are_compact_dates and scan.has_many_values:
        key = f"data.date_format: {{{quote(column)}: '%Y%m%d'}}"
        return NotationChoice(
            note=f"{column!r} holds numbers such as {scan.examples['number']}, which may be dates "
            f"({key})",
            settings={"date_format": {column: "%Y%m%d"}},
        )
    if "zero" in scan.examples:
        return NotationChoice(
            note=f"{column!r} is read as numbers, so that {show_cell(scan.examples['zero'])} loses "
            f"its leading zero (data.categories: [{quote(column)}] keeps names)",
        )
    return None


def _list_counts(texts: TextCounts) -> str:
    shown = [f"{show_cell(text)} ({count:,})" for text, count in texts.counts.items()]
    return ", ".join(shown) + (", ..." if texts.has_more else "")
