"""The log as JSON: one object an event, one event a line of stderr."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import math
import sys
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, Self

from imbalance_cli import __version__
from imbalance_cli.cli.stage_clock import StageClock
from imbalance_cli.codes import code_of
from imbalance_cli.workflows.observing import Observer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.progress import Stage
    from imbalance_cli.workflows import Finish, Start

Event = Literal["reading", "stage", "start", "epoch", "best", "note", "warning", "done", "error"]


def write_event(event: Event, **fields: object) -> None:
    """Write an event to stderr as a line of ASCII; numbers that are not finite become null."""
    now = dt.datetime.now().astimezone().isoformat(timespec="milliseconds")
    document = {"event": event, "time": now} | {key: _plain(fields[key]) for key in fields}
    sys.stderr.write(json.dumps(document, allow_nan=False) + "\n")
    sys.stderr.flush()


def _plain(value: object) -> Any:  # noqa: ANN401  what json takes
    """Return plain data with null for every number that is not finite."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case _:
            return value


class EventLog(Observer):
    """Writes each event of a fit or a comparison, and what other libraries warn of.

    Args:
        quiet: whether to write warnings only.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = monotonic()
        self._clock = StageClock()
        self._handler = _WarningHandler(logging.WARNING)

    def __enter__(self) -> Self:
        logging.captureWarnings(capture=True)
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the warnings of other libraries to themselves again."""
        logging.getLogger().removeHandler(self._handler)
        logging.captureWarnings(capture=False)

    def reading(self, sources: Sequence[str]) -> None:
        """Write what is read."""
        if not self._quiet:
            write_event("reading", sources=list(sources))

    def warned(self, sentence: str) -> None:
        """Write a warning."""
        write_event("warning", message=sentence, code=code_of(sentence))

    def stage(self, stage: Stage) -> None:
        """Write how far a stage that takes long is."""
        if not self._quiet and self._clock.is_due(stage):
            write_event("stage", **dataclasses.asdict(stage))

    def noted(self, sentence: str) -> None:
        """Write a note."""
        if not self._quiet:
            write_event("note", message=sentence)

    def started(self, start: Start) -> None:
        """Write what is trained, on what."""
        if self._quiet:
            return
        members = [
            {"member": m, "candidate": origin.candidate, "fold": origin.fold, "seed": origin.seed}
            for m, origin in enumerate(start.members)
        ]
        write_event(
            "start",
            command=start.command,
            version=__version__,
            run=str(start.directory),
            rows=start.rows,
            folds=start.folds,
            epochs=start.epochs,
            monitor=start.recipe.monitor,
            members=members,
        )

    def epoch(self, result: EpochResult) -> None:
        """Write the numbers of an epoch, and which members were never better."""
        if self._quiet:
            return
        members = [
            {
                "member": m,
                "loss": member.loss,
                "score": member.score,
                "best_epoch": member.best_epoch,
                "best_score": member.best_score,
                "is_training": member.is_training,
            }
            for m, member in enumerate(result.members)
            if member.epoch == result.epoch
        ]
        write_event(
            "epoch",
            epoch=result.epoch,
            loss=result.loss,
            score=result.score,
            best_score=result.best_score,
            learning_rate=result.learning_rate,
            rows_per_second=result.rows_per_second,
            members=members,
        )
        for member in members:
            if member["best_epoch"] == result.epoch:
                fields = {"member": member["member"], "score": member["score"]}
                write_event("best", epoch=result.epoch, **fields)

    def finished(self, finish: Finish) -> None:
        """Write where the run is, and its macro scores."""
        if self._quiet:
            return
        write_event(
            "done",
            command=finish.command,
            run=str(finish.directory),
            seconds=monotonic() - self._began,
            part=finish.part,
            rows=finish.rows,
            scores=[
                {"candidate": scores.candidate, "macro": scores.macro} for scores in finish.scores
            ],
        )


class _WarningHandler(logging.Handler):
    """Makes an event of what other libraries warn of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a warning, and where it comes from."""
        write_event("warning", message=" ".join(record.getMessage().split()), source=record.name)
