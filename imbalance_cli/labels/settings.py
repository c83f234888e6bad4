"""How the label columns of a source are read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from imbalance_cli.labels.encoding import MissingPolicy
    from imbalance_cli.labels.sample_weights import CellWeights


@dataclasses.dataclass(frozen=True)
class LabelSettings:
    """How the label columns of a source are read.

    Attributes:
        positive: of binary labels, the text that means 1; the other one then means 0.
        encoding: auto is binary.
        separator: between the tags of a cell; None for the default.
        missing: what a missing label is; None for mask, and remarks on cells that may mean more.
        sample_weight: a column of row weights.
        cell_weights: the columns of each label's weights.
    """

    positive: str | None = None
    encoding: Literal["auto", "binary", "one_vs_rest", "tags"] = "auto"
    separator: str | None = None
    missing: MissingPolicy | None = None
    sample_weight: str | None = None
    cell_weights: CellWeights | None = None

    @property
    def by_batches(self) -> bool:
        """Whether rows have to be looked at, rather than the texts of each column apart."""
        return self.missing in {"drop", "error"} or self.is_weighted

    @property
    def is_weighted(self) -> bool:
        """Whether there are weights."""
        return self.sample_weight is not None or self.cell_weights is not None
