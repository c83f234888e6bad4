"""Cutting rows into train, valid and test.

Shapes: N rows, L labels, P parts, G groups.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import SplitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.config import SplitSection

    Rows = NDArray[np.intp]
    Floats = NDArray[np.floating]

PARTS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Split:
    """The rows of each part, in their order in the table.

    Attributes:
        strategy: how it was cut.
        train: (N_train,) row numbers.
        valid: (N_valid,) row numbers.
        test: (N_test,) row numbers.
    """

    strategy: str
    train: Rows
    valid: Rows
    test: Rows


def cut(
    targets: Floats,
    settings: SplitSection,
    *,
    shares: Sequence[float] | None = None,
    groups: NDArray[np.intp] | None = None,
    times: Floats | None = None,
) -> Split:
    """Cut N rows into train, valid and test.

    Args:
        targets: (N, L), NaN where missing.
        settings: the strategy, the shares and the seed.
        shares: of train, valid and test, where they differ from the settings.
        groups: (N,) group numbers from 0 up; rows of one group go to one part.
        times: (N,) days; train ends before valid begins, and valid before test.

    Raises:
        SplitError: the strategy does not fit what was given, or a part would be empty.
    """
    chosen = shares or (1 - settings.valid - settings.test, settings.valid, settings.test)
    strategy = choose_strategy(settings.strategy, targets.shape[1], groups, times)
    random = np.random.default_rng(settings.seed)
    parts = _assign(targets, chosen, strategy, groups, times, random)
    for name, share, number in zip(PARTS, chosen, range(len(PARTS)), strict=True):
        if share > 0 and not (parts == number).any():
            larger = (
                "smaller split.valid and split.test" if number == 0 else f"a larger split.{name}"
            )
            raise SplitError(
                f"split: {len(targets)} rows cut by {strategy} leave no row for {name}",
                hint=f"{larger}, or more rows",
            )
    train, valid, test = (np.flatnonzero(parts == part) for part in range(len(PARTS)))
    return Split(strategy, train, valid, test)


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
    targets: Floats,
    rows: Rows,
    settings: SplitSection,
    *,
    number: int,
    labels: Sequence[str],
    groups: NDArray[np.intp] | None = None,
    share: float | None = None,
    valid: Rows | None = None,
) -> list[Fold]:
    """Cut rows into folds that are held out in turn.

    The epoch of a member is chosen on rows that are neither trained on nor held out, so that
    nothing about the held-out rows has been looked at.

    Args:
        targets: (N, L) of all rows, NaN where missing.
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
    _refuse_too_many_folds(targets[rows], number, labels)
    strategy = choose_strategy(settings.strategy, targets.shape[1], groups)
    random = np.random.default_rng(settings.seed)

    def assign(part: Rows, shares: Sequence[float]) -> Rows:
        its_groups = None if groups is None else np.unique(groups[part], return_inverse=True)[1]
        return _assign(targets[part], shares, strategy, its_groups, None, random)

    fold_of_row = assign(rows, [1 / number] * number)
    stopping = settings.valid if share is None else share
    folds = []
    for fold in range(number):
        rest, held_out = rows[fold_of_row != fold], rows[fold_of_row == fold]
        if valid is not None:
            folds.append(Fold(rest, valid, held_out))
            continue
        stops = assign(rest, (1 - stopping, stopping)) == 1
        folds.append(Fold(rest[~stops], rest[stops], held_out))
    if any(not len(part) for fold in folds for part in (fold.train, fold.valid, fold.held_out)):
        raise SplitError(
            f"training.folds: {number} folds of {len(rows)} rows by {strategy} leave a part empty",
            hint="fewer folds, or a larger split.valid",
        )
    _refuse_one_sided(targets, folds)
    return folds


