"""fit, evaluate and predict: the only place that puts the rooms together.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl
import torch

from imbalance_cli import __version__
from imbalance_cli.artifacts import CHECKPOINT, CONFIG, MODEL, RunDirectory
from imbalance_cli.calibration import Calibration, fit_calibration
from imbalance_cli.config import Config, load_config
from imbalance_cli.dataset import Dataset
from imbalance_cli.device import choose_device
from imbalance_cli.evaluation import Evaluation, Resampling, evaluate_scores
from imbalance_cli.features import Preprocessing, fit_preprocessing
from imbalance_cli.labelled import (
    LabelledTable,
    apply_missing_policy,
    match_columns,
    positive_text,
    read_labelled,
)
from imbalance_cli.labels import Counts, LabelCounts, encode_labels, select_labels
from imbalance_cli.losses import link
from imbalance_cli.model import MultilayerPerceptron, Shape, build_model, score_rows
from imbalance_cli.pos_weight import Strategy, weigh
from imbalance_cli.predictor import Predictor
from imbalance_cli.readers import Table, open_source, read_table
from imbalance_cli.report import documents
from imbalance_cli.splits import PARTS
from imbalance_cli.thresholds import Thresholds, choose_thresholds
from imbalance_cli.training import EpochResult, train
from imbalance_cli.weight_files import read_pos_weight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


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

    Raises:
        ImbtrainError: the config, the data or the place of the run cannot be used.
    """
    device = choose_device(config.training.device)
    roles, data = read_labelled(config)
    weights, learnable = _weigh_training_rows(config, roles.labels, data, observer)
    preprocessing = fit_preprocessing(data.table, roles.features, data.split.train)
    for note in preprocessing.notes:
        observer.warned(note)
    parts = _datasets(preprocessing, data, learnable, device)
    run = RunDirectory(directory, overwrite=overwrite)
    run.write(CONFIG, config.to_yaml().encode())

    shape = _shape(config, preprocessing, parts["train"], len(roles.labels))
    model = _starting_model(config, shape, parts["train"], weights, learnable).to(device)
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
    held_out = "test" if len(data.split.test) else "valid"
    if held_out == "valid":
        observer.warned(
            "there is no test part: the report is of the validation rows, on which the epoch, "
            "the calibration and the thresholds were chosen, and so flatters the model"
        )
    evaluation, probabilities = _evaluate_part(
        predictor, parts[held_out], held_out, data.table.name, config
    )
    _save(run, predictor, thresholds, config, evaluation, best_epoch)
    _save_predictions(run, predictor, getattr(data.split, held_out), data, probabilities)
    return evaluation


def evaluate(directory: Path, name: str, device: str, *, bootstrap: int | None) -> Evaluation:
    """Evaluate a run on the labelled rows of a source.

    Args:
        directory: of the run.
        name: the source.
        device: as in a config.
        bootstrap: replicates; None takes the run's own.

    Raises:
        ImbtrainError: the run or the source cannot be used.
    """
    predictor, config = load_predictor(directory, device)
    source = open_source(name)
    predictor.check_columns(source.columns, source.name)
    select_labels(source.columns, predictor.labels, source.name)
    table = read_table([source], [*predictor.preprocessing.columns, *predictor.labels])
    targets = encode_labels(table, predictor.labels, positive_text(config.data))
    targets, _ = apply_missing_policy(config.data, table, targets, predictor.labels)
    return evaluate_scores(
        predictor.probabilities(table),
        torch.from_numpy(targets),
        predictor.thresholds,
        predictor.labels,
        part="test",
        source=source.name,
        learnable=predictor.learnable,
        resampling=Resampling(
            config.report.bootstrap if bootstrap is None else bootstrap, config.report.confidence
        ),
    )


