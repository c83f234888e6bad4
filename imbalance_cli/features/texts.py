"""What a stream of texts says of its column: its categories, or that it is an id or free text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.errors import FeatureError
from imbalance_cli.features.kinds import list_ways
from imbalance_cli.features.preprocessing import CategoricalFeature
from imbalance_cli.features.sketches import DistinctCounter, FrequentTexts
from imbalance_cli.readers.cells import BOOLEANS, parse_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

RARE = 3  # a category with fewer training rows shares the index of unseen ones, and so trains it
ONE_HOT_CATEGORIES = 9  # up to so many categories are one-hot columns; more are embedded
WHOLE = r"^[-+]?\d+$"
DATE = r"^\d{4}-\d{1,2}-\d{1,2}([ T]|$)"
SECTION = 4  # times as many rows as texts are exact wait to be counted together


class TextScan:
    """The texts of a column.

    Cells wait until a section of them is full or somebody asks, since most columns turn out to be
    numbers, and those of a table in memory then need not be counted at all. A section is of fixed
    length: what is kept of many texts would else depend on the batches.

    Args:
        column: its name.
        exact: up to so many distinct texts, all is exact.
    """

    def __init__(self, column: str, exact: int) -> None:
        self._column = column
        self._section = SECTION * exact
        self._waiting: list[tuple[pl.Series, NDArray[np.bool_], bool]] = []
        self._waiting_rows = 0
        self._distinct = DistinctCounter(exact)
        self._categories = FrequentTexts(exact)
        self._known = self._characters = 0
        self._first: str | None = None
        self._has_booleans = self._has_missing = False
        self._is_whole = True  # whether every cell is written as a whole number
        self._is_readable = True  # whether every cell looks like a number or a date
        self._has_counts = True

    def add(
        self, cells: pl.Series, rows: NDArray[np.bool_] | None, *, are_numbers: bool = False
    ) -> None:
        """Take in cells, of which `rows` (N,) are of the training part.

        Args:
            cells: texts as `parse_texts` gives them, or typed.
            rows: see above; None for all.
            are_numbers: whether they are all known to be numbers, or missing; true is none.
        """
        is_chosen = np.ones(len(cells), np.bool_) if rows is None else rows
        self._waiting.append((cells, is_chosen, are_numbers))
        self._waiting_rows += len(cells)
        while self._waiting_rows > self._section:
            self._count(self._section)

    def has_booleans(self) -> bool:
        """Whether any cell is true or false."""
        self._count(self._waiting_rows)
        return self._has_booleans

    def is_whole(self) -> bool:
        """Whether every known cell is written as a whole number."""
        self._count(self._waiting_rows)
        return self._is_whole

    def distinct(self) -> tuple[int, bool]:
        """Return how many different cells there are, and whether that is no estimate."""
        self._count(self._waiting_rows)
        return self._distinct.count, self._distinct.is_exact

    def characters(self) -> int:
        """Return how many characters all cells have."""
        self._count(self._waiting_rows)
        return self._characters

    def first(self) -> str:
        """Return the first cell."""
        self._count(self._waiting_rows)
        return self._first or ""

    def category(self, name: str) -> CategoricalFeature | None:
        """Return the feature, or None where the training rows have a single index.

        Raises:
            FeatureError: the texts were not counted, since they were numbers or dates for long.
        """
        self._count(self._waiting_rows)
        if not self._has_counts:
            raise FeatureError(
                f"{name}: column {self._column!r}: numbers or dates in the first rows, other texts "
                f"later, and about {self._distinct.count:,} distinct values",
                hint=list_ways(self._column),
            )
        counts = self._categories.counts
        frequent = counts.filter(pl.col("rows") >= RARE)["text"].to_list()
        has_others = len(frequent) < len(counts) or not self._categories.is_exact
        if len(frequent) + has_others + self._has_missing <= 1:
            return None
        one_hot = len(frequent) <= ONE_HOT_CATEGORIES
        return CategoricalFeature(
            self._column,
            frequent,
            one_hot=one_hot,
            has_missing=self._has_missing,
            has_other=has_others,
        )

    def _count(self, rows: int) -> None:
        """Count the first so many of the waiting cells."""
        if not rows:
            return
        cells, is_chosen, are_numbers = self._take(rows)
        if cells.dtype.is_numeric():  # whole numbers: they can be ids, and are never categories
            known = cells.drop_nulls()
            self._known += len(known)
            self._distinct.add(known)
            self._first = str(known[0]) if self._first is None and len(known) else self._first
            return
        texts = cells if cells.dtype == pl.String else parse_texts(cells)
        known = texts.drop_nulls()
        self._known += len(known)
        if len(known):
            self._first = known[0] if self._first is None else self._first
        self._characters += int(known.str.len_chars().sum())
        self._distinct.add(known)
        self._is_whole = self._is_whole and bool(known.str.contains(WHOLE).all())
        is_readable = are_numbers or _are_readable(known)
        self._is_readable &= is_readable
        if not is_readable:
            self._has_booleans |= bool(known.str.to_lowercase().is_in(list(BOOLEANS)).any())
        if len(known) < len(texts) and not self._has_missing:
            self._has_missing = bool(is_chosen[texts.is_null().to_numpy()].any())
        # a column of numbers that differ is hardly a category, and to count them takes longest
        self._has_counts = self._has_counts and (self._distinct.is_exact or not self._is_readable)
        if self._has_counts:
            self._categories.add(texts.filter(pl.Series(is_chosen)))

    def _take(self, rows: int) -> tuple[pl.Series, NDArray[np.bool_], bool]:
        """Remove the first so many waiting cells; return them, their rows, if all are numbers."""
        self._waiting_rows -= rows
        cells: list[pl.Series] = []
        chosen: list[NDArray[np.bool_]] = []
        all_numbers = True
        while rows:
            part, is_chosen, are_numbers = self._waiting.pop(0)
            if len(part) > rows:
                self._waiting.insert(0, (part[rows:], is_chosen[rows:], are_numbers))
                part, is_chosen = part[:rows], is_chosen[:rows]
            rows -= len(part)
            cells.append(part)
            chosen.append(is_chosen)
            all_numbers &= are_numbers
        return pl.concat(cells), np.concatenate(chosen), all_numbers


def _are_readable(texts: pl.Series) -> bool:
    """Whether all texts are numbers, or begin as dates do; true and false are neither."""
    is_number = texts.cast(pl.Float64, strict=False).is_not_null()
    return bool(is_number.all()) or bool((is_number | texts.str.contains(DATE)).all())
