"""The networks: where each starts, what it computes, and that a row's score is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.dataset import Dataset
from imbalance_cli.links import inverse_link, link
from imbalance_cli.losses import weighted_bce
from imbalance_cli.model import (
    ACTIVATIONS,
    EMBEDDING_WIDTH,
    SCORING_ROWS,
    MemberEmbedding,
    MemberLinear,
    MultilayerPerceptron,
    PiecewiseLinear,
    Shape,
    build_model,
    score_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def make_model(shape: Shape = FULL, seeds: Sequence[int] = (0,)) -> MultilayerPerceptron:
    model = build_model(shape, seeds)
    if model.bins is not None:
        model.bins.fit(make_rows(200, shape).numeric)
    return model


def draw(layer: MemberLinear | MemberEmbedding, members: int) -> None:
    for member in range(members):
        layer.draw(member, torch.Generator().manual_seed(member))


# ---------------------------------------------------------------------------------- where it starts


def test_same_seed_same_weights() -> None:
    state = torch.get_rng_state()
    first, again, other = (build_model(FULL, [seed]).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["output.weight"], other["output.weight"])
    assert torch.equal(state, torch.get_rng_state())


def test_layers_start_as_those_of_torch() -> None:
    model = build_model(Shape(3, [4, 2], 2, [5]), [1, 7])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        embedding = torch.nn.Embedding(6, EMBEDDING_WIDTH)
        hidden = torch.nn.Linear(3 + 2 * EMBEDDING_WIDTH, 5)
        output = torch.nn.Linear(5, 2)
    wanted = [*embedding.parameters(), *hidden.parameters(), *output.parameters()]
    for parameter, its in zip(model.parameters(), wanted, strict=True):
        assert torch.equal(parameter[1], its)


def test_members_start_as_their_seeds_alone() -> None:
    seeds = (3, 8, 3)
    together = dict(build_model(FULL, seeds).named_parameters())
    alone = [dict(build_model(FULL, [seed]).named_parameters()) for seed in seeds]
    for name, parameter in together.items():
        assert torch.equal(parameter, torch.cat([start[name] for start in alone]))
        assert parameter.requires_grad
        assert parameter.is_leaf
        assert not torch.equal(parameter[0], parameter[1])


def test_one_network_is_made_of_torch_layers() -> None:
    """Seeded, the layers draw what torch's own do, one after the other."""
    model = build_model(Shape(3, [4, 2], 2, [5]), [7])
    with torch.random.fork_rng():
        torch.manual_seed(7)
        table = torch.nn.Embedding(6, EMBEDDING_WIDTH)
        hidden = torch.nn.Linear(3 + 2 * EMBEDDING_WIDTH, 5)
        output = torch.nn.Linear(5, 2)
    wanted = {
        "embedding.weight": table.weight,
        "hidden.0.weight": hidden.weight,
        "hidden.0.bias": hidden.bias,
        "output.weight": output.weight,
        "output.bias": output.bias,
    }
    found = dict(model.named_parameters())
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name][0], wanted[name]) for name in wanted)


@pytest.mark.parametrize("members", [1, 2])
def test_starts_at_the_prior(members: int) -> None:
    """Each member at its own, with its own loss."""
    prevalence = torch.tensor([[0.01, 0.2, 0.5], [0.3, 0.5, 0.02]])[:members]
    weights = torch.tensor([[99.0, 4.0, 1.0], [1.0, 2.0, 30.0]])[:members]
    losses = [weighted_bce(weight) for weight in weights]
    starts = torch.stack([link(p, loss) for p, loss in zip(prevalence, losses, strict=True)])
    model = build_model(FULL, range(members), starts)
    torch.testing.assert_close(model.output.bias.detach(), starts.float())
    plain = build_model(FULL, range(members))
    torch.testing.assert_close(model.output.weight, plain.output.weight * 0.1)
    logits = score_rows(model, make_rows(1000), "float32")
    for member, loss in enumerate(losses):
        probabilities = inverse_link(logits[member], loss)
        torch.testing.assert_close(
            probabilities.mean(dim=0).float(), prevalence[member], rtol=0.15, atol=0
        )


# --------------------------------------------------------------------------------- what it computes


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


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("leading", [(), (1,)])
def test_linear_layers_are_those_of_torch(members: int, leading: tuple[int, ...]) -> None:
    """With rows that all members share, (B, F)."""
    layers = MemberLinear(members, 5, 4)
    draw(layers, members)
    rows = torch.randn(*leading, 11, 5, generator=torch.Generator().manual_seed(0))
    outputs = layers(rows).reshape(members, 11, 4)
    gradient = torch.randn(members, 11, 4, generator=torch.Generator().manual_seed(1))
    torch.autograd.backward(outputs, gradient)
    for member in range(members):
        layer = torch.nn.Linear(5, 4)
        layer.load_state_dict(
            {"weight": layers.weight[member].detach(), "bias": layers.bias[member].detach()}
        )
        wanted = layer(rows.reshape(11, 5))
        torch.testing.assert_close(outputs[member], wanted)
        torch.autograd.backward(wanted, gradient[member])
        assert layers.weight.grad is not None
        assert layers.bias.grad is not None
        torch.testing.assert_close(layers.weight.grad[member], layer.weight.grad)
        torch.testing.assert_close(layers.bias.grad[member], layer.bias.grad)


