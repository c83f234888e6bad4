"""The metrics of a label: one MetricSpec each, which is all that reports know of one.

To add a metric, call `register_metric`: every table, page, JSON and CSV has it then, with its
interval, and labels can be sorted by it; with `is_compared` so has `compare`.

Shapes: R replicates.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from imbalance_cli.metrics.scales import FISHER, ITSELF, LOG, LOG_ODDS, LOG_SHORTFALL, Scale

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


TOP_SHARE = 0.01  # of lift_at_1_percent
LIFT = dataclasses.replace(LOG, ends=(0.0, 1 / TOP_SHARE))


@dataclasses.dataclass(frozen=True)
class MetricSpec:
    """A metric of one label.

    Attributes:
        name: in JSON, CSV and --sort.
        heading: in a page and in sentences.
        column: in a terminal, at most two lines; also what --sort takes.
        meaning: a line of help.
        compute: its value of each replicate, (R,), NaN where it is undefined.
        title: in the middle of a sentence; its heading where there is none.
        digits: after the point, beside those of another model.
        lower_is_better: which way.
        scale: on which its intervals are symmetric.
        cases: how many rows it is of, an attribute of Cases, where it does not vary.
        is_proportion: whether it is a share of such rows, or made of such shares.
        beta: of an F score.
        is_best_of_many: whether it is chosen as the highest of several, and so rather too high.
        is_compared: whether `compare` and `report A B` have it.
        is_within_folds: whether it ranks rows, which only networks of one fold do on one scale; it
            is then the mean over folds.
    """

    name: str
    heading: str
    column: str
    meaning: str
    compute: Callable[[Any], torch.Tensor]  # of Replicates, which imports this
    title: str = ""
    digits: int = 3
    lower_is_better: bool = False
    scale: Scale = LOG_ODDS
    cases: Literal["positives", "negatives", "rows", "decided", "budget", "rarer"] = "rarer"
    is_proportion: bool = False
    beta: float | None = None
    is_best_of_many: bool = False
    is_compared: bool = False
    is_within_folds: bool = False


METRIC_SPECS: dict[str, MetricSpec] = {}
"""By name, in the order of every report."""


def register_metric(spec: MetricSpec) -> None:
    """Make a metric known; it takes the place of one with the same name."""
    METRIC_SPECS[spec.name] = spec


def compared_metrics() -> tuple[str, ...]:
    """Return the names of the metrics that comparisons have."""
    return tuple(spec.name for spec in METRIC_SPECS.values() if spec.is_compared)


def lower_is_better(name: str) -> bool:
    """Return which way a metric is better; other columns of a report are better high."""
    return name in METRIC_SPECS and METRIC_SPECS[name].lower_is_better


for _spec in (
    MetricSpec(
        "average_precision",
        "AP",
        "AP",
        "average precision: the mean precision over all recalls",
        lambda drawn: drawn.average_precision(),
        title="average precision",
        is_compared=True,
        is_within_folds=True,
    ),
    MetricSpec(
        "roc_auc",
        "ROC AUC",
        "AUC",
        "the chance that a positive scores above a negative; 0.5 without skill",
        lambda drawn: drawn.roc_auc(),
        is_compared=True,
        is_within_folds=True,
    ),
    MetricSpec(
        "precision",
        "Precision",
        "prec",
        "of the rows decided positive, the share that are",
        lambda drawn: drawn.confusion.precision(),
        cases="decided",
        is_proportion=True,
    ),
    MetricSpec(
        "recall",
        "Recall",
        "recall",
        "of the positives, the share decided positive",
        lambda drawn: drawn.confusion.recall(),
        cases="positives",
        is_proportion=True,
    ),
    MetricSpec(
        "specificity",
        "Specificity",
        "spec.",
        "of the negatives, the share decided negative",
        lambda drawn: drawn.confusion.specificity(),
        cases="negatives",
        is_proportion=True,
    ),
    MetricSpec(
        "f1",
        "F1",
        "F1",
        "harmonic mean of precision and recall",
        lambda drawn: drawn.confusion.f_beta(),
        cases="positives",
        is_proportion=True,
        beta=1.0,
        is_compared=True,
    ),
    MetricSpec(
        "f2",
        "F2",
        "F2",
        "as F1, recall counting twice as much",
        lambda drawn: drawn.confusion.f_beta(2.0),
        cases="positives",
        is_proportion=True,
        beta=2.0,
    ),
    MetricSpec(
        "mcc",
        "MCC",
        "MCC",
        "Matthews' correlation of decisions and targets; 0 without skill",
        lambda drawn: drawn.confusion.mcc(),
        scale=FISHER,
        is_compared=True,
    ),
    MetricSpec(
        "balanced_accuracy",
        "Balanced acc.",
        "bal.\nacc.",
        "mean of recall and specificity; 0.5 without skill",
        lambda drawn: drawn.confusion.balanced_accuracy(),
    ),
    MetricSpec(
        "brier",
        "Brier",
        "Brier",
        "mean squared error of the probabilities; lower is better",
        lambda drawn: drawn.brier(),
        title="Brier score",
        digits=4,
        lower_is_better=True,
        cases="rows",
        is_compared=True,
    ),
    MetricSpec(
        "brier_skill",
        "Brier skill",
        "Brier\nskill",
        "1 less Brier over that of always saying the prevalence",
        lambda drawn: drawn.brier_skill(),
        scale=LOG_SHORTFALL,
    ),
    MetricSpec(
        "log_loss",
        "Log loss",
        "log\nloss",
        "mean negative log-likelihood, in nats; lower is better",
        lambda drawn: drawn.log_loss(),
        title="log loss",
        digits=4,
        lower_is_better=True,
        scale=LOG,
        is_compared=True,
    ),
    MetricSpec(
        "ece",
        "ECE",
        "ECE",
        "expected calibration error, over bins of equal mass; lower is better",
        lambda drawn: drawn.calibration_error(),
        title="calibration error",
        lower_is_better=True,
        scale=ITSELF,
        cases="rows",
        is_compared=True,
    ),
    MetricSpec(
        "precision_at_k",
        "Precision at k",
        "prec\nat k",
        "precision among the k rows of highest probability",
        lambda drawn: drawn.precision_at_k(),
        cases="budget",
        is_proportion=True,
    ),
    MetricSpec(
        "recall_at_precision",
        "Recall at prec.",
        "recall\nat p",
        "the most recall at no less than a precision",
        lambda drawn: drawn.recall_at_precision(),
        cases="positives",
        is_proportion=True,
        is_best_of_many=True,
    ),
    MetricSpec(
        "lift_at_1_percent",
        "Lift at 1 %",
        "lift\nat 1%",
        "precision in the top 1 % over the prevalence; a row, or a run of equal scores, at the "
        "boundary counts in part",
        lambda drawn: drawn.lift(TOP_SHARE),
        scale=LIFT,
        cases="positives",
    ),
):
    register_metric(_spec)
