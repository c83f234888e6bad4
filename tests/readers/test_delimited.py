"""CSV and TSV: three ways of reading that agree to the cell, wherever the blocks are cut."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import os
import threading
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pandas as pd
import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import ImbtrainError, SourceError
from imbalance_cli.labels import LabelCounts, count_labels
from imbalance_cli.readers import delimited, header, open_source
from imbalance_cli.readers.delimited import DelimitedSource
from imbalance_cli.readers.dialect import Dialect
from imbalance_cli.readers.records import RecordBlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import WriteFile

DATA = Path(__file__).resolve().parents[2] / "data"
BIG_ROWS = 20_000  # of two columns or more: beyond the 64 KB that are read record by record

LONG_NAME = "feature_number_0\tfeature_number_1\tfeature_number_2\tfeatur..."

CELLS = st.one_of(
    st.sampled_from(["", "0", "1", " ", "NA", "yes", "0.0", "é", "a b"]),
    st.text(st.sampled_from('01a ,;\t"\n\r\ufeffé'), max_size=4),
)


@dataclasses.dataclass(frozen=True)
class Text:
    """A table, and one of the many ways to write it down."""

    columns: list[str]
    rows: list[list[str]]
    header: bytes
    body: bytes
    whole: bytes


def quote(cell: str, *, needless: bool) -> str:
    if needless or any(mark in cell for mark in ',"\r\n') or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell


@st.composite
def texts(draw: st.DrawFn, cells: st.SearchStrategy[str] = CELLS) -> Text:
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    columns = [f"c{i}" for i in range(width)]
    lines = [
        ",".join(quote(cell, needless=draw(st.booleans())) for cell in row)
        + end
        + (end * draw(st.integers(0, 1)) if width > 1 else "")  # a blank line is no record there
        for row in rows
    ]
    body = "".join(lines)
    if draw(st.booleans()) and lines[-1] != end:
        body = body.removesuffix(end)
    whole = body if body.endswith(end) else body + end  # a block has its last newline
    header = draw(st.sampled_from(["", "\ufeff"])) + ",".join(columns) + end
    return Text(columns, rows, header.encode(), body.encode(), whole.encode())


def label_of(cell: str) -> int | None:
    """Read a label cell, independently of the package."""
    word = cell.strip().lower()
    return None if word in {"", "na", "nan", "null"} else int(word in {"1", "+1", "1.0", "true"})


def expected_counts(rows: list[list[str]]) -> list[tuple[float, float, float]]:
    columns = [Counter(map(label_of, column)) for column in zip(*rows, strict=True)]
    return [(sides[1], sides[0], sides[None]) for sides in columns]


def found_counts(labels: list[LabelCounts]) -> list[tuple[float, float, float]]:
    return [(label.positives, label.negatives, label.missing) for label in labels]


def outcome(read: Callable[[], list[list[str]]]) -> tuple[list[list[str]], str]:
    """Return the rows that were read, or none and the error's message."""
    try:
        return read(), ""
    except SourceError as error:
        return [], error.message


LABEL_CELLS = st.sampled_from(
    ["0", "1", "0", "1", "", "NA", " 1", "1.0", "0.0", "True", "no", "+1"]
)
MOSTLY_DIGITS = st.sampled_from(["0", "1"] * 8 + [""])


@given(texts())
def test_polars_and_exact_records_agree_to_the_cell(text: Text) -> None:
    block = RecordBlock(text.whole, 2, text.columns, ",", "t.csv")
    assert [row for _, row in block.records()] == text.rows
    for columns in (text.columns, text.columns[:1], text.columns[::-1]):
        expected = [tuple(row[text.columns.index(c)] for c in columns) for row in text.rows]
        assert block.frame(columns).rows() == expected


