"""Writing a cache of rows: whole or not at all, each column in the smallest type that holds it.

Shapes: as in `layout`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from imbalance_cli.errors import OutputError, explain_write
from imbalance_cli.rows.cache.layout import (
    MANIFEST,
    PARTIAL,
    TYPES,
    WINDOW,
    ArrayFile,
    ColumnFile,
    Contents,
    ModelRows,
    file_checksum,
    manifest_checksum,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FULL = (errno.ENOSPC, errno.EDQUOT)


def check_place(parent: Path) -> None:
    """Raise where caches cannot be made in a directory, since something else has its name.

    Raises:
        OutputError: it names what is there.
    """
    if (parent.exists() or parent.is_symlink()) and not parent.is_dir():
        raise OutputError(
            f"{parent}: is no directory, and rows that are streamed are kept in one of that name",
            hint=f"move it away; or a --run-dir elsewhere than in {parent.parent}, where it stands",
        )


def write_cache(directory: Path, key: str, contents: Contents, *, is_alone: bool = False) -> None:
    """Write rows, a batch at a time; a cache that is there is replaced.

    Args:
        directory: of the cache; parents are made.
        key: of what the rows are made from.
        contents: at least one row.
        is_alone: whether no other process can be writing the same cache.

    Raises:
        OutputError: something else than a cache is there, or it cannot be written.
        ValueError: there are no rows, or batches of other columns.
    """
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"{directory}: is a file, where a directory is to be made")
    if directory.exists() and any(directory.iterdir()) and not (directory / MANIFEST).exists():
        raise OutputError(
            f"{directory}: holds files, and no cache", hint="name a directory of its own"
        )
    partial = directory.with_name(f".{directory.name}.{os.getpid()}{PARTIAL}")
    with _explain(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(directory, is_alone=is_alone)
        partial.mkdir()
        try:
            writer = _Writer(partial)
            with contextlib.closing(writer):
                for batch in contents.batches:
                    writer.add(batch)
                writer.finish(key, contents)
            if directory.exists():
                shutil.rmtree(directory)
            partial.rename(directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        _sync_directory(directory.parent)


@contextlib.contextmanager
def _explain(directory: Path) -> Iterator[None]:
    """Turn a failed write into an OutputError that says what to do about a full disk."""
    try:
        with explain_write(directory):
            yield
    except OutputError as error:
        if getattr(error.__cause__, "errno", None) not in FULL:
            raise
        hint = f"delete caches that are not needed any more in {directory.parent}, or name a "
        raise OutputError(error.message, hint=f"{hint}--run-dir on another disk") from error


class _Writer:
    """Rows being written: a file for each type that columns of a section have so far."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rows = 0
        self._types: dict[str, list[str]] = {}  # section: the type of each column
        self._layout: list[ColumnFile] = []
        self._generation = 0
        self._open = contextlib.ExitStack()
        self._streams: list[Any] = []

    def add(self, batch: ModelRows) -> None:
        """Append rows, after moving columns to a larger type where these need it."""
        sections: dict[str, NDArray[Any]] = {"numeric": batch.numeric, "codes": batch.codes}
        widths = {section: values.shape[1] for section, values in sections.items()}
        if not self._types:
            self._types = {name: [TYPES[name][0]] * width for name, width in widths.items()}
        if {name: len(types) for name, types in self._types.items()} != widths:
            raise ValueError(f"a batch of widths {widths} after others")
        types = {name: _widen(self._types[name], name, v) for name, v in sections.items()}
        if types != self._types or not self._layout:
            self._lay_out(types)
        self._rows += len(batch)
        for file, stream in zip(self._layout, self._streams, strict=True):
            values = sections[file.section][:, file.columns]
            stream.write(np.ascontiguousarray(values.astype(file.dtype)).data)

    def finish(self, key: str, contents: Contents) -> None:
        """Write the arrays, and the manifest once all is on the disk."""
        if not self._rows:
            raise ValueError("a cache of no rows")
        for stream in self._streams:
            _sync(stream)
        self.close()
        files = []
        for file in self._layout:
            path = self._directory / file.name
            size, checksum = path.stat().st_size, file_checksum(path)
            files.append(
                dataclasses.asdict(dataclasses.replace(file, size=size, checksum=checksum))
            )
        arrays = [self._write_array(name, array) for name, array in contents.arrays.items()]
        manifest = {
            "key": key,
            "rows": self._rows,
            "widths": {name: len(types) for name, types in self._types.items()},
            "files": files,
            "arrays": [dataclasses.asdict(array) for array in arrays],
            "document": contents.document,
        }
        manifest["checksum"] = manifest_checksum(manifest)
        with (self._directory / MANIFEST).open("wb") as stream:
            stream.write(json.dumps(manifest).encode())
            _sync(stream)
        _sync_directory(self._directory)

    def _write_array(self, name: str, array: NDArray[Any]) -> ArrayFile:
        path = self._directory / name
        with path.open("wb") as stream:
            stream.write(np.ascontiguousarray(array).data)
            _sync(stream)
        size, checksum = path.stat().st_size, file_checksum(path)
        return ArrayFile(name, array.dtype.str, list(array.shape), size, checksum)

    def close(self) -> None:
        """Close the files."""
        self._open.close()

    def _lay_out(self, types: dict[str, list[str]]) -> None:
        """Begin a file for each type of each section, with the rows written so far."""
        self.close()
        old = {(f.section, column): f for f in self._layout for column in f.columns}
        self._generation += 1
        self._types, self._layout, self._streams = types, [], []
        self._open = contextlib.ExitStack()
        for section, column_types in types.items():
            for dtype in dict.fromkeys(column_types):
                columns = [i for i, its in enumerate(column_types) if its == dtype]
                name = f"{section}.{dtype}.{self._generation}"
                file = ColumnFile(name, section, dtype, columns)
                self._layout.append(file)
                stream = self._open.enter_context((self._directory / name).open("wb"))
                self._streams.append(stream)
                if self._rows:
                    self._copy(file, stream, [old[section, column] for column in columns])
        for file in {f.name: f for f in old.values()}.values():
            (self._directory / file.name).unlink()

    def _copy(self, file: ColumnFile, stream: Any, sources: Sequence[ColumnFile]) -> None:  # noqa: ANN401  the type of an open file is mypy's to know
        """Write the rows so far of a file's columns, each from where it was."""
        step = max(1, WINDOW // (8 * len(file.columns)))
        for first in range(0, self._rows, step):
            count = min(step, self._rows - first)
            values = np.empty((count, len(sources)), file.dtype)
            for name in dict.fromkeys(source.name for source in sources):
                source = next(source for source in sources if source.name == name)
                dtype, width = np.dtype(source.dtype), len(source.columns)
                part = np.fromfile(
                    self._directory / name,
                    dtype,
                    count=count * width,
                    offset=first * width * dtype.itemsize,
                ).reshape(count, width)
                for i, column in enumerate(file.columns):
                    if sources[i].name == name:
                        values[:, i] = part[:, source.columns.index(column)]
            stream.write(values.data)


def _widen(types: Sequence[str], section: str, values: NDArray[Any]) -> list[str]:
    """Return the types that hold all of (N, W) values, each its column's type or a larger one."""
    widened = list(types)
    for number, dtype in enumerate(TYPES[section][:-1]):
        columns = [i for i, its in enumerate(widened) if its == dtype]
        part = values[:, columns]
        with np.errstate(invalid="ignore", over="ignore"):
            back = part.astype(dtype).astype(part.dtype)
        # as bits: -0 and 0 are equal
        integers = np.dtype(f"i{part.dtype.itemsize}")
        is_exact = (back.view(integers) == np.ascontiguousarray(part).view(integers)).all(axis=0)
        for column, fits in zip(columns, is_exact, strict=True):
            if not fits:
                widened[column] = TYPES[section][number + 1]
    return widened


def _sync(stream: Any) -> None:  # noqa: ANN401  as above
    stream.flush()
    os.fsync(stream.fileno())


def _sync_directory(directory: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_abandoned(directory: Path, *, is_alone: bool) -> None:
    """Remove what writers left behind: any where there can be no other, else those that are gone.

    The number of a process says nothing of those in other containers that share the directory.
    """
    for partial in directory.parent.glob(f".{directory.name}.*{PARTIAL}"):
        pid = partial.name.removesuffix(PARTIAL).rpartition(".")[2]
        is_gone = pid.isdigit() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid)))
        if is_alone or is_gone:
            shutil.rmtree(partial, ignore_errors=True)
