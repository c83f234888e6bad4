"""The arrays in .npy, .npz, .pt and .safetensors files, read some rows at a time.

Nothing in a file is ever run: arrays of objects and pickles with code are refused.

Shapes: N rows, C columns of an array.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
import zipfile
from typing import IO, TYPE_CHECKING, Any, Protocol

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.damage import (
    READ_ERRORS,
    is_zip,
    read_npy_header,
    refuse_cut_npy,
    refuse_cut_pickle,
    refuse_cut_safetensors,
    refuse_cut_zip,
)
from imbalance_cli.readers.source import BARE_KEY
from imbalance_cli.readers.typed import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

WIDEST = 8  # bytes a number
OBJECTS_HINT = (
    "objects are never loaded, since loading them runs code; save numbers: "
    "np.savez(path, x=x.astype('float32'))"
)
OF_SCIPY = frozenset({"data", "shape", "format"})  # keys of what scipy.sparse.save_npz writes
PAIR_KEYS = ("X", "y")  # the keys of two tensors that have none
TORCH_KINDS = frozenset(
    [
        "bool",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        "float16",
        "bfloat16",
        "float32",
        "float64",
    ]
)
SAFETENSORS_KINDS = frozenset(
    [
        "BOOL",
        *(f"{sign}{bits}" for sign in "IU" for bits in (8, 16, 32, 64)),
        "F16",
        "BF16",
        "F32",
        "F64",
    ]
)


class Array(Protocol):
    """An array in a file, read some rows at a time.

    Attributes:
        shape: its shape; (N,) and (N, C) can be read.
        kind: the name of its type.
        is_numeric: whether its type is a boolean, an integer or a float of at most 8 bytes.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape; (N,) and (N, C) can be read."""
        ...

    @property
    def kind(self) -> str:
        """The name of its type."""
        ...

    @property
    def is_numeric(self) -> bool:
        """Whether its type is a boolean, an integer or a float of at most 8 bytes."""
        ...

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        """Yield the array from its first row on, `rows` rows at a time."""
        ...


@dataclasses.dataclass(frozen=True)
class _NumpyArray:
    """An array in memory or mapped from a file."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def kind(self) -> str:
        return str(self.array.dtype)

    @property
    def is_numeric(self) -> bool:
        return _is_numeric(self.array.dtype)

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        for first in range(0, len(self.array), rows):
            yield self.array[first : first + rows]


@dataclasses.dataclass(frozen=True)
class _FileArray:
    """What is known of an array in a file before it is read."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def kind(self) -> str:
        return str(self.dtype)

    @property
    def is_numeric(self) -> bool:
        return _is_numeric(self.dtype)


@dataclasses.dataclass(frozen=True)
class _ZipArray(_FileArray):
    """An array in a .npz archive, unfolded as it is read; in Fortran's order it is read whole."""

    member: str
    is_fortran: bool

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        import numpy as np

        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            if self.is_fortran:
                yield from _NumpyArray(np.lib.format.read_array(file)).blocks(rows)  # no pickles
                return
            read_npy_header(file)
            yield from _read_rows(file, self.shape, self.dtype, rows, to_end=True)


@dataclasses.dataclass(frozen=True)
class _NpyArray(_FileArray):
    """An array in a .npy file, read and not mapped: a file that is cut meanwhile is an error.

    Attributes:
        offset: the byte where it begins.
    """

    offset: int

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            yield from _read_rows(file, self.shape, self.dtype, rows)


def _read_rows(
    file: IO[bytes],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    rows: int,
    *,
    to_end: bool = False,
) -> Iterator[NDArray[Any]]:
    """Yield an array that is stored row by row, `rows` at a time.

    Raises:
        ValueError: the file ends before the array does, or does not end `to_end` with it.
    """
    import numpy as np

    size = dtype.itemsize * math.prod(shape[1:])
    for first in range(0, shape[0], rows):
        height = min(rows, shape[0] - first)
        data = file.read(height * size)
        # reading on after the last row makes zipfile compare the checksum
        surplus = file.read(1) if to_end and first + height == shape[0] else b""
        if len(data) < height * size or surplus:
            raise ValueError("not as many bytes as its header says")
        yield np.frombuffer(data, dtype).reshape(height, *shape[1:])


@dataclasses.dataclass(frozen=True)
class _TorchArray:
    """A tensor, mapped from a file where its format allows that."""

    tensor: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def kind(self) -> str:
        plain = f"{self.tensor.layout} {self.tensor.dtype}".removeprefix("torch.strided ")
        return plain.replace("torch.", "")

    @property
    def is_numeric(self) -> bool:
        return self.kind in TORCH_KINDS

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        for first in range(0, len(self.tensor), rows):
            yield _to_numpy(self.tensor[first : first + rows])


