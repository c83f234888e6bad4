"""Steps that are replayed from CUDA graphs are the steps that are launched."""

from __future__ import annotations

import dataclasses
import gc
from typing import TYPE_CHECKING

import pytest
import torch
from small_runs import PLAIN, TABULAR

from imbalance_cli.losses.family import (
    Loss,
    asymmetric,
    bce,
    distribution_balanced,
    focal,
    logit_adjusted,
    stack_losses,
    weighted_bce,
)
from imbalance_cli.network import steps
from imbalance_cli.network.model import MultilayerPerceptron, Shape, build_model
from imbalance_cli.network.optimization import Optimizer
from imbalance_cli.network.steps import Steps
from imbalance_cli.rows.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imbalance_cli.network.recipes import Recipe

ROWS, LABELS, BATCH, EPOCHS = 500, 3, 64, 3  # the last batch of an epoch is smaller
SHAPE = Shape(
    numeric=5,
    cardinalities=[4, 6],
    labels=LABELS,
    hidden=[16],
    dropout=0.3,
    continuous=5,
    binned=[0, 1, 2, 3, 4],
    bins=4,
)
HEADED = dataclasses.replace(SHAPE, bin_outputs=2, frequencies=[0.1, 1.0], heads=3, is_scaled=True)
PREVALENCE = torch.tensor([0.1, 0.2, 0.4])
POSITIVES = PREVALENCE * ROWS
LOSSES = {
    "bce": bce(),
    "weighted_bce": weighted_bce(1 / PREVALENCE),
    "focal": focal(),
    "asymmetric": asymmetric(),
    "logit_adjusted": logit_adjusted(PREVALENCE),
    "distribution_balanced": distribution_balanced(POSITIVES, torch.full((LABELS,), float(ROWS))),
}

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def make_rows(weights: tuple[int, ...] | None) -> Dataset:
    """Return rows, with weights of a shape."""
    random = torch.Generator().manual_seed(0)
    targets = (torch.rand(ROWS, LABELS, generator=random) < PREVALENCE).float()
    targets[torch.rand(ROWS, LABELS, generator=random) < 0.1] = torch.nan
    rows = Dataset(
        torch.randn(ROWS, 5, generator=random),
        torch.stack([torch.randint(n, (ROWS,), generator=random) for n in (4, 6)], dim=1),
        targets,
        None if weights is None else torch.rand(weights, generator=random),
    )
    return Dataset(*(tensor.cuda() for tensor in rows.tensors()))


def learn(
    rows: Dataset,
    loss: Loss,
    *,
    members: int = 1,
    precision: str = "float32",
    shape: Shape = SHAPE,
    recipe: Recipe = PLAIN,
) -> tuple[MultilayerPerceptron, list[torch.Tensor]]:
    """Return the networks after some epochs, and each epoch's losses."""
    torch.manual_seed(5)  # of dropout
    model = build_model(shape, list(range(members))).cuda()
    recipe = dataclasses.replace(recipe, learning_rate=0.01, dropout=shape.dropout)
    optimizer = Optimizer(model, recipe, EPOCHS * -(-len(rows) // BATCH))
    stacked = stack_losses([loss] * members, LABELS).to(torch.device("cuda"))
    passes = Steps(model, stacked, optimizer, precision=precision)
    return model, [passes.epoch(batches(rows, members)) for _ in range(EPOCHS)]


def batches(rows: Dataset, members: int = 1) -> Iterator[Dataset]:
    """Yield batches, (B, ...) of one member and (M, B, ...) of several."""
    for batch in rows.batches(torch.arange(len(rows), device="cuda"), BATCH):
        if members == 1:
            yield batch
        else:
            yield Dataset(*(tensor.expand(members, *tensor.shape) for tensor in batch.tensors()))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weights", [None, (ROWS,), (ROWS, LABELS)])
@pytest.mark.parametrize(("members", "precision"), [(1, "float32"), (1, "bfloat16"), (3, "auto")])
@pytest.mark.parametrize(
    ("shape", "recipe"), [(SHAPE, PLAIN), (HEADED, TABULAR)], ids=["plain", "heads"]
)
def test_graphs_take_the_steps_that_are_launched(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    members: int,
    precision: str,
    shape: Shape,
    recipe: Recipe,
    *,
    weights: tuple[int, ...] | None,
) -> None:
    """Also where rates, decays and dropout change from step to step."""
    rows = make_rows(weights)
    replayed, losses = learn(
        rows, LOSSES[name], members=members, precision=precision, shape=shape, recipe=recipe
    )
    monkeypatch.setattr(steps, "MOST_GRAPHS", 0)
    launched, wanted = learn(
        rows, LOSSES[name], members=members, precision=precision, shape=shape, recipe=recipe
    )
    tolerance = 1e-5 if precision == "float32" else 1e-2
    torch.testing.assert_close(losses, wanted, rtol=tolerance, atol=0)
    others = dict(launched.named_parameters())
    start = dict(build_model(shape, list(range(members))).cuda().named_parameters())
    for parameter_name, parameter in replayed.named_parameters():
        way = (parameter - start[parameter_name]).norm()
        assert way > 0
        assert (parameter - others[parameter_name]).norm() <= 100 * tolerance * way


def test_each_size_of_batch_has_a_graph() -> None:
    rows = make_rows(None)
    model = build_model(SHAPE, [0]).cuda()
    loss = stack_losses([bce()], LABELS)
    passes = Steps(model, loss, Optimizer(model, PLAIN, 2 * 8), precision="float32")
    recorded = []
    record = torch.cuda.CUDAGraph.replay

    def count(graph: torch.cuda.CUDAGraph) -> None:
        recorded.append(id(graph))
        record(graph)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda.CUDAGraph, "replay", count)
        for _ in range(2):
            passes.epoch(batches(rows))
    assert len(recorded) == 2 * 8 - steps.STEPS_BEFORE_GRAPHS
    assert len(set(recorded)) == 2


def test_a_graph_in_the_garbage_is_not_freed_while_another_is_recorded() -> None:
    graph, sums = torch.cuda.CUDAGraph(), torch.zeros(1, device="cuda")
    with torch.cuda.graph(graph):
        sums += 1
    garbage: list[object] = [graph]
    garbage.append(garbage)
    del graph, garbage
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        _, losses = learn(make_rows(None), bce())
    finally:
        gc.set_threshold(*thresholds)
    assert torch.stack(losses).isfinite().all()
