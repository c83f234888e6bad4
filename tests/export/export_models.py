"""Predictors of every kind for the tests of export, made without training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from imbalance_cli.decisions.calibration import Calibration
from imbalance_cli.features import Preprocessing
from imbalance_cli.features.preprocessing import CategoricalFeature, NumericFeature
from imbalance_cli.losses.family import Loss, stack_losses
from imbalance_cli.network.model import Ensemble, MultilayerPerceptron, Shape
from imbalance_cli.notation import Notation
from imbalance_cli.run.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = ["a", "b", "c"]
FEATURES = Preprocessing(
    [
        NumericFeature("pressure", "number", 1010.4, 10.6, indicator=True),
        NumericFeature("day", "date", 15751.0, 14.0, indicator=False),
        NumericFeature("always 7", "number", 7.0, None, indicator=True),
        NumericFeature("moment", "number", 1.6e9, 86_400.0, indicator=False),
        NumericFeature("seen on", "date", 15000.25, 0.5, indicator=True),
    ],
    [
        CategoricalFeature("city", [f"città {i}" for i in range(14)], one_hot=False),
        CategoricalFeature("sex", ["F", "M"], one_hot=True, has_missing=False, has_other=False),
        CategoricalFeature("colour", ["red", "green", "?x"], one_hot=True, has_other=False),
        CategoricalFeature("dest", ["EWR", "7"], one_hot=False),
    ],
    {"colour": Notation(missing=("none",)), "dest": Notation("category")},
)


def make_predictor(
    loss: Loss | Sequence[Loss] = (),
    features: Preprocessing = FEATURES,
    *,
    calibration: Calibration | None = None,
    networks: Sequence[int] = (1,),
    labels: Sequence[str] = LABELS,
    **shape: Any,  # noqa: ANN401  as Shape takes them
) -> Predictor:
    """Return a predictor with weights that were drawn.

    Args:
        loss: of all networks, or one of each.
        features: of its table.
        calibration: None changes nothing.
        networks: how many of each part; the second part has bins of every number.
        labels: their names.
        shape: what else there is of `Shape`, for every part.
    """
    one_hot = [f.encode(np.arange(f.size)).shape[1] for f in features.categorical if f.one_hot]
    numeric = features.continuous + sum(f.indicator for f in features.numeric) + sum(one_hot)
    given: dict[str, Any] = {"hidden": [16, 12], "continuous": features.continuous} | shape
    whole = Shape(numeric, features.cardinalities, len(labels), **given)
    parts = []
    for number, members in enumerate(networks):
        binned = list(range(features.continuous)) if number else whole.binned
        own = dataclasses.replace(whole, binned=binned, bins=whole.bins or 8 * bool(number))
        model = MultilayerPerceptron(own, members)
        model.draw(range(members))
        if model.bins is not None:
            edges = torch.linspace(-2, 2, own.bins + 1).repeat(len(binned), 1)
            edges[:, 3] = edges[:, 2]  # a bin of no width
            model.bins.edges.copy_(edges)
        with torch.no_grad():  # far from flat
            model.output.weight.mul_(12)
        parts.append(model)
    losses = [loss] * sum(networks) if isinstance(loss, Loss) else list(loss)
    return Predictor(
        features,
        Ensemble(parts).eval(),
        list(labels),
        [True] * len(labels),
        stack_losses(losses, len(labels)) if losses else Loss(),
        calibration or Calibration.identity(len(labels)),
        torch.linspace(0.2, 0.7, len(labels), dtype=torch.float64),
        prevalence=[0.1] * len(labels),
    )
