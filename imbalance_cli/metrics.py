"""Per-label metrics, all labels at once, from one sort a label.

Shapes: N rows, L labels, R bootstrap replicates. Of a ranking, scores and targets are (L, N): each
label is a contiguous row that is sorted by falling score. A missing target (NaN) has weight 0.
All sums are float64. What is undefined (average precision without a positive) is NaN here and
null in every report.

Sample weights are (N,), from 0 up and of any scale: a row of weight 2 counts as if it stood there
twice, a row of weight 0 as if it did not. None is 1 for every row.
"""

from __future__ import annotations

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The targets of each label, sorted by falling score, with the runs of equal scores.

    Attributes:
        scores: (L, N) falling.
        positives: (L, N) weight of the row where its target is 1, else 0.
        negatives: (L, N) weight of the row where its target is 0, else 0.
        first: (L, N) where the row's run of equal scores begins.
        last: (L, N) where it ends.
        order: (L, N) the row's number before it was sorted.
    """

    scores: torch.Tensor
    positives: torch.Tensor
    negatives: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor
    order: torch.Tensor

    @classmethod
    def of(
        cls, scores: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> Ranking:
        """Sort scores (N, L) with targets (N, L), rows weighted by (N,)."""
        falling, order = scores.double().T.sort(dim=1, descending=True, stable=True)
        ordered = targets.T.gather(1, order)
        rows = falling.shape[1]
        index = torch.arange(rows, device=scores.device).expand_as(falling)
        changes = torch.ones_like(falling, dtype=torch.bool)
        changes[:, 1:] = falling[:, 1:] != falling[:, :-1]
        first = torch.where(changes, index, 0).cummax(dim=1).values
        ends = torch.ones_like(changes)
        ends[:, :-1] = changes[:, 1:]
        last = torch.where(ends, index, rows).flip(1).cummin(dim=1).values.flip(1)
        positives, negatives = (ordered == 1).double(), (ordered == 0).double()
        ranking = cls(falling, positives, negatives, first, last, order)
        return ranking if weights is None else ranking.reweighted(weights.double()[order])

    def reweighted(self, weights: torch.Tensor) -> Ranking:
        """Return the same ranking with rows weighted by (L, N) in sorted order."""
        return dataclasses.replace(
            self, positives=self.positives * weights, negatives=self.negatives * weights
        )


def average_precision(ranking: Ranking) -> torch.Tensor:
    """Return (L,): the mean precision at each positive, as scikit-learn's average_precision_score.

    Rows of equal score count together: the precision at a positive is the one at the end of its
    run.
    """
    true = ranking.positives.cumsum(dim=1)
    found = true + ranking.negatives.cumsum(dim=1)
    precision = (true / found.clamp(min=torch.finfo(found.dtype).tiny)).gather(1, ranking.last)
    return (ranking.positives * precision).sum(dim=1) / ranking.positives.sum(dim=1)


def roc_auc(ranking: Ranking) -> torch.Tensor:
    """Return (L,): the chance that a positive scores above a negative, ties counting half.

    As scikit-learn's roc_auc_score.
    """
    negatives = ranking.negatives.cumsum(dim=1)
    through = negatives.gather(1, ranking.last)
    before = (negatives - ranking.negatives).gather(1, ranking.first)
    total = ranking.negatives.sum(dim=1)
    above = (total[:, None] - through) + (through - before) / 2
    pairs = ranking.positives.sum(dim=1) * total
    return (ranking.positives * above).sum(dim=1) / pairs


def log_loss(
    probabilities: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (L,): the mean negative log-likelihood of (N, L) over known targets, in nats."""
    y = targets.double()
    limit = torch.finfo(torch.float64).eps
    p = probabilities.double().clamp(limit, 1 - limit)
    return _known_mean(-(y * p.log() + (1 - y) * (1 - p).log()), y, weights)


