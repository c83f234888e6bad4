"""Which columns are labels, how their cells are encoded, and how many of each there are."""

from imbalance_cli.labels.binary import check_positive, encode_labels
from imbalance_cli.labels.counting import count_labels, count_sources
from imbalance_cli.labels.counts import Counts, LabelCounts, add_counts
from imbalance_cli.labels.selection import (
    explain_bare,
    list_names,
    match_columns,
    no_label_found,
    only_column,
    require_column,
    select_labels,
)
from imbalance_cli.labels.settings import LabelSettings

__all__ = [
    "Counts",
    "LabelCounts",
    "LabelSettings",
    "add_counts",
    "check_positive",
    "count_labels",
    "count_sources",
    "encode_labels",
    "explain_bare",
    "list_names",
    "match_columns",
    "no_label_found",
    "only_column",
    "require_column",
    "select_labels",
]
