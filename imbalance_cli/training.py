"""The training loop: a generator that yields an EpochResult an epoch.

Shapes: B batch, L labels. Rows live on the device, a batch is a gather, and the host waits for the
device once an epoch.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from imbalance_cli.device import autocast, generator
from imbalance_cli.errors import TrainingError
from imbalance_cli.losses import inverse_link, weighted_bce
from imbalance_cli.metrics import Ranking, average_precision, brier, log_loss, macro, roc_auc
from imbalance_cli.model import score_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imbalance_cli.config import TrainingSection
    from imbalance_cli.dataset import Dataset
    from imbalance_cli.model import MultilayerPerceptron

BATCHES_AN_EPOCH = 64
SMALLEST_BATCH, LARGEST_BATCH = 32, 1024
LOWER_IS_BETTER = ("brier", "log_loss")


@dataclasses.dataclass(frozen=True)
class EpochResult:
    """What an epoch came to.

    Attributes:
        epoch: from 1 up.
        loss: mean training loss a known cell.
        score: the monitored metric on the validation rows, macro.
        best_epoch: the epoch with the best score so far.
        best_score: its score.
        learning_rate: at the end of the epoch.
        rows_per_second: of training, without validation.
    """

    epoch: int
    loss: float
    score: float
    best_epoch: int
    best_score: float
    learning_rate: float
    rows_per_second: float

    @property
    def is_best(self) -> bool:
        """Whether this epoch is the best so far."""
        return self.epoch == self.best_epoch


def train(
    model: MultilayerPerceptron,
    train_rows: Dataset,
    valid_rows: Dataset,
    pos_weight: torch.Tensor,
    settings: TrainingSection,
) -> Iterator[EpochResult]:
    """Train a model in place; when the generator ends, it holds the weights of the best epoch.

    Args:
        model: on the device of the rows.
        train_rows: what it learns from.
        valid_rows: what early stopping looks at.
        pos_weight: (L,) float32, on the device.
        settings: epochs, batches, optimiser, schedule, monitor and patience.

    Raises:
        TrainingError: the loss or the score is no longer finite.
    """
    device = train_rows.targets.device
    batch_size = choose_batch_size(settings, len(train_rows))
    steps = math.ceil(len(train_rows) / batch_size)
    optimizer, schedule = build_optimizer(model, settings, steps)
    shuffling = generator(device, settings.seed)
    best_epoch, best_score = 0, -math.inf
    best_weights: dict[str, torch.Tensor] = {}
    sign = -1 if settings.monitor in LOWER_IS_BETTER else 1
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)  # of dropout
        for epoch in range(1, settings.epochs + 1):
            began = time.perf_counter()
            order = torch.randperm(len(train_rows), generator=shuffling, device=device)
            batches = train_rows.batches(order, batch_size)
            precision = settings.precision
            loss = float(
                train_epoch(model, batches, pos_weight, optimizer, schedule, precision=precision)
            )
            seconds = time.perf_counter() - began
            score = validation_score(model, valid_rows, pos_weight, settings)
            _check_finite(loss, score, epoch, settings)
            if sign * score > best_score:
                best_epoch, best_score = epoch, sign * score
                best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
            yield EpochResult(
                epoch=epoch,
                loss=loss,
                score=score,
                best_epoch=best_epoch,
                best_score=sign * best_score,
                learning_rate=schedule.get_last_lr()[0],
                rows_per_second=len(train_rows) / seconds,
            )
            if settings.patience is not None and epoch - best_epoch >= settings.patience:
                break
    model.load_state_dict(best_weights)


def choose_batch_size(settings: TrainingSection, rows: int) -> int:
    """Return the batch size; `auto` is the power of two that makes about 64 batches an epoch."""
    if settings.batch_size != "auto":
        return settings.batch_size
    power = 2 ** round(math.log2(max(rows / BATCHES_AN_EPOCH, 1)))
    return min(max(power, SMALLEST_BATCH), LARGEST_BATCH)


def validation_score(
    model: MultilayerPerceptron, rows: Dataset, pos_weight: torch.Tensor, settings: TrainingSection
) -> float:
    """Return the monitored metric, macro over the labels where it is defined; NaN if nowhere."""
    logits = score_rows(model, rows, settings.precision)
    metric = MONITORS[settings.monitor]
    value = macro(metric(logits, rows.targets, pos_weight))
    return math.nan if value is None else value


def build_optimizer(
    model: MultilayerPerceptron, settings: TrainingSection, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return AdamW and its learning rate schedule over all epochs of `steps` batches."""
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=next(model.parameters()).device.type in {"cpu", "cuda"},
    )
    factor = SCHEDULES[settings.schedule]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: factor(step / (steps * settings.epochs))
    )
    return optimizer, schedule


def train_epoch(
    model: MultilayerPerceptron,
    batches: Iterable[Dataset],
    pos_weight: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    *,
    precision: str,
) -> torch.Tensor:
    """Pass once over the batches and return the mean loss a known cell, a scalar on the device."""
    model.train()
    device = pos_weight.device
    total = torch.zeros((), device=device)
    cells = torch.zeros((), device=device)
    for batch in batches:
        with autocast(device, precision):
            logits = model(batch.numeric, batch.codes)
        known = (~batch.targets.isnan()).sum()
        loss = weighted_bce(logits, batch.targets, pos_weight=pos_weight, reduction="sum")
        optimizer.zero_grad(set_to_none=True)
        (loss / known.clamp(min=1)).backward()
        optimizer.step()
        schedule.step()
        total += loss.detach()
        cells += known
    return total / cells


def _check_finite(loss: float, score: float, epoch: int, settings: TrainingSection) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"training diverged in epoch {epoch}: the loss is {loss}",
            hint=f"lower training.learning_rate (now {settings.learning_rate:g}), "
            "or cap the weights: weighting.cap",
        )
    if not math.isfinite(score):
        raise TrainingError(
            f"epoch {epoch}: {settings.monitor} on the validation rows is {score}: no learnable "
            "label has both a positive and a negative there",
            hint="a larger split.valid, or another split.seed",
        )


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

Monitor = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
MONITORS: dict[str, Monitor] = {
    "average_precision": lambda z, y, _w: average_precision(Ranking.of(z, y)),
    "roc_auc": lambda z, y, _w: roc_auc(Ranking.of(z, y)),
    "brier": lambda z, y, w: brier(inverse_link(z, w), y),
    "log_loss": lambda z, y, w: log_loss(inverse_link(z, w), y),
}
