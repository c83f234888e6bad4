"""What epochs come to, and their order, which does not depend on who trains a network, or when.

Shapes: M members, in groups of those that take each step together.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from imbalance_cli.network.state import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.network.state import State

STATE = "timeline"  # the name of its part of a state, which every state has


@dataclasses.dataclass(frozen=True)
class MemberResult:
    """What an epoch came to for one member.

    Attributes:
        loss: mean training loss a known cell, weighted where the rows are.
        score: the monitored metric on the validation rows, macro; NaN of one that follows.
        best_epoch: the epoch with the best score so far; of one that follows, how many it has had,
            and in the end those after which it was kept.
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
        rows_per_second: of training, without validation, of the members that take part, if as many
            of them are trained at a time as may be.
    """

    epoch: int
    members: tuple[MemberResult, ...]
    learning_rate: float
    rows_per_second: float

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Self:
        """Return the result that `dataclasses.asdict` made plain data of."""
        members = tuple(MemberResult(**member) for member in document["members"])
        return cls(**document | {"members": members})

    @property
    def is_training(self) -> bool:
        """Whether any member goes on."""
        return any(member.is_training for member in self.members)

    @property
    def loss(self) -> float:
        """The mean training loss of the members that have begun."""
        return mean_known([member.loss for member in self.members])

    @property
    def score(self) -> float:
        """The mean score of the members that have one."""
        return mean_known([member.score for member in self.members])

    @property
    def best_score(self) -> float:
        """The mean of the members' best scores."""
        return mean_known([member.best_score for member in self.members])


def mean_known(values: Sequence[float]) -> float:
    """Return the mean of those that are not NaN; NaN of none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


class Span(NamedTuple):
    """The epochs of a group.

    Attributes:
        after: the epoch before its first.
        most: how many it has, unless it ends early.
        kept: of one that follows, after how many of them it is kept, once for each of its members.
    """

    after: int
    most: int
    kept: tuple[int, ...] = ()


class TimelineGroup(Protocol):
    """What a timeline reads of members that take each step together.

    Attributes:
        leader: the number of the group that it follows; None of one that follows none.
        recipe: says how many epochs it has.
        rows_per_epoch: of all that it trains.
        result: its last epoch; epoch 0 before the first.
    """

    leader: int | None
    recipe: Recipe
    rows_per_epoch: int
    result: EpochResult


class Timeline:
    """The epochs of all groups in one order.

    Epoch 1 is the first of every group that does not follow; the epochs of one that follows are
    numbered after the last of the one it follows. An epoch is whole once no group can have it any
    more, however far others have gone beyond it by then.

    Args:
        groups: all of them.
        at_once: how many are trained at a time.
        state: what `state` returned, to go on from; None begins.
    """

    def __init__(
        self, groups: Sequence[TimelineGroup], *, at_once: int = 1, state: State | None = None
    ) -> None:
        self._groups, self._at_once = groups, at_once
        self._epoch = 0
        # of each group the last that is in a whole epoch, and all that came after
        self._results = [[group.result] for group in groups]
        if state is not None:
            document = unpack(state[STATE])
            self._epoch = document["epoch"]
            self._results = [
                [EpochResult.of_document(result) for result in results]
                for results in document["results"]
            ]

    def add(self, number: int, result: EpochResult) -> None:
        """Take the next epoch of a group."""
        self._results[number].append(result)

    def last(self, number: int) -> EpochResult:
        """Return the last epoch of a group; of one that has not begun, epoch 0."""
        return self._results[number][-1]

    def due(self) -> dict[int, Span]:
        """Return the groups that take part in the epoch to come; none where all have ended."""
        following = [self._following(number) for number in range(len(self._groups))]
        spans = self.spans(n for n, epoch in enumerate(following) if epoch < math.inf)
        return {n: span for n, span in spans.items() if following[n] == min(following)}

    def spans(self, numbers: Iterable[int]) -> dict[int, Span]:
        """Return the spans of groups, but of those that wait for the one they follow."""
        return {n: span for n in numbers if (span := self._span(n)) is not None}

    def _span(self, number: int) -> Span | None:
        group = self._groups[number]
        if group.leader is None:
            return Span(0, group.recipe.epochs)
        leader = self.last(group.leader)
        if leader.is_training:
            return None
        kept = group.recipe.epochs_kept(leader.members[0].best_epoch, leader.epoch)
        return Span(leader.epoch, kept[-1], kept)

    def expected_seconds(self, number: int, span: Span) -> float:
        """Return how long a group that follows will take, by the speed of the one it follows."""
        group = self._groups[number]
        leader = self.last(group.leader or 0)
        return span.most * group.rows_per_epoch / leader.rows_per_second

    def whole(self) -> Iterator[EpochResult]:
        """Yield the epochs that are whole by now, each once."""
        while self._next() < min(map(self._following, range(len(self._groups)))):
            yield self._put_together()

    def rest(self) -> Iterator[EpochResult]:
        """Yield all epochs that there are still, where no more are trained."""
        while self._next() < math.inf:
            yield self._put_together()

    def state(self) -> State:
        """Return what a timeline goes on from."""
        results = [list(map(dataclasses.asdict, own)) for own in self._results]
        return {STATE: pack({"epoch": self._epoch, "results": results})}

    def _following(self, number: int) -> float:
        """Return the first epoch that a group may still have; infinity where it has ended."""
        last = self.last(number)
        if last.epoch:
            return last.epoch + 1 if last.is_training else math.inf
        if (span := self._span(number)) is not None:
            return span.after + 1
        return self._following(self._groups[number].leader or 0) + 1

    def _next(self) -> float:
        """Return the next epoch that any group has had; infinity where there is none."""
        return min(
            (results[1].epoch for results in self._results if len(results) > 1), default=math.inf
        )

    def _put_together(self) -> EpochResult:
        self._epoch = int(self._next())
        taking_part = []
        for number, results in enumerate(self._results):
            if len(results) > 1 and results[1].epoch == self._epoch:
                del results[0]
                taking_part.append(number)
        parts = [self._results[number][0] for number in taking_part]
        rows = [self._groups[number].rows_per_epoch for number in taking_part]
        seconds = sum(n / part.rows_per_second for n, part in zip(rows, parts, strict=True))
        return EpochResult(
            epoch=self._epoch,
            members=tuple(itertools.chain.from_iterable(own[0].members for own in self._results)),
            learning_rate=parts[0].learning_rate,
            rows_per_second=sum(rows) / seconds * min(self._at_once, len(parts)),
        )
