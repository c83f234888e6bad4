"""Looking at a source: kinds of columns, labels, pairs, and what fit would say."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.preprocessing import MultiLabelBinarizer

from imbalance_cli.errors import FeatureError, LabelError
from imbalance_cli.features import fit_preprocessing
from imbalance_cli.inspection import Inspection, inspect_source
from imbalance_cli.inspection.columns import ColumnScan
from imbalance_cli.inspection.pairs import PairCounts
from imbalance_cli.inspection.repeats import RepeatCounter
from imbalance_cli.labels import LabelSettings, count_labels
from imbalance_cli.labels.encoding import LabelEncoder
from imbalance_cli.labels.targets import DenseTargets
from imbalance_cli.leaks import find_leaks
from imbalance_cli.readers import Table, open_source, plain_numbers
from imbalance_cli.readers.source import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conftest import WriteFile

    from imbalance_cli.inspection import Column

PLAIN = LabelSettings()
CLASSES = LabelSettings(encoding="one_vs_rest")
ROWS = 60  # enough for an id to be told


@dataclasses.dataclass
class FrameSource(Source):
    """A frame that is read some rows at a time."""

    frame: pl.DataFrame
    size: int
    columns: list[str]
    name: str = "frame"

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield `size` rows at a time."""
        for first in range(0, self.frame.height, self.size):
            part = self.frame.select(columns).slice(first, self.size)
            yield Batch(part, functools.partial(lambda start, row: f"row {start + row + 1}", first))


def look(
    frame: pl.DataFrame,
    *patterns: str,
    size: int = 1000,
    settings: LabelSettings = PLAIN,
) -> Inspection:
    return inspect_source(FrameSource(frame, size, frame.columns), patterns, settings)


def look_at(cells: Sequence[object] | pl.Series, size: int = 1000) -> Column:
    return look(pl.DataFrame({"x": cells}, strict=False), size=size).columns[0]


# ------------------------------------------------------------------------------- kinds of columns


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "", "-3e2"], "number"),
        (["true", "false", "", "TRUE"], "boolean"),
        (["true", "0", "1"], "number"),
        (["2013-02-08", "2013-02-09 17:30", "NA"], "date"),
        (["red", "blue", "red"], "category"),
        (["true", "false", "maybe"], "category"),
        ([f"customer {i}" for i in range(ROWS)], "id"),
        ([str(i) for i in range(7, 7 + ROWS)], "id"),
        ([str(2**60 + 3 * i) for i in range(ROWS)], "id"),
        (
            ["a long sentence that no category would be called by " + str(i) for i in range(ROWS)],
            "text",
        ),
        (["x"] * 5, "constant"),
        (["7"] * 5, "constant"),
        (["7", "7", ""], "number"),
        (["", "NA", " null ", "nan"], "empty"),
        ([str(i) for i in range(30)], "number"),  # too few rows to say anything
        ([str(i / 7) for i in range(ROWS)], "number"),
        ([1, 2, 2, None], "number"),
        ([True, False, None], "boolean"),
        ([[1], [2, 3]], "other"),
        ([b"a", b"b"], "other"),
    ],
)
def test_kinds(cells: list[object], kind: str) -> None:
    assert look_at(cells).kind == kind


def test_typed_dates_are_dates() -> None:
    column = look_at(pl.Series(["2013-02-08", "2013-02-10"]).str.to_date())
    assert (column.kind, column.minimum, column.maximum) == ("date", "2013-02-08", "2013-02-10")


def test_moments_are_shown_with_their_time() -> None:
    assert look_at(["2013-02-08 17:30", "2013-02-09"]).minimum == "2013-02-08 17:30:00"


@pytest.mark.parametrize("size", [7, 1000])
def test_a_few_bad_cells_are_named(size: int) -> None:
    column = look_at([str(i % 10) for i in range(100)] + ["oops", "oops"], size)
    assert column.kind == "number"
    assert column.problem == "frame: row 101: 'oops' is not a number, as 100 of 102 cells are"


