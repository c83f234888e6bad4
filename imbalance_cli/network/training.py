"""The training loop: a generator that yields an EpochResult an epoch, of all members at once.

Shapes: M members, K heads of each, N rows, B batch, L labels. Rows live on the device, a batch is a
gather, and the host waits for the device once an epoch; or they are stored on disk, and batches
come from there.

A member is a network, with all its heads. On a GPU all members take each step together, as one
batched product; on the CPU, where that gains nothing, they take turns, an epoch each, and a
member's numbers are those of the network trained alone, to the bit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch

from imbalance_cli.decisions.calibration import fit_calibration
from imbalance_cli.errors import TrainingError
from imbalance_cli.losses.family import Loss, stack_losses
from imbalance_cli.losses.link import mean_log_odds
from imbalance_cli.machine.allocation import keep_freed_memory
from imbalance_cli.machine.device import generator
from imbalance_cli.metrics import Ranking, average_precision_of, brier, log_loss, macro, roc_auc
from imbalance_cli.network.optimization import LAST_BUT_ONE_CYCLE, Optimizer
from imbalance_cli.network.sampling import draw_rows
from imbalance_cli.network.scoring import label_blocks, score
from imbalance_cli.network.steps import Steps
from imbalance_cli.rows.dataset import Dataset
from imbalance_cli.rows.stored import StoredRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.network.model import Model, MultilayerPerceptron
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.rows.dataset import Rows

LOWER_IS_BETTER = ("brier", "log_loss", "calibrated_log_loss")
CPU = torch.device("cpu")
FEWEST_OF_CYCLES = 15  # epochs of a schedule whose shortest cycle is a fifteenth
MOST_CELLS = 2**22  # of validation rows x labels that are sorted at once


@dataclasses.dataclass(frozen=True)
class Member:
    """What one network learns from, and how.

    Attributes:
        train: the row numbers it learns from, int64 on the device.
        valid: those that early stopping looks at.
        loss: its parameters broadcast to (L,).
        seed: of the order of the rows and of dropout.
        rates: how often each of `train` is drawn, on the host; None takes each once an epoch.
        name: in errors.
    """

    train: torch.Tensor
    valid: torch.Tensor
    loss: Loss
    seed: int
    rates: torch.Tensor | None = None
    name: str = ""


@dataclasses.dataclass(frozen=True)
class MemberResult:
    """What an epoch came to for one member.

    Attributes:
        loss: mean training loss a known cell, weighted where the rows are.
        score: the monitored metric on the validation rows, macro.
        best_epoch: the epoch with the best score so far.
        best_score: its score.
        is_training: whether it goes on.
        epoch: the last it took part in, from which the numbers are.
    """

    loss: float
    score: float
    best_epoch: int
    best_score: float
    is_training: bool = True
    epoch: int = 0


@dataclasses.dataclass(frozen=True)
class EpochResult:
    """What an epoch came to.

    Attributes:
        epoch: from 1 up.
        members: (M,) results.
        learning_rate: at the end of the epoch.
        rows_per_second: of training, without validation, of all members together.
    """

    epoch: int
    members: tuple[MemberResult, ...]
    learning_rate: float
    rows_per_second: float

    @property
    def loss(self) -> float:
        """The mean training loss of the members."""
        return sum(member.loss for member in self.members) / len(self.members)

    @property
    def score(self) -> float:
        """The mean score of the members."""
        return sum(member.score for member in self.members) / len(self.members)

    @property
    def best_score(self) -> float:
        """The mean of the members' best scores."""
        return sum(member.best_score for member in self.members) / len(self.members)

    @property
    def is_best(self) -> bool:
        """Whether this epoch is the best so far for any member."""
        return any(member.best_epoch == self.epoch for member in self.members)


def train(
    model: Model,
    rows: Rows,
    members: Sequence[Member],
    recipe: Recipe,
    *,
    together: bool | None = None,
) -> Iterator[EpochResult]:
    """Train M networks in place; when the generator ends, each has the weights of its best epoch.

    Args:
        model: on the device of the rows.
        rows: all rows that any member learns from or is validated on.
        members: (M,) what each learns from.
        recipe: epochs, batches, optimiser, schedule, monitor and patience.
        together: whether members of one shape take each step as one product; None does so on a
            GPU.

    Raises:
        TrainingError: there is nothing to learn, a network's scores are no longer finite, or the
            monitored metric is undefined.
    """
    known = rows.is_known()
    if rows.weights is not None:
        known &= rows.weights > 0
    if not all(known[member.train].any() for member in members):
        raise TrainingError("no label can be learned: none has both classes in the training part")
    keep_freed_memory()
    if together is None:
        together = rows.device.type != "cpu"
    valid = _select_once([member.valid for member in members], rows)
    groups, first = [], 0
    for part in model.parts() if together else model.alone():
        own = slice(first, first + part.members)
        groups.append(_Group(part, rows, members[own], valid[own], recipe))
        first += part.members
    for epoch in range(1, recipe.epochs + 1):
        active = [group for group in groups if group.is_training]
        began = time.perf_counter()
        for group in active:
            group.train_epoch()
        seconds = time.perf_counter() - began
        for group in active:
            group.validate(epoch)
        yield EpochResult(
            epoch=epoch,
            members=tuple(result for group in groups for result in group.results),
            learning_rate=active[0].optimizer.learning_rate,
            rows_per_second=sum(len(m.train) for g in active for m in g.members) / seconds,
        )
        if not any(group.is_training for group in groups):
            break
    for group in groups:
        group.restore_best()
    model.eval()  # its members are already