@given(st.lists(st.sampled_from([*'01,"\n a', "\r\n"]), min_size=1).map("".join), st.integers(1, 3))
def test_polars_and_exact_records_agree_on_any_text(text: str, width: int) -> None:
    columns = [f"c{i}" for i in range(width)]
    block = RecordBlock(text.encode() + b"\n", 2, columns, ",", "t.csv")
    exact = outcome(lambda: [row for _, row in block.records()])
    for chosen in (columns, columns[:1], columns[-1:]):
        indices = [columns.index(column) for column in chosen]
        expected = [[row[i] for i in indices] for row in exact[0]]
        found = outcome(lambda: list(map(list, block.frame(chosen).rows())))  # noqa: B023  called here
        assert found == (expected, exact[1])


@given(texts())
def test_exact_records_are_those_of_the_csv_module(text: Text) -> None:
    theirs = [r for r in csv.reader(io.StringIO(text.body.decode(), newline="")) if r]
    block = RecordBlock(text.whole, 2, text.columns, ",", "t.csv")
    ours = [row for _, row in block.records() if row != [""]]
    assert ours == [row for row in theirs if row != [""]]


@given(
    texts(LABEL_CELLS) | texts(MOSTLY_DIGITS),
    st.sampled_from([".csv", ".csv.gz", ".csv.zst"]),
    st.integers(1, 40),
    st.sampled_from([0, 10, 2**16]),
)
def test_block_boundaries_change_no_count(text: Text, suffix: str, block: int, small: int) -> None:
    content = text.header + text.body
    packed = {
        ".csv": content,
        ".csv.gz": gzip.compress(content),
        ".csv.zst": zstandard.compress(content),
    }
    with (
        TemporaryDirectory() as directory,
        mock.patch.multiple(delimited, BLOCK=block, COUNTED_BLOCK=block),
        mock.patch.object(delimited, "SMALL", max(small, 1)),
    ):
        path = Path(directory) / f"t{suffix}"
        path.write_bytes(packed[suffix])
        counts = count_labels(open_source(str(path)), text.columns)
        frames = [batch.frame for batch in open_source(str(path)).batches(text.columns)]
    assert counts.rows == len(text.rows)
    assert found_counts(counts.labels) == expected_counts(text.rows)
    assert pl.concat(frames).rows() == [tuple(row) for row in text.rows]


@given(texts(), st.data(), st.integers(1, 40), st.sampled_from([0, 2**16]))
def test_an_error_names_the_line_where_the_record_begins(
    text: Text, data: st.DataObject, block: int, small: int
) -> None:
    row = data.draw(st.integers(0, len(text.rows) - 1))
    block_of_all = RecordBlock(text.whole, 2, text.columns, ",", "t.csv")
    line = block_of_all.place(row, len(text.rows))
    before = text.rows[:row]  # an independent count: the newlines of the records before
    newlines = sum(cell.count("\n") for record in before for cell in record) + len(before)
    assert 0 <= int(line.removeprefix("line ")) - 2 - newlines <= len(before)  # and blank lines
    with (
        TemporaryDirectory() as directory,
        mock.patch.multiple(delimited, BLOCK=block, COUNTED_BLOCK=block),
        mock.patch.object(delimited, "SMALL", max(small, 1)),
    ):
        path = Path(directory) / "t.csv"
        path.write_bytes(text.header + text.body)
        as_rows = Dialect(skip_rows=0)  # else a word above numbers may be taken for a unit
        batches = list(DelimitedSource(str(path), ",", as_rows).batches(text.columns))
    places = [batch.place(i) for batch in batches for i in range(batch.frame.height)]
    assert places[row] == line


@pytest.mark.parametrize("name", ["flights.csv", "flights_multilabel.csv"])
def test_real_flights_count_as_pandas_counts_them(name: str, tmp_path: Path) -> None:
    table = pd.read_csv(DATA / name)
    labels = [c for c in table.columns if c == "cancelled" or c.startswith("y_")]
    expected = [
        (int((table[c] == 1).sum()), int((table[c] == 0).sum()), int(table[c].isna().sum()))
        for c in labels
    ]
    content = (DATA / name).read_bytes()
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(content, 1))
    (tmp_path / "f.csv.zst").write_bytes(zstandard.compress(content))
    pl.read_csv(DATA / name, null_values="").write_parquet(tmp_path / "f.parquet")
    pl.read_csv(DATA / name, infer_schema=False).write_csv(tmp_path / "f.tsv", separator="\t")
    np.save(tmp_path / "f.npy", table[labels].to_numpy(np.float64))
    for path in [DATA / name, *sorted(tmp_path.iterdir())]:
        patterns = labels if path.suffix != ".npy" else []
        counts = count_labels(open_source(str(path)), patterns)
        assert counts.rows == len(table), path
        assert found_counts(counts.labels) == expected, path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("spoiled", [None, "", "2", "NA", "10"])
