"""fit: from a config to a run and its report.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl
import torch

from imbalance_cli import __version__
from imbalance_cli.artifacts import (
    CHECKPOINT,
    CONFIG,
    HISTORY,
    METRICS_CSV,
    METRICS_JSON,
    MODEL,
    PREDICTIONS,
    RunDirectory,
)
from imbalance_cli.calibration import Calibration, fit_calibration
from imbalance_cli.dataset import Dataset
from imbalance_cli.device import choose_device
from imbalance_cli.evaluation import Evaluation, Resampling
from imbalance_cli.features import Preprocessing, fit_preprocessing
from imbalance_cli.labelled import LabelledTable, Roles, read_labelled
from imbalance_cli.labels import Counts, LabelCounts, list_names, select_labels
from imbalance_cli.losses import link
from imbalance_cli.model import MultilayerPerceptron, Shape, build_model, score_rows
from imbalance_cli.pos_weight import Strategy, weigh
from imbalance_cli.predictor import Predictor
from imbalance_cli.report import documents
from imbalance_cli.splits import PARTS
from imbalance_cli.thresholds import Thresholds, choose_thresholds
from imbalance_cli.training import EpochResult, train
from imbalance_cli.weight_files import read_pos_weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imbalance_cli.config import Config


BINS = 16  # of the piecewise linear encoding of a number
MOST_BINNED = 256  # `auto` encodes no more numbers than these, since the input grows by BINS each


class Observer(Protocol):
    """Who is told how a fit goes."""

    def started(self, rows: dict[str, int], epochs: int) -> None:
        """Training begins, with so many rows a part and at most so many epochs."""
        ...

    def epoch(self, result: EpochResult) -> None:
        """An epoch ended."""
        ...

    def warned(self, sentence: str) -> None:
        """Something was noticed that the numbers should be read with."""
        ...


def fit(config: Config, directory: Path, observer: Observer, *, overwrite: bool) -> Evaluation:
    """Train a model, save the run, and evaluate it on the held-out part.

    Nothing is written before all that training needs was found to be right.

    Raises:
        ImbtrainError: the config, the data or the place of the run cannot be used.
    """
    device = choose_device(config.training.device)
    run = RunDirectory(directory, overwrite=overwrite)
    roles, data = read_labelled(config)
    weights, learnable = _weigh_training_rows(config, roles.labels, data, observer)
    _warn_of_labels(roles, data, learnable, observer)
    preprocessing = fit_preprocessing(data.table, roles.features, data.split.train)
    if preprocessing.dropped:
        names = list_names(preprocessing.dropped)
        observer.warned(f"constant in the training rows, and so dropped: {names}")
    parts = _datasets(preprocessing, data, learnable, device)
    shape = _shape(config, preprocessing, parts["train"])
    model = _starting_model(config, shape, parts["train"], weights, learnable).to(device)

    run.start()
    run.write(CONFIG, config.to_yaml().encode())
    best_epoch = _train(model, parts, weights, config, run, observer)

    predictor = Predictor(
        preprocessing=preprocessing,
        model=model,
        shape=shape,
        labels=roles.labels,
        learnable=learnable,
        pos_weight=weights.double(),
        calibration=Calibration.identity(len(roles.labels)),
        thresholds=torch.full((len(roles.labels),), 0.5, dtype=torch.float64),
        undo_weights=config.calibration.method != "none",
        precision=config.training.precision,
    )
    predictor, thresholds = _decide(predictor, parts["valid"], config)
    part = _choose_held_out(data, observer)
    logits = score_rows(model, parts[part], predictor.precision)
    probabilities = predictor.probabilities_of(logits)
    evaluation = predictor.evaluate(
        probabilities,
        parts[part].targets.cpu(),
        part=part,
        source=data.sources[part],
        resampling=Resampling(config.report.bootstrap, config.report.confidence),
    )
    _save_predictions(run, predictor, getattr(data.split, part), data, probabilities)
    _save(run, predictor, thresholds, config, evaluation, best_epoch)
    return evaluation


def default_directory(config: Config) -> Path:
    """Return where a run goes: output.directory / output.name, or a name with the time."""
    if config.output.name is not None:
        return Path(config.output.directory) / config.output.name
    source = config.data.train[0]
    stem = "stdin" if source == "-" else Path(source).name.partition(".")[0]
    plain = "".join(character for character in stem if character not in "*?[]") or "run"
    now = dt.datetime.now().astimezone()
    stamp = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03}"
    return Path(config.output.directory) / f"{plain}-{stamp}"


def _weigh_training_rows(
    config: Config, labels: Sequence[str], data: LabelledTable, observer: Observer
) -> tuple[torch.Tensor, list[bool]]:
    """Return the weight of each label, (L,) float32, and whether it can be learned at all."""
    counts = count_targets(data.targets[data.split.train], labels)
    learnable = [bool(c.positives and c.negatives) for c in counts.labels]
    for label, can_learn in zip(counts.labels, learnable, strict=True):
        if not can_learn:
            side = "negative" if label.positives else "positive"
            observer.warned(
                f"label {label.label!r} has no {side} in the training part: it cannot be learned "
                "and is left out of macro averages"
            )
    settings = config.weighting
    if settings.from_ is not None:
        values = read_pos_weight(settings.from_, labels)
    else:
        strategy = Strategy(settings.strategy, settings.cap, settings.smoothing, settings.beta)
        values = [label.pos_weight for label in weigh(counts, strategy, "train").labels]
    return torch.tensor(values, dtype=torch.float32), learnable


def _warn_of_labels(
    roles: Roles, data: LabelledTable, learnable: Sequence[bool], observer: Observer
) -> None:
    """Name features that look like labels, and labels that a part has no positive of."""
    alike = select_labels(roles.features, (), data.table.name)
    if alike:
        observer.warned(
            f"used as features, though they are called like labels: {list_names(alike)}; "
            "data.exclude leaves them out"
        )
    for part, outcome in (
        ("valid", "it gets no threshold of its own"),
        ("test", "its average precision and recall are undefined"),
    ):
        rows = getattr(data.split, part)
        has_positive = (data.targets[rows] == 1).any(axis=0)
        without = np.flatnonzero(np.asarray(learnable) & ~has_positive)
        if len(rows) and len(without):
            names = list_names([roles.labels[label] for label in without])
            observer.warned(f"no positive in the {part} part for {names}: {outcome}")


def count_targets(targets: NDArray[np.float32], labels: Sequence[str]) -> Counts:
    """Count targets (N, L), NaN where missing."""
    positives = (targets == 1).sum(axis=0).tolist()
    negatives = (targets == 0).sum(axis=0).tolist()
    missing = np.isnan(targets).sum(axis=0).tolist()
    rows = zip(labels, positives, negatives, missing, strict=True)
    return Counts(len(targets), [LabelCounts(*row) for row in rows])


def _datasets(
    preprocessing: Preprocessing,
    data: LabelledTable,
    learnable: Sequence[bool],
    device: torch.device,
) -> dict[str, Dataset]:
    features = preprocessing.transform(data.table)
    # a label that cannot be learned is missing everywhere, and so adds nothing to any loss
    targets = np.where(np.asarray(learnable), data.targets, np.float32(np.nan))
    parts = {}
    for part in PARTS:
        rows = getattr(data.split, part)
        subset = dataclasses.replace(
            features, numeric=features.numeric[rows], codes=features.codes[rows]
        )
        kept = targets if part != "test" else data.targets
        parts[part] = Dataset.from_rows(subset, kept[rows], device)
    return parts


def _shape(config: Config, preprocessing: Preprocessing, rows: Dataset) -> Shape:
    return Shape(
        numeric=rows.numeric.shape[1],
        cardinalities=preprocessing.cardinalities,
        labels=rows.targets.shape[1],
        hidden=list(config.model.hidden),
        activation=config.model.activation,
        dropout=config.model.dropout,
        continuous=preprocessing.continuous,
        bins=_choose_bins(config.model.numeric_embedding, preprocessing.continuous),
    )


def _choose_bins(embedding: str, continuous: int) -> int:
    if embedding == "none" or not continuous:
        return 0
    return BINS if embedding == "piecewise_linear" or continuous <= MOST_BINNED else 0


def _starting_model(
    config: Config,
    shape: Shape,
    rows: Dataset,
    weights: torch.Tensor,
    learnable: Sequence[bool],
) -> MultilayerPerceptron:
    """Return a model whose scores stand for each label's prevalence before it has learned."""
    positives = (rows.targets == 1).sum(dim=0).cpu()
    known = (~rows.targets.isnan()).sum(dim=0).cpu()
    prevalence = (positives + 0.5) / (known + 1.0)
    model = build_model(shape, config.training.seed, link(prevalence, weights).tolist())
    if model.bins is not None:
        model.bins.fit(rows.numeric.cpu())
    with torch.no_grad():
        model.output.weight[~torch.tensor(learnable)] = 0
    return model


