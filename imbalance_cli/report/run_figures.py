"""The figures of a whole run: its labels beside each other, its training, what occurs together."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from imbalance_cli.errors import number_of, show_percent
from imbalance_cli.network.recipes import automatic_monitor
from imbalance_cli.report.axes import name_axis, number_axis
from imbalance_cli.report.figures import WIDTH, Cell, Chart, Dots, Line
from imbalance_cli.report.names import show_name
from imbalance_cli.report.ranking_figures import AROUND, LONGEST_NAME, ROW, draw_rankings
from imbalance_cli.report.wording import UNDEFINED, join_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.report.contents import RunReport, Together, TrainingHistory
    from imbalance_cli.report.figures import Axis

    ValuesOf = Callable[[TrainingHistory], Sequence[float]]

MOST_CELLS_WITH_TEXT = 6  # columns of a matrix
COLUMN = 20.0  # width of one without
_epochs: ValuesOf = operator.attrgetter("epochs")
_losses: ValuesOf = operator.attrgetter("losses")
_scores: ValuesOf = operator.attrgetter("scores")


def draw_run(report: RunReport) -> list[Chart]:
    """Return the figures of a run that there is something to draw for."""
    figures: list[Chart] = []
    shown = {curves.label for curves in report.curves}
    labels = [label for label in report.evaluation.labels if label.label in shown]
    if len(labels) > 1:
        figures += draw_rankings(report, labels)
    if report.training:
        figures += _draw_training(report)
    if report.together is not None:
        figures.append(_draw_together(report.together))
    return figures


def _name_monitor(report: RunReport) -> str:
    """Return the metric that chose the epoch."""
    monitor: str = report.settings["training"]["monitor"]
    if monitor == "auto":
        recipe = report.settings["model"]["recipe"]
        monitor = automatic_monitor(recipe, len(report.evaluation.labels))
    return monitor.replace("_", " ")


def describe_training(report: RunReport) -> str:
    """Return the epochs and what they came to; nothing of a run without a history."""
    training = _list_validated(report)
    if not training:
        return ""
    first, last = _range_of_epochs(training)
    shown = "one network" if len(training) == 1 else f"{len(training)} networks"
    loss, score = _list_kept(training, _losses), _list_kept(training, _scores)
    scores = f"training loss {loss}, validation {_name_monitor(report)} {score}"
    if not report.refitted:
        kept = f"the weights of {_name_kept(training)} were kept"
        return f"Of epochs {first} to {last} of {shown}, {kept}: {scores}."
    others = number_of(len(report.refitted), "other network")
    epochs = [str(epoch) for kept in report.refitted.values() for epoch in dict.fromkeys(kept)]
    model, alone = "the model is", ""
    if len(report.refitted) < len(training):  # ended by --finish
        model, alone = "the model is the mean of", " and of the network that none followed"
    became = "it had become" if len(report.refitted) == 1 else "they had become"
    return (
        f"Of epochs {first} to {last} of {shown}, {_name_kept(training)} had the best validation "
        f"score: {scores}. {others} then learned from the validation rows too; {model} what "
        f"{became} after {join_words(epochs)} epochs{alone}."
    )


def _draw_training(report: RunReport) -> list[Chart]:
    training, said = _list_validated(report), describe_training(report)
    epochs = number_axis("epoch", *_range_of_epochs(training), least_step=1)
    score = f"validation {_name_monitor(report)}"
    return [
        _draw_history(training, "training_loss", "training loss", said, epochs, _losses),
        _draw_history(training, "validation", score, said, epochs, _scores),
    ]


def _list_validated(report: RunReport) -> list[TrainingHistory]:
    """Return the networks that validation rows chose the epoch of."""
    return [network for network in report.training if not network.is_refitted]


def _range_of_epochs(training: Sequence[TrainingHistory]) -> tuple[int, int]:
    first = min(network.epochs[0] for network in training)
    return first, max(network.epochs[-1] for network in training)


def _list_kept(training: Sequence[TrainingHistory], values_of: ValuesOf) -> str:
    """Return the value at the epoch whose weights were kept, or the least and the greatest."""
    kept = [_kept(network, values_of) for network in training]
    return " to ".join(dict.fromkeys(f"{value:.4g}" for value in (min(kept), max(kept))))


def _name_kept(training: Sequence[TrainingHistory]) -> str:
    epochs = _list_kept(training, _epochs)
    return f"epoch{'s' if ' to ' in epochs else ''} {epochs}"


def _kept(network: TrainingHistory, values_of: ValuesOf) -> float:
    return values_of(network)[list(network.epochs).index(network.best_epoch)]


def _draw_history(
    training: Sequence[TrainingHistory],
    name: str,
    title: str,
    description: str,
    epochs: Axis,
    values_of: ValuesOf,
) -> Chart:
    """Return what each epoch gave, with a dot at the best epoch of each network."""
    all_values = [value for network in training for value in values_of(network)]
    best = f"best: {_name_kept(training)}, {_list_kept(training, values_of)}"
    marks: list[Line | Dots] = [
        Line("model", network.epochs, values_of(network)) for network in training
    ]
    at = [(network.best_epoch, _kept(network, values_of)) for network in training]
    x, y = zip(*at, strict=True)
    marks.append(Dots("chosen", x, y, best))
    return Chart(
        name,
        f"{title[0].upper()}{title[1:]}",
        description,
        epochs,
        number_axis(title, min(all_values), max(all_values)),
        tuple(marks),
    )


def _draw_together(together: Together) -> Chart:
    names = [show_name(name, LONGEST_NAME) for name in together.labels]
    is_few = len(names) <= MOST_CELLS_WITH_TEXT
    numbers = [str(i + 1) for i in range(len(names))]
    cells = tuple(
        Cell(
            "model", j, i, (share or 0.0) if i != j else 0.0, (show_pair(share),) if is_few else ()
        )
        for i, row in enumerate(together.shares)
        for j, share in enumerate(row)
    )
    rows = names if is_few else [f"{name} {i}" for i, name in zip(numbers, names, strict=True)]
    return Chart(
        "together",
        "Which labels occur together",
        "Of the positives of the label at the left, the share that are positives of the label "
        "below too.",
        name_axis("are positives of", names if is_few else numbers),
        name_axis("of the positives of", rows, falls=True),
        cells,
        width=WIDTH + COLUMN * len(names),
        height=AROUND + ROW * len(names),
    )


def show_pair(share: float | None) -> str:
    """Return a share of the positives of one label that another has too, or a dash."""
    return UNDEFINED if share is None else show_percent(share)
