"""The files of one Parquet table: a file, a glob, or a directory that may be partitioned."""

from __future__ import annotations

import dataclasses
import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from imbalance_cli.errors import SourceError, number_of
from imbalance_cli.readers.fetching import list_files, name_of
from imbalance_cli.readers.source import is_readable
from imbalance_cli.readers.streams import check_file
from imbalance_cli.readers.urls import has_listing, is_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

PARQUET_SUFFIXES = (".parquet", ".pq")
GLOB_MARKS = "*?["
HIDDEN = (".", "_")  # what Spark and Hive begin the names of their own files with
MOST_OTHERS = 1_000  # files and directories that a table may have beside its parts, ...
OTHERS_A_PART = 10  # ... and so many more a part
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclasses.dataclass
class FoundParts:
    """What was found below a directory or by a glob.

    Attributes:
        parts: the Parquet files.
        others: how many other visible files there are.
        example: the first of those.
    """

    parts: list[Path] = dataclasses.field(default_factory=list)
    others: int = 0
    example: Path | str | None = None

    def add(self, other: FoundParts) -> None:
        """Take in what was found elsewhere."""
        self.parts += other.parts
        self.others += other.others
        self.example = self.example or other.example

    def remarks(self, name: str) -> list[str]:
        """Return a sentence on what is not read of the source called `name`, if there is any."""
        if not self.others:
            return []
        is_one = self.others == 1
        shown = f": {self.example}" if is_one else f", such as {self.example}"
        files = number_of(self.others, "file")
        are = "is" if is_one else "are"
        return [f"{name}: {files} beside the Parquet files {are} not read{shown}"]


def is_glob(name: str) -> bool:
    """Return whether a name is a pattern and not a file that is called so.

    The web has no lists of files, so that no URL of it is one.
    """
    if is_url(name) and not has_listing(name):
        return False
    return any(mark in name for mark in GLOB_MARKS) and not Path(name).exists()


def is_table_of_files(name: str) -> bool:
    """Return whether a name is a pattern or a directory; as a URL, a directory ends in /."""
    return is_glob(name) or (name.endswith("/") if has_listing(name) else Path(name).is_dir())


def find_parts(name: str) -> FoundParts:
    """Find the Parquet files of a directory or glob in the order of their names, or a lone file.

    Raises:
        SourceError: there are none, the glob matches another file, or the directory is no table.
    """
    if has_listing(name):
        return _fetch_parts(name)
    if is_glob(name):
        matches = [Path(match) for match in glob.glob(name, recursive=True)]  # noqa: PTH207  Path.glob takes no absolute pattern
        found = FoundParts()
        for match in sorted(matches):
            found.add(_search(match))
        paths = sorted(set(found.parts))
        if not paths:
            raise SourceError(f"{name}: no file matches")
        others = [path for path in paths if not _is_parquet(path)]
        if others:
            raise _no_parquet(name, others[0])
    elif Path(name).is_dir():
        found = _search(Path(name))
        paths = sorted(found.parts)
        if not paths:
            raise SourceError(
                f"{name}: is a directory, and no Parquet file is in it", hint="name a file in it"
            )
    else:
        found, paths = FoundParts(), [Path(name)]
    found.parts = [check_file(str(path)) for path in paths]
    return found


def _fetch_parts(name: str) -> FoundParts:
    """Return what `find_parts` does, of a store, whose files are fetched."""
    root = _root(name)
    urls = [
        url
        for url in list_files(name)
        if not any(part.startswith(HIDDEN) for part in Path(url).relative_to(root).parts)
    ]
    parts = [url for url in urls if _is_parquet(Path(url))]
    others = [url for url in urls if not _is_parquet(Path(url))]
    if others and is_glob(name):
        raise _no_parquet(name, others[0])
    if not parts:
        raise SourceError(f"{name}: no Parquet file is below it", hint="name a file below it")
    return FoundParts([check_file(url) for url in parts], len(others), next(iter(others), None))


def _no_parquet(name: str, match: object) -> SourceError:
    return SourceError(
        f"{name}: matches {match}, which is no Parquet file",
        hint="only a glob of Parquet files is one table; give other files one by one, or "
        "the glob in data.train of a config",
    )


def partition_values(name: str, paths: Sequence[Path]) -> dict[str, list[str | None]]:
    """Read the columns that directories called key=value stand for.

    Args:
        name: the directory or glob that the files were found by.
        paths: the files.

    Returns:
        key -> the value of each file, None where Hive says that there is none.

    Raises:
        SourceError: two files stand under other keys.
    """
    root = _root(name)
    keys = [_keys(Path(name_of(path)), root) for path in paths]
    for path, found in zip(paths, keys, strict=True):
        if list(found) != list(keys[0]):
            raise SourceError(
                f"{name}: {name_of(path)} is partitioned by {_shown(found)}, "
                f"and {name_of(paths[0])} by {_shown(keys[0])}",
                hint="the files of a table stand under directories of the same keys",
            )
    return {key: [found[key] for found in keys] for key in keys[0]}


def find_contradiction(cells: pl.Series, value: str | None) -> int | None:
    """Return the first row whose cell is not what the directory's name says, or None.

    Args:
        cells: of a column that the files have, and directories called key=value too.
        value: of the directory, None where Hive says that there is none.
    """
    import polars as pl

    from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts

    if not is_readable(cells.dtype):
        return None
    named = pl.Series([value], dtype=pl.String)
    if cells.dtype.is_temporal():
        known, wanted = parse_dates(cells).values, parse_dates(named).values
    elif cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
        known, wanted = parse_numbers(cells).values, parse_numbers(named).values
    else:
        known, wanted = parse_texts(cells), parse_texts(named)
    differ = known.ne_missing(wanted.new_from_index(0, len(known)))
    return differ.arg_max() if differ.any() else None


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET_SUFFIXES


def _search(path: Path) -> FoundParts:
    """Find the visible Parquet files below a directory, or a file as it is.

    Raises:
        SourceError: so much else is in the directory that it is no table.
    """
    if not path.is_dir():
        return FoundParts([path])
    found = FoundParts()
    others = 0
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
        visible = [Path(folder, name) for name in files if not name.startswith(HIDDEN)]
        parts = [file for file in visible if _is_parquet(file) and file.is_file()]
        strangers = sorted(file for file in visible if not _is_parquet(file))
        found.add(FoundParts(parts, len(strangers), next(iter(strangers), None)))
        others += len(visible) - len(parts) + ("=" not in Path(folder).name)
        if others > MOST_OTHERS + OTHERS_A_PART * len(found.parts):
            raise SourceError(
                f"{path}: is a directory, and no table of Parquet files: there are {others:,} "
                f"other files and directories beside {len(found.parts):,} Parquet files so far",
                hint="name a file in it, the directory of one table, or a glob such as "
                f"'{path / '**' / '*.parquet'}'",
            )
    return found


def _root(name: str) -> Path:
    """Return the directory below which names may be keys and values."""
    if not is_glob(name):
        return Path(name)
    parts = Path(name).parts
    first = next(i for i, part in enumerate(parts) if any(mark in part for mark in GLOB_MARKS))
    return Path(*parts[:first])


def _keys(path: Path, root: Path) -> dict[str, str | None]:
    pairs = [part.split("=", 1) for part in path.relative_to(root).parts[:-1] if "=" in part]
    return {unquote(key): None if value == NO_VALUE else unquote(value) for key, value in pairs}


def _shown(keys: Mapping[str, str | None]) -> str:
    return ", ".join(keys) or "nothing"