def test_linear_layers_take_rows_of_each_member() -> None:
    layers = MemberLinear(3, 5, 4)
    draw(layers, 3)
    rows = torch.randn(3, 11, 5, generator=torch.Generator().manual_seed(0))
    outputs = layers(rows)
    for member in range(3):
        weight, bias = layers.weight[member], layers.bias[member]
        wanted = torch.nn.functional.linear(rows[member], weight, bias)
        torch.testing.assert_close(outputs[member], wanted)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("own", [False, True])
def test_embeddings_are_those_of_torch(members: int, *, own: bool) -> None:
    """A member looks up its own table, and a feature its own part of it."""
    sizes = [4, 12, 1]
    module = MemberEmbedding(members, sizes)
    draw(module, members)
    rows = [make_rows(9 + own * m, Shape(0, sizes, 1, [])).codes[:9] for m in range(members)]
    codes = torch.stack(rows) if own else rows[0]
    outputs = module(codes)
    assert outputs.shape[-2:] == (9, 3 * EMBEDDING_WIDTH)
    outputs = outputs.reshape(members, 9, -1)
    for member in range(members):
        tables = torch.split(module.weight[member], sizes)
        looked_up = [
            torch.nn.functional.embedding(rows[own * member][:, feature], table)
            for feature, table in enumerate(tables)
        ]
        assert torch.equal(outputs[member], torch.cat(looked_up, dim=1))


