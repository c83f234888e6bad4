"""From the inverse link's log-odds to calibrated ones: a Platt step a label, where it helps.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import softplus

from imbalance_cli.losses import SOFTPLUS_IS_X
from imbalance_cli.metrics import simplify_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

Method = Literal["auto", "analytic", "platt", "none"]

CELLS_AT_ONCE = 2**16  # that stay in the cache while they are passed over some fifty times
NEWTON_STEPS = 50
CONVERGED = 1e-10
ROUNDING = 1e-12  # of a sum of losses, by which a step may seem to raise it
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
    width = max(CELLS_AT_ONCE // max(len(targets), 1), 1)
    for first in range(0, targets.shape[1], width):
        block = slice(first, first + width)
        _fit_labels(
            calibration.labels(block), log_odds[:, block], targets[:, block], method, weights
        )
    return calibration


def _fit_labels(
    calibration: Calibration,
    log_odds: torch.Tensor,
    targets: torch.Tensor,
    method: Method,
    weights: torch.Tensor | None,
) -> None:
    """Write the steps of labels, (N, l), that are kept into a calibration of these labels."""
    known = ~targets.isnan().T
    positives = (targets == 1).sum(dim=0)
    labels = ((positives > 0) & (positives < known.sum(dim=1))).nonzero()[:, 0]
    if not len(labels):
        return
    known = known[labels]
    u = log_odds.T[labels].double().where(known, 0.0)
    y = targets.T[labels].double().nan_to_num(0.0)
    counts = None
    if weights is not None:
        counts = _effective_counts(weights.double() * known)
    elif not known.all():
        counts = known.double()
    slope, intercept = fit_platt(u, y, counts)
    gain = _losses(u, y) - _losses(slope[:, None] * u + intercept[:, None], y)
    kept = slope > 0
    if method != "platt":
        mean, error = _mean_and_error(gain, counts)
        kept &= mean > error
    labels = labels[kept]
    calibration.slope[labels] = slope[kept]
    calibration.intercept[labels] = intercept[kept]
    calibration.fitted[labels] = True


def _effective_counts(weights: torch.Tensor) -> torch.Tensor:
    """Return weights (L, N), each label's scaled to sum to the effective number of its rows."""
    scale = weights.sum(dim=1) / weights.square().sum(dim=1)
    return weights * scale[:, None]


def _mean_and_error(
    gain: torch.Tensor, counts: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean over rows of (L, N) and its standard error, of rows that count (L, N)."""
    if counts is None:
        return gain.mean(dim=1), gain.std(dim=1) / gain.shape[1] ** 0.5
    rows = counts.sum(dim=1)
    mean = (counts * gain).sum(dim=1) / rows
    squares = (counts * (gain - mean[:, None]).square()).sum(dim=1)
    return mean, (squares / (rows - 1) / rows).sqrt()


def fit_platt(
    u: torch.Tensor, y: torch.Tensor, counts: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return slopes and intercepts, (L,) each, of a logistic regression of y on u a label.

    Platt 1999, with a normal prior at the identity (1, 0), by Newton's method with halved steps.
    All labels take their steps together, until each has converged.

    Args:
        u: (L, N) log-odds.
        y: (L, N) 0 or 1.
        counts: (L, N) how often each row counts; None for once.
    """
    cells = _Cells.of(u, y, counts)
    found = torch.stack([torch.ones_like(u[:, 0]), torch.zeros_like(u[:, 0])], dim=1)
    labels, beta, here = torch.arange(len(u), device=u.device), found, cells.objective(found)
    for _ in range(NEWTON_STEPS):
        step, most = cells.newton_step(beta), here * (1 + ROUNDING)
        there = cells.objective(beta - step)
        size = torch.ones_like(there)
        while (is_worse := (there > most) & (size > torch.finfo(u.dtype).eps)).any():
            size = torch.where(is_worse, size / 2, size)
            there = cells.objective(beta - size[:, None] * step)
        moved = size[:, None] * step
        beta, here = beta - moved, there
        found[labels] = beta
        goes_on = moved.abs().amax(dim=1) >= CONVERGED
        if not goes_on.any():
            break
        if not goes_on.all():
            labels, beta, here, cells = (
                labels[goes_on],
                beta[goes_on],
                here[goes_on],
                cells[goes_on],
            )
    return found[:, 0], found[:, 1]


@dataclasses.dataclass(frozen=True)
class _Cells:
    """What the logistic regressions are of.

    The loss of a cell is log(1 + exp(m)), m = slope * inputs + intercept * signs.

    Attributes:
        inputs: (L, N) log-odds, times the sign.
        signs: (L, N) 1 where the target is 0, -1 where it is 1.
        counts: (L, N) how often each counts; None for once.
    """

    inputs: torch.Tensor
    signs: torch.Tensor
    counts: torch.Tensor | None

    @classmethod
    def of(cls, u: torch.Tensor, y: torch.Tensor, counts: torch.Tensor | None) -> _Cells:
        """Return the cells of log-odds and targets."""
        signs = 1 - 2 * y
        return cls(signs * u, signs, counts)

    def __getitem__(self, labels: torch.Tensor) -> _Cells:
        """Return the cells of some labels, (L,) flags."""
        counts = None if self.counts is None else self.counts[labels]
        return _Cells(self.inputs[labels], self.signs[labels], counts)

    def objective(self, beta: torch.Tensor) -> torch.Tensor:
        """Return the penalised loss of each label, (L,), at slopes and intercepts (L, 2)."""
        losses = softplus(self._margins(beta), threshold=SOFTPLUS_IS_X)
        penalty = PRIOR_PRECISION * _from_identity(beta).square().sum(dim=1) / 2
        total: torch.Tensor = self._counted(losses).sum(dim=1) + penalty
        return total

    def newton_step(self, beta: torch.Tensor) -> torch.Tensor:
        """Return the inverse of the Hessian times the gradient, (L, 2), at (L, 2)."""
        q = self._margins(beta).sigmoid_()
        curvatures, slopes = self._counted(q * (1 - q)), self._counted(q)
        tilted = curvatures * self.inputs
        own, mixed, shared = tilted * self.inputs, tilted * self.signs, curvatures
        first, second, third = (part.sum(dim=1) for part in (own, mixed, shared))
        gradient = torch.stack(
            [(slopes * self.inputs).sum(dim=1), (slopes * self.signs).sum(dim=1)], dim=1
        )
        gradient += PRIOR_PRECISION * _from_identity(beta)
        hessian = torch.stack([first, second, second, third], dim=1).reshape(-1, 2, 2)
        ridge = PRIOR_PRECISION * torch.eye(2, dtype=beta.dtype, device=beta.device)
        step: torch.Tensor = torch.linalg.solve(hessian + ridge, gradient)
        return step

    def _margins(self, beta: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(beta[:, :1] * self.inputs, beta[:, 1:], self.signs)

    def _counted(self, values: torch.Tensor) -> torch.Tensor:
        return values if self.counts is None else values * self.counts


def _from_identity(beta: torch.Tensor) -> torch.Tensor:
    """Return how far (L, 2) are from slope 1 and intercept 0."""
    return beta - beta.new_tensor([1.0, 0.0])


def _losses(log_odds: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the log loss of targets 0 or 1, of any shape."""
    return softplus((1 - 2 * y) * log_odds, threshold=SOFTPLUS_IS_X)
