"""What tells one content of a source from another: a digest of all its bytes.

Digests are noted beside the caches, with what the system says of the file, and taken from there
while it says the same. That includes the time of the last change of any kind (ctime), which no
program can set, so that a file that was written to and given its old time and size is read again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from imbalance_cli.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOTES = "sources.json"
SETTLED = 10.0  # seconds; a file changed later than that may change again at the same clock tick


@dataclasses.dataclass(frozen=True)
class SourceContents:
    """Files as they were when they were looked at.

    Attributes:
        digests: SHA-256 of each file, by its path, in order.
        states: what the system said of each.
    """

    digests: dict[Path, str]
    states: dict[Path, list[int]]

    def identities(self) -> list[dict[str, str]]:
        """Return path and content of each file as plain data."""
        return [
            {"path": str(path.resolve()), "sha256": digest} for path, digest in self.digests.items()
        ]

    def refuse_changes(self) -> None:
        """Raise where a file is no longer what it was.

        Raises:
            SourceError: it names the file.
        """
        for path, state in self.states.items():
            if _state_of(path) != state:
                raise SourceError(
                    f"{path}: was changed while it was read",
                    hint="fit again once nothing writes to it any more",
                )


def look_at_sources(paths: Sequence[Path], directory: Path) -> SourceContents:
    """Return what files hold; those that are as they were when last looked at are not read.

    Args:
        paths: of the files, in order.
        directory: of the caches, where digests are noted if it can be written to.

    Raises:
        SourceError: a file cannot be read, or changes meanwhile.
    """
    notes = _read_notes(directory / NOTES)
    digests: dict[Path, str] = {}
    states: dict[Path, list[int]] = {}
    fresh: dict[str, dict[str, Any]] = {}
    for path in paths:
        states[path] = _state_of(path)
        note = notes.get(str(path.resolve()), {})
        if note.get("state") == states[path] and sys.platform != "win32":  # where ctime is made
            digests[path] = note["sha256"]
            continue
        digests[path] = _digest(path)
        if max(states[path][-2:]) < time.time_ns() - SETTLED * 1e9:
            note = {"state": states[path], "sha256": digests[path]}
            fresh[str(path.resolve())] = note
    contents = SourceContents(digests, states)
    contents.refuse_changes()
    if fresh:
        _write_notes(directory / NOTES, notes | fresh)
    return contents


def _state_of(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def _read_notes(path: Path) -> dict[str, dict[str, Any]]:
    """Return what was noted, or nothing where it cannot be read or is not of that form."""
    try:
        notes = json.loads(path.read_bytes())
        return {
            name: {"state": list(map(int, note["state"])), "sha256": str(note["sha256"])}
            for name, note in notes.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_notes(path: Path, notes: dict[str, dict[str, Any]]) -> None:
    """Note digests of files that are still there; a place that is not ours costs a second look."""
    kept = {name: note for name, note in notes.items() if os.path.exists(name)}  # noqa: PTH110  a name that no file can have is no error
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(kept), encoding="utf-8")
        partial.replace(path)