def test_a_big_file_of_digits_counts_as_numpy_sums(
    write: WriteFile, end: str, spoiled: str | None
) -> None:
    digits = np.random.default_rng(0).integers(0, 2, (BIG_ROWS, 5))
    rows = [list(map(str, row)) for row in digits.tolist()]
    if spoiled is not None:
        rows[-1][2] = spoiled
    body = end.join(",".join(row) for row in rows)
    source = open_source(write("d.csv", "y_0,y_1,y_2,y_3,y_4" + end + body))
    if spoiled in {"2", "10"}:
        with pytest.raises(Exception, match=rf"line {BIG_ROWS + 1}: column 'y_2': '{spoiled}'"):
            count_labels(source)
        return
    counts = count_labels(source)
    known = np.array([row for row in rows if row[2] not in {"", "NA"}], int)
    assert counts.rows == BIG_ROWS
    assert counts.labels[2].positives == known[:, 2].sum()
    assert counts.labels[2].missing == (spoiled is not None)
    assert counts.labels[0].positives == digits[:, 0].sum()


def test_a_block_of_digits_on_a_stream_is_counted(write: WriteFile) -> None:
    digits = np.random.default_rng(0).integers(0, 2, (BIG_ROWS, 3))
    lines = "\n".join(",".join(map(str, row)) for row in digits.tolist())
    path = write("d.csv.gz", gzip.compress(f"a,b,c\n{lines}\n".encode(), 1))
    counts = count_labels(open_source(path))
    assert [label.positives for label in counts.labels] == digits.sum(axis=0).tolist()


def ragged_cases() -> dict[str, tuple[str, str]]:
    """Rows that do not fit the header "y,x,z", and what the error says of each."""
    return {
        "short": ("1,a", "2 cells where the header has 3"),
        "very short": ("1", "1 cell where the header has 3"),
        "long": ("1,a,b,c", "4 cells where the header has 3"),
        "a quoted blank alone": ('""', "1 cell where the header has 3"),
    }


@pytest.mark.parametrize("last", ["b", ""], ids=["last column full", "last column blank"])
@pytest.mark.parametrize("rows", [5, BIG_ROWS])
@pytest.mark.parametrize("case", ragged_cases())
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_ragged_row_is_refused_with_its_line(
    write: WriteFile, last: str, rows: int, case: str, suffix: str
) -> None:
    row, problem = ragged_cases()[case]
    line = f"1,a,{last}\n"
    content = f"y,x,z\n{line * rows}{row}\n{line * rows}".encode()
    path = write(f"r{suffix}", gzip.compress(content, 1) if suffix == ".csv.gz" else content)
    with pytest.raises(SourceError) as caught:
        count_labels(open_source(path))
    assert caught.value.message == f"{path}: line {rows + 2}: {problem}"
    assert caught.value.hint is not None


@pytest.mark.parametrize("rows", [5, BIG_ROWS])
def test_a_blank_last_column_is_no_ragged_row(write: WriteFile, rows: int) -> None:
    for first in ("1", "yes", '"1"'):
        counts = count_labels(open_source(write("b.csv", "y,x\n" + f"{first},\n0,\n" * rows)))
        assert counts.labels == [LabelCounts("y", rows, rows)]


def test_blank_lines_are_no_records_except_in_a_lone_column(write: WriteFile) -> None:
    for rows in (3, BIG_ROWS):
        lone = count_labels(open_source(write("a.csv", "y\n" + "1\n\n0\n" * rows)))
        assert lone.labels == [LabelCounts("y", rows, rows, rows)]
        pair = count_labels(open_source(write("b.csv", "y,x\n" + "1,a\n\n0,b\n" * rows)))
        assert pair.rows == 2 * rows
        assert pair.labels == [LabelCounts("y", rows, rows)]


