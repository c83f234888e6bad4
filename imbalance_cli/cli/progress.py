"""How a fit shows on stderr: a bar on a terminal, plain lines elsewhere, or warnings only."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from imbalance_cli.cli.console import note, warn
from imbalance_cli.cli.events import EventLog

if TYPE_CHECKING:
    from imbalance_cli.training import EpochResult
    from imbalance_cli.workflows import Finish, Start

SECONDS_BETWEEN_LINES = 3.0


class QuietProgress:
    """Shows warnings and nothing else."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def started(self, start: Start) -> None:
        """Say nothing."""

    def epoch(self, result: EpochResult) -> None:
        """Say nothing."""

    def finished(self, finish: Finish) -> None:
        """Say nothing: the report follows on stdout."""

    def warned(self, sentence: str) -> None:
        """Write a warning."""
        warn(sentence)

    def noted(self, sentence: str) -> None:
        """Say nothing."""


class LineProgress(QuietProgress):
    """Writes a line every few seconds, for logs."""

    def __init__(self) -> None:
        self._epochs = 0
        self._written_at: float | None = None
        self._last: EpochResult | None = None
        self._shown = False

    def __exit__(self, *_: object) -> None:
        """Write the last epoch, if its line was held back."""
        if self._last is not None and not self._shown:
            self._write(self._last)

    def noted(self, sentence: str) -> None:
        """Write a note."""
        note(sentence)

    def started(self, start: Start) -> None:
        """Write the sizes of the parts."""
        self._epochs = start.epochs
        sys.stderr.write(f"{describe_parts(start.rows, start.folds)}\n")

    def epoch(self, result: EpochResult) -> None:
        """Write a line if the last one is old enough."""
        self._last, self._shown = result, False
        now = monotonic()
        if self._written_at is None or now - self._written_at >= SECONDS_BETWEEN_LINES:
            self._written_at = now
            self._write(result)

    def _write(self, result: EpochResult) -> None:
        self._shown = True
        sys.stderr.write(f"epoch {result.epoch}/{self._epochs}  {describe_epoch(result)}\n")


class BarProgress(QuietProgress):
    """Draws a bar with the epoch, the scores, rows a second and the time left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("epoch {task.completed}/{task.total:.0f}"),
            BarColumn(bar_width=None),  # what the numbers leave of the line
            TextColumn("{task.fields[scores]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True, markup=False, emoji=False, highlight=False),
            transient=True,
        )
        self._task = self._progress.add_task("fit", start=False, visible=False, scores="")

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._progress.stop()

    def started(self, start: Start) -> None:
        """Start the bar."""
        sys.stderr.write(f"{describe_parts(start.rows, start.folds)}\n")
        self._progress.start()
        self._progress.start_task(self._task)
        self._progress.update(self._task, total=start.epochs, visible=True)

    def epoch(self, result: EpochResult) -> None:
        """Move the bar."""
        scores = describe_epoch(result).replace("  ", " ")  # so that 80 columns hold a bar too
        self._progress.update(self._task, completed=result.epoch, scores=scores)

    def warned(self, sentence: str) -> None:
        """Write a warning above the bar."""
        self._progress.console.print(f"warning: {sentence}", soft_wrap=True)

    def noted(self, sentence: str) -> None:
        """Write a note above the bar."""
        self._progress.console.print(f"note: {sentence}", soft_wrap=True)


def choose_progress(*, quiet: bool, log_format: str = "text") -> QuietProgress | EventLog:
    """Return a bar on a terminal, lines elsewhere, warnings only, or a log of JSON."""
    if log_format == "json":
        return EventLog(quiet=quiet)
    if quiet:
        return QuietProgress()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


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
        going = sum(member.is_training for member in result.members)
        best = f" {going}/{len(result.members)} on"  # short, so that 80 columns hold a bar too
    return (
        f"loss {result.loss:.4f}  valid {result.score:.4f}  "
        f"best {result.best_score:.4f} {best}  {_speed(result.rows_per_second)}"
    )


def _speed(rows: float) -> str:
    thousand = 1000
    return f"{rows / thousand:,.0f}k rows/s" if rows >= thousand else f"{rows:,.0f} rows/s"
