"""report.html: all of a run in one file that loads nothing."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from imbalance_cli.report.figures import Matrix
from imbalance_cli.report.label_figures import draw_label
from imbalance_cli.report.label_table import write_table
from imbalance_cli.report.palette import COLOURS
from imbalance_cli.report.run_figures import draw_run
from imbalance_cli.report.scene import plain
from imbalance_cli.report.svg import SHADES, figure_style, to_inline_svg
from imbalance_cli.report.wording import (
    MULTILABEL_WORDS,
    READING,
    UNDEFINED,
    show_interval,
    show_number,
    show_share,
    show_threshold,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imbalance_cli.curves import LabelCurves
    from imbalance_cli.evaluation import Evaluation, LabelEvaluation
    from imbalance_cli.report.contents import RunReport
    from imbalance_cli.report.figures import Figure

PACKAGE, FOLDER = "imbalance_cli.report", "page"
OPEN_LABELS = 3  # with so many labels or fewer, all are unfolded; else the first
HEADING = 90  # letters of a name in a heading


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A figure in a page."""

    title: str
    svg: Markup


@dataclasses.dataclass(frozen=True)
class DrawnLabel:
    """A label's figures, folded or not.

    Attributes:
        number: of its place in the page.
        name: as shown.
        facts: what is said of it in its heading.
        note: what is said below, or nothing.
        open: whether it is unfolded at first.
        figures: to show.
    """

    number: int
    name: str
    facts: str
    note: str
    open: bool
    figures: list[Drawn]


@dataclasses.dataclass(frozen=True)
class KeyNumber:
    """A number of the summary."""

    name: str
    value: str
    note: str


def to_html(report: RunReport) -> bytes:
    """Return the page of a run."""
    environment = Environment(
        loader=PackageLoader(PACKAGE, FOLDER), autoescape=True, undefined=StrictUndefined
    )
    script, style = _read("page.js"), _colours() + figure_style() + _read("page.css")
    evaluation = report.evaluation
    places = {curves.label: f"label-{i + 1}" for i, curves in enumerate(report.curves)}
    figures = {figure.name: figure for figure in draw_run(report)}
    page = environment.get_template("page.html.j2").render(
        title=_title(report),
        lede=_lede(report),
        sections=_sections(figures),
        findings=report.findings,
        reading=_reading(evaluation),
        remarks=_data(report).get("remarks", []),
        numbers=_key_numbers(evaluation),
        ranking=_draw(figures, "labels"),
        table=write_table(evaluation, places),
        table_note=_table_note(evaluation),
        drawn=[_draw_label(i + 1, curves, report) for i, curves in enumerate(report.curves)],
        drawn_note=_drawn_note(report),
        reading_terms=READING.items(),
        training=[
            _draw(figures, name) for name in ("training_loss", "validation") if name in figures
        ],
        training_text=figures["validation"].description if "validation" in figures else "",
        data=list(_describe_data(report)),
        weights=_weights_table(report),
        weights_text=_weights_text(report),
        together=_together(figures),
        config=report.config,
        versions=report.document["versions"],
        run=report.run,
        script=Markup(script),  # noqa: S704  our own file
        style=Markup(style),  # noqa: S704  our own file
        script_hash=_hash(script),
        style_hash=_hash(style),
    )
    # names may hold what no encoding can: half of a pair of UTF-16
    return (page + "\n").encode(errors="replace")


