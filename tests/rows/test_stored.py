"""Rows on disk are the rows in memory, and every epoch takes each once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from small_runs import PLAIN, TABULAR

from imbalance_cli.features import FeatureRows
from imbalance_cli.labels.targets import ALL, DenseTargets
from imbalance_cli.losses.family import bce
from imbalance_cli.network.model import SCORING_ROWS, Shape, build_model, score_rows
from imbalance_cli.network.training import Member, Training
from imbalance_cli.rows import stored as stored_rows
from imbalance_cli.rows.dataset import Dataset
from imbalance_cli.rows.stored import StoredRows
from imbalance_cli.rows.stored_features import StoredFeatures, store_features

if TYPE_CHECKING:
    from imbalance_cli.network.recipes import Recipe

ROWS = 5000  # and so scored in blocks
CPU = torch.device("cpu")
SHAPE = Shape(3, [5], 2, [8])
HEADED = dataclasses.replace(SHAPE, continuous=2, frequencies=[0.1, 1.0], heads=3, is_scaled=True)


@pytest.fixture(scope="module")
def rows() -> Dataset:
    random = np.random.default_rng(0)
    numeric = random.normal(size=(ROWS, 3)).astype(np.float32)
    numeric[:, 2] = np.arange(ROWS)  # tells rows apart
    targets = (numeric[:, :2] > 0.8).astype(np.float32)
    targets[random.random(targets.shape) < 0.1] = np.nan
    weights = random.choice([0.5, 1.0, 2.0], ROWS).astype(np.float32)
    codes = random.integers(0, 5, (ROWS, 1))
    return Dataset(*map(torch.from_numpy, (numeric, codes, targets, weights)))


@pytest.fixture(scope="module")
def features(rows: Dataset, tmp_path_factory: pytest.TempPathFactory) -> StoredFeatures:
    held = FeatureRows(rows.numeric.numpy(), rows.codes.numpy())
    folder = tmp_path_factory.mktemp("stored")
    return store_features(folder, [held], continuous=3, cardinalities=[5])


def on_disk(rows: Dataset, features: StoredFeatures) -> StoredRows:
    assert rows.weights is not None
    targets = DenseTargets.of(rows.targets.numpy())
    return StoredRows(features, targets, CPU, rows.weights.numpy())


def assert_same(one: Dataset, other: Dataset) -> None:
    assert torch.equal(one.numeric, other.numeric)
    assert torch.equal(one.codes, other.codes)
    assert torch.equal(one.targets.nan_to_num(-1), other.targets.nan_to_num(-1))
    assert one.weights is not None
    assert other.weights is not None
    assert torch.equal(one.weights, other.weights)


@pytest.mark.parametrize("at_a_time", [2, 3, 100])
def test_selected_rows_are_those_in_memory(
    rows: Dataset, features: StoredFeatures, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(stored_rows, "SELECTED", at_a_time)
    numbers = torch.tensor([7, 3, ROWS - 1, 3])
    assert_same(on_disk(rows, features).take(numbers), rows.take(numbers))
    assert on_disk(rows, features).width == rows.width == 3
    assert on_disk(rows, features).labels == rows.labels == 2
    assert len(on_disk(rows, features)) == len(rows) == ROWS


@pytest.mark.parametrize("count", [0, 1, 10, 25])
def test_blocks_of_a_part_are_those_in_memory(
    rows: Dataset, features: StoredFeatures, count: int
) -> None:
    numbers = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))[:count]
    stored, held = on_disk(rows, features).part(numbers), rows.part(numbers)
    assert torch.equal(stored.columns(ALL).nan_to_num(-1), held.columns(ALL).nan_to_num(-1))
    assert torch.equal(stored.is_known(), held.is_known())
    assert stored.weights is not None
    assert held.weights is not None
    assert torch.equal(stored.weights, held.weights)
    pairs = list(zip(stored.blocks(10), held.blocks(10), strict=True))
    assert len(pairs) == max(1, -(-count // 10))
    for one, other in pairs:
        assert_same(one, other)


def test_a_part_of_a_part(rows: Dataset, features: StoredFeatures) -> None:
    first, second = torch.arange(50, 90), torch.tensor([3, 1])
    part = on_disk(rows, features).part(first).part(second)
    assert part.numbers is not None
    assert part.numbers.tolist() == [53, 51]
    assert_same(next(part.blocks(5)), rows.take(torch.tensor([53, 51])))


@pytest.mark.parametrize("shape", [SHAPE, HEADED], ids=["plain", "heads"])
def test_scores_are_those_in_memory_to_the_bit(
    rows: Dataset, features: StoredFeatures, shape: Shape
) -> None:
    assert ROWS > SCORING_ROWS
    model = build_model(shape, [0, 1])
    stored = score_rows(model, on_disk(rows, features), "float32")
    assert stored.shape == (2 * shape.heads, ROWS, 2)
    assert torch.equal(stored, score_rows(model, rows, "float32"))


def test_an_epoch_takes_each_row_once_and_no_two_are_alike(
    rows: Dataset, features: StoredFeatures
) -> None:
    chosen = torch.arange(1, ROWS, 3)
    begin = on_disk(rows, features).epochs(chosen, 64, np.random.default_rng(1))
    orders = []
    for _ in range(2):
        batches = list(begin())
        assert len(batches) == -(-len(chosen) // 64)
        assert max(map(len, batches)) <= 64
        orders.append(torch.cat([batch.numeric[:, 2] for batch in batches]).long())
        assert torch.equal(orders[-1].sort().values, chosen)
    assert not torch.equal(*orders)
    again = on_disk(rows, features).epochs(chosen, 64, np.random.default_rng(1))
    assert torch.equal(torch.cat([batch.numeric[:, 2] for batch in again()]).long(), orders[0])


KINDS = pytest.mark.parametrize(
    ("shape", "recipe"), [(SHAPE, PLAIN), (HEADED, TABULAR)], ids=["plain", "heads"]
)


@KINDS
@pytest.mark.parametrize("together", [False, True])
def test_members_learn_from_stored_rows(
    rows: Dataset, features: StoredFeatures, shape: Shape, recipe: Recipe, *, together: bool
) -> None:
    model = build_model(shape, [0, 1])
    learned, valid = torch.arange(0, 4000), torch.arange(4000, ROWS)
    members = [Member(learned, valid, bce(), seed) for seed in (0, 1)]
    recipe = dataclasses.replace(recipe, epochs=2, learning_rate=0.01)
    stored = on_disk(rows, features)
    results = list(Training(model, stored, members, recipe, together=together))
    assert len(results) == 2
    assert results[-1].loss < results[0].loss


@KINDS
def test_one_batch_of_all_rows_is_learned_as_in_memory(
    rows: Dataset, features: StoredFeatures, shape: Shape, recipe: Recipe
) -> None:
    """With missing targets and weights; only the order in which rows are summed differs."""
    shape = dataclasses.replace(shape, activation="gelu")
    recipe = dataclasses.replace(
        recipe, epochs=3, batch_size=64, learning_rate=0.01, schedule="constant"
    )
    member = Member(torch.arange(64), torch.arange(64, ROWS), bce(), 0)
    models, results = [], []
    for kept in (rows, on_disk(rows, features)):
        models.append(build_model(shape, [0]))
        results.append(list(Training(models[-1], kept, [member], recipe)))
    for ours, theirs in zip(*results, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours.score == pytest.approx(theirs.score, rel=1e-5)
    others = dict(models[1].named_parameters())
    for name, parameter in models[0].named_parameters():
        torch.testing.assert_close(parameter, others[name], rtol=1e-3, atol=1e-4)