def errors() -> dict[str, tuple[bytes, str]]:
    """Files that cannot be read: the bytes, and what the error says after the name."""
    big = b"1,a\n" * BIG_ROWS
    return {
        "empty": (b"", ": the file is empty"),
        "header only": (b"y,x\n", ": a header and no rows"),
        "header only, no newline": (b"y,x", ": a header and no rows"),
        "header and blank lines": (b"y,x\n\n\n", ": a header and no rows"),
        "blank lines": (
            b"\n \n\r\n",
            ": no header: there are only blank lines, comments and lines to skip",
        ),
        "duplicate": (b"y,x,y\n1,2,3\n", ": line 1: two columns are called 'y'"),
        "duplicate after stripping": (b"y, y\n1,2\n", ": line 1: two columns are called 'y'"),
        "latin1 header": ("y,é\n1,2\n".encode("latin1"), ": line 1: not UTF-8: byte 0xe9"),
        "latin1 cell": ("y,x\n1,2\n1,é\n".encode("latin1"), ": line 3: not UTF-8: byte 0xe9"),
        "utf-16": ("y,x\n1,2\n".encode("utf-16"), ": line 1: not UTF-8: byte 0xff"),
        "utf-16 without a mark": (
            "y,x\n1,2\n".encode("utf-16-be"),
            ": line 1: the name of column 1 holds a NUL byte",
        ),
        "a zip archive": (
            b"PK\x03\x04y,x\n1,2\n",
            ": a zip archive or a spreadsheet, not delimited text",
        ),
        "text after a quoted label, big": (
            b"y,x\n" + big + b'""1"",b\n' + big,
            f": line {BIG_ROWS + 2}: bad CSV: ',' expected after '\"'",
        ),
        "a quote at the very end, big": (
            b"y,x\n" + big + b'1,"',
            f": line {BIG_ROWS + 2}: a quote that never closes",
        ),
        "unclosed quote": (b'y,x\n1,a\n1,"b\n1,c\n', ": line 3: a quote that never closes"),
        "unclosed quote, big": (
            b"y,x\n" + big + b'1,"b\n' + big,
            f": line {BIG_ROWS + 2}: a quote that never closes",
        ),
        "unclosed quote in the header": (b'y,"x\n1,2\n', ": line 1: a quote that never closes"),
        "text after a quote": (
            b'y,x\n1,"a"b\n',
            ": line 2: bad CSV: ',' expected after '\"'",
        ),
        "old Mac line ends": (
            b"y,x\r1,2\r0,3\r",
            ": line 1: a lone carriage return outside quotes",
        ),
    }


@pytest.mark.parametrize("case", errors())
def test_an_unreadable_file_says_what_and_where(write: WriteFile, case: str) -> None:
    content, problem = errors()[case]
    path = write("bad.csv", content)
    with pytest.raises(SourceError) as caught:
        count_labels(open_source(path), ["y"])
    assert caught.value.message == path + problem


@pytest.mark.parametrize(
    ("case", "hint"),
    [
        ("latin1 cell", "iconv -f latin1"),
        ("utf-16", "iconv -f utf-16"),
        ("utf-16 without a mark", "iconv -f utf-16le (or utf-16be)"),
    ],
)
def test_the_hint_fits_the_encoding(write: WriteFile, case: str, hint: str) -> None:
    with pytest.raises(SourceError) as caught:
        count_labels(open_source(write("bad.csv", errors()[case][0])))
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"y;x\n1;2\n", "one column, 'y;x': the cells seem to be separated by ';', not by ','"),
        (
            b"\t".join(b"feature_number_%d" % i for i in range(40)) + b"\n",
            f"one column, {LONG_NAME!r}: the cells seem to be separated by '\\t', not by ','",
        ),
    ],
    ids=["semicolons", "a long header with tabs"],
)
def test_another_delimiter_than_the_one_given(
    write: WriteFile, content: bytes, problem: str
) -> None:
    path = write("d.csv", content)
    with pytest.raises(SourceError) as caught:
        DelimitedSource(path, ",")
    assert caught.value.message == f"{path}: line 1: {problem}"


