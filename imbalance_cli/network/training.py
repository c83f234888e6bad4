"""The training loop: an iterator that yields an EpochResult an epoch, of all members at once.

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
import itertools
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.errors import TrainingError
from imbalance_cli.losses.family import Loss, stack_losses
from imbalance_cli.machine.allocation import keep_freed_memory
from imbalance_cli.machine.device import generator
from imbalance_cli.metrics import as_columns, weights_of_labels
from imbalance_cli.network.epochs import EpochResult, MemberResult, Timeline
from imbalance_cli.network.monitors import LOWER_IS_BETTER, mean_score, score_labels
from imbalance_cli.network.optimization import Optimizer
from imbalance_cli.network.sampling import draw_rows
from imbalance_cli.network.scoring import label_blocks, score
from imbalance_cli.network.state import below, pack, unpack
from imbalance_cli.network.steps import Steps
from imbalance_cli.rows.dataset import Dataset
from imbalance_cli.rows.stored import StoredRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imbalance_cli.network.epochs import Span
    from imbalance_cli.network.model import Model, MultilayerPerceptron
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.network.state import State
    from imbalance_cli.rows.dataset import Rows

CPU = torch.device("cpu")
LARGEST_LAYER = 2**27  # bytes: 256 rows of 4 heads and 32,000 inputs
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
        follows: whether it learns from `valid` too, which `train` then holds. It is trained after
            the last member before it that does not; those that follow the same are one network,
            which is kept for each of them, as `Recipe.epochs_kept` says.
    """

    train: torch.Tensor
    valid: torch.Tensor
    loss: Loss
    seed: int
    rates: torch.Tensor | None = None
    name: str = ""
    follows: bool = False


class Training(Iterator[EpochResult]):
    """The training of M networks in place, an epoch at each step of the iterator.

    When it ends, each network has the weights of its best epoch, but for one that follows and was
    not kept before it was over.

    Args:
        model: on the device of the rows.
        rows: all rows that any member learns from or is validated on.
        members: (M,) what each learns from.
        recipe: epochs, batches, optimiser, schedule, monitor and patience.
        together: whether members of one shape take each step as one product; None does so on a
            GPU.
        state: what `state` returned of these networks, to go on from; None begins.
        is_over: whether no epoch follows the state.

    Raises:
        TrainingError: at the first step, there is nothing to learn; at any, a network's scores
            are no longer finite, or the monitored metric is undefined.
    """

    def __init__(
        self,
        model: Model,
        rows: Rows,
        members: Sequence[Member],
        recipe: Recipe,
        *,
        together: bool | None = None,
        state: State | None = None,
        is_over: bool = False,
    ) -> None:
        self._model, self._rows, self._members, self._recipe = model, rows, members, recipe
        self._is_over = is_over
        self._together = rows.device.type != "cpu" if together is None else together
        self._groups: list[Group] = []
        self._timeline = Timeline([])
        self._epochs = self._train(state)

    def __next__(self) -> EpochResult:
        return next(self._epochs)

    def state(self) -> State:
        """Return all that the next epochs depend on, by the number of the member it is of."""
        return states_of(self._groups) | self._timeline.state()

    def _train(self, state: State | None) -> Iterator[EpochResult]:
        self._groups = groups = make_groups(
            self._model, self._rows, self._members, self._recipe, together=self._together
        )
        self._timeline = timeline = begin(groups, state)
        if self._is_over:
            for group in groups:
                if group.result.is_training:
                    group.restore(group.best)
            yield from timeline.rest()
        else:
            yield from timeline.whole()  # of those that had gone beyond the epoch of the state
            while due := timeline.due():
                for number, span in due.items():
                    timeline.add(number, groups[number].train_epoch(span))
                yield from timeline.whole()
        self._model.eval()  # its members are already


def make_groups(
    model: Model,
    rows: Rows,
    members: Sequence[Member],
    recipe: Recipe,
    *,
    together: bool,
) -> list[Group]:
    """Return the groups of networks, as they are before their first epoch.

    Args:
        model: of all networks.
        rows: as of `Training`.
        members: (M,) what each learns from.
        recipe: of every network.
        together: whether networks of one shape are a group; not where any follows.

    Raises:
        TrainingError: there is nothing to learn.
    """
    _refuse_nothing_to_learn(rows, members)
    keep_freed_memory(LARGEST_LAYER)
    valid = _select_once([member.valid for member in members], rows)
    follows = [member.follows for member in members]
    if together and not any(follows):
        ends = list(itertools.accumulate(part.members for part in model.parts()))
    else:
        pairs = enumerate(itertools.pairwise([*follows, False]), start=1)
        ends = [end for end, both in pairs if not all(both)]
    groups: list[Group] = []
    for first, end in itertools.pairwise([0, *ends]):
        [part] = model.part(first, end).parts()
        own = slice(first, end)
        leader = len(groups) - 1 if follows[first] else None
        groups.append(Group(part, rows, members[own], valid[own], recipe, first, leader=leader))
    return groups


