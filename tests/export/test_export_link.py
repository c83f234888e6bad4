"""The inverse link in a graph, at logits from far below to far above where it bends.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from imbalance_cli.export.graph import Graph
from imbalance_cli.export.link import add_mean_log_odds
from imbalance_cli.losses.family import (
    Loss,
    asymmetric,
    bce,
    distribution_balanced,
    focal,
    logit_adjusted,
    stack_losses,
    weighted_bce,
)
from imbalance_cli.losses.link import mean_log_odds

WEIGHTS = torch.tensor([0.5, 900.0])
RARE = torch.tensor([0.2, 0.001])
LOSSES = [
    bce(),
    weighted_bce(WEIGHTS),
    focal(2.0, 0.25, WEIGHTS),
    focal(0.0),
    asymmetric(pos_weight=WEIGHTS),
    asymmetric(0.0, 0.0, 0.3),
    asymmetric(0.0, 4.0, 0.001),
    asymmetric(1.0, 4.0, 0.0),
    logit_adjusted(RARE, 2.0),
    distribution_balanced(1000 * RARE, torch.tensor([1000.0, 1000.0])),
    Loss(prior_shift=1 / RARE, pos_weight=WEIGHTS),
    Loss(margin=torch.tensor([0.0, 0.1]), gamma_negative=torch.tensor(2.0)),
]
CASES = [[loss] for loss in LOSSES] + [[LOSSES[1], LOSSES[2]], [LOSSES[4], LOSSES[0], LOSSES[9]]]


@pytest.mark.parametrize("losses", CASES)
def test_log_odds_are_those_of_the_link(losses: list[Loss]) -> None:
    """Each of several members sees the logits moved by its number."""
    grid = np.concatenate([np.linspace(-60, 60, 481), [-1e3, 1e3, -1e30, 1e30, 0.0]])
    moved = np.arange(len(losses), dtype=np.float32)
    graph = Graph(["z"])
    rows = graph.input("z", np.float32).unsqueeze(0) * np.ones((1, 1, 2))
    logits = rows + moved[:, None, None]
    stacked = stack_losses(losses, 2)
    graph.output("odds", add_mean_log_odds(logits, stacked, len(losses), 2), 2)
    content = graph.to_model({}, "").SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    z = grid.astype(np.float32)[:, None]
    (found,) = session.run(["odds"], {"z": z})
    wanted = mean_log_odds(torch.from_numpy(z + moved[:, None, None]).expand(-1, -1, 2), stacked)
    near = np.abs(np.asarray(wanted)) < 500  # beyond, a probability is 0 or 1 in float64
    np.testing.assert_allclose(found[near], np.asarray(wanted)[near], rtol=1e-11, atol=1e-11)
    assert (np.abs(found[~near]) > 400).all()
    assert (np.sign(found[~near]) == np.sign(np.asarray(wanted)[~near])).all()
