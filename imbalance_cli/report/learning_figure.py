"""The learning curve: average precision over the positives that were learned from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imbalance_cli.report.axes import number_axis
from imbalance_cli.report.figures import Axis, Chart, Dots

if TYPE_CHECKING:
    from imbalance_cli.comparison import Comparison

ROOM = 0.05  # beside the first and the last size, in widths of the axis


def draw_learning(comparison: Comparison) -> Chart | None:
    """Return the figure of a comparison of sizes; None where no average precision is defined."""
    sizes = comparison.candidates
    found = [size.macro["average_precision"] for size in sizes]
    values = [each.value for each in found if each.value is not None]
    counts = [size.positives or 1.0 for size in sizes]
    if len(values) < len(sizes):
        return None
    bars = [
        (each.low, each.high) for each in found if each.low is not None and each.high is not None
    ]
    places = [math.log(count) for count in counts]
    room = ROOM * (places[-1] - places[0])
    ticks = tuple((place, f"{count:,.0f}") for place, count in zip(places, counts, strict=True))
    several = len(sizes[0].labels) > 1
    name = "macro average precision" if several else "average precision"
    ends = [*values, *(end for pair in bars for end in pair)]
    shown = "; ".join(
        f"{value:.3f} of {count:,.0f}" for value, count in zip(values, counts, strict=True)
    )
    return Chart(
        "learning",
        f"{name[0].upper()}{name[1:]} over training positives",
        f"The {name} over the training positives, on a log scale, with intervals: {shown}.",
        Axis("training positives", places[0] - room, places[-1] + room, ticks),
        number_axis(name, min(ends), max(ends)),
        (Dots("model", places, values, name, bars=bars, joined=True),),
    )
