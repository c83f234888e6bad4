"""Features that alone tell a label, and so were likely made from it.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import itertools
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import show_percent
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.leaks.judging import MOST_CELLS, judge_features
from imbalance_cli.leaks.reading import list_blocks, read_codes
from imbalance_cli.leaks.sampling import RowSample, most_rows
from imbalance_cli.readers.plain_numbers import read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.leaks.judging import Floats, Judged
    from imbalance_cli.leaks.reading import Block, Codes
    from imbalance_cli.notation import Notation
    from imbalance_cli.readers import Table

MOST_STRONGEST = 5  # features named of each label

HOW = {
    "higher": "it is higher for every positive than for any negative",
    "lower": "it is lower for every positive than for any negative",
    "missing": "it is missing for every positive and for no negative",
    "known": "it is known for every positive and for no negative",
    "category": "no value of it has both positives and negatives",
}

RULES = {
    "value": "is {}",
    "higher": "is at least {}",
    "lower": "is at most {}",
    "missing": "is missing",
    "known": "is known",
    "category": "has a value that is mostly positive",
}
WAYS = tuple(RULES)

NOTHING: Mapping[str, Notation] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Leak:
    """A feature that alone tells a label, or a good part of its positives.

    Attributes:
        column: the feature.
        label: what it tells.
        how: a key of HOW where it tells the label in all rows looked at, else "rule".
        rule: what rows that are nearly all positive have in common, as "is 1"; None if not "rule".
        rows: how many these are.
        hits: how many of them are positive.
        positives: of the label in all rows looked at.
        prevalence: of the label in these.
    """

    column: str
    label: str
    how: str
    rule: str | None = None
    rows: int | None = None
    hits: int | None = None
    positives: int | None = None
    prevalence: float | None = None

    def describe(self) -> str:
        """Return the leak in words."""
        if self.rule is None or self.prevalence is None:
            return f"{self.column!r} alone tells {self.label!r}: {HOW[self.how]}"
        among = "all" if self.hits == self.rows else f"{self.hits:,}"
        return (
            f"{self.column!r} {self.rule} in {self.rows:,} rows, {among} of them among the "
            f"{self.positives:,} positives of {self.label!r} (prevalence "
            f"{show_percent(self.prevalence)})"
        )


@dataclasses.dataclass(frozen=True)
class Strength:
    """How well a feature ranks the rows of a label without any other.

    Attributes:
        label: whose positives are to come first.
        column: the feature.
        average_precision: of the ranking, in the rows looked at.
        how: higher or lower values first, missing or known ones first, or by the rate of a
            category in other rows.
    """

    label: str
    column: str
    average_precision: float
    how: str


@dataclasses.dataclass(frozen=True)
class Findings:
    """What features alone say of labels.

    Attributes:
        leaks: in the order of the columns and labels, one a pair.
        strongest: the MOST_STRONGEST features of each label with a positive, the best first.
    """

    leaks: list[Leak]
    strongest: list[Strength]


class LeakScan:
    """Looks for features that alone tell a label in rows that stream past.

    At most sampling.MOST_ROWS rows, drawn by chance, are kept and judged. A column is judged by its
    values where they are numbers or dates, by whether it is missing, and by its distinct cells
    where these are at most judging.MOST_CATEGORIES.

    Args:
        columns: the features.
        labels: the names, (L,).
    """

    def __init__(self, columns: Sequence[str], labels: Sequence[str]) -> None:
        self._columns = list(columns)
        self._labels = list(labels)
        self._sample = RowSample(columns)

    @property
    def most_rows(self) -> int:
        """How many rows are judged at most."""
        return most_rows(len(self._columns))

    def add(
        self,
        frame: pl.DataFrame,
        targets: Targets | NDArray[np.floating],
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        """Look at rows.

        Args:
            frame: N rows.
            targets: (N, L); floats are NaN where missing.
            rows: the row numbers to look at; all if None.
        """
        self._sample.add(frame, as_targets(targets), rows)

    def grow(self, labels: Sequence[str]) -> None:
        """Append classes or tags, which are 0 in the known rows so far.

        Args:
            labels: the names, (L,), those known so far first.
        """
        self._labels = list(labels)

    def findings(self, notations: Mapping[str, Notation] = NOTHING) -> Findings:
        """Return what the features say.

        Args:
            notations: of columns that are not written in the usual way.

        Raises:
            FeatureError: a column holds what is neither number, date nor text.
        """
        kept = self._sample.rows(len(self._labels))
        if kept is None or not self._labels:
            return Findings([], [])
        frame, targets = kept
        columns = frozenset(self._columns)
        read = [
            notation.read(frame[column])[0].alias(column)
            for column, notation in notations.items()
            if column in columns
        ]
        return _find(frame.with_columns(read), self._labels, targets)


def find_leaks(
    table: Table,
    columns: Sequence[str],
    labels: Sequence[str],
    targets: Targets | NDArray[np.floating],
    rows: NDArray[np.intp],
) -> list[Leak]:
    """Return the features that alone tell a label in the rows, as `LeakScan` does.

    Args:
        table: N rows.
        columns: the features.
        labels: the names, (L,).
        targets: (N, L); floats are NaN where missing.
        rows: the row numbers to look at, those of the training part.

    Raises:
        FeatureError: a column holds what is neither number, date nor text.
    """
    scan = LeakScan(columns, labels)
    scan.add(table.frame, targets, rows)
    return scan.findings().leaks


def _find(frame: pl.DataFrame, labels: Sequence[str], targets: Targets) -> Findings:
    """Hold the columns of N rows against targets, (N, L)."""
    columns = frame.columns
    blocks = list(list_blocks(targets))
    strongest = _Strongest(len(labels))
    leaks: list[Leak] = []
    largest = max((max(len(block.row), len(block.labels)) for block in blocks), default=1)
    together = max(MOST_CELLS // max(frame.height, largest), 1)
    read = read_columns(frame, columns)
    for first in range(0, len(columns), together):
        names, numbers = zip(*itertools.islice(read, together), strict=True)
        codes = read_codes([frame[name] for name in names], numbers)
        of_all = np.stack([column.codes for column in codes])
        is_ordered = np.array([column.is_ordered for column in codes])
        found: dict[tuple[int, int], Leak] = {}
        for block in blocks:
            tests = len(columns) * len(labels)
            judged = judge_features(of_all[:, block.rows], block, is_ordered, tests)
            strongest.add(first, block.labels, judged.scores)
            for pair in judged.perfect.keys() | judged.rules.keys():
                feature, place = divmod(pair, len(block.labels))
                label = int(block.labels[place])
                leak = _name_leak(
                    judged, pair, block, names[feature], labels[label], codes[feature]
                )
                found[feature, label] = leak
        leaks += [found[pair] for pair in sorted(found)]
    positives = targets.counts()[0]
    return Findings(leaks, list(strongest.list_of(columns, labels, positives > 0)))


def _name_leak(
    judged: Judged, pair: int, block: Block, column: str, label: str, codes: Codes
) -> Leak:
    if pair in judged.perfect:
        return Leak(column, label, judged.perfect[pair])
    rule = judged.rules[pair]
    positives = int(block.positives[pair % len(block.labels)])
    return Leak(
        column,
        label,
        "rule",
        RULES[rule.how].format(codes.show(rule.code)),
        rule.rows,
        rule.hits,
        positives,
        positives / len(block.rows),
    )


class _Strongest:
    """The features with the highest average precisions so far, of each label."""

    def __init__(self, labels: int) -> None:
        self._scores = np.full((MOST_STRONGEST, labels), -np.inf)
        self._columns = np.zeros((MOST_STRONGEST, labels), np.intp)
        self._ways = np.zeros((MOST_STRONGEST, labels), np.intp)

    def add(self, first: int, labels: NDArray[np.intp], scores: dict[str, Floats]) -> None:
        """Take in the scores, (f, l), of columns for some labels, by how they rank rows.

        Args:
            first: the number of the first of the columns.
            labels: their numbers, (l,).
            scores: see above.
        """
        of_ways = np.stack(list(scores.values()))
        best = of_ways.max(axis=0)
        ways = np.array([WAYS.index(how) for how in scores])[of_ways.argmax(axis=0)]
        columns = np.broadcast_to(np.arange(first, first + len(best))[:, None], best.shape)
        pool = np.vstack([self._scores[:, labels], best])
        order = np.argsort(-pool, axis=0, kind="stable")[:MOST_STRONGEST]
        for kept, new in ((self._scores, best), (self._columns, columns), (self._ways, ways)):
            own = np.vstack([kept[:, labels], new])
            kept[:, labels] = np.take_along_axis(own, order, axis=0)

    def list_of(
        self, columns: Sequence[str], labels: Sequence[str], has_positive: NDArray[np.bool_]
    ) -> Iterator[Strength]:
        for label in np.flatnonzero(has_positive).tolist():
            for score, column, way in zip(
                self._scores[:, label], self._columns[:, label], self._ways[:, label], strict=True
            ):
                if score > 0:
                    yield Strength(labels[label], columns[column], float(score), WAYS[way])
