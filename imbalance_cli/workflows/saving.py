"""Writing a run: the model, what it is used with, and how it did on rows it had not seen.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import math
import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from imbalance_cli import __version__
from imbalance_cli.decisions.thresholds import Thresholds
from imbalance_cli.evaluation import Evaluation, Levels, Resampling
from imbalance_cli.metrics import Confusion
from imbalance_cli.progress import tell_nobody
from imbalance_cli.report import documents
from imbalance_cli.run.directory import METRICS_CSV, METRICS_JSON, MODEL, RunDirectory
from imbalance_cli.workflows.predictions import write_predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.config import Config
    from imbalance_cli.progress import Tell
    from imbalance_cli.run.predictor import Predictor
    from imbalance_cli.workflows.held_out import HeldOut
    from imbalance_cli.workflows.preparing import Prepared


def report_run(  # noqa: PLR0913  what is written, and who receives the progress
    run: RunDirectory,
    predictor: Predictor,
    thresholds: Thresholds,
    config: Config,
    held_out: HeldOut,
    members: Sequence[dict[str, int]],
    *,
    warn: Callable[[str], None],
    data: dict[str, Any] | None = None,
    command: str | None = None,
    peer: dict[str, Any] | None = None,
    tell: Tell = tell_nobody,
    draw: bool = True,
) -> Evaluation:
    """Evaluate a model on held-out rows, write all of its run, and return the evaluation.

    Args:
        run: being written.
        predictor: to save.
        thresholds: and on how much they rest.
        config: of the report.
        held_out: the rows that the report is of.
        members: where each came from.
        warn: receives a warning of what the plots cannot show.
        data: what it was trained on, as `describe_data` has it; None where that is not known.
        command: that made the run, as it was typed; None from Python.
        peer: what another kind of model came to on the same rows, as `measure_by_peer` has it.
        tell: receives the progress.
        draw: whether its page and plots are drawn too, where the config asks for them.
    """
    evaluation = predictor.evaluate(
        held_out.scored,
        part=held_out.part,
        source=held_out.source,
        resampling=Resampling(config.report.bootstrap, config.report.confidence),
        levels=Levels(config.report.top_k, config.report.at_precision),
        weights=held_out.weights,
        groups=held_out.groups,
        slices=held_out.slices,
        tell=tell,
    )
    if thresholds.intervals is not None:
        evaluation = evaluation.with_threshold_intervals(thresholds.intervals.tolist())
    write_predictions(run, predictor, held_out, tell)
    run.write_tensors(MODEL, predictor.tensors())
    run.write(METRICS_JSON, documents.to_json(evaluation, str(run.path), peer))
    run.write(METRICS_CSV, documents.to_csv(evaluation))
    document = describe_model(predictor, thresholds, config, members)
    run.finish(document | {"data": data, "command": command, "versions": versions()})
    if draw and config.report.plots:
        from imbalance_cli.workflows.reporting import draw_report  # noqa: PLC0415  jinja2 and curves

        draw_report(run.path, warn)
    return evaluation


def describe_data(prepared: Prepared, files: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a model is trained on as plain data; `files` as of `fingerprint_files`."""
    return {
        "sources": prepared.data.sources,
        "files": files,
        "rows": prepared.parts(),
        "split": prepared.data.split.strategy,
        "dropped": prepared.preprocessing.dropped,
        "training": [
            {"positives": label.positives, "negatives": label.negatives}
            for label in prepared.counts.labels
        ],
        "remarks": prepared.remarks,
    }


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
        ends = None if thresholds.intervals is None else thresholds.intervals[i].tolist()
        label["threshold_interval"] = ends
        label["threshold_shrinkage"] = float(thresholds.shrinkage[i])
        reached = float(thresholds.reached[i])
        label["threshold_reached"] = None if math.isnan(reached) else reached
        label["validation_counts"] = [float(part[i]) for part in thresholds.counts]
    return document | {"loss": config.loss.name, "trained": list(members)}


def read_thresholds(labels: Sequence[dict[str, Any]]) -> Thresholds:
    """Return the thresholds that `describe_model` wrote of labels."""
    reached = [label["threshold_reached"] for label in labels]
    counts = [label["validation_counts"] for label in labels]
    intervals = [label.get("threshold_interval") for label in labels]
    return Thresholds(
        torch.tensor([label["threshold"] for label in labels], dtype=torch.float64),
        torch.tensor([label["validation_positives"] for label in labels]),
        torch.tensor([label["threshold_shrinkage"] for label in labels], dtype=torch.float64),
        torch.tensor([math.nan if x is None else x for x in reached], dtype=torch.float64),
        Confusion(*torch.tensor(counts, dtype=torch.float64).T),
        None if None in intervals else torch.tensor(intervals, dtype=torch.float64),
    )


def versions() -> dict[str, str]:
    """Return the versions of what computed the numbers."""
    return {
        "imbtrain": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "polars": pl.__version__,
    }
