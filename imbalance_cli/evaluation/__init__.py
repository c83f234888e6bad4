"""An Evaluation: every number of the report, computed once, drawn elsewhere."""

from imbalance_cli.evaluation.evaluating import evaluate_rows, evaluate_scores
from imbalance_cli.evaluation.resampling import LEAST_FOR_INTERVAL, Resampling
from imbalance_cli.evaluation.results import (
    METRICS,
    Estimate,
    Evaluation,
    Interval,
    LabelEvaluation,
)
from imbalance_cli.evaluation.scored_rows import DenseRows, ScoredRows
from imbalance_cli.metrics import Levels

__all__ = [
    "LEAST_FOR_INTERVAL",
    "METRICS",
    "DenseRows",
    "Estimate",
    "Evaluation",
    "Interval",
    "LabelEvaluation",
    "Levels",
    "Resampling",
    "ScoredRows",
    "evaluate_rows",
    "evaluate_scores",
]
