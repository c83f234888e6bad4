"""Dealing rows out so that each part gets its share of every label.

Shapes: N rows, L labels, P parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.splits.parts import Floats, Rows

HASHED_CELLS = 2**22  # as many are whole numbers at a time, which bounds the memory


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


def stratify(
    targets: Floats,
    shares: Sequence[float] | Floats,
    random: np.random.Generator,
    *,
    order: Rows | None = None,
) -> Rows:
    """Give each part its share of every label's positives, rarest label first.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), a label at a time instead of
    a row at a time: the open rows of a label are sorted by all their labels and dealt out evenly.

    Args:
        targets: (N, L), NaN where missing.
        shares: (P,) numbers from 0 up, not all 0.
        random: what the order is drawn from.
        order: (N,) the order in which rows with the same labels are dealt; by chance if None.

    Returns:
        (N,) part numbers.
    """
    order = random.permutation(len(targets)) if order is None else order
    known = targets[order]
    positive = known == 1
    rows_with = np.ascontiguousarray(positive.T)  # (L, N), read a label at a time
    signatures = _hash_rows(known, random)
    parts = np.full(len(targets), -1, np.intp)
    totals = positive.sum(axis=0)
    left = totals
    wanted = np.outer(shares, totals) / np.sum(shares)
    have = np.zeros(wanted.shape, np.intp)
    while left.any():
        label = int(np.where(left > 0, left, np.iinfo(left.dtype).max).argmin())
        rows = np.flatnonzero((parts == -1) & rows_with[label])
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


def _hash_rows(targets: Floats, random: np.random.Generator) -> NDArray[np.int64]:
    """Return a number a row that is the same for equal rows; sorting by it brings them together."""
    labels = targets.shape[1]
    factors = random.integers(np.iinfo(np.int64).max, size=labels)
    rows = max(HASHED_CELLS // max(labels, 1), 1)
    blocks = (targets[first : first + rows] for first in range(0, len(targets), rows))
    hashed = [np.nan_to_num(block, nan=2).astype(np.int64) @ factors for block in blocks]
    return np.concatenate([np.empty(0, np.int64), *hashed])


def _share_out(
    rows: int, needed: Floats, have: Rows, shares: Sequence[float] | Floats
) -> NDArray[np.intp]:
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
