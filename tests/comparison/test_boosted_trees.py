"""Boosted trees read what the networks read, and are scikit-learn's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from imbalance_cli.comparison.boosted_trees import (
    LEAVES,
    MOST_CATEGORIES,
    PATIENCE,
    RATE,
    ROUNDS,
    WITHOUT_STOPPING,
    Columns,
    TrainedTrees,
    Trees,
    read_columns,
    train_trees,
)
from imbalance_cli.features import fit_preprocessing
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.progress import Stage, tell_nobody
from imbalance_cli.readers import Table
from imbalance_cli.splits import Fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 400
FOLD = Fold(np.arange(0, 240), np.arange(240, 320), np.arange(320, 400))


def make_columns(seed: int = 0) -> tuple[Columns, NDArray[np.float32]]:
    """Return a number, one with gaps, a category with gaps, and two labels with gaps."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(ROWS, 3))
    values[:, 2] = random.integers(4, size=ROWS)
    score = values[:, 0] + (values[:, 2] == 2) + 0.5 * random.normal(size=ROWS)
    targets = np.column_stack([score > 1, score > 0.2]).astype(np.float32)
    values[random.random(ROWS) < 0.2, 1] = math.nan
    values[random.random(ROWS) < 0.1, 2] = math.nan
    targets[random.random(ROWS) < 0.2, 1] = math.nan
    return Columns(values, np.array([False, False, True])), targets


def train(
    targets: NDArray[np.float32],
    columns: Columns,
    weights: NDArray[np.float32] | None = None,
    fold: Fold = FOLD,
) -> TrainedTrees:
    return train_trees(
        columns, as_targets(targets), [fold], weights=weights, seed=3, tell=tell_nobody
    )


@pytest.mark.parametrize("is_weighted", [False, True])
def test_they_are_those_of_scikit_learn(*, is_weighted: bool) -> None:
    columns, targets = make_columns()
    weights = None
    if is_weighted:
        weights = np.random.default_rng(1).integers(0, 3, size=ROWS).astype(np.float32)
    found = train(targets, columns, weights).log_odds_held_out([FOLD])
    for label in range(2):
        y = targets[:, label]
        known = ~np.isnan(y) & (True if weights is None else weights > 0)
        learned, stopping = (rows[known[rows]] for rows in (FOLD.train, FOLD.valid))
        classifier = HistGradientBoostingClassifier(
            learning_rate=RATE,
            max_leaf_nodes=LEAVES,
            max_iter=ROUNDS,
            n_iter_no_change=PATIENCE,
            early_stopping=True,
            categorical_features=[2],
            random_state=3,
        )
        classifier.fit(
            columns.values[learned],
            y[learned],
            None if weights is None else weights[learned],
            X_val=columns.values[stopping],
            y_val=y[stopping],
            sample_weight_val=None if weights is None else weights[stopping],
        )
        wanted = classifier.decision_function(columns.values[FOLD.held_out])
        np.testing.assert_array_equal(found[:, label].numpy(), wanted)


def test_a_missing_target_and_a_row_of_no_weight_teach_nothing() -> None:
    columns, targets = make_columns()
    other = columns.values.copy()
    weights = np.ones(ROWS, np.float32)
    weights[:50] = 0
    missing = np.isnan(targets[:, 1])
    other[:50], other[missing] = 1e6, -1e6
    first = train(targets[:, 1:], columns, weights)
    second = train(targets[:, 1:], Columns(other, columns.are_categories), weights)
    rows = np.flatnonzero(~missing[320:]) + 320
    assert torch.equal(first.mean_log_odds(rows), second.mean_log_odds(rows))


def test_nothing_is_learned_of_held_out_rows() -> None:
    columns, targets = make_columns()
    changed = targets.copy()
    changed[FOLD.held_out] = 1 - changed[FOLD.held_out]
    first, second = train(targets, columns), train(changed, columns)
    assert torch.equal(first.log_odds_held_out([FOLD]), second.log_odds_held_out([FOLD]))


def test_a_label_of_one_class_gets_its_prevalence() -> None:
    columns, targets = make_columns()
    targets[FOLD.train, 0] = 0
    targets[:, 1] = math.nan
    odds = train(targets, columns).log_odds_held_out([FOLD])
    assert odds[:, 0].numpy() == pytest.approx(math.log(0.5 / 240.5))
    assert (odds[:, 1] == 0).all()


