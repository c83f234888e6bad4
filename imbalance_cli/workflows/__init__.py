"""fit, compare, evaluate, predict and report: the only place that puts the rooms together."""

from imbalance_cli.workflows.applying import evaluate, predict
from imbalance_cli.workflows.comparing import choose, compare
from imbalance_cli.workflows.comparing_runs import compare_runs
from imbalance_cli.workflows.drawing_runs import draw_runs
from imbalance_cli.workflows.fitting import default_directory, describe_flattery, fit
from imbalance_cli.workflows.observing import Finish, Observer, Observers, Start
from imbalance_cli.workflows.reporting import (
    draw_page,
    draw_report,
    read_decisions,
    read_evaluation,
    read_peer,
)

__all__ = [
    "Finish",
    "Observer",
    "Observers",
    "Start",
    "choose",
    "compare",
    "compare_runs",
    "default_directory",
    "describe_flattery",
    "draw_page",
    "draw_report",
    "draw_runs",
    "evaluate",
    "fit",
    "predict",
    "read_decisions",
    "read_evaluation",
    "read_peer",
]