def test_a_few_bad_dates_are_named_even_if_they_are_numbers() -> None:
    column = look_at(["5"] + [f"2013-02-{i % 28 + 1:02}" for i in range(99)])
    assert column.kind == "date"
    assert column.problem == "frame: row 1: '5' is not a date, as 99 of 100 cells are"


def test_infinity_is_a_problem() -> None:
    column = look_at(["1", "2", "inf"])
    assert column.problem is not None
    assert column.maximum is None


def test_a_constant_infinity_is_a_problem_too() -> None:
    assert look_at(["inf", "inf"]).problem is not None


def test_few_values_are_counted_and_many_are_not() -> None:
    few = look_at([" b", "a", "b", ""])
    assert (few.values, few.example) == ({"b": 2, "a": 1}, "b")
    assert look_at([str(i % 20) for i in range(100)]).values == {}


@pytest.mark.parametrize("size", [1, 13, 1000])
def test_numbers_agree_with_polars(size: int) -> None:
    random = np.random.default_rng(0)
    values = [None if random.random() < 0.2 else float(random.integers(-9, 9)) for _ in range(300)]
    column = look_at(["" if value is None else str(value) for value in values], size)
    series = pl.Series(values)
    assert column.missing == series.null_count()
    assert column.known == 300 - series.null_count()
    assert column.distinct == series.drop_nulls().n_unique()
    assert (column.minimum, column.maximum) == (series.min(), series.max())
    assert column.missing_share == pytest.approx(series.null_count() / 300)


CELLS = st.one_of(
    st.sampled_from(["", "NA", "1", "2", "2.5", "true", "false", "x", "red", "2013-02-08", "inf"]),
    st.integers(-3, 200).map(str),
    st.text("ab ", max_size=60),
)
COLUMNS = st.one_of(
    st.lists(CELLS, min_size=1, max_size=120),
    st.lists(st.integers().map(str), min_size=1, max_size=120),
    st.integers(40, 120).map(lambda n: [str(i) for i in range(n)]),
    st.integers(40, 120).map(lambda n: [f"{'long ' * 9}{i % 55}" for i in range(n)]),
    st.tuples(st.lists(CELLS, max_size=3), st.integers(10, 100)).map(
        lambda pair: [str(i % 9) for i in range(pair[1])] + pair[0]
    ),
)


def fit_refuses(cells: list[str]) -> bool:
    """Say whether the features refuse a column."""
    frame = pl.DataFrame({"x": cells, "other": [str(i % 2) for i in range(len(cells))]})
    table = Table("t", frame, lambda row: f"row {row}")
    try:
        fit_preprocessing(table, ["x", "other"], np.arange(len(cells)))
    except FeatureError as error:
        return "no feature is left" not in error.message
    return False


@examples(deadline=None, max_examples=150)
@given(COLUMNS)
def test_a_problem_is_what_fit_refuses(cells: list[str]) -> None:
    assert (look_at(cells).problem is not None) == fit_refuses(cells)


@examples(deadline=None, max_examples=60)
@given(COLUMNS, st.integers(1, 50))
def test_batches_change_nothing(cells: list[str], size: int) -> None:
    assert look_at(cells, size) == look_at(cells)


@examples(deadline=None, max_examples=60)
@given(COLUMNS)
def test_columns_read_together_are_as_those_read_one_by_one(cells: list[str]) -> None:
    together = look_at(cells)
    with mock.patch.object(plain_numbers, "MOST_ROWS", -1):
        assert look_at(cells) == together


# -------------------------------------------------------------------------------- repeats


@examples(deadline=None)
@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 20))
def test_repeats_are_exact_for_few_values(values: list[int], size: int) -> None:
    counter = RepeatCounter(64)
    for first in range(0, len(values), size):
        counter.add(pl.Series(values[first : first + size], dtype=pl.Int64).hash().to_numpy())
    assert counter.is_exact
    assert counter.repeats == len(values) - len(set(values))


def test_many_repeats_are_estimated_with_flat_memory() -> None:
    counter = RepeatCounter(4096)
    for first in range(0, 300_000, 50_000):
        hashes = pl.Series(range(first, first + 50_000)).hash().to_numpy()
        counter.add(hashes)
        counter.add(hashes[:10_000])
        assert len(counter._hashes) <= 4096
    assert not counter.is_exact
    assert counter.repeats == pytest.approx(60_000, rel=0.2)


