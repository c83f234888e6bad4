"""The device that a name means, the precision, random numbers of our own, and its memory."""

from __future__ import annotations

import contextlib

import pytest
import torch

from imbalance_cli.errors import ConfigError
from imbalance_cli.machine import device
from imbalance_cli.machine.device import autocast, available_memory, choose_device, generator

CPU = torch.device("cpu")


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "name"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_auto(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool, name: str) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device("auto") == torch.device(name)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "mps"])
def test_named_devices(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch, cuda=2, mps=True)
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch, cuda=0, mps=False)
    with pytest.raises(
        ConfigError, match=f"'{name}' is not there: 0 {name.split(':', maxsplit=1)[0]}"
    ):
        choose_device(name)


def test_index_beyond_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=2, mps=False)
    with pytest.raises(ConfigError, match="2 cuda devices"):
        choose_device("cuda:2")


def test_precision_on_the_cpu() -> None:
    x = torch.ones(2, 2)
    for precision, dtype in (
        ("auto", torch.float32),
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
    ):
        with autocast(CPU, precision):
            assert (x @ x).dtype == dtype


@pytest.mark.parametrize("native", [True, False])
def test_auto_precision_on_cuda(monkeypatch: pytest.MonkeyPatch, *, native: bool) -> None:
    """Bfloat16 only where the device computes in it, rather than imitates it."""
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda *, including_emulation=True: including_emulation or native,
    )
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: "autocast")
    context = autocast(torch.device("cuda"), "auto")
    assert isinstance(context, contextlib.nullcontext) is not native


def test_generator_is_independent_of_the_global_one() -> None:
    state = torch.get_rng_state()
    first = torch.rand(3, generator=generator(CPU, 7))
    assert torch.equal(first, torch.rand(3, generator=generator(CPU, 7)))
    assert torch.equal(state, torch.get_rng_state())


def test_memory_of_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free there, whatever the host has."""
    asked: list[torch.device] = []

    def mem_get_info(device: torch.device) -> tuple[int, int]:
        asked.append(device)
        return 123, 456

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    assert available_memory(torch.device("cuda", 1)) == 123
    assert asked == [torch.device("cuda", 1)]


def test_memory_of_the_cpu_is_that_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "free_memory", lambda: 77)
    assert available_memory(CPU) == 77
