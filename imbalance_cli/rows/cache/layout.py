"""What a cache of rows holds, and which content its key and its checksums stand for.

Shapes: N rows, F numeric features, C embedded categorical features; W columns of a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT_VERSION = 4
MANIFEST = "row_cache.json"
PARTIAL = ".partial"
WINDOW = 2**24  # bytes
TYPES = {  # from small to large; a column moves on to the first that holds it exactly
    "numeric": ("int8", "float16", "float32"),
    "codes": ("uint8", "uint16", "int32", "int64"),
}
DENSE = {"numeric": np.float32, "codes": np.int64}


@dataclasses.dataclass(frozen=True)
class ModelRows:
    """Features of rows as the model takes them.

    Attributes:
        numeric: (N, F) float32.
        codes: (N, C) int64.
        numbers: (N,) which rows of a cache these are; none where they come from elsewhere.
    """

    numeric: NDArray[np.float32]
    codes: NDArray[np.int64]
    numbers: NDArray[np.integer[Any]] = dataclasses.field(
        default_factory=lambda: np.empty(0, np.intp)
    )

    def __len__(self) -> int:
        return len(self.numeric)

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> ModelRows:
        numbers = self.numbers[rows] if len(self.numbers) else self.numbers
        return ModelRows(self.numeric[rows], self.codes[rows], numbers)


@dataclasses.dataclass(frozen=True)
class Contents:
    """All that goes into a cache.

    Attributes:
        document: what is to be known of the rows, as plain data.
        arrays: whatever else there is a number of for each row, and the like, by name.
        batches: the rows, in order.
    """

    document: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    batches: Iterable[ModelRows]


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """An array of the cache that is no section.

    Attributes:
        name: of the array, and of its file.
        dtype: of its numbers.
        shape: of it.
        size: bytes.
        checksum: CRC-32.
    """

    name: str
    dtype: str
    shape: list[int]
    size: int
    checksum: int


@dataclasses.dataclass(frozen=True)
class ColumnFile:
    """A file of the cache.

    Attributes:
        name: in the directory.
        section: numeric or codes.
        dtype: of all its values.
        columns: (W,) which columns of the section it holds.
        size: bytes.
        checksum: CRC-32.
    """

    name: str
    section: str
    dtype: str
    columns: list[int]
    size: int = 0
    checksum: int = 0


def cache_key(sources: Sequence[dict[str, Any]], **parts: object) -> str:
    """Return the key of what rows were made from.

    Args:
        sources: what each holds, in order, as `SourceContents.identities` says it.
        parts: whatever else the rows depend on, as plain data.
    """
    document = {"format_version": FORMAT_VERSION, "sources": list(sources), "parts": parts}
    text = json.dumps(document, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def manifest_checksum(manifest: dict[str, Any]) -> int:
    """Return the CRC-32 of all of a manifest but this number."""
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def file_checksum(path: Path) -> int:
    """Return the CRC-32 of a file, with flat memory."""
    checksum = 0
    with path.open("rb") as file:
        while window := file.read(WINDOW):
            checksum = zlib.crc32(window, checksum)
    return checksum
