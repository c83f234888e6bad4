"""How many positives, negatives and missing cells labels have."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BLANK_IS_NEGATIVE = "data.missing_labels: negative (imbtrain weights --missing-labels negative)"


@dataclasses.dataclass(frozen=True)
class LabelCounts:
    """How many positives, negatives and missing cells one label has; counts add up exactly.

    With sample weights they are sums of weights.
    """

    label: str
    positives: float
    negatives: float
    missing: float = 0

    def __add__(self, other: LabelCounts) -> LabelCounts:
        return LabelCounts(
            self.label,
            self.positives + other.positives,
            self.negatives + other.negatives,
            self.missing + other.missing,
        )

    @property
    def total(self) -> float:
        """All cells, or with sample weights the sum of what they weigh."""
        return self.positives + self.negatives + self.missing

    @property
    def prevalence(self) -> float | None:
        """Positives over known cells; None where no cell is known."""
        known = self.positives + self.negatives
        return self.positives / known if known else None

    @property
    def blank_hint(self) -> str | None:
        """What to do where a label has positives and missing cells alone; None elsewhere."""
        is_alone = self.positives and self.missing and not self.negatives
        return f"if blank means 0: {BLANK_IS_NEGATIVE}" if is_alone else None


@dataclasses.dataclass(frozen=True)
class Counts:
    """The counts of several labels over the same rows.

    Attributes:
        rows: how many.
        labels: the counts of each.
        remarks: what was noticed while they were counted.
        heaviest: the largest sample weight of each label; empty without weights.
    """

    rows: int
    labels: list[LabelCounts]
    remarks: tuple[str, ...] = ()
    heaviest: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def scaled(self, factors: Sequence[float]) -> Counts:
        """Return the counts of each label times a factor, (L,)."""
        labels = [
            LabelCounts(
                label.label,
                label.positives * factor,
                label.negatives * factor,
                label.missing * factor,
            )
            for label, factor in zip(self.labels, factors, strict=True)
        ]
        return Counts(self.rows, labels, self.remarks)

    def without_missing(self) -> Counts:
        """Return the counts with missing cells as negatives."""
        labels = [
            LabelCounts(label.label, label.positives, label.negatives + label.missing)
            for label in self.labels
        ]
        return Counts(self.rows, labels, self.remarks)


def add_counts(parts: Sequence[tuple[str, Counts]]) -> Counts:
    """Add the counts of several sources, label by label.

    Args:
        parts: (name, counts) of each source; the name is for errors.

    Raises:
        LabelError: the labels of two sources differ.
    """
    (first_name, first), *others = parts
    total = {counts.label: counts for counts in first.labels}
    rows = first.rows
    remarks = dict.fromkeys(remark for _, part in parts for remark in part.remarks)
    for name, part in others:
        labels = {counts.label for counts in part.labels}
        differing = [*(total.keys() - labels), *(labels - total.keys())]
        if differing:
            label = min(differing)
            has, lacks = (first_name, name) if label in total else (name, first_name)
            raise LabelError(
                f"{lacks}: no label {label!r}, which {has} has",
                hint="counts can be added when they are of the same labels",
            )
        rows += part.rows
        total |= {counts.label: total[counts.label] + counts for counts in part.labels}
    heaviest = {label: max(part.heaviest[label] for _, part in parts) for label in first.heaviest}
    return Counts(rows, list(total.values()), tuple(remarks), heaviest)
