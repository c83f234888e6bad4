"""The intervals of what each run comes to, in a comparison as in its own report.

Shapes: N rows, L labels.

A comparison resamples for paired differences. The intervals of the values themselves are made as
those of an evaluation (metrics/intervals.py), which cover better than percentiles do, so that a
number has one interval wherever it stands.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.evaluation import DenseRows, Resampling, evaluate_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.comparison import Compared, Comparison
    from imbalance_cli.evaluation import Estimate, Evaluation, Interval
    from imbalance_cli.workflows.held_out import SavedRun


def evaluate_saved(runs: Sequence[SavedRun], comparison: Comparison) -> list[Evaluation]:
    """Return each run's numbers and intervals over the labels that the comparison averages.

    That is the evaluation saved with a run, where it is of these labels, and of as many replicates
    and the confidence of the comparison.

    Args:
        runs: of the same rows.
        comparison: of them.
    """
    resampling = Resampling(comparison.replicates, comparison.confidence)
    labels = comparison.candidates[0].labels
    # which needs both classes
    averaged = [label.metrics["roc_auc"].value is not None for label in labels]
    return [_evaluate(run, averaged, resampling) for run in runs]


def _evaluate(run: SavedRun, averaged: list[bool], resampling: Resampling) -> Evaluation:
    saved = run.evaluation
    made = Resampling(saved.replicates, saved.confidence)
    if averaged == run.learnable and made == resampling:
        return saved
    thresholds = [0.5 if label.threshold is None else label.threshold for label in saved.labels]
    return evaluate_rows(
        DenseRows(run.probabilities, run.targets),
        torch.tensor(thresholds, dtype=torch.float64),
        run.labels,
        part=saved.part,
        source=saved.source,
        learnable=averaged,
        resampling=resampling,
        levels=saved.levels,
        weights=run.weights,
        groups=run.groups,
    )


def with_own_intervals(comparison: Comparison, evaluations: Sequence[Evaluation]) -> Comparison:
    """Return a comparison whose values have the intervals of evaluations, one a candidate."""
    candidates = [
        dataclasses.replace(
            candidate,
            macro=_bound(candidate.macro, evaluation.macro_intervals),
            labels=[
                dataclasses.replace(label, metrics=_bound(label.metrics, own.metrics))
                for label, own in zip(candidate.labels, evaluation.labels, strict=True)
            ],
        )
        for candidate, evaluation in zip(comparison.candidates, evaluations, strict=True)
    ]
    return dataclasses.replace(comparison, candidates=candidates)


def with_pooled_intervals(cells: Comparison, evaluations: Sequence[Evaluation]) -> Comparison:
    """Return a comparison over all cells, as of one label, with the intervals of evaluations."""
    candidates = []
    for candidate, evaluation in zip(cells.candidates, evaluations, strict=True):
        [label] = candidate.labels
        bounded = _bound(label.metrics, evaluation.micro_intervals)
        candidates.append(
            dataclasses.replace(
                candidate, macro=bounded, labels=[dataclasses.replace(label, metrics=bounded)]
            )
        )
    return dataclasses.replace(cells, candidates=candidates)


def _bound(
    metrics: Mapping[str, Compared], own: Mapping[str, Estimate] | Mapping[str, Interval]
) -> dict[str, Compared]:
    """Return the metrics with other intervals, which hold their values, or with none."""
    bounded = {}
    for name, compared in metrics.items():
        value, ends = compared.value, own.get(name)
        low, high = (None, None) if ends is None else (ends.low, ends.high)
        if value is not None and low is not None and high is not None:
            low, high = min(low, value), max(high, value)  # sums in another order round differently
        bounded[name] = dataclasses.replace(compared, low=low, high=high)
    return bounded
