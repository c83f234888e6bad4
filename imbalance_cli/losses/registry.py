"""The losses: one LossSpec each, which is all that the config, its help and `compare` know of one.

To add a loss that is a point of the family (family.py), call `register_loss`. Its schema, the keys
that go with it, which corrections would count the imbalance twice, its place in `compare` and its
inverse link follow. Nothing is imported here: the help of every command reads it.

Shapes: L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    import torch


class LossBuilder(Protocol):
    """Makes a loss of what is known of the training rows."""

    def __call__(
        self,
        family: Any,  # noqa: ANN401  imbalance_cli.losses.family, which imports torch
        settings: Any,  # noqa: ANN401  the LossSection, which imports pydantic
        positives: torch.Tensor,
        known: torch.Tensor,
    ) -> Any:  # noqa: ANN401  a Loss of that module
        """Return it.

        Args:
            family: the module `imbalance_cli.losses.family`.
            settings: the loss section of the config.
            positives: (L,) training rows of each label, float64; a sum of weights where rows have
                weights.
            known: (L,) those whose target is known.
        """
        ...


@dataclasses.dataclass(frozen=True)
class LossSpec:
    """A loss that `loss.name` can name.

    Attributes:
        name: as the config has it.
        summary: what it is, in a line of help.
        build: makes it; the weights of positives come on top.
        keys: of the loss section that it reads.
        weights: which weights of positives it takes: never any, always those of
            weighting.strategy, always effective numbers, or some only where they are asked for.
        corrects_prior: whether it makes up for the imbalance by itself.
        is_compared: whether `compare` tries it by default.
    """

    name: str
    summary: str
    build: LossBuilder
    keys: tuple[str, ...] = ()
    weights: Literal["never", "always", "effective", "asked"] = "asked"
    corrects_prior: bool = False
    is_compared: bool = True


BALANCED_SAMPLER: Final = "balanced_sampler"
BOOSTED_TREES: Final = "boosted_trees"
LOSS_SPECS: dict[str, LossSpec] = {}
"""By name, in the order of help."""


def register_loss(spec: LossSpec) -> None:
    """Make a loss known; it takes the place of one with the same name."""
    LOSS_SPECS[spec.name] = spec


def compared_losses(*, by_default: bool = False) -> list[str]:
    """Return what --losses may name, or what it names unless it is given."""
    specs = LOSS_SPECS.values()
    losses = [spec.name for spec in specs if spec.is_compared or not by_default]
    return [*losses, BALANCED_SAMPLER, BOOSTED_TREES]


def losses_with(key: str) -> list[str]:
    """Return the names of the losses that read a key of the loss section."""
    return [spec.name for spec in LOSS_SPECS.values() if key in spec.keys]


def _distribution_balanced(
    family: Any,  # noqa: ANN401  as above
    settings: Any,  # noqa: ANN401
    positives: torch.Tensor,
    known: torch.Tensor,
) -> Any:  # noqa: ANN401
    some = positives.float().clamp(min=1)  # also where there is nothing to learn
    rows = known.float().clamp(min=2).maximum(some + 1)
    return family.distribution_balanced(some, rows, settings.gamma)


for _spec in (
    LossSpec(
        "bce",
        "binary cross entropy, without weights",
        lambda family, *_: family.bce(),
        weights="never",
    ),
    LossSpec(
        "weighted_bce",
        "binary cross entropy whose positives weigh pos_weight",
        lambda family, *_: family.bce(),
        weights="always",
    ),
    LossSpec(
        "focal",
        "turns away from cells that are right already (Lin et al. 2017)",
        lambda family, settings, *_: family.focal(settings.gamma, settings.alpha),
        keys=("gamma", "alpha"),
    ),
    LossSpec(
        "class_balanced",
        "focal, weighted by effective numbers of samples (Cui et al. 2019)",
        lambda family, settings, *_: family.focal(settings.gamma),
        keys=("gamma",),
        weights="effective",
        is_compared=False,
    ),
    LossSpec(
        "asymmetric",
        "focal with an exponent for each class and a margin (Ridnik et al. 2021)",
        lambda family, settings, *_: family.asymmetric(
            settings.gamma_positive, settings.gamma_negative, settings.margin
        ),
        keys=("gamma_positive", "gamma_negative", "margin"),
    ),
    LossSpec(
        "logit_adjusted",
        "adds the log-odds of the prevalence to each logit (Menon et al. 2021)",
        lambda family, settings, positives, known: family.logit_adjusted(
            (positives + 0.5) / (known + 1), settings.tau
        ),
        keys=("tau",),
        corrects_prior=True,
    ),
    LossSpec(
        "distribution_balanced",
        "weighs rows by the labels that come together (Wu et al. 2020)",
        _distribution_balanced,
        keys=("gamma",),
        corrects_prior=True,
        is_compared=False,
    ),
):
    register_loss(_spec)
