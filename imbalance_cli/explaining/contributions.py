"""How far each column moves the log-odds of a row: Shapley values, by sampling.

Strumbelj and Kononenko (2010), An efficient explanation of individual classifications using game
theory. The columns of another row are replaced by those of the row that is explained, one after
the other in an order that is drawn; a column's contribution is by how much the log-odds move at its
turn, averaged over orders and other rows. Each order is also gone through backwards, with the same
other row, which takes most of the noise away. The contributions add up to the row's log-odds less
the mean of the others'.

Shapes: G groups of columns, K other rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.explaining.columns import draw_rows, take_rows
from imbalance_cli.explaining.results import Contribution, ExplainedRow
from imbalance_cli.features import FeatureRows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from imbalance_cli.explaining.columns import ColumnGroup

    Score = Callable[[FeatureRows], NDArray[np.float64]]

MOST_OTHERS = 128  # K
AT_ONCE = 8192  # rows that are scored together


def explain_rows(
    log_odds: Score,
    rows: FeatureRows,
    cells: pl.DataFrame,
    numbers: Sequence[int],
    groups: Sequence[ColumnGroup],
    *,
    others: FeatureRows,
    labels: Sequence[str],
    weights: NDArray[np.float64] | None = None,
) -> list[ExplainedRow]:
    """Return what moves the log-odds of rows, a row and label at a time.

    Args:
        log_odds: returns calibrated log-odds (N, L) of rows.
        rows: to explain.
        cells: what they hold, as texts.
        numbers: of them, in their source.
        groups: of columns that are replaced together.
        others: rows to compare with, of which at most MOST_OTHERS are drawn.
        labels: the names, (L,).
        weights: how much each of the others counts; None for alike.
    """
    random = np.random.default_rng(0)
    others = take_rows(others, draw_rows(len(others.numeric), MOST_OTHERS, weights, random))
    usual = log_odds(others).mean(axis=0)
    found = []
    for i, number in enumerate(numbers):
        row = take_rows(rows, np.array([i]))
        moves = _move(log_odds, row, groups, others, random)
        own = log_odds(row)[0]
        for j, label in enumerate(labels):
            contributions = [
                Contribution(
                    group.columns,
                    [cells[column][i] for column in group.columns],
                    float(moves[:, g, j].mean()),
                    float(moves[:, g, j].std(ddof=1) / np.sqrt(len(moves)))
                    if len(moves) > 1
                    else None,
                )
                for g, group in enumerate(groups)
            ]
            contributions.sort(key=lambda each: abs(each.log_odds), reverse=True)
            probability = float(1 / (1 + np.exp(-own[j])))
            odds, mean = float(own[j]), float(usual[j])
            found.append(ExplainedRow(number, label, probability, odds, mean, contributions))
    return found


def _move(
    log_odds: Score,
    row: FeatureRows,
    groups: Sequence[ColumnGroup],
    others: FeatureRows,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Return by how much log-odds move as each group becomes that of the row, (K, G, L)."""
    moves = []
    at_once = max(AT_ONCE // (len(groups) + 1), 1)
    numbers = np.arange(len(others.numeric))
    for some in np.split(numbers, range(at_once, len(numbers), at_once)):
        base = take_rows(others, some)
        orders = np.stack([random.permutation(len(groups)) for _ in some])
        there, back = (_walk(log_odds, row, groups, base, way) for way in (orders, orders[:, ::-1]))
        moves.append((there + back) / 2)
    return np.concatenate(moves)


def _walk(
    log_odds: Score,
    row: FeatureRows,
    groups: Sequence[ColumnGroup],
    others: FeatureRows,
    orders: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the moves along one order of the groups for each other row, (k, G, L)."""
    steps = [FeatureRows(others.numeric.copy(), others.codes.copy())]
    for turn in orders.T:
        mixed = FeatureRows(steps[-1].numeric.copy(), steps[-1].codes.copy())
        for number in np.unique(turn):
            now, group = np.flatnonzero(turn == number)[:, None], groups[number]
            mixed.numeric[now, group.numeric] = row.numeric[:, group.numeric]
            mixed.codes[now, group.codes] = row.codes[:, group.codes]
        steps.append(mixed)
    scores = log_odds(
        FeatureRows(
            np.concatenate([step.numeric for step in steps]),
            np.concatenate([step.codes for step in steps]),
        )
    )
    moves = np.diff(scores.reshape(len(steps), len(others.numeric), -1), axis=0)  # (G, k, L)
    turns = orders.argsort(axis=1)  # (k, G) when the turn of each group is
    return np.take_along_axis(moves, turns.T[:, :, None], axis=0).transpose(1, 0, 2)
