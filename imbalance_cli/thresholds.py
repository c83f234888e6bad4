"""The decision threshold of each label, by exact search over the sorted validation scores.

Shapes: N rows, L labels. A row is decided positive where its probability is at least the
threshold.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imbalance_cli.metrics import Confusion, Ranking, simplify_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import ThresholdsSection


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """The thresholds, and on how much they rest.

    Attributes:
        values: (L,) float64.
        positives: (L,) how many of the validation rows are positives, whatever their weight.
        pooled: (L,) whether there were so few that the threshold of all labels together is used.
    """

    values: torch.Tensor
    positives: torch.Tensor
    pooled: torch.Tensor

    @classmethod
    def concatenate(cls, blocks: Sequence[Thresholds]) -> Thresholds:
        """Return the thresholds of all labels, in the order of the blocks."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(torch.cat([getattr(block, name) for block in blocks]) for name in names))


def choose_thresholds(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    settings: ThresholdsSection,
    weights: torch.Tensor | None = None,
) -> Thresholds:
    """Choose each label's threshold on validation rows.

    Args:
        probabilities: (N, L).
        targets: (N, L), NaN where missing.
        settings: the objective; `cost` needs no search, the best threshold on calibrated
            probabilities being c_fp / (c_fp + c_fn), and `half` is 0.5. A label with fewer
            positives than `minimum_positives` takes the threshold that is best for all labels
            together.
        weights: (N,) of the rows, as of the metrics; a row of weight 0 is no validation row.
    """
    weights, (probabilities, targets) = simplify_weights(weights, probabilities, targets)
    positives = (targets == 1).sum(dim=0)
    fixed = _fixed_threshold(settings)
    if fixed is not None:
        values = torch.full_like(positives, fixed, dtype=torch.float64)
        return Thresholds(values, positives, torch.zeros_like(positives, dtype=torch.bool))
    values = _search(probabilities, targets, weights, settings.objective)
    pooled = positives < (settings.minimum_positives if len(positives) > 1 else 0)
    if pooled.any():
        cells, known = probabilities.reshape(-1, 1), targets.reshape(-1, 1)
        of_cells = None if weights is None else weights.repeat_interleave(len(positives))
        shared = _search(cells, known, of_cells, settings.objective)
        values = torch.where(pooled, shared, values)
    return Thresholds(values, positives, pooled)


def _fixed_threshold(settings: ThresholdsSection) -> float | None:
    if settings.objective == "half":
        return 0.5
    if settings.objective == "cost":
        costs = settings.false_positive_cost, settings.false_negative_cost
        return costs[0] / sum(costs)
    return None


def _search(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None,
    objective: str,
) -> torch.Tensor:
    """Return the best threshold of each column, (L,): half way between two neighbouring scores.

    Where nothing can be said (no positive, or no negative for an objective that needs one), 0.5.
    """
    if not len(targets):
        return probabilities.new_full(targets.shape[1:], 0.5, dtype=torch.float64)
    # missing cells go last, so that no threshold lies next to one of their scores
    ranking = Ranking.of(probabilities.where(~targets.isnan(), -torch.inf), targets, weights)
    true = ranking.positives.cumsum(dim=1)
    false = ranking.negatives.cumsum(dim=1)
    confusion = Confusion(true, false, true[:, -1:] - true, false[:, -1:] - false)
    quality = {
        "f1": confusion.f_beta,
        "f2": lambda: confusion.f_beta(2.0),
        "mcc": confusion.mcc,
        "balanced_accuracy": confusion.balanced_accuracy,
    }[objective]()
    index = torch.arange(quality.shape[1], device=quality.device)
    quality = quality.nan_to_num(-torch.inf).where(index == ranking.last, -torch.inf)
    best = quality.argmax(dim=1, keepdim=True)
    score = ranking.scores.gather(1, best)
    below = ranking.scores.gather(1, (best + 1).clamp(max=quality.shape[1] - 1))
    middle = (score + below) / 2
    # the middle of two neighbouring floats may round down to the lower one, which it must exclude
    threshold = middle.where(middle > below, score)
    known = quality.gather(1, best) > -torch.inf
    return torch.where(known, threshold, 0.5)[:, 0]
