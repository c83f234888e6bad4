"""One table in every format and compression, and everything that can be wrong with a file."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
import os
import sys
import tempfile
import threading
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import SourceError
from imbalance_cli.labels import LabelCounts, count_labels, encode_labels
from imbalance_cli.readers import ndjson, open_source, read_table
from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts
from imbalance_cli.readers.formats import FORMAT_SPECS, detect_format, list_suffixes, table_suffix
from imbalance_cli.readers.frames import FrameSource
from imbalance_cli.readers.text_formats import sniff_delimiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import WriteFile

    from imbalance_cli.readers.source import Source

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
TABLE = pl.DataFrame(
    {
        "count": [1, 20, None, -4, 2**40],
        "amount": [0.5, None, 1e-7, 2.25, -1e300],
        "text": ["plain", 'a "quote", and a comma; | a tab\t', None, "two\nlines", "é ü 漢"],
        "day": [date(2020, 2, 29), None, date(1969, 12, 31), date(2024, 1, 1), date(2000, 1, 1)],
        "y": [1, 0, None, 0, 1],
    }
)
COUNTS = [LabelCounts("y", 2, 2, 1)]


def delimited(separator: str, end: str = "\n") -> bytes:
    return TABLE.write_csv(separator=separator, line_terminator=end).encode()


def as_ndjson() -> bytes:
    return TABLE.write_ndjson().encode()


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


CONTENTS: dict[str, bytes] = {
    "commas.csv": delimited(","),
    "crlf.csv": delimited(",", "\r\n"),
    "mark.csv": b"\xef\xbb\xbf" + delimited(","),
    "semicolons.csv": delimited(";"),
    "bars.txt": delimited("|"),
    "tabs.data": delimited("\t"),
    "tabs.tsv": delimited("\t"),
    "objects.ndjson": as_ndjson(),
    "objects.jsonl": b"\xef\xbb\xbf" + as_ndjson().replace(b"\n", b"\r\n\n"),
    "wrong suffix, objects.csv": as_ndjson(),
    "t.parquet": written(TABLE.write_parquet),
    "wrong suffix, parquet.csv": written(TABLE.write_parquet),
    "t.arrow": written(TABLE.write_ipc),
    "t.feather": written(lambda stream: TABLE.write_ipc(stream, compression="zstd")),
    "stream.ipc": written(TABLE.write_ipc_stream),
}


def assert_is_table(source: Source) -> None:
    """Assert that a source has the columns, cells and targets of TABLE."""
    assert source.columns == TABLE.columns
    assert (dict(source.keys), list(source.own_labels)) == ({}, [])
    table = read_table([source], source.columns)
    for column in ("count", "amount"):
        found = parse_numbers(table.frame[column])
        assert found.bad_row is None
        assert list(found.values) == TABLE[column].cast(pl.Float64).to_list()
    expected = [text and text.strip() for text in TABLE["text"]]
    assert parse_texts(table.frame["text"]).to_list() == expected
    days = [None if day is None else (day - date(1970, 1, 1)).days for day in TABLE["day"]]
    assert list(parse_dates(table.frame["day"]).values) == days
    targets = encode_labels(table, ["y"], None).dense()
    np.testing.assert_array_equal(targets[:, 0], [1, 0, math.nan, 0, 1])


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("name", CONTENTS)
def test_every_format_gives_the_same_table(write: WriteFile, name: str, compression: str) -> None:
    path = write(name + compression, COMPRESS[compression](CONTENTS[name]))
    assert_is_table(open_source(path))
    counts = count_labels(open_source(path))
    assert (counts.rows, counts.labels) == (5, COUNTS)


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("name", CONTENTS)
def test_stdin_gives_the_same_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, compression: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = COMPRESS[compression](CONTENTS[name])
    stream = io.BufferedReader(io.BytesIO(content))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    source = open_source("-", "tsv" if name == "tabs.tsv" else None)
    assert source.name == "stdin"
    assert_is_table(source)
    del source
    assert not stream.closed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("compression", list(COMPRESS)[1:])
def test_compression_is_seen_whatever_the_name(write: WriteFile, compression: str) -> None:
    big = b"y,x\n" + b"1,a\n0,b\n" * 20_000  # large enough for the reader of plain files
    path = write("t.csv", COMPRESS[compression](big))
    assert count_labels(open_source(path)).labels == [LabelCounts("y", 20_000, 20_000)]


@pytest.mark.parametrize("kind", ["pandas", "pandas, nullable", "polars"])
def test_a_data_frame_gives_the_same_table(kind: str) -> None:
    frame: Any = TABLE
    if kind != "polars":
        frame = pd.DataFrame(TABLE.to_dict(as_series=False), index=pd.Index([7, 7, 7, 8, 9]))
        frame["day"] = pd.to_datetime(frame["day"])
    if kind == "pandas, nullable":
        frame["count"] = pd.array(TABLE["count"].to_list(), dtype="Int64")
        frame["y"] = pd.array([True, False, None, False, True], dtype="boolean")
        frame["text"] = frame["text"].astype("category")
    assert_is_table(FrameSource(frame))
    assert count_labels(FrameSource(frame)).labels == COUNTS


def test_a_named_format_is_not_looked_for(write: WriteFile) -> None:
    for input_format, name in (
        ("csv", "commas.csv"),
        ("csv", "semicolons.csv"),
        ("tsv", "tabs.tsv"),
        ("ndjson", "objects.ndjson"),
        ("parquet", "t.parquet"),
        ("arrow", "t.arrow"),
    ):
        assert_is_table(open_source(write("no-suffix", CONTENTS[name]), input_format))
    with pytest.raises(SourceError, match="not a Parquet file"):
        open_source(write("no-suffix", CONTENTS["t.arrow"]), "parquet")
    with pytest.raises(SourceError, match="no input format is called 'parket'") as caught:
        open_source(write("no-suffix", CONTENTS["t.arrow"]), "parket")
    assert caught.value.hint == "did you mean 'parquet'?"


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "safetensors"])
def test_arrays_are_known_by_their_content(tmp_path: Path, kind: str) -> None:
    import torch
    from safetensors.numpy import save_file

    path, array = tmp_path / f"t.{kind}", np.array([1.0, 0.0, 1.0])
    match kind:
        case "npy":
            np.save(path, array)
        case "npz":
            np.savez(path, y=array)
        case "pt":
            torch.save({"y": torch.from_numpy(array)}, path)
        case _:
            save_file({"y": array}, path)
    for name in (f"t.{kind}", "t.csv", "t"):
        path = path.rename(tmp_path / name)
        assert detect_format(str(path), path.read_bytes()) == kind
        assert count_labels(open_source(str(path))).labels == [LabelCounts("y", 2, 1)]


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("suffix", [".svm", ".svmlight", ".libsvm"])
def test_svmlight_text_is_read(write: WriteFile, suffix: str, compression: str) -> None:
    path = write("t" + suffix + compression, COMPRESS[compression](b"1 1:0.5\n-1 2:3\n+1 1:2\n"))
    counts = count_labels(open_source(path))
    assert [(c.positives, c.negatives) for c in counts.labels] == [(2, 1)]


def test_every_format_has_a_suffix() -> None:
    assert set(list_suffixes().values()) == set(FORMAT_SPECS)
    for suffix, input_format in list_suffixes().items():
        for compression in COMPRESS:
            name = f"dir.x/A.b{suffix.upper()}{compression}"
            assert table_suffix(name) == suffix
            assert detect_format(name, b"") == input_format


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        (b"a;b\n1;2\n", ";"),
        (b"a|b\r\n1|2\r\n", "|"),
        (b"a\tb\n1\t2\n", "\t"),
        (b"a;b", ";"),
        (b"a;b|c\n1;2\n", ";"),  # the second record tells
        (b"a,b;c\n1,2\n", ","),
        (b"a;b\n1\n", ","),  # a lone column, which is refused with a hint
        (b"a;b|c\n1;2|3\n", ","),
        (b'"a;b"\n1\n', ","),
        (b'"a,b";c\n1;2\n', ";"),
        (b'a;b\n"1;\n,2";2\n', ";"),
        (b"\xef\xbb\xbf\n\na;b\n1;2\n", ";"),
        (b"a^b\n1^2\n", "^"),
        (b"a~b\n1~2\n", "~"),
        (b"a\x01b\n1\x012\n", "\x01"),
        (b"a^b;c\n1;2\n", ";"),
        (b"a^b\n1\n", ","),  # a name with a caret
        (b"a\n1\n", ","),
        (b"", ","),
    ],
)
def test_the_delimiter_that_must_be_meant(head: bytes, delimiter: str) -> None:
    assert sniff_delimiter(head) == delimiter


def test_a_comma_in_a_tsv_and_an_ambiguous_header_are_still_refused(write: WriteFile) -> None:
    for name, content in (("t.tsv", "a,y\n1,0\n"), ("t.csv", "a;y|z\n1;0|0\n")):
        with pytest.raises(SourceError, match=r"line 1: one column, .* the cells seem to be"):
            open_source(write(name, content))


@pytest.mark.parametrize("compression", list(COMPRESS)[1:])
@pytest.mark.parametrize("name", ["commas.csv", "tabs.tsv", "objects.ndjson", "t.parquet"])
def test_a_cut_off_file_is_one_error(write: WriteFile, name: str, compression: str) -> None:
    packed = COMPRESS[compression](CONTENTS[name])
    for cut in (1, 3, len(packed) // 2, len(packed) - 1):
        path = write(name + compression, packed[:cut])
        with pytest.raises(SourceError) as caught:
            count_labels(open_source(path))
        assert caught.value.message.startswith(f"{path}: the compressed file ends too early: ")


@pytest.mark.parametrize("compression", list(COMPRESS)[1:])
def test_a_broken_file_is_one_error(write: WriteFile, compression: str) -> None:
    noise = np.random.default_rng(0).integers(0, 10, 5000)
    packed = bytearray(COMPRESS[compression](b"y\n" + b"\n".join(b"%d" % n for n in noise)))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    rubbish = COMPRESS[compression](b"y\n1\n") + b"rubbish"
    for content in (bytes(packed), b"y,x\n1,a\n", rubbish):
        path = write("t.csv" + compression, content)
        with pytest.raises(SourceError) as caught:
            read_table([open_source(path)], ["y"])
        assert caught.value.message.startswith(f"{path}: cannot be read: ")
        assert "\n" not in caught.value.message


BAD: dict[str, tuple[str, bytes, str]] = {
    "lone CR in CSV": ("t.csv", b"y,x\r1,2\r", "line 1: a lone carriage return outside quotes"),
    "lone CR in NDJSON": (
        "t.jsonl",
        b'{"y":1}\r{"y":0}\n',
        "line 1: bad JSON at character 9: more",
    ),
    "NUL in CSV": ("t.csv", b"y,x\n1,a\x00b\n", "line 2: column 'x': a NUL byte"),
    "NUL in NDJSON": (
        "t.jsonl",
        b'{"y":1}\n{"y":\x00}\n',
        "line 2: bad JSON at character 6: a val",
    ),
    "NUL in a string": ("t.jsonl", b'{"y":"\x00"}\n', "line 1: bad JSON at character 7: Invalid"),
    "not UTF-8": ("t.jsonl", b'{"y":1}\n{"y":"\xe9"}\n', "line 2: not UTF-8: byte 0xe9"),
    "half a pair": ("t.jsonl", b'{"y":"1"}\n{"y":"\\ud800"}\n', "line 2: half of a surrogate pair"),
    "an array": ("t.jsonl", b'{"y":1}\n\n[1]\n', "line 3: not a JSON object: '[1]'"),
    "two objects": ("t.jsonl", b'{"y":1}{"y":0}\n', "line 1: bad JSON at character 8: more than"),
    "a cut object": ("t.jsonl", b'{"y":1}\n{"y":"a', "line 2: bad JSON at character 6: a string"),
    "pretty": ("t.jsonl", b'{\n  "y": 1\n}\n', "line 1: bad JSON at character 2: "),
    "a key twice": ("t.jsonl", b'{"y":1,"y":0}\n', "line 1: the key 'y' stands twice"),
    "nested too deeply": ("t.jsonl", b'{"y":' + b"[" * 100_000, "line 1: nested too deeply: "),
    "no keys": ("t.jsonl", b"{}\n", "line 1: an object without keys"),
    "blank lines": ("t.jsonl", b"\n \n", "the file is empty"),
    "empty": ("t.jsonl", b"", "the file is empty"),
    "empty Parquet": ("t.parquet", b"", "the file is empty"),
    "empty Arrow": ("t.arrow", b"", "the file is empty"),
    "empty gzip": ("t.jsonl.gz", gzip.compress(b""), "the file is empty"),
    "CSV called Parquet": ("t.parquet", b"y\n1\n", "not a Parquet file"),
    "CSV called Arrow": ("t.feather", b"y,x,z\n1,2,3\n", "is called .feather, and begins as"),
    "CSV called NDJSON": ("t.ndjson", b"y\n1\n", "line 1: bad JSON at character 1: a value"),
    "a broken array": ("t.json", b'[{"y": 1},\n{"y": 2,,}]', "line 2: bad JSON at character 9"),
    "an array cut off": ("t.json", b'[{"y": 1},\n', "line 1: bad JSON at character 11"),
    "an array of more": ("t.json", b'[{"y": 1}, 7]', "object 2: not a JSON object: '7'"),
    "an empty array": ("t.json", b"[]", "an array without objects"),
    "a zip archive": ("t.zip", b"PK\x03\x04" + bytes(40), "a zip archive, which is not read"),
    "UTF-16": ("t.csv", "y,x\n1,2\n".encode("utf-16"), "line 1: not UTF-8: byte 0xff"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_error(write: WriteFile, case: str) -> None:
    name, content, problem = BAD[case]
    path = write(name, content)
    with pytest.raises(SourceError) as caught:
        read_table([open_source(path)], ["y"])
    assert caught.value.message.startswith(f"{path}: {problem}")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < len(path) + 200


@given(st.sampled_from(list(CONTENTS)), st.sampled_from(list(COMPRESS)), st.data())
def test_damaged_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, compression: str, data: st.DataObject
) -> None:
    content = bytearray(COMPRESS[compression](CONTENTS[name]))
    is_binary = CONTENTS[name][:4] in {
        b"PAR1",
        b"ARRO",
        b"\xff" * 4,
    }  # polars trusts the sizes in these
    for _ in range(0 if is_binary else data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / (name + compression)
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    message = f"{path}: no error"
    try:
        source = open_source(str(path))
        read_table([source], source.columns)
    except SourceError as error:
        message = error.message
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["commas.csv", "objects.ndjson", "t.parquet", "t.arrow"])
def test_a_named_pipe_is_opened_once(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name.removesuffix(".csv")  # as /dev/fd/63, which has no suffix
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(CONTENTS[name],))
    writer.start()
    assert_is_table(open_source(str(pipe)))
    writer.join()


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('aé漢"\\\n,; '), max_size=4)
)
OBJECTS = st.lists(st.dictionaries(st.sampled_from("abc"), SCALARS), min_size=1, max_size=8)


def text_of(value: object) -> str:
    """Return the text of a JSON scalar, independently of the package."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(OBJECTS, st.sampled_from(["\n", "\r\n", "\n\n"]), st.integers(1, 60))