def _refuse_one_sided(targets: Floats, folds: Sequence[Fold]) -> None:
    """Raise where a fold has no label that can be both learned and stopped by."""
    for number, fold in enumerate(folds, start=1):
        both = [
            (targets[rows] == 1).any(axis=0) & (targets[rows] == 0).any(axis=0)
            for rows in (fold.train, fold.valid)
        ]
        if not np.logical_and.reduce(both).any():
            raise SplitError(
                f"training.folds: beside what fold {number} of {len(folds)} holds out, no label "
                "has a positive and a negative both to learn from and to stop by",
                hint="a larger split.valid, another number of folds, or another split.seed",
            )


def _refuse_too_many_folds(targets: Floats, number: int, labels: Sequence[str]) -> None:
    """Raise where a label cannot have a positive and a negative in every fold."""
    sides = {"positives": (targets == 1).sum(axis=0), "negatives": (targets == 0).sum(axis=0)}
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
        hint=f"at most {most} folds" if most > 1 else f"data.exclude: [{labels[rarest]}]",
    )


def _assign(
    targets: Floats,
    shares: Sequence[float],
    strategy: str,
    groups: Rows | None,
    times: Floats | None,
    random: np.random.Generator,
) -> Rows:
    """Return the part of each row, (N,), by a strategy that fits what is given."""
    if strategy == "time" and times is not None:
        return _cut_by_time(times, shares)
    if strategy == "grouped" and groups is not None:
        return _cut_groups(targets, groups, shares, random)
    if strategy == "random":
        parts = np.empty(len(targets), np.intp)
        parts[random.permutation(len(targets))] = interleave(apportion(len(targets), shares))
        return parts
    return _stratify(targets, shares, random)


def apportion(rows: int, shares: Sequence[float] | Floats) -> NDArray[np.intp]:
    """Return whole numbers of rows in proportion to the shares, by largest remainder.

    Args:
        rows: how many there are.
        shares: (P,) numbers from 0 up, not all 0.

    Returns:
        (P,) numbers that sum to `rows`.
    """
    exact = rows * np.asarray(shares, np.float64) / np.sum(shares)
    counts = np.floor(exact + 1e-9).astype(np.intp)
    largest = np.argsort(counts - exact, kind="stable")
    counts[largest[: rows - counts.sum()]] += 1
    return counts


def interleave(counts: Sequence[int] | NDArray[np.intp]) -> NDArray[np.intp]:
    """Return part numbers, `counts[p]` times p, each spread evenly over the sequence."""
    places = [(np.arange(count) + 0.5) / max(count, 1) for count in counts]
    parts = np.repeat(np.arange(len(places)), counts)
    result: Rows = parts[np.argsort(np.concatenate(places), kind="stable")]
    return result


def choose_strategy(
    strategy: str, labels: int, groups: Rows | None, times: Floats | None = None
) -> str:
    """Return what `auto` stands for, given what there is.

    Raises:
        SplitError: the strategy does not fit what was given.
    """
    if strategy == "auto":
        if groups is not None and times is not None:
            raise SplitError(
                "split: data.group and data.time are both given",
                hint="split.strategy: grouped, which leaves the time aside; or drop data.group",
            )
        if groups is not None:
            return "grouped"
        if times is not None:
            return "time"
        return "stratified" if labels == 1 else "iterative"
    if strategy == "grouped" and groups is None:
        raise SplitError("split.strategy grouped needs a column of groups", hint="data.group")
    if strategy == "time" and times is None:
        raise SplitError("split.strategy time needs a column of times", hint="data.time")
    if groups is not None and strategy != "grouped":
        raise SplitError(
            f"split.strategy {strategy} would cut through the groups of data.group",
            hint="split.strategy: grouped",
        )
    if strategy == "stratified" and labels > 1:
        raise SplitError(
            f"split.strategy stratified is for one label, and there are {labels}",
            hint="split.strategy: iterative",
        )
    return strategy


