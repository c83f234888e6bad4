"""Which device and precision the numbers are computed on, and the seeds."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from imbalance_cli.errors import ConfigError
from imbalance_cli.machine.free_memory import free_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


def choose_device(name: str) -> torch.device:
    """Return the device of a config's name: auto takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }[device.type]
    if (device.index or 0) >= there:
        raise ConfigError(
            f"device {name!r} is not there: {there} {device.type} devices were found",
            hint="auto takes what is there",
        )
    return device


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which the network computes.

    `auto` is bfloat16 on a CUDA device that has it, else float32. The loss is always float32.
    """
    if precision == "auto":
        has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        precision = "bfloat16" if has_bfloat16 else "float32"
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def generator(device: torch.device, seed: int) -> torch.Generator:
    """Return a source of random numbers on a device, independent of torch's global one."""
    return torch.Generator(device).manual_seed(seed)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread, and put the number back afterwards.

    For many short steps, which threads only wait for each other in.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def available_memory(device: torch.device) -> int:
    """Return how many bytes could still be taken on a device; the CPU's are those of the host."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return free_memory()
