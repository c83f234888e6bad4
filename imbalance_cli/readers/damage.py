"""Files of arrays that are damaged: what is raised for them, and which of them end too early.

Each function raises for a file that is cut off, and returns where that cannot be told.
"""

from __future__ import annotations

import json
import math
import pickle
import struct
import tokenize
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

from imbalance_cli.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

READ_ERRORS = (  # what the libraries raise where bytes are damaged
    *(OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(SyntaxError, tokenize.TokenError, TypeError, LookupError, AttributeError),
    *(OverflowError, MemoryError, AssertionError, pickle.UnpicklingError),
)
ZIP = b"PK\x03\x04"
NPY_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}  # of the header, by the format's version
NPY_VERSION_AT, NPY_LENGTH_AT = 6, 8  # bytes
OLD_TORCH_WORDS = ("unexpected EOF", "pickle data was truncated")
HINT = "copy, download or write it again"


def refuse_cut_npy(path: Path, name: str) -> None:
    """Raise for a .npy array of numbers with fewer bytes than its header says.

    Raises:
        SourceError: it says how many bytes there are and should be.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(NPY_LENGTH_AT + 4)
        length = NPY_LENGTHS.get(head[NPY_VERSION_AT] if len(head) > NPY_VERSION_AT else 0)
        if length is None or len(head) < NPY_LENGTH_AT + struct.calcsize(length):
            return
        (header,) = struct.unpack_from(length, head, NPY_LENGTH_AT)
        first = NPY_LENGTH_AT + struct.calcsize(length) + header
        if size < first:
            raise _ends_too_early(name, size, first, at_least=True)
        file.seek(0)
        try:
            shape, _, dtype = read_npy_header(file)
        except READ_ERRORS:
            return
    wanted = first + math.prod(shape) * dtype.itemsize
    if size < wanted and not dtype.hasobject:
        raise _ends_too_early(name, size, wanted)


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a .npy array: its shape, whether it is in Fortran's order, its type."""
    import numpy as np

    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def is_zip(path: Path) -> bool:
    """Return whether a file ends as a zip archive does, be it damaged there or not."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # an end that says what is not read, such as several disks
        return True


def refuse_cut_zip(path: Path, name: str) -> None:
    """Raise for a zip archive, as .npz and .pt files are, that ends before its list of contents.

    Raises:
        SourceError: it says how many bytes there are.
    """
    with path.open("rb") as file:
        is_begun = file.read(len(ZIP)) == ZIP
    if is_begun and not is_zip(path):
        raise SourceError(
            f"{name}: ends too early: after {path.stat().st_size:,} bytes, without the list of "
            "what is in the archive, which stands last",
            hint=HINT,
        )


def refuse_cut_safetensors(path: Path, name: str) -> None:
    """Raise for a .safetensors file with fewer bytes than its header says.

    Raises:
        SourceError: it says how many bytes there are and should be.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = file.read(8)
        (header,) = struct.unpack("<Q", length.ljust(8, b"\0"))
        start = file.read(1)
        if start != b"{":
            return
        if size < 8 + header:
            raise _ends_too_early(name, size, 8 + header, at_least=True)
        try:
            entries = json.loads(start + file.read(header - 1))
            ends = [entry["data_offsets"][1] for key, entry in entries.items() if key[:2] != "__"]
            wanted = 8 + header + max(ends)
        except READ_ERRORS:
            return
    if size < wanted:
        raise _ends_too_early(name, size, wanted)


def refuse_cut_pickle(error: BaseException, path: Path, name: str) -> None:
    """Raise for a .pt file of the old form in which torch missed bytes.

    Raises:
        SourceError: it says how many bytes there are.
    """
    if isinstance(error, EOFError) or any(words in str(error) for words in OLD_TORCH_WORDS):
        raise SourceError(
            f"{name}: ends too early: after {path.stat().st_size:,} bytes, in the middle of what "
            "was saved",
            hint=HINT,
        ) from error


def _ends_too_early(name: str, size: int, wanted: int, *, at_least: bool = False) -> SourceError:
    known = "at least " if at_least else ""
    return SourceError(f"{name}: ends too early: {size:,} bytes of {known}{wanted:,}", hint=HINT)
