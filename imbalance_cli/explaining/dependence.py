"""Partial dependence: mean probabilities of the rows as all of them get the same value of a column.

Friedman (2001), Greedy function approximation. Values are cells that rows have, so that no row gets
what no row could have there.

Shapes: N rows, L labels, V values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.explaining.columns import ColumnGroup, draw_rows, take_rows
from imbalance_cli.explaining.results import ColumnDependence, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.features import FeaturePlaces, FeatureRows

    Score = Callable[[FeatureRows], NDArray[np.float64]]

MOST_ROWS = 500  # whose probabilities are averaged
ROUNDING = 1e-9  # of a sum of shares
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
    weights: NDArray[np.float64] | None = None,
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
        weights: (N,) how much each row counts; None for alike.
    """
    own = places[column]
    texts = cells[column]
    counted = np.ones(len(texts)) if weights is None else weights
    shares = counted / counted.sum()
    if is_ordered and own.values:
        chosen = _choose_quantiles(
            rows.numeric[:, own.values[0]], texts.is_null().to_numpy(), shares
        )
    else:
        chosen = _choose_commonest(texts, shares)
    averaged = draw_rows(len(shares), MOST_ROWS, weights, np.random.default_rng(0))
    base = take_rows(rows, averaged)
    group = ColumnGroup.of([column], places)
    points = []
    for row, share in chosen:
        same = take_rows(rows, np.full(len(averaged), row))
        means = score(group.mix(base, same)).mean(axis=0).tolist()
        points.append(Point(texts[row], share, dict(zip(labels, means, strict=True))))
    return ColumnDependence(column, is_ordered, points)


def _choose_quantiles(
    values: NDArray[np.float32], is_missing: NDArray[np.bool_], shares: NDArray[np.float64]
) -> list[tuple[int, float]]:
    """Return rows of rising values, and the share of rows from each value up to the next.

    A row whose cell is missing comes last.
    """
    known = np.flatnonzero(~is_missing)
    order = known[np.argsort(values[known], kind="stable")]
    through = shares[order].cumsum()
    levels = np.linspace(0, 1, MOST_VALUES) * (through[-1] if len(order) else 0)
    places = np.unique(through.searchsorted(levels * (1 - ROUNDING)).clip(max=len(order) - 1))
    rows = order[places] if len(order) else order
    _, firsts = np.unique(values[rows], return_index=True)
    rows = rows[firsts]
    ends = np.searchsorted(values[order], values[rows])
    before = np.append(0.0, through)
    parts = np.diff(np.append(before[ends], before[-1]))
    found = list(zip(rows.tolist(), parts.tolist(), strict=True))
    if is_missing.any():
        found.append((int(is_missing.argmax()), float(shares[is_missing].sum())))
    return found


def _choose_commonest(texts: pl.Series, shares: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Return a row of each of the commonest values, and the share of rows that have it."""
    numbered = pl.DataFrame({"value": texts, "share": shares}).with_row_index("row")
    counts = (
        numbered.group_by("value", maintain_order=True)
        .agg(pl.col("row").first(), pl.col("share").sum())
        .sort("share", descending=True, maintain_order=True)
        .head(MOST_VALUES)
    )
    return counts.select("row", "share").rows()
