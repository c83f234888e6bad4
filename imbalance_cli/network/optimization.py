"""The optimiser: AdamW with a learning rate for each kind of parameter, and its schedules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.network.model import MultilayerPerceptron
    from imbalance_cli.network.recipes import Recipe

RATES = {"scale": 6.0, "periodic": 0.1, "learned_bins": 1.0, "embedding": 1.0}
"""Of the learning rate, by layer: Holzmueller et al. 2024, appendix A."""
BIAS_RATE = 0.1
LARGEST = torch.finfo(torch.float32).max  # what is larger cannot be put into a tensor


class Optimizer:
    """AdamW (Loshchilov & Hutter 2019) over a fixed number of steps.

    With a scaled recipe a matrix learns at the rate divided by the root of its inputs, which is the
    neural tangent parametrisation (Jacot et al. 2018), other layers at a share of it (RATES), and
    weight decay and dropout stay until half time and then fade to 0.

    Rates and decays are tensors, so that a recorded step reads what they are by then.

    Args:
        model: whose parameters it updates.
        recipe: rates, decays and schedule.
        steps: all it will take.
    """

    def __init__(self, model: MultilayerPerceptron, recipe: Recipe, steps: int) -> None:
        self._model, self._recipe, self._steps = model, recipe, steps
        self._taken = 0
        self._groups = [
            _Group(parameters, share, decays=decays, beta2=recipe.beta2)
            for (share, decays), parameters in _group_parameters(model, recipe).items()
        ]
        self.advance(0)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return self._recipe.learning_rate * SCHEDULES[self._recipe.schedule](self._progress)

    @property
    def _progress(self) -> float:
        return self._taken / self._steps

    def advance(self, steps: int = 1) -> None:
        """Set rates, decays and dropout for what lies so many steps ahead."""
        self._taken += steps
        fade = flat_cosine(self._progress) if self._recipe.is_scaled else 1.0
        rate = self.learning_rate
        for group in self._groups:
            kept = 1 - rate * self._recipe.weight_decay * fade * group.decays
            group.rate.fill_(min(rate * group.share, LARGEST))
            group.kept.fill_(max(kept, -LARGEST))
        self._model.set_dropout(self._recipe.dropout * fade)

    def state(self) -> dict[str, torch.Tensor]:
        """Return the moments of the gradients and how many steps were taken."""
        moments = {
            f"{g}.{kind}.{i}": tensor
            for g, group in enumerate(self._groups)
            for kind, tensors in group.moments().items()
            for i, tensor in enumerate(tensors)
        }
        return moments | {"taken": torch.tensor(self._taken)}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self._taken = int(state["taken"])
        self.advance(0)

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter by its gradient."""
        for group in self._groups:
            group.step()


class _Group:
    """Parameters of one rate, and the moments of their gradients."""

    def __init__(
        self, parameters: list[torch.nn.Parameter], share: float, *, decays: bool, beta2: float
    ) -> None:
        self.parameters: list[torch.Tensor] = [*parameters]
        self.share, self.decays = share, decays
        self._beta2 = beta2
        device = parameters[0].device
        self.rate, self.kept = torch.zeros((), device=device), torch.ones((), device=device)
        self._first = [torch.zeros_like(parameter) for parameter in parameters]
        self._second = [torch.zeros_like(parameter) for parameter in parameters]
        self._count = torch.zeros((), device=device)  # of steps

    def moments(self) -> dict[str, list[torch.Tensor]]:
        """Return what AdamW keeps of each parameter."""
        return {"first": self._first, "second": self._second, "counts": [self._count]}

    def step(self) -> None:
        """Update the parameters, decay first."""
        if self.decays:
            torch._foreach_mul_(self.parameters, self.kept)
        self._count.add_(1)
        torch._fused_adamw_(
            self.parameters,
            [p.grad for p in self.parameters if p.grad is not None],
            self._first,
            self._second,
            [],
            [self._count] * len(self.parameters),
            amsgrad=False,
            beta1=0.9,
            beta2=self._beta2,
            lr=self.rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


def _group_parameters(
    model: MultilayerPerceptron, recipe: Recipe
) -> dict[tuple[float, bool], list[torch.nn.Parameter]]:
    """Return the parameters by their share of the learning rate, and whether they decay."""
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        layer, share, decays = name.partition(".")[0], 1.0, True
        if recipe.is_scaled:
            is_bias = name.endswith((".bias", ".phase"))
            decays = not is_bias
            if layer in RATES:
                share = RATES[layer]
            elif is_bias:
                share = BIAS_RATE
            else:
                share = parameter.shape[-1] ** -0.5
        groups.setdefault((share, decays), []).append(parameter)
    return groups


def _cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2


def flat_cosine(progress: float) -> float:
    """Return 1 until half time, and then a cosine down to 0."""
    return _cosine(max(2 * progress - 1, 0.0))


def _coslog4(progress: float) -> float:
    """Holzmueller et al. 2024: four cosine cycles whose lengths double."""
    return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2


SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": _cosine,
    "coslog4": _coslog4,
    "constant": lambda _progress: 1.0,
}
