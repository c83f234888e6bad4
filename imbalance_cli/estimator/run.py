"""A run as an object of Python: what it predicts, its report, and its figures.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import polars as pl

from imbalance_cli import api
from imbalance_cli.errors import FeatureError, OutputError, RunError, explain_write
from imbalance_cli.estimator.figures import Figures
from imbalance_cli.features import FeatureCounts
from imbalance_cli.readers import batch_table
from imbalance_cli.readers.frames import FrameSource
from imbalance_cli.run.directory import METRICS_JSON, ONNX, PREDICTIONS, REPORT
from imbalance_cli.run.scored_rows import calibrate, join_scores
from imbalance_cli.workflows import read_evaluation
from imbalance_cli.workflows.applying import judge_drift, load_predictor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.config import Config
    from imbalance_cli.decisions.calibration import Calibration
    from imbalance_cli.evaluation import Evaluation
    from imbalance_cli.explaining.results import Explanation
    from imbalance_cli.run.predictor import Predictor

    Rows = pd.DataFrame | pl.DataFrame | Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]

DERIVED = {REPORT, ONNX}  # made of the other files, and large


class Run:
    """What `fit` left, and what can be asked of it.

    Args:
        files: what each file of the run directory holds, by its name.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    @classmethod
    def read(cls, directory: str | Path) -> Run:
        """Read a run directory into memory, without its page, plots and exported model.

        Raises:
            RunError: it is no run, or cannot be used.
        """
        place = Path(directory)
        loaded = load_predictor(place, "auto")  # whatever is wrong is said of this directory
        paths = [path for path in place.iterdir() if path.is_file() and path.name not in DERIVED]
        run = cls({path.name: path.read_bytes() for path in sorted(paths)})
        run._loaded = loaded
        return run

    def save(self, directory: str | Path) -> None:
        """Write the run to a new directory, which the command reads.

        Raises:
            OutputError: something is there already, or it cannot be written.
        """
        place = Path(directory)
        if place.exists():
            raise OutputError(f"{place}: is there already", hint="another directory")
        with explain_write(place):
            place.mkdir(parents=True)
            for name, content in self._files.items():
                (place / name).write_bytes(content)

    def keep(self, name: str, content: bytes) -> None:
        """Put a file beside the others."""
        self._files[name] = content

    def kept(self, name: str) -> bytes | None:
        """Return what a file holds, None where there is none."""
        return self._files.get(name)

    def __getstate__(self) -> dict[str, Any]:
        """Return the files alone."""
        return {"_files": self._files}

    @contextlib.contextmanager
    def _written(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder, "run")
            self.save(directory)
            yield directory

    @functools.cached_property
    def _loaded(self) -> tuple[Predictor, Config]:
        with self._written() as directory:
            return load_predictor(directory, "auto")

    @property
    def config(self) -> Config:
        """What the run was made by, every key with its value."""
        return self._loaded[1]

    @property
    def labels(self) -> list[str]:
        """The names, (L,)."""
        return self._loaded[0].labels

    @property
    def columns(self) -> list[str]:
        """The features that a row needs, (F,)."""
        return self._loaded[0].preprocessing.columns

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The probability from which each label is decided positive, (L,)."""
        found: NDArray[np.float64] = self._loaded[0].thresholds.numpy()
        return found

    @property
    def pos_weight(self) -> NDArray[np.float64]:
        """What positives of each label weigh in the loss, (L,), the mean over networks."""
        labels = self._loaded[0].to_document()["labels"]
        return np.array([np.mean(label["pos_weight"]) for label in labels])

    @property
    def calibration(self) -> Calibration:
        """The step per label after the inverse link of the loss."""
        return self._loaded[0].calibration

    @functools.cached_property
    def report(self) -> Evaluation:
        """The metrics of the held-out rows, with intervals.

        Raises:
            RunError: the run has none.
        """
        self._require(METRICS_JSON)
        with self._written() as directory:
            return read_evaluation(directory)

    @property
    def metrics(self) -> pd.DataFrame:
        """The report as a table, a row a label."""
        return pd.DataFrame(self.report.flat_rows()).set_index("label")

    @property
    def plot(self) -> Figures:
        """Figures of the held-out rows, drawn by matplotlib."""
        return Figures(pl.read_parquet(self._require(PREDICTIONS)), self.report)

    def _require(self, name: str) -> bytes:
        if name not in self._files:
            raise RunError(f"the run holds no {name}", hint="imbtrain fit makes one")
        return self._files[name]

    def predict_proba(self, rows: Rows) -> NDArray[np.float64]:
        """Return calibrated probabilities, (N, L).

        Args:
            rows: a data frame, columns by name, or one mapping a row.

        Warns:
            UserWarning: the rows are unlike those of training.

        Raises:
            ImbtrainError: a feature column is missing, or a cell is not of its column's kind.
        """
        source = FrameSource(_as_frame(rows), "rows")
        predictor, counts = self._loaded[0], FeatureCounts()
        predictor.check_columns(source.columns, source.name)
        scores = join_scores(
            predictor.scores(batch_table(batch, source.name), counts=counts)
            for batch in source.batches(predictor.preprocessing.columns)
        )
        found: NDArray[np.float64] = calibrate(scores.log_odds(), predictor.calibration).numpy()
        drift = predictor.drift(len(found), counts, found.mean(axis=0).tolist())
        judge_drift(drift, source.name, api.warn)
        return found

    def predict(self, rows: Rows) -> pd.DataFrame | pl.DataFrame:
        """Return <label>_probability and <label>_decision, as `imbalance_cli.predict` does.

        Raises:
            ImbtrainError: as of `predict_proba`.
        """
        with self._written() as directory:
            return api.predict(directory, _as_frame(rows))  # type: ignore[type-var]  # one of two

    def evaluate(self, rows: Rows, *, bootstrap: int | None = None) -> Evaluation:
        """Return the report of other labelled rows, as `imbalance_cli.evaluate` does.

        Raises:
            ImbtrainError: as of `predict_proba`, or a label column is missing.
        """
        with self._written() as directory:
            return api.evaluate(directory, _as_frame(rows), bootstrap=bootstrap)

    def explain(
        self,
        rows: Rows,
        *,
        labels: str | Sequence[str] = (),
        columns: str | Sequence[str] = (),
        numbers: int | Sequence[int] = (),
        repeats: int | None = None,
    ) -> Explanation:
        """Return what the run's answers rest on, by other labelled rows.

        Args:
            rows: a frame, or mappings.
            labels: names or globs of those that are explained; none is all, at most 20.
            columns: names or globs of those that are shuffled; none is all.
            numbers: of rows to explain one by one, from 0.
            repeats: how often columns are shuffled; None: 5, of many rows once.

        Raises:
            ImbtrainError: as of `evaluate`, or a name or number is not there.
        """
        with self._written() as directory:
            found = api.explain(
                directory,
                _as_frame(rows),
                labels=labels,
                columns=columns,
                numbers=numbers,
                repeats=repeats,
            )
        return dataclasses.replace(found, run="")  # that directory is gone

    def export(
        self,
        path: str | Path,
        *,
        precision: Literal["float32", "float64"] = "float32",
        overwrite: bool = False,
    ) -> Path:
        """Write the run as one ONNX file, as `imbtrain export` does, and return its path.

        Args:
            path: of the file, which ends in .onnx.
            precision: what the networks compute in, and the type of a probability.
            overwrite: whether a file that is there is replaced.

        Raises:
            ImbtrainError: the run cannot be exported, or the file cannot be written.
        """
        with self._written() as directory:
            return api.export(directory, path, precision=precision, overwrite=overwrite)

    def __repr__(self) -> str:
        return f"<run of {', '.join(self.labels[:5])}: {len(self.columns)} features>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def _as_frame(rows: Rows) -> pd.DataFrame | pl.DataFrame:
    """Return rows as a frame.

    Raises:
        FeatureError: they are none, or a mapping lacks a key that another one has.
    """
    if isinstance(rows, (pd.DataFrame, pl.DataFrame)):
        return rows
    if isinstance(rows, Mapping):
        is_one = {
            name: isinstance(cell, str) or not isinstance(cell, Iterable)
            for name, cell in rows.items()
        }
        if len(set(is_one.values())) > 1:
            [one, *_] = (name for name, alone in is_one.items() if alone)
            raise FeatureError(
                f"{one!r} is one cell, and other columns hold several",
                hint="a cell per column for one row, or as many in every column",
            )
        return pd.DataFrame([rows] if all(is_one.values()) else rows)
    if not all(isinstance(row, Mapping) for row in rows):
        raise FeatureError(
            f"{type(rows).__name__!r} holds no rows by column",
            hint="a data frame, a mapping per row, or columns by name",
        )
    names = {name for row in rows for name in row}
    for number, row in enumerate(rows):
        if missing := sorted(names - set(row)):
            raise FeatureError(f"row {number}: without {missing[0]!r}, which another row has")
    return pd.DataFrame(rows)