def test_ndjson_cells_and_lines_wherever_blocks_are_cut(
    objects: list[dict[str, Any]], end: str, block: int
) -> None:
    first = dict.fromkeys("cab", 0)  # all keys in the first block
    lines = [json.dumps(found, ensure_ascii=block % 2 == 0) for found in [first, *objects]]
    content = end.join(lines).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ndjson, "BLOCK", block)
        stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
        patch.setattr(sys, "stdin", stdin)
        source = open_source("-", "ndjson")
        table = read_table([source], ["a", "b", "c"])
    assert source.columns == ["c", "a", "b"]
    expected = [tuple(text_of(found.get(key)) for key in "abc") for found in [first, *objects]]
    assert table.frame.rows() == expected
    step = end.count("\n")
    assert [table.place(row) for row in range(len(expected))] == [
        f"stdin: line {1 + row * step}" for row in range(len(expected))
    ]


@given(OBJECTS, st.sampled_from([None, 2]), st.integers(1, 60))
def test_an_array_of_objects_is_read_as_the_same_lines_are(
    objects: list[dict[str, Any]], indent: int | None, block: int
) -> None:
    first = dict.fromkeys("cab", 0)
    texts = [json.dumps([first, *objects], indent=indent), *map(json.dumps, [first, *objects])]
    tables = []
    for text in (texts[0], "\n".join(texts[1:])):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ndjson, "BLOCK", block)
            stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode())))
            patch.setattr(sys, "stdin", stdin)
            tables.append(read_table([open_source("-")], ["c", "a", "b"]))
    array, lines = tables
    assert array.frame.equals(lines.frame)
    assert array.place(len(objects)) == f"stdin: object {len(objects) + 1}"