def bad_rows() -> dict[str, tuple[bytes, str]]:
    """A row of a label and two features each, and what the error says after the line."""
    no_label = "is not a binary label"
    return {
        "infinity": (b"inf,a,b", f"column 'y': 'inf' {no_label}"),
        "minus infinity": (b"-inf,a,b", f"column 'y': '-inf' {no_label}"),
        "beyond a double": (b"1e400,a,b", f"column 'y': '1e400' {no_label}"),
        "beyond 64 bits": (b"%d,a,b" % 2**70, f"column 'y': '{2**70}' {no_label}"),
        "one beyond 64 bits": (b"%d,a,b" % (2**64 + 1), f"column 'y': '{2**64 + 1}' {no_label}"),
        "a text among numbers": (b"text,a,b", f"column 'y': 'text' {no_label}"),
        "a fraction": (b"0.5,a,b", f"column 'y': '0.5' {no_label}"),
        "a quote that never closes": (b'1,"a,b', "a quote that never closes"),
        "text after a quoted label": (b'""1"",a,b', "bad CSV: ',' expected after '\"'"),
        "a lone carriage return": (b"1,a\rb,c", "a lone carriage return outside quotes"),
        "NUL in the label": (b"1\0,a,b", "column 'y': a NUL byte"),
        "NUL in the middle": (b"1,\0,b", "column 'x': a NUL byte"),
        "NUL at the end": (b"1,a,\0\0", "column 'z': a NUL byte"),
        "latin1 in the label": (b"\xe9,a,b", "not UTF-8: byte 0xe9"),
        "latin1 in a feature": (b"1,caf\xe9,b", "not UTF-8: byte 0xe9"),
        "a character that is cut off": (b"1,a,\xc3", "not UTF-8: byte 0xc3"),
        "a delimiter too many": (b"1,a,b,", "4 cells where the header has 3"),
        "two delimiters too many": (b"1,a,b,,", "5 cells where the header has 3"),
        "a cell too few": (b"1,a", "2 cells where the header has 3"),
    }


@pytest.mark.parametrize("last", ["2", "c", ""], ids=["numbers", "texts", "blanks"])
@pytest.mark.parametrize(
    ("rows", "suffix"), [(5, ".csv"), (BIG_ROWS, ".csv"), (BIG_ROWS, ".csv.gz")]
)
@pytest.mark.parametrize("case", bad_rows())
def test_a_bad_row_is_refused_with_its_line_and_column(
    write: WriteFile, case: str, rows: int, last: str, suffix: str
) -> None:
    row, problem = bad_rows()[case]
    good = f"1,3,{last}\n0,4,{last}\n".encode() * rows
    content = b"y,x,z\n" + good + row + b"\n" + good
    path = write(f"b{suffix}", gzip.compress(content, 1) if suffix == ".csv.gz" else content)
    with pytest.raises(ImbtrainError) as caught:
        count_labels(open_source(path), ["y"])
    assert caught.value.message == f"{path}: line {2 * rows + 2}: {problem}"
    assert caught.value.hint is not None
    if isinstance(caught.value, SourceError):  # as the same rows do where they are trained on
        with pytest.raises(SourceError) as trained:
            list(open_source(path).batches(["x"]))
        assert trained.value.message == caught.value.message


@pytest.mark.parametrize("rows", [5, BIG_ROWS])
@pytest.mark.parametrize(
    ("start", "end", "more"),
    [("\ufeff", "\n", ""), ("", "\r\n", ""), ("", "\n", ","), ("\ufeff", "\r\n", ",")],
    ids=["a byte order mark", "CRLF", "a delimiter after each row", "all three"],
)
def test_harmless_oddities_are_read(
    write: WriteFile, start: str, end: str, more: str, rows: int
) -> None:
    lines = ["y,x", *["1,a", "0,b", "nan,c", "NaN,d"] * rows]
    source = open_source(write("o.csv", start + "".join(line + more + end for line in lines)))
    assert source.columns == ["y", "x", "column_3"][: 2 + len(more)]
    assert count_labels(source, ["y"]).labels == [LabelCounts("y", rows, rows, 2 * rows)]
    batches = list(open_source(source.name).batches(source.columns))
    assert [row[:2] for batch in batches for row in batch.frame.rows()] == [
        tuple(line.split(",")) for line in lines[1:]
    ]