SHAPES = {
    "full": FULL,
    "bins only": Shape(4, [], 2, [6], continuous=4, bins=3),
    "codes only": Shape(0, [5, 3], 2, [6]),
    "numbers only": Shape(4, [], 1, [6, 5]),
    "logistic": Shape(4, [5], 2, []),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_members_compute_what_each_computes_alone(shape: Shape) -> None:
    """Of rows that they share, (B, F), and of rows of their own, (M, B, F)."""
    model = make_model(shape, (0, 1, 2)).eval()
    parts = [make_rows(rows, shape).select(torch.arange(7)) for rows in (7, 8, 9)]
    shared = model(parts[0].numeric, parts[0].codes)
    own = model(torch.stack([p.numeric for p in parts]), torch.stack([p.codes for p in parts]))
    assert shared.shape == own.shape == (3, 7, shape.labels)
    for index, part in enumerate(parts):
        alone = make_model(shape, (index,)).eval()
        for logits, rows in ((shared, parts[0]), (own, part)):
            wanted = alone(rows.numeric, rows.codes)
            assert wanted.shape == (1, 7, shape.labels)
            torch.testing.assert_close(logits[index], wanted[0])
            one_batch = alone(rows.numeric[None], rows.codes[None])
            torch.testing.assert_close(one_batch, wanted)


def test_members_drop_units_of_their_own() -> None:
    """The same network twice, and yet other logits: the members' masks are not the same."""
    model = make_model(seeds=(4, 4)).train()
    rows = make_rows(50)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        logits = model(rows.numeric, rows.codes)
    assert not torch.equal(logits[0], logits[1])


# -------------------------------------------------------------------- one of many


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_member_is_the_memory_of_the_whole(shape: Shape) -> None:
    model = make_model(shape, (0, 1, 2))
    state = torch.get_rng_state()
    alone = model.member(1)
    assert torch.equal(state, torch.get_rng_state())
    assert (alone.members, alone.shape) == (1, shape)
    whole, own = dict(model.named_parameters()), dict(alone.named_parameters())
    assert own.keys() == whole.keys()
    before = {name: parameter.detach().clone() for name, parameter in whole.items()}
    for name, parameter in own.items():
        assert parameter.data_ptr() == whole[name][1].data_ptr()
        assert parameter.requires_grad
        assert parameter.is_leaf
        with torch.no_grad():
            parameter.add_(1)
        assert torch.equal(whole[name][1], before[name][1] + 1)
        assert torch.equal(whole[name][::2], before[name][::2])
    shared = dict(alone.named_buffers())
    for name, buffer in model.named_buffers():
        assert buffer.data_ptr() == shared[name].data_ptr()
        assert buffer.device.type == "cpu"


def test_members_alone_are_all_of_them() -> None:
    model = make_model(seeds=(0, 1))
    rows = make_rows(20)
    first, second = (alone.eval() for alone in model.alone())
    logits = model.eval()(rows.numeric, rows.codes)
    torch.testing.assert_close(first(rows.numeric, rows.codes)[0], logits[0])
    torch.testing.assert_close(second(rows.numeric, rows.codes)[0], logits[1])
    pair = make_model(seeds=(5, 0, 1)).part(1, 3).eval()
    assert torch.equal(pair(rows.numeric, rows.codes), logits)
    assert model.part(0, 2) is model
    single = make_model()
    assert single.member(0) is single
    assert single.alone() == [single]


# ------------------------------------------------------------------------------------- the scores


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [1, 7, SCORING_ROWS, SCORING_ROWS + 3])
def test_score_of_a_row_is_its_own(rows: int, precision: str) -> None:
    """Bit for bit the same, whatever rows come with it and wherever it stands among them.

    Whatever networks it is scored with, too.
    """
    seeds = (0, 5, 9)
    model = make_model(seeds=seeds)
    data = make_rows(rows)
    scores = score_rows(model, data, precision)
    assert scores.shape == (3, rows, 3)
    assert scores.dtype == torch.float32
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(0))
    assert torch.equal(score_rows(model, data.select(order), precision), scores[:, order])
    for row in {0, rows // 2, rows - 1}:
        alone = score_rows(model, data.select(torch.tensor([row])), precision)
        assert torch.equal(alone[:, 0], scores[:, row])
    for index, seed in enumerate(seeds):
        single = score_rows(make_model(seeds=[seed]), data, precision)
        assert torch.equal(single[0], scores[index])
        assert torch.equal(score_rows(model.member(index), data, precision)[0], scores[index])


@pytest.mark.parametrize("labels", [1, 3, 5, 12])
def test_score_of_a_row_is_its_own_for_any_number_of_inputs(labels: int) -> None:
    """Where a library of matrix products sums four inputs at a time, what is left over counts."""
    for numeric in (1, 6, 7, 9, 30, 31, 101):
        shape = Shape(numeric, [], labels, [])
        model, data = make_model(shape), make_rows(60, shape)
        scores = score_rows(model, data, "float32")
        order = torch.arange(60).flip(0)
        assert torch.equal(score_rows(model, data.select(order), "float32"), scores[:, order])


def test_no_rows() -> None:
    assert score_rows(make_model(), make_rows(0), "float32").shape == (1, 0, 3)
    assert score_rows(make_model(seeds=(0, 1)), make_rows(0), "float32").shape == (2, 0, 3)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_scoring_leaves_out_dropout(seeds: Sequence[int]) -> None:
    model = make_model(seeds=seeds).train()
    data = make_rows(50)
    assert torch.equal(score_rows(model, data, "float32"), score_rows(model, data, "float32"))


def test_bfloat16_does_not_tie_the_scores() -> None:
    """The last layer is float32: three digits would make most scores equal in a ranking."""
    model, data = make_model(), make_rows(2000)
    low, full = (score_rows(model, data, precision) for precision in ("bfloat16", "float32"))
    torch.testing.assert_close(low, full, rtol=0, atol=0.05)
    distinct = [len(set(scores[0, :, 0].tolist())) for scores in (low, full)]
    assert distinct[0] > 0.99 * distinct[1]


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_learns(activation: str) -> None:
    model = build_model(Shape(3, [], 2, [4], activation), [0, 1])
    data = make_rows(8, Shape(3, [], 2, [4]))
    torch.autograd.backward(model(data.numeric, data.codes).square().sum())
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.flatten(1).any(dim=1).all()


def test_parts_that_are_left_out() -> None:
    linear = build_model(Shape(3, [], 2, []), [0])
    assert {name for name, _ in linear.named_parameters()} == {"output.weight", "output.bias"}
    only_codes = build_model(Shape(0, [5], 2, [4]), [0])
    rows = make_rows(6, Shape(0, [5], 2, [4]))
    assert score_rows(only_codes, rows, "float32").shape == (1, 6, 2)


def test_embeddings_are_apart() -> None:
    """The same index of another column is another embedding."""
    model = build_model(Shape(0, [3, 3], 1, []), [0])
    one = model(torch.empty(1, 0), torch.tensor([[1, 2]]))
    assert model.embedding is not None
    chosen = model.embedding.weight[0, [1, 5]].flatten()
    torch.testing.assert_close(one[0, 0], model.output(chosen))


def test_shape_is_plain_data() -> None:
    assert Shape(**FULL.to_dict()) == FULL
    first = make_model(seeds=(0, 1))
    second = MultilayerPerceptron(Shape(**FULL.to_dict()), members=2)
    second.load_state_dict(first.state_dict())
    data = make_rows(5)
    assert torch.equal(score_rows(first, data, "float32"), score_rows(second, data, "float32"))
