"""evaluate and predict: what a run is for."""

from __future__ import annotations

import dataclasses
import fnmatch
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from imbalance_cli.codes import Warned
from imbalance_cli.config import DEVICES, Config, load_config, refuse_few_replicates
from imbalance_cli.errors import ConfigError, DriftError, NoRowsError, SourceError, number_of
from imbalance_cli.evaluation import Evaluation, Grouping, Levels, Resampling
from imbalance_cli.features import FeatureCounts
from imbalance_cli.labels import (
    list_names,
    match_columns,
    no_label_found,
    only_column,
    require_column,
    select_labels,
)
from imbalance_cli.labels.sample_weights import WeightColumns, name_cell_weights
from imbalance_cli.machine.device import choose_device
from imbalance_cli.network.scoring import label_blocks
from imbalance_cli.notation import apply_notations
from imbalance_cli.progress import follow, tell_nobody
from imbalance_cli.readers import batch_table, open_source
from imbalance_cli.readers.arrays import as_features, is_bare
from imbalance_cli.readers.dialect import UNKNOWN, Dialect
from imbalance_cli.readers.frames import EQUAL_ROWS
from imbalance_cli.readers.joined import JoinedSource
from imbalance_cli.readers.source import row_batch
from imbalance_cli.rows.encoders import encoder_of
from imbalance_cli.rows.keys import KeyReader
from imbalance_cli.rows.roles import Roles, choose_slices
from imbalance_cli.rows.slices import SliceReader
from imbalance_cli.rows.sources import find_known_file
from imbalance_cli.run.directory import CONFIG, read_document, recorded_files
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.run.scored_rows import CalibratedRows, calibrate, join_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imbalance_cli.config import DataSection
    from imbalance_cli.features import Drift
    from imbalance_cli.labels.encoding import LabelEncoder
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import Batch, Source


MOST_DRIFTS = 10  # described one by one
MOST_CELLS = 2**22  # rows x labels that are predicted at once


def evaluate(  # noqa: PLR0913  a source and how to read it, and where warnings go
    directory: Path,
    rows: str | Source,
    device: str,
    warn: Callable[[str], None],
    *,
    bootstrap: int | None,
    input_format: str | None = None,
    dialect: Dialect = UNKNOWN,
    targets_file: str | None = None,
    thresholds: Mapping[str, float] = MappingProxyType({}),
    slices: Sequence[str] | None = None,
    strict: bool = False,
    tell: Tell = tell_nobody,
) -> Evaluation:
    """Evaluate a run on the labelled rows of a source, read and scored some at a time.

    Args:
        directory: of the run.
        rows: a source, or the name of one.
        device: as in a config.
        warn: receives warnings on the numbers.
        bootstrap: replicates; None takes the run's own.
        input_format: what the source is; None reads it off its name and first bytes.
        dialect: how delimited text is written; what is None is as in the run, its delimiter where
            the header holds it.
        targets_file: holds the labels, where the source holds features alone.
        thresholds: other ones than the run's, by name or glob of labels.
        slices: columns by whose values the report is broken down, by name or glob; None takes those
            of the run's config that are there.
        strict: whether rows unlike those of training are an error.
        tell: receives the progress.

    Raises:
        ImbtrainError: the run or the source cannot be used.
    """
    refuse_few_replicates(bootstrap)
    predictor, config = load_predictor(directory, device)
    predictor = predictor.with_thresholds(thresholds)
    source, encoder, reader, tables = open_labelled_rows(
        rows,
        predictor,
        config,
        input_format=input_format,
        dialect=dialect,
        warn=warn,
        targets_file=targets_file,
        slices=slices,
    )
    warn_of_known_rows(directory, source.name, config.data, warn)
    counts = FeatureCounts()
    scores = join_scores(
        predictor.scores(table, reader.add(table), counts)
        for table in follow(tables, tell, "scoring", lambda table: table.frame.height)
    )
    for sentence in source.remarks:
        warn(Warned("IMB114", sentence))
    if encoder.unseen_shown:
        warn(Warned("IMB117", encoder.unseen_shown))
    keys = reader.finish(source.name)
    keys = keys if keys.kept.all() else keys.take_kept()
    replicates = config.report.bootstrap if bootstrap is None else bootstrap
    calibrated = CalibratedRows(scores, keys.targets, predictor.calibration)
    drift = predictor.drift(len(scores), counts, _mean_probabilities(calibrated))
    judge_drift(drift, source.name, warn, strict=strict)
    evaluation = predictor.evaluate(
        calibrated,
        part="test",
        source=source.name,
        resampling=Resampling(replicates, config.report.confidence),
        levels=Levels(config.report.top_k, config.report.at_precision),
        weights=None if keys.weights is None else torch.from_numpy(keys.weights),
        groups=None if keys.groups is None else torch.from_numpy(keys.groups.astype(np.int64)),
        slices=[Grouping(column.name, *column.groups()) for column in keys.slices],
        tell=tell,
    )
    return dataclasses.replace(evaluation, drift=drift.to_dict())


