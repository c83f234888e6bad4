"""Several runs side by side: the table, CSV and JSON of `imbtrain report RUN RUN...`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import escape_name
from imbalance_cli.metrics import METRIC_SPECS, compared_metrics
from imbalance_cli.report.comparison import (
    DIFFERENCE,
    describe_marks,
    draw_decisions,
    draw_probabilities,
    show_change,
    show_value,
)
from imbalance_cli.report.encoding import encode_document, encode_rows
from imbalance_cli.report.names import fold_name
from imbalance_cli.report.wording import name_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from imbalance_cli.comparison import Comparison, LabelComparison

RANKING = "average_precision"
COUNTS = ("prevalence", "label", "positives", "support")
"""What the labels of several runs can be sorted by, beside the metrics."""
NAMES = 20  # characters of a line of a label's name, and of a run's
MOST_LABELS, SHOWN = 40, 20
OTHERS = (
    "{:,} labels in all, the {} of the largest differences above: --format csv and --format json "
    "have the others."
)


def list_sorts() -> tuple[str, ...]:
    """Return what the labels of several runs can be sorted by."""
    return (*COUNTS, *compared_metrics())


def draw_run_comparison(
    comparison: Comparison, part: str, source: str, sort: str | None = None
) -> RenderableType:
    """Return the macro averages of each run, its numbers a label, and what they say.

    Args:
        comparison: of the runs with the first.
        part: what the rows are, as test.
        source: that they are of.
        sort: what the labels are sorted by; where it is a metric, their numbers are of it.
    """
    labels = comparison.candidates[0].labels
    several = len(labels) > 1
    scope = "macro averages" if several else labels[0].label
    parts: list[RenderableType] = [
        Text(f"{name_rows(comparison.rows, part)} of {source}: {scope}", style="bold"),
        draw_decisions(comparison, "run"),
        Text(),
        draw_probabilities(comparison, "run"),
        Text(),
    ]
    if several:
        metric = sort if sort in METRIC_SPECS else RANKING
        shown = _choose_labels(comparison, metric, sort)
        parts += [
            Text(
                f"{METRIC_SPECS[metric].title or METRIC_SPECS[metric].heading} per label",
                style="bold",
            )
        ]
        parts += [_draw_labels(comparison, metric, shown), Text()]
        if len(shown) < len(labels):
            parts.append(Text(OTHERS.format(len(labels), len(shown)), style="dim"))
    parts += [Text(sentence) for sentence in comparison.conclusions]
    return Group(*parts, Text(describe_marks(comparison), style="dim"))


def to_csv(comparison: Comparison, sort: str | None = None) -> bytes:
    """Return one row a run, scope and metric; what is undefined is blank.

    Args:
        comparison: of runs.
        sort: what the labels are sorted by, of the first run; None leaves their order.
    """
    if sort is not None:
        labels = comparison.candidates[0].labels
        order = sorted(range(len(labels)), key=lambda i: _place(labels[i], sort))
        runs = [
            dataclasses.replace(run, labels=[run.labels[i] for i in order])
            for run in comparison.candidates
        ]
        comparison = dataclasses.replace(comparison, candidates=runs)
    return encode_rows([_as_run(row, "candidate", "run") for row in comparison.flat_rows()])


def to_json(comparison: Comparison, source: str, part: str) -> bytes:
    """Return the comparison; what is undefined is null."""
    document = _as_run(comparison.to_dict(), "candidates", "runs")
    document["runs"] = [
        {"run": run["name"], "loss": run["loss"], "macro": run["macro"], "labels": run["labels"]}
        for run in document["runs"]
    ]
    del document["folds"]
    return encode_document({"source": source, "part": part, **document})


def _as_run(row: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return the same, a key called as what is compared."""
    return {new if key == old else key: value for key, value in row.items()}


def _choose_labels(comparison: Comparison, metric: str, sort: str | None) -> list[int]:
    """Return the numbers of the labels to show, sorted; of many those that differ most."""
    labels = comparison.candidates[0].labels
    order = sorted(range(len(labels)), key=lambda i: _place(labels[i], sort))
    if len(labels) <= MOST_LABELS:
        return order

    def difference(i: int) -> float:
        changes = [run.labels[i].metrics[metric].difference for run in comparison.candidates]
        return max((abs(change) for change in changes if change is not None), default=-1.0)

    kept = set(sorted(order, key=difference, reverse=True)[:SHOWN])
    return [i for i in order if i in kept]


def _place(label: LabelComparison, sort: str | None) -> tuple[bool, float, str]:
    """Return where a label stands: the best or the most first, undefined last."""
    if sort == "label":
        return False, 0.0, label.label
    if sort in METRIC_SPECS:
        value = label.metrics[sort].value
        sign = 1 if METRIC_SPECS[sort].lower_is_better else -1
        return value is None, sign * (value or 0.0), ""
    if sort in {"positives", "support"}:
        return False, -float(getattr(label, sort)), ""
    return False, -label.positives / max(label.support, 1), ""


def _draw_labels(comparison: Comparison, metric: str, shown: Sequence[int]) -> Table:
    """Draw a row a run for each label."""
    places = METRIC_SPECS[metric].digits
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("label", overflow="fold")
    table.add_column("run", overflow="fold")
    for heading in ("value", "interval", *DIFFERENCE):
        table.add_column(heading, justify="right", no_wrap=True)
    for i in shown:
        for run in comparison.candidates:
            label = run.labels[i]
            is_first = run.name == comparison.baseline
            compared = label.metrics[metric]
            ends = (compared.low, compared.high)
            interval = "-".join(f"{end:.2f}" for end in ends if end is not None)
            name = escape_name(label.label) + ("" if label.learnable else " (not learned)")
            table.add_row(
                fold_name(name, NAMES) if is_first else "",
                fold_name(run.name, NAMES),
                show_value(compared, places),
                interval or "-",
                *show_change(compared, places),
            )
    return table
