"""Training with a record of it: the history, the checkpoints, and what it came to.

Shapes: M members.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any, Self

from imbalance_cli.network.epochs import EpochResult, MemberResult
from imbalance_cli.network.processes import train_on_cores
from imbalance_cli.run.directory import HISTORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.network.model import Model
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.network.training import Member
    from imbalance_cli.rows.dataset import Rows
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.resuming import Checkpoints

ENOUGH = 0.01  # of what all epochs after the first gained, for one epoch to be no mere last touch
OF_A_MEMBER = [field.name for field in dataclasses.fields(MemberResult) if field.name != "epoch"]
OF_ALL_MEMBERS = ["learning_rate", "rows_per_second"]


@dataclasses.dataclass(frozen=True)
class TrainingRecord:
    """What training came to.

    Attributes:
        results: (M,) the last of each member.
        scores: (M,) those of each member, epoch after epoch.
        seconds: of processor time.
        lines: of the history.
    """

    results: tuple[MemberResult, ...]
    scores: list[list[float]]
    seconds: float
    lines: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Self:
        """Return the record that `dataclasses.asdict` made plain data of."""
        results = tuple(MemberResult(**result) for result in document["results"])
        return cls(results, document["scores"], document["seconds"], document["lines"])

    def part(self, start: int, stop: int) -> TrainingRecord:
        """Return the record of some members; the time is shared out by their epochs."""
        epochs = [len(scores) for scores in self.scores]
        share = sum(epochs[start:stop]) / max(sum(epochs), 1)
        results, scores = self.results[start:stop], self.scores[start:stop]
        return TrainingRecord(results, scores, self.seconds * share)

    @property
    def is_still_improving(self) -> bool:
        """Whether most members were, when their training ended."""
        ended = [
            _improves_at_the_end(result, scores)
            for result, scores in zip(self.results, self.scores, strict=True)
            if not math.isnan(result.best_score)
        ]
        return 2 * sum(ended) > len(ended)


def _improves_at_the_end(result: MemberResult, scores: Sequence[float]) -> bool:
    """Whether the last epoch is the best one, by more than the end of any schedule brings.

    A learning rate that falls to 0 makes the last epochs the best ones by ever less. So the last
    one must have brought ENOUGH of all that was gained since the first.
    """
    *before, last = scores
    if result.best_epoch != len(scores) or not before:
        return not before
    gained = last - before[0]  # above 0 where a higher score is better
    nearest = max(before) if gained > 0 else min(before)
    return bool(gained) and (last - nearest) / gained > ENOUGH


def train_networks(
    model: Model,
    rows: Rows,
    members: Sequence[Member],
    recipe: Recipe,
    checkpoints: Checkpoints,
    observer: Observer,
) -> TrainingRecord:
    """Train, writing history and checkpoints as it goes.

    Args:
        model: of the members, as it starts.
        rows: all rows that any member learns from or is validated on.
        members: (M,) what each learns from.
        recipe: of every network.
        checkpoints: of the run; the last one is gone on from.
        observer: receives the progress.
    """
    run, begun = checkpoints.run, checkpoints.begun
    record = TrainingRecord((), [[] for _ in members], 0.0)
    if begun is not None:
        record = TrainingRecord.of_document(begun.document["record"])
    # of the checkpoint, since the file beside it may have lost lines
    heading = ",".join(["epoch", "member", *OF_A_MEMBER, *OF_ALL_MEMBERS])
    run.write(HISTORY, "".join(f"{line}\n" for line in [heading, *record.lines]).encode())
    training = train_on_cores(
        model,
        rows,
        members,
        recipe,
        state=None if begun is None else begun.state,
        is_over=checkpoints.is_over,
    )
    spent = record.seconds
    try:
        with contextlib.closing(training):  # an error here ends its processes
            for progress in training:
                result = progress.result
                lines = _history_lines(result)
                run.append_lines(HISTORY, lines)
                record.lines.extend(lines)
                for member, so_far in zip(result.members, record.scores, strict=True):
                    if member.epoch == result.epoch:
                        so_far.append(member.score)
                record = dataclasses.replace(
                    record, results=result.members, seconds=spent + progress.seconds
                )
                checkpoints.after(progress, functools.partial(dataclasses.asdict, record))
                if not checkpoints.is_over:  # nothing is trained, then
                    observer.epoch(result)
    except KeyboardInterrupt:
        checkpoints.interrupted()
        raise
    return record


def _history_lines(result: EpochResult) -> list[str]:
    """Return a line a member that took part in the epoch; a score that it has not is blank."""
    together = [getattr(result, name) for name in OF_ALL_MEMBERS]
    lines = []
    for m, member in enumerate(result.members):
        if member.epoch == result.epoch:
            cells = [result.epoch, m, *(getattr(member, name) for name in OF_A_MEMBER), *together]
            lines.append(",".join("" if cell != cell else str(cell) for cell in cells))  # noqa: PLR0124  NaN
    return lines
