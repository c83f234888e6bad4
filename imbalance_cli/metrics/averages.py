"""Means over labels.

Shapes: L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


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
