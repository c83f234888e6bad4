"""What is drawn: rows, groups, or blocks of either, the same for whoever asks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.evaluation import DenseRows, Resampling
from imbalance_cli.evaluation.resampling import JointDraws, LabelSums, plan_joint_draws
from imbalance_cli.metrics import (
    DEFAULT_LEVELS,
    METRIC_SPECS,
    BandRows,
    Bands,
    Confusion,
    EceTests,
    PooledSums,
    Units,
)

METRICS = tuple(METRIC_SPECS)


@given(
    rows=st.integers(1, 300),
    blocks=st.integers(1, 40),
    size=st.sampled_from([1, 3]),
    seed=st.integers(0, 99),
)
def test_blocks_are_of_about_as_many_whole_units(
    rows: int, blocks: int, size: int, seed: int
) -> None:
    groups = torch.arange(rows) // size
    units = Units.of(rows, groups)
    drawn = units.in_blocks(blocks, seed)
    assert drawn.size == min(blocks, units.size)
    pairs = {tuple(pair) for pair in np.stack([units.of_row, drawn.of_row], axis=1).tolist()}
    assert len(pairs) == units.size  # a unit is in one block
    found = np.bincount([block for _, block in pairs], minlength=drawn.size)
    assert found.max() - found.min() <= 1


def test_sums_of_units_are_the_same_held_densely_or_sparsely() -> None:
    random = np.random.default_rng(0)
    p, weights = (torch.from_numpy(random.random(400)) for _ in range(2))
    y = (torch.from_numpy(random.random(400)) < p).double()
    bands = Bands.of(p, y, 0.5, weights).merged(20)
    units = Units.of(400, torch.arange(400) // 4)
    few = units.in_blocks(8, 0)
    sparse, dense = (BandRows.of(bands, each, weights) for each in (units, few))
    assert isinstance(dense.sums, torch.Tensor)
    assert not isinstance(sparse.sums, torch.Tensor)
    counts = random.integers(0, 3, (8, 5)).astype(float)
    # a block drawn so often is each of its groups drawn so often
    of_group = np.zeros((100, 5))
    of_group[units.of_row] = counts[few.of_row]
    ours, theirs = dense.sum(counts), sparse.sum(of_group)
    torch.testing.assert_close(ours.metrics(DEFAULT_LEVELS), theirs.metrics(DEFAULT_LEVELS))
    assert (sparse.units, dense.units) == (100, 8)
    for rows, drawn in ((sparse, units), (dense, few)):
        classes = [np.unique(drawn.of_row[(y == side).numpy()]) for side in (0, 1)]
        assert rows.count_rarer() == min(map(len, classes))


def plan(rows: int, labels: int, replicates: int = 100, **options: bool) -> JointDraws | None:
    cells = torch.rand(rows, labels, generator=torch.Generator().manual_seed(0))
    groups = torch.arange(rows) // 2 if options.get("grouped") else None
    is_weighted = options.get("weighted", False)
    scored = DenseRows(cells, cells.round())
    return plan_joint_draws(scored, Resampling(replicates), groups, is_weighted=is_weighted)


def test_a_label_alone_is_drawn_apart() -> None:
    assert plan(50, 1) is None
    assert plan(50, 3, replicates=0) is None
    for options in ({"weighted": True}, {"grouped": True}):
        joint = plan(50, 1, **options)
        assert joint is not None
        assert joint.of_labels


def test_many_rows_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    few = plan(2000, 3)
    assert few is not None
    assert (few.units.size, few.of_labels) == (2000, True)
    monkeypatch.setattr("imbalance_cli.evaluation.resampling.JOINT_CELLS", 1000)
    many, grouped = plan(2000, 3), plan(2000, 3, grouped=True)
    assert many is not None
    assert (many.units.size, many.of_labels) == (500, False)
    assert grouped is not None
    assert (grouped.units.size, grouped.of_labels) == (500, True)


def test_all_cells_in_parts_are_all_cells() -> None:
    """What units add at some scores comes to nearly what the whole ranking does."""
    random = np.random.default_rng(1)
    p = torch.from_numpy(random.random((3000, 4)))
    y = (torch.from_numpy(random.random((3000, 4))) < p**4).double()
    y[::5, 2] = math.nan
    scores = torch.unique(p[y == 1]).flip(0)
    ranking = PooledSums.of(scores, p, y, Units(np.zeros(3000, np.intp), 1))
    some = ranking.thinned()
    assert len(some) < len(scores) / 3
    units = Units.of(3000).in_blocks(50, 0)
    parts = [PooledSums.of(some, p[:, i : i + 2], y[:, i : i + 2], units) for i in (0, 2)]
    rows = (parts[0] + parts[1]).rows()
    confusion = Confusion.of(p.reshape(-1, 1) >= 0.5, y.reshape(-1, 1))
    ours = rows.itself().metrics(DEFAULT_LEVELS, confusion)[:, 0]
    theirs = ranking.rows().itself().metrics(DEFAULT_LEVELS, confusion)[:, 0]
    for i, name in enumerate(METRICS):
        near = {
            "average_precision": 0.01,
            "roc_auc": 0.01,
            "ece": 0.01,
            "recall_at_precision": 0.02,
        }
        assert float(ours[i]) == pytest.approx(float(theirs[i]), abs=near.get(name, 0.01)), name


def nothing() -> EceTests:
    return EceTests(torch.zeros(()), torch.zeros(3), torch.zeros(3, 40))


def test_the_rarest_label_decides_how_sure_a_mean_is() -> None:
    random = torch.Generator().manual_seed(0)
    draws = torch.rand(len(METRICS), 40, generator=random, dtype=torch.float64)
    ones = torch.ones(40, dtype=torch.float64)
    alone, alike, uneven = LabelSums(40), LabelSums(40), LabelSums(40)
    alone.add(draws, ones, nothing(), 20)
    for _ in range(3):
        alike.add(draws, ones, nothing(), 20)
    uneven.add(draws, ones, nothing(), 20)
    uneven.add(0.01 * draws, ones, nothing(), 2000)
    assert alone.sizes() == pytest.approx([20] * len(METRICS))
    assert alike.sizes() == pytest.approx([1 + 3 * 19] * len(METRICS))
    assert uneven.sizes() == pytest.approx([20] * len(METRICS), rel=0.01)


def test_a_mean_of_no_label() -> None:
    sums = LabelSums(10)
    assert sums.ece_tests() is None
    assert sums.mean().isnan().all()
    assert set(sums.sizes()) == {math.inf}
