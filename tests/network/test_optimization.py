"""The optimiser against torch's AdamW, the rate and decay of each layer, and the schedules."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from small_runs import PLAIN, TABULAR

from imbalance_cli.network.model import Shape, build_model
from imbalance_cli.network.optimization import BIAS_RATE, RATES, SCHEDULES, Optimizer, flat_cosine

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.network.model import MultilayerPerceptron
    from imbalance_cli.network.recipes import Recipe

SHAPE = Shape(numeric=3, cardinalities=[], labels=2, hidden=[4])
SCALED = Shape(
    numeric=3,
    cardinalities=[4, 5],
    labels=2,
    hidden=[6, 5],
    dropout=0.25,
    continuous=2,
    binned=[0, 1],
    bins=4,
    bin_outputs=2,
    frequencies=[0.1, 1.0, 2.0],
    heads=3,
    is_scaled=True,
)
FADES = dataclasses.replace(TABULAR, dropout=0.25, learning_rate=0.5, weight_decay=0.125)


def set_gradients(model: MultilayerPerceptron, step: int) -> None:
    """Give every parameter a gradient of the step."""
    random = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)


# --------------------------------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("cosine", {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
        ("constant", {0.0: 1.0, 1.0: 1.0}),
        # four cycles that end at 1/15, 3/15, 7/15 and 1
        ("coslog4", {0.0: 0.0, 1 / 15: 0.0, 3 / 15: 0.0, 7 / 15: 0.0, 1.0: 0.0}),
    ],
)
def test_schedules(name: str, at: dict[float, float]) -> None:
    for progress, factor in at.items():
        assert SCHEDULES[name](progress) == pytest.approx(factor, abs=1e-12)
    assert max(SCHEDULES[name](i / 1000) for i in range(1001)) == pytest.approx(1, abs=1e-3)


def test_flat_cosine() -> None:
    """Holzmueller et al. 2024: 1 until half time, then the half of a cosine."""
    for progress in (0.0, 0.2, 0.5):
        assert flat_cosine(progress) == 1.0
    for progress in (0.5, 0.6, 0.75, 0.9, 1.0):
        wanted = (1 + math.cos(math.pi * (2 * progress - 1))) / 2
        assert flat_cosine(progress) == pytest.approx(wanted, abs=1e-12)
    assert flat_cosine(1.0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("recipe", [PLAIN, TABULAR], ids=["plain", "tabular"])
def test_schedule_steps_with_each_batch(name: str, recipe: Recipe) -> None:
    """Over all batches of all epochs, the rate of a batch is that of what lies before it."""
    recipe = dataclasses.replace(recipe, learning_rate=0.5, schedule=name)
    optimizer = Optimizer(build_model(SHAPE, [0]), recipe, 12)
    for step in range(12):
        wanted = 0.5 * SCHEDULES[name](step / 12)
        assert optimizer.learning_rate == pytest.approx(wanted, abs=1e-12)
        optimizer.advance()
    assert optimizer.learning_rate == pytest.approx(0.5 * SCHEDULES[name](1.0), abs=1e-12)


def test_several_steps_ahead_are_as_many_of_one() -> None:
    one, many = (Optimizer(build_model(SHAPE, [0]), TABULAR, 12) for _ in range(2))
    for _ in range(5):
        one.advance()
    many.advance(5)
    assert one.learning_rate == many.learning_rate > 0


# ------------------------------------------------------------------------------------ against torch


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("members", [1, 3])
def test_a_plain_recipe_is_adamw_of_torch(members: int, name: str) -> None:
    """Over 20 steps of its schedule."""
    recipe = dataclasses.replace(PLAIN, schedule=name, learning_rate=0.01, weight_decay=0.125)
    model, other = (build_model(SHAPE, range(members)) for _ in range(2))
    optimizer = Optimizer(model, recipe, 20)
    theirs = torch.optim.AdamW(other.parameters(), lr=0.01, weight_decay=0.125)
    schedule = torch.optim.lr_scheduler.LambdaLR(theirs, lambda step: SCHEDULES[name](step / 20))
    for step in range(20):
        set_gradients(model, step)
        set_gradients(other, step)
        optimizer.step()
        optimizer.advance()
        theirs.step()
        schedule.step()
    start = dict(build_model(SHAPE, range(members)).named_parameters())
    others = dict(other.named_parameters())
    for key, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, others[key], rtol=1e-6, atol=1e-7)
        assert not torch.allclose(parameter, start[key], atol=1e-3)


def wanted_rate(name: str, parameter: torch.Tensor) -> float:
    """Return a layer's share of the learning rate: Holzmueller et al. 2024, appendix A."""
    layer = name.partition(".")[0]
    if layer in RATES:
        return RATES[layer]
    return BIAS_RATE if name.endswith(".bias") else 1 / math.sqrt(parameter.shape[-1])


def is_bias(name: str) -> bool:
    """Return whether it is added to what comes out of a layer; such do not decay."""
    return name.endswith((".bias", ".phase"))