def test_no_repeats_are_never_some() -> None:
    counter = RepeatCounter(256)
    counter.add(pl.Series(range(100_000)).hash().to_numpy())
    assert counter.repeats == 0


@pytest.mark.parametrize("missing", [0, 1])
def test_row_numbers_of_a_long_table_are_an_id(missing: int) -> None:
    scan = ColumnScan("x")
    cells = pl.Series([str(i) for i in range(20_000)] + [""] * missing)
    scan.add(cells, str)
    assert scan.finish().kind == ("number" if missing else "id")


# ----------------------------------------------------------------------------------------- labels

LABELS = pl.DataFrame(
    {
        "y_a": ["1", "0", "1", "", "1", "0"],
        "y_b": ["yes", "no", "yes", "yes", "", "no"],
        "x": ["1", "2", "3", "4", "5", "6"],
    }
)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_labels_and_pairs_by_hand(size: int) -> None:
    found = look(LABELS, size=size)
    counts = {c.label: (c.positives, c.negatives, c.missing) for c in found.labels}
    assert counts == {"y_a": (3, 2, 1), "y_b": (3, 2, 1)}
    (pair,) = found.pairs
    # both are known in four rows; in each, two of those are positive, and the same two
    assert (pair.first, pair.second, pair.together) == ("y_a", "y_b", 2)
    assert pair.lift == pytest.approx(2 / (2 * 2 / 4))
    assert found.guessed


def test_counts_are_those_of_weights(write: WriteFile) -> None:
    random = np.random.default_rng(1)
    rows = random.choice(["0", "1", ""], size=(400, 3), p=[0.7, 0.2, 0.1])
    frame = pl.DataFrame(rows, schema=["y_a", "y_b", "y_c"], orient="row").with_row_index("x")
    path = write("t.csv", frame.write_csv())
    assert inspect_source(open_source(path)).labels == count_labels(open_source(path)).labels


def test_pairs_agree_with_numpy() -> None:
    random = np.random.default_rng(2)
    targets = random.choice([0.0, 1.0, np.nan], size=(500, 6), p=[0.6, 0.3, 0.1])
    labels = [f"y_{i}" for i in range(6)]
    counter = PairCounts(labels)
    for first in range(0, 500, 70):
        counter.add(DenseTargets.of(targets[first : first + 70]))
    pairs = counter.pairs(100, set(labels))
    assert len(pairs) == 15
    assert [p.together for p in pairs] == sorted((p.together for p in pairs), reverse=True)
    for pair in pairs:
        both = targets[:, [labels.index(pair.first), labels.index(pair.second)]]
        both = both[~np.isnan(both).any(axis=1)]
        shares = both.mean(axis=0)
        assert pair.together == both.prod(axis=1).sum()
        assert pair.lift == pytest.approx(both.prod(axis=1).mean() / shares.prod())
    assert len(counter.pairs(4, {"y_1", "y_2", "y_3"})) == 3


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_tags_agree_with_scikit_learn(size: int) -> None:
    random = np.random.default_rng(3)
    rows = [[f"t{j}" for j in range(12) if random.random() < 0.3] for _ in range(40)]
    rows = [row or ["t0"] for row in rows]
    frame = pl.DataFrame({"tags": ["|".join(row) for row in rows] + [""]})
    found = look(frame, "tags", size=size, settings=LabelSettings(encoding="tags", separator="|"))
    encoder = MultiLabelBinarizer()
    targets = encoder.fit_transform(rows)
    positives = dict(zip(encoder.classes_, targets.sum(axis=0).tolist(), strict=True))
    assert {c.label: c.positives for c in found.labels} == positives
    assert all((c.missing, c.negatives) == (1, 40 - c.positives) for c in found.labels)
    for pair in found.pairs:
        i, j = (list(encoder.classes_).index(name) for name in (pair.first, pair.second))
        expected = positives[pair.first] * positives[pair.second] / 40
        assert pair.together == (targets[:, i] & targets[:, j]).sum()
        assert pair.lift == pytest.approx(pair.together / expected)


