"""The same work from Python: data frames of pandas or polars go in where a command takes a path.

What a command would warn of is a UserWarning here, and what it would refuse an ImbtrainError.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pandas as pd
import polars as pl

from imbalance_cli import workflows
from imbalance_cli.config import Config, load_config
from imbalance_cli.errors import ConfigError, ImbtrainError
from imbalance_cli.labels import LabelSettings, count_sources
from imbalance_cli.readers import open_source
from imbalance_cli.readers.fetching import forget_fetched
from imbalance_cli.readers.frames import FrameSource
from imbalance_cli.run.onnx_file import check_onnx_file
from imbalance_cli.weighting.pos_weight import PosWeights, Strategy, weigh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.explaining.results import Explanation
    from imbalance_cli.readers.source import Source

Frame = TypeVar("Frame", pd.DataFrame, pl.DataFrame)
Rows = pd.DataFrame | pl.DataFrame | str | Path
OURS = {"imbalance_cli", "contextlib", "sklearn"}  # between a warning and the caller
PYTHON_WORDS = [
    (re.compile(r" \(--set\)"), ""),
    (re.compile(r"--resume [^,;]*[,;] "), ""),  # of the command alone
    (re.compile(r"--overwrite\b"), "overwrite=True"),
    (re.compile(r"--run-dir\b"), "run_dir"),
    (re.compile(r"--precision (\w+)"), r"precision='\1'"),
    (re.compile(r"--threshold\b"), "thresholds"),
    (re.compile(r"--(labels|positive|encoding|columns) '?([\w.*]+)'?"), r"\1='\2'"),
    (re.compile(r"--(labels|columns|slices|repeats)\b"), r"\1"),
    (re.compile(r"--row\b"), "numbers"),
    (re.compile(r"--tag-separator\b"), "tag_separator"),
    (re.compile(r"--missing-labels\b"), "missing_labels"),
    (re.compile(r"--sample-weight\b"), "sample_weight"),
]
"""What errors say of options, and what Python has for it."""


@contextlib.contextmanager
def _in_python_words() -> Iterator[None]:
    """Have errors name arguments in place of options, and end their traceback with the hint."""
    try:
        yield
    except ImbtrainError as error:
        error.message = _reword(error.message)
        error.args = (error.message,)
        if error.hint is not None:
            error.hint = _reword(error.hint)
            error.add_note(f"hint: {error.hint}")
        raise


def warn(sentence: str) -> None:
    """Warn in the line that called this package."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals["__name__"].split(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, stacklevel=level)


def _reword(text: str) -> str:
    if text.startswith("imbtrain "):  # a command as it is typed
        return text
    for option, argument in PYTHON_WORDS:
        text = option.sub(argument, text)
    return text


@_in_python_words()
def weights(  # noqa: PLR0913  the options of the command
    rows: Rows,
    labels: str | Sequence[str] = (),
    *,
    encoding: Literal["auto", "binary", "one_vs_rest", "tags"] = "auto",
    tag_separator: str | None = None,
    positive: str | None = None,
    missing_labels: Literal["mask", "negative", "drop", "error"] | None = None,
    sample_weight: str | None = None,
    cell_weights: str | Mapping[str, str] | None = None,
    strategy: Strategy | None = None,
) -> PosWeights:
    """Count labels and weigh their positives, as `imbtrain weights` does.

    Args:
        rows: a frame, or what the command takes.
        labels: a name or glob of label columns, or several; none: y, label, target and y_*, or
            the arrays targets or labels.
        encoding: what a label cell holds.
        tag_separator: between the tags of a cell; None: a semicolon.
        positive: of binary labels, the value that means 1.
        missing_labels: how missing labels are treated; None is mask, which ignores them.
        sample_weight: a column of row weights.
        cell_weights: columns with the weight of each cell of a label: a pattern such as
            {label}_weight, or a column by label.
        strategy: how a weight is made from counts; None: the ratio.

    Raises:
        ImbtrainError: the rows or the labels cannot be used.
    """
    settings = LabelSettings(
        positive, encoding, tag_separator, missing_labels, sample_weight, cell_weights
    )
    source = _open(rows)
    counts = count_sources([source], _listed(labels), settings)
    result = weigh(counts, strategy or Strategy(), source.name)
    for sentence in result.warnings:
        warn(sentence)
    return result


@_in_python_words()
def fit(
    config: Mapping[str, Any] | str | Path,
    train: pd.DataFrame | pl.DataFrame | None = None,
    *,
    valid: pd.DataFrame | pl.DataFrame | None = None,
    test: pd.DataFrame | pl.DataFrame | None = None,
    run_dir: str | Path,
    overwrite: bool = False,
    observer: workflows.Observer | None = None,
) -> Evaluation:
    """Train a model by a config, save the run, and evaluate it on held-out rows.

    Args:
        config: its sections and keys, or a YAML file of them.
        train: rows instead of `data.train`.
        valid: rows instead of `data.valid`.
        test: rows instead of `data.test`.
        run_dir: where the run goes.
        overwrite: whether a run that is there is replaced.
        observer: receives epochs, stages and warnings; None: the warnings become Python's.

    Raises:
        ImbtrainError: the config, the rows or the place of the run cannot be used.
    """
    given = {"train": train, "valid": valid, "test": test}
    frames = {part: frame for part, frame in given.items() if frame is not None}
    settings = _read_config(config, frames)
    watched = observer or Warnings()
    return workflows.fit(settings, Path(run_dir), watched, overwrite=overwrite)


