"""Candidates against the baseline: differences, their paired intervals, and the verdicts.

Shapes: N rows, L labels, M metrics, R bootstrap replicates, K folds. The macro average is column L,
after the labels. What is undefined is NaN here and None in the Comparison.
"""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import torch

from imbalance_cli.comparison.bootstrap import (
    Sample,
    fold_values,
    point_values,
    replicate_values,
)
from imbalance_cli.comparison.conclusions import conclude
from imbalance_cli.comparison.results import Compared, Comparison, LabelComparison
from imbalance_cli.comparison.verdicts import judge, standard_errors
from imbalance_cli.metrics import compared_metrics, lower_is_better, simplify_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.comparison.results import Candidate, Kind
    from imbalance_cli.comparison.verdicts import Verdict
    from imbalance_cli.evaluation import Estimate, Interval, Resampling

ROUNDING = 1e-12  # a smaller difference is of the arithmetic, not of the candidates


def compare_candidates(  # noqa: PLR0913  who is compared, on which rows, and how
    candidates: Sequence[Candidate],
    targets: torch.Tensor,
    labels: Sequence[str],
    *,
    learnable: Sequence[bool],
    groups: torch.Tensor | None,
    folds: torch.Tensor | None = None,
    baseline: str,
    resampling: Resampling,
    weights: torch.Tensor | None = None,
    kind: Kind = "candidate",
    part: str = "out_of_fold",
    source: str = "",
) -> Comparison:
    """Compute every metric of every candidate, and its difference to the baseline.

    The standard error of a difference is that of a paired bootstrap over rows, or, where it is
    larger, that of the differences of the folds: which rows there were is one chance among two, and
    each fold is a training of its own. Interval and verdict both rest on it. Where one of the two
    was still improving when training ended, the verdict is unclear: with more epochs it may differ.

    Args:
        candidates: predictions for the same rows; the baseline is one of them.
        targets: (N, L), NaN where missing.
        labels: the names, (L,).
        learnable: whether each label had both classes in training, (L,).
        groups: (N,) the group of each row, which are then drawn whole; None draws rows.
        folds: (N,) the fold that each row was held out of; None for one training.
        baseline: the name of the candidate to compare with.
        resampling: how intervals are made.
        weights: (N,) of the rows, or (N, L) of cells, as of the metrics; rows of weight 0 are left
            out.
        kind: what the candidates are.
        part: which rows these are: test, valid or out_of_fold.
        source: what they were read from.
    """
    everything = torch.arange(len(targets), device=targets.device)
    weights, (rows,) = simplify_weights(weights, everything)
    if len(rows) < len(targets):
        candidates = [candidate.select(rows) for candidate in candidates]
        groups, folds = (None if x is None else x[rows] for x in (groups, folds))
        targets = targets[rows]
    sample = Sample.of(targets, learnable, groups, folds, weights)
    values = [Values.of(candidate, sample, resampling) for candidate in candidates]
    base = [candidate.name for candidate in candidates].index(baseline)
    others, kept = len(candidates) - 1, int(sample.kept.sum())
    limits = [standard_errors(others * kept)] * len(labels) + [standard_errors(others)]
    support, positives = (~targets.isnan()).sum(dim=0).tolist(), (targets == 1).sum(dim=0).tolist()
    entries = []
    for candidate, own in zip(candidates, values, strict=True):
        against = None if candidate.name == baseline else values[base]
        settled = not (candidate.still_improving or candidates[base].still_improving)
        reach = limits if settled else [math.inf] * len(limits)
        *tables, macro = _table(own, against, reach, resampling.confidence)
        found = zip(labels, support, positives, learnable, tables, strict=True)
        entries.append(
            dataclasses.replace(
                candidate, macro=macro, labels=[LabelComparison(*numbers) for numbers in found]
            )
        )
    comparison = Comparison(
        kind=kind,
        part=part,
        source=source,
        rows=len(targets),
        baseline=baseline,
        confidence=resampling.confidence,
        replicates=resampling.replicates,
        resampled="rows" if groups is None else "groups",
        folds=None if folds is None else len(sample.folds),
        metrics=compared_metrics(),
        candidates=entries,
        conclusions=[],
    )
    return dataclasses.replace(comparison, conclusions=conclude(comparison))


