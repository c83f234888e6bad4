"""A fitted model as it is used: from table rows to calibrated probabilities and decisions.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from imbalance_cli.artifacts import load_run
from imbalance_cli.calibration import Calibration
from imbalance_cli.dataset import Dataset
from imbalance_cli.errors import FeatureError, nearest
from imbalance_cli.evaluation import evaluate_scores
from imbalance_cli.features import Preprocessing
from imbalance_cli.losses import log_odds
from imbalance_cli.model import MultilayerPerceptron, Shape, score_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.evaluation import Evaluation, Resampling
    from imbalance_cli.readers import Table


@dataclasses.dataclass(frozen=True)
class Predictor:
    """Everything between a row and its probabilities.

    Attributes:
        preprocessing: fitted features.
        model: the network.
        shape: of the network.
        labels: names, (L,).
        learnable: whether training had both classes, (L,).
        pos_weight: what the loss was weighted with, (L,).
        calibration: of the log-odds.
        thresholds: (L,) float64.
        undo_weights: whether probabilities come from the inverse link (else from plain sigmoid).
        precision: what the network computes in.
    """

    preprocessing: Preprocessing
    model: MultilayerPerceptron
    shape: Shape
    labels: list[str]
    learnable: list[bool]
    pos_weight: torch.Tensor
    calibration: Calibration
    thresholds: torch.Tensor
    undo_weights: bool = True
    precision: str = "float32"

    def probabilities(self, table: Table) -> torch.Tensor:
        """Return (N, L) float64 probabilities of rows.

        Raises:
            FeatureError: a cell is not of its column's kind.
        """
        device = next(self.model.parameters()).device
        features = self.preprocessing.transform(table)
        numeric = torch.from_numpy(features.numeric).to(device)
        codes = torch.from_numpy(features.codes).to(device)
        targets = torch.empty((len(numeric), 0), device=device)
        logits = score_rows(self.model, Dataset(numeric, codes, targets), self.precision)
        return self.probabilities_of(logits)

    def probabilities_of(self, logits: torch.Tensor) -> torch.Tensor:
        """Return (N, L) float64 probabilities of logits, on the host."""
        calibrated = self.calibration.apply(self.log_odds_of(logits))
        return torch.from_numpy(_sigmoid(calibrated.numpy()))

    @property
    def output_columns(self) -> list[str]:
        """The columns of `frame`."""
        kinds = ("probability", "decision")
        return [f"{label}_{kind}" for label in self.labels for kind in kinds]

    def frame(self, probabilities: torch.Tensor) -> pl.DataFrame:
        """Return <label>_probability and <label>_decision of probabilities (N, L).

        Both are null for a label that could not be learned.
        """
        decisions = (probabilities >= self.thresholds).to(torch.int8)
        pairs = zip(probabilities.T, decisions.T, self.learnable, strict=True)
        values = [
            column if can_learn else column.clear(len(column))
            for *pair, can_learn in pairs
            for column in (pl.Series(tensor.numpy()) for tensor in pair)
        ]
        return pl.DataFrame(dict(zip(self.output_columns, values, strict=True)))

    def evaluate(
        self,
        probabilities: torch.Tensor,
        targets: torch.Tensor,
        *,
        part: str,
        source: str,
        resampling: Resampling,
    ) -> Evaluation:
        """Compute every number of a report on probabilities (N, L) and targets (N, L)."""
        return evaluate_scores(
            probabilities,
            targets,
            self.thresholds,
            self.labels,
            part=part,
            source=source,
            learnable=self.learnable,
            resampling=resampling,
        )

    def log_odds_of(self, logits: torch.Tensor) -> torch.Tensor:
        """Return (N, L) float64 log-odds before calibration, on the host."""
        host = logits.cpu()
        return log_odds(host, self.pos_weight) if self.undo_weights else host.double()

    def check_columns(self, columns: Sequence[str], name: str) -> None:
        """Raise if a feature column is not there.

        Raises:
            FeatureError: it names every missing one.
        """
        missing = [column for column in self.preprocessing.columns if column not in columns]
        if missing:
            shown = ", ".join(repr(column) for column in missing)
            raise FeatureError(
                f"{name}: without the feature column{'s' if len(missing) > 1 else ''} {shown}",
                hint=nearest(missing[0], columns),
            )

    def to_document(self) -> dict[str, Any]:
        """Return all but the weights as plain data."""
        return {
            "labels": [
                {
                    "label": label,
                    "learnable": self.learnable[i],
                    "pos_weight": float(self.pos_weight[i]),
                    "threshold": float(self.thresholds[i]),
                    "calibration": {
                        "slope": float(self.calibration.slope[i]),
                        "intercept": float(self.calibration.intercept[i]),
                        "fitted": bool(self.calibration.fitted[i]),
                    },
                }
                for i, label in enumerate(self.labels)
            ],
            "features": self.preprocessing.to_dict(),
            "shape": self.shape.to_dict(),
            "undo_weights": self.undo_weights,
            "precision": self.precision,
        }

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Predictor:
        """Read a run onto a device.

        Raises:
            RunError: it cannot be read.
        """
        document, tensors = load_run(path)
        labels = document["labels"]
        shape = Shape(**document["shape"])
        model = MultilayerPerceptron(shape)
        model.load_state_dict(tensors)
        steps = [label["calibration"] for label in labels]

        def numbers(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float64)

        return cls(
            preprocessing=Preprocessing.from_dict(document["features"]),
            model=model.to(device).eval(),
            shape=shape,
            labels=[label["label"] for label in labels],
            learnable=[label["learnable"] for label in labels],
            pos_weight=numbers([label["pos_weight"] for label in labels]),
            calibration=Calibration(
                numbers([step["slope"] for step in steps]),
                numbers([step["intercept"] for step in steps]),
                torch.tensor([step["fitted"] for step in steps], dtype=torch.bool),
            ),
            thresholds=numbers([label["threshold"] for label in labels]),
            undo_weights=document["undo_weights"],
            precision=document["precision"],
        )


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sigmoid of each value, by numpy.

    torch.sigmoid rounds the last elements of a tensor, which do not fill a vector register,
    differently, so that a row's probability would depend on how many rows there are.
    """
    decay = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, decay) / (1.0 + decay)
