"""What is wrong with what metrics are given, before a wrong number is made of it.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import EvaluationError

if TYPE_CHECKING:
    import torch


def check_shapes(
    predictions: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> None:
    """Raise if predictions and targets are not of the same rows and labels.

    Args:
        predictions: (N,) or (N, L).
        targets: of the same shape.
        weights: (N,), of the shape of the targets, or None.

    Raises:
        EvaluationError: it has both shapes.
    """
    if predictions.shape != targets.shape:
        raise EvaluationError(
            f"predictions of shape {tuple(predictions.shape)} for targets of shape "
            f"{tuple(targets.shape)}",
            hint="predictions and labels of the same rows, one column a label",
        )
    if weights is not None and weights.shape not in {targets.shape[:1], targets.shape}:
        raise EvaluationError(
            f"weights of shape {tuple(weights.shape)} for {len(targets):,} rows",
            hint="one weight a row, or one a cell",
        )


def check_probabilities(
    probabilities: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> None:
    """Raise as `check_shapes` does, or if a number is below 0 or above 1.

    NaN is let through: of a cell that counts it makes a metric NaN.

    Raises:
        EvaluationError: it has the shapes, or the number.
    """
    check_shapes(probabilities, targets, weights)
    if not probabilities.numel():
        return
    least, most = (float(end) for end in probabilities.aminmax())
    if least < 0 or most > 1:
        wrong = least if least < 0 else most
        raise EvaluationError(
            f"a prediction is {wrong:g}, which is no probability", hint="numbers from 0 to 1"
        )
