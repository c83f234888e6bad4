"""The networks: where each starts, what it computes, and that a row's score is its own."""

from __future__ import annotations

import dataclasses
import math
import weakref
from typing import TYPE_CHECKING

import pytest
import torch

from imbalance_cli.losses.family import weighted_bce
from imbalance_cli.losses.link import inverse_link, link
from imbalance_cli.machine.device import autocast
from imbalance_cli.network.embeddings import CATEGORY_WIDTH
from imbalance_cli.network.layers import ACTIVATIONS, MemberLinear
from imbalance_cli.network.model import (
    FIRST_LOGITS,
    SCORING_ROWS,
    WIDE,
    MultilayerPerceptron,
    Shape,
    build_model,
    score_rows,
)
from imbalance_cli.rows.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL = Shape(
    numeric=5,
    cardinalities=[4, 12],
    labels=3,
    hidden=[17, 9],
    dropout=0.3,
    continuous=2,
    binned=[0, 1],
    bins=4,
)
HEADED = dataclasses.replace(
    FULL, activation="gelu", frequencies=[0.1, 0.5, 2.0], heads=3, is_scaled=True
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
        model.bins.fit(make_rows(200, shape).numeric[:, shape.binned])
    return model


# ---------------------------------------------------------------------------------- where it starts


@pytest.mark.parametrize("shape", [FULL, HEADED], ids=["full", "heads"])
def test_same_seed_same_weights(shape: Shape) -> None:
    state = torch.get_rng_state()
    first, again, other = (build_model(shape, [seed]).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["output.weight"], other["output.weight"])
    assert torch.equal(state, torch.get_rng_state())


def test_layers_start_as_those_of_torch() -> None:
    model = build_model(Shape(3, [4, 2], 2, [5]), [1, 7])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        embedding = torch.nn.Embedding(6, CATEGORY_WIDTH)
        hidden = torch.nn.Linear(3 + 2 * CATEGORY_WIDTH, 5)
        output = torch.nn.Linear(5, 2)
    wanted = [*embedding.parameters(), *hidden.parameters(), *output.parameters()]
    for parameter, its in zip(model.parameters(), wanted, strict=True):
        assert torch.equal(parameter[1], its)


@pytest.mark.parametrize("shape", [FULL, HEADED], ids=["full", "heads"])
def test_members_start_as_their_seeds_alone(shape: Shape) -> None:
    seeds = (3, 8, 3)
    together = dict(build_model(shape, seeds).named_parameters())
    alone = [dict(build_model(shape, [seed]).named_parameters()) for seed in seeds]
    for name, parameter in together.items():
        assert torch.equal(parameter, torch.cat([start[name] for start in alone]))
        assert parameter.requires_grad
        assert parameter.is_leaf
        assert not torch.equal(parameter[0], parameter[1]), name


def test_one_network_is_made_of_torch_layers() -> None:
    """Seeded, the layers draw what torch's own do, one after the other."""
    model = build_model(Shape(3, [4, 2], 2, [5]), [7])
    with torch.random.fork_rng():
        torch.manual_seed(7)
        table = torch.nn.Embedding(6, CATEGORY_WIDTH)
        hidden = torch.nn.Linear(3 + 2 * CATEGORY_WIDTH, 5)
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


@pytest.mark.parametrize("shape", [FULL, HEADED], ids=["full", "heads"])
@pytest.mark.parametrize("members", [1, 2])
def test_starts_at_the_prior(members: int, shape: Shape) -> None:
    """Each member at its own, with its own loss; all its heads alike."""
    prevalence = torch.tensor([[0.01, 0.2, 0.5], [0.3, 0.5, 0.02]])[:members]
    weights = torch.tensor([[99.0, 4.0, 1.0], [1.0, 2.0, 30.0]])[:members]
    losses = [weighted_bce(weight) for weight in weights]
    starts = torch.stack([link(p, loss) for p, loss in zip(prevalence, losses, strict=True)])
    model = build_model(shape, range(members), starts)
    biases = model.output.bias.detach().reshape(members, shape.heads, -1)
    for head in range(shape.heads):
        torch.testing.assert_close(biases[:, head], starts.float())
    plain = build_model(shape, range(members))
    torch.testing.assert_close(model.output.weight, plain.output.weight * FIRST_LOGITS)
    logits = score_rows(model, make_rows(1000, shape), "float32").reshape(
        members, -1, 1000, shape.labels
    )
    for member, loss in enumerate(losses):
        probabilities = inverse_link(logits[member], loss)
        torch.testing.assert_close(
            probabilities.mean(dim=(0, 1)).float(), prevalence[member], rtol=0.15, atol=0
        )


def test_layers_of_unit_variance() -> None:
    """Outputs without their biases vary as the inputs do; biases are standard normal."""
    layer = MemberLinear(1, 400, 300, unit_variance=True)
    layer.draw(0, torch.Generator().manual_seed(0))
    layer.eval()
    torch.testing.assert_close(layer.weight.std(), torch.tensor(400**-0.5), rtol=0.02, atol=0)
    torch.testing.assert_close(layer.bias.std(), torch.tensor(1.0), rtol=0.1, atol=0)
    rows = torch.randn(200, 400, generator=torch.Generator().manual_seed(9))
    spread = (layer(rows) - layer.bias).std()
    torch.testing.assert_close(spread, torch.tensor(1.0), rtol=0.05, atol=0)
    model = build_model(HEADED, [0])
    first = model.hidden[0]
    assert isinstance(first, MemberLinear)
    spreads = [float(layer.weight.detach().std()) for layer in (first, model.output)]
    assert spreads == pytest.approx([HEADED.inputs**-0.5, 1 / 3], rel=0.3)


# --------------------------------------------------------------------------------- what it computes


SHAPES = {
    "full": FULL,
    "bins only": Shape(4, [], 2, [6], continuous=4, binned=[0, 1, 2, 3], bins=3),
    "codes only": Shape(0, [5, 3], 2, [6]),
    "numbers only": Shape(4, [], 1, [6, 5]),
    "logistic": Shape(4, [5], 2, []),
    "logistic of numbers": Shape(4, [], 2, []),
    "heads": HEADED,
    "heads of a textbook network": dataclasses.replace(FULL, heads=4),
    "heads without layers": Shape(4, [5], 2, [], heads=3),
    "scales of one head": Shape(4, [5], 2, [6], is_scaled=True),
    "learned bins": Shape(
        4, [], 2, [6], continuous=4, binned=[0, 2], bins=3, bin_outputs=2, heads=2
    ),
    "frequencies only": Shape(4, [], 2, [6], continuous=4, frequencies=[0.1, 1.0]),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_members_compute_what_each_computes_alone(shape: Shape) -> None:
    """Of rows that they share, (B, F), and of rows of their own, (M, B, F)."""
    model = make_model(shape, (0, 1, 2)).eval()
    parts = [make_rows(rows, shape).take(torch.arange(7)) for rows in (7, 8, 9)]
    shared = model(parts[0].numeric, parts[0].codes)
    own = model(torch.stack([p.numeric for p in parts]), torch.stack([p.codes for p in parts]))
    assert shared.shape == own.shape == (3 * shape.heads, 7, shape.labels)
    for index, part in enumerate(parts):
        alone = make_model(shape, (index,)).eval()
        heads = slice(index * shape.heads, (index + 1) * shape.heads)
        for logits, rows in ((shared, parts[0]), (own, part)):
            wanted = alone(rows.numeric, rows.codes)
            assert wanted.shape == (shape.heads, 7, shape.labels)
            torch.testing.assert_close(logits[heads], wanted, rtol=1e-4, atol=1e-5)
            one_batch = alone(rows.numeric[None], rows.codes[None])
            torch.testing.assert_close(one_batch, wanted)


def trunk_inputs(model: MultilayerPerceptron, member: int, rows: Dataset) -> torch.Tensor:
    """Return the inputs of a network's first layer before any head scales them, (B, D)."""
    numbers = rows.numeric[:, : model.shape.continuous]
    assert model.bins is not None
    assert model.periodic is not None
    assert model.embedding is not None
    frequency, phase = model.periodic.frequency[member], model.periodic.phase[member]
    waves = torch.cos(numbers[:, :, None] * frequency + phase)
    periodic = [
        waves[:, feature] @ model.periodic.weight[member, feature]
        + model.periodic.bias[member, feature]
        for feature in range(model.shape.continuous)
    ]
    tables = torch.split(model.embedding.weight[member], model.shape.cardinalities)
    looked_up = [table[rows.codes[:, feature]] for feature, table in enumerate(tables)]
    bins = model.bins(numbers).transpose(0, 1).flatten(start_dim=1)
    return torch.cat([rows.numeric, bins, *periodic, *looked_up], dim=1)


def test_heads_are_networks_that_share_a_trunk() -> None:
    """Written out by hand: a head scales the inputs, and has its own last layer."""
    model = make_model(HEADED, (0, 1)).eval()
    with torch.no_grad():  # away from where they start
        for number, parameter in enumerate(model.parameters()):
            random = torch.Generator().manual_seed(number)
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=random))
    rows = make_rows(8, HEADED)
    logits = model(rows.numeric, rows.codes)
    assert model.scale is not None
    for member in range(2):
        inputs = trunk_inputs(model, member, rows)
        assert inputs.shape == (8, HEADED.inputs)
        for head in range(member * HEADED.heads, (member + 1) * HEADED.heads):
            x = inputs * model.scale.weight[head]
            for layer in model.hidden:
                assert isinstance(layer, MemberLinear)
                x = torch.nn.functional.gelu(x @ layer.weight[member].T + layer.bias[member])
            wanted = x @ model.output.weight[head].T + model.output.bias[head]
            torch.testing.assert_close(logits[head], wanted, rtol=1e-4, atol=1e-4)
    assert len({round(float(one), 4) for one in logits[:, 0, 0].detach()}) == 6


