"""The arguments of the classifier, as the config that `fit` takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

if TYPE_CHECKING:
    from imbalance_cli.estimator.rows import Target

KEYS = {
    "loss": "loss.name",
    "gamma": "loss.gamma",
    "alpha": "loss.alpha",
    "gamma_positive": "loss.gamma_positive",
    "gamma_negative": "loss.gamma_negative",
    "margin": "loss.margin",
    "tau": "loss.tau",
    "weighting": "weighting.strategy",
    "cap": "weighting.cap",
    "smoothing": "weighting.smoothing",
    "beta": "weighting.beta",
    "recipe": "model.recipe",
    "hidden": "model.hidden",
    "activation": "model.activation",
    "dropout": "model.dropout",
    "numeric_embedding": "model.numeric_embedding",
    "members": "model.members",
    "sharing": "model.sharing",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "learning_rate": "training.learning_rate",
    "weight_decay": "training.weight_decay",
    "schedule": "training.schedule",
    "monitor": "training.monitor",
    "patience": "training.patience",
    "sampler": "training.sampler",
    "folds": "training.folds",
    "refit": "training.refit",
    "device": "training.device",
    "precision": "training.precision",
    "calibration": "calibration.method",
    "threshold": "thresholds.objective",
    "minimum_positives": "thresholds.minimum_positives",
    "false_positive_cost": "thresholds.false_positive_cost",
    "false_negative_cost": "thresholds.false_negative_cost",
    "target": "thresholds.target",
    "valid": "split.valid",
    "test": "split.test",
    "bootstrap": "report.bootstrap",
    "confidence": "report.confidence",
}
"""The key of the config that each argument of the classifier stands for."""

OWN = {
    "training.seed": "random_state",
    "split.seed": "random_state",
    **{f"data.{key}": "X" for key in ("train", "valid", "test", "part", "in_memory")},
    **{f"data.{key}": "y" for key in ("labels", "encoding", "positive", "tag_separator")},
    "data.group": "groups",
    "data.sample_weight": "sample_weight",
    "data.cell_weights": "sample_weight",
}
"""The keys that something else than an argument of the same meaning stands for."""


def make_config(classifier: object, target: Target, data: dict[str, Any]) -> dict[str, Any]:
    """Return the config of the arguments that are not as `imbtrain fit` has them.

    Args:
        classifier: has an attribute for each argument.
        target: what is to be learned.
        data: the keys of `data` that say what the columns are.

    Raises:
        TypeError: `config` is no mapping of sections.
        ValueError: it holds what an argument is for.
    """
    arguments = {name: plain(getattr(classifier, name)) for name in KEYS}
    defaults = inspect.signature(type(classifier)).parameters
    changed = {n: value for n, value in arguments.items() if value != defaults[n].default}
    changed["test"] = arguments["test"]
    if arguments["threshold"] == "auto":
        changed["threshold"] = "half" if target.is_even else "f1"
    seed = getattr(classifier, "random_state", None)
    if not isinstance(seed, (int, np.integer)):
        seed = check_random_state(seed).randint(2**31 - 1)
    config: dict[str, dict[str, Any]] = {
        "training": {"seed": int(seed)},
        "split": {"seed": int(seed)},
        "report": {"plots": False},
        "data": data,
    }
    for name, value in changed.items():
        section, _, key = KEYS[name].partition(".")
        config.setdefault(section, {})[key] = value
    for section, keys in _read_sections(getattr(classifier, "config", None)).items():
        config[section] = config.get(section, {}) | keys
    return config


def _read_sections(given: object) -> dict[str, dict[str, Any]]:
    """Return the further keys of the argument `config`, by section."""
    if given is None:
        return {}
    example = "config={'data': {'exclude': ['id']}}"
    if not isinstance(given, Mapping):
        raise TypeError(f"config: {given!r} should be sections of keys, such as {example}")
    named = {key: name for name, key in KEYS.items()} | OWN
    for section, keys in given.items():
        if not isinstance(keys, Mapping):
            raise TypeError(f"config: {section!r} should hold keys, such as {example}")
        for key in keys:
            if (name := named.get(f"{section}.{key}")) is not None:
                raise ValueError(f"config: {section}.{key} is what {name} is for; leave it out")
    return {section: dict(keys) for section, keys in given.items()}


def plain(value: object) -> object:
    """Return a number of numpy, or a tuple, as YAML has it: a grid of arguments holds these."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