def _train(
    model: MultilayerPerceptron,
    parts: dict[str, Dataset],
    weights: torch.Tensor,
    config: Config,
    run: RunDirectory,
    observer: Observer,
) -> int:
    """Train, writing history and checkpoints as it goes, and return the best epoch."""
    settings = config.training
    observer.started({part: len(rows) for part, rows in parts.items()}, settings.epochs)
    fields = [field.name for field in dataclasses.fields(EpochResult)]
    run.append_line(HISTORY, ",".join(fields))
    best_epoch = saved_epoch = 0
    pos_weight = weights.to(parts["train"].targets.device)
    for result in train(model, parts["train"], parts["valid"], pos_weight, settings):
        run.append_line(HISTORY, ",".join(str(getattr(result, f)) for f in fields))
        due = not saved_epoch or result.epoch - saved_epoch >= settings.checkpoint_every
        if result.is_best and due:
            run.write_tensors(f"{CHECKPOINT}/{MODEL}", model.state_dict())
            run.write_json(f"{CHECKPOINT}/state.json", dataclasses.asdict(result))
            saved_epoch = result.epoch
        best_epoch = result.best_epoch
        observer.epoch(result)
    return best_epoch


def _decide(predictor: Predictor, valid: Dataset, config: Config) -> tuple[Predictor, Thresholds]:
    """Fit calibration and thresholds on the validation rows."""
    logits = score_rows(predictor.model, valid, predictor.precision)
    targets = valid.targets.cpu()
    method = config.calibration.method
    calibration = fit_calibration(predictor.log_odds_of(logits), targets, method)  # type: ignore[arg-type]
    calibrated = dataclasses.replace(predictor, calibration=calibration)
    thresholds = choose_thresholds(calibrated.probabilities_of(logits), targets, config.thresholds)
    return dataclasses.replace(calibrated, thresholds=thresholds.values), thresholds


