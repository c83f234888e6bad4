"""The order of labels in a report, and which of many it shows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.errors import ConfigError, nearest
from imbalance_cli.metrics import METRIC_SPECS, lower_is_better
from imbalance_cli.report.chance import are_alike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation import Evaluation, LabelEvaluation

PREVALENCE, RANKING = "prevalence", "average_precision"
COUNTS = ("support", "positives", "missing", PREVALENCE, "threshold")
SHORTER = {
    "thresh": "threshold",
    "pos.": "positives",
    "prev.": PREVALENCE,
    "rows": "support",
    "miss.": "missing",
    "no_skill": PREVALENCE,
}
"""What a terminal calls these."""
MOST_LABELS = 60  # that are all shown
SHOWN = 20  # of each kind, where there are more


def list_sorts() -> tuple[str, ...]:
    """Return what labels can be sorted by."""
    counts = (name for name in COUNTS if name != PREVALENCE)
    return (PREVALENCE, "label", *counts, *METRIC_SPECS)


def read_sort(name: str | None, known: Sequence[str] | None = None) -> str | None:
    """Return what a name says that labels are to be sorted by, in any case; None for no name.

    Args:
        name: of --sort, or a heading of a table.
        known: what they can be sorted by; None for all of `list_sorts`.

    Raises:
        ConfigError: it names nothing of that; the nearest is suggested.
    """
    if name is None:
        return None
    known = known or list_sorts()
    found = _as_key(name)
    called = {_as_key(spec.heading): spec.name for spec in METRIC_SPECS.values()}
    called |= {_as_key(spec.column): spec.name for spec in METRIC_SPECS.values()}
    found = (called | SHORTER).get(found, found)
    if found not in known:
        raise ConfigError(
            f"--sort: no metric {name!r}" + (" of several runs" if found in list_sorts() else ""),
            hint=nearest(found, known) or f"--sort takes {', '.join(known)}",
        )
    return found


def _as_key(heading: str) -> str:
    """Return a heading in small letters, its words joined."""
    return "_".join(heading.casefold().split())


def sort_labels(labels: Sequence[LabelEvaluation], by: str) -> list[LabelEvaluation]:
    """Return the labels, the best or the most first, names by alphabet, what is undefined last."""
    if by == "label":
        return sorted(labels, key=lambda label: label.label)
    sign = 1 if lower_is_better(by) else -1

    def place(label: LabelEvaluation) -> tuple[bool, float]:
        value = value_of(label, by)
        return value is None, sign * (value or 0.0)

    return sorted(labels, key=place)


def sort_evaluation(evaluation: Evaluation, by: str) -> Evaluation:
    """Return the evaluation with its labels sorted."""
    return dataclasses.replace(evaluation, labels=sort_labels(evaluation.labels, by))


def choose_labels(labels: Sequence[LabelEvaluation], by: str) -> dict[str, list[LabelEvaluation]]:
    """Return the labels to show, sorted, under headings where they are not all.

    Of more than MOST_LABELS they are the best and the worst by the metric that is sorted by, or by
    average precision, of those whose interval says something, and the rarest with a positive.
    """
    if len(labels) <= MOST_LABELS:
        return {"": sort_labels(labels, by)}
    metric = ranking_of(by)
    scored = [label for label in labels if value_of(label, metric) is not None]
    scored = sort_labels(keep_judged(scored, metric), metric)
    present = [label for label in sort_labels(labels, PREVALENCE) if label.positives]
    return {
        f"best {SHOWN}": scored[:SHOWN],
        f"worst {SHOWN}": scored[-SHOWN:],
        f"rarest {SHOWN}": present[-SHOWN:],
        f"all {len(labels):,}": [],
    }


def keep_judged(labels: Sequence[LabelEvaluation], metric: str) -> list[LabelEvaluation]:
    """Return the labels of which a metric has an interval, or all where none has.

    One positive that happens to lie first is no reason to call a label the best.
    """
    judged = [
        label
        for label in labels
        if getattr(label, metric).low is not None or are_alike(label, metric)
    ]
    return judged or list(labels)


def ranking_of(by: str) -> str:
    """Return the metric that says which labels are best, where they are sorted by something."""
    return by if by in METRIC_SPECS else RANKING


def value_of(label: LabelEvaluation, name: str) -> float | None:
    """Return a metric or a count of a label."""
    number = getattr(label, name).value if name in METRIC_SPECS else getattr(label, name)
    return None if number is None else float(number)
