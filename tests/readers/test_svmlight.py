"""svmlight text, held to scikit-learn's reader."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import tracemalloc
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from imbalance_cli.config import Config
from imbalance_cli.errors import SourceError
from imbalance_cli.inspection import inspect_source, propose_config
from imbalance_cli.labels import LabelCounts, LabelSettings, count_labels
from imbalance_cli.readers import svmlight as module
from imbalance_cli.readers.arrays import ArraySource
from imbalance_cli.readers.joined import JoinedSource
from imbalance_cli.readers.source import tally_batches
from imbalance_cli.readers.svmlight import SvmlightSource
from imbalance_cli.rows.roles import assign_roles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import WriteFile

    from imbalance_cli.config import DataSection

MULTI = "3,7,12 1:0.5 9:1\n 1:0.5\n7 2:-3e2  # a comment\n"


def read(source: SvmlightSource, columns: Sequence[str] | None = None) -> pl.DataFrame:
    return pl.concat(batch.frame for batch in source.batches(columns or source.columns))


def read_mixed(source: SvmlightSource) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the features, and the labels from what the source holds sparse."""
    with mock.patch.object(module, "MOST_DENSE", 0):
        batches = list(source.mixed_batches(source.columns))
    for batch in batches:
        assert batch.sparse is not None
        assert batch.sparse.names == source.own_labels
    ones = sp.vstack([batch.sparse.ones for batch in batches if batch.sparse])
    return pl.concat(batch.frame for batch in batches), ones.toarray()


def check_against_sklearn(path: Path) -> None:
    """Compare with what scikit-learn reads, features by index and labels by number."""
    matrix, label_sets, queries = load_svmlight_file(
        str(path), multilabel=True, zero_based=True, query_id=True
    )
    source = SvmlightSource(str(path))
    features = [column for column in source.columns if column.startswith("x_")]
    expected = matrix.toarray()
    assert source.rows == expected.shape[0]
    first = 0 if "x_0" in features else 1
    assert features == [f"x_{i}" for i in range(first, expected.shape[1])]
    assert not expected[:, :first].any()
    seen = sorted({int(label) for labels in label_sets for label in labels})
    if source.own_labels == ["y"]:
        targets = np.array([[label == 1 for label in labels] for labels in label_sets])
    else:
        assert source.own_labels == [f"y_{label}" for label in seen]
        targets = np.array([[label in labels for label in seen] for labels in label_sets])
    frame = read(source)
    labels = list(source.own_labels)
    np.testing.assert_array_equal(frame.select(features).to_numpy(), expected[:, first:])
    if labels:  # a frame of no columns has no rows
        np.testing.assert_array_equal(frame.select(labels).to_numpy(), targets)
    if labels:
        others, ones = read_mixed(source)
        assert others.equals(frame.select(*features, *source.own_groups))
        np.testing.assert_array_equal(ones, targets)
    if source.own_groups:  # scikit-learn leaves out the rows that have none
        assert [int(query) for query in frame["qid"] if query is not None] == queries.tolist()
    else:
        assert not len(queries)
    tally = source.tally(labels)
    assert tally.rows == source.rows
    counted = tally_batches(source.batches(labels), labels)
    assert [c.counts for c in tally.columns.values()] == [
        dict(sorted(c.counts.items())) for c in counted.columns.values()
    ]


VALUES = st.one_of(
    st.floats(allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["1.", ".5", "+2", "-0", "1E-400", "0"]),
)
SPACES = st.sampled_from([" ", "  ", "\t", " \t "])


@st.composite
def svmlight_rows(draw: st.DrawFn, labels: st.SearchStrategy[str]) -> str:
    indices = draw(st.sets(st.integers(0, 12), min_size=1, max_size=5))
    query = ["qid:7"] if draw(st.booleans()) else []
    values = [f"{index}:{draw(VALUES)}" for index in sorted(indices)]
    tokens = [draw(labels), *query, *values]
    text = "".join(token + draw(SPACES) for token in tokens)
    return text + draw(st.sampled_from(["", "# 5:1 x", "#"])) + draw(st.sampled_from(["", "\r"]))


BINARY = st.sampled_from(["-1", "0", "+1", "1", "1.0", "-1e0"])
LABEL_SETS = st.sets(st.integers(0, 20), max_size=4).map(lambda s: ",".join(map(str, s)))


