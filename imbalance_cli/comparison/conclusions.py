"""What a comparison says, in plain sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from imbalance_cli.comparison.results import LOWER_IS_BETTER
from imbalance_cli.comparison.verdicts import standard_errors

if TYPE_CHECKING:
    from imbalance_cli.comparison.results import Compared, Comparison

MOST_PLACES = 6
NAMED = 3  # candidates that a sentence lists before it says how many more


def conclude(comparison: Comparison, of: Literal["correction", "run"] = "correction") -> list[str]:
    """Return what the evidence says, in plain sentences.

    Args:
        comparison: its numbers.
        of: what the candidates are.
    """
    found = {candidate.name: candidate.macro for candidate in comparison.candidates}
    baseline = found.pop(comparison.baseline)
    if not found:
        return [f"{comparison.baseline} is the only candidate: there is nothing to compare."]
    if baseline["average_precision"].value is None:
        return ["No learned label has positives and negatives: there is nothing to compare."]
    loss = next(c for c in comparison.candidates if c.name == comparison.baseline).loss
    rival = "tuned thresholds" if of == "correction" and loss == "bce" else comparison.baseline
    sentences = [
        *_verdicts("average_precision", "Average precision", found, comparison.baseline, of),
        *_verdicts("f1", "F1", found, rival, of),
        *_verdicts("log_loss", "Log loss (lower is better)", found, comparison.baseline, of),
    ]
    if all(macro["average_precision"].verdict is None for macro in found.values()):
        why = "were asked for" if not comparison.replicates else "can be made from so few positives"
        return [*sentences, f"No intervals {why}: these differences may be chance."]
    least = f"{standard_errors(len(found)):.2f} standard errors"
    allowed = f"{len(found)} comparisons" if len(found) > 1 else "one comparison"
    made = f"{comparison.confidence:.0%}, over {comparison.resampled}"
    again = (
        "they do not cover training again with other seeds"
        if comparison.folds is None
        else "wider where folds, each trained anew, differ more"
    )
    return [
        *sentences,
        f"Beats, worse: by over {least}, which allows for {allowed}.",
        f"Intervals: {made}; {again}.",
    ]


def _verdicts(
    metric: str, title: str, found: dict[str, dict[str, Compared]], rival: str, of: str
) -> list[str]:
    """Return which candidates beat the rival on a metric, if any, and which are worse."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
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
            several = f"{len(found)} comparisons give" if len(found) > 1 else "one comparison gives"
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
