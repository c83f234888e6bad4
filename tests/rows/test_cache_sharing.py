"""Caches that several processes write and use, and which of them go to make room."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from imbalance_cli.errors import OutputError
from imbalance_cli.rows.cache import (
    Contents,
    ModelRows,
    cached_rows,
    locks,
    open_cache,
    pruning,
    write_cache,
)
from imbalance_cli.rows.cache.pruning import prune_caches, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

has_locks = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks there")
ROWS = ModelRows(np.zeros((4, 3), np.float32), np.zeros((4, 0), np.int64))


def make() -> Contents:
    return Contents({"of": "four rows"}, {"parts": np.arange(4, dtype=np.int8)}, [ROWS])


def fail() -> Contents:
    raise AssertionError("the cache is there")


def test_document_and_arrays_come_back(tmp_path: Path) -> None:
    arrays = {"one": np.array([[1.5, np.nan]]), "none": np.empty((0, 3), np.int32)}
    contents = Contents({"a": [1, None]}, arrays, [ROWS])
    with cached_rows(tmp_path / "cache", "key", lambda: contents) as cache:
        assert cache.document == {"a": [1, None]}
        for name, array in arrays.items():
            assert cache.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(cache.arrays[name], array)


def test_what_is_written_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        cached_rows(tmp_path / "cache", "key", make, told.append).close()
    assert told == [f"4 rows ready for the model take 0.0 MB in {tmp_path / 'cache'}"]


WRITE = """
import sys, time
from pathlib import Path
import numpy as np
from imbalance_cli.rows.cache import Contents, ModelRows, cached_rows
directory, seconds = Path(sys.argv[1]), float(sys.argv[2])
rows = ModelRows(np.zeros((4, 3), np.float32), np.zeros((4, 0), np.int64))
def batches():
    print("writing", flush=True)
    time.sleep(seconds)
    yield rows
with cached_rows(directory, "key", lambda: Contents({}, {}, batches()), print):
    print("has it", flush=True)
    sys.stdin.read()
