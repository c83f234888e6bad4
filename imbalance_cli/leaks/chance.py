"""How likely it is that a feature which has nothing to do with a label would tell it.

Shapes: K categories, C of the rules looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Numbers = NDArray[np.int64]

LEAST = 5  # positives, and negatives, of a label that a column is judged by
LARGEST_CHANCE = 1e-6  # that a column which has nothing to do with the label would tell it
STANDARD_ERRORS = 3.0  # that a share may be below the observed one


def is_separation(positives: int, negatives: int) -> bool:
    """Return whether these are too many for an unrelated order or flag to separate them.

    The chance is 2 / C(n, positives): of all ways to place the positives, all first or all last.
    """
    if min(positives, negatives) < LEAST:
        return False
    return math.log(2) - _log_choose(positives + negatives, positives) < math.log(LARGEST_CHANCE)


def is_pure_beyond_chance(sizes: NDArray[np.int64], positives: int, negatives: int) -> bool:
    """Return whether unrelated categories of these sizes, (K,), would hardly all be pure."""
    return _log_pure(sizes, positives, negatives) < math.log(LARGEST_CHANCE)


def is_beyond_chance(hits: Numbers, rows: Numbers, prevalence: Floats, rules: Floats) -> Flags:
    """Return whether so many positives in the rows of a rule are too many for an unrelated one.

    The bound on the binomial tail is Chernoff's, exp(-n KL(hits/n, prevalence)); Bonferroni's
    correction is for the rules looked at.

    Args:
        hits: (C,) positives among the rows of each rule.
        rows: (C,) of each rule.
        prevalence: (C,) of its label.
        rules: (C,) how many there are beside it.
    """
    misses = rows - hits
    divergence = scipy.special.rel_entr(hits, rows * prevalence)
    divergence += scipy.special.rel_entr(misses, rows * (1 - prevalence))
    is_more = hits > rows * prevalence
    result: Flags = is_more & (divergence > np.log(rules / LARGEST_CHANCE))
    return result


def lower_bound(hits: Numbers, rows: Numbers) -> Floats:
    """Return Wilson's lower bound on shares, (C,), STANDARD_ERRORS below what was observed."""
    square = STANDARD_ERRORS**2
    middle = hits + square / 2
    spread = STANDARD_ERRORS * np.sqrt(hits * (rows - hits) / rows + square / 4)
    bound: Floats = (middle - spread) / (rows + square)
    return bound


def _log_choose(total: float, chosen: float) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def _log_pure(sizes: NDArray[np.int64], positives: int, negatives: int) -> float:
    """Return a bound on the log of the chance that unrelated categories are all pure.

    Of the C(n, m) ways to place the rarer side's m rows, those that fill some categories: at most
    as many as there are sets of up to m of the k categories that have at most m rows. Ids, each in
    one row, are always pure, and their bound is a chance of 1.
    """
    rarer = min(positives, negatives)
    if rarer < LEAST:
        return 0.0
    small = int(((sizes > 0) & (sizes <= rarer)).sum())
    log_sets = small * math.log(2)
    if rarer < small / 2:
        log_sets = min(log_sets, _log_choose(small, rarer) + math.log(rarer + 1))
    return min(log_sets - _log_choose(positives + negatives, rarer), 0.0)
