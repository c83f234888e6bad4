"""Cells of several tags: lists in text, and separators that do not part them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.errors import LabelError
from imbalance_cli.labels.encoding import LabelEncoder, Vocabulary
from imbalance_cli.labels.tags import find_separator
from imbalance_cli.readers import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TAGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(str.strip)
TAGS = TAGS.filter(lambda tag: tag not in {"", "0", "1"})  # lists of these may be a place a label
ROWS = st.lists(st.lists(TAGS | st.integers(min_value=2), max_size=4), min_size=1, max_size=8)


def table_of(cells: Sequence[object], dtype: object = pl.String) -> Table:
    """Return a table with one column of cells."""
    frame = pl.DataFrame({"label": pl.Series(cells, dtype=dtype)})  # type: ignore[arg-type]
    return Table("t.csv", frame, lambda row: f"t.csv: line {row + 2}")


def read(cells: Sequence[object], dtype: object = pl.String) -> list[object]:
    """Return the tags of each cell."""
    return Vocabulary("label", "tags").add(table_of(cells, dtype)).to_list()


def labels_of(cells: Sequence[object], separator: str | None = None) -> Vocabulary:
    """Return the vocabulary of cells."""
    vocabulary = Vocabulary("label", "tags", separator)
    vocabulary.add(table_of(cells))
    return vocabulary


def as_json(row: list[str | int]) -> str:
    """Return a row as JSON with every letter in ASCII, which has more backslashes."""
    return json.dumps(row)


def as_plain_json(row: list[str | int]) -> str:
    """Return a row as JSON."""
    return json.dumps(row, ensure_ascii=False)


@pytest.mark.parametrize("write", [str, as_json, as_plain_json])
@settings(deadline=None)  # a loaded machine is no failure
@given(rows=ROWS)
def test_a_list_in_text_holds_what_it_was_written_from(
    write: Callable[[list[str | int]], str], rows: list[list[str | int]]
) -> None:
    expected = [list(dict.fromkeys(str(tag) for tag in row)) for row in rows]
    assert read([write(row) for row in rows]) == expected


@settings(deadline=None)  # a loaded machine is no failure
@given(rows=ROWS)
def test_a_numpy_array_in_text_is_a_list(rows: list[list[str | int]]) -> None:
    arrays = [np.array([f"{tag}" for tag in row], object) for row in rows]
    expected = [list(dict.fromkeys(str(tag) for tag in row)) for row in rows]
    with np.printoptions(linewidth=20):
        assert read([str(array) for array in arrays]) == expected


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("[]", []),
        ("('a', 'b')", ["a", "b"]),
        ("('a',)", ["a"]),
        ("()", []),
        ("{'b', 3}", ["b", "3"]),
        ("set()", []),
        ("[ ]", []),
        ("['a;b', \"it's\"]", ["a;b", "it's"]),
        ("['a', 'a', ' a ']", ["a"]),
        ("['NA', None, null, nan]", ["NA"]),
        ("[1, 2.0, 2.5, -3, 1e3]", ["1", "2", "2.5", "-3", "1e3"]),
        ("['a',]", ["a"]),
        ("['a' 'b']", ["a", "b"]),
        (r"['a\\b', '\u00e9']", ["a\\b", "é"]),
        (r'["\ud83d\ude00"]', ["😀"]),
        ("", None),
        ("NA", None),
    ],
)
def test_lists_by_hand(cell: str, tags: list[str] | None) -> None:
    assert read([cell, "['a']"]) == [tags, ["a"]]


@pytest.mark.parametrize("cell", ["[NSFW]", "['a''b']", "['a'b]", "['it's']", "[1.2.3]"])
def test_what_is_no_list_is_a_tag_in_brackets(cell: str) -> None:
    assert read([cell, "x"]) == [[cell], ["x"]]


def test_lists_of_numbers_hold_tags() -> None:
    assert read([[1, 2], [], None, [2, None]], pl.List(pl.Int64)) == [["1", "2"], [], None, ["2"]]
    assert read([[1.0, 2.5, float("nan")]], pl.List(pl.Float64)) == [["1", "2.5"]]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_cell_that_is_broken_among_lists_is_refused(size: int) -> None:
    cells = pl.DataFrame({"label": ["['a', 'b']", "", "[]", "['a', 'b'"]})

    def read_all(read_batch: Callable[[Table], object]) -> None:
        for first in range(0, 4, size):
            batch = cells[first : first + size]
            read_batch(Table("t.csv", batch, lambda row: f"t.csv: line {first + row + 2}"))  # noqa: B023  asked before the next batch

    encoder = LabelEncoder("tags", ["label"], ["a", "b"])
    for read_batch in (Vocabulary("label", "tags").add, encoder.encode):
        with pytest.raises(LabelError) as caught:
            read_all(read_batch)
        assert caught.value.message == (
            "t.csv: line 5: column 'label': \"['a', 'b'\" is no list, and other cells are lists"
        )
        assert "[] is no tag" in str(caught.value.hint)


def test_a_list_among_other_cells_is_refused() -> None:
    with pytest.raises(LabelError, match=r"line 4: column 'label': '\[\]' is a list, and other"):
        read(["a;b", "c", "[]"])


@pytest.mark.parametrize("cell", ["[a, b]", "[{'name': 'a'}]", "['a', b]"])
def test_a_list_of_anything_else_is_refused(cell: str) -> None:
    with pytest.raises(LabelError, match=r"line 2: .* is no list of texts in quotes or of numbers"):
        read([cell, "x"])


def test_an_empty_tag_in_a_list_is_refused() -> None:
    with pytest.raises(LabelError) as caught:
        read(["['a']", "['a', ' ']"])
    assert (
        caught.value.message == "t.csv: line 3: column 'label': \"['a', ' ']\" holds an empty tag"
    )
    assert caught.value.hint == "leave it out of the list; a list without tags is []"


def test_a_backslash_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(LabelError, match=r"line 3: .*has a backslash that stands for nothing"):
        read(["['a']", r"['\x']"])


def test_a_word_in_a_list_is_a_tag_and_no_remark() -> None:
    vocabulary = labels_of(["['NA', 'a']", "['a']"])
    assert vocabulary.labels("t.csv") == ["NA", "a"]
    assert vocabulary.remarks() == []


@pytest.mark.parametrize("separator", [",", "|", "#", "/", "\t", " ", ", ", " | "])
@pytest.mark.parametrize("labels", [2, 6, 40])
def test_a_separator_that_fits_better_is_found(separator: str, labels: int) -> None:
    random = np.random.default_rng(0)
    names = [f"tag{i}" for i in range(labels)]
    held = random.random((60 * labels, labels)) < 1.5 / labels
    rows = [[name for name, is_held in zip(names, row, strict=True) if is_held] for row in held]
    cells = [separator.join(row) for row in rows]
    found = {name for row in rows for name in row}
    assert find_separator({cell for cell in cells if cell}) == (
        separator.strip() or separator,
        len(found),
    )


@pytest.mark.parametrize(
    "values",
    [
        {"a", "b", "c"},
        {"Paris, France", "Lyon, France", "Bonn, Germany", "Ulm, Germany"},
        {"sport/football", "sport/tennis", "news/politics", "news"},
        {"AC/DC", "rock", "pop", "soul"},
        {"high risk", "low risk", "high cost", "low cost", "high", "low", "very high", "very low"},
        {"a,b", "c"},
        {"a,", "b,", "a", "b"},
        {",", "a", "b"},
        set(),
    ],
)
def test_tags_of_several_words_are_no_combinations(values: set[str]) -> None:
    assert find_separator(values) is None


def test_another_separator_is_refused_or_told() -> None:
    cells = ["a|b", "a", "b", "c|a", "c", "b|c", "c|b"]
    with pytest.raises(LabelError) as caught:
        labels_of(cells).labels("t.csv")
    assert caught.value.message == (
        "t.csv: column 'label': no cell holds ';' between tags, and '|' would make 3 tags of its "
        "7 different values, such as 'a|b'"
    )
    assert caught.value.hint == (
        '--tag-separator "|" (data.tag_separator: "|" in a config); or ";" there, if each of these '
        "values is one tag"
    )
    given_one = labels_of(cells, ";")
    assert len(given_one.labels("t.csv")) == 7
    assert given_one.remarks() == [caught.value.message.removeprefix("t.csv: ")]
    assert labels_of([*cells, "a;b"]).labels("t.csv")[0] == "a"
    assert labels_of(cells, "|").labels("t.csv") == ["a", "b", "c"]


def test_lists_have_no_separator() -> None:
    cells = [["a|b"], ["a"], ["b"]]
    for table in (table_of(cells, pl.List(pl.String)), table_of([str(cell) for cell in cells])):
        vocabulary = Vocabulary("label", "tags")
        vocabulary.add(table)
        assert vocabulary.labels("t.csv") == ["a", "a|b", "b"]


def test_blank_cells_of_tags_are_told() -> None:
    vocabulary = labels_of(["a", "", " ", "NA", "b"])
    blank, word = vocabulary.remarks()
    assert blank == (
        "column 'label': 2 cells are blank and so count as missing; if blank means no tags: "
        "data.missing_labels: negative (imbtrain weights --missing-labels negative)"
    )
    assert word.startswith("column 'label': 1 cell 'NA' is read as missing")
    assert vocabulary.remarks(missing_is_given=True) == []


@pytest.mark.parametrize("cell", ["{toxic,insult}", "{toxic}", "{'a': 1}", '{"a": 1, "b": 0}'])
def test_what_looks_like_a_list_and_is_none_is_refused(cell: str) -> None:
    with pytest.raises(LabelError, match="no list of texts in quotes or of numbers"):
        read([cell, "toxic", cell])


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["[0, 1, 0]", "[0, 0, 0]", "[1, 1, 0]"], pl.String),
        (["[0 1 0]", "[0. 0. 0.]"], pl.String),
        ([[0, 1, 0], None, [1, 1, 0]], pl.List(pl.Int64)),
        ([[0.0, 1.0, 0.0]], pl.List(pl.Float64)),
    ],
)
def test_a_place_a_label_is_no_list_of_tags(cells: list[object], dtype: pl.DataType) -> None:
    with pytest.raises(LabelError, match="every cell is a list of 3 zeros and ones") as caught:
        read(cells, dtype)
    assert "a column of its own" in str(caught.value.hint)
    assert read(["[0, 1]", "[1]"]) == [["0", "1"], ["1"]]  # the names of classes
    assert read(["[0, 1]", "[1, 0]"]) == [["0", "1"], ["1", "0"]]
