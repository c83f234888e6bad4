"""check: all that `fit` does before it trains, and how long training would take.

Shapes: L labels.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from imbalance_cli.codes import code_of
from imbalance_cli.config import resolve_weighting
from imbalance_cli.network.training import Training
from imbalance_cli.workflows.networks import prepare_networks
from imbalance_cli.workflows.preparing import count_targets

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.config import Config
    from imbalance_cli.labels import LabelCounts
    from imbalance_cli.network.training import Member
    from imbalance_cli.workflows.observing import Observer


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `fit` would train.

    Attributes:
        rows: how many are used for what: train, valid, test, or cross_fitted.
        columns: that are features.
        labels: the counts of the rows to learn from, (L,).
        pos_weight: what positives weigh in the loss, (L,).
        loss: its name.
        networks: how many are trained.
        epochs: of each, at most.
        steps: of an epoch.
        seconds: that training takes at most, as far as one epoch of each kind of network says.
        warnings: that `fit` would give.
    """

    rows: dict[str, int]
    columns: int
    labels: list[LabelCounts]
    pos_weight: list[float]
    loss: str
    networks: int
    epochs: int
    steps: int
    seconds: float
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        facts = ("label", "positives", "negatives", "missing")
        labels = [
            {name: getattr(label, name) for name in facts} | {"pos_weight": weight}
            for label, weight in zip(self.labels, self.pos_weight, strict=True)
        ]
        warnings = [{"code": code_of(text), "sentence": str(text)} for text in self.warnings]
        kept = {name: value for name, value in vars(self).items() if name != "pos_weight"}
        return kept | {"labels": labels, "warnings": warnings}


def check(config: Config, scratch: Path, observer: Observer) -> Plan:
    """Do what `fit` does up to the first epoch of one network of each kind, and write nothing.

    Args:
        config: what `fit` would be given.
        scratch: a folder for rows larger than memory; what is there has no name.
        observer: receives warnings and the progress.

    Raises:
        ImbtrainError: `fit` would raise it.
    """
    config = resolve_weighting(config, "config")
    prepared, recipe, networks, model = prepare_networks(config, observer, scratch)
    count = len(networks.members)
    pairs = zip(model.alone(), networks.members, strict=True)
    kinds = {repr(network.shape): (network, member) for network, member in pairs}
    slowest = {False: 0.0, True: 0.0}  # whether it follows: seconds of an epoch
    for network, member in kinds.values():
        began = time.perf_counter()
        alone = dataclasses.replace(member, follows=False)
        next(Training(network, prepared.rows, [alone], recipe))
        slowest[member.follows] = max(slowest[member.follows], time.perf_counter() - began)
    leading = sum(not member.follows for member in networks.members)
    is_single = prepared.device.type != "cpu" or prepared.rows.is_stored
    at_once = 1 if is_single else torch.get_num_threads()
    turns = -(-leading // at_once)
    rows = max(len(fold.train) for fold in prepared.folds)
    counts = prepared.counts
    learned = np.unique(np.concatenate([fold.train for fold in prepared.folds]))
    if (weights := prepared.weights_of(learned)) is not None:
        own = prepared.targets.take(learned)
        counts = count_targets(own, prepared.labels, weights.numpy())
    return Plan(
        rows=prepared.parts(),
        columns=len(prepared.preprocessing.columns),
        labels=counts.labels,
        pos_weight=_weights(networks.members[0], len(prepared.labels)),
        loss=config.loss.name,
        networks=count,
        epochs=recipe.epochs,
        steps=-(-rows // recipe.batch_size),
        seconds=round(sum(slowest.values()) * recipe.epochs * turns, 1),
        warnings=list(prepared.remarks),
    )


def _weights(member: Member, labels: int) -> list[float]:
    """Return what the loss of a member weighs positives with, (L,)."""
    if member.loss.pos_weight is None:
        return [1.0] * labels
    weights: list[float] = member.loss.pos_weight.expand(labels).tolist()
    return weights