def test_classes_never_occur_together() -> None:
    frame = pl.DataFrame({"y": ["a", "b", "c", "b"], "x": ["1", "2", "3", "4"]})
    found = look(frame, size=2, settings=CLASSES)
    assert [(c.label, c.positives) for c in found.labels] == [("a", 1), ("b", 2), ("c", 1)]
    assert found.pairs == []
    assert found.label_columns == ["y"]


def test_several_columns_of_classes_are_an_error() -> None:
    with pytest.raises(LabelError, match="reads one column"):
        look(LABELS, settings=CLASSES)


@pytest.mark.parametrize(
    ("cells", "settings", "problem"),
    [
        (["a", "b", "c"], PLAIN, "not a binary label"),
        (["a"] * 3, CLASSES, "needs at least 2 classes"),
        (["a;;b", "a", "b"], LabelSettings(encoding="tags"), "empty tag"),
        ([f"{i}" for i in range(2100)], CLASSES, "looks like an id"),
    ],
)
def test_a_label_that_cannot_be_read_is_a_finding(
    cells: list[str], settings: LabelSettings, problem: str
) -> None:
    found = look(
        pl.DataFrame({"y": cells, "x": [str(i % 2) for i in range(len(cells))]}), settings=settings
    )
    assert found.findings[0].outcome == "refused"
    assert found.findings[0].column == "y"
    assert problem in found.findings[0].problem
    assert found.labels == []
    assert found.label_columns == ["y"]


def test_a_refused_label_leaves_the_others() -> None:
    frame = LABELS.with_columns(y_c=pl.Series(["0", "1", "2", "0", "1", "2"]))
    found = look(frame, size=2)
    assert [label.label for label in found.labels] == ["y_a", "y_b"]
    assert len(found.pairs) == 1


def test_without_labels_columns_of_two_values_are_candidates() -> None:
    frame = pl.DataFrame(
        {
            "sold": ["1", "0", "0", ""],
            "state": ["ok", "bad", "ok", "ok"],
            "size": ["1", "2", "3", "4"],
        }
    )
    found = look(frame)
    assert [dataclasses.astuple(candidate) for candidate in found.candidates] == [
        ("sold", "1", False, 1, 2),
        ("state", "bad", True, 1, 3),
    ]
    assert found.findings[0].problem == "no column is called y, label, target or y_*"


# --------------------------------------------------------------------------------------- findings


def test_findings_say_what_fit_says() -> None:
    rows = 100
    frame = pl.DataFrame(
        {
            "key": [f"k{i}" for i in range(rows)],
            "same": ["a"] * rows,
            "y_rare": ["1"] * 3 + ["0"] * (rows - 3),
            "y_none": ["0"] * rows,
            "x": [str(i % 7) for i in range(rows)],
        }
    )
    found = look(frame)
    assert [(f.outcome, f.column) for f in found.findings] == [
        ("refused", "key"),
        ("warned", "same"),
        ("warned", "y_rare"),
        ("warned", "y_none"),
    ]
    assert found.findings[0].hint == "data.exclude: [key]"
    assert "has 3 positives" in found.findings[2].problem
    assert "cannot be learned" in found.findings[3].problem


@pytest.mark.parametrize("labels", [1, 30])
def test_blank_cells_that_may_be_all_negatives_have_a_hint(labels: int) -> None:
    frame = pl.DataFrame({f"y_{i}": ["1", "", ""] * 20 for i in range(labels)})
    hints = {f.hint for f in look(frame).findings if "no negative" in f.problem}
    hint = "if blank means 0: data.missing_labels: negative (imbtrain weights --missing-labels"
    assert hints == {f"{hint} negative)"}


