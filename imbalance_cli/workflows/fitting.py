"""fit: from a config to a run and its report.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import operator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from imbalance_cli.artifacts import CHECKPOINT, CONFIG, HISTORY, MODEL, RunDirectory
from imbalance_cli.calibration import Calibration, fit_calibration
from imbalance_cli.config import resolve_weighting
from imbalance_cli.losses import stack_losses
from imbalance_cli.predictor import Predictor
from imbalance_cli.scored_rows import CalibratedRows, Scores, calibrate
from imbalance_cli.scoring import score, stack_members
from imbalance_cli.stages import follow, tell_nobody
from imbalance_cli.thresholds import ScorePool, Thresholds, choose_thresholds, describe_unreached
from imbalance_cli.training import EpochResult, MemberResult, train
from imbalance_cli.weight_files import read_pos_weight
from imbalance_cli.workflows.networks import plan_networks, start_model
from imbalance_cli.workflows.observing import Finish, Start, list_origins
from imbalance_cli.workflows.preparing import prepare
from imbalance_cli.workflows.saving import HeldOut, describe_data, report_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.config import Config, TrainingSection
    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.model import MultilayerPerceptron
    from imbalance_cli.scored_rows import LogOdds
    from imbalance_cli.stages import Tell
    from imbalance_cli.training import Member
    from imbalance_cli.workflows.networks import Networks
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.preparing import Prepared


MOST_CELLS = 2**20  # of held-out rows x labels that are calibrated and cut at once
ROW_CACHES = ".imbtrain-cache"  # beside the runs, which share them


def fit(
    config: Config, directory: Path, observer: Observer, *, overwrite: bool, draw: bool = True
) -> Evaluation:
    """Train a model, save the run, and evaluate it on the held-out part.

    Nothing is written before all that training needs was found to be right.

    Args:
        config: what to do.
        directory: of the run.
        observer: is told how it goes.
        overwrite: whether a run that is there may be replaced.
        draw: whether the page and the plots are drawn, where the config asks for them; whoever
            says no shows the evaluation first, and then calls `draw_report`.

    Raises:
        ImbtrainError: the config, the data or the place of the run cannot be used.
    """
    config = resolve_weighting(config, "config")
    run = RunDirectory(directory, overwrite=overwrite)
    prepared = prepare(
        config, observer, folds=config.training.folds, cache=directory.parent / ROW_CACHES
    )
    source = config.weighting.from_
    given = None if source is None else read_pos_weight(source, prepared.labels)
    networks = plan_networks(config, prepared, given=given)
    model = start_model(config, prepared, [networks])

    run.start()
    run.write(CONFIG, config.to_yaml().encode())
    observer.started(
        Start(
            command="fit",
            directory=directory,
            config=config,
            rows=prepared.parts(),
            folds=config.training.folds,
            members=list_origins([(None, networks)]),
        )
    )
    results = train_networks(
        model, prepared, networks.members, config.training, run=run, observer=observer
    )

    predictor = make_predictor(model, prepared, networks, config)
    scores = score_held_out(predictor, prepared, networks)
    weights = prepared.weights_of(prepared.held_out)
    targets = prepared.targets.take(prepared.held_out)
    predictor, thresholds = decide(
        predictor, scores, targets, config, weights=weights, tell=observer.stage
    )
    for sentence in describe_unreached(thresholds, prepared.labels, config.thresholds):
        observer.warned(sentence)
    held_out = choose_held_out(predictor, prepared, scores)
    warn_of_flattery(held_out.part, observer)
    members, data = describe(networks, results), describe_data(prepared)
    evaluation = report_run(
        run,
        predictor,
        thresholds,
        config,
        held_out,
        members,
        warn=observer.warned,
        data=data,
        tell=observer.stage,
        draw=draw,
    )
    observer.finished(Finish.of_evaluation("fit", directory, evaluation))
    return evaluation


def default_directory(config: Config, kind: str = "") -> Path:
    """Return where a run goes: output.directory / output.name, or a name with the time.

    Args:
        config: names it.
        kind: stands in a name with the time, if it is not a plain run.
    """
    if config.output.name is not None:
        return Path(config.output.directory) / config.output.name
    source = config.data.train[0]
    stem = "stdin" if source == "-" else Path(source).name.partition(".")[0]
    plain = "".join(character for character in stem if character not in "*?[]") or "run"
    now = dt.datetime.now().astimezone()
    stamp = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03}"
    name = "-".join(part for part in (plain, kind, stamp) if part)
    return Path(config.output.directory) / name


def train_networks(
    model: MultilayerPerceptron,
    prepared: Prepared,
    members: Sequence[Member],
    settings: TrainingSection,
    *,
    run: RunDirectory,
    observer: Observer,
) -> tuple[MemberResult, ...]:
    """Train, writing history and checkpoints as it goes, and return each member's last result."""
    numbers = [field.name for field in dataclasses.fields(MemberResult) if field.name != "epoch"]
    run.append_lines(HISTORY, [",".join(["epoch", "member", *numbers, *OF_ALL_MEMBERS])])
    results: tuple[MemberResult, ...] = ()
    saved_epoch = 0
    for result in train(model, prepared.rows, members, settings):
        run.append_lines(HISTORY, _history_lines(result, numbers))
        due = not saved_epoch or result.epoch - saved_epoch >= settings.checkpoint_every
        if result.is_best and due:
            run.write_tensors(f"{CHECKPOINT}/{MODEL}", model.state_dict())
            run.write_json(f"{CHECKPOINT}/state.json", dataclasses.asdict(result))
            saved_epoch = result.epoch
        observer.epoch(result)
        results = result.members
    return results


