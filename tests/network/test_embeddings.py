"""Embeddings of numbers and categories against plain formulas, each network's apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.network.embeddings import (
    CATEGORY_WIDTH,
    PERIODIC_WIDTH,
    Categories,
    LearnedBins,
    Periodic,
    PiecewiseLinear,
)

SCALES = [0.1, 0.5, 2.0, 8.0]


def draw(layer: Categories | LearnedBins | Periodic, members: int) -> None:
    """Start each member by a seed of its own."""
    for member in range(members):
        layer.draw(member, torch.Generator().manual_seed(member))


def random_numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --------------------------------------------------------------------------------- piecewise linear


def reference_bins(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Gorishniy et al. 2022, equation 1, within [0, 1]: (N, T) of one feature."""
    result = np.zeros((len(x), len(edges) - 1))
    for t in range(len(edges) - 1):
        low, high = edges[t], edges[t + 1]
        for i, value in enumerate(x):
            if high > low:
                result[i, t] = min(max((value - low) / (high - low), 0), 1)
    return result


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99), rows=st.integers(1, 50), bins=st.integers(1, 8), ties=st.booleans())
def test_piecewise_linear(seed: int, rows: int, bins: int, *, ties: bool) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 2)).astype(np.float32)
    x = x.round() if ties else x
    module = PiecewiseLinear(2, bins)
    module.fit(torch.from_numpy(x))
    for feature in range(2):
        places = [t * (rows - 1) // bins for t in range(bins + 1)]
        np.testing.assert_array_equal(module.edges[feature].numpy(), np.sort(x[:, feature])[places])
    new = random.normal(size=(7, 2)).astype(np.float32) * 2
    result = module(torch.from_numpy(new)).numpy()
    assert result.shape == (2, 7, bins)
    for feature in range(2):
        wanted = reference_bins(new[:, feature], module.edges[feature].numpy())
        np.testing.assert_allclose(result[feature], wanted, atol=1e-5)


def test_a_common_value_leaves_bins_to_the_others() -> None:
    """With a power of 0 each value counts once, however many rows have it."""
    x = torch.cat([torch.zeros(900), torch.arange(1.0, 9.0)])[:, None]
    for power, wanted in ((1.0, [0, 0, 0, 0, 8]), (0.0, [0, 2, 4, 6, 8])):
        module = PiecewiseLinear(1, 4)
        module.fit(x, power)
        assert module.edges[0].tolist() == wanted
    module.fit(x, 0.3)  # 900 rows count as 7.7 of the 15.7
    assert module.edges[0].tolist() == [0, 0, 0, 4, 8]


@pytest.mark.parametrize("own", [False, True])
def test_learned_bins_are_linear_in_the_bins_of_a_number(*, own: bool) -> None:
    """Of rows that all members share, and of rows of their own; each member apart."""
    module = LearnedBins(3, 2, 4, 5)
    draw(module, 3)
    assert not module.bias.any()
    with torch.no_grad():
        module.bias.copy_(random_numbers(3, 2, 5))
    reach = random_numbers(3 if own else 1, 2, 9, 4, seed=1)
    outputs = module(reach)
    assert outputs.shape == (3, 9, 2 * 5)
    for member in range(3):
        cells = reach[member * own]
        for feature in range(2):
            weight, bias = module.weight[member, feature], module.bias[member, feature]
            wanted = cells[feature] @ weight + bias
            found = outputs[member, :, 5 * feature : 5 * feature + 5]
            torch.testing.assert_close(found, wanted)
    assert 0.4 < module.weight.detach().abs().max() <= 0.5  # of 4 inputs
    assert not torch.equal(module.weight[0], module.weight[1])


# ---------------------------------------------------------------------------------------- periodic


def reference_periodic(module: Periodic, member: int, x: torch.Tensor) -> torch.Tensor:
    """Holzmueller et al. 2024: W cos(2 pi f x + b) + c of each number, (N, F * E).

    A parameter holds 2 pi f.
    """
    outputs = []
    for feature in range(x.shape[1]):
        f = module.frequency[member, feature].double() / (2 * math.pi)
        b, c = module.phase[member, feature].double(), module.bias[member, feature].double()
        angles = 2 * math.pi * f * x[:, feature, None].double() + b
        outputs.append(torch.cos(angles) @ module.weight[member, feature].double() + c)
    return torch.cat(outputs, dim=1)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("own", [False, True])
def test_periodic(members: int, *, own: bool) -> None:
    """Of rows that all members share, and of rows of their own."""
    module = Periodic(members, 2, SCALES)
    draw(module, members)
    rows = random_numbers(members if own else 1, 9, 2)
    outputs = module(rows)
    assert outputs.shape == (members, 9, 2 * PERIODIC_WIDTH)
    for member in range(members):
        wanted = reference_periodic(module, member, rows[member * own])
        torch.testing.assert_close(outputs[member].double(), wanted, rtol=1e-4, atol=1e-5)


def test_frequencies_start_with_their_standard_deviations() -> None:
    module = Periodic(1, 4000, SCALES)
    draw(module, 1)
    spread = module.frequency[0].std(dim=0) / (2 * math.pi)
    torch.testing.assert_close(spread, torch.tensor(SCALES), rtol=0.05, atol=0)
    assert module.frequency[0].mean(dim=0).abs().max() < 0.1 * 2 * math.pi * max(SCALES)
    phases = module.phase.detach()
    assert phases.abs().max() <= math.pi
    torch.testing.assert_close(phases.std(), torch.tensor(math.pi / 3**0.5), rtol=0.02, atol=0)
    bound = len(SCALES) ** -0.5  # as a torch.nn.Linear of so many inputs starts
    for parameter in (module.weight, module.bias):
        assert 0.9 * bound < parameter.abs().max() <= bound


def test_periodic_parts_of_members_are_independent() -> None:
    """Each starts by its own seed, and its gradient is of its own outputs alone."""
    module = Periodic(3, 2, SCALES)
    draw(module, 3)
    alone = Periodic(1, 2, SCALES)
    alone.draw(0, torch.Generator().manual_seed(1))
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter[1:2], dict(alone.named_parameters())[name])
        assert not torch.equal(parameter[1], parameter[2])
    torch.autograd.backward(module(random_numbers(1, 9, 2))[1].square().sum())
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert parameter.grad[1].any()
        assert not parameter.grad[::2].any()


# --------------------------------------------------------------------------------------- categories


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("own", [False, True])
def test_categories_are_looked_up_as_torch_does(members: int, *, own: bool) -> None:
    """A member looks up its own table, and a feature its own part of it."""
    sizes = [4, 12, 1]
    module = Categories(members, sizes)
    draw(module, members)
    random = torch.Generator().manual_seed(0)
    shape = (members if own else 1, 9)
    codes = torch.stack([torch.randint(n, shape, generator=random) for n in sizes], dim=2)
    outputs = module(codes)
    assert outputs.shape == (members, 9, 3 * CATEGORY_WIDTH)
    for member in range(members):
        tables = torch.split(module.weight[member], sizes)
        looked_up = [
            torch.nn.functional.embedding(codes[member * own, :, feature], table)
            for feature, table in enumerate(tables)
        ]
        assert torch.equal(outputs[member], torch.cat(looked_up, dim=1))


def test_categories_start_as_torch_starts_them() -> None:
    module = Categories(2, [4, 2])
    draw(module, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        wanted = torch.nn.Embedding(6, CATEGORY_WIDTH)
    assert torch.equal(module.weight[1], wanted.weight)
