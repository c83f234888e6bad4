"""What `check` found, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import escape_name, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MOST_LABELS = 20
MINUTE, HOUR = 60, 3600


def draw_plan(plan: Mapping[str, Any]) -> Group:
    """Return the rows, the labels with their weights, and what would be trained."""
    parts = ", ".join(f"{name} {number:,}" for name, number in plan["rows"].items())
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("label")
    for name in ("positives", "negatives", "missing", "pos_weight"):
        table.add_column(name, justify="right")
    for label in plan["labels"][:MOST_LABELS]:
        counts = [f"{label[name]:,.10g}" for name in ("positives", "negatives", "missing")]
        table.add_row(escape_name(label["label"]), *counts, f"{label['pos_weight']:.4g}")
    lines: list[Text | Table] = [
        Text(f"rows: {parts}; {number_of(plan['columns'], 'feature')}"),
        table,
    ]
    if len(plan["labels"]) > MOST_LABELS:
        lines.append(Text(f"and {len(plan['labels']) - MOST_LABELS:,} more labels"))
    networks, steps = number_of(plan["networks"], "network"), number_of(plan["steps"], "step")
    what = f"{networks}, loss {plan['loss']}, {number_of(plan['epochs'], 'epoch')} of {steps}"
    lines.append(Text(f"{what}: about {_show_time(plan['seconds'])}, or less if stopped early"))
    lines.append(Text("fit would refuse nothing"))
    return Group(*lines)


def _show_time(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{max(seconds, 1):.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"
