"""fit, evaluate and predict: the only place that puts the rooms together."""

from imbalance_cli.workflows.applying import evaluate, predict
from imbalance_cli.workflows.fitting import Observer, default_directory, fit

__all__ = ["Observer", "default_directory", "evaluate", "fit", "predict"]
