"""Every metric, from what rows of each band there are: of the data, or of bootstrap replicates.

Shapes: R replicates, K bands, B bins of the calibration error.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import torch

from imbalance_cli.metrics.confusion import Confusion
from imbalance_cli.metrics.probabilities import mean_gaps
from imbalance_cli.metrics.registry import METRIC_SPECS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imbalance_cli.metrics.bands import Bands

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
        cuts: (B + 1,) where bins are cut, in bands from the top; a fraction is the share of a run.
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
        cuts = bands.through(bands.cut_runs) + bands.cut_shares
        return cls(bands.is_run, concordance, int(bands.through(bands.decided)), cuts)


@dataclasses.dataclass(frozen=True)
class Replicates:
    """What replicates have in each band, and every metric of that.

    Attributes:
        layout: of the bands.
        positives: (R, K) weight of the positives.
        negatives: (R, K) weight of the negatives.
        rows: (R, K) how many they are; None where each weighs 1.
        gaps: (5, R, B) sums over the bins of the calibration error, as `mean_gaps` takes them.
        squares: (R,) sum of the Brier loss.
        losses: (R,) sum of the log loss.
        levels: where the metrics of a budget or a demand are taken.
        decisions: (R,), where bands do not end at the thresholds; None where they do.
    """

    layout: Layout
    positives: torch.Tensor
    negatives: torch.Tensor
    rows: torch.Tensor | None
    gaps: torch.Tensor
    squares: torch.Tensor
    losses: torch.Tensor
    levels: Levels = DEFAULT_LEVELS
    decisions: Confusion | None = None

    def __len__(self) -> int:
        return len(self.positives)

    def metrics(
        self,
        levels: Levels,
        decisions: Confusion | None = None,
        names: Iterable[str] | None = None,
    ) -> torch.Tensor:
        """Return metrics, (metrics, R), NaN where they are undefined.

        Args:
            levels: where some of them are taken.
            decisions: (R,), where bands do not end at the thresholds; None where they do.
            names: of METRIC_SPECS; None for all.
        """
        own = dataclasses.replace(self, levels=levels, decisions=decisions)
        chosen = METRIC_SPECS if names is None else names
        return torch.stack([METRIC_SPECS[name].compute(own) for name in chosen])

    @functools.cached_property
    def true(self) -> torch.Tensor:
        """The weight of the positives through each band, (R, K + 1), from none to all."""
        return prefixes(self.positives)

    @functools.cached_property
    def false(self) -> torch.Tensor:
        """The same of the negatives."""
        return prefixes(self.negatives)

    @functools.cached_property
    def mass(self) -> torch.Tensor:
        """The same of both."""
        return self.true + self.false

    @property
    def total(self) -> torch.Tensor:
        """The weight of all rows, (R,)."""
        return self.mass[:, -1]

    @functools.cached_property
    def confusion(self) -> Confusion:
        """The decisions, (R,) each."""
        if self.decisions is not None:
            return self.decisions
        decided = slice(self.layout.decided)
        tp = self.positives[:, decided].sum(dim=1)
        fp = self.negatives[:, decided].sum(dim=1)
        missed, left = self.positives.sum(dim=1) - tp, self.negatives.sum(dim=1) - fp
        # sums of weights in another order may differ in rounding
        return Confusion(tp, fp, missed.clamp(min=0), left.clamp(min=0))

    def positives_of_bins(self) -> torch.Tensor:
        """Return (R, B) the weight of the positives in the bins of the calibration error."""
        return sum_bins([self.positives], self.layout.cuts)[0]

    def average_precision(self) -> torch.Tensor:
        """Return the mean precision at each positive, (R,), as `average_precision` does.

        The positives of a band of several runs have the precision half way through it.
        """
        part = torch.where(self.layout.is_run, 0.0, 0.5)
        at = self.true[:, 1:] - part * self.positives
        found = self.mass[:, 1:] - part * (self.positives + self.negatives)
        precision = at / found.clamp(min=torch.finfo(at.dtype).tiny)
        return (self.positives * precision).sum(dim=1) / self.true[:, -1]

    def roc_auc(self) -> torch.Tensor:
        """Return of the pairs the share in order, (R,), ties counting half."""
        false = self.false
        below = false[:, -1:] - false[:, 1:] + self.layout.concordance * self.negatives
        return (self.positives * below).sum(dim=1) / (self.true[:, -1] * false[:, -1])

    def brier(self) -> torch.Tensor:
        """Return the mean squared error of the probabilities, (R,)."""
        return self.squares / self.total

    def brier_skill(self) -> torch.Tensor:
        """Return 1 less the Brier score over that of the prevalence, (R,)."""
        share = self.true[:, -1] / self.total
        constant = share * (1 - share)
        return (1 - self.brier() / constant).where(constant > 0, torch.nan)

    def log_loss(self) -> torch.Tensor:
        """Return the mean negative log-likelihood, (R,)."""
        return self.losses / self.total

    def calibration_error(self) -> torch.Tensor:
        """Return the expected calibration error, (R,), less what chance alone adds."""
        return mean_gaps(self.gaps, debias=True)

    def precision_at_k(self) -> torch.Tensor:
        """Return (R,): k counts rows, the share of positives is one of their weight."""
        k = self.levels.top_k
        rows = self.mass if self.rows is None else prefixes(self.rows)
        place = find_places(rows, torch.full_like(rows[:, :1], float(k)))
        share = at_places(self.true, place) / at_places(self.mass, place)
        return share[:, 0].where(rows[:, -1] >= k, torch.nan)

    def recall_at_precision(self) -> torch.Tensor:
        """Return the most recall at no less than the precision that is asked for, (R,)."""
        reached = self.true >= self.levels.at_precision * self.mass * (1 - ROUNDING)
        return self.true.where(reached, 0.0).amax(dim=1) / self.true[:, -1]

    def lift(self, share: float) -> torch.Tensor:
        """Return precision among the highest share of the rows over the prevalence, (R,)."""
        top = share * self.mass[:, -1:]
        hits = at_places(self.true, find_places(self.mass, top))
        return ((hits / top) / (self.true[:, -1:] / self.mass[:, -1:]))[:, 0]


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