def _choose_held_out(data: LabelledTable, observer: Observer) -> str:
    """Return the part that the report is of: test, or valid where there is no test part."""
    if len(data.split.test):
        return "test"
    observer.warned(
        "there is no test part: the report is of the validation rows, on which the epoch, the "
        "calibration and the thresholds were chosen, and so flatters the model"
    )
    return "valid"


def _save(
    run: RunDirectory,
    predictor: Predictor,
    thresholds: Thresholds,
    config: Config,
    evaluation: Evaluation,
    best_epoch: int,
) -> None:
    run.write_tensors(MODEL, predictor.model.state_dict())
    run.write(METRICS_JSON, documents.to_json(evaluation, str(run.path)))
    run.write(METRICS_CSV, documents.to_csv(evaluation))
    document = predictor.to_document()
    for i, label in enumerate(document["labels"]):
        label["validation_positives"] = int(thresholds.positives[i])
        label["threshold_pooled"] = bool(thresholds.pooled[i])
    run.finish(
        document
        | {
            "loss": config.loss.name,
            "best_epoch": best_epoch,
            "versions": {
                "imbtrain": __version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
                "polars": pl.__version__,
            },
        }
    )


def _save_predictions(
    run: RunDirectory,
    predictor: Predictor,
    rows: NDArray[np.intp],
    data: LabelledTable,
    probabilities: torch.Tensor,
) -> None:
    """Write the row numbers of the held-out rows, their targets and what was predicted."""
    targets = data.targets[rows]
    frame = pl.DataFrame({"row": rows}).with_columns(
        pl.Series(f"{label}_target", targets[:, i]).fill_nan(None).cast(pl.Int8)
        for i, label in enumerate(predictor.labels)
    )
    content = io.BytesIO()
    predictions = predictor.frame(probabilities)
    pl.concat([frame, predictions], how="horizontal").write_parquet(content)
    run.write(PREDICTIONS, content.getvalue())
