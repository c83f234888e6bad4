"""Which labels are better than chance, by their intervals, and where one is too wide to tell."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from imbalance_cli.evaluation import ALIKE
from imbalance_cli.metrics import interval_multiplier
from imbalance_cli.report.axes import log_odds

if TYPE_CHECKING:
    from imbalance_cli.evaluation import Estimate, Evaluation, LabelEvaluation

NO_SKILL = 0.5  # ROC AUC
WIDE = 0.3  # an interval that says little


class Verdict(enum.Enum):
    """What the intervals of a label say of it."""

    ABOVE = "the interval of average precision lies above the prevalence"
    RANKED = "it does not, but that of ROC AUC lies above 0.5"
    CHANCE = "neither does"
    TOO_FEW = "there is no interval, for want of rows or groups"


def judge(label: LabelEvaluation) -> Verdict | None:
    """Return what its intervals say of a label, or None where none was asked for.

    Where all replicates are alike, as where average precision is 1 in each, it is its own interval.
    """
    ap = label.average_precision
    if ap.value is None or label.prevalence is None:
        return None
    low = ap.value if are_alike(label) else ap.low
    if low is None:
        is_asked = "average_precision" in label.without_interval
        return Verdict.TOO_FEW if is_asked else None
    if low > label.prevalence:
        return Verdict.ABOVE
    auc = label.roc_auc.low
    return Verdict.RANKED if auc is not None and auc > NO_SKILL else Verdict.CHANCE


def is_above_among(label: LabelEvaluation, evaluation: Evaluation) -> bool:
    """Return whether a label is better than chance, allowing for how many labels are looked at.

    Of 40 labels without skill one interval in 40 lies above the prevalence. So the distance of its
    low end, in log-odds, is stretched from the quantile of one label to that of all (Bonferroni).
    """
    if judge(label) is not Verdict.ABOVE:
        return False
    value, low = label.average_precision.value, label.average_precision.low
    size = min(label.positives, label.support - label.positives)
    if value is None or low is None or value == 1 or size <= 1:
        return True
    looks = sum(judge(other) is not None for other in evaluation.labels)
    one, all_of_them = (
        interval_multiplier(size, 1 - (1 - evaluation.confidence) / n, evaluation.replicates)
        for n in (1, looks)
    )
    reach = (log_odds(value) - log_odds(low)) * all_of_them / one
    return label.prevalence is not None and log_odds(value) - reach > log_odds(label.prevalence)


def are_alike(label: LabelEvaluation, metric: str = "average_precision") -> bool:
    """Return whether a metric has no interval because it is the same in all replicates."""
    return label.without_interval.get(metric) == ALIKE


def is_no_better_than_chance(label: LabelEvaluation) -> bool:
    """Return whether the interval of the average precision reaches down to the prevalence."""
    return judge(label) in {Verdict.RANKED, Verdict.CHANCE}


def is_wide(estimate: Estimate) -> bool:
    """Return whether an interval, of average precision or ROC AUC, says little."""
    return (
        estimate.low is not None
        and estimate.high is not None
        and (estimate.high - estimate.low > WIDE)
    )
