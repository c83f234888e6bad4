"""The numbers of one label.

Shapes: N rows, L labels, R replicates.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import torch

from imbalance_cli.evaluation.reasons import LEAST_FOR_INTERVAL
from imbalance_cli.evaluation.resampling import draw_apart
from imbalance_cli.metrics import (
    METRIC_SPECS,
    BandCounts,
    BandRows,
    Bands,
    Confusion,
    EceTests,
    Units,
    interval_multiplier,
    make_intervals,
    weights_of_labels,
)

if TYPE_CHECKING:
    from imbalance_cli.evaluation.resampling import Draws, JointDraws, Resampling
    from imbalance_cli.metrics import Cases, Levels, Replicates

COARSE_BANDS = 128  # of labels that are drawn for their averages alone
ECE = list(METRIC_SPECS).index("ece")
ROUNDING = 1e-12  # of gaps that are alike


@dataclasses.dataclass(frozen=True)
class Shared:
    """What all labels share.

    Attributes:
        resampling: how intervals are made.
        levels: of the metrics.
        thresholds: (L,) from which a row is decided positive.
        counted: (L,) whether averages are over a label.
        weights: (N,) or (N, L) above 0; None for alike.
        joint: draws the same rows for all labels; None where there is one label alone.
        groups: of the rows, that vary together; None where each varies by itself.
    """

    resampling: Resampling
    levels: Levels
    thresholds: torch.Tensor
    counted: torch.Tensor
    weights: torch.Tensor | None = None
    joint: JointDraws | None = None
    groups: Units | None = None

    @property
    def has_few_groups(self) -> bool:
        """Whether there are too few groups to tell how groups vary."""
        return self.groups is not None and self.groups.size < LEAST_FOR_INTERVAL

    @property
    def units(self) -> Literal["rows", "groups"]:
        """What replicates draw."""
        return "rows" if self.groups is None else "groups"


@dataclasses.dataclass(frozen=True)
class LabelNumbers:
    """The numbers of one label.

    Attributes:
        points: (metrics,) NaN where undefined.
        ends: (metrics, 2) of intervals, NaN where there is none.
        confusion: (1,) decisions.
        support: rows whose target is known.
        positives: of them.
        rarer: units that are drawn of the rarer class.
    """

    points: torch.Tensor
    ends: torch.Tensor
    confusion: Confusion
    support: int
    positives: int
    rarer: int


def evaluate_label(
    probabilities: torch.Tensor, targets: torch.Tensor, number: int, shared: Shared
) -> LabelNumbers:
    """Compute the numbers of one label, and add its replicates to the averages.

    Args:
        probabilities: (N,).
        targets: (N,), NaN where missing.
        number: of the label, which its own draws depend on.
        shared: what it shares with the other labels.
    """
    support, positives = int((~targets.isnan()).sum()), int((targets == 1).sum())
    if not support:
        nothing = torch.full(
            (len(METRIC_SPECS),), torch.nan, dtype=torch.float64, device=targets.device
        )
        none = torch.zeros(1, dtype=torch.float64, device=targets.device)
        return LabelNumbers(nothing, no_ends(nothing), Confusion(none, none, none, none), 0, 0, 0)
    weights = weights_of_labels(shared.weights, number)
    bands = Bands.of(probabilities, targets, float(shared.thresholds[number]), weights)
    joint, is_counted = shared.joint, bool(shared.counted[number])
    is_apart = weights is None and (joint is None or not joint.of_labels)
    if is_apart:
        counts = BandCounts.of(bands)
        found = Found.of(counts, shared.levels)
        rarer = min(positives, support - positives)
        draws = None
        if shared.resampling.replicates and rarer >= LEAST_FOR_INTERVAL:
            draws = _draw_apart(counts, bands, found, shared, number)
        if joint is not None and is_counted:
            coarse = BandRows.of(bands.merged(COARSE_BANDS), joint.units)
            _draw_jointly(coarse, found, shared, joint, rarer)
    else:
        units = Units.of(len(targets)) if joint is None else joint.units
        rows = BandRows.of(bands, units, weights)
        found = Found.of(rows, shared.levels)
        rarer, draws = rows.count_rarer(), None
        if joint is not None:
            merged, added = bands.merged(), rarer if is_counted else None
            fewer = rows if merged is bands else BandRows.of(merged, units, weights)
            draws = _draw_jointly(fewer, found, shared, joint, added)
    ends = no_ends(found.points)
    if draws is not None and rarer >= LEAST_FOR_INTERVAL:
        ends = found.intervals(draws, rarer, shared.resampling.confidence)
    return LabelNumbers(found.points, ends, found.itself.confusion, support, positives, rarer)


@dataclasses.dataclass(frozen=True)
class Found:
    """What the data themselves come to.

    Attributes:
        itself: the data, as one replicate.
        points: (metrics,) NaN where undefined.
        cases: that proportions are of.
    """

    itself: Replicates
    points: torch.Tensor
    cases: Cases

    @classmethod
    def of(
        cls, sums: BandCounts | BandRows, levels: Levels, confusion: Confusion | None = None
    ) -> Found:
        """Take the metrics of bands; `confusion` (1,) where these do not end at the thresholds."""
        itself = sums.itself()
        points = itself.metrics(levels, confusion)[:, 0]
        return cls(itself, points, sums.cases(levels.top_k))

    def ece_tests(self, draws: Draws, widening: float) -> EceTests:
        """Return the tests of calibration errors, of draws of the same bins."""
        positives = self.itself.positives_of_bins()[0]
        return EceTests.of(self.itself.gaps[:, 0], draws.gaps, positives, widening)

    def intervals(self, draws: Draws, size: float, confidence: float) -> torch.Tensor:
        """Return the ends of each metric's interval, (metrics, 2), NaN where there is none."""
        ends = make_intervals(self.points, draws.metrics, size, confidence, self.cases)
        mass, gaps = draws.gaps[:2]
        means = gaps / mass.where(mass > 0, 1.0)
        if float((means - means[:1]).abs().max()) > ROUNDING:
            own, of_many = (interval_multiplier(each, confidence) for each in (size, math.inf))
            widening = own / of_many
            ends[ECE] = bound_error(self.ece_tests(draws, widening), self.points[ECE], confidence)
        return ends


