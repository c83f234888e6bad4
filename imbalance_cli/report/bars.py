"""Average precision and its interval as a bar of a few characters, against no skill."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rich.text import Text

from imbalance_cli.report.axes import log_odds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation import LabelEvaluation

WIDTH = 10
LEAST, MOST = 0.001, 0.999  # the ends of the longest scale
POINT, REACH, CHANCE = "●", "─", "┊"


@dataclasses.dataclass(frozen=True)
class BarScale:
    """From a share to a cell of a bar, by its log-odds, so that rare and sure labels both show.

    Attributes:
        low: the share at the left end.
        high: the share at the right end.
    """

    low: float
    high: float

    @classmethod
    def of(cls, labels: Sequence[LabelEvaluation]) -> BarScale:
        """Return the scale that holds prevalence, AP and interval of the labels that have an AP."""
        shares: list[float | None] = []
        for label in labels:
            estimate = label.average_precision
            if estimate.value is not None:
                shares += [label.prevalence, estimate.value, estimate.low, estimate.high]
        known = [min(max(share, LEAST), MOST) for share in shares if share is not None]
        return cls(min(known, default=LEAST), max(known, default=MOST))

    def cell(self, share: float) -> int:
        """Return the cell that a share falls into."""
        low, high = log_odds(self.low), log_odds(self.high)
        place = (log_odds(min(max(share, self.low), self.high)) - low) / max(high - low, 1e-9)
        return min(int(place * WIDTH), WIDTH - 1)

    def describe(self) -> str:
        """Return its ends in words."""
        digits = 2 if self.low < MOST / 10 else 3  # as 99.9, not 1e+02
        return f"log-odds scale, {100 * self.low:.{digits}g} % to {100 * self.high:.3g} %"


def draw_bar(label: LabelEvaluation, scale: BarScale) -> Text:
    """Draw AP, its interval and the prevalence.

    Green is better than no skill by the interval, yellow is not. What has no AP has no bar.
    """
    estimate = label.average_precision
    cells = [" "] * WIDTH
    if estimate.value is None:
        return Text("".join(cells), no_wrap=True)
    if estimate.low is not None and estimate.high is not None:
        for i in range(scale.cell(estimate.low), scale.cell(estimate.high) + 1):
            cells[i] = REACH
    if label.prevalence is not None:
        cells[scale.cell(label.prevalence)] = CHANCE
    cells[scale.cell(estimate.value)] = POINT
    style = ""
    if estimate.low is not None and label.prevalence is not None:
        style = "green" if estimate.low > label.prevalence else "yellow"
    return Text("".join(cells), style, no_wrap=True)
