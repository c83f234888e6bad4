"""Calibration and thresholds, which are chosen on held-out rows.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import TYPE_CHECKING

import torch

from imbalance_cli.decisions.calibration import Calibration, fit_calibration
from imbalance_cli.decisions.thresholds import ScorePool, Thresholds, choose_thresholds
from imbalance_cli.decisions.thresholds.drawing import bound_thresholds, count_draws
from imbalance_cli.evaluation.scored_rows import follow_labels
from imbalance_cli.metrics import Units, weights_of_labels
from imbalance_cli.progress import tell_nobody
from imbalance_cli.run.scored_rows import calibrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imbalance_cli.config import Config
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.progress import Tell
    from imbalance_cli.run.predictor import Predictor
    from imbalance_cli.run.scored_rows import LogOdds

CELLS_IN_CACHE = 2**18  # of held-out rows x labels that are calibrated, sorted and cut together


def decide(
    predictor: Predictor,
    scores: LogOdds,
    targets: Targets,
    config: Config,
    *,
    weights: torch.Tensor | None,
    groups: torch.Tensor | None = None,
    tell: Tell = tell_nobody,
) -> tuple[Predictor, Thresholds]:
    """Fit calibration and thresholds of networks, as `choose_decisions` does, with intervals.

    `groups` (N,) are those of rows that vary together, if any do.
    """
    calibration, chosen = choose_decisions(
        scores,
        targets,
        config,
        weights=weights,
        units=Units.of(len(targets), groups),
        tell=tell,
    )
    fitted = dataclasses.replace(predictor, calibration=calibration, thresholds=chosen.values)
    return fitted, chosen


def choose_decisions(
    scores: LogOdds,
    targets: Targets,
    config: Config,
    *,
    weights: torch.Tensor | None,
    units: Units | None = None,
    tell: Tell = tell_nobody,
) -> tuple[Calibration, Thresholds]:
    """Fit calibration and thresholds on held-out rows, some labels at a time where there are many.

    Args:
        scores: log-odds of the rows, (N, L).
        targets: (N, L).
        config: the method and the objective.
        weights: (N,) sample weights, (N, L) of cells, or None.
        units: of the rows, which are drawn for intervals of the thresholds; None for no intervals.
        tell: receives how many labels are done.
    """
    steps, pools, thresholds = [], [], []

    def blocks(stage: str) -> Iterator[slice]:
        return follow_labels(*targets.shape, tell, stage, CELLS_IN_CACHE)

    for labels in blocks("calibrating"):
        odds, cells = scores.log_odds(labels), torch.from_numpy(targets.dense(labels))
        own = weights_of_labels(weights, labels)
        step = fit_calibration(odds, cells, config.calibration.method, weights=own)
        steps.append(step)
        pools.append(ScorePool.of(calibrate(odds, step), cells, own))
    pool = functools.reduce(operator.add, pools)
    draws = count_draws(*targets.shape, config.report.bootstrap, config.thresholds)
    for labels, step in zip(blocks("choosing thresholds of"), steps, strict=True):
        cells = torch.from_numpy(targets.dense(labels))
        probabilities = calibrate(scores.log_odds(labels), step)
        given = (probabilities, cells, config.thresholds)
        own = weights_of_labels(weights, labels)
        chosen = choose_thresholds(*given, weights=own, pool=pool)
        if units is not None and draws:
            intervals = bound_thresholds(
                *given,
                units,
                draws,
                confidence=config.report.confidence,
                weights=own,
                pool=pool,
            )
            chosen = dataclasses.replace(chosen, intervals=intervals)
        thresholds.append(chosen)
    return Calibration.concatenate(steps), Thresholds.concatenate(thresholds)
