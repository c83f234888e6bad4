"""What an evaluation says, in plain sentences: of chance, intervals, scores and thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import number_of
from imbalance_cli.evaluation import LEAST_FOR_INTERVAL
from imbalance_cli.report.chance import Verdict, is_wide, judge
from imbalance_cli.report.names import list_names, show_name

if TYPE_CHECKING:
    from imbalance_cli.evaluation import Evaluation, LabelEvaluation

MISCALIBRATED = (
    0.01  # more calibration error than this in the score, and twice that of the probability
)
FEW = 20  # positives under which a gain of the thresholds says little
MOVED = 0.0005  # what three digits show
MACRO_F1 = ("Macro F1", "thresholds")
SAID = {
    (Verdict.CHANCE, False): (
        "Not shown to be better than chance (the interval of AP includes the prevalence)"
    ),
    (Verdict.CHANCE, True): "The interval is too wide to tell from chance",
    (Verdict.RANKED, False): (
        "Better than chance by ROC AUC alone (the interval of AP includes the prevalence)"
    ),
    (Verdict.RANKED, True): (
        "Better than chance by ROC AUC alone, and the interval is too wide to tell by how much"
    ),
    (Verdict.ABOVE, True): ("Better than chance, but the interval is too wide to tell by how much"),
}
"""What is said of labels, by what their intervals say and whether one is wide."""
TOO_FEW = {
    "rows": (
        f"Too few positives or negatives for an interval (fewer than {LEAST_FOR_INTERVAL} rows)"
    ),
    "groups": (
        f"Too few groups for an interval (fewer than {LEAST_FOR_INTERVAL} have a positive, or a "
        "negative)"
    ),
}
"""Why labels have no interval, by what replicates draw."""


def describe_findings(evaluation: Evaluation, *, given: bool = False) -> list[str]:
    """Return what the numbers say: chance, wide intervals, calibration undone, thresholds tuned.

    Names are on one line, and shortened. A sentence that would say nothing is left out. `given`
    says that the thresholds were given, and not chosen.
    """
    return [
        *_of_chance(evaluation),
        *_of_calibration(evaluation),
        *_of_thresholds(evaluation, "given" if given else "chosen"),
    ]


def _of_chance(evaluation: Evaluation) -> list[str]:
    """Say which labels are not better than chance, and of which the interval is too wide to say.

    Every label whose interval of AP reaches down to the prevalence is in one sentence.
    """
    found: dict[tuple[Verdict | None, bool], list[LabelEvaluation]] = {}
    for label in evaluation.labels:
        unsure = is_wide(label.average_precision) or is_wide(label.roc_auc)
        found.setdefault((judge(label), unsure), []).append(label)
    sentences = [f"{said}: {_with_ap(found[key])}." for key, said in SAID.items() if key in found]
    few = [
        label.label for key, group in found.items() if key[0] is Verdict.TOO_FEW for label in group
    ]
    if few:
        sentences.append(f"{TOO_FEW[evaluation.resampled]}: {list_names(few)}.")
    return sentences


def _of_calibration(evaluation: Evaluation) -> list[str]:
    """Say where the loss miscalibrates the raw scores, and what is left of it after correction."""
    biased = [
        (label.label, label.untuned.score_ece, label.ece.value)
        for label in evaluation.labels
        if label.untuned.score_ece is not None
        and label.ece.value is not None
        and label.untuned.score_ece > MISCALIBRATED
        and label.untuned.score_ece > 2 * label.ece.value
    ]
    if not biased:
        return []
    name, before, after = max(biased, key=lambda entry: entry[1] - entry[2])
    change = f"ECE {before:.3f} before correction, {after:.3f} after"
    if len(evaluation.labels) == 1:
        return [f"The loss miscalibrates the raw scores: {change}."]
    share = f"{len(biased):,} of {len(evaluation.labels):,} labels"
    most = f"most for {show_name(name)}: {change}"
    return [f"The loss miscalibrates the raw scores of {share}, {most}."]


def _of_thresholds(evaluation: Evaluation, how: str) -> list[str]:
    """Say what F1 is at the thresholds, and what it would be at 0.5."""
    pairs = [
        (label.f1.value, label.untuned.f1_at_half)
        for label in evaluation.labels
        if label.f1.value is not None and label.untuned.f1_at_half is not None
    ]
    if not pairs:
        return []
    tuned, at_half = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    metric, what = ("F1", "threshold") if len(evaluation.labels) == 1 else MACRO_F1
    positives = sum(label.positives for label in evaluation.labels)
    counted = number_of(positives, "positive")
    end = f"; of {counted}, too few to rely on." if positives < FEW else "."
    if abs(tuned - at_half) < MOVED:
        return [f"{metric} is {tuned:.3f} at the {how} {what}, as it would be at 0.5{end}"]
    more = "more" if tuned > at_half else "less"
    change = f"{abs(tuned - at_half):.3f} {more} than at 0.5 ({at_half:.3f})"
    return [f"{metric} is {tuned:.3f} at the {how} {what}, {change}{end}"]


def _with_ap(labels: list[LabelEvaluation], most: int = 3) -> str:
    """Return the labels, rarest last, the first few with the interval of AP and the prevalence.

    Where that of ROC AUC alone is wide, it is there too.
    """
    labels = sorted(labels, key=lambda label: -label.positives)
    shown = []
    for label in labels[:most]:
        ap, auc = label.average_precision, label.roc_auc
        ends = f"{ap.low:.2g} to {ap.high:.2g}" if ap.low is not None else f"{ap.value:.2g}"
        facts = f"{ends}, prevalence {label.prevalence:.2g}"
        if is_wide(auc) and not is_wide(ap):
            facts += f"; ROC AUC {auc.low:.2g} to {auc.high:.2g}"
        shown.append(f"{show_name(label.label)} ({facts})")
    more = len(labels) - most
    return "; ".join(shown) + (f"; and {more:,} more" if more > 0 else "")
