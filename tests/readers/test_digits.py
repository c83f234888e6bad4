"""Counting a matrix of digits: numpy's sum, or a doubt, never a wrong count."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.readers.digits import count_ones, digit_width


def render(matrix: np.ndarray, delimiter: str, end: str) -> bytes:
    lines = [delimiter.join(map(str, row)) + end for row in matrix.tolist()]
    return "".join(lines).encode()


MATRICES = st.tuples(st.integers(1, 600), st.integers(1, 5), st.integers(0, 2**32 - 1)).map(
    lambda shape: np.random.default_rng(shape[2]).integers(0, 2, shape[:2])
)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(MATRICES, st.sampled_from(",\t"), ENDS)
def test_ones_are_what_numpy_sums(matrix: np.ndarray, delimiter: str, end: str) -> None:
    block = render(matrix, delimiter, end)
    columns = matrix.shape[1]
    width = digit_width(block[: block.find(b"\n") + 1], columns)
    assert width is not None
    assert width == 2 * columns - 1 + len(end)
    counted = count_ones(block, width, columns, delimiter.encode())
    assert counted == (len(matrix), matrix.sum(axis=0).tolist())


@given(MATRICES, ENDS, st.data())
def test_one_changed_byte_is_a_doubt_or_another_digit(
    matrix: np.ndarray, end: str, data: st.DataObject
) -> None:
    block = bytearray(render(matrix, ",", end))
    width, columns = len(block) // len(matrix), matrix.shape[1]
    block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    counted = count_ones(bytes(block), width, columns, b",")
    if counted is not None:
        rows = [list(map(int, row)) for row in csv.reader(io.StringIO(block.decode()))]
        assert counted == (len(matrix), np.sum(rows, axis=0).tolist())


@pytest.mark.parametrize(
    "record",
    [b"0,1", b"0,1,\n", b"0,,1\n", b"0,2\n", b"10\n", b"0\n", b"\n", b"", b"-1,0\n", b'"0",1\n'],
)
def test_other_records_have_no_digit_width(record: bytes) -> None:
    assert digit_width(record, 2) is None


def test_a_cut_row_is_a_doubt() -> None:
    assert count_ones(b"0,1\n0,1", 4, 2, b",") is None
    assert count_ones(b"0,1\n0;1\n", 4, 2, b",") is None
