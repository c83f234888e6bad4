"""What kind of table a name stands for, by its first bytes and its suffix.

Content wins where it is unmistakable: a binary format begins with a mark of its own, and NDJSON
with an object. Among other texts the suffix decides, since any text may be CSV.
"""

from __future__ import annotations

import re
from pathlib import Path

from imbalance_cli.errors import SourceError, nearest
from imbalance_cli.readers.compression import COMPRESSIONS
from imbalance_cli.readers.partitions import is_glob
from imbalance_cli.readers.records import BYTE_ORDER_MARK
from imbalance_cli.readers.streams import STDIN, check_file

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
DELIMITERS = (";", "\t", "|")  # beside the comma
RARE_DELIMITERS = ("^", "~", "\x01", "\x1f")  # looked for where there is none of the others
QUOTED = re.compile(rb'"[^"]*"')


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


def detect_format(name: str, head: bytes) -> str:
    """Say which of INPUT_FORMATS a source has.

    Args:
        name: a path, a glob of Parquet files, a directory of them, or "-".
        head: the first bytes, decompressed; none where they cannot be looked at.

    Raises:
        SourceError: neither the content nor the name tells.
    """
    if name != STDIN and (Path(name).is_dir() or is_glob(name)):
        return "parquet"
    by_content = _format_of_content(head)
    if by_content:
        return by_content
    by_suffix = SUFFIXES.get(table_suffix(name))
    if by_suffix:
        return by_suffix
    if name == STDIN or not check_file(name).is_file():  # /dev/fd/63 has no suffix
        return "csv"
    raise SourceError(
        f"{name}: no reader for the suffix {''.join(Path(name).suffixes[-2:])!r}",
        hint=f"--input-format (data.input_format) says what it is; or one of {', '.join(SUFFIXES)}",
    )


def sniff_delimiter(head: bytes) -> str:
    r"""Return the delimiter of a delimited text: , or else the one of ; \t | that must be meant.

    It must be meant where the header has no comma, and the next record has as many of it. Where the
    header has none of them, it may be one of RARE_DELIMITERS.
    """
    header, _, rest = _unquoted(head).partition(b"\n")
    if b"," in header:
        return ","
    record, end, _ = rest.partition(b"\n")
    is_rare = not any(delimiter.encode() in header for delimiter in DELIMITERS)
    meant = [
        delimiter
        for delimiter in (RARE_DELIMITERS if is_rare else DELIMITERS)
        if (count := header.count(delimiter.encode()))
        and (record.count(delimiter.encode()) == count or not end)
    ]
    return meant[0] if len(meant) == 1 else ","


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


def _unquoted(head: bytes) -> bytes:
    return QUOTED.sub(b"", head.removeprefix(BYTE_ORDER_MARK)).lstrip(b"\r\n")
