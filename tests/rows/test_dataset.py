"""Rows become tensors on a device, and batches are gathers of them."""

from __future__ import annotations

import numpy as np
import torch

from imbalance_cli.features import FeatureRows
from imbalance_cli.rows.dataset import Dataset


def make_rows(rows: int, codes: int = 2) -> Dataset:
    features = FeatureRows(
        np.arange(rows * 3, dtype=np.float32).reshape(rows, 3),
        np.arange(rows * codes, dtype=np.int64).reshape(rows, codes),
    )
    targets = np.arange(rows, dtype=np.float32)[:, None]
    return Dataset.from_rows(features, targets, torch.device("cpu"))


def test_batches_follow_the_order() -> None:
    rows = make_rows(10)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    batches = list(rows.batches(order, 4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([batch.targets[:, 0] for batch in batches]), order.float())
    assert torch.equal(torch.cat([batch.numeric for batch in batches]), rows.numeric[order])
    assert torch.equal(torch.cat([batch.codes for batch in batches]), rows.codes[order])


def test_take_without_codes() -> None:
    rows = make_rows(5, codes=0)
    chosen = rows.take(torch.tensor([4, 4, 0]))
    assert chosen.codes.shape == (3, 0)
    assert chosen.numeric[:, 0].tolist() == [12, 12, 0]
    assert rows.codes.dtype == torch.int64
    assert rows.numeric.dtype == rows.targets.dtype == torch.float32


def test_weights_go_with_their_rows() -> None:
    features = FeatureRows(np.zeros((4, 1), np.float32), np.zeros((4, 0), np.int64))
    weights = np.array([0.5, 2, 0, 1], np.float32)
    targets = np.zeros((4, 1), np.float32)
    rows = Dataset.from_rows(features, targets, torch.device("cpu"), weights)
    chosen = rows.take(torch.tensor([3, 1, 1])).weights
    assert chosen is not None
    assert chosen.tolist() == [1, 2, 2]
    assert chosen.dtype == torch.float32
    first, last = (batch.weights for batch in rows.batches(torch.arange(4), 3))
    assert first is not None
    assert last is not None
    assert torch.cat([first, last]).tolist() == weights.tolist()
    assert make_rows(3).take(torch.tensor([0])).weights is None
