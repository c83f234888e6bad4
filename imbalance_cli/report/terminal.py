"""The report that `fit` and `evaluate` draw on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from imbalance_cli.evaluation import Estimate, Evaluation, LabelEvaluation

UNDEFINED = "-"
MOST_LABELS = 60  # that are all shown
SHOWN = 20  # of each kind, where there are more
OTHERS = (
    "{:,} labels in all: metrics.csv in the run, --format csv and --format json have the others."
)


def draw_report(evaluation: Evaluation, run: str) -> RenderableType:
    """Return a table with one row a label, rarest last, the averages, and how to read it.

    Of more than MOST_LABELS labels it has the best and the worst by AP, and the rarest of those
    with a positive.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("label", overflow="fold", min_width=9)
    for name in ("positives", "AP", "interval", "AUC", "F1", "prec", "recall", "thresh"):
        table.add_column(name, justify="right", no_wrap=True)
    for heading, labels in _choose_labels(evaluation.labels).items():
        if heading:
            table.add_row(Text(heading, style="italic"))
        for label in labels:
            table.add_row(*_label_cells(label))
    if len(evaluation.labels) > 1:
        for name, values in (("macro", evaluation.macro), ("micro", evaluation.micro)):
            table.add_row(
                Text(name, style="italic"),
                "",
                _number(values["average_precision"]),
                "",
                *(_number(values[key]) for key in ("roc_auc", "f1", "precision", "recall")),
                "",
            )
    part = evaluation.part.replace("_", "-")
    is_long = len(evaluation.labels) > MOST_LABELS
    return Group(
        Text(f"{evaluation.rows:,} {part} rows of {evaluation.source}", style="bold"),
        table,
        *([Text(OTHERS.format(len(evaluation.labels)), style="dim")] if is_long else []),
        *(Text(sentence, style="dim") for sentence in _sentences(evaluation)),
        Text(f"run: {run}"),
    )


def _choose_labels(labels: Sequence[LabelEvaluation]) -> dict[str, list[LabelEvaluation]]:
    """Return the labels to show, commonest first, under headings where they are not all."""
    by_prevalence = sorted(labels, key=lambda label: -(label.prevalence or 0))
    if len(labels) <= MOST_LABELS:
        return {"": by_prevalence}
    scored = [label for label in by_prevalence if label.average_precision.value is not None]
    scored.sort(key=lambda label: -(label.average_precision.value or 0))
    present = [label for label in by_prevalence if label.positives]
    return {
        f"best {SHOWN}": scored[:SHOWN],
        f"worst {SHOWN}": scored[-SHOWN:],
        f"rarest {SHOWN}": present[-SHOWN:],
        f"all {len(labels):,}": [],
    }


def _label_cells(label: LabelEvaluation) -> list[str]:
    return [
        label.label + ("" if label.learnable else " (not learned)"),
        f"{label.positives:,}/{label.support:,}",
        _number(label.average_precision.value),
        _interval(label.average_precision),
        _number(label.roc_auc.value),
        _number(label.f1.value),
        _number(label.precision.value),
        _number(label.recall.value),
        UNDEFINED if label.threshold is None else f"{label.threshold:.3g}",
    ]


def _sentences(evaluation: Evaluation) -> list[str]:
    chance = _prevalences(evaluation)
    sentences = [f"AP: average precision, {chance} without skill; AUC: ROC AUC."]
    if evaluation.weighted:
        sentences.append("every number but the positives is weighted by data.sample_weight.")
    if evaluation.replicates:
        sentences.append(
            f"interval: {evaluation.confidence:.0%} of AP over {evaluation.replicates} bootstrap "
            "replicates of these rows; it does not cover training again."
        )
    return sentences


def _prevalences(evaluation: Evaluation) -> str:
    known = [label.prevalence for label in evaluation.labels if label.prevalence is not None]
    if not known:
        return UNDEFINED
    low, high = min(known), max(known)
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return UNDEFINED
    return f"{estimate.low:.2f}-{estimate.high:.2f}"


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"
