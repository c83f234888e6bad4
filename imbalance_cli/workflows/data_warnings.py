"""What was noticed in the data that the numbers should be read with.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.codes import Warned
from imbalance_cli.errors import number_of, show_percent
from imbalance_cli.evaluation import LEAST_FOR_INTERVAL
from imbalance_cli.features import describe_missing_words
from imbalance_cli.labels import list_names, select_labels
from imbalance_cli.labels.sample_weights import describe_heaviest
from imbalance_cli.leaks import most_rows
from imbalance_cli.splits import unlike_parts
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.leaks import Duplicates
    from imbalance_cli.rows.loading import LabelledTable
    from imbalance_cli.rows.roles import Roles
    from imbalance_cli.workflows.scanning import Scan

MOST_LEAKS = 5  # described one by one
MANY = 0.01  # of a part
MOST_UNLIKE = 5  # labels described one by one
MOST_SHIFTS = 3  # features so
UNLIKE = {
    ("train", "valid"): "the epoch, the calibration and the thresholds are chosen on rows unlike "
    "those learned from",
    ("train", "test"): "the report is of rows unlike those learned from",
    ("valid", "test"): "the calibration and the thresholds are chosen on rows unlike those of the "
    "report",
}
"""What it means that two parts have a label at other rates; the first pair that does counts."""


def list_doubts(
    roles: Roles,
    data: LabelledTable,
    learnable: Sequence[bool],
    scan: Scan,
) -> Iterator[str]:
    """Yield a sentence for each thing to know before the numbers are believed.

    Args:
        roles: what the columns are.
        data: the rows and their parts.
        learnable: whether training has both classes of a label, (L,).
        scan: what the features gave.
    """
    yield from (Warned("IMB114", remark) for remark in data.remarks)
    alike = select_labels(roles.features, (), data.table.name)
    if alike:
        yield Warned(
            "IMB101",
            f"used as features, though they are called like labels: {list_names(alike)}; "
            "data.exclude leaves them out",
        )
    for column in scan.preprocessing.ids:
        yield Warned(
            "IMB102",
            f"{column!r} holds another number in every row, and is called like an id: "
            f"data.exclude: [{quote(column)}] leaves it out",
        )
    yield from _doubt_parts(data, learnable)
    yield from _doubt_rates(data)
    for shift in scan.shifts[:MOST_SHIFTS]:
        yield Warned("IMB109", f"the test rows are unlike the training rows: {shift}")
    if len(scan.shifts) > MOST_SHIFTS:
        yield Warned("IMB109", f"{len(scan.shifts):,} features in all differ so")
    yield from _doubt_groups(roles, data)
    yield from _doubt_weights(roles, data)
    yield from _doubt_duplicates(scan.duplicates, data)
    leaks = scan.leaks
    for leak in leaks[:MOST_LEAKS]:
        left_out = f"data.exclude: [{quote(leak.column)}] leaves it out"
        yield Warned("IMB108", f"a likely leak: {leak.describe()}; {left_out}")
    if len(leaks) > MOST_LEAKS:
        columns = dict.fromkeys(leak.column for leak in leaks)
        yield Warned("IMB108", f"{len(leaks)} likely leaks in all, by {list_names(columns)}")


def list_facts(roles: Roles, data: LabelledTable, scan: Scan) -> Iterator[str]:
    """Yield a sentence for each thing that was done to the rows, which no number suffers from."""
    yield from data.notes
    for column, words in scan.preprocessing.missing_words.items():
        yield f"{column}: {describe_missing_words(words)}"
    trained, judged = len(data.split.train), most_rows(len(roles.features))
    if judged < trained:
        yield f"likely leaks were looked for in {judged:,} of {trained:,} train rows, by chance"
    if scan.labels < len(data.labels):
        yield (
            f"likely leaks were looked for in the {scan.labels} commonest of "
            f"{len(data.labels):,} labels"
        )
    dropped = scan.preprocessing.dropped
    if dropped:
        yield f"constant in the training rows, and so dropped: {list_names(dropped)}"


def _doubt_weights(roles: Roles, data: LabelledTable) -> Iterator[str]:
    if data.weights is None:
        return
    weights = data.weights[data.split.train]
    weights = weights[:, None] if weights.ndim == 1 else weights
    columns = {roles.weights.of(label): number for number, label in enumerate(data.labels)}
    for column, number in columns.items():
        own = weights[:, number if weights.shape[1] > 1 else 0]
        if column is not None:
            heavy = describe_heaviest(column, float(own.max(initial=0)), float(own.sum()), len(own))
            yield from (Warned("IMB106", sentence) for sentence in heavy)


def _doubt_parts(data: LabelledTable, learnable: Sequence[bool]) -> Iterator[str]:
    """Name labels that a part has no positive of."""
    for part, one, many in (
        (
            "valid",
            "its threshold is chosen without a positive of its own",
            "their thresholds are chosen without positives of their own",
        ),
        (
            "test",
            "its average precision and recall are undefined",
            "their average precision and recall are undefined",
        ),
    ):
        rows = getattr(data.split, part)
        has_positive = data.targets.take(rows).counts()[0] > 0
        without = np.flatnonzero(np.asarray(learnable) & ~has_positive)
        if len(rows) and len(without):
            names = list_names([data.labels[label] for label in without])
            outcome = one if len(without) == 1 else many
            yield Warned("IMB103", f"no positive in the {part} part for {names}: {outcome}")


def _doubt_rates(data: LabelledTable) -> Iterator[str]:
    """Name labels that are far more frequent in one part than in another."""
    unlike = unlike_parts(data.split, data.targets)
    labels = np.flatnonzero(np.any(list(unlike.values()), axis=0)) if unlike else np.arange(0)
    for label in labels[:MOST_UNLIKE].tolist():
        shown = []
        for part, rows in data.split.rows_of_parts().items():
            positives, negatives, _ = data.targets.take(rows).select(np.array([label])).counts()
            known = float(positives[0] + negatives[0])
            if known:
                shown.append(f"{show_percent(positives[0] / known)} of {part}")
        meaning = next(UNLIKE[pair] for pair, flags in unlike.items() if flags[label])
        rates = ", ".join(shown)
        yield Warned("IMB104", f"{data.labels[label]!r} is positive in {rates}: {meaning}")
    if len(labels) > MOST_UNLIKE:
        names = list_names([data.labels[label] for label in labels])
        yield Warned("IMB104", f"{len(labels):,} labels in all differ so between parts: {names}")


def _doubt_groups(roles: Roles, data: LabelledTable) -> Iterator[str]:
    """Say where the test rows are of so few groups that nothing is known of others."""
    if data.groups is None:
        return
    groups = len(np.unique(data.groups[data.split.test]))
    if 0 < groups < LEAST_FOR_INTERVAL:
        one = "is of one group" if groups == 1 else f"is of {groups} groups"
        yield Warned(
            "IMB105",
            f"the test part {one} of {roles.group}: its numbers say little of other groups, and "
            f"have no interval, which takes {LEAST_FOR_INTERVAL}",
        )


def _doubt_duplicates(found: Duplicates, data: LabelledTable) -> Iterator[str]:
    """Say how many held-out rows stand in the training part as well."""
    straddling = {part: count for part, count in found.straddling.items() if count}
    if straddling:
        names = {"valid": "validation row", "test": "test row"}
        shown = " and ".join(number_of(count, names[part]) for part, count in straddling.items())
        sizes = {"valid": len(data.split.valid), "test": len(data.split.test)}
        many = any(count > MANY * sizes[part] for part, count in straddling.items())
        repeat = (
            "repeats a training row" if sum(straddling.values()) == 1 else "repeat training rows"
        )
        sentence = f"{shown} {repeat}"
        sentence += ", so the numbers are too good" if many else ""
        more = f"; {found.disagreeing:,} duplicate rows differ in a label"
        yield Warned("IMB107", sentence + (more if found.disagreeing else ""))
