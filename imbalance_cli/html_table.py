"""Tables as notebooks show them, which give them their own style."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_ROWS = 60  # as pandas shows
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def html_table(caption: str, heads: Mapping[str, str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, of no more than MOST_ROWS rows.

    Args:
        caption: what stands above it.
        heads: what each column is called -> what it means, or nothing.
        rows: a name in each, and its cells, which are HTML.
    """
    if len(rows) > MOST_ROWS:
        caption = f"{caption}; the first {MOST_ROWS} of {len(rows):,}"
    shown = "".join(
        f'<th title="{meaning.translate(ESCAPES)}">{head.translate(ESCAPES)}</th>'
        for head, meaning in heads.items()
    )
    body = "".join(
        f"<tr><th>{name.translate(ESCAPES)}</th><td>{'</td><td>'.join(cells)}</td></tr>"
        for name, *cells in rows[:MOST_ROWS]
    )
    return (
        '<table><caption style="text-align: left; white-space: nowrap">'
        f"{caption.translate(ESCAPES)}</caption>"
        f"<thead><tr>{shown}</tr></thead><tbody>{body}</tbody></table>"
    )


def html_interval(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    """Return a number with its interval below it, where it has one; nothing where undefined."""
    if value is None:
        return ""
    shown = f"{value:.{digits}f}"
    if low is None or high is None:
        return shown
    return f"{shown}<br><small>{low:.{digits}f} to {high:.{digits}f}</small>"
