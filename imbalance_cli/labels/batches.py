"""Counting labels row by row: classes, tags, weighted rows, dropped rows.

Shapes: N rows of a batch, L labels.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.errors import ConfigError
from imbalance_cli.labels.counts import Counts, LabelCounts
from imbalance_cli.labels.encoding import (
    LabelEncoder,
    Vocabulary,
    apply_missing_policy,
)
from imbalance_cli.labels.sample_weights import WeightColumns, choose_cell_weights
from imbalance_cli.labels.selection import list_names, require_column
from imbalance_cli.labels.targets import MISSING, DenseTargets
from imbalance_cli.readers import batch_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.labels.encoding import EncodingName
    from imbalance_cli.labels.settings import LabelSettings
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import Source


def count_binary(source: Source, labels: list[str], settings: LabelSettings) -> Counts:
    """Count binary labels row by row; with weights, a row or a cell counts as much as it weighs.

    Raises:
        ConfigError: a column of weights is not there, or is a label.
        LabelError: a cell cannot be read as a label or a weight.
        SourceError: the source cannot be read.
    """
    encoder = LabelEncoder("binary", labels, labels, settings.positive)
    columns = weight_columns(source, labels, settings)
    sums, heaviest = np.zeros((3, len(labels))), np.zeros(len(labels))
    rows = 0
    for table in _batches(source, labels, columns):
        targets = encoder.encode(table)
        targets, kept = apply_missing_policy(settings.missing or "mask", table, targets, labels)
        weights, targets = columns.read(table, targets, labels)
        sums += targets.take(kept).counts(weights[kept])
        rows += int(kept.sum())
        heaviest = np.maximum(heaviest, weights[kept].max(axis=0, initial=0))
    return _counts(rows, labels, sums, settings, heaviest)


def count_values(
    sources: Sequence[Source], column: str, encoding: EncodingName, settings: LabelSettings
) -> Counts:
    """Count the rows of each class or tag of a column, over several sources at once.

    No array of N x L is made, so that there may be many labels.

    Raises:
        ConfigError: the column of weights is not there, or is a label.
        LabelError: a cell holds an empty tag or no weight, or the column is one of ids.
        SourceError: a source cannot be read.
    """
    vocabulary = Vocabulary(column, encoding, settings.separator)
    weight_of: collections.Counter[str] = collections.Counter()
    total = blank = heaviest = 0.0
    rows = 0
    if settings.cell_weights is not None:
        raise ConfigError(
            f"cell weights go with labels that are columns, and those of {encoding} are the "
            f"values of column {column!r}",
            hint="a sample weight a row (--sample-weight), or a column a label",
        )
    for source in sources:
        columns = weight_columns(source, [column], settings)
        for table in _batches(source, [column], columns):
            values = vocabulary.add(table)
            missing = values.is_null().to_numpy()
            cells = DenseTargets(np.where(missing, MISSING, 0).astype(np.int8)[:, None])
            weights, _ = columns.read(table, cells, [column])
            apply_missing_policy(settings.missing or "mask", table, cells, [column])
            weight_of.update(_sum_weights(values, weights))
            rows += int((~missing).sum()) if settings.missing == "drop" else len(values)
            total += float(weights.sum())
            heaviest = max(heaviest, float(weights.max(initial=0)))
            blank += float(weights[missing].sum())
    known = total if settings.missing == "negative" else total - blank
    absent = blank if settings.missing in {None, "mask"} else 0.0
    labels = vocabulary.labels(list_names([source.name for source in sources], most=3))
    positives = np.array([weight_of[label] for label in labels], np.float64)
    sums = np.stack([positives, known - positives, np.full(len(labels), absent)])
    counted = _counts(rows, labels, sums, settings, np.full(len(labels), heaviest))
    remarks = vocabulary.remarks(missing_is_given=settings.missing is not None)
    return dataclasses.replace(counted, remarks=tuple(remarks))


def _sum_weights(values: pl.Series, weights: NDArray[np.float64]) -> dict[str, float]:
    """Return the weight of the rows that hold each class or tag."""
    frame = pl.DataFrame({"value": values, "weight": weights})
    flat = frame.explode("value", empty_as_null=True).drop_nulls("value")
    return dict(flat.group_by("value").agg(pl.col("weight").sum()).iter_rows())


def _counts(
    rows: int,
    labels: Sequence[str],
    sums: NDArray[np.float64],
    settings: LabelSettings,
    heaviest: NDArray[np.float64],
) -> Counts:
    """Return counts of positives, negatives and missing cells, (3, L), whole without weights."""
    plain = [side.tolist() for side in sums]
    if not settings.is_weighted:
        plain = [[round(value) for value in side] for side in plain]
    counts = [LabelCounts(*row) for row in zip(labels, *plain, strict=True)]
    by_label = dict(zip(labels, heaviest.tolist(), strict=True)) if settings.is_weighted else {}
    return Counts(rows, counts, heaviest=by_label)


def weight_columns(source: Source, labels: Sequence[str], settings: LabelSettings) -> WeightColumns:
    """Return the columns of weights of a source."""
    row = settings.sample_weight
    if row is not None:
        require_column(row, source, "sample weight")
    if row in labels:
        raise ConfigError(f"sample weight: {row!r} is a label")
    others = {} if row is None else {row: "the sample weight of rows"}
    cells = choose_cell_weights(settings.cell_weights, labels, source, others, "cell weights")
    return WeightColumns(row, cells)


def _batches(source: Source, columns: Sequence[str], weights: WeightColumns) -> Iterator[Table]:
    """Yield some rows at a time of label columns and weights."""
    for batch in source.batches(list(dict.fromkeys([*columns, *weights.columns]))):
        yield batch_table(batch, source.name)
