"""First lines that are not what they are read as: a title, a row, units, columns of blanks.

Each is refused only where the lines below it show what it is, and the error says how to read it.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError, shorten
from imbalance_cli.readers.source import is_missing
from imbalance_cli.readers.text_formats import DELIMITERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.readers.dialect import Dialect

    Rows = list[tuple[int, list[str]]]  # the line of each, and its cells

LOOKED_AT = 50  # lines
LOOKED_AT_BYTES = 64 * 2**10
LONGEST_SHOWN = 60  # characters
NUMBER = re.compile(r"\s*[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?\s*")
VALUE = re.compile(r"-\d+(?:\.\d+)?|\d+\.\d+")  # which is hardly the name of a column
YEARS = range(1800, 2101)
MANY = 6  # names; as many numbers are hardly in order by chance
ALIGNED = re.compile(r"\S {2,}\S")
COMMENT_MARKS = ("#", "%", "//", ";")
FEWEST_ROWS = 3  # of numbers below a unit
TRUTHS = frozenset({"yes", "no", "true", "false"})  # of a label, beside 0 and 1


def refuse_first_lines(
    data: bytes, first_line: int, delimiter: str, dialect: Dialect, name: str
) -> None:
    """Raise where the lines from the header on show that it is none, or that units are below it.

    Args:
        data: the first bytes from the header on; more may follow.
        first_line: the number of the header's line.
        delimiter: that was read off the header, or is given.
        dialect: what is given is not looked at.
        name: the source, for errors.

    Raises:
        SourceError: it says which line is what, and how to read it so.
    """
    text = data[:LOOKED_AT_BYTES].decode(errors="replace")
    lines = text.split("\n")[:-1][:LOOKED_AT]  # the last one may be cut off
    rows = _split(lines, delimiter, first_line)
    if len(rows) < 2:  # noqa: PLR2004  a header, and what is below it
        return
    width = len(rows[0][1])
    if width == 1 and dialect.delimiter is None:
        _refuse_blanks(lines, first_line, name)
    if dialect.header is False:
        return
    below = [cells for _, cells in rows[1:]]
    if len(below) > 1 < width and all(len(cells) == width + 1 for cells in below):
        if all(is_missing(cells[-1]) for cells in below):
            raise SourceError(
                f"{name}: each line ends with {delimiter!r} but the header, line {first_line}",
                hint=f"sed '{first_line}s/$/{delimiter}/' FILE ends it so too, with a blank name",
            )
        raise SourceError(
            f"{name}: line {first_line}: {width} names, and {width + 1} cells in each line below: "
            "the first ones seem to be the names of rows",
            hint="in R: write.csv(table, FILE, row.names = FALSE); or put a name before the others",
        )
    if width == 1 or any(len(cells) != width for _, cells in rows) or _is_padded(rows[0][1]):
        others = () if dialect.delimiter is not None else (",", *DELIMITERS)
        for other in dict.fromkeys((delimiter, *others)):
            _refuse_title(rows, _split(lines, other, first_line), dialect, name)
    if dialect.skip_rows is None:
        _refuse_units(rows, name)


def show_names(cells: Sequence[str]) -> str:
    """Return the cells that are not blank, in quotes, and short."""
    return repr(shorten(", ".join(filter(None, cells)), LONGEST_SHOWN))


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with a point or a comma."""
    return NUMBER.fullmatch(cell) is not None


def seem_to_be_a_row(names: Sequence[str]) -> bool:
    """Return whether all names are numbers, and not such as columns are called by.

    These are 0, 1, 2, ... or 1, 2, 3, ..., years, and many numbers in order, as wavelengths are.
    Among words one number with a point or a sign is enough.
    """
    if not all(map(is_number, names)):
        return any(map(is_number, names)) and any(map(VALUE.fullmatch, names))
    numbers = [float(name.replace(",", ".")) for name in names]
    counted = [range(first, first + len(numbers)) for first in (0, 1)]
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    is_in_order = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    return not (
        any(numbers == list(sequence) for sequence in counted)
        or all(number in YEARS for number in numbers)
        or (is_in_order and len(numbers) >= MANY)
    )


def row_for_names(names: Sequence[str], line: int, name: str) -> SourceError:
    """Return the error that a row of numbers stands where the names of columns are read."""
    return SourceError(
        f"{name}: line {line} is {'all' if all(map(is_number, names)) else 'partly'} numbers, "
        f"{shorten(', '.join(names), LONGEST_SHOWN)!r}: it seems to be a row, not the names of the "
        "columns",
        hint="--no-header (data.header: false) reads it as a row, --header (data.header: true) as "
        "names",
    )


def _split(lines: Sequence[str], delimiter: str, first_line: int) -> Rows:
    """Return the cells of each record that is not blank; none where a quote is out of place."""
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    rows: Rows = []
    begins = first_line
    try:
        for cells in reader:
            if cells:
                rows.append((begins, cells))
            begins = first_line + reader.line_num
    except csv.Error:
        return []
    return rows


