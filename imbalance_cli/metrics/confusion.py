"""Counts of decisions, and the metrics that are ratios of them.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from imbalance_cli.metrics.checks import check_shapes
from imbalance_cli.metrics.weights import as_columns

if TYPE_CHECKING:
    from collections.abc import Sequence


class Confusion(NamedTuple):
    """Counts, or summed weights, of decisions against known targets, each (L,) float64."""

    true_positives: torch.Tensor
    false_positives: torch.Tensor
    false_negatives: torch.Tensor
    true_negatives: torch.Tensor

    @classmethod
    def of(
        cls, decisions: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> Confusion:
        """Count boolean decisions (N, L) against targets (N, L), weighted by (N,) or (N, L).

        Raises:
            EvaluationError: the shapes differ.
        """
        check_shapes(decisions, targets, weights)
        positive, negative = targets == 1, targets == 0

        def count(cells: torch.Tensor) -> torch.Tensor:
            if weights is not None:
                return (cells * as_columns(weights.double())).sum(dim=0)
            return cells.sum(dim=0).double()

        return cls(
            count(decisions & positive),
            count(decisions & negative),
            count(~decisions & positive),
            count(~decisions & negative),
        )

    @classmethod
    def join(cls, parts: Sequence[Confusion]) -> Confusion:
        """Return the counts of several, (...,) each, one after the other."""
        return cls(*map(torch.cat, zip(*parts, strict=True)))

    def total(self) -> Confusion:
        """Return the counts summed over labels, (1,), for micro averages."""
        return Confusion(*(part.sum(dim=0, keepdim=True) for part in self))

    def decided(self) -> torch.Tensor:
        """Return (...,): what was decided positive."""
        return self.true_positives + self.false_positives

    def precision(self) -> torch.Tensor:
        """Return (...,): true among decided positives; NaN where none was decided."""
        return self.true_positives / (self.true_positives + self.false_positives)

    def recall(self) -> torch.Tensor:
        """Return (...,): found among positives; NaN where there is none."""
        return self.true_positives / (self.true_positives + self.false_negatives)

    def prevalence(self) -> torch.Tensor:
        """Return (...,): positives among all; NaN where nothing is known."""
        positives = self.true_positives + self.false_negatives
        return positives / (positives + self.false_positives + self.true_negatives)

    def specificity(self) -> torch.Tensor:
        """Return (...,): left alone among negatives; NaN where there is none."""
        return self.true_negatives / (self.true_negatives + self.false_positives)

    def f_beta(self, beta: float = 1.0) -> torch.Tensor:
        """Return (...,): F1, or F-beta; NaN where there is no positive."""
        square = beta**2
        weighted = (1 + square) * self.true_positives
        errors = square * self.false_negatives + self.false_positives
        has_positives = self.true_positives + self.false_negatives > 0
        return (weighted / (weighted + errors)).where(has_positives, torch.nan)

    def balanced_accuracy(self) -> torch.Tensor:
        """Return (...,): the mean of recall and specificity."""
        return (self.recall() + self.specificity()) / 2

    def mcc(self) -> torch.Tensor:
        """Return (...,): Matthews' correlation; 0 where the decisions are all the same."""
        tp, fp = self.true_positives, self.false_positives
        fn, tn = self.false_negatives, self.true_negatives
        roots = ((tp + fp).sqrt() * (tp + fn).sqrt()) * ((tn + fp).sqrt() * (tn + fn).sqrt())
        correlation = _ratio(tp * tn - fp * fn, roots)
        defined = ((tp + fn) > 0) & ((tn + fp) > 0)
        return correlation.where(defined, torch.nan)


def _ratio(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    return part / whole.where(whole != 0, torch.inf)
