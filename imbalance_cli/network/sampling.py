"""Balanced drawing: rows with rare labels more often, and by how much that shifts the odds.

Shapes: N rows, L labels. Sample weights are (N,), or (N, L) of cells, from 0 up and of any scale;
None is 1 for each.
"""

from __future__ import annotations

import torch

from imbalance_cli.metrics import as_columns

LARGEST_RATE = 50.0
"""No row is drawn more than so many times as often as another: the few positives of a very rare
label would else fill every batch, and be learned by heart."""


def balanced_rates(
    targets: torch.Tensor, sample_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return how often to draw each row, (N,) float64, where 1 is a row without a positive.

    A positive counts for negatives / positives of its label, at most LARGEST_RATE; a row for the
    rarest of its positives. With one label whose positives are fewer than its negatives both
    classes are drawn alike often, up to that bound; common positives count as negatives do.

    Weighted rows are drawn so that both classes weigh alike in the loss, which the weights enter
    by themselves; a row of weight 0 is never drawn.

    Args:
        targets: (N, L), NaN where missing.
        sample_weights: (N,) or (N, L), of the rows or cells in the loss.
    """
    if sample_weights is None:
        positives = (targets == 1).sum(dim=0).double()
        negatives = (targets == 0).sum(dim=0).double()
        return rates_of_rows(targets, rates_of_labels(positives, negatives))
    sums = sum_weights(targets, torch.ones(1, 1), sample_weights)
    positives, negatives = sums[1], sums[3]
    return rates_of_rows(targets, rates_of_labels(positives, negatives), sample_weights)


def rates_of_labels(positives: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
    """Return how often to draw a row for each label's sake, (L,), by counts or weights (L,)."""
    # without a positive there is no row to draw
    return (negatives / positives).nan_to_num(1.0).clamp(1.0, LARGEST_RATE)


def rates_of_rows(
    targets: torch.Tensor, rates: torch.Tensor, sample_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return how often to draw each row of (N, L), (N,), by the rates of the labels, (L,)."""
    drawn = torch.where(targets == 1, rates, 1.0).amax(dim=1)
    if sample_weights is None:
        return drawn
    return drawn.where(as_columns(sample_weights > 0).any(dim=1), 0.0)


def prior_shift(
    targets: torch.Tensor, weights: torch.Tensor, sample_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return by how much weighing or drawing rows multiplies each label's odds, (L,).

    It is the mean weight of the positives over that of the negatives, 1 where a label lacks either.
    Exact for one label; with several, a row's weight also depends on its other labels, and this is
    the shift on average.

    Args:
        targets: (N, L), NaN where missing.
        weights: (N, L), or (N, 1) for rows.
        sample_weights: that belong to the rows or cells themselves, and so shift nothing; the
            means are weighted by them.
    """
    return shift_of_sums(sum_weights(targets, weights, sample_weights))


def sum_weights(
    targets: torch.Tensor, weights: torch.Tensor, sample_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return what `shift_of_sums` takes, (4, L) float64, of some rows; those of others add to it.

    They are the weights of the positives, their number, the weights of the negatives, and their
    number; arguments are those of `prior_shift`.
    """
    positive, negative = (targets == 1).double(), (targets == 0).double()
    if sample_weights is not None:
        mass = as_columns(sample_weights.double())
        positive, negative = positive * mass, negative * mass
    weights = weights.double()
    sides = (weights * positive, positive, weights * negative, negative)
    return torch.stack([side.sum(dim=0) for side in sides])


def shift_of_sums(sums: torch.Tensor) -> torch.Tensor:
    """Return the `prior_shift`, (L,), of the sums (4, L) of all rows."""
    drawn_positives, positives, drawn_negatives, negatives = sums
    shift: torch.Tensor = (drawn_positives / positives) / (drawn_negatives / negatives)
    return shift.nan_to_num(1.0).float()


def draw_rows(rates: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Return as many row numbers as there are rates, drawn with replacement, (N,) on the host.

    torch.multinomial takes no more than 2^24 rows; this takes any number.
    """
    heights = rates.cumsum(dim=0)
    points = torch.rand(len(rates), generator=random, dtype=torch.float64) * heights[-1]
    return torch.searchsorted(heights, points, right=True).clamp(max=len(rates) - 1)
