"""Which of the installed fonts have the letters of a picture."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from imbalance_cli.errors import escape_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.font_manager import FontEntry

FIRST = "DejaVu Sans"  # which comes with matplotlib
PLACEHOLDERS = "Last Resort"  # a font that draws a box for every letter there is
REGULAR = frozenset({400, "normal", "regular", "book"})
MOST_NAMED = 12  # letters


def silence_matplotlib() -> None:
    """Keep matplotlib from writing lines of its own to stderr, as where HOME cannot be written."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def choose_families(text: str) -> list[str]:
    """Return families of fonts that together have as many letters of a text as any do.

    The first is FIRST; each other has the most of those that are left.
    """
    families, left = [FIRST], set(text) - _letters_of(FIRST)
    while left:
        best = max(_families(), key=lambda family: (len(left & _letters_of(family)), family))
        if not left & _letters_of(best):
            break
        families.append(best)
        left -= _letters_of(best)
    return families


def find_missing(names: Iterable[str]) -> str:
    """Return the letters of names that no installed font has, each once, in their order."""
    letters = dict.fromkeys(letter for name in names for letter in escape_name(name))
    families = choose_families("".join(letters))
    drawn = set[str]().union(*(_letters_of(family) for family in families))
    return "".join(letter for letter in letters if letter not in drawn)


def describe_missing(names: Iterable[str]) -> str | None:
    """Return a sentence on the letters that pictures cannot show, or None where they show all."""
    missing = find_missing(names)
    if not missing:
        return None
    shown = missing[:MOST_NAMED] + ("..." if len(missing) > MOST_NAMED else "")
    return (
        f"plots/*.png: no installed font has {shown}, which are boxes there; the page and the SVG "
        "have them. Install a font of that script, as Noto Sans"
    )


@functools.cache
def _entries() -> list[FontEntry]:
    from matplotlib.font_manager import fontManager  # noqa: PLC0415  half a second

    return [
        entry
        for entry in fontManager.ttflist
        if entry.style == "normal"
        and entry.weight in REGULAR
        and not entry.name.startswith(PLACEHOLDERS)
    ]


def _families() -> list[str]:
    return sorted({entry.name for entry in _entries()})


@functools.cache
def _letters_of(family: str) -> frozenset[str]:
    silence_matplotlib()
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415

    found = (FT2Font(entry.fname).get_charmap() for entry in _entries() if entry.name == family)
    return frozenset(map(chr, next(found, {})))
