"""A change of a source between two of its passes is noticed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from imbalance_cli.errors import SourceError
from imbalance_cli.workflows.storing import WatchedFiles

if TYPE_CHECKING:
    from pathlib import Path


def test_a_change_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"one")
    files = WatchedFiles.of([path])
    files.refuse_changes()
    path.write_bytes(b"three")
    with pytest.raises(SourceError, match=r"a\.csv: was changed while it was read"):
        files.refuse_changes()
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.csv: cannot be read"):
        files.refuse_changes()


@pytest.mark.skipif(os.name == "nt", reason="its ctime is when a file was made")
def test_a_change_that_hides_is_found(tmp_path: Path) -> None:
    """A file of the old size, with the old time of its last change."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"one")
    files = WatchedFiles.of([path])
    stat = path.stat()
    time.sleep(0.02)
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    with pytest.raises(SourceError, match="was changed while it was read"):
        files.refuse_changes()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        WatchedFiles.of([tmp_path / "none.csv"])