def _refuse_title(rows: Rows, others: Rows, dialect: Dialect, name: str) -> None:
    """Raise where a table of other width begins below the header, with names and then a number."""
    first_line, title = rows[0]
    marks = [m for m in COMMENT_MARKS if title[0].startswith(m) and dialect.comment is None]
    plain = [row for row in others if not row[1][0].startswith(tuple(marks))]
    width = len(plain[-1][1]) if plain else 1
    tail = list(itertools.takewhile(lambda row: len(row[1]) == width, reversed(plain)))[::-1]
    tail = list(itertools.dropwhile(lambda row: _is_padded(row[1]), tail))
    if width == 1 or len(tail) < 2 or not any(title):  # noqa: PLR2004  names and a row
        return
    heads = others if marks else others[:1]
    if all(len(cells) == width for _, cells in heads) and not _is_padded(others[0][1]):
        return
    (line, names), (_, cells) = tail[:2]
    if any(map(is_number, names)) or not any(map(is_number, cells)):
        return
    hint = (
        f"--comment '{marks[0]}' (data.comment: '{marks[0]}') leaves out lines that begin with it"
        if marks and len(tail) == len(plain)
        else f"--skip-lines {line - 1} (data.skip_lines: {line - 1}) if line {line} is the header: "
        f"{shorten(', '.join(names), LONGEST_SHOWN)}"
    )
    raise SourceError(
        f"{name}: line {first_line}: {show_names(title)} seems to be a "
        f"title: the lines from {line} on have {width} cells",
        hint=hint,
    )


def _is_padded(cells: Sequence[str]) -> bool:
    """Return whether the first cells alone hold something, as in a title of a spreadsheet."""
    filled = len(cells) - sum(1 for _ in itertools.takewhile(is_missing, reversed(cells)))
    return 2 * filled <= len(cells) > 1 and all(cells[:filled])


def _refuse_units(rows: Rows, name: str) -> None:
    """Raise where the first row has words in each of the columns that are numbers below it."""
    (first_line, names), (line, first), *others = rows
    below = [cells for _, cells in others]
    if any(map(is_number, first)) or any(len(cells) != len(first) for cells in below):
        return
    numeric = [first[i] for i in _number_columns(below, FEWEST_ROWS)]
    words = [cell for cell in numeric if not is_missing(cell) and any(map(str.isalpha, cell))]
    if len(numeric) <= 1 or TRUTHS.issuperset(map(str.lower, words)):
        return
    if len(set(names)) < len(names) and len(set(first)) == len(first):
        raise SourceError(
            f"{name}: lines {first_line} and {line} both hold names: "
            f"{show_names(names)} stands above groups of columns?",
            hint=f"--skip-lines {first_line} (data.skip_lines: {first_line}) if line {line} is the "
            f"header: {shorten(', '.join(first), LONGEST_SHOWN)}",
        )
    raise SourceError(
        f"{name}: line {line} holds words where the lines below hold numbers: "
        f"{shorten(', '.join(words), LONGEST_SHOWN)!r}: units?",
        hint="--skip-rows 1 (data.skip_rows: 1) leaves it out, --skip-rows 0 reads it as a row"
        + (
            f"; --skip-lines {first_line} if it is the header"
            if len(set(first)) == len(first)
            else ""
        ),
    )


def refuse_skipped_row(
    skipped: bytes, following: bytes, line: int, delimiter: str, name: str, key: str = "skip_rows"
) -> None:
    """Raise where a row that is to be left out is one as those below it.

    Args:
        skipped: the row.
        following: the first bytes below it.
        line: its number.
        delimiter: between two cells.
        name: the source, for errors.
        key: of the dialect, which leaves it out.

    Raises:
        SourceError: it has a number wherever they have, or, where there are none, any number.
    """
    rows = _split([skipped.decode(errors="replace")], delimiter, line)
    if not rows:
        return
    cells = rows[0][1]
    text = following[:LOOKED_AT_BYTES].decode(errors="replace")
    lines = (text if len(following) < LOOKED_AT_BYTES else text.rpartition("\n")[0]).split("\n")
    below = [found for _, found in _split(lines[:LOOKED_AT], delimiter, line)]
    if any(len(found) != len(cells) for found in below):
        return
    numeric = _number_columns(below, 1) if below else range(len(cells))
    known = [cells[i] for i in numeric if not is_missing(cells[i])]
    is_alike = all(map(is_number, known)) if below else any(map(is_number, known))
    if known and is_alike:
        raise SourceError(
            f"{name}: line {line} would be left out, and seems to be a row: "
            f"{shorten(', '.join(cells), LONGEST_SHOWN)!r}",
            hint=f"--{key.replace('_', '-')} 0 (data.{key}: 0) reads it",
        )


def _number_columns(rows: Sequence[Sequence[str]], fewest: int) -> list[int]:
    """Return which columns hold numbers in all rows, missing cells apart, and in so many."""
    return [
        i
        for i, column in enumerate(zip(*rows, strict=True))
        if sum(map(is_number, column)) >= fewest
        and all(is_number(cell) or is_missing(cell) for cell in column)
    ]


def _refuse_blanks(lines: Sequence[str], first_line: int, name: str) -> None:
    """Raise where every line has as many words, more than one, or R's names of rows before them."""
    words = [line.replace('"', "").split() for line in lines if line.strip()]
    (header, *rows), counts = words, {len(found) for found in words[1:]}
    numbers = sum(map(is_number, itertools.chain(*rows)))
    are_texts = 2 * numbers < sum(map(len, rows)) and not any(map(ALIGNED.search, lines))
    if len(counts) != 1 or len(header) == 1 or are_texts:
        return
    column = f"one column, {shorten(lines[0], LONGEST_SHOWN)!r}: the cells "
    shown = f"{name}: line {first_line}: {column}"
    if counts == {len(header)}:
        raise SourceError(
            f"{shown}seem to be parted by blanks",
            hint="put a tab between two cells: sed 's/^ *//' FILE | tr -s ' ' '\\t' > FILE.tsv",
        )
    if counts == {len(header) + 1}:
        raise SourceError(
            f"{shown}seem to be parted by blanks, and each row to begin with its name",
            hint="in R: write.csv(table, FILE, row.names = FALSE)",
        )
