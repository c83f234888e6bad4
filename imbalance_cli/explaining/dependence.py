"""Partial dependence: mean probabilities of the rows as all of them get the same value of a column.

Friedman (2001), Greedy function approximation. Values are cells that rows have, so that no row gets
what no row could have there.

Shapes: N rows, L labels, V values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.explaining.columns import ColumnGroup, take_rows
from imbalance_cli.explaining.results import ColumnDependence, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.features import FeaturePlaces, FeatureRows

    Score = Callable[[FeatureRows], NDArray[np.float64]]

MOST_ROWS = 500  # whose probabilities are averaged
MOST_VALUES = 12  # of a column: quantiles of numbers, the commonest of categories


def measure_dependence(
    score: Score,
    rows: FeatureRows,
    cells: pl.DataFrame,
    column: str,
    places: Mapping[str, FeaturePlaces],
    labels: Sequence[str],
    *,
    is_ordered: bool,
    seed: int = 0,
) -> ColumnDependence:
    """Return mean probabilities at the values of a column.

    Args:
        score: returns probabilities (N, L) of rows.
        rows: N.
        cells: what the rows hold, as texts.
        column: that changes.
        places: of the features of each column.
        labels: the names, (L,).
        is_ordered: whether its values are numbers or dates.
        seed: draws the rows that are averaged over.
    """
    own = places[column]
    texts = cells[column]
    if is_ordered and own.values:
        chosen = _choose_quantiles(rows.numeric[:, own.values[0]], texts.is_null().to_numpy())
    else:
        chosen = _choose_commonest(texts)
    height = len(rows.numeric)
    averaged = np.random.default_rng(seed).permutation(height)[:MOST_ROWS]
    base = take_rows(rows, averaged)
    group = ColumnGroup.of([column], places)
    points = []
    for row, share in chosen:
        same = take_rows(rows, np.full(len(averaged), row))
        means = score(group.mix(base, same)).mean(axis=0).tolist()
        points.append(Point(texts[row], share, dict(zip(labels, means, strict=True))))
    return ColumnDependence(column, is_ordered, points)


def _choose_quantiles(
    values: NDArray[np.float32], is_missing: NDArray[np.bool_]
) -> list[tuple[int, float]]:
    """Return rows of rising values, and the share of rows from each value up to the next.

    A row whose cell is missing comes last.
    """
    known = np.flatnonzero(~is_missing)
    order = known[np.argsort(values[known], kind="stable")]
    places = np.unique(np.linspace(0, max(len(order) - 1, 0), MOST_VALUES).astype(np.intp))
    rows = order[places] if len(order) else order
    _, firsts = np.unique(values[rows], return_index=True)
    rows = rows[firsts]
    ends = np.searchsorted(values[order], values[rows])
    counts = np.diff(np.append(ends, len(order)))
    found = list(zip(rows.tolist(), (counts / len(values)).tolist(), strict=True))
    if is_missing.any():
        found.append((int(is_missing.argmax()), float(is_missing.mean())))
    return found


def _choose_commonest(texts: pl.Series) -> list[tuple[int, float]]:
    """Return a row of each of the commonest values, and the share of rows that have it."""
    numbered = pl.DataFrame({"value": texts}).with_row_index("row")
    counts = (
        numbered.group_by("value", maintain_order=True)
        .agg(pl.col("row").first(), pl.len().alias("count"))
        .sort("count", descending=True, maintain_order=True)
        .head(MOST_VALUES)
    )
    return [(row, count / len(texts)) for row, count in counts.select("row", "count").rows()]
