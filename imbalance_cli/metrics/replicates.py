"""The metrics of bootstrap replicates, from what each drew of every band.

Shapes: L labels, R replicates, K bands, B bins of the calibration error.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.metrics.confusion import Confusion
from imbalance_cli.metrics.probabilities import mean_gaps

if TYPE_CHECKING:
    from imbalance_cli.metrics.bands import Bands

TOP_SHARE = 0.01  # of lift_at_1_percent


@dataclasses.dataclass(frozen=True)
class Levels:
    """Where the metrics of a budget or a demand are taken.

    Attributes:
        top_k: how many rows precision_at_k is of.
        at_precision: the precision that recall_at_precision asks for.
    """

    top_k: int = 100
    at_precision: float = 0.5


DEFAULT_LEVELS = Levels()


@dataclasses.dataclass(frozen=True)
class Layout:
    """What all replicates of some labels share.

    Attributes:
        is_run: (L, 1, K) as of Bands.
        concordance: (L, 1, K) of the pairs of a positive and a negative within a band, the share in
            order; ties count half.
        decided: (L, 1, 1) how many bands are decided positive.
        cuts: (L, 1, B + 1) as of Bands.
        levels: of the metrics.
    """

    is_run: torch.Tensor
    concordance: torch.Tensor
    decided: torch.Tensor
    cuts: torch.Tensor
    levels: Levels

    @classmethod
    def of(cls, bands: Bands, levels: Levels) -> Layout:
        """Return what bands, of rows without weights, have in common for all replicates."""
        positives, negatives = bands.ranking.positives, bands.ranking.negatives
        reached = torch.nn.functional.pad(negatives.cumsum(dim=1), (1, 0))
        below = (
            reached[:, -1:]
            - (reached.gather(1, bands.ranking.first) + reached.gather(1, bands.ranking.last + 1))
            / 2
        )
        after = reached[:, -1:] - reached.gather(1, bands.ends)
        inside = bands.sums(positives * below) - bands.sums(positives) * after
        pairs = bands.sums(positives) * bands.sums(negatives)
        concordance = (inside / pairs).where(pairs > 0, 0.5)
        return cls(
            bands.is_run[:, None],
            concordance[:, None],
            bands.decided[:, None, None],
            bands.cuts[:, None],
            levels,
        )

    def select(self, labels: slice) -> Layout:
        """Return that of some labels."""
        return Layout(
            self.is_run[labels],
            self.concordance[labels],
            self.decided[labels],
            self.cuts[labels],
            self.levels,
        )


@dataclasses.dataclass(frozen=True)
class Replicates:
    """What replicates drew.

    Attributes:
        layout: of the bands.
        positives: (L, R, K) weight of the positives.
        negatives: (L, R, K) weight of the negatives.
        rows: (L, R, K) how many they are; None where each weighs 1.
        gaps: (5, L, R, B) sums over the bins of the calibration error, as `mean_gaps` takes them.
        squares: (L, R) sum of the Brier loss.
        losses: (L, R) sum of the log loss.
    """

    layout: Layout
    positives: torch.Tensor
    negatives: torch.Tensor
    rows: torch.Tensor | None
    gaps: torch.Tensor
    squares: torch.Tensor
    losses: torch.Tensor

    def confusion(self) -> Confusion:
        """Return the decisions, (L, R) each."""
        at = self.layout.decided
        is_decided = torch.arange(self.positives.shape[-1], device=at.device) < at
        tp, fp = (
            (of_class * is_decided).sum(dim=-1) for of_class in (self.positives, self.negatives)
        )
        missed, left = self.positives.sum(dim=-1) - tp, self.negatives.sum(dim=-1) - fp
        # sums of weights in another order may differ in rounding
        return Confusion(tp, fp, missed.clamp(min=0), left.clamp(min=0))

    def metrics(self, confusion: Confusion | None = None) -> dict[str, torch.Tensor]:
        """Return each metric, (L, R), NaN where it is undefined.

        Args:
            confusion: (L, R), where bands do not end at the thresholds; None where they do.
        """
        true, false = prefixes(self.positives), prefixes(self.negatives)
        positives, negatives = true[..., -1], false[..., -1]
        total = positives + negatives
        confusion = confusion or self.confusion()
        share = positives / total
        constant = share * (1 - share)
        squares = self.squares / total
        return {
            "average_precision": self._average_precision(true, false),
            "roc_auc": self._roc_auc(false),
            "precision": confusion.precision(),
            "recall": confusion.recall(),
            "specificity": confusion.specificity(),
            "f1": confusion.f_beta(),
            "f2": confusion.f_beta(2.0),
            "mcc": confusion.mcc(),
            "balanced_accuracy": confusion.balanced_accuracy(),
            "brier": squares,
            "brier_skill": (1 - squares / constant).where(constant > 0, torch.nan),
            "log_loss": self.losses / total,
            "ece": mean_gaps(self.gaps, debias=True),
            "precision_at_k": self._precision_at_k(true, false),
            "recall_at_precision": self._recall_at_precision(true, false),
            "lift_at_1_percent": self._lift(true, false),
        }

    def _average_precision(self, true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
        """Return (L, R); the positives of a band of several runs have the precision half way."""
        part = torch.where(self.layout.is_run, 0.0, 0.5)
        at, wrong = true[..., 1:] - part * self.positives, false[..., 1:] - part * self.negatives
        precision = at / (at + wrong).clamp(min=torch.finfo(at.dtype).tiny)
        return (self.positives * precision).sum(dim=-1) / true[..., -1]

    def _roc_auc(self, false: torch.Tensor) -> torch.Tensor:
        total = false[..., -1]
        below = total[..., None] - false[..., 1:] + self.layout.concordance * self.negatives
        return (self.positives * below).sum(dim=-1) / (self.positives.sum(dim=-1) * total)

    def _precision_at_k(self, true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
        rows = true + false if self.rows is None else prefixes(self.rows)
        k = float(self.layout.levels.top_k)
        place = find_places(rows, torch.full_like(rows[..., :1], k))
        hits, mass = at_places(true, place)[..., 0], at_places(true + false, place)[..., 0]
        return (hits / mass).where(rows[..., -1] >= k, torch.nan)

    def _lift(self, true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
        mass = true + false
        total = mass[..., -1:]
        place = find_places(mass, TOP_SHARE * total)
        hits = at_places(true, place) / (TOP_SHARE * total)
        return (hits / (true[..., -1:] / total))[..., 0]

    def _recall_at_precision(self, true: torch.Tensor, false: torch.Tensor) -> torch.Tensor:
        reached = true >= self.layout.levels.at_precision * (true + false) * (1 - 1e-12)
        return true.where(reached, 0.0).amax(dim=-1) / true[..., -1]


def prefixes(values: torch.Tensor) -> torch.Tensor:
    """Return (..., K + 1) the sums over the first bands, from none to all."""
    return torch.nn.functional.pad(values.cumsum(dim=-1), (1, 0))


def at_places(reached: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return sums through places (..., B) in bands, whose fractions divide a band evenly."""
    whole = places.floor()
    start = whole.long().clamp(max=reached.shape[-1] - 1)
    before = reached.gather(-1, start)
    after = reached.gather(-1, (start + 1).clamp(max=reached.shape[-1] - 1))
    return before + (places - whole) * (after - before)


def find_places(reached: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
    """Return places (..., A) in bands, where sums through bands (..., K + 1) reach amounts."""
    end = torch.searchsorted(reached, amounts.contiguous()).clamp(min=1, max=reached.shape[-1] - 1)
    before, after = reached.gather(-1, end - 1), reached.gather(-1, end)
    share = (amounts - before) / (after - before).where(after > before, 1.0)
    return end - 1 + share.clamp(min=0, max=1)


def sum_bins(parts: list[torch.Tensor], cuts: torch.Tensor) -> torch.Tensor:
    """Return (len(parts), L, R, B) the sums over bins of (L, R, K) over bands, cut at (L, 1, B+1).

    Bins come in the order of rising probability, as the cuts do.
    """
    where = cuts.expand(*parts[0].shape[:2], -1)
    return torch.stack([-at_places(prefixes(part), where).diff(dim=-1) for part in parts])
