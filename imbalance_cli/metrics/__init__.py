"""Per-label metrics, all labels at once, and what holds for all of them.

All sums are float64. What is undefined (average precision without a positive) is NaN here and null
in every report. A missing target (NaN) is in no metric of its label.

Sample weights are (N,), from 0 up and of any scale: a row of weight 2 counts as if it stood there
twice, a row of weight 0 as if it did not. Those of cells are (N, L): each label has its own. None
is 1 for every row.

Predictions and targets of different shapes, probabilities below 0 or above 1 and weights of other
rows raise EvaluationError. That targets are 0, 1 or NaN and no probability is NaN is not checked
here: `evaluation.evaluate_rows` checks it, and names the row.
"""

from imbalance_cli.metrics.averages import macro, weighted_mean
from imbalance_cli.metrics.band_bootstrap import BandCounts
from imbalance_cli.metrics.bands import Bands
from imbalance_cli.metrics.confusion import Confusion
from imbalance_cli.metrics.ece_interval import EceTests
from imbalance_cli.metrics.intervals import interval_multiplier, make_intervals
from imbalance_cli.metrics.multilabel import (
    FIELDS,
    bound_ratios,
    judge_rows,
    multilabel_metrics,
)
from imbalance_cli.metrics.pooled import PooledSums
from imbalance_cli.metrics.probabilities import (
    brier,
    expected_calibration_error,
    log_loss,
)
from imbalance_cli.metrics.proportions import Cases
from imbalance_cli.metrics.ranking import (
    Ranking,
    average_precision,
    average_precision_of,
    roc_auc,
)
from imbalance_cli.metrics.registry import (
    METRIC_SPECS,
    MetricSpec,
    compared_metrics,
    lower_is_better,
    register_metric,
)
from imbalance_cli.metrics.replicates import DEFAULT_LEVELS, Levels, Replicates
from imbalance_cli.metrics.row_bootstrap import BandRows, Units
from imbalance_cli.metrics.weights import (
    as_columns,
    simplify_weights,
    weights_of_labels,
    weights_of_rows,
)

__all__ = [
    "DEFAULT_LEVELS",
    "FIELDS",
    "METRIC_SPECS",
    "BandCounts",
    "BandRows",
    "Bands",
    "Cases",
    "Confusion",
    "EceTests",
    "Levels",
    "MetricSpec",
    "PooledSums",
    "Ranking",
    "Replicates",
    "Units",
    "as_columns",
    "average_precision",
    "average_precision_of",
    "bound_ratios",
    "brier",
    "compared_metrics",
    "expected_calibration_error",
    "interval_multiplier",
    "judge_rows",
    "log_loss",
    "lower_is_better",
    "macro",
    "make_intervals",
    "multilabel_metrics",
    "register_metric",
    "roc_auc",
    "simplify_weights",
    "weighted_mean",
    "weights_of_labels",
    "weights_of_rows",
]
