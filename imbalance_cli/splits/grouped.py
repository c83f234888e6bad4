"""Dealing whole groups out to parts.

Shapes: N rows, L labels, P parts, G groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from imbalance_cli.errors import SplitError
from imbalance_cli.labels.targets import SparseTargets, dense_labels
from imbalance_cli.splits.covering import cover, find_at_risk, has_gap
from imbalance_cli.splits.stratified import stratify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Flags, Numbers, Targets
    from imbalance_cli.splits.parts import Groups, PartNumbers, Rows

LARGE_GROUPS = 10_000  # so many are placed one after the other; the others are small beside them
STEPS = 1_000  # the most moves that even out
EVEN = 0.02  # of a share: parts that are as near to it are left
NEGLIGIBLE = 1e-9


def cut_groups(
    targets: Targets, groups: Groups, shares: Sequence[float], random: np.random.Generator
) -> PartNumbers:
    """Give whole groups to parts, and let each part have every label, as far as groups permit.

    Args:
        targets: (N, L).
        groups: (N,) group numbers from 0 up.
        shares: (P,) of each part.
        random: what the order is drawn from.

    Returns:
        (N,) part numbers.

    Raises:
        SplitError: there are fewer groups than parts.
    """
    sizes = np.bincount(groups)
    number = np.count_nonzero(sizes)
    wanted = [part for part, share in enumerate(shares) if share > 0]
    if number < len(wanted):
        raise SplitError(
            f"split: {number} group{'' if number == 1 else 's'} of data.group cannot fill "
            f"{len(wanted)} parts",
            hint="fewer folds or parts, or a column with more groups",
        )
    members = sp.csr_array(
        (np.ones(len(groups), np.int64), (groups, np.arange(len(groups)))),
        shape=(len(sizes), len(groups)),
    )
    positives = sp.csr_array(members @ targets.positives())
    part_of_group = _place(sizes, positives, shares, random)
    units = _count_units(targets, groups, positives, [part_of_group == part for part in wanted])
    filled = np.bincount(part_of_group[sizes > 0], minlength=len(shares))[wanted]
    if not (has_gap(units) or has_gap(filled)):
        return part_of_group[groups]
    with_positives, with_negatives, steps = find_at_risk(units)
    labels = np.flatnonzero(with_negatives)
    zeros = [
        sp.csr_array(counts) for _, counts in _count_negatives(targets, groups, len(sizes), labels)
    ]
    contents = sp.hstack([sizes[:, None], positives[:, with_positives], *zeros], format="csr")
    return cover(contents, part_of_group, shares, random, steps)[groups]


def _count_units(
    targets: Targets, groups: Groups, positives: sp.csr_array, parts: Sequence[Flags]
) -> Rows:
    """Return how many groups with positives and with negatives each part has, (P, 2, L).

    Of negatives it may be fewer than there are, but only where there are some in every part.
    """
    number, labels = positives.shape
    is_complete = np.zeros(number, np.bool_)  # whether all labels of some row are known
    is_complete[groups[~targets.incomplete_rows()]] = True
    with_positives = [np.bincount(positives[part].indices, minlength=labels) for part in parts]
    # a complete group without a positive has a negative
    with_negatives = [
        np.count_nonzero(is_complete[part]) - count
        for part, count in zip(parts, with_positives, strict=True)
    ]
    units = np.stack([with_positives, with_negatives], axis=1)
    unsure = np.flatnonzero((units[:, 1] <= 0).any(axis=0))
    for block, counts in _count_negatives(targets, groups, number, unsure):
        units[:, 1, block] = [np.count_nonzero(counts[part], axis=0) for part in parts]
    return units


def _count_negatives(
    targets: Targets, groups: Groups, number: int, labels: Rows
) -> Iterator[tuple[Numbers, Rows]]:
    """Yield the numbers of some labels at a time, (l,), and the negatives of each group, (G, l)."""
    for block, cells in dense_labels(targets, labels):
        counts = [np.bincount(groups[column == 0], minlength=number) for column in cells.T]
        yield block, np.column_stack(counts)


def _place(
    sizes: Rows, positives: sp.csr_array, shares: Sequence[float], random: np.random.Generator
) -> Rows:
    """Place the largest groups first, each in the part that lacks most of it; then the others.

    Args:
        sizes: (G,) rows of each group.
        positives: (G, L) of each group.
        shares: (P,) of each part.
        random: what the order is drawn from.

    Returns:
        (G,) part numbers.
    """
    counts = sp.hstack([sp.csr_array(sizes[:, None]), positives], format="csr")  # (G, 1 + L)
    totals = np.maximum(counts.sum(axis=0), 1)
    content = counts.astype(np.float64)
    content.data /= totals[content.indices]
    have = np.zeros((len(shares), len(totals)))
    parts = np.empty(len(sizes), np.intp)
    # largest first, and by chance among groups of similar size, so that the seed decides
    size = content.max(axis=1).toarray() * random.uniform(0.5, 1.0, len(sizes))
    wanted = np.asarray(shares, np.float64)[:, None] / np.sum(shares)
    order = np.argsort(-size, kind="stable")
    for group in order[:LARGE_GROUPS]:
        cells = slice(*content.indptr[group : group + 2])
        sides, amounts = content.indices[cells], content.data[cells]
        lacking = ((wanted - have[:, sides]) / np.maximum(wanted, 1e-12)) @ amounts
        part = int(np.where(wanted[:, 0] > 0, lacking, -np.inf).argmax())
        parts[group] = part
        have[part, sides] += amounts
    rest = order[LARGE_GROUPS:]
    if not len(rest):
        return _even_out(content, parts, wanted[:, 0])
    open_shares = np.maximum(wanted[:, 0] - have[:, 0], 0)
    by_size = np.argsort(-sizes[rest], kind="stable")
    groups, labels = positives[rest].nonzero()
    presence = SparseTargets.of(groups, labels, (len(rest), positives.shape[1]))
    parts[rest] = stratify(presence, open_shares, random, order=by_size)
    return parts


def _even_out(content: sp.csr_array, parts: Rows, shares: NDArray[np.float64]) -> Rows:
    """Move a group at a time, the one that helps most, until every part is near its shares.

    Few large groups leave no way to even out by those that are placed last. What falls is the sum
    over parts and sides of (have - share)^2 / share, of all rows of the side.

    Args:
        content: (G, 1 + L) of all rows and of the positives of each label, what each group has.
        parts: (G,) part numbers.
        shares: (P,) of each part; one of 0 stays empty.

    Returns:
        (G,) part numbers.
    """
    wanted = np.flatnonzero(shares > 0)
    share = shares[wanted]
    place = np.searchsorted(wanted, parts)
    have = np.stack([content[place == part].sum(axis=0) for part in range(len(wanted))])
    squares = content.power(2).sum(axis=1)
    groups = np.arange(len(parts))
    for _ in range(STEPS):
        off = have / share[:, None] - 1
        if np.abs(off[:, content.sum(axis=0) > 0]).max() <= EVEN:
            break
        pull = 2 * (content @ off.T)  # (G, P)
        change = pull + squares[:, None] / share
        change += (squares / share[place] - pull[groups, place])[:, None]
        change[groups, place] = 0
        group, part = (int(number) for number in divmod(change.argmin(), len(share)))
        if change[group, part] > -NEGLIGIBLE:
            break
        moved = content[[group]].toarray()[0]
        have[place[group]] -= moved
        have[part] += moved
        place[group] = part
    return wanted[place]
