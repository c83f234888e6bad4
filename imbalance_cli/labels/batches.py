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
from imbalance_cli.labels.sample_weights import read_sample_weights
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
    """Count binary labels row by row; with sample weights, a row counts as much as it weighs.

    Raises:
        ConfigError: the column of weights is not there, or is a label.
        LabelError: a cell cannot be read as a label or a weight.
        SourceError: the source cannot be read.
    """
    encoder = LabelEncoder("binary", labels, labels, settings.positive)
    sums = np.zeros((3, len(labels)))
    rows, heaviest = 0, 0.0
    for table, weights in _weighted_batches(source, labels, settings):
        targets = encoder.encode(table)
        targets, kept = apply_missing_policy(settings.missing or "mask", table, targets, labels)
        sums += targets.take(kept).counts(weights[kept])
        rows += int(kept.sum())
        heaviest = max(heaviest, float(weights[kept].max(initial=0)))
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
    for source in sources:
        for table, weights in _weighted_batches(source, [column], settings):
            values = vocabulary.add(table)
            missing = values.is_null().to_numpy()
            cells = DenseTargets(np.where(missing, MISSING, 0).astype(np.int8)[:, None])
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
    counted = _counts(rows, labels, sums, settings, heaviest)
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
    heaviest: float,
) -> Counts:
    """Return counts of positives, negatives and missing cells, (3, L), whole without weights."""
    plain = [side.tolist() for side in sums]
    if settings.sample_weight is None:
        plain, heaviest = [[round(value) for value in side] for side in plain], 0.0
    counts = [LabelCounts(*row) for row in zip(labels, *plain, strict=True)]
    return Counts(rows, counts, heaviest=heaviest)


def _weighted_batches(
    source: Source, columns: Sequence[str], settings: LabelSettings
) -> Iterator[tuple[Table, NDArray[np.float64]]]:
    """Yield batches of the columns with the weight of each row, (N,)."""
    weight = settings.sample_weight
    if weight is not None:
        require_column(weight, source, "sample weight")
    if weight in columns:
        raise ConfigError(f"sample weight: {weight!r} is a label")
    read = [*columns, *([] if weight is None else [weight])]
    for batch in source.batches(read):
        table = batch_table(batch, source.name)
        height = table.frame.height
        yield table, np.ones(height) if weight is None else read_sample_weights(table, weight)