@settings(max_examples=80, deadline=None)
@given(
    rows=st.one_of(
        st.lists(svmlight_rows(BINARY), min_size=1, max_size=12),
        st.lists(svmlight_rows(LABEL_SETS), min_size=1, max_size=12),
    ),
    gaps=st.sampled_from(["\n", "\n\n", "\n# only a comment\n \n"]),
    block=st.sampled_from([10, 100, 2**20]),
    batch_bytes=st.sampled_from([1, 2**20]),
)
def test_what_scikit_learn_reads(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[str],
    gaps: str,
    block: int,
    batch_bytes: int,
) -> None:
    path = tmp_path_factory.mktemp("svmlight") / "t.svm"
    path.write_text(gaps.join(rows) + gaps, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        patch.setattr(module, "BATCH_BYTES", batch_bytes)
        check_against_sklearn(path)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), is_multi=st.booleans(), zero_based=st.booleans())
def test_what_scikit_learn_writes(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    is_multi: bool,  # noqa: FBT001  drawn by hypothesis
    zero_based: bool,  # noqa: FBT001  drawn by hypothesis
) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 9))
    features = random.normal(size=(rows, width)) * (random.random((rows, width)) < 0.5)
    features[:, -1] = 1.5
    targets = random.integers(0, 2, (rows, 4) if is_multi else rows)
    if is_multi:
        targets[0] = [1, 1, 1, 1]
    path = tmp_path_factory.mktemp("svmlight") / "t.svm"
    dump_svmlight_file(features, targets, str(path), multilabel=is_multi, zero_based=zero_based)
    source = SvmlightSource(str(path))
    columns = [f"x_{i + (not zero_based)}" for i in range(width)]
    labels = [f"y_{i}" for i in range(4)] if is_multi else ["y"]
    assert source.own_labels == labels
    stored = [column for column in columns if column in source.columns]
    np.testing.assert_allclose(
        read(source, stored).to_numpy(), features[:, width - len(stored) :], rtol=1e-15
    )
    np.testing.assert_array_equal(read(source, labels).to_numpy(), targets.reshape(rows, -1))
    check_against_sklearn(path)


def test_a_binary_file(write: WriteFile) -> None:
    source = SvmlightSource(write("t.svm", "+1 3:0.5 9:1\n-1 1:nan\n0 2:4\n"))
    assert source.own_labels == ["y"]
    assert source.columns == ["y", *(f"x_{i}" for i in range(1, 10))]
    assert source.keys == {}
    frame = read(source, ["x_9", "y", "x_1"])
    assert frame["x_9"].to_list() == [1, 0, 0]
    assert frame["y"].to_list() == [1, 0, 0]
    assert [str(cell) for cell in frame["x_1"]] == ["0.0", "nan", "0.0"]
    assert count_labels(source).labels == [LabelCounts("y", 1, 2)]
    batch = next(source.batches(["y"]))
    assert [batch.place(i) for i in range(3)] == ["line 1", "line 2", "line 3"]


def test_a_multi_label_file(write: WriteFile) -> None:
    source = SvmlightSource(write("t.svm", "\n" + MULTI))
    assert source.own_labels == ["y_3", "y_7", "y_12"]
    assert count_labels(source).labels == [
        LabelCounts("y_3", 1, 2),
        LabelCounts("y_7", 2, 1),
        LabelCounts("y_12", 1, 2),
    ]
    assert read(source, ["y_12", "x_2", "y_7"]).rows() == [(1, 0, 1), (0, 0, 0), (0, -300, 1)]
    tally = source.tally(["x_2", "y_3"])
    assert tally.columns["x_2"].counts == {"0.0": 2, "-300.0": 1}
    assert list(tally.columns) == ["x_2", "y_3"]
    batch = next(source.mixed_batches(source.columns))
    assert batch.sparse is None
    assert [batch.place(i) for i in range(3)] == ["line 2", "line 3", "line 4"]


def test_classes_are_one_label_each(write: WriteFile) -> None:
    source = SvmlightSource(write("t.svm", "1 1:1\n2 1:1\n2 1:1\n"))
    assert [label.positives for label in count_labels(source).labels] == [1, 2]


