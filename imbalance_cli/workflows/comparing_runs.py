"""report of several runs: side by side, from what each said of the same held-out rows.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from imbalance_cli.codes import Warned
from imbalance_cli.comparison import Candidate, compare_candidates, conclude
from imbalance_cli.config import load_config, refuse_few_replicates
from imbalance_cli.errors import ConfigError, EvaluationError, RunError
from imbalance_cli.evaluation import Resampling
from imbalance_cli.machine.device import available_memory
from imbalance_cli.report.names import list_names
from imbalance_cli.run.directory import CONFIG, MAKES, PREDICTIONS, load_run, read_file
from imbalance_cli.workflows.fitting import describe_flattery
from imbalance_cli.workflows.held_out import SavedRun
from imbalance_cli.workflows.own_intervals import evaluate_saved, with_own_intervals
from imbalance_cli.workflows.predictions import LISTS
from imbalance_cli.workflows.reporting import read_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.comparison import Comparison
    from imbalance_cli.evaluation import Evaluation

BYTES_A_CELL = 400  # of a row and a label, while they are sorted and resampled
SAME_ROWS = "the same data, split and seed: --set split.seed, data.test or data.part"


def compare_runs(
    directories: Sequence[Path], warn: Callable[[str], None], *, bootstrap: int | None = None
) -> Comparison:
    """Compare runs with the first of them, on the rows that all of them held out.

    Args:
        directories: of the runs.
        warn: is told what the numbers should be read with.
        bootstrap: replicates; None takes those of the first run's config.

    Raises:
        ConfigError: a run is named twice, or the replicates are too few.
        RunError: a run cannot be used, or is of other labels or rows than the first.
        EvaluationError: a prediction is no probability.
    """
    runs = read_runs(directories)
    comparison = compare_saved(runs, warn, bootstrap=bootstrap)
    return with_own_intervals(comparison, evaluate_saved(runs, comparison))


def read_runs(directories: Sequence[Path]) -> list[SavedRun]:
    """Read runs that can be compared.

    Raises:
        ConfigError: a run is named twice.
        RunError: a run cannot be used, or is of other labels or rows than the first.
        EvaluationError: a prediction is no probability.
    """
    _refuse_repeats(directories)
    first, *others = [read_saved(directory) for directory in directories]
    for other in others:
        _check_same_rows(first, other)
    return [first, *others]


def compare_saved(
    runs: Sequence[SavedRun], warn: Callable[[str], None], *, bootstrap: int | None = None
) -> Comparison:
    """Compare runs of the same rows with the first of them, label by label."""
    first = runs[0]
    learnable = learned_by_all(runs)
    _warn_of(runs, learnable, warn)
    comparison = compare_candidates(
        [Candidate(run.path, run.loss, None, "", run.probabilities, run.decisions) for run in runs],
        first.targets,
        first.labels,
        learnable=learnable,
        groups=first.groups,
        baseline=first.path,
        weights=first.weights,
        resampling=choose_resampling(first, bootstrap),
    )
    return dataclasses.replace(comparison, conclusions=conclude(comparison, of="run"))


def compare_cells(runs: Sequence[SavedRun], bootstrap: int | None = None) -> Comparison:
    """Compare runs of the same rows over all cells of the labels that every run learned.

    All cells are as of one label, whose rows are drawn with all of their cells.
    """
    first, kept = runs[0], torch.tensor(learned_by_all(runs))
    units = torch.arange(len(first.rows)) if first.groups is None else first.groups
    several = int(kept.sum())

    def cells(values: torch.Tensor) -> torch.Tensor:
        return values[:, kept].reshape(-1, 1)

    return compare_candidates(
        [
            Candidate(run.path, run.loss, None, "", cells(run.probabilities), cells(run.decisions))
            for run in runs
        ],
        cells(first.targets),
        ["all cells"],
        learnable=[True],
        groups=units.repeat_interleave(several),
        baseline=first.path,
        weights=None if first.weights is None else first.weights.repeat_interleave(several),
        resampling=choose_resampling(first, bootstrap),
    )


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


def read_saved(directory: Path) -> SavedRun:
    """Read what a run said of its held-out rows.

    Raises:
        RunError: the run, its numbers or its predictions cannot be used.
        EvaluationError: a prediction is no probability.
    """
    document, _ = load_run(directory)
    evaluation = read_evaluation(directory)
    frame = _read_frame(directory, evaluation).sort("row")
    _refuse_too_large(directory, evaluation)
    names = [label.label for label in evaluation.labels]
    probabilities, decisions, targets = (
        _cells_of_lists(frame, len(names))
        if "probabilities" in frame.columns
        else (_cells(frame, names, kind) for kind in ("probability", "decision", "target"))
    )
    learnable = torch.tensor([label.learnable for label in evaluation.labels])
    saved = SavedRun(
        path=str(directory),
        loss=document["loss"],
        evaluation=evaluation,
        rows=torch.from_numpy(frame["row"].cast(pl.Int64).to_numpy().copy()),
        targets=targets,
        probabilities=probabilities.where(learnable, 0.0),
        decisions=(decisions == 1) & learnable,
        weights=_column(frame, "sample_weight"),
        groups=_column(frame, "group"),
    )
    _refuse_improbable(directory, saved)
    return saved


def _read_frame(directory: Path, evaluation: Evaluation) -> pl.DataFrame:
    path = directory / PREDICTIONS
    try:
        frame = pl.read_parquet(io.BytesIO(read_file(directory, PREDICTIONS)))
    except pl.exceptions.PolarsError as error:
        raise RunError(f"{path}: not Parquet that can be read: {error}") from error
    kinds = ("target", "probability", "decision")
    wanted = [f"{label.label}_{kind}" for label in evaluation.labels for kind in kinds]
    if "probabilities" in frame.columns:
        wanted = ["known", *LISTS]
    there = set(frame.columns)
    missing = [name for name in ["row", *wanted] if name not in there]
    if missing:
        raise RunError(
            f"{path}: without the column {missing[0]!r}: it is of other labels than the run",
            hint=MAKES["model"],
        )
    if len(frame) != evaluation.rows:
        raise RunError(
            f"{path}: {len(frame):,} rows, and the run's numbers are of {evaluation.rows:,}",
            hint=MAKES["model"],
        )
    return frame


def _cells(frame: pl.DataFrame, labels: Sequence[str], kind: str) -> torch.Tensor:
    """Return the columns of labels as (N, L) float64, NaN where blank."""
    columns = [pl.col(f"{label}_{kind}").cast(pl.Float64).fill_null(math.nan) for label in labels]
    return torch.from_numpy(np.ascontiguousarray(frame.select(columns).to_numpy(writable=True)))


def _cells_of_lists(
    frame: pl.DataFrame, labels: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return probabilities, decisions and targets, (N, L) each, of the form of many labels."""
    probabilities = frame["probabilities"].explode().cast(pl.Float64).fill_null(math.nan)
    flags = []
    for name in ("decided", "positives"):
        cells = np.zeros((len(frame), labels))
        numbers = frame[name].to_list()
        for row, here in enumerate(numbers):
            cells[row, here] = 1.0
        flags.append(torch.from_numpy(cells))
    decisions, targets = flags
    targets[torch.from_numpy(~frame["known"].to_numpy())] = math.nan
    return torch.from_numpy(probabilities.to_numpy().reshape(-1, labels).copy()), decisions, targets