def test_ndjson_of_mixed_and_nested_values(write: WriteFile) -> None:
    lines = [
        {"n": 1, "mixed": 1, "nested": {"a": 1}, "tags": ["a", 2], "y": True},
        {"n": 2.50, "mixed": "one", "nested": [1], "tags": [], "y": False},
        {"n": 10**400, "mixed": None, "nested": None, "y": None},
    ]
    path = write("t.ndjson", "\n".join(map(json.dumps, lines)))
    source = open_source(path)
    frame = read_table([source], source.columns).frame
    assert frame["n"].to_list() == ["1", "2.5", "1" + "0" * 400]
    assert frame["mixed"].to_list() == ["1", "one", ""]
    assert frame["nested"].to_list() == ["Struct", "List", ""]
    assert frame["tags"].to_list() == [["a", "2"], [], None]
    assert count_labels(open_source(path)).labels == [LabelCounts("y", 1, 1, 1)]
    assert open_source(path).tally(["tags"]).columns["tags"].counts == {"List(String)": 3}


def test_a_number_is_the_text_that_was_written(write: WriteFile) -> None:
    texts = ["1.0", "1e3", "-0", "0.1000000000000000055", "12345678901234567890123", "NaN"]
    path = write("t.ndjson", "".join(f'{{"y": {text}}}\n' for text in texts))
    assert read_table([open_source(path)], ["y"]).frame["y"].to_list() == texts


