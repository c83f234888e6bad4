"""Bytes from a file, a URL, a compressed file or stdin, cut into blocks of whole records."""

from __future__ import annotations

import contextlib
import io
import math
import os
import select
import stat
import sys
import weakref
import zlib
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from imbalance_cli.errors import SourceError, nearest
from imbalance_cli.progress import Stage, tell_reading
from imbalance_cli.readers.compression import (
    ERROR_MODULES,
    LONGEST_MAGIC,
    FrameReader,
    find_compression,
)
from imbalance_cli.readers.fetching import local_file
from imbalance_cli.readers.record_ends import last_record_end
from imbalance_cli.readers.urls import explain_one_slash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STDIN = "-"
LONGEST_RECORD = 256 * 2**20
COPIED_BYTES = 2**20  # at a time
LONGEST_WAIT = 0.5  # seconds that rows of a pipe wait for others
UNFOLDED: weakref.WeakKeyDictionary[BinaryIO, BinaryIO] = weakref.WeakKeyDictionary()
"""The content of a compressed stdin, which is looked at before it is read, and read once."""


def check_file(name: str) -> Path:
    """Return the path of a file that exists, is a file and is not empty.

    Args:
        name: a path, or a URL, which is fetched if it is not yet.

    Raises:
        DependencyError: as of `local_file`.
        SourceError: it is none of that, or cannot be fetched.
    """
    path = local_file(name)
    if path.is_dir():
        raise SourceError(f"{name}: is a directory, not a file", hint="name a file in it")
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.glob("*") if sibling.is_file()]
        hint = nearest(path.name, siblings) or explain_one_slash(name)
        raise SourceError(f"{name}: no such file", hint=hint)
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{name}: the file is empty")
    return path


def open_bytes(name: str) -> BinaryIO:
    """Open a file for reading, or stdin for "-", and decompress it.

    What is compressed is known by its first bytes, whatever the name; a name that ends in .gz,
    .zst, .bz2 or .xz is taken at its word where they do not tell.

    Raises:
        SourceError: the file is missing, a directory, empty or not readable, or stdin is closed.
    """
    if name == STDIN:
        if sys.stdin is None:
            raise SourceError("stdin is closed", hint="pipe CSV in, or name a file")
        stream: BinaryIO = sys.stdin.buffer
        if stream in UNFOLDED:
            return UNFOLDED[stream]
    else:
        path = check_file(name)
        try:
            stream = path.open("rb")
        except OSError as error:
            raise SourceError(f"{name}: cannot be read: {error.strerror}") from error
    try:
        used = find_compression(name, _peek(stream)[:LONGEST_MAGIC])
    except BaseException:
        if name != STDIN:
            stream.close()
        raise
    if used is None:
        return stream
    content = io.BufferedReader(FrameReader(stream, used.decompressor, owns_file=name != STDIN))
    if name == STDIN:
        UNFOLDED[stream] = content
    return content


def look_ahead(name: str, size: int) -> bytes:
    """Return the first bytes of what `open_bytes` reads, without taking them from it.

    Returns:
        `size` bytes, or all of a smaller file; what has arrived so far on stdin; nothing for a
        named pipe, which can be opened once only.

    Raises:
        SourceError: as `open_bytes`, or the compression is broken.
    """
    if name == STDIN:
        stream = open_bytes(name)
        with _explain_read("stdin"):
            return _peek(stream)[:size]
    if not check_file(name).is_file():
        return b""
    with open_bytes(name) as file:
        return ByteReader(file, name).read(size)


def as_file(name: str, owner: object) -> Path:
    """Return a path that holds what `open_bytes` reads.

    Formats that are not read from front to back need a file that is not compressed; where it is
    compressed, or a stream, there is a temporary one as long as its owner lives.

    Raises:
        SourceError: as `open_bytes`, or the compression is broken.
    """
    stream = open_bytes(name)
    try:
        if is_mappable(stream) and name != STDIN:
            return local_file(name)
        shown = "stdin" if name == STDIN else name
        path = _copy_to_file(ByteReader(stream, shown, "bytes").read, shown)
        weakref.finalize(owner, path.unlink)
        return path
    finally:
        if name != STDIN:
            stream.close()


def _copy_to_file(read: Callable[[int], bytes], name: str) -> Path:
    import tempfile

    handle, path = tempfile.mkstemp(prefix="imbtrain-")
    try:
        with os.fdopen(handle, "wb") as file:
            while piece := read(COPIED_BYTES):
                file.write(piece)
    except BaseException as error:
        Path(path).unlink()
        if isinstance(error, OSError):
            raise SourceError(
                f"{name}: cannot be copied to {path}: {error.strerror}",
                hint="unpack it to a file, or name a directory with room: TMPDIR=DIR",
            ) from error
        raise
    return Path(path)


def is_mappable(stream: BinaryIO) -> bool:
    """Return whether a stream gives the bytes of a regular file as they are on the disk."""
    file = _file_of(stream)
    return file is not None and stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _file_of(stream: BinaryIO) -> io.FileIO | None:
    """Return the file, pipe or terminal whose bytes a stream gives as they are."""
    file = getattr(stream, "raw", None)
    return file if isinstance(file, io.FileIO) else None


