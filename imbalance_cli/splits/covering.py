"""Giving every part a positive and a negative of every label, by moving few rows.

Shapes: U units (rows, or groups of rows), P parts, L labels, S = 1 + 2 L sides: the rows
themselves, the positives of each label, the negatives of each label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from imbalance_cli.labels.targets import dense_labels
from imbalance_cli.splits.stratified import apportion, gather_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.splits.parts import Floats, PartNumbers, Rows

STEPS = 5_000  # after so many moves without an end, the best found is kept
CANDIDATES = 256  # units that are compared for one move
NOISE = 0.5  # the share of moves that are made by chance, which leads out of dead ends
ALL_ROWS = 0  # the side that every row has
UNEVEN = 0.02  # of all rows: parts that differ by more from their shares are evened out
WATCHED_CELLS = 2**22  # of negatives; of very many labels only the rarest sides are watched


def cover_rows(
    targets: Targets, parts: PartNumbers, shares: Sequence[float], random: np.random.Generator
) -> PartNumbers:
    """Return the parts of rows, (N,), with gaps closed, and uneven sizes restored, as in `cover`.

    Labels of few positives, many at once, need more rows in the small parts than these have a share
    of; what is left after that is as near to the shares as rows can be spared.

    Args:
        targets: (N, L).
        parts: (N,) part numbers.
        shares: (P,) of each part; one of 0 stays empty.
        random: drawn from only if there is a gap, or sizes are uneven.
    """
    wanted = [part for part, share in enumerate(shares) if share > 0]
    counts = np.stack([targets.take(parts == part).counts()[:2] for part in wanted])
    asked = apportion(len(targets), shares)
    is_uneven = bool(is_far(np.bincount(parts, minlength=len(shares)), asked))
    if not has_gap(counts) and not is_uneven:
        return parts
    positives, negatives, steps = find_at_risk(counts)
    is_zero = [
        sp.csr_array(cells == 0) for _, cells in dense_labels(targets, np.flatnonzero(negatives))
    ]
    rows = np.ones((len(targets), 1), np.int32)
    contents = sp.hstack([rows, targets.positives()[:, positives], *is_zero], format="csr")
    return cover(contents, parts, shares, random, steps, asked if is_uneven else None)


def is_far(sizes: Rows, asked: Rows) -> bool:
    """Return whether the size of a part, (P,), is not nearly what was asked for, (P,)."""
    return bool(np.abs(sizes - asked).max() > UNEVEN * asked.sum())


def has_gap(units: Rows | Floats) -> bool:
    """Return whether a part has no unit of a side that has enough of them.

    Args:
        units: (P, ...) how many units of each side each wanted part has.
    """
    return bool(((units == 0) & (units.sum(axis=0) >= len(units))).any())


def find_at_risk(units: Rows | Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
    """Return which sides `cover` has to watch, since it could take the last unit from a part.

    So many negatives are watched as there are WATCHED_CELLS for, those with the fewest units
    first; and no more steps are taken than the others could bear.

    Args:
        units: (P, 2, L) the units with positives and with negatives in each wanted part.

    Returns:
        Whether the positives and the negatives of each label are at risk, (L,) each, and the most
        steps to take.
    """
    fewest = units.min(axis=0)
    positives, negatives = fewest <= 2 * STEPS
    by_risk = np.argsort(fewest[1], kind="stable")
    by_risk = by_risk[negatives[by_risk]]
    beyond = units[:, 1].sum(axis=0)[by_risk].cumsum() > WATCHED_CELLS
    steps = STEPS
    if beyond.any():
        unwatched = by_risk[beyond]
        negatives[unwatched] = False
        steps = min(STEPS, int(fewest[1, unwatched[0]]) // 2)
    return positives, negatives, steps


def cover(
    contents: sp.csr_array | NDArray[np.integer] | NDArray[np.bool_],
    parts: PartNumbers,
    shares: Sequence[float],
    random: np.random.Generator,
    steps: int = STEPS,
    sizes: Rows | None = None,
) -> PartNumbers:
    """Move units so that every wanted part has a unit of every side that has enough of them.

    A side has enough if as many units have it as there are wanted parts. To find such parts is to
    colour a hypergraph polychromatically, which is NP-hard, and for sides that share their units
    there may be none. So this is a local search after WalkSAT (Selman, Kautz and Cohen 1994): a
    gap is drawn, and of the units that close it the one is moved that opens fewest others. What
    it has not closed in so many steps stays open; `labels_without` tells. Afterwards units that
    nothing depends on are moved until the parts have the sizes they had, or those asked for.

    Args:
        contents: (U, S) how many rows of each side a unit holds; side 0 are all rows.
        parts: (U,) part numbers.
        shares: (P,) of each part; one of 0 stays empty.
        random: drawn from only if there is a gap, or sizes are given.
        steps: the most moves of either kind.
        sizes: (P,) rows that the parts should have; None for as many as they have.

    Returns:
        (U,) part numbers.
    """
    search = _Search(sp.csr_array(contents).astype(np.int32), parts, shares, steps)
    if sizes is not None:
        search.sizes = sizes
    if search.close_gaps(random) or sizes is not None:
        search.restore_sizes(random)
    return search.parts


class _Search:
    """Parts that change a unit at a time, and what they hold.

    Attributes:
        parts: (U,) part numbers.
        have: (P, S) rows of each side that each part holds.
        needed: (P, S) whether the part has to hold that side.
        ideal: (P, S) rows of each side, if every part had its share.
        sizes: (P,) rows that each part should have.
    """

    def __init__(
        self, contents: sp.csr_array, parts: PartNumbers, shares: Sequence[float], steps: int
    ) -> None:
        self._contents = contents
        self._by_side = contents.tocsc()
        self._rows_of_unit = contents[:, [ALL_ROWS]].toarray()[:, 0]
        self._steps = steps
        self.parts = parts.copy()
        share = np.asarray(shares, np.float64) / np.sum(shares)
        enough = np.diff(self._by_side.indptr) >= np.count_nonzero(share)
        self.needed = (share > 0)[:, None] & enough
        self.have = np.stack([contents[parts == p].sum(axis=0) for p in range(len(share))])
        self.ideal = share[:, None] * self.have.sum(axis=0)
        self.sizes = self.have[:, ALL_ROWS].copy()

    def close_gaps(self, random: np.random.Generator) -> bool:
        """Return whether there was a gap, after closing as many as can be found to close."""
        first = fewest = int(self._gaps().sum())
        undo: list[tuple[int, int]] = []  # what was moved since there were fewest gaps, from where
        for _ in range(self._steps):
            gaps = np.argwhere(self._gaps())
            if len(gaps) < fewest:
                fewest = len(gaps)
                undo.clear()
            if not fewest:
                break
            part, side = gaps[random.integers(len(gaps))]
            unit = self._choose(int(part), int(side), random)
            undo.append((unit, int(self.parts[unit])))
            self._move(unit, int(part))
        else:
            for unit, part in reversed(undo):
                self._move(unit, part)
        return first > 0

    def restore_sizes(self, random: np.random.Generator) -> None:
        """Move units out of parts that have too many, without opening a gap."""
        for _ in range(self._steps):
            surplus = self.have[:, ALL_ROWS] - self.sizes
            between = np.where(self.needed[:, ALL_ROWS], surplus[:, None] - surplus, 0)
            for pair in np.argsort(-between, axis=None):
                giver, taker = (int(part) for part in divmod(pair, len(surplus)))
                unit = self._spare(giver, taker, between[giver, taker], random)
                if unit is not None:
                    self._move(unit, taker)
                    break
            else:
                return

    def _gaps(self) -> NDArray[np.bool_]:
        gaps: NDArray[np.bool_] = self.needed & (self.have == 0)
        return gaps

    def _move(self, unit: int, part: int) -> None:
        cells = slice(*self._contents.indptr[unit : unit + 2])
        sides, rows = self._contents.indices[cells], self._contents.data[cells]
        self.have[self.parts[unit], sides] -= rows
        self.have[part, sides] += rows
        self.parts[unit] = part

    def _choose(self, part: int, side: int, random: np.random.Generator) -> int:
        """Return the unit whose move to `part` closes the gap there and opens fewest others."""
        having = self._by_side.indices[slice(*self._by_side.indptr[side : side + 2])]
        units = _draw(having, random)
        opened = self._opens(units)
        owners, sides, _ = self._cells(units)
        closed = _count(owners, self._gaps()[part, sides], len(units))
        if opened.min() > 0 and random.random() < NOISE:
            return int(units[0])
        return int(units[np.lexsort((self._distortion(units, part), opened - closed))[0]])

    def _spare(
        self, giver: int, taker: int, between: float, random: np.random.Generator
    ) -> int | None:
        """Return a unit of `giver` that is better in `taker` and opens no gap, if there is one."""
        if between <= 0 or not self.needed[taker, ALL_ROWS]:
            return None
        units = _draw(np.flatnonzero(self.parts == giver), random)
        sizes = self._rows_of_unit[units]
        # a unit as large as the difference would only turn the difference round
        units = units[(sizes > 0) & (sizes < between) & (self._opens(units) == 0)]
        return int(units[self._distortion(units, taker).argmin()]) if len(units) else None

    def _opens(self, units: Rows) -> Rows:
        """Return how many sides each unit is the last to have in its part, (K,)."""
        owners, sides, rows = self._cells(units)
        parts = self.parts[units][owners]
        is_last = (self.have[parts, sides] == rows) & self.needed[parts, sides]
        return _count(owners, is_last, len(units))

    def _distortion(self, units: Rows, part: int) -> NDArray[np.float64]:
        """Return how much further from their shares the sides are after each move, (K,)."""
        owners, sides, rows = self._cells(units)
        before = self.parts[units][owners]
        out = self.have[before, sides] - self.ideal[before, sides]
        into = self.have[part, sides] - self.ideal[part, sides]
        change = np.abs(out - rows) - np.abs(out) + np.abs(into + rows) - np.abs(into)
        totals = np.maximum(self.have.sum(axis=0), 1)[sides]
        shifts = np.asarray(change / totals, np.float64)
        return np.bincount(owners, weights=shifts, minlength=len(units)).astype(np.float64)

    def _cells(self, units: Rows) -> tuple[Rows, Rows, Rows]:
        """Return which unit, which side and how many rows each cell of some units is of."""
        owners, places = gather_rows(self._contents, units)
        return owners, self._contents.indices[places], self._contents.data[places]


def _count(owners: Rows, flags: NDArray[np.bool_], units: int) -> Rows:
    """Return how many flags each unit has, (K,)."""
    counts: Rows = np.bincount(owners[flags], minlength=units)
    return counts


def _draw(units: Rows, random: np.random.Generator) -> Rows:
    """Return at most CANDIDATES of the units, in an order by chance."""
    if len(units) > CANDIDATES:
        return units[random.integers(len(units), size=CANDIDATES)]
    return random.permutation(units)