def predict(directory: Path, name: str, device: str, keep: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield one row a row of a source, some rows at a time.

    Args:
        directory: of the run.
        name: the source; label columns are not needed.
        device: as in a config.
        keep: columns of the source, by name or glob, to put before the predictions.

    Raises:
        ImbtrainError: the run or the source cannot be used.
    """
    predictor, _ = load_predictor(directory, device)
    source = open_source(name)
    predictor.check_columns(source.columns, source.name)
    kept = match_columns(keep, source.columns, source.name, "--keep")
    columns = list(dict.fromkeys([*kept, *predictor.preprocessing.columns]))
    for batch in source.batches(columns):
        place = batch.place
        table = Table(source.name, batch.frame, lambda row, at=place: f"{source.name}: {at(row)}")
        predictions = prediction_frame(predictor, predictor.probabilities(table))
        yield pl.concat([batch.frame.select(kept), predictions], how="horizontal")


def prediction_frame(predictor: Predictor, probabilities: torch.Tensor) -> pl.DataFrame:
    """Return <label>_probability and <label>_decision columns of probabilities (N, L)."""
    columns: dict[str, NDArray[Any]] = {}
    for i, label in enumerate(predictor.labels):
        values = probabilities[:, i]
        columns[f"{label}_probability"] = values.numpy()
        columns[f"{label}_decision"] = (values >= predictor.thresholds[i]).to(torch.int8).numpy()
    return pl.DataFrame(columns)


def load_predictor(directory: Path, device: str) -> tuple[Predictor, Config]:
    """Read a run's predictor and its config."""
    predictor = Predictor.load(directory, choose_device(device))
    return predictor, load_config(str(directory / CONFIG))


def default_directory(config: Config) -> Path:
    """Return where a run goes: output.directory / output.name, or a name with the time."""
    if config.output.name is not None:
        return Path(config.output.directory) / config.output.name
    stem = Path(config.data.train[0]).name.split(".")[0] if config.data.train[0] != "-" else "stdin"
    now = dt.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return Path(config.output.directory) / f"{stem}-{now}"


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
    if config.loss.name == "bce":
        values = [1.0] * len(labels)
    elif settings.from_ is not None:
        values = read_pos_weight(settings.from_, labels)
    else:
        strategy = Strategy(settings.strategy, settings.cap, settings.smoothing, settings.beta)
        values = [label.pos_weight for label in weigh(counts, strategy, "train").labels]
    return torch.tensor(values, dtype=torch.float32), learnable


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


def _shape(config: Config, preprocessing: Preprocessing, rows: Dataset, labels: int) -> Shape:
    return Shape(
        numeric=rows.numeric.shape[1],
        cardinalities=preprocessing.cardinalities,
        labels=labels,
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
    run.append_line("history.csv", ",".join(fields))
    best_epoch = 0
    pos_weight = weights.to(parts["train"].targets.device)
    for result in train(model, parts["train"], parts["valid"], pos_weight, settings):
        run.append_line("history.csv", ",".join(str(getattr(result, f)) for f in fields))
        if result.is_best and result.epoch % settings.checkpoint_every == 0:
            run.write_tensors(f"{CHECKPOINT}/{MODEL}", model.state_dict())
            run.write_json(f"{CHECKPOINT}/state.json", dataclasses.asdict(result))
        best_epoch = result.best_epoch
        observer.epoch(result)
    return best_epoch


def _decide(predictor: Predictor, valid: Dataset, config: Config) -> tuple[Predictor, Thresholds]:
    """Fit calibration and thresholds on the validation rows."""
    log_odds = predictor.log_odds_of(score_rows(predictor.model, valid, predictor.precision))
    targets = valid.targets.cpu()
    calibration = fit_calibration(log_odds, targets, config.calibration.method)  # type: ignore[arg-type]
    probabilities = calibration.probabilities(log_odds)
    thresholds = choose_thresholds(probabilities, targets, config.thresholds)
    decided = dataclasses.replace(predictor, calibration=calibration, thresholds=thresholds.values)
    return decided, thresholds


def _evaluate_part(
    predictor: Predictor, rows: Dataset, part: str, source: str, config: Config
) -> tuple[Evaluation, torch.Tensor]:
    logits = score_rows(predictor.model, rows, predictor.precision)
    probabilities = predictor.probabilities_of(logits)
    evaluation = evaluate_scores(
        probabilities,
        rows.targets.cpu(),
        predictor.thresholds,
        predictor.labels,
        part=part,
        source=source,
        learnable=predictor.learnable,
        resampling=Resampling(config.report.bootstrap, config.report.confidence),
    )
    return evaluation, probabilities


def _save(
    run: RunDirectory,
    predictor: Predictor,
    thresholds: Thresholds,
    config: Config,
    evaluation: Evaluation,
    best_epoch: int,
) -> None:
    run.write_tensors(MODEL, predictor.model.state_dict())
    run.write("metrics.json", documents.to_json(evaluation, str(run.path)))
    run.write("metrics.csv", documents.to_csv(evaluation))
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
    columns = {"row": rows} | {
        label: data.targets[rows, i] for i, label in enumerate(predictor.labels)
    }
    targets = pl.DataFrame(columns).with_columns(pl.exclude("row").fill_nan(None).cast(pl.Int8))
    frame = pl.concat([targets, prediction_frame(predictor, probabilities)], how="horizontal")
    content = io.BytesIO()
    frame.write_parquet(content)
    run.write("predictions.parquet", content.getvalue())
