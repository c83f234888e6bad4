"""The six figures of one label, from its curves."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from imbalance_cli.report.figures import (
    Axis,
    Bars,
    Cell,
    Chart,
    Dots,
    Line,
    Matrix,
    log_odds_axis,
    number_axis,
    unit_axis,
)
from imbalance_cli.report.wording import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.evaluation.curves import Bin, LabelCurves
    from imbalance_cli.report.figures import Figure

LEAST_SEEN = 0.05  # of the width of a chart
COST_AXIS = "; cost over that of deciding all alike"
PAD = 0.25  # log-odds beside the outermost mark


def draw_label(curves: LabelCurves) -> list[Figure]:
    """Return the figures that can be drawn of a label: all six where it has both classes."""
    drawn = (
        _draw_precision_recall(curves),
        _draw_roc(curves),
        _draw_thresholds(curves),
        _draw_reliability(curves),
        _draw_scores(curves),
        _draw_confusion(curves),
    )
    return [figure for figure in drawn if figure is not None]


def _draw_precision_recall(curves: LabelCurves) -> Chart | None:
    if curves.precision_recall is None or curves.prevalence is None:
        return None
    chosen = curves.decisions
    curve = curves.precision_recall
    marks: list[Line | Dots] = [
        Line("chance", (0, 1), (curves.prevalence,) * 2, "without skill", dashed=True),
        # the curve begins at the precision of its first point: nothing is known left of it
        Line("model", (0.0, *curve.x), (curve.y[0], *curve.y), "model", steps=True),
    ]
    if chosen.precision is not None and chosen.recall is not None:
        marks.append(_chosen((chosen.recall,), (chosen.precision,), curves.threshold))
    return Chart(
        "precision_recall",
        "Precision and recall",
        f"Precision against recall over {curves.rows:,} rows, {curves.positives:,} of them "
        f"positive. At the threshold {curves.threshold:.3g} the precision is "
        f"{show(chosen.precision)} and the recall {show(chosen.recall)}; without skill the "
        f"precision is {show(curves.prevalence)}.",
        unit_axis("recall"),
        unit_axis("precision"),
        tuple(marks),
    )


def _draw_roc(curves: LabelCurves) -> Chart | None:
    if curves.roc is None:
        return None
    chosen = curves.decisions
    marks: list[Line | Dots] = [
        Line("chance", (0, 1), (0, 1), "without skill", dashed=True),
        Line("model", curves.roc.x, curves.roc.y, "model"),
    ]
    if chosen.false_positive_rate is not None and chosen.recall is not None:
        place = (chosen.false_positive_rate,), (chosen.recall,)
        marks.append(_chosen(*place, curves.threshold))
    return Chart(
        "roc",
        "ROC",
        "Recall against the share of negatives that are decided positive. At the threshold "
        f"{curves.threshold:.3g} the recall is {show(chosen.recall)} and that share "
        f"{show(chosen.false_positive_rate)}.",
        unit_axis("false positive rate"),
        unit_axis("recall"),
        tuple(marks),
    )


def _draw_thresholds(curves: LabelCurves) -> Chart | None:
    if curves.thresholds is None:
        return None
    found, chosen = curves.thresholds, curves.decisions
    x = [log_odds(p) for p in found.threshold]
    at = log_odds(curves.threshold)
    axis = _axis("threshold", [*x, at])
    marks: list[Line | Dots] = [
        Line("precision", x, found.precision, "precision"),
        Line("recall", x, found.recall, "recall"),
        Line("f1", x, found.f1, "F1"),
    ]
    cost = list(_draw_cost(x, found.cost, axis))
    marks += cost
    marks.append(Line("chosen", (at, at), (0, 1), f"chosen {curves.threshold:.3g}", dashed=True))
    costs = curves.costs
    left_out = "" if cost else " It is more than 1 at nearly every threshold, and not drawn."
    return Chart(
        "thresholds",
        "What each threshold would give",
        f"Precision, recall, F1 and expected cost against the threshold; the chosen one is "
        f"{curves.threshold:.3g}, with an F1 of {show(chosen.f1)} and a cost of "
        f"{show(chosen.cost)}. The cost is divided by that of deciding all rows alike, the cheaper "
        f"way; a false positive costs {costs.false_positive:g} and a false negative "
        f"{costs.false_negative:g}. Costs over 1 are not drawn.{left_out}",
        axis,
        unit_axis(f"precision, recall, F1{COST_AXIS if cost else ''}"),
        tuple(marks),
    )


def _draw_cost(x: Sequence[float], cost: Sequence[float], axis: Axis) -> Iterator[Line]:
    """Yield a line for each stretch with a cost of at most 1; nothing if they are hardly seen."""
    points = zip(x, cost, strict=True)
    runs = [list(run) for low, run in itertools.groupby(points, lambda p: p[1] <= 1) if low]
    width = sum(abs(run[-1][0] - run[0][0]) for run in runs)
    if width < LEAST_SEEN * (axis.high - axis.low):
        return
    name = "cost" if max(cost) <= 1 else "cost up to 1"
    for run in runs:
        places, costs = zip(*run, strict=True)
        yield Line("cost", places, costs, name, dashed=True)
        name = ""  # the legend has one of them


def _draw_reliability(curves: LabelCurves) -> Chart | None:
    if not curves.after:
        return None
    both = [*curves.before, *curves.after]
    known = [log_odds(b.predicted) for b in both]
    known += [log_odds(share) for b in both for share in (b.observed, b.high) if 0 < share < 1]
    low, high = min(known) - PAD, max(known) + PAD
    axis = log_odds_axis("predicted probability", low, high)
    marks: list[Line | Dots] = [
        Line("chance", (low, high), (low, high), "as predicted", dashed=True),
    ]
    if curves.before:
        marks.append(_dots("before", curves.before, (low, high), "before the link", hollow=True))
    marks.append(_dots("model", curves.after, (low, high), "after"))
    worst = max(curves.after, key=lambda b: abs(b.predicted - b.observed))
    return Chart(
        "reliability",
        "Are the probabilities right?",
        f"The share of positives among rows of like probability, before and after the inverse "
        f"link and calibration, on scales of log-odds, with {curves.confidence:.0%} intervals; a "
        f"share of 0 or 1 is drawn at the edge. After, the farthest of {len(curves.after)} bins "
        f"predicts {worst.predicted:.3g} where {worst.observed:.3g} is observed.",
        axis,
        log_odds_axis("observed share", low, high),
        tuple(marks),
    )


def _dots(
    role: str, bins: Sequence[Bin], limits: tuple[float, float], name: str, *, hollow: bool = False
) -> Dots:
    return Dots(
        role,
        [log_odds(b.predicted) for b in bins],
        [place_share(b.observed, limits) for b in bins],
        name,
        hollow=hollow,
        bars=()
        if hollow
        else [(place_share(b.low, limits), place_share(b.high, limits)) for b in bins],
    )


def place_share(share: float, limits: tuple[float, float]) -> float:
    """Return the log-odds of a share, those past the limits of an axis at its edge."""
    return min(max(log_odds(share), limits[0]), limits[1])


def _draw_scores(curves: LabelCurves) -> Chart | None:
    found = curves.histogram
    if found is None:
        return None
    at = log_odds(curves.threshold)
    tallest = max([*found.positives, *found.negatives])
    # as many digits as a step of the axis has
    digits = max(0, -2 - math.floor(math.log10(tallest / 3)))
    y = number_axis("share of the class", 0.0, tallest, f".{digits}%")
    marks: list[Line | Bars] = [
        Bars(role, found.edges, heights, name)
        for role, heights, name in (
            ("negative", found.negatives, "negatives"),
            ("positive", found.positives, "positives"),
        )
        if heights
    ]
    marks.append(
        Line("chosen", (at, at), (0, y.high), f"chosen {curves.threshold:.3g}", dashed=True)
    )
    return Chart(
        "scores",
        "Where each class lies",
        f"Histograms of the probabilities of {curves.positives:,} positives and "
        f"{curves.rows - curves.positives:,} negatives, each as shares of its class, on a scale of "
        f"log-odds; the threshold is {curves.threshold:.3g}.",
        _axis("probability", [*found.edges, at]),
        y,
        tuple(marks),
    )


def _draw_confusion(curves: LabelCurves) -> Matrix | None:
    if not curves.rows:
        return None
    d = curves.decisions
    sides = (
        (d.true_negatives, d.false_positives),
        (d.false_negatives, d.true_positives),
    )
    notes = (("true negatives", "false positives"), ("false negatives", "true positives"))
    cells = []
    for counts, names in zip(sides, notes, strict=True):
        total = sum(counts)
        shares = [count / total if total else 0.0 for count in counts]
        cells.append(
            tuple(
                Cell(_count(count), f"{name}, {share:.1%}" if total else name, share)
                for count, name, share in zip(counts, names, shares, strict=True)
            )
        )
    return Matrix(
        "confusion",
        "Decisions",
        f"At the threshold {curves.threshold:.3g}: {_count(d.true_positives)} true and "
        f"{_count(d.false_positives)} false positives, {_count(d.false_negatives)} false and "
        f"{_count(d.true_negatives)} true negatives. Shares are of the row.",
        ("is negative", "is positive"),
        ("decided negative", "decided positive"),
        tuple(cells),
    )


def show(value: float | None) -> str:
    """Return a number between 0 and 1 with three digits, or a dash."""
    return UNDEFINED if value is None else f"{value:.3f}"


def _chosen(x: Sequence[float], y: Sequence[float], threshold: float) -> Dots:
    return Dots("chosen", x, y, f"chosen {threshold:.3g}", joined=False)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _axis(title: str, values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    room = PAD if high > low else 1.0
    return log_odds_axis(title, low - room, high + room)


def log_odds(p: float) -> float:
    """Return log-odds for drawing: what is past one in 10^12 lies at the edge."""
    inside = min(max(p, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))