"""


def start_writer(directory: Path, seconds: float) -> subprocess.Popen[str]:
    """Start a process that writes the cache slowly, and return it once it does."""
    command = [sys.executable, "-c", WRITE, str(directory), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


@has_locks
def test_a_second_process_waits_and_takes_what_the_first_wrote(tmp_path: Path) -> None:
    first = start_writer(tmp_path / "cache", 1.0)
    told: list[str] = []
    with cached_rows(tmp_path / "cache", "key", fail, told.append) as cache:
        assert len(cache) == 4
    assert told == [f"another process is writing {tmp_path / 'cache'}, and is waited for"]
    out, _ = first.communicate("")
    assert out.endswith("has it\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


@has_locks
def test_a_writer_that_is_killed_is_not_waited_for(tmp_path: Path) -> None:
    first = start_writer(tmp_path / "cache", 600)
    assert any(entry.name.endswith(".partial") for entry in tmp_path.iterdir())
    timer = threading.Timer(0.5, first.send_signal, [signal.SIGKILL])
    timer.start()
    with cached_rows(tmp_path / "cache", "key", make) as cache:
        assert cache.document == {"of": "four rows"}
    first.communicate()
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


@has_locks
def test_a_lock_that_goes_away_with_its_holder_is_taken_anew(tmp_path: Path) -> None:
    """Several wait for one; each then has the lock file that is there, and none other's."""
    holders: list[int] = []
    overlaps: list[int] = []

    def hold(number: int) -> None:
        with locks.writing(tmp_path / "cache", lambda: None) as is_alone:
            assert is_alone
            holders.append(number)
            overlaps.append(len(holders))
            time.sleep(0.01)
            holders.remove(number)

    threads = [threading.Thread(target=hold, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [1] * 8
    assert not list(tmp_path.iterdir())


def test_without_locks_the_last_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    def slow() -> Contents:
        cached_rows(tmp_path / "cache", "key", make).close()  # another one was quicker
        return make()

    with cached_rows(tmp_path / "cache", "key", slow) as cache:
        assert len(cache) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


@has_locks
def test_a_drive_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with cached_rows(tmp_path / "cache", "key", make) as cache:
        assert len(cache) == 4
    other = tmp_path / "other"
    write_cache(other, "key", make())
    monkeypatch.setattr(pruning, "SHARE", 0.0)
    assert prune_caches(tmp_path / "cache") == []  # nobody can tell whether it is used


def make_caches(folder: Path, count: int) -> list[Path]:
    """Return caches, each used later than the one before."""
    paths = [folder / f"cache{number}" for number in range(count)]
    for number, path in enumerate(paths):
        write_cache(path, "key", make())
        os.utime(path / "row_cache.json", (1000 + number, 1000 + number))
    return paths


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a disk whose free bytes can be set."""
    usage = SimpleNamespace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    return usage


@has_locks
def test_the_longest_unused_go_first(tmp_path: Path, disk: SimpleNamespace) -> None:
    caches = make_caches(tmp_path, 4)
    size = size_of(caches[0])
    disk.free = 4 * size  # half of it and of what is there are four
    assert prune_caches(caches[1]) == []
    disk.free = 0
    assert prune_caches(caches[1]) == [caches[2], caches[0]]
    assert sorted(tmp_path.iterdir()) == [caches[1], caches[3]]
    disk.free = -size
    assert prune_caches(caches[1]) == [caches[3]]
    assert prune_caches(caches[1]) == []  # the newest stays, whatever it takes
    assert list(tmp_path.iterdir()) == [caches[1]]


@has_locks
def test_a_use_makes_a_cache_young(tmp_path: Path, disk: SimpleNamespace) -> None:
    caches = make_caches(tmp_path, 4)
    cache = open_cache(caches[0], "key")
    assert cache is not None
    cache.close()
    del cache
    assert prune_caches(caches[3]) == [caches[2], caches[1]]
    assert disk.free == 0


@has_locks
def test_a_cache_in_use_stays(tmp_path: Path, disk: SimpleNamespace) -> None:
    caches = make_caches(tmp_path, 3)
    disk.free = -10 * size_of(caches[0])
    used = open_cache(caches[0], "key")
    assert used is not None
    assert prune_caches(caches[2]) == [caches[1]]
    del used
    assert prune_caches(caches[2]) == [caches[0]]


@has_locks
def test_a_cache_that_another_process_uses_stays(tmp_path: Path, disk: SimpleNamespace) -> None:
    first = start_writer(tmp_path / "used", 0)
    assert first.stdout is not None
    while first.stdout.readline() != "has it\n":
        pass
    (newest,) = make_caches(tmp_path, 1)
    disk.free = -(2**30)
    assert prune_caches(newest) == []
    first.communicate("")
    assert prune_caches(newest) == [tmp_path / "used"]


@has_locks
def test_a_cache_being_removed_is_not_taken(
    tmp_path: Path, disk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = make_caches(tmp_path, 2)
    disk.free = -(2**30)
    opened: list[object] = []
    remove = shutil.rmtree

    def look_first(path: Path) -> None:
        opened.append(open_cache(path, "key"))
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", look_first)
        prune_caches(caches[1])
    assert opened == [None]

    descriptor = os.open(caches[1] / "row_cache.json", os.O_RDONLY)
    assert locks.lock(descriptor)
    assert open_cache(caches[1], "key") is None
    os.close(descriptor)


def test_what_cannot_be_removed_stays(
    tmp_path: Path, disk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = make_caches(tmp_path, 2)
    disk.free = -(2**30)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert prune_caches(caches[1]) == []


@has_locks
def test_what_killed_writers_of_other_caches_left_goes(tmp_path: Path) -> None:
    (newest,) = make_caches(tmp_path, 1)
    first = start_writer(tmp_path / "living", 600)
    (tmp_path / ".dead.99999999.partial").mkdir()
    prune_caches(newest)
    assert not (tmp_path / ".dead.99999999.partial").exists()
    assert list(tmp_path.glob(".living.*.partial"))
    first.kill()
    first.communicate()
    prune_caches(newest)
    assert not list(tmp_path.glob(".living.*.partial"))


def test_a_full_disk(tmp_path: Path) -> None:
    def fill() -> Iterator[ModelRows]:
        yield ROWS
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left") as caught:
        cached_rows(tmp_path / "cache", "key", lambda: Contents({}, {}, fill()))
    assert f"delete caches that are not needed any more in {tmp_path}" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_not_ours_to_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there is read; what is not cannot be written. Root may write to any directory."""
    cached_rows(tmp_path / "cache", "key", make).close()
    opened = os.open

    def refuse_to_write(path: Path, flags: int, *more: int, **others: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *more, **others)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse_to_write)
    monkeypatch.setattr(os, "utime", refuse)
    with cached_rows(tmp_path / "cache", "key", fail) as cache:
        assert len(cache) == 4
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        cached_rows(tmp_path / "other", "key", make)
