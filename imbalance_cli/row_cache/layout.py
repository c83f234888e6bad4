"""What a cache of rows holds, and which content its key and its checksums stand for.

Shapes: N rows, F numeric features, C embedded categorical features, L labels; W columns of a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_cli.readers.streams import mapped_windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT_VERSION = 1
MANIFEST = "row_cache.json"
MISSING_TARGET = -1
WINDOW = 2**24  # bytes
EDGE = 2**20  # bytes at each end of a source that are part of its identity
TYPES = {  # from small to large; a column moves on to the first that holds it exactly
    "numeric": ("int8", "float16", "float32"),
    "codes": ("uint8", "uint16", "int32", "int64"),
    "targets": ("int8",),
    "weights": ("float32",),
}
DENSE = {"numeric": np.float32, "codes": np.int64, "targets": np.int8, "weights": np.float32}


@dataclasses.dataclass(frozen=True)
class ModelRows:
    """Rows as the model takes them.

    Attributes:
        numeric: (N, F) float32.
        codes: (N, C) int64.
        targets: (N, L) float32: 1, 0, or NaN where missing.
        weights: (N,) float32, where rows are weighted.
    """

    numeric: NDArray[np.float32]
    codes: NDArray[np.int64]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> ModelRows:
        weights = None if self.weights is None else self.weights[rows]
        return ModelRows(self.numeric[rows], self.codes[rows], self.targets[rows], weights)


@dataclasses.dataclass(frozen=True)
class ColumnFile:
    """A file of the cache.

    Attributes:
        name: in the directory.
        section: numeric, codes, targets or weights.
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


def source_identity(path: Path) -> dict[str, Any]:
    """Return what tells one content of a file from another without reading all of it.

    Raises:
        OSError: it cannot be read.
    """
    stat = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(EDGE))
        file.seek(max(0, stat.st_size - EDGE))
        digest.update(file.read(EDGE))
    return {
        "path": str(path.resolve()),
        "size": stat.st_size,
        "modified": stat.st_mtime_ns,
        "edges": digest.hexdigest(),
    }


def cache_key(sources: Sequence[dict[str, Any]], **parts: object) -> str:
    """Return the key of what rows were made from.

    Args:
        sources: the `source_identity` of each, in order.
        parts: whatever else the rows depend on, as plain data: the preprocessing, the labels and
            their encoding, the version of the package.
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
    for window in mapped_windows(path, 0, WINDOW):
        checksum = zlib.crc32(window, checksum)
    return checksum
