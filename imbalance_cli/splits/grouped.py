"""Dealing whole groups out to parts.

Shapes: N rows, L labels, P parts, G groups, S = 1 + 2 L sides as in covering.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import SplitError
from imbalance_cli.splits.covering import ALL_ROWS, cover, find_at_risk
from imbalance_cli.splits.stratified import stratify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.splits.parts import Floats, Groups, Rows

LARGE_GROUPS = 10_000  # so many are placed one after the other; the others are small beside them


def cut_groups(
    targets: Floats, groups: Groups, shares: Sequence[float], random: np.random.Generator
) -> Rows:
    """Give whole groups to parts, and let each part have every label, as far as groups permit.

    Args:
        targets: (N, L), NaN where missing.
        groups: (N,) group numbers from 0 up.
        shares: (P,) of each part.
        random: what the order is drawn from.

    Returns:
        (N,) part numbers.

    Raises:
        SplitError: there are fewer groups than parts.
    """
    contents = _count_contents(targets, groups)
    number = np.count_nonzero(contents[:, 0])
    wanted = [part for part, share in enumerate(shares) if share > 0]
    if number < len(wanted):
        raise SplitError(
            f"split: {number} group{'' if number == 1 else 's'} of data.group cannot fill "
            f"{len(wanted)} parts",
            hint="fewer folds or parts, or a column with more groups",
        )
    part_of_group = _place(contents[:, : 1 + targets.shape[1]], shares, random)
    units = [np.count_nonzero(contents[part_of_group == part], axis=0) for part in wanted]
    at_risk = find_at_risk(np.stack(units))
    at_risk[ALL_ROWS] = True
    result: Rows = cover(contents[:, at_risk], part_of_group, shares, random)[groups]
    return result


def _count_contents(targets: Floats, groups: Groups) -> Rows:
    """Return how many rows, positives and negatives each group has, (G, S)."""
    number = int(groups.max()) + 1
    sides = [np.bincount(groups, minlength=number)]
    for value in (1, 0):
        sides += [np.bincount(groups[column == value], minlength=number) for column in targets.T]
    return np.column_stack(sides)


def _place(counts: Rows, shares: Sequence[float], random: np.random.Generator) -> Rows:
    """Place the largest groups first, each in the part that lacks most of it; then the others.

    Args:
        counts: (G, 1 + L) rows and positives of each group.
        shares: (P,) of each part.
        random: what the order is drawn from.

    Returns:
        (G,) part numbers.
    """
    content = counts / np.maximum(counts.sum(axis=0), 1)
    have = np.zeros((len(shares), content.shape[1]))
    parts = np.empty(len(counts), np.intp)
    # largest first, and by chance among groups of similar size, so that the seed decides
    size = content.max(axis=1) * random.uniform(0.5, 1.0, len(counts))
    wanted = np.asarray(shares, np.float64)[:, None] / np.sum(shares)
    order = np.argsort(-size, kind="stable")
    for group in order[:LARGE_GROUPS]:
        lacking = ((wanted - have) / np.maximum(wanted, 1e-12)) @ content[group]
        part = int(np.where(wanted[:, 0] > 0, lacking, -np.inf).argmax())
        parts[group] = part
        have[part] += content[group]
    rest = order[LARGE_GROUPS:]
    if len(rest):
        open_shares = np.maximum(wanted[:, 0] - have[:, 0], 0)
        by_size = np.argsort(-counts[rest, 0], kind="stable")
        presence = (counts[rest, 1:] > 0).astype(np.float32)
        parts[rest] = stratify(presence, open_shares, random, order=by_size)
    return parts
