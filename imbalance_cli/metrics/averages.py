"""Means over labels, and rows that count alike.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def simplify_weights(
    weights: torch.Tensor | None, *cells: torch.Tensor
) -> tuple[torch.Tensor | None, tuple[torch.Tensor, ...]]:
    """Return weights (N,) and tensors (N, ...) without the rows of weight 0.

    The weights are None where all that stay are alike: scale makes no difference, and so rows
    that all weigh the same give to the bit what rows without weights give.
    """
    if weights is None:
        return None, cells
    counted = weights > 0
    if not counted.all():
        weights, cells = weights[counted], tuple(tensor[counted] for tensor in cells)
    return (None if (weights == weights[:1]).all() else weights), cells


def macro(values: torch.Tensor) -> float | None:
    """Return the mean over the labels where a metric is defined, or None if it is nowhere."""
    known = values[~values.isnan()]
    return float(known.mean()) if len(known) else None


def weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> float | None:
    """Return the mean of (L,) weighted by (L,) where it is defined, or None if it is nowhere."""
    known = ~values.isnan() & (weights > 0)
    if not known.any():
        return None
    return float((values[known] * weights[known]).sum() / weights[known].sum())
