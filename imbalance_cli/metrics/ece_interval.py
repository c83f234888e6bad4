"""Intervals of the calibration error, by inverting tests of it.

Shapes: R replicates, B bins, C places on a path.

The gaps of the bins are means of residuals, and so close to normal around the true ones, but the
calibration error is a sum of their absolute values: near 0, where a good model is, it can lie only
above the truth, and neither percentiles nor a standard error cover it. So an error e is in the
interval where the one that was found is no further from e than 95 % of those that rows of such an
error would give: a test of each e, inverted (Neyman 1937). How far these lie is resampled under e
(hybrid resampling, Chuang & Lai 2000): the replicates' gaps, less those of the data, are added to
gaps whose error is e. These are the likeliest of all: with normal gaps, those seen moved toward 0,
or away from it, by a multiple of their share times their variance. That variance is of the
frequency of positives that goes with such gaps, so that a bin without a positive, whose replicates
are all alike, varies too. At 0 this is a test of calibration, and far from 0 the usual interval.
"""

from __future__ import annotations

import dataclasses
import math

import torch

from imbalance_cli.metrics.probabilities import debiased_gaps, scale_gaps

STEPS = (-math.inf, -6, -4.5, -3.5, -2.75, -2, -1.25, -0.5, 0.25, 1, 1.75, 2.5, 3.25, 4, 5, 6.5, 8)
"""How far along the path the tests are, in standard errors; at minus infinity all gaps are 0."""
LEAST_VARIANCE = 1e-3  # of a bin, in shares of the largest


@dataclasses.dataclass(frozen=True)
class EceTests:
    """What errors were tested, and what replicates give under each.

    Attributes:
        value: () that was found.
        errors: (C,) rising from 0.
        draws: (C, R) what is found where they are the truth.
    """

    value: torch.Tensor
    errors: torch.Tensor
    draws: torch.Tensor

    @classmethod
    def of(
        cls,
        found: torch.Tensor,
        drawn: torch.Tensor,
        positives: torch.Tensor,
        widening: float,
    ) -> EceTests:
        """Resample along the path.

        Args:
            found: (5, B) sums of the bins, as `mean_gaps` takes them.
            drawn: (5, R, B) of the replicates.
            positives: (B,) weight of the positives in the bins.
            widening: by which the gaps of replicates vary more than they do, for a small sample.
        """
        share, gap, scale = scale_gaps(found)
        shares, gaps, scales = scale_gaps(drawn)
        shares = shares.nan_to_num(0.0)  # of a replicate without any row
        apart = (gaps - gap) * widening
        variance = apart.square().mean(dim=0)
        true = _walk(share, gap, variance)
        frequency = positives / found[0].where(found[0] > 0, 1.0)
        under = _vary(found, frequency, variance, scale, gap - true)
        spread = variance.sqrt()
        spread = spread.where(spread > 0, 1.0)
        is_empty = variance <= LEAST_VARIANCE * under.amax(dim=0)
        pattern = torch.where(is_empty, _borrow(apart, variance), apart / spread)
        own = torch.where(is_empty, 1.0, scales * widening / spread)
        reach = under.sqrt()[:, None]
        seen = debiased_gaps(true[:, None] + pattern * reach, own * reach)
        return cls(
            (share * debiased_gaps(gap, scale)).sum().clamp(min=0),
            (share * true.abs()).sum(dim=1),
            (shares * seen).sum(dim=2).clamp(min=0),
        )

    def scaled(self, weight: float) -> EceTests:
        """Return the same times a weight."""
        return EceTests(weight * self.value, weight * self.errors, weight * self.draws)

    def plus(self, other: EceTests) -> EceTests:
        """Return the sum of two, of the same draws."""
        return EceTests(
            self.value + other.value, self.errors + other.errors, self.draws + other.draws
        )

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return low and high."""
        replicates = self.draws.shape[1]
        # of R draws the j-th is below a further one with chance j / (R + 1)
        level = ((replicates + 1) * confidence - 1) / max(replicates - 1, 1)
        distances = (self.draws - self.errors[:, None]).abs()
        off = distances.quantile(min(max(level, 0.0), 1.0), dim=1)
        errors, value = self.errors.tolist(), float(self.value)
        too_low = (self.value - self.errors - off).tolist()  # above 0 where a test rejects
        too_high = (self.errors - self.value - off).tolist()
        first = next(place for place, amount in enumerate(too_low) if amount <= 0)
        last = max(place for place, amount in enumerate(too_high) if amount <= 0)
        low = _cross(errors, too_low, first - 1) if first else 0.0
        high = _cross(errors, too_high, last) if last + 1 < len(errors) else errors[last]
        return min(low, value), max(min(high, 1.0), value)


def _walk(share: torch.Tensor, gap: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """Return gaps along the path, (C, B)."""
    pull = share * variance.clamp(min=LEAST_VARIANCE * float(variance.max()))
    pull = pull / (share * pull).sum().sqrt().clamp(min=torch.finfo(pull.dtype).tiny)
    steps = pull.new_tensor(STEPS)[:, None]
    size: torch.Tensor = torch.where(steps.isinf(), 0.0, (gap.abs() + steps * pull).clamp(min=0))
    return torch.where(gap < 0, -size, size)


def _borrow(apart: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """Return a pattern of unit variance, (R, B), for bins without a positive to vary by.

    It is that of the bin that varies most, of another replicate for each bin.
    """
    fullest = variance.argmax()
    pattern = apart[:, fullest] / variance[fullest].sqrt().clamp(min=torch.finfo(apart.dtype).tiny)
    return torch.stack([pattern.roll(place + 1) for place in range(len(variance))], dim=1)


def _vary(
    found: torch.Tensor,
    frequency: torch.Tensor,
    variance: torch.Tensor,
    scale: torch.Tensor,
    more: torch.Tensor,
) -> torch.Tensor:
    """Return the variance of gaps, (C, B), where the frequency of positives is more by (C, B).

    That of a binomial share, of as many rows as count in effect (Kish 1965).
    """
    mass, _, squares, *_ = found
    rows = mass**2 / squares.where(squares > 0, 1.0)
    share = mass**2
    of_rows = (share * scale**2).sum()
    together = (share * variance).sum() / of_rows.where(of_rows > 0, torch.inf)  # groups: above 1
    there = (frequency + more).clamp(min=0, max=1)
    change = there * (1 - there) - frequency * (1 - frequency)
    under: torch.Tensor = variance + together * change / rows.clamp(min=1)
    return under.clamp(min=0)


def _cross(errors: list[float], excess: list[float], place: int) -> float:
    """Return where the line through two neighbours is 0."""
    before, after = excess[place], excess[place + 1]
    share = before / (before - after)
    return errors[place] + share * (errors[place + 1] - errors[place])
