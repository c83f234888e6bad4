"""Cutting rows into train, valid and test, and into folds."""

from imbalance_cli.splits.checks import check_disjoint, check_order, labels_without, unlike_parts
from imbalance_cli.splits.covering import is_far
from imbalance_cli.splits.cutting import choose_strategy, cut
from imbalance_cli.splits.folds import Fold, cut_folds
from imbalance_cli.splits.fractions import thin_folds
from imbalance_cli.splits.names import cut_by_names, cut_by_numbers
from imbalance_cli.splits.parts import PARTS, Split
from imbalance_cli.splits.stratified import apportion, interleave

__all__ = [
    "PARTS",
    "Fold",
    "Split",
    "apportion",
    "check_disjoint",
    "check_order",
    "choose_strategy",
    "cut",
    "cut_by_names",
    "cut_by_numbers",
    "cut_folds",
    "interleave",
    "is_far",
    "labels_without",
    "thin_folds",
    "unlike_parts",
]
