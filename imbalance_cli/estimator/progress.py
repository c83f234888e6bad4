"""Epochs as scikit-learn's callbacks see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbalance_cli.api import Warnings

if TYPE_CHECKING:
    from imbalance_cli import workflows
    from imbalance_cli.network.epochs import EpochResult

FLATTERY = "IMB112"  # that the report is of the validation rows: the docstring says so


class Follower(Warnings):
    """Calls the callbacks of an estimator, an epoch a task below `fit`, and warns.

    Args:
        estimator: whose callbacks are called.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self._context: Any = None

    def started(self, start: workflows.Start) -> None:
        """Begin the task of `fit`, of so many epochs."""
        self._context = self._estimator._init_callback_context(max_subtasks=start.epochs)
        self._context.call_on_fit_task_begin(estimator=self._estimator)

    def epoch(self, result: EpochResult) -> None:  # noqa: ARG002  as an Observer
        """Begin and end the task of an epoch."""
        epoch = self._context.subcontext(task_name="epoch")
        epoch.call_on_fit_task_begin(estimator=self._estimator)
        epoch.call_on_fit_task_end(estimator=self._estimator)

    def finished(self, finish: workflows.Finish) -> None:  # noqa: ARG002  as an Observer
        """End the task of `fit`."""
        self._context.call_on_fit_task_end(estimator=self._estimator)

    def warned(self, sentence: str) -> None:
        """Warn, but not of what the arguments of the estimator ask for."""
        if getattr(sentence, "code", None) != FLATTERY:
            super().warned(sentence)