def _refuse_too_large(directory: Path, evaluation: Evaluation) -> None:
    """Raise where the cells would not fit the memory while they are sorted and resampled."""
    needed = evaluation.rows * len(evaluation.labels) * BYTES_A_CELL
    free = available_memory(torch.device("cpu"))
    if needed > free:
        raise RunError(
            f"{directory}: comparing {evaluation.rows:,} rows x {len(evaluation.labels):,} labels "
            f"needs {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free",
            hint="imbtrain report RUN --format csv of each has its own numbers and intervals",
        )


def _column(frame: pl.DataFrame, name: str) -> torch.Tensor | None:
    if name not in frame.columns:
        return None
    return torch.from_numpy(frame[name].to_numpy().copy())


def _refuse_improbable(directory: Path, saved: SavedRun) -> None:
    """Raise for a prediction of a learned label that is no probability."""
    wrong = ~((saved.probabilities >= 0) & (saved.probabilities <= 1))
    if wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        value = float(saved.probabilities[row, column])
        raise EvaluationError(
            f"{directory / PREDICTIONS}: row {int(saved.rows[row])} predicts {value:g} for label "
            f"{saved.labels[column]!r}, which is no probability",
            hint="numbers from 0 to 1",
        )


def _refuse_repeats(directories: Sequence[Path]) -> None:
    found: dict[Path, Path] = {}
    for directory in directories:
        known = found.setdefault(directory.resolve(), directory)
        if known is not directory:
            raise ConfigError(
                f"{directory} is named twice, and a run is compared with others",
                hint="name each run once",
            )


