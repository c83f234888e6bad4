"""fit, compare, evaluate and predict: the only place that puts the rooms together."""

from imbalance_cli.workflows.applying import evaluate, predict
from imbalance_cli.workflows.comparing import choose, compare
from imbalance_cli.workflows.fitting import default_directory, fit
from imbalance_cli.workflows.observing import Finish, Observer, Observers, Start

__all__ = [
    "Finish",
    "Observer",
    "Observers",
    "Start",
    "choose",
    "compare",
    "default_directory",
    "evaluate",
    "fit",
    "predict",
]
