"""Reading targets from label columns whose classes or tags are not known before.

Shapes: B rows of a batch, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import LabelError
from imbalance_cli.inspection.pairs import LabelPair, PairCounts
from imbalance_cli.labels import LabelCounts, only_column
from imbalance_cli.labels.encoding import LabelEncoder, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels import LabelSettings
    from imbalance_cli.readers import Table

MOST_LABELS = 2_000
"""Classes or tags of a column; pairs of more would not fit into memory."""


class LabelScan:
    """Counts the labels of a source, and notes those that cannot be read.

    Args:
        columns: of the labels.
        settings: how they are read.
        name: the source, for errors.

    Raises:
        LabelError: the encoding reads one column, and there are several.
    """

    def __init__(self, columns: Sequence[str], settings: LabelSettings, name: str) -> None:
        self.columns = list(columns)
        self.refused: dict[str, LabelError] = {}
        self._name = name
        self._separator = settings.separator
        self._vocabulary: Vocabulary | None = None
        self._encoders: list[LabelEncoder] = []
        if columns and settings.encoding in {"one_vs_rest", "tags"}:
            column = only_column(columns, settings.encoding, name)
            self._vocabulary = Vocabulary(column, settings.encoding, settings.separator)
            self._pairs = PairCounts([])
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

    def add(self, table: Table) -> NDArray[np.float32]:
        """Return the targets of some rows, (B, L), after counting them.

        A label that cannot be read is missing from there on.
        """
        targets = self._read_binary(table) if self._vocabulary is None else self._read_one(table)
        self._pairs.add(targets)
        return targets

    def remarks(self) -> list[str]:
        """Return what was noticed of classes or tags."""
        return [] if self._vocabulary is None else self._vocabulary.remarks()

    def counts(self) -> list[LabelCounts]:
        """Return the counts of each label that can be read, in the order that fit has them."""
        order = self._order()
        counts = {label.label: label for label in self._pairs.counts()}
        return [counts[label] for label in order]

    def pairs(self, most: int) -> list[LabelPair]:
        """Return the pairs of labels that occur together in the most rows."""
        return self._pairs.pairs(most, set(self._order()))

    def _read_binary(self, table: Table) -> NDArray[np.float32]:
        targets = np.full((table.frame.height, len(self._encoders)), np.nan, np.float32)
        for i, encoder in enumerate(self._encoders):
            column = encoder.columns[0]
            if column in self.refused:
                continue
            try:
                targets[:, i] = encoder.encode(table).dense()[:, 0]
            except LabelError as error:  # told with the other findings
                self.refused[column] = error
        return targets

    def _read_one(self, table: Table) -> NDArray[np.float32]:
        """Read a column of classes or tags, whose labels are those met so far."""
        vocabulary = self._vocabulary
        nothing = np.full((table.frame.height, len(self.labels)), np.nan, np.float32)
        if vocabulary is None or vocabulary.column in self.refused:
            return nothing
        try:
            vocabulary.add(table)
            self._check_number(vocabulary)
            fresh = sorted(vocabulary.rows.keys() - set(self.labels))
            self._pairs.grow([*self.labels, *fresh])
            encoder = LabelEncoder(
                vocabulary.encoding, [vocabulary.column], self.labels, separator=self._separator
            )
            return encoder.encode(table).dense()
        except LabelError as error:
            self.refused[vocabulary.column] = error
            return nothing

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
