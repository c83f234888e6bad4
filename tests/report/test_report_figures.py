"""Figures: what they say, how they are laid out, and that every painter draws the same."""

from __future__ import annotations

import dataclasses
import io
import itertools
import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_data import NASTY, make_report
from sklearn.metrics import f1_score

from imbalance_cli.evaluation.curves import Costs, compute_curves
from imbalance_cli.report.axes import log_odds, log_odds_axis, number_axis
from imbalance_cli.report.contents import TrainingHistory
from imbalance_cli.report.figures import WIDTH, Axis, Bars, Cell, Chart, Dots, Line
from imbalance_cli.report.label_figures import draw_label, draw_labels
from imbalance_cli.report.overlaid_figures import draw_overlaid
from imbalance_cli.report.palette import MARKS, PAPER, RAISED, TEXTS
from imbalance_cli.report.png import to_png
from imbalance_cli.report.run_figures import draw_run
from imbalance_cli.report.scene import Path, Ring, Text, lay_out
from imbalance_cli.report.svg import to_inline_svg, to_svg

if TYPE_CHECKING:
    from imbalance_cli.evaluation.curves import LabelCurves
    from imbalance_cli.report.palette import Colour

SVG = "{http://www.w3.org/2000/svg}"
REPORT = make_report([f"label_{i}" for i in range(4)])
LABEL = REPORT.evaluation.labels[0]
FIGURES = [*draw_run(REPORT), *draw_label(REPORT.curves[0], LABEL, has_costs=True)]


def curves_of(p: list[float], y: list[float]) -> LabelCurves:
    probabilities = np.array(p, np.float64)
    return compute_curves(
        "y",
        probabilities,
        probabilities,
        np.array(y, np.float64),
        threshold=0.5,
        costs=Costs(),
        confidence=0.95,
    )


def names(figures: list[Chart]) -> list[str]:
    return [figure.name for figure in figures]


LABEL_FIGURES = [
    *("precision_recall", "roc", "thresholds", "benefit", "reliability", "scores", "confusion"),
]


def test_a_run_with_several_labels_has_every_figure() -> None:
    assert names(draw_run(REPORT)) == [
        "labels",
        "labels_roc_auc",
        "labels_f1",
        "training_loss",
        "validation",
        "together",
    ]
    assert names(draw_label(REPORT.curves[0], LABEL)) == LABEL_FIGURES


def test_a_run_with_one_label_has_no_ranking_and_no_pairs() -> None:
    assert names(draw_run(make_report(["alone"]))) == ["training_loss", "validation"]


@pytest.mark.parametrize(
    ("p", "y", "drawn"),
    [
        ([0.2, 0.7], [0.0, 0.0], ["reliability", "scores", "confusion"]),
        ([0.2, 0.7], [1.0, 1.0], ["precision_recall", "reliability", "scores", "confusion"]),
        ([0.2, 0.7], [math.nan, math.nan], []),
        ([0.2, 0.2, 0.2], [0.0, 1.0, 0.0], LABEL_FIGURES),
        ([0.0, 1.0], [0.0, 1.0], LABEL_FIGURES),
    ],
    ids=["no positives", "no negatives", "all missing", "one score", "certain"],
)
def test_degenerate_labels_draw_what_is_defined(
    p: list[float], y: list[float], drawn: list[str]
) -> None:
    figures = draw_label(curves_of(p, y), LABEL)
    assert names(figures) == drawn
    for figure in figures:
        check_scene(figure)
        ET.fromstring(to_svg(figure, "y"))  # noqa: S314  our own


def check_scene(figure: Chart) -> None:
    """Hold every shape of a figure to the paper and to numbers."""
    scene = lay_out(figure, "A heading")
    for shape in scene.shapes:
        match shape:
            case Path():
                places = list(shape.points)
            case Ring() | Text():
                places = [(shape.x, shape.y)]
        for x, y in places:
            assert 0 <= x <= scene.width
            assert 0 <= y <= scene.height


@pytest.mark.parametrize("figure", FIGURES, ids=names(FIGURES))
def test_every_shape_lies_on_the_paper(figure: Chart) -> None:
    check_scene(figure)


