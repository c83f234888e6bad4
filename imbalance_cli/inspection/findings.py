"""What `fit` would refuse or warn of, and which columns may be labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.config.template import quote
from imbalance_cli.errors import LabelError
from imbalance_cli.inspection.results import Candidate, Finding
from imbalance_cli.labels import LabelCounts, select_labels
from imbalance_cli.labels.counting import counts_of_tally
from imbalance_cli.readers.source import ColumnTally, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.inspection.columns import Column
    from imbalance_cli.inspection.targets import LabelScan
    from imbalance_cli.leaks import Leak

FEW_POSITIVES = 10
BINARY = 2  # values


def list_candidates(columns: Sequence[Column]) -> Iterator[Candidate]:
    """Yield the columns of two values, the rarer one as the positive if neither says so."""
    for column in columns:
        if len(column.values) != BINARY:
            continue
        tally = Tally(column.known, {column.name: ColumnTally(dict(column.values))})
        try:
            counts = counts_of_tally(tally, column.name, None).labels[0]
        except LabelError:
            (_, negatives), (positive, positives) = column.values.items()
            needs_positive = True
        else:
            positive, needs_positive = "1", False
            positives, negatives = int(counts.positives), int(counts.negatives)
        yield Candidate(column.name, positive, needs_positive, positives, negatives)


def list_findings(
    columns: Sequence[Column],
    labels: LabelScan,
    counts: Sequence[LabelCounts],
    leaks: Sequence[Leak],
    repeated_rows: int,
) -> Iterator[Finding]:
    """Yield what `fit` would refuse, and what it would warn of, in no order.

    Args:
        columns: all columns of the source.
        labels: how the labels were read.
        counts: of each label that can be read.
        leaks: features that alone tell a label.
        repeated_rows: rows equal to an earlier one.
    """
    if not labels.columns:
        yield Finding(
            "refused",
            None,
            "no column is called y, label, target or y_*",
            "say which are labels: --labels NAME",
        )
    for column, error in labels.refused.items():
        yield Finding("refused", column, error.message, error.hint)
    for sentence in labels.remarks():
        column = labels.columns[0]  # named beside the sentence already
        yield Finding("warned", column, sentence.removeprefix(f"column {column!r}: "))
    features = [column for column in columns if column.name not in labels.columns]
    yield from _judge_features(features)
    for leak in leaks:
        hint = f"data.exclude: [{quote(leak.column)}]"
        yield Finding("warned", leak.column, f"may be a leak: {leak.describe()}", hint)
    for label in counts:
        yield from _judge_label(label)
    alike = select_labels([column.name for column in features], (), "")
    for name in (alike or []) if labels.columns else []:
        hint = f"data.exclude: [{quote(name)}]"
        yield Finding("warned", name, "used as a feature, though it is called like a label", hint)
    if repeated_rows:
        yield Finding(
            "warned",
            None,
            f"{_count(repeated_rows, 'row')} equal to an earlier one, which may be in another part",
        )


def _judge_features(features: Sequence[Column]) -> Iterator[Finding]:
    for column in features:
        if column.problem:
            yield Finding("refused", column.name, column.problem, _exclude(column))
        elif column.kind == "constant":
            yield Finding("warned", column.name, f"constant ({column.example!r}), and so dropped")


def _judge_label(label: LabelCounts) -> Iterator[Finding]:
    if not (label.positives and label.negatives):
        side = "negative" if label.positives else "positive"
        yield Finding("warned", label.label, f"has no {side}: it cannot be learned")
    elif min(label.positives, label.negatives) < FEW_POSITIVES:
        few = min(label.positives, label.negatives)
        side = "positive" if label.positives == few else "negative"
        yield Finding(
            "warned", label.label, f"has {_count(few, side)}: its numbers will scatter widely"
        )


def _exclude(column: Column) -> str:
    return f"data.exclude: [{quote(column.name)}]"


def _count(number: float, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
