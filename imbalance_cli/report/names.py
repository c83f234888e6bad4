"""Names of labels and files as text on a terminal shows them."""

from __future__ import annotations

from imbalance_cli.errors import shorten

LONGEST = 60  # characters of a name in a sentence or a table


def show_name(name: str, longest: int = LONGEST) -> str:
    """Return a name on one line: what cannot be printed as an escape, what is too long cut."""
    printable = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )
    return shorten(printable, longest)


def list_names(names: list[str], most: int = 3) -> str:
    """Return "a, b and c", or the first and how many more."""
    shown = [show_name(name) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most:,} more")
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last
