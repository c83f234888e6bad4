"""A split that a column of the table names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.errors import SplitError, show_cell
from imbalance_cli.readers.cells import parse_texts
from imbalance_cli.splits.parts import PARTS, Split

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PART_OF_NAME = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


def cut_by_names(names: pl.Series | NDArray[np.str_], place: Callable[[int], str]) -> Split:
    """Cut N rows into the parts that a column names, in any case.

    Args:
        names: (N,) as `read_part_numbers` reads them.
        place: says where a row stands, as `Table.place` does.

    Raises:
        SplitError: a cell is blank or holds another text, or no row is for train.
    """
    column = names if isinstance(names, pl.Series) else pl.Series(np.asarray(names, np.str_))
    where = f"column {column.name!r}" if column.name else "split"
    return cut_by_numbers(read_part_numbers(column, place), where)


def cut_by_numbers(numbers: NDArray[np.int8], where: str = "split") -> Split:
    """Cut N rows into the parts that numbers tell.

    Args:
        numbers: (N,) indices of PARTS.
        where: what named the parts, for the error.

    Raises:
        SplitError: no row is for train.
    """
    rows = [np.flatnonzero(numbers == part) for part in range(len(PARTS))]
    if not len(rows[0]):
        raise SplitError(f"{where}: no row is for train", hint="name some of them train")
    return Split("given", *rows)


def read_part_numbers(names: pl.Series, place: Callable[[int], str]) -> NDArray[np.int8]:
    """Return which of PARTS each cell names, (N,), in any case.

    Args:
        names: (N,) of train or training; valid, validation, val or dev; test or testing.
        place: says where a row stands, as `Table.place` does.

    Raises:
        SplitError: a cell is blank or holds another text.
    """
    where = f"column {names.name!r}: " if names.name else ""
    cells = parse_texts(names)
    numbers = {name: PARTS.index(part) for name, part in PART_OF_NAME.items()}
    known = cells.str.to_lowercase().replace_strict(numbers, default=None, return_dtype=pl.Int8)
    unknown = known.is_null()
    if unknown.any():
        row = unknown.arg_max() or 0
        seen = (
            "the part is missing"
            if cells[row] is None
            else f"{show_cell(cells[row])} is not a part"
        )
        raise SplitError(
            f"{place(row)}: {where}{seen}",
            hint=f"one of {', '.join(PART_OF_NAME)}; the case does not matter",
        )
    result: NDArray[np.int8] = known.to_numpy()
    return result
