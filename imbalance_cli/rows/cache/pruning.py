"""Which caches go when a new one has come.

All together may take half of the space that the disk would have free without them. Past that, the
one that was longest not used goes first; the newest never goes, nor does one that a process uses.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from imbalance_cli.rows.cache.layout import MANIFEST, PARTIAL
from imbalance_cli.rows.cache.locks import is_written, lock

if TYPE_CHECKING:
    from pathlib import Path

SHARE = 0.5


def prune_caches(newest: Path) -> list[Path]:
    """Remove caches beside the newest until all fit, and what killed writers left.

    What cannot be removed stays.

    Returns:
        The caches that are gone.
    """
    parent = newest.parent
    caches = [path.parent for path in parent.glob(f"*/{MANIFEST}")]
    sizes = {path: size_of(path) for path in caches}
    budget = SHARE * (shutil.disk_usage(parent).free + sum(sizes.values()))
    taken = sizes.pop(newest, 0)
    removed = []
    for cache in sorted(sizes, key=_last_used, reverse=True):
        if taken + sizes[cache] > budget and _remove_unused(cache):
            removed.append(cache)
        else:
            taken += sizes[cache]
    for partial in parent.glob(f".*{PARTIAL}"):
        name = partial.name.removeprefix(".").split(".")[0]
        if not is_written(parent / name):
            shutil.rmtree(partial, ignore_errors=True)
    return removed


def size_of(cache: Path) -> int:
    """Return the bytes of a cache; what is gone meanwhile takes none."""
    size = 0
    with contextlib.suppress(OSError):
        for path in cache.iterdir():
            size += path.stat().st_size
    return size


def mark_used(cache: Path) -> None:
    """Note that a cache was used now, if it is ours to write to."""
    with contextlib.suppress(OSError):
        os.utime(cache / MANIFEST)


def _last_used(cache: Path) -> int:
    with contextlib.suppress(OSError):
        return (cache / MANIFEST).stat().st_mtime_ns
    return 0


def _remove_unused(cache: Path) -> bool:
    """Remove a cache, unless a process uses it or nobody can tell."""
    manifest = cache / MANIFEST
    try:
        descriptor = os.open(manifest, os.O_RDONLY)
    except OSError:
        return False
    try:
        if not lock(descriptor):
            return False
        manifest.unlink()  # first, so that nobody takes what is left for a cache
        shutil.rmtree(cache)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
