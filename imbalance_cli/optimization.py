"""The optimiser, its schedule, and the size of a batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.optim.adamw import adamw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imbalance_cli.config import TrainingSection
    from imbalance_cli.model import MultilayerPerceptron

BATCHES_AN_EPOCH = 64
SMALLEST_BATCH, LARGEST_BATCH = 32, 1024


def choose_batch_size(settings: TrainingSection, rows: int) -> int:
    """Return the batch size; `auto` is the power of two that makes about 64 batches an epoch."""
    if settings.batch_size != "auto":
        return settings.batch_size
    power = 1 << round(math.log2(max(rows / BATCHES_AN_EPOCH, 1)))
    return min(max(power, SMALLEST_BATCH), LARGEST_BATCH)


class AdamW:
    """AdamW (Loshchilov & Hutter 2019) by torch's own fused step.

    torch.optim.Optimizer imports torch._dynamo, two seconds of them, and its schedules want one; a
    step of it takes twice as long as this.

    Args:
        parameters: that it changes, all of one device.
        rate: the learning rate.
        weight_decay: a step takes this share, times the rate, off every parameter.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], rate: float, weight_decay: float
    ) -> None:
        self.parameters = list(parameters)
        device = self.parameters[0].device
        self.weight_decay = weight_decay
        self._is_cuda, self._fused = device.type == "cuda", device.type in {"cpu", "cuda"}
        # on a CUDA device a step can be recorded as a graph, so what changes is a tensor there
        self._rate = torch.tensor(rate, device=device) if self._is_cuda else rate
        self._means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._steps = [
            torch.zeros((), device=device if self._fused else "cpu") for _ in self.parameters
        ]

    def set_rate(self, rate: float) -> None:
        """Take further steps at a learning rate."""
        if isinstance(self._rate, torch.Tensor):
            self._rate.fill_(rate)
        else:
            self._rate = rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient, as its gradient says."""
        held = zip(self.parameters, self._means, self._squares, self._steps, strict=True)
        found = [(p.grad, p, *state) for p, *state in held if p.grad is not None]
        if not found:
            return
        gradients, parameters, means, squares, steps = map(list, zip(*found, strict=True))
        adamw(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=self._fused,
            capturable=self._is_cuda,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._rate,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )


class Schedule:
    """The learning rate of an optimiser, which is another with every step.

    Args:
        optimizer: whose it is.
        rate: at a factor of 1.
        factor: of the share of all steps that lie behind.
        steps: in all.
    """

    def __init__(
        self, optimizer: AdamW, rate: float, factor: Callable[[float], float], steps: int
    ) -> None:
        self._optimizer, self._highest, self._factor = optimizer, rate, factor
        self._steps, self._taken = steps, 0
        self._set()

    def step(self) -> None:
        """Go on to the next step."""
        self._taken += 1
        self._set()

    def _set(self) -> None:
        self.rate = self._highest * self._factor(self._taken / self._steps)
        self._optimizer.set_rate(self.rate)


def build_optimizer(
    model: MultilayerPerceptron, settings: TrainingSection, steps: int
) -> tuple[AdamW, Schedule]:
    """Return AdamW and its learning rate schedule over all epochs of `steps` batches."""
    rate = settings.learning_rate
    optimizer = AdamW(model.parameters(), rate, settings.weight_decay)
    factor = SCHEDULES[settings.schedule]
    return optimizer, Schedule(optimizer, rate, factor, steps * settings.epochs)


def _cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2


def _coslog4(progress: float) -> float:
    """Holzmueller et al. 2024: four cosine cycles whose lengths double."""
    return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2


SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": _cosine,
    "coslog4": _coslog4,
    "constant": lambda _progress: 1.0,
}
