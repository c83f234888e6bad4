"""An Evaluation: every number of the report, computed once, drawn elsewhere."""

from imbalance_cli.evaluation.evaluating import evaluate_rows
from imbalance_cli.evaluation.reasons import ALIKE, LEAST_FOR_INTERVAL
from imbalance_cli.evaluation.resampling import BLOCKS, JOINT_CELLS, Resampling, UnitDraws
from imbalance_cli.evaluation.results import (
    INTERVALS,
    SLICED,
    WITH_INTERVAL,
    Estimate,
    Evaluation,
    Interval,
    LabelEvaluation,
    SliceEvaluation,
    Slices,
)
from imbalance_cli.evaluation.scored_rows import DenseRows, ScoredRows
from imbalance_cli.evaluation.slices import Grouping
from imbalance_cli.metrics import Levels

__all__ = [
    "ALIKE",
    "BLOCKS",
    "INTERVALS",
    "JOINT_CELLS",
    "LEAST_FOR_INTERVAL",
    "SLICED",
    "WITH_INTERVAL",
    "DenseRows",
    "Estimate",
    "Evaluation",
    "Grouping",
    "Interval",
    "LabelEvaluation",
    "Levels",
    "Resampling",
    "ScoredRows",
    "SliceEvaluation",
    "Slices",
    "UnitDraws",
    "evaluate_rows",
]
