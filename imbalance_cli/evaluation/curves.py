"""What the figures of a report are drawn from: the curves of one label, thinned to a few points.

Shapes: N rows, K distinct probabilities, B bins. Sample weights are (N,), as of the metrics.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

MOST_POINTS = 200  # of a curve; more cannot be seen apart at the size it is drawn
BINS = 10  # of a reliability diagram
BARS = 30  # of a histogram
LEAST_MASS, ROUNDING = 1e-300, 1e-9  # so that nothing is divided by 0, or falls short of a cut
TRIMMED = 0.005  # of a class, at either end, that a histogram has in its outermost bars
STEPS = 120  # of a decision curve
NARROWEST = 1e-3  # log-odds, of a histogram's range
FARTHEST = math.log(1e-6 / (1 - 1e-6))  # log-odds that a histogram reaches, on either side


@dataclasses.dataclass(frozen=True)
class Costs:
    """What a wrong decision costs.

    Attributes:
        false_positive: of a negative that is decided positive.
        false_negative: of a positive that is decided negative.
    """

    false_positive: float = 1.0
    false_negative: float = 1.0


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points in the order they are drawn in, at most MOST_POINTS."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ThresholdCurve:
    """What each threshold would give, at most MOST_POINTS of them, falling.

    Attributes:
        threshold: the probability from which a row would be decided positive.
        precision: at it.
        recall: at it.
        f1: at it.
        cost: the expected cost of a row over the cheaper of deciding all rows alike, which is 1.
    """

    threshold: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    cost: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class DecisionCurve:
    """What acting on a probability is worth, over the thresholds from which one acts.

    The net benefit of a row is its share of true positives less that of false positives, times the
    odds of the threshold (Vickers & Elkin 2006); that of acting on no row is 0.

    Attributes:
        threshold: rising, evenly in log-odds, where the probabilities lie.
        model: the net benefit of acting where the probability reaches it.
        all: that of acting on every row.
    """

    threshold: tuple[float, ...]
    model: tuple[float, ...]
    all: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Bin:
    """Rows of like probability.

    Attributes:
        predicted: the mean of their probabilities.
        observed: the share of positives.
        low: of the Wilson interval of that share.
        high: of the same.
        rows: how many.
    """

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


@dataclasses.dataclass(frozen=True)
class Histogram:
    """How the probabilities of each class lie, in bars of equal width in log-odds.

    Attributes:
        edges: (B + 1,) log-odds, rising; the outermost bars hold all that lies beyond.
        positives: (B,) shares of the positives; empty where there are none.
        negatives: (B,) shares of the negatives; empty where there are none.
    """

    edges: tuple[float, ...]
    positives: tuple[float, ...]
    negatives: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Decisions:
    """Counts, or summed weights, of the decisions at the chosen threshold, and what they come to.

    Attributes:
        precision: None where no row was decided positive.
        recall: None where there is no positive.
        false_positive_rate: None where there is no negative.
        f1: None where there is no positive.
        cost: expected cost of a row over the cheaper of deciding all alike; None where that is 0.
    """

    true_positives: float
    false_positives: float
    false_negatives: float
    true_negatives: float
    precision: float | None
    recall: float | None
    false_positive_rate: float | None
    f1: float | None
    cost: float | None


@dataclasses.dataclass(frozen=True)
class LabelCurves:
    """All that the figures of one label show.

    Attributes:
        label: its name.
        rows: whose target is known.
        positives: of them.
        prevalence: their share, of the weight where rows are weighted; None without rows.
        threshold: the probability from which a row is decided positive.
        confidence: of the intervals of the reliability diagram.
        costs: that the threshold curve counts with.
        precision_recall: recall against precision; None without a positive.
        roc: false positive rate against recall; None without a positive or a negative.
        thresholds: None without a positive or a negative.
        before: reliability of the scores before the inverse link and calibration; may be empty.
        after: reliability of the probabilities.
        histogram: None without rows.
        decisions: at the threshold.
        benefit: None without a positive or a negative.
    """

    label: str
    rows: int
    positives: int
    prevalence: float | None
    threshold: float
    confidence: float
    costs: Costs
    precision_recall: Curve | None
    roc: Curve | None
    thresholds: ThresholdCurve | None
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    histogram: Histogram | None
    decisions: Decisions
    benefit: DecisionCurve | None = None


def compute_curves(
    label: str,
    probabilities: Values,
    scores: Values | None,
    targets: Values,
    *,
    threshold: float,
    costs: Costs,
    confidence: float,
    weights: Values | None = None,
) -> LabelCurves:
    """Compute what the figures of one label show.

    Args:
        label: its name.
        probabilities: (N,).
        scores: (N,) before the inverse link and calibration, from 0 to 1; None where not kept.
        targets: (N,), NaN where missing.
        threshold: the probability from which a row is decided positive.
        costs: of wrong decisions.
        confidence: of the intervals of the reliability diagram.
        weights: (N,), or None.
    """
    known = ~np.isnan(targets) if weights is None else ~np.isnan(targets) & (weights > 0)
    p, y = (np.asarray(values, np.float64)[known] for values in (probabilities, targets))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)[known]
    positive, negative = float(w @ (y == 1)), float(w @ (y == 0))
    order = np.argsort(p)
    rising = p[order], y[order], w[order]
    ranked = _rank(*rising) if positive else None
    both = ranked if positive and negative else None
    histogram = _histogram(p, y, w)
    return LabelCurves(
        label=label,
        rows=len(y),
        positives=int((y == 1).sum()),
        prevalence=positive / (positive + negative) if len(y) else None,
        threshold=threshold,
        confidence=confidence,
        costs=costs,
        precision_recall=None if ranked is None else _precision_recall(ranked),
        roc=None if both is None else _roc(both),
        thresholds=None if both is None else _threshold_curve(both, costs),
        before=() if scores is None else bin_reliability(scores[known], y, w, confidence),
        after=bin_reliability(*rising, confidence),
        histogram=histogram,
        decisions=_decide(p >= threshold, y, w, costs),
        benefit=None if both is None or histogram is None else _benefit(both, histogram),
    )


# ------------------------------------------------------------------------ from one sort of the rows


@dataclasses.dataclass(frozen=True)
class _Ranked:
    """Decisions at each distinct probability, (K,) falling; true and false among the positive."""

    threshold: Values
    true: Values
    false: Values
    positive: float
    negative: float


def _rank(p: Values, y: Values, w: Values) -> _Ranked:
    """Return the decisions at each distinct probability of rows that rise by theirs."""
    falling = p[::-1]
    true, false = ((w * (y == side))[::-1].cumsum() for side in (1, 0))
    ends = np.append(falling[1:] != falling[:-1], True)  # rows of equal probability go together
    return _Ranked(falling[ends], true[ends], false[ends], float(true[-1]), float(false[-1]))


def _precision_recall(ranked: _Ranked) -> Curve:
    recall, precision = ranked.true / ranked.positive, ranked.true / (ranked.true + ranked.false)
    kept = thin(recall, precision)
    return Curve(_numbers(recall[kept]), _numbers(precision[kept]))


def _roc(ranked: _Ranked) -> Curve:
    x = np.append(0.0, ranked.false / ranked.negative)
    y = np.append(0.0, ranked.true / ranked.positive)
    kept = thin(x, y)
    return Curve(_numbers(x[kept]), _numbers(y[kept]))


def _threshold_curve(ranked: _Ranked, costs: Costs) -> ThresholdCurve:
    true, false = ranked.true, ranked.false
    missed = ranked.positive - true
    precision, recall = true / (true + false), true / ranked.positive
    f1 = 2 * true / (2 * true + false + missed)
    cost = costs.false_positive * false + costs.false_negative * missed
    cost = cost / _idle_cost(ranked.positive, ranked.negative, costs)
    kept = thin(to_log_odds(ranked.threshold), precision, recall, f1, cost)
    columns = (ranked.threshold, precision, recall, f1, cost)
    return ThresholdCurve(*(_numbers(column[kept]) for column in columns))


def _benefit(ranked: _Ranked, histogram: Histogram) -> DecisionCurve:
    odds = np.linspace(histogram.edges[0], histogram.edges[-1], STEPS + 1)
    threshold, price = 1 / (1 + np.exp(-odds)), np.exp(odds)
    decided = np.searchsorted(-ranked.threshold, -threshold, side="right")
    true, false = (np.append(0.0, found)[decided] for found in (ranked.true, ranked.false))
    rows = ranked.positive + ranked.negative
    model = (true - false * price) / rows
    whole = (ranked.positive - ranked.negative * price) / rows
    return DecisionCurve(_numbers(threshold), _numbers(model), _numbers(whole))


def _idle_cost(positive: float, negative: float, costs: Costs) -> float:
    """Return the cost of the cheaper of deciding all rows alike."""
    return min(costs.false_negative * positive, costs.false_positive * negative)


def thin(x: Values, *series: Values, most: int = MOST_POINTS) -> NDArray[np.intp]:
    """Return the numbers of the points of a curve to draw, rising, at most `most`.

    The curve is cut into stretches of equal length as drawn. Of each stretch, its two ends and the
    extremes of every series stay, so that nothing sticks out less than before.

    Args:
        x: (K,) monotone.
        series: (K,) each, drawn over x.
        most: how many points, at least two and two more a series.
    """
    if len(x) <= most:
        return np.arange(len(x))
    steps = [np.abs(np.diff(values)) / (np.ptp(values) or 1.0) for values in (x, *series)]
    length = np.append(0.0, np.cumsum(np.sum(steps, axis=0)))
    stretches = most // (2 + 2 * len(series))
    ends = np.searchsorted(length, length[-1] * np.arange(1, stretches) / stretches)
    bounds = np.unique(np.concatenate([[0], ends, [len(x)]]))
    kept = []
    for start, end in itertools.pairwise(bounds):
        kept += [start, end - 1]
        for values in series:
            part = values[start:end]
            kept += [start + part.argmin(), start + part.argmax()]
    return np.unique(np.array(kept, np.intp))


# -------------------------------------------------------------------------------- from bins of rows


def bin_reliability(p: Values, y: Values, w: Values, confidence: float) -> tuple[Bin, ...]:
    """Return bins of rows of like probability, from the lowest to the highest.

    Bins are of equal expected mass, the two classes counting alike: a row of probability p counts
    p over the sum of p and 1 - p over the sum of 1 - p. So the few rows of high probability that a
    rare label has get bins of their own, and where a bin ends does not depend on the outcomes.
    Rows of equal probability share a bin.

    Args:
        p: (N,) probabilities.
        y: (N,) 0 or 1.
        w: (N,) weights above 0.
        confidence: of the Wilson interval of each share, which counts weighted rows by their
            effective number, (sum w)^2 / sum w^2 (Kish 1965).
    """
    if not len(p):
        return ()
    order = np.argsort(p)
    p, y, w = p[order], y[order], w[order]
    mass = w * p / max(float(w @ p), LEAST_MASS) + w * (1 - p) / max(float(w @ (1 - p)), LEAST_MASS)
    reached = np.cumsum(mass)
    starts = np.flatnonzero(np.append(True, p[1:] != p[:-1]))
    share = (reached - mass)[starts] / reached[-1]
    number = np.minimum((BINS * share + ROUNDING).astype(np.intp), BINS - 1)
    starts = starts[np.append(True, number[1:] != number[:-1])]
    rows = np.diff(np.append(starts, len(p)))
    weight, predicted, observed, squares = (
        np.add.reduceat(values, starts) for values in (w, w * p, w * y, w * w)
    )
    z = normal_quantile(confidence)
    bins = []
    for b in range(len(starts)):
        hits = float(observed[b] / weight[b])
        low, high = wilson_interval(hits, float(weight[b] ** 2 / squares[b]), z)
        bins.append(Bin(float(predicted[b] / weight[b]), hits, low, high, int(rows[b])))
    return tuple(bins)


def wilson_interval(share: float, rows: float, z: float) -> tuple[float, float]:
    """Return the interval of a share of `rows` (Wilson 1927), z standard errors wide."""
    spread = z * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    middle = share + z**2 / (2 * rows)
    whole = 1 + z**2 / rows
    low, high = (middle - spread) / whole, (middle + spread) / whole
    # the interval lies in [0, 1] and holds the share, but for rounding
    return min(max(low, 0.0), share), max(min(high, 1.0), share)


def normal_quantile(confidence: float) -> float:
    """Return how many standard errors an interval of a confidence reaches to either side."""
    return float(torch.special.ndtri(torch.tensor((1 + confidence) / 2, dtype=torch.float64)))


def _histogram(p: Values, y: Values, w: Values) -> Histogram | None:
    if not len(p):
        return None
    odds = np.clip(to_log_odds(p), FARTHEST, -FARTHEST)
    ends = [_trim(odds[side], w[side]) for side in (y == 1, y == 0) if side.any()]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if high - low < NARROWEST:  # all but one value: bars around it
        low, high = (low + high) / 2 - 0.5, (low + high) / 2 + 0.5
    odds = np.clip(odds, low, high)
    edges = np.linspace(low, high, BARS + 1)
    sides = []
    for is_side in (y == 1, y == 0):
        counts, _ = np.histogram(odds[is_side], edges, weights=w[is_side])
        total = counts.sum()
        sides.append(_numbers(counts / total) if total else ())
    return Histogram(_numbers(edges), *sides)


def _trim(values: Values, w: Values) -> tuple[float, float]:
    """Return between which values all of the weight lies but TRIMMED at either end."""
    order = np.argsort(values)
    reached = np.cumsum(w[order])
    low, high = np.searchsorted(reached, reached[-1] * np.array([TRIMMED, 1 - TRIMMED]))
    return float(values[order[low]]), float(values[order[high]])


def to_log_odds(probabilities: Values) -> Values:
    """Return log(p / (1 - p)), finite for every probability in (N,)."""
    tiny = np.finfo(np.float64).tiny
    rest = np.maximum(1 - probabilities, np.finfo(np.float64).eps / 2)
    odds: Values = np.log(np.maximum(probabilities, tiny)) - np.log(rest)
    return odds


def _decide(decided: NDArray[np.bool_], y: Values, w: Values, costs: Costs) -> Decisions:
    tp, fp = float(w @ (decided & (y == 1))), float(w @ (decided & (y == 0)))
    fn, tn = float(w @ (~decided & (y == 1))), float(w @ (~decided & (y == 0)))
    idle = _idle_cost(tp + fn, fp + tn, costs)
    return Decisions(
        *(tp, fp, fn, tn),
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        false_positive_rate=_ratio(fp, fp + tn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn) if tp + fn else None,
        cost=_ratio(costs.false_positive * fp + costs.false_negative * fn, idle),
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _numbers(values: Values) -> tuple[float, ...]:
    return tuple(values.tolist())