def test_a_row_without_labels_makes_a_file_multi_label(write: WriteFile) -> None:
    assert SvmlightSource(write("t.svm", "1 1:1\n0 1:1\n 1:1\n")).own_labels == ["y_0", "y_1"]
    assert SvmlightSource(write("u.svm", " 1:1\n2:1\n")).own_labels == []


def test_columns_that_another_file_has(write: WriteFile) -> None:
    source = SvmlightSource(write("t.svm", "1 2:0.5\n0 3:1\n"))
    source.include(["x_0", "x_5", "y_1", "y_7"])
    assert source.columns == ["y_0", "y_1", "y_7", *(f"x_{i}" for i in range(6))]
    assert source.own_labels == ["y_0", "y_1", "y_7"]
    wanted = ["y_7", "y_1", "y_0", "x_5", "x_2", "x_0"]
    assert read(source, wanted).rows() == [(0, 1, 0, 0, 0.5, 0), (0, 0, 1, 0, 0, 0)]
    assert [label.positives for label in count_labels(source).labels] == [1, 1, 0]
    features, targets = read_mixed(source)
    assert features.to_numpy().tolist() == [[0, 0, 0.5, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    assert targets.tolist() == [[0, 1, 0], [1, 0, 0]]
    binary = SvmlightSource(write("b.svm", "1 2:0.5\n-1 3:1\n"))
    binary.include(["y", "x_4"])
    assert binary.columns == ["y", "x_1", "x_2", "x_3", "x_4"]
    with pytest.raises(SourceError, match=r"b\.svm: line 2: the label '-1', but it is read with"):
        binary.include(["y_1"])
    for column in ("spam", "x_-1", "x_1.0", "y", "x_99999999999"):
        with pytest.raises(SourceError, match=f"no column {column!r}"):
            source.include([column])
    declared = SvmlightSource(write("h.svm", "1 4 2\n1 2:0.5\n"))
    declared.include(["x_3", "y_0"])
    with pytest.raises(SourceError, match=r"no column 'x_4'"):
        declared.include(["x_4"])


def test_a_header_declares_the_width(write: WriteFile) -> None:
    source = SvmlightSource(write("t.txt", "# from XC\n4 6 9\n0,2 0:1 3:2\n\n1 5:1\n 2:1\n\n"))
    assert source.rows == 4
    assert source.columns == ["y_0", "y_1", "y_2", *(f"x_{i}" for i in range(6))]
    assert read(source, ["y_0", "x_5", "x_2"]).rows() == [
        (1, 0, 0),
        (0, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]
    batch = next(source.batches(["y_0"]))
    assert [batch.place(i) for i in range(4)] == ["line 3", "line 4", "line 5", "line 6"]
    one_based = SvmlightSource(write("u.txt", "1 6 9\n0 1:1 6:2"))
    assert one_based.columns == ["y_0", *(f"x_{i}" for i in range(1, 7))]
    assert SvmlightSource(write("w.txt", "2 3 1\n\n\n")).rows == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("1 1:1\n2.5 1:1\n", "line 2: '2.5' is not a label"),
        ("1 1:1\nspam 1:1\n", "line 2: 'spam' is not a label"),
        ("nan 1:1\n", "line 1: 'nan' is not a label"),
        ("inf 1:1\n", "line 1: 'inf' is not a label"),
        ("-2 1:1\n", "line 1: '-2' is not a label"),
        ("1,,2 1:1\n", "line 1: '' is not a label"),
        ("1, 2 1:1\n", "line 1: '' is not a label"),
        ("1e300 1:1\n", "line 1: '1e300': the label is past 16777216"),
        ("3,1,3 1:1\n", "line 1: the label 3 stands there twice"),
        ("-1 1:1\n1,2 1:1\n", "line 1: the label '-1', but line 2 is not of a file of the labels"),
        ("1 1:1\n 1:1\n-1 1:1\n", "line 3: the label '-1', but line 2 is not of a file"),
        ("# x\n\n1 2:1 2:1\n", "line 3: '2:1': the row has the index 2 already"),
        ("1 3:1 2:1\n", "line 1: '2:1' stands after the index 3"),
        ("1 3:1 2\n", "line 1: '2' is not INDEX:VALUE"),
        ("1 2\n", "line 1: '2' is not INDEX:VALUE"),
        ("1 -3:1\n", "line 1: '-3:1': the index is not a whole number from 0 on"),
        ("1 a:1\n", "line 1: 'a:1': the index is not a whole number from 0 on"),
        ("1 1.5:1\n", "line 1: '1.5:1': the index is not a whole number from 0 on"),
        ("1 2:1 qid:3\n", "line 1: 'qid:3': the index is not a whole number from 0 on"),
        ("1 99999999999:1\n", "line 1: '99999999999:1': the index is past 16777216"),
        ("1 2:\n", "line 1: '2:': the value is not a number"),
        ("1 2:x\n", "line 1: '2:x': the value is not a number"),
        ("1 2:1:3\n", "line 1: '2:1:3': the value is not a number"),
        ("1 2:1,5\n", "line 1: '2:1,5': the value is not a number"),
        ("1 2:-inf\n", "line 1: '2:-inf': the value is infinite"),
        ("1 2:1e999\n", "line 1: '2:1e999': the value is infinite"),
        ("1 1:1 # é\n1 é:1\n", "line 2: 'é:1': the index is not"),
        ("# nothing\n\n", "no rows"),
        ("2 5 3\n1 6:1\n", "line 2: '6:1': the index is past the width 5 that the header"),
        ("2 5 3\n4 1:1\n", "line 2: '4': the label is past the width 3 that the header declares"),
        ("2 5 3\n1 0:1\n1 5:1\n", "line 3: the index 5, but line 2 has the index 0 and the"),
        ("2 5 3\n-1 0:1\n1 4:1\n", "line 2: the label '-1', but line 1 is not of a file"),
        ("3 5 3\n1 0:1\n1 4:1\n", "2 rows, where the header declares 3"),
        ("1 5 3\n1 0:1\n1 4:1\n", "more than the 1 rows that the header declares"),
        ("0 5 3\n", "no rows"),
        ("1 99999999999 3\n1 2:1\n", "line 1: the header declares 99999999999 features and 3"),
        ("1 5 3\n1 5 3\n", "line 2: '5' is not INDEX:VALUE"),
    ],
)
@pytest.mark.parametrize("block", [8, 2**20])
def test_files_that_are_refused(
    write: WriteFile, content: str, problem: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    path = write("t.svm", content)
    with pytest.raises(SourceError) as caught:
        SvmlightSource(path)
    assert caught.value.message.startswith(f"{path}: {problem}")


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.sampled_from("01239 :,.-+e#qid\n\t\rna\x00é"), max_size=60),
    block=st.sampled_from([5, 2**20]),
)
def test_any_text_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, block: int
) -> None:
    path = tmp_path_factory.mktemp("svmlight") / "t.svm"
    path.write_bytes(b"1 1:1\n" + text.encode())
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(SourceError):
        patch.setattr(module, "BLOCK", block)
        source = SvmlightSource(str(path))
        assert read(source).height == source.rows


