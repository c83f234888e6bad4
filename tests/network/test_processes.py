"""Several processes train what one would, to the bit; the first raises an error of any.

Shapes: M members.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch
from small_runs import PLAIN

from imbalance_cli.errors import TrainingError
from imbalance_cli.losses.family import focal, weighted_bce
from imbalance_cli.network import processes as module
from imbalance_cli.network.model import Shape, build_model
from imbalance_cli.network.processes import train_on_cores
from imbalance_cli.network.state import to_bytes
from imbalance_cli.network.training import Group, Member, Training
from imbalance_cli.rows.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.network.epochs import EpochResult, Span
    from imbalance_cli.network.model import MultilayerPerceptron

SHAPE = Shape(numeric=60, cardinalities=[4], labels=2, hidden=[300], dropout=0.2)
SETTINGS = dataclasses.replace(
    PLAIN, epochs=4, batch_size=64, learning_rate=0.01, patience=1, precision="float32"
)


def make_rows(rows: int) -> Dataset:
    """Return rows of which some targets are missing."""
    random = torch.Generator().manual_seed(0)
    numeric = torch.randn(rows, 60, generator=random)
    codes = torch.randint(4, (rows, 1), generator=random)
    targets = (numeric[:, :2] + codes > torch.tensor([3.0, 4.0])).float()
    targets[torch.rand(rows, 2, generator=random) < 0.1] = math.nan
    return Dataset(numeric, codes, targets)


ROWS = make_rows(800)


def make_members(numbers: Sequence[int]) -> list[Member]:
    """Return members of two folds and losses, with seeds of their own."""
    parts = [torch.arange(0, 500), torch.arange(300, 800)]
    valid = [torch.arange(500, 800), torch.arange(0, 300)]
    losses = [weighted_bce(torch.tensor([4.0, 9.0])), focal(2.0, None, None)]
    return [
        Member(parts[n % 2], valid[n % 2], losses[n // 2 % 2], seed=n, name=f"member {n}")
        for n in numbers
    ]


def start(members: Sequence[Member]) -> MultilayerPerceptron:
    return build_model(SHAPE, [member.seed for member in members])


def without_rate(result: EpochResult) -> EpochResult:
    return dataclasses.replace(result, rows_per_second=0.0)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_processes_train_what_one_does_to_the_bit(number: int) -> None:
    members = make_members(range(5))
    alone, together = start(members), start(members)
    wanted = [without_rate(result) for result in Training(alone, ROWS, members, SETTINGS)]
    found = []
    seconds = [0.0]
    for progress in train_on_cores(together, ROWS, members, SETTINGS, processes=number):
        found.append(without_rate(progress.result))
        seconds.append(progress.seconds)
    assert found == wanted
    state = together.state_dict()
    assert all(torch.equal(state[name], value) for name, value in alone.state_dict().items())
    assert seconds == sorted(seconds)
    assert seconds[1] > 0


@pytest.mark.parametrize(("before", "after"), [(1, 1), (3, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("epoch", [1, 4, 8])
def test_training_goes_on_from_any_epoch_in_any_processes(
    epoch: int, before: int, after: int
) -> None:
    members = make_members(range(4))
    settings = dataclasses.replace(SETTINGS, epochs=12)
    whole, begun, gone_on = start(members), start(members), start(members)
    results = [without_rate(result) for result in Training(whole, ROWS, members, settings)]
    assert len(results) >= epoch
    state = {}
    for progress in train_on_cores(begun, ROWS, members, settings, processes=before):
        if progress.result.epoch == epoch:
            state = safetensors.torch.load(to_bytes(progress.state()))
            break
    found = train_on_cores(gone_on, ROWS, members, settings, processes=after, state=state)
    assert [without_rate(progress.result) for progress in found] == results[epoch:]
    there = gone_on.state_dict()
    assert all(torch.equal(there[name], value) for name, value in whole.state_dict().items())


def test_what_is_over_has_the_weights_of_its_best_epochs() -> None:
    members = make_members(range(2))
    settings = dataclasses.replace(SETTINGS, epochs=12)
    training = Training(start(members), ROWS, members, settings)
    for _ in range(3):
        next(training)
    ended = start(members)
    state = {name: tensor.clone() for name, tensor in training.state().items()}
    assert not list(Training(ended, ROWS, members, settings, state=state, is_over=True))
    for m, network in enumerate(ended.alone()):
        for name, parameter in network.named_parameters():
            assert torch.equal(parameter, state[f"{m}.best.0.{name}"])


def test_members_that_stop_early_wait_for_nobody() -> None:
    """Patience ends one process before the other, whichever trains the longer."""
    for numbers in ([0, 1, 2, 3], [3, 2, 1, 0]):
        members = make_members(numbers)
        settings = dataclasses.replace(SETTINGS, epochs=12)
        *_, last = Training(start(members), ROWS, members, settings)
        *_, found = train_on_cores(start(members), ROWS, members, settings, processes=2)
        assert found.result.members == last.members
        assert len({member.epoch for member in last.members}) > 1


def test_an_error_in_another_process_is_raised_here() -> None:
    members = make_members(range(2))
    broken = dataclasses.replace(members[1], loss=weighted_bce(torch.tensor([math.inf, 1.0])))
    with pytest.raises(TrainingError, match="member 1 diverged in epoch 1") as caught:
        list(train_on_cores(start(members), ROWS, [members[0], broken], SETTINGS, processes=2))
    assert "lower training.learning_rate" in str(caught.value.hint)


@pytest.mark.parametrize("broken", [0, 1])
@pytest.mark.parametrize("number", [1, 2])
def test_an_error_comes_after_all_epochs_before_it(
    broken: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever process is ahead: a member of few rows has all its epochs in no time."""
    members = make_members(range(2))
    members[0] = dataclasses.replace(members[0], train=members[0].train[:64])
    train_epoch = Group.train_epoch
    found: list[int] = []

    def fail_late(group: Group, span: Span) -> EpochResult:
        if group.first == broken and group.result.epoch == 5:
            raise TrainingError("diverged")
        return train_epoch(group, span)

    def train() -> None:
        settings = dataclasses.replace(SETTINGS, epochs=12, patience=None)
        for progress in train_on_cores(start(members), ROWS, members, settings, processes=number):
            found.append(progress.result.epoch)
            progress.state()

    monkeypatch.setattr(Group, "train_epoch", fail_late)
    with pytest.raises(TrainingError, match="diverged"):
        train()
    assert found == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_over_has_all_epochs_that_were_trained(processes: int) -> None:
    """Also of members that had gone beyond the epoch of the state."""
    members = make_members(range(2))
    members[0] = dataclasses.replace(members[0], train=members[0].train[:64])
    settings = dataclasses.replace(SETTINGS, epochs=30, patience=None)
    training = train_on_cores(start(members), ROWS, members, settings, processes=processes)
    for progress in itertools.islice(training, 3):
        state = safetensors.torch.load(to_bytes(progress.state()))
    training.close()
    ended = start(members)
    rest = list(train_on_cores(ended, ROWS, members, settings, state=state, is_over=True))
    epochs = [progress.result.epoch for progress in rest]
    assert epochs == list(range(4, 4 + len(rest)))
    whole = start(members)
    results = [result.members for result in Training(whole, ROWS, members, settings)]
    last = rest[-1].result.members if rest else results[2]
    for m, network in enumerate(ended.alone()):
        assert last[m] == results[last[m].epoch - 1][m]
        for name, parameter in network.named_parameters():
            assert torch.equal(parameter, state[f"{m}.best.0.{name}"])


