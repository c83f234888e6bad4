"""Dealing rows out so that each part gets its share of every label.

Shapes: N rows, L labels, P parts.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.splits.parts import Floats, Rows


SECTION = 2**22  # rows that are dealt out at a time, which bounds the memory


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


def interleave(counts: Sequence[int] | NDArray[np.intp]) -> NDArray[np.int16]:
    """Return part numbers, `counts[p]` times p, each spread evenly over the sequence."""
    sections = -(-int(np.sum(counts)) // SECTION) or 1
    ends = [[count * section // sections for count in counts] for section in range(sections + 1)]
    blocks = []
    for first, last in itertools.pairwise(ends):  # the same share of each part
        spans = list(zip(first, last, counts, strict=True))
        places = [(np.arange(low, high) + 0.5) / max(count, 1) for low, high, count in spans]
        parts = np.repeat(np.arange(len(spans), dtype=np.int16), np.subtract(last, first))
        blocks.append(parts[np.argsort(np.concatenate(places), kind="stable")])
    return np.concatenate(blocks)


def stratify(
    targets: Targets,
    shares: Sequence[float] | Floats,
    random: np.random.Generator,
    *,
    order: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.int16]:
    """Give each part its share of every label's positives, rarest label first.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), a label at a time instead of
    a row at a time: the open rows of a label are sorted by all their labels and dealt out evenly.

    Args:
        targets: (N, L).
        shares: (P,) numbers from 0 up, not all 0.
        random: what the order is drawn from.
        order: (N,) the order in which rows with the same labels are dealt; by chance if None.

    Returns:
        (N,) part numbers.
    """
    if order is None:
        order = np.arange(len(targets), dtype=_smallest(len(targets)))
        random.shuffle(order)
    ordered = targets.take(order)
    positive = ordered.positives()
    rows_with = positive.tocsc()
    # the same for rows with the same cells, so that sorting brings these together
    signatures = ordered.hash_rows(random.integers(np.iinfo(np.int64).max, size=targets.shape[1]))
    parts = np.full(len(targets), -1, np.int16)
    totals = np.diff(rows_with.indptr).astype(np.intp)
    left = totals
    wanted = np.outer(shares, totals) / np.sum(shares)
    have = np.zeros(wanted.shape, np.intp)
    while left.any():
        label = int(np.where(left > 0, left, np.iinfo(left.dtype).max).argmin())
        rows = rows_with.indices[slice(*rows_with.indptr[label : label + 2])]
        rows = rows[parts[rows] == -1]
        rows = rows[np.argsort(signatures[rows], kind="stable")]
        counts = _share_out(len(rows), wanted[:, label] - have[:, label], have[:, label], shares)
        parts[rows] = interleave(counts)
        have += _count_by_part(positive, rows, parts[rows], len(shares))
        left = totals - have.sum(axis=0)
    rest = np.flatnonzero(parts == -1).astype(_smallest(len(targets)))
    rest = rest[np.argsort(signatures[rest], kind="stable")]
    del signatures
    taken = np.bincount(parts[parts >= 0], minlength=len(shares))
    needed = len(targets) * np.asarray(shares) / np.sum(shares) - taken
    parts[rest] = interleave(_share_out(len(rest), needed, taken, shares))
    result = np.empty_like(parts)
    result[order] = parts
    return result


def _smallest(rows: int) -> type[np.integer[Any]]:
    """Return the type that the numbers of so many rows take least memory in."""
    return np.int32 if rows <= np.iinfo(np.int32).max else np.int64


def _count_by_part(
    positive: sp.csr_array, rows: Rows, parts: NDArray[np.integer[Any]], number: int
) -> Rows:
    """Return how many positives of each label some rows bring to their parts, (P, L)."""
    labels = positive.shape[1]
    owners, places = gather_rows(positive, rows)
    cells = parts[owners].astype(np.intp) * labels + positive.indices[places]
    counts: Rows = np.bincount(cells, minlength=number * labels).reshape(number, labels)
    return counts


def gather_rows(matrix: sp.csr_array, rows: Rows) -> tuple[Rows, Rows]:
    """Return where the stored cells of some rows are, one row after the other.

    Returns:
        Of each stored cell, which of `rows` it belongs to, from 0 up, and its place among all.
    """
    starts = matrix.indptr[rows].astype(np.intp)
    lengths = matrix.indptr[rows + 1] - starts
    owners = np.repeat(np.arange(len(rows)), lengths)
    before = np.cumsum(lengths) - lengths
    places = np.arange(len(owners)) + (starts - before)[owners]
    return owners, places


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