def _stratify(
    targets: Floats, shares: Sequence[float], random: np.random.Generator
) -> NDArray[np.intp]:
    """Give each part its share of every label's positives, rarest label first.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), a label at a time instead of
    a row at a time: the open rows of a label are sorted by all their labels and dealt out evenly.
    """
    order = random.permutation(len(targets))
    known = targets[order]
    positive = known == 1
    signatures = _hash_rows(np.nan_to_num(known, nan=2).astype(np.int64), random)
    parts = np.full(len(targets), -1, np.intp)
    totals = positive.sum(axis=0)
    left = totals
    wanted = np.outer(shares, totals) / np.sum(shares)
    have = np.zeros(wanted.shape, np.intp)
    while left.any():
        label = int(np.where(left > 0, left, np.iinfo(left.dtype).max).argmin())
        rows = np.flatnonzero((parts == -1) & positive[:, label])
        rows = rows[np.argsort(signatures[rows], kind="stable")]
        counts = _share_out(len(rows), wanted[:, label] - have[:, label], have[:, label], shares)
        parts[rows] = interleave(counts)
        for part in range(len(shares)):
            have[part] += positive[rows[parts[rows] == part]].sum(axis=0)
        left = totals - have.sum(axis=0)
    rest = np.flatnonzero(parts == -1)
    rest = rest[np.argsort(signatures[rest], kind="stable")]
    taken = np.bincount(parts[parts >= 0], minlength=len(shares))
    needed = len(targets) * np.asarray(shares) / np.sum(shares) - taken
    parts[rest] = interleave(_share_out(len(rest), needed, taken, shares))
    result = np.empty_like(parts)
    result[order] = parts
    return result


def _hash_rows(codes: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return a number a row that is the same for equal rows; sorting by it brings them together."""
    return codes @ random.integers(np.iinfo(np.int64).max, size=codes.shape[1])


def _share_out(rows: int, needed: Floats, have: Rows, shares: Sequence[float]) -> NDArray[np.intp]:
    """Share rows out by need; a part that has none of them yet gets one, if there are enough."""
    needed = np.maximum(needed, 0)
    counts = apportion(rows, needed if needed.sum() > 0 else np.asarray(shares))
    for part in np.flatnonzero((have == 0) & (counts == 0) & (np.asarray(shares) > 0)):
        spare = np.where(counts > 0, counts + have, 0)
        richest = int(spare.argmax())
        if spare[richest] > 1:
            counts[richest] -= 1
            counts[part] += 1
    return counts


def _cut_groups(
    targets: Floats, groups: NDArray[np.intp], shares: Sequence[float], random: np.random.Generator
) -> NDArray[np.intp]:
    """Give whole groups to parts, the largest first, each to the part that lacks most of it."""
    number = int(groups.max()) + 1
    wanted_parts = sum(share > 0 for share in shares)
    if number < wanted_parts:
        raise SplitError(
            f"split: {number} group{'' if number == 1 else 's'} of data.group cannot fill "
            f"{wanted_parts} parts",
            hint="fewer folds or parts, or a column with more groups",
        )
    content = np.zeros((number, 1 + targets.shape[1]))
    np.add.at(content, groups, np.column_stack([np.ones(len(targets)), targets == 1]))
    content /= np.maximum(content.sum(axis=0), 1)
    have = np.zeros((len(shares), content.shape[1]))
    part_of_group = np.empty(number, np.intp)
    # largest first, and by chance among groups of similar size, so that the seed decides
    size = content.max(axis=1) * random.uniform(0.5, 1.0, number)
    wanted = np.asarray(shares, np.float64)[:, None] / np.sum(shares)
    for group in np.argsort(-size, kind="stable"):
        lacking = ((wanted - have) / np.maximum(wanted, 1e-12)) @ content[group]
        part = int(np.where(wanted[:, 0] > 0, lacking, -np.inf).argmax())
        part_of_group[group] = part
        have[part] += content[group]
    return part_of_group[groups]


def _cut_by_time(times: Floats, shares: Sequence[float]) -> NDArray[np.intp]:
    """Cut at two moments; rows of one moment stay together."""
    order = np.argsort(times, kind="stable")
    ends = np.cumsum(apportion(len(times), shares))[:-1]
    parts = np.zeros(len(times), np.intp)
    for part, end in enumerate(ends, start=1):
        if end < len(times):
            parts[times >= times[order[end]]] = part
    return parts
