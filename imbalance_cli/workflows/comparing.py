"""compare: the same folds for every candidate, and what the held-out rows say of each.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from imbalance_cli.codes import Warned
from imbalance_cli.comparison import Candidate, Comparison, compare_candidates
from imbalance_cli.config import BASELINE, BOOSTED_TREES, Config, compared_losses, list_candidates
from imbalance_cli.decisions.thresholds import describe_unreached
from imbalance_cli.errors import OutputError, RunError, nearest
from imbalance_cli.evaluation import DenseRows, Grouping, Resampling
from imbalance_cli.report import comparison as drawing
from imbalance_cli.rows.sources import fingerprint_files
from imbalance_cli.run.directory import (
    COMPARISON_CSV,
    COMPARISON_JSON,
    CONFIG,
    MODEL,
    PREDICTIONS,
    REPORT,
    RunDirectory,
    default_directory,
    load_run,
)
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.run.scored_rows import KeptLogOdds, calibrate
from imbalance_cli.workflows.deciding import choose_decisions, decide
from imbalance_cli.workflows.drawing_runs import draw_candidates
from imbalance_cli.workflows.fitting import (
    choose_held_out,
    describe,
    make_predictor,
    score_held_out,
    warn_of_flattery,
)
from imbalance_cli.workflows.held_out import HeldOut
from imbalance_cli.workflows.networks import (
    plan_networks,
    recipe_of,
    refuse_too_many,
    start_model,
)
from imbalance_cli.workflows.observing import Finish, Start
from imbalance_cli.workflows.peer import name_trees, train_peer
from imbalance_cli.workflows.predictions import encode_parquet, target_columns, weight_column
from imbalance_cli.workflows.preparing import prepare
from imbalance_cli.workflows.recording import TrainingRecord, train_networks
from imbalance_cli.workflows.resuming import Checkpoints, Resume, open_run
from imbalance_cli.workflows.saving import (
    describe_data,
    describe_model,
    read_thresholds,
    report_run,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imbalance_cli.comparison.results import Kind
    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.network.model import Model
    from imbalance_cli.run.scored_rows import Scores
    from imbalance_cli.workflows.networks import Networks
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.preparing import Prepared

HELD_OUT = "held_out"
RAW_SCORES = "held_out_scores"
MOST_WITH_TREES = 100  # labels, of more of which boosted trees are trained only if asked for


@dataclasses.dataclass(frozen=True)
class Trained:
    """A candidate after training.

    Attributes:
        name: what it is called.
        config: that it was trained by.
        networks: where its members came from.
        record: of their training.
        predictor: its model, without calibration and thresholds yet.
        scores: what it says of the held-out rows, fold after fold.
    """

    name: str
    config: Config
    networks: Networks
    record: TrainingRecord
    predictor: Predictor
    scores: Scores


def compare(
    config: Config,
    losses: Sequence[str],
    strategies: Sequence[str],
    directory: Path,
    observer: Observer,
    *,
    overwrite: bool,
    resume: Resume = "no",
) -> Comparison:
    """Train every candidate on the same folds, compare them, and save all their models.

    Args:
        config: everything but the loss; training.folds and model.members say how often each
            candidate is trained.
        losses: of config.compared_losses; none for the default ones.
        strategies: of the weights of weighted_bce; none for the default ones.
        directory: of the run.
        observer: receives the progress.
        overwrite: whether a run that is there may be replaced.
        resume: whether an unfinished run that is there is gone on with.

    Raises:
        ImbtrainError: the config, the data or the place of the run cannot be used.
    """
    configs = list_candidates(config, losses, strategies)
    run = open_run(directory, config, overwrite=overwrite, resume=resume)
    prepared = prepare(config, observer, folds=config.training.folds)
    files = fingerprint_files(config.data)
    recipe = recipe_of(config, prepared)
    refuse_too_many(recipe, prepared, models=len(configs))
    with_trees = _are_trees_wanted(losses, prepared, observer)
    plans = {
        name: plan_networks(own, recipe, prepared, candidate=name) for name, own in configs.items()
    }
    model = start_model(recipe, prepared, list(plans.values()), config.training.seed)
    members = [member for plan in plans.values() for member in plan.members]
    every = config.training.checkpoint_every
    checkpoints = Checkpoints(run, resume, every, prepared, members, observer)

    run.start()
    run.write(CONFIG, config.to_yaml().encode())
    observer.started(
        Start(
            command="compare",
            directory=directory,
            config=config,
            recipe=recipe,
            candidates=configs,
            rows=prepared.parts(),
            folds=config.training.folds,
            members=tuple(origin for plan in plans.values() for origin in plan.origins),
        )
    )
    record = train_networks(model, prepared.rows, members, recipe, checkpoints, observer)

    trained = take_apart(configs, plans, model, record, prepared)
    candidates = [predict_held_out(one, prepared) for one in trained]
    if with_trees:
        trees = train_peer(config, prepared, observer.stage)
        odds = trees.log_odds_held_out(prepared.folds)
        candidates.append(name_trees(trees, *_decide_across_folds(odds, config, prepared)))
    comparison = compare_held_out(candidates, prepared, config, baseline=BASELINE)
    save_comparison(run, trained, prepared, comparison, files, observer, networks=recipe.networks)
    if config.report.plots:
        run.write(REPORT, draw_candidates(comparison, configs))
    observer.finished(Finish.of_comparison(directory, comparison))
    return comparison


def compare_held_out(
    candidates: Sequence[Candidate],
    prepared: Prepared,
    config: Config,
    *,
    baseline: str,
    kind: Kind = "candidate",
) -> Comparison:
    """Compare candidates by what they say of the rows held out of the folds."""
    return compare_candidates(
        candidates,
        prepared.held_out_targets(),
        prepared.labels,
        learnable=prepared.learnable,
        groups=prepared.groups_of(prepared.held_out),
        folds=_fold_of_row(prepared),
        baseline=baseline,
        weights=prepared.weights_of(prepared.held_out),
        resampling=Resampling(config.report.bootstrap, config.report.confidence),
        kind=kind,
        source=prepared.data.sources["train"],
    )


def choose(
    comparison: Path,
    name: str | None,
    directory: Path | None,
    observer: Observer,
    *,
    overwrite: bool,
    command: str | None = None,
) -> tuple[Evaluation, Path]:
    """Make a run of one candidate of a comparison, without training again.

    Args:
        comparison: the run that `compare` left, or `search`.
        name: of the candidate; None takes the one that a search has kept.
        directory: of the new run; None takes what the config of the comparison says.
        observer: receives warnings on the numbers.
        overwrite: whether a run that is there may be replaced.
        command: as it was typed, for the record.

    Returns:
        The evaluation, and where the run is.

    Raises:
        ImbtrainError: the comparison has no such candidate, or a place cannot be used.
    """
    document, tensors = load_run(comparison, "search" if name is None else "comparison")
    if name is None:
        [name] = [candidate["name"] for candidate in document["candidates"]]
    if name == BOOSTED_TREES:
        networks = ", ".join(candidate["name"] for candidate in document["candidates"])
        raise RunError(
            f"{comparison}: {name} is a yardstick and not a model to choose: compare keeps what it "
            "scored, and runs are of networks",
            hint=f"--choose one of {networks}; with --set report.peer={name} imbtrain fit reports "
            "both",
        )
    found = {candidate["name"]: candidate for candidate in document["candidates"]}
    if name not in found:
        raise RunError(
            f"{comparison}: no candidate {name!r}; there are {', '.join(found)}",
            hint=nearest(name, list(found)),
        )
    config = Config.model_validate(found[name]["config"])
    own = unprefix(tensors, name)
    model = found[name]["model"]
    predictor = Predictor.from_document(
        model,
        {k: v for k, v in own.items() if k not in {HELD_OUT, RAW_SCORES}},
        torch.device("cpu"),
    )
    thresholds = read_thresholds(model["labels"])
    shared = unprefix(tensors, HELD_OUT)
    held_out = HeldOut(
        part=document[HELD_OUT]["part"],
        source=document[HELD_OUT]["source"],
        rows=shared["rows"].numpy(),
        scored=DenseRows(own[HELD_OUT], shared["targets"], own.get(RAW_SCORES)),
        weights=shared.get("weights"),
        groups=shared.get("groups"),
        slices=[
            Grouping(**grouping, of_row=shared[f"slice_{i}"].numpy())
            for i, grouping in enumerate(document[HELD_OUT].get("slices", []))
        ],
    )
    path = directory or default_directory(config)
    if path.resolve() == comparison.resolve():
        raise OutputError(
            f"{path}: is the {document['kind']} that the model is taken from",
            hint="another --run-dir",
        )
    run = RunDirectory(path, overwrite=overwrite)
    run.start()
    run.write(CONFIG, config.to_yaml().encode())
    warn_of_flattery(held_out.part, observer)
    members, data = model["trained"], document.get("data")
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
        tell=observer.stage,
    )
    observer.finished(Finish.of_evaluation("fit", path, evaluation))
    return evaluation, path


def _are_trees_wanted(losses: Sequence[str], prepared: Prepared, observer: Observer) -> bool:
    """Whether boosted trees are among the candidates: where they are asked for, or by default."""
    labels = len(prepared.labels)
    if not losses and labels > MOST_WITH_TREES:
        observer.noted(
            f"{BOOSTED_TREES} are left out: {labels:,} labels would take as many models a fold; "
            f"--losses with {BOOSTED_TREES} among them trains these"
        )
        return False
    return BOOSTED_TREES in (losses or compared_losses(by_default=True))


def take_apart(
    configs: Mapping[str, Config],
    plans: Mapping[str, Networks],
    model: Model,
    record: TrainingRecord,
    prepared: Prepared,
) -> list[Trained]:
    """Return each candidate with its own members and their scores."""
    trained, start = [], 0
    for name, config in configs.items():
        plan = plans[name]
        stop = start + len(plan.members)
        predictor = make_predictor(model.part(start, stop), prepared, plan, config)
        scores = score_held_out(predictor, prepared, plan)
        trained.append(Trained(name, config, plan, record.part(start, stop), predictor, scores))
        start = stop
    return trained


def predict_held_out(one: Trained, prepared: Prepared) -> Candidate:
    """Return a candidate with its predictions for the held-out rows."""
    strategy = one.config.weighting.strategy
    return Candidate(
        one.name,
        one.config.loss.name,
        None if strategy == "none" else strategy,
        one.config.training.sampler,
        *_decide_across_folds(one.scores.log_odds(), one.config, prepared),
        seconds=one.record.seconds,
        still_improving=one.record.is_still_improving,
    )


def _decide_across_folds(
    odds: torch.Tensor, config: Config, prepared: Prepared
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities and decisions, (N, L), by calibration and thresholds of other folds.

    So neither the calibration nor the threshold of a row was fitted to its target.
    """
    targets = prepared.targets.take(prepared.held_out)
    weights = prepared.weights_of(prepared.held_out)
    fold = _fold_of_row(prepared)
    probabilities = torch.empty_like(odds)
    decisions = torch.empty_like(odds, dtype=torch.bool)
    for number in range(len(prepared.folds)):
        here, others = fold == number, fold != number
        its_weights = None if weights is None else weights[others]
        others_odds, others_targets = KeptLogOdds(odds[others]), targets.take(others.numpy())
        calibration, chosen = choose_decisions(
            others_odds, others_targets, config, weights=its_weights
        )
        probabilities[here] = calibrate(odds[here], calibration)
        decisions[here] = probabilities[here] >= chosen.values
    return probabilities, decisions