@dataclasses.dataclass(frozen=True)
class Values:
    """The metrics of one candidate.

    Attributes:
        points: (M, L + 1) on all rows.
        draws: (R, M, L + 1) of the replicates.
        trainings: (K, M, L + 1) of the rows of each fold.
        intervals: (L + 1,) of the points, by metric, where they are known already.
    """

    points: torch.Tensor
    draws: torch.Tensor
    trainings: torch.Tensor
    intervals: Sequence[Mapping[str, Interval | Estimate]] | None

    @classmethod
    def of(cls, candidate: Candidate, sample: Sample, resampling: Resampling) -> Values:
        """Compute them."""
        return cls(
            point_values(candidate, sample),
            replicate_values(candidate, sample, resampling),
            fold_values(candidate, sample),
            candidate.intervals,
        )

    def ends(self, confidence: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ends of the interval of each point, (M, L + 1) each, which hold it."""
        if self.intervals is None:
            low, high = _interval(self.points, self.draws, confidence)
        else:
            found = [
                [_ends(of_label.get(name)) for of_label in self.intervals]
                for name in compared_metrics()
            ]
            low, high = self.points.new_tensor(found).unbind(dim=-1)
        # sums in another order round differently
        return low.minimum(self.points), high.maximum(self.points)


def _ends(interval: Interval | Estimate | None) -> tuple[float, float]:
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return (math.nan, math.nan) if low is None or high is None else (low, high)


def _table(
    own: Values, against: Values | None, limits: Sequence[float], confidence: float
) -> list[dict[str, Compared]]:
    """Return the metrics of each label, and of the macro average last.

    Args:
        own: those of the candidate.
        against: those of the baseline; None for the baseline itself.
        limits: (L + 1,) standard errors; infinite where no verdict is to be given.
        confidence: of the intervals.
    """
    value = own.points
    low, high = own.ends(confidence)
    columns = [value, low, high, *[torch.full_like(value, torch.nan)] * 3]
    gain = torch.full_like(value, torch.nan)
    if against is not None:
        difference, paired = value - against.points, own.draws - against.draws
        of_rows = spread(paired)
        error = of_rows.fmax(_standard_error(own.trainings - against.trainings))
        error = error.where(~of_rows.isnan(), torch.nan)
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
        columns[3:] = [difference, difference - reach, difference + reach]
        real = difference.where(difference.abs() > ROUNDING, 0.0)
        signs = [-1.0 if lower_is_better(name) else 1.0 for name in compared_metrics()]
        gain = value.new_tensor(signs)[:, None] * (real / error).where(real != 0, 0.0)
        gain = gain.where(~error.isnan(), torch.nan)
    numbers, gains = torch.stack(columns, dim=-1).tolist(), gain.tolist()
    return [
        {
            name: _compared(numbers[m][j], judge(gains[m][j], limits[j]))
            for m, name in enumerate(compared_metrics())
        }
        for j in range(value.shape[1])
    ]


def _interval(
    value: torch.Tensor, draws: torch.Tensor, confidence: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (M, L + 1) low and high, of values (M, L + 1) and replicates (R, M, L + 1).

    Percentiles, as far as they need to reach to hold the value; of the calibration error, whose
    replicates lie above it, so many standard deviations, cut at 0 (metrics/intervals.py).
    """
    if not len(draws):
        nothing = torch.full_like(value, torch.nan)
        return nothing, nothing
    tail = (1 - confidence) / 2
    quantiles = draws.new_tensor([tail, 1 - tail])
    # one metric at a time: torch refuses the quantiles of more than 16 million numbers
    ends = [draws[:, m].nanquantile(quantiles, dim=0) for m in range(draws.shape[1])]
    low, high = torch.stack(ends, dim=1)
    ece = compared_metrics().index("ece")
    reach = NormalDist().inv_cdf(1 - tail) * spread(draws)[ece]
    low[ece], high[ece] = (value[ece] - reach).clamp(min=0), (value[ece] + reach).clamp(max=1)
    return low, high


def spread(draws: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation over replicates (R, M, L + 1); NaN where fewer than two."""
    defined = (~draws.isnan()).sum(dim=0)
    squares = ((draws - draws.nanmean(dim=0)) ** 2).nansum(dim=0)
    return (squares / (defined - 1).clamp(min=1)).sqrt().where(defined > 1, torch.nan)


def _standard_error(trainings: torch.Tensor) -> torch.Tensor:
    """Return the standard error of the mean over folds, (M, L + 1), of (K, M, L + 1)."""
    defined = (~trainings.isnan()).sum(dim=0).clamp(min=1)
    return spread(trainings) / defined.sqrt()


def _compared(numbers: Sequence[float], verdict: Verdict | None) -> Compared:
    """Return six numbers in the order of Compared, NaN as None."""
    value, low, high, *paired = (x if math.isfinite(x) else None for x in numbers)
    difference, difference_low, difference_high = paired
    return Compared(value, low, high, difference, difference_low, difference_high, verdict)
