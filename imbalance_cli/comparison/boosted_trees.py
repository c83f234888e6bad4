"""Boosted trees, the yardstick beside the networks: scikit-learn's HistGradientBoostingClassifier.

One classifier a label, on the columns that the networks read: numbers and dates as they are,
missing ones as NaN, categories as such. A missing target is left out of its label, and rows count
by their sample weights. scikit-learn is imported when trees are trained.

Shapes: N rows, F columns, L labels.
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
import torch

from imbalance_cli.features.preprocessing import feature_cells
from imbalance_cli.losses.family import bce
from imbalance_cli.losses.link import mean_log_odds
from imbalance_cli.metrics import weights_of_labels
from imbalance_cli.progress import follow
from imbalance_cli.readers.cells import parse_dates, parse_numbers, parse_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.features import Preprocessing
    from imbalance_cli.features.preprocessing import CategoricalFeature
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers import Table
    from imbalance_cli.splits import Fold

MOST_CATEGORIES = 254  # that scikit-learn has codes for beside the rest: it takes 255
RATE, LEAVES = 0.05, 15  # on nine tables lower log loss than scikit-learn's 0.1 and 31
ROUNDS = 1000  # the most trees of a label
PATIENCE = 20  # rounds without a lower log loss of the stopping rows, after which it ends
WITHOUT_STOPPING = 100  # rounds where the stopping rows do not have both classes


@dataclasses.dataclass(frozen=True)
class Columns:
    """What trees read.

    Attributes:
        values: (N, F) float64, NaN where missing; of a category its code.
        are_categories: (F,).
    """

    values: NDArray[np.float64]
    are_categories: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Trees:
    """The trees of one fold.

    Attributes:
        classifiers: (L,); None for a label of one class.
        priors: (L,) the log-odds of each label's prevalence, which such a label's rows all get.
        used_all_rounds: (L,) whether the last of ROUNDS was still better than all before.
    """

    classifiers: list[Any]
    priors: NDArray[np.float64]
    used_all_rounds: list[bool]

    def log_odds(self, columns: Columns, rows: NDArray[np.intp]) -> torch.Tensor:
        """Return the log-odds of some rows, (n, L) float64."""
        odds = np.tile(self.priors, (len(rows), 1))
        values = columns.values[rows]
        for label, classifier in enumerate(self.classifiers):
            if classifier is not None and len(rows):
                odds[:, label] = classifier.decision_function(values)
        return torch.from_numpy(odds)


@dataclasses.dataclass(frozen=True)
class TrainedTrees:
    """The trees of all folds.

    Attributes:
        columns: that they read.
        folds: the trees of each.
        seconds: of processor time that training took.
    """

    columns: Columns
    folds: list[Trees]
    seconds: float

    @property
    def is_still_improving(self) -> bool:
        """Whether the trees of most folds and labels improved until the last round."""
        ended = [used for trees in self.folds for used in trees.used_all_rounds]
        return 2 * sum(ended) > len(ended)

    def log_odds_held_out(self, folds: Sequence[Fold]) -> torch.Tensor:
        """Return the log-odds of the rows held out of each fold, fold after fold, (n, L)."""
        pairs = zip(self.folds, folds, strict=True)
        return torch.cat([trees.log_odds(self.columns, fold.held_out) for trees, fold in pairs])

    def mean_log_odds(self, rows: NDArray[np.intp]) -> torch.Tensor:
        """Return the log-odds of the mean probability over the folds, (n, L), of some rows."""
        odds = torch.stack([trees.log_odds(self.columns, rows) for trees in self.folds])
        return mean_log_odds(odds, bce())


def read_columns(preprocessing: Preprocessing, table: Table, learned: NDArray[np.intp]) -> Columns:
    """Return the columns of a table that the networks read, as trees take them.

    Of more than MOST_CATEGORIES categories, the rarer ones in the rows `learned` (n,) are one.
    """
    numbers = []
    for feature in preprocessing.numeric:
        parse = parse_numbers if feature.kind == "number" else parse_dates
        numbers.append(parse(feature_cells(table, feature.column)).values.to_numpy())
    codes = [_encode(category, table, learned) for category in preprocessing.categorical]
    columns = [column.astype(np.float64) for column in (*numbers, *codes)]
    values = np.column_stack(columns) if columns else np.empty((table.frame.height, 0))
    are_categories = np.arange(len(columns)) >= len(numbers)
    return Columns(values, are_categories)


def _encode(
    feature: CategoricalFeature, table: Table, learned: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return codes from 0 up, (N,), NaN where missing; the last code is of all other categories."""
    names = {text: code for code, text in enumerate(feature.categories)}
    cells = parse_texts(feature_cells(table, feature.column))
    others = len(names)
    codes = cells.replace_strict(names, default=others, return_dtype=pl.Float64)
    values: NDArray[np.float64] = codes.set(cells.is_null(), math.nan).to_numpy().copy()
    if len(names) > MOST_CATEGORIES:
        known = values[learned][~np.isnan(values[learned])].astype(np.intp)
        rows = np.bincount(known, minlength=others + 1)[:others]
        commonest = np.argsort(-rows, kind="stable")[:MOST_CATEGORIES]
        place = np.full(others + 1, float(MOST_CATEGORIES))
        place[commonest] = np.arange(MOST_CATEGORIES)
        is_known = ~np.isnan(values)
        values[is_known] = place[values[is_known].astype(np.intp)]
    return values


