"""Names of labels and files as a terminal and sentences show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import escape_name, shorten
from imbalance_cli.report.wording import join_words

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 60  # characters of a name in a sentence
LINES = 3  # of a name in a table
WORD_ENDS = frozenset(" _-./:;,")  # after which a name may be cut
ELLIPSIS = "…"


def show_name(name: str, longest: int = LONGEST) -> str:
    """Return a name on one line, its end cut where it is too long."""
    return shorten(escape_name(name), longest)


def list_names(names: Sequence[str], most: int = 3) -> str:
    """Return "a, b and c", or the first and how many more."""
    shown = [show_name(name) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most:,} more")
    return join_words(shown)


def cell_width(text: str) -> int:
    """Return how many cells of a terminal a text takes: two a letter in some scripts."""
    from rich.cells import cell_len  # noqa: PLC0415  sentences need no rich

    return cell_len(text)


def fold_name(name: str, width: int) -> str:
    """Return a name in at most LINES lines of so many cells, cut at word ends where there are any.

    What needs more lines loses its middle, since names of one table often differ in their ends.
    """
    shown = escape_name(name)
    folded = _fold(shown, width, WORD_ENDS)
    if len(folded) > LINES:
        folded = _fold(shown, width, frozenset())
    if len(folded) > LINES:
        folded = [*folded[: LINES - 1], ELLIPSIS + _end(shown, width - 1)]
    return "\n".join(folded)


def _end(name: str, width: int) -> str:
    """Return as much of the end of a name as so many cells hold."""
    start = len(name)
    while start and cell_width(name[start - 1 :]) <= width:
        start -= 1
    return name[start:]


def _fold(name: str, width: int, ends: frozenset[str]) -> list[str]:
    """Cut a name into lines, each as long as the ends of words allow."""
    lines, line = [], ""
    for letter in name:
        if cell_width(line + letter) > width:
            cut = max((i + 1 for i, x in enumerate(line) if x in ends), default=0)
            cut = cut if cut > width // 3 else len(line)  # a word too long for a line is cut
            lines.append(line[:cut].rstrip())
            line = line[cut:]
        line = (line + letter).lstrip() if lines else line + letter
    return [*lines, line]