class _Group:
    """Members that take each step together."""

    def __init__(
        self,
        model: MultilayerPerceptron,
        rows: Rows,
        members: Sequence[Member],
        valid: Sequence[Rows],
        recipe: Recipe,
    ) -> None:
        self.rows, self.members, self.recipe = rows, members, recipe
        self._valid = valid
        device = rows.device
        loss = stack_losses([member.loss for member in members], rows.labels).to(device)
        most = max(len(member.train) for member in members)
        size = recipe.batch_size
        self.steps = math.ceil(most / size)
        self.optimizer = Optimizer(model, recipe, self.steps * recipe.epochs)
        self._steps = Steps(model, loss, self.optimizer, precision=recipe.precision)
        self._random = [
            generator(device if member.rates is None else CPU, member.seed) for member in members
        ]
        self._stored_epochs = (
            [rows.epochs(member.train, size, member.seed) for member in members]
            if isinstance(rows, StoredRows)
            else []
        )
        self._dropout_seeds = generator(CPU, members[0].seed)
        self._networks = model.alone()
        self._losses = torch.full((len(members),), math.nan)
        self._best: list[dict[str, torch.Tensor]] = [{} for _ in members]
        worst = math.inf if recipe.monitor in LOWER_IS_BETTER else -math.inf
        self.results = [MemberResult(math.nan, math.nan, 0, worst) for _ in members]

    @property
    def is_training(self) -> bool:
        """Whether any member goes on."""
        return any(result.is_training for result in self.results)

    def train_epoch(self) -> None:
        """Pass once over each member's rows."""
        with _seeded_dropout(self.rows.device, self._dropout_seeds):
            losses = self._steps.epoch(self._batches())
        self._losses = losses.cpu()  # the one wait for the device

    def validate(self, epoch: int) -> None:
        """Score each member's validation rows, and keep what is its best so far."""
        sign = -1 if self.recipe.monitor in LOWER_IS_BETTER else 1
        for m, (network, member) in enumerate(zip(self._networks, self.members, strict=True)):
            before = self.results[m]
            if not before.is_training:
                continue
            logits = score(network, self._valid[m], self.recipe.precision)
            loss = float(self._losses[m])
            scores = []
            for labels in label_blocks(self._valid[m].labels):
                block = logits.cells(labels=labels)
                _check_finite(loss, block, epoch, member.name, self.recipe)
                scores.append(self._scores_of_labels(block, labels, m))
            value = mean_score(torch.cat(scores), self.recipe.monitor)
            best_epoch, best_score = before.best_epoch, before.best_score
            if not best_epoch or sign * value >= sign * best_score:  # of equal ones the last
                best_epoch, best_score = epoch, value
                self._best[m] = {
                    name: parameter.detach().clone()
                    for name, parameter in network.named_parameters()
                }
            goes_on = epoch < self.recipe.epochs and not _is_over(self.recipe, epoch, best_epoch)
            self.results[m] = MemberResult(loss, value, best_epoch, best_score, goes_on, epoch)

    def _scores_of_labels(self, logits: torch.Tensor, labels: slice, m: int) -> torch.Tensor:
        """Return the monitored metric of some labels' validation logits (K, N, l), (l,)."""
        valid, loss, monitor = self._valid[m], self.members[m].loss, self.recipe.monitor
        width = max(MOST_CELLS // max(len(valid), 1), 1)
        scores = []
        for first in range(labels.start, labels.stop, width):
            part = slice(first, min(first + width, labels.stop))
            own = logits[..., part.start - labels.start : part.stop - labels.start]
            targets = valid.columns(part)
            scores.append(score_labels(own, targets, loss.labels(part), monitor, valid.weights))
        return torch.cat(scores)

    @torch.no_grad()
    def restore_best(self) -> None:
        """Give each member the weights of its best epoch."""
        for network, best in zip(self._networks, self._best, strict=True):
            for name, parameter in network.named_parameters():
                parameter.copy_(best[name])

    def _batches(self) -> Iterator[Dataset]:
        """Yield batches of an epoch, (B, ...) of one member and (M, B, ...) of several.

        A member's rows are cut into as many batches as the others', of equal size give or take
        one; what is short of the longest is filled up with rows whose targets are missing. Members
        that learn from stored rows all learn from as many.
        """
        if self._stored_epochs:
            for batches in zip(*(begin() for begin in self._stored_epochs), strict=True):
                yield batches[0] if len(batches) == 1 else _stack_batches(batches)
            return
        orders = [
            member.train[_order(member, random).to(member.train.device)].tensor_split(self.steps)
            for member, random in zip(self.members, self._random, strict=True)
        ]
        for batch in zip(*orders, strict=True):
            if len(batch) == 1:
                yield self.rows.take(batch[0])
            else:
                yield _stack_rows(self.rows, batch)


def _is_over(recipe: Recipe, epoch: int, best_epoch: int) -> bool:
    """Return whether patience ends a network's training after this epoch."""
    if recipe.patience is None:
        return False
    if recipe.patience != "cycle":
        return epoch - best_epoch >= recipe.patience
    # cycles that are shorter than an epoch say nothing
    if recipe.schedule not in LAST_BUT_ONE_CYCLE or recipe.epochs < FEWEST_OF_CYCLES:
        return False
    start, end = (round(time * recipe.epochs) for time in LAST_BUT_ONE_CYCLE[recipe.schedule])
    return epoch == end and best_epoch <= start


def _order(member: Member, random: torch.Generator) -> torch.Tensor:
    """Return an epoch's order of a member's rows, (N,) from 0 up."""
    if member.rates is not None:
        return draw_rows(member.rates, random)
    return torch.randperm(len(member.train), generator=random, device=random.device)


def _stack_rows(rows: Rows, numbers: Sequence[torch.Tensor]) -> Dataset:
    """Return rows of several members, (M, B, ...), the shorter ones filled up."""
    padded = torch.nn.utils.rnn.pad_sequence(list(numbers), batch_first=True, padding_value=-1)
    flat = rows.take(padded.clamp(min=0).flatten())
    targets = flat.targets.masked_fill((padded < 0).flatten()[:, None], math.nan)
    parts = (flat.numeric, flat.codes, targets)
    numeric, codes, targets = (part.reshape(*padded.shape, -1) for part in parts)
    weights = None if flat.weights is None else flat.weights.reshape(padded.shape)
    return Dataset(numeric, codes, targets, weights)


def _stack_batches(batches: Sequence[Dataset]) -> Dataset:
    """Return batches of several members, of B rows each, as one, (M, B, ...)."""
    weights = [batch.weights for batch in batches if batch.weights is not None]
    return Dataset(
        torch.stack([batch.numeric for batch in batches]),
        torch.stack([batch.codes for batch in batches]),
        torch.stack([batch.targets for batch in batches]),
        torch.stack(weights) if weights else None,
    )


def _select_once(numbers: Sequence[torch.Tensor], rows: Rows) -> list[Rows]:
    """Return the rows of each tensor of numbers; members with the same tensor share them."""
    selected: dict[int, Rows] = {}
    for rows_of_member in numbers:
        if id(rows_of_member) not in selected:
            selected[id(rows_of_member)] = rows.part(rows_of_member)
    return [selected[id(rows_of_member)] for rows_of_member in numbers]


def validation_score(
    logits: torch.Tensor,
    targets: torch.Tensor,
    loss: Loss,
    monitor: str,
    weights: torch.Tensor | None = None,
) -> float:
    """Return the monitored metric of the heads' mean probability, macro over the labels.

    Args:
        logits: (K, N, L).
        targets: (N, L), NaN where missing.
        loss: its parameters broadcast to (L,).
        monitor: one of MONITORS.
        weights: (N,) of the rows; None for alike.

    Raises:
        TrainingError: it is defined for no label.
    """
    return mean_score(score_labels(logits, targets, loss, monitor, weights), monitor)


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


@contextlib.contextmanager
def _seeded_dropout(device: torch.device, seeds: torch.Generator) -> Iterator[None]:
    """Seed torch's global generator, which dropout draws from, and put it back afterwards.

    An epoch at a time: whoever consumes the epochs may draw from it too.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (), generator=seeds)))
        yield


def _check_finite(loss: float, logits: torch.Tensor, epoch: int, name: str, recipe: Recipe) -> None:
    if math.isfinite(loss) and logits.isfinite().all():
        return
    value = f"the loss is {loss:g}"
    if math.isfinite(loss):  # its last step made the weights infinite
        value = "the scores of validation rows are not finite"
    raise TrainingError(
        f"training{name and ' of '}{name} diverged in epoch {epoch}: {value}",
        hint=f"lower training.learning_rate (now {recipe.learning_rate:g}), "
        "or cap the weights: weighting.cap",
    )


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
"""Each of log-odds (N, L), targets (N, L) and weights (N,): (L,)."""
