"""Where the numbers of a page come from: the data and its parts, the weights, the decisions."""

from __future__ import annotations

import dataclasses
import math
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from imbalance_cli.report.decisions import CHOICES
from imbalance_cli.report.label_table import Head
from imbalance_cli.report.names import list_names, show_name
from imbalance_cli.report.summary import HEADING, write_time
from imbalance_cli.report.wording import UNDEFINED, show_threshold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imbalance_cli.report.contents import RunReport

MOST_FILES = 5  # described one by one
NO_FILES = "none: stdin and frames of Python leave nothing to take a SHA-256 of"


@dataclasses.dataclass(frozen=True)
class PlainTable:
    """A table of texts."""

    columns: list[Head]
    rows: list[tuple[str, list[str]]]


def data_of(report: RunReport) -> Mapping[str, Any]:
    """Return what run.json holds of the data; nothing where the run was taken from a comparison."""
    data: Mapping[str, Any] | None = report.document.get("data")
    return data or {}


def describe_data(report: RunReport) -> Iterator[tuple[str, str]]:
    """Yield what is to be known of the data and its parts, each with its name."""
    data, settings = data_of(report), report.settings
    sources = data.get("sources", {report.evaluation.part: report.evaluation.source})
    yield "Sources", "; ".join(dict.fromkeys(sources.values()))
    if "files" in data:
        yield "Files", "; ".join(_describe_files(data["files"])) or NO_FILES
    yield "Labels", describe_labels(report)
    if "rows" in data:
        parts = (
            f"{part.replace('_', ' ')} {rows:,}" for part, rows in data["rows"].items() if rows
        )
        yield "Rows", ", ".join(parts)
    split = settings["split"]
    shares = f"valid {split['valid']:g}, test {split['test']:g} of the rows"
    strategy = data.get("split", split["strategy"])
    cut = f"{strategy}; {shares}; seed {split['seed']}"
    yield "Split", strategy if strategy == "given" else cut
    for key in ("group", "time", "part", "sample_weight"):
        if settings["data"][key] is not None:
            yield key.replace("_", " ").capitalize(), f"column {settings['data'][key]}"
    weights = settings["data"]["cell_weights"]
    if weights is not None:
        yield "Cell weights", _describe_cell_weights(weights)
    features = report.document["features"]
    numbers = [feature["kind"] for feature in features["numeric"]]
    kinds = {
        "numbers": numbers.count("number"),
        "dates": numbers.count("date"),
        "categories": len(features["categorical"]),
    }
    total = sum(kinds.values())
    listed = ", ".join(f"{kind} {count:,}" for kind, count in kinds.items() if count)
    yield "Features", f"{total:,} columns: {listed}" if total else "none"
    if data.get("dropped"):
        yield "Left out", f"constant in the training rows: {', '.join(data['dropped'])}"
    if settings["data"]["exclude"]:
        yield "Excluded", ", ".join(settings["data"]["exclude"])
    yield "Missing labels", str(settings["data"]["missing_labels"])


def _describe_cell_weights(weights: str | Mapping[str, str]) -> str:
    if isinstance(weights, str):
        return f"columns {weights}"
    return list_names([f"{label}: column {column}" for label, column in weights.items()])


