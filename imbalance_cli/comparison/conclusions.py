"""What a comparison says, in plain sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from imbalance_cli.comparison.verdicts import standard_errors
from imbalance_cli.errors import show_percent
from imbalance_cli.metrics import lower_is_better

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.comparison.results import Candidate, Compared, Comparison

MOST_PLACES = 6
LONG = 10  # seconds, from which on they are shown whole
NAMED = 3  # candidates that a sentence lists before it says how many more


def conclude(comparison: Comparison) -> list[str]:
    """Return what the evidence says, in plain sentences."""
    of = "run" if comparison.kind == "run" else "correction"
    baseline = next(c for c in comparison.candidates if c.name == comparison.baseline)
    others = [c for c in comparison.candidates if c is not baseline]
    if not others:
        return [f"{baseline.name} is the only candidate: there is nothing to compare."]
    if baseline.macro["average_precision"].value is None:
        return ["No learned label has positives and negatives: there is nothing to compare."]
    if comparison.kind == "size":
        return [*_conclude_sizes(comparison), *describe_method(comparison)]
    same = list_same(comparison)
    names = _names([candidate.name for candidate in same])
    sentence = (
        f"{names} and {baseline.name} are the same: every probability and every decision of these "
        f"{comparison.rows:,} rows is equal."
    )
    if len(same) == len(others):
        return [sentence]
    settled = [c for c in others if not (c.still_improving or baseline.still_improving)]
    found = {c.name: c.macro for c in settled if not c.is_yardstick}
    rival = baseline.name
    if of == "correction" and baseline.loss == "bce":
        rival = "tuned thresholds"
    sentences = [
        *([sentence] if same else []),
        *_verdicts("average_precision", "Average precision", found, baseline.name, of, len(others)),
        *_verdicts("f1", "F1", found, rival, of, len(others)),
        *_verdicts("log_loss", "Log loss (lower is better)", found, baseline.name, of, len(others)),
        *(measure(baseline, c) for c in others if c.is_yardstick),
        *_unsettled(comparison.candidates),
    ]
    if all(c.macro["average_precision"].verdict is None for c in others):
        why = "were asked for" if not comparison.replicates else "can be made from so few positives"
        return [*sentences, f"No intervals {why}: these differences may be chance."]
    return [*sentences, *describe_method(comparison)]


def _conclude_sizes(comparison: Comparison) -> list[str]:
    """Return whether the last size does better than the one before, and so more would help."""
    before, last = comparison.candidates[-2:]
    ranking = last.macro["average_precision"]
    counts = " to ".join(f"{size.positives or 0:,.0f}" for size in (before, last))
    start = f"From {counts} training positives ({before.name} to {last.name} of the rows)"
    if ranking.verdict == "better":
        gain = f"average precision rises by {_amount(ranking, 1, '')}"
        sentence = f"{start} {gain}: it is still rising, and more positives would help."
    elif ranking.verdict == "worse":
        sentence = f"{start} average precision falls by {_amount(ranking, -1, '')}."
    else:
        meaning = "there are no intervals, and this may be chance"
        if any(size.still_improving for size in (before, last)):
            meaning = "with more epochs this may differ"
        elif ranking.verdict is not None:
            meaning = "these rows do not show that more positives would help"
        change = f"average precision changes by {_amount(ranking, 1, '+')}"
        sentence = f"{start} {change}: {meaning}."
    return [sentence, *_unsettled(comparison.candidates)]


def list_same(comparison: Comparison) -> list[Candidate]:
    """Return the candidates that predict and decide every row as the baseline does."""
    baseline = next(c for c in comparison.candidates if c.name == comparison.baseline)
    return [
        c
        for c in comparison.candidates
        if c is not baseline
        and torch.equal(c.probabilities, baseline.probabilities)
        and torch.equal(c.decisions, baseline.decisions)
    ]


def describe_method(comparison: Comparison) -> list[str]:
    """Return what its verdicts and intervals mean, where they stand among its conclusions."""
    baseline = next(c for c in comparison.candidates if c.name == comparison.baseline)
    others = [c for c in comparison.candidates if c is not baseline]
    sentences = []
    if any(not (c.still_improving or baseline.still_improving) for c in others):
        least = f"{standard_errors(len(others)):.2f} standard errors"
        corrected = f" (Bonferroni, {len(others)} comparisons)" if len(others) > 1 else ""
        sentences.append(f"Beats and worse mean a difference of over {least}{corrected}.")
    made = f"{show_percent(comparison.confidence)}, over {comparison.resampled}"
    again = (
        "they do not cover training again with other seeds"
        if comparison.folds is None
        else "wider where folds, each trained anew, differ more"
    )
    return [*sentences, f"Intervals: {made}; {again}."]


def measure(network: Candidate, yardstick: Candidate) -> str:
    """Return whether a network beats a yardstick, in average precision and in processor time.

    Args:
        network: that the differences of the yardstick are to.
        yardstick: what it is measured by.
    """
    called, name = f"The network ({network.name})", yardstick.name
    ranking, over = yardstick.macro["average_precision"], "in average precision"
    if ranking.difference is None:
        return f"{called} and {name}: no average precision to compare."
    if ranking.verdict == "worse":
        first = f"{called} beats {name} by {_amount(ranking, -1, '')} {over}"
    elif ranking.verdict == "better":
        first = f"{called} is beaten by {name} by {_amount(ranking, 1, '')} {over}"
    else:
        settled = not (network.still_improving or yardstick.still_improving)
        verdict = "a tie" if ranking.verdict == "unclear" and settled else "no verdict"
        if network.still_improving:
            verdict += ", since it still improved at its last epoch"
        elif yardstick.still_improving:
            verdict += f", since {name} still improved in the last round"
        first = f"{called} differs from {name} by {_amount(ranking, -1, '+')} {over}, {verdict}"
    if network.seconds is None or yardstick.seconds is None:
        return f"{first}."
    times = f"{_seconds(network.seconds)} s against {_seconds(yardstick.seconds)} s"
    return f"{first}; it trained for {times} of processor time."


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= LONG else f"{seconds:.2g}"


def _unsettled(candidates: Sequence[Candidate]) -> list[str]:
    """Return which networks were still improving when training ended, in a sentence, if any."""
    names = [c.name for c in candidates if c.still_improving and not c.is_yardstick]
    if not names:
        return []
    were = "was" if len(names) == 1 else "were"
    ended = f"which {were} still improving at the last epoch in most folds"
    return [f"No verdict on {_names(names)}, {ended}: raise training.epochs."]


def _verdicts(
    metric: str,
    title: str,
    found: dict[str, dict[str, Compared]],
    rival: str,
    of: str,
    comparisons: int,
) -> list[str]:
    """Return which candidates beat the rival on a metric, if any, and which are worse."""
    if not found:
        return []
    sign = -1 if lower_is_better(metric) else 1
    results = {name: macro[metric] for name, macro in found.items()}
    ranked = sorted(results, key=lambda name: sign * _difference(results[name]), reverse=True)
    better = [name for name in ranked if results[name].verdict == "better"]
    worse = [name for name in reversed(ranked) if results[name].verdict == "worse"]
    best, *also = better or ranked
    if better:
        first = f"{best} beats {rival} by {_amount(results[best], sign, '')}"
    else:
        called = "best" if sign * _difference(results[best]) > 0 else "nearest"
        amount = _amount(results[best], 1, "+")
        first = f"no {of} beats {rival} here; the {called}, {best}, is {amount}"
        if results[best].verdict is None:  # nothing was resampled
            first = f"the {called} {of}, {best}, is {amount} from {rival}"
        elif results[best].verdict == "unclear" and _leaves_zero_out(results[best]):
            several = (
                f"{comparisons} comparisons give" if comparisons > 1 else "one comparison gives"
            )
            first += f", as {several} by chance"
    sentences = [f"{title}: {first}."]
    if better and also:
        sentences.append(f"{title}, also better: {_names(also)}.")
    if worse:
        sentences.append(f"{title}, clearly worse: {_names(worse)}.")
    return sentences


def _names(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _leaves_zero_out(compared: Compared) -> bool:
    low, high = compared.difference_low, compared.difference_high
    return low is not None and high is not None and not low <= 0 <= high


def _difference(compared: Compared) -> float:
    return compared.difference or 0.0


def _amount(compared: Compared, sign: int, plus: str) -> str:
    """Return a difference with its interval, with two digits that say something, 3 to 6 places."""
    ends = [compared.difference_low, compared.difference_high]
    numbers = [sign * _difference(compared), *sorted(sign * x for x in ends if x is not None)]
    widest = max(map(abs, numbers)) or 1.0
    places = min(max(3, 1 - math.floor(math.log10(widest))), MOST_PLACES)
    while places < MOST_PLACES and any(x and not round(x, places) for x in numbers):
        places += 1  # an end beside zero is not zero
    # zero has no minus, also where rounding made it
    amount, *interval = (f"{round(x, places) + 0.0:{plus}.{places}f}" for x in numbers)
    return amount + (f" ({' to '.join(interval)})" if interval else "")
