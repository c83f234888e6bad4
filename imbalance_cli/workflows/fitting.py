"""fit: from a config to a run and its report.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from imbalance_cli import workflows  # a peer's modules are loaded where it is asked for
from imbalance_cli.codes import Warned
from imbalance_cli.config import resolve_weighting
from imbalance_cli.decisions.calibration import Calibration
from imbalance_cli.decisions.thresholds import describe_unreached
from imbalance_cli.evaluation import Grouping
from imbalance_cli.losses.family import stack_losses
from imbalance_cli.network.scoring import score
from imbalance_cli.rows.sources import fingerprint_files
from imbalance_cli.run.directory import CONFIG
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.run.scored_rows import CalibratedRows, Scores
from imbalance_cli.workflows.deciding import decide
from imbalance_cli.workflows.held_out import HeldOut
from imbalance_cli.workflows.networks import prepare_networks
from imbalance_cli.workflows.observing import Finish, Start
from imbalance_cli.workflows.recording import train_networks
from imbalance_cli.workflows.resuming import Checkpoints, Resume, open_run
from imbalance_cli.workflows.saving import describe_data, report_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imbalance_cli.config import Config
    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.network.epochs import MemberResult
    from imbalance_cli.network.model import Model
    from imbalance_cli.workflows.networks import Networks
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.preparing import Prepared


def fit(
    config: Config,
    directory: Path,
    observer: Observer,
    *,
    overwrite: bool,
    resume: Resume = "no",
    draw: bool = True,
    command: str | None = None,
) -> Evaluation:
    """Train a model, save the run, and evaluate it on the held-out part.

    Nothing is written before all that training needs was found to be right.

    Args:
        config: what to do.
        directory: of the run.
        observer: receives the progress.
        overwrite: whether a run that is there may be replaced.
        resume: whether an unfinished run that is there is gone on with.
        draw: whether the page and the plots are drawn, where the config asks for them; without
            that, `draw_report` draws them later.
        command: as it was typed, for the record; None from Python.

    Raises:
        ImbtrainError: the config, the data or the place of the run cannot be used.
    """
    config = resolve_weighting(config, "config")
    run = open_run(directory, config, overwrite=overwrite, resume=resume)
    prepared, recipe, networks, model = prepare_networks(config, observer, directory.parent)
    files = fingerprint_files(config.data)
    every = config.training.checkpoint_every
    checkpoints = Checkpoints(run, resume, every, prepared, networks.members, observer)

    run.start()
    run.write(CONFIG, config.to_yaml().encode())
    start = Start(
        command="fit",
        directory=directory,
        config=config,
        recipe=recipe,
        rows=prepared.parts(),
        folds=config.training.folds,
        members=tuple(networks.origins),
    )
    observer.started(start)
    record = train_networks(model, prepared.rows, networks.members, recipe, checkpoints, observer)
    if checkpoints.is_over and any(result.is_training for result in record.results):
        last = max(result.epoch for result in record.results)
        sentence = f"training was ended after epoch {last} of {start.epochs}"
        prepared.remarks.append(sentence)
        observer.warned(Warned("IMB124", sentence))

    predictor = make_predictor(model, prepared, networks, config)
    scores = score_held_out(predictor, prepared, networks)
    weights = prepared.weights_of(prepared.held_out)
    targets = prepared.targets.take(prepared.held_out)
    predictor, thresholds = decide(
        predictor,
        scores,
        targets,
        config,
        weights=weights,
        groups=prepared.groups_of(prepared.held_out),
        tell=observer.stage,
    )
    of_model = choose_members(networks, record.results)
    predictor = predictor.keep_members(of_model)
    is_refitted = any(networks.members[m].follows for m in of_model)
    for sentence in describe_unreached(thresholds, prepared.labels, config.thresholds):
        observer.warned(Warned("IMB111", sentence))
    held_out = choose_held_out(predictor, prepared, scores)
    warn_of_flattery(held_out.part, observer, is_refitted=is_refitted)
    members, data = describe(networks, record.results), describe_data(prepared, files)
    peer = None
    if config.report.peer is not None:
        trees = workflows.train_peer(config, prepared, observer.stage)
        peer = workflows.measure_by_peer(
            config,
            prepared,
            trees,
            held_out,
            thresholds,
            seconds=record.seconds,
            still_improving=record.is_still_improving,
        )
    evaluation = report_run(
        run,
        predictor,
        thresholds,
        config,
        held_out,
        members,
        warn=observer.warned,
        data=data,
        command=command,
        peer=peer,
        tell=observer.stage,
        draw=draw,
    )
    observer.finished(Finish.of_evaluation("fit", directory, evaluation))
    return evaluation


def make_predictor(
    model: Model, prepared: Prepared, networks: Networks, config: Config
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
        prevalence=[
            label.prevalence if can_learn else None
            for label, can_learn in zip(prepared.counts.labels, prepared.learnable, strict=True)
        ],
    )


def score_held_out(predictor: Predictor, prepared: Prepared, networks: Networks) -> Scores:
    """Return what networks say of the rows held out of each fold, fold after fold.

    A row is scored by the members of its fold that did not learn from it; without folds the epochs
    of these were chosen by it.
    """
    parts = []
    for number, fold in enumerate(prepared.folds):
        own = [
            m
            for m, member in enumerate(networks.members)
            if networks.folds[m] == number and not member.follows
        ]
        rows = prepared.rows.part(torch.from_numpy(fold.held_out).to(prepared.device))
        alone = predictor.keep_members(own)
        parts.append((score(alone.model, rows, alone.precision), alone.link_loss))
    return Scores(parts)


def describe(networks: Networks, results: Sequence[MemberResult]) -> list[dict[str, int]]:
    """Return where each network that was trained came from and its best epoch, as plain data.

    Without one that follows another and was ended before it was kept.
    """
    described: list[dict[str, int]] = []
    for member, origin, result in zip(networks.members, networks.origins, results, strict=True):
        if member.follows and result.is_training:
            continue
        found = {"seed": origin.seed, "fold": origin.fold, "best_epoch": result.best_epoch}
        described.append(found | ({"refitted": True} if member.follows else {}))
    return described


def choose_members(networks: Networks, results: Sequence[MemberResult]) -> list[int]:
    """Return the members that the model is of.

    They are those that follow another, if they were kept, and those that none of these follows.
    """
    chosen: list[int] = []
    for number, (member, result) in enumerate(zip(networks.members, results, strict=True)):
        if member.follows and result.is_training:
            continue
        if member.follows and not networks.members[chosen[-1]].follows:
            chosen.pop()
        chosen.append(number)
    return chosen


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
    groups = prepared.groups_of(numbers)
    slices = [Grouping(column.name, *column.take(numbers).groups()) for column in data.slices]
    return HeldOut(part, source, numbers, scored, weights, groups, slices)


def warn_of_flattery(part: str, observer: Observer, *, is_refitted: bool = False) -> None:
    """Warn of a report on rows that anything of the model was chosen on."""
    flattery = describe_flattery(part)
    if flattery is not None:
        if is_refitted:
            flattery += "; it is of the networks that chose the epochs, and the model of others"
        observer.warned(Warned("IMB112", flattery))


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
