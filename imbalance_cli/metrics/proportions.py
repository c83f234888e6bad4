"""Intervals of proportions: of cases each of which is right or wrong.

A proportion of few cases, and one of 0 or 1, is far from normal on any scale; at 0 or 1 the
replicates of a bootstrap are all alike. Clopper & Pearson 1934 is exact for independent cases. Of
others, of weighted rows or whole groups, it is taken at the number of independent cases that would
vary as much (Korn & Graubard 1998): p (1 - p) over the variance of the proportion. It is never too
narrow for a binomial share, and somewhat too wide for a few cases.
"""

from __future__ import annotations

import dataclasses

from scipy.special import betaincinv

MOST_CASES = 1e12  # what varies less does not vary
NO_CASE = 1e-9


@dataclasses.dataclass(frozen=True)
class Cases:
    """How many rows (or groups of them, in effect) a proportion is of.

    Attributes:
        positives: that recall is of.
        negatives: that specificity is of.
        rows: both.
        decided: positive, that precision is of.
        budget: that precision_at_k is of.
    """

    positives: float
    negatives: float
    rows: float
    decided: float
    budget: float

    @property
    def rarer(self) -> float:
        """Those of the rarer class, which a metric of both classes is of."""
        return min(self.positives, self.negatives)


def bound_proportion(
    value: float, variance: float, cases: float, confidence: float
) -> tuple[float, float]:
    """Return low and high of a proportion.

    Args:
        value: from 0 to 1.
        variance: of it over other rows.
        cases: that it is of, which decide where it does not vary.
        confidence: of the interval.
    """
    tail = (1 - confidence) / 2
    spread = value * (1 - value)
    effective = spread / variance if variance > spread / MOST_CASES > 0 else cases
    effective = max(min(effective, MOST_CASES), NO_CASE)
    found = value * effective
    others = effective - found
    low = float(betaincinv(found, others + 1, tail)) if found > NO_CASE else 0.0
    high = float(betaincinv(found + 1, others, 1 - tail)) if others > NO_CASE else 1.0
    return min(low, value), max(high, value)
