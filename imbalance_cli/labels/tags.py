"""Cells of several tags: texts with a separator, or lists as Python, JSON and numpy write them.

Shapes: B rows of a batch.
"""

from __future__ import annotations

import ast
import collections
import dataclasses
import json
from typing import TYPE_CHECKING

import polars as pl

from imbalance_cli.errors import LONGEST_SHOWN, LabelError, number_of, shorten, show_cell

if TYPE_CHECKING:
    from collections.abc import Collection

    from imbalance_cli.readers import Table

DEFAULT_SEPARATOR = ";"
USUAL_SEPARATORS = (",", "|", "#", "/", "+", "&", "\t", " ")
RECURRING = 0.9  # share of the tags of a combination that must stand in another value too
NOTHING = ("None", "null", "nan", "NaN")  # in a list, without quotes
ITEM = (
    r"""'(?s:[^'\\]|\\.)*'|"(?s:[^"\\]|\\.)*"|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|"""
    + "|".join(NOTHING)
)
ITEMS = rf"\s*(?:(?:{ITEM})(?:(?:\s*,\s*|\s+)(?:{ITEM}))*\s*,?\s*)?"  # numpy writes no commas
LIST = rf"^(?:\[{ITEMS}\]|\({ITEMS}\)|\{{{ITEMS}\}}|set\(\))$"  # a tuple and a set are one too
OTHER_LIST = r"^(?:\[[^\]]*[,{][^\]]*\]|\{[^}]*\})$"
"""What looks like one, and is not read: [a, b], [{"name": "a"}], {a,b} as databases write it."""
WHOLE_NUMBER = r"^([-+]?\d+)\.0*$"
NO_LIST = "no list of texts in quotes or of numbers"
LIST_HINT = "write every cell as a list, such as ['toxic', 'insult'], where [] is no tag; or none"


@dataclasses.dataclass
class TagReader:
    """Reads one column of tags, a batch at a time.

    Attributes:
        column: its name.
        separator: between the tags of a text; None for the default.
        is_list: whether its texts are lists, which the first of them say; None before these.
        is_parted: whether any cell was a list or held the separator.
    """

    column: str
    separator: str | None = None
    is_list: bool | None = None
    is_parted: bool = False

    def read(self, table: Table, cells: pl.Series) -> pl.Series:
        """Return the tags of each cell as a list, (B,), null where the cell is missing.

        Args:
            table: for the place in an error.
            cells: (B,) stripped texts, null where missing; or lists of texts or numbers, in which
                a null is no tag.

        Raises:
            LabelError: a cell holds an empty tag, is a list and others are none, or is a list of
                anything else.
        """
        if isinstance(cells.dtype, pl.List):
            return self._distinct(table, self._check_lists(table, _as_texts(cells)), cells)
        if self._are_lists(table, cells):
            tags = self._check_lists(table, self._parse_lists(table, cells))
            return self._distinct(table, tags, cells)
        tags = cells.str.split(self.separator or DEFAULT_SEPARATOR)
        self.is_parted |= bool((tags.list.len() > 1).any())
        return self._distinct(table, tags.list.eval(pl.element().str.strip_chars()), cells)

    def _are_lists(self, table: Table, texts: pl.Series) -> bool:
        matches = texts.str.contains(LIST)
        lists, known = matches.sum(), len(texts) - texts.null_count()
        if self.is_list is None and known:
            self.is_list = 2 * lists >= known  # the odd one out is what an error names
        wrong = ~matches if self.is_list else matches | texts.str.contains(OTHER_LIST)
        wrong = wrong.fill_null(value=False)
        if wrong.any():
            row = wrong.arg_max() or 0
            problem = "a list, and other cells are none" if matches[row] else NO_LIST
            if self.is_list:
                problem = "no list, and other cells are lists"
            raise LabelError(
                f"{table.place(row)}: column {self.column!r}: {show_cell(texts[row])} is {problem}",
                hint=LIST_HINT,
            )
        return bool(self.is_list)

    def _check_lists(self, table: Table, tags: pl.Series) -> pl.Series:
        """Return lists of tags, unless each has a 0 or 1 for every tag."""
        self.is_parted = True
        sizes = tags.list.len().drop_nulls().unique()
        is_repeated = (tags.list.n_unique() < tags.list.len()).any()
        if len(sizes) == 1 and is_repeated and tags.explode().is_in(["0", "1"]).all():
            shown = show_cell(str(tags.drop_nulls()[0].to_list()))
            raise LabelError(
                f"{table.name}: column {self.column!r}: every cell is a list of {sizes[0]} zeros "
                f"and ones, such as {shown}: a place a label?",
                hint="write each label as a column of its own, such as y_1, y_2, and leave "
                "--encoding tags out",
            )
        return tags

    def _parse_lists(self, table: Table, texts: pl.Series) -> pl.Series:
        """Return the tags between the brackets, unquoted and stripped."""
        items = texts.str.extract_all(ITEM)
        item = pl.element()
        is_text = item.str.contains("^['\"]")
        unquoted = pl.when(is_text).then(item.str.slice(1, item.str.len_chars() - 2))
        number = item.str.replace(WHOLE_NUMBER, "${1}")
        tags = unquoted.when(item.is_in(list(NOTHING))).then(None).otherwise(number)
        if texts.str.contains("\\", literal=True).any():
            found = items.explode(empty_as_null=True)
            escaped = found.filter(found.str.contains("\\", literal=True)).unique()
            plain = {text: self._unescape(table, texts, text) for text in escaped}
            tags = pl.when(item.is_in(list(plain))).then(item.replace(plain)).otherwise(tags)
        return items.list.eval(tags.drop_nulls().str.strip_chars())

    def _unescape(self, table: Table, texts: pl.Series, text: str) -> str:
        """Return what a quoted text with backslashes stands for."""
        try:
            try:
                value = json.loads(text)
            except ValueError:
                value = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            row = texts.str.contains(text, literal=True).arg_max() or 0
            raise LabelError(
                f"{table.place(row)}: column {self.column!r}: {show_cell(text)} in a list has a "
                "backslash that stands for nothing",
                hint="write \\\\ for a backslash",
            ) from error
        return str(value).encode(errors="replace").decode()

    def _distinct(self, table: Table, tags: pl.Series, cells: pl.Series) -> pl.Series:
        blank = tags.list.contains("").fill_null(value=False)
        if blank.any():
            row = blank.arg_max() or 0
            is_typed = isinstance(cells.dtype, pl.List)
            seen = shorten(json.dumps(cells[row].to_list()), LONGEST_SHOWN) if is_typed else None
            raise LabelError(
                f"{table.place(row)}: column {self.column!r}: {seen or show_cell(cells[row])} "
                "holds an empty tag",
                hint="leave it out of the list; a list without tags is []"
                if is_typed or self.is_list
                else "name a tag between two separators; data.tag_separator says what separates "
                "them",
            )
        return tags.list.unique(maintain_order=True)