def test_a_process_that_ends_early_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_serve", lambda *_: os._exit(9))
    members = make_members(range(2))
    with pytest.raises(TrainingError, match="ended early, with code 9") as caught:
        list(train_on_cores(start(members), ROWS, members, SETTINGS, processes=2))
    assert "OMP_NUM_THREADS=1" in str(caught.value.hint)


def test_a_process_that_is_interrupted_did_not_end_well(monkeypatch: pytest.MonkeyPatch) -> None:
    members = make_members(range(2))
    parent = os.getpid()

    def interrupted(groups: object) -> dict[str, torch.Tensor]:  # noqa: ARG001  as states_of
        if os.getpid() != parent:
            raise KeyboardInterrupt  # as SIGTERM does in a command
        return {}

    monkeypatch.setattr(module, "states_of", interrupted)
    training = train_on_cores(start(members), ROWS, members, SETTINGS, processes=2)
    progress = next(training)
    with pytest.raises(TrainingError, match="ended early, with code 1"):
        progress.state()
    training.close()


def test_who_stops_listening_ends_all_processes() -> None:
    members = make_members(range(2))
    model = start(members)
    training = train_on_cores(model, ROWS, members, SETTINGS, processes=2)
    next(training)
    training.close()
    assert model.output.weight.isfinite().all()  # its memory is its own again


@pytest.mark.parametrize(
    ("threads", "free", "epochs", "wanted"),
    [
        (4, 2**40, 1000, 3),  # no more than networks
        (2, 2**40, 1000, 2),
        (1, 2**40, 1000, 1),  # OMP_NUM_THREADS=1
        (4, 2**29, 1000, 2),  # as many as the memory holds
        (4, 2**27, 1000, 1),
        (4, 2**40, 10, 1),  # not worth its start
    ],
)
def test_as_many_processes_as_are_worth_it(
    threads: int, free: int, epochs: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(module, "available_memory", lambda _: free)
    settings = dataclasses.replace(SETTINGS, epochs=epochs)
    assert module._choose_processes(make_members(range(3)), settings) == wanted
