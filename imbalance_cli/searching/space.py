"""What a search varies: parameters, their ranges, and the config that a choice of them makes."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from imbalance_cli.config import (
    Config,
    asks_for_weights,
    refuse_contradictions,
    resolve_weighting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imbalance_cli.network.recipes import Recipe

Value = str | int | float
Settings = dict[str, Any]
"""Keys of the config, as "model.dropout", and their values."""

DIGITS = 3  # of a rate
RECIPES = ("tabular", "plain")
SHARED_LOSSES = ("bce", "weighted_bce", "focal", "class_balanced", "asymmetric", "logit_adjusted")
OF_SEVERAL_LABELS = "distribution_balanced"
USUAL_LOSS = "bce"  # of a config that names none


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One number or word that a search varies.

    Attributes:
        name: of it; that of a key of the config, unless it is a part or a multiple of a value.
        key: of the config that it changes.
        choices: of a word.
        low: the least number.
        high: the greatest.
        is_log: whether numbers are drawn evenly on a log scale.
        is_whole: whether they are whole.
        losses: that it is of; empty for all.
    """

    name: str
    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    is_whole: bool = False
    losses: tuple[str, ...] = ()


WIDTH, LAYERS = "width", "layers"
MULTIPLES = {"training.learning_rate": "learning_rate", "training.weight_decay": "weight_decay"}
"""Keys that are searched as multiples of what the recipe has, and its name there."""
PARAMETERS = (
    Parameter("model.recipe", "model.recipe", RECIPES),
    Parameter(WIDTH, "model.hidden", low=32, high=512, is_log=True, is_whole=True),
    Parameter(LAYERS, "model.hidden", low=1, high=3, is_whole=True),
    Parameter("training.learning_rate", "training.learning_rate", low=0.2, high=4, is_log=True),
    Parameter("training.weight_decay", "training.weight_decay", low=0.1, high=10, is_log=True),
    Parameter("model.dropout", "model.dropout", low=0, high=0.5),
    Parameter(
        "model.numeric_embedding",
        "model.numeric_embedding",
        ("auto", "none", "piecewise_linear", "periodic", "both"),
    ),
    Parameter("loss.name", "loss.name", (*SHARED_LOSSES, OF_SEVERAL_LABELS)),
    Parameter(
        "weighting.strategy",
        "weighting.strategy",
        ("sqrt", "ratio", "effective"),
        losses=("weighted_bce",),
    ),
    Parameter(
        "loss.gamma",
        "loss.gamma",
        low=0.25,
        high=4,
        losses=("focal", "class_balanced", OF_SEVERAL_LABELS),
    ),
    Parameter("loss.gamma_positive", "loss.gamma_positive", low=0, high=2, losses=("asymmetric",)),
    Parameter(
        "loss.gamma_negative", "loss.gamma_negative", low=0.5, high=6, losses=("asymmetric",)
    ),
    Parameter("loss.margin", "loss.margin", low=0, high=0.2, losses=("asymmetric",)),
    Parameter("loss.tau", "loss.tau", low=0.25, high=1.5, losses=("logit_adjusted",)),
)


