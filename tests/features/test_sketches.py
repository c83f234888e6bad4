"""Sketches: exact up to a size, within their bounds beyond, whatever the batches."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.features.sketches import DistinctCounter, FrequentTexts, QuantileSketch

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARES = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
NUMBERS = st.lists(st.one_of(st.integers(-5, 5).map(float), st.floats(-1e9, 1e9)), min_size=1)


def sketch_of(
    values: NDArray[np.float64], cuts: list[int], exact: int, width: int
) -> QuantileSketch:
    """Return a sketch of values that came in batches."""
    sketch = QuantileSketch(exact, width)
    for part in np.split(values, sorted(cuts)):
        sketch.add(part)
    return sketch


def assert_within_bound(sketch: QuantileSketch, values: NDArray[np.float64]) -> None:
    """Each quantile must lie between those that its bound on the ranks allows."""
    ascending = np.sort(values)
    for share, value in zip(SHARES, sketch.quantiles(SHARES), strict=True):
        place = (len(values) - 1) * share
        lowest = ascending[max(0, int(np.floor(place)) - sketch.rank_error)]
        highest = ascending[min(len(values) - 1, int(np.ceil(place)) + sketch.rank_error)]
        assert lowest <= value <= highest


@settings(deadline=None)
@given(NUMBERS, st.lists(st.integers(0, 30), max_size=4))
def test_few_values_have_the_quantiles_of_numpy(numbers: list[float], cuts: list[int]) -> None:
    values = np.array(numbers)
    distinct = len(np.unique(values))
    for exact in (distinct, len(values), 1000):
        sketch = sketch_of(values, cuts, exact, 4)
        assert sketch.is_exact
        assert sketch.quantiles(SHARES).tolist() == np.quantile(values, SHARES).tolist()
        assert (sketch.count, sketch.rank_error) == (len(values), 0)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300),
    st.lists(st.integers(0, 300), max_size=5),
    st.integers(1, 20),
    st.integers(2, 20),
)
def test_the_bound_holds_and_batches_do_not_matter(
    numbers: list[float], cuts: list[int], exact: int, width: int
) -> None:
    values = np.array(numbers)
    sketch = sketch_of(values, cuts, exact, width)
    assert_within_bound(sketch, values)
    whole = sketch_of(values, [], exact, width)
    assert sketch.quantiles(SHARES).tolist() == whole.quantiles(SHARES).tolist()
    assert sketch.rank_error == whole.rank_error


@pytest.mark.parametrize("order", ["random", "ascending", "descending", "heavy"])
def test_two_million_numbers(order: str) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=2_000_000)
    if order == "heavy":
        values = np.round(values**5, 3)
    if order in {"ascending", "descending"}:
        values = np.sort(values) * (1 if order == "ascending" else -1)
    sketch = sketch_of(values.copy(), [1_000, 300_000, 1_999_999], 2**14, 2**12)
    assert not sketch.is_exact
    assert_within_bound(sketch, values)
    assert sketch.rank_error < len(values) * np.log2(len(values) / 2**12) / (2 * 2**12)
    assert sum(len(level) for level in sketch._levels) < 2**12 * 12


@settings(deadline=None)
@given(st.lists(st.text(max_size=3)), st.integers(0, 20), st.integers(1, 30))
def test_few_distinct_are_counted(texts: list[str], cut: int, exact: int) -> None:
    one = DistinctCounter(exact)
    one.add(pl.Series(texts[:cut], dtype=pl.String))
    one.add(pl.Series([*texts[cut:], None], dtype=pl.String))
    whole = DistinctCounter(exact)
    whole.add(pl.Series(texts, dtype=pl.String))
    assert (one.count, one.is_exact) == (whole.count, whole.is_exact)
    assert one.is_exact == (len(set(texts)) <= exact)
    if one.is_exact:
        assert one.count == len(set(texts))


def test_many_distinct_are_estimated() -> None:
    errors = []
    for trial in range(40):
        counter = DistinctCounter(2**10)
        for first in range(0, 50_000, 10_000):
            numbers = pl.Series(range(first, first + 20_000)) + trial * 10**6
            counter.add(numbers.cast(pl.String))
        errors.append(counter.count / 60_000 - 1)
    assert max(np.abs(errors)) < 4 / 2**5
    assert np.std(errors) == pytest.approx(1 / 2**5, rel=0.4)
    assert abs(np.mean(errors)) < 3 / 2**5 / 40**0.5


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=60), max_size=4),
    st.integers(1, 12),
)
def test_counts_of_texts_are_low_by_no_more_than_the_error(
    parts: list[list[str]], exact: int
) -> None:
    found = FrequentTexts(exact)
    for part in parts:
        found.add(pl.Series([*part, None], dtype=pl.String))
    truth = collections.Counter(text for part in parts for text in part)
    counts = dict(found.counts.iter_rows())
    assert len(counts) <= exact
    assert list(counts) == sorted(counts)
    assert found.error <= truth.total() / (exact + 1)
    assert found.is_exact == (found.error == 0)
    for text, rows in truth.items():
        assert rows - found.error <= counts.get(text, 0) <= rows


def test_long_texts_do_not_fill_the_memory() -> None:
    frequent = FrequentTexts(exact=100, characters=1000)
    frequent.add(pl.Series(["short"] * 50 + [f"{i:0300d}" for i in range(20)]))
    assert frequent.counts.to_dicts() == [{"text": "short", "rows": 49}]
    assert frequent.error == 1
