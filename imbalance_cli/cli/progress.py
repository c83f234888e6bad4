"""How a fit shows on stderr: a bar on a terminal, plain lines elsewhere, or warnings only."""

from __future__ import annotations

import functools
import os
import sys
from time import monotonic
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from imbalance_cli.cli.console import note, show_warning, warn
from imbalance_cli.cli.events import EventLog
from imbalance_cli.cli.stage_clock import StageClock
from imbalance_cli.errors import escape_name
from imbalance_cli.progress import Stage, tell_reading
from imbalance_cli.workflows.observing import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.progress import Unit
    from imbalance_cli.workflows import Start

SECONDS_BETWEEN_LINES = 3.0


class QuietProgress(Observer):
    """Shows warnings and nothing else."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def reading(self, sources: Sequence[str]) -> None:
        """Say nothing."""

    def warned(self, sentence: str) -> None:
        """Write a warning."""
        warn(sentence)


class ShownProgress(QuietProgress):
    """Writes what is read, the first that is seen of a command, and the sizes of the parts."""

    epochs = 0

    def reading(self, sources: Sequence[str]) -> None:
        """Write "reading a.csv, b.csv"."""
        names = ", ".join("stdin" if name == "-" else escape_name(name) for name in sources)
        sys.stderr.write(f"reading {names}\n")
        sys.stderr.flush()

    def started(self, start: Start) -> None:
        """Write the sizes of the parts."""
        self.epochs = start.epochs
        sys.stderr.write(f"{describe_parts(start.rows, start.folds)}\n")


class LineProgress(ShownProgress):
    """Writes a line every few seconds, for logs."""

    def __init__(self) -> None:
        self._clock = StageClock()
        self._written_at: float | None = None
        self._last: EpochResult | None = None
        self._shown = False

    def __exit__(self, *_: object) -> None:
        """Write the last epoch, if its line was held back."""
        self._catch_up()

    def _catch_up(self) -> None:
        if self._last is not None and not self._shown:
            self._write(self._last)

    def warned(self, sentence: str) -> None:
        """Write a warning, after the epochs that it came after."""
        self._catch_up()
        super().warned(sentence)

    def stage(self, stage: Stage) -> None:
        """Write how far a stage that takes long is, after the epochs that it came after."""
        if self._clock.is_due(stage):
            self._catch_up()
            sys.stderr.write(f"{escape_name(str(stage))}\n")

    def noted(self, sentence: str) -> None:
        """Write a note, after the epochs that it came after."""
        self._catch_up()
        note(sentence)

    def epoch(self, result: EpochResult) -> None:
        """Write a line if the last one is old enough."""
        self._last, self._shown = result, False
        now = monotonic()
        if self._written_at is None or now - self._written_at >= SECONDS_BETWEEN_LINES:
            self._written_at = now
            self._write(result)

    def _write(self, result: EpochResult) -> None:
        self._shown = True
        sys.stderr.write(f"epoch {result.epoch}/{self.epochs}  {describe_epoch(result)}\n")


class BarProgress(ShownProgress):
    """Draws a bar with the epoch, the scores, rows a second and the time left.

    The bar ends where training would, if no epoch were better than the best so far.
    Before the epochs and after them it shows how far reading, calibrating and the like are.
    """

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),  # what the numbers leave of the line
            TextColumn("{task.fields[scores]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True, markup=False, emoji=False, highlight=False),
            transient=True,
        )
        self._task = self._progress.add_task("", start=False, visible=False, scores="")
        self._stage = self._progress.add_task("", visible=False, total=None, scores="")
        self._name = ""
        self._unit: Unit | None = None
        self._expected_epochs: Callable[[EpochResult], int] | None = None

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self.stop()

    def stop(self) -> None:
        """Take the bar away until something is to be shown again."""
        self._progress.stop()

    def started(self, start: Start) -> None:
        """Start the bar."""
        super().started(start)
        self._expected_epochs = start.expected_epochs
        self._progress.start()
        self._progress.start_task(self._task)
        self._progress.update(self._task, total=start.epochs, description=self._epoch(0))
        self._name = ""
        self._progress.update(self._stage, visible=False)
        self._progress.update(self._task, visible=True)

    def epoch(self, result: EpochResult) -> None:
        """Move the bar."""
        scores = describe_epoch(result).replace("  ", " ")  # so that 80 columns hold a bar too
        epoch = result.epoch
        end = self.epochs if self._expected_epochs is None else self._expected_epochs(result)
        self._progress.update(
            self._task, completed=epoch, total=end, description=self._epoch(epoch), scores=scores
        )

    def stage(self, stage: Stage) -> None:
        """Show a stage in place of the epochs; of what is read the rows, once they are known."""
        if (stage.name, stage.unit, self._unit) == (self._name, "lines", "rows"):
            return
        self._progress.start()
        self._unit = stage.unit
        if stage.name != self._name:
            self._name = stage.name
            self._progress.remove_task(self._stage)  # a total that is known stays with its task
            self._stage = self._progress.add_task("", total=None, scores="")
            self._progress.update(self._task, visible=False)
        self._progress.update(
            self._stage,
            completed=stage.done,
            total=stage.total,
            description=escape_name(str(stage)),
            visible=True,
        )

    def _epoch(self, number: int) -> str:
        return f"epoch {number}/{self.epochs}"

    def warned(self, sentence: str) -> None:
        """Write a warning above the bar."""
        self._progress.console.print(show_warning(sentence), soft_wrap=True)

    def noted(self, sentence: str) -> None:
        """Write a note above the bar."""
        self._progress.console.print(f"note: {escape_name(sentence)}", soft_wrap=True)


def choose_progress(*, quiet: bool, log_format: str = "text") -> QuietProgress | EventLog:
    """Return a bar on a terminal, lines elsewhere, warnings only, or a log of JSON.

    From now on it shows how much has come of a pipe or a URL, too.
    """
    tell_reading.get()(Stage("reading", 0, 0, "lines"))  # ends an earlier bar
    progress: QuietProgress | EventLog
    if log_format == "json":
        progress = EventLog(quiet=quiet)
    elif quiet:
        progress = QuietProgress()
    else:
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        progress = BarProgress() if is_terminal else LineProgress()
    tell_reading.set(functools.partial(show_reading, progress))
    return progress


def show_reading(progress: QuietProgress | EventLog, stage: Stage) -> None:
    """Show how much has come of a pipe or a URL; that all of a URL has is worth a note."""
    if stage.done != stage.total:
        progress.stage(stage)
        return
    if isinstance(progress, BarProgress):
        progress.stop()
    verb, _, url = stage.name.partition(" ")
    if verb == "fetching":
        progress.noted(f"fetched {url}: {stage.done / 1e6:,.1f} MB")


def describe_parts(rows: dict[str, int], folds: int | None) -> str:
    """Return "rows: train 17,466, valid 3,743, test 3,742"."""
    names = {"cross_fitted": f"in {folds} folds"}
    parts = [f"{names.get(part, part)} {count:,}" for part, count in rows.items() if count]
    return f"rows: {', '.join(parts)}"


def describe_epoch(result: EpochResult) -> str:
    """Return the loss, the score, the best score and the speed of an epoch, means of members."""
    if len(result.members) == 1:
        best = f"@{result.members[0].best_epoch}"
    else:
        going = sum(m.is_training and m.epoch == result.epoch for m in result.members)
        best = f" {going}/{len(result.members)} on"  # short, so that 80 columns hold a bar too
    return (
        f"loss {result.loss:.4f}  valid {result.score:.4f}  "
        f"best {result.best_score:.4f} {best}  {_speed(result.rows_per_second)}"
    )


def _speed(rows: float) -> str:
    thousand = 1000
    return f"{rows / thousand:,.0f}k rows/s" if rows >= thousand else f"{rows:,.0f} rows/s"