def open_labelled_rows(
    rows: str | Source,
    predictor: Predictor,
    config: Config,
    *,
    input_format: str | None = None,
    dialect: Dialect = UNKNOWN,
    warn: Callable[[str], None],
    targets_file: str | None = None,
    slices: Sequence[str] | None = (),
) -> tuple[Source, LabelEncoder, KeyReader, Iterator[Table]]:
    """Open labelled rows: return the source, its labels, what reads its keys, and its tables.

    The arguments are those of `evaluate`.
    """
    source, encoder = _open_with_labels(
        rows, input_format, dialect, config.data, predictor, targets_file
    )
    reader, roles = _make_reader(source, encoder, config, predictor, slices, warn)
    as_read = {*roles.weights.columns, roles.group}
    notations = predictor.preprocessing.notations  # those of features are for the preprocessing
    of_keys = {c: notation for c, notation in notations.items() if c in as_read}
    tables = (
        apply_notations(batch_table(cells, source.name), of_keys)
        for cells in source.mixed_batches(roles.columns)
    )
    return source, encoder, reader, tables


def warn_of_known_rows(
    directory: Path, name: str, data: DataSection, warn: Callable[[str], None]
) -> None:
    """Warn where the source of that name is a file that the run was trained on."""
    known = find_known_file(name, data, recorded_files(read_document(directory)))
    if known is not None:
        warn(Warned("IMB125", f"{known}: the run was trained on it, so the numbers are too good"))


def _mean_probabilities(rows: CalibratedRows) -> list[float]:
    """Return the mean probability of each label, (L,)."""
    if not rows.rows:
        return []
    blocks = label_blocks(rows.labels)
    return [mean for block in blocks for mean in rows.columns(block)[0].mean(dim=0).tolist()]


def judge_drift(
    drift: Drift, name: str, warn: Callable[[str], None], *, strict: bool = False
) -> None:
    """Warn of rows that differ from those of training.

    Raises:
        DriftError: they differ, and are not to.
    """
    sentences = drift.sentences()
    shown = sentences[:MOST_DRIFTS]
    if len(sentences) > len(shown):
        more = number_of(len(sentences) - len(shown), "more difference")
        shown.append(f"and {more} from training")
    if sentences and strict:
        raise DriftError(
            f"{name}: unlike the training rows: {'; '.join(shown)}",
            hint="write the columns as in training; or leave --strict out",
        )
    for sentence in shown:
        warn(Warned("IMB115", f"{name}: unlike the training rows: {sentence}"))


def open_rows(
    rows: str | Source, input_format: str | None, dialect: Dialect, data: DataSection
) -> Source:
    """Return the source of a name, read as the run's own where nothing else is said."""
    if not isinstance(rows, str):
        return rows
    return open_source(rows, input_format, dialect, usual=data.dialect)


