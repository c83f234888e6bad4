"""Giving every part a positive and a negative of every label, by moving few rows.

Shapes: U units (rows, or groups of rows), P parts, L labels, S = 1 + 2 L sides: the rows
themselves, the positives of each label, the negatives of each label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.splits.parts import Floats, Rows

    Contents = NDArray[np.bool_] | NDArray[np.integer]

STEPS = 5_000  # after so many moves without an end, the best found is kept
CANDIDATES = 256  # units that are compared for one move
NOISE = 0.5  # the share of moves that are made by chance, which leads out of dead ends
ALL_ROWS = 0  # the side that every row has


def cover_rows(
    targets: Floats, parts: Rows, shares: Sequence[float], random: np.random.Generator
) -> Rows:
    """Return the parts of rows, (N,), with gaps closed as `cover` closes them.

    Args:
        targets: (N, L), NaN where missing.
        parts: (N,) part numbers.
        shares: (P,) of each part; one of 0 stays empty.
        random: drawn from only if there is a gap.
    """
    wanted = [part for part, share in enumerate(shares) if share > 0]
    blocks = (targets[parts == part] for part in wanted)
    counts = np.stack([((block == 1).sum(axis=0), (block == 0).sum(axis=0)) for block in blocks])
    if not ((counts == 0) & (counts.sum(axis=0) >= len(wanted))).any():
        return parts
    positives, negatives = find_at_risk(counts)
    rows = np.ones((len(targets), 1), np.bool_)
    sides = [rows, targets[:, positives] == 1, targets[:, negatives] == 0]
    return cover(np.hstack(sides), parts, shares, random)


def find_at_risk(counts: Rows) -> NDArray[np.bool_]:
    """Return which sides `cover` could take from a part to the last, (...).

    Args:
        counts: (P, ...) the units of each side in each wanted part.
    """
    at_risk: NDArray[np.bool_] = counts.min(axis=0) <= 2 * STEPS
    return at_risk


def cover(
    contents: Contents, parts: Rows, shares: Sequence[float], random: np.random.Generator
) -> Rows:
    """Move units so that every wanted part has a unit of every side that has enough of them.

    A side has enough if as many units have it as there are wanted parts. To find such parts is to
    colour a hypergraph polychromatically, which is NP-hard, and for sides that share their units
    there may be none. So this is a local search after WalkSAT (Selman, Kautz and Cohen 1994): a
    gap is drawn, and of the units that close it the one is moved that opens fewest others. What
    it has not closed in STEPS moves stays open; `labels_without` tells. Afterwards units that
    nothing depends on are moved until the parts have the sizes they had.

    Args:
        contents: (U, S) how many rows of each side a unit holds; side 0 are all rows.
        parts: (U,) part numbers.
        shares: (P,) of each part; one of 0 stays empty.
        random: drawn from only if there is a gap.

    Returns:
        (U,) part numbers.
    """
    search = _Search(contents, parts, shares)
    if search.close_gaps(random):
        search.restore_sizes(random)
    return search.parts


class _Search:
    """Parts that change a unit at a time, and what they hold.

    Attributes:
        parts: (U,) part numbers.
        have: (P, S) rows of each side that each part holds.
        needed: (P, S) whether the part has to hold that side.
        ideal: (P, S) rows of each side, if every part had its share.
    """

    def __init__(self, contents: Contents, parts: Rows, shares: Sequence[float]) -> None:
        self._contents = contents
        self.parts = parts.copy()
        share = np.asarray(shares, np.float64) / np.sum(shares)
        enough = np.count_nonzero(contents, axis=0) >= np.count_nonzero(share)
        self.needed = (share > 0)[:, None] & enough
        self.have = np.stack([contents[parts == p].sum(axis=0) for p in range(len(share))])
        self.ideal = share[:, None] * self.have.sum(axis=0)
        self._sizes = self.have[:, ALL_ROWS].copy()

    def close_gaps(self, random: np.random.Generator) -> bool:
        """Return whether there was a gap, after closing as many as can be found to close."""
        first = fewest = int(self._gaps().sum())
        undo: list[tuple[int, int]] = []  # what was moved since there were fewest gaps, from where
        for _ in range(STEPS):
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
        """Move units out of parts that have grown, without opening a gap."""
        for _ in range(STEPS):
            surplus = self.have[:, ALL_ROWS] - self._sizes
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
        self.have[self.parts[unit]] -= self._contents[unit]
        self.have[part] += self._contents[unit]
        self.parts[unit] = part

    def _choose(self, part: int, side: int, random: np.random.Generator) -> int:
        """Return the unit whose move to `part` closes the gap there and opens fewest others."""
        units = _draw(np.flatnonzero(self._contents[:, side]), random)
        opened = self._opens(units)
        closed = ((self._contents[units] > 0) & self._gaps()[part]).sum(axis=1)
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
        sizes = self._contents[units, ALL_ROWS]
        # a unit as large as the difference would only turn the difference round
        units = units[(sizes > 0) & (sizes < between) & (self._opens(units) == 0)]
        return int(units[self._distortion(units, taker).argmin()]) if len(units) else None

    def _opens(self, units: Rows) -> NDArray[np.intp]:
        """Return how many sides each unit is the last to have in its part, (K,)."""
        parts, contents = self.parts[units], self._contents[units]
        is_last = (contents > 0) & (self.have[parts] == contents) & self.needed[parts]
        opened: Rows = is_last.sum(axis=1)
        return opened

    def _distortion(self, units: Rows, part: int) -> Floats:
        """Return how much further from their shares the sides are after each move, (K,)."""
        contents, before = self._contents[units], self.parts[units]
        excess = self.have - self.ideal
        change = (
            np.abs(excess[before] - contents)
            - np.abs(excess[before])
            + np.abs(excess[part] + contents)
            - np.abs(excess[part])
        )
        distortion: Floats = (change / np.maximum(self.have.sum(axis=0), 1)).sum(axis=1)
        return distortion


def _draw(units: Rows, random: np.random.Generator) -> Rows:
    """Return at most CANDIDATES of the units, in an order by chance."""
    if len(units) > CANDIDATES:
        return units[random.integers(len(units), size=CANDIDATES)]
    return random.permutation(units)
