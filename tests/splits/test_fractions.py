"""Shares of the rows that folds learn from: nested, each with its share of every label."""

from __future__ import annotations

import numpy as np
import pytest

from imbalance_cli.config import SplitSection
from imbalance_cli.errors import SplitError
from imbalance_cli.labels.targets import DenseTargets, as_targets
from imbalance_cli.splits import cut_folds, thin_folds

ROWS, LABELS = 600, ["often", "rare"]
SIZES = [0.1, 0.25, 1.0]


def make_targets(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.random((ROWS, 2)) < [0.3, 0.08]).astype(np.float32)


@pytest.mark.parametrize("grouped", [False, True])
def test_sizes_are_nested_and_keep_their_share_of_every_label(*, grouped: bool) -> None:
    y, settings = make_targets(), SplitSection()
    groups = np.arange(ROWS) // 2 if grouped else None
    folds = cut_folds(y, np.arange(ROWS), settings, number=3, labels=LABELS, groups=groups)
    thinned = thin_folds(as_targets(y), folds, SIZES, settings, labels=LABELS, groups=groups)
    for number, whole in enumerate(folds):
        smaller = np.empty(0, int)
        for size, own in zip(SIZES, thinned, strict=True):
            fold = own[number]
            assert np.isin(smaller, fold.train).all()
            np.testing.assert_array_equal(fold.valid, whole.valid)
            np.testing.assert_array_equal(fold.held_out, whole.held_out)
            assert len(fold.train) == pytest.approx(size * len(whole.train), abs=3)
            wanted = size * y[whole.train].sum(axis=0)
            assert y[fold.train].sum(axis=0) == pytest.approx(wanted, abs=2 if grouped else 1)
            if groups is not None:
                others = np.setdiff1d(whole.train, fold.train)
                assert not np.isin(groups[fold.train], groups[others]).any()
            smaller = fold.train
        np.testing.assert_array_equal(smaller, whole.train)  # all of them, in their order


def test_a_size_that_leaves_no_positive_is_refused_by_the_label() -> None:
    y = np.zeros((ROWS, 2), np.float32)
    y[:200, 0] = 1
    y[::200, 1] = 1
    settings = SplitSection()
    folds = cut_folds(y, np.arange(ROWS), settings, number=3, labels=LABELS)
    with pytest.raises(SplitError, match=r"--sizes: 0\.001 .* no positive of label '"):
        thin_folds(DenseTargets.of(y), folds, [0.001, 1.0], settings, labels=LABELS)