def _peek(stream: BinaryIO) -> bytes:
    """Return what has arrived in a buffered stream, at least one byte unless it is empty."""
    peek = getattr(stream, "peek", None)
    return cast("bytes", peek(1)) if peek else b""


class ByteReader:
    """Reads a stream, with errors that name it, and tells how much of a plain pipe has come.

    Args:
        stream: open for reading.
        name: of the source, for errors.
        unit: of the progress that is reported.
    """

    def __init__(
        self, stream: BinaryIO, name: str, unit: Literal["lines", "bytes"] = "lines"
    ) -> None:
        self._stream, self._name, self._unit = stream, name, unit
        file = _file_of(stream)
        self._file = file if is_mappable(stream) else None
        self._first_size = os.fstat(self._file.fileno()).st_size if self._file else 0
        self._pipe = None if self._file else file
        self._come, self._has_begun = 0, False

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end.

        Raises:
            SourceError: the compression is broken, or a file has become shorter since.
        """
        return self._read(size, math.inf)

    def read_arrived(self, size: int) -> bytes:
        """Return up to `size` bytes: of a pipe what comes within LONGEST_WAIT of the first.

        Raises:
            SourceError: as of `read`.
        """
        return self._read(size, LONGEST_WAIT)

    def _read(self, size: int, wait: float) -> bytes:
        with _explain_read(self._name):
            if self._pipe:
                return b"".join(self._pieces(self._pipe, size, wait))
            piece = self._stream.read(size)
        if self._file and not piece:
            last_size = os.fstat(self._file.fileno()).st_size
            if last_size < self._first_size:
                raise SourceError(
                    f"{self._name}: became shorter while it was read: {last_size:,} bytes of "
                    f"{self._first_size:,}",
                    hint="try again once nothing writes to it any more",
                )
        return piece

    def _pieces(self, pipe: io.FileIO, size: int, wait: float) -> Iterator[bytes]:
        until = math.inf
        # what was peeked at is there, and nothing more is in the buffer after the first read
        while size and (not self._has_begun or _has_come(pipe, until)):
            self._has_begun = True
            piece = cast("io.BufferedReader", self._stream).read1(size)
            self._come += len(piece) if self._unit == "bytes" else piece.count(b"\n")
            total = None if piece else self._come
            tell_reading.get()(Stage("reading", self._come, total, self._unit))
            if not piece:
                return
            yield piece
            size -= len(piece)
            until = min(until, monotonic() + wait)


def _has_come(pipe: io.FileIO, until: float) -> bool:
    """Wait until there is more to read, or it has ended; say whether there is before a time.

    A wait is ended by Ctrl-C, where a read is not: polars has the system go on with those.
    """
    seconds = None if until == math.inf else max(until - monotonic(), 0)
    return bool(select.select([pipe], [], [], seconds)[0])


@contextlib.contextmanager
def _explain_read(name: str) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise SourceError(
            f"{name}: the compressed file ends too early: {error}",
            hint="copy or download it again",
        ) from error
    except (zlib.error, OSError) as error:
        raise SourceError(f"{name}: cannot be read: {error}") from error
    except Exception as error:
        if type(error).__module__.split(".")[0] in ERROR_MODULES:
            raise SourceError(f"{name}: cannot be read: {error}") from error
        raise


def record_blocks(
    read: Callable[[int], bytes], size: int, name: str, comment: bytes = b""
) -> Iterator[bytes]:
    """Yield blocks of about `size` bytes that end where a record ends, with flat memory.

    A newline ends a record only outside quotes. The last record gets a newline if it has none.

    Args:
        read: gives the next bytes.
        size: of a block.
        name: of the source, for errors.
        comment: what a line begins with that is no record, whatever quotes are in it.

    Raises:
        SourceError: a quoted cell runs on for more than LONGEST_RECORD bytes.
    """
    hint = "a quote that opens a cell is probably never closed"
    return _blocks(read, size, lambda data: last_record_end(data, comment), name, hint)


def line_blocks(read: Callable[[int], bytes], size: int, name: str) -> Iterator[bytes]:
    """Yield blocks of about `size` bytes that end where a line ends, with flat memory.

    The last line gets a newline if it has none.

    Raises:
        SourceError: a line is longer than LONGEST_RECORD bytes.
    """
    hint = "each record stands on a line of its own"
    return _blocks(read, size, lambda data: data.rfind(b"\n") + 1, name, hint)


def _blocks(
    read: Callable[[int], bytes], size: int, last_end: Callable[[bytes], int], name: str, hint: str
) -> Iterator[bytes]:
    rest = b""
    while chunk := read(max(size, len(rest) // 2)):  # more of a long record, each time looked over
        data = rest + chunk if rest else chunk
        end = last_end(data)
        rest = data[end:]
        if end:
            yield data[:end]
        if len(rest) > LONGEST_RECORD:
            raise SourceError(
                f"{name}: a record is longer than {LONGEST_RECORD >> 20} MB", hint=hint
            )
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"
