"""Which weights a config's loss takes, and what would count the imbalance twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.config.sections import WeightingSection
from imbalance_cli.errors import ConfigError
from imbalance_cli.losses.registry import LOSS_SPECS

if TYPE_CHECKING:
    from imbalance_cli.config.sections import Config


def resolve_weighting(config: Config, name: str) -> Config:
    """Return a config that says which loss it has, and which weights that takes.

    `auto` is `weighted_bce` where weights are asked for, and else `bce`: thresholds and calibration
    make up for the imbalance, and weights cost average precision (benchmarks/RESULTS.md).
    Which weights a loss takes is in its LossSpec.

    Raises:
        ConfigError: the keys contradict each other, or count the imbalance twice.
    """
    weighting, loss = config.weighting, config.loss.name
    asked = _asked_for(weighting)
    if weighting.from_ is not None and asked:
        raise ConfigError(
            f"{name}: weighting.from and weighting.{asked[0]} would count the imbalance twice",
            hint="give weighting.from alone, or a strategy",
        )
    given = ["from"] if weighting.from_ is not None else asked
    if "strategy" in asked and weighting.strategy == "none":
        given = []  # what else is asked for then changes nothing, and is refused
    if loss == "auto":
        loss = "weighted_bce" if given else "bce"
        config = config.model_copy(update={"loss": config.loss.model_copy(update={"name": loss})})
    takes = LOSS_SPECS[loss].weights
    if takes == "never" and given:
        raise ConfigError(
            f"{name}: loss.name {loss} takes no weights, and weighting.{given[0]} asks for them",
            hint=f"loss.name: weighted_bce, or leave weighting.{given[0]} out",
        )
    if takes == "effective":
        if weighting.from_ is not None or (
            "strategy" in asked and weighting.strategy != "effective"
        ):
            raise ConfigError(
                f"{name}: loss.name {loss} weighs by effective numbers, and "
                f"weighting.{given[0] if given else 'strategy'} asks for other weights",
                hint="loss.name: focal takes any weights; or leave "
                f"weighting.{given[0] if given else 'strategy'} out",
            )
        weighting = weighting.model_copy(update={"strategy": "effective"})
    elif takes != "always" and weighting.from_ is None and "strategy" not in asked:
        if asked:
            raise ConfigError(
                f"{name}: loss.name {loss} takes no weights unless asked to, and "
                f"weighting.{asked[0]} says nothing by itself",
                hint=f"weighting.strategy beside it, or leave weighting.{asked[0]} out",
            )
        weighting = weighting.model_copy(update={"strategy": "none"})
    resolved = config.model_copy(update={"weighting": weighting})
    _refuse_double_counting(resolved, name)
    return resolved


def asks_for_weights(weighting: WeightingSection) -> bool:
    """Return whether any key of the weights was given."""
    return weighting.from_ is not None or bool(_asked_for(weighting))


def _asked_for(weighting: WeightingSection) -> list[str]:
    """Return the keys that were given and differ from what a saved config writes."""
    plain = WeightingSection()
    return [
        key
        for key in ("strategy", "cap", "smoothing", "beta")
        if key in weighting.model_fields_set
        and (key == "strategy" or getattr(weighting, key) != getattr(plain, key))
    ]


def _refuse_double_counting(config: Config, name: str) -> None:
    """Raise where two keys each make up for the whole imbalance, unless that is allowed."""
    if config.weighting.allow_double_counting:
        return
    spec = LOSS_SPECS[config.loss.name]
    corrections = [
        (_name_weights(config), config.weighting.gives_weights),
        ("loss.alpha", config.loss.alpha is not None and "alpha" in spec.keys),
        (f"loss.name {config.loss.name}", spec.corrects_prior),
        ("training.sampler balanced", config.training.sampler == "balanced"),
    ]
    found = [key for key, corrects in corrections if corrects]
    if len(found) > 1:
        raise ConfigError(
            f"{name}: {found[0]} and {found[1]} would count the imbalance twice",
            hint=f"{_without(found, config)}; or weighting.allow_double_counting: true",
        )


def _name_weights(config: Config) -> str:
    """Return the key that weights come from, with its value."""
    if config.weighting.from_ is not None:
        return "weighting.from"
    if LOSS_SPECS[config.loss.name].weights == "effective":
        return f"loss.name {config.loss.name}"
    return f"weighting.strategy {config.weighting.strategy}"


def _without(found: list[str], config: Config) -> str:
    """Return how to leave one of two corrections out."""
    keys, takes = [key.split()[0] for key in found], LOSS_SPECS[config.loss.name].weights
    if keys[0] == "weighting.strategy" and takes == "always":  # its default
        return f"weighting.strategy: none, or leave {keys[1]} out"
    return f"leave {keys[0]} or {keys[1]} out"
