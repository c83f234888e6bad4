"""The words and numbers at the head of a page: what the run is, and what it comes to."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from typing import TYPE_CHECKING

from imbalance_cli.errors import number_of, show_percent
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.chance import Verdict, is_above_among, judge
from imbalance_cli.report.names import show_name
from imbalance_cli.report.ordering import RANKING, keep_judged
from imbalance_cli.report.wording import (
    MULTILABEL_WORDS,
    join_words,
    name_rows,
    show_interval,
    show_number,
    show_threshold,
)

if TYPE_CHECKING:
    from imbalance_cli.evaluation import Estimate, Evaluation, Interval, LabelEvaluation
    from imbalance_cli.report.contents import RunReport

USES = {
    "test": "which the model did not learn from",
    "valid": "on which its epoch, calibration and thresholds were chosen",
    "out_of_fold": "each held out of one fold, on which calibration and thresholds were chosen",
}
"""What the rows of each part were to the model."""
HEADING = 90  # letters of a name in a heading
TILES = {"average_precision": "Average precision"}  # what is called otherwise than in a table


@dataclasses.dataclass(frozen=True)
class KeyNumber:
    """A number of the summary."""

    name: str
    value: str
    note: str


@dataclasses.dataclass(frozen=True)
class MetricRow:
    """One metric of a run with one label."""

    name: str
    value: str
    interval: str
    meaning: str


def write_title(report: RunReport) -> str:
    """Return what the page is called."""
    labels = report.evaluation.labels
    if len(labels) == 1:
        return show_name(labels[0].label, HEADING)
    return f"{len(labels):,} labels of {show_name(report.evaluation.source, HEADING)}"


def write_lede(report: RunReport) -> str:
    """Return which rows of which run the page is of."""
    evaluation = report.evaluation
    rows = name_rows(evaluation.rows, evaluation.part)
    return (
        f"{rows} of {evaluation.source}, {USES[evaluation.part]}{_list_parts(report)}. "
        f"Run {report.run}, {write_time(report)}."
    )


def write_time(report: RunReport) -> str:
    """Return when a run was made, to the minute."""
    return f"{str(report.document['created'])[:16].replace('T', ' ')} UTC"


def _list_parts(report: RunReport) -> str:
    """Return what the other rows were for, where that is known."""
    rows = (report.document["data"] or {}).get("rows", {})
    if "train" not in rows:
        return ""
    tuned = f", and {rows['valid']:,} to choose its epoch, calibration and thresholds on"
    is_tuned = rows.get("valid") and report.evaluation.part != "valid"
    if report.refitted:
        tuned += f"; {number_of(len(report.refitted), 'other network')} then learned from both"
    return f"; it had {rows['train']:,} to train on{tuned if is_tuned else ''}"


def write_lead(evaluation: Evaluation) -> str:
    """Return the first thing to know: how good the decisions of one label are, or which are."""
    if len(evaluation.labels) == 1:
        return _lead_label(evaluation.labels[0])
    known = [label for label in evaluation.labels if label.average_precision.value is not None]
    if not known:
        return "No label has a positive among these rows, so nothing can be said of the model."
    judged = keep_judged(known, RANKING)
    best = max(judged, key=lambda label: label.average_precision.value or 0.0)
    best_ap = show_number(best.average_precision.value)
    end = f"The best is {show_name(best.label, HEADING)}, with an average precision of {best_ap}."
    if not evaluation.replicates:
        return end
    return f"{_lead_chance(evaluation)} {end}"


def _lead_chance(evaluation: Evaluation) -> str:
    """Say how many labels are better than chance, as far as intervals tell."""
    found = Counter(map(judge, evaluation.labels))
    too_few = found[Verdict.TOO_FEW]
    if not any(found[verdict] for verdict in (Verdict.ABOVE, Verdict.RANKED, Verdict.CHANCE)):
        return (
            "Whether labels are better than chance cannot be told: no average precision has an "
            f"interval ({'; '.join(_list_missing(evaluation))})."
        )
    above = sum(is_above_among(label, evaluation) for label in evaluation.labels)
    are, their = ("is", "its") if above == 1 else ("are", "their")
    without = f"; {too_few:,} {'has' if too_few == 1 else 'have'} no interval" if too_few else ""
    return (
        f"{above:,} of {len(evaluation.labels):,} labels {are} better than chance: the interval of "
        f"{their} average precision lies above the prevalence, at a level that allows for "
        f"{len(evaluation.labels):,} labels (Bonferroni){without}."
    )


def _list_missing(evaluation: Evaluation) -> list[str]:
    """Return why average precisions have no interval, each reason once."""
    reasons = (label.without_interval.get(RANKING) for label in evaluation.labels)
    return list(dict.fromkeys(reason for reason in reasons if reason is not None))


def _lead_label(label: LabelEvaluation) -> str:
    ap, precision, recall = label.average_precision, label.precision.value, label.recall.value
    if ap.value is None:
        why = label.undefined.get("average_precision", "undefined")
        return f"Nothing can be said of the model on these rows: {why}."
    skill = (
        f"Average precision is {show_number(ap.value)}, where a model without skill has "
        f"{show_number(label.prevalence)}."
    )
    if precision is None or recall is None:
        return f"{skill} No row is decided positive."
    return (
        f"The model finds {show_percent(recall)} of the {label.positives:,} positives, and "
        f"{show_percent(precision)} of the rows it decides positive are positive. {skill}"
    )


def write_reading(evaluation: Evaluation) -> str:
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
    if evaluation.replicates and _has_intervals(evaluation):
        sentences.append(
            f"Intervals are {show_percent(evaluation.confidence)}, over {evaluation.replicates} "
            f"bootstrap replicates of these {evaluation.resampled}; they do not cover training "
            "again."
        )
    elif evaluation.replicates and (reasons := _list_missing(evaluation)):
        sentences.append(f"There are no intervals: {'; '.join(reasons)}.")
    if evaluation.weighted:
        sentences.append("Every number but the counts is weighted by the sample weights.")
    return " ".join(sentences)


def _has_intervals(evaluation: Evaluation) -> bool:
    estimates = (label.metrics.values() for label in evaluation.labels)
    of_averages = (
        evaluation.macro_intervals,
        evaluation.micro_intervals,
        evaluation.weighted_intervals,
        evaluation.multilabel_intervals,
    )
    return any(of_averages) or any(
        estimate.low is not None for estimate in itertools.chain.from_iterable(estimates)
    )


def list_key_numbers(evaluation: Evaluation) -> list[KeyNumber]:
    """Return the numbers to see first."""
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
        ends = evaluation.macro_intervals.get(key)
        numbers.append(_key_number(name, evaluation.macro[key], ends, note))
    micro, ends = evaluation.micro["f1"], evaluation.micro_intervals.get("f1")
    numbers.append(_key_number("Micro F1", micro, ends, "all cells together"))
    for key in ("samples_f1", "subset_accuracy"):
        name, meaning = MULTILABEL_WORDS[key]
        ends = evaluation.multilabel_intervals.get(key)
        note = meaning.partition(";")[0]
        numbers.append(_key_number(name, evaluation.multilabel[key], ends, note))
    return numbers


def _key_number(
    name: str, value: float | None, ends: Interval | Estimate | None, note: str = ""
) -> KeyNumber:
    """Return a number with its interval, if it has one, and a note."""
    return KeyNumber(
        name, show_number(value, ends), "; ".join(filter(None, (_show_ends(ends), note)))
    )


def _label_numbers(label: LabelEvaluation) -> list[KeyNumber]:
    threshold = f"at the threshold {show_threshold(label.threshold)}"
    notes = {
        "average_precision": f"{show_number(label.prevalence)} without skill",
        "roc_auc": "",
        "precision": threshold,
        "recall": f"of {label.positives:,} positives",
        "f1": "",
        "brier_skill": f"ECE {show_number(label.ece.value)}",
    }
    return [
        _key_number(
            TILES.get(name, METRIC_SPECS[name].heading), estimate.value, estimate, notes[name]
        )
        for name, estimate in label.metrics.items()
        if name in notes
    ]


def list_metrics(evaluation: Evaluation) -> list[MetricRow]:
    """Return every metric of a run with one label."""
    [label] = evaluation.labels
    rows = []
    for name, estimate in label.metrics.items():
        short, meaning = METRIC_SPECS[name].heading, METRIC_SPECS[name].meaning
        exact = {
            "precision_at_k": f"; k is {evaluation.levels.top_k:,}",
            "recall_at_precision": f"; here {evaluation.levels.at_precision:g}",
        }.get(name, "")
        why = label.undefined.get(name)
        meaning += f"; undefined here: {why}" if why else exact
        interval = show_interval(estimate.low, estimate.high)
        rows.append(MetricRow(short, show_number(estimate.value, estimate), interval, meaning))
    return rows


def list_whole_rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return the name, value and meaning of each metric of whole rows."""
    rows = []
    for name, value in evaluation.multilabel.items():
        why = evaluation.undefined.get(f"multilabel.{name}")
        shown, meaning = MULTILABEL_WORDS[name]
        ends = evaluation.multilabel_intervals.get(name)
        interval = _show_ends(ends)
        number = show_number(value, ends) + (f" ({interval})" if interval else "")
        rows.append((shown, number, f"undefined: {why}" if why else meaning))
    return rows


def _show_ends(interval: Interval | Estimate | None) -> str:
    return "" if interval is None else show_interval(interval.low, interval.high)


def write_table_note(evaluation: Evaluation) -> str:
    """Return what the table of labels leaves open."""
    levels, means = evaluation.levels, evaluation.macro_labels
    over = means[RANKING]
    others: dict[int, list[str]] = {}
    for name in METRIC_SPECS:
        if means[name] not in {over, 0}:
            others.setdefault(means[name], []).append(METRIC_SPECS[name].heading)
    apart = "".join(f", {count:,} for {join_words(names)}" for count, names in others.items())
    return (
        f"Macro: the mean over the labels where a metric is defined, {over:,} for AP{apart}. "
        f"Precision at k is of the {levels.top_k:,} rows of highest probability, recall at "
        f"precision at {levels.at_precision:g}. What is undefined is a dash, whose tooltip says "
        "why."
    )
