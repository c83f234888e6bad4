"""Preprocessing: the formulas, what is refused and where, and the way through plain data."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.errors import FeatureError
from imbalance_cli.features import (
    FIRST_CATEGORY,
    MISSING,
    OTHER,
    CategoricalFeature,
    NumericFeature,
    Preprocessing,
    fit_preprocessing,
)
from imbalance_cli.readers import Table

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    assert numeric.tolist() == [[0, 1], [0, 1], [1, 0], [1, 0]]


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
