"""NDJSON: one JSON object a line, from a file, a compressed file or stdin; or an array of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import weakref
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError, nearest, shorten
from imbalance_cli.readers.record_ends import BYTE_ORDER_MARK
from imbalance_cli.readers.source import Batch, Source
from imbalance_cli.readers.streams import STDIN, ByteReader, line_blocks, open_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

ARRAY = re.compile(rb"\s*\[")
"""What an array begins with, which is held in memory whole."""
BLOCK = 2**20
LONGEST_SHOWN = 60  # characters of a line in an error
PROBLEMS = {
    "Expecting value": "a value is missing or is no JSON",
    "Extra data": "more than one object on the line",
    "Unterminated string": "a string that never closes",
}
"""What a message of the json module says in our words."""


@dataclasses.dataclass(frozen=True)
class ObjectBlock:
    """Some consecutive objects.

    Attributes:
        objects: key -> value, where a number is its text.
        numbers: of the line of each, or of the object itself in an array.
        unit: what is numbered: "line" or "object".
    """

    objects: list[dict[str, object]]
    numbers: list[int]
    unit: str = "line"

    def place(self, row: int) -> str:
        """Say where an object stands."""
        return f"{self.unit} {self.numbers[row]}"


class NdjsonSource(Source):
    """A table with an object a line, or an array of objects.

    Its columns are the keys of the objects in the first block, which is all of an array.

    Cells are texts, as in CSV: a number as it is written, true or false, nothing for null and for
    a key that an object lacks, and the name of the type for an array or object. A column that has
    nothing but arrays of such values in the first block is one of lists.

    Args:
        name: a path, or "-" for stdin.

    Raises:
        SourceError: the file cannot be opened, or a line of the first block is no object.
    """

    def __init__(self, name: str) -> None:
        self.name = "stdin" if name == STDIN else name
        stream = open_bytes(name)
        if name != STDIN:
            weakref.finalize(self, stream.close)
        self._blocks = self._parse_blocks(ByteReader(stream, self.name).read)
        first = next(self._blocks, None)
        if first is None:
            raise SourceError(f"{self.name}: the file is empty")
        self._blocks = itertools.chain([first], self._blocks)
        self.columns = list(dict.fromkeys(key for found in first.objects for key in found))
        if not self.columns:
            raise SourceError(f"{self.name}: {first.place(0)}: an object without keys")
        (*others, last) = first.objects
        if not others and all(isinstance(value, list | dict) for value in last.values()):
            raise SourceError(
                f"{self.name}: {first.place(0)}: one object that holds a column a key, not a row",
                hint="write an object a row; pandas does with "
                "to_json(FILE, orient='records', lines=True)",
            )
        self._lists = {column for column in self.columns if _is_list(first, column)}

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns as strings, some rows at a time.

        Raises:
            SourceError: a line is no object, or has a key that the first block has not.
        """
        known = set(self.columns)
        for block in self._blocks:
            for row, found in enumerate(block.objects):
                if not known.issuperset(found):
                    raise self._unknown_key(found, block.place(row))
            plain = frozenset(column for column in columns if _are_numbers(block, column))
            yield Batch(self._frame(block, columns), block.place, plain=plain)

    def _frame(self, block: ObjectBlock, columns: Sequence[str]) -> pl.DataFrame:
        import polars as pl

        read = {column: _lists if column in self._lists else _texts for column in columns}
        try:
            return pl.DataFrame([read[column](block, column, self.name) for column in columns])
        except UnicodeEncodeError as error:
            at = next(i for i, found in enumerate(block.objects) if not _is_unicode(found))
            raise SourceError(
                f"{self.name}: {block.place(at)}: half of a surrogate pair",
                hint="write the character itself, as UTF-8",
            ) from error

    def _unknown_key(self, found: dict[str, object], place: str) -> SourceError:
        key = next(key for key in found if key not in self.columns)
        return SourceError(
            f"{self.name}: {place}: column {key!r} appears here first, "
            f"after {BLOCK >> 20} MB without it",
            hint=nearest(key, self.columns)
            or "write each key on the first line, as null if need be",
        )

    def _parse_blocks(self, read: Callable[[int], bytes]) -> Iterator[ObjectBlock]:
        line = 1
        blocks = line_blocks(read, BLOCK, self.name)
        for data in blocks:
            text = data.removeprefix(BYTE_ORDER_MARK) if line == 1 else data
            if line == 1 and ARRAY.match(text):
                yield _parse_array(b"".join([text, *blocks]), self.name)
                return
            block = _parse_lines(text, line, self.name)
            line += data.count(b"\n")
            if block.objects:
                yield block


