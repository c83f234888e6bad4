"""The metrics of one candidate, and of its replicates in a bootstrap that is the same for all.

Shapes: N rows, L labels, M metrics, R replicates, K folds, U units that are drawn (rows, whole
groups, or blocks of them where they are many).

One draw of units serves every candidate and every label, so that what is hard about a draw cancels
in the differences. The macro average is column L, after the labels. What is undefined is NaN.

Average precision and ROC AUC are those within folds, averaged: each fold is scored by networks of
its own, on a scale of their own, and a ranking over several scales would measure how they differ.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.evaluation import BLOCKS, JOINT_CELLS, LEAST_FOR_INTERVAL, Resampling, UnitDraws
from imbalance_cli.metrics import (
    DEFAULT_LEVELS,
    METRIC_SPECS,
    BandCounts,
    BandRows,
    Bands,
    Confusion,
    Units,
    compared_metrics,
    weights_of_labels,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.comparison.results import Candidate
    from imbalance_cli.metrics import Replicates


@dataclasses.dataclass(frozen=True)
class Sample:
    """The rows, and what is drawn of them.

    Attributes:
        targets: (N, L).
        units: what each row is drawn with.
        learnable: (L,).
        kept: (L,) learnable and of both classes, which the macro average is over.
        enough: (L + 1,) whether resampling says anything.
        folds: the rows of each fold, K tensors of their numbers.
        weights: (N,) or (N, L) above 0, how much each row or cell counts; None for alike.
    """

    targets: torch.Tensor
    units: Units
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
        """Describe targets (N, L): which labels are learnable, groups, folds and weights."""
        units = Units.of(len(targets), groups)
        of_row = torch.from_numpy(units.of_row).to(targets.device)
        classes = []
        for side in (1, 0):  # the units that have a positive, and those that have a negative
            cells = (targets == side).double()
            found = cells.new_zeros(units.size, targets.shape[1]).index_add_(0, of_row, cells) > 0
            classes.append(found.sum(dim=0))
        fewest = torch.minimum(*classes)
        trained = torch.tensor(list(learnable), dtype=torch.bool, device=targets.device)
        kept = trained & (fewest > 0)
        enough = trained & (fewest >= LEAST_FOR_INTERVAL)
        enough = torch.cat([enough, enough.any()[None]])
        number = torch.zeros_like(of_row) if folds is None else folds.to(targets.device)
        numbers = range(int(number.max()) + 1) if len(number) else [0]
        of_folds = [(number == fold).nonzero()[:, 0] for fold in numbers]
        return cls(targets, units, trained, kept, enough, of_folds, weights)

    def of_label(self, label: int) -> Sample:
        """Return the same rows with the weights of one label, (N,)."""
        return dataclasses.replace(self, weights=weights_of_labels(self.weights, label))

    def weights_of(self, rows: torch.Tensor) -> torch.Tensor | None:
        """Return the weights of some rows, by their numbers."""
        return None if self.weights is None else self.weights[rows]

    def drawn_units(self, resampling: Resampling) -> Units:
        """Return what replicates draw: blocks, where there is too much to draw it one by one."""
        if self.targets.numel() * resampling.replicates <= JOINT_CELLS:
            return self.units
        return self.units.in_blocks(BLOCKS, resampling.seed)


@dataclasses.dataclass(frozen=True)
class RankedRows:
    """Rows of one fold and label, by probability.

    Attributes:
        rows: what units add to the bands.
        names: of m metrics.
        shift: (m, 1) by how much those of the rows differ from those of bands, where these are
            merged.
    """

    rows: BandRows
    names: Sequence[str]
    shift: torch.Tensor | float = 0.0

    @classmethod
    def of(
        cls,
        p: torch.Tensor,
        y: torch.Tensor,
        units: Units,
        weights: torch.Tensor | None,
        names: Sequence[str],
    ) -> RankedRows:
        """Sort probabilities and targets, (N,) each, of which one is known, for some metrics."""
        bands = Bands.of(p, y, math.inf, weights)
        merged = bands.merged()
        ranked = cls(BandRows.of(merged, units, weights), names)
        if merged is bands:
            return ranked
        exact = cls(BandRows.of(bands, units, weights), names)
        shift = exact.metrics(exact.rows.itself()) - ranked.metrics(ranked.rows.itself())
        return dataclasses.replace(ranked, shift=shift)

    def metrics(self, replicates: Replicates) -> torch.Tensor:
        """Return the metrics of replicates of the rows, (m, R)."""
        return replicates.metrics(DEFAULT_LEVELS, names=self.names) + self.shift


@dataclasses.dataclass(frozen=True)
class LabelRows:
    """A candidate's rows of one label, summed once; a replicate says how often units count.

    Attributes:
        all: all rows.
        folds: those of each fold in which a target is known.
        decided: (2, U) weight of the true and the false positives.
    """

    all: RankedRows
    folds: list[RankedRows]
    decided: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        probabilities: torch.Tensor,
        decisions: torch.Tensor,
        targets: torch.Tensor,
        sample: Sample,
        units: Units,
    ) -> LabelRows:
        """Sum the rows of a label with a known target, (N,) each, over the units that are drawn.

        The sample has the weights of the label.
        """
        names = _ranking_metrics()
        whole = RankedRows.of(probabilities, targets, units, sample.weights, names)
        folds = [whole]
        if len(sample.folds) > 1:
            folds = [
                RankedRows.of(
                    probabilities[rows],
                    targets[rows],
                    units.select(rows),
                    sample.weights_of(rows),
                    names,
                )
                for rows in sample.folds
                if not targets[rows].isnan().all()
            ]
        hits = torch.stack([decisions & (targets == side) for side in (1, 0)]).double()
        if sample.weights is not None:
            hits = hits * sample.weights
        decided = [
            np.bincount(units.of_row, weights=own, minlength=units.size)
            for own in hits.cpu().numpy()
        ]
        return cls(whole, folds, np.stack(decided))

    def metrics(self, counts: NDArray[np.float64]) -> torch.Tensor:
        """Return (M, R) of units that count (U, R), NaN where one class has none."""
        drawn = self.all.rows.sum(counts)
        ranked = [fold.metrics(fold.rows.sum(counts)) for fold in self.folds]
        positives, negatives = drawn.positives.sum(dim=1), drawn.negatives.sum(dim=1)
        true, false = torch.from_numpy(self.decided @ counts).to(positives.device)
        # sums of weights in another order may differ in rounding
        missed, left = (positives - true).clamp(min=0), (negatives - false).clamp(min=0)
        values = _join(ranked, drawn, Confusion(true, false, missed, left))
        return values.where((positives > 0) & (negatives > 0), torch.nan)


def point_values(candidate: Candidate, sample: Sample) -> torch.Tensor:
    """Return (M, L + 1)."""
    labels = range(sample.targets.shape[1])
    values = torch.stack([_label_values(candidate, sample, label) for label in labels], dim=1)
    average = values[:, sample.kept].mean(dim=1, keepdim=True)
    return torch.cat([values.where(sample.learnable, torch.nan), average], dim=1)


def _label_values(candidate: Candidate, sample: Sample, label: int) -> torch.Tensor:
    """Return the metrics of one label, (M,)."""
    p, y = candidate.probabilities[:, label], sample.targets[:, label]
    sample = sample.of_label(label)
    known = ~y.isnan()
    if not known.any():
        return p.new_full((len(compared_metrics()),), torch.nan)

    def of(rows: torch.Tensor) -> Replicates:
        weights = sample.weights_of(rows)
        bands = Bands.of(p[rows], y[rows], math.inf, weights)
        if weights is None:
            return BandCounts.of(bands).itself()
        return BandRows.of(bands, Units.of(len(rows)), weights).itself()

    folds = [rows[known[rows]] for rows in sample.folds]
    whole = of(known.nonzero()[:, 0])
    ranked = [_rank(whole if len(folds) == 1 else of(rows)) for rows in folds if len(rows)]
    confusion = Confusion.of(candidate.decisions[:, label, None], y[:, None], sample.weights)
    return _join(ranked, whole, confusion)[:, 0]


def _join(ranked: list[torch.Tensor], whole: Replicates, confusion: Confusion) -> torch.Tensor:
    """Return (M, R): of each fold the ranking metrics, averaged, and the others of all rows."""
    found = dict(zip(_ranking_metrics(), torch.stack(ranked).nanmean(dim=0), strict=True))
    others = [name for name in compared_metrics() if name not in found]
    of_all = whole.metrics(DEFAULT_LEVELS, confusion, others)
    found |= dict(zip(others, of_all, strict=True))
    return torch.stack([found[name] for name in compared_metrics()])


def _ranking_metrics() -> list[str]:
    """Return the names of those that are means over folds."""
    return [name for name in compared_metrics() if METRIC_SPECS[name].is_within_folds]


def _rank(replicates: Replicates) -> torch.Tensor:
    """Return the ranking metrics, (ranking metrics, R)."""
    return replicates.metrics(DEFAULT_LEVELS, names=_ranking_metrics())


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
    shape = (replicates, len(compared_metrics()), len(kept) + 1)
    draws = torch.full(shape, torch.nan, dtype=torch.float64, device=kept.device)
    if not (replicates and sample.enough.any()):
        return draws
    units = sample.drawn_units(resampling)
    drawn = UnitDraws(units, resampling)
    for label in kept.nonzero()[:, 0].tolist():
        p, decisions = candidate.probabilities[:, label], candidate.decisions[:, label]
        own = sample.of_label(label)
        rows = LabelRows.of(p, decisions, sample.targets[:, label], own, units)
        draws[:, :, label] = torch.cat(
            [rows.metrics(counts) for counts in drawn.counts(len(rows.all.rows))], dim=1
        ).T
    draws[:, :, -1] = draws[:, :, :-1][:, :, kept].nanmean(dim=2)
    return draws.where(sample.enough, torch.nan)
