"""The size of a batch, the optimiser, and the learning rate over the epochs."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from imbalance_cli.config import TrainingSection
from imbalance_cli.model import Shape, build_model
from imbalance_cli.optimization import SCHEDULES, build_optimizer, choose_batch_size

Schedule = Literal["cosine", "coslog4", "constant"]
SHAPE = Shape(numeric=3, cardinalities=[], labels=2, hidden=[4])


@pytest.mark.parametrize(
    ("rows", "size"),
    [(1, 32), (100, 32), (6400, 128), (17_000, 256), (60_000, 1024), (10**9, 1024)],
)
def test_automatic_batch_size(rows: int, size: int) -> None:
    assert choose_batch_size(TrainingSection(), rows) == size
    assert choose_batch_size(TrainingSection(batch_size=7), rows) == 7


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("cosine", {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
        ("constant", {0.0: 1.0, 1.0: 1.0}),
        # four cycles that end at 1/15, 3/15, 7/15 and 1
        ("coslog4", {0.0: 0.0, 1 / 15: 0.0, 3 / 15: 0.0, 7 / 15: 0.0, 1.0: 0.0}),
    ],
)
def test_schedules(name: Schedule, at: dict[float, float]) -> None:
    for progress, factor in at.items():
        assert SCHEDULES[name](progress) == pytest.approx(factor, abs=1e-12)
    assert max(SCHEDULES[name](i / 1000) for i in range(1001)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedule_steps_with_each_batch(name: Schedule) -> None:
    """Over all batches of all epochs, the rate of a batch is that of what lies before it."""
    settings = TrainingSection(epochs=3, learning_rate=0.5, schedule=name)
    optimizer, schedule = build_optimizer(build_model(SHAPE, [0]), settings, 4)
    for step in range(12):
        assert schedule.rate == pytest.approx(0.5 * SCHEDULES[name](step / 12), abs=1e-12)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("members", [1, 3])
def test_optimizer_is_that_of_torch(members: int) -> None:
    """To the bit: gradients of several sizes, and a parameter that has none in some steps."""
    settings = TrainingSection(epochs=2, learning_rate=0.25, weight_decay=0.125)
    ours, theirs = (build_model(SHAPE, range(members)) for _ in range(2))
    optimizer, schedule = build_optimizer(ours, settings, 5)
    wanted = torch.optim.AdamW(theirs.parameters(), lr=0.25, weight_decay=0.125, fused=True)
    wanted_schedule = torch.optim.lr_scheduler.LambdaLR(
        wanted, lambda step: SCHEDULES[settings.schedule](step / 10)
    )
    random = torch.Generator().manual_seed(0)
    for step in range(10):
        for number, (own, other) in enumerate(
            zip(ours.parameters(), theirs.parameters(), strict=True)
        ):
            if step % 4 != number:
                own.grad = 10.0 ** (step % 3) * torch.randn(own.shape, generator=random)
                other.grad = own.grad.clone()
        for its in (optimizer, schedule, wanted, wanted_schedule):
            its.step()
        assert schedule.rate == wanted_schedule.get_last_lr()[0]
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(own, other)
        optimizer.zero_grad()
        assert all(parameter.grad is None for parameter in ours.parameters())
        wanted.zero_grad()
