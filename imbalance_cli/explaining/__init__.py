"""What a model's answers rest on: columns over all rows, and over single rows."""

from imbalance_cli.explaining.columns import ColumnGroup, group_columns, take_rows
from imbalance_cli.explaining.contributions import explain_rows
from imbalance_cli.explaining.dependence import measure_dependence
from imbalance_cli.explaining.importance import measure_importance
from imbalance_cli.explaining.results import (
    ColumnDependence,
    Contribution,
    ExplainedRow,
    Explanation,
    Importance,
    Loss,
    Point,
)

__all__ = [
    "ColumnDependence",
    "ColumnGroup",
    "Contribution",
    "ExplainedRow",
    "Explanation",
    "Importance",
    "Loss",
    "Point",
    "explain_rows",
    "group_columns",
    "measure_dependence",
    "measure_importance",
    "take_rows",
]
