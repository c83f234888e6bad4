"""The decision threshold of each label, by exact search over the sorted validation scores."""

from imbalance_cli.decisions.thresholds.choosing import Thresholds, choose_thresholds
from imbalance_cli.decisions.thresholds.pool import ScorePool
from imbalance_cli.decisions.thresholds.unreached import describe_unreached, show_nearest, show_rows

__all__ = [
    "ScorePool",
    "Thresholds",
    "choose_thresholds",
    "describe_unreached",
    "show_nearest",
    "show_rows",
]