def begin(groups: Sequence[Group], state: State | None, *, at_once: int = 1) -> Timeline:
    """Return the timeline of groups, which go on from a state if there is one.

    Args:
        groups: as `make_groups` returns them.
        state: of the groups and their timeline.
        at_once: as of `Timeline`.
    """
    timeline = Timeline(groups, at_once=at_once, state=state)
    for number, group in enumerate(groups):
        if (last := timeline.last(number)).epoch:
            group.load_state(below(state or {}, f"{group.first}."), last)
    return timeline


def states_of(groups: Iterable[Group]) -> State:
    """Return all that the next epochs of groups depend on, by the number of the member it is of."""
    return {
        f"{group.first}.{name}": tensor
        for group in groups
        if group.result.epoch
        for name, tensor in group.state().items()
    }


def _refuse_nothing_to_learn(rows: Rows, members: Sequence[Member]) -> None:
    known = rows.is_known()
    if rows.weights is not None:
        known &= as_columns(rows.weights > 0).any(dim=1)
    if not all(known[member.train].any() for member in members):
        raise TrainingError("no label can be learned: none has both classes in the training part")


class Group:
    """Members that take each step together, or one that follows another, kept for each of them.

    Args:
        model: their networks.
        rows: all rows.
        members: (M,) what each learns from.
        valid: (M,) its validation rows.
        recipe: of every network.
        first: the number of the first member.
        leader: as of `TimelineGroup`.
    """

    def __init__(
        self,
        model: MultilayerPerceptron,
        rows: Rows,
        members: Sequence[Member],
        valid: Sequence[Rows],
        recipe: Recipe,
        first: int,
        *,
        leader: int | None = None,
    ) -> None:
        self.rows, self.members, self.recipe, self.first = rows, members, recipe, first
        self.leader = leader
        self._networks, self._valid = model.alone(), valid
        self.best: list[dict[str, torch.Tensor]] = [{} for _ in members]
        worst = math.inf if recipe.monitor in LOWER_IS_BETTER else -math.inf
        worst = worst if leader is None else math.nan
        results = tuple(MemberResult(math.nan, math.nan, 0, worst) for _ in members)
        self.result = EpochResult(0, results, recipe.learning_rate, math.nan)  # the last
        if leader is not None:
            model, members = self._networks[-1], members[-1:]
        self._model, self._learners = model, members
        self.rows_per_epoch = sum(len(member.train) for member in members)
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
        self._stored_random: list[np.random.Generator] = []
        self._stored_epochs: list[Callable[[], Iterator[Dataset]]] = []
        if isinstance(rows, StoredRows):
            self._stored_random = [np.random.default_rng(member.seed) for member in members]
            self._stored_epochs = [
                rows.epochs(member.train, size, random)
                for member, random in zip(members, self._stored_random, strict=True)
            ]
        self._dropout_seeds = generator(CPU, members[0].seed)

    def train_epoch(self, span: Span) -> EpochResult:
        """Pass once over each member's rows, and score what it is validated on.

        After the last epoch each member has the weights of its best one, or as it was kept.

        Args:
            span: its epochs, as `Timeline` returns them.

        Raises:
            TrainingError: a network's scores are no longer finite, or the metric is undefined.
        """
        began = time.perf_counter()
        with _seeded_dropout(self.rows.device, self._dropout_seeds):
            losses = self._steps.epoch(self._batches()).cpu()  # the one wait for the device
        seconds = time.perf_counter() - began
        epoch = max(self.result.epoch, span.after) + 1
        scored = self._validate if self.leader is None else self._keep
        self.result = EpochResult(
            epoch=epoch,
            members=tuple(scored(losses.tolist(), epoch, span)),
            learning_rate=self.optimizer.learning_rate,
            rows_per_second=self.rows_per_epoch / seconds,
        )
        if not self.result.is_training:
            self.restore(self.best)
        return self.result

    def _validate(self, losses: Sequence[float], epoch: int, span: Span) -> Iterator[MemberResult]:
        """Score each member's validation rows, and keep what is its best so far."""
        sign = -1 if self.recipe.monitor in LOWER_IS_BETTER else 1
        for m, (network, before) in enumerate(
            zip(self._networks, self.result.members, strict=True)
        ):
            if not before.is_training:
                yield before
                continue
            scores = [
                self._scores_of_labels(block, labels, m)
                for labels, block in self._score(m, losses[m], epoch)
            ]
            value = mean_score(torch.cat(scores), self.recipe.monitor)
            best_epoch, best_score = before.best_epoch, before.best_score
            if not best_epoch or sign * value >= sign * best_score:  # of equal ones the last
                best_epoch, best_score = epoch, value
                self.best[m] = _copy_weights(network)
            goes_on = epoch < span.most and not _is_over(self.recipe, epoch, best_epoch)
            yield MemberResult(losses[m], value, best_epoch, best_score, goes_on, epoch)

    def _keep(self, losses: Sequence[float], epoch: int, span: Span) -> Iterator[MemberResult]:
        """Keep a network that follows after as many epochs as its span says.

        The last member is the network; the others are nothing until it is kept for them.
        """
        done = epoch - span.after
        for m, (epochs, before) in enumerate(zip(span.kept, self.result.members, strict=True)):
            is_waiting = done < epochs and m + 1 < len(span.kept)
            if is_waiting or not before.is_training:
                yield before
                continue
            if done == epochs:
                for _ in self._score(-1, losses[0], done):  # raises where they are not finite
                    pass
                self.best[m] = _copy_weights(self._model)
            yield MemberResult(losses[0], math.nan, done, math.nan, done < epochs, epoch)

    def _score(self, m: int, loss: float, epoch: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield labels and the logits of a member's validation rows, (K, N, l), once finite."""
        network, precision = self._networks[m], self.recipe.precision
        logits = score(network, self._valid[m], precision, is_filled_up=False)
        for labels in label_blocks(self._valid[m].labels):
            block = logits.cells(labels=labels)
            _check_finite(loss, block, epoch, self.members[m].name, self.recipe)
            yield labels, block

    def _scores_of_labels(self, logits: torch.Tensor, labels: slice, m: int) -> torch.Tensor:
        """Return the monitored metric of some labels' validation logits (K, N, l), (l,)."""
        valid, loss, monitor = self._valid[m], self.members[m].loss, self.recipe.monitor
        width = max(MOST_CELLS // max(len(valid), 1), 1)
        scores = []
        for first in range(labels.start, labels.stop, width):
            part = slice(first, min(first + width, labels.stop))
            own = logits[..., part.start - labels.start : part.stop - labels.start]
            targets = valid.columns(part)
            weights = weights_of_labels(valid.weights, part)
            scores.append(score_labels(own, targets, loss.labels(part), monitor, weights))
        return torch.cat(scores)

    @torch.no_grad()
    def restore(self, weights: Sequence[dict[str, torch.Tensor]]) -> None:
        """Give each member weights, (M,) by name; where there are none, it stays as it is."""
        for network, own in zip(self._networks, weights, strict=True):
            for name, value in own.items():
                network.get_parameter(name).copy_(value)

    def state(self) -> State:
        """Return all that its next epochs depend on, as it is: it changes with the next epoch."""
        return {
            "dropout_seeds": self._dropout_seeds.get_state(),
            **{f"random.{m}": random.get_state() for m, random in enumerate(self._random)},
            **{
                f"stored_random.{m}": pack(random.bit_generator.state)
                for m, random in enumerate(self._stored_random)
            },
            **{f"model.{name}": p.detach() for name, p in self._model.named_parameters()},
            **{f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()},
            **{
                f"best.{m}.{name}": tensor
                for m, best in enumerate(self.best)
                for name, tensor in best.items()
            },
        }

    @torch.no_grad()
    def load_state(self, state: State, last: EpochResult) -> None:
        """Go on from what `state` returned after an epoch."""
        self.result = last
        self._dropout_seeds.set_state(state["dropout_seeds"])
        for m, random in enumerate(self._random):
            random.set_state(state[f"random.{m}"])
        for m, stored in enumerate(self._stored_random):
            stored.bit_generator.state = unpack(state[f"stored_random.{m}"])
        for name, parameter in self._model.named_parameters():
            parameter.copy_(state[f"model.{name}"])
        self.optimizer.load_state(below(state, "optimizer."))
        device = self.rows.device
        self.best = [
            {name: tensor.to(device) for name, tensor in below(state, f"best.{m}.").items()}
            for m in range(len(self.members))
        ]
        if not last.is_training:
            self.restore(self.best)

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
            for member, random in zip(self._learners, self._random, strict=True)
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
    if not recipe.cycle_ends or recipe.epochs < FEWEST_OF_CYCLES:
        return False
    start, end = recipe.cycle_ends[-3:-1]
    return epoch == end and best_epoch <= start


def _copy_weights(network: MultilayerPerceptron) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


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
    weights = flat.weights
    if weights is not None:
        weights = weights.reshape(*padded.shape, *weights.shape[1:])
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