OF_ALL_MEMBERS = ("learning_rate", "rows_per_second")


def _history_lines(result: EpochResult, numbers: Sequence[str]) -> list[str]:
    """Return a line a member that took part in the epoch."""
    together = [getattr(result, name) for name in OF_ALL_MEMBERS]
    return [
        ",".join(map(str, [result.epoch, m, *(getattr(member, n) for n in numbers), *together]))
        for m, member in enumerate(result.members)
        if member.epoch == result.epoch
    ]


def make_predictor(
    model: MultilayerPerceptron, prepared: Prepared, networks: Networks, config: Config
) -> Predictor:
    """Return a predictor of trained networks, without calibration and thresholds yet."""
    labels = len(prepared.labels)
    return Predictor(
        preprocessing=prepared.preprocessing,
        model=model,
        labels=prepared.labels,
        learnable=prepared.learnable,
        loss=stack_losses([member.loss for member in networks.members], labels),
        calibration=Calibration.identity(labels),
        thresholds=torch.full((labels,), 0.5, dtype=torch.float64),
        undo_loss=config.calibration.method != "none",
        precision=config.training.precision,
    )


def score_held_out(predictor: Predictor, prepared: Prepared, networks: Networks) -> Scores:
    """Return what networks say of the rows held out of each fold, fold after fold.

    A row is scored by the members that neither learned from it nor were stopped by it.
    """
    parts = []
    for number, fold in enumerate(prepared.folds):
        own = [m for m, its_fold in enumerate(networks.folds) if its_fold == number]
        rows = prepared.rows.part(torch.from_numpy(fold.held_out).to(prepared.device))
        scored = [score(predictor.model.member(m), rows, predictor.precision) for m in own]
        parts.append((stack_members(scored), predictor.of_members(own).link_loss))
    return Scores(parts)


