"""Labels below each other, by what they reached and what no skill would have given."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from imbalance_cli.errors import show_percent
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.axes import name_axis, number_axis
from imbalance_cli.report.figures import Chart, Dots, Line
from imbalance_cli.report.names import show_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imbalance_cli.evaluation import Estimate, LabelEvaluation
    from imbalance_cli.report.contents import RunReport

LONGEST_NAME = 20  # letters of a label
ROW, AROUND = 22.0, 92.0  # the height of a row, and of all else


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


def draw_rankings(report: RunReport, labels: Sequence[LabelEvaluation]) -> Iterator[Chart]:
    """Yield labels by three metrics, each in the order of average precision, best first.

    Those chosen of many stand by why they were, each where it is first.
    """
    groups = {name: reasons[0] for name, reasons in report.chosen.items()}
    order = list(dict.fromkeys(groups.values()))
    best_first = sorted(labels, key=lambda label: -(label.average_precision.value or -1.0))
    if groups:
        best_first.sort(key=lambda label: order.index(groups[label.label]))
    rows = list(_group_rows(best_first, groups))
    share = f"{len(labels):,} of {len(report.evaluation.labels):,} labels"
    end, which = "each label", ""
    if groups:
        end = share
        which = f" Drawn are the best, the worst and the rarest: {share}."
    elif len(labels) < len(report.evaluation.labels):
        end = f"the learned labels: {share}"
    interval = f"{show_percent(report.evaluation.confidence)} interval"
    for metric, (name, scale, chance_of, chance) in RANKINGS.items():
        estimates = [getattr(row, metric) for row in rows if not isinstance(row, str)]
        has_intervals = any(estimate.low is not None for estimate in estimates)
        marks = list(_rank(rows, metric, chance_of, interval))
        drawn = [x for mark in marks for x in mark.x]
        yield Chart(
            name,
            f"{METRIC_SPECS[metric].heading} of {end}",
            f"Dots are the {scale}, {f'lines its {interval}, ' if has_intervals else ''}"
            f"rings {chance}.{which}",
            number_axis(scale, min([0.0, *drawn]), max(drawn, default=1.0)),
            name_axis("label", [_name_row(row) for row in rows], falls=True),
            tuple(marks),
            height=AROUND + ROW * len(rows),
        )


def _group_rows(
    labels: Sequence[LabelEvaluation], groups: dict[str, str]
) -> Iterator[LabelEvaluation | str]:
    """Yield labels, and before the first of each group what they have in common."""
    for group, members in itertools.groupby(labels, lambda label: groups.get(label.label, "")):
        if group:
            yield group
        yield from members


def _name_row(row: LabelEvaluation | str) -> str:
    return f"{row}:" if isinstance(row, str) else show_name(row.label, LONGEST_NAME)


def _rank(
    rows: Sequence[LabelEvaluation | str],
    metric: str,
    chance_of: Callable[[float | None], float | None],
    interval: str,
) -> Iterator[Line | Dots]:
    """Yield the values without skill, the intervals and the values of labels, a row each."""
    chances: list[tuple[float, float]] = []
    values: list[tuple[float, float]] = []
    name = interval
    for i, row in enumerate(rows):
        if isinstance(row, str):
            continue
        estimate: Estimate = getattr(row, metric)
        chance = chance_of(row.prevalence)
        if chance is not None:
            chances.append((chance, i + 0.5))
        if estimate.low is not None and estimate.high is not None:
            yield Line("model", (estimate.low, estimate.high), (i + 0.5, i + 0.5), name)
            name = ""  # the legend has one of them
        if estimate.value is not None:
            values.append((estimate.value, i + 0.5))
    for role, points, title, is_hollow in (
        ("chance", chances, "without skill", True),
        ("model", values, METRIC_SPECS[metric].heading, False),
    ):
        if points:
            x, y = zip(*points, strict=True)
            yield Dots(role, x, y, title, hollow=is_hollow)
