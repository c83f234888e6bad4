"""Tensor datasets: .npy, .npz, .pt and .safetensors files of arrays with the same rows.

An array of shape (N,) or (N, 1) under the key k is the column k; one of shape (N, C) is the
columns k_0 .. k_{C-1}. A file of one array without a key has the key y. Nothing in a file is ever
run: arrays of objects and pickles with code are refused.

Shapes: N rows, C columns of an array.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, TypeGuard

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.array_files import (
    READ_ERRORS,
    open_npy,
    open_npz,
    open_pt,
    open_safetensors,
)
from imbalance_cli.readers.source import BARE_KEY, Batch, Source, row_batch
from imbalance_cli.readers.streams import STDIN, as_file
from imbalance_cli.readers.typed import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.readers.array_files import Array

BATCH_ROWS = 2**18
BATCH_BYTES = 64 * 2**20
WIDEST = 8  # bytes a number
MATRIX = 2  # dimensions
NUMBERS = re.compile(r"bool|(?:u?int|[iu])(?:8|16|32|64)|(?:float|f)(?:16|32|64)|bfloat16|bf16")
"""The types that are read, as numpy and torch or, in lower case, safetensors call them."""
FEATURES_KEY = "x"  # of an array of features that has none
OPENERS = {"npy": open_npy, "npz": open_npz, "pt": open_pt, "safetensors": open_safetensors}
OBJECTS_HINT = (
    "objects are never loaded, since loading them runs code; save numbers: "
    "np.savez(path, x=x.astype('float32'))"
)
DAMAGE_HINT = "copy, download or write it again if it is cut off or damaged"


class ArraySource(Source):
    """Arrays under keys, side by side.

    Args:
        name: a path, or "-" for stdin; what is compressed is unfolded into a temporary file.
        input_format: one of OPENERS.

    Raises:
        SourceError: the file is missing, damaged or of another format, there are no arrays, one is
            not numeric or no table, they differ in N, or two columns have one name.
    """

    rows: int
    _origin: ArraySource | None = None

    def __init__(self, name: str, input_format: str) -> None:
        path = as_file(name, self)
        self.name = "stdin" if name == STDIN else name
        try:
            arrays = OPENERS[input_format](path, self.name)
        except READ_ERRORS as error:
            reason = first_line(error).partition(". ")[0]
            raise SourceError(
                f"{self.name}: not a .{input_format} file that can be read, of "
                f"{path.stat().st_size:,} bytes: {reason}",
                hint=OBJECTS_HINT if "objects" in reason else DAMAGE_HINT,
            ) from error
        self._set_arrays(arrays)

    def _set_arrays(self, arrays: Mapping[str, Array]) -> None:
        name = self.name
        if not arrays:
            raise SourceError(f"{name}: no arrays", hint="save features and targets, each by a key")
        for key, array in arrays.items():
            _check_array(name if list(arrays) == [BARE_KEY] else f"{name}: {key!r}", array)
        _check_rows(name, arrays)
        self.rows = next(iter(arrays.values())).shape[0]
        self._arrays = arrays
        self._homes: dict[str, tuple[str, int]] = {}
        keys = {key: _column_names(key, array.shape) for key, array in arrays.items()}
        for key, names in keys.items():
            for i, column in enumerate(names):
                other, _ = self._homes.setdefault(column, (key, i))
                if other != key:
                    raise SourceError(
                        f"{name}: {other!r} and {key!r} both have a column {column!r}",
                        hint="save one of them by another key",
                    )
        self.keys = keys
        self.columns = list(self._homes)

    def as_features(self) -> ArraySource:
        """Return the array without a key by the key of features."""
        renamed = copy.copy(self)
        renamed._origin = self  # noqa: SLF001  its own; it keeps a temporary file
        renamed._set_arrays({FEATURES_KEY: self._arrays[BARE_KEY]})  # noqa: SLF001  its own
        return renamed

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns with their arrays' types, some rows at a time; NaN is a missing cell.

        Raises:
            SourceError: the file is damaged.
        """
        for first, blocks in self._blocks(columns):
            yield _batch(first, blocks, columns)

    def types(self, columns: Sequence[str]) -> Mapping[str, pl.DataType]:
        """Return the types of the arrays.

        Raises:
            SourceError: the file is damaged.
        """
        return next(self.batches(columns)).frame.schema if columns else {}

    def _blocks(
        self, columns: Sequence[str]
    ) -> Iterator[tuple[int, dict[tuple[str, ...], NDArray[Any]]]]:
        """Yield a row's number and, from it on, (rows, columns) of each array by column names."""
        chosen: dict[str, list[int]] = {}
        for column in columns:
            key, position = self._homes[column]
            chosen.setdefault(key, []).append(position)
        width = sum(len(self.keys[key]) for key in chosen)
        rows = max(1, min(BATCH_ROWS, BATCH_BYTES // (WIDEST * width)))
        parts = {key: self._arrays[key].blocks(rows) for key in chosen}
        for first in range(0, self.rows, rows):
            blocks = {}
            for key, positions in chosen.items():
                try:
                    block = next(parts[key])
                except READ_ERRORS as error:
                    raise SourceError(
                        f"{self.name}: {key!r}: after row {first}: cannot be read: "
                        f"{first_line(error)}",
                        hint=DAMAGE_HINT,
                    ) from error
                names = tuple(self.keys[key][i] for i in positions)
                blocks[names] = _native(block.reshape(len(block), -1)[:, positions])
            yield first, blocks


def is_bare(source: Source) -> TypeGuard[ArraySource]:
    """Return whether a source is one array without a key, which may hold labels or features."""
    return isinstance(source, ArraySource) and list(source.keys) == [BARE_KEY]


def as_features(source: Source) -> Source:
    """Return a source whose columns are features: an array without a key gets the key x."""
    return source.as_features() if is_bare(source) else source


def _check_array(where: str, array: Array) -> None:
    if not NUMBERS.fullmatch(array.kind.lower()):
        raise SourceError(
            f"{where}: an array of {array.kind}, where numbers are needed",
            hint=OBJECTS_HINT if array.kind == "object" else "save it as booleans or numbers",
        )
    if array.shape[:1] == (0,):
        raise SourceError(f"{where}: no rows")
    if len(array.shape) not in {1, MATRIX} or 0 in array.shape:
        raise SourceError(
            f"{where}: an array of shape {array.shape}, where (rows,) or (rows, columns) is read"
        )


def _check_rows(name: str, arrays: Mapping[str, Array]) -> None:
    (first, one), *others = arrays.items()
    for key, array in others:
        if array.shape[0] != one.shape[0]:
            raise SourceError(
                f"{name}: {first!r} has the shape {one.shape} and {key!r} {array.shape}",
                hint="all arrays of a file need the same number of rows",
            )


def _column_names(key: str, shape: tuple[int, ...]) -> list[str]:
    if len(shape) == 1 or shape[1] == 1:
        return [key]
    return [f"{key}_{i}" for i in range(shape[1])]


def _native(block: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if block.dtype.newbyteorder("=") == np.float16:
        return block.astype(np.float32)
    return block.astype(block.dtype.newbyteorder("="), copy=False)


def _batch(
    first: int, blocks: dict[tuple[str, ...], NDArray[Any]], columns: Sequence[str]
) -> Batch:
    import numpy as np
    import polars as pl

    series = {
        column: pl.Series(column, values)
        for names, block in blocks.items()
        for column, values in zip(names, np.ascontiguousarray(block.T), strict=True)
    }
    return row_batch(pl.DataFrame([series[column] for column in columns]), first)
