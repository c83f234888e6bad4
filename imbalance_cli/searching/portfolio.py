"""The first candidates of a search, in this order: keys of the config and their values.

Chosen by benchmarks/portfolio.py; benchmarks/RESULTS.md has what it measured. What CONFIG gives is
kept, and a candidate of which nothing is left is passed over.
"""

from __future__ import annotations

from typing import Any

PORTFOLIO: dict[str, dict[str, Any]] = {
    "both_embeddings": {"model.numeric_embedding": "both"},
    "small_focal": {
        "model.hidden": [64, 64],
        "model.dropout": 0.3,
        "model.numeric_embedding": "none",
        "loss.name": "focal",
        "loss.gamma": 2.0,
    },
    "plain": {"model.recipe": "plain"},
    "plain_focal": {
        "model.recipe": "plain",
        "model.dropout": 0.3,
        "loss.name": "focal",
        "loss.gamma": 2.0,
    },
    "narrow": {"model.hidden": [64, 64]},
}
