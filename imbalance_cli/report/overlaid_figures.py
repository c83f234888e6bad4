"""The figures that one run or several have of a label: precision and recall, ROC, reliability."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.errors import show_percent
from imbalance_cli.report.axes import log_odds, log_odds_axis, number_axis
from imbalance_cli.report.figures import Chart, Dots, Line
from imbalance_cli.report.palette import RUNS
from imbalance_cli.report.wording import show_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imbalance_cli.evaluation.curves import Bin, Curve, LabelCurves

MOST_OVERLAID = len(RUNS)
PAD = 0.25  # log-odds beside the outermost mark
LEAST_SHARE = 0.25  # of an axis that the reported probabilities take, with the raw scores on it
WITHOUT_SKILL = "without skill"


@dataclasses.dataclass(frozen=True)
class DrawnCurves:
    """The curves of a run, and how they are drawn.

    Attributes:
        name: of the run in the legend.
        role: of its colour.
        curves: of the label.
        chosen: name of its threshold in the legend, or nothing.
        chosen_role: of the dot at its threshold.
    """

    name: str
    role: str
    curves: LabelCurves
    chosen: str
    chosen_role: str


def draw_overlaid(names: Sequence[str], curves: Sequence[LabelCurves]) -> list[Chart]:
    """Return the figures of a label that can be drawn, of at most MOST_OVERLAID runs.

    Args:
        names: of the runs, as the legend has them.
        curves: of the label, a run each.
    """
    runs = [
        DrawnCurves(name, role, of_run, "", role)
        for role, name, of_run in zip(RUNS, names, curves, strict=False)
    ]
    drawn = draw_precision_recall(runs), draw_roc(runs), draw_reliability(runs)
    return [figure for figure in drawn if figure is not None]


def draw_precision_recall(
    runs: Sequence[DrawnCurves], title: str = "Precision and recall"
) -> Chart | None:
    """Draw precision against recall; None where there is no positive."""
    first = runs[0].curves
    marks = _trace(runs, "precision_recall", "recall", "precision")
    if not marks or first.prevalence is None:
        return None
    chance = Line("chance", (0, 1), (first.prevalence,) * 2, WITHOUT_SKILL, dashed=True)
    highest = max(value for mark in (chance, *marks) for value in mark.y)
    return Chart(
        "precision_recall",
        title,
        f"Precision against recall over {first.rows:,} rows, {first.positives:,} of them "
        f"positive. {_describe_chosen(runs, 'recall', 'precision')} Without skill the precision "
        f"is {show_number(first.prevalence)}.",
        number_axis("recall", 0, 1),
        number_axis("precision", 0, highest),
        (chance, *marks),
    )


def draw_roc(runs: Sequence[DrawnCurves], title: str = "ROC") -> Chart | None:
    """Draw the ROC curve; None where there is no positive or no negative."""
    marks = _trace(runs, "roc", "false_positive_rate", "recall")
    if not marks:
        return None
    return Chart(
        "roc",
        title,
        "Recall against the false positive rate, the share of negatives decided positive. "
        f"{_describe_chosen(runs, 'false_positive_rate', 'recall')}",
        number_axis("false positive rate", 0, 1),
        number_axis("recall", 0, 1),
        (Line("chance", (0, 1), (0, 1), WITHOUT_SKILL, dashed=True), *marks),
    )


def _trace(runs: Sequence[DrawnCurves], curve: str, x: str, y: str) -> list[Line | Dots]:
    """Return the curve of each run that has it, and over them a dot at each threshold.

    Args:
        runs: to draw.
        curve: its name among the curves of a label.
        x: what it has across, by the name of its value at the threshold.
        y: what it has upward, likewise.
    """
    lines: list[Line | Dots] = []
    dots: list[Line | Dots] = []
    for run in runs:
        points: Curve | None = getattr(run.curves, curve)
        if points is None:
            continue
        # a curve begins at the height of its first point: nothing is known left of it
        places = (0.0, *points.x), (points.y[0], *points.y)
        lines.append(Line(run.role, *places, run.name, steps=curve == "precision_recall"))
        at = getattr(run.curves.decisions, x), getattr(run.curves.decisions, y)
        if None not in at:
            dots.append(Dots(run.chosen_role, (at[0],), (at[1],), run.chosen))
    return [*lines, *dots]


def _describe_chosen(runs: Sequence[DrawnCurves], x: str, y: str) -> str:
    """Return what each run has at its threshold, in sentences."""
    sentences = []
    for run in runs:
        values = (
            f"{name.replace('_', ' ')} {show_number(getattr(run.curves.decisions, name))}"
            for name in (x, y)
        )
        at = f"at the threshold {run.curves.threshold:.3g}, the dot"
        sentences.append(f"{run.name}: {at}, {' and '.join(values)}.")
    return " ".join(sentences)


def draw_reliability(runs: Sequence[DrawnCurves]) -> Chart | None:
    """Draw observed shares against predicted probabilities; None without rows.

    One run has intervals, and its raw scores where they leave room for the probabilities.
    """
    after = [b for run in runs for b in run.curves.after]
    if not after:
        return None
    before = runs[0].curves.before if len(runs) == 1 else ()
    x = _range([b.predicted for b in after])
    both = _range([b.predicted for b in (*before, *after)])
    is_near = (x[1] - x[0]) >= LEAST_SHARE * (both[1] - both[0])
    shown, x = (before, both) if is_near else ((), x)
    seen = [b.predicted for b in after] + [b.observed for b in (*shown, *after)]
    seen += [b.high for b in after] if len(runs) == 1 else []
    y = _range([share for share in seen if 0 < share < 1] or seen)
    diagonal = max(x[0], y[0]), min(x[1], y[1])
    raw = f"raw scores ({_span(before)}) off this scale" if before and not shown else "raw scores"
    marks: list[Line | Dots] = [Line("chance", diagonal, diagonal, "as predicted", dashed=True)]
    if before:
        marks.append(Dots("before", *_places(shown, y), raw, hollow=True, joined=bool(shown)))
    marks += [_dots(run, y, has_bars=len(runs) == 1) for run in runs if run.curves.after]
    intervals = (
        f", with {show_percent(runs[0].curves.confidence)} intervals" if len(runs) == 1 else ""
    )
    worst = max(after, key=lambda b: abs(b.predicted - b.observed))
    return Chart(
        "reliability",
        "Are the probabilities right?",
        f"Observed shares of positives among rows of similar probability, on log-odds scales"
        f"{intervals}; a share of 0 or 1 is drawn at the edge. The farthest of {len(after)} bins "
        f"predicts {worst.predicted:.3g} where {worst.observed:.3g} is observed.",
        log_odds_axis("predicted probability", *x),
        log_odds_axis("observed share", *y),
        tuple(marks),
    )


def _dots(run: DrawnCurves, limits: tuple[float, float], *, has_bars: bool) -> Dots:
    bins = run.curves.after
    bars = [(_place(b.low, limits), _place(b.high, limits)) for b in bins if has_bars]
    name = "probabilities" if has_bars else run.name
    return Dots(run.role, *_places(bins, limits), name, bars=bars, joined=True)


def _places(bins: Iterable[Bin], limits: tuple[float, float]) -> tuple[list[float], list[float]]:
    bins = list(bins)
    x = [log_odds(b.predicted) for b in bins]
    return x, [_place(b.observed, limits) for b in bins]


def _place(share: float, limits: tuple[float, float]) -> float:
    """Return the log-odds of a share, those past the limits of an axis at its edge."""
    return min(max(log_odds(share), limits[0]), limits[1])


def _range(shares: Sequence[float]) -> tuple[float, float]:
    """Return the log-odds of shares and some room, in proportion to how far they spread."""
    low, high = log_odds(min(shares)), log_odds(max(shares))
    room = min(PAD, 0.08 * (high - low)) or PAD
    return low - room, high + room


def _span(bins: Sequence[Bin]) -> str:
    predicted = [b.predicted for b in bins]
    return f"{min(predicted):.2g} to {max(predicted):.2g}"
