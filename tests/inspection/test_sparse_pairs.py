"""Pairs of many labels: what dense counts say, and what is forgotten where there are too many."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from imbalance_cli.inspection import LabelPair
from imbalance_cli.inspection import sparse_pairs as module
from imbalance_cli.inspection.pairs import PairCounts
from imbalance_cli.inspection.sparse_pairs import SparsePairCounts
from imbalance_cli.labels.targets import DenseTargets, SparseTargets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Cells = NDArray[np.bool_]

ALL = 10_000  # pairs
LABELS = 12


def name_labels(labels: int) -> list[str]:
    return [f"t{i}" for i in range(labels)]


def count_dense(cells: Cells, missing: NDArray[np.bool_]) -> PairCounts:
    """Count cells (N, L) of which whole rows (N,) are missing."""
    counts = PairCounts(name_labels(cells.shape[1]))
    counts.add(DenseTargets.of(np.where(missing[:, None], np.nan, cells)))
    return counts


def count_sparse(cells: Cells, missing: NDArray[np.bool_], size: int) -> SparsePairCounts:
    """Count the same `size` rows at a time; labels come up as columns of tags bring them."""
    counts = SparsePairCounts([])
    for first in range(0, len(cells), size):
        rows = slice(first, first + size)
        met = (cells & ~missing[:, None])[: first + size].any(axis=0)
        known = max(len(counts.labels), int(np.flatnonzero(met).max(initial=-1)) + 1)
        counts.grow(name_labels(known))
        own, labels = (cells[rows, :known] & ~missing[rows, None]).nonzero()
        shape = len(cells[rows]), known
        counts.add(SparseTargets.of(own, labels, shape, missing[rows]))
    counts.grow(name_labels(cells.shape[1]))
    return counts


@contextlib.contextmanager
def limits(pairs: int, labels: int, speed: float) -> Iterator[None]:
    """Count few pairs at a time and in all."""
    with (
        mock.patch.object(module, "MOST_PAIRS", pairs),
        mock.patch.object(module, "MOST_LABELS", labels),
        mock.patch.object(module, "MOST_CELLS", 4 * labels),
        mock.patch.object(module, "DENSE_SPEED", speed),
    ):
        yield


@st.composite
def targets(draw: st.DrawFn) -> tuple[Cells, NDArray[np.bool_]]:
    """Draw cells, and which rows of them are missing."""
    rows, labels = draw(st.integers(1, 20)), draw(st.integers(0, 8))
    cells = draw(arrays.arrays(np.bool_, (rows, labels)))
    missing = draw(arrays.arrays(np.bool_, rows))
    # before any label is known, a row of none is not known either
    first = int(cells.any(axis=1).argmax()) if cells.any() else rows
    missing[:first] = True
    return cells, missing


@examples(deadline=None)
@given(targets(), st.integers(1, 21), st.sampled_from([8 * 8, 2**23]))
def test_dense_and_sparse_counts_agree(
    drawn: tuple[Cells, NDArray[np.bool_]], size: int, most_pairs: int
) -> None:
    cells, missing = drawn
    with limits(most_pairs, labels=8, speed=1):
        sparse = count_sparse(cells, missing, size)
    dense = count_dense(cells, missing)
    labels = name_labels(cells.shape[1])
    if (cells & ~missing[:, None])[:size].any():
        assert sparse.counts() == dense.counts()
        for among in (labels, labels[::2]):
            assert order(sparse.pairs(ALL, among)) == order(dense.pairs(ALL, among))
    assert sparse.remarks() == []


def order(pairs: list[LabelPair]) -> list[tuple[str, str, int, float]]:
    return [(pair.first, pair.second, pair.together, round(pair.lift, 9)) for pair in pairs]


@pytest.mark.parametrize("speed", [0, 1, 1e9])
@pytest.mark.parametrize("size", [7, 90, 300])
def test_of_too_many_pairs_those_of_the_commonest_labels_are_exact(speed: float, size: int) -> None:
    random = np.random.default_rng(0)
    cells = random.random((300, LABELS)) < np.where(np.arange(LABELS) < LABELS - 5, 0.2, 0.6)
    cells[:7, -5:] = True  # the five commonest are so from the first rows on
    missing = random.random(300) < 0.1
    with limits(pairs=30, labels=5, speed=speed):
        sparse = count_sparse(cells, missing, size)
    commonest = name_labels(LABELS)[-5:]
    dense = count_dense(cells, missing)
    assert sparse.counts() == dense.counts()
    found = sparse.pairs(ALL, name_labels(LABELS))
    assert order(found) == order(dense.pairs(ALL, commonest))
    (sentence,) = sparse.remarks()
    assert sentence == (
        "labels that occur together were looked for among 5 of 12, the commonest of the first "
        f"{size} rows"
    )


def test_a_row_of_very_many_tags_does_not_fill_the_memory() -> None:
    cells = np.zeros((3, 400), np.bool_)
    cells[0, :2], cells[1], cells[2, :3] = True, True, True
    with limits(pairs=1_000, labels=20, speed=0):
        sparse = count_sparse(cells, np.zeros(3, np.bool_), size=1)
    assert sparse._both.nnz == 20 * 19 / 2
    assert sparse.pairs(1, ["t0", "t1", "t2"]) == [LabelPair("t0", "t1", 3, 1.0)]
    assert sparse.remarks()[0].startswith("labels that occur together were looked for among 20 of")


def test_pairs_of_the_commonest_labels_never_reach_the_limit() -> None:
    assert module.MOST_LABELS**2 < module.MOST_PAIRS
