"""An Evaluation: every number of the report, computed once, drawn elsewhere."""

from imbalance_cli.evaluation.evaluating import evaluate_rows
from imbalance_cli.evaluation.reasons import ALIKE, LEAST_FOR_INTERVAL
from imbalance_cli.evaluation.resampling import BLOCKS, JOINT_CELLS, Resampling, UnitDraws
from imbalance_cli.evaluation.results import (
    INTERVALS,
    WITH_INTERVAL,
    Estimate,
    Evaluation,
    Interval,
    LabelEvaluation,
)
from imbalance_cli.evaluation.scored_rows import DenseRows, ScoredRows
from imbalance_cli.metrics import Levels

__all__ = [
    "ALIKE",
    "BLOCKS",
    "INTERVALS",
    "JOINT_CELLS",
    "LEAST_FOR_INTERVAL",
    "WITH_INTERVAL",
    "DenseRows",
    "Estimate",
    "Evaluation",
    "Interval",
    "LabelEvaluation",
    "Levels",
    "Resampling",
    "ScoredRows",
    "UnitDraws",
    "evaluate_rows",
]
