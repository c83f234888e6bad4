"""Candidates trained on the same folds, each compared with a baseline by a paired bootstrap."""

from imbalance_cli.comparison.comparing import compare_candidates
from imbalance_cli.comparison.conclusions import conclude, describe_method, list_same, measure
from imbalance_cli.comparison.results import (
    Candidate,
    Compared,
    Comparison,
    LabelComparison,
)

__all__ = [
    "Candidate",
    "Compared",
    "Comparison",
    "LabelComparison",
    "compare_candidates",
    "conclude",
    "describe_method",
    "list_same",
    "measure",
]
