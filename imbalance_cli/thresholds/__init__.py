"""The decision threshold of each label, by exact search over the sorted validation scores."""

from imbalance_cli.thresholds.choosing import Thresholds, choose_thresholds, describe_unreached
from imbalance_cli.thresholds.pool import ScorePool

__all__ = ["ScorePool", "Thresholds", "choose_thresholds", "describe_unreached"]