@pytest.mark.parametrize("quote", ["", '"'], ids=["bare", "quoted"])
def test_a_cell_of_ten_megabytes(write: WriteFile, quote: str) -> None:
    cell = ("a,\r\n" if quote else "abcd") * 2_500_000
    path = write("c.csv", f"y,x\n1,{quote}{cell}{quote}\n0,b\n")
    assert count_labels(open_source(path), ["y"]).labels == [LabelCounts("y", 1, 1)]
    (batch,) = open_source(path).batches(["x"])
    assert batch.frame["x"].to_list() == [cell, "b"]
    with pytest.raises(ImbtrainError) as caught:
        count_labels(open_source(path), ["x"])
    assert len(caught.value.message) < len(path) + 200


@pytest.mark.parametrize(
    "cells", ["01", ["0.5", "0.7"], ["a", "b"]], ids=["0/1", "numbers", "text"]
)
def test_twenty_thousand_columns(write: WriteFile, cells: str | list[str]) -> None:
    names = ["y", *(f"x{i}" for i in range(20_000))]
    lines = [",".join([side, *[cells[int(side)]] * 20_000]) for side in "01"]
    path = write("w.csv", "\n".join([",".join(names), *lines * 20, ""]))
    assert count_labels(open_source(path), ["y"]).labels == [LabelCounts("y", 20, 20)]
    (batch,) = open_source(path).batches(names)
    assert batch.frame.shape == (40, 20_001)
    assert [",".join(row) for row in batch.frame.rows()] == lines * 20
    if cells == "01":
        counts = count_labels(open_source(path), ["*"])
        assert {(label.positives, label.negatives) for label in counts.labels} == {(20, 20)}


def test_the_line_of_a_text_is_found_once_a_block() -> None:
    block = RecordBlock(b'"a\nb",1\n' * 1000, 2, ["x", "y"], ",", "t.csv")
    with mock.patch.object(RecordBlock, "records", autospec=True, side_effect=RecordBlock.records):
        assert [block.place(row, 1000) for row in (0, 1, 999)] == ["line 2", "line 4", "line 2000"]
        assert RecordBlock.records.call_count == 1  # type: ignore[attr-defined]


@given(
    st.lists(st.sampled_from([*'01,"\n aé', "\r", "\r\n", "\0"]), min_size=1).map("".join),
    st.sampled_from(["y", "y,a", "a,y", "a,y,b"]),
    st.integers(1, 4),
)
def test_fast_counts_are_those_of_the_exact_reader(text: str, header: str, block: int) -> None:
    def count() -> tuple[int, list[tuple[str, int]], dict[str, str]] | str:
        try:
            tally = DelimitedSource(str(path), ",").tally(["y"])
        except SourceError as error:
            return error.message
        cells = tally.columns["y"]
        return tally.rows, list(cells.counts.items()), cells.places

    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(f"{header}\n{text}", newline="")
        exact = count()
        with (
            mock.patch.multiple(delimited, SMALL=4, COUNTED_BLOCK=block),
            mock.patch.object(delimited, "digit_width", return_value=None),  # which notes no line
        ):
            assert count() == exact


@given(
    st.lists(st.sampled_from([*'01,"\n aé', "\r", "\r\n", "\0"]), min_size=1).map("".join),
    st.integers(1, 3),
)
def test_a_scanned_block_holds_what_its_records_do(text: str, columns: int) -> None:
    names = [f"c{i}" for i in range(columns)]
    block = RecordBlock(text.encode() + b"\n", 2, names, ",", "t.csv")
    scanned = outcome(lambda: list(map(list, block.frame(names).rows())))
    assert scanned == outcome(lambda: [cells for _, cells in block.records()])