def test_a_scaled_recipe_is_adamw_with_the_rate_and_decay_of_each_layer() -> None:
    recipe = dataclasses.replace(FADES, learning_rate=0.01)
    model, other = (build_model(SCALED, [0, 1]) for _ in range(2))
    names = dict(other.named_parameters())
    layers = {name.partition(".")[0] for name in names}
    assert layers == {"scale", "periodic", "learned_bins", "embedding", "hidden", "output"}
    groups: list[dict[str, Any]] = [
        {"params": [parameter], "rate": wanted_rate(name, parameter), "decays": not is_bias(name)}
        for name, parameter in names.items()
    ]
    optimizer = Optimizer(model, recipe, 20)
    theirs = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, recipe.beta2))
    for step in range(20):
        factor = 0.01 * SCHEDULES[recipe.schedule](step / 20)
        for group in theirs.param_groups:
            group["lr"] = factor * group["rate"]
            # decay does not go with the layer's own rate
            decay = factor * recipe.weight_decay * flat_cosine(step / 20) * group["decays"]
            group["weight_decay"] = decay / group["lr"] if group["lr"] else 0.0
        set_gradients(model, step)
        set_gradients(other, step)
        optimizer.step()
        optimizer.advance()
        theirs.step()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, names[name], rtol=1e-5, atol=1e-6, msg=name)


def first_step(name: str, *, of: Recipe, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a parameter before and after one step with gradients of so many times 1."""
    model = build_model(SCALED, [0])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(2.0)
    recipe = dataclasses.replace(of, schedule="constant")
    optimizer = Optimizer(model, recipe, 10)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, scale)
    before = dict(model.named_parameters())[name].detach().clone()
    optimizer.step()
    return before, dict(model.named_parameters())[name].detach()


@pytest.mark.parametrize("name", [name for name, _ in build_model(SCALED, [0]).named_parameters()])
def test_the_first_step_is_the_rate_of_the_layer(name: str) -> None:
    """Adam's first step is the learning rate times the gradient's sign."""
    still = dataclasses.replace(FADES, learning_rate=0.01, weight_decay=0.0)
    for scale in (1.0, -3.0):
        before, after = first_step(name, of=still, scale=scale)
        wanted = -math.copysign(0.01, scale) * wanted_rate(name, before)
        torch.testing.assert_close(
            after - before, torch.full_like(before, wanted), rtol=1e-3, atol=0
        )


@pytest.mark.parametrize("name", [name for name, _ in build_model(SCALED, [0]).named_parameters()])
def test_all_but_biases_decay_by_the_learning_rate(name: str) -> None:
    """Without a gradient Adam does nothing, and what is left is the decay."""
    before, after = first_step(name, of=FADES, scale=0.0)
    kept = 1.0 if is_bias(name) else 1 - FADES.learning_rate * FADES.weight_decay
    torch.testing.assert_close(after, kept * before)


# ------------------------------------------------------------------------------------------- fades


def decay_at(step: int, steps: int, recipe: Recipe) -> float:
    """Return by how much a step without gradients shrinks a weight, a learning rate of it."""
    model = build_model(SCALED, [0])
    optimizer = Optimizer(model, dataclasses.replace(recipe, schedule="constant"), steps)
    optimizer.advance(step)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = model.output.weight.detach().double().clone()
    optimizer.step()
    kept = float(model.output.weight.detach().double().sum() / before.sum())
    return (1 - kept) / recipe.learning_rate


def dropout_at(step: int, steps: int, recipe: Recipe) -> float:
    """Return the share that is left out in a step."""
    model = build_model(SCALED, [0])
    Optimizer(model, recipe, steps).advance(step)
    return (float(model.last_left_out) + 1) / 256


@pytest.mark.parametrize("of", [dropout_at, decay_at])
def test_dropout_and_decay_fade_from_half_time_on(
    of: Callable[[int, int, Recipe], float],
) -> None:
    full = FADES.dropout if of is dropout_at else FADES.weight_decay
    shares = {0: 1.0, 8: 1.0, 10: 1.0, 15: 0.5, 20: 0.0}
    for step, share in shares.items():
        assert of(step, 20, FADES) == pytest.approx(full * share, abs=1e-5)


@pytest.mark.parametrize("of", [dropout_at, decay_at])
def test_a_plain_recipe_fades_nothing(of: Callable[[int, int, Recipe], float]) -> None:
    plain = dataclasses.replace(FADES, is_scaled=False)
    full = FADES.dropout if of is dropout_at else FADES.weight_decay
    for step in (0, 10, 15, 20):
        assert of(step, 20, plain) == pytest.approx(full, abs=1e-5)


@pytest.mark.parametrize("recipe", [PLAIN, TABULAR], ids=["plain", "tabular"])
@pytest.mark.parametrize("members", [1, 3])
def test_every_parameter_is_updated(members: int, recipe: Recipe) -> None:
    model = build_model(SCALED, range(members))
    optimizer = Optimizer(model, dataclasses.replace(recipe, schedule="constant"), 1)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    set_gradients(model, 0)
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert (parameter != before[name]).all(), name