@_in_python_words()
def evaluate(
    run_dir: str | Path,
    rows: Rows,
    *,
    bootstrap: int | None = None,
    thresholds: Mapping[str, float] | float | None = None,
    slices: str | Sequence[str] | None = None,
    device: str = "auto",
) -> Evaluation:
    """Evaluate a run on labelled rows.

    Args:
        run_dir: what `fit` left.
        rows: a frame, or what the command takes.
        bootstrap: replicates of the intervals; None: as many as the run's config says.
        thresholds: other ones than the run's: of all labels, or by name or glob.
        slices: columns to break the report down by; None: as the run's config says.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        ImbtrainError: the run or the rows cannot be used.
    """
    return workflows.evaluate(
        Path(run_dir),
        _open(rows),
        device,
        warn,
        bootstrap=bootstrap,
        thresholds=_by_label(thresholds),
        slices=None if slices is None else _listed(slices),
    )


@_in_python_words()
def explain(
    run_dir: str | Path,
    rows: Rows | None = None,
    *,
    labels: str | Sequence[str] = (),
    columns: str | Sequence[str] = (),
    numbers: int | Sequence[int] = (),
    repeats: int | None = None,
    device: str = "auto",
) -> Explanation:
    """Say which columns a run's answers rest on, as `imbtrain explain` does.

    Args:
        run_dir: what `fit` left.
        rows: labelled, a frame or what the command takes; None: the run's own test rows.
        labels: names or globs of those that are explained; none is all, at most 20.
        columns: names or globs of those that are shuffled; none is all.
        numbers: of rows to explain one by one, from 0.
        repeats: how often columns are shuffled; None: 5, of many rows once.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        ImbtrainError: the run or the rows cannot be used, or a name or number is not there.
    """
    return workflows.explain(
        Path(run_dir),
        None if rows is None else _open(rows),
        device,
        warn,
        labels=_listed(labels),
        columns=_listed(columns),
        numbers=[numbers] if isinstance(numbers, int) else numbers,
        repeats=repeats,
    )


@_in_python_words()
def predict(
    run_dir: str | Path,
    rows: Frame,
    *,
    thresholds: Mapping[str, float] | float | None = None,
    device: str = "auto",
) -> Frame:
    """Return <label>_probability and <label>_decision of each row, in a frame of the same kind.

    Both are missing for a label that had no positive, or no negative, to learn from. Rows of
    pandas keep their index.

    Args:
        run_dir: what `fit` left.
        rows: with the feature columns.
        thresholds: other ones than the run's: of all labels, or by name or glob.
        device: auto, cpu, cuda, cuda:N or mps.

    Warns:
        UserWarning: the rows are unlike those of training.

    Raises:
        ImbtrainError: the run or the rows cannot be used.
    """
    found: list[str] = []
    predictions = workflows.predict(
        Path(run_dir),
        FrameSource(rows),
        device,
        (),
        warn=found.append,
        thresholds=_by_label(thresholds),
    )
    predicted = pl.concat(predictions)
    for sentence in found:
        warn(sentence)
    if isinstance(rows, pl.DataFrame):
        return predicted
    return pd.DataFrame(
        {
            column.name: column.to_numpy()
            if column.dtype.is_float()
            else pd.array(column.to_list(), dtype="Int8")
            for column in predicted
        },
        index=rows.index,
    )


def export(
    directory: str | Path,
    path: str | Path,
    *,
    precision: Literal["float32", "float64"] = "float32",
    overwrite: bool = False,
) -> Path:
    """Write a run as one ONNX file, as `imbtrain export` does, and return its path.

    Args:
        directory: of the run.
        path: of the file, which ends in .onnx.
        precision: what the networks compute in, and the type of a probability.
        overwrite: whether a file that is there is replaced.

    Raises:
        ImbtrainError: the run cannot be used or exported, or the file cannot be written.
    """
    target = Path(path)
    with _in_python_words():
        check_onnx_file(target, overwrite=overwrite)
        for sentence in workflows.export(Path(directory), target, precision).notes:
            warn(sentence)
    return target


def _by_label(thresholds: Mapping[str, float] | float | None) -> Mapping[str, float]:
    return {"*": thresholds} if isinstance(thresholds, (int, float)) else thresholds or {}


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names


def _open(rows: Rows) -> Source:
    if not isinstance(rows, (str, Path)):
        return FrameSource(rows)
    forget_fetched()
    return open_source(str(rows))


def _read_config(
    config: Mapping[str, Any] | str | Path, frames: Mapping[str, pd.DataFrame | pl.DataFrame]
) -> Config:
    """Return a config whose sources are the frames, each by the name of its part.

    Raises:
        ConfigError: the config cannot be used, or asks for rows that are streamed from disk.
    """
    names = {part: "frame" if part == "train" else f"{part} frame" for part in frames}
    forget_fetched()
    given = copy.deepcopy(dict(config)) if isinstance(config, Mapping) else str(config)
    settings = load_config(given, [f"data.{part}={name}" for part, name in names.items()])
    if frames and settings.data.in_memory is False:
        raise ConfigError(
            "data.in_memory is false, and a frame is in memory as it is",
            hint="data.in_memory: auto, or a path instead of the frame",
        )
    return settings.with_frames({names[part]: frame for part, frame in frames.items()})


class Warnings(workflows.Observer):
    """Turns what `fit` would warn of into warnings of Python, and says nothing else."""

    def warned(self, sentence: str) -> None:
        """Warn."""
        warn(sentence)
