"""Compressed files, as streams: .gz, .zst, .bz2 and .xz."""

from __future__ import annotations

import dataclasses
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from imbalance_cli.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

COMPRESSED_PIECE = 2**10  # compressed bytes at a time; what they unfold to has to fit into memory
LONGEST_MAGIC = 10
ERROR_MODULES = frozenset({"zstandard", "_lzma"})  # whose errors for broken data are no OSErrors


class Decompressor(Protocol):
    """What the decompressors of zlib, bz2, lzma and zstandard have in common."""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the end of the frame."""
        ...

    def decompress(self, data: bytes, /) -> bytes:
        """Unfold the next bytes of the frame."""
        ...


@dataclasses.dataclass(frozen=True)
class Compression:
    """One way to compress.

    Attributes:
        suffix: the end of a file's name.
        magics: what every such file begins with, one of them.
        decompressor: makes what unfolds one frame.
    """

    suffix: str
    magics: tuple[bytes, ...]
    decompressor: Callable[[], Decompressor]


def _bz2() -> Decompressor:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> Decompressor:
    import lzma

    return lzma.LZMADecompressor()


def _zstd() -> Decompressor:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


COMPRESSIONS = (
    Compression(".gz", (b"\x1f\x8b\x08",), lambda: zlib.decompressobj(wbits=31)),  # 31: gzip
    Compression(".zst", (b"\x28\xb5\x2f\xfd",), _zstd),
    Compression(".bz2", tuple(b"BZh%d1AY&SY" % level for level in range(1, 10)), _bz2),
    Compression(".xz", (b"\xfd7zXZ\0",), _xz),
)


def find_compression(name: str, head: bytes) -> Compression | None:
    """Return how a file is compressed, by its first bytes or else its name; None if it is not.

    Raises:
        SourceError: the name says that it is, and the first bytes that it is not.
    """
    by_magic = next((used for used in COMPRESSIONS if head.startswith(used.magics)), None)
    if by_magic:
        return by_magic
    suffix = Path(name).suffix.lower()
    by_suffix = next((used for used in COMPRESSIONS if used.suffix == suffix), None)
    if by_suffix and not any(magic.startswith(head[:2]) for magic in by_suffix.magics):
        raise SourceError(
            f"{name}: cannot be read: it begins with {head!r}, not as a {suffix} file does",
            hint=f"if it is not compressed, give it a name without {suffix}",
        )
    return by_suffix


class FrameReader(io.RawIOBase):
    """The content of a compressed file of one or more frames, as a stream.

    The stream readers of some of these libraries end quietly where a file was cut off, or skip
    what stands behind the first frame; this one raises.

    Args:
        file: the compressed bytes.
        decompressor: makes what unfolds one frame.
        owns_file: whether closing the reader closes the file.

    Raises:
        EOFError: on reading, if the file ends inside a frame.
    """

    def __init__(
        self, file: BinaryIO, decompressor: Callable[[], Decompressor], *, owns_file: bool = True
    ) -> None:
        self._file = file
        self._owns_file = owns_file
        self._decompressor = decompressor
        self._frame: Decompressor | None = None
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
        """Close the file, if it is ours."""
        if self._owns_file:
            self._file.close()
        super().close()

    def _decompress(self) -> bool:
        """Unfold one more piece; False at the end of the file."""
        piece = self._compressed or self._file.read(COMPRESSED_PIECE)
        if not piece:
            if self._frame:
                raise EOFError("the last frame is cut off")
            return False
        if not self._frame:
            piece = piece.lstrip(b"\0")  # gzip and xz allow zeros behind a frame
            if not piece:
                self._compressed = b""
                return True
            self._frame = self._decompressor()
        self._content = memoryview(self._frame.decompress(piece))
        self._compressed = self._frame.unused_data
        if self._frame.eof:
            self._frame = None
        return True
