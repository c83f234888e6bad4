"""The metrics of one candidate, and of its replicates in a bootstrap that is the same for all.

Shapes: N rows, L labels, M metrics, R replicates, B bins of probability, K folds, U units that are
drawn (rows, or whole groups).

One draw of units serves every candidate and every label, so that what is hard about a draw cancels
in the differences. The macro average is column L, after the labels. What is undefined is NaN.

Average precision and ROC AUC are those within folds, averaged: each fold is scored by networks of
its own, on a scale of their own, and a ranking over several scales would measure how they differ.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.comparison.results import METRICS
from imbalance_cli.evaluation import LEAST_FOR_INTERVAL, Resampling
from imbalance_cli.metrics import (
    Confusion,
    Ranking,
    average_precision,
    brier,
    expected_calibration_error,
    log_loss,
    mean_gaps,
    roc_auc,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.comparison.results import Candidate

BINS = 10  # of the calibration error


@dataclasses.dataclass(frozen=True)
class Sample:
    """The rows, and what is drawn of them.

    Attributes:
        targets: (N, L).
        units: (N,) the unit that each row is drawn with, from 0.
        size: U.
        learnable: (L,).
        kept: (L,) learnable and of both classes, which the macro average is over.
        enough: (L + 1,) whether resampling says anything.
        folds: the rows of each fold, K tensors of their numbers.
        weights: (N,) above 0, how much each row counts; None for alike.
    """

    targets: torch.Tensor
    units: torch.Tensor
    size: int
    learnable: torch.Tensor
    kept: torch.Tensor
    enough: torch.Tensor
    folds: list[torch.Tensor]
    weights: torch.Tensor | None = None

    @classmethod
    def of(
        cls,
        targets: torch.Tensor,
        learnable: Sequence[bool],
        groups: torch.Tensor | None = None,
        folds: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ) -> Sample:
        """Describe targets (N, L): which labels are learnable, groups, folds and weights (N,)."""
        units = torch.arange(len(targets), device=targets.device)
        if groups is not None:
            units = torch.unique(groups.to(targets.device), return_inverse=True)[1]
        size = int(units.max()) + 1 if len(units) else 0
        classes = []
        for side in (1, 0):  # the units that have a positive, and those that have a negative
            cells = (targets == side).double()
            found = cells.new_zeros(size, targets.shape[1]).index_add_(0, units, cells) > 0
            classes.append(found.sum(dim=0))
        fewest = torch.minimum(*classes)
        trained = torch.tensor(list(learnable), dtype=torch.bool, device=targets.device)
        kept = trained & (fewest > 0)
        enough = trained & (fewest >= LEAST_FOR_INTERVAL)
        enough = torch.cat([enough, enough.any()[None]])
        number = torch.zeros_like(units) if folds is None else folds.to(units.device)
        numbers = range(int(number.max()) + 1) if len(number) else [0]
        of_folds = [(number == fold).nonzero()[:, 0] for fold in numbers]
        return cls(targets, units, size, trained, kept, enough, of_folds, weights)

    def weights_of(self, rows: torch.Tensor) -> torch.Tensor | None:
        """Return the weights of some rows, by their numbers."""
        return None if self.weights is None else self.weights[rows]

    def draw(self, resampling: Resampling) -> Iterator[torch.Tensor]:
        """Yield (N,) how often each row was drawn, times its weight, the same for every caller."""
        random = torch.Generator(self.targets.device).manual_seed(resampling.seed)
        for _ in range(resampling.replicates):
            drawn = torch.randint(
                self.size, (self.size,), generator=random, device=self.targets.device
            )
            counts = drawn.bincount(minlength=self.size).double()[self.units]
            yield counts if self.weights is None else counts * self.weights


@dataclasses.dataclass(frozen=True)
class SortedRows:
    """A candidate's rows sorted once a label; a replicate reweights them.

    Attributes:
        rankings: of each fold's rows, by probability; a ranking's `order` numbers all N rows.
        ranking: of all rows, by probability; rows of missing target last.
        residuals: (L, N) probability less target in that order, 0 where missing.
        masses: (L, N) weights of the rows in that order; None for alike.
        before: (L, B + 1) where the run of equal probabilities begins that a cut of bins falls in.
        after: (L, B + 1) where it ends.
        share: (L, B + 1) how much of the run lies before the cut.
        sums: (4 L, N) true positives, false positives, Brier and log loss of each cell.
    """

    rankings: list[Ranking]
    ranking: Ranking
    residuals: torch.Tensor
    masses: torch.Tensor | None
    before: torch.Tensor
    after: torch.Tensor
    share: torch.Tensor
    sums: torch.Tensor

    @classmethod
    def of(
        cls,
        probabilities: torch.Tensor,
        decisions: torch.Tensor,
        targets: torch.Tensor,
        folds: Sequence[torch.Tensor],
        weights: torch.Tensor | None = None,
    ) -> SortedRows:
        """Sort the rows of one candidate, (N, L) each, and those of each fold.

        The weights (N,) say where the bins are cut; `metrics` takes them as a part of its counts.
        """
        known = ~targets.isnan()
        p, y = probabilities.double(), targets.double()
        ranking = Ranking.of(p.where(known, -torch.inf), y)
        cells = p.reshape(1, -1), y.reshape(1, -1)  # the metric of one cell is its loss
        losses = [f(*cells).reshape(p.shape).where(known, 0.0) for f in (brier, log_loss)]
        hits = [(decisions & (y == side)).double() for side in (1, 0)]
        before, after, share = _cut_bins(ranking, known, weights)
        return cls(
            rankings=[_rank_fold(p, y, rows) for rows in folds],
            ranking=ranking,
            residuals=(p - y).where(known, 0.0).T.gather(1, ranking.order),
            masses=None if weights is None else _in_order(weights.double(), ranking),
            before=before,
            after=after,
            share=share,
            sums=torch.cat([*hits, *losses], dim=1).T.contiguous(),
        )

    def metrics(self, counts: torch.Tensor) -> torch.Tensor:
        """Return (M, L) of rows that count (N,), NaN where one class has none."""
        weights = _in_order(counts, self.ranking)
        drawn = self.ranking.reweighted(weights)
        positives, negatives = drawn.positives.sum(dim=1), drawn.negatives.sum(dim=1)
        true, false, squares, losses = (self.sums @ counts).reshape(4, -1)
        # sums of weights in another order may differ in rounding
        missed, left = (positives - true).clamp(min=0), (negatives - false).clamp(min=0)
        confusion = Confusion(true, false, missed, left)
        total = positives + negatives
        values = torch.stack(
            [
                *self._ranked(counts),
                confusion.f_beta(),
                confusion.mcc(),
                squares / total,
                losses / total,
                mean_gaps(self._bins(drawn.positives + drawn.negatives), debias=True),
            ]
        )
        return values.where((positives > 0) & (negatives > 0), torch.nan)

    def _ranked(self, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return average precision and ROC AUC, (L,) each, of the folds where they are defined."""
        values = []
        for ranking in self.rankings:
            drawn = ranking.reweighted(_in_order(counts, ranking))
            values.append(torch.stack([average_precision(drawn), roc_auc(drawn)]))
        precision, area = torch.stack(values).nanmean(dim=0)
        return precision, area

    def _bins(self, counts: torch.Tensor) -> torch.Tensor:
        """Return (5, L, B) the sums of `mean_gaps` over the bins, which stay those of the data.

        A run of equal probabilities that a cut divides gives each bin its share of the whole run,
        so that the order of its rows makes no difference. A row that is drawn twice is two rows of
        its weight.

        Args:
            counts: (L, N) how often the known cells count, times their weights, as sorted.
        """
        gaps = counts * self.residuals
        own = torch.ones_like(counts) if self.masses is None else self.masses
        of_rows = counts, gaps, counts * own, gaps * own, gaps * own * self.residuals
        sums = torch.nn.functional.pad(torch.stack(of_rows).cumsum(dim=2), (1, 0))
        before, after = (
            sums.gather(2, ends.expand(len(sums), -1, -1)) for ends in (self.before, self.after)
        )
        return -(before + self.share * (after - before)).diff(dim=2)


