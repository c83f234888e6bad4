"""Sources whose cells have types: Parquet files and .npy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.source import Batch, Tally, tally_frame
from imbalance_cli.readers.streams import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

BATCH_ROWS = 2**18
MATRIX = 2  # dimensions


class ParquetSource:
    """A Parquet file.

    Args:
        name: a path.

    Raises:
        SourceError: the file is missing or not Parquet.
    """

    def __init__(self, name: str) -> None:
        import polars as pl

        self.name = name
        self._path = check_file(name)
        try:
            self._table = pl.scan_parquet(self._path, glob=False)
            self.columns = self._table.collect_schema().names()
            self._rows: int = self._table.select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise SourceError(f"{name}: not a Parquet file: {first_line(error)}") from error
        if not self._rows:
            raise SourceError(f"{name}: no rows")

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory."""
        return _tally_batches(self.batches(columns), columns)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns with their own types, some rows at a time.

        Raises:
            SourceError: the file is damaged.
        """
        import polars as pl

        for first in range(0, self._rows, BATCH_ROWS):
            part = self._table.select(columns).slice(first, BATCH_ROWS)
            try:
                yield _batch(part.collect(engine="streaming"), first)
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise SourceError(
                    f"{self.name}: after row {first}: cannot be read: {first_line(error)}"
                ) from error


class ArraySource:
    """A .npy array of shape (N,) or (N, C); its columns are called y, or y_0, y_1, ...

    Args:
        name: a path.

    Raises:
        SourceError: the file is missing, no numeric array, or not of one of those shapes.
    """

    def __init__(self, name: str) -> None:
        import numpy as np

        self.name = name
        try:
            array = np.load(check_file(name), mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            # numpy's own words would advise to load it as a pickle
            raise SourceError(f"{name}: not a plain .npy array of numbers") from error
        if not isinstance(array, np.ndarray):
            raise SourceError(f"{name}: not a plain .npy array: it is a .npz archive")
        if array.dtype.kind not in "buif":
            raise SourceError(f"{name}: an array of {array.dtype}, where numbers are needed")
        if array.ndim not in {1, MATRIX} or not array.size:
            raise SourceError(
                f"{name}: an array of shape {array.shape}, where (rows,) or (rows, columns) is read"
            )
        self._array = array.reshape(len(array), -1)
        width = self._array.shape[1]
        self.columns = ["y"] if array.ndim == 1 else [f"y_{i}" for i in range(width)]

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns, in one pass with flat memory."""
        return _tally_batches(self.batches(columns), columns)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns with the array's type, some rows at a time."""
        import polars as pl

        indices = [self.columns.index(column) for column in columns]
        for first in range(0, len(self._array), BATCH_ROWS):
            part = self._array[first : first + BATCH_ROWS, indices]
            yield _batch(pl.DataFrame(part, schema=list(columns), orient="row"), first)


def _tally_batches(batches: Iterator[Batch], columns: Sequence[str]) -> Tally:
    tally = Tally.empty(columns)
    for batch in batches:
        for column, text, row in tally_frame(texts(batch.frame), tally):
            tally.columns[column].places[text] = batch.place(row)
        if tally.overflow:
            break
    return tally


def texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of typed columns as strings, a null as the empty string.

    A column of lists, bytes or the like becomes the name of its type: it has no cell texts.
    """
    import polars as pl

    return frame.with_columns(
        pl.lit(str(dtype)).alias(name)
        if dtype.is_nested() or dtype.base_type() in {pl.Binary, pl.Duration, pl.Object}
        else pl.col(name).cast(pl.String).fill_null("")
        for name, dtype in frame.schema.items()
    )


def _batch(frame: pl.DataFrame, first: int) -> Batch:
    return Batch(frame, lambda row: f"row {first + row + 1}")


def first_line(error: Exception) -> str:
    """Return the first line of another library's message."""
    return str(error).strip().split("\n")[0]