def bound_error(ece_tests: EceTests, value: torch.Tensor, confidence: float) -> torch.Tensor:
    """Return the ends (2,) of the interval of a calibration error, which hold its value ()."""
    low, high = value.new_tensor(ece_tests.interval(confidence))
    return torch.stack([low.minimum(value), high.maximum(value)])


def _draw_apart(
    counts: BandCounts, bands: Bands, found: Found, shared: Shared, number: int
) -> Draws:
    """Return the replicates of a label whose rows count alike."""
    merged = bands.merged()
    if merged is bands:
        return draw_apart(counts, shared.resampling, number, shared.levels)
    fewer = counts.merged(merged, bands)
    draws = draw_apart(fewer, shared.resampling, number, shared.levels)
    return draws.moved(found.points[:, None] - fewer.itself().metrics(shared.levels))


def _draw_jointly(
    rows: BandRows, found: Found, shared: Shared, joint: JointDraws, rarer: int | None
) -> Draws:
    """Return the replicates of a label that other labels share.

    They are added to the averages, of `rarer` units of its rarer class; None adds nothing.
    """
    draws = joint.draw(rows, shared.levels)
    draws = draws.moved(found.points[:, None] - rows.itself().metrics(shared.levels))
    if rarer is not None:
        joint.add(draws, found.ece_tests(draws, 1.0), rarer)
    return draws


def no_ends(points: torch.Tensor) -> torch.Tensor:
    """Return (metrics, 2) for no interval."""
    return torch.full((len(points), 2), torch.nan, dtype=points.dtype, device=points.device)