def test_a_byte_order_mark_and_bytes_that_are_no_text(write: WriteFile) -> None:
    source = SvmlightSource(write("t.svm", b"\xef\xbb\xbf1 1:1 # caf\xe9\n-1 2:1"))
    assert read(source).rows() == [(1, 1, 0), (0, 0, 1)]


def test_compressed_files_and_stdin(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    zipped = gzip.compress(MULTI.encode())
    expected = read(SvmlightSource(write("t.svm", MULTI)))
    assert read(SvmlightSource(write("t.svm.gz", zipped))).equals(expected)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    for content in (MULTI.encode(), zipped):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        source = SvmlightSource("-")
        assert source.name == "stdin"
        assert read(source).equals(expected)
        assert read(source).equals(expected)
        assert list(tmp_path.glob("imbtrain-*"))
        del source
        assert not list(tmp_path.glob("imbtrain-*"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1 1:x\n")))
    with pytest.raises(SourceError, match=r"^stdin: line 1: '1:x'"):
        SvmlightSource("-")


def test_features_beside_targets_of_an_array(tmp_path: Path, write: WriteFile) -> None:
    np.save(tmp_path / "t.npy", np.array([0, 1, 1]))
    features = SvmlightSource(write("X.svm", " 1:1\n 2:1\n 3:1\n"))
    source = JoinedSource(features, ArraySource(str(tmp_path / "t.npy"), "npy"))
    assert source.columns == ["x_1", "x_2", "x_3", "y"]
    frame = pl.concat(batch.frame for batch in source.batches(["y", "x_2"]))
    assert frame.rows() == [(0, 0), (1, 1), (1, 0)]


def write_big(path: Path, rows: int, labels: int, features: int, each: int) -> sp.csr_array:
    """Write rows with `each` values and 3 labels a row; return the labels."""
    random = np.random.default_rng(0)
    lines = []
    ids = random.integers(0, labels, (rows, 3))
    for row in range(rows):
        ids_of_row = ",".join(map(str, sorted({*ids[row].tolist()})))
        indices = sorted({*random.integers(0, features, each).tolist()})
        lines.append(f"{ids_of_row} " + " ".join(f"{i}:0.25" for i in indices))
    path.write_text("\n".join(lines) + "\n")
    return sp.csr_array((np.ones(ids.size), (np.repeat(np.arange(rows), 3), ids.ravel())))


def test_ten_thousand_labels_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.svm"
    expected = write_big(path, 20_000, 10_000, 5000, 10)
    counts = count_labels(SvmlightSource(str(path)))
    by_label = {label.label: label.positives for label in counts.labels}
    positives = np.asarray((expected > 0).sum(axis=0)).ravel()
    assert by_label == {f"y_{i}": n for i, n in enumerate(positives.tolist()) if n}


def test_memory_of_dense_batches_stays_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 2**20)
    monkeypatch.setattr(module, "BLOCK", 2**16)
    path = tmp_path / "t.svm"
    write_big(path, 500, 50, 3000, 10)
    source = SvmlightSource(str(path))
    columns = [column for column in source.columns if column.startswith("x_")]
    tracemalloc.start()
    rows = sum(batch.frame.height for batch in source.batches(columns))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 500
    assert peak < 6 * 2**20  # of 12 MB


def test_indices_that_count_from_elsewhere_are_refused(write: WriteFile) -> None:
    known = [f"x_{i}" for i in range(4)]
    SvmlightSource(write("t.svm", "1 1:1 3:1\n0 0:1\n")).refuse_beyond(known)
    from_one = SvmlightSource(write("u.svm", "1 1:1 3:1\n0 4:1\n"))
    with pytest.raises(SourceError, match=r"u\.svm: line 2: the index 4, where .* x_0 to x_3"):
        from_one.refuse_beyond(known)
    from_zero = SvmlightSource(write("v.svm", "1 0:1 3:1\n"))
    with pytest.raises(SourceError, match=r"v\.svm: line 1: the index 0, where .* x_1 to x_4"):
        from_zero.refuse_beyond(["age", "x_1", "x_4", "y_9"])
    from_zero.refuse_beyond(["age"])


def test_a_value_that_is_no_number_has_an_example(write: WriteFile) -> None:
    with pytest.raises(SourceError, match="'1:abc': the value is not a number") as caught:
        SvmlightSource(write("a.svm", "1 1:abc\n"))
    assert "7:0.5" in str(caught.value.hint)


def _data(path: Path, **keys: str) -> DataSection:
    return Config.model_validate({"data": {"train": str(path), **keys}}).data


def test_queries_are_a_group_and_no_feature(tmp_path: Path) -> None:
    path, other = tmp_path / "t.svm", tmp_path / "u.svm"
    rows = [f"{int(i % 5 == 0)} qid:{i // 4} 1:{i % 7} 2:{i % 3}\n" for i in range(200)]
    path.write_text("".join(rows))
    source = SvmlightSource(str(path))
    assert source.columns == ["y", "x_1", "x_2", "qid"]
    roles = assign_roles(_data(path, group="qid"), source)
    assert (roles.features, roles.group) == (["x_1", "x_2"], "qid")
    assert assign_roles(_data(path), source).features == ["x_1", "x_2"]
    other.write_text("1 1:2\n0 2:1\n")
    lacking = SvmlightSource(str(other))
    assert lacking.columns == ["y", "x_1", "x_2"]
    lacking.include(source.columns)
    assert lacking.columns == source.columns
    [batch] = lacking.batches(["qid"])
    assert batch.frame["qid"].to_list() == [None, None]
    inspected = inspect_source(source)
    assert {column["column"]: column["role"] for column in inspected.to_dict()["columns"]} == {
        "y": "label",
        "x_1": "feature",
        "x_2": "feature",
        "qid": "group",
    }
    assert not inspected.leaks
    assert "qid" in propose_config(str(path), inspected, LabelSettings()).suggested["group"]
