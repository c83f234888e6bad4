"""Locks between processes that share caches; the system lets go of them when a process ends.

A cache that is used is locked, shared, by its manifest; one that is written by a file beside it.
Where the system has no such locks (Windows, some network drives), writers do not wait for each
other: each writes a directory of its own, and the last one to be done is the one that stays.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK = ".lock"


def lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool | None:
    """Lock an open file for as long as it is open.

    Returns:
        Whether it is locked now, or None where there are no locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl  # noqa: PLC0415  not there on Windows

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a drive that has none
        return None
    return True


@contextlib.contextmanager
def writing(directory: Path, waiting: Callable[[], None]) -> Iterator[bool]:
    """Be the only process that writes a cache, after the one that does has ended.

    Args:
        directory: of the cache; its parents are made.
        waiting: is called if there is one to wait for.

    Yields:
        Whether no other one can be writing it.

    Raises:
        OSError: there can be no file beside the cache.
    """
    path = directory.with_name(f".{directory.name}{LOCK}")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, is_locked = _open_locked(path, waiting)
    try:
        yield bool(is_locked)
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_written(directory: Path) -> bool:
    """Return whether a process writes a cache, or may be."""
    path = directory.with_name(f".{directory.name}{LOCK}")
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not lock(descriptor)
    finally:
        os.close(descriptor)


def _open_locked(path: Path, waiting: Callable[[], None]) -> tuple[int, bool | None]:
    """Return the descriptor of a lock file that is still there once it is locked, and if it is."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        is_locked = lock(descriptor)
        if is_locked is False:
            waiting()
            is_locked = lock(descriptor, wait=True)
        # whoever held it may have removed the file before letting go of it
        with contextlib.suppress(FileNotFoundError):
            if is_locked is None or os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor, is_locked
        os.close(descriptor)
