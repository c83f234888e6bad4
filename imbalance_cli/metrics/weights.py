"""Weights of rows, and of the cells of rows.

Shapes: N rows, L labels, l some of them. Weights are (N,) of rows, or (N, L) of their cells; those
of cells whose target is missing say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Chosen: TypeAlias = "slice | int | torch.Tensor | list[int]"
Weights = TypeVar("Weights", "torch.Tensor", "NDArray[Any]")


def simplify_weights(
    weights: torch.Tensor | None, *cells: torch.Tensor
) -> tuple[torch.Tensor | None, tuple[torch.Tensor, ...]]:
    """Return weights and tensors (N, ...) without the rows of weight 0.

    The weights are None where all that stay are alike: scale makes no difference, and so rows
    that all weigh the same give to the bit what rows without weights give.
    """
    if weights is None:
        return None, cells
    counted = weights > 0 if weights.ndim == 1 else (weights > 0).any(dim=1)
    if not counted.all():
        weights, cells = weights[counted], tuple(tensor[counted] for tensor in cells)
    return (None if (weights == weights.flatten()[:1]).all() else weights), cells


def weights_of_labels(weights: Weights | None, labels: Chosen) -> Weights | None:
    """Return the weights of some labels, (N, l), or of one, (N,); those of rows as they are."""
    if weights is None or weights.ndim == 1:
        return weights
    return weights[:, labels]


def as_columns(weights: torch.Tensor) -> torch.Tensor:
    """Return weights (N, 1) or (N, L), which broadcast to cells (N, L)."""
    return weights[:, None] if weights.ndim == 1 else weights


def weights_of_rows(weights: torch.Tensor | None, known: torch.Tensor) -> torch.Tensor | None:
    """Return what each row weighs, (N,): the mean weight of its cells whose target is known.

    Args:
        weights: of rows or cells.
        known: (N, L) bool.
    """
    if weights is None or weights.ndim == 1:
        return weights
    cells = known.sum(dim=1)
    return (weights * known).sum(dim=1) / cells.clamp(min=1)
