"""Reading targets from label columns whose classes or tags are not known before.

Shapes: B rows of a batch, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import LabelError
from imbalance_cli.inspection.pairs import PairCounts
from imbalance_cli.inspection.sparse_pairs import SparsePairCounts
from imbalance_cli.labels import only_column
from imbalance_cli.labels.encoding import LabelEncoder, Vocabulary
from imbalance_cli.labels.targets import DenseTargets, SparseTargets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.inspection.pairs import LabelPair
    from imbalance_cli.labels import LabelCounts, LabelSettings
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.readers import Table

MOST_LABELS = 1_000_000
"""Classes or tags of a column; one of more is of ids, and would fill the memory."""


class LabelScan:
    """Counts the labels of a source, and notes those that cannot be read.

    Args:
        columns: of the labels.
        settings: how they are read.
        name: the source, for errors.
        sparse: whether its tables hold the labels sparse.

    Raises:
        LabelError: the encoding reads one column, and there are several.
    """

    def __init__(
        self, columns: Sequence[str], settings: LabelSettings, name: str, *, sparse: bool = False
    ) -> None:
        self.columns = list(columns)
        self.refused: dict[str, LabelError] = {}
        self._name = name
        self._separator = settings.separator
        self._vocabulary: Vocabulary | None = None
        self._encoders: list[LabelEncoder] = []
        self._pairs: PairCounts | SparsePairCounts = SparsePairCounts([])
        if columns and settings.encoding in {"one_vs_rest", "tags"}:
            column = only_column(columns, settings.encoding, name)
            self._vocabulary = Vocabulary(column, settings.encoding, settings.separator)
        elif sparse:
            self._encoders = [LabelEncoder("binary", self.columns, self.columns, settings.positive)]
            self._pairs = SparsePairCounts(columns)
        else:
            self._encoders = [
                LabelEncoder("binary", [column], [column], settings.positive) for column in columns
            ]
            self._pairs = PairCounts(columns)

    @property
    def labels(self) -> list[str]:
        """Names, (L,), as far as they are known."""
        return self._pairs.labels

    @property
    def is_binary(self) -> bool:
        """Whether each column is a label, so that all labels are known before the first row."""
        return bool(self._encoders)

    def add(self, table: Table) -> Targets:
        """Return the targets of some rows, (B, L), after counting them.

        A label that cannot be read is missing from there on.

        Raises:
            LabelError: the settings are not for labels that are held sparse.
        """
        targets: Targets
        if table.sparse is not None:
            targets = self._encoders[0].encode(table)
        else:
            reads_columns = self._vocabulary is None
            targets = self._read_binary(table) if reads_columns else self._read_one(table)
        self._pairs.add(targets)
        return targets

    def remarks(self) -> list[str]:
        """Return what was noticed of classes or tags."""
        return [] if self._vocabulary is None else self._vocabulary.remarks()

    def limits(self) -> list[str]:
        """Return what was not counted of many labels."""
        return self._pairs.remarks()

    def counts(self) -> list[LabelCounts]:
        """Return the counts of each label that can be read, in the order that fit has them."""
        order = self._order()
        counts = {label.label: label for label in self._pairs.counts()}
        return [counts[label] for label in order]

    def pairs(self, most: int) -> list[LabelPair]:
        """Return the pairs of labels that occur together in the most rows."""
        return self._pairs.pairs(most, set(self._order()))

    def _read_binary(self, table: Table) -> DenseTargets:
        targets = np.full((table.frame.height, len(self._encoders)), np.nan, np.float32)
        for i, encoder in enumerate(self._encoders):
            column = encoder.columns[0]
            if column in self.refused:
                continue
            try:
                targets[:, i] = encoder.encode(table).dense()[:, 0]
            except LabelError as error:  # reported with the other findings
                self.refused[column] = error
        return DenseTargets.of(targets)

    def _read_one(self, table: Table) -> Targets:
        """Read a column of classes or tags, whose labels are those met so far.

        Of those that a batch is the first to have, the commonest come first.
        """
        vocabulary, pairs = self._vocabulary, self._pairs
        if vocabulary is None or isinstance(pairs, PairCounts) or self.refused:
            return _know_nothing(table.frame.height, len(self.labels))
        try:
            vocabulary.add(table)
            self._check_number(vocabulary)
            rows = vocabulary.rows
            fresh = sorted(rows.keys() - set(self.labels), key=lambda name: (-rows[name], name))
            pairs.grow([*self.labels, *fresh])
            encoder = LabelEncoder(
                vocabulary.encoding, [vocabulary.column], self.labels, separator=self._separator
            )
            return encoder.encode(table)
        except LabelError as error:
            self.refused[vocabulary.column] = error
            return _know_nothing(table.frame.height, len(self.labels))

    def _check_number(self, vocabulary: Vocabulary) -> None:
        if len(vocabulary.rows) > MOST_LABELS:
            raise LabelError(
                f"{self._name}: column {vocabulary.column!r} has more than {MOST_LABELS:,} classes "
                "or tags",
                hint="another label column",
            )

    def _order(self) -> list[str]:
        if self._vocabulary is None:
            return [label for label in self.labels if label not in self.refused]
        try:
            return [] if self.refused else self._vocabulary.labels(self._name)
        except LabelError as error:
            self.refused[self._vocabulary.column] = error
            return []


def _know_nothing(rows: int, labels: int) -> SparseTargets:
    """Return targets, (B, L), that are all missing."""
    nowhere = np.empty(0, np.int64)
    return SparseTargets.of(nowhere, nowhere, (rows, labels), np.ones(rows, np.bool_))
