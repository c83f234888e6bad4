"""predictions.parquet: what was said of the held-out rows, a column a label or a list a row.

Shapes: N rows, L labels, n some of the rows.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.network.scoring import LABEL_BLOCK
from imbalance_cli.progress import follow, tell_nobody
from imbalance_cli.run.directory import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from imbalance_cli.progress import Tell
    from imbalance_cli.run.directory import RunDirectory
    from imbalance_cli.run.predictor import Predictor
    from imbalance_cli.workflows.held_out import HeldOut

CELLS_AT_ONCE = 2**20  # of lists, each of which takes some fifty bytes while it is written
LISTS = ("positives", "decided", "probabilities")
MISSING = "missing"  # which runs of before did not list


def write_predictions(
    run: RunDirectory, predictor: Predictor, held_out: HeldOut, tell: Tell = tell_nobody
) -> None:
    """Write predictions.parquet.

    Of up to LABEL_BLOCK labels it has <label>_target, <label>_probability, <label>_decision and
    <label>_score, the raw score. Of more, which would be tens of thousands of columns, it has a
    list a row: `positives`, `missing` and `decided`, the numbers of its labels from 0 up in the
    order of metrics.csv, `probabilities` of all labels in that order, float32, null where a label
    could not be learned, and `known`, whether anything is known of the row's labels. Weights of
    cells are a list a row in either, of all labels in that order.
    """
    if held_out.scored.labels > LABEL_BLOCK:
        height = max(CELLS_AT_ONCE // held_out.scored.labels, 1)
        starts = range(0, len(held_out.rows), height)
        blocks = [slice(first, min(first + height, len(held_out.rows))) for first in starts]

        def write(folder: Path) -> None:
            rows = follow(blocks, tell, "writing predictions of", _height, total=len(held_out.rows))
            _write_lists(folder, predictor, held_out, rows)

        run.write_parts(PREDICTIONS, write, height)
    else:
        run.write(PREDICTIONS, encode_parquet(_columns(predictor, held_out)))


def encode_parquet(frame: pl.DataFrame) -> bytes:
    """Return a table as Parquet."""
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def target_columns(labels: Sequence[str], targets: torch.Tensor) -> list[pl.Series]:
    """Return <label>_target of targets (N, L), null where missing."""
    return [
        pl.Series(f"{label}_target", column.numpy()).fill_nan(None).cast(pl.Int8)
        for label, column in zip(labels, targets.T, strict=True)
    ]


def weight_column(weights: torch.Tensor) -> pl.Series:
    """Return sample weights, (N,), or those of cells, (N, L), as a column."""
    return pl.Series("sample_weight", weights.numpy())


def widen_lists(
    lists: pl.LazyFrame, order: Sequence[str], labels: Sequence[str], targets_of: Sequence[str]
) -> pl.DataFrame:
    """Return lists as the columns of some labels, as they are where there are fewer labels.

    Args:
        lists: of predictions.parquet.
        order: the names of all labels, (L,).
        labels: whose targets and probabilities are asked for.
        targets_of: further labels, of which the targets are enough.
    """
    numbers = {label: number for number, label in enumerate(order)}
    there = lists.collect_schema()
    others = [column for column in there if column not in {*LISTS, "known", MISSING}]

    def is_known(label: str) -> pl.Expr:
        known = pl.col("known")
        if MISSING in there:
            known &= ~pl.col(MISSING).list.contains(numbers[label])
        return known

    targets = [
        pl.when(is_known(label))
        .then(pl.col("positives").list.contains(numbers[label]).cast(pl.Int8))
        .alias(f"{label}_target")
        for label in dict.fromkeys([*labels, *targets_of])
    ]
    probabilities = [
        pl.col("probabilities").arr.get(numbers[label]).alias(f"{label}_probability")
        for label in labels
    ]
    return lists.select(*others, *targets, *probabilities).collect(engine="streaming")


def _columns(predictor: Predictor, held_out: HeldOut) -> pl.DataFrame:
    """Return row numbers, targets and what was predicted, a column each."""
    targets = target_columns(predictor.labels, held_out.targets)
    frames = [
        _facts(held_out, slice(None)).with_columns(targets),
        predictor.frame(held_out.probabilities),
    ]
    scores = held_out.scores
    if scores is not None:
        frames.append(_raw_scores(predictor, scores))
    frame = pl.concat(frames, how="horizontal")
    last = [column for column in ("sample_weight", "group") if column in frame.columns]
    first = ["row", *(series.name for series in targets)]
    rest = [column for column in frame.columns if column not in {*first, *last}]
    return frame.select(*first, *last, *rest)


def _raw_scores(predictor: Predictor, scores: torch.Tensor) -> pl.DataFrame:
    """Return <label>_score of scores (N, L), null for a label that could not be learned."""
    columns = {}
    for i, label in enumerate(predictor.labels):
        column = pl.Series(scores[:, i].numpy())
        columns[f"{label}_score"] = column if predictor.learnable[i] else column.clear(len(column))
    return pl.DataFrame(columns)


def _facts(held_out: HeldOut, rows: slice) -> pl.DataFrame:
    """Return the number, the weight and the group of some rows."""
    frame = pl.DataFrame({"row": held_out.rows[rows]})
    if held_out.weights is not None:
        frame = frame.with_columns(weight_column(held_out.weights[rows]))
    if held_out.groups is not None:
        frame = frame.with_columns(group=pl.Series(held_out.groups[rows].numpy()))
    return frame


def _height(rows: slice) -> int:
    return int(rows.stop - rows.start)


def _write_lists(
    folder: Path, predictor: Predictor, held_out: HeldOut, blocks: Iterable[slice]
) -> None:
    """Write blocks of rows into files of a folder."""
    learnable = np.asarray(predictor.learnable)
    for number, rows in enumerate(blocks):
        probabilities, targets = held_out.scored.block(rows)
        decided = (probabilities >= predictor.thresholds).numpy() & learnable
        values = probabilities.float().numpy()
        values[:, ~learnable] = np.nan
        missing = targets.isnan()
        known = ~missing.all(dim=1)
        frame = _facts(held_out, rows).with_columns(
            known=pl.Series(known.numpy()),
            missing=_lists((missing & known[:, None]).numpy()),
            positives=_lists((targets == 1).numpy()),
            decided=_lists(decided),
            probabilities=pl.Series(values.ravel()).fill_nan(None).reshape(values.shape),
        )
        frame.write_parquet(folder / f"{number:09}.parquet")


def _lists(flags: NDArray[np.bool_]) -> pl.Series:
    """Return the numbers of the labels that are flagged in each row, of flags (n, L)."""
    numbers = pl.Series(np.nonzero(flags)[1].astype(np.uint32))
    rows = pl.DataFrame({"row": np.nonzero(flags)[0], "number": numbers})
    whole = pl.DataFrame({"row": np.arange(len(flags))})
    grouped = rows.group_by("row", maintain_order=True).agg("number")
    joined = whole.join(grouped, on="row", how="left", maintain_order="left")
    return joined["number"].fill_null(pl.Series([[]], dtype=pl.List(pl.UInt32)))