def _fold_of_row(prepared: Prepared) -> torch.Tensor:
    """Return the fold that each held-out row belongs to, (N,)."""
    sizes = torch.tensor([len(fold.held_out) for fold in prepared.folds])
    return torch.repeat_interleave(torch.arange(len(sizes)), sizes)


def save_comparison(
    run: RunDirectory,
    trained: Sequence[Trained],
    prepared: Prepared,
    comparison: Comparison,
    files: list[dict[str, Any]],
    observer: Observer,
    *,
    networks: int,
) -> None:
    """Write the comparison, and of each candidate all that a run of it needs.

    Args:
        run: to be written.
        trained: the candidates that are networks.
        prepared: the rows.
        comparison: of all candidates.
        files: of the data, as of `fingerprint_files`.
        observer: receives warnings and the progress.
        networks: of a fold.
    """
    run.write(PREDICTIONS, _predictions(comparison.candidates, prepared))
    document = save_candidates(run, trained, prepared, files, observer)
    before = {"run": str(run.path), "seeds": networks}
    run.write(COMPARISON_JSON, drawing.to_json(comparison, before))
    run.write(COMPARISON_CSV, drawing.to_csv(comparison))
    run.finish(document, kind="comparison")


def save_candidates(
    run: RunDirectory,
    trained: Sequence[Trained],
    prepared: Prepared,
    files: list[dict[str, Any]],
    observer: Observer,
) -> dict[str, Any]:
    """Write the networks of candidates, and return all else that `choose` makes a run of.

    Args:
        run: to be written.
        trained: the candidates.
        prepared: the rows.
        files: of the data, as of `fingerprint_files`.
        observer: receives warnings and the progress.
    """
    documents: list[dict[str, Any]] = []
    tensors: dict[str, torch.Tensor] = {}
    targets = prepared.targets.take(prepared.held_out)
    weights = prepared.weights_of(prepared.held_out)
    for one in trained:
        predictor, thresholds = decide(
            one.predictor,
            one.scores,
            targets,
            one.config,
            weights=weights,
            groups=prepared.groups_of(prepared.held_out),
            tell=observer.stage,
        )
        for sentence in describe_unreached(thresholds, prepared.labels, one.config.thresholds):
            observer.warned(Warned("IMB111", f"{one.name}: {sentence}"))
        held_out = choose_held_out(predictor, prepared, one.scores)
        members = describe(one.networks, one.record.results)
        documents.append(
            {
                "name": one.name,
                "config": one.config.model_dump(by_alias=True, mode="json"),
                "model": describe_model(predictor, thresholds, one.config, members),
            }
        )
        own = predictor.tensors() | {HELD_OUT: held_out.probabilities}
        if held_out.scores is not None:
            own[RAW_SCORES] = held_out.scores
        tensors |= {f"{one.name}/{key}": value for key, value in own.items()}
    tensors[f"{HELD_OUT}/rows"] = torch.from_numpy(held_out.rows)
    tensors[f"{HELD_OUT}/targets"] = held_out.targets
    if held_out.weights is not None:
        tensors[f"{HELD_OUT}/weights"] = held_out.weights
    if held_out.groups is not None:
        tensors[f"{HELD_OUT}/groups"] = held_out.groups
    for i, grouping in enumerate(held_out.slices):
        tensors[f"{HELD_OUT}/slice_{i}"] = torch.from_numpy(grouping.of_row)
    run.write_tensors(MODEL, tensors)
    names = [{"column": each.column, "names": each.names} for each in held_out.slices]
    where = {"part": held_out.part, "source": held_out.source, "slices": names}
    data = describe_data(prepared, files)
    return {"candidates": documents, HELD_OUT: where, "data": data, "versions": versions()}


def _predictions(candidates: Sequence[Candidate], prepared: Prepared) -> bytes:
    """Return row numbers, folds, targets and what every candidate said, as Parquet."""
    columns: dict[str, object] = {
        "row": prepared.held_out,
        "fold": _fold_of_row(prepared).numpy(),
    }
    weights = prepared.weights_of(prepared.held_out)
    if weights is not None:
        columns["sample_weight"] = weight_column(weights)
    for column in target_columns(prepared.labels, prepared.held_out_targets()):
        columns[column.name] = column
    for candidate in candidates:
        for i, label in enumerate(prepared.labels):
            start = f"{candidate.name}/{label}"
            columns[f"{start}_probability"] = candidate.probabilities[:, i].numpy()
            columns[f"{start}_decision"] = candidate.decisions[:, i].to(torch.int8).numpy()
    return encode_parquet(pl.DataFrame(columns))


def unprefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix and /, without it."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)
    }
