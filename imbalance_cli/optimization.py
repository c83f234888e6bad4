"""The optimiser, its schedule, and the size of a batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

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


def build_optimizer(
    model: MultilayerPerceptron, settings: TrainingSection, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return AdamW and its learning rate schedule over all epochs of `steps` batches.

    On a CUDA device a step can be recorded as a graph, so the learning rate is a tensor there.
    """
    device = next(model.parameters()).device
    rate, is_cuda = settings.learning_rate, device.type == "cuda"
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=torch.tensor(rate, device=device) if is_cuda else rate,
        weight_decay=settings.weight_decay,
        fused=device.type in {"cpu", "cuda"},
        capturable=is_cuda,
    )
    for group in optimizer.param_groups:
        group["initial_lr"] = rate  # the schedule then reckons on the host
    factor = SCHEDULES[settings.schedule]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: factor(step / (steps * settings.epochs))
    )
    return optimizer, schedule


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
