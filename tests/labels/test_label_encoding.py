"""Classes, tags, missing labels and sample weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import LabelBinarizer, MultiLabelBinarizer

from imbalance_cli.errors import ImbtrainError, LabelError
from imbalance_cli.labels import LabelCounts, LabelSettings, count_labels, count_sources
from imbalance_cli.labels.encoding import LabelEncoder, Vocabulary
from imbalance_cli.readers import Table, open_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import WriteFile

ANIMALS = "species,tags,w,y\ncat,a;b,1,1\ndog,b,2,0\ncat,,0.5,\nbird,a; c,1,1\n,c;c,1,0\n"


def table_of(cells: Sequence[object], dtype: object = pl.String) -> Table:
    """Return a table with one column of cells."""
    frame = pl.DataFrame({"label": pl.Series(cells, dtype=dtype)})  # type: ignore[arg-type]
    return Table("t.csv", frame, lambda row: f"t.csv: line {row + 2}")


def encode(cells: Sequence[object], encoding: str, dtype: object = pl.String) -> LabelEncoder:
    """Return the encoder that a column asks for."""
    table = table_of(cells, dtype)
    vocabulary = Vocabulary("label", encoding)  # type: ignore[arg-type]
    vocabulary.add(table)
    labels = vocabulary.labels("t.csv")
    return LabelEncoder(encoding, ["label"], labels)  # type: ignore[arg-type]


def counts(path: str, label: str, **settings: object) -> list[LabelCounts]:
    """Count one label column of a file."""
    given_settings = LabelSettings(**settings)  # type: ignore[arg-type]
    return count_sources([open_source(path)], [label], given_settings).labels


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.sampled_from(["x", "y", "z", "10", "9"]), min_size=2, max_size=30))
def test_one_vs_rest_is_what_scikit_learn_binarizes(cells: list[str]) -> None:
    classes = sorted(
        set(cells), key=lambda text: (not text.isdigit(), int(text) if text.isdigit() else 0, text)
    )
    if len(classes) < 2:
        return
    encoder = encode(cells, "one_vs_rest")
    assert encoder.labels == classes
    expected = np.array([[cell == name for name in classes] for cell in cells], np.float32)
    assert np.array_equal(encoder.encode(table_of(cells)).dense(), expected)
    if len(classes) > 2:
        reference = LabelBinarizer().fit(classes).transform(cells)
        order = [list(LabelBinarizer().fit(classes).classes_).index(name) for name in classes]
        assert np.array_equal(expected, reference[:, order])


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=1, max_size=30))
def test_tags_are_what_scikit_learn_binarizes(rows: list[list[str]]) -> None:
    cells = [" ; ".join(row) for row in rows]
    if not any(rows):
        return
    encoder = encode(cells, "tags")
    reference = MultiLabelBinarizer().fit(rows)
    assert encoder.labels == list(reference.classes_)
    targets = encoder.encode(table_of(cells)).dense()
    blank = np.array([not row for row in rows])
    assert np.isnan(targets[blank]).all()
    assert np.array_equal(targets[~blank], reference.transform(rows)[~blank])


def test_tags_may_be_a_column_of_lists() -> None:
    cells: list[object] = [["a", "b"], [], None, ["b "]]
    encoder = encode(cells, "tags", pl.List(pl.String))
    targets = encoder.encode(table_of(cells, pl.List(pl.String))).dense()
    nan = float("nan")
    expected = np.array([[1, 1], [0, 0], [nan, nan], [0, 1]])
    assert np.array_equal(targets, expected, equal_nan=True)


def test_a_whole_number_is_one_class_however_it_is_written() -> None:
    assert encode(["1", "1.0", "2", "10"], "one_vs_rest").labels == ["1", "2", "10"]
    assert encode([1.0, 2.0, 1.0], "one_vs_rest", pl.Float64).labels == ["1", "2"]


def test_a_class_that_is_no_label_is_none_of_them_and_told() -> None:
    encoder = encode(["cat", "dog"], "one_vs_rest")
    assert np.array_equal(encoder.encode(table_of(["fish", "cat"])).dense(), [[0, 0], [1, 0]])
    assert "'fish'" in str(encoder.unseen_shown)


@pytest.mark.parametrize("cell", ["1;;3", ";1", "1;", ";"])
def test_an_empty_tag_is_refused_with_its_place(cell: str) -> None:
    with pytest.raises(LabelError, match=r"t\.csv: line 3: column 'label': .*holds an empty tag"):
        encode(["1", cell], "tags")


def test_an_empty_tag_in_a_list_is_shown_as_the_list_is_written() -> None:
    with pytest.raises(LabelError) as caught:
        encode([["a"], ["a", " "]], "tags", pl.List(pl.String))
    assert caught.value.message == (
        't.csv: line 3: column \'label\': ["a", " "] holds an empty tag'
    )
    assert caught.value.hint == "leave it out of the list; a list without tags is []"


@pytest.mark.parametrize("suffix", ["ndjson", "parquet"])
def test_a_null_in_a_list_is_no_tag(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame({"tags": [["b", None], ["c"], [None], None, [], ["b"]]})
    path = tmp_path / f"t.{suffix}"
    frame.write_ndjson(path) if suffix == "ndjson" else frame.write_parquet(path)
    assert counts(str(path), "tags", encoding="tags") == [
        LabelCounts("b", 2, 3, 1),
        LabelCounts("c", 1, 4, 1),
    ]


@pytest.mark.parametrize(
    ("cells", "encoding", "words"),
    [
        (["cat", "cat", ""], "one_vs_rest", "only 'cat', and one_vs_rest needs at least 2 classes"),
        (["", ""], "tags", "has none, and tags needs at least 1 tag"),
        ([str(i / 7) for i in range(60)], "one_vs_rest", "looks like an id or a measurement"),
    ],
)
def test_a_column_that_is_none_of_classes_or_tags_is_refused(
    cells: list[object], encoding: str, words: str
) -> None:
    with pytest.raises(LabelError, match=words):
        encode(cells, encoding)


def test_rare_classes_are_named_rarest_first() -> None:
    vocabulary = Vocabulary("label", "one_vs_rest")
    vocabulary.add(table_of(["a", "b", "b", "c", "c", "c"]))
    assert vocabulary.rare(3) == ["a", "b"]


def test_classes_and_tags_are_counted(write: WriteFile) -> None:
    path = write("a.csv", ANIMALS)
    assert counts(path, "species", encoding="one_vs_rest") == [
        LabelCounts("bird", 1, 3, 1),
        LabelCounts("cat", 2, 2, 1),
        LabelCounts("dog", 1, 3, 1),
    ]
    tags = [LabelCounts("a", 2, 2, 1), LabelCounts("b", 2, 2, 1), LabelCounts("c", 2, 2, 1)]
    assert counts(path, "tags", encoding="tags") == tags
    negative = counts(path, "tags", encoding="tags", missing="negative")
    assert negative[0] == LabelCounts("a", 2, 3, 0)


def test_classes_of_several_files_are_counted_as_of_one(write: WriteFile) -> None:
    paths = [write("a.csv", "y,x\na,1\nb,2\n"), write("b.csv", "x,y\n1,c\n")]
    counted = count_sources(
        [open_source(path) for path in paths], ["y"], LabelSettings(encoding="one_vs_rest")
    )
    assert counted.rows == 3
    assert counted.labels == [LabelCounts(name, 1, 2) for name in "abc"]


def test_sample_weights_enter_the_counts(write: WriteFile) -> None:
    path = write("a.csv", ANIMALS)
    assert counts(path, "y", sample_weight="w") == [LabelCounts("y", 2.0, 3.0, 0.5)]
    weighted = counts(path, "species", encoding="one_vs_rest", sample_weight="w")
    assert weighted[1] == LabelCounts("cat", 1.5, 3.0, 1.0)


@pytest.mark.parametrize("missing", ["mask", "negative", "drop"])
@settings(deadline=None)  # a loaded machine is no failure
@given(
    cells=st.lists(st.sampled_from(["0", "1", ""]), min_size=1, max_size=20).filter(any),
    data=st.data(),
)
def test_a_whole_weight_counts_as_that_many_rows(
    missing: str, cells: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weights = [data.draw(st.integers(0, 3)) for _ in cells]
    folder = tmp_path_factory.mktemp("weights")
    once, often = folder / "once.csv", folder / "often.csv"
    rows = list(zip(cells, weights, strict=True))
    once.write_text("y,w\n" + "".join(f"{cell},{weight}\n" for cell, weight in rows))
    often.write_text("y,x\n" + "".join(f"{cell},0\n" * weight for cell, weight in rows) + "1,0\n")
    settings = LabelSettings(missing=missing, sample_weight="w")  # type: ignore[arg-type]
    one = count_labels(open_source(str(once)), ["y"], settings).labels[0]
    plain = LabelSettings(missing=missing)  # type: ignore[arg-type]
    many = count_labels(open_source(str(often)), ["y"], plain).labels[0]
    assert (one.positives + 1, one.negatives, one.missing) == (
        many.positives,
        many.negatives,
        many.missing,
    )


@pytest.mark.parametrize("cell", ["-1", "", "inf", "much", "nan"])
def test_a_weight_that_is_none_is_refused(write: WriteFile, cell: str) -> None:
    path = write("a.csv", f"y,w\n1,1\n0,{cell}\n")
    with pytest.raises(LabelError, match=r"line 3: column 'w': .* is not a sample weight"):
        counts(path, "y", sample_weight="w")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sample_weight": "v"}, "no column 'v'"),
        ({"sample_weight": "y"}, "'y' is a label"),
        ({"missing": "error"}, "line 4: column 'y': the label is missing"),
        ({"encoding": "tags", "missing": "error"}, "line 4: column 'y': the label is missing"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    write: WriteFile, settings: dict[str, object], words: str
) -> None:
    path = write("a.csv", "y,w\n1,1\n0,1\n,1\n")
    with pytest.raises(ImbtrainError, match=words):
        counts(path, "y", **settings)
