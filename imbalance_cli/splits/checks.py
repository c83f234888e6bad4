"""What every split is held to once it is cut, and which labels a part is without.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.special

from imbalance_cli.errors import SplitError
from imbalance_cli.labels.targets import as_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.splits.parts import Floats, Groups, Rows, Split

RATIO = 2.0  # of the rates of a label in two parts, from which they are unlike
LARGEST_CHANCE = 1e-4  # that parts cut by chance would be so unlike


def _count_from_0(row: int) -> str:
    return f"row {row}, counted from 0"


def check_disjoint(
    groups: Groups, parts: Mapping[str, Rows], show: Callable[[int], str] = _count_from_0
) -> None:
    """Raise where rows of one group are in two parts.

    Args:
        groups: (N,) group numbers from 0 up.
        parts: the row numbers of each part, by its name.
        show: says which row a number is, and of which group.

    Raises:
        SplitError: it names the parts and a row of each.
    """
    nowhere = -1
    rows_of_groups = np.full(int(groups.max(initial=-1)) + 1, nowhere, np.intp)
    part_of_group = np.full(len(rows_of_groups), nowhere, np.intp)
    for number, (name, rows) in enumerate(parts.items()):
        its_groups = groups[rows]
        taken = part_of_group[its_groups]
        straddling = np.flatnonzero(taken != nowhere)
        if len(straddling):
            row = int(rows[straddling[0]])
            group = int(groups[row])
            other = list(parts)[part_of_group[group]]
            raise SplitError(
                f"split: a group is in {other} and in {name}: "
                f"{show(int(rows_of_groups[group]))}; {show(row)}",
                hint="rows of one group belong in one part; or drop data.group",
            )
        part_of_group[its_groups] = number
        rows_of_groups[its_groups] = rows


def check_order(
    times: Floats, parts: Mapping[str, Rows], show: Callable[[int], str] = _count_from_0
) -> None:
    """Raise where a part begins before one named ahead of it has ended.

    Args:
        times: (N,) days.
        parts: the row numbers of each part, by its name, the earliest first.
        show: says which row a number is, and of which time.

    Raises:
        SplitError: it names the parts and both moments.
    """
    filled = {name: rows for name, rows in parts.items() if len(rows)}
    for (earlier, before), (later, after) in itertools.pairwise(filled.items()):
        last, first = (int(before[times[before].argmax()]), int(after[times[after].argmin()]))
        if not times[last] < times[first]:
            raise SplitError(
                f"split: {later} begins before {earlier} has ended: {show(last)} is in {earlier}; "
                f"{show(first)} is in {later}",
                hint=f"{later} needs the later rows; or drop data.time",
            )


def unlike_parts(
    split: Split, targets: Targets | Floats
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return which labels, (L,), two parts have at rates that differ far beyond chance.

    Of all positives in the two, those in one are binomial, were the rates the same; Bonferroni's
    correction is for pairs and labels. The rates have to differ RATIO times at that, and both
    parts have to have positives. Parts without rows are left out.

    Args:
        split: the rows of each part.
        targets: (N, L); floats are NaN where missing.
    """
    targets = as_targets(targets)
    counts = {
        name: targets.take(rows).counts()[:2]
        for name, rows in split.rows_of_parts().items()
        if len(rows)
    }
    pairs = list(itertools.combinations(counts, 2))
    unlike = {}
    for one, other in pairs:
        hits = np.stack([counts[one][0], counts[other][0]])
        rows = np.stack([counts[part].sum(axis=0) for part in (one, other)])
        rates = hits / np.maximum(rows, 1)
        both, share = hits.sum(axis=0).astype(np.int64), rows[0] / np.maximum(rows.sum(axis=0), 1)
        chance = 2 * np.minimum(
            scipy.special.bdtr(hits[0], both, share), scipy.special.bdtr(hits[1], both, 1 - share)
        )
        far = chance * len(pairs) * targets.shape[1] < LARGEST_CHANCE
        unlike[one, other] = far & (rates.min(axis=0) > 0)
        unlike[one, other] &= rates.max(axis=0) > RATIO * rates.min(axis=0)
    return unlike


def labels_without(
    split: Split, targets: Targets | Floats, *, side: Literal[0, 1] = 1
) -> dict[str, Rows]:
    """Return the numbers of the labels that each part has no positive of.

    Parts without rows are left out. Where a split could not be covered, since too few rows have
    the label or it takes its rows from others, this is where it shows.

    Args:
        split: the rows of each part.
        targets: (N, L); floats are NaN where missing, which is neither positive nor negative.
        side: 1 for positives, 0 for negatives.
    """
    targets = as_targets(targets)
    positives, negatives = 0, 1
    counted = positives if side else negatives
    return {
        name: np.flatnonzero(targets.take(rows).counts()[counted] == 0)
        for name, rows in split.rows_of_parts().items()
        if len(rows)
    }
