"""Cutting rows into folds that are held out in turn.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import SplitError
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.splits.checks import check_disjoint
from imbalance_cli.splits.cutting import assign, choose_strategy
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import SplitSection
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.splits.parts import Floats, Groups, PartNumbers, Rows


@dataclasses.dataclass(frozen=True)
class Fold:
    """The rows of one fold.

    Attributes:
        train: what its members learn from.
        valid: what early stopping looks at.
        held_out: what they are scored on; every row is held out in one fold.
    """

    train: Rows
    valid: Rows
    held_out: Rows


def cut_folds(
    targets: Targets | Floats,
    rows: Rows,
    settings: SplitSection,
    *,
    number: int,
    labels: Sequence[str],
    groups: Groups | None = None,
    share: float | None = None,
    valid: Rows | None = None,
) -> list[Fold]:
    """Cut rows into folds that are held out in turn.

    The epoch of a member is chosen on rows that are neither trained on nor held out, so that
    nothing about the held-out rows has been looked at. Folds, and the parts within a fold, are
    covered as those of `cut`.

    Args:
        targets: (N, L) of all rows; floats are NaN where missing.
        rows: the row numbers to cut.
        settings: strategy and seed.
        number: of folds.
        labels: the names, (L,), for errors.
        groups: (N,) group numbers; no group is in two folds.
        share: of the rows not held out that stop the training early; split.valid if None.
        valid: early stopping rows of every fold, where they were given apart from `rows`.

    Raises:
        SplitError: a label has fewer positives or negatives than there are folds.
    """
    targets = as_targets(targets)
    _refuse_too_many_folds(targets.take(rows), number, labels)
    strategy = choose_strategy(settings.strategy, targets.shape[1], groups)
    random = np.random.default_rng(settings.seed)

    def assign_rows(part: Rows, shares: Sequence[float]) -> PartNumbers:
        its_groups = None if groups is None else np.unique(groups[part], return_inverse=True)[1]
        return assign(targets.take(part), shares, strategy, its_groups, None, random)

    fold_of_row = assign_rows(rows, [1 / number] * number)
    stopping = settings.valid if share is None else share
    folds = []
    for fold in range(number):
        rest, held_out = rows[fold_of_row != fold], rows[fold_of_row == fold]
        if valid is not None:
            folds.append(Fold(rest, valid, held_out))
            continue
        stops = assign_rows(rest, (1 - stopping, stopping)) == 1
        folds.append(Fold(rest[~stops], rest[stops], held_out))
    if any(not len(part) for fold in folds for part in (fold.train, fold.valid, fold.held_out)):
        raise SplitError(
            f"training.folds: {number} folds of {len(rows)} rows by {strategy} leave a part empty",
            hint="fewer folds, or a larger split.valid",
        )
    _refuse_one_sided(targets, folds)
    if groups is not None:
        for cut in folds:
            parts = {"train": cut.train, "held out": cut.held_out}
            check_disjoint(groups, parts if valid is not None else parts | {"valid": cut.valid})
    return folds


def _refuse_one_sided(targets: Targets, folds: Sequence[Fold]) -> None:
    """Raise where a fold has no label that can be both learned and stopped by."""
    for number, fold in enumerate(folds, start=1):
        both = [
            (targets.take(rows).counts()[:2] > 0).all(axis=0) for rows in (fold.train, fold.valid)
        ]
        if not np.logical_and.reduce(both).any():
            raise SplitError(
                f"training.folds: beside what fold {number} of {len(folds)} holds out, no label "
                "has a positive and a negative both to learn from and to stop by",
                hint="a larger split.valid, another number of folds, or another split.seed",
            )


def _refuse_too_many_folds(targets: Targets, number: int, labels: Sequence[str]) -> None:
    """Raise where a label cannot have a positive and a negative in every fold."""
    positives, negatives, _ = targets.counts().astype(np.int64)
    sides = {"positives": positives, "negatives": negatives}
    least = np.minimum(*sides.values())
    least = np.where(least == 0, len(targets) + 1, least)  # cannot be learned, whatever the folds
    rarest = int(least.argmin())
    if number <= least[rarest]:
        return
    side = min(sides, key=lambda name: int(sides[name][rarest]))
    most = int(least[rarest])
    shown = side.removesuffix("s") if most == 1 else side
    raise SplitError(
        f"training.folds: {number} folds, and label {labels[rarest]!r} has {most} {shown} to share "
        "among them",
        hint=f"at most {most} folds" if most > 1 else f"data.exclude: [{quote(labels[rarest])}]",
    )
