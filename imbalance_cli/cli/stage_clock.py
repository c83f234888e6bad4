"""Which of the many stages of a command are worth a line."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imbalance_cli.progress import Stage

SECONDS = 3.0


class StageClock:
    """Picks, of a stage that takes longer than SECONDS, what it has come to every SECONDS.

    Lines of a pipe are worth none once its rows are counted.
    """

    def __init__(self) -> None:
        self._name = ""
        self._since = 0.0
        self._has_rows = False

    def is_due(self, stage: Stage) -> bool:
        """Return whether a stage is worth a line now."""
        if stage.unit == "lines" and self._has_rows:
            return False
        self._has_rows |= stage.unit == "rows"
        now = monotonic()
        if stage.name != self._name:
            self._name, self._since = stage.name, now
            return False
        if now - self._since < SECONDS:
            return False
        self._since = now
        return True
