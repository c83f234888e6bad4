"""Writing a run: the model, what it is used with, and how it did on rows it had not seen.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import io
import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from imbalance_cli import __version__
from imbalance_cli.artifacts import METRICS_CSV, METRICS_JSON, MODEL, PREDICTIONS, RunDirectory
from imbalance_cli.evaluation import Evaluation, Levels, Resampling
from imbalance_cli.report import documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.config import Config
    from imbalance_cli.predictor import Predictor
    from imbalance_cli.scored_rows import CalibratedRows, KeptRows
    from imbalance_cli.thresholds import Thresholds


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Rows that a report is of.

    Attributes:
        part: test, valid or out_of_fold.
        source: what they were read from.
        rows: (N,) their numbers in the table.
        scored: their targets and probabilities, (N, L) each.
        weights: (N,) sample weights, or None.
        groups: (N,) the number of each row's group, or None.
    """

    part: str
    source: str
    rows: NDArray[np.intp]
    scored: CalibratedRows | KeptRows
    weights: torch.Tensor | None = None
    groups: torch.Tensor | None = None

    @property
    def targets(self) -> torch.Tensor:
        """(N, L), NaN where missing."""
        return self.scored.columns()[1]

    @property
    def probabilities(self) -> torch.Tensor:
        """(N, L) float64."""
        return self.scored.columns()[0]

    @property
    def scores(self) -> torch.Tensor | None:
        """(N, L) float32 raw scores; None where a comparison did not keep them."""
        return self.scored.raw()


def report_run(
    run: RunDirectory,
    predictor: Predictor,
    thresholds: Thresholds,
    config: Config,
    held_out: HeldOut,
    members: Sequence[dict[str, int]],
) -> Evaluation:
    """Evaluate a model on held-out rows, write all of its run, and return the evaluation."""
    evaluation = predictor.evaluate(
        held_out.probabilities,
        held_out.targets,
        part=held_out.part,
        source=held_out.source,
        resampling=Resampling(config.report.bootstrap, config.report.confidence),
        levels=Levels(config.report.top_k, config.report.at_precision),
        weights=held_out.weights,
        groups=held_out.groups,
    )
    run.write(PREDICTIONS, _predictions(predictor, held_out))
    run.write_tensors(MODEL, predictor.tensors())
    run.write(METRICS_JSON, documents.to_json(evaluation, str(run.path)))
    run.write(METRICS_CSV, documents.to_csv(evaluation))
    document = describe_model(predictor, thresholds, config, members)
    run.finish(document | {"versions": versions()})
    return evaluation


def describe_model(
    predictor: Predictor,
    thresholds: Thresholds,
    config: Config,
    members: Sequence[dict[str, int]],
) -> dict[str, Any]:
    """Return all but the weights of a model as plain data."""
    document = predictor.to_document()
    for i, label in enumerate(document["labels"]):
        label["validation_positives"] = int(thresholds.positives[i])
        label["threshold_pooled"] = bool(thresholds.pooled[i])
    return document | {"loss": config.loss.name, "trained": list(members)}


def versions() -> dict[str, str]:
    """Return the versions of what computed the numbers."""
    return {
        "imbtrain": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "polars": pl.__version__,
    }


def target_columns(labels: Sequence[str], targets: torch.Tensor) -> list[pl.Series]:
    """Return <label>_target of targets (N, L), null where missing."""
    return [
        pl.Series(f"{label}_target", column.numpy()).fill_nan(None).cast(pl.Int8)
        for label, column in zip(labels, targets.T, strict=True)
    ]


def encode_parquet(frame: pl.DataFrame) -> bytes:
    """Return a table as Parquet."""
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def _predictions(predictor: Predictor, held_out: HeldOut) -> bytes:
    """Return row numbers, targets and what was predicted, as Parquet.

    After the columns of `Predictor.frame` stand the raw scores, <label>_score.
    """
    targets = target_columns(predictor.labels, held_out.targets)
    frame = pl.DataFrame({"row": held_out.rows}).with_columns(targets)
    if held_out.weights is not None:
        frame = frame.with_columns(sample_weight=pl.Series(held_out.weights.numpy()))
    if held_out.groups is not None:
        frame = frame.with_columns(group=pl.Series(held_out.groups.numpy()))
    frames = [frame, predictor.frame(held_out.probabilities)]
    if held_out.scores is not None:
        frames.append(_raw_scores(predictor, held_out.scores))
    return encode_parquet(pl.concat(frames, how="horizontal"))


def _raw_scores(predictor: Predictor, scores: torch.Tensor) -> pl.DataFrame:
    """Return <label>_score of scores (N, L), null for a label that could not be learned."""
    columns = {}
    for i, label in enumerate(predictor.labels):
        column = pl.Series(scores[:, i].numpy())
        columns[f"{label}_score"] = column if predictor.learnable[i] else column.clear(len(column))
    return pl.DataFrame(columns)
