"""Metrics of whole rows of a multi-label table, as sums that add up over blocks of rows.

Shapes: N rows, L labels. A missing cell (NaN) is as if its label were not there for that row; a row
without any known cell is in none of these numbers.
"""

from __future__ import annotations

import torch

from imbalance_cli.metrics.checks import check_shapes
from imbalance_cli.metrics.proportions import bound_proportion
from imbalance_cli.metrics.weights import weights_of_rows

ROUNDING = 1e-14  # of a variance, in shares of a square


FIELDS = ("rows", "exact", "cells", "wrong", "active", "f1", "ranking", "coverage")
"""The sums over rows, (8,) float64; those of disjoint rows add up.

rows: weight of the rows with a known cell.
exact: of those whose known cells are all decided right.
cells: weight of the known cells, a cell weighing what its row does, or its own where it has one. Of
    such cells a row weighs the mean.
wrong: of those decided wrong.
active: weight of the rows with a positive, true or decided.
f1: sum of their F1 over cells.
ranking: sum of the label-ranking average precision of rows.
coverage: sum of how many labels down the ranking all positives of a row are found.
"""

RATIOS = {
    "samples_f1": ("f1", "active"),
    "subset_accuracy": ("exact", "rows"),
    "hamming_loss": ("wrong", "cells"),
    "label_ranking_average_precision": ("ranking", "rows"),
    "coverage_error": ("coverage", "rows"),
}
"""The sums that each metric of whole rows is the ratio of."""


def multilabel_metrics(sums: torch.Tensor) -> dict[str, float]:
    """Return each metric of whole rows from the sums (8,), NaN where it is of no row.

    samples_f1 is the mean over rows of the F1 of a row's cells, without the rows that have no
    positive and for which none was decided (scikit-learn's average="samples" with
    zero_division=nan). subset_accuracy is the share of rows decided right in every known cell;
    hamming_loss that of known cells decided wrong. label_ranking_average_precision and
    coverage_error are as in scikit-learn (Tsoumakas, Katakis & Vlahavas 2010): ranks are among the
    known labels of a row; a row with only one class has precision 1, and one without positives
    coverage 0.
    """
    of_field = dict(zip(FIELDS, sums, strict=True))
    return {name: float(of_field[over] / of_field[under]) for name, (over, under) in RATIOS.items()}


def bound_ratios(
    sums: torch.Tensor, products: torch.Tensor, labels: int, confidence: float
) -> dict[str, tuple[float, float]]:
    """Return low and high of each metric of whole rows that is defined.

    The variance of a ratio a / b of sums over U units is that of the sum of a - (a / b) b over the
    units, over b^2 (the linearisation of survey sampling: Cochran 1977, chapter 6). All are means
    of numbers from 0 to 1 (coverage is, over the number of labels), and have intervals of
    proportions.

    Args:
        sums: (8,) as FIELDS names them.
        products: (8, 8) of the sums of a unit, summed over units: rows, or groups.
        labels: L.
        confidence: of the intervals.
    """
    found = {}
    for name, (over, under) in RATIOS.items():
        a, b = FIELDS.index(over), FIELDS.index(under)
        whole = float(sums[b])
        if not whole:
            continue
        most = labels if name == "coverage_error" else 1
        ratio = float(sums[a]) / whole
        squares = products[a, a] - 2 * ratio * products[a, b] + ratio**2 * products[b, b]
        cases = whole**2 / float(products[b, b])  # effective (Kish 1965)
        variance = max(float(squares), 0.0) / whole**2 / most**2
        variance = variance if variance > ROUNDING * ratio**2 else 0.0
        low, high = bound_proportion(min(ratio / most, 1.0), variance, cases, confidence)
        found[name] = min(most * low, ratio), max(most * high, ratio)
    return found


def judge_rows(
    probabilities: torch.Tensor,
    decisions: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what each row of (N, L), weighted by (N,) or (N, L), adds to the sums, (8, N).

    Raises:
        EvaluationError: the shapes differ.
    """
    check_shapes(probabilities, targets, weights)
    known, positive = ~targets.isnan(), targets == 1
    counted = known.any(dim=1).double()
    is_wrong = known & (decisions != positive)
    own = weights_of_rows(weights, known)
    mass = counted if own is None else counted * own.double()
    cells, wrong = known.sum(dim=1).double(), is_wrong.sum(dim=1).double()
    true = (decisions & positive).sum(dim=1).double()
    any_positive = (known & (decisions | positive)).any(dim=1)
    f1 = 2 * true / (2 * true + wrong).clamp(min=1)
    ranking, coverage = _rank_labels(probabilities, positive, known)
    of_rows = (torch.ones_like(mass), wrong == 0, cells, wrong, any_positive, f1, ranking, coverage)
    sums = mass * torch.stack([each.double() for each in of_rows])
    if weights is not None and weights.ndim > 1:
        for field, flags in (("cells", known), ("wrong", is_wrong)):
            sums[FIELDS.index(field)] = (weights.double() * flags).sum(dim=1)
    return sums


def _rank_labels(
    probabilities: torch.Tensor, positive: torch.Tensor, known: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (N,) the label-ranking average precision and the coverage of each row.

    The rank of a label is how many known ones score at least as high.
    """
    scores, order = probabilities.double().masked_fill(~known, -torch.inf).sort(descending=True)
    hits = positive.gather(1, order)
    ends = torch.ones_like(hits)
    ends[:, :-1] = scores[:, 1:] != scores[:, :-1]
    index = torch.arange(1, hits.shape[1] + 1, device=hits.device).expand_as(scores)
    rank = index.where(ends, hits.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    relevant = hits.cumsum(dim=1).gather(1, rank - 1)
    positives = hits.sum(dim=1)
    precision = (hits * (relevant.double() / rank)).sum(dim=1) / positives
    last = torch.nn.functional.pad(hits * rank, (1, 0)).amax(dim=1)  # 0 where nothing is positive
    return precision.where(positives > 0, 1.0), last.double()
