"""A fitted model as it is used: from table rows to calibrated probabilities and decisions.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from imbalance_cli.decisions.calibration import Calibration
from imbalance_cli.errors import ConfigError
from imbalance_cli.evaluation import evaluate_rows
from imbalance_cli.features import Drift, FeatureRows, LabelDrift, Preprocessing
from imbalance_cli.labels.selection import match_columns
from imbalance_cli.losses.family import Loss
from imbalance_cli.network.model import Ensemble, MultilayerPerceptron, Shape
from imbalance_cli.network.scoring import score
from imbalance_cli.progress import tell_nobody
from imbalance_cli.rows.dataset import Dataset
from imbalance_cli.run.columns import require_features
from imbalance_cli.run.directory import load_run, not_as_run
from imbalance_cli.run.scored_rows import Scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from imbalance_cli.evaluation import Evaluation, Grouping, Levels, Resampling, ScoredRows
    from imbalance_cli.features import FeatureCounts
    from imbalance_cli.network.model import Model
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers import Table

LOSS = "loss."  # before the names of the loss's parameters, beside those of the networks


@dataclasses.dataclass(frozen=True)
class Predictor:
    """Everything between a row and its probabilities.

    Attributes:
        preprocessing: fitted features.
        model: the networks, whose probabilities are averaged.
        labels: names, (L,).
        learnable: whether training had both classes, (L,).
        loss: what the networks were trained with, its parameters (M, 1, L).
        calibration: of the log-odds.
        thresholds: (L,) float64.
        undo_loss: whether probabilities come from the inverse link (else from plain sigmoid).
        precision: what the network computes in.
        prevalence: the share of positives that each label had in training, (L,); None where it
            was not learned.
    """

    preprocessing: Preprocessing
    model: Model
    labels: list[str]
    learnable: list[bool]
    loss: Loss
    calibration: Calibration
    thresholds: torch.Tensor
    undo_loss: bool = True
    precision: str = "float32"
    prevalence: list[float | None] = dataclasses.field(default_factory=list)

    def scores(
        self,
        table: Table,
        kept: NDArray[np.bool_] | None = None,
        counts: FeatureCounts | None = None,
    ) -> Scores:
        """Return what the networks say of rows, before calibration.

        Args:
            table: N rows.
            kept: (N,) which of them; None for all.
            counts: counts the features, where `drift` is asked for.

        Raises:
            FeatureError: a cell is not of its column's kind.
        """
        features = self.preprocessing.transform(table, counts)
        if kept is not None:
            features = FeatureRows(features.numeric[kept], features.codes[kept])
        return self.score_features(features)

    def score_features(self, rows: FeatureRows) -> Scores:
        """Return what the networks say of rows that are ready for them, before calibration."""
        device = next(self.model.parameters()).device
        numeric = torch.from_numpy(rows.numeric).to(device)
        codes = torch.from_numpy(rows.codes).to(device)
        targets = torch.empty((len(numeric), 0), device=device)
        logits = score(self.model, Dataset(numeric, codes, targets), self.precision)
        return Scores([(logits, self.link_loss)])

    def drift(self, rows: int, counts: FeatureCounts, means: Sequence[float]) -> Drift:
        """Return how rows differ from those of training.

        Args:
            rows: N.
            counts: of their features.
            means: of their probabilities, (L,).
        """
        labels = [
            LabelDrift(label, mean, prevalence)
            for label, mean, prevalence in zip(self.labels, means, self.prevalence, strict=False)
            if prevalence is not None
        ]
        return Drift(rows, self.preprocessing.drift(counts), labels)

    @property
    def link_loss(self) -> Loss:
        """The loss whose inverse link is taken, its parameters (heads of all networks, 1, L)."""
        return self.loss.of_heads(self.model.heads) if self.undo_loss else Loss()

    @property
    def output_columns(self) -> list[str]:
        """The columns of `frame`."""
        kinds = ("probability", "decision")
        return [f"{label}_{kind}" for label in self.labels for kind in kinds]

    def with_thresholds(self, given: Mapping[str, float]) -> Predictor:
        """Return the same model, that decides by other thresholds.

        Args:
            given: by name or glob of labels; of several for a label the last counts.

        Raises:
            ConfigError: a name is that of no label, or a threshold is no probability.
        """
        thresholds = self.thresholds.clone()
        for pattern, value in given.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"--threshold: {value!r}: a probability from 0 to 1 is needed")
            for label in match_columns([pattern], self.labels, "--threshold", of="label"):
                thresholds[self.labels.index(label)] = value
        return dataclasses.replace(self, thresholds=thresholds)

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

    def evaluate(  # noqa: PLR0913  the arguments of evaluate_rows
        self,
        rows: ScoredRows,
        *,
        part: str,
        source: str,
        resampling: Resampling,
        levels: Levels,
        weights: torch.Tensor | None = None,
        groups: torch.Tensor | None = None,
        slices: Sequence[Grouping] = (),
        tell: Tell = tell_nobody,
    ) -> Evaluation:
        """Compute every number of a report, some labels at a time.

        A CUDA device that the networks are on computes it.

        The arguments are those of `evaluate_rows`.

        Raises:
            EvaluationError: no number can be made of them.
        """
        device = next(self.model.parameters()).device
        return evaluate_rows(
            rows,
            self.thresholds,
            self.labels,
            part=part,
            source=source,
            learnable=self.learnable,
            resampling=resampling,
            levels=levels,
            weights=weights,
            groups=groups,
            slices=slices,
            device=device if device.type == "cuda" else None,  # others have no float64
            tell=tell,
        )

    def keep_members(self, members: Sequence[int]) -> Predictor:
        """Return the same of some members alone; neighbours of one shape stay together."""
        runs = itertools.groupby(enumerate(members), key=lambda pair: pair[1] - pair[0])
        ranges = [[member for _, member in run] for _, run in runs]
        parts = [self.model.part(run[0], run[-1] + 1).parts() for run in ranges]
        model = Ensemble([*itertools.chain.from_iterable(parts)])
        return dataclasses.replace(self, model=model.eval(), loss=self.loss.of_members(members))

    def check_columns(self, columns: Sequence[str], name: str) -> None:
        """Raise if a feature column is not there.

        Raises:
            FeatureError: it names every missing one.
        """
        require_features(self.preprocessing.columns, columns, name)

    def to_document(self) -> dict[str, Any]:
        """Return all but the weights as plain data."""
        steps = self.calibration.to_documents()
        return {
            "labels": [
                {
                    "label": label,
                    "learnable": self.learnable[i],
                    "prevalence": self.prevalence[i],
                    "pos_weight": self._pos_weights(i),
                    "threshold": float(self.thresholds[i]),
                    "calibration": steps[i],
                }
                for i, label in enumerate(self.labels)
            ],
            "features": self.preprocessing.to_dict(),
            "members": self.model.members,
            "networks": [
                {"shape": part.shape.to_dict(), "members": part.members}
                for part in self.model.parts()
            ],
            "undo_loss": self.undo_loss,
            "precision": self.precision,
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights of the networks and the parameters of the loss, by name."""
        parameters = self.loss.parameters().items()
        return self.model.state_dict() | {f"{LOSS}{name}": value for name, value in parameters}

    def _pos_weights(self, label: int) -> list[float]:
        """Return what each member's loss weighed a label's positives with, (M,)."""
        if self.loss.pos_weight is None:
            return [1.0] * self.model.members
        weights: list[float] = self.loss.pos_weight[:, 0, label].tolist()
        return weights

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Predictor:
        """Read a run onto a device.

        Raises:
            RunError: it cannot be read.
        """
        document, tensors = load_run(path)
        try:
            return cls.from_document(document, tensors, device)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise not_as_run(path, error) from error

    @classmethod
    def from_document(
        cls, document: dict[str, Any], tensors: dict[str, torch.Tensor], device: torch.device
    ) -> Predictor:
        """Return what `to_document` and `tensors` were made of, on a device."""
        labels = document["labels"]
        model = Ensemble(
            [
                MultilayerPerceptron(Shape(**part["shape"]), part["members"])
                for part in document["networks"]
            ]
        )
        model.load_state_dict(
            {name: value for name, value in tensors.items() if not name.startswith(LOSS)}
        )
        parameters = {
            name.removeprefix(LOSS): value
            for name, value in tensors.items()
            if name.startswith(LOSS)
        }
        return cls(
            preprocessing=Preprocessing.from_dict(document["features"]),
            model=model.to(device).eval(),
            labels=[label["label"] for label in labels],
            learnable=[label["learnable"] for label in labels],
            loss=Loss(**parameters),
            calibration=Calibration.from_documents([label["calibration"] for label in labels]),
            thresholds=torch.tensor([label["threshold"] for label in labels], dtype=torch.float64),
            undo_loss=document["undo_loss"],
            precision=document["precision"],
            prevalence=[label["prevalence"] for label in labels],
        )
