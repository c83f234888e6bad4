"""What one look at a source found, as plain data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from imbalance_cli.errors import number_of
from imbalance_cli.features.kinds import LABELS

if TYPE_CHECKING:
    from imbalance_cli.inspection.columns import Column
    from imbalance_cli.inspection.pairs import LabelPair
    from imbalance_cli.labels import LabelCounts
    from imbalance_cli.leaks import Leak, Strength


@dataclasses.dataclass(frozen=True)
class Finding:
    """What `fit` would refuse, or warn of.

    Attributes:
        outcome: whether fit stops there.
        column: the column it is about, or None.
        problem: what is wrong.
        hint: what to do, or None.
    """

    outcome: Literal["refused", "warned"]
    column: str | None
    problem: str
    hint: str | None = None


@dataclasses.dataclass(frozen=True)
class LabelCandidate:
    """A column of two values, which may be a label.

    Attributes:
        column: its name.
        positive: the value that would mean 1.
        needs_positive: whether that value has to be given, since it does not say so itself.
        positives: rows of that value.
        negatives: rows of the other one.
    """

    column: str
    positive: str
    needs_positive: bool
    positives: int
    negatives: int


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What one pass over a source found.

    Attributes:
        source: its name.
        rows: how many.
        columns: in the order of the source; labels that it holds sparse are one, of kind labels.
        label_columns: what the labels are read from; the glob y_* for those.
        labels: counts of each label that can be read.
        guessed: whether the labels were chosen by their names.
        pairs: labels that occur together, most frequent first.
        leaks: features that alone tell a label.
        repeated_rows: rows equal to an earlier one, estimated for more than a million.
        candidates: columns of two values, where no label was found.
        findings: what fit would refuse, then what it would warn of.
        group_columns: those that the format says are groups.
        strongest: the features of each label that rank its rows best without any other.
    """

    source: str
    rows: int
    columns: list[Column]
    label_columns: list[str]
    labels: list[LabelCounts]
    guessed: bool
    pairs: list[LabelPair]
    leaks: list[Leak]
    repeated_rows: int
    candidates: list[LabelCandidate]
    findings: list[Finding]
    group_columns: list[str] = dataclasses.field(default_factory=list)
    strongest: list[Strength] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> str:
        """How many rows and columns there are, in words."""
        rows, width = number_of(self.rows, "row"), len(self.columns)
        if any(column.kind == LABELS for column in self.columns):
            labels, features = len(self.labels), width - 1 - len(self.group_columns)
            return f"{rows}, {number_of(features, 'feature')}, {number_of(labels, 'label')}"
        return f"{rows}, {number_of(width, 'column')}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; what is undefined is None."""
        roles = dict.fromkeys(self.label_columns, "label") | dict.fromkeys(
            self.group_columns, "group"
        )
        return {
            "source": self.source,
            "rows": self.rows,
            "repeated_rows": self.repeated_rows,
            "columns": [
                {
                    "column": column.name,
                    "role": roles.get(column.name, "feature"),
                    "type": column.kind,
                    "known": column.known,
                    "missing": column.missing,
                    "missing_share": column.missing_share,
                    "distinct": column.distinct,
                    "distinct_is_exact": column.distinct_is_exact,
                    "minimum": column.minimum,
                    "maximum": column.maximum,
                    "example": column.example,
                }
                for column in self.columns
            ],
            "labels": [
                {**dataclasses.asdict(label), "prevalence": label.prevalence}
                for label in self.labels
            ],
            "guessed_labels": self.guessed,
            "pairs": [dataclasses.asdict(pair) for pair in self.pairs],
            "leaks": [dataclasses.asdict(leak) for leak in self.leaks],
            "strongest": [dataclasses.asdict(strength) for strength in self.strongest],
            "candidates": [dataclasses.asdict(candidate) for candidate in self.candidates],
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
        }

    def flat_rows(self) -> list[dict[str, Any]]:
        """Return one row a column, then one a finding of the whole table, without a column."""
        counts = {label.label: label for label in self.labels}
        problems: dict[str | None, list[str]] = {}
        for finding in self.findings:
            problems.setdefault(finding.column, []).append(finding.problem)
        rows: list[dict[str, Any]] = []
        for column in self.to_dict()["columns"]:
            label = counts.get(column["column"])
            rows.append(
                {
                    **column,
                    "positives": label.positives if label else None,
                    "negatives": label.negatives if label else None,
                    "prevalence": label.prevalence if label else None,
                    "finding": "; ".join(problems.get(column["column"], [])) or None,
                }
            )
        blank = dict.fromkeys(rows[0]) | {"role": "table"}
        return rows + [blank | {"finding": problem} for problem in problems.get(None, [])]
