"""The configs that `compare` tries: one base, with every loss, strategy and sampler in turn.

Boosted trees stand beside them: a name that is asked for as a loss is, without a config of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from imbalance_cli.config.refusals import refuse_folds_in_time
from imbalance_cli.config.sections import (
    LossSection,
    WeightingSection,
)
from imbalance_cli.config.values import StrategyName
from imbalance_cli.config.weighting import resolve_weighting
from imbalance_cli.errors import ConfigError, nearest
from imbalance_cli.losses.registry import (
    BALANCED_SAMPLER,
    BOOSTED_TREES,
    LOSS_SPECS,
    compared_losses,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config.sections import Config

BASELINE = "bce"
FEWEST_SIZES = 2  # to compare
STRATEGIES: tuple[str, ...] = get_args(StrategyName)
DEFAULT_STRATEGIES = ("ratio", "sqrt", "effective")


def list_candidates(
    base: Config, losses: Sequence[str], strategies: Sequence[str]
) -> dict[str, Config]:
    """Return the configs of networks to try by name, the baseline first.

    Args:
        base: everything but the loss, the weighting and the sampler; parameters of losses and of
            weights are read from it.
        losses: of `compared_losses`; plain `bce` is always among them.
        strategies: of STRATEGIES, each a candidate of `weighted_bce`.

    Raises:
        ConfigError: a name is unknown, strategies are given without the loss that takes them, or
            the base brings weights of its own.
    """
    refuse_unfoldable(base, "compare")
    _check_names("--losses", losses, compared_losses())
    _check_names("--strategies", strategies, STRATEGIES)
    if base.weighting.from_ is not None:
        raise ConfigError(
            f"weighting.from: {base.weighting.from_}: compare makes the weights, by --strategies",
            hint="leave weighting.from out",
        )
    if base.training.sampler == "balanced":
        raise ConfigError(
            "training.sampler: compare tries it as a candidate of its own",
            hint=f"leave it out; --losses {BALANCED_SAMPLER} says so",
        )
    if base.report.peer is not None:
        raise ConfigError(
            f"report.peer: compare tries {base.report.peer} as a candidate of its own",
            hint=f"leave it out; --losses {base.report.peer} says so",
        )
    if strategies and losses and "weighted_bce" not in losses:
        raise ConfigError(
            "--strategies are candidates of weighted_bce, which --losses leaves out",
            hint=f"--losses {','.join([*losses, 'weighted_bce'])}",
        )
    chosen = dict.fromkeys([BASELINE, *(losses or compared_losses(by_default=True))])
    candidates: dict[str, Config] = {}
    for loss in chosen:
        takes = LOSS_SPECS[loss].weights if loss in LOSS_SPECS else None
        if takes == "always":
            candidates |= {
                f"{loss}:{strategy}": _change(base, loss, strategy=strategy)
                for strategy in strategies or DEFAULT_STRATEGIES
            }
        elif loss == BALANCED_SAMPLER:
            candidates[loss] = _change(base, BASELINE, sampler="balanced")
        elif loss != BOOSTED_TREES:
            strategy = "effective" if takes == "effective" else "none"
            candidates[loss] = _change(base, loss, strategy=strategy)
    return candidates


def list_sizes(base: Config, sizes: str) -> dict[float, Config]:
    """Return the config of each share of the training rows, rising, as --sizes has them.

    Raises:
        ConfigError: it is no list of shares, or the base has rows that cannot be cut so.
    """
    refuse_unfoldable(base, "compare")
    if base.report.peer is not None:
        raise ConfigError(
            f"report.peer: {base.report.peer}: --sizes trains networks alone",
            hint="leave it out",
        )
    try:
        shares = sorted({float(size) for size in sizes.split(",")})
    except ValueError:
        shares = []
    if len(shares) < FEWEST_SIZES or not all(0 < share <= 1 for share in shares):
        raise ConfigError(
            f"--sizes: {sizes!r} should be two or more shares of the training rows, above 0 and at "
            "most 1",
            hint="--sizes 0.1,0.3,1",
        )
    return dict.fromkeys(shares, resolve_weighting(base, "config"))


def refuse_unfoldable(base: Config, command: str) -> None:
    """Raise where folds of all rows cannot be trained on.

    Args:
        base: the config.
        command: that needs them.

    Raises:
        ConfigError: it is of rows in time, or of rows that are streamed.
    """
    refuse_folds_in_time(base, command)
    if base.data.in_memory is False:
        raise ConfigError(
            f"data.in_memory is false, and {command} needs all rows in memory",
            hint="leave data.in_memory out",
        )


def _change(base: Config, loss: str, *, strategy: str = "none", sampler: str = "shuffle") -> Config:
    """Return the base with a loss and what goes with it; all that does not keeps its default."""
    parameters = {key: getattr(base.loss, key) for key in LOSS_SPECS[loss].keys}
    keys = [] if strategy == "none" else ["cap", "smoothing"]
    keys += ["beta"] if strategy == "effective" else []
    weights = {key: getattr(base.weighting, key) for key in keys}
    return base.model_copy(
        update={
            "loss": LossSection.model_validate({"name": loss, **parameters}),
            "weighting": WeightingSection.model_validate({"strategy": strategy, **weights}),
            "training": base.training.model_copy(update={"sampler": sampler}),
        }
    )


def _check_names(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{option}: {name!r} should be one of {', '.join(known)}",
                hint=nearest(name, known),
            )
