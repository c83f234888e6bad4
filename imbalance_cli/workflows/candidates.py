"""The candidates of a search: each trained on the same folds, stopped at a rung or by the clock.

Shapes: M members, K folds, N rows, L labels.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import TYPE_CHECKING

import torch

from imbalance_cli.errors import ConfigError, TrainingError
from imbalance_cli.metrics import macro
from imbalance_cli.network.epochs import MemberResult
from imbalance_cli.network.monitors import LOWER_IS_BETTER, MONITORS
from imbalance_cli.network.processes import train_on_cores
from imbalance_cli.progress import Stage
from imbalance_cli.searching import Halving
from imbalance_cli.searching.halving import list_rungs
from imbalance_cli.searching.results import CONFIG
from imbalance_cli.workflows.comparing import Trained
from imbalance_cli.workflows.fitting import make_predictor, score_held_out
from imbalance_cli.workflows.networks import plan_networks, recipe_of, start_model
from imbalance_cli.workflows.recording import TrainingRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imbalance_cli.config import Config
    from imbalance_cli.network.model import Model
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.progress import Tell
    from imbalance_cli.searching import Space, Tried
    from imbalance_cli.workflows.networks import Networks
    from imbalance_cli.workflows.preparing import Prepared

MINUTE = 60.0


class TimeUpError(Exception):
    """The next epoch would end past the last minute."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """How long a search may take.

    Attributes:
        seconds: in all.
        spent: before this process began.
        clock: seconds, from any time on.
        began: what it showed at the beginning.
    """

    seconds: float
    spent: float
    clock: Callable[[], float]
    began: float

    def now(self) -> float:
        """Return the seconds of the search so far."""
        return self.spent + self.clock() - self.began

    def too_short(self, reason: str, enough: int) -> ConfigError:
        """Return the error of a search without time for one candidate.

        Args:
            reason: how far it came.
            enough: minutes.
        """
        return ConfigError(
            f"--minutes {self.seconds / MINUTE:g}: is too short for one candidate: {reason}",
            hint=f"--minutes {enough} or more, with --overwrite where a run was begun; with fewer "
            "epochs or folds candidates are faster",
        )


class Candidates:
    """Trains the candidates of a search.

    Args:
        space: makes their configs.
        prepared: the rows.
        given: (L,) weights from a file, which all of them have; None for none.
        score: what they are ranked by, of `MONITORS`.
        budget: how long the search may take.
        tell: receives how much of that is over.
    """

    def __init__(
        self,
        space: Space,
        prepared: Prepared,
        given: Sequence[float] | None,
        score: str,
        budget: Budget,
        tell: Tell,
    ) -> None:
        self._space, self._prepared, self._given = space, prepared, given
        self._score, self._budget, self._tell = score, budget, tell
        self._halving = Halving()

    def plan(self, config: Config) -> tuple[Recipe, Networks]:
        """Return the recipe and the networks of a candidate."""
        recipe = recipe_of(config, self._prepared)
        return recipe, plan_networks(config, recipe, self._prepared, given=self._given)

    def train(self, one: Tried) -> tuple[Tried, Trained | None]:
        """Train the networks of a candidate, unless a rung stops them.

        Returns:
            What it came to, and its networks if it was trained to its end.

        Raises:
            TimeUpError: the next epoch would end past the last minute.
            ConfigError: the same of the config as it was given, or this one cannot be trained.
            TrainingError: it diverged, or its score is undefined.
        """
        config = self._space.config(one.settings)
        recipe, plan = self.plan(config)
        model = start_model(recipe, self._prepared, [plan], config.training.seed)
        rungs = list_rungs(recipe.epochs)
        sign = -1 if recipe.monitor in LOWER_IS_BETTER else 1
        began, seconds, epoch = self._budget.now(), 0.0, 0
        results: tuple[MemberResult, ...] = ()
        reached: list[float] = []
        training = train_on_cores(model, self._prepared.rows, plan.members, recipe)
        with contextlib.closing(training):
            for progress in training:
                epoch, results = progress.result.epoch, progress.result.members
                seconds = progress.seconds
                self._show(one.name)
                if epoch in rungs:
                    reached.append(sign * progress.result.best_score)
                    if not self._halving.goes_on(rungs[epoch], reached[-1]) and one.settings:
                        stopped = dataclasses.replace(
                            one, state="stopped", rungs=reached, epochs=epoch
                        )
                        return stopped, None
                now = self._budget.now()
                if epoch < recipe.epochs and now + (now - began) / epoch > self._budget.seconds:
                    raise self._time_up(one.name, epoch, recipe, now - began)
        trained = self._put_together(
            one.name, config, plan, model, TrainingRecord(results, [], seconds)
        )
        members = [dataclasses.asdict(result) for result in results]
        folds = self._score_folds(trained)
        return dataclasses.replace(
            one, state="finished", rungs=reached, epochs=epoch, folds=folds, members=members
        ), trained

    def _time_up(self, name: str, epoch: int, recipe: Recipe, seconds: float) -> Exception:
        """Return what ends the search; of the first candidate, an error that says what it takes."""
        if name != CONFIG:
            return TimeUpError()
        whole = self._budget.now() + seconds / epoch * (recipe.epochs - epoch)
        return self._budget.too_short(
            f"the config itself came to epoch {epoch} of {recipe.epochs}, and would take about "
            f"{whole / MINUTE:.2g} minutes",
            math.ceil(3 * whole / MINUTE),
        )

    def restore(self, one: Tried, tensors: Mapping[str, torch.Tensor]) -> Trained:
        """Return a finished candidate with its networks, which were trained before.

        Args:
            one: what it came to.
            tensors: of the networks, by name.

        Raises:
            KeyError: one is not there.
            RuntimeError: one has another shape.
        """
        config = self._space.config(one.settings)
        recipe, plan = self.plan(config)
        model = start_model(recipe, self._prepared, [plan], config.training.seed)
        model.load_state_dict({name: tensors[name] for name in model.state_dict()})
        model.eval()
        results = tuple(MemberResult(**member) for member in one.members)
        record = TrainingRecord(results, [], one.seconds)
        return self._put_together(one.name, config, plan, model, record)

    def note(self, one: Tried) -> None:
        """Take the rungs of a candidate that was tried before for those to come."""
        for rung, value in enumerate(one.rungs):
            self._halving.goes_on(rung, value)

    def _show(self, name: str) -> None:
        """Say how much of the time is over."""
        done, total = round(self._budget.now()), round(self._budget.seconds)
        self._tell(Stage(f"searching: {name}", min(done, total), total, "seconds"))

    def _put_together(
        self, name: str, config: Config, plan: Networks, model: Model, record: TrainingRecord
    ) -> Trained:
        predictor = make_predictor(model, self._prepared, plan, config)
        scores = score_held_out(predictor, self._prepared, plan)
        return Trained(name, config, plan, record, predictor, scores)

    def _score_folds(self, trained: Trained) -> list[float | None]:
        """Return the mean over the labels on the rows held out of each fold, (K,)."""
        odds, start = trained.scores.log_odds(), 0
        found = []
        for fold in self._prepared.folds:
            stop = start + len(fold.held_out)
            targets = torch.from_numpy(self._prepared.targets.take(fold.held_out).dense())
            weights = self._prepared.weights_of(fold.held_out)
            found.append(macro(MONITORS[self._score](odds[start:stop], targets, weights)))
            start = stop
        if all(value is None for value in found):
            raise TrainingError(
                f"{self._score} is undefined on the rows held out of every fold",
                hint="fewer --folds, or more rows",
            )
        return found
