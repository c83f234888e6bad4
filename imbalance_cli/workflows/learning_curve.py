"""compare --sizes: the same networks on fewer rows, and whether more positives would help.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.config import list_sizes
from imbalance_cli.report.comparison_page import to_html
from imbalance_cli.report.contents import ComparisonReport, Entry
from imbalance_cli.rows.sources import fingerprint_files
from imbalance_cli.run.directory import CONFIG, REPORT
from imbalance_cli.splits import thin_folds
from imbalance_cli.weighting.files import read_pos_weight
from imbalance_cli.workflows.comparing import (
    compare_held_out,
    predict_held_out,
    save_comparison,
    take_apart,
)
from imbalance_cli.workflows.networks import plan_networks, recipe_of, start_model
from imbalance_cli.workflows.observing import Finish, Start
from imbalance_cli.workflows.preparing import prepare
from imbalance_cli.workflows.recording import train_networks
from imbalance_cli.workflows.resuming import Checkpoints, Resume, open_run
from imbalance_cli.workflows.saving import versions

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.comparison import Comparison
    from imbalance_cli.config import Config
    from imbalance_cli.run.directory import RunDirectory
    from imbalance_cli.workflows.comparing import Trained
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.preparing import Prepared


def compare_sizes(
    config: Config,
    sizes: str,
    directory: Path,
    observer: Observer,
    *,
    overwrite: bool,
    resume: Resume = "no",
) -> Comparison:
    """Train on nested shares of the rows of each fold, and compare what the held-out rows say.

    Each size is trained by the recipe of so many rows, as `fit` would. The rows that stop it, and
    those held out, are the same for all. The baseline is the size before the last.

    Args:
        config: with training.folds.
        sizes: shares of the training rows, as "0.1,0.3,1".
        directory: of the run.
        observer: receives the progress.
        overwrite: whether a run that is there may be replaced.
        resume: whether an unfinished run that is there is begun again.

    Raises:
        ImbtrainError: the config, the data, a size or the place of the run cannot be used.
    """
    configs = list_sizes(config, sizes)
    run = open_run(directory, config, overwrite=overwrite, resume=resume)
    prepared = prepare(config, observer, folds=config.training.folds)
    files = fingerprint_files(config.data)
    thinned = thin_folds(
        prepared.targets,
        prepared.folds,
        list(configs),
        config.split,
        labels=prepared.labels,
        groups=prepared.data.groups,
    )
    run.start()
    run.write(CONFIG, config.to_yaml().encode())
    parts = [dataclasses.replace(prepared, folds=folds) for folds in thinned]
    named = {f"{size:g}": own for size, own in configs.items()}
    trained = [
        _train(name, own, part, run, observer, resume)
        for (name, own), part in zip(named.items(), parts, strict=True)
    ]
    candidates = [
        dataclasses.replace(
            predict_held_out(one, part),
            name=one.name,
            training_positives=_mean_positives(part),
        )
        for one, part in zip(trained, parts, strict=True)
    ]
    *_, before, _ = named
    comparison = compare_held_out(candidates, prepared, config, baseline=before, kind="size")
    networks = recipe_of(config, prepared).networks
    save_comparison(run, trained, prepared, comparison, files, observer, networks=networks)
    if config.report.plots:
        run.write(REPORT, _draw_page(comparison))
    observer.finished(Finish.of_comparison(directory, comparison))
    return comparison


def _train(
    name: str,
    config: Config,
    prepared: Prepared,
    run: RunDirectory,
    observer: Observer,
    resume: Resume,
) -> Trained:
    """Train the networks of one size."""
    source = config.weighting.from_
    given = None if source is None else read_pos_weight(source, prepared.labels)
    recipe = recipe_of(config, prepared)
    plan = plan_networks(config, recipe, prepared, given=given, candidate=name)
    model = start_model(recipe, prepared, [plan], config.training.seed)
    # a checkpoint of one size would be none of the others
    never = recipe.epochs + 1
    checkpoints = Checkpoints(run, resume, never, prepared, plan.members, observer)
    observer.started(
        Start(
            command="compare",
            directory=run.path,
            config=config,
            recipe=recipe,
            candidates={name: config},
            rows={"train": len(prepared.folds[0].train)} | prepared.parts(),
            folds=config.training.folds,
            members=tuple(plan.origins),
        )
    )
    record = train_networks(model, prepared.rows, plan.members, recipe, checkpoints, observer)
    [one] = take_apart({name: config}, {name: plan}, model, record, prepared)
    return one


def _mean_positives(prepared: Prepared) -> list[float]:
    """Return the positives of each label that a fold learns from, on average, (L,)."""
    counts = [prepared.targets.take(fold.train).counts()[0] for fold in prepared.folds]
    means: list[float] = np.mean(counts, axis=0).tolist()
    return means


def _draw_page(comparison: Comparison) -> bytes:
    """Return the page of a learning curve."""
    entries = [
        Entry(
            size.name,
            f"{size.name} of the training rows; {size.seconds or 0.0:,.3g} s of processor time"
            + ("; still improving at the last epoch" if size.still_improving else ""),
        )
        for size in comparison.candidates
    ]
    positives = [f"{size.positives or 0:,.0f}" for size in comparison.candidates]
    return to_html(
        ComparisonReport(
            entries=entries,
            settings={
                "share of the training rows": [entry.name for entry in entries],
                "training positives": positives,
            },
            comparison=comparison,
            micro=None,
            curves=[],
            cautions=[],
            versions=versions(),
        )
    )
