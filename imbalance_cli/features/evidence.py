"""What is asked of a column to tell its kind; `fit` and `inspect` answer in their own ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import Counter


class Reading(Protocol):
    """A column read as numbers, or as dates.

    Attributes:
        cells: how many are.
        bad: where the first cell stands that is neither missing nor of that kind, and the cell.
        large: where the first one stands that no float32 holds, and what is wrong with it.
    """

    cells: int
    bad: tuple[str, str] | None
    large: tuple[str, str] | None


class Evidence(Protocol):
    """What was seen of a column; what takes long to compute is computed when it is asked for.

    Attributes:
        column: its name.
        type_name: of cells that are no feature, such as lists.
        are_names: whether its type says that it holds categories.
        known: how many cells are not missing.
        are_booleans: whether all known cells are true or false.
        missing_words: how many cells hold each word for a missing number or date.
    """

    column: str
    type_name: str | None
    are_names: bool
    known: int
    are_booleans: bool
    missing_words: Counter[str]

    @property
    def numbers(self) -> Reading:
        """Its cells as numbers."""
        ...

    @property
    def dates(self) -> Reading:
        """Its cells as dates."""
        ...

    @property
    def rows(self) -> int:
        """How many cells there are."""
        ...

    @property
    def characters(self) -> int:
        """How many characters all known cells have."""
        ...

    @property
    def example(self) -> str:
        """The first known cell."""
        ...

    @property
    def has_booleans(self) -> bool:
        """Whether any cell is true or false."""
        ...

    def distinct(self) -> tuple[int, bool]:
        """Return how many different known cells there are, and whether that is no estimate."""
        ...

    def successive(self) -> tuple[float, float] | None:
        """Return the first and last of successive whole numbers that are there once each."""
        ...

    def are_unlike(self) -> bool:
        """Return whether every row has a whole number, and another one."""
        ...

    def are_long_numbers(self) -> bool:
        """Return whether all are written as whole numbers, some too long for a float."""
        ...