def _parse_array(data: bytes, name: str) -> ObjectBlock:
    try:
        objects = DECODER.decode(_decode(data, 1, name).strip())
    except (ValueError, RecursionError) as error:
        line = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise SourceError(
            f"{name}: {line}{_problem(error)}, in an array of objects",
            hint="jq -c '.[]' FILE > FILE.ndjson tells where it is broken",
        ) from error
    block = ObjectBlock(objects, list(range(1, len(objects) + 1)), "object")
    for row, found in enumerate(objects):
        if not isinstance(found, dict):
            shown = shorten(repr(found), LONGEST_SHOWN)
            raise SourceError(f"{name}: {block.place(row)}: not a JSON object: {shown}")
    if not objects:
        raise SourceError(f"{name}: an array without objects")
    return block


def _parse_lines(data: bytes, first_line: int, name: str) -> ObjectBlock:
    block = ObjectBlock([], [])
    for line, text in enumerate(_decode(data, first_line, name).split("\n"), start=first_line):
        if not text.strip():
            continue
        try:
            found = DECODER.decode(text.strip())
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{name}: line {line}: {_problem(error)}: {shorten(text, LONGEST_SHOWN)!r}",
                hint='one JSON object a line, such as {"x": 1.5, "y": 0}',
            ) from error
        if not isinstance(found, dict):
            raise SourceError(
                f"{name}: line {line}: not a JSON object: {shorten(text.strip(), LONGEST_SHOWN)!r}",
                hint='one JSON object a line, such as {"x": 1.5, "y": 0}',
            )
        block.objects.append(found)
        block.numbers.append(line)
    return block


def _decode(data: bytes, first_line: int, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise SourceError(
            f"{name}: line {line}: not UTF-8: byte 0x{data[error.start]:02x}",
            hint="convert it, for instance: iconv -f latin1 -t utf-8",
        ) from error


def _problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    ours = (text for theirs, text in PROBLEMS.items() if error.msg.startswith(theirs))
    return f"bad JSON at character {error.colno}: {next(ours, error.msg)}"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key in found if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"the key {twice!r} stands twice in an object")
    return found


class Number(str):
    """A number as it is written."""

    __slots__ = ()


DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number
)


def _are_numbers(block: ObjectBlock, column: str) -> bool:
    """Return whether all cells of a column are numbers or null."""
    values = (found.get(column) for found in block.objects)
    return all(value is None or isinstance(value, Number) for value in values)


def _is_list(block: ObjectBlock, column: str) -> bool:
    values = [value for found in block.objects if (value := found.get(column)) is not None]
    return bool(values) and all(map(_is_flat, values))


def _is_flat(value: object) -> bool:
    return isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value)


def _is_unicode(found: dict[str, object]) -> bool:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(block: ObjectBlock, column: str, _: str) -> pl.Series:
    import polars as pl

    return pl.Series(column, [_text(found.get(column)) for found in block.objects], pl.String)


def _lists(block: ObjectBlock, column: str, name: str) -> pl.Series:
    import polars as pl

    cells: list[list[str | None] | None] = []
    for row, found in enumerate(block.objects):
        value = found.get(column)
        if not (value is None or _is_flat(value)):
            shown = shorten(repr(value), LONGEST_SHOWN)
            raise SourceError(
                f"{name}: {block.place(row)}: column {column!r}: {shown} where the "
                f"{block.unit}s before have lists"
            )
        cells.append(
            [None if item is None else _text(item) for item in value]
            if isinstance(value, list)
            else None
        )
    return pl.Series(column, cells, pl.List(pl.String))


def _text(value: object) -> str:
    """Return a cell's text; numbers are strings already."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "List" if isinstance(value, list) else "Struct"
