"""What kind of table a name stands for, by its first bytes and its suffix.

Content wins where it is unmistakable: a binary format begins with a mark of its own, and NDJSON
with an object. Among other texts the suffix decides, since any text may be CSV; where it says
nothing, the first lines do.
"""

from __future__ import annotations

import re
from pathlib import Path

from imbalance_cli.errors import SourceError, nearest
from imbalance_cli.readers.compression import COMPRESSIONS
from imbalance_cli.readers.partitions import is_glob
from imbalance_cli.readers.records import BYTE_ORDER_MARK
from imbalance_cli.readers.streams import STDIN, check_file
from imbalance_cli.readers.text_formats import format_of_text

SUFFIXES = {
    ".csv": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".npy": "npy",
    ".npz": "npz",
    ".pt": "pt",
    ".pth": "pt",
    ".safetensors": "safetensors",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
}
INPUT_FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
MAGICS = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",  # a stream
    b"\x93NUMPY": "npy",
}
OBJECT = re.compile(rb'\s*\{\s*["}]')
ZIP = b"PK\x03\x04"
ZIP_MEMBERS = {".npy": "npz", "data.pkl": "pt"}  # how the name of the first one ends
HEAD_BYTES = 64 * 2**10  # what is looked at
SAFETENSORS_HEADER = 100 * 2**20  # bytes, at most, in the format's own words
DELIMITED = frozenset({"csv", "tsv"})
BINARY = frozenset({"parquet", "arrow", "npy", "npz", "pt", "safetensors"})
ANY_TEXT = frozenset({".txt", ".data"})  # of delimited text, if nothing else is to be seen
SHOWN = {"csv": "delimited text", "svmlight": "svmlight text"}


def check_format(input_format: str) -> str:
    """Return the name of a format if it is one.

    Raises:
        SourceError: it is not.
    """
    if input_format not in INPUT_FORMATS:
        raise SourceError(
            f"no input format is called {input_format!r}",
            hint=nearest(input_format, INPUT_FORMATS) or f"one of {', '.join(INPUT_FORMATS)}",
        )
    return input_format


def detect_format(name: str, head: bytes, *, is_delimited: bool = False) -> str:
    """Say which of INPUT_FORMATS a source has.

    Args:
        name: a path, a glob of Parquet files, a directory of them, or "-".
        head: the first bytes, decompressed; none where they cannot be looked at.
        is_delimited: whether it is delimited text if it does not show to be anything else.

    Raises:
        SourceError: neither the content nor the name tells, or they contradict each other.
    """
    if name != STDIN and (Path(name).is_dir() or is_glob(name)):
        return "parquet"
    by_content = _format_of_content(head)
    if by_content:
        return by_content
    suffix = table_suffix(name)
    by_suffix = SUFFIXES.get(suffix)
    is_told = by_suffix is not None and by_suffix not in BINARY and suffix not in ANY_TEXT
    by_lines = None if is_told else format_of_text(head)
    if by_suffix in BINARY and by_lines:
        raise SourceError(
            f"{name}: is called {suffix}, and begins as {SHOWN[by_lines]}",
            hint=f"give it the name of what it is; or --input-format {by_lines} "
            "(data.input_format)",
        )
    if by_suffix and not (suffix in ANY_TEXT and by_lines == "svmlight"):
        return by_suffix
    if by_lines:
        return by_lines
    if is_delimited or name == STDIN or not check_file(name).is_file():  # as /dev/fd/63
        return "csv"
    raise SourceError(
        f"{name}: neither the suffix {''.join(Path(name).suffixes[-2:])!r} nor the first bytes say "
        "what it is",
        hint=f"--input-format (data.input_format) does; or one of {', '.join(SUFFIXES)}",
    )


def refuse_idle_delimiter(name: str, input_format: str, delimiter: str, *, is_named: bool) -> None:
    """Raise where a delimiter was given, and the source is not text that it could delimit.

    Args:
        name: of the source.
        input_format: of the source.
        delimiter: between its cells.
        is_named: whether the format was given too, and not found.

    Raises:
        SourceError: it names both.
    """
    if input_format not in DELIMITED or (is_named and input_format == "tsv" and delimiter != "\t"):
        raise SourceError(
            f"{name}: is read as {input_format}, which --delimiter {delimiter!r} "
            "(data.delimiter) does not go with",
            hint="leave it out; or --input-format csv (data.input_format), if it is text with this "
            "delimiter",
        )


def table_suffix(name: str) -> str:
    """Return the suffix that says what is in a file, which may stand before .gz or the like."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in {used.suffix for used in COMPRESSIONS}:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _format_of_content(head: bytes) -> str | None:
    for magic, input_format in MAGICS.items():
        if head.startswith(magic):
            return input_format
    if head.startswith(ZIP):
        size = int.from_bytes(head[26:28], "little")  # of the first member's name, at 30
        member = head[30 : 30 + size].decode("latin1")
        return next((f for end, f in ZIP_MEMBERS.items() if member.endswith(end)), None)
    size = int.from_bytes(head[:8], "little")  # of the header of safetensors, an object
    if head[8:9] == b"{" and size <= SAFETENSORS_HEADER:
        return "safetensors"
    return "ndjson" if OBJECT.match(head.removeprefix(BYTE_ORDER_MARK)) else None
