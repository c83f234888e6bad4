"""Every number of a report, some labels at a time.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from imbalance_cli.errors import EvaluationError
from imbalance_cli.evaluation.averages import average
from imbalance_cli.evaluation.label_blocks import LabelBlock, Sample, evaluate_block
from imbalance_cli.evaluation.reasons import Facts
from imbalance_cli.evaluation.resampling import Resampling, plan_joint_draws
from imbalance_cli.evaluation.results import (
    METRICS,
    Estimate,
    Evaluation,
    LabelEvaluation,
    finite,
)
from imbalance_cli.evaluation.scored_rows import CheckedRows, DenseRows, SelectedRows, label_slices
from imbalance_cli.metrics import DEFAULT_LEVELS, Levels, simplify_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.evaluation.scored_rows import ScoredRows


def evaluate_scores(  # noqa: PLR0913  what was said, of which rows, and how to report it
    probabilities: torch.Tensor,
    targets: torch.Tensor,
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
) -> Evaluation:
    """Compute every number of a report, of probabilities and targets (N, L).

    The other arguments are those of `evaluate_rows`.

    Raises:
        EvaluationError: the shapes differ, or a prediction is no probability.
    """
    if probabilities.shape != targets.shape:
        raise EvaluationError(
            f"{source}: predictions of shape {tuple(probabilities.shape)} for targets of shape "
            f"{tuple(targets.shape)}",
            hint="predictions and labels of the same rows, one column a label",
        )
    return evaluate_rows(
        DenseRows(probabilities, targets),
        thresholds,
        labels,
        part=part,
        source=source,
        learnable=learnable,
        resampling=resampling,
        levels=levels,
        weights=weights,
        groups=groups,
    )


def evaluate_rows(  # noqa: PLR0913  as evaluate_scores
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
        weights: (N,) of the rows, as of the metrics; rows of weight 0 are left out, and counts of
            rows stay counts of the others.
        groups: (N,) the number of each row's group; replicates draw whole groups. None draws rows.

    Raises:
        EvaluationError: the shapes differ, or a prediction is no probability.
    """
    if not rows.labels == len(labels) == len(learnable) == len(thresholds):
        raise EvaluationError(
            f"{source}: predictions of {rows.labels} labels, where there are {len(labels)}",
            hint="one column of predictions a label",
        )
    weights, (kept,) = simplify_weights(weights, torch.arange(rows.rows, device=thresholds.device))
    if len(kept) < rows.rows:
        rows = SelectedRows(rows, kept)
        groups = None if groups is None else groups.to(kept.device)[kept]
    rows = CheckedRows(rows, labels, source)
    joint = plan_joint_draws(rows, resampling, groups, is_weighted=weights is not None)
    sample = Sample(resampling, levels, weights, joint)
    counted = torch.tensor(list(learnable), dtype=torch.bool, device=thresholds.device)
    blocks = [
        evaluate_block(
            *rows.columns(chosen),
            thresholds[chosen],
            sample,
            first=chosen.start,
            counted=counted[chosen],
        )
        for chosen in label_slices(rows)
    ]
    block = LabelBlock.join(blocks)
    averages = average(rows, block, thresholds, sample, counted)
    return Evaluation(
        part=part,
        source=source,
        rows=rows.rows,
        labels=_describe(labels, counted, thresholds, block, rows.rows, levels),
        macro=averages.macro,
        macro_labels=averages.macro_labels,
        micro=averages.micro,
        weighted_average=averages.weighted,
        multilabel=averages.multilabel,
        undefined=averages.undefined,
        confidence=resampling.confidence,
        replicates=resampling.replicates,
        levels=levels,
        weighted=weights is not None,
        resampled="rows" if groups is None else "groups",
        macro_intervals=averages.macro_intervals,
        micro_intervals=averages.micro_intervals,
    )


def _describe(
    labels: Sequence[str],
    learnable: torch.Tensor,
    thresholds: torch.Tensor,
    block: LabelBlock,
    rows: int,
    levels: Levels,
) -> list[LabelEvaluation]:
    """Return the numbers of each label; none of one not learned, whose score is constant."""
    points = {name: block.points[name].tolist() for name in METRICS}
    ends = {name: [end.tolist() for end in both] for name, both in block.intervals.items()}
    decided, share = block.confusion.decided().tolist(), block.confusion.prevalence().tolist()
    support, positives = block.support.tolist(), block.positives.tolist()
    entries = []
    for i, label in enumerate(labels):
        is_learned = bool(learnable[i])
        facts = Facts(support[i], positives[i], bool(decided[i]), is_learned, levels.top_k)
        estimates = dict.fromkeys(METRICS, Estimate(None))
        if is_learned:
            estimates = {
                name: Estimate(
                    finite(points[name][i]), *(finite(end[i]) for end in ends.get(name, []))
                )
                for name in METRICS
            }
        undefined = {name: facts.explain(name) for name in METRICS if estimates[name].value is None}
        entries.append(
            LabelEvaluation(
                label=label,
                support=support[i],
                positives=positives[i],
                missing=rows - support[i],
                prevalence=finite(share[i]),
                learnable=is_learned,
                threshold=float(thresholds[i]) if is_learned else None,
                undefined=undefined,
                **estimates,
            )
        )
    return entries
