"""The device that a name means, the precision, random numbers of our own, and free memory."""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest
import torch

from imbalance_cli import device
from imbalance_cli.device import autocast, available_memory, choose_device, generator
from imbalance_cli.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
GIGABYTE = 2**30


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


def pretend_memory(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, machine: int, group: dict[str, str]
) -> None:
    """Give the machine so many free bytes, and the control group these files."""
    memory = SimpleNamespace(available=machine)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    for name, content in group.items():
        (folder / f"memory.{name}").write_text(content)
    monkeypatch.setattr(device, "Path", lambda _: folder)


def limit_process(monkeypatch: pytest.MonkeyPatch, soft: int, used: int) -> None:
    """Give the process so many bytes of addresses, and let it have taken some."""
    if sys.platform == "win32":
        return
    import resource

    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(vms=used))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, resource.RLIM_INFINITY))


def test_memory_of_this_machine() -> None:
    assert 0 <= available_memory(CPU) <= psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform == "win32", reason="a process has no such limit there")
def test_memory_that_the_process_may_take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real limit, as `ulimit -v` sets it, leaves what is not yet taken."""
    import resource

    pretend_memory(monkeypatch, tmp_path, machine=2**60, group={})
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (taken + GIGABYTE, hard))
    try:
        free = available_memory(CPU)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert abs(free - GIGABYTE) < GIGABYTE / 4


@pytest.mark.skipif(sys.platform == "win32", reason="a process has no such limit there")
def test_memory_is_never_below_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend_memory(monkeypatch, tmp_path, machine=10, group={})
    limit_process(monkeypatch, soft=100, used=95)
    assert available_memory(CPU) == 5
    limit_process(monkeypatch, soft=100, used=105)
    assert available_memory(CPU) == 0


NO_CACHE = "anon 1\nactive_file 0\ninactive_file 0\n"
CACHE = "anon 1\nfile 60\nactive_file 20\ninactive_file 40\n"


@pytest.mark.parametrize(
    ("group", "free"),
    [
        ({"max": "1000\n", "current": "400\n", "stat": NO_CACHE}, 600),
        # files that were read and are kept in case they are read again give way
        ({"max": "1000\n", "current": "400\n", "stat": CACHE}, 660),
        ({"max": "1000\n", "current": "1001\n", "stat": NO_CACHE}, 0),
        ({"max": "9999\n", "current": "400\n", "stat": NO_CACHE}, 5000),  # the machine has less
        ({"max": "max\n", "current": "400\n", "stat": NO_CACHE}, 5000),
        ({"current": "400\n", "stat": NO_CACHE}, 5000),  # of the root group
        ({}, 5000),
    ],
)
def test_memory_that_the_control_group_may_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, group: dict[str, str], free: int
) -> None:
    pretend_memory(monkeypatch, tmp_path, machine=5000, group=group)
    limit_process(monkeypatch, soft=2**60, used=0)
    assert available_memory(CPU) == free


def test_memory_of_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free there, whatever the host has."""
    asked: list[torch.device] = []

    def mem_get_info(device: torch.device) -> tuple[int, int]:
        asked.append(device)
        return 123, 456

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    assert available_memory(torch.device("cuda", 1)) == 123
    assert asked == [torch.device("cuda", 1)]
