"""The figures of a whole run: its labels beside each other, its training, what occurs together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.figures import (
    Bullet,
    Cell,
    Chart,
    Dots,
    Line,
    Matrix,
    Ranking,
    number_axis,
)
from imbalance_cli.report.wording import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imbalance_cli.evaluation import LabelEvaluation
    from imbalance_cli.report.contents import RunReport, Together, Training
    from imbalance_cli.report.figures import Figure


def _f1_of_all(prevalence: float | None) -> float | None:
    """Return the F1 of deciding every row positive, the most without skill (Lipton 2014)."""
    return None if prevalence is None else 2 * prevalence / (1 + prevalence)


RANKINGS: dict[str, tuple[str, str, Callable[[float | None], float | None], str]] = {
    "average_precision": (
        "labels",
        "average precision",
        lambda prevalence: prevalence,
        "what a model without skill gives, which is the prevalence",
    ),
    "roc_auc": ("labels_roc_auc", "ROC AUC", lambda _: 0.5, "what a model without skill gives"),
    "f1": ("labels_f1", "F1", _f1_of_all, "what deciding every row positive gives"),
}
"""What labels are ranked by: the file, what it is called, its value without skill by prevalence."""


def draw_run(report: RunReport) -> list[Figure]:
    """Return the figures of a run that there is something to draw for."""
    figures: list[Figure] = []
    shown = {curves.label for curves in report.curves}
    labels = [label for label in report.evaluation.labels if label.label in shown]
    if len(labels) > 1:
        figures += _draw_rankings(report, labels)
    if report.training:
        monitor = report.settings["training"]["monitor"].replace("_", " ")
        figures += _draw_training(report.training, monitor)
    if report.together is not None:
        figures.append(_draw_together(report.together))
    return figures


def _draw_rankings(report: RunReport, labels: Sequence[LabelEvaluation]) -> Iterator[Ranking]:
    """Yield labels by three metrics, each in the order of average precision, best first.

    Those chosen of many stand by why they were, each where it is first.
    """
    groups = {name: reasons[0] for name, reasons in report.chosen.items()}
    order = list(dict.fromkeys(groups.values()))
    best_first = sorted(labels, key=lambda label: -(label.average_precision.value or -1.0))
    if groups:
        best_first.sort(key=lambda label: order.index(groups[label.label]))
    all_labels = report.evaluation.labels
    share = f"{len(labels):,} of {len(all_labels):,} labels"
    end, which = "each label", ""
    if groups:
        end = share
        which = f" Drawn are the best, the worst and the rarest: {share}."
    elif len(labels) < len(all_labels):
        end = f"the learned labels: {share}"
    for metric, (name, scale, chance_of, chance) in RANKINGS.items():
        bullets = []
        for label in best_first:
            estimate = getattr(label, metric)
            ends = estimate.value, estimate.low, estimate.high
            group = groups.get(label.label, "")
            bullets.append(Bullet(label.label, *ends, chance_of(label.prevalence), group))
        lines = (
            f"lines its {report.evaluation.confidence:.0%} interval, "
            if any(bullet.low is not None for bullet in bullets)
            else ""
        )
        yield Ranking(
            name,
            f"{METRIC_SPECS[metric].heading} of {end}",
            f"Dots are the {scale}, {lines}ticks {chance}.{which}",
            scale,
            tuple(bullets),
        )


def _draw_training(training: Sequence[Training], monitor: str) -> list[Chart]:
    last = max(training, key=lambda network: network.epochs[-1]).epochs[-1]
    kept = sorted({network.best_epoch for network in training})
    shown = f"{kept[0]}" if len(kept) == 1 else f"{kept[0]} to {kept[-1]}"
    networks = "one network" if len(training) == 1 else f"{len(training)} networks"
    end = f"Over {last} epochs of {networks}; the weights of epoch {shown} were kept."
    return [
        _draw_history(training, "training_loss", "Training loss", end, lambda n: n.losses),
        _draw_history(training, "validation", f"Validation {monitor}", end, lambda n: n.scores),
    ]


def _draw_history(
    training: Sequence[Training],
    name: str,
    title: str,
    end: str,
    values_of: Callable[[Training], Sequence[float]],
) -> Chart:
    all_values = [value for network in training for value in values_of(network)]
    last = max(network.epochs[-1] for network in training)
    marks: list[Line | Dots] = []
    for number, network in enumerate(training):
        values = values_of(network)
        at = list(network.epochs).index(network.best_epoch)
        legend = title.lower() if not number else ""
        marks.append(Line("model", network.epochs, values, legend))
        marks.append(
            Dots(
                "chosen",
                (network.best_epoch,),
                (values[at],),
                "weights that were kept" if not number else "",
                joined=False,
            )
        )
    return Chart(
        name,
        title,
        f"{title} by the epoch, from {all_values[0]:.4g} to {all_values[-1]:.4g}. {end}",
        number_axis("epoch", 0, last),
        number_axis("", min(all_values), max(all_values)),
        tuple(marks),
    )


def _draw_together(together: Together) -> Matrix:
    cells = tuple(
        tuple(
            Cell(
                UNDEFINED if share is None else f"{share:.0%}", "", share or 0.0 if i != j else 0.0
            )
            for j, share in enumerate(row)
        )
        for i, row in enumerate(together.shares)
    )
    return Matrix(
        "together",
        "Which labels occur together",
        "Of the positives of the label at the left, the share that are positives of the label "
        "above too.",
        tuple(together.labels),
        tuple(together.labels),
        cells,
        "of the positives of",
    )
