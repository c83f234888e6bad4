"""Who watches a fit: the progress on stderr, and the trackers that were asked for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from imbalance_cli.tracking import Guarded, MlflowTracker, TensorBoardTracker, Tracker
from imbalance_cli.workflows import Observers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imbalance_cli.cli.events import EventLog
    from imbalance_cli.cli.progress import QuietProgress


@contextlib.contextmanager
def open_observers(
    progress: QuietProgress | EventLog,
    tensorboard: Path | None,
    mlflow: str | None,
    mlflow_experiment: str,
) -> Iterator[Observers]:
    """Open all of them, and close them however the fit ends.

    Args:
        progress: receives everything first.
        tensorboard: the directory of its event files.
        mlflow: the address of its server or database.
        mlflow_experiment: the name of the experiment.

    Raises:
        ImbtrainError: a tracker is not installed, or its place cannot be used.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(progress)
        trackers: list[Tracker] = []
        if tensorboard is not None:
            trackers.append(TensorBoardTracker(tensorboard))
        if mlflow is not None:
            trackers.append(MlflowTracker(mlflow, mlflow_experiment))
        guarded = [stack.enter_context(Guarded(tracker, progress.warned)) for tracker in trackers]
        yield Observers([progress, *guarded])