@pytest.mark.parametrize("figure", FIGURES, ids=names(FIGURES))
def test_svg_is_xml_with_a_title_a_description_and_every_text(figure: Chart) -> None:
    root = ET.fromstring(to_svg(figure, "Heading of it"))  # noqa: S314  our own
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == title.get("id")
    assert root.get("aria-describedby") == description.get("id")
    assert title.text == "Heading of it"
    assert description.text == figure.description
    written = {element.text for element in root.iter(f"{SVG}text")}
    wanted = {s.text for s in lay_out(figure, "Heading of it").shapes if isinstance(s, Text)}
    assert written == wanted


@pytest.mark.parametrize("figure", FIGURES, ids=names(FIGURES))
def test_png_is_the_size_of_the_scene_and_not_blank(figure: Chart) -> None:
    content = to_png(figure, "Heading")
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    scene = lay_out(figure, "Heading")
    assert picture.size == (int(scene.width * 2), int(scene.height * 2))
    colours = picture.getcolors(maxcolors=1 << 20)
    assert colours is not None
    assert len(colours) > 10
    assert content == to_png(figure, "Heading")


def test_painters_draw_a_line_at_the_same_place() -> None:
    axis = Axis("", 0.0, 1.0, ((0.0, "0"), (1.0, "1")))
    chart = Chart("n", "t", "d", axis, axis, (Line("positive", (0.25, 0.75), (0.5, 0.5)),))
    [line] = [s for s in lay_out(chart).shapes if isinstance(s, Path) and s.role == "positive"]
    (left, y), (right, _) = line.points
    assert f"M{left:.1f} {y:.1f} {right:.1f} {y:.1f}".replace(".0", "") in to_inline_svg(
        chart, "i", "h"
    )
    [moved] = [
        s for s in lay_out(chart, "h").shapes if isinstance(s, Path) and s.role == "positive"
    ]
    picture = Image.open(io.BytesIO(to_png(chart, "h"))).convert("RGB")
    wanted = tuple(int(MARKS["positive"].light[i : i + 2], 16) for i in (1, 3, 5))
    row = round(moved.points[0][1] * 2)
    found = [
        x
        for x in range(picture.width)
        for y in (row - 1, row)
        if max(abs(a - b) for a, b in zip(colour_at(picture, x, y), wanted, strict=True)) < 60
    ]
    assert min(found) == pytest.approx(left * 2, abs=3)
    assert max(found) == pytest.approx(right * 2, abs=3)


def colour_at(picture: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    colour = picture.getpixel((x, y))
    assert isinstance(colour, tuple)
    return int(colour[0]), int(colour[1]), int(colour[2])


def test_names_that_break_markup_are_drawn_as_text() -> None:
    report = make_report(NASTY, drawn=len(NASTY))
    for figure in [*draw_run(report), *draw_label(report.curves[0], report.evaluation.labels[0])]:
        root = ET.fromstring(to_svg(figure, NASTY[0]))  # noqa: S314  our own
        assert root.find(f".//{SVG}script") is None
        assert to_png(figure, " ".join(NASTY)[:100])


@given(st.floats(-27, 27), st.floats(0.0001, 30))
def test_axis_of_log_odds_has_ticks_in_order_at_their_probabilities(
    low: float, span: float
) -> None:
    axis = log_odds_axis("x", low, low + span)
    assert axis.low <= low
    assert axis.high >= low + span
    assert len(axis.ticks) >= 3
    places = [place for place, _ in axis.ticks]
    assert places == sorted(places)
    assert len({text for _, text in axis.ticks}) == len(axis.ticks)
    for place, text in axis.ticks:
        assert axis.low <= place <= axis.high
        assert len(text) < 10
        shown = 1 - float(text[2:]) if text.startswith("1-") else float(text)
        assert shown == pytest.approx(1 / (1 + math.exp(-place)), rel=0.05)


@pytest.mark.parametrize("share", [0.001, 0.03, 0.5, 0.97])
def test_axis_of_log_odds_does_not_widen_narrow_scores(share: float) -> None:
    low = log_odds(share)
    axis = log_odds_axis("x", low, low + 0.3)
    assert axis.high - axis.low == pytest.approx(0.3)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 2), (0, 3), (1, 64)])
