"""The arrays in .npy, .npz, .pt and .safetensors files, read some rows at a time.

Nothing in a file is ever run: arrays of objects and pickles with code are refused. What numpy,
torch and safetensors raise for bytes that they cannot read is among READ_ERRORS.

Shapes: N rows, C columns of an array.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import pickle
import tokenize
import warnings
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.source import BARE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

READ_ERRORS = (
    *(OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(SyntaxError, tokenize.TokenError, TypeError, LookupError, AttributeError),
    *(OverflowError, MemoryError, AssertionError, pickle.UnpicklingError),
)
OF_SCIPY = frozenset({"data", "shape", "format"})  # keys of what scipy.sparse.save_npz writes
TENSORS_HINT = (
    "a dict of tensors, a tuple (X, y) or one tensor can be read: torch.save({'X': X, 'y': y}, "
    "path); other objects and code in a file are never loaded"
)
PAIR_KEYS = ("X", "y")  # the keys of two tensors that have none


@dataclasses.dataclass(frozen=True)
class Array:
    """An array in a file.

    Attributes:
        shape: its shape; (N,) and (N, C) can be read.
        kind: the name of its type, in the words of the library that reads it.
        blocks: yields the array from its first row on, so many rows at a time.
    """

    shape: tuple[int, ...]
    kind: str
    blocks: Callable[[int], Iterator[NDArray[Any]]]


def open_npy(path: Path, _: str) -> Mapping[str, Array]:
    """Find the array of a .npy file, which is mapped."""
    import numpy as np

    array = np.lib.format.open_memmap(path, mode="r")
    read = functools.partial(_slice, array, len(array) if array.ndim else 0)
    if array.flags.c_contiguous and array.size:
        read = functools.partial(_read_file, path, array.offset, array.dtype, array.shape)
    return {BARE_KEY: Array(array.shape, _kind(array.dtype), read)}


def open_npz(path: Path, name: str) -> Mapping[str, Array]:
    """Find the arrays of a .npz archive, each unfolded as it is read.

    Raises:
        SourceError: it holds a sparse matrix.
    """
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as file:
                shape, _, dtype = _read_npy_header(file)
            read = functools.partial(_read_member, path, member)
            arrays[member.removesuffix(".npy")] = Array(shape, _kind(dtype), read)
    if OF_SCIPY.issubset(arrays):
        raise SourceError(
            f"{name}: a sparse matrix of scipy, which is not read",
            hint="write it as svmlight: sklearn.datasets.dump_svmlight_file(matrix, y, path); or "
            "dense: np.savez(path, x=matrix.toarray(), y=y)",
        )
    return arrays


def open_safetensors(path: Path, _: str) -> Mapping[str, Array]:
    """Find the arrays of a .safetensors file, which is mapped."""
    import safetensors

    arrays = {}
    try:
        with safetensors.safe_open(path, framework="np") as file:
            for key in file.keys():  # noqa: SIM118  no mapping: it has nothing but keys()
                part = file.get_slice(key)
                shape, kind = tuple(part.get_shape()), part.get_dtype()
                read = functools.partial(_read_safetensors, path, key, kind, shape)
                arrays[key] = Array(shape, kind, read)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    return arrays


def open_pt(path: Path, name: str) -> Mapping[str, Array]:
    """Map the tensors of a .pt file: a dict of them, a tuple (X, y) or a single one.

    Raises:
        SourceError: it holds anything else; code in it is not run.
    """
    import torch

    try:
        with warnings.catch_warnings():
            # torch remarks on the pickle protocol of a file that it then refuses
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            is_zip = zipfile.is_zipfile(path)  # the other form cannot be mapped
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        # torch's own words would advise to run what is in the file
        raise SourceError(
            f"{name}: not a .pt file of nothing but tensors", hint=TENSORS_HINT
        ) from error
    match content:
        case torch.Tensor():
            tensors: dict[Any, Any] = {BARE_KEY: content}
        case dict():
            tensors = content
        case [_, _]:
            tensors = dict(zip(PAIR_KEYS, content, strict=True))
        case _:
            raise SourceError(
                f"{name}: holds a {type(content).__name__}, not tensors", hint=TENSORS_HINT
            )
    for key, tensor in tensors.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            held = type(tensor).__name__
            raise SourceError(
                f"{name}: {key!r} holds a {held}, where a tensor by a name is read",
                hint=TENSORS_HINT,
            )
    return {key: _tensor_array(tensor) for key, tensor in tensors.items()}


def _kind(dtype: np.dtype[Any]) -> str:
    return str(dtype.newbyteorder("="))


def _slice(part: Any, height: int, rows: int) -> Iterator[Any]:  # noqa: ANN401  of three libraries
    """Yield an array, tensor or the like of `height` rows in slices."""
    for first in range(0, height, rows):
        yield part[first : min(first + rows, height)]


def _read_file(
    path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], rows: int
) -> Iterator[NDArray[Any]]:
    """Yield an array, read and not mapped: a file that is cut meanwhile is an error."""
    with path.open("rb") as file:
        file.seek(offset)
        yield from _read_rows(file, dtype, shape, rows)


def _read_member(path: Path, member: str, rows: int) -> Iterator[NDArray[Any]]:
    """Yield an array of an archive; in Fortran's order it is read whole."""
    import numpy as np

    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        shape, is_fortran, dtype = _read_npy_header(file)
        if is_fortran:
            with archive.open(member) as again:  # no pickles
                yield from _slice(np.lib.format.read_array(again), shape[0], rows)
            return
        yield from _read_rows(file, dtype, shape, rows)
        if file.read(1):  # which makes zipfile compare the checksum too
            raise ValueError("more bytes than its header says")


def _read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a .npy array: its shape, whether it is in Fortran's order, its type."""
    import numpy as np

    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _read_rows(
    file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], rows: int
) -> Iterator[NDArray[Any]]:
    import numpy as np

    width = math.prod(shape[1:]) * dtype.itemsize
    for first in range(0, shape[0], rows):
        height = min(rows, shape[0] - first)
        data = file.read(height * width)
        if len(data) < height * width:
            raise ValueError("not as many bytes as its header says")
        yield np.frombuffer(data, dtype).reshape(height, *shape[1:])


def _read_safetensors(
    path: Path, key: str, kind: str, shape: tuple[int, ...], rows: int
) -> Iterator[NDArray[Any]]:
    from safetensors import safe_open

    is_torch = kind == "BF16"  # which numpy has not
    with safe_open(path, framework="pt" if is_torch else "np") as file:
        for block in _slice(file.get_slice(key), shape[0], rows):
            yield block.float().numpy() if is_torch else block


def _tensor_array(tensor: torch.Tensor) -> Array:
    kind = f"{tensor.layout} {tensor.dtype}".removeprefix("torch.strided ").replace("torch.", "")

    def read(rows: int) -> Iterator[NDArray[Any]]:
        for block in _slice(tensor.detach(), len(tensor), rows):
            yield (block.float() if kind == "bfloat16" else block).numpy()

    return Array(tuple(tensor.shape), kind, read)
