"""Rows that a report is of, and what a saved run says of them.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.run.scored_rows import CalibratedRows, KeptRows


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Rows that a report is of.

    Attributes:
        part: test, valid or out_of_fold.
        source: what they were read from.
        rows: (N,) their numbers in the table.
        scored: their targets and probabilities, (N, L) each.
        weights: (N,) sample weights, or None.
        groups: (N,) the number of each row's group, or None.
    """

    part: str
    source: str
    rows: NDArray[np.intp]
    scored: CalibratedRows | KeptRows
    weights: torch.Tensor | None = None
    groups: torch.Tensor | None = None

    @property
    def targets(self) -> torch.Tensor:
        """(N, L), NaN where missing."""
        return self.scored.columns()[1]

    @property
    def probabilities(self) -> torch.Tensor:
        """(N, L) float64."""
        return self.scored.columns()[0]

    @property
    def scores(self) -> torch.Tensor | None:
        """(N, L) float32 raw scores; None where a comparison did not keep them."""
        return self.scored.raw()


@dataclasses.dataclass(frozen=True)
class SavedRun:
    """What a run said of its held-out rows, in the order of their numbers.

    Attributes:
        path: its directory, as given.
        loss: the name of its loss.
        evaluation: of these rows.
        rows: (N,) their numbers in the table.
        targets: (N, L), NaN where missing.
        probabilities: (N, L); of a label that could not be learned 0.
        decisions: (N, L) bool.
        weights: (N,) sample weights, or None.
        groups: (N,) the number of each row's group, or None.
    """

    path: str
    loss: str
    evaluation: Evaluation
    rows: torch.Tensor
    targets: torch.Tensor
    probabilities: torch.Tensor
    decisions: torch.Tensor
    weights: torch.Tensor | None
    groups: torch.Tensor | None

    @property
    def labels(self) -> list[str]:
        """Their names."""
        return [label.label for label in self.evaluation.labels]

    @property
    def learnable(self) -> list[bool]:
        """Whether each label could be learned."""
        return [label.learnable for label in self.evaluation.labels]