def _cut_bins(
    ranking: Ranking, known: torch.Tensor, weights: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return `before`, `after` and `share` of SortedRows, as the calibration error cuts its bins.

    Args:
        ranking: of all rows; it falls, where the calibration error cuts rising probabilities.
        known: (N, L) whether a target is.
        weights: (N,) of the rows.
    """
    bins = torch.arange(BINS + 1, device=known.device)
    if weights is None:
        size = known.sum(dim=0)[:, None]
        cuts = size - (bins * (size // BINS) + bins.minimum(size % BINS))
        at = cuts.clamp(max=len(known) - 1)
        before, after = ranking.first.gather(1, at), ranking.last.gather(1, at) + 1
        return before, after, (cuts - before).double() / (after - before)
    mass = weights.double()[ranking.order] * known.T.gather(1, ranking.order)
    reached = torch.nn.functional.pad(mass.cumsum(dim=1), (1, 0))
    heights = reached[:, -1:] * (1 - bins.double() / BINS)
    # the row in which each cut falls; missing cells come last, and weigh nothing
    at = torch.searchsorted(reached, heights).sub(1).clamp(min=0)
    before, after = ranking.first.gather(1, at), ranking.last.gather(1, at) + 1
    start, end = reached.gather(1, before), reached.gather(1, after)
    return before, after, ((heights - start) / (end - start)).nan_to_num(0.0)


def _in_order(counts: torch.Tensor, ranking: Ranking) -> torch.Tensor:
    """Return counts (N,) in the order of a ranking, (L, N)."""
    return counts.index_select(0, ranking.order.flatten()).reshape(ranking.order.shape)


def _rank_fold(p: torch.Tensor, y: torch.Tensor, rows: torch.Tensor) -> Ranking:
    """Return the ranking of some of the rows (N, L), its `order` numbering all of them."""
    ranking = Ranking.of(p[rows].where(~y[rows].isnan(), -torch.inf), y[rows])
    return dataclasses.replace(ranking, order=rows[ranking.order])


def point_values(candidate: Candidate, sample: Sample) -> torch.Tensor:
    """Return (M, L + 1)."""
    p, y, weights = candidate.probabilities, sample.targets, sample.weights
    confusion = Confusion.of(candidate.decisions, y, weights)
    rankings = [Ranking.of(p[rows], y[rows], sample.weights_of(rows)) for rows in sample.folds]
    ranked = [torch.stack([average_precision(r), roc_auc(r)]) for r in rankings]
    values = torch.stack(
        [
            *torch.stack(ranked).nanmean(dim=0),
            confusion.f_beta(),
            confusion.mcc(),
            brier(p, y, weights),
            log_loss(p, y, weights),
            expected_calibration_error(p, y, BINS, weights, debias=True),
        ]
    )
    average = values[:, sample.kept].mean(dim=1, keepdim=True)
    return torch.cat([values.where(sample.learnable, torch.nan), average], dim=1)


def fold_values(candidate: Candidate, sample: Sample) -> torch.Tensor:
    """Return (K, M, L + 1): all metrics of the rows of each fold."""
    values = []
    for rows in sample.folds:
        of_fold = Sample.of(
            sample.targets[rows], sample.learnable.tolist(), weights=sample.weights_of(rows)
        )
        values.append(point_values(candidate.select(rows), of_fold))
    return torch.stack(values)


def replicate_values(candidate: Candidate, sample: Sample, resampling: Resampling) -> torch.Tensor:
    """Return (R, M, L + 1): all metrics of every replicate."""
    kept, replicates = sample.kept, resampling.replicates
    shape = (replicates, len(METRICS), len(kept) + 1)
    draws = torch.full(shape, torch.nan, dtype=torch.float64, device=kept.device)
    if not (replicates and sample.enough.any()):
        return draws
    rows = SortedRows.of(
        candidate.probabilities[:, kept],
        candidate.decisions[:, kept],
        sample.targets[:, kept],
        sample.folds,
        sample.weights,
    )
    for i, counts in enumerate(sample.draw(resampling)):
        values = rows.metrics(counts)
        draws[i, :, :-1][:, kept] = values
        draws[i, :, -1] = values.nanmean(dim=1)
    return draws.where(sample.enough, torch.nan)
