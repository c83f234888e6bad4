"""Boosted trees on the rows of the networks: trained, calibrated and cut at thresholds as they are.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_cli.comparison import Candidate, compare_candidates, measure
from imbalance_cli.comparison.boosted_trees import TrainedTrees, read_columns, train_trees
from imbalance_cli.config import BOOSTED_TREES
from imbalance_cli.errors import ConfigError
from imbalance_cli.evaluation import Resampling
from imbalance_cli.run.scored_rows import KeptLogOdds, calibrate
from imbalance_cli.workflows.deciding import choose_decisions

if TYPE_CHECKING:
    import torch

    from imbalance_cli.config import Config
    from imbalance_cli.decisions.thresholds import Thresholds
    from imbalance_cli.progress import Tell
    from imbalance_cli.workflows.held_out import HeldOut
    from imbalance_cli.workflows.preparing import Prepared


def refuse_peer(config: Config, prepared: Prepared) -> None:
    """Raise where the peer that a config asks for cannot be trained.

    Raises:
        ConfigError: the rows are streamed.
    """
    if prepared.rows.is_stored:
        raise ConfigError(
            f"report.peer is {config.report.peer}, which needs all rows in memory, and they are "
            "streamed from disk",
            hint="leave report.peer out, or data.in_memory: true where they fit",
        )


def train_peer(config: Config, prepared: Prepared, tell: Tell) -> TrainedTrees:
    """Train boosted trees on the folds of the networks."""
    learned = np.unique(np.concatenate([fold.train for fold in prepared.folds]))
    weights = prepared.rows.weights
    return train_trees(
        read_columns(prepared.preprocessing, prepared.data.table, learned),
        prepared.targets,
        prepared.folds,
        weights=None if weights is None else weights.cpu().numpy(),
        seed=config.training.seed,
        tell=tell,
    )


def name_trees(
    trees: TrainedTrees, probabilities: torch.Tensor, decisions: torch.Tensor
) -> Candidate:
    """Return trees as a candidate, with their predictions, (N, L) each."""
    return Candidate(
        BOOSTED_TREES,
        "bce",
        None,
        None,
        probabilities,
        decisions,
        seconds=trees.seconds,
        still_improving=trees.is_still_improving,
        is_yardstick=True,
    )


def measure_by_peer(
    config: Config,
    prepared: Prepared,
    trees: TrainedTrees,
    held_out: HeldOut,
    thresholds: Thresholds,
    *,
    seconds: float,
    still_improving: bool,
) -> dict[str, Any]:
    """Compare a fitted model with its peer on the rows that its report is of, as plain data.

    Args:
        config: of the calibration, the thresholds and the intervals.
        prepared: the rows.
        trees: the peer.
        held_out: what the report of the network is of.
        thresholds: of the network.
        seconds: of processor time that training the network took.
        still_improving: whether the network was when its training ended.
    """
    weights = prepared.weights_of(prepared.held_out)
    odds = trees.log_odds_held_out(prepared.folds)
    targets = prepared.targets.take(prepared.held_out)
    calibration, chosen = choose_decisions(KeptLogOdds(odds), targets, config, weights=weights)
    if held_out.part == "test":
        odds = trees.mean_log_odds(held_out.rows)
    probabilities = calibrate(odds, calibration)
    peer = name_trees(trees, probabilities, probabilities >= chosen.values)
    own = held_out.probabilities
    network = Candidate(
        config.loss.name,
        config.loss.name,
        None,
        config.training.sampler,
        own,
        own >= thresholds.values,
        seconds=seconds,
        still_improving=still_improving,
    )
    comparison = compare_candidates(
        [network, peer],
        held_out.targets,
        prepared.labels,
        learnable=prepared.learnable,
        groups=held_out.groups,
        baseline=network.name,
        weights=held_out.weights,
        resampling=Resampling(config.report.bootstrap, config.report.confidence),
    )
    first, second = comparison.candidates
    advice = " Raise training.epochs." if still_improving else ""
    return {
        "name": BOOSTED_TREES,
        "conclusion": measure(first, second) + advice,
        "thresholds": [float(value) for value in chosen.values],
        "models": [first.to_dict(), second.to_dict()],
    }
