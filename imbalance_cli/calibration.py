"""From the inverse link's log-odds to calibrated ones: a Platt step a label, where it helps.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import torch

from imbalance_cli.losses import compute_loss
from imbalance_cli.metrics import simplify_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

Method = Literal["auto", "analytic", "platt", "none"]

NEWTON_STEPS = 50
CONVERGED = 1e-10
PRIOR_PRECISION = 1.0  # of a normal prior on slope and intercept around the identity (1, 0)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Calibrated log-odds are slope * u + intercept, u the log-odds of the inverse link.

    Attributes:
        slope: (L,) above 0, so that the order of the scores stays.
        intercept: (L,).
        fitted: (L,) whether a Platt step was kept; elsewhere the identity stands.
    """

    slope: torch.Tensor
    intercept: torch.Tensor
    fitted: torch.Tensor

    @classmethod
    def identity(cls, labels: int, device: torch.device | None = None) -> Calibration:
        """Return the calibration that changes nothing."""
        ones = torch.ones(labels, dtype=torch.float64, device=device)
        return cls(ones, torch.zeros_like(ones), torch.zeros_like(ones, dtype=torch.bool))

    def apply(self, log_odds: torch.Tensor) -> torch.Tensor:
        """Return calibrated log-odds, (N, L) float64, of log-odds (N, L)."""
        return self.slope * log_odds.double() + self.intercept

    def labels(self, part: slice) -> Calibration:
        """Return the calibration of some of the labels."""
        return Calibration(self.slope[part], self.intercept[part], self.fitted[part])

    @classmethod
    def concatenate(cls, parts: Sequence[Calibration]) -> Calibration:
        """Return the calibration of all labels, in the order of the parts."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def fit_calibration(
    log_odds: torch.Tensor,
    targets: torch.Tensor,
    method: Method = "auto",
    weights: torch.Tensor | None = None,
) -> Calibration:
    """Fit the calibration of each label on validation rows.

    `auto` keeps a label's Platt step only where it lowers the log loss by more than the standard
    error of that difference; `platt` keeps it wherever both classes are there. Neither keeps a
    step that would turn the order of the scores around.

    Args:
        log_odds: (N, L), of the inverse link.
        targets: (N, L), NaN where missing.
        method: auto, platt, or analytic and none, which fit nothing.
        weights: (N,) of the rows, from 0 up and of any scale; None for alike. They say as much as
            rows without weights of their effective number, (sum w)^2 / sum w^2 (Kish 1965).
    """
    calibration = Calibration.identity(log_odds.shape[1], log_odds.device)
    if method in {"analytic", "none"}:
        return calibration
    weights, (log_odds, targets) = simplify_weights(weights, log_odds, targets)
    for label, (scores, cells) in enumerate(zip(log_odds.double().T, targets.T, strict=True)):
        known = ~cells.isnan()
        u, y = scores[known], cells[known].double()
        if not 0 < y.sum() < len(y):
            continue
        counts = None if weights is None else _effective_counts(weights[known].double())
        slope, intercept = fit_platt(u, y, counts)
        gain = _losses(u, y) - _losses(slope * u + intercept, y)
        mean, error = _mean_and_error(gain, counts)
        helps = mean > error
        if slope > 0 and (helps or method == "platt"):
            calibration.slope[label] = slope
            calibration.intercept[label] = intercept
            calibration.fitted[label] = True
    return calibration


def _effective_counts(weights: torch.Tensor) -> torch.Tensor:
    """Return weights (N,) scaled to sum to the effective number of rows."""
    return weights * (weights.sum() / weights.square().sum())


def _mean_and_error(
    gain: torch.Tensor, counts: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean of (N,) and its standard error, of rows that count (N,)."""
    if counts is None:
        return gain.mean(), gain.std() / len(gain) ** 0.5
    rows = counts.sum()
    mean = (counts * gain).sum() / rows
    squares = (counts * (gain - mean).square()).sum()
    return mean, (squares / (rows - 1) / rows).sqrt()


def fit_platt(
    u: torch.Tensor, y: torch.Tensor, counts: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return slope and intercept of a logistic regression of y on u, by Newton's method.

    Platt 1999, with a normal prior at the identity (1, 0).

    Args:
        u: (N,) log-odds.
        y: (N,) 0 or 1.
        counts: (N,) how often each row counts; None for once.
    """
    inputs = torch.stack([u, torch.ones_like(u)], dim=1)
    start = torch.tensor([1.0, 0.0], dtype=u.dtype, device=u.device)
    beta = start.clone()
    ridge = PRIOR_PRECISION * torch.eye(2, dtype=u.dtype, device=u.device)

    def objective(candidate: torch.Tensor) -> torch.Tensor:
        penalty = PRIOR_PRECISION * (candidate - start).square().sum() / 2
        losses = _losses(inputs @ candidate, y)
        return (losses if counts is None else losses * counts).sum() + penalty

    for _ in range(NEWTON_STEPS):
        p = torch.sigmoid(inputs @ beta)
        slopes, curvatures = p - y, p * (1 - p)
        if counts is not None:
            slopes, curvatures = slopes * counts, curvatures * counts
        gradient = inputs.T @ slopes + PRIOR_PRECISION * (beta - start)
        hessian = (inputs * curvatures[:, None]).T @ inputs + ridge
        step = torch.linalg.solve(hessian, gradient)
        size, here = 1.0, objective(beta)
        while objective(beta - size * step) > here and size > torch.finfo(u.dtype).eps:
            size /= 2
        beta = beta - size * step
        if size * step.abs().max() < CONVERGED:
            break
    return beta[0], beta[1]


def _losses(log_odds: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return compute_loss(log_odds, y, reduction="none")
