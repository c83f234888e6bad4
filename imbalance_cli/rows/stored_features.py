"""Features on disk: written once, in temporary files of one fit, and mapped into memory.

The files have no names that last: the system removes them when the features are no longer used, or
when the process ends, however it ends.

Shapes: N rows, B rows asked for, F numeric features, C embedded categorical features.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import mmap
import tempfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from imbalance_cli.errors import OutputError, explain_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.features import FeatureRows

FULL = (errno.ENOSPC, errno.EDQUOT)
PREFIX = ".imbtrain-rows-"  # of the files, where a system shows them


@dataclasses.dataclass(frozen=True)
class NumberedRows:
    """Features of some stored rows.

    Attributes:
        numeric: (B, F) float32.
        codes: (B, C) int64.
        numbers: (B,) which of the stored rows these are.
    """

    numeric: NDArray[np.float32]
    codes: NDArray[np.int64]
    numbers: NDArray[np.integer[Any]]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> NumberedRows:
        return NumberedRows(self.numeric[rows], self.codes[rows], self.numbers[rows])


class StoredFeatures:
    """Features of N rows on disk, read where they are taken.

    Args:
        files: of the continuous numbers, the flags and the codes.
        types: of the numbers in each file.
        widths: of each.
        rows: N.

    Attributes:
        width: F.
    """

    def __init__(
        self,
        files: Sequence[IO[bytes]],
        types: Sequence[np.dtype[Any]],
        widths: Sequence[int],
        rows: int,
    ) -> None:
        self._rows = rows
        self.width = sum(widths[:2])
        self._maps: list[mmap.mmap] = []
        arrays: list[NDArray[Any]] = []
        for file, dtype, width in zip(files, types, widths, strict=True):
            if not width:  # which no system maps
                arrays.append(np.empty((rows, 0), dtype))
                continue
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._maps.append(mapped)
            arrays.append(np.frombuffer(mapped, dtype).reshape(rows, width))
        self._continuous, self._flags, self._codes = arrays

    def __len__(self) -> int:
        return self._rows

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(len(mapped) for mapped in self._maps)

    def take(self, rows: NDArray[np.integer[Any]]) -> NumberedRows:
        """Return the rows of some row numbers, (B,), in their order; ascending ones are fastest."""
        sections = [self._continuous.take(rows, axis=0), self._flags.take(rows, axis=0)]
        codes = self._codes.take(rows, axis=0)
        return NumberedRows(
            np.concatenate(sections, axis=1, dtype=np.float32), codes.astype(np.int64), rows
        )

    def blocks(self, rows: NDArray[np.integer[Any]], size: int) -> Iterator[NumberedRows]:
        """Yield the rows of some row numbers, (N,), in their order, with flat memory."""
        for first in range(0, len(rows), size):
            block = self.take(rows[first : first + size])
            self.release()
            yield block

    def release(self) -> None:
        """Give the memory of the pages read so far back; what is read again is mapped again."""
        for mapped in self._maps:
            if hasattr(mapped, "madvise"):
                mapped.madvise(mmap.MADV_DONTNEED)


def store_features(
    folder: Path,
    batches: Iterable[FeatureRows],
    *,
    continuous: int,
    cardinalities: Sequence[int],
) -> StoredFeatures:
    """Write rows to temporary files, a batch at a time, in the smallest types that hold them.

    Args:
        folder: on the disk to write to; made where it is not there.
        batches: at least one row.
        continuous: how many of the numeric features, the first ones, are numbers; the others are
            0, 1 or -1.
        cardinalities: how many codes each categorical feature has, (C,).

    Raises:
        OutputError: they cannot be written.
    """
    of_codes = np.min_scalar_type(max(cardinalities, default=1) - 1)
    types: list[np.dtype[Any]] = [np.dtype(np.float32), np.dtype(np.int8), of_codes]
    rows, widths = 0, [0, 0, 0]
    with _explain(folder), contextlib.ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        files = [
            stack.enter_context(tempfile.TemporaryFile(dir=folder, prefix=PREFIX)) for _ in types
        ]
        for batch in batches:
            numeric = batch.numeric
            sections: list[NDArray[Any]] = [
                numeric[:, :continuous],
                numeric[:, continuous:],
                batch.codes,
            ]
            widths = [section.shape[1] for section in sections]
            rows += len(numeric)
            for file, dtype, section in zip(files, types, sections, strict=True):
                file.write(_narrow(section, dtype).data)
        for file in files:
            file.flush()
        return StoredFeatures(files, types, widths, rows)


def _narrow(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values as a smaller type that holds them exactly."""
    narrow = np.ascontiguousarray(values, dtype)
    if dtype != values.dtype and (narrow != values).any():
        raise ValueError(f"values that no {dtype} holds")
    return narrow


@contextlib.contextmanager
def _explain(folder: Path) -> Iterator[None]:
    """Turn a failed write into an OutputError that says what to do about a full disk."""
    try:
        with explain_write(folder):
            yield
    except OutputError as error:
        if getattr(error.__cause__, "errno", None) not in FULL:
            raise
        hint = (
            "make room there, or name a --run-dir on another disk: streamed rows are kept beside "
        )
        raise OutputError(error.message, hint=f"{hint}the run while it is trained") from error