def test_without_both_classes_to_stop_by_there_is_a_fixed_number_of_trees() -> None:
    columns, targets = make_columns()
    targets[FOLD.valid, 0] = 1
    targets[FOLD.valid, 1] = math.nan
    [trees] = train(targets, columns).folds
    assert [tree.n_iter_ for tree in trees.classifiers] == [WITHOUT_STOPPING] * 2
    assert trees.used_all_rounds == [False, False]


def test_progress_is_told_label_by_label() -> None:
    columns, targets = make_columns()
    told: list[Stage] = []
    folds = [FOLD, Fold(FOLD.held_out, FOLD.valid, FOLD.train)]
    train_trees(columns, as_targets(targets), folds, weights=None, seed=0, tell=told.append)
    assert [str(stage) for stage in told[-2:]] == [
        "training boosted trees of 3 of 4 labels",
        "training boosted trees of 4 of 4 labels",
    ]


def test_several_folds_average_probabilities() -> None:
    columns, targets = make_columns()
    folds = [FOLD, Fold(np.arange(100, 320), np.arange(0, 100), np.arange(320, 400))]
    trees = train_trees(columns, as_targets(targets), folds, weights=None, seed=0, tell=tell_nobody)
    rows = np.arange(300, 400)
    each = [fold.log_odds(columns, rows).sigmoid() for fold in trees.folds]
    mean = trees.mean_log_odds(rows).sigmoid()
    torch.testing.assert_close(mean, (each[0] + each[1]) / 2, rtol=1e-12, atol=0)
    assert trees.seconds > 0


def test_most_labels_at_the_last_round_are_still_improving() -> None:
    columns, _ = make_columns()

    def told(*ended: bool) -> bool:
        fold = Trees([None] * len(ended), np.zeros(len(ended)), list(ended))
        return TrainedTrees(columns, [fold], 1.0).is_still_improving

    assert told(True, True, False)
    assert not told(True, False)


def make_table(cells: dict[str, list[str]]) -> Table:
    return Table("table.csv", pl.DataFrame(cells), lambda row: f"row {row}")


def test_numbers_dates_and_categories_are_read_as_they_are() -> None:
    cells = {
        "amount": ["1e6", "", "3.5", "-2"] * 20,
        "day": ["1970-01-03", "1970-01-02", "", "1970-01-01"] * 20,
        "colour": ["red", "blue", "", "red"] * 20,
        "constant": ["x"] * 80,
    }
    table = make_table(cells)
    preprocessing = fit_preprocessing(table, list(cells), np.arange(80))
    columns = read_columns(preprocessing, table, np.arange(80))
    assert columns.are_categories.tolist() == [False, False, True]
    assert columns.values[:4, 0].tolist() == [1e6, pytest.approx(math.nan, nan_ok=True), 3.5, -2]
    assert columns.values[[0, 1, 3], 1].tolist() == [2, 1, 0]
    assert np.isnan(columns.values[2]).tolist() == [False, True, True]
    codes = columns.values[:4, 2]
    assert codes[0] == codes[3] != codes[1]


def test_the_rarest_of_many_categories_are_one() -> None:
    names = [f"c{i}" for i in range(MOST_CATEGORIES + 6)]
    rare = names[:6]
    cells = names * 6 + names[6:] * 4
    table = make_table({"shop": cells})
    preprocessing = fit_preprocessing(table, ["shop"], np.arange(len(cells)))
    [feature] = preprocessing.categorical
    assert len(feature.categories) == len(names)
    columns = read_columns(preprocessing, table, np.arange(len(cells)))
    codes = {name: int(code) for name, code in zip(cells, columns.values[:, 0], strict=True)}
    assert {codes[name] for name in rare} == {MOST_CATEGORIES}
    assert len({codes[name] for name in names if name not in rare}) == MOST_CATEGORIES
    assert max(codes.values()) < 255  # what scikit-learn takes
    assert train_trees(
        columns,
        as_targets((np.arange(len(cells))[:, None] % 7 == 0).astype(np.float32)),
        [Fold(np.arange(0, 2000), np.arange(2000, 2400), np.arange(2400, len(cells)))],
        weights=None,
        seed=0,
        tell=tell_nobody,
    ).seconds
