"""Groups of rows: which the model does not do on as it does on the others, and a table of all."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from imbalance_cli.errors import number_of, show_percent
from imbalance_cli.evaluation import SLICED
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.names import show_name
from imbalance_cli.report.wording import (
    join_words,
    show_interval,
    show_number,
    show_share,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation import Estimate, Evaluation, SliceEvaluation

MOST_SAID = 10  # groups that differ, each in a sentence
MOST_ROWS = 500  # of the table
MISSING = "missing"  # the group of rows whose cell is
NOTE = (
    "A metric in bold differs from that of the rows of all other groups together, at a level that "
    "allows for {} (Bonferroni). Average precision rises with the prevalence, and may differ for "
    "that alone. A dash has its reason as a tooltip."
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A number of a group as the table has it."""

    value: str
    interval: str
    why: str
    differs: bool


@dataclasses.dataclass(frozen=True)
class SliceRow:
    """A label of a group; `label` is empty where there is one label alone."""

    group: str
    label: str
    rows: str
    positives: str
    cells: Sequence[Cell]


def describe_slices(evaluation: Evaluation) -> list[str]:
    """Return what differs between groups of rows, in sentences; nothing where none was asked for.

    The groups that differ most stand first.
    """
    found = evaluation.slices
    if found is None or not found.groups:  # no label was learned
        return []
    looks = number_of(found.looks, "look")
    columns = join_words([show_name(name) for name in dict.fromkeys(g.slice for g in found.groups)])
    if not found.looks:
        return [f"No group of {columns} can be compared with the others: {_why_none(evaluation)}."]
    differing = [group for group in found.groups if group.differs]
    if not differing:
        return [f"No group of {columns} differs from the others beyond chance ({looks})."]
    alone = len(evaluation.labels) == 1
    sentences = [
        f"{_name(group, alone=alone)}: {_describe(group)}, beyond chance after {looks}."
        for group in sorted(differing, key=_distance)[:MOST_SAID]
    ]
    if len(differing) > MOST_SAID:
        sentences.append(
            f"{len(differing) - MOST_SAID:,} more groups differ: --format json has all."
        )
    return sentences


def _why_none(evaluation: Evaluation) -> str:
    if not evaluation.replicates:
        return "there are no intervals (report.bootstrap is 0)"
    return "too few rows or positives"


def _name(group: SliceEvaluation, *, alone: bool) -> str:
    name = f"{show_name(group.slice)} = {_value(group)}"
    return name if alone else f"{name}, {show_name(group.label)}"


def _value(group: SliceEvaluation) -> str:
    return MISSING if group.group is None else show_name(group.group)


def _distance(group: SliceEvaluation) -> float:
    """Return minus how far a group is from the others, in its metric that differs most."""
    found = group.metrics
    return -max(abs((found[name].value or 0.0) - group.others[name]) for name in group.differs)


def _describe(group: SliceEvaluation) -> str:
    """Return the metrics that differ, and how many rows and positives that rests on."""
    parts = []
    for name in group.differs:
        spec = METRIC_SPECS[name]
        title = spec.title or spec.heading.lower()
        own, others = show_number(group.metrics[name].value), show_number(group.others[name])
        if name == "average_precision":  # which rises with the prevalence
            own += f" (prevalence {show_share(group.prevalence)})"
            others += f" ({show_percent(group.others['prevalence'])})"
        parts.append(f"{title} {own} where the others have {others}")
    counts = f"{number_of(group.rows, 'row')}, {number_of(group.positives, 'positive')}"
    return f"{join_words(parts)} ({counts})"


def show_slices(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return what the section of a page shows; None where no groups were asked for."""
    found = evaluation.slices
    if found is None:
        return None
    alone = len(evaluation.labels) == 1
    tables: dict[str, list[SliceRow]] = {}
    for group in found.groups[:MOST_ROWS]:
        names = (*SLICED, "decided")
        row = SliceRow(
            _value(group),
            "" if alone else show_name(group.label),
            f"{group.rows:,}",
            f"{group.positives:,}",
            [_cell(group, name, group.estimates[name]) for name in names],
        )
        tables.setdefault(show_name(group.slice), []).append(row)
    left = len(found.groups) - MOST_ROWS
    return {
        "sentences": describe_slices(evaluation),
        "headings": [*(METRIC_SPECS[name].heading for name in SLICED), "Decided positive"],
        "alone": alone,
        "tables": tables,
        "note": NOTE.format(number_of(found.looks, "comparison"))
        + (f" {left:,} more rows are in metrics.csv." if left > 0 else ""),
    }


def _cell(group: SliceEvaluation, name: str, estimate: Estimate) -> Cell:
    interval = show_interval(estimate.low, estimate.high)
    why = group.undefined.get(name, "")
    return Cell(show_number(estimate.value, estimate), interval, why, name in group.differs)