def _check_same_rows(first: SavedRun, other: SavedRun) -> None:
    """Raise unless two runs are of the same labels, rows, targets and weights."""
    both = f"{first.path} and {other.path}"
    if first.labels != other.labels:
        only = [name for name in first.labels if name not in other.labels]
        added = [name for name in other.labels if name not in first.labels]
        sides = [f"only the first has {list_names(only)}"] if only else []
        sides += [f"only the second has {list_names(added)}"] if added else []
        raise RunError(
            f"{both} are of different labels: {'; '.join(sides) or 'their order differs'}",
            hint="runs of the same data.labels, in the same order",
        )
    held_out = [f"{run.evaluation.part} rows of {run.evaluation.source}" for run in (first, other)]
    if os.path.normpath(first.evaluation.source) != os.path.normpath(other.evaluation.source):
        raise RunError(
            f"{both} held out rows of different sources: {held_out[0]}, and {held_out[1]}",
            hint="runs of the same data",
        )
    if not torch.equal(first.rows, other.rows):
        common = len(np.intersect1d(first.rows.numpy(), other.rows.numpy()))
        raise RunError(
            f"{both} held out different rows: {len(first.rows):,} {held_out[0]}, and "
            f"{len(other.rows):,} {held_out[1]}, {common:,} of them the same",
            hint=SAME_ROWS,
        )
    _check_same_cells(first, other, both)


def _check_same_cells(first: SavedRun, other: SavedRun, both: str) -> None:
    differs = (first.targets != other.targets) & ~(first.targets.isnan() & other.targets.isnan())
    if differs.any():
        row, column = differs.nonzero()[0].tolist()
        raise RunError(
            f"{both}: {int(differs.sum()):,} targets differ, first that of "
            f"{first.labels[column]!r} in row {int(first.rows[row])}",
            hint="runs of the same data, data.encoding and data.missing_labels",
        )
    for name in ("weights", "groups"):
        one, two = getattr(first, name), getattr(other, name)
        if (one is None) != (two is None) or (one is not None and not torch.equal(one, two)):
            key = {"weights": "data.sample_weight", "groups": "data.group"}[name]
            raise RunError(f"{both}: the {name} of their rows differ", hint=f"the same {key}")


def _warn_of(
    runs: Sequence[SavedRun], learnable: Sequence[bool], warn: Callable[[str], None]
) -> None:
    """Warn of labels that not every run learned, and of rows that models were chosen on."""
    left = [
        label
        for label, here, *all_runs in zip(
            runs[0].labels, learnable, *(run.learnable for run in runs), strict=True
        )
        if not here and any(all_runs)
    ]
    if left:
        sentence = f"not learned by every run, and so left out: {list_names(left)}"
        warn(Warned("IMB119", sentence))
    for run in runs:
        flattery = describe_flattery(run.evaluation.part)
        if flattery is not None:
            warn(Warned("IMB112", f"{run.path}: {flattery}"))
