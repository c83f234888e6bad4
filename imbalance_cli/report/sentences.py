"""What an evaluation says, in plain sentences: of chance, intervals, scores and thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.evaluation import LEAST_FOR_INTERVAL
from imbalance_cli.report.names import list_names, show_name

if TYPE_CHECKING:
    from imbalance_cli.evaluation import Evaluation, LabelEvaluation

NO_SKILL = 0.5  # ROC AUC
WIDE = 0.3  # an interval of AP that says little
BENT = 0.01  # more calibration error than this in the score, and twice that of the probability
FEW = 20  # positives under which a gain of the thresholds says little
MOVED = 0.0005  # what three digits show
MACRO_F1 = ("Macro F1", "thresholds")


def describe_findings(evaluation: Evaluation) -> list[str]:
    """Return what the numbers say: chance, wide intervals, calibration undone, thresholds tuned.

    Names are on one line, and shortened. A sentence that would say nothing is left out.
    """
    return [
        *_of_chance(evaluation),
        *_of_calibration(evaluation),
        *_of_thresholds(evaluation),
    ]


def _of_chance(evaluation: Evaluation) -> list[str]:
    """Say which labels the interval of AP does not tell from chance, and where it is wide.

    What the interval of ROC AUC does tell from chance is not said to be unclear.
    """
    chance: list[LabelEvaluation] = []
    unclear: list[LabelEvaluation] = []
    wide: list[LabelEvaluation] = []
    few: list[LabelEvaluation] = []
    known = [label for label in evaluation.labels if label.average_precision.value is not None]
    for label in known:
        low, high = label.average_precision.low, label.average_precision.high
        if low is None or high is None or label.prevalence is None:
            # an AP of 1 has no interval either, where all replicates are at 1
            few += [label] if label.average_precision.value != 1 else []
        elif low > label.prevalence:
            wide += [label] if high - low > WIDE else []
        elif label.roc_auc.low is None or label.roc_auc.low <= NO_SKILL:
            (unclear if high - low > WIDE else chance).append(label)
    sentences = []
    if chance:
        sentences.append(
            f"Not shown to be better than chance (the interval of AP includes the prevalence): "
            f"{_with_ap(chance)}."
        )
    if unclear:
        sentences.append(f"Too few positives to tell from chance: {_with_ap(unclear)}.")
    if wide:
        sentences.append(
            f"Better than chance, but the interval is too wide to tell by how much: "
            f"{_with_ap(wide)}."
        )
    if few and evaluation.replicates:
        names = list_names([label.label for label in few])
        sentences.append(
            f"Too few positives or negatives for an interval (fewer than {LEAST_FOR_INTERVAL} "
            f"{evaluation.resampled}): {names}."
        )
    return sentences


def _of_calibration(evaluation: Evaluation) -> list[str]:
    """Say where the loss bent the scores, and what is left of it in the probabilities."""
    bent = [
        (label.label, label.untuned.score_ece, label.ece.value)
        for label in evaluation.labels
        if label.untuned.score_ece is not None
        and label.ece.value is not None
        and label.untuned.score_ece > BENT
        and label.untuned.score_ece > 2 * label.ece.value
    ]
    if not bent:
        return []
    name, before, after = max(bent, key=lambda entry: entry[1] - entry[2])
    change = f"calibration error {before:.3f} before, {after:.3f} after"
    if len(evaluation.labels) == 1:
        return [f"The loss bent the scores, and the probabilities undo it: {change}."]
    share = f"{len(bent):,} of {len(evaluation.labels):,} labels"
    most = f"most for {show_name(name)}: {change}"
    return [f"The loss bent the scores of {share}, and the probabilities undo it; {most}."]


def _of_thresholds(evaluation: Evaluation) -> list[str]:
    """Say what F1 is at the thresholds, and what it would be at 0.5."""
    pairs = [
        (label.f1.value, label.untuned.f1_at_half)
        for label in evaluation.labels
        if label.f1.value is not None and label.untuned.f1_at_half is not None
    ]
    if not pairs:
        return []
    tuned, at_half = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    metric, chosen = ("F1", "threshold") if len(evaluation.labels) == 1 else MACRO_F1
    positives = sum(label.positives for label in evaluation.labels)
    counted = "1 positive" if positives == 1 else f"{positives} positives"
    end = f"; of {counted}, too few to rely on." if positives < FEW else "."
    if abs(tuned - at_half) < MOVED:
        return [f"{metric} is {tuned:.3f} at the chosen {chosen}, as it would be at 0.5{end}"]
    more = "more" if tuned > at_half else "less"
    change = f"{abs(tuned - at_half):.3f} {more} than at 0.5 ({at_half:.3f})"
    return [f"{metric} is {tuned:.3f} at the chosen {chosen}, {change}{end}"]


def _with_ap(labels: list[LabelEvaluation], most: int = 3) -> str:
    """Return the labels, rarest last, the first few with the interval of AP and the prevalence."""
    labels = sorted(labels, key=lambda label: -label.positives)
    shown = [
        f"{show_name(label.label)} ({label.average_precision.low:.2g} to "
        f"{label.average_precision.high:.2g}, prevalence {label.prevalence:.2g})"
        for label in labels[:most]
    ]
    more = len(labels) - most
    return "; ".join(shown) + (f"; and {more:,} more" if more > 0 else "")
