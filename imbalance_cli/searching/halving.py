"""Successive halving by epochs: at each rung the best third of the candidates so far goes on.

The rungs are where the learning rate of the tabular recipe falls to 0, so that unfinished networks
are as good there as their epochs allow. Candidates are compared with those before them, as in the
asynchronous form (ASHA, Li et al. 2020).
"""

from __future__ import annotations

import math

FRACTIONS = (1 / 5, 7 / 15)  # of the epochs
KEPT = 1 / 3


class Halving:
    """The values that candidates reached at each rung, the higher the better."""

    def __init__(self) -> None:
        self.values: list[list[float]] = [[] for _ in FRACTIONS]

    def goes_on(self, rung: int, value: float) -> bool:
        """Note a candidate's value at a rung; return whether it is in the best third there."""
        reached = self.values[rung]
        reached.append(value)
        better = sum(other > value for other in reached)
        return better < max(1, math.ceil(KEPT * len(reached)))


def list_rungs(epochs: int) -> dict[int, int]:
    """Return the number of the rung at the end of some epochs, of a training of so many."""
    rungs: dict[int, int] = {}
    for fraction in FRACTIONS:
        epoch = max(round(fraction * epochs), 1)
        if epoch < epochs:
            rungs.setdefault(epoch, len(rungs))
    return rungs
