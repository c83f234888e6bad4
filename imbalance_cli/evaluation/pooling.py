"""All cells of many labels as if they were of one.

Shapes: N rows, L labels, l some of them.

Few cells are kept and sorted as one ranking. Of more, the first pass over the labels keeps the
scores of the positives, a second sums all cells between them, and a third does so for each unit
that is drawn, between fewer scores.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.evaluation.label_numbers import Found, no_ends
from imbalance_cli.evaluation.reasons import LEAST_FOR_INTERVAL
from imbalance_cli.evaluation.resampling import POOLED_AT_ONCE
from imbalance_cli.evaluation.scored_rows import label_slices
from imbalance_cli.metrics import (
    BandRows,
    Bands,
    Confusion,
    PooledSums,
    Units,
    as_columns,
    weights_of_labels,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.evaluation.label_numbers import LabelNumbers, Shared
    from imbalance_cli.evaluation.resampling import JointDraws
    from imbalance_cli.evaluation.scored_rows import Cells, ScoredRows


class Pool:
    """All cells of the labels that averages are over.

    Args:
        rows: of the cells.
        counted: (L,) whether averages are over a label.
    """

    def __init__(self, rows: ScoredRows, counted: torch.Tensor) -> None:
        self._rows, self._counted = rows, counted
        labels = int(counted.sum())
        self._is_one_label = labels == 1
        self._are_few = rows.rows * labels <= POOLED_AT_ONCE
        self._cells: list[Cells] = []
        self._scores: list[torch.Tensor] = []

    def add(self, probabilities: torch.Tensor, targets: torch.Tensor, labels: slice) -> None:
        """Keep what is needed of some labels' cells, (N, l)."""
        if self._is_one_label:
            return
        kept = self._counted[labels]
        p, y = probabilities[:, kept], targets[:, kept]
        if self._are_few:
            self._cells.append((p, y))
        else:
            self._scores.append(torch.unique(p[y == 1].double()))

    def evaluate(
        self, numbers: Sequence[LabelNumbers], shared: Shared
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each metric over all cells, (metrics,), and the ends of intervals, (metrics, 2).

        Args:
            numbers: of the labels that averages are over, of which one has a known target.
            shared: with the joint draws of these labels; without, there are no intervals.
        """
        if self._is_one_label:
            return numbers[0].points, numbers[0].ends
        confusion = Confusion.join([number.confusion for number in numbers]).total()
        return (self._sort if self._are_few else self._sum)(confusion, shared)

    def _sort(self, confusion: Confusion, shared: Shared) -> tuple[torch.Tensor, torch.Tensor]:
        """Evaluate all cells as one ranking, by the decisions of the labels, (1,)."""
        p, y = (torch.cat(same, dim=1) for same in zip(*self._cells, strict=True))
        rows, labels = y.shape
        weights = weights_of_labels(shared.weights, self._counted)
        if weights is not None:
            weights = as_columns(weights).expand(rows, labels).flatten()
        bands = Bands.of(p.flatten(), y.flatten(), 0.5, weights)
        joint = shared.joint
        units = Units.of(rows) if joint is None else joint.units
        whole = BandRows.of(bands, units, weights, cells_of_a_row=labels)
        found = Found.of(whole, shared.levels, confusion)
        if joint is None or whole.count_rarer() < LEAST_FOR_INTERVAL:
            return found.points, no_ends(found.points)
        merged = bands.merged()
        fewer = whole
        if merged is not bands:
            fewer = BandRows.of(merged, units, weights, cells_of_a_row=labels)
        return found.points, _bound(found, fewer, confusion, shared, joint)

    def _sum(self, confusion: Confusion, shared: Shared) -> tuple[torch.Tensor, torch.Tensor]:
        """Evaluate more cells than are sorted at once."""
        scores = torch.unique(torch.cat(self._scores)).flip(0)
        whole = self._sum_units(scores, Units(np.zeros(self._rows.rows, np.intp), 1), shared)
        points = whole.rows().itself().metrics(shared.levels, confusion)[:, 0]
        if shared.joint is None or not len(scores):
            return points, no_ends(points)
        fewer = self._sum_units(whole.thinned(), shared.joint.units, shared).rows()
        if fewer.count_rarer() < LEAST_FOR_INTERVAL:
            return points, no_ends(points)
        found = dataclasses.replace(Found.of(fewer, shared.levels, confusion), points=points)
        return points, _bound(found, fewer, confusion, shared, shared.joint)

    def _sum_units(self, scores: torch.Tensor, units: Units, shared: Shared) -> PooledSums:
        """Return the sums of units between falling scores."""
        parts = (
            PooledSums.of(scores, *cells, units, weights_of_labels(shared.weights, labels))
            for labels, cells in self._columns()
        )
        return functools.reduce(operator.add, parts)

    def _columns(self) -> Iterator[tuple[torch.Tensor, Cells]]:
        """Yield the numbers of labels that are counted, (l,), and their cells, (N, l)."""
        for labels in label_slices(self._rows.rows, self._rows.labels):
            kept = self._counted[labels]
            if kept.any():
                probabilities, targets = self._rows.columns(labels)
                numbers = labels.start + kept.nonzero()[:, 0]
                yield numbers, (probabilities[:, kept], targets[:, kept])


def _bound(
    found: Found, rows: BandRows, confusion: Confusion, shared: Shared, joint: JointDraws
) -> torch.Tensor:
    """Return the ends of intervals over all cells, (metrics, 2).

    Args:
        found: of all cells.
        rows: nearly the same cells in fewer bands.
        confusion: (1,) over all cells, at the thresholds of the labels.
        shared: of all labels.
        joint: its draws, to which all labels have been added.
    """
    near = rows.itself().metrics(shared.levels, confusion)
    draws = joint.draw_pooled(rows, shared.levels).moved(found.points[:, None] - near)
    itself, cases = found.itself, found.cases
    cells = itself.positives + itself.negatives if itself.rows is None else itself.rows
    share = float(confusion.decided() / sum(confusion))
    cases = dataclasses.replace(cases, decided=min(share * float(cells.sum()), cases.rows))
    found = dataclasses.replace(found, cases=cases)
    return found.intervals(draws, rows.count_rarer(), shared.resampling.confidence)
