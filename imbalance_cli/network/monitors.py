"""What early stopping looks at: a metric of the validation rows, macro over the labels.

Shapes: K heads, N rows, L labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from imbalance_cli.decisions.calibration import fit_calibration
from imbalance_cli.errors import TrainingError
from imbalance_cli.losses.link import mean_log_odds
from imbalance_cli.metrics import Ranking, average_precision_of, brier, log_loss, macro, roc_auc

if TYPE_CHECKING:
    from imbalance_cli.losses.family import Loss

LOWER_IS_BETTER = ("brier", "log_loss", "calibrated_log_loss")


def score_labels(
    logits: torch.Tensor,
    targets: torch.Tensor,
    loss: Loss,
    monitor: str,
    weights: torch.Tensor | None,
) -> torch.Tensor:
    """Return the monitored metric of each label of logits (K, N, L), (L,), NaN where undefined."""
    if logits.device.type == "mps":  # which has no float64
        logits, targets = logits.cpu(), targets.cpu()
        weights = None if weights is None else weights.cpu()
    odds = mean_log_odds(logits, loss.to(logits.device))
    return MONITORS[monitor](odds, targets, weights)


def mean_score(scores: torch.Tensor, monitor: str) -> float:
    """Return the mean over the labels, (L,), where the metric is defined.

    Raises:
        TrainingError: it is defined for no label.
    """
    score = macro(scores)
    if score is None:
        raise TrainingError(
            f"{monitor} on the validation rows is undefined: no learnable label has both a "
            "positive and a negative there",
            hint="a larger split.valid, or another split.seed",
        )
    return score


def _calibrated_log_loss(
    odds: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    """Return the log loss after a temperature per label: what calibration will make of it."""
    temperature = fit_calibration(odds, targets, "temperature", weights)
    return log_loss(temperature.apply(odds).sigmoid(), targets, weights)


Monitor = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
MONITORS: dict[str, Monitor] = {
    "average_precision": average_precision_of,
    "roc_auc": lambda odds, y, w: roc_auc(Ranking.of(odds, y, w)),
    "brier": lambda odds, y, w: brier(odds.sigmoid(), y, w),
    "log_loss": lambda odds, y, w: log_loss(odds.sigmoid(), y, w),
    "calibrated_log_loss": _calibrated_log_loss,
}
"""Each of log-odds (N, L), targets (N, L) and weights (N,) or (N, L): (L,)."""
