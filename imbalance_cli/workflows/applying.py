"""evaluate and predict: what a run is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import torch

from imbalance_cli.artifacts import CONFIG
from imbalance_cli.config import DEVICES, Config, load_config
from imbalance_cli.device import choose_device
from imbalance_cli.errors import ConfigError
from imbalance_cli.evaluation import Evaluation, Resampling
from imbalance_cli.labelled import apply_missing_policy, positive_text
from imbalance_cli.labels import encode_labels, match_columns, select_labels
from imbalance_cli.predictor import Predictor
from imbalance_cli.readers import batch_table, open_source, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


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
    targets, kept = apply_missing_policy(config.data, table, targets, predictor.labels)
    rows = torch.from_numpy(kept)
    replicates = config.report.bootstrap if bootstrap is None else bootstrap
    return predictor.evaluate(
        predictor.probabilities(table)[rows],
        torch.from_numpy(targets)[rows],
        part="test",
        source=source.name,
        resampling=Resampling(replicates, config.report.confidence),
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
    kept = match_columns(keep, source.columns, f"--keep: {source.name}")
    taken = [column for column in kept if column in predictor.output_columns]
    if taken:
        raise ConfigError(f"--keep: {taken[0]!r} is the name of a column of the predictions")
    columns = list(dict.fromkeys([*kept, *predictor.preprocessing.columns]))
    for batch in source.batches(columns):
        predictions = predictor.frame(predictor.probabilities(batch_table(batch, source.name)))
        yield pl.concat([batch.frame.select(kept), predictions], how="horizontal")


def load_predictor(directory: Path, device: str) -> tuple[Predictor, Config]:
    """Read a run's predictor and its config.

    Raises:
        ImbtrainError: the run cannot be used, or the device is not there.
    """
    if not DEVICES.fullmatch(device):
        raise ConfigError(f"device: {device!r} should be auto, cpu, cuda, cuda:N or mps")
    predictor = Predictor.load(directory, choose_device(device))
    return predictor, load_config(str(directory / CONFIG))
