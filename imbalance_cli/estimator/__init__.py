"""A run as an object of Python, and `fit` as an estimator of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.estimator.classifier import ImbalanceClassifier

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.estimator.run import Run

__all__ = ["ImbalanceClassifier", "load"]


def load(directory: str | Path) -> Run:
    """Return a run that `fit` left.

    Raises:
        RunError: it is no run, or cannot be used.
    """
    from imbalance_cli.estimator.run import Run

    return Run.read(directory)
