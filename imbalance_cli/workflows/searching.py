"""search: candidates on the same folds until the minutes are over, and the best of them kept.

Shapes: M members, K folds, N rows, L labels.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from typing import TYPE_CHECKING, Any

import safetensors.torch

from imbalance_cli.codes import Warned
from imbalance_cli.config import (
    Config,
    refuse_contradictions,
    refuse_unfoldable,
    resolve_weighting,
)
from imbalance_cli.errors import ConfigError, RunError, TrainingError, number_of
from imbalance_cli.metrics import lower_is_better
from imbalance_cli.report.search import write_best
from imbalance_cli.rows.sources import fingerprint_files
from imbalance_cli.run.directory import BEST, CANDIDATES, CONFIG, MODEL, SEARCH, STUDY
from imbalance_cli.searching import PORTFOLIO, SearchResult, Space, Tried
from imbalance_cli.searching.results import CONFIG as AS_GIVEN
from imbalance_cli.searching.space import RECIPES
from imbalance_cli.searching.suggesting import Suggestions, is_optuna_installed
from imbalance_cli.weighting.files import read_pos_weight
from imbalance_cli.workflows.candidates import MINUTE, Budget, Candidates, TimeUpError
from imbalance_cli.workflows.comparing import save_candidates, unprefix
from imbalance_cli.workflows.networks import recipe_of
from imbalance_cli.workflows.observing import Finish, HeldOutScores, Start
from imbalance_cli.workflows.preparing import prepare
from imbalance_cli.workflows.resuming import Resume, digest_of, open_run, refuse_other_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from optuna.trial import Trial

    from imbalance_cli.run.directory import RunDirectory
    from imbalance_cli.searching.space import Settings
    from imbalance_cli.workflows.comparing import Trained
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.preparing import Prepared

GOING_ON = (CANDIDATES, STUDY, MODEL, SEARCH)


def search(  # noqa: PLR0913  what is searched, for how long, and where it goes
    config: Config,
    minutes: float,
    directory: Path,
    observer: Observer,
    *,
    folds: int,
    score: str = "average_precision",
    overwrite: bool,
    resume: Resume = "no",
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Train candidates on the same folds until the minutes are over, and keep the best.

    The config itself is the first candidate, then come those of the portfolio, then what Optuna
    suggests. The test part is in no fold: nothing is chosen by it.

    Args:
        config: its loss may be auto. What it gives is kept.
        minutes: of training, in all, those before a resumption included.
        directory: of the run.
        observer: receives the progress.
        folds: K.
        score: what candidates are ranked by, of `MONITORS`.
        overwrite: whether a run that is there may be replaced.
        resume: whether a search that is there, finished or not, is gone on with.
        clock: tells the seconds.

    Raises:
        ImbtrainError: the config, the data or the place of the run cannot be used, or there was no
            time for the first candidate.
    """
    began = clock()
    folded = config.with_repeats(folds, networks=None)
    resolved = resolve_weighting(folded, "config")
    refuse_contradictions(resolved, {}, "config")
    refuse_unfoldable(resolved, "search")
    if config.report.peer is not None:
        raise ConfigError(
            f"report.peer: {config.report.peer}: search trains networks alone",
            hint="--set report.peer=null",
        )
    run = open_run(directory, resolved, overwrite=overwrite, resume=resume, kind="search")
    before = _read_candidates(run) if resume != "no" else []
    spent = _seconds_spent(run, before)
    if spent >= minutes * MINUTE:
        raise ConfigError(
            f"{directory}: the search took {spent / MINUTE:.3g} minutes already, and --minutes is "
            f"{minutes:g}, of the whole search",
            hint=f"--minutes {math.ceil(spent / MINUTE) + 10:g} goes on with it",
        )
    budget = Budget(minutes * MINUTE, spent, clock, began)
    prepared = prepare(resolved, observer, folds=folds)
    files = fingerprint_files(config.data)
    going = _Search(folded, resolved, prepared, run, score, budget, observer)
    going.begin(before)
    with contextlib.closing(going):
        going.go_on()
    result = going.result(minutes)
    best = going.best
    document = save_candidates(run, [best], prepared, files, observer)
    run.write_json(SEARCH, {"run": str(run.path), **result.to_dict()})
    run.write(BEST, write_best(config, result).encode())
    run.finish(document, kind="search")
    scores = HeldOutScores(best.name, {score: result.best.score}, [])
    observer.finished(Finish("search", directory, "held_out", result.rows, [scores]))
    return result