def is_tag_list(dtype: pl.DataType) -> bool:
    """Return whether a column of a type holds lists of texts or numbers."""
    return isinstance(dtype, pl.List) and (dtype.inner == pl.String or dtype.inner.is_numeric())


def suggest_separator(values: Collection[str], used: str) -> tuple[str, str] | None:
    """Return what to say, and to do, where another separator than the one in use fits values.

    Args:
        values: the distinct ones of a column, of which none holds the separator in use.
        used: the separator in use.
    """
    found = find_separator(values)
    if found is None:
        return None
    separator, number = found
    example = min(value for value in values if separator in value)
    quoted = json.dumps(separator)
    in_a_shell = r"$'\t'" if separator == "\t" else quoted
    problem = (
        f"no cell holds {used!r} between tags, and {separator!r} would make "
        f"{number_of(number, 'tag')} of its {len(values):,} different values, such as "
        f"{show_cell(example)}"
    )
    hint = (
        f"--tag-separator {in_a_shell} (data.tag_separator: {quoted} in a config); or "
        f'"{DEFAULT_SEPARATOR}" there, if each of these values is one tag'
    )
    return problem, hint


def find_separator(values: Collection[str]) -> tuple[str, int] | None:
    """Return what parts the distinct values of a column into fewer tags, and into how many.

    The tags of a combination have to stand in other values too, and where blanks part them, alone
    as well, since a tag may be of several words. None where nothing usual does.
    """
    fits: list[tuple[int, str]] = []
    for separator in USUAL_SEPARATORS:
        combined = [value for value in values if separator in value]
        if not combined:
            continue
        found = collections.Counter(tag for value in values for tag in _part(value, separator))
        if "" in found or len(found) >= len(values):
            continue
        tags = [tag for value in combined for tag in _part(value, separator)]
        recurring = sum(found[tag] > 1 for tag in tags)
        stand_alone = separator != " " or set(values).issuperset(tags)
        if stand_alone and recurring >= RECURRING * len(tags):
            fits.append((len(found), separator))
    if not fits:
        return None
    number, separator = min(fits)
    return separator, number


def _part(value: str, separator: str) -> set[str]:
    return {tag.strip() for tag in value.split(separator)}


def _as_texts(cells: pl.Series) -> pl.Series:
    item = pl.element().cast(pl.String)
    if cells.dtype != pl.List(pl.String):
        item = item.str.replace(WHOLE_NUMBER, "${1}").replace("NaN", None)
    return cells.list.eval(item.drop_nulls().str.strip_chars())