def decide(
    predictor: Predictor,
    scores: LogOdds,
    targets: Targets,
    config: Config,
    *,
    weights: torch.Tensor | None,
    tell: Tell = tell_nobody,
) -> tuple[Predictor, Thresholds]:
    """Fit calibration and thresholds on held-out rows, some labels at a time where there are many.

    Args:
        predictor: of the networks.
        scores: log-odds of the rows, (N, L).
        targets: (N, L).
        config: the method and the objective.
        weights: (N,) sample weights, or None.
        tell: is told how many labels are done.
    """
    steps, pools, thresholds = [], [], []

    def blocks(stage: str) -> Iterator[slice]:
        return follow(
            _label_slices(targets), tell, stage, _width, total=targets.shape[1], unit="labels"
        )

    for labels in blocks("calibrating"):
        odds, cells = scores.log_odds(labels), torch.from_numpy(targets.dense(labels))
        step = fit_calibration(odds, cells, config.calibration.method, weights=weights)  # type: ignore[arg-type]
        steps.append(step)
        pools.append(ScorePool.of(calibrate(odds, step), cells, weights))
    pool = functools.reduce(operator.add, pools)
    for labels, step in zip(blocks("choosing thresholds of"), steps, strict=True):
        cells = torch.from_numpy(targets.dense(labels))
        probabilities = calibrate(scores.log_odds(labels), step)
        thresholds.append(
            choose_thresholds(probabilities, cells, config.thresholds, weights=weights, pool=pool)
        )
    chosen = Thresholds.concatenate(thresholds)
    calibration = Calibration.concatenate(steps)
    fitted = dataclasses.replace(predictor, calibration=calibration, thresholds=chosen.values)
    return fitted, chosen


def _label_slices(targets: Targets) -> Iterator[slice]:
    """Yield neighbouring labels, as many at a time as have MOST_CELLS."""
    rows, labels = targets.shape
    width = max(MOST_CELLS // max(rows, 1), 1)
    for first in range(0, labels, width):
        yield slice(first, min(first + width, labels))


def _width(labels: slice) -> int:
    return int(labels.stop - labels.start)


def describe(networks: Networks, results: Sequence[MemberResult]) -> list[dict[str, int]]:
    """Return where each member came from and its best epoch, as plain data."""
    trios = zip(networks.members, networks.folds, results, strict=True)
    return [
        {"seed": member.seed, "fold": fold, "best_epoch": result.best_epoch}
        for member, fold, result in trios
    ]


def choose_held_out(predictor: Predictor, prepared: Prepared, scores: Scores) -> HeldOut:
    """Return the rows that the report is of: the test part, or what was held out of the folds.

    Args:
        predictor: fitted.
        prepared: all rows.
        scores: what was said of the rows held out of the folds.
    """
    data, numbers = prepared.data, prepared.data.split.test
    part = "test"
    if len(numbers):
        rows = prepared.rows.part(torch.from_numpy(numbers).to(prepared.device))
        logits = score(predictor.model, rows, predictor.precision)
        scores = Scores([(logits, predictor.link_loss)])
    else:
        part = "out_of_fold" if prepared.is_cross_fitted else "valid"
        numbers = prepared.held_out
    source = data.sources["train" if part == "out_of_fold" else part]
    scored = CalibratedRows(scores, data.targets.take(numbers), predictor.calibration)
    weights = prepared.weights_of(numbers)
    groups = None if data.groups is None else torch.from_numpy(data.groups[numbers])
    return HeldOut(part, source, numbers, scored, weights, groups)


def warn_of_flattery(part: str, observer: Observer) -> None:
    """Warn of a report on rows that anything of the model was chosen on."""
    flattery = describe_flattery(part)
    if flattery is not None:
        observer.warned(flattery)


def describe_flattery(part: str) -> str | None:
    """Return what was chosen on the rows of a part, or None where nothing was."""
    if part == "test":
        return None
    rows, chosen = {
        "valid": ("validation rows", "the epoch, the calibration and the thresholds"),
        "out_of_fold": ("rows held out of each fold", "the calibration and the thresholds"),
    }[part]
    return (
        f"there is no test part: the report is of the {rows}, on which {chosen} were chosen, and "
        "so flatters the model"
    )
