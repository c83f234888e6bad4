"""The figures of one label of several runs, over each other: a colour a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.report.figures import Chart, Dots, Line, log_odds_axis, unit_axis
from imbalance_cli.report.label_figures import PAD, log_odds, place_share
from imbalance_cli.report.palette import RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation.curves import LabelCurves

MOST_OVERLAID = len(RUNS)


def draw_overlaid(names: Sequence[str], curves: Sequence[LabelCurves]) -> list[Chart]:
    """Return the figures of a label that can be drawn, of at most MOST_OVERLAID runs.

    Args:
        names: of the runs, as the legend has them.
        curves: of the label, a run each.
    """
    runs = list(zip(RUNS, names, curves, strict=False))
    drawn = (_draw_precision_recall(runs), _draw_roc(runs), _draw_reliability(runs))
    return [figure for figure in drawn if figure is not None]


Runs = list[tuple[str, str, "LabelCurves"]]  # the role of its colour, its name, its curves


def _draw_precision_recall(runs: Runs) -> Chart | None:
    prevalence = runs[0][2].prevalence
    marks: list[Line | Dots] = []
    chosen: list[Dots] = []
    for role, name, curves in runs:
        curve, decisions = curves.precision_recall, curves.decisions
        if curve is None:
            continue
        x, y = (0.0, *curve.x), (curve.y[0], *curve.y)
        marks.append(Line(role, x, y, name, steps=True))
        if decisions.recall is not None and decisions.precision is not None:
            place = (decisions.recall,), (decisions.precision,)
            chosen.append(Dots(role, *place, joined=False))
    if not marks or prevalence is None:
        return None
    chance = Line("chance", (0, 1), (prevalence,) * 2, "without skill", dashed=True)
    return Chart(
        "precision_recall",
        "Precision and recall",
        f"Precision against recall of {_list(runs)} over the same {runs[0][2].rows:,} rows, "
        f"{runs[0][2].positives:,} of them positive; dots are at the threshold of each run.",
        unit_axis("recall"),
        unit_axis("precision"),
        (chance, *marks, *chosen),
    )


def _draw_roc(runs: Runs) -> Chart | None:
    marks: list[Line | Dots] = []
    chosen: list[Dots] = []
    for role, name, curves in runs:
        decisions = curves.decisions
        if curves.roc is None:
            continue
        marks.append(Line(role, curves.roc.x, curves.roc.y, name))
        if decisions.recall is not None and decisions.false_positive_rate is not None:
            place = (decisions.false_positive_rate,), (decisions.recall,)
            chosen.append(Dots(role, *place, joined=False))
    if not marks:
        return None
    return Chart(
        "roc",
        "ROC",
        f"Recall against the share of negatives decided positive, of {_list(runs)}; dots are at "
        "the threshold of each run.",
        unit_axis("false positive rate"),
        unit_axis("recall"),
        (Line("chance", (0, 1), (0, 1), "without skill", dashed=True), *marks, *chosen),
    )


def _draw_reliability(runs: Runs) -> Chart | None:
    bins = [b for _, _, curves in runs for b in curves.after]
    if not bins:
        return None
    known = [log_odds(b.predicted) for b in bins]
    known += [log_odds(b.observed) for b in bins if 0 < b.observed < 1]
    low, high = min(known) - PAD, max(known) + PAD
    marks = [
        Dots(
            role,
            [log_odds(b.predicted) for b in curves.after],
            [place_share(b.observed, (low, high)) for b in curves.after],
            name,
        )
        for role, name, curves in runs
        if curves.after
    ]
    return Chart(
        "reliability",
        "Are the probabilities right?",
        f"The share of positives among rows of like probability of {_list(runs)}, on scales of "
        "log-odds; a share of 0 or 1 is drawn at the edge.",
        log_odds_axis("predicted probability", low, high),
        log_odds_axis("observed share", low, high),
        (Line("chance", (low, high), (low, high), "as predicted", dashed=True), *marks),
    )


def _list(runs: Runs) -> str:
    return ", ".join(name for _, name, _ in runs)
