"""evaluate and predict: what a run is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.artifacts import CONFIG
from imbalance_cli.config import DEVICES, Config, load_config
from imbalance_cli.device import choose_device
from imbalance_cli.errors import ConfigError
from imbalance_cli.evaluation import Evaluation, Levels, Resampling
from imbalance_cli.labelled import encoder_of
from imbalance_cli.labels import match_columns, no_label_found, only_column, select_labels
from imbalance_cli.labels.encoding import apply_missing_policy
from imbalance_cli.labels.sample_weights import read_sample_weights
from imbalance_cli.predictor import Predictor
from imbalance_cli.readers import batch_table, open_source
from imbalance_cli.readers.joined import JoinedSource
from imbalance_cli.readers.renamed import FeatureSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import polars as pl

    from imbalance_cli.config import DataSection
    from imbalance_cli.labels.encoding import LabelEncoder
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import Source


def evaluate(
    directory: Path,
    name: str,
    device: str,
    warn: Callable[[str], None],
    *,
    bootstrap: int | None,
    input_format: str | None = None,
    targets_file: str | None = None,
) -> Evaluation:
    """Evaluate a run on the labelled rows of a source, read and scored some at a time.

    Args:
        directory: of the run.
        name: the source.
        device: as in a config.
        warn: is told what the numbers should be read with.
        bootstrap: replicates; None takes the run's own.
        input_format: what the source is; None tells by its name and first bytes.
        targets_file: holds the labels, where the source holds features alone.

    Raises:
        ImbtrainError: the run or the source cannot be used.
    """
    predictor, config = load_predictor(directory, device)
    data = config.data
    source = open_source(name, input_format)
    if targets_file is not None:
        source = JoinedSource(source, open_source(targets_file))
    binary = [] if data.encoding in {"one_vs_rest", "tags"} else predictor.labels
    source.include([*predictor.preprocessing.columns, *binary])
    predictor.check_columns(source.columns, source.name)
    encoder = _make_encoder(data, predictor.labels, source)
    columns = [*predictor.preprocessing.columns, *encoder.columns]
    columns += [] if data.sample_weight is None else [data.sample_weight]
    scored = [
        _score(predictor, batch_table(batch, source.name), encoder, data)
        for batch in source.batches(list(dict.fromkeys(columns)))
    ]
    if encoder.unseen_shown:
        warn(encoder.unseen_shown)
    probabilities, targets, weights = (torch.cat(column) for column in zip(*scored, strict=True))
    replicates = config.report.bootstrap if bootstrap is None else bootstrap
    return predictor.evaluate(
        probabilities,
        targets,
        part="test",
        source=source.name,
        resampling=Resampling(replicates, config.report.confidence),
        levels=Levels(config.report.top_k, config.report.at_precision),
        weights=None if data.sample_weight is None else weights,
    )


def _score(
    predictor: Predictor, table: Table, encoder: LabelEncoder, data: DataSection
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (N, L) probabilities and targets and (N,) weights of the rows that count.

    Without a column of weights these are 1.
    """
    targets = encoder.encode(table)
    targets, kept = apply_missing_policy(data.missing_labels, table, targets, predictor.labels)
    weights = np.ones(len(targets))
    if data.sample_weight is not None:
        weights = read_sample_weights(table, data.sample_weight)
        kept &= weights > 0
    rows = torch.from_numpy(kept)
    probabilities = predictor.probabilities(table)[rows]
    cells = torch.from_numpy(targets.take(kept).dense())
    return probabilities, cells, torch.from_numpy(weights)[rows]


def _make_encoder(data: DataSection, labels: list[str], source: Source) -> LabelEncoder:
    """Return how the label columns of a source are read into the labels of a run."""
    if data.encoding in {"auto", "binary"}:
        select_labels(source.columns, labels, source.name, source)
        return encoder_of(data, labels, labels)
    columns = select_labels(source.columns, data.labels, source.name, source)
    if columns is None:
        raise no_label_found(source)
    return encoder_of(data, [only_column(columns, data.encoding, source.name)], labels)


def predict(
    directory: Path,
    name: str,
    device: str,
    keep: Sequence[str],
    input_format: str | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield one row a row of a source, some rows at a time.

    Args:
        directory: of the run.
        name: the source; label columns are not needed.
        device: as in a config.
        keep: columns of the source, by name or glob, to put before the predictions.
        input_format: what the source is; None tells by its name and first bytes.

    Raises:
        ImbtrainError: the run or the source cannot be used.
    """
    predictor, _ = load_predictor(directory, device)
    source = open_source(name, input_format)
    if not set(predictor.preprocessing.columns) <= set(source.columns):
        source = FeatureSource(source)
    source.include(predictor.preprocessing.columns)
    predictor.check_columns(source.columns, source.name)
    kept = match_columns(keep, source.columns, f"--keep: {source.name}", keys=source.keys)
    taken = [column for column in kept if column in predictor.output_columns]
    if taken:
        raise ConfigError(f"--keep: {taken[0]!r} is the name of a column of the predictions")
    columns = list(dict.fromkeys([*kept, *predictor.preprocessing.columns]))
    for batch in source.batches(columns):
        predictions = predictor.frame(predictor.probabilities(batch_table(batch, source.name)))
        yield batch.frame[kept].hstack(predictions) if kept else predictions


def load_predictor(directory: Path, device: str) -> tuple[Predictor, Config]:
    """Read a run's predictor and its config.

    Raises:
        ImbtrainError: the run cannot be used, or the device is not there.
    """
    if not DEVICES.fullmatch(device):
        raise ConfigError(f"device: {device!r} should be auto, cpu, cuda, cuda:N or mps")
    predictor = Predictor.load(directory, choose_device(device))
    return predictor, load_config(str(directory / CONFIG))
