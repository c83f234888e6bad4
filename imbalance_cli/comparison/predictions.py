"""Predictions of several models for the same rows, compared without folds.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.comparison.comparing import compare_candidates
from imbalance_cli.comparison.results import Candidate
from imbalance_cli.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from imbalance_cli.comparison.results import Comparison
    from imbalance_cli.evaluation import Resampling


def compare_predictions(
    predictions: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    targets: torch.Tensor,
    labels: Sequence[str],
    *,
    learnable: Sequence[bool],
    resampling: Resampling,
    weights: torch.Tensor | None = None,
    groups: torch.Tensor | None = None,
) -> Comparison:
    """Return each model's metrics, and paired intervals of their differences to the first model's.

    One draw of rows, or of groups, serves all models, so that what is hard about a draw cancels in
    the differences. They are the metrics of `compare`, whose ECE is not debiased: what chance adds
    is nearly the same for models of the same rows.

    Args:
        predictions: by the name of a model, probabilities (N, L) and thresholds (L,); the first is
            the baseline.
        targets: (N, L), NaN where missing.
        labels: the names, (L,).
        learnable: whether every model could learn a label, (L,).
        resampling: how intervals are made.
        weights: (N,) of the rows, as of the metrics.
        groups: (N,) the group of each row; None draws rows.

    Raises:
        EvaluationError: a model's predictions are of other rows or labels than the targets.
    """
    for name, (probabilities, _) in predictions.items():
        if probabilities.shape != targets.shape:
            raise EvaluationError(
                f"{name}: predictions of shape {tuple(probabilities.shape)} for targets of shape "
                f"{tuple(targets.shape)}",
                hint="predictions of the same rows and labels",
            )
    candidates = [
        Candidate(name, "", None, "", probabilities, probabilities >= thresholds)
        for name, (probabilities, thresholds) in predictions.items()
    ]
    return compare_candidates(
        candidates,
        targets,
        labels,
        learnable=learnable,
        groups=groups,
        baseline=candidates[0].name,
        resampling=resampling,
        weights=weights,
    )
