"""Counting cells by where the separators stand: what csv reads, or a doubt, never a wrong count."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.readers import fields
from imbalance_cli.readers.fields import FieldCounts, count_block, count_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT = st.text('09.é-x "\n,;', max_size=4)
LABEL = st.sampled_from(["0", "1", "", " 1", "1.0", "yes", "négatif", 'a "b", c'])
ROWS = st.lists(st.tuples(LABEL, TEXT, LABEL, TEXT, LABEL), min_size=1, max_size=30)
LABELS = [4, 0, 2]  # the last column, the first, and one between
ENDS = st.sampled_from(["\n", "\r\n"])


def write_rows(rows: Sequence[Sequence[str]], delimiter: str, end: str, quoting: int) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


def read_rows(text: str, delimiter: str = ",") -> tuple[list[list[str]], list[int]]:
    """Return the rows that Python's own reader finds, and on which line each of them begins."""
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)
    rows, begins = [], [0]
    for row in reader:
        rows.append(row)
        begins.append(reader.line_num)
    return rows, begins[:-1]


def check(found: FieldCounts, block: bytes, counted: Sequence[int], delimiter: str = ",") -> None:
    """Compare counts, their order, and where each text is first seen with Python's own reader."""
    rows, begins = read_rows(block.decode(), delimiter)
    assert (found.rows, found.lines) == (len(rows), block.count(b"\n"))
    for column, texts, firsts in zip(counted, found.texts, found.firsts, strict=True):
        cells = [row[column] for row in rows]
        wanted = {text: cells.count(text) for text in dict.fromkeys(cells)}
        assert list(texts.items()) == list(wanted.items())
        lines = {text: block.count(b"\n", 0, first) for text, first in firsts.items()}
        assert lines == {text: begins[cells.index(text)] for text in wanted}


@given(
    ROWS, st.sampled_from(",;\t| \x01"), ENDS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
)
def test_cells_are_what_csv_reads(
    rows: list[tuple[str, ...]], delimiter: str, end: str, quoting: int
) -> None:
    block = write_rows(rows, delimiter, end, quoting).encode()
    found = count_fields(block, 5, LABELS, delimiter.encode())
    assert found is not None
    check(found, block, LABELS, delimiter)


@given(ROWS, ENDS, st.data())
def test_one_changed_byte_is_a_doubt_or_another_count(
    rows: list[tuple[str, ...]], end: str, data: st.DataObject
) -> None:
    content = bytearray(write_rows(rows, ",", end, csv.QUOTE_MINIMAL).encode())
    place = data.draw(st.integers(0, len(content) - 2))  # a block has its last newline
    content[place] = data.draw(st.sampled_from(b'01,"\n\r \0\xc3\xff') | st.integers(0, 255))
    found = count_fields(bytes(content), 5, LABELS, b",")
    if found is not None:
        check(found, bytes(content), LABELS)


@given(
    st.lists(st.sampled_from([*'01,"\n a', "\r\n", "\r"]), min_size=1).map("".join),
    st.integers(1, 3),
)
def test_any_text_is_a_doubt_or_what_csv_reads(text: str, columns: int) -> None:
    block = text.encode() + b"\n"
    found = count_fields(block, columns, range(columns), b",")
    if found is not None and columns > 1:  # the csv module gives no cell for a blank line
        check(found, block, range(columns))
    elif found is not None:
        cells = [row[0] if row else "" for row in read_rows(block.decode())[0]]
        assert found.texts == [{cell: cells.count(cell) for cell in cells}]


@pytest.mark.parametrize(
    "row",
    [
        b"a,1,b", b"a,1,b,0,", b"", b"a,1,b,0,a,1,b,0",
        b'a"b",1,b,0', b'"a"b,1,b,0', b'a,1,"b,0', b'a,"1,b,0', b' "a,b",1,b,0',
        b"a,1,\xff,0", b"a,1,b\xc3,0", b"a,1,\0,0", b"a,1\0,b,0",
        b"a,1,b,0\r\r", b"a,1\r,b,0", b'"a\rb",1,b,0',
        b"a,%s,b,0" % (b"1" * 33),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_what_the_exact_reader_has_to_judge_is_a_doubt(row: bytes, end: bytes) -> None:
    good = (b"a,1,b,0" + end) * 20
    assert count_fields(good, 4, [1, 3], b",") is not None
    assert count_fields(good + row + end + good, 4, [1, 3], b",") is None


def test_odd_bytes_beside_the_labels_are_read() -> None:
    block = 'é,1,!#%&\'()*+ \t\x7f\u2028,0\r\n\ufeffx,0,"a""\n",1\n'.encode()
    found = count_fields(block, 4, [1, 3], b",")
    assert found is not None
    assert found.texts == [{"1": 1, "0": 1}, {"0": 1, "1": 1}]
    assert (found.rows, found.lines) == (2, 3)


def test_one_text_written_in_two_ways_is_one() -> None:
    block = b'a,1\nb,"1"\r\nc,1\r\nd,0\n'
    found = count_fields(block, 2, [1], b",")
    assert found is not None
    assert found.texts == [{"1": 3, "0": 1}]


def test_as_many_texts_as_a_label_may_have() -> None:
    for texts in (16, 17):
        found = count_fields(b"".join(b"x,%d\n" % i for i in range(texts)), 2, [1], b",")
        assert (found is not None) == (texts == 16)


def test_a_block_with_a_record_too_long_is_a_doubt() -> None:
    with mock.patch.object(fields, "LONGEST_BLOCK", 100):
        assert count_fields(b"a,1,b,0\n" * 12, 4, [1, 3], b",") is not None
        assert count_fields(b"a,1,b,0\n" * 13, 4, [1, 3], b",") is None


def test_a_block_of_digits_counts_as_its_cells_do() -> None:
    digits = np.random.default_rng(0).integers(0, 2, (1000, 4))
    digits[:, 2] = 1
    block = "".join(",".join(map(str, row)) + "\n" for row in digits.tolist()).encode()
    fast, slow = (count_block(block, 4, [3, 2], b",", width) for width in (8, None))
    assert fast is not None
    assert slow is not None
    assert fast.rows == slow.rows == fast.lines == slow.lines == 1000
    assert fast.texts == slow.texts
    assert fast.texts[1] == {"1": 1000}
    assert count_block(block + b"0,1,0,\n", 4, [3], b",", 8) is not None  # by its separators
