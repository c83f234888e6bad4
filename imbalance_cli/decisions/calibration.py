"""From the inverse link's log-odds to calibrated ones: a further step per label, where it helps.

Shapes: N rows, L labels, K coefficients that are fitted.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch.nn.functional import softplus

from imbalance_cli.losses.family import SOFTPLUS_IS_X
from imbalance_cli.metrics import simplify_weights, weights_of_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Method = Literal["auto", "analytic", "temperature", "platt", "quadratic", "none"]

POWERS = {"temperature": (1,), "platt": (0, 1), "quadratic": (0, 1, 2)}
"""The powers of the log-odds whose coefficients a step fits; the others stay as they are."""

AUTOMATIC = {"temperature": 0, "platt": 0, "quadratic": 150}
"""What `auto` tries in turn, and the effective number of positives from which on it does."""

IDENTITY = (0.0, 1.0, 0.0)  # the coefficients of the powers 0, 1 and 2
PRIOR_PRECISION = (5.0, 5.0, 300.0)  # of independent normal priors around the identity

LEAST_GAIN = 1.0  # standard errors by which a step has to lower the log loss

CELLS_IN_CACHE = 2**16  # that stay in the cache while they are passed over some fifty times
NEWTON_STEPS = 50
CONVERGED = 1e-10
ROUNDING = 1e-12  # of a sum of losses, by which a step may seem to raise it


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Calibrated log-odds are intercept + slope * u + curvature * u^2, u those of the inverse link.

    Beyond the log-odds that a curve was fitted on, it goes on straight, as its tangent there.

    Attributes:
        intercept: (L,).
        slope: (L,).
        curvature: (L,), 0 for a straight line.
        low: (L,) the least log-odds that a curve was fitted on; 0 for a straight line.
        high: (L,) the greatest.
        fitted: (L,) whether a step was kept; elsewhere the identity stands.
    """

    intercept: torch.Tensor
    slope: torch.Tensor
    curvature: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    fitted: torch.Tensor

    @classmethod
    def identity(cls, labels: int, device: torch.device | None = None) -> Calibration:
        """Return the calibration that changes nothing."""
        numbers = torch.tensor([*IDENTITY, 0.0, 0.0], dtype=torch.float64, device=device)
        intercept, slope, curvature, low, high = numbers[:, None].repeat(1, labels)
        fitted = torch.zeros(labels, dtype=torch.bool, device=device)
        return cls(intercept, slope, curvature, low, high, fitted)

    def apply(self, log_odds: torch.Tensor) -> torch.Tensor:
        """Return calibrated log-odds, (N, L) float64, of log-odds (N, L), in the same order."""
        u = log_odds.double()
        if not self.curvature.any():
            return self.slope * u + self.intercept
        # about the end where a curve is least steep: no part falls then, however it is rounded
        end = torch.where(self.curvature > 0, self.low, self.high)
        inside = u.clamp(self.low, self.high)
        away = inside - end
        curve = self.curvature * away * (away + 2 * (u - inside))
        return self._steepness(end) * u + (self.intercept - self.curvature * end.square()) + curve

    def rises(self) -> torch.Tensor:
        """Return (L,) whether larger log-odds always stay larger."""
        return (self._steepness(self.low) > 0) & (self._steepness(self.high) > 0)

    def _steepness(self, log_odds: torch.Tensor) -> torch.Tensor:
        """Return the derivative, (L,), at log-odds (L,) that are not beyond the ends."""
        return self.slope + 2 * self.curvature * log_odds

    def labels(self, part: slice | torch.Tensor) -> Calibration:
        """Return the calibration of some of the labels."""
        return Calibration(**{name: values[part] for name, values in self._tensors().items()})

    def update(self, labels: torch.Tensor, steps: Calibration) -> None:
        """Put the steps of some labels, (l,) their numbers, in the place of what is there."""
        for name, values in steps._tensors().items():
            getattr(self, name)[labels] = values

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def concatenate(cls, parts: Sequence[Calibration]) -> Calibration:
        """Return the calibration of all labels, in the order of the parts."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def to_documents(self) -> list[dict[str, float | bool]]:
        """Return each label's step as plain data."""
        columns = {name: values.tolist() for name, values in self._tensors().items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    @classmethod
    def from_documents(cls, steps: Sequence[Mapping[str, Any]]) -> Calibration:
        """Return what `to_documents` was made of, or what was written before there were curves."""
        straight = {"curvature": 0.0, "low": 0.0, "high": 0.0}
        columns = {
            field.name: [(straight | dict(step))[field.name] for step in steps]
            for field in dataclasses.fields(cls)
        }
        fitted = torch.tensor(columns.pop("fitted"), dtype=torch.bool)
        numbers = {k: torch.tensor(v, dtype=torch.float64) for k, v in columns.items()}
        return cls(**numbers, fitted=fitted)


def fit_calibration(
    log_odds: torch.Tensor,
    targets: torch.Tensor,
    method: Method = "auto",
    weights: torch.Tensor | None = None,
) -> Calibration:
    """Fit the calibration of each label on validation rows.

    `auto` keeps a label's temperature wherever it brings scores nearer to each other, since the
    epoch was chosen after one; a Platt step only where it lowers the log loss by more than the
    standard error of that difference, and a quadratic where that lowers it by as much again and
    positives are many. `quadratic` is kept by the same rule, against the inverse link;
    `temperature` and `platt` are kept wherever both classes are there. No step is kept that would
    turn the order of any scores around.

    Args:
        log_odds: (N, L), of the inverse link.
        targets: (N, L), NaN where missing.
        method: auto, temperature, platt, quadratic, or analytic and none, which fit nothing.
        weights: (N,) of the rows or (N, L) of cells, from 0 up and of any scale; None for alike.
            They say as much as rows without weights of their effective number,
            (sum w)^2 / sum w^2 (Kish 1965).
    """
    calibration = Calibration.identity(log_odds.shape[1], log_odds.device)
    if method in {"analytic", "none"}:
        return calibration
    weights, (log_odds, targets) = simplify_weights(weights, log_odds, targets)
    width = max(CELLS_IN_CACHE // max(len(targets), 1), 1)
    for first in range(0, targets.shape[1], width):
        block = slice(first, first + width)
        own = weights_of_labels(weights, block)
        _fit_labels(calibration.labels(block), log_odds[:, block], targets[:, block], method, own)
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
        own = weights if weights.ndim == 1 else weights.T[labels]
        counts = _effective_counts(own.double() * known)
    elif not known.all():
        counts = known.double()
    losses = _losses(u, y)
    plan: dict[str, int] = AUTOMATIC if method == "auto" else {method: 0}
    for kind, least in plan.items():
        enough = (y if counts is None else counts * y).sum(dim=1) >= least
        if not enough.any():
            return
        labels, u, y, losses = (values[enough] for values in (labels, u, y, losses))
        counts = None if counts is None else counts[enough]
        steps = _fit_steps(u, y, counts, kind)
        after = _losses(steps.apply(u.T).T, y)
        kept = steps.rises()
        if method == "auto" and kind == "temperature":
            kept &= steps.slope < 1
        elif method in {"auto", "quadratic"}:
            mean, error = _mean_and_error(losses - after, counts)
            kept &= mean > LEAST_GAIN * error
        losses[kept] = after[kept]
        calibration.update(labels[kept], steps.labels(kept))


def _fit_steps(
    u: torch.Tensor, y: torch.Tensor, counts: torch.Tensor | None, kind: str
) -> Calibration:
    """Return the steps of a kind; the arguments are those of `fit_polynomial`."""
    steps = Calibration.identity(len(u), u.device)
    fitted = torch.ones_like(steps.fitted)
    intercept, slope, curvature = fit_polynomial(u, y, counts, POWERS[kind]).T
    steps = dataclasses.replace(steps, intercept=intercept, slope=slope, fitted=fitted)
    if kind != "quadratic":
        return steps
    is_known = torch.ones_like(u, dtype=torch.bool) if counts is None else counts > 0
    low, high = u.where(is_known, torch.inf).amin(dim=1), u.where(is_known, -torch.inf).amax(dim=1)
    return dataclasses.replace(steps, curvature=curvature, low=low, high=high)


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


def fit_polynomial(
    u: torch.Tensor, y: torch.Tensor, counts: torch.Tensor | None, powers: Sequence[int]
) -> torch.Tensor:
    """Return the coefficients, (L, 3), of a logistic regression of y on powers of u per label.

    With the powers 0 and 1 it is that of Platt 1999. Normal priors around the identity keep it
    finite, and Newton's method with halved steps finds it, for all labels together until each has
    converged. The coefficients of powers that are not fitted are those of the identity.

    Args:
        u: (L, N) log-odds.
        y: (L, N) 0 or 1.
        counts: (L, N) how often each row counts; None for once.
        powers: (K,) 1 and any of 0 and 2.
    """
    chosen = list(powers)
    cells = _Cells.of(u, y, counts, chosen)
    found = cells.identity.repeat(len(u), 1)
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
    coefficients = u.new_tensor(IDENTITY).repeat(len(u), 1)
    coefficients[:, chosen] = found
    return coefficients


@dataclasses.dataclass(frozen=True)
class _Cells:
    """What the logistic regressions are of.

    The loss of a cell is log(1 + exp(m)), m the sum of its inputs times the coefficients.

    Attributes:
        inputs: (L, K, N) powers of the log-odds, times 1 where the target is 0, -1 where it is 1.
        counts: (L, N) how often each counts; None for once.
        identity: (K,) the coefficients that change nothing.
        precision: (K,) of their normal priors there.
    """

    inputs: torch.Tensor
    counts: torch.Tensor | None
    identity: torch.Tensor
    precision: torch.Tensor

    @classmethod
    def of(
        cls, u: torch.Tensor, y: torch.Tensor, counts: torch.Tensor | None, powers: list[int]
    ) -> _Cells:
        """Return the cells of log-odds and targets."""
        inputs = torch.stack([(1 - 2 * y) * u.pow(power) for power in powers], dim=1)
        identity, precision = (u.new_tensor(v)[powers] for v in (IDENTITY, PRIOR_PRECISION))
        return cls(inputs, counts, identity, precision)

    def __getitem__(self, labels: torch.Tensor) -> _Cells:
        """Return the cells of some labels, (L,) flags."""
        counts = None if self.counts is None else self.counts[labels]
        return dataclasses.replace(self, inputs=self.inputs[labels], counts=counts)

    def objective(self, beta: torch.Tensor) -> torch.Tensor:
        """Return the penalised loss of each label, (L,), at coefficients (L, K)."""
        losses = softplus(self._margins(beta), threshold=SOFTPLUS_IS_X)
        penalty = (self.precision * (beta - self.identity).square()).sum(dim=1) / 2
        total: torch.Tensor = self._counted(losses).sum(dim=1) + penalty
        return total

    def newton_step(self, beta: torch.Tensor) -> torch.Tensor:
        """Return the inverse of the Hessian times the gradient, (L, K), at (L, K)."""
        q = self._margins(beta).sigmoid_()
        weighted = self.inputs * self._counted(q * (1 - q))[:, None]
        hessian = weighted @ self.inputs.mT + self.precision.diag()
        gradient = (self.inputs @ self._counted(q)[:, :, None])[:, :, 0]
        gradient += self.precision * (beta - self.identity)
        step: torch.Tensor = torch.linalg.solve(hessian, gradient)
        return step

    def _margins(self, beta: torch.Tensor) -> torch.Tensor:
        return (beta[:, None] @ self.inputs)[:, 0]

    def _counted(self, values: torch.Tensor) -> torch.Tensor:
        return values if self.counts is None else values * self.counts


def _losses(log_odds: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the log loss of targets 0 or 1, of any shape."""
    return softplus((1 - 2 * y) * log_odds, threshold=SOFTPLUS_IS_X)
