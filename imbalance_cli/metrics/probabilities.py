"""Metrics of probabilities: how far they are from what happened.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import torch

from imbalance_cli.metrics.bands import argsort, cut_bins, row_blocks, sums_between
from imbalance_cli.metrics.checks import check_probabilities
from imbalance_cli.metrics.weights import as_columns, weights_of_labels


def log_loss(
    probabilities: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (L,): the mean negative log-likelihood of (N, L) over known targets, in nats.

    Raises:
        EvaluationError: the shapes differ, or a prediction is no probability.
    """
    check_probabilities(probabilities, targets, weights)
    y = targets.double()
    limit = torch.finfo(torch.float64).eps
    p = probabilities.double().clamp(limit, 1 - limit)
    return _known_mean(-(y * p.log() + (1 - y) * (1 - p).log()), y, weights)


def brier(
    probabilities: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (L,): the mean squared difference of (N, L) over known targets.

    Raises:
        EvaluationError: the shapes differ, or a prediction is no probability.
    """
    check_probabilities(probabilities, targets, weights)
    return _known_mean((probabilities.double() - targets.double()) ** 2, targets, weights)


def expected_calibration_error(
    probabilities: torch.Tensor,
    targets: torch.Tensor,
    bins: int = 10,
    weights: torch.Tensor | None = None,
    *,
    debias: bool = False,
) -> torch.Tensor:
    """Return (L,): the mean gap between probability and frequency over bins of equal mass.

    Each label's known rows are sorted by probability and cut into `bins` parts of equal size
    (Nixon et al. 2019, ACE for one class); each gap counts by its part's size. Rows of equal
    probability share their frequency, so that the order of the rows makes no difference. Parts of
    weighted rows have equal weight, for which a cut may divide a row; of unweighted rows they
    differ by a row where `bins` does not divide their number.

    Args:
        probabilities: (N, L).
        targets: (N, L), NaN where missing.
        bins: how many.
        weights: (N,) of the rows, or (N, L) of cells.
        debias: whether to take off what chance alone adds. The gap of a bin is a mean of residuals
            and so close to normal; its absolute value is larger than that of the true gap d by
            E|N(d, s)| - |d| on average, s being its standard error. This is estimated at the gap
            that was seen (Kumar, Liang & Ma 2019, the normal debiasing of their library), and a sum
            below 0 is 0.

    Raises:
        EvaluationError: the shapes differ, or a prediction is no probability.
    """
    check_probabilities(probabilities, targets, weights)
    columns = zip(probabilities.T.contiguous(), targets.T.contiguous(), strict=True)
    gaps = [
        _mean_gap(p, y, weights_of_labels(weights, label), bins, debias=debias)
        for label, (p, y) in enumerate(columns)
    ]
    return torch.stack(gaps)


def _mean_gap(
    p: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None, bins: int, *, debias: bool
) -> torch.Tensor:
    """Return the calibration error of one label, (N,) each."""
    counted = ~y.isnan()
    if weights is not None:
        counted &= weights > 0
    if not counted.all():
        p, y = p[counted], y[counted]
        weights = None if weights is None else weights[counted]
    if not len(p):
        return p.new_tensor(torch.nan, dtype=torch.float64)
    order = argsort(-p.double())
    keys = -p[order].double()
    mass = None if weights is None else weights[order].double()
    first, last, share = cut_bins(keys, mass, bins)
    ends = torch.unique(torch.cat([first, last, first.new_tensor([len(keys)])]))
    ends = ends[ends > 0]
    sums = keys.new_zeros(5, len(ends))
    for rows, some, own in row_blocks(ends):
        gap = -keys[rows] - y[order[rows]].double()
        w = torch.ones_like(gap) if mass is None else mass[rows]
        of_rows = w, w * gap, w**2, w**2 * gap, (w * gap) ** 2
        sums[:, some] += torch.stack([sums_between(each, own) for each in of_rows])
    reached = torch.nn.functional.pad(sums.cumsum(dim=1), (1, 0))
    of_ends = torch.nn.functional.pad(ends, (1, 0))
    start, end = (reached[:, torch.searchsorted(of_ends, cut)] for cut in (first, last))
    return mean_gaps(-(start + share * (end - start)).diff(dim=1), debias=debias)


def mean_gaps(sums: torch.Tensor, *, debias: bool) -> torch.Tensor:
    """Return (...,): the calibration error of bins whose sums are (5, ..., B).

    Args:
        sums: of w, w g, w^2, w^2 g and w^2 g^2 over the rows of a bin, of weight w and gap g
            between probability and target.
        debias: as in `expected_calibration_error`.
    """
    share, mean, scale = scale_gaps(sums)
    error = debiased_gaps(mean, scale) if debias else mean.abs()
    total: torch.Tensor = (share * error).sum(dim=-1)
    return total.clamp(min=0)


def scale_gaps(sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the share of each bin, its gap and the standard error of that, (..., B) each.

    Args:
        sums: (5, ..., B) as `mean_gaps` takes them.
    """
    mass, gaps, squares, square_gaps, square_squares = sums
    share = mass / mass.sum(dim=-1, keepdim=True)
    mean = gaps / mass.where(mass > 0, 1.0)
    spread = square_squares - 2 * mean * square_gaps + mean**2 * squares
    rows = mass**2 / squares.where(squares > 0, 1.0)  # effective (Kish 1965)
    variance = spread.clamp(min=0) / mass.where(mass > 0, 1.0) ** 2
    return share, mean, (variance * rows / (rows - 1).clamp(min=1)).sqrt()


def debiased_gaps(mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return (...,) absolute gaps less what chance adds, of standard errors (...,)."""
    return 2 * mean.abs() - _folded_mean(mean, scale)


def _folded_mean(mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return E|N(mean, scale)|, (...,)."""
    z = mean / scale.where(scale > 0, torch.inf)
    bell = (-(z**2) / 2).exp() * (2 / torch.pi) ** 0.5
    folded: torch.Tensor = scale * bell + mean * torch.special.erf(z / 2**0.5)
    return folded.where(scale > 0, mean.abs())


def _known_mean(
    losses: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    # by the targets: a probability that is NaN is a fault to be seen, not a missing cell
    known = ~targets.isnan()
    if weights is not None:
        mass = as_columns(weights.double()) * known
        return (losses.where(mass > 0, 0.0) * mass).sum(dim=0) / mass.sum(dim=0)
    return losses.where(known, 0.0).sum(dim=0) / known.sum(dim=0)
