"""What tuning bought, against scikit-learn and the evaluation itself."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import f1_score

from imbalance_cli.decisions.untuned import Untuned, measure_untuned
from imbalance_cli.metrics import expected_calibration_error


def draw_rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    p, scores, w = (torch.rand(200, 2, generator=random, dtype=torch.float64) for _ in range(3))
    y = (torch.rand(200, 2, generator=random) < 0.3).double()
    y[::7, 1] = math.nan
    return p, scores, y, w[:, 0].where(w[:, 0] > 0.1, 0.0)


@pytest.mark.parametrize("by_weight", [False, True])
def test_numbers_without_tuning(*, by_weight: bool) -> None:
    p, scores, y, w = draw_rows()
    weights = w if by_weight else None
    measured = measure_untuned(p, scores, y, weights)
    errors = expected_calibration_error(scores, y, weights=weights, debias=True)
    for i, numbers in enumerate(measured):
        known = ~y[:, i].isnan()
        cells = y[known, i].numpy(), (p[known, i] >= 0.5).numpy()
        expected = f1_score(*cells, sample_weight=w[known].numpy() if by_weight else None)
        assert numbers.f1_at_half == pytest.approx(expected, abs=1e-9)
        assert numbers.score_ece == pytest.approx(float(errors[i]), abs=1e-12)


def test_what_is_not_known_is_none() -> None:
    p, _, y, _ = draw_rows()
    y[:, 0] = 0.0
    first, second = measure_untuned(p, None, y)
    assert first == Untuned()
    assert second.score_ece is None
    assert second.f1_at_half is not None
    assert measure_untuned(p, p, torch.full_like(y, math.nan)) == [Untuned(), Untuned()]