def test_heads_of_a_textbook_network_are_its_copies_with_other_signs() -> None:
    """Without learned scales each is a network of torch's own layers."""
    shape = Shape(4, [], 2, [8, 5], heads=3)
    model = make_model(shape).eval()
    rows = make_rows(9, shape)
    logits = model(rows.numeric, rows.codes)
    assert model.scale is not None
    for head in range(3):
        x = rows.numeric * model.scale.weight[head]
        for layer in model.hidden:
            assert isinstance(layer, MemberLinear)
            x = torch.nn.functional.linear(x, layer.weight[0], layer.bias[0]).relu()
        wanted = torch.nn.functional.linear(x, model.output.weight[head], model.output.bias[head])
        torch.testing.assert_close(logits[head], wanted)


# ------------------------------------------------------------------------------------- dropout


def drop(share: float, rows: torch.Tensor) -> torch.Tensor:
    """Leave out so much of rows."""
    model = build_model(Shape(3, [], 1, [4], dropout=0.5), [0])
    model.set_dropout(share)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return rows * model._draw_kept(rows)


@pytest.mark.parametrize("share", [0.01, 0.15, 0.5, 0.9])
def test_dropout_leaves_out_a_share_and_keeps_the_mean(share: float) -> None:
    """The share is rounded to a 256th; whatever is kept is divided by what is kept of all."""
    rounded = round(share * 256) / 256
    dropped = drop(share, torch.ones(3, 1001, 67))
    left_out = (dropped == 0).float().mean(dim=(1, 2))
    error = 5 * math.sqrt(rounded * (1 - rounded) / (1001 * 67))
    assert (left_out - rounded).abs().max() < error
    torch.testing.assert_close(
        torch.tensor(sorted(set(dropped[dropped != 0].tolist()))), torch.tensor([1 / (1 - rounded)])
    )
    torch.testing.assert_close(dropped.mean(), torch.tensor(1.0), rtol=0.05, atol=0)
    # each unit by itself: neither a row nor a unit goes as a whole
    assert (dropped == 0).any(dim=2).float().mean() > 0.4
    together = ((dropped[..., 1:] == 0) & (dropped[..., :-1] == 0)).float().mean()
    assert together == pytest.approx(rounded**2, abs=0.005)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (1, 8, 8)])
