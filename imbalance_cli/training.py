"""The training loop: a generator that yields an EpochResult an epoch.

Shapes: B batch, L labels. Rows live on the device, a batch is a gather, and the host waits for the
device once an epoch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch

from imbalance_cli.device import autocast, generator
from imbalance_cli.errors import TrainingError
from imbalance_cli.losses import inverse_link, weighted_bce
from imbalance_cli.metrics import Ranking, average_precision, brier, log_loss, macro, roc_auc
from imbalance_cli.model import score_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        TrainingError: there is nothing to learn, the network's scores are no longer finite, or the
            monitored metric is undefined.
    """
    device = train_rows.targets.device
    if train_rows.targets.isnan().all():
        raise TrainingError("no label can be learned: none has both classes in the training part")
    batch_size = choose_batch_size(settings, len(train_rows))
    steps = math.ceil(len(train_rows) / batch_size)
    optimizer, schedule = build_optimizer(model, settings, steps)
    shuffling = generator(device, settings.seed)
    dropout_seeds = generator(torch.device("cpu"), settings.seed)
    best_epoch, best_score = 0, -math.inf
    best_weights: dict[str, torch.Tensor] = {}
    sign = -1 if settings.monitor in LOWER_IS_BETTER else 1
    for epoch in range(1, settings.epochs + 1):
        began = time.perf_counter()
        order = torch.randperm(len(train_rows), generator=shuffling, device=device)
        batches = train_rows.batches(order, batch_size)
        with _seeded_dropout(device, dropout_seeds):
            mean_loss = train_epoch(
                model, batches, pos_weight, optimizer, schedule, precision=settings.precision
            )
        loss = float(mean_loss)
        seconds = time.perf_counter() - began
        logits = score_rows(model, valid_rows, settings.precision)
        _check_finite(loss, logits, epoch, settings)
        score = validation_score(logits, valid_rows.targets, pos_weight, settings.monitor)
        if sign * score > best_score:
            best_epoch, best_score = epoch, sign * score
            best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        yield EpochResult(
            epoch=epoch,
            loss=loss,
            score=score,
            best_epoch=best_epoch,
            best_score=sign * best_score,
            learning_rate=float(schedule.get_last_lr()[0]),
            rows_per_second=len(train_rows) / seconds,
        )
        if settings.patience is not None and epoch - best_epoch >= settings.patience:
            break
    model.load_state_dict(best_weights)


def choose_batch_size(settings: TrainingSection, rows: int) -> int:
    """Return the batch size; `auto` is the power of two that makes about 64 batches an epoch."""
    if settings.batch_size != "auto":
        return settings.batch_size
    power = 1 << round(math.log2(max(rows / BATCHES_AN_EPOCH, 1)))
    return min(max(power, SMALLEST_BATCH), LARGEST_BATCH)


def validation_score(
    logits: torch.Tensor, targets: torch.Tensor, pos_weight: torch.Tensor, monitor: str
) -> float:
    """Return the monitored metric of (N, L), macro over the labels where it is defined.

    Raises:
        TrainingError: it is defined for no label.
    """
    if logits.device.type == "mps":  # which has no float64
        logits, targets, pos_weight = logits.cpu(), targets.cpu(), pos_weight.cpu()
    score = macro(MONITORS[monitor](logits, targets, pos_weight))
    if score is None:
        raise TrainingError(
            f"{monitor} on the validation rows is undefined: no learnable label has both a "
            "positive and a negative there",
            hint="a larger split.valid, or another split.seed",
        )
    return score


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
    cells = torch.zeros((), dtype=torch.int64, device=device)
    for batch in batches:
        with autocast(device, precision):
            logits = model(batch.numeric, batch.codes)
        known = (~batch.targets.isnan()).sum()
        loss = weighted_bce(logits, batch.targets, pos_weight=pos_weight, reduction="sum")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss / known.clamp(min=1))
        optimizer.step()
        schedule.step()
        total += loss.detach()
        cells += known
    return total / cells


@contextlib.contextmanager
def _seeded_dropout(device: torch.device, seeds: torch.Generator) -> Iterator[None]:
    """Seed torch's global generator, which dropout draws from, and put it back afterwards.

    An epoch at a time: whoever consumes the epochs may draw from it too.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (), generator=seeds)))
        yield


def _check_finite(loss: float, logits: torch.Tensor, epoch: int, settings: TrainingSection) -> None:
    if math.isfinite(loss) and logits.isfinite().all():
        return
    value = f"the loss is {loss:g}"
    if math.isfinite(loss):  # its last step made the weights infinite
        value = "the scores of validation rows are not finite"
    raise TrainingError(
        f"training diverged in epoch {epoch}: {value}",
        hint=f"lower training.learning_rate (now {settings.learning_rate:g}), "
        "or cap the weights: weighting.cap",
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
