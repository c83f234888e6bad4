"""Candidates beyond the portfolio, by Optuna's tree-structured Parzen estimator."""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial, TrialState

    from imbalance_cli.searching.results import Tried
    from imbalance_cli.searching.space import Parameter, Settings, Space, Value


def is_optuna_installed() -> bool:
    """Return whether candidates can be suggested."""
    return importlib.util.find_spec("optuna") is not None


class Suggestions:
    """A study of Optuna in a SQLite file, by ask and tell.

    The file is written anew: what the study goes on from are the candidates of the run.

    Args:
        path: of the file.
        space: what is searched.
        seed: of the sampler.
        tried: before, in their order.
        sign: 1 where the higher score is the better, else -1; the study maximises.
    """

    def __init__(
        self, path: Path, space: Space, seed: int, tried: Sequence[Tried], sign: int
    ) -> None:
        import optuna  # noqa: PLC0415  an extra, and it takes seconds to load
        import sqlalchemy  # noqa: PLC0415  which optuna needs

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._sign = space, sign
        self._ranges = {p.name: _range(p) for p in space.parameters}
        path.unlink(missing_ok=True)
        # a path may hold ? and %, which mean something in a URL
        url = sqlalchemy.URL.create("sqlite", database=str(path.absolute()))
        self._storage = optuna.storages.RDBStorage(url.render_as_string())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=(seed + len(tried)) % 2**32, multivariate=True, group=True
            )
        self._study = optuna.create_study(
            storage=self._storage, sampler=sampler, study_name="search", direction="maximize"
        )
        for one in tried:
            self.add(one)

    def add(self, one: Tried) -> None:
        """Add a candidate that was not asked for."""
        from optuna.trial import create_trial  # noqa: PLC0415  as above

        chosen = self._space.values(one.settings)
        self._study.add_trial(
            create_trial(
                params=chosen,
                distributions={name: self._ranges[name] for name in chosen},
                value=self._value(one),
                state=_state(one),
                intermediate_values=dict(enumerate(one.rungs)),
                user_attrs={"candidate": one.name},
            )
        )

    def ask(self) -> tuple[Trial, Settings]:
        """Return a trial to be told of, and its settings."""
        trial = self._study.ask()
        chosen: dict[str, Value] = {}
        for parameter in self._space.parameters:
            if self._space.asks_for(parameter, chosen):
                chosen[parameter.name] = _suggest(trial, parameter)
        return trial, self._space.settings(chosen)

    def tell(self, trial: Trial, one: Tried) -> None:
        """Say what a trial came to."""
        trial.set_user_attr("candidate", one.name)
        for rung, value in enumerate(one.rungs):
            trial.report(value, rung)
        self._study.tell(trial, self._value(one), _state(one))

    def close(self) -> None:
        """Let go of the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _value(self, one: Tried) -> float | None:
        return None if one.score is None else self._sign * one.score


def _state(one: Tried) -> TrialState:
    from optuna.trial import TrialState  # noqa: PLC0415  as above

    return {
        "finished": TrialState.COMPLETE,
        "stopped": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }[one.state]


def _range(parameter: Parameter) -> BaseDistribution:
    from optuna import distributions  # noqa: PLC0415  as above

    if parameter.choices:
        return distributions.CategoricalDistribution(parameter.choices)
    if parameter.is_whole:
        low, high = int(parameter.low), int(parameter.high)
        return distributions.IntDistribution(low, high, log=parameter.is_log)
    return distributions.FloatDistribution(parameter.low, parameter.high, log=parameter.is_log)


def _suggest(trial: Trial, parameter: Parameter) -> Value:
    if parameter.choices:
        return trial.suggest_categorical(parameter.name, parameter.choices)
    if parameter.is_whole:
        low, high = int(parameter.low), int(parameter.high)
        return trial.suggest_int(parameter.name, low, high, log=parameter.is_log)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.is_log)
