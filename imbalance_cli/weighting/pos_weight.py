"""From counts to the weight of the positives, by every strategy.

`pos_weight` multiplies the loss of a positive: 100 positives and 400 negatives give 4 by `ratio`,
as if there were 400 positives (the documentation of torch.nn.BCEWithLogitsLoss).
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from imbalance_cli.codes import Warned
from imbalance_cli.errors import WeightsError, nearest, number_of, show_percent
from imbalance_cli.html_table import html_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.labels import Counts, LabelCounts


@dataclasses.dataclass(frozen=True)
class Strategy:
    """How a weight is made from counts.

    Attributes:
        name: one of STRATEGIES.
        cap: the largest weight given.
        smoothing: a in (negatives + a) / (positives + a).
        beta: of `effective`.

    Raises:
        WeightsError: a value is out of range.
    """

    name: str = "ratio"
    cap: float | None = None
    smoothing: float = 0.0
    beta: float = 0.9999

    def __post_init__(self) -> None:
        if self.name not in STRATEGIES:
            raise WeightsError(
                f"strategy {self.name!r} is none of {', '.join(STRATEGIES)}",
                hint=nearest(self.name, STRATEGIES),
            )
        if self.cap is not None and not 0 < self.cap < math.inf:
            raise WeightsError(
                f"cap must be a finite number above 0, not {self.cap}",
                hint="such as 100; without a cap no weight is cut",
            )
        if not 0 <= self.smoothing < math.inf:
            raise WeightsError(
                f"smoothing must be a finite number from 0 up, not {self.smoothing}",
                hint="such as 1; 0 is none",
            )
        if not 0 <= self.beta < 1:
            raise WeightsError(
                f"beta must be at least 0 and below 1, not {self.beta}",
                hint="beta = 0 weighs nothing, beta near 1 comes near the ratio",
            )


@dataclasses.dataclass(frozen=True)
class WeightedLabel:
    """A label's counts and the weight of its positives."""

    counts: LabelCounts
    pos_weight: float


@dataclasses.dataclass(frozen=True)
class PosWeights:
    """The weights of all labels, and what they were made from."""

    source: str | list[str]
    rows: int
    strategy: Strategy
    labels: list[WeightedLabel]
    remarks: tuple[str, ...] = ()

    @property
    def by_label(self) -> dict[str, float]:
        """The weight of each label."""
        return {label.counts.label: label.pos_weight for label in self.labels}

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        heads = ("Label", "Positives", "Negatives", "Missing", "Prevalence", "pos_weight")
        counts = [label.counts for label in self.labels]
        return html_table(
            f"{number_of(self.rows, 'row')}; pos_weight by {self.strategy.name}",
            dict.fromkeys(heads, ""),
            [
                [
                    of.label,
                    *(f"{count:,.10g}" for count in (of.positives, of.negatives, of.missing)),
                    "" if of.prevalence is None else show_percent(of.prevalence),
                    f"{label.pos_weight:,.2f}",
                ]
                for of, label in zip(counts, self.labels, strict=True)
            ],
        )

    @property
    def warnings(self) -> list[str]:
        """The remarks, and a sentence for each label that has only one side, and so weight 1."""
        sentences: list[str] = [Warned("IMB114", remark) for remark in self.remarks]
        for counts in (label.counts for label in self.labels):
            sides = {"no positives": counts.positives, "no negatives": counts.negatives}
            lacking = " and ".join(lack for lack, count in sides.items() if not count)
            if lacking:
                hint = "" if counts.blank_hint is None else f"; {counts.blank_hint}"
                problem = f"label {counts.label!r} has {lacking}: its weight is 1{hint}"
                sentences.append(Warned("IMB121", problem))
        return sentences


def weigh(counts: Counts, strategy: Strategy, source: str | list[str]) -> PosWeights:
    """Give each label its weight."""
    labels = [WeightedLabel(label, pos_weight(label, strategy)) for label in counts.labels]
    return PosWeights(source, counts.rows, strategy, labels, counts.remarks)


def pos_weight(counts: LabelCounts, strategy: Strategy) -> float:
    """Return the weight of a label's positives; 1 where it has no positives or no negatives."""
    if not counts.positives or not counts.negatives:
        return 1.0
    weight = STRATEGIES[strategy.name](counts, strategy)
    return weight if strategy.cap is None else min(weight, strategy.cap)


def _ratio(counts: LabelCounts, strategy: Strategy) -> float:
    return (counts.negatives + strategy.smoothing) / (counts.positives + strategy.smoothing)


def _sqrt(counts: LabelCounts, strategy: Strategy) -> float:
    return math.sqrt(_ratio(counts, strategy))


def _effective(counts: LabelCounts, strategy: Strategy) -> float:
    """Cui et al. 2019: n samples are worth (1 - beta^n) / (1 - beta); smoothing adds to both n."""
    if strategy.beta == 0:
        return 1.0
    log_beta = math.log(strategy.beta)
    positives = -math.expm1((counts.positives + strategy.smoothing) * log_beta)
    negatives = -math.expm1((counts.negatives + strategy.smoothing) * log_beta)
    return negatives / positives


def _none(_counts: LabelCounts, _strategy: Strategy) -> float:
    return 1.0


STRATEGIES: dict[str, Callable[[LabelCounts, Strategy], float]] = {
    "ratio": _ratio,
    "sqrt": _sqrt,
    "effective": _effective,
    "balanced": _ratio,  # n / (2 positives) over n / (2 negatives), as scikit-learn's "balanced"
    "none": _none,
}