def test_axis_of_epochs_has_whole_ticks(first: int, last: int) -> None:
    axis = number_axis("epoch", first, last, least_step=1)
    assert len(axis.ticks) >= 3
    assert all(place == int(place) and text == f"{place:.0f}" for place, text in axis.ticks)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_axis_of_numbers_holds_them_with_a_few_round_ticks(low: float, span: float) -> None:
    axis = number_axis("x", low, low + span)
    unseen = 1e-6 * (axis.high - axis.low)
    assert axis.low <= low + unseen
    assert axis.high >= low + span - unseen
    assert 3 <= len(axis.ticks) <= 8
    steps = [b - a for (a, _), (b, _) in itertools.pairwise(axis.ticks)]
    assert min(steps) == pytest.approx(max(steps), rel=1e-3)


def test_a_ranking_of_some_labels_says_which_of_how_many() -> None:
    chosen = {f"label_{i}": [["among the best"], ["among the worst"]][i % 2] for i in range(4)}
    report = dataclasses.replace(
        make_report([f"label_{i}" for i in range(9)], drawn=4), chosen=chosen
    )
    ranking = draw_run(report)[0]
    assert ranking.title == "AP of 4 of 9 labels"
    assert "the best, the worst and the rarest: 4 of 9 labels" in ranking.description
    rows = [text for _, text in ranking.y.ticks]
    assert [rows.index(f"among the {kind}:") for kind in ("best", "worst")] == [0, 3]
    assert {chosen[name][0] for name in rows[1:3]} == {"among the best"}
    assert {chosen[name][0] for name in rows[4:]} == {"among the worst"}
    texts = [shape.text for shape in lay_out(ranking).shapes if isinstance(shape, Text)]
    assert texts.count("among the best:") == texts.count("among the worst:") == 1
    check_scene(ranking)


def test_a_ranking_without_what_was_not_learned_says_so() -> None:
    ranking = draw_run(make_report(["a", "b", "c"], drawn=2))[0]
    assert ranking.title == "AP of the learned labels: 2 of 3 labels"


def test_cost_has_a_figure_where_costs_are_given_or_chosen_for() -> None:
    curves = REPORT.curves[0]
    assert "cost" not in names(next(draw_labels(REPORT))[2])
    given = dataclasses.replace(curves, costs=Costs(1.0, 10.0))
    assert "cost" in names(next(draw_labels(dataclasses.replace(REPORT, curves=[given])))[2])
    settings = {**REPORT.settings, "thresholds": {"objective": "cost"}}
    [chosen_for] = list(draw_labels(dataclasses.replace(REPORT, settings=settings)))[:1]
    figure = next(figure for figure in chosen_for[2] if figure.name == "cost")
    assert "divided by that of deciding all rows alike" in figure.description
    [thresholds] = [figure for figure in chosen_for[2] if figure.name == "thresholds"]
    assert "cost" not in {mark.name for mark in thresholds.marks}


def test_what_costs_more_than_twice_as_much_does_not_press_the_rest_together() -> None:
    curves = REPORT.curves[0]
    found = dataclasses.replace(
        curves.thresholds,  # type: ignore[type-var]
        threshold=(0.9, 0.7, 0.5, 0.3, 0.1),
        **dict.fromkeys(("precision", "recall", "f1"), (0.5,) * 5),
        cost=(1.0, 0.8, 0.9, 7.0, 20.0),
    )
    drawn = draw_label(dataclasses.replace(curves, thresholds=found), LABEL, has_costs=True)
    figure = next(figure for figure in drawn if figure.name == "cost")
    assert (figure.y.low, figure.y.high) == (0.0, 2.0)
    assert "Costs over 2 lie at the upper edge" in figure.description


def narrow_curves(*, threshold: float = 0.03, skew: float = 0.0) -> LabelCurves:
    """Return curves of probabilities near 3 %, whose raw scores are around a half."""
    random = np.random.default_rng(0)
    y = (random.random(3000) < 0.03).astype(np.float64)
    p = np.clip(0.03 + 0.002 * random.normal(size=3000) + 0.001 * y, 0.02, 0.04)
    p[0] += skew
    raw = 32 * p / (32 * p + 1 - p)
    return compute_curves("y", p, raw, y, threshold=threshold, costs=Costs(), confidence=0.95)


def figure_of(curves: LabelCurves, name: str) -> Chart:
    return next(figure for figure in draw_label(curves, LABEL) if figure.name == name)


