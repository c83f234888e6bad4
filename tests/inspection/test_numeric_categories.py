"""Columns of codes are found, and measurements are not taken for codes."""

from __future__ import annotations

import numpy as np
import polars as pl

from imbalance_cli.inspection.numeric_categories import NumericCategoryScan
from imbalance_cli.readers.plain_numbers import read_columns


def find(values: np.ndarray, rate: np.ndarray, seed: int) -> list[str]:
    """Return the columns found, of rows with these values whose labels have these rates."""
    labels = (np.random.default_rng(seed).random(len(values)) < rate)[:, None].astype(np.float32)
    scan = NumericCategoryScan()
    for part in (slice(None, 1000), slice(1000, None)):
        frame = pl.DataFrame({"c": values[part]})
        for column, numbers in read_columns(frame, ["c"]):
            scan.add(frame[column], numbers, labels[part])
    return list(scan.find())


def test_codes_are_found_and_measures_are_not() -> None:
    found = 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        values = random.integers(100, 160, 3000)
        of_code = random.normal(size=60)[values - 100]
        found += find(values, 1 / (1 + np.exp(2.6 - 2 * of_code)), seed) == ["c"]
        smooth = (values - 130) / 30
        assert find(values, 1 / (1 + np.exp(2.6 - 3 * smooth)), seed) == []
        assert find(values, 1 / (1 + np.exp(4 - 4 * smooth**2)), seed) == []
        assert find(values, np.full(3000, 0.06), seed) == []
    assert found >= 8  # of codes that chance puts in order, no count can tell


def test_decimals_texts_and_rows_of_their_own_are_no_codes() -> None:
    random = np.random.default_rng(0)
    rate = random.random(3000)
    assert find(random.normal(size=3000), rate, 0) == []
    assert find(np.arange(3000), rate, 0) == []
    assert find(random.choice(["a", "b"], 3000), rate, 0) == []
