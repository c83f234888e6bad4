"""Progress of steps that may take long."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Literal, TypeVar

Unit = Literal["rows", "lines", "labels", "columns", "bytes", "seconds"]


@dataclasses.dataclass(frozen=True)
class Stage:
    """How far something is.

    Attributes:
        name: what is done: "reading", "calibrating".
        done: how many of them it is done with.
        total: how many there are; None while that is not known.
        unit: what is counted; None where nothing is.
    """

    name: str
    done: int = 0
    total: int | None = None
    unit: Unit | None = None

    def __str__(self) -> str:
        """Return "calibrating 1,200 of 10,000 labels", or "drawing the page"."""
        if self.unit is None:
            return self.name
        if self.unit == "bytes":
            all_ = "" if self.total in {None, self.done} else f" of {self.total / 1e6:,.1f}"
            return f"{self.name} {self.done / 1e6:,.1f}{all_} MB"
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.name} {self.done:,}{of} {self.unit}"


Tell = Callable[[Stage], None]


def tell_nobody(stage: Stage) -> None:
    """Say nothing."""


tell_reading: ContextVar[Tell] = ContextVar("tell_reading", default=tell_nobody)
"""Receives how much of a pipe has come, or of a URL, and once that is whole as much of as much."""

Item = TypeVar("Item")


def follow(
    items: Iterable[Item],
    tell: Tell,
    name: str,
    size: Callable[[Item], int],
    total: int | None = None,
    unit: Unit = "rows",
) -> Iterator[Item]:
    """Yield items, and tell how many came by: from none on, and after each item.

    Args:
        items: blocks of them.
        tell: receives the progress.
        name: of the stage.
        size: how many rows, labels or columns an item is.
        total: how many there are in all.
        unit: what is counted.
    """
    done = 0
    tell(Stage(name, done, total, unit))
    for item in items:
        yield item
        done += size(item)
        tell(Stage(name, done, total, unit))