def test_what_changes_after_the_first_block_is_refused(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndjson, "BLOCK", 30)
    known = '{"y": 1, "tags": ["a"]}\n' * 5
    path = write("t.ndjson", known + '{"y": 0, "tag": ["a"]}\n')
    with pytest.raises(SourceError, match=r"line 6: column 'tag' appears here first") as caught:
        read_table([open_source(path)], ["y"])
    assert caught.value.hint == "did you mean 'tags'?"
    path = write("t.ndjson", known + '{"y": 0, "tags": "a"}\n')
    with pytest.raises(SourceError, match=r"line 6: column 'tags': 'a' where the lines before"):
        read_table([open_source(path)], ["tags"])


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([b"x", b"y"], "Binary"),
        ([{"a": 1}, {"a": 2}], "Struct"),
        ([1 + 1j, 2 + 0j], "Object"),
        (pd.to_timedelta([1, 2], "D"), "Duration"),
    ],
)
def test_pandas_columns_that_no_feature_can_be_keep_their_type(cells: Any, kind: str) -> None:  # noqa: ANN401
    source = FrameSource(pd.DataFrame({"cells": cells}))
    (batch,) = source.batches(["cells"])
    assert str(batch.frame.dtypes[0]).startswith(kind)


def test_frames_that_are_no_table() -> None:
    for frame, problem in (
        (pl.DataFrame({"y": [1]}).lazy(), "'LazyFrame' is no data frame"),
        (np.zeros(3), "'ndarray' is no data frame"),
        (pd.DataFrame({"y": []}), "no rows"),
        (pd.DataFrame([[1, 2]], columns=["y", "y"]), "two columns are called 'y'"),
        (pd.DataFrame([[1, 2]], columns=pd.Index([1, "1"])), "two columns are called '1'"),
    ):
        with pytest.raises(SourceError, match=f"^train: {problem}"):
            FrameSource(frame, "train")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2**62 + 1, None], "Int64", [1, 2**62 + 1, None]),
        ([1.5, None, 2.5], "Float32", [1.5, None, 2.5]),
        ([True, None, False], "boolean", [True, None, False]),
        ([True, None, False], object, ["True", None, "False"]),
        ([1, "a", None], object, ["1", "a", None]),
        ([[1], {"a": 1}, b"x"], object, ["List", "Struct", "Binary"]),
        ([["a", 1, None], [], None, ("b",), {"c"}], object,
         [["a", "1", None], [], None, ["b"], ["c"]]),
        ([[["a"]], ["b"]], object, ["List", "List"]),
        ([None, None], object, [None, None]),
        (["a", None, "b"], "string", ["a", None, "b"]),
        (["a", None, "b"], "category", ["a", None, "b"]),
        ([1, None, 3], "category", ["1", None, "3"]),
        ([-1, 0, 1], "int8", [-1, 0, 1]),
        ([False, True, True], "bool", [False, True, True]),
    ],
)  # fmt: skip
def test_pandas_columns_of_every_type(values: list[Any], dtype: Any, expected: list[Any]) -> None:  # noqa: ANN401  a name or a type
    frame = pd.DataFrame({0: pd.Series(values, dtype=dtype)})
    assert next(FrameSource(frame).batches(["0"])).frame["0"].to_list() == expected


def test_pandas_moments_in_a_zone_are_utc() -> None:
    moments = pd.to_datetime(pd.Series(["2024-01-01 01:00", None])).dt.tz_localize("Europe/Berlin")
    frame = pd.DataFrame({"t": moments, "gap": pd.to_timedelta([1, None], unit="D")})
    found = next(FrameSource(frame).batches(["t", "gap"])).frame
    assert list(parse_dates(found["t"]).values) == [19723.0, None]
    assert found["gap"].to_list() == [timedelta(days=1), None]


def test_rows_of_a_frame_have_places(monkeypatch: pytest.MonkeyPatch) -> None:
    from imbalance_cli.readers import frames

    monkeypatch.setattr(frames, "BATCH_ROWS", 2)
    for frame in (pd.DataFrame({"y": [0, 1, 1, 0, 1]}), pl.DataFrame({"y": [0, 1, 1, 0, 1]})):
        table = read_table([FrameSource(frame, "train")], ["y"])
        assert table.frame["y"].to_list() == [0, 1, 1, 0, 1]
        assert table.place(4) == "train: row 5"
