"""How a command shows that it fetches a URL: on a terminal a line that counts, then what came."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from time import monotonic
from typing import TYPE_CHECKING

from imbalance_cli.cli.stage_clock import StageClock
from imbalance_cli.errors import escape_name
from imbalance_cli.progress import tell_nobody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.progress import Stage, Tell

ERASE = "\r\x1b[K"
SECONDS = 0.1  # between two states of a line


class TransferLines:
    """Writes a line every few seconds, and one that a URL was fetched.

    Args:
        as_json: whether they are events of the log.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._clock = StageClock()

    def __call__(self, stage: Stage) -> None:
        """Write how far a transfer is."""
        is_whole = stage.done == stage.total
        if not is_whole and not self._clock.is_due(stage):
            return
        if not self._as_json:
            line = describe_whole(stage) if is_whole else escape_name(str(stage))
            sys.stderr.write(f"{line}\n")
            return
        from imbalance_cli.cli.events import write_event

        if is_whole:
            write_event("note", message=describe_whole(stage))
        else:
            write_event("stage", **dataclasses.asdict(stage))


class TransferLine:
    """Writes one line over and over, and in its place that a URL was fetched."""

    def __init__(self) -> None:
        self._since = 0.0

    def __call__(self, stage: Stage) -> None:
        """Write how far a transfer is."""
        if stage.done == stage.total:
            sys.stderr.write(f"{ERASE}{describe_whole(stage)}\n")
        elif monotonic() - self._since > SECONDS:
            self._since = monotonic()
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"{ERASE}{escape_name(str(stage))[-width:]}")
            sys.stderr.flush()


def describe_whole(stage: Stage) -> str:
    """Return "fetched https://example.org/a.csv: 1.2 MB"."""
    url = stage.name.removeprefix("fetching ")
    return escape_name(f"fetched {url}: {stage.done / 1e6:,.1f} MB")


def choose_transfers(given: Sequence[str], *, as_json: bool) -> Tell:
    """Return what shows transfers: a line on a terminal, lines elsewhere, events, or nothing.

    Args:
        given: the command line.
        as_json: whether it asks for the log as JSON.
    """
    if {"--quiet", "-q"} & set(given):
        return tell_nobody
    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return TransferLine() if is_terminal and not as_json else TransferLines(as_json=as_json)
