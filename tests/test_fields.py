"""Counting cells by where the separators stand: what csv reads, or a doubt, never a wrong count."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.readers import fields
from imbalance_cli.readers.fields import count_fields

HEADER = b"a,y,b,z\n"
FEATURE = st.text("09.é-x", max_size=4)
LABEL = st.sampled_from(["0", "1", ""])
ROWS = st.lists(st.tuples(FEATURE, LABEL, FEATURE, LABEL), min_size=1, max_size=30)


def count(content: bytes, counted: list[int], block: int) -> tuple[int, list[list[int]]] | None:
    """Count columns of a file that is read in blocks of some bytes."""
    with TemporaryDirectory() as folder, mock.patch.object(fields, "BLOCK", block):
        path = Path(folder) / "t.csv"
        path.write_bytes(HEADER + content)
        found = count_fields(path, len(HEADER), 4, counted, b",")
    return None if found is None else (found[0], found[1].tolist())


def expect(text: str, counted: list[int]) -> tuple[int, list[list[int]]]:
    """Count them with Python's own reader."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    columns = [[row[i] for row in rows] for i in counted]
    return len(rows), [[cells.count(text) for text in ("0", "1", "")] for cells in columns]


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.integers(0, 1), st.integers(60, 300))
def test_cells_are_what_csv_reads(
    rows: list[tuple[str, str, str, str]], end: str, cut: int, block: int
) -> None:
    text = "".join(",".join(row) + end for row in rows)
    if end == "\n":
        text = text[: len(text) - cut]  # the last row may do without its newline
    assert count(text.encode(), [1, 3], block) == expect(text, [1, 3])


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.data())
def test_one_changed_byte_is_a_doubt_or_another_count(
    rows: list[tuple[str, str, str, str]], end: str, data: st.DataObject
) -> None:
    content = bytearray("".join(",".join(row) + end for row in rows).encode())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = count(bytes(content), [1, 3], 10_000)
    if found is not None:
        assert found == expect(content.decode(), [1, 3])


def test_the_first_column_and_every_one() -> None:
    content = b"1,0,,1\r\n,1,0,1\r\n0,1,1,\r\n"
    wanted = [[1, 1, 1], [1, 2, 0], [1, 1, 1], [0, 2, 1]]
    assert count(content, [0, 1, 2, 3], 1000) == (3, wanted)


@pytest.mark.parametrize(
    "row",
    [
        b"a,2,b,0", b"a,01,b,0", b"a,1 ,b,0", b"a,1,b", b"a,1,b,0,", b'"a",1,b,0', b"a,1,\xff,0",
        b"a,1,\0,0", b"a,1,b,0\r", b"a,1\r,b,0", b"", b"a,1,b,0,a,1,b,0",
    ],
)  # fmt: skip
def test_anything_else_is_a_doubt(row: bytes) -> None:
    good = b"a,1,b,0\n" * 20
    assert count(good, [1, 3], 50) == (20, [[0, 20, 0], [20, 0, 0]])
    assert count(good + row + b"\n" + good, [1, 3], 50) is None


def test_a_record_longer_than_a_block_is_a_doubt() -> None:
    assert count(b"a,1," + b"b" * 200 + b",0\n", [1, 3], 50) is None


def test_a_last_record_without_a_newline_that_a_block_cuts() -> None:
    assert count(b"a,1,b,0\n" * 7 + b"a,1,b,0", [1, 3], 60) == (8, [[0, 8, 0], [8, 0, 0]])
    assert count(b"a,1,b,0", [1, 3], 60) == (1, [[0, 1, 0], [1, 0, 0]])
    assert count(b"", [1, 3], 60) is None


def test_many_blocks_add_up() -> None:
    labels = np.random.default_rng(0).integers(0, 2, (50_000, 2))
    content = "".join(f"0.5,{y},abc,{z}\n" for y, z in labels.tolist()).encode()
    ones = labels.sum(axis=0).tolist()
    wanted = [[50_000 - one, one, 0] for one in ones]
    assert count(content, [1, 3], 2**16) == (50_000, wanted)
