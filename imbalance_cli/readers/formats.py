"""What kind of table a name stands for, by its first bytes and its suffix.

Content wins where it is unmistakable: a binary format begins with a mark of its own, and NDJSON
with an object. Among other texts the suffix decides, since any text may be CSV; where it says
nothing, the first lines do.
"""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError, nearest
from imbalance_cli.readers.compression import COMPRESSIONS
from imbalance_cli.readers.dialect import UNKNOWN, Dialect
from imbalance_cli.readers.partitions import is_table_of_files
from imbalance_cli.readers.preamble import read_preamble
from imbalance_cli.readers.record_ends import between_comments
from imbalance_cli.readers.streams import STDIN, check_file
from imbalance_cli.readers.text_formats import choose_delimiter, format_of_text, sniff_delimiter
from imbalance_cli.readers.urls import PACKAGES, scheme_of, show_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.readers.source import Source

ZIP = b"PK\x03\x04"
FIRST_MEMBER = rb"(?s)PK\x03\x04.{26}[^\0\n]{0,255}?"  # up to the end of its name
OBJECT = rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*["}]'  # alone, or the first of an array
SMALL_HEADER = rb"(?s).{3}[\0-\6]\0{4}\{"  # its size, 100 MB at most, and an object
HEAD_BYTES = 64 * 2**10  # what is looked at
DIALECT = frozenset(field.name for field in dataclasses.fields(Dialect))
OF_A_SHEET = DIALECT - {"delimiter", "comment"}
ANY_TEXT = frozenset({".txt", ".data"})  # of delimited text, if nothing else is to be seen
SHOWN = {"csv": "delimited text", "svmlight": "svmlight text"}


@dataclasses.dataclass(frozen=True)
class Opening:
    """What is to be opened.

    Attributes:
        name: a path, a URL, a glob or directory of Parquet files, or "-".
        head: its first bytes, decompressed.
        dialect: how delimited text is written.
        usual_delimiter: where the dialect has none, that of delimited text whose header holds it.
    """

    name: str
    head: bytes
    dialect: Dialect = UNKNOWN
    usual_delimiter: str | None = None


@dataclasses.dataclass(frozen=True)
class FormatSpec:
    """A format of tables.

    Attributes:
        name: as --input-format has it.
        suffixes: of its files.
        open: makes a source.
        begins: what its files begin with and no others, as a regular expression; empty where
            nothing does.
        is_binary: whether it is no text.
        dialect: what may be given of how it is written, attributes of a Dialect.
    """

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Opening], Source]
    begins: bytes = b""
    is_binary: bool = True
    dialect: frozenset[str] = frozenset()


FORMAT_SPECS: dict[str, FormatSpec] = {}
"""By name, in the order of help."""


def register_format(spec: FormatSpec) -> None:
    """Make a format known; it takes the place of one with the same name."""
    FORMAT_SPECS[spec.name] = spec


def _open_delimited(found: Opening, default: str | None = None) -> Source:
    """Open delimited text; what its delimiter is by default is read off the header where None."""
    from imbalance_cli.readers.delimited import DelimitedSource

    text = _text_of(found.head, found.dialect)
    chosen = choose_delimiter(text, default or sniff_delimiter(text), found.usual_delimiter)
    return DelimitedSource(found.name, chosen, found.dialect)


def _open_tabs(found: Opening) -> Source:
    return _open_delimited(found, "\t")


def _text_of(head: bytes, dialect: Dialect) -> bytes:
    """Return the first bytes from the header on, without comments."""
    text = head[read_preamble(head, dialect).size :]
    parts = between_comments(text, (dialect.comment or "").encode())
    return b"".join(part for _, part in parts)


def _open_excel(found: Opening) -> Source:
    from imbalance_cli.readers.excel import ExcelSource

    return ExcelSource(found.name, found.dialect)


def _opens(module: str, source: str, *arguments: str) -> Callable[[Opening], Source]:
    """Return what makes a source of a class, whose module is imported only then."""

    def open_source(found: Opening) -> Source:
        opened: Source = getattr(import_module(f"imbalance_cli.readers.{module}"), source)(
            found.name, *arguments
        )
        return opened

    return open_source