def test_dropout_of_nothing_is_exact(shape: tuple[int, ...]) -> None:
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drop(0.0, rows), rows)


def test_dropout_of_nearly_all_is_finite() -> None:
    dropped = drop(0.9999, torch.ones(1, 300, 300))
    assert dropped.isfinite().all()
    assert dropped.any()


def test_dropout_is_what_it_was_set_to_by_then() -> None:
    model = build_model(Shape(4, [], 2, [64], dropout=0.5), [0]).train()
    rows = make_rows(20, model.shape)
    kept = model.eval()(rows.numeric, rows.codes)
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.allclose(model(rows.numeric, rows.codes), kept)
    model.set_dropout(0)
    torch.testing.assert_close(model(rows.numeric, rows.codes), kept)


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
        each = len(parameter)  # one, or its heads
        assert each in {1, shape.heads}
        assert parameter.data_ptr() == whole[name][each].data_ptr()
        assert parameter.requires_grad
        assert parameter.is_leaf
        with torch.no_grad():
            parameter.add_(1)
        of_members = whole[name].detach().reshape(3, each, *whole[name].shape[1:])
        were = before[name].reshape(of_members.shape)
        assert torch.equal(of_members[1], were[1] + 1)
        assert torch.equal(of_members[::2], were[::2])
    its = dict(alone.named_buffers())
    for name, buffer in model.named_buffers():
        assert torch.equal(its[name], buffer)
        assert its[name].device.type == buffer.device.type == "cpu"
        assert (its[name].data_ptr() == buffer.data_ptr()) == (
            name in {"bins.edges", "embedding.offsets"}
        )


