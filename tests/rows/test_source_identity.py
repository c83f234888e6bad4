"""What a source holds is known by its bytes, and read again wherever these may have changed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from imbalance_cli.errors import SourceError
from imbalance_cli.rows.cache import identity, look_at_sources
from imbalance_cli.rows.cache.identity import NOTES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files whose bytes are read, as they are."""
    paths: list[Path] = []
    digest = identity._digest

    def note(path: Path) -> str:
        paths.append(path)
        return digest(path)

    monkeypatch.setattr(identity, "_digest", note)
    return paths


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that were just written be as good as old ones."""
    monkeypatch.setattr(identity, "SETTLED", -10.0)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_digest_is_that_of_all_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"x\n" * 2_000_000)
    (found,) = look_at_sources([path], tmp_path).identities()
    assert found == {
        "path": str(path.resolve()),
        "sha256": hashlib.sha256(b"x\n" * 2_000_000).hexdigest(),
    }


@pytest.mark.usefixtures("settled")
@pytest.mark.skipif(sys.platform == "win32", reason="its ctime is when a file was made")
def test_a_file_is_read_once_until_it_changes(tmp_path: Path, read: list[Path]) -> None:
    path, notes = write(tmp_path / "a.csv", b"one"), tmp_path / "notes"
    first = look_at_sources([path], notes)
    assert look_at_sources([path], notes) == first
    assert read == [path]
    write(path, b"two")
    second = look_at_sources([path], notes)
    assert second.digests[path] == hashlib.sha256(b"two").hexdigest()
    assert len(read) == 2


@pytest.mark.usefixtures("settled")
def test_a_change_that_hides_is_found(tmp_path: Path, read: list[Path]) -> None:
    """A file of the old size, with the old time of its last change."""
    path, notes = write(tmp_path / "a.csv", b"one"), tmp_path / "notes"
    look_at_sources([path], notes)
    stat = path.stat()
    time.sleep(0.02)
    with path.open("r+b") as file:
        file.write(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    found = look_at_sources([path], notes)
    assert found.digests[path] == hashlib.sha256(b"two").hexdigest()
    assert len(read) == 2


def test_a_file_that_was_just_written_is_not_noted(tmp_path: Path, read: list[Path]) -> None:
    path, notes = write(tmp_path / "a.csv", b"one"), tmp_path / "notes"
    for _ in range(2):
        look_at_sources([path], notes)
    assert len(read) == 2
    assert not notes.exists()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("notes", [b"", b"[]", b"{", b'{"a": 1}', b'{"a": {"state": 3}}', b"\xff"])
def test_notes_that_cannot_be_read_cost_a_look(
    tmp_path: Path, read: list[Path], notes: bytes
) -> None:
    path = write(tmp_path / "a.csv", b"one")
    write(tmp_path / NOTES, notes)
    for _ in range(2):
        look_at_sources([path], tmp_path)
    assert len(read) == (2 if sys.platform == "win32" else 1)
    assert list(json.loads((tmp_path / NOTES).read_bytes())) == [str(path.resolve())]


@pytest.mark.usefixtures("settled")
def test_notes_of_files_that_are_gone_are_dropped(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.csv", b"one"), write(tmp_path / "b.csv", b"two")
    look_at_sources([one], tmp_path)
    one.unlink()
    look_at_sources([other], tmp_path)
    assert list(json.loads((tmp_path / NOTES).read_bytes())) == [str(other.resolve())]


@pytest.mark.usefixtures("settled")
def test_a_place_for_notes_that_cannot_be_written(tmp_path: Path, read: list[Path]) -> None:
    path = write(tmp_path / "a.csv", b"one")
    nowhere = write(tmp_path / "file", b"") / "notes"
    for _ in range(2):
        look_at_sources([path], nowhere)
    assert len(read) == 2


def test_a_change_while_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"one")
    contents = look_at_sources([path], tmp_path)
    contents.refuse_changes()
    write(path, b"three")
    with pytest.raises(SourceError, match=r"a\.csv: was changed while it was read"):
        contents.refuse_changes()
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.csv: cannot be read"):
        contents.refuse_changes()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        look_at_sources([tmp_path / "none.csv"], tmp_path)
    with pytest.raises(SourceError, match="cannot be read"):
        look_at_sources([tmp_path], tmp_path)