def _open_with_labels(
    rows: str | Source,
    input_format: str | None,
    dialect: Dialect,
    data: DataSection,
    predictor: Predictor,
    targets_file: str | None,
) -> tuple[Source, LabelEncoder]:
    """Return a source with the features of a run, and how it is read into the run's labels."""
    source = labelled = open_rows(rows, input_format, dialect, data)
    if targets_file is not None:
        labelled = open_source(targets_file)
        source = JoinedSource(source, labelled)
    elif is_bare(source):
        raise SourceError(
            f"{source.name}: one array, which cannot hold features and labels both",
            hint="--targets FILE says where the labels are",
        )
    binary = [] if data.encoding in {"one_vs_rest", "tags"} else predictor.labels
    source.include([*predictor.preprocessing.columns, *binary])
    known = frozenset(labelled.columns)
    for label in binary:  # the key of an array of several columns is none of them
        if label not in known:
            require_column(label, labelled)
    _check_range(source, predictor, data)
    predictor.check_columns(source.columns, source.name)
    if binary:
        return source, encoder_of(data, binary, binary)
    columns = select_labels(source.columns, data.labels, source.name, source)
    if columns is None:
        raise no_label_found(source)
    column = only_column(columns, data.encoding, source.name)
    return source, encoder_of(data, [column], predictor.labels)


def _make_reader(
    source: Source,
    encoder: LabelEncoder,
    config: Config,
    predictor: Predictor,
    slices: Sequence[str] | None,
    warn: Callable[[str], None],
) -> tuple[KeyReader, Roles]:
    """Return what reads the keys of rows, and what their columns are."""
    data = config.data
    group = data.group if data.group in source.columns else None
    if group is None and not (data.group or EQUAL_ROWS).startswith(EQUAL_ROWS):
        problem = (
            f"{source.name}: without the group column {data.group!r}: intervals take rows for "
            "independent of each other"
        )
        warn(Warned("IMB116", problem))
    weights = _find_weights(data, source, predictor, warn)
    features = predictor.preprocessing.columns
    sliced = _choose_slices(config, source, encoder, slices, warn)
    roles = Roles(encoder.columns, features, group=group, weights=weights, slices=sliced)
    asked_by = "report.slices of the run" if slices is None else "--slices"
    notations = {
        column: notation
        for column, notation in predictor.preprocessing.notations.items()
        if column not in {*weights.columns, data.group}  # which come as they are read
    }
    readers = [
        SliceReader(column, asked_by, data.categories, notations.get(column)) for column in sliced
    ]
    return KeyReader(roles, encoder, data.missing_labels, readers), roles


def _find_weights(
    data: DataSection, source: Source, predictor: Predictor, warn: Callable[[str], None]
) -> WeightColumns:
    """Return the columns of weights of a run that a source has, and warn of those it lacks."""
    cells = name_cell_weights(data.cell_weights, predictor.labels, source, "data.cell_weights")
    wanted = WeightColumns(data.sample_weight, cells)
    there = frozenset(source.columns)
    lacking = [column for column in wanted.columns if column not in there]
    if not lacking:
        return wanted
    plural = "s" if len(lacking) > 1 else ""
    problem = (
        f"{source.name}: without the weight column{plural} "
        f"{list_names([repr(column) for column in lacking], most=5)}: what is not weighed counts 1"
    )
    warn(Warned("IMB114", problem))
    row = data.sample_weight if data.sample_weight in there else None
    return WeightColumns(row, {k: column for k, column in cells.items() if column in there})


def _choose_slices(
    config: Config,
    source: Source,
    encoder: LabelEncoder,
    slices: Sequence[str] | None,
    warn: Callable[[str], None],
) -> tuple[str, ...]:
    """Return the columns to break a report down by: those asked for, or those of the run."""
    if slices is not None:
        return choose_slices(slices, source, encoder.columns, "--slices")
    there = []
    for pattern in config.report.slices:
        if fnmatch.filter(source.columns, pattern) or pattern in source.columns:
            there.append(pattern)
        else:
            problem = (
                f"{source.name}: without the column {pattern!r} of report.slices: the report is "
                "not broken down by it"
            )
            warn(Warned("IMB114", problem))
    return choose_slices(there, source, encoder.columns, "report.slices of the run")


