"""Dense and sparse targets are one thing in two forms, held to what numpy says of the floats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.labels import targets as targets_module
from imbalance_cli.labels.targets import (
    DenseTargets,
    SparseTargets,
    Targets,
    as_targets,
    stack_targets,
)

if TYPE_CHECKING:
    import pytest
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def draw(rows: int, labels: int, seed: int) -> Floats:
    """Return targets (N, L) of which some rows and some labels are missing as a whole."""
    random = np.random.default_rng(seed)
    values = (random.random((rows, labels)) < 0.3).astype(np.float32)
    values[random.random(rows) < 0.2] = np.nan
    values[:, random.random(labels) < 0.2] = np.nan
    return values


def sparse(values: Floats) -> SparseTargets:
    """Return floats whose missing cells are whole rows and whole labels as sparse targets."""
    known = ~np.isnan(values)
    rows, labels = np.nonzero(values == 1)
    whole = SparseTargets.of(rows, labels, values.shape)
    return whole.mask(rows=np.any(known, axis=1), labels=np.any(known, axis=0))


def both(values: Floats) -> list[Targets]:
    return [as_targets(values), sparse(values)]


shapes = st.tuples(st.integers(0, 12), st.integers(1, 8), st.integers(0, 1000))


@given(shapes)
def test_both_forms_hold_the_same_cells(shape: tuple[int, int, int]) -> None:
    values = draw(*shape)
    for targets in both(values):
        assert targets.shape == values.shape
        assert len(targets) == len(values)
        np.testing.assert_array_equal(targets.dense(), values)
        np.testing.assert_array_equal(targets.dense(slice(1, 3)), values[:, 1:3])
        np.testing.assert_array_equal(targets.positives().toarray(), values == 1)
        sides = (values == 1, values == 0, np.isnan(values))
        np.testing.assert_array_equal(targets.counts(), [side.sum(axis=0) for side in sides])
        np.testing.assert_array_equal(targets.known_rows(), ~np.isnan(values).all(axis=1))
        np.testing.assert_array_equal(targets.incomplete_rows(), np.isnan(values).any(axis=1))
        np.testing.assert_array_equal(targets.filled().dense(), np.nan_to_num(values))
        factors = np.random.default_rng(0).integers(np.iinfo(np.int64).max, size=shape[1])
        hashed = np.nan_to_num(values, nan=2).astype(np.int64) @ factors
        np.testing.assert_array_equal(targets.hash_rows(factors), hashed)


@given(shapes, st.data())
def test_both_forms_take_and_mask_alike(shape: tuple[int, int, int], data: st.DataObject) -> None:
    values = draw(*shape)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=shape[0], max_size=shape[0])), bool)
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=shape[1], max_size=shape[1])))
    numbers = np.flatnonzero(kept)[::-1]
    masked = np.where(kept[:, None] & labels, values, np.nan)
    for targets in both(values):
        np.testing.assert_array_equal(targets.take(kept).dense(), values[kept])
        np.testing.assert_array_equal(targets.take(numbers).dense(), values[numbers])
        np.testing.assert_array_equal(targets.take(slice(1, 4)).dense(), values[1:4])
        np.testing.assert_array_equal(targets.mask(rows=kept, labels=labels).dense(), masked)
        np.testing.assert_array_equal(targets.dense(), values)
        whole = stack_targets([targets.take(slice(0, 3)), targets.take(slice(3, None))])
        assert type(whole) is type(targets)
        np.testing.assert_array_equal(whole.dense(), values)


@given(shapes)
def test_weighted_counts_are_sums_of_weights(shape: tuple[int, int, int]) -> None:
    values = draw(*shape)
    weights = np.random.default_rng(1).uniform(0, 3, len(values))
    wanted = [weights @ side for side in (values == 1, values == 0, np.isnan(values))]
    for targets in both(values):
        np.testing.assert_allclose(targets.counts(weights), wanted, atol=1e-12)


def test_stacked_forms_that_differ_are_dense() -> None:
    values = draw(6, 3, seed=3)
    whole = stack_targets([sparse(values), as_targets(values)])
    assert isinstance(whole, DenseTargets)
    np.testing.assert_array_equal(whole.dense(), np.concatenate([values, values]))
    masked = sparse(values).mask(labels=np.array([False, True, True]))
    both_masks = stack_targets([sparse(np.nan_to_num(values)), masked])
    assert np.isnan(both_masks.dense()[6:, 0]).all()
    assert not np.isnan(both_masks.dense()[:6]).any()


def test_blocks_of_rows_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = as_targets(draw(50, 4, seed=1))
    factors = np.arange(4)
    counts, hashed = targets.counts(), targets.hash_rows(factors)
    monkeypatch.setattr(targets_module, "BLOCK_CELLS", 12)
    np.testing.assert_array_equal(targets.counts(), counts)
    np.testing.assert_array_equal(targets.hash_rows(factors), hashed)
