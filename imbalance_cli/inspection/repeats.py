"""Counting what occurred before, with flat memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 64  # bits of a hash


class RepeatCounter:
    """How many values of a stream are equal to an earlier one.

    Exact for up to `limit` distinct values, then estimated by adaptive sampling (Wegman 1984;
    Flajolet 1990): only hashes below a bound are kept, and the bound is halved whenever more than
    `limit` of them are. What never repeats is never estimated to do so.

    Args:
        limit: the most hashes that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._halvings = 0
        self._hashes = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.int64)

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """Add the hashes of some values, (n,), uniform on 64 bits."""
        kept = hashes[hashes <= self._bound]
        merged = np.concatenate([self._hashes, kept])
        weights = np.concatenate([self._counts, np.ones(len(kept), np.int64)])
        self._hashes, places = np.unique(merged, return_inverse=True)
        self._counts = np.zeros(len(self._hashes), np.int64)
        np.add.at(self._counts, places, weights)
        while len(self._hashes) > self._limit:
            self._halvings += 1
            is_low = self._hashes <= self._bound
            self._hashes, self._counts = self._hashes[is_low], self._counts[is_low]

    @property
    def is_exact(self) -> bool:
        """Whether no value was left out."""
        return self._halvings == 0

    @property
    def repeats(self) -> int:
        """How many values are equal to an earlier one."""
        return int((self._counts - 1).sum()) << self._halvings

    @property
    def _bound(self) -> np.uint64:
        return np.uint64((1 << (WIDEST - self._halvings)) - 1)