@pytest.mark.parametrize("skew", [0.0, 0.9], ids=["plain", "with an outlier"])
def test_narrow_scores_fill_the_width_of_their_figures(skew: float) -> None:
    curves = narrow_curves(skew=skew)
    scores = figure_of(curves, "scores")
    counts = np.zeros(30)
    for mark in scores.marks:
        if isinstance(mark, Bars):
            counts += mark.heights
            assert mark.edges[0] >= scores.x.low
    assert (counts > 0.01).sum() >= 10
    assert figure_of(curves, "thresholds").x == dataclasses.replace(scores.x, title="threshold")
    reliability = figure_of(narrow_curves(), "reliability")
    [dots] = [m for m in reliability.marks if isinstance(m, Dots) and m.role == "model"]
    assert max(dots.x) - min(dots.x) > 0.7 * (reliability.x.high - reliability.x.low)
    legend = {mark.name for mark in reliability.marks}
    assert any("off this scale" in name for name in legend)


def test_a_threshold_far_from_the_scores_leaves_them_their_room() -> None:
    near, far = (figure_of(narrow_curves(threshold=at), "scores") for at in (0.03, 0.9))
    assert (near.x.low, near.x.high) == (far.x.low, far.x.high)
    assert [len(m.x) for f in (near, far) for m in f.marks if isinstance(m, Line)] == [2, 0]
    assert "threshold 0.9" in {mark.name for mark in far.marks}
    check_scene(far)
    assert to_png(far, "y")


def test_titles_have_the_area_under_their_curves() -> None:
    titles = {figure.name: figure.title for figure in draw_label(REPORT.curves[0], LABEL)}
    assert titles["precision_recall"].endswith(f"AP {LABEL.average_precision.value:.3f}")
    assert titles["roc"] == f"ROC, AUC {LABEL.roc_auc.value:.3f}"


@pytest.mark.parametrize("figure", FIGURES, ids=names(FIGURES))
def test_axes_are_named_and_texts_are_no_smaller_than_a_reader_needs(figure: Chart) -> None:
    assert figure.x.title
    assert figure.y.title
    for axis in (figure.x, figure.y):
        assert len(axis.ticks) >= 3 or not axis.has_grid
    texts = [shape for shape in lay_out(figure, "Heading").shapes if isinstance(shape, Text)]
    assert min(text.size for text in texts) >= 12
    assert {figure.x.title, figure.y.title} <= {text.text for text in texts}


def test_loss_and_validation_share_their_epochs_and_name_what_was_kept() -> None:
    training = [
        TrainingHistory([1, 2, 3, 4], [0.9, 0.5, 0.4, 0.3], [0.3, 0.6, 0.5, 0.4], 2),
        TrainingHistory([1, 2, 3], [0.8, 0.6, 0.45], [0.3, 0.5, 0.7], 3),
    ]
    for networks, epochs, losses, scores in (
        (training[:1], "epoch 2", "0.5", "0.6"),
        (training, "epochs 2 to 3", "0.45 to 0.5", "0.6 to 0.7"),
    ):
        drawn = draw_run(dataclasses.replace(REPORT, training=networks))
        loss, validation = (f for f in drawn if f.name in {"training_loss", "validation"})
        assert loss.x == validation.x
        assert f"best: {epochs}, {losses}" in {mark.name for mark in loss.marks}
        assert f"best: {epochs}, {scores}" in {mark.name for mark in validation.marks}
        assert f"weights of {epochs} were kept: training loss {losses}" in loss.description
        assert validation.y.title == "validation calibrated log loss"


@pytest.mark.parametrize(
    ("leaders", "kept", "said"),
    [
        (1, [2, 6], "what it had become after 2 and 6 epochs."),
        (1, [2], "what it had become after 2 epochs."),
        (1, [2, 2], "what it had become after 2 epochs."),
        (
            2,
            [2],
            "the mean of what it had become after 2 epochs and of the network that none followed.",
        ),
        (1, [], ""),
    ],
)
def test_what_learned_from_the_validation_rows_is_said_as_far_as_it_came(
    leaders: int, kept: list[int], said: str
) -> None:
    """It may be ended before; its losses are drawn nowhere."""
    training = [
        *[TrainingHistory([1, 2, 3, 4], [0.9, 0.5, 0.4, 0.3], [0.3, 0.6, 0.5, 0.4], 2)] * leaders,
        *[TrainingHistory([5, 6], [0.4, 0.3], [math.nan] * 2, 6)] * 2,
    ]
    trained = [{"seed": 0, "fold": 0, "best_epoch": 2}] * leaders
    trained += [{"seed": 1, "fold": 0, "best_epoch": n, "refitted": True} for n in kept]
    document = {**REPORT.document, "trained": trained}
    drawn = draw_run(dataclasses.replace(REPORT, training=training, document=document))
    [loss] = [figure for figure in drawn if figure.name == "training_loss"]
    assert loss.x.high < 5
    if not kept:
        assert "the weights of epoch 2 were kept: training loss 0.5" in loss.description
        return
    assert "epoch 2 had the best validation score: training loss 0.5" in loss.description
    learned = "1 other network then learned from the validation rows too; the model is "
    assert loss.description.endswith(learned + said)


