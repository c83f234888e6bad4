"""What `fit` would refuse or warn of, and which columns may be labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import LabelError, shorten
from imbalance_cli.features.kinds import KINDS, list_ways
from imbalance_cli.inspection.results import Finding, LabelCandidate
from imbalance_cli.labels import LabelCounts, select_labels
from imbalance_cli.labels.counting import counts_of_tally
from imbalance_cli.readers.source import ColumnTally, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.inspection.columns import Column
    from imbalance_cli.inspection.targets import LabelScan
    from imbalance_cli.leaks import Leak

FEW_POSITIVES = 10
MOST_ALIKE = 20  # labels of which the same is said, one by one
MOST_NAMED = 5
LONGEST_NAME = 40  # characters
BINARY = 2  # values


def list_candidates(columns: Sequence[Column]) -> Iterator[LabelCandidate]:
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
        yield LabelCandidate(column.name, positive, needs_positive, positives, negatives)


def list_findings(
    columns: Sequence[Column],
    labels: LabelScan,
    counts: Sequence[LabelCounts],
    leaks: Sequence[Leak],
    repeated_rows: int,
    limits: Sequence[str] = (),
) -> Iterator[Finding]:
    """Yield what `fit` would refuse, and what it would warn of, in no order.

    Args:
        columns: all columns of the source, but for labels that it holds sparse.
        labels: how the labels were read.
        counts: of each label that can be read.
        leaks: features that alone tell a label.
        repeated_rows: rows equal to an earlier one.
        limits: sentences on what was not looked at: other files, or some of many labels.
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
    known = frozenset(labels.columns)
    features = [column for column in columns if column.name not in known]
    yield from _list_of_features(features)
    for leak in leaks:
        hint = list_ways(leak.column)
        yield Finding("warned", leak.column, f"may be a leak: {leak.describe()}", hint)
    yield from _list_of_labels(counts)
    for sentence in limits:
        yield Finding("warned", None, sentence)
    alike = select_labels([column.name for column in features], (), "")
    for name in (alike or []) if labels.columns else []:
        hint = list_ways(name)
        yield Finding("warned", name, "used as a feature, though it is called like a label", hint)
    if repeated_rows:
        yield Finding(
            "warned",
            None,
            f"{_count(repeated_rows, 'row')} equal to an earlier one, which may be in another part",
        )


def _list_of_features(features: Sequence[Column]) -> Iterator[Finding]:
    for column in features:
        if column.problem:
            hint = list_ways(column.name, column.hint)
            yield Finding("refused", column.name, column.problem, hint)
        elif column.note:
            yield Finding("warned", column.name, column.note.removeprefix(f"{column.name!r} "))
        elif (remark := KINDS[column.kind].remark) is not None:
            yield Finding("warned", column.name, remark.format(column.example))


def _list_of_labels(labels: Sequence[LabelCounts]) -> Iterator[Finding]:
    """Yield a finding a label, or one for all of a kind where they are more than MOST_ALIKE."""
    findings: dict[str, list[tuple[LabelCounts, Finding]]] = {}
    for label in labels:
        few = _few(label)
        side = "positive" if label.positives == few else "negative"
        if few < FEW_POSITIVES:
            kind = f"fewer than {FEW_POSITIVES} {side}s: their numbers will scatter widely"
            problem = f"has {_count(few, side)}: its numbers will scatter widely"
            if not few:
                kind = f"no {side}: they cannot be learned"
                problem = f"has no {side}: it cannot be learned"
            found = label, Finding("warned", label.label, problem, label.blank_hint)
            findings.setdefault(kind, []).append(found)
    for kind, alike in findings.items():
        if len(alike) <= MOST_ALIKE:
            yield from (finding for _, finding in alike)
        else:
            rarest = sorted((label for label, _ in alike), key=_few)[:MOST_NAMED]
            names = ", ".join(shorten(label.label, LONGEST_NAME) for label in rarest)
            problem = f"{len(alike):,} of {len(labels):,} labels have {kind}: {names}, ..."
            yield Finding("warned", None, problem, alike[0][1].hint)


def _few(label: LabelCounts) -> float:
    """Return the rows of the rarer side."""
    return min(label.positives, label.negatives)


def _count(number: float, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
