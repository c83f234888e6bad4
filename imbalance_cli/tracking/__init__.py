"""Trackers keep a fit in TensorBoard or MLflow, which are extras and imported when asked for."""

from imbalance_cli.tracking.guarded import Guarded, Tracker
from imbalance_cli.tracking.mlflow import MlflowTracker
from imbalance_cli.tracking.series import MOST_LABELS
from imbalance_cli.tracking.tensorboard import TensorBoardTracker

__all__ = ["MOST_LABELS", "Guarded", "MlflowTracker", "TensorBoardTracker", "Tracker"]
