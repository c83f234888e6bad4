"""Sums of losses are the same however few cells are taken at a time."""

from __future__ import annotations

import pytest
import torch

from imbalance_cli.losses.family import stack_losses, weighted_bce
from imbalance_cli.network import steps
from imbalance_cli.network.steps import _sum_losses


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("members", [1, 2])
def test_a_few_rows_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
    members: int,
    is_weighted: bool,  # noqa: FBT001  a parameter of pytest
) -> None:
    random = torch.Generator().manual_seed(0)
    rows, labels = 70, 11
    logits = torch.randn(members, rows, labels, generator=random)
    targets = (torch.rand(members, rows, labels, generator=random) < 0.1).float()
    targets[:, 3] = torch.nan
    weights = torch.rand(members, rows, 1, generator=random) if is_weighted else None
    loss = stack_losses([weighted_bce(torch.arange(1.0, labels + 1))] * members, labels)
    whole = _sum_losses(logits, targets, weights, loss)
    monkeypatch.setattr(steps, "MANY_CELLS", 100)
    monkeypatch.setattr(steps, "CACHED_CELLS", 100)
    for some, wanted in zip(_sum_losses(logits, targets, weights, loss), whole, strict=True):
        torch.testing.assert_close(some, wanted)
