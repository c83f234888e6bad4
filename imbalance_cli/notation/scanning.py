"""What a stream of texts shows of how its column is written, in bounded memory.

Every cell is a number as Python writes it, an ISO date, or odd. Odd cells are held against each
notation of numbers and dates; those that fit none are words.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.notation.reading import BLANKS, SUFFIX, Notation, strip_unit
from imbalance_cli.readers.cells import CELL, no_numbers, parse_dates, parse_texts
from imbalance_cli.readers.source import MISSING_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBER_NOTATIONS = {
    Notation("number", ",", ""): r"^[-+]?(\d+,\d*|,\d+)([eE][-+]?\d+)?$",
    Notation("number", ".", ","): r"^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$",
    Notation("number", ",", "."): r"^[-+]?(\d{1,3}(\.\d{3})+(,\d*)?|\d{1,3},\d*)$",
    Notation("number", ".", " "): rf"^[-+]?(\d{{1,3}}({BLANKS}\d{{3}})+(\.\d*)?)$",
    Notation("number", ",", " "): rf"^[-+]?(\d{{1,3}}({BLANKS}\d{{3}})+(,\d*)?|\d{{1,3}},\d*)$",
    Notation("number", ".", "'"): "^[-+]?\\d{1,3}(['\u2019]\\d{3})+(\\.\\d*)?$",
}
"""Each notation, and the odd cells that are written in it."""
UNITS_ONLY = Notation("number")
THOUSANDS_WITH_DOTS = Notation("number", ",", ".")
PLAIN = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
CENSORED = r"^[<>≤≥]=? ?[-+]?[\d.,]+$"
GROUPED = r"^[-+]?[1-9]\d{0,2}\.\d{3}$"  # 1.324, which may be 1324
LONG = r"^[-+]?\d{4,}"
FEW_DISTINCT = 20  # numbers; a column of no more may as well be one of categories
MOST_WORDS = 10  # different ones among numbers or dates
SAMPLE = 200  # texts that choose the date formats to try
DATES = [
    form.replace("/", mark)
    for form in ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%d/%B/%Y", "%d/%B/%y")
    for mark in "/.-"
] + ["%d %B %Y", "%d %B %y", "%B %d, %Y", "%B %d %Y", "%d%B%Y"]
CLOCKS = ["", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p"]
DATE_FORMATS = [
    date + clock for date, clock in itertools.product(DATES, CLOCKS) if date != "%Y-%m-%d"
]
PATTERNS = {
    "%d": r"\d{1,2}",
    "%m": r"\d{1,2}",
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%B": r"[[:alpha:]]{3,9}",
    "%H": r"\d{1,2}",
    "%I": r"\d{1,2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%.f": r"\.\d+",
    "%p": r"[AaPp][Mm]",
}


@dataclasses.dataclass
class Fit:
    """How many odd cells are written in a notation, and the range of their values."""

    cells: int = 0
    low: float = np.inf
    high: float = -np.inf
    example: str = ""

    def add(self, texts: pl.Series, values: pl.Series, counts: pl.Series) -> None:
        """Take in texts and their values, null where the text is not written so."""
        known = values.is_not_null()
        if known.any():
            self.example = self.example or str(texts.filter(known)[0])
            self.cells += int(counts.filter(known).sum())
            self.low = min(self.low, float(values.min()))  # type: ignore[arg-type]
            self.high = max(self.high, float(values.max()))  # type: ignore[arg-type]


class NotationScan:
    """The evidence on one column.

    Attributes:
        known: cells that are not missing.
        numbers: of those, how many are numbers as Python writes them, without a unit.
        dates: how many are ISO dates.
        fits: the odd cells that each notation of numbers and dates reads.
        words: the first odd cells that no notation reads, and how often each occurs.
        has_many_words: whether there were more of them than that.
        censored: cells such as <0.05; `censored_example` is the first of them.
        units: the units that were stripped off.
        place: of the first word or censored cell.
        dotted: such numbers with a dot, here also those with a unit.
        grouped: those among them that may be thousands, such as 1.324, where all before were.
        undotted: such numbers without a dot.
        has_long: whether one of these has over three digits.

    Args:
        missing: further texts that stand for a missing value.
    """

    def __init__(self, missing: tuple[str, ...] = ()) -> None:
        self.missing = missing
        self.known = self.numbers = self.dates = self.censored = 0
        self.fits: dict[Notation, Fit] = {}
        self.words: dict[str, int] = {}
        self.has_many_words = False
        self.censored_example = self.place = ""
        self.units: dict[str, int] = {}
        self.dotted = self.grouped = self.undotted = 0
        self.has_long = False
        self._distinct: set[str] = set()  # numbers, no more than FEW_DISTINCT + 1
        self._formats: list[str] | None = None

    @property
    def has_many_numbers(self) -> bool:
        """Whether there are more different numbers than a column of categories has."""
        return len(self._distinct) > FEW_DISTINCT

    @property
    def is_clear(self) -> bool:
        """Whether further cells hardly matter: all are plain numbers or ISO dates, or most words.

        Cells that contradict it later are refused where they are read as features.
        """
        may_be_grouped = self.grouped == self.dotted > 0 and not self.has_long
        is_plain = self.numbers == self.known and not may_be_grouped
        is_names = not (self.numbers or self.dates or self.fits or self.censored)
        is_known = is_plain or is_names or self.dates == self.known or self.has_many_words
        return self.known > 0 and is_known

    def add(self, column: pl.Series, place: Callable[[int], str]) -> None:
        """Take in cells of texts; `place` says where a row of them stands."""
        texts, _ = Notation(missing=self.missing).read(parse_texts(column))
        cells = texts.drop_nulls()
        self.known += len(cells)
        values = cells.cast(pl.Float64, strict=False)
        is_number = values.is_not_null()
        self.numbers += int(is_number.sum())
        self._add_numbers(cells.filter(is_number))
        if not is_number.all():
            odd = cells.filter(~is_number).alias(CELL).to_frame()
            self._add_odd(*odd.group_by(CELL, maintain_order=True).len().get_columns())
            if not self.place and (self.words or self.censored):
                word = self.censored_example or next(iter(self.words))
                self.place = place(texts.index_of(word) or 0)

    def _add_numbers(self, numbers: pl.Series, counts: pl.Series | None = None) -> None:
        """Note the dots of numbers, each of which stands for one cell or for `counts`."""
        counts = pl.Series([1]).new_from_index(0, len(numbers)) if counts is None else counts
        self._note_distinct(numbers)
        has_dot = numbers.str.contains(".", literal=True)
        dotted = int(counts.filter(has_dot).sum())
        if self.grouped == self.dotted and dotted:  # past the first other one nobody asks
            self.grouped += int(counts.filter(numbers.str.contains(GROUPED)).sum())
        self.dotted += dotted
        self.undotted += int(counts.sum()) - dotted
        if not self.has_long and not has_dot.all():
            self.has_long = bool(numbers.filter(~has_dot).str.contains(LONG).any())

    def _note_distinct(self, texts: pl.Series) -> None:
        for start in range(0, len(texts), 1000):
            if self.has_many_numbers:
                return
            fresh = texts[start : start + 1000].unique(maintain_order=True).to_list()
            self._distinct.update(fresh[: FEW_DISTINCT + 1 - len(self._distinct)])

    def _add_odd(self, texts: pl.Series, counts: pl.Series) -> None:
        is_missing = texts.str.to_lowercase().is_in(list(MISSING_WORDS))
        self.known -= int(counts.filter(is_missing).sum())
        texts, counts = texts.filter(~is_missing), counts.filter(~is_missing)
        iso = parse_dates(texts).values.is_not_null()
        self.dates += int(counts.filter(iso).sum())
        is_censored = texts.str.contains(CENSORED)
        if is_censored.any():
            self.censored += int(counts.filter(is_censored).sum())
            self.censored_example = self.censored_example or texts.filter(is_censored)[0]
        is_left = ~iso & ~is_censored
        texts, counts = texts.filter(is_left), counts.filter(is_left)
        if texts.is_empty():
            return
        is_read = self._try_numbers(texts, counts) | self._try_dates(texts, counts)
        self._note_distinct(texts.filter(is_read))
        for word, count in zip(texts.filter(~is_read), counts.filter(~is_read), strict=True):
            if word in self.words or len(self.words) < MOST_WORDS:
                self.words[word] = self.words.get(word, 0) + count
            else:
                self.has_many_words = True
                return

    def _try_numbers(self, texts: pl.Series, counts: pl.Series) -> pl.Series:
        """Hold texts against each notation of numbers; return which any of them reads."""
        bare = strip_unit(texts)
        is_read = bare.str.contains(PLAIN)
        if is_read.any():
            self._fit(UNITS_ONLY).add(texts, bare.cast(pl.Float64, strict=False), counts)
            self._add_numbers(bare.filter(is_read), counts.filter(is_read))
        for notation, pattern in NUMBER_NOTATIONS.items():
            fits = bare.str.contains(pattern)
            if fits.any():
                values, _ = notation.read(texts.set(~fits, None))
                self._fit(notation).add(texts, values, counts)
                is_read |= fits
        has_unit = is_read & (bare != texts)
        self._note_units(texts.filter(has_unit), counts.filter(has_unit))
        return is_read

    def _note_units(self, texts: pl.Series, counts: pl.Series) -> None:
        units = texts.str.extract(SUFFIX, 2).fill_null("")
        for unit, count in zip(units, counts, strict=True):
            self.units[unit] = self.units.get(unit, 0) + count

    def _try_dates(self, texts: pl.Series, counts: pl.Series) -> pl.Series:
        """Hold texts against formats of dates; return which any of them reads."""
        if self._formats is None:
            sample = texts.head(SAMPLE)
            self._formats = [f for f in DATE_FORMATS if read_dates(sample, f).is_not_null().any()]
        is_read = pl.Series([False]).new_from_index(0, len(texts))
        for date_format in self._formats:
            days = read_dates(texts, date_format)
            self._fit(Notation("date", date_format=date_format)).add(texts, days, counts)
            is_read |= days.is_not_null()
        return is_read

    def _fit(self, notation: Notation) -> Fit:
        return self.fits.setdefault(notation, Fit())


def read_dates(texts: pl.Series, date_format: str) -> pl.Series:
    """Return days since 1970, null where a text is not written in the format."""
    pattern = "".join(
        PATTERNS.get(part, re.escape(part)) for part in re.split(r"(%\.f|%[a-zA-Z])", date_format)
    )
    fits = texts.str.contains(f"^{pattern}$")
    if not fits.any():
        return no_numbers(len(texts))
    moments = texts.set(~fits, None).str.to_datetime(date_format, time_unit="us", strict=False)
    return parse_dates(moments).values
