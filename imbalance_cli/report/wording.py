"""Words for metrics and numbers as a page has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imbalance_cli.errors import number_of, show_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation import Estimate, Interval

UNDEFINED = "\N{EN DASH}"
MOST_DIGITS = 3

MULTILABEL_WORDS = {
    "samples_f1": (
        "Samples F1",
        (
            "F1 of a row's labels, averaged over rows; a row without a positive, for which none "
            "is decided either, is left out, as by scikit-learn's zero_division=nan (its default "
            "counts 0)"
        ),
    ),
    "subset_accuracy": ("Subset accuracy", "the share of rows with every label right"),
    "hamming_loss": ("Hamming loss", "the share of cells that are wrong; lower is better"),
    "label_ranking_average_precision": (
        "Ranking AP",
        (
            "for each positive of a row, the share of labels ranked at least as high that are "
            "positive; a row without a positive counts as 1, as in scikit-learn"
        ),
    ),
    "coverage_error": (
        "Coverage error",
        (
            "how far down a row's ranking its last positive is; lower is better; a row without a "
            "positive counts as 0, as in scikit-learn"
        ),
    ),
}
"""What a metric of whole rows is called, and what it means."""

READING = {
    "Precision and recall": (
        "Each point of the curve is a threshold. The dashed line is what deciding at random gives: "
        "the prevalence. A rare label is judged here rather than by the ROC curve."
    ),
    "ROC": (
        "Recall against the share of negatives decided positive. Where positives are rare, a small "
        "share of the negatives can be more rows than all positives."
    ),
    "What each threshold would give": "A lower threshold trades precision for recall.",
    "What each threshold would cost": (
        "Shown where costs are given, or are what the thresholds were chosen for. False positives "
        "and false negatives count by the costs of the config, divided by what deciding all rows "
        "alike costs, the cheaper way."
    ),
    "Is acting on it worth it?": (
        "A decision curve. Who acts from a probability of 10 % on takes nine false alarms for one "
        "positive found. Net benefit is the share of rows that are true positives, less that of "
        "false positives at this price. Where the model is above both dashed lines, acting by it "
        "is worth more than acting on all rows, or on none."
    ),
    "Are the probabilities right?": (
        "Rows of similar probability, and the share of positives among them, both on log-odds "
        "scales, so that a rare label is not a dot in the corner. On the dashed line a "
        "probability means what it says. The rings are the raw scores, which a weighted loss makes "
        "too high or too low; the dots are what the model reports."
    ),
    "Where each class lies": (
        "How the probabilities of positives and of negatives are spread, each as shares of its own "
        "class. What overlaps, no threshold can tell apart."
    ),
    "Decisions": "How many rows of each class are decided which way at the chosen threshold.",
}
"""How to read each figure of a label, by its title."""


PART_WORDS = {"test": "test ", "valid": "validation ", "out_of_fold": "out-of-fold "}


def name_rows(rows: int, part: str | None = None) -> str:
    """Return "1 row", "2,000 test rows"."""
    return number_of(rows, f"{'' if part is None else PART_WORDS[part]}row")


def join_words(words: Sequence[str]) -> str:
    """Return "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def show_number(value: float | None, ends: Interval | Estimate | None = None) -> str:
    """Return a metric with three digits, or as many as its interval deserves, or a dash."""
    if value is None:
        return UNDEFINED
    if ends is not None and ends.low is not None and ends.high is not None:
        return f"{value:.{_digits(ends.low, ends.high)}f}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"  # noqa: PLR2004  a lift may be


def show_interval(low: float | None, high: float | None) -> str:
    """Return both ends, or nothing."""
    if low is None or high is None:
        return ""
    digits = _digits(low, high)
    return f"{low:.{digits}f}{UNDEFINED}{high:.{digits}f}"


def _digits(low: float, high: float) -> int:
    """Return the decimals that show the width of an interval with two digits, three at most."""
    width = high - low
    return max(min(1 - math.floor(math.log10(width)), MOST_DIGITS), 0) if width > 0 else MOST_DIGITS


def show_share(share: float | None) -> str:
    """Return "5.05 %", or a dash."""
    return UNDEFINED if share is None else show_percent(share)


def show_threshold(value: float | None) -> str:
    """Return a threshold with three digits, however small, or a dash."""
    return UNDEFINED if value is None else f"{value:.3g}"
