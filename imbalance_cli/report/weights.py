"""The table that `imbtrain weights` draws on a terminal."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table

from imbalance_cli.errors import escape_name, show_percent

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from imbalance_cli.weighting.pos_weight import PosWeights

LABEL_WIDTH = 9  # at least
BAR_WIDTH = 8
BAR_DECADES = 4  # the bar is logarithmic, from 0.01 % (empty) to 100 % (full)
EIGHTHS = " ▏▎▍▌▋▊▉"


MOST_NEEDED = ("label", "weight", "positives", "negatives", "prevalence", "shift", "missing", "")
"""The columns; of a terminal that is too narrow the last of these are left out."""


@dataclasses.dataclass(frozen=True)
class WeightsTable:
    """A row per label: counts, a prevalence bar, the weight and its shift, as far as they fit."""

    weights: PosWeights

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Draw as many columns as the width holds."""
        columns = _list_columns(self.weights)
        kept = set(MOST_NEEDED)
        for name in reversed(MOST_NEEDED[2:]):
            others = kept - {"label"}  # whose names may go on in another line
            widths = [max(map(cell_len, [each, *columns[each]])) + 1 for each in others]
            if LABEL_WIDTH + sum(widths) > options.max_width:
                kept.discard(name)
        source = self.weights.source
        names = source if isinstance(source, str) else ", ".join(source)
        legend = [
            f"weight: pos_weight by {self.weights.strategy.name}",
            *(["bar: log scale, 0.01 % to 100 %"] if "" in kept else []),
            *(["shift: log(weight), which training adds to the log-odds"] * ("shift" in kept)),
        ]
        table = Table(
            title=f"{escape_name(names)}: {self.weights.rows:,} rows",
            caption="; ".join(legend),
            title_justify="left",
            caption_justify="left",
            box=None,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="bold",
        )
        for name in columns:
            if name == "label":
                table.add_column(name, overflow="fold", min_width=LABEL_WIDTH)
            elif name in kept:
                table.add_column(name, justify="right" if name else "left", no_wrap=True)
        for row in zip(*(columns[name] for name in columns if name in kept), strict=True):
            table.add_row(*row)
        yield table


def _list_columns(weights: PosWeights) -> dict[str, list[str]]:
    """Return the cells of each column by its heading, in their order."""
    counts = [label.counts for label in weights.labels]
    return {
        "label": [escape_name(each.label) for each in counts],
        "positives": [f"{each.positives:,}" for each in counts],
        "negatives": [f"{each.negatives:,}" for each in counts],
        "missing": [f"{each.missing:,}" if each.missing else "-" for each in counts],
        "prevalence": ["-" if c.prevalence is None else show_percent(c.prevalence) for c in counts],
        "": [draw_share(each.prevalence or 0) for each in counts],
        "weight": [f"{label.pos_weight:.4g}" for label in weights.labels],
        "shift": [f"{math.log(label.pos_weight):+.2f}" for label in weights.labels],
    }


def draw_share(share: float, width: int = BAR_WIDTH) -> str:
    """Return a share as a bar on a log scale, of so many characters."""
    filled = 1 + math.log10(share) / BAR_DECADES if share else 0.0
    eighths = max(round(8 * width * max(filled, 0)), 1 if share else 0)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).ljust(width)
