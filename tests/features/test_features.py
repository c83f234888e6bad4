"""Preprocessing: the formulas, what is refused and where, and the way through plain data."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.errors import FeatureError, SourceError
from imbalance_cli.features import (
    FIRST_CATEGORY,
    MISSING,
    OTHER,
    CategoricalFeature,
    FeatureScan,
    NumericFeature,
    Preprocessing,
    fit_preprocessing,
)
from imbalance_cli.features.texts import ONE_HOT_CATEGORIES
from imbalance_cli.readers import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def make_table(**columns: Sequence[object] | pl.Series) -> Table:
    """Return a table whose row r stands on line r + 2."""
    return Table("rows.csv", pl.DataFrame(columns), lambda row: f"rows.csv: line {row + 2}")


def fit(table: Table, rows: Sequence[int] | None = None) -> Preprocessing:
    """Fit every column on some rows, or on all."""
    chosen = np.arange(table.frame.height) if rows is None else np.array(rows, np.intp)
    return fit_preprocessing(table, table.frame.columns, chosen)


def refusal(table: Table) -> str:
    """Return the message of the error, which must have a hint."""
    with pytest.raises(FeatureError) as caught:
        fit(table)
    assert caught.value.hint
    return caught.value.message


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=3, max_size=40))
def test_robust_scaling(values: list[float]) -> None:
    table = make_table(x=values)
    first, median, third = np.percentile(values, [25, 50, 75])
    scale = third - first or (max(values) - min(values)) / 2
    if not scale:
        with pytest.raises(FeatureError, match="no feature is left"):
            fit(table)
        return
    x = (np.array(values) - median) / scale
    result = fit(table).transform(table).numeric
    np.testing.assert_allclose(result[:, 0], x / np.sqrt(1 + (x / 3) ** 2), rtol=1e-5, atol=1e-6)
    assert (np.abs(result) <= 3.000001).all()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-3e38, 3e38), min_size=3, max_size=40))
def test_no_finite_number_overflows(values: list[float]) -> None:
    table = make_table(x=[*values, 0.0, 1.0])
    result = fit(table, range(len(values) + 1, -1, -1)).transform(table).numeric
    assert (np.abs(result) <= 3.000001).all()


def test_mostly_equal_numbers_are_scaled_by_their_range() -> None:
    (feature,) = fit(make_table(x=[0.0] * 10 + [4.0])).numeric
    assert feature == NumericFeature("x", "number", 0.0, 2.0, indicator=False)


def test_huge_numbers_are_clipped_like_others() -> None:
    table = make_table(x=[0.0, 1.0, 2.0, 3.0, 1e30])
    assert fit(table).transform(table).numeric[-1, 0] == pytest.approx(3)
    predicted = fit(table).transform(make_table(x=[3e38, -3e38]))
    assert predicted.numeric[:, 0].tolist() == pytest.approx([3, -3])
    tiny = make_table(x=[0.0, 1e-200, 2e-200, 1.0])
    assert fit(tiny, [0, 1, 2]).transform(tiny).numeric[3, 0] == pytest.approx(3)


def test_missing_numbers_become_the_median_with_an_indicator() -> None:
    table = make_table(x=["1", "", "2", "NA", "3"], z=["1", "2", "3", "4", "9"])
    fitted = fit(table)
    assert [feature.indicator for feature in fitted.numeric] == [True, False]
    assert fitted.continuous == 2
    numeric = fitted.transform(table).numeric
    assert numeric.shape == (5, 3)
    assert numeric[[1, 3], 0].tolist() == [0, 0]
    assert numeric[:, 2].tolist() == [0, 1, 0, 1, 0]


def test_constant_but_sometimes_missing_keeps_only_the_indicator() -> None:
    table = make_table(x=["5", "", "5"], z=[1.0, 2.0, 4.0])
    fitted = fit(table)
    assert fitted.numeric[0] == NumericFeature("x", "number", 5.0, None, indicator=True)
    assert fitted.continuous == 1
    assert fitted.transform(table).numeric[:, 1].tolist() == [0, 1, 0]


def test_what_says_nothing_is_dropped_and_named() -> None:
    table = make_table(
        x=[1.0, 2.0, 4.0, 7.0],
        same=[3.0] * 4,
        word=["a"] * 4,
        rare=["a", "b", "c", "d"],
        late=[None, None, None, 1.0],
    )
    fitted = fit(table, [0, 1, 2])
    assert fitted.columns == ["x"]
    assert fitted.dropped == ["same", "word", "rare", "late"]


def test_long_numbers_that_differ_are_ids() -> None:
    ids = [str(10**25 + i) for i in range(60)]
    with pytest.raises(FeatureError, match="'x' looks like an id: 60 distinct values"):
        fit(make_table(x=ids))
    large = make_table(x=[f"{1e20 * (i % 7)}" for i in range(60)])
    assert fit(large).continuous == 1


def test_only_constants() -> None:
    with pytest.raises(FeatureError, match="no feature is left"):
        fit(make_table(same=[3.0] * 4))


def test_category_indices() -> None:
    """Missing is 0, unseen and rare are 1, the others follow by name."""
    words = ["b", "b", "b", "a", "a", "a", "rare", None, " b "]
    table = make_table(word=words)
    fitted = fit(table)
    assert fitted.categorical == [CategoricalFeature("word", ["a", "b"], one_hot=True)]
    assert fitted.cardinalities == []
    rows = fitted.transform(make_table(word=["a", "b", "rare", "unseen", "NA"]))
    wanted = [FIRST_CATEGORY, FIRST_CATEGORY + 1, OTHER, OTHER, MISSING]
    assert rows.numeric.argmax(axis=1).tolist() == wanted
    assert (rows.numeric.sum(axis=1) == 1).all()
    assert rows.codes.shape == (5, 0)


def test_many_categories_are_embedded() -> None:
    words = [f"w{i:02d}" for i in range(20)] * 5
    table = make_table(word=words, x=[float(i % 7) for i in range(100)])
    fitted = fit(table)
    assert fitted.cardinalities == [22]
    rows = fitted.transform(table)
    assert rows.codes[:20, 0].tolist() == list(range(2, 22))
    assert rows.numeric.shape == (100, 1)


def test_only_missing_or_rare() -> None:
    """No category is frequent, but that a cell is missing says something."""
    table = make_table(word=["a", "b", None, None])
    numeric = fit(table).transform(table).numeric
    assert numeric.tolist() == [[1], [1], [-1], [-1]]


def test_two_indices_of_training_rows_are_one_column() -> None:
    """What no training row has is neither of them."""
    fitted = fit(make_table(word=["b", "a"] * 5))
    rows = fitted.transform(make_table(word=["a", "b", "unseen", None]))
    assert rows.numeric.tolist() == [[-1], [1], [0], [0]]


@pytest.mark.parametrize(
    ("more", "columns"),
    [([], 3), ([None], 4), (["rare"], 4), (["rare", None], 5), (["rare", "scarce"], 4)],
)
def test_only_indices_of_training_rows_have_a_column(more: list[str | None], columns: int) -> None:
    fitted = fit(make_table(word=[*["a", "b", "c"] * 4, *more]))
    [feature] = fitted.categorical
    assert (feature.has_missing, feature.has_other) == (None in more, "rare" in more)
    rows = fitted.transform(make_table(word=["a", "b", "c", "unseen", None])).numeric
    assert rows.shape == (5, columns)
    assert rows[:3].sum(axis=1).tolist() == [1, 1, 1]
    assert rows[3:].sum(axis=1).tolist() == ["rare" in more, None in more]
    assert np.linalg.matrix_rank(rows) == columns  # no column says what others say


def test_how_many_categories_are_one_hot() -> None:
    for categories in (ONE_HOT_CATEGORIES, ONE_HOT_CATEGORIES + 1):
        fitted = fit(make_table(word=[f"w{i:02}" for i in range(categories)] * 5))
        is_one_hot = categories == ONE_HOT_CATEGORIES
        assert [feature.one_hot for feature in fitted.categorical] == [is_one_hot]
        assert fitted.cardinalities == ([] if is_one_hot else [FIRST_CATEGORY + categories])


@pytest.mark.parametrize("column", ["count", "text", "rows", "len", "values"])
def test_any_column_name(column: str) -> None:
    table = make_table(**{column: ["a", "b"] * 5})
    assert fit(table).categorical[0].categories == ["a", "b"]


def test_dates_are_days() -> None:
    texts = ["2020-01-01", "2020-01-02", "2020-01-03 12:00:00", "2020-01-05", ""]
    (feature,) = fit(make_table(day=texts)).numeric
    assert (feature.kind, feature.indicator) == ("date", True)
    assert feature.median == pytest.approx(np.median([18262, 18263, 18264.5, 18266]))


def test_one_row_a_day_is_no_id() -> None:
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(100)]
    assert fit(make_table(day=days)).numeric[0].kind == "date"


def test_typed_and_text_columns_give_the_same_features() -> None:
    random = np.random.default_rng(0)
    numbers = [None if i % 7 == 0 else float(v) for i, v in enumerate(random.normal(size=60))]
    days = [dt.date(2020, 1, 1 + i % 5) for i in range(60)]
    moments = [dt.datetime(2020, 1, 1, i % 5) for i in range(60)]  # noqa: DTZ001 - as tables hold them
    flags = [None if i % 9 == 0 else i % 3 == 0 for i in range(60)]
    words = [["a", "b", None][i % 3] for i in range(60)]
    typed = make_table(
        number=pl.Series(numbers),
        whole=pl.Series([i % 4 for i in range(60)], dtype=pl.UInt8),
        day=pl.Series(days),
        moment=pl.Series(moments),
        flag=pl.Series(flags),
        word=pl.Series(words, dtype=pl.Categorical),
    )
    text = make_table(
        number=["" if v is None else repr(v) for v in numbers],
        whole=[str(i % 4) for i in range(60)],
        day=[str(day) for day in days],
        moment=[moment.isoformat() for moment in moments],
        flag=["" if flag is None else str(flag) for flag in flags],
        word=["NA" if word is None else word for word in words],
    )
    from_typed, from_text = fit(typed), fit(text)
    assert from_typed == from_text
    for table in (typed, text):
        rows = from_typed.transform(table)
        assert np.array_equal(rows.numeric, from_text.transform(text).numeric)


def test_round_trip_through_plain_data() -> None:
    table = make_table(
        x=["1", "", "4", "7"] * 10,
        day=["2020-01-01", "2020-01-03", "", "2020-01-09"] * 10,
        word=["a", "b", "", "a"] * 10,
        many=[f"w{i % 13}" for i in range(40)],
    )
    fitted = fit(table, range(30))
    loaded = Preprocessing.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert (loaded.numeric, loaded.categorical) == (fitted.numeric, fitted.categorical)
    ours, theirs = fitted.transform(table), loaded.transform(table)
    assert np.array_equal(ours.numeric, theirs.numeric)
    assert np.array_equal(ours.codes, theirs.codes)
    assert ours.numeric.dtype == np.float32


def test_rows_do_not_depend_on_each_other() -> None:
    table = make_table(x=["1", "", "4", "7"], word=["a", "a", "a", "b"])
    fitted = fit(table)
    whole = fitted.transform(table).numeric
    for row in range(4):
        one = Table("rows.csv", table.frame[row], table.place)
        assert np.array_equal(fitted.transform(one).numeric, whole[[row]])
    none = Table("rows.csv", table.frame.clear(), table.place)
    assert fitted.transform(none).numeric.shape == (0, whole.shape[1])


def test_all_missing() -> None:
    for cells in (["", "NA", "null"], [None] * 3, pl.Series([math.nan] * 3)):
        assert refusal(make_table(x=cells)) == "rows.csv: column 'x': every cell is missing"


def test_infinite_and_too_large() -> None:
    assert refusal(make_table(x=["1", "2", "-inf"])) == (
        "rows.csv: line 4: column 'x': '-inf' is infinite"
    )
    assert "line 3: column 'x': inf is infinite" in refusal(make_table(x=[1.0, math.inf]))
    assert "'1e39' is too large: the most is 3.4e+38" in refusal(make_table(x=["1", "1e39"]))
    with warnings.catch_warnings(action="error"):  # and nothing of numpy's before it
        assert "'1e308' is too large" in refusal(make_table(x=["1e308", "-1e308", "2"]))


def test_a_few_texts_among_numbers_or_dates() -> None:
    numbers = [str(i % 17) for i in range(100)]
    numbers[40] = "l2"
    assert refusal(make_table(x=numbers)) == (
        "rows.csv: line 42: column 'x': 'l2' is not a number, as 99 of 100 cells are"
    )
    days = ["2020-01-0" + str(1 + i % 9) for i in range(100)]
    days[7] = "soon"
    assert "line 9: column 'x': 'soon' is not a date, as 99 of 100" in refusal(make_table(x=days))


def test_true_false_and_a_rare_third_are_categories() -> None:
    words = ["true", "false"] * 50 + ["unknown"] * 3
    assert fit(make_table(x=words)).categorical[0].categories == ["false", "true", "unknown"]


def test_ids_and_free_text_are_refused() -> None:
    ids = [f"id-{i}" for i in range(60)]
    message = refusal(make_table(x=ids))
    assert "looks like an id: 60 distinct values in 60 cells, such as 'id-0'" in message
    texts = [f"number {i % 55} is a sentence that no category would be called" for i in range(300)]
    assert "looks like free text: 55 distinct" in refusal(make_table(x=texts))
    assert fit(make_table(x=["a", "b"] * 30, few=ids[:3] * 20)).columns == ["x", "few"]


@pytest.mark.parametrize("start", [0, 1, 1000])
def test_row_numbers_are_refused(start: int) -> None:
    numbers = np.random.default_rng(0).permutation(60) + start
    message = refusal(make_table(x=numbers.tolist()))
    assert f"the numbers from {start} to {start + 59}, each once" in message


def test_numbers_that_are_no_row_numbers() -> None:
    fit(make_table(few=list(range(49))))
    fit(make_table(gap=[*range(60), 61]))
    fit(make_table(missing=[*range(60), None]))
    halves = [i / 2 for i in range(0, 120, 2)]
    halves[30] += 0.5
    fit(make_table(fraction=halves))


@pytest.mark.parametrize(
    "cells",
    [
        pl.Series([[1, 2], [3]]),
        pl.Series([{"a": 1}, {"a": 2}]),
        pl.Series([b"\xff", b"a"]),
        pl.Series([dt.timedelta(1), dt.timedelta(2)]),
    ],
)
def test_types_that_are_no_feature(cells: pl.Series) -> None:
    assert "a feature is a number, a date or a category" in refusal(make_table(x=cells))


def test_times_of_day_are_categories() -> None:
    cells = pl.Series([dt.time(6), dt.time(7)] * 3)
    assert fit(make_table(x=cells)).categorical[0].categories == ["06:00:00", "07:00:00"]


def test_cells_that_changed_kind_since_training() -> None:
    table = make_table(x=["1", "2", "3"], day=["2020-01-01", "2020-01-02", "2020-01-05"])
    fitted = fit(table)
    with pytest.raises(FeatureError, match="line 3: column 'x': 'two' is not a number, as it was"):
        fitted.transform(make_table(x=["1", "two"], day=["2020-01-01"] * 2))
    with pytest.raises(FeatureError, match="line 2: column 'day': 'x' is not a date, as it was"):
        fitted.transform(make_table(x=["1"], day=["x"]))
    with pytest.raises(FeatureError, match="line 2: column 'x': 'inf' is infinite"):
        fitted.transform(make_table(x=["inf"], day=["2020-01-01"]))
    with pytest.raises(FeatureError, match="holds List"):
        fitted.transform(make_table(x=pl.Series([[1]]), day=["2020-01-01"]))


def test_no_numbers_at_all() -> None:
    words = [f"w{i % 13}" for i in range(60)]
    table = make_table(word=words)
    rows = fit(table).transform(table)
    assert rows.numeric.shape == (60, 0)
    assert rows.codes.shape == (60, 1)


CELLS: dict[str, list[str | None]] = {
    "numbers": ["1", "2.5", "-3", "007", "1e30", "true", "", "NA"],
    "long": ["100000000000000001", "100000000000000002", "-7", "5", ""],
    "words": ["a", "b", "c", " c ", None],
    "dates": ["2020-01-01", "2020-01-02 12:00", "2021-05-05", ""],
    "booleans": ["true", "false", "False", ""],
    "surprises": ["inf", "1e39", "soon", "3", "2020-01-01", "true", None, "x" * 90],
}


@st.composite
def columns(draw: st.DrawFn, rows: int) -> pl.Series:
    """Draw a column, most often of one kind, as texts or with a type."""
    kind = draw(st.sampled_from([*sorted(CELLS), "rows", "ids", "typed"]))
    if kind == "rows":
        numbers = draw(st.permutations(range(rows)))
        return pl.Series([str(number + 7) for number in numbers])
    if kind == "ids":
        return pl.Series([f"id-{draw(st.integers(0, rows))}" for _ in range(rows)])
    if kind == "typed":
        types: list[type[pl.DataType]] = [pl.Float64, pl.Int64, pl.Int8, pl.Boolean]
        dtype = draw(st.sampled_from(types))
        options: list[int | None] = [None, *([False, True] if dtype == pl.Boolean else range(90))]
        return pl.Series([draw(st.sampled_from(options)) for _ in range(rows)], dtype=dtype)
    usual = draw(st.lists(st.sampled_from(CELLS[kind]), min_size=rows, max_size=rows))
    for _ in range(draw(st.integers(0, 2))):
        usual[draw(st.integers(0, rows - 1))] = draw(st.sampled_from(CELLS["surprises"]))
    return pl.Series(usual, dtype=pl.String)


def scan_parts(
    table: Table, rows: NDArray[np.bool_], cuts: Sequence[int], exact: int
) -> FeatureScan:
    """Return a scan of a table that came in batches."""
    scan = FeatureScan(table.frame.columns, exact)
    edges = [0, *sorted(min(cut, table.frame.height) for cut in cuts), table.frame.height]
    for first, last in itertools.pairwise(edges):
        scan.add(part_of(table, first, last), rows[first:last])
    return scan


def part_of(table: Table, first: int, last: int) -> Table:
    """Return some rows of a table, which stand where they stood."""
    return Table(table.name, table.frame[first:last], lambda row: table.place(row + first))


def outcome(fitted: Callable[[], Preprocessing]) -> object:
    """Return what was fitted, or what was said against it."""
    try:
        return fitted()
    except FeatureError as error:
        return error.message, error.hint


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(1, 130), st.lists(st.integers(0, 130), max_size=4))
def test_how_rows_are_cut_into_batches_does_not_matter(
    data: st.DataObject, height: int, cuts: list[int]
) -> None:
    table = make_table(**{name: data.draw(columns(height)) for name in "ab"})
    share = data.draw(st.sampled_from([0.3, 1.0]))
    rows = np.random.default_rng(height).random(height) < share
    whole = outcome(lambda: fit_preprocessing(table, table.frame.columns, np.flatnonzero(rows)))
    assert outcome(scan_parts(table, rows, cuts, exact=2**16).finish) == whole
    few = data.draw(st.integers(1, 20))
    assert outcome(scan_parts(table, rows, cuts, few).finish) == outcome(
        scan_parts(table, rows, [], few).finish
    )


def test_a_long_stream_is_fitted_within_its_bounds() -> None:
    random = np.random.default_rng(0)
    scan, parts = FeatureScan(["x", "word", "day"], exact=2**10), []
    for _ in range(30):
        words = random.zipf(1.5, size=4_000).clip(max=3_000)
        parts.append(
            pl.DataFrame(
                {
                    "x": random.normal(size=4_000).astype(str),
                    "word": [f"w{word}" for word in words],
                    "day": pl.Series(random.integers(0, 9_000, 4_000)).cast(pl.Date),
                }
            )
        )
        scan.add(Table("rows.csv", parts[-1], str))
    frame = pl.concat(parts)
    fitted = scan.finish()
    exact = fit(Table("rows.csv", frame, str))
    for ours, reference in zip(fitted.numeric, exact.numeric, strict=True):
        assert reference.scale is not None
        assert ours.median == pytest.approx(reference.median, abs=0.01 * reference.scale)
        assert ours.scale == pytest.approx(reference.scale, rel=0.02)
    frequent = frame["word"].value_counts().filter(pl.col("count") > frame.height / 2**10)
    kept = fitted.categorical[0].categories
    assert set(frequent["word"]) <= set(kept) <= set(exact.categorical[0].categories)
    assert len(kept) <= 2**10


def test_ids_of_a_long_stream() -> None:
    scan = FeatureScan(["id"], exact=2**10)
    for first in range(0, 40_000, 5_000):
        texts = [f"id-{i}" for i in range(first, first + 5_000)]
        scan.add(make_table(id=texts))
    with pytest.raises(FeatureError, match=r"looks like an id: about (3[6-9]|40),\d{3} dis"):
        scan.finish()


@pytest.mark.parametrize("dtype", [pl.Int32, pl.Int64])
def test_row_numbers_of_a_long_stream(dtype: type[pl.DataType]) -> None:
    numbers = np.random.default_rng(0).permutation(3_000_000)
    scan, almost = FeatureScan(["id"], 2**10), FeatureScan(["id"], 2**10)
    for part in np.array_split(numbers, 7):
        scan.add(make_table(id=pl.Series(part, dtype=dtype)))
        part[part == 17] = 18  # one number twice, one not at all
        almost.add(make_table(id=pl.Series(part, dtype=dtype)))
    with pytest.raises(FeatureError, match=r"the numbers from 0 to 3e\+06, each once"):
        scan.finish()
    assert almost.finish().columns == ["id"]


def test_the_first_bad_cell_of_all_batches_is_named() -> None:
    table = make_table(x=["1"] * 30 + ["2"] * 30 + ["l2"] + ["3"] * 30 + ["l3"])
    scan = scan_parts(table, np.ones(92, np.bool_), [20, 40, 60, 80], exact=4)
    with pytest.raises(FeatureError, match="line 62: column 'x': 'l2' is not a number, as 90 of"):
        scan.finish()


def test_a_column_that_changes_its_type() -> None:
    scan = FeatureScan(["x"])
    scan.add(make_table(x=[1, 2]))
    with pytest.raises(
        SourceError, match="column 'x': columns of different types: String after Int64"
    ):
        scan.add(make_table(x=["1", "2"]))


def test_sources_are_named_once_each() -> None:
    scan = FeatureScan(["x"])
    for name in ("a.csv", "a.csv", "b.csv"):
        scan.add(Table(name, pl.DataFrame({"x": ["", "NA"]}), str))
    with pytest.raises(FeatureError, match=r"^a.csv, b.csv: column 'x': every cell is missing"):
        scan.finish()


def test_numbers_that_turn_into_categories_late() -> None:
    scan = FeatureScan(["x"], exact=2**6)
    for start in range(0, 1000, 100):
        scan.add(make_table(x=[str((start + i) % 80) for i in range(100)]))
    scan.add(make_table(x=["a", "b", "c", "d"] * 100))
    with pytest.raises(FeatureError, match="numbers or dates in the first rows, other texts later"):
        scan.finish()


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt64, pl.Int128, pl.Decimal(38, 0), pl.String])
def test_typed_long_numbers_that_differ_are_ids(dtype: pl.DataType) -> None:
    ids = pl.Series([2**60 + i for i in range(60)]).cast(dtype)
    assert f"60 distinct values in 60 cells, such as '{2**60}'" in refusal(make_table(x=ids))
    scan = scan_parts(make_table(x=ids), np.ones(60, np.bool_), [7, 40], exact=2**5)
    with pytest.raises(FeatureError, match="looks like an id: "):
        scan.finish()
    few = pl.Series([2**60 + 1000 * (i % 7) for i in range(60)]).cast(dtype)
    assert fit(make_table(x=few)).columns == ["x"]
