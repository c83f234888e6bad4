"""What a search found: its candidates, the best of them, and how much of the gain is selection.

Shapes: C candidates, K folds.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.searching.space import Settings

State = Literal["finished", "stopped", "failed"]
LIMIT = 0.975  # of Student's t; few folds need more standard errors than many
CONFIG = "config"
"""The name of the candidate that is the config as it was given."""


@dataclasses.dataclass(frozen=True)
class Tried:
    """A candidate that was trained, or that began to be.

    Attributes:
        name: what it is called.
        settings: the keys of the config that it changes.
        state: whether it was trained to its end, was stopped at a rung, or failed.
        rungs: the monitored metric at each rung it came to, the higher the better.
        epochs: that its longest network was trained.
        seconds: that it took.
        spent: seconds of the search when it was done.
        folds: (K,) its score on the rows held out of each fold, None where undefined; [] unless it
            was finished.
        members: the last result of each network, as plain data.
        reason: that it failed for.
    """

    name: str
    settings: Settings
    state: State
    rungs: list[float]
    epochs: int
    seconds: float
    spent: float
    folds: list[float | None] = dataclasses.field(default_factory=list)
    members: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    reason: str | None = None

    @property
    def score(self) -> float | None:
        """The mean over the folds where it is defined; None unless it was finished."""
        known = [value for value in self.folds if value is not None]
        return sum(known) / len(known) if known else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def of_dict(cls, document: dict[str, Any]) -> Self:
        """Return what `to_dict` made plain data of."""
        return cls(**document)


@dataclasses.dataclass(frozen=True)
class Selection:
    """What choosing the best of several candidates does to its score.

    All scores are means over the folds.

    Attributes:
        config: the score of the config as it was given.
        best: that of the best candidate, which is the higher for having been chosen by it.
        nested: chosen on all folds but one and scored on that one, in turn.
        standard_error: over the folds, of what the nested choice gains on the config; None of fewer
            than two folds.
        is_clear: whether that gain is above 0 by Student's t over the folds, at 97.5 %.
    """

    config: float
    best: float
    nested: float
    standard_error: float | None
    is_clear: bool


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """All that a search found.

    Attributes:
        score: the metric that candidates were ranked by.
        lower_is_better: whether it is a loss.
        source: what the rows were read from.
        rows: that were held out in turn.
        folds: K.
        minutes: that the search was given.
        seconds: that it took.
        kept: keys that the config gives, and the search left as they are.
        tried: the candidates, in the order they were tried in; the config is the first.
    """

    score: str
    lower_is_better: bool
    source: str
    rows: int
    folds: int
    minutes: float
    seconds: float
    kept: list[str]
    tried: list[Tried]

    @property
    def finished(self) -> list[Tried]:
        """Those that were trained to their end, the best first, of equal ones the first."""
        done = [one for one in self.tried if one.state == "finished"]
        return sorted(done, key=self.height, reverse=True)

    @property
    def best(self) -> Tried:
        """The candidate to take."""
        return self.finished[0]

    @property
    def selection(self) -> Selection:
        """How much of the gain is selection."""
        done = [one for one in self.tried if one.state == "finished"]
        sign = -1 if self.lower_is_better else 1
        return estimate_selection([one.folds for one in done], sign)

    def height(self, one: Tried) -> float:
        """Return the score of a finished candidate, the higher the better."""
        score = one.score
        if score is None:
            return -math.inf
        return -score if self.lower_is_better else score

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        facts = ("score", "source", "rows", "folds", "minutes", "seconds", "kept")
        keys = ("name", "settings", "state", "score", "folds", "epochs", "seconds", "reason")
        return {
            **{name: getattr(self, name) for name in facts},
            "best": self.best.name,
            "selection": dataclasses.asdict(self.selection),
            "candidates": [{key: getattr(one, key) for key in keys} for one in self.tried],
        }


def estimate_selection(folds: Sequence[Sequence[float | None]], sign: int = 1) -> Selection:
    """Return how much of a gain is selection, by choosing on all folds but one in turn.

    It is the cross-validation of the choice (Varma & Simon 2006) with the scores at hand: nothing
    is trained again, so candidates that were stopped early are not chosen among.

    Args:
        folds: (C, K) scores, the first candidate's those of the config; None where undefined,
            which is the same folds for all.
        sign: 1 where the higher score is the better, else -1.
    """
    table = np.array(folds, dtype=np.float64)
    table = sign * table[:, ~np.isnan(table).any(axis=0)]
    number = table.shape[1]
    others = (table.sum(axis=1, keepdims=True) - table) if number > 1 else table
    chosen = table[others.argmax(axis=0), np.arange(number)]
    gains = chosen - table[0]
    error = float(gains.std(ddof=1) / math.sqrt(number)) if number > 1 else None
    reach = float(stdtrit(number - 1, LIMIT)) if number > 1 else math.inf
    means = table.mean(axis=1)
    return Selection(
        config=sign * float(means[0]),
        best=sign * float(means.max()),
        nested=sign * float(chosen.mean()),
        standard_error=error,
        is_clear=error is not None and float(gains.mean()) > reach * error,
    )