def train_trees(
    columns: Columns,
    targets: Targets,
    folds: Sequence[Fold],
    *,
    weights: NDArray[np.float32] | None,
    seed: int,
    tell: Tell,
) -> TrainedTrees:
    """Train the trees of each fold, which the rows that stop its networks stop too.

    Args:
        columns: of all rows.
        targets: (N, L).
        folds: what is learned from, and what stops it.
        weights: (N,) sample weights, or (N, L) of cells; None for alike.
        seed: of the rows that bins of numbers are chosen by, where there are many.
        tell: receives how many labels are done, of all folds.
    """
    import sklearn.ensemble  # noqa: F401, PLC0415  so that its import is no part of the time

    began = time.process_time()
    labels = targets.shape[1]
    found = [Trees([], np.zeros(labels), []) for _ in folds]
    pairs = [
        (trees, fold, label)
        for trees, fold in zip(found, folds, strict=True)
        for label in range(labels)
    ]
    for trees, fold, label in follow(
        pairs, tell, "training boosted trees of", lambda _: 1, total=len(pairs), unit="labels"
    ):
        one, own = slice(label, label + 1), weights_of_labels(weights, label)
        learned, stopping = (
            _Sample.of(columns, targets.take(rows).dense(one)[:, 0], rows, own)
            for rows in (fold.train, fold.valid)
        )
        positives, negatives = learned.masses()
        classifier = None
        if positives and negatives:
            classifier = _train_label(columns, learned, stopping, seed)
        trees.classifiers.append(classifier)
        trees.priors[label] = math.log((positives + 0.5) / (negatives + 0.5))
        trees.used_all_rounds.append(classifier is not None and classifier.n_iter_ == ROUNDS)
    return TrainedTrees(columns, found, time.process_time() - began)


@dataclasses.dataclass(frozen=True)
class _Sample:
    """Rows of one label: values (n, F), targets (n,) 0 or 1, weights (n,) above 0 or None."""

    values: NDArray[np.float64]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32] | None

    @classmethod
    def of(
        cls,
        columns: Columns,
        targets: NDArray[np.float32],
        rows: NDArray[np.intp],
        weights: NDArray[np.float32] | None,
    ) -> _Sample:
        """Return the rows whose target, (n,), is known and which count."""
        own = None if weights is None else weights[rows]
        kept = ~np.isnan(targets)
        if own is not None:
            kept &= own > 0
        return cls(columns.values[rows[kept]], targets[kept], None if own is None else own[kept])

    def masses(self) -> tuple[float, float]:
        """Return how many positives and negatives there are, or what they weigh."""
        counts = np.bincount(self.targets.astype(np.intp), self.weights, minlength=2)
        return float(counts[1]), float(counts[0])


def _train_label(columns: Columns, learned: _Sample, stopping: _Sample, seed: int) -> Any:  # noqa: ANN401  scikit-learn has no types
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    can_stop = all(stopping.masses())
    classifier = HistGradientBoostingClassifier(
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        max_iter=ROUNDS if can_stop else WITHOUT_STOPPING,
        early_stopping=can_stop,
        n_iter_no_change=PATIENCE,
        categorical_features=columns.are_categories,
        random_state=seed,
    )
    validation = {}
    if can_stop:
        validation = {
            "X_val": stopping.values,
            "y_val": stopping.targets,
            "sample_weight_val": stopping.weights,
        }
    return cast(
        "Any", classifier.fit(learned.values, learned.targets, learned.weights, **validation)
    )
