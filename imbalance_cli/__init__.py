"""Positive weights, a trained model and per-label numbers for data whose positives are rare.

From Python, `weights`, `fit`, `evaluate`, `explain` and `predict` take data frames, `load`
returns a run as an object, and `ImbalanceClassifier` is an estimator of scikit-learn; see
docs/python.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imbalance_cli.api import evaluate, explain, fit, predict, weights
    from imbalance_cli.estimator import ImbalanceClassifier, load

__version__ = "0.1.0"

__all__ = [
    "ImbalanceClassifier",
    "__version__",
    "evaluate",
    "explain",
    "fit",
    "load",
    "predict",
    "weights",
]


def __getattr__(name: str) -> object:
    """Import what needs torch when it is first asked for, so that the command starts fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in {"ImbalanceClassifier", "load"}:
        from imbalance_cli import estimator  # noqa: PLC0415  it imports scikit-learn

        return getattr(estimator, name)
    from imbalance_cli import api  # noqa: PLC0415  it imports torch

    return getattr(api, name)