def brier(
    probabilities: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (L,): the mean squared difference of (N, L) over known targets."""
    return _known_mean((probabilities.double() - targets.double()) ** 2, targets, weights)


def expected_calibration_error(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    bins: int = 10,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return (L,): the mean gap between probability and frequency over bins of equal mass.

    Each label's known rows are sorted by probability and cut into `bins` parts of equal size
    (Nixon et al. 2019, ACE for one class); each gap counts by its part's size. Rows of equal
    probability share their frequency, so that the order of the rows makes no difference. Parts of
    weighted rows have equal weight, for which a cut may divide a row; of unweighted rows they
    differ by a row where `bins` does not divide their number.
    """
    if weights is not None:
        columns = zip(probabilities.double().T, targets.double().T, strict=True)
        return torch.stack([_weighted_gaps(p, y, weights.double(), bins) for p, y in columns])
    errors = []
    for p, y in zip(probabilities.double().T, targets.double().T, strict=True):
        known = ~y.isnan()
        rising, order = p[known].sort(stable=True)
        hits = _share_ties(rising, y[known][order])
        parts = zip(rising.tensor_split(bins), hits.tensor_split(bins), strict=True)
        gaps = [(a.sum() - b.sum()).abs() for a, b in parts if len(a)]
        error = torch.stack(gaps).sum() / known.sum() if gaps else rising.new_tensor(torch.nan)
        errors.append(error)
    return torch.stack(errors)


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Counts, or summed weights, of decisions against known targets, each (L,) float64."""

    true_positives: torch.Tensor
    false_positives: torch.Tensor
    false_negatives: torch.Tensor
    true_negatives: torch.Tensor

    @classmethod
    def of(
        cls, decisions: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> Confusion:
        """Count boolean decisions (N, L) against targets (N, L), rows weighted by (N,)."""
        positive, negative = targets == 1, targets == 0

        def count(cells: torch.Tensor) -> torch.Tensor:
            if weights is not None:
                return (cells * weights.double()[:, None]).sum(dim=0)
            return cells.sum(dim=0).double()

        return cls(
            count(decisions & positive),
            count(decisions & negative),
            count(~decisions & positive),
            count(~decisions & negative),
        )

    def total(self) -> Confusion:
        """Return the counts summed over labels, (1,), for micro averages."""
        return Confusion(
            *(getattr(self, f.name).sum(dim=0, keepdim=True) for f in dataclasses.fields(self))
        )

    def precision(self) -> torch.Tensor:
        """Return (...,): true among decided positives; NaN where none was decided."""
        return self.true_positives / (self.true_positives + self.false_positives)

    def recall(self) -> torch.Tensor:
        """Return (...,): found among positives; NaN where there is none."""
        return self.true_positives / (self.true_positives + self.false_negatives)

    def prevalence(self) -> torch.Tensor:
        """Return (...,): positives among all; NaN where nothing is known."""
        positives = self.true_positives + self.false_negatives
        return positives / (positives + self.false_positives + self.true_negatives)

    def specificity(self) -> torch.Tensor:
        """Return (...,): left alone among negatives; NaN where there is none."""
        return self.true_negatives / (self.true_negatives + self.false_positives)

    def f_beta(self, beta: float = 1.0) -> torch.Tensor:
        """Return (...,): F1, or F-beta; NaN where there is no positive."""
        square = beta**2
        weighted = (1 + square) * self.true_positives
        errors = square * self.false_negatives + self.false_positives
        has_positives = self.true_positives + self.false_negatives > 0
        return (weighted / (weighted + errors)).where(has_positives, torch.nan)

    def balanced_accuracy(self) -> torch.Tensor:
        """Return (...,): the mean of recall and specificity."""
        return (self.recall() + self.specificity()) / 2

    def mcc(self) -> torch.Tensor:
        """Return (...,): Matthews' correlation; 0 where the decisions are all the same."""
        tp, fp = self.true_positives, self.false_positives
        fn, tn = self.false_negatives, self.true_negatives
        roots = ((tp + fp).sqrt() * (tp + fn).sqrt()) * ((tn + fp).sqrt() * (tn + fn).sqrt())
        correlation = _ratio(tp * tn - fp * fn, roots)
        defined = ((tp + fn) > 0) & ((tn + fp) > 0)
        return correlation.where(defined, torch.nan)


def simplify_weights(
    weights: torch.Tensor | None, *cells: torch.Tensor
) -> tuple[torch.Tensor | None, tuple[torch.Tensor, ...]]:
    """Return weights (N,) and tensors (N, ...) without the rows of weight 0.

    The weights are None where all that stay are alike: scale says nothing, and so rows that all
    weigh the same give to the bit what rows without weights give.
    """
    if weights is None:
        return None, cells
    counted = weights > 0
    if not counted.all():
        weights, cells = weights[counted], tuple(tensor[counted] for tensor in cells)
    return (None if (weights == weights[:1]).all() else weights), cells


def macro(values: torch.Tensor) -> float | None:
    """Return the mean over the labels where a metric is defined, or None if it is nowhere."""
    known = values[~values.isnan()]
    return float(known.mean()) if len(known) else None


def _ratio(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    return part / whole.where(whole != 0, torch.inf)


def _weighted_gaps(
    p: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, bins: int
) -> torch.Tensor:
    """Return the calibration error of one label, (N,) each, over bins of equal weight."""
    counted = ~y.isnan() & (weights > 0)
    if not counted.any():
        return p.new_tensor(torch.nan)
    rising, order = p[counted].sort(stable=True)
    hits, mass = y[counted][order], weights[counted][order]
    residuals = (rising - _share_ties(rising, hits, mass)) * mass
    reached = torch.nn.functional.pad(mass.cumsum(0), (1, 0))
    sums = torch.nn.functional.pad(residuals.cumsum(0), (1, 0))
    cuts = reached[-1] * (torch.arange(bins + 1, dtype=p.dtype, device=p.device) / bins)
    end = torch.searchsorted(reached, cuts).clamp(min=1)
    share = (cuts - reached[end - 1]) / (reached[end] - reached[end - 1])
    at_cuts = sums[end - 1] + share * (sums[end] - sums[end - 1])
    return at_cuts.diff().abs().sum() / reached[-1]


def _share_ties(
    rising: torch.Tensor, hits: torch.Tensor, mass: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (N,) the mean of `hits` over the rows of equal value, of sorted values."""
    changes = rising.new_zeros(len(rising), dtype=torch.int64)
    changes[1:] = rising[1:] != rising[:-1]
    run = changes.cumsum(0)
    hits = hits if mass is None else hits * mass
    frequency = run.bincount(weights=hits) / run.bincount(weights=mass)
    return frequency[run]


def _known_mean(
    losses: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    # by the targets: a probability that is NaN is a fault to be seen, not a missing cell
    known = ~targets.isnan()
    if weights is not None:
        mass = weights.double()[:, None] * known
        return (losses.where(mass > 0, 0.0) * mass).sum(dim=0) / mass.sum(dim=0)
    return losses.where(known, 0.0).sum(dim=0) / known.sum(dim=0)
