"""Who receives the progress of a fit or a comparison, and what they receive.

Shapes: M members, L labels.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imbalance_cli.comparison import Comparison
    from imbalance_cli.config import Config
    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.progress import Stage

Command = Literal["fit", "compare", "search", "evaluate"]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a member came from; `candidate` is None in a fit."""

    candidate: str | None
    fold: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Start:
    """What is about to be trained.

    Attributes:
        command: what trains.
        directory: of the run.
        config: resolved; of a comparison, what its candidates share.
        recipe: of every network.
        candidates: the config of each candidate by name; {} in a fit.
        rows: how many are used for what: train, valid, test, or cross_fitted.
        folds: K that the cross-fitted rows are cut into; None without cross-fitting.
        members: (M,) origins, in the order of `EpochResult.members`.
    """

    command: Command
    directory: Path
    config: Config
    recipe: Recipe
    rows: dict[str, int]
    folds: int | None
    members: tuple[Origin, ...]
    candidates: Mapping[str, Config] = dataclasses.field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """The most there can be."""
        return self.recipe.epochs * (2 if self.recipe.followers else 1)

    def expected_epochs(self, result: EpochResult) -> int:
        """Return how many there will be at most, as far as this epoch tells."""
        recipe, most = self.recipe, 0
        if recipe.followers:
            for member in result.members:
                if not math.isnan(member.best_score):
                    last = recipe.epochs if member.is_training else member.epoch
                    most = max(most, last + recipe.epochs_kept(member.best_epoch, last)[-1])
            return most
        if isinstance(recipe.patience, int):
            going = [m.best_epoch for m in result.members if m.is_training]
            return min(max(going, default=result.epoch) + recipe.patience, self.epochs)
        return self.epochs


Scores = dict[str, float | None]
"""By metric; None where undefined."""


@dataclasses.dataclass(frozen=True)
class HeldOutScores:
    """What one model scored on held-out rows.

    Attributes:
        candidate: the model's name; None in a fit.
        macro: means over labels.
        labels: (L,) pairs of a name and its scores.
    """

    candidate: str | None
    macro: Scores
    labels: list[tuple[str, Scores]]


@dataclasses.dataclass(frozen=True)
class Finish:
    """What a command came to.

    Attributes:
        command: what it was.
        directory: of the run, all of which is written.
        part: what the scored rows are: test, valid, out_of_fold or held_out.
        rows: how many there are.
        scores: of the model, or of each candidate.
    """

    command: Command
    directory: Path
    part: str
    rows: int
    scores: list[HeldOutScores]

    @classmethod
    def of_evaluation(cls, command: Command, directory: Path, evaluation: Evaluation) -> Finish:
        """Return what a model came to."""
        labels = [
            (label.label, {name: found.value for name, found in label.metrics.items()})
            for label in evaluation.labels
        ]
        scores = HeldOutScores(None, dict(evaluation.macro), labels)
        return cls(command, directory, evaluation.part, evaluation.rows, [scores])

    @classmethod
    def of_comparison(cls, directory: Path, comparison: Comparison) -> Finish:
        """Return what a comparison came to."""
        scores = [
            HeldOutScores(
                candidate.name,
                {name: compared.value for name, compared in candidate.macro.items()},
                [
                    (label.label, {name: found.value for name, found in label.metrics.items()})
                    for label in candidate.labels
                ],
            )
            for candidate in comparison.candidates
        ]
        return cls("compare", directory, "held_out", comparison.rows, scores)


class Observer:
    """Receives what happens in training, and ignores what it does not define."""

    def warned(self, sentence: str) -> None:
        """Something was noticed that the numbers should be read with; at any time."""

    def stage(self, stage: Stage) -> None:
        """How far reading, calibrating and the like are; at any time, several times a second."""

    def noted(self, sentence: str) -> None:
        """Something was done that is no reason to doubt the numbers; at any time."""

    def started(self, start: Start) -> None:
        """Training begins."""

    def epoch(self, result: EpochResult) -> None:
        """An epoch ended."""

    def finished(self, finish: Finish) -> None:
        """The run is written; without training, nothing came before."""


class Observers(Observer):
    """Several observers as one; each receives everything, in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def warned(self, sentence: str) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.warned(sentence)

    def stage(self, stage: Stage) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.stage(stage)

    def noted(self, sentence: str) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.noted(sentence)

    def started(self, start: Start) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.started(start)

    def epoch(self, result: EpochResult) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.epoch(result)

    def finished(self, finish: Finish) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.finished(finish)
