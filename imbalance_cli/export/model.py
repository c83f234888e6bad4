"""The whole graph: from raw columns to calibrated probabilities and decisions.

Shapes: N rows, L labels, M members (every head of every network).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from imbalance_cli.errors import ExportError, number_of, show_bytes
from imbalance_cli.export.graph import Graph
from imbalance_cli.export.link import add_mean_log_odds, sigmoid
from imbalance_cli.export.network import add_networks
from imbalance_cli.export.preprocessing import add_preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from imbalance_cli.decisions.calibration import Calibration
    from imbalance_cli.export.graph import Value
    from imbalance_cli.run.predictor import Predictor

Precision = Literal["float32", "float64"]
OUTPUTS = ("probability", "decision")
MOST_COLUMNS = 1000
LARGEST_FILE = 2_000_000_000  # of what protobuf writes as one


def build_onnx(
    predictor: Predictor, precision: Precision, metadata: Mapping[str, str], text: str
) -> bytes:
    """Return a predictor as the content of an ONNX file.

    It has an input (N, 1) for each feature column, and the OUTPUTS, (N, L) each; they are NaN and
    false for a label that could not be learned.

    Args:
        predictor: of the run, on the CPU.
        precision: of numbers, networks and probabilities; from the logits to the probabilities
            everything is float64, as it is in the run.
        metadata: kept in the model by name.
        text: what the model is, in a sentence.

    Raises:
        ExportError: ONNX or its runtime has no such model.
    """
    _refuse(predictor, precision)

    dtype = np.dtype(precision)
    graph = Graph(predictor.preprocessing.columns)
    features = add_preprocessing(graph, predictor.preprocessing, dtype)
    parts = [add_networks(graph, features, part, dtype) for part in predictor.model.parts()]
    members = sum(predictor.model.heads)
    logits = graph.concatenate(parts, 0)
    odds = add_mean_log_odds(logits, predictor.link_loss, members, len(predictor.labels))
    probabilities = sigmoid(_calibrate(odds, predictor.calibration))
    if not all(predictor.learnable):
        probabilities = probabilities + np.where(predictor.learnable, 0.0, np.nan)
    decisions = probabilities.reaches(predictor.thresholds.numpy())
    for name, value in zip(OUTPUTS, (probabilities.cast(dtype), decisions), strict=True):
        graph.output(name, value, len(predictor.labels))
    content: bytes = graph.to_model(metadata, text).SerializeToString()
    return content


def _refuse(predictor: Predictor, precision: Precision) -> None:
    """Raise where there is no such model."""
    columns = predictor.preprocessing.columns
    if len(columns) > MOST_COLUMNS:
        raise ExportError(
            f"{len(columns):,} feature columns: each is an input, and ONNX Runtime takes 0.2 s a "
            f"row of 3,000 of them: at most {MOST_COLUMNS:,} are exported",
            hint="fewer columns (data.exclude)",
        )
    taken = [name for name in columns if name in {"", *OUTPUTS}]
    if taken:
        raise ExportError(
            f"column {taken[0]!r}: no input of an ONNX model can be called so"
            + " beside its output" * bool(taken[0]),
            hint="rename it in the training table, and fit again",
        )
    shape = predictor.model.shape
    if shape.activation == "gelu" and precision == "float64":
        raise ExportError(
            "model.activation gelu: ONNX Runtime computes it in float32 alone",
            hint="--precision float32",
        )
    weights = sum(each.numel() for each in predictor.tensors().values())
    size = weights * np.dtype(precision).itemsize
    if size > LARGEST_FILE:
        raise ExportError(
            f"{number_of(len(predictor.labels), 'label')}, {number_of(weights, 'weight')}: "
            f"{show_bytes(size)}, and an ONNX file holds at most {show_bytes(LARGEST_FILE)}",
            hint="fewer labels (data.labels), or fewer networks (model.members)",
        )


def _calibrate(u: Value, calibration: Calibration) -> Value:
    """Return calibrated log-odds, (N, L), as `Calibration.apply`."""
    names = ("intercept", "slope", "curvature", "low", "high")
    arrays: list[NDArray[np.float64]] = [getattr(calibration, name).numpy() for name in names]
    intercept, slope, curvature, low, high = arrays
    if not curvature.any():
        return u * slope + intercept
    graph = u.graph
    end: NDArray[np.float64] = np.where(curvature > 0, low, high)
    inside = graph.add("Min", graph.add("Max", u, low), high)
    away = inside - end
    curve = away * (away + (u - inside) * 2.0) * curvature
    steepness, start = slope + 2 * curvature * end, intercept - curvature * end * end
    return u * steepness + start + curve
