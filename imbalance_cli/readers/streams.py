"""Bytes from a file, a compressed file or stdin, cut into blocks of whole records."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from imbalance_cli.errors import SourceError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STDIN = "-"
LONGEST_RECORD = 256 * 2**20


def check_file(name: str) -> Path:
    """Return the path of a file that exists, is a file and is not empty.

    Raises:
        SourceError: it is none of that.
    """
    path = Path(name)
    if path.is_dir():
        raise SourceError(f"{name}: is a directory, not a file", hint="name a file in it")
    if not path.exists():
        siblings = [str(path.with_name(p.name)) for p in path.parent.glob("*") if p.is_file()]
        raise SourceError(f"{name}: no such file", hint=nearest(name, siblings))
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{name}: the file is empty")
    return path


def open_bytes(name: str) -> BinaryIO:
    """Open a file for reading, decompressed by its suffix (.gz, .zst), or stdin for "-".

    Raises:
        SourceError: the file is missing, a directory, empty or not readable.
    """
    if name == STDIN:
        return sys.stdin.buffer
    path = check_file(name)
    try:
        if path.suffix == ".gz":
            import gzip

            return cast("BinaryIO", gzip.open(path, "rb"))
        if path.suffix == ".zst":
            import io

            import zstandard

            file = path.open("rb")
            reader = zstandard.ZstdDecompressor().stream_reader(
                file, read_across_frames=True, closefd=True
            )
            return io.BufferedReader(cast("io.RawIOBase", reader))
        return path.open("rb")
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {error.strerror}") from error


def read_bytes(stream: BinaryIO, name: str) -> Callable[[int], bytes]:
    """Return a function like `stream.read` that raises SourceError for broken compression."""

    def read(size: int) -> bytes:
        try:
            return stream.read(size)
        except EOFError as error:
            raise SourceError(f"{name}: the compressed file ends too early: {error}") from error
        except (zlib.error, OSError) as error:
            raise SourceError(f"{name}: cannot be read: {error}") from error
        except Exception as error:
            if type(error).__module__.split(".")[0] == "zstandard":
                raise SourceError(f"{name}: cannot be read: {error}") from error
            raise

    return read


def record_blocks(read: Callable[[int], bytes], size: int, name: str) -> Iterator[bytes]:
    """Yield blocks of about `size` bytes that end where a record ends, with flat memory.

    A newline ends a record only outside quotes. The last record gets a newline if it has none.

    Raises:
        SourceError: a quoted cell runs on for more than LONGEST_RECORD bytes.
    """
    rest = b""
    while chunk := read(size):
        data = rest + chunk if rest else chunk
        end = _last_record_end(data)
        rest = data[end:]
        if end:
            yield data[:end]
        if len(rest) > LONGEST_RECORD:
            raise SourceError(
                f"{name}: a record is longer than {LONGEST_RECORD >> 20} MB",
                hint="a quote that opens a cell is probably never closed",
            )
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _last_record_end(data: bytes) -> int:
    end = data.rfind(b"\n") + 1
    if b'"' not in data:
        return end
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        previous_end = data.rfind(b"\n", 0, data.rfind(b'"', 0, end)) + 1
        quotes -= data.count(b'"', previous_end, end)
        end = previous_end
    return end
