"""The figures of each label of a run."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.errors import show_percent
from imbalance_cli.evaluation.curves import Costs
from imbalance_cli.report.axes import log_odds, log_odds_axis, name_axis, number_axis
from imbalance_cli.report.figures import Bars, Cell, Chart, Line
from imbalance_cli.report.overlaid_figures import (
    DrawnCurves,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from imbalance_cli.report.wording import show_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.evaluation import LabelEvaluation
    from imbalance_cli.evaluation.curves import LabelCurves
    from imbalance_cli.report.contents import RunReport
    from imbalance_cli.report.figures import Axis

FARTHEST = 1.0  # that a threshold may lie beside the scores and be drawn, in widths of their range
LOWEST_BENEFIT = 0.25  # drawn, below 0, of the highest
HIGHEST_COST = 2.0  # drawn: what deciding all rows alike costs is 1


def draw_labels(
    report: RunReport,
) -> Iterator[tuple[LabelCurves, LabelEvaluation, list[Chart]]]:
    """Yield each label that has figures: its curves, its numbers, its figures."""
    labels = {label.label: label for label in report.evaluation.labels}
    objective = report.settings["thresholds"]["objective"]
    for curves in report.curves:
        label = labels[curves.label]
        has_costs = objective == "cost" or curves.costs != Costs()
        yield curves, label, draw_label(curves, label, has_costs=has_costs)


def draw_label(
    curves: LabelCurves, label: LabelEvaluation, *, has_costs: bool = False
) -> list[Chart]:
    """Return the figures that can be drawn of a label: all where it has both classes.

    Args:
        curves: to draw.
        label: its numbers, for the titles.
        has_costs: whether the costs of wrong decisions have a figure.
    """
    runs = [DrawnCurves("model", "model", curves, _name_threshold(curves), "chosen")]
    ap, auc = (show_number(e.value) for e in (label.average_precision, label.roc_auc))
    drawn = (
        draw_precision_recall(runs, f"Precision and recall, AP {ap}"),
        draw_roc(runs, f"ROC, AUC {auc}"),
        _draw_thresholds(curves),
        _draw_cost(curves) if has_costs else None,
        _draw_benefit(curves),
        draw_reliability(runs),
        _draw_scores(curves),
        _draw_confusion(curves),
    )
    return [figure for figure in drawn if figure is not None]


def _draw_thresholds(curves: LabelCurves) -> Chart | None:
    if curves.thresholds is None:
        return None
    found, chosen = curves.thresholds, curves.decisions
    x, at = _threshold_axis("threshold", curves)
    return Chart(
        "thresholds",
        "What each threshold would give",
        f"Precision, recall and F1 against the threshold; at the chosen one, "
        f"{curves.threshold:.3g}, precision is {show_number(chosen.precision)}, recall "
        f"{show_number(chosen.recall)} and F1 {show_number(chosen.f1)}.",
        x,
        number_axis("precision, recall, F1", 0, 1),
        (
            _over_thresholds("precision", found.threshold, found.precision, x),
            _over_thresholds("recall", found.threshold, found.recall, x),
            _over_thresholds("f1", found.threshold, found.f1, x, "F1"),
            Line("chosen", at, (0, 1)[: len(at)], _name_threshold(curves), dashed=True),
        ),
    )


def _draw_cost(curves: LabelCurves) -> Chart | None:
    if curves.thresholds is None:
        return None
    costs, found = curves.costs, curves.thresholds
    x, at = _threshold_axis("threshold", curves)
    highest = min(max(*found.cost, 1.0), HIGHEST_COST)
    y = number_axis("cost over that of deciding all rows alike", 0, highest)
    ends = (x.low, x.high)
    return Chart(
        "cost",
        "What each threshold would cost",
        f"Expected cost against the threshold, divided by that of deciding all rows alike, the "
        f"cheaper way; a false positive costs {costs.false_positive:g} and a false negative "
        f"{costs.false_negative:g}. At the chosen threshold, {curves.threshold:.3g}, it is "
        f"{show_number(curves.decisions.cost)}. Costs over {y.high:g} lie at the upper edge.",
        x,
        y,
        (
            Line("chance", ends, (1, 1), "all rows alike", dashed=True),
            _over_thresholds("cost", found.threshold, found.cost, x),
            Line("chosen", at, (0, y.high)[: len(at)], _name_threshold(curves), dashed=True),
        ),
    )


def _draw_benefit(curves: LabelCurves) -> Chart | None:
    found = curves.benefit
    if found is None:
        return None
    x, at = _threshold_axis("threshold", curves)
    highest = max(*found.model, *found.all)
    y = number_axis("net benefit of a row", -LOWEST_BENEFIT * highest, highest)
    lines = []
    for role, values, name in (
        ("before", found.all, "act on all"),
        ("model", found.model, "model"),
    ):
        shown = [i for i, value in enumerate(values) if value >= y.low]
        thresholds, kept = (
            [each[i] for i in reversed(shown)] for each in (found.threshold, values)
        )
        if kept:
            line = _over_thresholds(role, thresholds, kept, x, name)
            lines.append(dataclasses.replace(line, dashed=role != "model"))
    better = [
        threshold
        for threshold, model, whole in zip(found.threshold, found.model, found.all, strict=True)
        if model > max(whole, 0.0)
    ]
    where = "at no threshold"
    if better:
        where = f"at thresholds between {better[0]:.2g} and {better[-1]:.2g}"
    return Chart(
        "benefit",
        "Is acting on it worth it?",
        "Net benefit against the threshold from which one acts, of acting by the model, on all "
        f"rows and on none. The model is worth more than both {where}. Net benefits under "
        f"{y.low:.2g} are not drawn.",
        x,
        y,
        (
            Line("chance", (x.low, x.high), (0, 0), "act on none", dashed=True),
            *lines,
            Line("chosen", at, (y.low, y.high)[: len(at)], _name_threshold(curves), dashed=True),
        ),
    )


def _draw_scores(curves: LabelCurves) -> Chart | None:
    found = curves.histogram
    if found is None:
        return None
    x, at = _threshold_axis("probability", curves)
    tallest = max([*found.positives, *found.negatives])
    # as many digits as a step of the axis has
    digits = max(0, -2 - math.floor(math.log10(tallest / 3)))
    y = number_axis("share of the class", 0, tallest, f".{digits}%")
    marks: list[Line | Bars] = [
        Bars(role, found.edges, heights, name)
        for role, heights, name in (
            ("negative", found.negatives, "negatives"),
            ("positive", found.positives, "positives"),
        )
        if heights
    ]
    chosen = (0, y.high)[: len(at)]
    marks.append(Line("chosen", at, chosen, _name_threshold(curves), dashed=True))
    return Chart(
        "scores",
        "Where each class lies",
        f"Histograms of the probabilities of {curves.positives:,} positives and "
        f"{curves.rows - curves.positives:,} negatives, each as shares of its class, on a "
        f"log-odds scale; what lies beyond it is in the outermost bars. The threshold is "
        f"{curves.threshold:.3g}.",
        x,
        y,
        tuple(marks),
    )


def _draw_confusion(curves: LabelCurves) -> Chart | None:
    if not curves.rows:
        return None
    d = curves.decisions
    cells = []
    for row, counts in enumerate(
        ((d.true_negatives, d.false_positives), (d.false_negatives, d.true_positives))
    ):
        total = sum(counts)
        for column, count in enumerate(counts):
            name = (
                f"{'true' if row == column else 'false'} {'positives' if column else 'negatives'}"
            )
            share = count / total if total else 0.0
            lines = (_show_count(count), name, *([show_percent(share)] if total else []))
            cells.append(Cell("model", column, row, share, lines))
    sides = "negative", "positive"
    return Chart(
        "confusion",
        "Decisions",
        f"At the threshold {curves.threshold:.3g}: {_show_count(d.true_positives)} true and "
        f"{_show_count(d.false_positives)} false positives, {_show_count(d.false_negatives)} false "
        f"and {_show_count(d.true_negatives)} true negatives. Shares are of the row.",
        name_axis("decision", sides),
        name_axis("target", sides, falls=True),
        tuple(cells),
    )


def _threshold_axis(title: str, curves: LabelCurves) -> tuple[Axis, tuple[float, ...]]:
    """Return an axis where the probabilities lie, and the places of the threshold's line on it.

    A threshold far from every probability would leave a sliver to them: it has no line then.
    """
    at = log_odds(curves.threshold)
    edges = (at - 0.5, at + 0.5) if curves.histogram is None else curves.histogram.edges
    low, high = edges[0], edges[-1]
    reach = FARTHEST * (high - low)
    if not low - reach <= at <= high + reach:
        return log_odds_axis(title, low, high), ()
    room = 0.04 * (high - low)
    low, high = min(low, at - room), max(high, at + room)
    return log_odds_axis(title, low, high), (at, at)


def _over_thresholds(
    role: str, thresholds: Sequence[float], values: Sequence[float], axis: Axis, name: str = ""
) -> Line:
    """Return a line over the thresholds, which fall, between the ends of an axis."""
    x, y = np.array([log_odds(p) for p in thresholds])[::-1], np.array(values)[::-1]
    ends = [end for end in (axis.low, axis.high) if x[0] < end < x[-1]]
    places = np.unique([*ends, *x[(axis.low <= x) & (x <= axis.high)]])
    return Line(role, places.tolist(), np.interp(places, x, y).tolist(), name or role)


def _name_threshold(curves: LabelCurves) -> str:
    return f"threshold {curves.threshold:.3g}"


def _show_count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
