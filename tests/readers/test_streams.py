"""Bytes from files, compressed files and stdin, cut where a record ends."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import SourceError
from imbalance_cli.readers import delimited, open_source, streams
from imbalance_cli.readers.streams import (
    check_file,
    look_ahead,
    open_bytes,
    record_blocks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import WriteFile

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstandard.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
CONTENT = b"y,x\n" + b"".join(b"%d,text %d\n" % (i % 2, i * i) for i in range(20_000))


def test_a_file_that_becomes_shorter_is_an_error(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(write("t.csv", CONTENT))
    monkeypatch.setattr(delimited, "COUNTED_BLOCK", 2**12)
    for start in (CONTENT[:100_000], CONTENT[: CONTENT.index(b"\n", 100_000) + 1]):
        path.write_bytes(CONTENT)
        source = open_source(str(path))
        path.write_bytes(start)
        says = f"became shorter while it was read: {len(start):,} bytes of {len(CONTENT):,}"
        with pytest.raises(SourceError, match=says):
            source.tally(["y"])
        path.write_bytes(CONTENT)


def read_all(name: str) -> int:
    """Count the rows of a source."""
    return open_source(name).tally(["y"]).rows


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_give_the_bytes_that_went_in(
    write: WriteFile, suffix: str, frames: int
) -> None:
    packed = COMPRESS[suffix](CONTENT) * frames
    padding = b"\0" * 8 if suffix in {"gz", "xz"} else b""  # which these allow
    name = write(f"a.csv.{suffix}", packed + padding)
    with open_bytes(name) as stream:
        assert stream.readable()
        assert stream.read(5) + stream.read() == CONTENT * frames


@pytest.mark.parametrize("cut", [3, 1000, -1])
@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_cut_off_compressed_file_is_refused(write: WriteFile, suffix: str, cut: int) -> None:
    packed = COMPRESS[suffix](CONTENT)
    name = write(f"a.csv.{suffix}", packed[:cut])
    with pytest.raises(SourceError) as caught:
        read_all(name)
    assert caught.value.message.startswith(f"{name}: the compressed file ends too early: ")
    assert caught.value.hint == "copy or download it again"


def test_a_zstd_file_cut_in_a_later_frame_is_refused(write: WriteFile) -> None:
    packed = zstandard.compress(CONTENT)
    with pytest.raises(SourceError, match="ends too early: the last frame is cut off"):
        read_all(write("a.csv.zst", packed + packed[:-1]))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_broken_compressed_file_is_refused(write: WriteFile, suffix: str) -> None:
    packed = bytearray(COMPRESS[suffix](CONTENT))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    for content in (bytes(packed), b"y,x\n1,a\n"):
        name = write(f"a.csv.{suffix}", content)
        with pytest.raises(SourceError) as caught:
            read_all(name)
        assert caught.value.message.startswith(f"{name}: cannot be read: ")
        assert "\n" not in caught.value.message


def test_an_empty_compressed_file_is_empty(write: WriteFile) -> None:
    for suffix, compress in COMPRESS.items():
        with pytest.raises(SourceError, match="the file is empty"):
            open_source(write(f"a.csv.{suffix}", compress(b"")))


def test_a_suffix_that_is_wrong_says_what_is_there(write: WriteFile) -> None:
    for suffix in COMPRESS:
        name = write(f"a.csv.{suffix}", b"y,x\n1,a\n0,b\n")
        with pytest.raises(SourceError) as caught:
            open_bytes(name)
        problem = f"it begins with b'y,x\\n1,a\\n0,', not as a .{suffix} file does"
        assert caught.value.message == f"{name}: cannot be read: {problem}"
        assert caught.value.hint == f"if it is not compressed, give it a name without .{suffix}"


class Owner:
    """Has a temporary file."""


def test_what_is_read_from_front_to_back_is_copied_where_it_must_be(
    write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plain = write("a.bin", CONTENT)
    assert streams.as_file(plain, tmp_path) == Path(plain)
    owner = Owner()
    path = streams.as_file(write("a.bin.gz", gzip.compress(CONTENT)), owner)
    assert path.parent == tmp_path
    assert path.read_bytes() == CONTENT
    del owner
    assert not path.exists()
    before = set(tmp_path.iterdir())
    with pytest.raises(SourceError, match="ends too early"):
        streams.as_file(write("a.bin.gz", gzip.compress(CONTENT)[:-1]), tmp_path)
    monkeypatch.setattr(streams, "COPIED_BYTES", "no number")
    with pytest.raises(TypeError):
        streams.as_file(write("a.bin.gz", gzip.compress(CONTENT)), tmp_path)
    assert set(tmp_path.iterdir()) == before


def test_a_full_disk_is_one_error(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> io.RawIOBase:
        raise OSError(errno.ENOSPC, "No space left on device")

    name = write("a.bin.gz", gzip.compress(CONTENT))
    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(SourceError, match=r"cannot be copied to .*: No space left on device"):
        streams.as_file(name, Owner())


def test_looking_ahead_takes_nothing_away(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (CONTENT, gzip.compress(CONTENT)):
        assert look_ahead(write("a.csv", content), 10) == CONTENT[:10]
        stream = io.BufferedReader(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        assert look_ahead("-", 10) == CONTENT[:10]
        assert open_bytes("-").read() == CONTENT
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENT)))  # cannot be peeked
    assert look_ahead("-", 10) == b""


def test_what_is_no_file_is_refused(tmp_path: Path, write: WriteFile) -> None:
    write("flights.csv", "y\n1\n")
    for name, message, hint in (
        (tmp_path, "is a directory, not a file", "name a file in it"),
        (tmp_path / "fligths.csv", "no such file", "did you mean 'flights.csv'?"),
        (tmp_path / "nothing-like-it", "no such file", None),
        (tmp_path / "no" / "such" / "place.csv", "no such file", None),
        (Path(write("empty.csv", "")), "the file is empty", None),
    ):
        with pytest.raises(SourceError) as caught:
            check_file(str(name))
        assert caught.value.message == f"{name}: {message}"
        assert caught.value.hint == hint


def test_a_file_that_may_not_be_read(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    name = write("a.csv", "y\n1\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        open_bytes(name)


def test_a_fault_of_ours_while_reading_stays_one() -> None:
    class Faulty(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ZeroDivisionError(size)

    with pytest.raises(ZeroDivisionError):
        streams.ByteReader(Faulty(), "a.csv").read(1)


def test_a_closed_stdin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="stdin is closed"):
        open_source("-")


@given(
    st.lists(st.sampled_from(['"a\nb"', '"x""\n\n"', "c", "", '"', "d,e"]), max_size=12),
    st.integers(1, 30),
    st.sampled_from(["", "\n"]),
)
def test_blocks_are_the_bytes_and_end_outside_quotes(lines: list[str], size: int, end: str) -> None:
    content = ("\n".join(lines) + end).encode()
    blocks = list(record_blocks(io.BytesIO(content).read, size, "a.csv"))
    assert b"".join(blocks) in {content, content + b"\n"}
    assert all(block.endswith(b"\n") for block in blocks)
    assert all(block.count(b'"') % 2 == 0 for block in blocks[:-1])


def test_a_record_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LONGEST_RECORD", 100)
    with pytest.raises(SourceError, match="a record is longer than 0 MB"):
        list(record_blocks(io.BytesIO(b'1,2\n1,"' + b"x\n" * 300).read, 10, "a.csv"))
