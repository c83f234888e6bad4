"""Every number of a report, some labels at a time.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from imbalance_cli.decisions.untuned import Untuned, measure_untuned
from imbalance_cli.errors import EvaluationError
from imbalance_cli.evaluation.averages import average
from imbalance_cli.evaluation.label_numbers import LabelNumbers, Shared, evaluate_label
from imbalance_cli.evaluation.pooling import Pool
from imbalance_cli.evaluation.reasons import LEAST_FOR_INTERVAL, Facts, explain_no_interval
from imbalance_cli.evaluation.resampling import Resampling, plan_joint_draws
from imbalance_cli.evaluation.results import Estimate, Evaluation, LabelEvaluation, finite
from imbalance_cli.evaluation.scored_rows import CheckedRows, follow_labels
from imbalance_cli.evaluation.slices import SliceScan
from imbalance_cli.machine.device import one_thread
from imbalance_cli.metrics import (
    DEFAULT_LEVELS,
    METRIC_SPECS,
    Levels,
    Units,
    simplify_weights,
    weights_of_labels,
)
from imbalance_cli.progress import tell_nobody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation.scored_rows import ScoredRows
    from imbalance_cli.evaluation.slices import Grouping
    from imbalance_cli.progress import Tell


def evaluate_rows(  # noqa: PLR0913  what was said, of which rows, and how to report it
    rows: ScoredRows,
    thresholds: torch.Tensor,
    labels: Sequence[str],
    *,
    part: str,
    source: str,
    learnable: Sequence[bool],
    resampling: Resampling,
    levels: Levels = DEFAULT_LEVELS,
    weights: torch.Tensor | None = None,
    groups: torch.Tensor | None = None,
    slices: Sequence[Grouping] = (),
    device: torch.device | None = None,
    tell: Tell = tell_nobody,
) -> Evaluation:
    """Compute every number of a report, some labels at a time.

    Args:
        rows: probabilities and targets.
        thresholds: (L,).
        labels: the names, (L,).
        part: what the rows are: test or valid.
        source: what they were read from.
        learnable: whether each label had both classes in training, (L,).
        resampling: how intervals are made.
        levels: where the metrics of a budget or a demand are taken.
        weights: (N,) of the rows, or (N, L) of cells, above 0 where the target is known, as of the
            metrics; rows of weight 0 are left out, and counts of rows stay counts of the others.
        groups: (N,) the number of each row's group; replicates draw whole groups. None draws rows.
        slices: columns by whose groups the numbers are broken down.
        device: where the numbers are computed, in float64; None for that of the thresholds.
            Replicates are drawn on the host, so that a seed draws the same wherever that is.
        tell: receives how many labels are done.

    Raises:
        EvaluationError: the shapes differ, a prediction is no probability, or a target is none.
    """
    if not rows.labels == len(labels) == len(learnable) == len(thresholds):
        raise EvaluationError(
            f"{source}: predictions of {rows.labels} labels, where there are {len(labels)}",
            hint="one column of predictions a label",
        )
    for name, of_rows in (("weights", weights), ("groups", groups)):
        shapes = [(rows.rows,), *([(rows.rows, rows.labels)] if name == "weights" else [])]
        if of_rows is not None and of_rows.shape not in shapes:
            raise EvaluationError(
                f"{source}: {name} of shape {tuple(of_rows.shape)} for {rows.rows:,} rows",
                hint="one a row",
            )
    device = device or thresholds.device
    thresholds, kept = thresholds.to(device), None
    if weights is not None:
        every = torch.arange(rows.rows, device=device)
        weights, (kept,) = simplify_weights(weights.to(device), every)
        groups = None if groups is None else groups.to(device)[kept]
        kept = None if len(kept) == rows.rows else kept
    cells = CheckedRows(rows, labels, source, device, kept)
    joint = plan_joint_draws(cells, resampling, groups, is_weighted=weights is not None)
    of_groups = None if groups is None else Units.of(cells.rows, groups)
    counted = torch.tensor(list(learnable), dtype=torch.bool, device=device)
    shared = Shared(resampling, levels, thresholds, counted, weights, joint, of_groups)
    pool = Pool(cells, counted)
    scan = SliceScan([grouping.take(kept) for grouping in slices], shared, labels)
    numbers: list[LabelNumbers] = []
    untuned: list[Untuned] = []
    for chosen in follow_labels(cells.rows, cells.labels, tell, "evaluating"):
        probabilities, targets = cells.columns(chosen)
        of_labels = range(chosen.start, chosen.stop)
        by_label = probabilities.T.contiguous(), targets.T.contiguous()
        with one_thread():
            for p, y, label in zip(*by_label, of_labels, strict=True):
                numbers.append(evaluate_label(p, y, label, shared))
                scan.add(p, y, label)
        own = weights_of_labels(weights, chosen)
        untuned += measure_untuned(probabilities, cells.raw(chosen), targets, own)
        pool.add(probabilities, targets, chosen)
    averages = average(cells, numbers, shared, pool)
    parts = zip(labels, range(len(labels)), numbers, untuned, strict=True)
    return Evaluation(
        part=part,
        source=source,
        rows=cells.rows,
        labels=[_describe(*own, cells.rows, shared) for own in parts],
        confidence=resampling.confidence,
        replicates=resampling.replicates,
        levels=levels,
        weighted=weights is not None,
        resampled=shared.units,
        slices=scan.finish() if slices else None,
        **vars(averages),
    )


def _describe(
    label: str, number: int, numbers: LabelNumbers, untuned: Untuned, rows: int, shared: Shared
) -> LabelEvaluation:
    """Return the numbers of a label; none of one not learned, whose score is a constant."""
    confusion, learnable = numbers.confusion, bool(shared.counted[number])
    facts = Facts(
        numbers.support,
        numbers.positives,
        bool(confusion.decided()),
        learnable,
        shared.levels.top_k,
    )
    estimates = dict.fromkeys(METRIC_SPECS, Estimate(None))
    if learnable:
        found = zip(METRIC_SPECS, numbers.points.tolist(), numbers.ends.tolist(), strict=True)
        estimates = {
            name: Estimate(finite(point), *map(finite, ends)) for name, point, ends in found
        }
    why = explain_no_interval(shared.units, is_enough=numbers.rarer >= LEAST_FOR_INTERVAL)
    return LabelEvaluation(
        label=label,
        support=numbers.support,
        positives=numbers.positives,
        missing=rows - numbers.support,
        prevalence=finite(float(confusion.prevalence())),
        learnable=learnable,
        threshold=float(shared.thresholds[number]) if learnable else None,
        undefined={
            name: facts.explain(name) for name in METRIC_SPECS if estimates[name].value is None
        },
        without_interval={
            name: why
            for name, estimate in estimates.items()
            if shared.resampling.replicates and estimate.value is not None and estimate.low is None
        },
        metrics=estimates,
        untuned=untuned if learnable else Untuned(),
    )
