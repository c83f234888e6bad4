"""Cross entropy written by hand, its usual repairs, and ours, where logits are far out.

Shapes: Z logits of the sweep, (Z,); N rows and F features of the training experiment, whose one
label makes logits and targets (N, 1).

The forms that fail live here and nowhere else. p = sigmoid(z) is 1 in float32 from z = 17 on, and
0 from z = -89 down: log(1 - p) and log(p) are infinite there, 0 times infinity is nan, and a p that
is clamped away from 0 and 1 has no slope. family.py takes its logarithms from the logit instead.

A cell is *wrong* where y = 1 and z < 0, or y = 0 and z > 0. A gradient of 0 is harmless on the
right side; on the wrong one it is what stops learning.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from imbalance_cli.errors import WeightsError
from imbalance_cli.losses.family import compute_loss, focal, weighted_bce
from imbalance_cli.metrics import average_precision_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Form = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """Takes logits and targets to the loss of each cell."""

    Layers = list[tuple[torch.Tensor, torch.Tensor]]
    """The weight (in, out) and bias (out,) of each layer."""

HEAVIEST, SHARPEST = 1e6, 100.0  # alpha and gamma: far past any use, and float32 still holds them
FARTHEST = 200
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

ROWS, POSITIVES, FEATURES = 1_000, 200, 10
HIDDEN = [32, 32, 32, 32]
STEPS, LEARNING_RATE = 200, 0.01

STARTS = {"ordinary": 0.0, "saturated": 60.0}
"""The first bias of the last layer. At 60 every logit is near 60, wrong for all the negatives.

Where only some rows are saturated, as when the first weights are too large, the clamped form goes
on learning from the others.
"""

CURVES = ("logits", "losses", "gradients")
"""What is there for the plot alone."""

# ---------------------------------------------------------------------------------- the results


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What one form gives at every logit, in one type, for one target.

    Attributes:
        form: its name.
        dtype: float32 or bfloat16.
        target: 0 or 1.
        first_not_finite_loss: the least |logit|, on either side, where the loss is nan or inf; None
            where it never is.
        first_not_finite_gradient: the same of the gradient.
        first_weak_gradient: the least |logit| on the wrong side where the gradient is less than
            half of what it should be.
        zero_gradient: the intervals of logits on the wrong side where the gradient is exactly 0.
        largest_relative_error: of the finite losses on the wrong side, against float64.
        logits: the logits, for the plot.
        losses: the loss at each of them, for the plot; may hold nan and inf.
        gradients: the gradient at each of them, likewise.
    """

    form: str
    dtype: str
    target: int
    first_not_finite_loss: float | None
    first_not_finite_gradient: float | None
    first_weak_gradient: float | None
    zero_gradient: list[list[float]]
    largest_relative_error: float | None
    logits: list[float]
    losses: list[float]
    gradients: list[float]


@dataclasses.dataclass(frozen=True)
class TrialTraining:
    """How training with one form went, from one start.

    Attributes:
        form: its name.
        start: a name in STARTS.
        loss_before: of the training rows; the same stable loss in float64 whatever the form.
        loss_after: the same after the last step; None where the weights are nan.
        first_nan_step: the step, from 0, whose loss or gradient was nan or inf; None if none was.
        zero_gradient_share: of the steps taken, those whose gradient was 0 for every weight.
        average_precision: on rows that were not trained on; None where the weights are nan.
        losses: before each step and after the last, as `loss_before`, for the plot.
    """

    form: str
    start: str
    loss_before: float
    loss_after: float | None
    first_nan_step: int | None
    zero_gradient_share: float
    average_precision: float | None
    losses: list[float]


@dataclasses.dataclass(frozen=True)
class Stability:
    """Both experiments."""

    alpha: float
    gamma: float
    seed: int
    sweep: list[Sweep]
    training: list[TrialTraining]

    def to_dict(self) -> dict[str, object]:
        """Return the settings and what was found, for JSON."""
        return {
            "alpha": self.alpha,
            "gamma": self.gamma,
            "seed": self.seed,
            "logits": [-FARTHEST, FARTHEST],
            "sweep": [_without_curves(series) for series in self.sweep],
            "training": [_without_curves(training) for training in self.training],
        }

    def flat_rows(self) -> list[dict[str, object]]:
        """Return one row a sweep and one a training, with the columns of both, for CSV."""
        found = [
            {"experiment": experiment} | _without_curves(series)
            for experiment, several in (("sweep", self.sweep), ("training", self.training))
            for series in several
        ]
        columns = list(dict.fromkeys(name for row in found for name in row))
        rows = [{name: row.get(name) for name in columns} for row in found]
        for row, series in zip(rows, self.sweep, strict=False):
            row["zero_gradient"] = " ".join(f"{a:g}..{b:g}" for a, b in series.zero_gradient)
        return rows


