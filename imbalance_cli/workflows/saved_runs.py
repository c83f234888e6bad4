"""Saved runs to compare: what each predicted for the same held-out rows.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import io
import math
import os
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from imbalance_cli.comparison import Candidate
from imbalance_cli.errors import ConfigError, EvaluationError, RunError, show_bytes
from imbalance_cli.evaluation import DenseRows, Resampling, evaluate_rows
from imbalance_cli.machine.device import available_memory
from imbalance_cli.report.names import list_names
from imbalance_cli.run.directory import MAKES, PREDICTIONS, load_run, read_file
from imbalance_cli.workflows.predictions import LISTS, MISSING
from imbalance_cli.workflows.reporting import read_evaluation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imbalance_cli.evaluation import Estimate, Evaluation, Interval

BYTES_A_CELL = 400  # of a row and a label, while they are sorted and resampled
SAME_ROWS = "the same data, split and seed: --set split.seed, data.test or data.part"


@dataclasses.dataclass(frozen=True)
class SavedRun:
    """What a run said of its held-out rows, in the order of their numbers.

    Attributes:
        path: its directory, as given.
        loss: the name of its loss.
        evaluation: of these rows.
        rows: (N,) their numbers in the table.
        targets: (N, L), NaN where missing.
        probabilities: (N, L); of a label that could not be learned 0.
        decisions: (N, L) bool.
        weights: (N,) sample weights, (N, L) of cells, or None.
        groups: (N,) the number of each row's group, or None.
    """

    path: str
    loss: str
    evaluation: Evaluation
    rows: torch.Tensor
    targets: torch.Tensor
    probabilities: torch.Tensor
    decisions: torch.Tensor
    weights: torch.Tensor | None
    groups: torch.Tensor | None

    @property
    def labels(self) -> list[str]:
        """Their names."""
        return [label.label for label in self.evaluation.labels]

    @property
    def learnable(self) -> list[bool]:
        """Whether each label could be learned."""
        return [label.learnable for label in self.evaluation.labels]

    def evaluate(self, averaged: list[bool], resampling: Resampling) -> Evaluation:
        """Return the run's own numbers and intervals, averaged over the labels of a comparison.

        That is the evaluation saved with the run, where it is of these labels and this resampling.
        Its intervals (metrics/intervals.py) cover better than the percentiles of the paired
        replicates do, and so a number has one interval wherever it stands.
        """
        saved = self.evaluation
        made = Resampling(saved.replicates, saved.confidence)
        if averaged == self.learnable and made == resampling:
            return saved
        thresholds = [0.5 if label.threshold is None else label.threshold for label in saved.labels]
        return evaluate_rows(
            DenseRows(self.probabilities, self.targets),
            torch.tensor(thresholds, dtype=torch.float64),
            self.labels,
            part=saved.part,
            source=saved.source,
            learnable=averaged,
            resampling=resampling,
            levels=saved.levels,
            weights=self.weights,
            groups=self.groups,
        )

    def candidate(self, intervals: Sequence[Mapping[str, Interval | Estimate]]) -> Candidate:
        """Return the run as what is compared, with the intervals of its metrics, (L + 1,)."""
        return Candidate(
            self.path,
            self.loss,
            None,
            None,
            self.probabilities,
            self.decisions,
            intervals=intervals,
        )


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
    for name in ("decided", "positives", MISSING):
        cells = np.zeros((len(frame), labels))
        numbers = frame[name].to_list() if name in frame.columns else []
        for row, here in enumerate(numbers):
            cells[row, here] = 1.0
        flags.append(torch.from_numpy(cells))
    decisions, targets, missing = flags
    targets[missing == 1] = math.nan
    targets[torch.from_numpy(~frame["known"].to_numpy())] = math.nan
    return torch.from_numpy(probabilities.to_numpy().reshape(-1, labels).copy()), decisions, targets


def _refuse_too_large(directory: Path, evaluation: Evaluation) -> None:
    """Raise where the cells would not fit the memory while they are sorted and resampled."""
    needed = evaluation.rows * len(evaluation.labels) * BYTES_A_CELL
    free = available_memory(torch.device("cpu"))
    if needed > free:
        raise RunError(
            f"{directory}: comparing {evaluation.rows:,} rows x {len(evaluation.labels):,} labels "
            f"needs {show_bytes(needed)}, and {show_bytes(free)} of memory are free",
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
                hint="name each run once; imbtrain report RUN draws the page of one",
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
            key = {"weights": "data.sample_weight and data.cell_weights", "groups": "data.group"}
            raise RunError(f"{both}: the {name} of their rows differ", hint=f"the same {key[name]}")
