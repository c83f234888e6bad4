"""Cutting rows into train, valid and test.

Shapes: N rows, L labels, P parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import SplitError
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.splits.checks import check_disjoint, check_order
from imbalance_cli.splits.covering import cover_rows
from imbalance_cli.splits.grouped import cut_groups
from imbalance_cli.splits.parts import PARTS, Split
from imbalance_cli.splits.stratified import apportion, interleave, stratify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import SplitSection
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.splits.parts import Floats, Groups, PartNumbers


def cut(
    targets: Targets | Floats,
    settings: SplitSection,
    *,
    shares: Sequence[float] | None = None,
    groups: Groups | None = None,
    times: Floats | None = None,
) -> Split:
    """Cut N rows into train, valid and test.

    Stratified, iterative and grouped splits give each part a positive and a negative of every
    label that has as many of them (grouped: in as many groups) as there are parts, wherever
    `covering.cover` finds a way; `labels_without` says where it found none.

    Args:
        targets: (N, L); floats are NaN where missing.
        settings: the strategy, the shares and the seed.
        shares: of train, valid and test, where they differ from the settings.
        groups: (N,) group numbers from 0 up; rows of one group go to one part.
        times: (N,) days; train ends before valid begins, and valid before test.

    Raises:
        SplitError: the strategy does not fit what was given, or a part would be empty.
    """
    targets = as_targets(targets)
    chosen = shares or (1 - settings.valid - settings.test, settings.valid, settings.test)
    strategy = choose_strategy(settings.strategy, targets.shape[1], groups, times)
    random = np.random.default_rng(settings.seed)
    if strategy == "time" and times is not None and len(times) and np.ptp(times) == 0:
        raise SplitError(
            f"split: all {len(times):,} rows have one and the same time",
            hint="another column in data.time; or leave it out",
        )
    parts = assign(targets, chosen, strategy, groups, times, random)
    for name, share, number in zip(PARTS, chosen, range(len(PARTS)), strict=True):
        if share > 0 and not (parts == number).any():
            larger = (
                "smaller split.valid and split.test" if number == 0 else f"a larger split.{name}"
            )
            raise SplitError(
                f"split: {len(targets):,} rows cut by {strategy} leave no row for {name}",
                hint=f"{larger}, or more rows",
            )
    train, valid, test = (np.flatnonzero(parts == part) for part in range(len(PARTS)))
    split = Split(strategy, train, valid, test)
    if groups is not None:
        check_disjoint(groups, split.rows_of_parts())
    if strategy == "time" and times is not None:
        check_order(times, split.rows_of_parts())
    return split


def assign(
    targets: Targets,
    shares: Sequence[float],
    strategy: str,
    groups: Groups | None,
    times: Floats | None,
    random: np.random.Generator,
) -> PartNumbers:
    """Return the part of each row, (N,), by a strategy that fits what is given."""
    if strategy == "time" and times is not None:
        return _cut_by_time(times, shares)
    if strategy == "grouped" and groups is not None:
        return cut_groups(targets, groups, shares, random)
    if strategy == "random":
        parts = np.empty(len(targets), np.int16)
        parts[random.permutation(len(targets))] = interleave(apportion(len(targets), shares))
        return parts
    return cover_rows(targets, stratify(targets, shares, random), shares, random)


def choose_strategy(
    strategy: str, labels: int, groups: Groups | None, times: Floats | None = None
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


def _cut_by_time(times: Floats, shares: Sequence[float]) -> PartNumbers:
    """Cut at two moments; rows of one moment stay together."""
    missing = np.flatnonzero(np.isnan(times))
    if len(missing):
        raise SplitError(f"split: row {int(missing[0])}, counted from 0, has no time")
    order = np.argsort(times, kind="stable")
    ends = np.cumsum(apportion(len(times), shares))[:-1]
    parts = np.zeros(len(times), np.int16)
    for part, end in enumerate(ends, start=1):
        if end < len(times):
            parts[times >= times[order[end]]] = part
    return parts
