"""How a command shows that a pipe or a URL is slow before it has a progress of its own."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from imbalance_cli.progress import tell_nobody, tell_reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.progress import Stage, Tell

SECONDS = 0.5  # after which something is shown: loading what shows it takes time, too


def tell_slow_reading(given: Sequence[str], *, as_json: bool) -> Tell:
    """Return what shows how much has come: a line on a terminal, lines elsewhere, or events.

    Args:
        given: the command line.
        as_json: whether it asks for the log as JSON.
    """
    if {"--quiet", "-q"} & set(given):
        return tell_nobody
    began = monotonic()

    def tell(stage: Stage) -> None:
        is_whole = stage.done == stage.total
        if is_whole and not stage.name.startswith("fetching "):
            return
        if not is_whole and monotonic() - began < SECONDS:
            return
        from imbalance_cli.cli.progress import choose_progress

        choose_progress(quiet=False, log_format="json" if as_json else "text")
        tell_reading.get()(stage)  # now the function of that progress

    return tell
