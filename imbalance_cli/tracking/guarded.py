"""A tracker that fails stops nothing but itself."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Protocol, Self

from imbalance_cli.codes import Warned
from imbalance_cli.errors import ImbtrainError, OutputError
from imbalance_cli.tracking.series import MOST_LABELS
from imbalance_cli.workflows.observing import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.workflows import Finish, Start


class Tracker(Protocol):
    """Who keeps the numbers of a fit elsewhere.

    Attributes:
        name: what errors call it.
    """

    name: str

    def started(self, start: Start) -> None:
        """Training begins."""
        ...

    def epoch(self, result: EpochResult) -> None:
        """An epoch ended."""
        ...

    def finished(self, finish: Finish) -> None:
        """The run is written."""
        ...

    def close(self, error: BaseException | None) -> None:
        """Write what is left; `error` is what ended the fit early."""
        ...


class Guarded(Observer):
    """Keeps a tracker's failures from ending a fit that has begun.

    Before training they are errors. Afterwards there is one warning, and the tracker receives
    no more: hours of training weigh more than a curve.

    Args:
        tracker: receives training, and not warnings.
        warn: receives its failure.
    """

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self._tracker, self._warn = tracker, warn
        self._is_broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close the tracker."""
        self._try(lambda: self._tracker.close(error))

    def started(self, start: Start) -> None:
        """Tell the tracker.

        Raises:
            OutputError: it cannot begin.
        """
        with explain_tracker(self._tracker.name):
            self._tracker.started(start)

    def epoch(self, result: EpochResult) -> None:
        """Tell the tracker."""
        self._try(lambda: self._tracker.epoch(result))

    def finished(self, finish: Finish) -> None:
        """Tell the tracker."""
        labels = max(len(scores.labels) for scores in finish.scores)
        if labels > MOST_LABELS and not self._is_broken:
            problem = (
                f"{self._tracker.name}: there are {labels:,} labels, and of more than "
                f"{MOST_LABELS} only macro scores are kept there; the run has all"
            )
            self._warn(Warned("IMB122", problem))
        self._try(lambda: self._tracker.finished(finish))

    def _try(self, tell: Callable[[], None]) -> None:
        if self._is_broken:
            return
        try:
            tell()
        except Exception as error:  # noqa: BLE001  a tracker may raise anything
            self._is_broken = True
            problem = (
                f"{self._tracker.name}: cannot be written: {describe_failure(error)}; training "
                "goes on without it"
            )
            self._warn(Warned("IMB122", problem))


@contextlib.contextmanager
def explain_tracker(name: str, hint: str | None = None) -> Iterator[None]:
    """Turn what a tracker's library raises into an OutputError.

    Raises:
        OutputError: anything was raised inside.
    """
    try:
        yield
    except ImbtrainError:
        raise
    except Exception as error:
        raise OutputError(f"{name}: {describe_failure(error)}", hint=hint) from error


def describe_failure(error: Exception) -> str:
    """Return an error's first line, without the passwords of addresses in it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return hide_passwords(lines[0].strip().rstrip("."))


def hide_passwords(text: str) -> str:
    """Return text in which the user and password of each address are replaced by ***."""
    return re.sub(r"//[^/@\s]+@", "//***@", text)
