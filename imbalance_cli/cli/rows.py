"""Writing rows as they come: CSV on stdout, or a .csv or .parquet file."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from imbalance_cli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl


@contextlib.contextmanager
def open_rows(output: Path | None) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Give a function that writes frames below each other, with flat memory.

    A file appears under its name when all rows are in it, and not before.

    Args:
        output: a .csv or .parquet file; None is CSV on stdout.

    Raises:
        OutputError: the file cannot be written, or has another suffix.
    """
    if output is None:
        yield _csv_writer(sys.stdout.buffer)
        return
    if output.suffix not in {".csv", ".parquet"}:
        raise OutputError(f"{output}: predictions are written as .csv or .parquet")
    try:
        # beside the output, so that the rename at the end stays on one file system
        scratch = tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {error.strerror}") from error
    with scratch as folder:
        whole = Path(folder) / "whole"
        if output.suffix == ".csv":
            with whole.open("wb") as file:
                yield _csv_writer(file)
        else:
            yield _part_writer(Path(folder))
            _join_parts(Path(folder), whole)
        whole.replace(output)


def _csv_writer(file: BinaryIO) -> Callable[[pl.DataFrame], None]:
    is_first = True

    def write(frame: pl.DataFrame) -> None:
        nonlocal is_first
        file.write(frame.write_csv(include_header=is_first).encode())
        is_first = False

    return write


def _part_writer(folder: Path) -> Callable[[pl.DataFrame], None]:
    number = 0

    def write(frame: pl.DataFrame) -> None:
        nonlocal number
        frame.write_parquet(folder / f"part-{number:09}.parquet")
        number += 1

    return write


def _join_parts(folder: Path, whole: Path) -> None:
    import polars as pl

    pl.scan_parquet(sorted(folder.glob("part-*.parquet"))).sink_parquet(whole)
