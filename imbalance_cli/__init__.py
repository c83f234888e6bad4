"""Positive weights, a trained model and per-label numbers for data whose positives are rare.

From Python, `weights`, `fit`, `evaluate` and `predict` take data frames; see `imbalance_cli.api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imbalance_cli.api import evaluate, fit, predict, weights

__version__ = "0.1.0"

__all__ = ["__version__", "evaluate", "fit", "predict", "weights"]


def __getattr__(name: str) -> object:
    """Import what needs torch when it is first asked for, so that the command starts fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from imbalance_cli import api  # noqa: PLC0415  it imports torch

    return getattr(api, name)
