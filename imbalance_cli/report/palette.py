"""One colour a meaning, for light and for dark paper; figures and pages share them.

Every colour of a mark has a contrast of at least 3 to its paper, every colour of a text 4.5
(WCAG 2.2, 1.4.11 and 1.4.3); a test holds both.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Colour:
    """One meaning's colour, as #rrggbb.

    Attributes:
        light: on light paper.
        dark: on dark paper.
    """

    light: str
    dark: str


PAPER = Colour("#fdfcfa", "#15181c")
RAISED = Colour("#f4f2ed", "#1e2227")  # paper under what stands out: code, the head of a table
TEXTS = {
    "ink": Colour("#1d2126", "#e9e7e2"),
    "muted": Colour("#5a626b", "#a3abb4"),
    "link": Colour("#1b559a", "#8dbdf3"),
}
MARKS = {
    "model": Colour("#2364aa", "#7fb2ee"),
    "chance": Colour("#7a8189", "#868e97"),
    "chosen": Colour("#1d2126", "#e9e7e2"),
    "positive": Colour("#c2540a", "#f0965a"),
    "negative": Colour("#6f7b87", "#909ba6"),
    "before": Colour("#96579f", "#cf9ad6"),
    "precision": Colour("#0b7480", "#55bfca"),
    "recall": Colour("#c2540a", "#f0965a"),
    "f1": Colour("#3d7a1d", "#8cc66a"),
    "cost": Colour("#96579f", "#cf9ad6"),
}
RUNS = ("model", "recall", "f1", "before", "precision", "negative")
"""The colours of runs side by side, in their order."""
LINES = {  # that only divide
    "axis": Colour("#b4b0a8", "#565d65"),
    "grid": Colour("#e6e3dc", "#2b3036"),
}
COLOURS = TEXTS | MARKS | LINES | {"paper": PAPER, "raised": RAISED}
