"""Fewer rows to learn from, in nested parts of the rows that folds learn from.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import SplitError
from imbalance_cli.splits.cutting import assign, choose_strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import SplitSection
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.splits.folds import Fold
    from imbalance_cli.splits.parts import Groups


def thin_folds(
    targets: Targets,
    folds: Sequence[Fold],
    sizes: Sequence[float],
    settings: SplitSection,
    *,
    labels: Sequence[str],
    groups: Groups | None = None,
) -> list[list[Fold]]:
    """Return the folds of each size, which learn from a share of the rows that they did.

    A smaller size's rows are among those of a larger one. They are cut as the folds are, so that
    each size has its share of every label's positives, and no group is in part there.

    Args:
        targets: (N, L) of all rows.
        folds: of the size 1.
        sizes: shares of the rows of each fold, rising, above 0 and at most 1.
        settings: strategy and seed.
        labels: the names, (L,), for errors.
        groups: (N,) group numbers.

    Raises:
        SplitError: a label that a fold could learn has no positive or negative left.
    """
    strategy = choose_strategy(settings.strategy, targets.shape[1], groups)
    shares = np.diff([0.0, *sizes, *([1.0] if sizes[-1] < 1 else [])])
    thinned: list[list[Fold]] = [[] for _ in sizes]
    for number, fold in enumerate(folds):
        own = targets.take(fold.train)
        its_groups = None
        if groups is not None:
            its_groups = np.unique(groups[fold.train], return_inverse=True)[1]
        random = np.random.default_rng([settings.seed, number])
        part = assign(own, shares.tolist(), strategy, its_groups, None, random)
        for place, size in enumerate(sizes):
            kept = part <= place
            _refuse_one_sided(own, own.take(kept), size, labels)
            thinned[place].append(dataclasses.replace(fold, train=fold.train[kept]))
    return thinned


def _refuse_one_sided(whole: Targets, kept: Targets, size: float, labels: Sequence[str]) -> None:
    for side, before, after in zip(
        ("positive", "negative"), whole.counts()[:2], kept.counts()[:2], strict=True
    ):
        lost = np.flatnonzero((before > 0) & (after == 0))
        if len(lost):
            label = lost[before[lost].argmin()]
            raise SplitError(
                f"--sizes: {size:g} of the training rows leaves a fold no {side} of label "
                f"{labels[label]!r}, of {int(before[label]):,}",
                hint="a larger size",
            )
