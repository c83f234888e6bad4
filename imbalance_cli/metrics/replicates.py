"""Every metric, from what rows of each band there are: of the data, or of bootstrap replicates.

Shapes: R replicates, K bands, B bins of the calibration error.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.metrics.confusion import Confusion
from imbalance_cli.metrics.probabilities import mean_gaps

if TYPE_CHECKING:
    from imbalance_cli.metrics.bands import Bands

METRICS = (
    "average_precision",
    "roc_auc",
    "precision",
    "recall",
    "specificity",
    "f1",
    "f2",
    "mcc",
    "balanced_accuracy",
    "brier",
    "brier_skill",
    "log_loss",
    "ece",
    "precision_at_k",
    "recall_at_precision",
    "lift_at_1_percent",
)
"""Of each label, in the order of every report."""
TOP_SHARE = 0.01  # of lift_at_1_percent
ROUNDING = 1e-12  # of a precision that is compared with the one asked for


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
    """What all replicates of a label share.

    Attributes:
        is_run: (K,) as of Bands.
        concordance: (K,) of the pairs of a positive and a negative within a band, the share in
            order; ties count half.
        decided: how many bands are decided positive.
        cuts: (B + 1,) as of Bands.
    """

    is_run: torch.Tensor
    concordance: torch.Tensor
    decided: int
    cuts: torch.Tensor

    @classmethod
    def of(cls, bands: Bands) -> Layout:
        """Return what bands have in common for all replicates."""
        places, keys, ends = bands.places, bands.keys, bands.ends
        first = torch.searchsorted(keys, keys[places])
        last = torch.searchsorted(keys, keys[places], right=True)
        band = torch.searchsorted(ends, places, right=True)

        def negatives_before(rows: torch.Tensor) -> torch.Tensor:
            return rows - torch.searchsorted(places, rows)

        through = negatives_before(ends)
        below = through[band] - (negatives_before(first) + negatives_before(last)) / 2
        inside = below.new_zeros(len(ends)).index_add_(0, band, below)
        positives = torch.searchsorted(places, ends).diff(prepend=ends.new_zeros(1))
        pairs = positives * through.diff(prepend=ends.new_zeros(1))
        concordance = (inside / pairs).where(pairs > 0, 0.5)
        return cls(bands.is_run, concordance, bands.decided_bands, bands.cuts)


@dataclasses.dataclass(frozen=True)
class Replicates:
    """What replicates have in each band.

    Attributes:
        layout: of the bands.
        positives: (R, K) weight of the positives.
        negatives: (R, K) weight of the negatives.
        rows: (R, K) how many they are; None where each weighs 1.
        gaps: (5, R, B) sums over the bins of the calibration error, as `mean_gaps` takes them.
        squares: (R,) sum of the Brier loss.
        losses: (R,) sum of the log loss.
    """

    layout: Layout
    positives: torch.Tensor
    negatives: torch.Tensor
    rows: torch.Tensor | None
    gaps: torch.Tensor
    squares: torch.Tensor
    losses: torch.Tensor

    def __len__(self) -> int:
        return len(self.positives)

    def positives_of_bins(self) -> torch.Tensor:
        """Return (R, B) the weight of the positives in the bins of the calibration error."""
        return sum_bins([self.positives], self.layout.cuts)[0]

    def confusion(self) -> Confusion:
        """Return the decisions, (R,) each."""
        decided = slice(self.layout.decided)
        tp = self.positives[:, decided].sum(dim=1)
        fp = self.negatives[:, decided].sum(dim=1)
        missed, left = self.positives.sum(dim=1) - tp, self.negatives.sum(dim=1) - fp
        # sums of weights in another order may differ in rounding
        return Confusion(tp, fp, missed.clamp(min=0), left.clamp(min=0))

    def ranked(self) -> torch.Tensor:
        """Return average precision and ROC AUC, (2, R), NaN where they are undefined."""
        true, false = prefixes(self.positives), prefixes(self.negatives)
        precision = self._average_precision(true, true + false)
        return torch.stack([precision, self._roc_auc(false, true[:, -1] * false[:, -1])])

    def metrics(self, levels: Levels, confusion: Confusion | None = None) -> torch.Tensor:
        """Return each of METRICS, (metrics, R), NaN where it is undefined.

        Args:
            levels: where some of them are taken.
            confusion: (R,), where bands do not end at the thresholds; None where they do.
        """
        true, false = prefixes(self.positives), prefixes(self.negatives)
        positives, negatives = true[:, -1], false[:, -1]
        mass = true + false
        total = mass[:, -1]
        confusion = confusion or self.confusion()
        share = positives / total
        constant = share * (1 - share)
        brier = self.squares / total
        values = {
            "average_precision": self._average_precision(true, mass),
            "roc_auc": self._roc_auc(false, positives * negatives),
            "precision": confusion.precision(),
            "recall": confusion.recall(),
            "specificity": confusion.specificity(),
            "f1": confusion.f_beta(),
            "f2": confusion.f_beta(2.0),
            "mcc": confusion.mcc(),
            "balanced_accuracy": confusion.balanced_accuracy(),
            "brier": brier,
            "brier_skill": (1 - brier / constant).where(constant > 0, torch.nan),
            "log_loss": self.losses / total,
            "ece": mean_gaps(self.gaps, debias=True),
            "precision_at_k": self._precision_at_k(true, mass, levels.top_k),
            "recall_at_precision": _recall_at_precision(true, mass, levels.at_precision),
            "lift_at_1_percent": _lift(true, mass, TOP_SHARE),
        }
        return torch.stack([values[name] for name in METRICS])

    def _average_precision(self, true: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
        """Return (R,): the mean precision at each positive, as `average_precision` does.

        The positives of a band of several runs have the precision half way through it.
        """
        part = torch.where(self.layout.is_run, 0.0, 0.5)
        at = true[:, 1:] - part * self.positives
        found = mass[:, 1:] - part * (self.positives + self.negatives)
        precision = at / found.clamp(min=torch.finfo(at.dtype).tiny)
        return (self.positives * precision).sum(dim=1) / true[:, -1]

    def _roc_auc(self, false: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Return (R,): of the pairs, the share in order, ties counting half."""
        below = false[:, -1:] - false[:, 1:] + self.layout.concordance * self.negatives
        return (self.positives * below).sum(dim=1) / pairs

    def _precision_at_k(self, true: torch.Tensor, mass: torch.Tensor, k: int) -> torch.Tensor:
        """Return (R,): k counts rows, the share of positives is one of their weight."""
        rows = mass if self.rows is None else prefixes(self.rows)
        place = find_places(rows, torch.full_like(rows[:, :1], float(k)))
        share = at_places(true, place) / at_places(mass, place)
        return share[:, 0].where(rows[:, -1] >= k, torch.nan)


def _lift(true: torch.Tensor, mass: torch.Tensor, share: float) -> torch.Tensor:
    top = share * mass[:, -1:]
    hits = at_places(true, find_places(mass, top))
    return ((hits / top) / (true[:, -1:] / mass[:, -1:]))[:, 0]


def _recall_at_precision(true: torch.Tensor, mass: torch.Tensor, precision: float) -> torch.Tensor:
    reached = true >= precision * mass * (1 - ROUNDING)
    return true.where(reached, 0.0).amax(dim=1) / true[:, -1]


def prefixes(values: torch.Tensor) -> torch.Tensor:
    """Return (..., K + 1) the sums over the first bands, from none to all."""
    return torch.nn.functional.pad(values.cumsum(dim=-1), (1, 0))


def at_places(reached: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return sums through places (..., A) in bands, whose fractions divide a band evenly."""
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
    """Return (len(parts), R, B) the sums over bins, cut at (B + 1,), of (R, K) over bands.

    Bins come in the order of rising probability, as the cuts do.
    """
    where = cuts.expand(len(parts[0]), -1)
    return torch.stack([-at_places(prefixes(part), where).diff(dim=-1) for part in parts])