def test_runs_over_each_other_share_the_figures_of_one() -> None:
    runs = draw_overlaid(["first", "second"], [REPORT.curves[0], REPORT.curves[1]])
    assert names(runs) == ["precision_recall", "roc", "reliability"]
    for figure in runs:
        assert {"first", "second"} <= {mark.name for mark in figure.marks}
        check_scene(figure)


@pytest.mark.parametrize("letter", ["x", "m", "0", "R", "W"])
def test_long_names_stay_on_the_paper(letter: str) -> None:
    report = make_report([letter * 500, "b"])
    label = report.evaluation.labels[0]
    for figure in (draw_run(report)[0], draw_label(report.curves[0], label)[0]):
        heading = f"{figure.title}: {letter * 500}"
        picture = Image.open(io.BytesIO(to_png(figure, heading))).convert("RGB")
        edges = [picture.crop((x, 0, x + 4, picture.height)) for x in (0, picture.width - 4)]
        for edge in edges:
            assert len(edge.getcolors() or ()) == 1, figure.name


@pytest.mark.parametrize(
    ("tallest", "ticks"),
    [(0.9, "0% 20% 40% 60% 80% 100%"), (0.05, "0% 1% 2% 3% 4% 5%"), (0.012, "0.0% 0.5% 1.0% 1.5%")],
)
def test_shares_of_a_class_are_per_cents_however_small(tallest: float, ticks: str) -> None:
    curves = REPORT.curves[0]
    found = dataclasses.replace(
        curves.histogram,  # type: ignore[type-var]
        edges=(0.1, 0.2, 0.3),
        positives=(tallest, 0.0),
        negatives=(tallest / 2, tallest / 3),
    )
    chart = figure_of(dataclasses.replace(curves, histogram=found), "scores")
    assert [text for _, text in chart.y.ticks] == ticks.split()


def test_f1_is_ranked_against_deciding_every_row_positive() -> None:
    ranking = next(figure for figure in draw_run(REPORT) if figure.name == "labels_f1")
    labels = {label.label: label for label in REPORT.evaluation.labels}
    rows = [labels[text] for _, text in ranking.y.ticks]
    chances, values = (m for m in ranking.marks if isinstance(m, Dots))
    for label, chance, value in zip(rows, chances.x, values.x, strict=True):
        targets = np.r_[np.ones(label.positives), np.zeros(label.support - label.positives)]
        assert chance == pytest.approx(f1_score(targets, np.ones(label.support)))
        assert value == label.f1.value


def test_matrix_of_many_columns_numbers_them() -> None:
    report = make_report([f"a_rather_long_name_{i}" for i in range(15)], drawn=15)
    matrix = next(figure for figure in draw_run(report) if figure.name == "together")
    assert [text for _, text in matrix.x.ticks] == [str(i + 1) for i in range(15)]
    texts = [shape.text for shape in lay_out(matrix).shapes if isinstance(shape, Text)]
    assert {str(i + 1) for i in range(15)} <= set(texts)
    assert len([mark for mark in matrix.marks if isinstance(mark, Cell)]) == 15 * 15
    assert matrix.width > WIDTH
    check_scene(matrix)


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted([luminance(first), luminance(second)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("colour", "paper", "least"),
    [
        *((colour, PAPER, 3.0) for colour in MARKS.values()),
        *((colour, PAPER, 4.5) for colour in TEXTS.values()),
        *((colour, RAISED, 4.5) for colour in TEXTS.values()),
    ],
)
def test_colours_stand_out_from_the_paper(colour: Colour, paper: Colour, least: float) -> None:
    assert contrast(colour.light, paper.light) >= least
    assert contrast(colour.dark, paper.dark) >= least
