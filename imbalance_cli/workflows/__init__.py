"""The verbs, as fit, predict and export: the only place that puts the rooms together."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imbalance_cli.workflows.applying import evaluate, predict
    from imbalance_cli.workflows.checking import check
    from imbalance_cli.workflows.comparing import choose, compare
    from imbalance_cli.workflows.comparing_runs import compare_runs
    from imbalance_cli.workflows.drawing_runs import draw_runs
    from imbalance_cli.workflows.explaining import explain, keep_explanation
    from imbalance_cli.workflows.exporting import export
    from imbalance_cli.workflows.fitting import describe_flattery, fit
    from imbalance_cli.workflows.learning_curve import compare_sizes
    from imbalance_cli.workflows.observing import Finish, Observer, Observers, Start
    from imbalance_cli.workflows.peer import measure_by_peer, refuse_peer, train_peer
    from imbalance_cli.workflows.reporting import (
        draw_page,
        draw_report,
        read_decisions,
        read_evaluation,
    )
    from imbalance_cli.workflows.searching import search

_HOMES = {
    "applying": ("evaluate", "predict"),
    "checking": ("check",),
    "comparing": ("choose", "compare"),
    "comparing_runs": ("compare_runs",),
    "drawing_runs": ("draw_runs",),
    "explaining": ("explain", "keep_explanation"),
    "exporting": ("export",),
    "fitting": ("describe_flattery", "fit"),
    "learning_curve": ("compare_sizes",),
    "observing": ("Finish", "Observer", "Observers", "Start"),
    "peer": ("measure_by_peer", "refuse_peer", "train_peer"),
    "reporting": ("draw_page", "draw_report", "read_decisions", "read_evaluation"),
    "searching": ("search",),
}
__all__ = [
    "Finish",
    "Observer",
    "Observers",
    "Start",
    "check",
    "choose",
    "compare",
    "compare_runs",
    "compare_sizes",
    "describe_flattery",
    "draw_page",
    "draw_report",
    "draw_runs",
    "evaluate",
    "explain",
    "export",
    "fit",
    "keep_explanation",
    "measure_by_peer",
    "predict",
    "read_decisions",
    "read_evaluation",
    "refuse_peer",
    "search",
    "train_peer",
]


def __getattr__(name: str) -> object:
    """Import a workflow when it is first asked for: each needs a hundred modules of its own."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