for _spec in (
    FormatSpec("csv", (".csv", ".txt", ".data"), _open_delimited, is_binary=False, dialect=DIALECT),
    FormatSpec("tsv", (".tsv", ".tab"), _open_tabs, is_binary=False, dialect=DIALECT),
    FormatSpec("parquet", (".parquet", ".pq"), _opens("typed", "ParquetSource"), b"PAR1"),
    FormatSpec(
        "arrow",
        (".arrow", ".feather", ".ipc"),
        _opens("typed", "ArrowSource"),
        rb"ARROW1|\xff{4}",  # a file, or a stream
    ),
    FormatSpec(
        "ndjson",
        (".ndjson", ".jsonl", ".json"),
        _opens("ndjson", "NdjsonSource"),
        OBJECT,
        is_binary=False,
    ),
    FormatSpec(
        "excel",
        (".xlsx", ".xlsm"),
        _open_excel,
        FIRST_MEMBER + rb"\[Content_Types\]\.xml",
        dialect=OF_A_SHEET,
    ),
    FormatSpec("npy", (".npy",), _opens("arrays", "ArraySource", "npy"), rb"\x93NUMPY"),
    FormatSpec("npz", (".npz",), _opens("arrays", "ArraySource", "npz"), FIRST_MEMBER + rb"\.npy"),
    FormatSpec(
        "pt", (".pt", ".pth"), _opens("arrays", "ArraySource", "pt"), FIRST_MEMBER + rb"data\.pkl"
    ),
    FormatSpec(
        "safetensors",
        (".safetensors",),
        _opens("arrays", "ArraySource", "safetensors"),
        SMALL_HEADER,
    ),
    FormatSpec(
        "svmlight",
        (".svm", ".svmlight", ".libsvm"),
        _opens("svmlight", "SvmlightSource"),
        is_binary=False,
    ),
):
    register_format(_spec)


def list_suffixes() -> dict[str, str]:
    """Return the format that each suffix stands for."""
    specs = FORMAT_SPECS.values()
    return {suffix: spec.name for spec in specs for suffix in spec.suffixes}


def check_format(input_format: str) -> str:
    """Return the name of a format if it is one.

    Raises:
        SourceError: it is not.
    """
    if input_format not in FORMAT_SPECS:
        raise SourceError(
            f"no input format is called {input_format!r}",
            hint=nearest(input_format, list(FORMAT_SPECS)) or f"one of {', '.join(FORMAT_SPECS)}",
        )
    return input_format


def detect_format(name: str, head: bytes, dialect: Dialect = UNKNOWN) -> str:
    """Say which of FORMAT_SPECS a source has.

    Args:
        name: a path, a glob of Parquet files, a directory of them, or "-".
        head: the first bytes, decompressed; none where they cannot be looked at.
        dialect: where any of it is given, delimited text is what does not show to be anything else.

    Raises:
        SourceError: neither the content nor the name says, or they contradict each other.
    """
    if name != STDIN and is_table_of_files(name):
        return "parquet"
    specs = FORMAT_SPECS.values()
    by_content = next((s.name for s in specs if s.begins and re.match(s.begins, head)), None)
    if by_content:
        return by_content
    suffix = table_suffix(name)
    by_suffix = list_suffixes().get(suffix)
    is_binary = by_suffix is not None and FORMAT_SPECS[by_suffix].is_binary
    is_told = by_suffix is not None and not is_binary and suffix not in ANY_TEXT
    by_lines = None if is_told else format_of_text(_text_of(head, dialect))
    if is_binary and by_lines:
        raise SourceError(
            f"{name}: is called {suffix}, and begins as {SHOWN[by_lines]}",
            hint=f"give it the name of what it is; or --input-format {by_lines} "
            "(data.input_format)",
        )
    if by_suffix and not (suffix in ANY_TEXT and by_lines == "svmlight"):
        return by_suffix
    if by_lines:
        return by_lines
    if dialect.given() or name == STDIN or not check_file(name).is_file():  # as /dev/fd/63
        return "csv"
    if head.startswith(ZIP):
        raise SourceError(
            f"{name}: a zip archive, which is not read",
            hint=f"unzip it, as in: unzip -p {name} > TABLE.csv",
        )
    raise SourceError(
        f"{name}: neither the suffix {''.join(Path(name).suffixes[-2:])!r} nor the first bytes say "
        "what it is",
        hint=f"--input-format (data.input_format) does; or one of {', '.join(list_suffixes())}",
    )


def refuse_idle_dialect(name: str, input_format: str, dialect: Dialect, *, is_named: bool) -> None:
    """Raise where it is given how delimited text is written, and the source is no such text.

    Args:
        name: of the source.
        input_format: of the source.
        dialect: what was given.
        is_named: whether the format was given too, and not found.

    Raises:
        SourceError: it names both.
    """
    given = dialect.given()
    idle = [key for key in given if key not in FORMAT_SPECS[input_format].dialect]
    if is_named and input_format == "tsv" and given.get("delimiter", "\t") != "\t":
        idle = ["delimiter"]
    if not idle:
        return
    key, value = idle[0], given[idle[0]]
    raise SourceError(
        f"{name}: is read as {input_format}, which {_show_option(key, value)} does not go with",
        hint="leave it out; or --input-format csv (data.input_format), if it is delimited text",
    )


def _show_option(key: str, value: str | int) -> str:
    if key == "header":
        return "--header (data.header)" if value else "--no-header (data.header)"
    return f"--{key.replace('_', '-')} {value!r} (data.{key})"


def is_table_url(name: str) -> bool:
    """Return whether a name that may as well be a column's is the URL of a table."""
    suffix = table_suffix(show_url(name))
    return scheme_of(name) in PACKAGES and suffix in list_suffixes()


def table_suffix(name: str) -> str:
    """Return the suffix that says what is in a file, which may stand before .gz or the like."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in {used.suffix for used in COMPRESSIONS}:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