def predict(  # noqa: PLR0913  a source and how to read it, and where warnings go
    directory: Path,
    rows: str | Source,
    device: str,
    keep: Sequence[str],
    input_format: str | None = None,
    dialect: Dialect = UNKNOWN,
    *,
    warn: Callable[[str], None],
    thresholds: Mapping[str, float] = MappingProxyType({}),
    strict: bool = False,
) -> Iterator[pl.DataFrame]:
    """Yield one row a row of a source, some rows at a time.

    Args:
        directory: of the run.
        rows: a source, or the name of one; label columns are not needed.
        device: as in a config.
        keep: columns of the source, by name or glob, to put before the predictions.
        input_format: what the source is; None reads it off its name and first bytes.
        dialect: how delimited text is written; what is None is as in the run, its delimiter where
            the header holds it.
        warn: receives warnings on the predictions.
        thresholds: other ones than the run's, by name or glob of labels.
        strict: whether rows unlike those of training are an error, after the last of them.

    Raises:
        ImbtrainError: the run or the source cannot be used.
    """
    predictor, config = load_predictor(directory, device)
    predictor = predictor.with_thresholds(thresholds)
    source = open_rows(rows, input_format, dialect, config.data)
    source = with_features(source, predictor, config.data, warn)
    kept = match_columns(keep, source.columns, f"--keep: {source.name}", keys=source.keys)
    taken = [column for column in kept if column in predictor.output_columns]
    if taken:
        raise ConfigError(f"--keep: {taken[0]!r} is the name of a column of the predictions")
    columns = list(dict.fromkeys([*kept, *predictor.preprocessing.columns]))
    counts, sums, seen = FeatureCounts(), torch.zeros(len(predictor.labels)).double(), 0
    for batch in batches_or_empty(source, columns):
        scores = predictor.scores(batch_table(batch, source.name), counts=counts)
        seen += len(scores)
        height = max(MOST_CELLS // len(predictor.labels), 1)
        for first in range(0, max(len(scores), 1), height):
            odds = scores.log_odds(rows=slice(first, first + height))
            probabilities = calibrate(odds, predictor.calibration)
            sums += probabilities.sum(dim=0)
            predictions = predictor.frame(probabilities)
            own = batch.frame[kept].slice(first, height)
            yield own.hstack(predictions) if kept else predictions
    drift = predictor.drift(seen, counts, (sums / max(seen, 1)).tolist())
    judge_drift(drift, source.name, warn, strict=strict)


def with_features(
    source: Source, predictor: Predictor, data: DataSection, warn: Callable[[str], None]
) -> Source:
    """Return a source that has the features of a run; labels are not needed.

    Raises:
        ImbtrainError: it lacks some.
    """
    for sentence in source.remarks:
        warn(Warned("IMB114", sentence))
    if not set(predictor.preprocessing.columns) <= set(source.columns):
        if source.doubt:
            raise source.doubt
        source = as_features(source)
    source.include(predictor.preprocessing.columns)
    _check_range(source, predictor, data)
    predictor.check_columns(source.columns, source.name)
    return source


def has_labels(source: Source, predictor: Predictor, data: DataSection) -> bool:
    """Return whether a source has any of the columns that the labels of a run are read from."""
    if data.encoding not in {"one_vs_rest", "tags"}:
        source.include(predictor.labels)
        return not set(predictor.labels).isdisjoint(source.columns)
    return any(fnmatch.filter(source.columns, pattern) for pattern in data.labels)


def batches_or_empty(source: Source, columns: list[str]) -> Iterator[Batch]:
    """Yield the rows of a source, and an empty batch of one that has none."""
    try:
        yield from source.batches(columns)
    except NoRowsError:
        types = source.types(columns)
        schema = {column: types.get(column, pl.String()) for column in columns}
        yield row_batch(pl.DataFrame(schema=schema), 0)


def _check_range(source: Source, predictor: Predictor, data: DataSection) -> None:
    """Raise where a sparse source has features outside of those the run was made of."""
    if data.exclude:  # names columns that the run does not know
        return
    singles = (data.group, data.time, data.part, data.sample_weight)
    preprocessing = predictor.preprocessing
    others = [column for column in singles if column is not None]
    if isinstance(data.cell_weights, dict):
        others += data.cell_weights.values()
    source.refuse_beyond([*preprocessing.columns, *preprocessing.dropped, *others])


def load_predictor(directory: Path, device: str) -> tuple[Predictor, Config]:
    """Read a run's predictor and its config.

    Raises:
        ImbtrainError: the run cannot be used, or the device is not there.
    """
    if not DEVICES.fullmatch(device):
        raise ConfigError(f"device: {device!r} should be auto, cpu, cuda, cuda:N or mps")
    predictor = Predictor.load(directory, choose_device(device))
    return predictor, load_config(str(directory / CONFIG))
