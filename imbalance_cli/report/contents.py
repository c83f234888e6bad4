"""All that a page shows: of one run, or of several side by side."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.comparison import Comparison
    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.evaluation.curves import LabelCurves
    from imbalance_cli.explaining.results import Explanation


@dataclasses.dataclass(frozen=True)
class TrainingHistory:
    """What each epoch gave one network.

    Attributes:
        epochs: that it took part in.
        losses: of the training rows.
        scores: of the metric that is watched, on the validation rows; NaN where it learned from
            these too.
        best_epoch: the one with the best validation score; where it learned from these, the last.
    """

    epochs: Sequence[int]
    losses: Sequence[float]
    scores: Sequence[float]
    best_epoch: int

    @property
    def is_refitted(self) -> bool:
        """Whether it learned from the validation rows too."""
        return math.isnan(self.scores[-1])


@dataclasses.dataclass(frozen=True)
class Together:
    """How often labels are positive in one row.

    Attributes:
        labels: names, (L,).
        shares: (L, L): of the positives of the first, known for the second, the share that are
            positives of the second too; None where there are none.
        rows: (L, L) how many they are.
    """

    labels: Sequence[str]
    shares: Sequence[Sequence[float | None]]
    rows: Sequence[Sequence[int]]


@dataclasses.dataclass(frozen=True)
class RunReport:
    """What a page is made of.

    Attributes:
        run: the run directory, as given.
        document: what run.json holds.
        config: config.yaml, as text.
        settings: the same, as plain data.
        evaluation: of the held-out rows.
        findings: sentences that say what was found.
        curves: of the labels that have figures.
        chosen: why each of them has, by name; empty where all have.
        training: a network each; empty where the run was not trained by `fit`.
        together: None for one label.
        peer: what another kind of model came to on the same rows; None without one.
        explanation: what its answers rest on; None where `explain` was not asked.
    """

    run: str
    document: Mapping[str, Any]
    config: str
    settings: Mapping[str, Any]
    evaluation: Evaluation
    findings: Sequence[str]
    curves: Sequence[LabelCurves]
    chosen: Mapping[str, Sequence[str]]
    training: Sequence[TrainingHistory]
    together: Together | None
    peer: Mapping[str, Any] | None = None
    explanation: Explanation | None = None

    @property
    def refitted(self) -> dict[int, list[int]]:
        """What learned from the validation rows too, by seed: after which epochs it was kept."""
        kept: dict[int, list[int]] = {}
        for network in self.document["trained"]:
            if "refitted" in network:
                kept.setdefault(network["seed"], []).append(network["best_epoch"])
        return kept


@dataclasses.dataclass(frozen=True)
class Entry:
    """A candidate or a run at the head of a comparison.

    Attributes:
        name: short, and unlike that of any other.
        note: what is said of it.
        is_tuned: whether it was chosen or tuned on the rows that it is compared on.
    """

    name: str
    note: str
    is_tuned: bool = False


@dataclasses.dataclass(frozen=True)
class ComparisonReport:
    """What the page of a comparison is made of; the first entry is the baseline.

    Attributes:
        entries: in the order of the candidates.
        settings: the keys of their configs that differ, and the value of each.
        comparison: of the labels, its candidates named as the entries.
        micro: of all cells together, as of one label; None where there is none.
        curves: of the labels that differ most, one of each entry; empty where there are none.
        cautions: what the numbers should be read with.
        versions: of what made the page.
    """

    entries: Sequence[Entry]
    settings: Mapping[str, Sequence[str]]
    comparison: Comparison
    micro: Comparison | None
    curves: Sequence[Sequence[LabelCurves]]
    cautions: Sequence[str]
    versions: Mapping[str, str]