class _Search:
    """A search as it goes.

    Args:
        config: as it was given.
        resolved: with its loss and its weights.
        prepared: the rows.
        run: to be written.
        score: what candidates are ranked by.
        budget: how long it may take.
        observer: receives the progress.
    """

    def __init__(  # noqa: PLR0917  all that a search is of
        self,
        config: Config,
        resolved: Config,
        prepared: Prepared,
        run: RunDirectory,
        score: str,
        budget: Budget,
        observer: Observer,
    ) -> None:
        self._config, self._prepared, self._run = resolved, prepared, run
        self._score, self._budget, self._observer = score, budget, observer
        self._sign = -1 if lower_is_better(score) else 1
        recipes = {name: recipe_of(_change_recipe(resolved, name), prepared) for name in RECIPES}
        self._space = Space(
            config,
            recipes,
            numbers=prepared.preprocessing.continuous,
            labels=len(prepared.labels),
        )
        source = resolved.weighting.from_  # which all candidates have, where the config has it
        given = None if source is None else read_pos_weight(source, prepared.labels)
        self._candidates = Candidates(self._space, prepared, given, score, budget, observer.stage)
        self._spent = 0.0
        self._tried: list[Tried] = []
        self._best: tuple[Tried, Trained] | None = None
        self._suggestions: Suggestions | None = None

    @property
    def best(self) -> Trained:
        """The best candidate with its networks."""
        if self._best is None:
            raise self._budget.too_short("none was trained", 10)
        return self._best[1]

    def begin(self, before: list[dict[str, Any]]) -> None:
        """Begin, or take up what a search that is gone on with has found.

        Args:
            before: the lines of its candidates, or none.

        Raises:
            RunError: it was begun with other rows or another score.
        """
        recipe, plan = self._candidates.plan(self._config)
        head = {"score": self._score, "rows": digest_of(self._prepared, plan.members)}
        if before:
            if before[0]["score"] != self._score:
                raise RunError(
                    f"{self._run.path}: was begun with --score {before[0]['score']}, not "
                    f"{self._score}",
                    hint="the score it was begun with, or --overwrite to begin again",
                )
            refuse_other_rows(self._run, before[0]["rows"], self._prepared, plan.members)
        self._tried = [Tried.of_dict(line) for line in before[1:]]
        for one in self._tried:
            self._candidates.note(one)
        finished = [one for one in self._tried if one.state == "finished"]
        if finished:
            best = max(finished, key=self._height)
            self._best = (best, self._load(best))
        self._run.start(kept=GOING_ON)
        self._run.write(CONFIG, self._config.to_yaml().encode())
        lines = [json.dumps(line) for line in before or [head]]
        self._run.write(CANDIDATES, "".join(f"{line}\n" for line in lines).encode())
        self._observer.started(
            Start(
                command="search",
                directory=self._run.path,
                config=self._config,
                recipe=recipe,
                rows=self._prepared.parts(),
                folds=self._config.training.folds,
                members=tuple(plan.origins),
            )
        )
        if self._tried:
            self._observer.noted(
                f"{self._run.path}: goes on after {number_of(len(self._tried), 'candidate')}"
            )
        if self._space.kept:
            self._observer.noted(f"kept as the config has them: {', '.join(self._space.kept)}")

    def go_on(self) -> None:
        """Try candidates until the minutes are over."""
        try:
            for name, settings, trial in self._list_candidates():
                one = self._try(name, settings)
                if trial is not None and self._suggestions is not None:
                    self._suggestions.tell(trial, one)
        except TimeUpError:
            self._spent = self._budget.seconds  # what is left is too short for an epoch
            self._observer.noted("the minutes are over: a candidate that was not done is left out")
        except KeyboardInterrupt:
            kept = number_of(len(self._tried), "candidate")
            self._observer.noted(f"{self._run.path}: --resume goes on after {kept}")
            raise

    def close(self) -> None:
        """Let go of the study."""
        if self._suggestions is not None:
            self._suggestions.close()

    def result(self, minutes: float) -> SearchResult:
        """Return all that was found."""
        return SearchResult(
            score=self._score,
            lower_is_better=self._sign < 0,
            source=self._prepared.data.sources["train"],
            rows=len(self._prepared.held_out),
            folds=len(self._prepared.folds),
            minutes=minutes,
            seconds=max(self._budget.now(), self._spent),
            kept=self._space.kept,
            tried=self._tried,
        )

    def _list_candidates(self) -> Iterator[tuple[str, Settings, Trial | None]]:
        """Yield names and settings: the config, the portfolio, and then without end."""
        for name, settings in {AS_GIVEN: {}, **PORTFOLIO}.items():
            kept = self._space.keep(settings)
            if kept not in [one.settings for one in self._tried]:
                yield name, kept, None
        if not self._space.parameters:
            self._observer.noted("the config gives every key that a search would vary")
            return
        if not is_optuna_installed():
            self._observer.warned(
                Warned(
                    "IMB126",
                    "optuna is not installed, so the search ends after the portfolio: pip install "
                    "'imbtrain[search]' for more candidates",
                )
            )
            return
        path, seed = self._run.place / STUDY, self._config.training.seed
        suggestions = Suggestions(path, self._space, seed, self._tried, self._sign)
        self._suggestions = suggestions
        while True:
            trial, settings = suggestions.ask()
            yield f"trial_{trial.number}", settings, trial

    def _try(self, name: str, settings: Settings) -> Tried:
        """Train one candidate, and note what it came to.

        Raises:
            TimeUpError: one of its epochs would end past the last minute.
        """
        began = self._budget.now()
        if self._tried:
            usual = self._tried[0]  # the config itself, whose epochs take about as long
            if began + usual.seconds / usual.epochs > self._budget.seconds:
                raise TimeUpError
        one = Tried(name, settings, "failed", [], 0, 0.0, began)
        trained: Trained | None = None
        try:
            one, trained = self._candidates.train(one)
        except (ConfigError, TrainingError) as error:
            if name == AS_GIVEN:  # there is nothing to compare the others with
                raise
            one = dataclasses.replace(one, reason=error.message)
        now = self._budget.now()
        one = dataclasses.replace(one, seconds=now - began, spent=now)
        if trained is not None and (
            self._best is None or self._height(one) > self._height(self._best[0])
        ):
            self._keep(one, trained)
        self._run.append_lines(CANDIDATES, [json.dumps(one.to_dict())])
        self._tried.append(one)
        self._tell_of(one)
        return one

    def _keep(self, one: Tried, trained: Trained) -> None:
        """Keep the networks of a new best candidate, beside those of the one before it.

        So the best of the candidates that are written down is there, also where the process is
        killed before the new one is.
        """
        both = [trained] if self._best is None else [self._best[1], trained]
        self._run.write_tensors(
            MODEL,
            {
                f"{each.name}/{key}": value
                for each in both
                for key, value in each.predictor.model.state_dict().items()
            },
        )
        self._best = (one, trained)

    def _load(self, one: Tried) -> Trained:
        """Return a finished candidate with its networks, as `_keep` wrote them.

        Raises:
            RunError: they are not there.
        """
        path = self._run.place / MODEL
        try:
            tensors = unprefix(safetensors.torch.load(path.read_bytes()), one.name)
            return self._candidates.restore(one, tensors)
        except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
            raise RunError(
                f"{path}: does not hold the networks of {one.name}, the best candidate so far",
                hint="--overwrite begins again",
            ) from error

    def _height(self, one: Tried) -> float:
        return -math.inf if one.score is None else self._sign * one.score

    def _tell_of(self, one: Tried) -> None:
        """Say what a candidate came to."""
        if one.score is not None:
            scores = [found.score for found in self._tried if found.score is not None]
            best = min(scores) if self._sign < 0 else max(scores)
            what = f"{self._score} {one.score:.4f}, best {best:.4f}"
        elif one.state == "stopped":
            what = f"stopped after {number_of(one.epochs, 'epoch')}"
        else:
            what = f"failed: {one.reason}"
        self._observer.noted(f"{one.name}: {what}")


def _change_recipe(config: Config, name: str) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update={"recipe": name})})


def _read_candidates(run: RunDirectory) -> list[dict[str, Any]]:
    """Return the lines of a search that is gone on with; a line that was cut short is left out.

    Raises:
        RunError: one is no line of a candidate.
    """
    path = run.place / CANDIDATES
    if not path.exists():  # it was stopped before it began
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    try:
        documents = [json.loads(line) for line in lines if line.endswith("\n")]
        for document in documents[1:]:
            Tried.of_dict(document)
        if documents and not {"score", "rows"} <= documents[0].keys():
            raise KeyError("score")  # noqa: TRY301  as of any other line
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise RunError(
            f"{path}: was changed after the search wrote it", hint="--overwrite begins again"
        ) from error
    return documents


def _seconds_spent(run: RunDirectory, before: list[dict[str, Any]]) -> float:
    """Return how long a search that is gone on with took so far."""
    if len(before) < 2:  # noqa: PLR2004  the head alone
        return 0.0
    path = run.place / SEARCH
    ended = json.loads(path.read_bytes())["seconds"] if path.exists() else 0.0
    return float(max(before[-1]["spent"], ended))
