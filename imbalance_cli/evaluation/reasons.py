"""Why a metric is undefined."""

from __future__ import annotations

import dataclasses

from imbalance_cli.metrics import METRIC_SPECS

LEAST_FOR_INTERVAL = 5  # positives, and negatives; of 2, one is nearly the whole range
ALIKE = "all replicates are alike"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What decides whether a metric of a label, or of all cells, is defined.

    Attributes:
        support: rows whose target is known.
        positives: of them.
        is_decided: whether any is decided positive.
        learnable: whether training had both classes.
        top_k: rows that precision_at_k is of.
    """

    support: int
    positives: int
    is_decided: bool
    learnable: bool
    top_k: int

    def explain(self, metric: str) -> str:
        """Return why a metric is undefined, as a short clause."""
        if not self.learnable:
            return "one class in training"
        if not self.support:
            return "no known target"
        cases = METRIC_SPECS[metric].cases
        if cases == "budget":
            return f"fewer than {self.top_k:,} rows"
        if cases == "decided" and not self.is_decided:
            return "no row decided positive"
        return "no positives" if not self.positives else "no negatives"


def explain_no_interval(units: str, *, is_enough: bool) -> str:
    """Return why a metric that is defined has no interval, as a short clause.

    Args:
        units: what replicates draw: rows or groups.
        is_enough: whether there are enough of them in both classes.
    """
    if is_enough:
        return ALIKE
    return f"fewer than {LEAST_FOR_INTERVAL} {units} of a class"


def explain_multilabel(metric: str, *, any_known: bool) -> str:
    """Return why a metric of whole rows is undefined, as a short clause."""
    if any_known and metric == "samples_f1":
        return "no row with a positive, true or decided"
    return "no known target"
