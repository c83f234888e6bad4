"""Whether rows that were cut into parts can be learned from and reported on.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import LabelError, SplitError, show_percent
from imbalance_cli.labels import LabelCounts
from imbalance_cli.splits import apportion, check_disjoint, check_order, is_far

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.config import Config
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.rows.keys import RowKeys
    from imbalance_cli.rows.roles import Roles
    from imbalance_cli.splits import Split


def check_sides(name: str, targets: Targets, labels: Sequence[str]) -> None:
    """Raise where no label has both classes in any row, so that no split could help.

    Raises:
        LabelError: it names the label with the most positives, and what there is none of.
    """
    positives, negatives, missing = targets.counts()
    if ((positives > 0) & (negatives > 0)).any():
        return
    label = int(positives.argmax())
    counts = LabelCounts(
        labels[label], *(int(side[label]) for side in (positives, negatives, missing))
    )
    side = "negative" if counts.positives else "positive"
    others = "" if len(labels) == 1 else ", and no other label has both positives and negatives"
    raise LabelError(
        f"{name}: label {labels[label]!r} has no {side} in {len(targets):,} rows{others}",
        hint=counts.blank_hint
        or "nothing can be learned from one class: other rows, other data.labels, or "
        "data.positive, the value that means 1",
    )


def check_given_parts(
    roles: Roles, keys: RowKeys, split: Split, show: Callable[[str, int], str]
) -> None:
    """Raise where parts that were given share a group, or are not in the order of time."""
    if keys.groups is not None and roles.group is not None:
        of_group = functools.partial(show, roles.group)
        check_disjoint(keys.groups, split.rows_of_parts(), of_group)
    if keys.times is not None and roles.time is not None and split.strategy in {"time", "given"}:
        check_order(keys.times, split.rows_of_parts(), functools.partial(show, roles.time))


def check_part(column: str, split: Split, name: str) -> None:
    """Raise where a column that names the part of each row, or what was dropped, leaves a gap.

    Raises:
        SplitError: it names the sources and the column.
    """
    for part, rows in (("train", split.train), ("valid", split.valid)):
        if not len(rows):
            raise SplitError(
                f"{name}: column {column!r}: no row is for {part}",
                hint=f"name some of them {part}; or leave data.part out, and the rows are cut by "
                "split",
            )


def check_split(split: Split, targets: Targets, labels: Sequence[str]) -> None:
    """Raise where no label has both classes in every part, since nothing could be reported.

    Raises:
        SplitError: it names the label with the most positives.
    """
    if not len(split.valid):
        raise SplitError(
            "split.valid is 0: early stopping, calibration and thresholds need validation rows",
            hint="split.valid: 0.15, or data.valid",
        )
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    parts = {part: rows for part, rows in parts.items() if len(rows)}
    sides = {part: targets.take(rows).counts()[:2] for part, rows in parts.items()}
    if np.logical_and.reduce([(counts > 0).all(axis=0) for counts in sides.values()]).any():
        return
    label = int(targets.counts()[0].argmax())
    counts = {part: counted[:, label].astype(int) for part, counted in sides.items()}
    shown = ", ".join(f"{part} {pos:,} and {neg:,}" for part, (pos, neg) in counts.items())
    raise SplitError(
        f"the split is too small for label {labels[label]!r}: positives and negatives are {shown}, "
        "and each part needs one of both",
        hint="more rows, or parts of other sizes"
        if split.strategy in {"time", "given"}
        else "more rows, larger split.valid and split.test, or another split.seed",
    )


def remark_on_sizes(config: Config, split: Split) -> list[str]:
    """Say that parts have other sizes than were asked for, where rare labels need that."""
    data, section = config.data, config.split
    if split.strategy != "iterative" or data.valid is not None or data.test is not None:
        return []
    sizes = np.array([len(rows) for rows in split.rows_of_parts().values()])
    shares = (1 - section.valid - section.test, section.valid, section.test)
    if not is_far(sizes, apportion(int(sizes.sum()), shares)):
        return []
    train, valid, test = (
        f"{size:,} ({show_percent(share)})" for size, share in zip(sizes, shares, strict=True)
    )
    remark = (
        f"split: {train} rows for train, {valid} for valid and {test} for test, with what was "
        "asked for in brackets: many labels have so few positives that one in each part takes more"
    )
    return [remark]
