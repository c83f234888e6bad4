"""report of several runs: each compared with the first, on the rows that all of them held out.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from imbalance_cli.codes import Warned
from imbalance_cli.comparison import compare_candidates
from imbalance_cli.config import load_config, refuse_few_replicates
from imbalance_cli.evaluation import Resampling
from imbalance_cli.metrics import as_columns, simplify_weights
from imbalance_cli.report.names import list_names
from imbalance_cli.run.directory import CONFIG
from imbalance_cli.workflows.fitting import describe_flattery
from imbalance_cli.workflows.saved_runs import read_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.comparison import Comparison
    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.workflows.saved_runs import SavedRun


def compare_runs(
    directories: Sequence[Path], warn: Callable[[str], None], *, bootstrap: int | None = None
) -> Comparison:
    """Compare runs with the first of them, on the rows that all of them held out.

    Args:
        directories: of the runs.
        warn: receives warnings on the numbers.
        bootstrap: replicates; None takes those of the first run's config.

    Raises:
        ConfigError: a run is named twice, or the replicates are too few.
        RunError: a run cannot be used, or is of other labels or rows than the first.
        EvaluationError: a prediction is no probability.
    """
    runs = read_runs(directories)
    warn_of(runs, warn)
    resampling = choose_resampling(runs[0], bootstrap)
    return compare_labels(runs, evaluate_runs(runs, resampling), resampling)


def compare_labels(
    runs: Sequence[SavedRun], evaluations: Sequence[Evaluation], resampling: Resampling
) -> Comparison:
    """Compare runs of the same rows with the first of them, label by label.

    Args:
        runs: to compare.
        evaluations: what `evaluate_runs` returned for them.
        resampling: how intervals are made.
    """
    first = runs[0]
    return compare_candidates(
        [
            run.candidate([*(label.metrics for label in own.labels), own.macro_intervals])
            for run, own in zip(runs, evaluations, strict=True)
        ],
        first.targets,
        first.labels,
        learnable=learned_by_all(runs),
        groups=first.groups,
        baseline=first.path,
        weights=first.weights,
        resampling=resampling,
        kind="run",
        part=first.evaluation.part,
        source=first.evaluation.source,
    )


def compare_cells(
    runs: Sequence[SavedRun], evaluations: Sequence[Evaluation], resampling: Resampling
) -> Comparison:
    """Compare runs of the same rows over all cells of the labels that every run learned.

    All cells are as of one label, whose rows are drawn with all of their cells. Arguments are those
    of `compare_labels`.
    """
    first, kept = runs[0], torch.tensor(learned_by_all(runs))
    units = torch.arange(len(first.rows)) if first.groups is None else first.groups
    several = int(kept.sum())

    def cells(values: torch.Tensor) -> torch.Tensor:
        return values[:, kept].reshape(-1, 1)

    weights = None
    if first.weights is not None:
        weights = cells(as_columns(first.weights).expand(first.targets.shape))[:, 0]

    return compare_candidates(
        [
            dataclasses.replace(
                run.candidate([own.micro_intervals] * 2),
                probabilities=cells(run.probabilities),
                decisions=cells(run.decisions),
            )
            for run, own in zip(runs, evaluations, strict=True)
        ],
        cells(first.targets),
        ["all cells"],
        learnable=[True],
        groups=units.repeat_interleave(several),
        baseline=first.path,
        weights=weights,
        resampling=resampling,
        kind="run",
        part=first.evaluation.part,
        source=first.evaluation.source,
    )


def evaluate_runs(runs: Sequence[SavedRun], resampling: Resampling) -> list[Evaluation]:
    """Return each run's own numbers, averaged over the labels that a comparison averages."""
    first = runs[0]
    _, (targets,) = simplify_weights(first.weights, first.targets)
    has_both = ((targets == 1).any(dim=0) & (targets == 0).any(dim=0)).tolist()
    averaged = [a and b for a, b in zip(learned_by_all(runs), has_both, strict=True)]
    return [run.evaluate(averaged, resampling) for run in runs]


def learned_by_all(runs: Sequence[SavedRun]) -> list[bool]:
    """Return whether every run learned each label."""
    return [all(each) for each in zip(*(run.learnable for run in runs), strict=True)]


def choose_resampling(first: SavedRun, bootstrap: int | None) -> Resampling:
    """Return how intervals are made: by the config of the first run, but for the replicates.

    Raises:
        ConfigError: the replicates are too few.
    """
    refuse_few_replicates(bootstrap)
    settings = load_config(str(Path(first.path) / CONFIG)).report
    replicates = settings.bootstrap if bootstrap is None else bootstrap
    return Resampling(replicates, settings.confidence)


def warn_of(runs: Sequence[SavedRun], warn: Callable[[str], None]) -> None:
    """Warn of labels that not every run learned, and of rows that models were chosen on."""
    learned = zip(*(run.learnable for run in runs), strict=True)
    left = [
        label
        for label, each in zip(runs[0].labels, learned, strict=True)
        if any(each) and not all(each)
    ]
    if left:
        warn(Warned("IMB119", f"not learned by every run, and so left out: {list_names(left)}"))
    for run in runs:
        flattery = describe_flattery(run.evaluation.part)
        if flattery is not None:
            warn(Warned("IMB112", f"{run.path}: {flattery}"))
