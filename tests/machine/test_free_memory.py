"""Free memory is the least that any limit leaves."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest

from imbalance_cli.machine import free_memory as module
from imbalance_cli.machine.free_memory import free_memory

if TYPE_CHECKING:
    from pathlib import Path

GIGABYTE = 2**30
has_limits = pytest.mark.skipif(
    sys.platform == "win32", reason="a process has no such limits there"
)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the machine 5000 free bytes, the process no limit, and no control groups yet."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000))
    monkeypatch.setattr(module, "_rooms_of_limits", lambda: iter(()))
    monkeypatch.setattr(module, "GROUPS", tmp_path)
    monkeypatch.setattr(module, "OWN_GROUPS", tmp_path / "own")
    return tmp_path


def make_group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"memory.{name}").write_text(content)


def test_memory_of_this_machine() -> None:
    assert 0 <= free_memory() <= psutil.virtual_memory().total


LIMITED = """
import resource, sys, psutil
from imbalance_cli.machine import free_memory as module
module._rooms_of_groups = lambda: iter(())
psutil.virtual_memory = lambda: type("Memory", (), {"available": 2**60})
limit, size = getattr(resource, sys.argv[1]), sys.argv[2]
taken = getattr(psutil.Process().memory_info(), size)
resource.setrlimit(limit, (taken + 2**30, resource.getrlimit(limit)[1]))
print(module.free_memory())
"""


@has_limits
@pytest.mark.parametrize(
    ("limit", "size"),
    [
        ("RLIMIT_AS", "vms"),
        pytest.param(
            "RLIMIT_DATA",
            "data",
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux tells what counts there"
            ),
        ),
    ],
)
def test_memory_that_the_process_may_take(limit: str, size: str) -> None:
    """Real limits, as `ulimit -v` and `ulimit -d` set them, leave what is not yet taken."""
    command = [sys.executable, "-c", LIMITED, limit, size]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert abs(int(done.stdout) - GIGABYTE) < GIGABYTE / 4


@has_limits
def test_memory_is_never_below_nothing(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_rooms_of_limits", lambda: iter([5, 90]))
    assert free_memory() == 5
    monkeypatch.setattr(module, "_rooms_of_limits", lambda: iter([-5, 90]))
    assert free_memory() == 0
    assert not list(groups.iterdir())


NO_FILES = "anon 1\nactive_file 0\ninactive_file 0\n"
FILES = "anon 1\nfile 60\nactive_file 20\ninactive_file 40\n"


@pytest.mark.parametrize(
    ("group", "free"),
    [
        ({"max": "1000\n", "current": "400\n", "stat": NO_FILES}, 600),
        # files that were read and are kept in case they are read again give way
        ({"max": "1000\n", "current": "400\n", "stat": FILES}, 660),
        ({"max": "1000\n", "current": "1001\n", "stat": NO_FILES}, 0),
        ({"max": "9999\n", "current": "400\n", "stat": NO_FILES}, 5000),  # the machine has less
        ({"max": "max\n", "current": "400\n", "stat": NO_FILES}, 5000),
        ({"current": "400\n", "stat": NO_FILES}, 5000),  # of the root group
        ({}, 5000),
    ],
)
@pytest.mark.parametrize("place", ["", "user.slice/app.scope"])
def test_memory_that_the_control_group_may_take(
    groups: Path, group: dict[str, str], free: int, place: str
) -> None:
    (groups / "own").write_text(f"0::/{place}\n")
    make_group(groups / place, **group)
    assert free_memory() == free


def test_the_tightest_group_on_the_way_up_counts(groups: Path) -> None:
    (groups / "own").write_text("0::/a/b/c\n")
    for place, limit in (("a", 900), ("a/b", 300), ("a/b/c", 1200), ("other", 1)):
        make_group(groups / place, max=f"{limit}\n", current="100\n", stat=NO_FILES)
    assert free_memory() == 200


def test_the_path_of_a_container_may_not_be_there(groups: Path) -> None:
    (groups / "own").write_text("0::/docker/0123\n")
    make_group(groups, max="700\n", current="100\n", stat=NO_FILES)
    assert free_memory() == 600


def test_control_groups_of_version_1(groups: Path) -> None:
    (groups / "own").write_text("9:cpu,cpuacct:/\n4:memory:/jobs/one\n0::/\n")
    stat = "cache 70\ntotal_active_file 30\ntotal_inactive_file 40\n"
    unlimited = f"{2**63 - 4096}\n"
    make_group(groups / "memory", limit_in_bytes=unlimited, usage_in_bytes="900\n", stat=stat)
    assert free_memory() == 5000
    limited = {"limit_in_bytes": "800\n", "usage_in_bytes": "200\n", "stat": stat}
    make_group(groups / "memory" / "jobs" / "one", **limited)
    assert free_memory() == 670
