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

from imbalance_cli.notation.reading import (
    BLANKS,
    Notation,
    date_pattern,
    read_moments,
    read_unit,
    strip_unit,
)
from imbalance_cli.readers.cells import CELL, parse_dates, parse_texts
from imbalance_cli.readers.plain_numbers import PlainNumbers
from imbalance_cli.readers.source import MISSING_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

NUMBER_NOTATIONS = {
    Notation("number", ",", ""): r"^[-+]?(\d+,\d*|,\d+)([eE][-+]?\d+)?$",
    Notation("number", ".", ","): r"^[-+]?[1-9]\d{0,2}(,\d{2,3})*,\d{3}(\.\d*)?$",
    Notation("number", ",", "."): r"^[-+]?([1-9]\d{0,2}(\.\d{3})+(,\d*)?|\d{1,3},\d*)$",
    Notation("number", ".", " "): rf"^[-+]?([1-9]\d{{0,2}}({BLANKS}\d{{3}})+(\.\d*)?)$",
    Notation(
        "number", ",", " "
    ): rf"^[-+]?([1-9]\d{{0,2}}({BLANKS}\d{{3}})+(,\d*)?|\d{{1,3}},\d*)$",
    Notation("number", ".", "'"): "^[-+]?[1-9]\\d{0,2}(['\u2019]\\d{3})+(\\.\\d*)?$",
}
"""Each notation, and the odd cells that are written in it."""
UNITS_ONLY = Notation("number")
THOUSANDS_WITH_DOTS = Notation("number", ",", ".")
PLAIN = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
CLOCK = r"^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp]\.?[Mm]\.?)?$"
ODD = (  # no number and no date, though made of them: 1:280, 13:45, 2 x 3, Mon 3 mars 2023
    rf"{CLOCK}|^[-+]?[\d.,]+ ?([:/xX*\u00d7\u00b1]|\+/-) ?[\d.,]+(\^[-+]?\d+)?$|"
    r"^([^\d\s]+ )?\d{1,2}[. -]+\p{L}{3,}\.?[, -]+\d{2,4}( .*)?$|"
    r"^\d{1,2}:\d{2}.* \d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}$|"
    r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[-/]\d{1,2}[-/]\d{4})(,? .*)?$"
)
CENSORED = r"^[<>≤≥]=? ?[-+]?[\d.,]+$"
GROUPED = r"^[-+]?[1-9]\d{0,2}\.\d{3}$"  # 1.324, which may be 1324
LONG = r"^[-+]?\d{4,}"
DOT = r"\."
ZERO_FIRST = r"^0\d+$"
COMPACT_DATE = r"^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
FEW_DISTINCT = 20  # numbers; a column of no more may as well be one of categories
MOST_WORDS = 10  # different ones among numbers or dates
SAMPLE = 200  # texts that choose the date formats to try
MOST_SEARCHES = 3  # for formats, in texts that those found before do not read
DATES = [
    form.replace("/", mark)
    for form in ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%d/%B/%Y", "%d/%B/%y")
    for mark in "/.-"
] + ["%d %B %Y", "%d %B %y", "%B %d, %Y", "%B %d %Y", "%d%B%Y"]
WEEKDAYS = ["", "%A, ", "%A "]
TIMES = ["%H:%M", "%H:%M:%S", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p"]
CLOCKS = ["", "T%H:%M:%S", *(gap + time for gap in (" ", ", ") for time in TIMES)]
OTHER_DATES = [
    "%A %B %d %H:%M:%S %Y",
    "%A, %d %B %Y %H:%M:%S %z",
    "%d/%B/%Y:%H:%M:%S %z",
    "%Y%m%dT%H%M%S",
]
ANY_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[-/. ]?\p{L}{3,9}|\p{L}{3,9} \d{1,2}"


@dataclasses.dataclass
class Fit:
    """How many odd cells are written in a notation, and the range of their values.

    Attributes:
        cells: how many.
        low, high: the range.
        example: the first of them.
        own_example: the first that no other notation reads.
    """

    cells: int = 0
    low: float = np.inf
    high: float = -np.inf
    example: str = ""
    own_example: str = ""

    def add(self, texts: pl.Series, values: pl.Series, counts: pl.Series, alone: pl.Series) -> None:
        """Take in texts and their values, null where the text is not written so.

        `alone` says of each whether one notation alone reads it.
        """
        known = values.is_not_null()
        if known.any():
            self.example = self.example or str(texts.filter(known)[0])
            if not self.own_example and (known & alone).any():
                self.own_example = str(texts.filter(known & alone)[0])
            self.cells += int(counts.filter(known).sum())
            self.low = min(self.low, float(values.min()))  # type: ignore[arg-type]
            self.high = max(self.high, float(values.max()))  # type: ignore[arg-type]


@dataclasses.dataclass
class TextCounts:
    """Cells of some sort: how many, and how often the first few different ones occur."""

    cells: int = 0
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    has_more: bool = False

    def add(self, texts: pl.Series, counts: pl.Series) -> None:
        """Take in texts and how often each occurs."""
        self.cells += int(counts.sum())
        for text, count in zip(texts, counts, strict=True):
            if text in self.counts or len(self.counts) < MOST_WORDS:
                self.counts[text] = self.counts.get(text, 0) + count
            else:
                self.has_more = True
                return

    @property
    def example(self) -> str:
        """The first of them."""
        return next(iter(self.counts))


class NotationScan:
    """The evidence on one column.

    Attributes:
        known: cells that are not missing.
        numbers: of those, how many are numbers as Python writes them, without a unit.
        dates: how many are ISO dates.
        fits: the odd cells that each notation of numbers and dates reads.
        odd_numbers, odd_dates: the odd cells that any notation reads.
        words: the odd cells that no notation reads.
        censored: cells such as <0.05.
        unread: words made of numbers or parts of dates, such as 1:280.
        units: the units that were stripped off.
        place: of the first word or censored cell.
        examples: the first number, number with a dot, number that begins with 0, and ISO date.
        dotted: such numbers with a dot, here also those with a unit.
        grouped: those among them that may be thousands, such as 1.324, where all before were.
        undotted: such numbers without a dot.
        low, high: the range of all of these, if the dots are between thousands.
        has_long: whether one of these has over three digits.
        are_compact_dates: whether all numbers are such as 20231125.

    Args:
        missing: further texts that stand for a missing value.
    """

    def __init__(self, missing: tuple[str, ...] = ()) -> None:
        self.missing = missing
        self.known = self.numbers = self.dates = 0
        self.fits: dict[Notation, Fit] = {}
        self.odd_numbers = self.odd_dates = 0
        self.words, self.censored, self.unread = TextCounts(), TextCounts(), TextCounts()
        self.units: dict[str, int] = {}
        self.place = ""
        self.examples: dict[str, str] = {}
        self.dotted = self.grouped = self.undotted = 0
        self.low, self.high = np.inf, -np.inf
        self.has_long = False
        self.are_compact_dates = True
        self._distinct: set[int] = set()  # hashes of numbers and dates, until they are many
        self._formats: list[str] = []  # of dates
        self._searches = 0  # for these

    @property
    def has_many_values(self) -> bool:
        """Whether there are more different numbers and dates than a column of categories has."""
        return len(self._distinct) > FEW_DISTINCT

    @property
    def is_clear(self) -> bool:
        """Whether further cells hardly matter: all are plain numbers or ISO dates, or most words.

        Cells that contradict it later are refused where they are read as features.
        """
        may_be_grouped = self.grouped == self.dotted > 0 and not self.has_long
        is_plain = self.numbers == self.known and not may_be_grouped
        is_names = self.words.cells == self.known
        is_known = is_plain or is_names or self.dates == self.known or self.words.has_more
        return self.known > 0 and is_known

    def add(self, column: pl.Series | PlainNumbers, place: Callable[[int], str]) -> None:
        """Take in cells of texts; `place` says where a row of them stands."""
        if isinstance(column, PlainNumbers):
            self._add_numbers(column.without(self.missing) if self.missing else column)
            return
        texts, _ = Notation(missing=self.missing).read(parse_texts(column))
        cells = texts.drop_nulls()
        is_number = cells.cast(pl.Float64, strict=False).is_not_null()
        self._add_numbers(PlainNumbers.of(cells.filter(is_number)))
        if not is_number.all():
            self.known += len(cells) - int(is_number.sum())
            odd = cells.filter(~is_number).alias(CELL).to_frame()
            self._add_odd(*odd.group_by(CELL, maintain_order=True).len().get_columns())
            if not self.place and (self.words.cells or self.censored.cells):
                word = (self.censored if self.censored.cells else self.words).example
                self.place = place(texts.index_of(word) or 0)

    def _add_numbers(self, numbers: PlainNumbers) -> None:
        known = int(np.count_nonzero(numbers.known))
        self.known += known
        self.numbers += known
        if not known:
            return
        if "number" not in self.examples:
            self.examples["number"] = numbers.text(int(numbers.known.argmax()))
        self._note_values(numbers.hashes)
        self._note_dots(numbers)
        if "zero" not in self.examples:
            begins_with_zero = numbers.matches(ZERO_FIRST)
            if begins_with_zero.any():
                self.examples["zero"] = numbers.text(int(begins_with_zero.argmax()))
        if self.are_compact_dates:
            self.are_compact_dates = np.count_nonzero(numbers.matches(COMPACT_DATE)) == known

    def _note_dots(self, numbers: PlainNumbers, counts: NDArray[np.int64] | None = None) -> None:
        """Note the dots of numbers, each of which stands for so many cells, or for one."""

        def count(chosen: NDArray[np.bool_]) -> int:
            return int(np.count_nonzero(chosen)) if counts is None else int(counts[chosen].sum())

        has_dot, known = numbers.matches(DOT), numbers.known
        if "dotted" not in self.examples and has_dot.any():
            self.examples["dotted"] = numbers.text(int(has_dot.argmax()))
        dotted = count(has_dot)
        if self.grouped == self.dotted and known.any():  # past the first other one it is not used
            self.grouped += count(numbers.matches(GROUPED))
            with np.errstate(over="ignore"):
                values = np.where(has_dot, numbers.values * 1000, numbers.values)[known]
            self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        self.dotted += dotted
        self.undotted += count(known) - dotted
        if not self.has_long and not has_dot[known].all():
            self.has_long = bool((numbers.matches(LONG) & ~has_dot).any())

    def _note_values(self, hashes: NDArray[np.uint64]) -> None:
        """Note different numbers or dates by the hashes of their texts, until they are many."""
        for start in range(0, len(hashes), 1000):
            if self.has_many_values:
                return
            self._distinct.update(hashes[start : start + 1000].tolist())

    def _add_odd(self, texts: pl.Series, counts: pl.Series) -> None:
        is_missing = texts.str.to_lowercase().is_in(list(MISSING_WORDS))
        self.known -= int(counts.filter(is_missing).sum())
        texts, counts = texts.filter(~is_missing), counts.filter(~is_missing)
        iso = parse_dates(texts).values.is_not_null()
        self.dates += int(counts.filter(iso).sum())
        if iso.any():
            self.examples.setdefault("ISO date", texts.filter(iso)[0])
            self._note_values(_hash(texts.filter(iso)))
        is_censored = texts.str.contains(CENSORED)
        self.censored.add(texts.filter(is_censored), counts.filter(is_censored))
        is_left = ~iso & ~is_censored
        texts, counts = texts.filter(is_left), counts.filter(is_left)
        if texts.is_empty():
            return
        is_number, is_date = self._try_numbers(texts, counts), self._try_dates(texts, counts)
        self.odd_numbers += int(counts.filter(is_number).sum())
        self.odd_dates += int(counts.filter(is_date).sum())
        is_left = ~is_number & ~is_date
        is_odd = is_left & texts.str.contains(ODD)
        self._note_values(_hash(texts.filter(~is_left | is_odd)))
        self.unread.add(texts.filter(is_odd), counts.filter(is_odd))
        self.words.add(texts.filter(is_left), counts.filter(is_left))

    def _try_numbers(self, texts: pl.Series, counts: pl.Series) -> pl.Series:
        """Hold texts against each notation of numbers; return which any of them reads."""
        bare = strip_unit(texts)
        is_plain = bare.str.contains(PLAIN)
        self._note_dots(PlainNumbers.of(bare.filter(is_plain)), counts.filter(is_plain).to_numpy())
        reads = {UNITS_ONLY: bare.set(~is_plain, None).cast(pl.Float64, strict=False)}
        for notation, pattern in NUMBER_NOTATIONS.items():
            fits = bare.str.contains(pattern)
            if fits.any():
                reads[notation] = notation.read(texts.set(~fits, None))[0]
        is_read = self._fit(reads, texts, counts)
        has_unit = is_read & (bare != texts)
        units = read_unit(texts.filter(has_unit))
        for unit, count in zip(units, counts.filter(has_unit), strict=True):
            self.units[unit] = self.units.get(unit, 0) + count
        return is_read

    def _try_dates(self, texts: pl.Series, counts: pl.Series) -> pl.Series:
        """Hold texts against formats of dates; return which any of them reads."""
        reads = _read_dates(texts, self._formats)
        is_left = texts.str.contains(ANY_DATE)
        for values in reads.values():
            is_left &= values.is_null()
        if self._searches < MOST_SEARCHES and is_left.any():
            self._searches += 1
            found = _find_formats(texts.filter(is_left).head(SAMPLE))
            self._formats += found
            reads |= _read_dates(texts, found)
        return self._fit(reads, texts, counts)

    def _fit(
        self, reads: Mapping[Notation, pl.Series], texts: pl.Series, counts: pl.Series
    ) -> pl.Series:
        """Count what each notation reads; return which any of them does."""
        times = pl.repeat(0, len(texts), dtype=pl.Int32, eager=True)
        for values in reads.values():
            times += values.is_not_null().cast(pl.Int32)
        for notation, values in reads.items():
            if values.null_count() < len(values):
                fit = self.fits.setdefault(notation, Fit())
                fit.add(texts, values, counts, alone=times == 1)
        return times > 0


def _hash(texts: pl.Series) -> NDArray[np.uint64]:
    hashes: NDArray[np.uint64] = texts.hash(seed=0).to_numpy()
    return hashes


def _read_dates(texts: pl.Series, formats: Sequence[str]) -> dict[Notation, pl.Series]:
    """Return the days since 1970 that each format reads, null where it does not."""
    return {
        Notation("date", date_format=form): parse_dates(read_moments(texts, form)).values
        for form in formats
    }


def _find_formats(sample: pl.Series) -> list[str]:
    """Return the date formats that any of some texts is written in."""
    texts = sample.to_list()

    def fits(date_format: str, end: str = "") -> bool:
        pattern = re.compile(date_pattern(date_format) + end)
        return any(map(pattern.match, texts))

    dates = [
        weekday + date
        for weekday, date in itertools.product(WEEKDAYS, DATES)
        if fits(weekday + date)
    ]
    formats = [*(date + clock for date, clock in itertools.product(dates, CLOCKS)), *OTHER_DATES]
    return [
        date_format
        for date_format in formats
        if date_format != "%Y-%m-%d"
        and fits(date_format, "$")
        and read_moments(sample, date_format).is_not_null().any()
    ]