def _describe_files(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for file in files[:MOST_FILES]:
        yield f"{file['path']}: {file['bytes']:,} bytes, SHA-256 {file['sha256']}"
    if len(files) > MOST_FILES:
        yield f"{len(files) - MOST_FILES:,} more in run.json"


def describe_making(report: RunReport) -> Iterator[tuple[str, str]]:
    """Yield when and how a run was made, each with its name."""
    document, settings = report.document, report.settings
    yield "Made", write_time(report)
    if "command" in document:
        yield "Command", document["command"] or "imbalance_cli.fit, from Python"
    seeds = settings["split"]["seed"], settings["training"]["seed"]
    yield "Seeds", "split.seed {}, training.seed {}".format(*seeds)


def describe_labels(report: RunReport) -> str:
    """Return where the labels come from, and what makes a row positive."""
    settings = report.settings["data"]
    names = [label.label for label in report.evaluation.labels]
    patterns = settings["labels"] or names
    columns = list_names(patterns)
    if settings["encoding"] == "tags":
        return f"{columns}: a row is positive for each tag in its cell"
    if settings["encoding"] == "one_vs_rest":
        return f"{columns}: a row is positive for the class in its cell"
    if settings["positive"] is not None:
        return f"{columns}: a row is positive where the cell is {settings['positive']}"
    # of a column of classes or tags, found to be one, the labels are not called like the column
    are_columns = all(any(fnmatchcase(name, p) or name == p for p in patterns) for name in names)
    means = ": a row is positive where the cell is 1, true or yes" if are_columns else ""
    return f"{columns}{means}"


def make_weights_table(report: RunReport) -> PlainTable:
    """Return what each label was trained with and is decided by, of the labels with figures."""
    columns = [
        Head("Label", "the name of the label"),
        Head("Training positives", "rows of the training part whose target is 1"),
        Head("Training negatives", "rows of the training part whose target is 0"),
        Head("pos_weight", "what the loss multiplies a positive by"),
        Head("Shift", "log(pos_weight): what it adds to the log-odds, and is undone"),
        Head("Calibration", "the step after the inverse link"),
        Head(
            "Threshold",
            "the probability from which a row is decided positive; its interval is over draws of "
            "the validation rows",
        ),
        Head("Chosen on", "positives of the validation rows that it rests on"),
    ]
    shown = {curves.label for curves in report.curves}
    labels = report.document["labels"]
    training = data_of(report).get("training", [{}] * len(labels))
    rows = [
        (
            show_name(label["label"], HEADING),
            list(_weights_cells(label, counts, is_alone=len(labels) == 1)),
        )
        for label, counts in zip(labels, training, strict=True)
        if label["label"] in shown
    ]
    return PlainTable(columns, rows)


def _weights_cells(
    label: Mapping[str, Any], counts: Mapping[str, float], *, is_alone: bool
) -> Iterator[str]:
    for side in ("positives", "negatives"):
        yield f"{counts[side]:,}" if counts else UNDEFINED
    weights = label["pos_weight"]
    low, high = min(weights), max(weights)
    yield f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    yield (
        f"{math.log(low):+.2f}" if low == high else f"{math.log(low):+.2f} to {math.log(high):+.2f}"
    )
    yield _describe_step(label["calibration"])
    ends = label.get("threshold_interval")  # not in runs of before there were any
    low_high = "" if ends is None else f" ({' to '.join(map(show_threshold, ends))})"
    yield f"{show_threshold(label['threshold'])}{low_high}"
    pooled = (
        ", mostly by calibrated probabilities" if label["threshold_pooled"] and not is_alone else ""
    )
    yield f"{label['validation_positives']:,} positives{pooled}"


def _describe_step(step: Mapping[str, Any]) -> str:
    """Return the formula from the inverse link's log-odds u to calibrated ones, and its name."""
    if not step["fitted"]:
        return "inverse link alone"
    straight = f"{step['slope']:.2f} u"
    if step.get("curvature"):  # not in runs of before there were curves
        curve = f"{step['curvature']:.3f} u² {step['slope']:+.2f} u {step['intercept']:+.2f}"
        return f"quadratic: {curve}, for u from {step['low']:.1f} to {step['high']:.1f}"
    if step["intercept"] == 0:
        return f"temperature: {straight}"
    return f"Platt: {straight} {step['intercept']:+.2f}"


def describe_weights(report: RunReport) -> str:
    """Return the loss, the weights and what became of them, in sentences."""
    loss, settings = report.document["loss"], report.settings
    weighting, objective = settings["weighting"], settings["thresholds"]["objective"]
    given = weighting.get("from")
    strategy = f"from {given}" if given else f"by the strategy {weighting.get('strategy')}"
    weights = f"weights {strategy}, counted on training rows only"
    if not given and weighting.get("strategy") == "none":
        weights = "without weights"
    undone = (
        "Probabilities are those of its inverse link, which corrects for the loss and the weights"
        if report.document["undo_loss"]
        else "Probabilities are the raw scores, not corrected for the loss and the weights "
        "(calibration.method: none)"
    )
    kept = ", and a further step follows where it lowered the validation log loss by more than its "
    step = f"{kept}standard error" if settings["calibration"]["method"] == "auto" else ""
    return f"Loss {loss}, {weights}. {undone}{step}. Thresholds were {CHOICES[objective]}."
