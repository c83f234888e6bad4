"""What a label's numbers would be without what was done to its scores.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import math

import torch

from imbalance_cli.metrics import Confusion, expected_calibration_error, simplify_weights

HALF = 0.5  # the threshold where none is chosen


@dataclasses.dataclass(frozen=True)
class Untuned:
    """The numbers of one label without a tuned threshold, and without the inverse link.

    Attributes:
        f1_at_half: F1 of its probabilities cut at 0.5; None where there is no positive.
        score_ece: the calibration error of its raw scores, which the loss distorts; None where
            nothing is known, or no scores were kept.
    """

    f1_at_half: float | None = None
    score_ece: float | None = None


def measure_untuned(
    probabilities: torch.Tensor,
    scores: torch.Tensor | None,
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> list[Untuned]:
    """Return the numbers of each label, (L,).

    Args:
        probabilities: (N, L).
        scores: (N, L) raw scores, or None.
        targets: (N, L), NaN where missing.
        weights: of the rows or cells, as of the metrics.
    """
    given = (probabilities, targets) if scores is None else (probabilities, targets, scores)
    weights, (rows, known, *raw) = simplify_weights(weights, *given)
    f1 = Confusion.of(rows >= HALF, known, weights).f_beta()
    errors = torch.full_like(f1, torch.nan)
    if raw:
        errors = expected_calibration_error(raw[0], known, weights=weights, debias=True)
    return [
        Untuned(*(x if math.isfinite(x) else None for x in numbers))
        for numbers in zip(f1.tolist(), errors.tolist(), strict=True)
    ]
