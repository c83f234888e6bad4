"""Bytes from a file, a compressed file or stdin, cut into blocks of whole records."""

from __future__ import annotations

import io
import mmap
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from imbalance_cli.errors import SourceError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import zstandard
    from _typeshed import WriteableBuffer

STDIN = "-"
LONGEST_RECORD = 256 * 2**20
ZSTD_PIECE = 2**10  # compressed bytes at a time; what they unfold to has to fit into memory


def check_file(name: str) -> Path:
    """Return the path of a file that exists, is a file and is not empty.

    Raises:
        SourceError: it is none of that.
    """
    path = Path(name)
    if path.is_dir():
        raise SourceError(f"{name}: is a directory, not a file", hint="name a file in it")
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.glob("*") if sibling.is_file()]
        raise SourceError(f"{name}: no such file", hint=nearest(path.name, siblings))
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{name}: the file is empty")
    return path


def open_bytes(name: str) -> BinaryIO:
    """Open a file for reading, decompressed by its suffix (.gz, .zst), or stdin for "-".

    Raises:
        SourceError: the file is missing, a directory, empty or not readable, or stdin is closed.
    """
    if name == STDIN:
        if sys.stdin is None:
            raise SourceError("stdin is closed", hint="pipe CSV in, or name a file")
        return sys.stdin.buffer
    path = check_file(name)
    try:
        match path.suffix.lower():
            case ".gz":
                import gzip

                return cast("BinaryIO", gzip.open(path, "rb"))
            case ".zst":
                return io.BufferedReader(ZstdReader(path.open("rb")))
            case _:
                return path.open("rb")
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {error.strerror}") from error


class ZstdReader(io.RawIOBase):
    """The content of a .zst file, as a stream.

    zstandard's own stream reader ends quietly where a file was cut off; this one raises.

    Args:
        file: the compressed bytes; closed with the reader.

    Raises:
        EOFError: on reading, if the file ends inside a frame.
    """

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._file = file
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._compressed = b""
        self._content = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer and return the number of bytes, 0 at the end."""
        while not self._content and self._decompress():
            pass
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._content))
        target[:size] = self._content[:size]
        self._content = self._content[size:]
        return size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _decompress(self) -> bool:
        """Unfold one more piece; False at the end of the file."""
        piece = self._compressed or self._file.read(ZSTD_PIECE)
        if not piece:
            if self._frame:
                raise EOFError("the last frame is cut off")
            return False
        frame = self._frame or self._decompressor.decompressobj()
        self._content = memoryview(frame.decompress(piece))
        self._compressed = frame.unused_data
        self._frame = None if frame.eof else frame
        return True


def read_bytes(stream: BinaryIO, name: str) -> Callable[[int], bytes]:
    """Return a function like `stream.read` that raises SourceError for broken compression."""

    def read(size: int) -> bytes:
        try:
            return stream.read(size)
        except EOFError as error:
            raise SourceError(
                f"{name}: the compressed file ends too early: {error}",
                hint="copy or download it again",
            ) from error
        except (zlib.error, OSError) as error:
            raise SourceError(f"{name}: cannot be read: {error}") from error
        except Exception as error:
            if type(error).__module__.split(".")[0] == "zstandard":
                raise SourceError(f"{name}: cannot be read: {error}") from error
            raise

    return read


def mapped_windows(path: Path, first: int, size: int) -> Iterator[memoryview]:
    """Yield the bytes of a file from byte `first` on, `size` at a time, with flat memory.

    The file is mapped, not copied: a window may be used until the next one is asked for.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        released = 0
        for start in range(first, len(mapped), size):
            with memoryview(mapped)[start : start + size] as window:
                yield window
            page = min(start + size, len(mapped)) // mmap.PAGESIZE * mmap.PAGESIZE
            if hasattr(mapped, "madvise") and page > released:
                mapped.madvise(mmap.MADV_DONTNEED, released, page - released)
                released = page


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
