"""Which columns are labels, what their cells mean, and counts that add up."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import ImbtrainError, LabelError
from imbalance_cli.labels import (
    Counts,
    LabelCounts,
    LabelSettings,
    add_counts,
    count_labels,
    count_sources,
    encode_labels,
    list_names,
    select_labels,
)
from imbalance_cli.readers import Table, open_source, read_table
from imbalance_cli.readers.source import DISTINCT_LIMIT, Tally

if TYPE_CHECKING:
    from conftest import WriteFile

BIG = 20_000  # rows, so that the file is beyond what is read record by record


def labels_of(path: str, *patterns: str, positive: str | None = None) -> list[LabelCounts]:
    """Count the labels of a file."""
    return count_labels(open_source(path), patterns, LabelSettings(positive)).labels


def error_of(path: str, *patterns: str, positive: str | None = None) -> ImbtrainError:
    """Return the error that counting raises."""
    with pytest.raises(ImbtrainError) as caught:
        labels_of(path, *patterns, positive=positive)
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("one", "zero"),
    [
        ("1", "0"),
        ("1.0", "0.0"),
        ("true", "false"),
        ("TRUE", "FALSE"),
        ("True", "no"),
        ("yes", "no"),
        ("Yes", "NO"),
        ("t", "f"),
        ("T", "F"),
        ("y", "n"),
        ("Y", "N"),
        (" 1 ", "0 "),
        (" yes", "  no "),
        ("1e0", "-0"),
        ('"1"', '"0"'),
    ],
)
@pytest.mark.parametrize("repeats", [1, BIG])
def test_every_encoding_of_a_binary_label(
    write: WriteFile, one: str, zero: str, repeats: int
) -> None:
    rows = f"{one},a\n{zero},b\n,c\n NA ,d\n{one},e\n" * (repeats // 5 or 1)
    found = labels_of(write("a.csv", "y,x\n" + rows))
    times = repeats // 5 or 1
    assert found == [LabelCounts("y", 2 * times, times, 2 * times)]


@pytest.mark.parametrize("repeats", [1, BIG])
def test_any_two_values_with_positive(write: WriteFile, repeats: int) -> None:
    path = write("a.csv", "y,x\n" + "spam,1\nham, 2\n spam ,3\n,4\nnan,5\n" * repeats)
    expected = [LabelCounts("y", 2 * repeats, repeats, 2 * repeats)]
    assert labels_of(path, "y", positive="spam") == expected
    assert labels_of(path, "y", positive=" spam ") == expected


def test_positive_as_a_number_and_against_the_usual_sense(write: WriteFile) -> None:
    path = write("a.csv", "y\n2\n1\n1.0\n2.0\n2\n")
    assert labels_of(path, positive="2") == [LabelCounts("y", 3, 2)]
    assert labels_of(path, positive="1") == [LabelCounts("y", 2, 3)]
    zeros = write("b.csv", "y\n" + "0\n1\n1\n" * BIG)
    assert labels_of(zeros, positive="0") == [LabelCounts("y", BIG, 2 * BIG)]


@pytest.mark.parametrize("repeats", [1, BIG])
def test_a_third_value_beside_positive_is_refused(write: WriteFile, repeats: int) -> None:
    path = write("a.csv", "y,x\n" + "spam,1\nham,2\n" * repeats + "eggs,3\nham,4\n")
    error = error_of(path, "y", positive="spam")
    assert error.message == (
        f"{path}: line {2 * repeats + 2}: column 'y': "
        "'eggs' is a third value beside 'spam' and 'ham'"
    )
    assert error.hint == "a binary label has two values"


def test_positive_is_case_sensitive(write: WriteFile) -> None:
    path = write("a.csv", "y\nSpam\nspam\n")
    assert labels_of(path, positive="spam") == [LabelCounts("y", 1, 1)]


@pytest.mark.parametrize("repeats", [1, BIG])
@pytest.mark.parametrize("value", ["2", "-1", "0.5", "maybe", "10", "inf", "é"])
def test_a_label_with_three_values_is_refused(write: WriteFile, value: str, repeats: int) -> None:
    path = write("a.csv", "y,x\n" + "0,a\n1,b\n" * repeats + f"{value},c\n")
    error = error_of(path)
    assert error.message == (
        f"{path}: line {2 * repeats + 2}: column 'y': {value!r} is not a binary label"
    )
    assert "--positive VALUE" in str(error.hint)


def test_a_long_cell_is_shown_in_part(write: WriteFile) -> None:
    message = error_of(write("a.csv", f"y\n{'long ' * 1000}\n")).message
    assert message.endswith("long long lo...' is not a binary label")
    assert len(message) < 300


def test_more_spellings_than_a_tally_holds_are_no_silent_miscount(write: WriteFile) -> None:
    spellings = ["1." + "0" * i for i in range(DISTINCT_LIMIT + 4)]
    error = error_of(write("a.csv", "y\n" + "\n".join(spellings) + "\n"))
    assert "column 'y' has more than 16 spellings of its two values" in error.message


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1\n", LabelCounts("y", 1, 0)),
        ("0\n", LabelCounts("y", 0, 1)),
        ("1\n1\n1\n", LabelCounts("y", 3, 0)),
        ("0\n0\n", LabelCounts("y", 0, 2)),
        ("NA\nnull\n", LabelCounts("y", 0, 0, 2)),
        ("\n\n\n", LabelCounts("y", 0, 0, 3)),
        ("0\n" * BIG + "0\n" * BIG, LabelCounts("y", 0, 2 * BIG)),
        ("1\n" * 2 * BIG, LabelCounts("y", 2 * BIG, 0)),
        ("\n" * 4 * BIG, LabelCounts("y", 0, 0, 4 * BIG)),
    ],
    ids=["one 1", "one 0", "only 1", "only 0", "missing", "blank", "big 0", "big 1", "big blank"],
)
def test_degenerate_columns(write: WriteFile, rows: str, expected: LabelCounts) -> None:
    assert labels_of(write("a.csv", "y\n" + rows)) == [expected]


def test_prevalence() -> None:
    assert LabelCounts("y", 1, 3, 6).prevalence == 0.25
    assert LabelCounts("y", 0, 0, 6).prevalence is None


def test_labels_by_name_and_glob_in_the_order_asked_for() -> None:
    columns = ["id", "y_b", "y_a", "label", "x[1]", "x1"]
    assert select_labels(columns, [], "s") == ["y_b", "y_a", "label"]
    assert select_labels(columns, ["y_*"], "s") == ["y_b", "y_a"]
    assert select_labels(columns, ["label", "y_?", "y_b"], "s") == ["label", "y_b", "y_a"]
    assert select_labels(columns, ["x[1]"], "s") == ["x[1]"]
    assert select_labels(["a", "target", "y"], [], "s") == ["target", "y"]
    assert select_labels(["a", "Y", "labels"], [], "s") is None


def test_a_label_that_is_not_there_has_a_nearest_name(write: WriteFile) -> None:
    path = write("a.csv", "cancelled,carrier\n1,AA\n")
    error = error_of(path, "canceled")
    assert error.message == f"{path}: no column 'canceled'; the columns are cancelled, carrier"
    assert error.hint == "did you mean 'cancelled'?"
    assert error_of(path, "z_*").hint is None


@pytest.mark.parametrize("repeats", [1, BIG])
def test_no_label_found_lists_the_columns(write: WriteFile, repeats: int) -> None:
    path = write("a.csv", "fraud,amount\n" + "".join(f"1,{i}.5\n" for i in range(repeats)))
    error = error_of(path)
    assert error.message == (
        f"{path}: no column is called y, label, target or y_*, and 'amount' holds more than 0, 1 "
        "and blanks; the columns are fraud, amount"
    )
    assert "--labels NAME" in str(error.hint)


@pytest.mark.parametrize("repeats", [1, BIG])
def test_with_no_name_every_column_counts_if_all_are_0_1_and_blank(
    write: WriteFile, repeats: int
) -> None:
    path = write("a.csv", "fraud,churn,empty\n" + "1,,\n0,1.0,\n0,0,NA\n" * repeats)
    assert labels_of(path) == [
        LabelCounts("fraud", repeats, 2 * repeats),
        LabelCounts("churn", repeats, repeats, repeats),
        LabelCounts("empty", 0, 0, 3 * repeats),
    ]
    assert "no column is called" in error_of(write("b.csv", "a,b\n1,yes\n0,no\n")).message


def test_long_lists_of_names_stop() -> None:
    assert list_names(["a", "b"]) == "a, b"
    assert list_names([f"c{i}" for i in range(30)]).endswith("c18, c19, ... (30 in all)")


@given(
    st.lists(
        st.tuples(*[st.sampled_from(["0", "1", "", "yes", "NA"])] * 3), min_size=1, max_size=30
    ),
    st.data(),
)
def test_any_split_merged_equals_the_whole(
    rows: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(rows) - 1, 1)), max_size=4)))
    parts = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True) if rows[a:b]]
    orders = [data.draw(st.permutations([0, 1, 2])) for _ in parts]

    def count(part: list[tuple[str, str, str]], order: list[int], path: Path) -> Counts:
        lines = [",".join(row[i] for i in order) for row in [("y_0", "y_1", "y_2"), *part]]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return count_labels(open_source(str(path)))

    with TemporaryDirectory() as directory:
        path = Path(directory) / "t.csv"
        whole = count(rows, [0, 1, 2], path)
        counted = [
            ("part", count(part, order, path)) for part, order in zip(parts, orders, strict=True)
        ]
    merged = add_counts(counted)
    assert merged.rows == whole.rows
    assert sorted(merged.labels, key=lambda c: c.label) == whole.labels
    assert [c.label for c in merged.labels] == [c.label for c in counted[0][1].labels]


def test_counts_stay_exact_beyond_53_bits() -> None:
    part = Counts(2**62 + 1, [LabelCounts("y", 2**60 + 1, 2**61 + 1, 1)])
    assert add_counts([("a", part), ("b", part)]) == Counts(
        2**63 + 2, [LabelCounts("y", 2**61 + 2, 2**62 + 2, 2)]
    )


def test_counts_of_other_labels_cannot_be_added() -> None:
    first = Counts(1, [LabelCounts("y", 1, 0), LabelCounts("z", 1, 0)])
    second = Counts(1, [LabelCounts("y", 1, 0)])
    with pytest.raises(LabelError, match=r"b: no label 'z', which a has"):
        add_counts([("a", first), ("b", second)])
    with pytest.raises(LabelError, match=r"b: no label 'z', which c has"):
        add_counts([("b", second), ("c", first)])


def test_encoded_targets_are_pandas_own(write: WriteFile) -> None:
    cells = ["1", "0", "", "yes", "no", "NA", "1.0"]
    path = write("a.csv", "y,z\n" + "".join(f"{cell},1\n" for cell in cells))
    table = read_table([open_source(path)], ["y", "z"])
    targets = encode_labels(table, ["z", "y"], None).dense()
    expected = pd.Series(cells).map({"1": 1, "1.0": 1, "yes": 1, "0": 0, "no": 0})
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets[:, 1], expected.to_numpy(np.float32))
    np.testing.assert_array_equal(targets[:, 0], np.ones(7))


def test_an_underscore_is_no_part_of_a_number() -> None:
    cells = Table("t", pl.DataFrame({"y": ["1_0", "10", "1_0"]}), str)
    assert encode_labels(cells, ["y"], "10").dense()[:, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("cells", "positive"),
    [
        (pl.Series([True, False, True]), None),
        (pl.Series([1, 0, 1], dtype=pl.UInt8), None),
        (pl.Series([0.0, -0.0, 1.0, math.nan], dtype=pl.Float32), None),
        (pl.Series([-0.0, 2.0, 0.0, math.nan]), "2"),
        (pl.Series([-1, 1, -1], dtype=pl.Int8), "1.0"),
        (pl.Series([2**62 + 1, 7, 2**62 + 1]), str(2**62 + 1)),
        (pl.Series([1, None, 0]), None),
        (pl.Series([True, None, False]), "false"),
    ],
)
def test_typed_labels_are_those_of_their_texts(cells: pl.Series, positive: str | None) -> None:
    typed = Table("typed", pl.DataFrame({"y": cells}), str)
    texts = Table("texts", pl.DataFrame({"y": cells.cast(pl.String)}), str)
    targets = [encode_labels(table, ["y"], positive).dense()[:, 0] for table in (typed, texts)]
    assert (targets[0] == 1).any()
    assert (targets[0] == 0).any()
    np.testing.assert_array_equal(targets[0], targets[1])


def test_typed_labels_follow_texts_of_earlier_batches() -> None:
    seen = Tally.empty(["y"])
    tables = [pl.Series(["0", "2"]), pl.Series([2, 0, 2]), pl.Series([0.0, 2.0, math.nan])]
    encoded = [
        encode_labels(Table("a", pl.DataFrame({"y": cells}), str), ["y"], "2", seen).dense()[:, 0]
        for cells in tables
    ]
    np.testing.assert_array_equal(np.concatenate(encoded), [0, 1, 1, 0, 1, 0, 1, np.nan])


def test_encoded_targets_of_one_side_or_none(write: WriteFile) -> None:
    path = write("a.csv", "y,z\nNA,0\n,0\n")
    table = read_table([open_source(path)], ["y", "z"])
    targets = encode_labels(table, ["y", "z"], None).dense()
    assert np.isnan(targets[:, 0]).all()
    assert (targets[:, 1] == 0).all()


def test_an_error_in_encoding_names_the_file_and_line(write: WriteFile) -> None:
    first, second = write("a.csv", "y\n1\n0\n"), write("b.csv", "y\n0\nmaybe\n")
    table = read_table([open_source(first), open_source(second)], ["y"])
    with pytest.raises(LabelError) as caught:
        encode_labels(table, ["y"], None)
    assert caught.value.message == f"{second}: line 3: column 'y': 'maybe' is not a binary label"


@pytest.mark.parametrize("positive", ["", " ", "NA", "nan", "Null"])
def test_a_missing_cell_cannot_be_the_positive_value(write: WriteFile, positive: str) -> None:
    error = error_of(write("a.csv", "y,x\n1,a\n,b\n"), "y", positive=positive)
    assert "stands for a missing cell" in error.message


def test_a_positive_value_that_is_not_there(write: WriteFile) -> None:
    path = write("a.csv", "y\ngood\nbad\n")
    with pytest.raises(LabelError) as caught:
        count_labels(open_source(path), (), LabelSettings("Good"))
    assert caught.value.message == (
        f"{path}: line 3: column 'y': holds 'good' and 'bad', and not 'Good'"
    )
    assert caught.value.hint == "did you mean 'good'?"
    with pytest.raises(LabelError) as caught:
        count_labels(open_source(path), (), LabelSettings("1"))
    assert "--positive VALUE" in str(caught.value.hint)


def test_a_text_that_looks_missing_has_a_hint_of_its_own(write: WriteFile) -> None:
    error = error_of(write("a.csv", "y\n1\nunknown\n"))
    assert (
        error.hint == "a missing label is blank, NA, NaN or null, in any case: write one of these"
    )


def test_a_text_that_looks_missing_beside_a_positive_value_has_that_hint(write: WriteFile) -> None:
    error = error_of(write("a.csv", "y\nill\nwell\nN/A\n"), positive="ill")
    assert "third value" in error.message
    assert "write one of these" in str(error.hint)


def test_words_are_missing_among_numbers_and_values_among_words(write: WriteFile) -> None:
    numbers = write("a.csv", "y\n1\n0\nNone\nN/A\n")
    assert labels_of(numbers) == [LabelCounts("y", 1, 1, 2)]
    assert labels_of(numbers, positive="0") == [LabelCounts("y", 1, 1, 2)]
    words = write("b.csv", "y\nsepsis\nNone\nNA\n")
    assert labels_of(words, positive="sepsis") == [LabelCounts("y", 1, 1, 1)]
    assert labels_of(words, positive="None") == [LabelCounts("y", 1, 1, 1)]


@pytest.mark.parametrize("encoding", ["one_vs_rest", "tags"])
def test_such_a_word_is_a_class_or_a_tag(encoding: str, write: WriteFile) -> None:
    path = write("a.csv", "y\nant\nNone\nN/A\nNA\n")
    settings = LabelSettings(encoding=encoding)  # type: ignore[arg-type]
    counts = count_sources([open_source(path)], ["y"], settings)
    assert counts.labels == [LabelCounts(name, 1, 2, 1) for name in ("N/A", "None", "ant")]
