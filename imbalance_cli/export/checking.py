"""Whether an ONNX file gives what its run gives: ONNX Runtime against the run, row by row.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import polars as pl
import torch

from imbalance_cli.errors import ExportError
from imbalance_cli.export.model import OUTPUTS
from imbalance_cli.export.preprocessing import MICROSECONDS_A_DAY, MISSING_DATE
from imbalance_cli.losses.link import mean_log_odds
from imbalance_cli.run.scored_rows import calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.export.model import Precision
    from imbalance_cli.readers import Table
    from imbalance_cli.run.predictor import Predictor

TOLERANCES = {"float32": 1e-6, "float64": 1e-9}
"""By which a probability may differ: that of the run in float32, or computed in float64 too."""


class Comparison:
    """Compares a model with its run.

    Attributes:
        rows: how many were compared.
        largest: the largest difference of a probability.

    Args:
        content: of the ONNX file.
        predictor: of the run, on the CPU.
        precision: of the file.

    Raises:
        ExportError: ONNX Runtime cannot load it.
    """

    def __init__(self, content: bytes, predictor: Predictor, precision: Precision) -> None:
        self.rows, self.largest = 0, 0.0
        self._predictor, self._precision = predictor, precision
        if precision == "float64":
            self._predictor = dataclasses.replace(
                predictor, model=copy.deepcopy(predictor.model).double()
            )
        onnxruntime.set_default_logger_severity(4)  # what it says is in what it raises
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own kinds of errors are no public classes
            raise ExportError(
                f"ONNX Runtime cannot load the model: {_first_line(error)}"
            ) from error

    def add(self, table: Table) -> None:
        """Compare rows.

        Raises:
            ExportError: a probability differs by more than TOLERANCES, or a decision differs.
        """
        probabilities, decisions = self.answer(to_feeds(self._predictor, table)).values()
        wanted = self._score(table)
        away = np.abs(probabilities - wanted)
        away[:, ~np.array(self._predictor.learnable)] = 0.0
        differs = ~(away <= TOLERANCES[self._precision])
        thresholds = self._predictor.thresholds.numpy()
        decided = (wanted >= thresholds) & self._predictor.learnable
        if (bad := differs | (decisions != decided)).any():
            row, label = np.argwhere(bad)[0]
            raise ExportError(
                f"{table.place(int(row))}: label {self._predictor.labels[label]!r}: ONNX Runtime "
                f"gives {probabilities[row, label]!s} and decides {int(decisions[row, label])}, "
                f"where the run gives {wanted[row, label]!s} and decides "
                f"{int(decided[row, label])}: no file is written",
                hint="--precision float64" if self._precision == "float32" else None,
            )
        self.rows += len(wanted)
        self.largest = max(self.largest, float(away.max(initial=0.0)))

    def answer(self, feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the OUTPUTS of the model, (N, L) each, of inputs (N, 1) each."""
        return dict(zip(OUTPUTS, self._session.run(OUTPUTS, feeds), strict=True))

    def _score(self, table: Table) -> NDArray[np.float64]:
        """Return what the run says of rows, (N, L), as `predict` has it or in float64."""
        predictor = self._predictor
        if self._precision == "float32":
            odds = predictor.scores(table).log_odds()
        else:
            features = predictor.preprocessing.transform(table)
            numeric, codes = (torch.from_numpy(each) for each in (features.numeric, features.codes))
            with torch.no_grad():
                logits = [part(numeric.double(), codes) for part in predictor.model.parts()]
            odds = mean_log_odds(torch.cat(logits), predictor.link_loss)
        probabilities: NDArray[np.float64] = calibrate(odds, predictor.calibration).numpy()
        return probabilities


def to_feeds(predictor: Predictor, table: Table) -> dict[str, NDArray[Any]]:
    """Return the inputs of an exported model, (N, 1) each, of rows as the run reads them."""
    features = predictor.preprocessing
    dates = {feature.column for feature in features.numeric if feature.kind == "date"}
    feeds: dict[str, NDArray[Any]] = {}
    for column, cells in features.read_cells(table).items():
        if isinstance(cells, pl.Series):
            feeds[column] = np.array(cells.fill_null("").to_list(), object)[:, None]
        elif column in dates:
            moments = np.rint(np.nan_to_num(cells) * MICROSECONDS_A_DAY).astype(np.int64)
            feeds[column] = np.where(np.isnan(cells), MISSING_DATE, moments)[:, None]
        else:
            feeds[column] = cells[:, None]
    return feeds


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