def test_tags_with_another_separator_and_blank_cells_are_findings() -> None:
    frame = pl.DataFrame({"y": ["a|b", "a", "b", ""] * 20, "x": range(80)})
    found = look(frame, "y", settings=LabelSettings(encoding="tags"))
    refused, blank = (finding for finding in found.findings if finding.column == "y")
    assert (refused.outcome, blank.outcome) == ("refused", "warned")
    assert "'|' would make 2 tags of its 3 different values" in refused.problem
    assert str(refused.hint).startswith('--tag-separator "|"')
    assert blank.problem.startswith("20 cells are blank and so count as missing")
    found = look(frame, "y", settings=LabelSettings(encoding="tags", separator="|"))
    assert [label.label for label in found.labels] == ["a", "b"]


def test_features_called_like_labels_are_named() -> None:
    found = look(LABELS, "y_a")
    assert [f.column for f in found.findings if "called like a label" in f.problem] == ["y_b"]


@pytest.mark.parametrize("size", [2, 1000])
def test_repeated_rows_are_counted(size: int) -> None:
    frame = pl.DataFrame({"y": ["0", "1", "0", "0", "1"], "x": ["a", "a", "a", "b", "a"]})
    found = look(frame, size=size)
    assert found.repeated_rows == 2
    assert found.repeated_rows == frame.height - frame.unique().height
    assert any("2 rows equal to an earlier one" in f.problem for f in found.findings)


@pytest.mark.parametrize("size", [7, 1000])
def test_leaks_are_findings(size: int) -> None:
    rows = [int(i % 5 == 0) for i in range(200)]
    frame = pl.DataFrame(
        {
            "y": [str(row) for row in rows],
            "copy": [str(10 * row + i % 9) for i, row in enumerate(rows)],
            "lists": [[row] for row in rows],
            "x": [str(i % 7) for i in range(200)],
        }
    )
    found = look(frame, size=size)
    assert [(leak.column, leak.label, leak.how) for leak in found.leaks] == [
        ("copy", "y", "higher")
    ]
    assert any(f.column == "copy" and "may be a leak" in f.problem for f in found.findings)


@pytest.mark.parametrize("size", [7, 60, 1000])
@pytest.mark.parametrize("encoding", ["one_vs_rest", "tags"])
def test_leaks_of_classes_and_tags_are_those_that_fit_finds(encoding: str, size: int) -> None:
    random = np.random.default_rng(0)
    kinds = np.array(["ant", "bee", "cat", ""])[np.sort(random.integers(0, 4, 300))]
    number = np.array([{"ant": 0, "bee": 1, "cat": 2, "": 5}[kind] for kind in kinds])
    frame = pl.DataFrame(
        {
            "kind": kinds,
            "code": (number + random.random(300) / 2).astype(str),
            "only": np.where(number == 1, "7", ""),
            "word": np.where(number == 0, random.choice(["a", "b"], 300), "c"),
            "day": np.where(number == 2, "2020-01-01", "2021-05-05"),
            "noise": random.random(300).astype(str),
        }
    )
    settings = LabelSettings(encoding=encoding)  # type: ignore[arg-type]
    found = look(frame, "kind", settings=settings, size=size)
    table = Table("t", frame, str)
    encoder = LabelEncoder(encoding, ["kind"], ["ant", "bee", "cat"])  # type: ignore[arg-type]
    features = [column for column in frame.columns if column != "kind"]
    expected = find_leaks(table, features, encoder.labels, encoder.encode(table), np.arange(300))
    assert {leak.column for leak in expected} == {"code", "only", "word", "day"}
    assert sorted(map(str, found.leaks)) == sorted(map(str, expected))


def test_no_leak_is_looked_for_in_a_label_that_cannot_be_read() -> None:
    frame = pl.DataFrame({"y": ["a;;b", "a"] * 20, "x": ["1", "2"] * 20})
    found = look(frame, "y", settings=LabelSettings(encoding="tags"))
    assert found.leaks == []
    assert found.labels == []


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["1", "inf", "-inf"], "line 3: 'inf' is infinite"),
        (["1", "", "-1e39"], "line 4: '-1e39' is too large: the most is 3.4e+38"),
    ],
)
def test_a_number_that_no_float_holds_is_told_with_its_place(
    write: WriteFile, cells: list[str], problem: str
) -> None:
    path = write("a.csv", "x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    [column, _] = inspect_source(open_source(path)).columns
    assert column.problem == f"{path}: {problem}"