def _without_curves(series: Sweep | TrialTraining) -> dict[str, object]:
    """Return what was found."""
    return {name: value for name, value in vars(series).items() if name not in CURVES}


# ------------------------------------------------------------------------------------- the forms


def hand_written(z: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return the loss as textbooks write it."""
    p = torch.sigmoid(z)
    return -alpha * y * torch.log(p) - (1 - y) * torch.log(1 - p)


def clamped(z: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return the same of a p that is kept off 0 and 1."""
    eps = torch.finfo(z.dtype).eps
    p = torch.sigmoid(z).clamp(eps, 1 - eps)
    return -alpha * y * torch.log(p) - (1 - y) * torch.log(1 - p)


def hand_written_focal(
    z: torch.Tensor, y: torch.Tensor, alpha: float, gamma: float
) -> torch.Tensor:
    """Return the focal loss as its paper writes it."""
    p = torch.sigmoid(z)
    positive = -alpha * y * (1 - p) ** gamma * torch.log(p)
    return positive - (1 - y) * p**gamma * torch.log(1 - p)


def sigmoid_then_bce(z: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return torch.nn.BCELoss, which keeps log p above -100, of sigmoid(z)."""
    weight = torch.where(y == 1, alpha, 1.0).to(z.dtype)
    loss: torch.Tensor = nn.BCELoss(weight=weight, reduction="none")(torch.sigmoid(z), y)
    return loss


def ours(z: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return `weighted_bce`, which computes in float32 from logits of any narrower type."""
    return compute_loss(z, y, weighted_bce(_exactly(alpha)), reduction="none")


def our_focal(z: torch.Tensor, y: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    """Return `focal`, likewise."""
    return compute_loss(z, y, focal(gamma, pos_weight=_exactly(alpha)), reduction="none")


def _exactly(alpha: float) -> torch.Tensor:
    return torch.tensor(alpha, dtype=torch.float64)  # the loss takes it to its own type


def make_forms(alpha: float, gamma: float) -> dict[str, Form]:
    """Return the forms by name, ours last."""
    return {
        "hand-written": partial(hand_written, alpha=alpha),
        "hand-written focal": partial(hand_written_focal, alpha=alpha, gamma=gamma),
        "clamped": partial(clamped, alpha=alpha),
        "sigmoid + BCELoss": partial(sigmoid_then_bce, alpha=alpha),
        "ours": partial(ours, alpha=alpha),
        "ours, focal": partial(our_focal, alpha=alpha, gamma=gamma),
    }


# ------------------------------------------------------------------------------- the experiments


def measure(alpha: float = 4.0, gamma: float = 2.0, seed: int = 0) -> Stability:
    """Run both experiments, on the CPU.

    Args:
        alpha: the weight of positives, above 0, up to a million.
        gamma: of the focal forms, from 0 to 100.
        seed: of the rows and of the networks' first weights.

    Raises:
        WeightsError: alpha or gamma is out of range.
    """
    if not 0 < alpha <= HEAVIEST:
        raise WeightsError(f"alpha must be above 0 and at most {HEAVIEST:,.0f}, not {alpha:g}")
    if not 0 <= gamma <= SHARPEST:
        raise WeightsError(f"gamma must be from 0 to {SHARPEST:g}, not {gamma:g}")
    forms = make_forms(alpha, gamma)
    sweeps = [
        sweep(name, form, dtype, target, truth=forms["ours, focal" if "focal" in name else "ours"])
        for name, form in forms.items()
        for dtype in DTYPES
        for target in (0, 1)
    ]
    trainings = [
        train(name, form, start, alpha=alpha, seed=seed)
        for start in STARTS
        for name, form in forms.items()
    ]
    return Stability(alpha, gamma, seed, sweeps, trainings)


def sweep(name: str, form: Form, dtype: str, target: int, *, truth: Form) -> Sweep:
    """Compute a form at every whole logit from -200 to 200.

    bfloat16 holds whole numbers up to 256 exactly, so both types see the same logits.

    Args:
        name: of the form.
        form: what is computed, in its type.
        dtype: a name in DTYPES.
        target: 0 or 1, of every cell.
        truth: a form that float64 computes right, to compare with.
    """
    z = torch.arange(-FARTHEST, FARTHEST + 1, dtype=DTYPES[dtype])
    losses, gradients = _differentiate(form, z, target)
    true_losses, true_gradients = _differentiate(truth, z.double(), target)
    wrong = z < 0 if target else z > 0
    weak = wrong & (gradients.abs() < true_gradients.abs() / 2)
    errors = ((losses - true_losses) / true_losses).abs()[wrong & losses.isfinite()]
    return Sweep(
        name,
        dtype,
        target,
        first_not_finite_loss=_first(z, ~losses.isfinite()),
        first_not_finite_gradient=_first(z, ~gradients.isfinite()),
        first_weak_gradient=_first(z, weak),
        zero_gradient=_intervals(z, wrong & (gradients == 0)),
        largest_relative_error=errors.max().item() if len(errors) else None,
        logits=z.tolist(),
        losses=losses.tolist(),
        gradients=gradients.tolist(),
    )


def _differentiate(form: Form, z: torch.Tensor, target: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss and its gradient at each logit, for comparison in float64."""
    leaf = z.clone().requires_grad_()
    cells = form(leaf, torch.full_like(z, target))
    (gradients,) = torch.autograd.grad(cells.sum(), leaf)
    return cells.detach().double(), gradients.double()


def _first(z: torch.Tensor, found: torch.Tensor) -> float | None:
    """Return the least |logit| among those found."""
    return z[found].abs().min().item() if found.any() else None


def _intervals(z: torch.Tensor, found: torch.Tensor) -> list[list[float]]:
    """Return the first and last logit of each run of neighbours that are found."""
    bounded = torch.nn.functional.pad(found.int(), (1, 1))
    change = bounded.diff()
    firsts, lasts = z[change[:-1] == 1], z[change[1:] == -1]
    return [[first.item(), last.item()] for first, last in zip(firsts, lasts, strict=True)]


def train(name: str, form: Form, start: str, *, alpha: float, seed: int) -> TrialTraining:
    """Train a small network on all rows at once with one form, until nan or the last step."""
    random = torch.Generator().manual_seed(seed)
    x, y = _draw_rows(random)
    unseen_x, unseen_y = _draw_rows(random)
    layers = _make_layers(STARTS[start], random)
    optimizer = torch.optim.Adam([*itertools.chain(*layers)], LEARNING_RATE)
    losses, zero_steps, first_nan_step = [], 0, None
    for step in range(STEPS):
        z = _apply(layers, x)
        losses.append(_judge(z, y, alpha))
        loss = form(z, y).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        gradient = _gradient(layers)
        optimizer.step()
        zero_steps += int(not gradient.any())
        if not (loss.isfinite() and gradient.isfinite().all()):
            first_nan_step = step
            break
    losses.append(_judge(_apply(layers, x), y, alpha))
    return TrialTraining(
        name,
        start,
        loss_before=losses[0],
        loss_after=_known(losses[-1]),
        first_nan_step=first_nan_step,
        zero_gradient_share=zero_steps / (len(losses) - 1),
        average_precision=_score(_apply(layers, unseen_x).detach(), unseen_y),
        losses=losses,
    )


def _draw_rows(random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features (N, F) and targets (N, 1); one in five is positive, by no straight line."""
    x = torch.randn(ROWS, FEATURES, generator=random)
    noise = 0.3 * torch.randn(ROWS, generator=random)
    score = x[:, 0] * x[:, 1] + x[:, 2] + noise
    y = torch.zeros(ROWS, 1)
    y[score.topk(POSITIVES).indices] = 1
    return x, y


def _make_layers(last_bias: float, random: torch.Generator) -> Layers:
    """Return He's first weights, and biases of 0 but for the last."""
    layers = []
    sizes = [FEATURES, *HIDDEN, 1]
    for inputs, outputs in itertools.pairwise(sizes):
        weight = torch.randn(inputs, outputs, generator=random)
        layers.append((weight * math.sqrt(2 / inputs), torch.zeros(outputs)))
    layers[-1][1].fill_(last_bias)
    return [(weight.requires_grad_(), bias.requires_grad_()) for weight, bias in layers]


def _apply(layers: Layers, x: torch.Tensor) -> torch.Tensor:
    """Return the logits (N, 1) of features (N, F)."""
    *hidden, (weight, bias) = layers
    for inner, shift in hidden:
        x = torch.relu(x @ inner + shift)
    return x @ weight + bias


def _gradient(layers: Layers) -> torch.Tensor:
    """Return the gradient of every weight and bias, one after the other."""
    tensors = itertools.chain(*layers)
    return torch.cat([tensor.grad.flatten() for tensor in tensors if tensor.grad is not None])


def _judge(z: torch.Tensor, y: torch.Tensor, alpha: float) -> float:
    """Return the loss that every form is measured by: ours, in float64."""
    return ours(z.detach().double(), y, alpha).mean().item()


def _score(z: torch.Tensor, y: torch.Tensor) -> float | None:
    return average_precision_of(z, y).item() if z.isfinite().all() else None


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
