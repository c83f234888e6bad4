"""Rows that a report is of.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.labels.targets import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from imbalance_cli.evaluation import Grouping, ScoredRows


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Rows that a report is of.

    Attributes:
        part: test, valid or out_of_fold.
        source: what they were read from.
        rows: (N,) their numbers in the table.
        scored: their targets and probabilities, (N, L) each.
        weights: (N,) sample weights, (N, L) of cells, or None.
        groups: (N,) the number of each row's group, or None.
        slices: columns by whose groups the report is broken down.
    """

    part: str
    source: str
    rows: NDArray[np.intp]
    scored: ScoredRows
    weights: torch.Tensor | None = None
    groups: torch.Tensor | None = None
    slices: Sequence[Grouping] = ()

    @property
    def targets(self) -> torch.Tensor:
        """(N, L), NaN where missing."""
        return self.scored.columns(ALL)[1]

    @property
    def probabilities(self) -> torch.Tensor:
        """(N, L) float64."""
        return self.scored.columns(ALL)[0]

    @property
    def scores(self) -> torch.Tensor | None:
        """(N, L) float32 raw scores; None where a comparison did not keep them."""
        return self.scored.raw(ALL)
