"""A cache of rows, opened where it is whole and of the wanted key, and mapped into memory.

Shapes: B rows asked for; the others as in `layout`.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import weakref
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from imbalance_cli.errors import OutputError, explain_write
from imbalance_cli.rows.cache.layout import (
    DENSE,
    MANIFEST,
    ArrayFile,
    ColumnFile,
    ModelRows,
    file_checksum,
    manifest_checksum,
)
from imbalance_cli.rows.cache.locks import lock, writing
from imbalance_cli.rows.cache.pruning import mark_used, prune_caches, size_of
from imbalance_cli.rows.cache.writing import write_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.rows.cache.layout import Contents


class RowCache:
    """Cached rows, mapped into memory; they are read when they are selected.

    Args:
        directory: of the cache.
        manifest: what is in it, checked.

    Attributes:
        rows: N.
        widths: W of each section.
        files: of the sections.
        document: what is to be known of the rows.
        arrays: what is kept beside the sections, by name; to be read only.
    """

    def __init__(self, directory: Path, manifest: dict[str, Any]) -> None:
        self.rows: int = manifest["rows"]
        self.widths: dict[str, int] = manifest["widths"]
        self.files = [ColumnFile(**file) for file in manifest["files"]]
        self._maps: list[mmap.mmap] = []
        self._arrays: list[NDArray[Any]] = []
        for file in self.files:
            with (directory / file.name).open("rb") as opened:
                mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            self._maps.append(mapped)
            array = np.frombuffer(mapped, file.dtype).reshape(self.rows, -1)
            self._arrays.append(array)
        self.document: dict[str, Any] = manifest["document"]
        self.arrays: dict[str, NDArray[Any]] = {
            array.name: np.fromfile(directory / array.name, array.dtype).reshape(array.shape)
            for array in (ArrayFile(**array) for array in manifest["arrays"])
        }

    def __len__(self) -> int:
        return self.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def row_bytes(self) -> int:
        """Bytes a row on disk."""
        return sum(np.dtype(file.dtype).itemsize * len(file.columns) for file in self.files)

    def select(self, rows: NDArray[np.integer[Any]]) -> ModelRows:
        """Return the rows of some row numbers, (B,), in their order; ascending ones are fastest."""
        dense = {
            section: np.empty((len(rows), width), DENSE[section])
            for section, width in self.widths.items()
        }
        for file, array in zip(self.files, self._arrays, strict=True):
            chosen = array.take(rows, axis=0)
            if len(file.columns) == self.widths[file.section]:
                dense[file.section] = chosen.astype(DENSE[file.section], copy=False)
            else:
                dense[file.section][:, file.columns] = chosen
        return ModelRows(dense["numeric"], dense["codes"], rows)

    def batches(self, rows: NDArray[np.integer[Any]], size: int) -> Iterator[ModelRows]:
        """Yield the rows of some row numbers, (N,), in their order, with flat memory."""
        for first in range(0, len(rows), size):
            batch = self.select(rows[first : first + size])
            self.release()
            yield batch

    def release(self) -> None:
        """Give the memory of the pages read so far back; what is read again is mapped again."""
        for mapped in self._maps:
            if hasattr(mapped, "madvise"):
                mapped.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmap the files; nothing can be selected any more."""
        self._arrays.clear()
        for mapped in self._maps:
            mapped.close()
        self._maps.clear()


def cached_rows(
    directory: Path,
    key: str,
    make: Callable[[], Contents],
    tell: Callable[[str], None] = lambda _: None,
) -> RowCache:
    """Open the cache of a key, or write it where it is not there, another's or damaged.

    Where another process is writing it, this one waits and then takes it. Once a cache was
    written, others may have to go, see `prune_caches`.

    Args:
        directory: of the cache; parents are made.
        key: of what the rows are made from, see `cache_key`.
        make: makes the contents, called where they are needed.
        tell: is told what happens to the disk, and that another process is waited for.

    Raises:
        OutputError: the cache cannot be written.
    """
    cache = open_cache(directory, key)
    if cache is not None:
        return cache
    with contextlib.ExitStack() as stack:

        def say_so() -> None:
            tell(f"another process is writing {directory}, and is waited for")

        with explain_write(directory):
            is_alone = stack.enter_context(writing(directory, say_so))
        cache = open_cache(directory, key)  # another process may just have written it
        if cache is not None:
            return cache
        write_cache(directory, key, make(), is_alone=is_alone)
        cache = open_cache(directory, key)
    if cache is None:
        raise OutputError(f"{directory}: the cache that was just written cannot be read back")
    size = size_of(directory)
    tell(f"{cache.rows:,} rows ready for the model take {size / 1e6:,.1f} MB in {directory}")
    for gone in prune_caches(directory):
        tell(f"{gone} was longest not used, and was removed to make room")
    return cache


def open_cache(directory: Path, key: str) -> RowCache | None:
    """Return the cache of a key, or None where it is not there, another's or damaged.

    Every file is read once, to compare its checksum.
    """
    try:
        descriptor = os.open(directory / MANIFEST, os.O_RDONLY)
    except OSError:
        return None
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        if lock(descriptor, shared=True) is False:  # it is being removed
            return None
        try:
            manifest = json.loads((directory / MANIFEST).read_bytes())
            if manifest["key"] != key or manifest["checksum"] != manifest_checksum(manifest):
                return None
            for file in [*manifest["files"], *manifest["arrays"]]:
                path = directory / file["name"]
                if path.stat().st_size != file["size"] or file_checksum(path) != file["checksum"]:
                    return None
            cache = RowCache(directory, manifest)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        mark_used(directory)
        weakref.finalize(cache, stack.pop_all().close)
        return cache