def _read(name: str) -> str:
    return resources.files(PACKAGE).joinpath(FOLDER, name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy knows an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _colours() -> str:
    """Return the palette as custom properties, for both kinds of paper."""

    def properties(side: str) -> str:
        colours = "".join(f"--{role}:{getattr(c, side)};" for role, c in COLOURS.items())
        return f"color-scheme:{side};{colours}"

    light, dark = properties("light"), properties("dark")
    return (
        f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f":root[data-theme=light]{{{light}}}:root[data-theme=dark]{{{dark}}}"
    )


# ------------------------------------------------------------------------------------ the summary


def _title(report: RunReport) -> str:
    labels = report.evaluation.labels
    if len(labels) == 1:
        return plain(labels[0].label, HEADING)
    return f"{len(labels):,} labels of {plain(report.evaluation.source, HEADING)}"


def _lede(report: RunReport) -> str:
    evaluation = report.evaluation
    part = evaluation.part.replace("_", "-")
    made = str(report.document["created"])[:16].replace("T", " ")
    return (
        f"{evaluation.rows:,} {part} rows of {evaluation.source}, which the model did not learn "
        f"from. Run {report.run}, {made} UTC."
    )


def _sections(figures: Mapping[str, Figure]) -> list[tuple[str, str]]:
    sections = [("summary", "Summary"), ("labels", "Numbers"), ("figures", "Figures")]
    sections += [("training", "Training")] if "validation" in figures else []
    sections += [("data", "Data"), ("weights", "Weights")]
    sections += [("together", "Together")] if "together" in figures else []
    return [*sections, ("config", "Config")]


def _reading(evaluation: Evaluation) -> str:
    """Return how the numbers are to be read."""
    sentences = []
    if evaluation.part == "valid":
        sentences.append(
            "There was no test part: these are the validation rows, on which the epoch, the "
            "calibration and the thresholds were chosen, so the numbers flatter the model."
        )
    if evaluation.part == "out_of_fold":
        sentences.append(
            "There was no test part: these rows were held out of each fold in turn, and "
            "calibration and thresholds were chosen on them, so the numbers flatter the model."
        )
    if evaluation.replicates:
        sentences.append(
            f"Intervals are {evaluation.confidence:.0%}, over {evaluation.replicates} bootstrap "
            "replicates of these rows; they do not cover training again."
        )
    if evaluation.weighted:
        sentences.append("Every number but the counts is weighted by the sample weights.")
    return " ".join(sentences)


def _key_numbers(evaluation: Evaluation) -> list[KeyNumber]:
    if len(evaluation.labels) == 1:
        return _label_numbers(evaluation.labels[0])
    numbers = []
    for key, name in (
        ("average_precision", "Macro AP"),
        ("roc_auc", "Macro ROC AUC"),
        ("f1", "Macro F1"),
    ):
        over = evaluation.macro_labels[key]
        note = f"mean over {over:,} of {len(evaluation.labels):,} labels"
        numbers.append(KeyNumber(name, show_number(evaluation.macro[key]), note))
    micro = evaluation.micro
    numbers.append(KeyNumber("Micro F1", show_number(micro["f1"]), "all cells together"))
    for key, value in evaluation.multilabel.items():
        if key in {"samples_f1", "subset_accuracy"}:
            name = {"samples_f1": "Samples F1", "subset_accuracy": "Subset accuracy"}[key]
            numbers.append(KeyNumber(name, show_number(value), MULTILABEL_WORDS[key]))
    return numbers


def _label_numbers(label: LabelEvaluation) -> list[KeyNumber]:
    ap, auc, skill = label.average_precision, label.roc_auc, label.brier_skill
    interval = show_interval(ap.low, ap.high)
    chance = f"{show_number(label.prevalence)} without skill"
    threshold = f"at the threshold {show_threshold(label.threshold)}"
    return [
        KeyNumber(
            "Average precision", show_number(ap.value), "; ".join(filter(None, (interval, chance)))
        ),
        KeyNumber("ROC AUC", show_number(auc.value), show_interval(auc.low, auc.high)),
        KeyNumber("Precision", show_number(label.precision.value), threshold),
        KeyNumber("Recall", show_number(label.recall.value), f"of {label.positives:,} positives"),
        KeyNumber("F1", show_number(label.f1.value), show_interval(label.f1.low, label.f1.high)),
        KeyNumber("Brier skill", show_number(skill.value), f"ECE {show_number(label.ece.value)}"),
    ]


def _table_note(evaluation: Evaluation) -> str:
    levels = evaluation.levels
    over = evaluation.macro_labels["average_precision"]
    macro = f"macro: the mean over {over:,} labels where AP is defined. "
    return (
        (macro if len(evaluation.labels) > 1 else "")
        + f"Precision at k is of the {levels.top_k:,} rows of highest probability; recall at "
        f"precision is at {levels.at_precision:g}. A dash is undefined; its tooltip says why."
    )


# --------------------------------------------------------------------------------- label by label


def _draw(figures: Mapping[str, Figure], name: str) -> Drawn | None:
    if name not in figures:
        return None
    figure = figures[name]
    return Drawn(figure.title, to_inline_svg(figure, f"run-{name}", figure.title))


def _draw_label(number: int, curves: LabelCurves, report: RunReport) -> DrawnLabel:
    name = plain(curves.label, HEADING)
    label = next(label for label in report.evaluation.labels if label.label == curves.label)
    ap = label.average_precision
    facts = [
        f"{curves.positives:,} positives in {curves.rows:,} rows ({show_share(curves.prevalence)})",
        f"AP {show_number(ap.value)}",
        *report.chosen.get(curves.label, ()),
    ]
    figures = [
        Drawn(
            figure.title,
            to_inline_svg(figure, f"l{number}-{figure.name}", f"{figure.title}: {name}"),
        )
        for figure in draw_label(curves)
    ]
    note = ""
    if not curves.rows:
        note = "No row has a known target: there is nothing to draw."
    elif not curves.positives or curves.positives == curves.rows:
        side = "positives" if not curves.positives else "negatives"
        note = f"These rows have no {side}: the curves that need both classes are left out."
    opened = len(report.curves) <= OPEN_LABELS or number == 1
    return DrawnLabel(number, name, " · ".join(facts), note, opened, figures)


def _drawn_note(report: RunReport) -> str:
    left = [label for label in report.evaluation.labels if not label.learnable]
    total = len(report.evaluation.labels)
    sentences = []
    if report.chosen:
        sentences.append(
            f"Of {total:,} labels, {len(report.curves)} are drawn: the rarest, and the worst and the "
            "best by average precision."
        )
    if left:
        names = ", ".join(plain(label.label, HEADING) for label in left[:OPEN_LABELS])
        others = f" and {len(left) - OPEN_LABELS:,} more" if len(left) > OPEN_LABELS else ""
        sentences.append(f"Not drawn, since training had one class of them only: {names}{others}.")
    return " ".join(sentences)


# ------------------------------------------------------------------------ data, weights, together


def _data(report: RunReport) -> Mapping[str, Any]:
    """Return what run.json holds of the data; nothing where the run was taken from a comparison."""
    data: Mapping[str, Any] | None = report.document.get("data")
    return data or {}


def _describe_data(report: RunReport) -> Iterator[tuple[str, str]]:
    data, settings = _data(report), report.settings
    sources = data.get("sources", {report.evaluation.part: report.evaluation.source})
    yield "Sources", "; ".join(dict.fromkeys(sources.values()))
    if "rows" in data:
        parts = (
            f"{part.replace('_', ' ')} {rows:,}" for part, rows in data["rows"].items() if rows
        )
        yield "Rows", ", ".join(parts)
    split = settings["split"]
    shares = f"valid {split['valid']:g}, test {split['test']:g} of the rows"
    yield "Split", f"{data.get('split', split['strategy'])}; {shares}; seed {split['seed']}"
    for key in ("group", "time", "part", "sample_weight"):
        if settings["data"][key] is not None:
            yield key.replace("_", " ").capitalize(), f"column {settings['data'][key]}"
    features = report.document["features"]
    numbers = [feature["kind"] for feature in features["numeric"]]
    kinds = {
        "numbers": numbers.count("number"),
        "dates": numbers.count("date"),
        "categories": len(features["categorical"]),
    }
    total = sum(kinds.values())
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    yield "Features", f"{total:,} columns: {listed}" if total else "none"
    if data.get("dropped"):
        yield "Left out", f"constant in the training rows: {', '.join(data['dropped'])}"
    if settings["data"]["exclude"]:
        yield "Excluded", ", ".join(settings["data"]["exclude"])
    yield "Missing labels", str(settings["data"]["missing_labels"])


@dataclasses.dataclass(frozen=True)
class PlainColumn:
    """The head of a column."""

    name: str
    meaning: str


@dataclasses.dataclass(frozen=True)
class PlainTable:
    """A table of texts."""

    columns: list[PlainColumn]
    rows: list[tuple[str, list[str]]]


def _weights_table(report: RunReport) -> PlainTable:
    columns = [
        PlainColumn("Label", "the name of the label"),
        PlainColumn("Training positives", "rows of the training part whose target is 1"),
        PlainColumn("Training negatives", "rows of the training part whose target is 0"),
        PlainColumn("pos_weight", "what the loss multiplies a positive by"),
        PlainColumn("Shift", "log(pos_weight): what it adds to the log-odds, and is undone"),
        PlainColumn("Calibration", "the step after the inverse link"),
        PlainColumn("Threshold", "the probability from which a row is decided positive"),
        PlainColumn("Chosen on", "positives of the validation rows that it rests on"),
    ]
    shown = {curves.label for curves in report.curves}
    labels = report.document["labels"]
    training = _data(report).get("training", [{}] * len(labels))
    rows = [
        (plain(label["label"], HEADING), list(_weights_cells(label, counts)))
        for label, counts in zip(labels, training, strict=True)
        if label["label"] in shown
    ]
    return PlainTable(columns, rows)


def _weights_cells(label: Mapping[str, Any], counts: Mapping[str, float]) -> Iterator[str]:
    for side in ("positives", "negatives"):
        yield f"{counts[side]:,}" if counts else UNDEFINED
    weights = label["pos_weight"]
    low, high = min(weights), max(weights)
    yield f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    yield (
        f"{math.log(low):+.2f}" if low == high else f"{math.log(low):+.2f} to {math.log(high):+.2f}"
    )
    step = label["calibration"]
    fitted = f"Platt: {step['slope']:.2f} u {step['intercept']:+.2f}"
    yield fitted if step["fitted"] else "inverse link alone"
    yield show_threshold(label["threshold"])
    pooled = ", pooled with other labels" if label["threshold_pooled"] else ""
    yield f"{label['validation_positives']:,} positives{pooled}"


def _weights_text(report: RunReport) -> str:
    loss, settings = report.document["loss"], report.settings
    weighting, objective = settings["weighting"], settings["thresholds"]["objective"]
    given = weighting.get("from")
    strategy = f"from {given}" if given else f"by the strategy {weighting.get('strategy')}"
    undone = (
        "The inverse link of the loss undoes them in the probabilities"
        if report.document["undo_loss"]
        else "They are not undone in the probabilities (calibration.method: none)"
    )
    platt = ", and a Platt step follows where it lowered the validation log loss"
    step = platt if settings["calibration"]["method"] == "auto" else ""
    return (
        f"Loss {loss}, weights {strategy}, counted on training rows only. {undone}{step}. "
        f"Thresholds were chosen for {objective}."
    )


@dataclasses.dataclass(frozen=True)
class Shaded:
    """A cell of a matrix with its shade, from 0 to SHADES."""

    text: str
    shade: int


def _together(figures: Mapping[str, Figure]) -> dict[str, Any] | None:
    matrix = figures.get("together")
    if not isinstance(matrix, Matrix):
        return None
    rows = [
        (plain(name, HEADING), [Shaded(cell.text, round(cell.shade * SHADES)) for cell in row])
        for name, row in zip(matrix.rows, matrix.cells, strict=True)
    ]
    columns = [plain(name, HEADING) for name in matrix.columns]
    return {
        "title": matrix.title,
        "text": matrix.description,
        "corner": matrix.corner,
        "columns": columns,
        "rows": rows,
    }