class Space:
    """The parameters that a config leaves to a search.

    What the config gives another value than its default is kept: a person asked for it.

    Args:
        base: the config, as it was given.
        recipes: what each recipe is for these rows.
        numbers: how many features are numbers.
        labels: L.
    """

    def __init__(
        self, base: Config, recipes: Mapping[str, Recipe], *, numbers: int, labels: int
    ) -> None:
        self._base, self._recipes = base, recipes
        given = {parameter.key for parameter in PARAMETERS if _is_given(base, parameter.key)}
        corrects = asks_for_weights(base.weighting) or base.training.sampler == "balanced"
        if corrects or "loss.name" in given:
            given |= {parameter.key for parameter in PARAMETERS if _is_of_loss(parameter.key)}
        self.kept = sorted(key for key in given if _is_given(base, key))
        if not numbers:
            given.add("model.numeric_embedding")
        self.parameters = [
            dataclasses.replace(parameter, choices=SHARED_LOSSES)
            if parameter.name == "loss.name" and labels == 1
            else parameter
            for parameter in PARAMETERS
            if parameter.key not in given
        ]
        self._keys = {parameter.key for parameter in self.parameters}

    def keep(self, settings: Settings) -> Settings:
        """Return what is left of settings without the keys that the config gives."""
        return self._with_monitor({k: v for k, v in settings.items() if k in self._keys})

    def asks_for(self, parameter: Parameter, chosen: Mapping[str, Value]) -> bool:
        """Return whether a parameter has a meaning beside what was chosen before it."""
        return not parameter.losses or chosen.get("loss.name") in parameter.losses

    def settings(self, chosen: Mapping[str, Value]) -> Settings:
        """Return the keys of the config that values of the parameters stand for."""
        recipe = self._recipes[str(chosen.get("model.recipe", self._base.model.recipe))]
        settings: Settings = {}
        for name, value in chosen.items():
            if name == WIDTH:
                settings["model.hidden"] = [value] * int(chosen[LAYERS])
            elif name in MULTIPLES:
                settings[name] = _round(float(value) * getattr(recipe, MULTIPLES[name]))
            elif name != LAYERS:
                settings[name] = _round(value) if isinstance(value, float) else value
        return self._with_monitor({k: v for k, v in settings.items() if v != self._usual(k)})

    def _with_monitor(self, settings: Settings) -> Settings:
        """Return settings whose networks are stopped by the metric that all others are."""
        base = self._base
        if "model.recipe" in settings and base.training.monitor == "auto":
            return {**settings, "training.monitor": self._recipes[base.model.recipe].monitor}
        return settings

    def _usual(self, key: str) -> object:
        """Return what a key is where no setting changes it."""
        section, _, name = key.partition(".")
        value = getattr(getattr(self._base, section), name)
        return USUAL_LOSS if (key, value) == ("loss.name", "auto") else value

    def values(self, settings: Settings) -> dict[str, Value]:
        """Return the values of the parameters that settings stand for; the config's where none."""
        recipe = self._recipes[settings.get("model.recipe", self._base.model.recipe)]
        chosen: dict[str, Value] = {}
        for parameter in self.parameters:
            name, key = parameter.name, parameter.key
            if not self.asks_for(parameter, chosen):
                continue
            if name in {WIDTH, LAYERS}:
                hidden = settings.get(key, recipe.hidden)
                chosen[name] = hidden[0] if name == WIDTH else len(hidden)
            elif name in MULTIPLES:
                own = getattr(recipe, MULTIPLES[name])
                chosen[name] = settings.get(key, own) / own
            elif name == "model.dropout":
                chosen[name] = settings.get(key, recipe.dropout)
            else:
                chosen[name] = settings.get(key, self._usual(key))
        return chosen

    def config(self, settings: Settings) -> Config:
        """Return the config with other settings.

        Raises:
            ConfigError: they contradict what the config gives.
        """
        document = self._base.model_dump(by_alias=True, exclude_unset=True)
        for key, value in settings.items():
            section, _, name = key.partition(".")
            document.setdefault(section, {})[name] = value
        changed = resolve_weighting(Config.model_validate(document), "config")
        refuse_contradictions(changed, {}, "config")
        return changed.with_frames(self._base.data.frames)


def _is_given(config: Config, key: str) -> bool:
    section, _, name = key.partition(".")
    given = getattr(config, section)
    is_other: bool = getattr(given, name) != type(given).model_fields[name].default
    return is_other


def _is_of_loss(key: str) -> bool:
    return key.startswith(("loss.", "weighting."))


def _round(value: float) -> float:
    """Return a number that a person can read."""
    if not value:
        return 0.0
    return round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
