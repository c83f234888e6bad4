"""Whether a difference is more than chance, given how many are looked at."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

Verdict = Literal["better", "worse", "unclear"]

FAMILY_ERROR = 0.05  # the chance that any candidate is wrongly called better or worse on a metric


def standard_errors(comparisons: int) -> float:
    """Return how many standard errors from zero a difference must be (Bonferroni, two sides)."""
    return NormalDist().inv_cdf(1 - FAMILY_ERROR / (2 * max(comparisons, 1)))


def judge(gain: float, limit: float) -> Verdict | None:
    """Judge a difference, in standard errors, above zero where the candidate does better.

    None where there is no standard error.
    """
    if math.isnan(gain):
        return None
    return "better" if gain > limit else "worse" if gain < -limit else "unclear"
