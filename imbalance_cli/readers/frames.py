"""Tables that Python callers hand in: pandas and polars data frames."""

from __future__ import annotations

import collections
import sys
from typing import TYPE_CHECKING, TypeGuard

from imbalance_cli.errors import SourceError
from imbalance_cli.readers.source import Source, row_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.readers.source import Batch

BATCH_ROWS = 2**18
EQUAL_ROWS = "equal_rows"
"""The column in which an estimator numbers the rows of a frame, equal ones alike, so that all
copies of a row are in one part; new rows have none."""
NESTED = {list: "List", tuple: "List", dict: "Struct", bytes: "Binary"}


class FrameSource(Source):
    """A data frame of pandas or polars; the index of a pandas frame is no column.

    A pandas column of objects is read as texts, cell by cell, or as lists of texts where all of
    its cells are lists, tuples or sets.

    Args:
        frame: the columns.
        name: for errors.

    Raises:
        SourceError: it is no data frame, or has no rows, or two columns of one name.
    """

    def __init__(self, frame: pd.DataFrame | pl.DataFrame, name: str = "frame") -> None:
        import polars as pl

        self.name = name
        if not (isinstance(frame, pl.DataFrame) or _is_pandas(frame)):
            raise SourceError(
                f"{name}: {type(frame).__name__!r} is no data frame of pandas or polars",
                hint="collect() a LazyFrame; put an array into a DataFrame",
            )
        self._frame = frame
        self.columns = [str(column) for column in frame.columns]
        twice = [column for column, n in collections.Counter(self.columns).items() if n > 1]
        if twice:
            raise SourceError(f"{name}: two columns are called {twice[0]!r}")
        if not len(frame):
            raise SourceError(f"{name}: no rows")

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns, some rows at a time.

        Raises:
            SourceError: a column is of a type that polars has not.
        """
        for first in range(0, len(self._frame), BATCH_ROWS):
            yield row_batch(self._rows(columns, first), first)

    def _rows(self, columns: Sequence[str], first: int) -> pl.DataFrame:
        import polars as pl

        if isinstance(self._frame, pl.DataFrame):
            return self._frame[list(columns)].slice(first, BATCH_ROWS)
        rows = self._frame.iloc[first : first + BATCH_ROWS]
        cells = [rows.iloc[:, self.columns.index(column)] for column in columns]
        read = [_read_series(series, name) for series, name in zip(cells, columns, strict=True)]
        return pl.DataFrame(read)


def _is_pandas(frame: object) -> TypeGuard[pd.DataFrame]:
    pandas = sys.modules.get("pandas")  # without it there is no frame of its
    return pandas is not None and isinstance(frame, pandas.DataFrame)


def _read_series(series: pd.Series, name: str) -> pl.Series:
    """Return a pandas column as one of polars, which itself would ask for pyarrow."""
    import pandas as pd
    import polars as pl

    missing = series.isna().to_numpy()
    is_number = pd.api.types.is_numeric_dtype(series.dtype)
    if is_number and series.dtype.kind in "biuf":
        plain = series.dtype.type if pd.api.types.is_extension_array_dtype(series.dtype) else None
        known = series.fillna(plain(0)).to_numpy(plain) if plain else series.to_numpy()
        return _with_nulls(pl.Series(name, known), missing)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        if series.dt.tz is not None:
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return pl.Series(name, series.to_numpy("datetime64[us]"))
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return pl.Series(name, series.to_numpy("timedelta64[us]"))
    lists = _read_lists(series, missing)
    if lists is not None:
        return pl.Series(name, lists, pl.List(pl.String))
    kinds = {type(cell) for cell in series[~missing]}
    for kind, dtype in ((bytes, pl.Binary()), (dict, None), (complex, pl.Object())):
        if kinds == {kind}:  # of a type that no column can be: refused by its name
            cells = [None if gap else cell for cell, gap in zip(series, missing, strict=True)]
            return pl.Series(name, cells, dtype)
    texts = [None if gap else _text(cell) for cell, gap in zip(series, missing, strict=True)]
    read = pl.Series(name, texts, pl.String)
    return read.cast(pl.Categorical) if isinstance(series.dtype, pd.CategoricalDtype) else read


def _read_lists(
    series: pd.Series, missing: NDArray[np.bool_]
) -> list[list[str | None] | None] | None:
    """Return the texts in each cell of a column of lists; None where a cell is none of these."""
    import pandas as pd

    nested = tuple(NESTED)
    lists: list[list[str | None] | None] = []
    for cell, gap in zip(series, missing, strict=True):
        is_list = isinstance(cell, (list, tuple, set, frozenset))
        if not gap and (not is_list or any(isinstance(item, nested) for item in cell)):
            return None
        lists.append(None if gap else [None if pd.isna(item) else str(item) for item in cell])
    return None if missing.all() else lists


def _with_nulls(values: pl.Series, missing: NDArray[np.bool_]) -> pl.Series:
    import polars as pl

    return values.set(pl.Series(missing), None) if missing.any() else values


def _text(cell: object) -> str:
    nested = (word for kind, word in NESTED.items() if isinstance(cell, kind))
    return next(nested, "") or str(cell)
