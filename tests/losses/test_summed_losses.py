"""Sums of losses are the same however few cells are taken at a time."""

from __future__ import annotations

import pytest
import torch

from imbalance_cli.losses.family import stack_losses, weighted_bce
from imbalance_cli.network import steps
from imbalance_cli.network.steps import _sum_losses


@pytest.mark.parametrize("columns", [None, 1, 11], ids=["alike", "rows", "cells"])
@pytest.mark.parametrize("members", [1, 2])
def test_a_few_rows_at_a_time(
    monkeypatch: pytest.MonkeyPatch, members: int, columns: int | None
) -> None:
    random = torch.Generator().manual_seed(0)
    rows, labels = 70, 11
    logits = torch.randn(members, rows, labels, generator=random)
    targets = (torch.rand(members, rows, labels, generator=random) < 0.1).float()
    targets[:, 3] = torch.nan
    weights = None
    if columns is not None:
        weights = torch.rand(members, rows, columns, generator=random)
    loss = stack_losses([weighted_bce(torch.arange(1.0, labels + 1))] * members, labels)
    whole = _sum_losses(logits, targets, weights, loss)
    monkeypatch.setattr(steps, "MANY_CELLS", 100)
    monkeypatch.setattr(steps, "CACHED_CELLS", 100)
    for some, wanted in zip(_sum_losses(logits, targets, weights, loss), whole, strict=True):
        torch.testing.assert_close(some, wanted)


def test_weights_of_cells_are_those_of_torch() -> None:
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(60, 4, generator=random, requires_grad=True)
    targets = (torch.rand(60, 4, generator=random) < 0.3).float()
    weights = torch.rand(60, 4, generator=random)
    is_known = torch.rand(60, 4, generator=random) < 0.8
    pos_weight = torch.tensor([3.0, 1.0, 0.5, 20.0])
    torchs = torch.nn.BCEWithLogitsLoss(
        weight=weights * is_known, pos_weight=pos_weight, reduction="sum"
    )
    wanted = torchs(logits, targets)
    (slopes,) = torch.autograd.grad(wanted, logits)
    found = _sum_losses(
        logits[None],
        targets.where(is_known, torch.nan)[None],
        weights[None],
        stack_losses([weighted_bce(pos_weight)], 4),
    )
    for mine, its in zip(found, (wanted, (weights * is_known).sum(), slopes), strict=True):
        torch.testing.assert_close(mine[0], its)
