"""export: a run as one ONNX file, compared with the run before it is kept."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import polars as pl
import torch

from imbalance_cli import __version__
from imbalance_cli.errors import ConfigError, ImbtrainError, shorten
from imbalance_cli.export import Comparison, Precision, build_onnx, make_rows, to_feeds
from imbalance_cli.readers import stream_tables
from imbalance_cli.rows.sources import describe_change, open_parts
from imbalance_cli.run.directory import PREDICTIONS, read_document, recorded_files, write_whole
from imbalance_cli.workflows.applying import load_predictor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.config import DataSection
    from imbalance_cli.readers import Table
    from imbalance_cli.run.predictor import Predictor

MOST_ROWS = 100_000  # of the held-out ones that are compared
ROWS_AT_ONCE = 4096
ROUNDING = 1e-6  # of the log-odds of a float32
EXAMPLE = range(3, 6)  # of the made-up rows, those within their range
LONGEST_TEXT = 200  # characters


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was compared before a file was kept.

    Attributes:
        rows: held-out rows; 0 where the files of the run are not there any more, or others.
        made_up: rows that no table holds.
        largest: the largest difference of a probability.
        notes: what the file does otherwise than the run.
        example: inputs of some made-up rows, which show nobody's data.
        answer: the outputs of these.
    """

    rows: int
    made_up: int
    largest: float
    notes: list[str]
    example: dict[str, NDArray[Any]]
    answer: dict[str, NDArray[Any]]


def export(directory: Path, output: Path, precision: Precision) -> Exported:
    """Write a run as an ONNX file.

    Args:
        directory: of the run.
        output: the file, replaced where it is there.
        precision: float32 computes the networks as the run does, float64 with more digits.

    Raises:
        ImbtrainError: the run cannot be used or exported, or the file gives other numbers.
    """
    if precision not in get_args(Precision):
        known = " or ".join(get_args(Precision))
        raise ConfigError(f"--precision {precision}: {known} is needed")
    predictor, config = load_predictor(directory, "cpu")
    document = read_document(directory)
    predictor = _clear_thresholds(predictor, document["labels"])
    notes = []
    if predictor.precision == "bfloat16":
        notes.append("the run computes in bfloat16, and the file in " + precision)
        predictor = dataclasses.replace(predictor, precision="float32")
    metadata = describe(predictor, document, config.data.positive)
    text = f"imbtrain {__version__}: {shorten(', '.join(predictor.labels), LONGEST_TEXT)}"
    content = build_onnx(predictor, precision, metadata, text)
    comparison = Comparison(content, predictor, precision)
    made_up = make_rows(predictor.preprocessing)
    comparison.add(made_up)
    for table in _held_out_rows(directory, document, config.data, predictor):
        comparison.add(table)
    height = made_up.frame.height
    if comparison.rows == height:
        notes.append(
            "no held-out rows were compared: the run is of a data frame, or its files are gone or "
            "changed"
        )
    write_whole(output, content)
    example = to_feeds(predictor, _take(made_up, np.arange(EXAMPLE.start, EXAMPLE.stop)))
    return Exported(
        comparison.rows - height,
        height,
        comparison.largest,
        notes,
        example,
        comparison.answer(example),
    )


def _clear_thresholds(predictor: Predictor, labels: Sequence[Mapping[str, Any]]) -> Predictor:
    """Return the same, no threshold of which is a score of the run.

    A threshold is the middle between two validation scores, except where it decides all of them
    positive: there it is the lowest itself, and however a file rounds may take that row below it.
    """
    counts = [label["validation_counts"] for label in labels]
    is_lowest = torch.tensor([missed == left == 0 for _, _, missed, left in counts])
    thresholds = predictor.thresholds
    below = thresholds - ROUNDING * thresholds * (1 - thresholds)
    return dataclasses.replace(predictor, thresholds=below.where(is_lowest, thresholds))


def describe(
    predictor: Predictor, document: dict[str, Any], positive: str | float | None = None
) -> dict[str, str]:
    """Return what an exported model says of itself, by name; lists and numbers as JSON.

    Args:
        predictor: of the run.
        document: of the run.
        positive: what a positive cell of its binary labels holds; None for 1 or true.
    """
    features = predictor.preprocessing
    kinds: dict[str, str] = {feature.column: feature.kind for feature in features.numeric}
    kinds |= {feature.column: "category" for feature in features.categorical}
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return {
        "labels": json.dumps(predictor.labels),
        "thresholds": json.dumps(predictor.thresholds.tolist()),
        "prevalence": json.dumps(predictor.prevalence),
        "learnable": json.dumps(predictor.learnable),
        "positive": json.dumps(positive),
        "inputs": json.dumps(kinds),
        "date_unit": "microseconds since 1970-01-01 UTC; missing is the least int64",
        "loss": document["loss"],
        "run_checksum": document["checksum"],
        "run_created": document["created"],
        "imbtrain_version": __version__,
        "created": now,
    }


def _held_out_rows(
    directory: Path, document: dict[str, Any], data: DataSection, predictor: Predictor
) -> Iterator[Table]:
    """Yield the rows that the report of a run is of, where its files are as they were."""
    path = directory / PREDICTIONS
    try:
        if not path.exists() or describe_change(data, recorded_files(document)) is not None:
            return
    except ImbtrainError:  # they cannot be read any more
        return
    wanted = pl.scan_parquet(path).select("row").head(MOST_ROWS).collect()["row"].to_numpy()
    columns, first = predictor.preprocessing.columns, 0
    sources = [source for part in open_parts(data).values() for source in part]
    for source in sources:
        source.include(columns)
    for table in stream_tables(sources, columns, sparse=False):
        rows = np.flatnonzero(np.isin(np.arange(first, first + table.frame.height), wanted))
        first += table.frame.height
        for start in range(0, len(rows), ROWS_AT_ONCE):
            yield _take(table, rows[start : start + ROWS_AT_ONCE])


def _take(table: Table, rows: NDArray[np.intp]) -> Table:
    """Return some rows of a table, which stand where they did."""
    return dataclasses.replace(
        table, frame=table.frame[rows], place=lambda row: table.place(int(rows[row]))
    )
