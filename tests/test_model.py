"""The network: where it starts, what it computes, and that a row's score is its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.dataset import Dataset
from imbalance_cli.losses import inverse_link, link
from imbalance_cli.model import (
    ACTIVATIONS,
    SCORING_ROWS,
    MultilayerPerceptron,
    PiecewiseLinear,
    Shape,
    build_model,
    score_rows,
)

FULL = Shape(
    numeric=5,
    cardinalities=[4, 12],
    labels=3,
    hidden=[17, 9],
    dropout=0.3,
    continuous=2,
    bins=4,
)


def make_rows(rows: int, shape: Shape = FULL) -> Dataset:
    random = torch.Generator().manual_seed(rows)
    codes = [torch.randint(size, (rows,), generator=random) for size in shape.cardinalities]
    return Dataset(
        torch.randn(rows, shape.numeric, generator=random),
        torch.stack(codes, dim=1) if codes else torch.empty(rows, 0, dtype=torch.int64),
        torch.empty(rows, shape.labels),
    )


def make_model(shape: Shape = FULL, seed: int = 0) -> MultilayerPerceptron:
    model = build_model(shape, seed)
    if model.bins is not None:
        model.bins.fit(make_rows(200, shape).numeric)
    return model


def test_same_seed_same_weights() -> None:
    state = torch.get_rng_state()
    first, again, other = (build_model(FULL, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["output.weight"], other["output.weight"])
    assert torch.equal(state, torch.get_rng_state())


def test_starts_at_the_prior() -> None:
    prevalence = torch.tensor([0.01, 0.2, 0.5])
    weights = torch.tensor([99.0, 4.0, 1.0])
    model = build_model(FULL, 0, link(prevalence, weights).tolist())
    probabilities = inverse_link(score_rows(model, make_rows(1000), "float32"), weights)
    torch.testing.assert_close(probabilities.mean(dim=0).float(), prevalence, rtol=0.15, atol=0)


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
    x = random.normal(size=(rows, 3)).astype(np.float32)
    x = x.round() if ties else x
    module = PiecewiseLinear(2, bins)
    module.fit(torch.from_numpy(x))
    for feature in range(2):
        places = [t * (rows - 1) // bins for t in range(bins + 1)]
        np.testing.assert_array_equal(module.edges[feature].numpy(), np.sort(x[:, feature])[places])
    new = random.normal(size=(7, 3)).astype(np.float32) * 2
    result = module(torch.from_numpy(new)).numpy().reshape(7, 2, bins)
    for feature in range(2):
        wanted = reference_bins(new[:, feature], module.edges[feature].numpy())
        np.testing.assert_allclose(result[:, feature], wanted, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [1, 7, SCORING_ROWS, SCORING_ROWS + 3])
def test_score_of_a_row_is_its_own(rows: int, precision: str) -> None:
    """Bit for bit the same, whatever rows come with it and wherever it stands among them."""
    model = make_model()
    data = make_rows(rows)
    scores = score_rows(model, data, precision)
    assert scores.shape == (rows, 3)
    assert scores.dtype == torch.float32
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(0))
    assert torch.equal(score_rows(model, data.select(order), precision), scores[order])
    for row in {0, rows // 2, rows - 1}:
        alone = score_rows(model, data.select(torch.tensor([row])), precision)
        assert torch.equal(alone[0], scores[row])


def test_no_rows() -> None:
    assert score_rows(make_model(), make_rows(0), "float32").shape == (0, 3)


def test_scoring_leaves_out_dropout() -> None:
    model = make_model().train()
    data = make_rows(50)
    assert torch.equal(score_rows(model, data, "float32"), score_rows(model, data, "float32"))


def test_bfloat16_does_not_tie_the_scores() -> None:
    """The last layer is float32: three digits would make most scores equal in a ranking."""
    model, data = make_model(), make_rows(2000)
    low, full = (score_rows(model, data, precision) for precision in ("bfloat16", "float32"))
    torch.testing.assert_close(low, full, rtol=0, atol=0.05)
    distinct = [len(set(scores[:, 0].tolist())) for scores in (low, full)]
    assert distinct[0] > 0.99 * distinct[1]


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_learns(activation: str) -> None:
    model = build_model(Shape(3, [], 2, [4], activation), 0)
    data = make_rows(8, Shape(3, [], 2, [4]))
    torch.autograd.backward(model(data.numeric, data.codes).square().sum())
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_parts_that_are_left_out() -> None:
    linear = build_model(Shape(3, [], 2, []), 0)
    assert {name for name, _ in linear.named_parameters()} == {"output.weight", "output.bias"}
    only_codes = build_model(Shape(0, [5], 2, [4]), 0)
    rows = make_rows(6, Shape(0, [5], 2, [4]))
    assert score_rows(only_codes, rows, "float32").shape == (6, 2)


def test_embeddings_are_apart() -> None:
    """The same index of another column is another embedding."""
    model = build_model(Shape(0, [3, 3], 1, []), 0)
    one = model(torch.empty(1, 0), torch.tensor([[1, 2]]))
    assert model.embedding is not None
    chosen = model.embedding.weight[[1, 5]].flatten()
    torch.testing.assert_close(one[0], model.output(chosen))


def test_shape_is_plain_data() -> None:
    assert Shape(**FULL.to_dict()) == FULL
    first = make_model()
    second = MultilayerPerceptron(Shape(**FULL.to_dict()))
    second.load_state_dict(first.state_dict())
    data = make_rows(5)
    assert torch.equal(score_rows(first, data, "float32"), score_rows(second, data, "float32"))