@dataclasses.dataclass(frozen=True)
class _SafetensorsArray:
    """An array in a .safetensors file."""

    path: Path
    key: str
    shape: tuple[int, ...]
    kind: str

    @property
    def is_numeric(self) -> bool:
        return self.kind in SAFETENSORS_KINDS

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        from safetensors import safe_open

        # numpy has no bfloat16
        framework = "pt" if self.kind == "BF16" else "np"
        with safe_open(self.path, framework=framework) as file:
            part = file.get_slice(self.key)
            for first in range(0, self.shape[0], rows):
                block = part[first : min(first + rows, self.shape[0])]
                yield _to_numpy(block) if framework == "pt" else block


def open_npy(path: Path, name: str) -> Mapping[str, Array]:
    """Find the array of a .npy file; in Fortran's order it is mapped.

    Raises:
        SourceError: it is no plain array of numbers.
    """
    import numpy as np

    with path.open("rb") as file:
        is_npy = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
    if not is_npy and is_zip(path):
        raise SourceError(f"{name}: not a plain .npy array: it is a .npz archive")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False) if is_npy else None
    except READ_ERRORS as error:
        refuse_cut_npy(path, name)
        # numpy's own words would advise to load it as a pickle
        hint = OBJECTS_HINT if _holds_objects(path) else None
        raise SourceError(f"{name}: not a plain .npy array of numbers", hint=hint) from error
    if array is None:
        raise SourceError(f"{name}: not a plain .npy array of numbers")
    if array.flags.c_contiguous and array.size:
        return {BARE_KEY: _NpyArray(path, array.shape, array.dtype, array.offset)}
    return {BARE_KEY: _NumpyArray(array)}


def open_npz(path: Path, name: str) -> Mapping[str, Array]:
    """Find the arrays of a .npz archive.

    Raises:
        SourceError: it is no such archive, or holds anything else.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if not member.endswith(".npy"):
                    raise SourceError(f"{name}: {member!r} in it is no .npy array")
                with archive.open(member) as file:
                    shape, is_fortran, dtype = read_npy_header(file)
                key = member.removesuffix(".npy")
                arrays[key] = _ZipArray(path, shape, dtype, member, is_fortran)
    except READ_ERRORS as error:
        refuse_cut_zip(path, name)
        raise SourceError(f"{name}: not a .npz archive of arrays: {first_line(error)}") from error
    if OF_SCIPY.issubset(arrays):
        raise SourceError(
            f"{name}: a sparse matrix of scipy, which is not read",
            hint="write it as svmlight: sklearn.datasets.dump_svmlight_file(matrix, y, path); or "
            "dense: np.savez(path, x=matrix.toarray(), y=y)",
        )
    return arrays


def open_safetensors(path: Path, name: str) -> Mapping[str, Array]:
    """Find the arrays of a .safetensors file.

    Raises:
        SourceError: it is no such file.
    """
    import safetensors

    arrays = {}
    try:
        with safetensors.safe_open(path, framework="np") as file:
            for key in file.keys():  # noqa: SIM118  no mapping: it has nothing but keys()
                part = file.get_slice(key)
                arrays[key] = _SafetensorsArray(
                    path, key, tuple(part.get_shape()), part.get_dtype()
                )
    except (safetensors.SafetensorError, OSError) as error:
        refuse_cut_safetensors(path, name)
        raise SourceError(f"{name}: not a .safetensors file: {first_line(error)}") from error
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
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip(path))
    except READ_ERRORS as error:
        refuse_cut_zip(path, name)
        refuse_cut_pickle(error, path, name)
        # torch's own words would advise to run what is in the file
        raise SourceError(
            f"{name}: not a .pt file of nothing but tensors",
            hint="write it with torch.save({'X': X, 'y': y}, path); other objects and code in a "
            "file are never loaded",
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
                f"{name}: holds a {type(content).__name__}, not tensors",
                hint="a dict of tensors, a tuple (X, y), or one tensor can be read",
            )
    for key, tensor in tensors.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            raise SourceError(
                f"{name}: {key!r} holds a {type(tensor).__name__}, where a tensor by a name is read"
            )
    return {key: _TorchArray(tensor) for key, tensor in tensors.items()}


def _holds_objects(path: Path) -> bool:
    """Return whether the header of a .npy file, of which nothing else is read, says so."""
    try:
        with path.open("rb") as file:
            return read_npy_header(file)[2].hasobject
    except READ_ERRORS:
        return False


def _is_numeric(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "buif" and dtype.itemsize <= WIDEST


def _to_numpy(tensor: torch.Tensor) -> NDArray[Any]:
    import torch

    exact = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return exact.detach().numpy()