def test_a_header_that_never_ends_is_refused_with_flat_memory(write: WriteFile) -> None:
    path = write("bad.csv", b'y,"x\n' + b"1,2\n" * 2000)
    with (
        mock.patch.multiple(header, PIECE=64, LONGEST_HEADER=1024),
        pytest.raises(SourceError, match="line 1: no end of the header in 0 MB"),
    ):
        open_source(path)


def test_a_header_longer_than_the_first_read(write: WriteFile) -> None:
    columns = [f"column_number_{i}" for i in range(10_000)]
    path = write("wide.csv", ",".join(["y", *columns]) + "\n" + ",".join(["1"] * 10_001) + "\n")
    assert count_labels(open_source(path)).labels == [LabelCounts("y", 1, 0)]


def test_a_header_with_a_newline_a_blank_name_and_spaces(write: WriteFile) -> None:
    for rows in (1, BIG_ROWS):
        body = "1,2,3\n" * rows + "0,2,3\n"
        source = open_source(write("h.csv", ' y ,"two\nlines",\n' + body))
        assert source.columns == ["y", "two\nlines", "column_3"]
        assert count_labels(source).labels == [LabelCounts("y", rows, 1)]
    with pytest.raises(Exception, match=r"line 3: column 'y': 'x' is not"):
        count_labels(open_source(write("h.csv", 'y,"two\nlines"\nx,1\n')))


def test_a_byte_order_mark_inside_a_file_is_a_part_of_its_cell() -> None:
    block = RecordBlock("\ufeffa,1\nb,0\n".encode(), 2, ["x", "y"], ",", "t.csv")
    assert block.frame(["x", "y"]).rows() == [("\ufeffa", "1"), ("b", "0")]


def test_a_label_shifted_by_an_unquoted_delimiter_is_refused(write: WriteFile) -> None:
    rows = "7,plain,0\n" * BIG_ROWS
    path = write("t.csv", "id,text,y\n" + rows + "8,ratio 0,1,\n")
    with pytest.raises(SourceError, match="4 cells where the header has 3"):
        count_labels(open_source(path))


def test_texts_with_quoted_delimiters_are_still_scanned(write: WriteFile) -> None:
    rows = '7,"one, two",0\n8,"a ""quote"", and more",1\n' * BIG_ROWS
    counts = count_labels(open_source(write("t.csv", "id,text,y\n" + rows)))
    assert (counts.labels[0].positives, counts.labels[0].negatives) == (BIG_ROWS, BIG_ROWS)


def test_a_file_whose_name_looks_like_a_glob(write: WriteFile) -> None:
    write("part1.csv", "y,x\n" + "1,a\n" * BIG_ROWS)
    path = write("part[1].csv", "y,x\n" + "0,b\n" * BIG_ROWS)
    assert count_labels(open_source(path)).labels == [LabelCounts("y", 0, BIG_ROWS)]


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    content = b"y,x\n" + b"1,a\n0,b\n" * BIG_ROWS
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    counts = count_labels(open_source(str(pipe)))
    writer.join()
    assert counts.labels == [LabelCounts("y", BIG_ROWS, BIG_ROWS)]


def test_upper_case_suffixes(write: WriteFile) -> None:
    content = b"y\n1\n0\n"
    for name, packed in {
        "A.CSV": content,
        "B.CSV.GZ": gzip.compress(content),
        "C.Csv.Zst": zstandard.compress(content),
    }.items():
        assert count_labels(open_source(write(name, packed))).labels == [LabelCounts("y", 1, 1)]


def test_counting_stops_at_a_column_that_is_no_label(write: WriteFile) -> None:
    lines = "".join(f"1,{i}\n" for i in range(1000))
    path = write("x.csv", "a,b\n" + lines)
    with mock.patch.multiple(delimited, COUNTED_BLOCK=100, SMALL=100):
        tally = open_source(path).tally(["a", "b"])
    assert tally.overflow
    assert 0 < tally.rows < 1000
