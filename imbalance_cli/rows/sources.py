"""The sources that a config names for each part, opened and held against each other."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbalance_cli.errors import ConfigError, SourceError, SplitError, nearest
from imbalance_cli.readers import open_source
from imbalance_cli.readers.fetching import list_files, local_file, name_of
from imbalance_cli.readers.frames import FrameSource
from imbalance_cli.readers.joined import JoinedSource, is_file, is_targets_file
from imbalance_cli.readers.partitions import find_parts, is_glob, is_table_of_files
from imbalance_cli.readers.streams import STDIN
from imbalance_cli.readers.urls import has_listing, is_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.config import DataSection
    from imbalance_cli.readers.source import Source


def open_parts(data: DataSection) -> dict[str, list[Source]]:
    """Open the sources of each part that has any."""
    names = {"train": data.train, "valid": data.valid or [], "test": data.test or []}
    return {part: open_sources(given, part, data) for part, given in names.items() if given}


def open_sources(names: Sequence[str], part: str, data: DataSection) -> list[Source]:
    """Open the sources of a part; where the labels are a file, its columns stand beside them.

    Raises:
        SourceError: no file matches, or one cannot be opened.
        ConfigError: a file of labels goes with several sources, or with a part given apart.
    """
    sources = [
        FrameSource(data.frames[path], path)
        if path in data.frames
        else open_source(path, data.input_format, data.dialect)
        for path in _match_paths(names, part)
    ]
    return [_join_targets(source, part, data, len(sources)) for source in sources]


def _match_paths(names: Sequence[str], part: str) -> list[str]:
    """Return the paths that names and globs stand for, each once."""
    paths: dict[str, None] = {}  # two globs may match one file
    for name in names:
        matches = [name]
        if is_glob(name) and has_listing(name):
            matches = list_files(name)
        elif is_glob(name):
            matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
        if not matches:
            raise SourceError(f"data.{part}: no file matches {name!r}")
        paths |= dict.fromkeys(matches)
    return list(paths)


def _join_targets(source: Source, part: str, data: DataSection, sources: int) -> Source:
    files = [name for name in data.labels if is_targets_file(name, source)]
    if not files:
        return source
    if len(data.labels) > 1 or sources > 1 or part != "train":
        raise ConfigError(
            f"data.labels: {files[0]}: a file of labels goes with one source of data.train alone",
            hint="one file that holds features and labels, by key, for each part",
        )
    return JoinedSource(source, open_source(files[0]))


def find_files(data: DataSection) -> list[Path]:
    """Return every file that the sources of a config are read from; stdin and frames are none.

    What URLs stand for are the files that it was fetched to, whose `name_of` is the URL.

    Raises:
        SourceError: no file matches, or a directory is no table.
    """
    parts = {"train": data.train, "valid": data.valid or [], "test": data.test or []}
    names = [path for part, given in parts.items() for path in _match_paths(given, part)]
    found = [name for name in names if name != STDIN and name not in data.frames]
    found += [name for name in data.labels if is_file(name)]
    return [file for name in found for file in _files_of(name)]


def _files_of(name: str) -> list[Path]:
    files = find_parts(name).parts if is_table_of_files(name) else [local_file(name)]
    return [file for file in files if file.is_file()]


def fingerprint_files(data: DataSection) -> list[dict[str, Any]]:
    """Return the path or URL, bytes and SHA-256 of every file of `find_files`, each read once.

    That takes a second or two per GB, which is little beside reading its cells.

    Raises:
        SourceError: a file cannot be read any more.
    """
    found = []
    for path in find_files(data):
        try:
            size, digest = _fingerprint(path)
            found.append({"path": name_of(path), "bytes": size, "sha256": digest})
        except OSError as error:
            raise SourceError(f"{name_of(path)}: cannot be read again: {error.strerror}") from error
    return found


def _fingerprint(path: Path) -> tuple[int, str]:
    """Return the bytes and the SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def describe_change(data: DataSection, files: Sequence[Mapping[str, Any]]) -> str | None:
    """Say why rows cannot be read again; None where their files are as they were.

    Args:
        data: names the files.
        files: what `fingerprint_files` said of them before.

    Raises:
        SourceError: as of `fingerprint_files`.
    """
    if not files or STDIN in (*data.train, *(data.valid or ()), *(data.test or ())):
        return "its rows came from stdin or from a data frame, and were not kept"
    before = {file["path"]: file["sha256"] for file in files}
    for path in before:
        if not is_url(path) and not Path(path).exists():
            return f"{path} is not there any more"
    for file in fingerprint_files(data):
        if before.get(file["path"]) != file["sha256"]:
            return f"{file['path']} was changed since the run was made"
    return None


def find_known_file(name: str, data: DataSection, files: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the name of a file of a source that a run was trained or chosen on, or None.

    Only a file of as many bytes as one of the run's is read.

    Args:
        name: of the source.
        data: names the files of the run.
        files: what `fingerprint_files` said of them; those of data.test are not known.
    """
    seen = [*data.train, *(data.valid or ())]
    known = {
        (file["bytes"], file["sha256"])
        for file in files
        if any(_is_of(file["path"], pattern) for pattern in seen)
    }
    sizes = {size for size, _ in known}
    for file in _files_of(name):
        if file.stat().st_size in sizes and _fingerprint(file) in known:
            return name_of(file)
    return None


def _is_of(path: str, name: str) -> bool:
    """Return whether a file is what a name or glob of sources stands for."""
    return path == name or Path(name) in Path(path).parents or fnmatch.fnmatchcase(path, name)


def refuse_shared_files(sources: dict[str, list[Source]]) -> None:
    """Raise where a file is given for two parts, since its rows would be in both."""
    parts: dict[str, str] = {}
    for part, opened in sources.items():
        for source in opened:
            path = str(Path(source.name).resolve())
            if parts.setdefault(path, part) != part:
                raise SplitError(
                    f"data.{part}: {source.name} is in data.{parts[path]} as well",
                    hint="leave one of them out, and the part is cut from train",
                )


def check_columns(sources: Sequence[Source], columns: Sequence[str]) -> None:
    """Raise where a source lacks a column that the first one has."""
    first, *others = sources
    for source in others:
        source.include(columns)
        known = frozenset(source.columns)
        missing = [column for column in columns if column not in known]
        if missing:
            shown = ", ".join(map(repr, missing))
            raise SourceError(
                f"{source.name}: without the column{'s' if len(missing) > 1 else ''} {shown}, "
                f"which {first.name} has",
                hint=nearest(missing[0], source.columns),
            )
