"""How much memory this process may still take, by all that limits it."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def free_memory() -> int:
    """Return how many bytes this process could still take.

    That is the least of what the machine has free, what each of its control groups may still take,
    and what its own limits (`ulimit -v`, `ulimit -d`) leave it.
    """
    rooms = [psutil.virtual_memory().available, *_rooms_of_limits(), *_rooms_of_groups()]
    return max(min(rooms), 0)


def _rooms_of_limits() -> Iterator[int]:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  not there on Windows

    taken = psutil.Process().memory_info()
    # of addresses, and of what is private and can be written, which only Linux reports
    sizes = {"RLIMIT_AS": taken.vms, "RLIMIT_DATA": getattr(taken, "data", None)}
    for name, size in sizes.items():
        soft, _ = resource.getrlimit(getattr(resource, name))
        if size is not None and soft != resource.RLIM_INFINITY:
            yield soft - size


def _rooms_of_groups() -> Iterator[int]:
    """Yield what each control group of this process with a limit may still take.

    A group's limit holds for the groups in it too. What it has taken counts the files that the
    system keeps in memory; those give way.
    """
    try:
        lines = OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _rooms(GROUPS, path, ("max", "current"), ("active_file", "inactive_file"))
        elif "memory" in controllers.split(","):  # version 1
            files = ("total_active_file", "total_inactive_file")
            yield from _rooms(GROUPS / "memory", path, ("limit_in_bytes", "usage_in_bytes"), files)


def _rooms(
    top: Path, path: str, limit_and_use: tuple[str, str], files: tuple[str, str]
) -> Iterator[int]:
    # inside a container the path may be that outside of it, and then only the top is there
    parts = Path(path.lstrip("/")).parts
    for folder in itertools.accumulate(parts, Path.joinpath, initial=top):
        try:
            limit, used = (int((folder / f"memory.{name}").read_text()) for name in limit_and_use)
            lines = (folder / "memory.stat").read_text().splitlines()
            sizes = {name: int(size) for name, size in (line.split() for line in lines)}
            yield limit - used + sum(sizes[name] for name in files)
        except (OSError, ValueError, KeyError):  # it is not there, or its limit is "max"
            continue