def test_members_that_take_turns_fade_their_own_dropout() -> None:
    first, second = make_model(seeds=(0, 1)).alone()
    first.set_dropout(0.5)
    left_out = [int(network.last_left_out) + 1 for network in (first, second)]
    assert left_out == [128, round(FULL.dropout * 256)]


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


@pytest.mark.parametrize("shape", [FULL, HEADED], ids=["full", "heads"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [1, 7, SCORING_ROWS, SCORING_ROWS + 3])
def test_score_of_a_row_is_its_own(rows: int, precision: str, shape: Shape) -> None:
    """Bit for bit the same, whatever rows come with it and wherever it stands among them.

    Whatever networks it is scored with, too.
    """
    seeds = (0, 5, 9)
    model = make_model(shape, seeds)
    data = make_rows(rows, shape)
    scores = score_rows(model, data, precision)
    assert scores.shape == (3 * shape.heads, rows, 3)
    assert scores.dtype == torch.float32
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(0))
    assert torch.equal(score_rows(model, data.take(order), precision), scores[:, order])
    for row in {0, rows // 2, rows - 1}:
        alone = score_rows(model, data.take(torch.tensor([row])), precision)
        assert torch.equal(alone[:, 0], scores[:, row])
    for seed, own in zip(seeds, torch.split(scores, shape.heads), strict=True):
        assert torch.equal(score_rows(make_model(shape, [seed]), data, precision), own)
    for member, own in zip(model.alone(), torch.split(scores, shape.heads), strict=True):
        assert torch.equal(score_rows(member, data, precision), own)


def test_a_network_of_many_inputs_scores_fewer_rows_at_a_time() -> None:
    """The padding of a few rows would cost most there; a row's score is its own all the same."""
    shape = Shape(WIDE + 1, [], 1, [4], continuous=WIDE + 1, heads=2, is_scaled=True)
    rows = shape.scoring_rows + 1
    assert (shape.scoring_rows, dataclasses.replace(shape, numeric=WIDE).scoring_rows) == (
        64,
        1024,
    )
    model, data = make_model(shape, (0, 1)), make_rows(rows, shape)
    scores = score_rows(model, data, "float32")
    for row in (0, rows - 2, rows - 1):
        alone = score_rows(model, data.take(torch.tensor([row])), "float32")
        assert torch.equal(alone[:, 0], scores[:, row])


@pytest.mark.parametrize("hidden", [[], [7]])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("labels", [1, 3, 5, 12])
def test_score_of_a_row_is_its_own_for_any_number_of_inputs(
    labels: int, heads: int, hidden: list[int]
) -> None:
    """Where a library of matrix products sums four inputs at a time, what is left over counts."""
    for numeric in (1, 6, 7, 9, 30, 31, 101):
        shape = Shape(numeric, [], labels, hidden, heads=heads)
        model, data = make_model(shape), make_rows(60, shape)
        scores = score_rows(model, data, "float32")
        order = torch.arange(60).flip(0)
        assert torch.equal(score_rows(model, data.take(order), "float32"), scores[:, order])


def test_no_rows() -> None:
    assert score_rows(make_model(HEADED), make_rows(0), "float32").shape == (3, 0, 3)
    assert score_rows(make_model(), make_rows(0), "float32").shape == (1, 0, 3)
    assert score_rows(make_model(seeds=(0, 1)), make_rows(0), "float32").shape == (2, 0, 3)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_scoring_leaves_out_dropout(seeds: Sequence[int]) -> None:
    model = make_model(seeds=seeds).train()
    data = make_rows(50)
    assert torch.equal(score_rows(model, data, "float32"), score_rows(model, data, "float32"))


@pytest.mark.parametrize(("shape", "error"), [(FULL, 0.05), (HEADED, 0.15)], ids=["full", "heads"])
def test_bfloat16_does_not_tie_the_scores(shape: Shape, error: float) -> None:
    """The last layer is float32: three digits would make most scores equal in a ranking."""
    model, data = make_model(shape), make_rows(2000, shape)
    low, full = (score_rows(model, data, precision) for precision in ("bfloat16", "float32"))
    torch.testing.assert_close(low, full, rtol=0, atol=error)
    assert not torch.equal(low, full)
    distinct = [len(set(scores[0, :, 0].tolist())) for scores in (low, full)]
    assert distinct[0] > 0.99 * distinct[1]


def gradients(model: MultilayerPerceptron) -> dict[str, torch.Tensor]:
    """Return the gradient of every parameter, and forget it."""
    found = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        found[name], parameter.grad = parameter.grad, None
    return found


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("shape", [*SHAPES, "learned bins"])
def test_gradients_are_those_of_autograd(
    activation: str, precision: str, members: int, shape: str
) -> None:
    """Of every parameter, in float32; none is 0 throughout for a network or a head."""
    settings = SHAPES.get(shape, dataclasses.replace(HEADED, bin_outputs=2))
    model = make_model(dataclasses.replace(settings, activation=activation), range(members))
    data, precise = make_rows(30, settings), precision == "float32"
    random = torch.Generator().manual_seed(0)
    slopes = torch.randn(members * settings.heads, 30, settings.labels, generator=random)
    with autocast(torch.device("cpu"), precision):
        logits = model.eval()(data.numeric, data.codes)
        torch.autograd.backward(logits, slopes)
        wanted = gradients(model)
        with torch.no_grad():
            ours, set_gradients = model.vjp(data.numeric, data.codes)
            set_gradients(slopes)
    assert torch.equal(ours, logits)
    assert logits.dtype == torch.float32
    for name, gradient in gradients(model).items():
        assert gradient.dtype == torch.float32
        size = float(wanted[name].abs().max())
        torch.testing.assert_close(
            gradient, wanted[name], rtol=1e-4, atol=size * (1e-5 if precise else 0.03)
        )
        assert gradient.flatten(1).any(dim=1).all(), name


@pytest.mark.parametrize("learns", [False, True])
def test_hidden_layers_are_kept_for_gradients_alone(
    monkeypatch: pytest.MonkeyPatch, *, learns: bool
) -> None:
    """Scores of many rows would take the memory of all layers at a time."""
    made: list[weakref.ref[torch.Tensor]] = []
    alive = []

    def activate(rows: torch.Tensor) -> torch.Tensor:
        alive.append(sum(layer() is not None for layer in made))
        outputs = rows.relu()
        made.append(weakref.ref(outputs))
        return outputs

    monkeypatch.setitem(ACTIVATIONS, "relu", ACTIVATIONS["relu"]._replace(function=activate))
    model = build_model(Shape(3, [], 1, [4, 4, 4], heads=2), [0]).eval()
    rows = make_rows(5, model.shape)
    with torch.no_grad():
        kept = (model.vjp if learns else model)(rows.numeric, rows.codes)
    assert alive == ([0, 1, 2] if learns else [0, 0, 0])
    del kept


def test_gradients_with_dropout_are_those_of_what_is_kept() -> None:
    """The same units are left out on the way back."""
    model = build_model(Shape(3, [], 2, [40], dropout=0.5), [0]).train()
    rows = make_rows(1, model.shape)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, set_gradients = model.vjp(rows.numeric, rows.codes)
        set_gradients(torch.ones(1, 1, 2))
    found = gradients(model)
    kept = found["output.weight"][0].any(dim=0)  # relu leaves out others, too
    assert 0 < kept.sum() < 40
    assert torch.equal(found["hidden.0.bias"][0] != 0, kept)


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


@pytest.mark.parametrize("shape", [FULL, HEADED], ids=["full", "heads"])
def test_shape_is_plain_data(shape: Shape) -> None:
    assert Shape(**shape.to_dict()) == shape
    first = make_model(shape, (0, 1))
    second = MultilayerPerceptron(Shape(**shape.to_dict()), members=2)
    second.load_state_dict(first.state_dict())
    data = make_rows(5, shape)
    assert torch.equal(score_rows(first, data, "float32"), score_rows(second, data, "float32"))
