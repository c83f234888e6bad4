"""What a threshold is chosen for: the quality of every place where the sorted rows can be cut.

Shapes: N rows, L labels. Place j of a label decides its rows 0 to j, by falling score, positive.
"""

from __future__ import annotations

import dataclasses

import torch

from imbalance_cli.metrics import Confusion

TOLERANCE = 1e-12  # of sums of weights: a target that is met but for rounding is met


@dataclasses.dataclass(frozen=True)
class Cuts:
    """Every place where the rows of each label can be cut.

    Attributes:
        own: counts at each place, (L, N) each, of the label's own targets.
        blended: the same where each row is positive in part, as its target and the pool say.
        allowed: (L, N) whether the place is one to choose from.
    """

    own: Confusion
    blended: Confusion
    allowed: torch.Tensor

    def best(self, objective: str, target: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the best place of each label, and the best value its target can have there.

        Args:
            objective: a name of the config's.
            target: of the objectives that hold one.

        Returns:
            The place, (L,), -1 where nothing can be said; and the nearest value of the own rows
            to the target, (L,), NaN where the target is held or there is none.
        """
        if objective in {"recall_at_precision", "precision_at_recall"}:
            return self._hold(objective, target)
        quality = {
            "f1": self.blended.f_beta,
            "f2": lambda: self.blended.f_beta(2.0),
            "mcc": self.blended.mcc,
            "balanced_accuracy": self.blended.balanced_accuracy,
        }[objective]()
        place = _first_best(quality, self.allowed)
        return place, torch.full_like(place, torch.nan, dtype=torch.float64)

    def _hold(self, objective: str, target: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Hold one metric at a target and make the other as good as it can be.

        The target has to hold on the label's own rows. Where it can, it holds by the blended
        counts too, so that a label of few positives is not taken at its word.
        """
        held, improved = Confusion.precision, Confusion.recall
        if objective == "precision_at_recall":
            held, improved = improved, held
        own, blended = held(self.own), held(self.blended)
        has_positives = (self.own.true_positives + self.own.false_negatives)[:, -1:] > 0
        holds = own >= target - TOLERANCE
        doubly = holds & (blended >= target - TOLERANCE)
        # without a positive the own rows say nothing, and the blended counts are all there is
        doubly = doubly.where(has_positives, blended >= target - TOLERANCE)
        value = improved(self.blended)
        place = _first_best(value, self.allowed & doubly)
        place = place.where(place >= 0, _first_best(value, self.allowed & holds))
        nearest = own.where(has_positives, blended)
        place = place.where(place >= 0, _last_best(nearest, self.allowed))
        index = place.clamp(min=0)[:, None]
        reached = own.gather(1, index)[:, 0].nan_to_num(0.0).where(place >= 0, 0.0)
        return place, reached.where(reached < target - TOLERANCE, torch.nan)


def cut_at_share(
    mass: torch.Tensor, goal: torch.Tensor, allowed: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the place above which the rows nearest to a mass lie, (L,), and that mass, (L,).

    The mass is NaN where it is the goal, give or take half a row; of two as near the smaller.

    Args:
        mass: (L, N) of each row, by falling score.
        goal: (L,).
        allowed: (L, N) whether the place is one to choose from.
    """
    reached = mass.cumsum(dim=1)
    place = _first_best(-(reached - goal[:, None]).abs(), allowed)
    found = reached.gather(1, place.clamp(min=0)[:, None])[:, 0].where(place >= 0, 0.0)
    half_a_row = mass.amax(dim=1) / 2 * (1 + TOLERANCE)
    return place, found.where((found - goal).abs() > half_a_row, torch.nan)


def _first_best(quality: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return the first place of the highest quality, (L,), -1 where none is defined."""
    height = quality.nan_to_num(-torch.inf).where(allowed, -torch.inf)
    best, place = height.max(dim=1).values, height.argmax(dim=1)
    return place.where(best > -torch.inf, -1)


def _last_best(quality: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return the last place of the highest quality, (L,), -1 where none is defined."""
    place = _first_best(quality.flip(1), allowed.flip(1))
    return (quality.shape[1] - 1 - place).where(place >= 0, -1)
