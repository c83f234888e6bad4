"""The table that `imbtrain weights` draws on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

from imbalance_cli.errors import escape_name

if TYPE_CHECKING:
    from imbalance_cli.weighting.pos_weight import PosWeights

BAR_WIDTH = 8
BAR_DECADES = 4  # the bar is logarithmic, from 0.01 % (empty) to 100 % (full)
EIGHTHS = " ▏▎▍▌▋▊▉"


def draw_weights(weights: PosWeights) -> Table:
    """Return a table with one row a label: counts, a prevalence bar, the weight and its shift."""
    source = weights.source if isinstance(weights.source, str) else ", ".join(weights.source)
    table = Table(
        title=f"{escape_name(source)}: {weights.rows:,} rows",
        caption=f"weight: pos_weight by {weights.strategy.name}; bar: log scale, 0.01 % to 100 %; "
        "shift: log(weight), which training adds to the log-odds",
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    table.add_column("label", overflow="fold", min_width=9)
    for name in ("positives", "negatives", "missing", "prevalence"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("weight", "shift"):
        table.add_column(name, justify="right", no_wrap=True)
    for label in weights.labels:
        counts = label.counts
        table.add_row(
            escape_name(counts.label),
            f"{counts.positives:,}",
            f"{counts.negatives:,}",
            f"{counts.missing:,}" if counts.missing else "-",
            "-" if counts.prevalence is None else _percent(counts.prevalence),
            _bar(counts.prevalence or 0),
            f"{label.pos_weight:.4g}",
            f"{math.log(label.pos_weight):+.2f}",
        )
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _bar(share: float) -> str:
    filled = 1 + math.log10(share) / BAR_DECADES if share else 0.0
    eighths = max(round(8 * BAR_WIDTH * max(filled, 0)), 1 if share else 0)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).ljust(BAR_WIDTH)
