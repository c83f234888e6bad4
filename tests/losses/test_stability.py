"""The forms written by hand fail where this says, and ours does not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from imbalance_cli.errors import WeightsError
from imbalance_cli.losses.stability import (
    DTYPES,
    FARTHEST,
    STARTS,
    STEPS,
    Stability,
    Sweep,
    TrialTraining,
    make_forms,
    measure,
    sweep,
    train,
)

ALPHA, GAMMA = 4.0, 2.0
FORMS = make_forms(ALPHA, GAMMA)
NAIVE = ["hand-written", "hand-written focal"]
FLAT = ["clamped", "sigmoid + BCELoss"]
OURS = ["ours", "ours, focal"]


@pytest.fixture(scope="module")
def stability() -> Stability:
    """Run both experiments once."""
    torch.set_num_threads(1)
    return measure(ALPHA, GAMMA)


def find(stability: Stability, form: str, dtype: str, target: int) -> Sweep:
    """Return the one sweep of a form, type and target."""
    wanted = (form, dtype, target)
    [found] = [s for s in stability.sweep if (s.form, s.dtype, s.target) == wanted]
    return found


def find_training(stability: Stability, form: str, start: str) -> TrialTraining:
    """Return the one training of a form from a start."""
    [found] = [t for t in stability.training if (t.form, t.start) == (form, start)]
    return found


def at(series: Sweep, logit: float) -> tuple[float, float]:
    """Return the loss and the gradient at a logit."""
    place = series.logits.index(logit)
    return series.losses[place], series.gradients[place]


def test_every_form_type_and_target_is_swept_over_every_logit(stability: Stability) -> None:
    combinations = {(s.form, s.dtype, s.target) for s in stability.sweep}
    assert combinations == {(f, d, y) for f in FORMS for d in DTYPES for y in (0, 1)}
    for series in stability.sweep:
        assert series.logits == list(range(-FARTHEST, FARTHEST + 1))
        assert len(series.losses) == len(series.gradients) == len(series.logits)


@pytest.mark.parametrize("form", NAIVE)
@pytest.mark.parametrize(("dtype", "first"), [("float32", 17), ("bfloat16", 7)])
def test_hand_written_is_not_finite(
    stability: Stability, form: str, dtype: str, first: int
) -> None:
    """On the wrong side log(0) is inf; on the right side 0 * log(0) is nan."""
    for target in (0, 1):
        series = find(stability, form, dtype, target)
        assert series.first_not_finite_loss == first
        assert series.first_not_finite_gradient == first
        assert series.zero_gradient == []
        assert math.isfinite(at(series, first - 1)[0])
    loss, gradient = at(find(stability, form, dtype, 0), 40)
    assert loss == math.inf
    assert math.isnan(gradient)
    assert all(map(math.isnan, at(find(stability, form, dtype, 1), 40)))


@pytest.mark.parametrize(
    ("form", "dtype", "when_0", "when_1"),
    [
        ("clamped", "float32", [17, 200], [-200, -16]),
        ("clamped", "bfloat16", [6, 200], [-200, -5]),
        ("sigmoid + BCELoss", "float32", [17, 200], [-200, -89]),
        ("sigmoid + BCELoss", "bfloat16", [7, 200], [-200, -89]),
    ],
)
def test_repairs_stay_finite_and_stop_learning(
    stability: Stability, form: str, dtype: str, when_0: list[float], when_1: list[float]
) -> None:
    for target, interval in ((0, when_0), (1, when_1)):
        series = find(stability, form, dtype, target)
        assert series.first_not_finite_loss is None
        assert series.first_not_finite_gradient is None
        assert series.zero_gradient == [interval]


def test_bceloss_is_100_at_saturation_and_its_gradient_fades_first(stability: Stability) -> None:
    """It keeps the logarithm above -100, and p (1 - p) in its slope above 1e-12."""
    negative = find(stability, "sigmoid + BCELoss", "float32", 0)
    assert {at(negative, z) for z in range(17, 201)} == {(100.0, 0.0)}
    assert negative.largest_relative_error == pytest.approx((100 - 17) / 17)
    positive = find(stability, "sigmoid + BCELoss", "float32", 1)
    assert at(positive, -200) == (ALPHA * 100, 0)
    assert positive.first_weak_gradient == 29
    assert at(positive, -60)[1] == pytest.approx(-ALPHA * math.exp(-60) / 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", OURS)
def test_ours_is_finite_and_learns_everywhere(stability: Stability, form: str, dtype: str) -> None:
    for target, weight in ((0, 1.0), (1, ALPHA)):
        series = find(stability, form, dtype, target)
        assert series.first_not_finite_loss is None
        assert series.first_not_finite_gradient is None
        assert series.first_weak_gradient is None
        assert series.zero_gradient == []
        assert series.largest_relative_error is not None
        assert series.largest_relative_error < 1e-6
        sign = -1 if target else 1
        assert at(series, sign * 200) == (weight * 200, sign * weight)


def test_the_truth_is_compared_with_in_float64() -> None:
    """A form that doubles the loss is wrong by 1 at every logit, and its gradient is not weak."""

    def doubled(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return 2 * FORMS["ours"](z, y)

    def tripled(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return 3 * FORMS["ours"](z, y)

    series = sweep("doubled", doubled, "float32", 1, truth=FORMS["ours"])
    assert series.largest_relative_error == pytest.approx(1)
    assert series.first_weak_gradient is None
    series = sweep("ours", FORMS["ours"], "float32", 1, truth=tripled)
    assert series.first_weak_gradient == 1


def test_intervals_of_zero_gradient_may_be_several() -> None:
    def gated(z: torch.Tensor, _y: torch.Tensor) -> torch.Tensor:
        live = ((z < 3) | (z > 5)) & (z < 100)
        return torch.where(live, z, 0.0)

    series = sweep("gated", gated, "float32", 0, truth=FORMS["ours"])
    assert series.zero_gradient == [[3, 5], [100, 200]]


def test_a_loss_that_is_finite_nowhere_has_no_error() -> None:
    def broken(z: torch.Tensor, _y: torch.Tensor) -> torch.Tensor:
        return z * math.nan

    series = sweep("broken", broken, "float32", 0, truth=FORMS["ours"])
    assert series.first_not_finite_loss == 0
    assert series.largest_relative_error is None


def test_from_a_saturated_start_only_ours_goes_on(stability: Stability) -> None:
    for form in NAIVE:
        training = find_training(stability, form, "saturated")
        assert training.first_nan_step == 0
        assert training.loss_after is training.average_precision is None
    for form in FLAT:
        training = find_training(stability, form, "saturated")
        assert training.first_nan_step is None
        assert training.zero_gradient_share == 1
        assert training.loss_after == training.loss_before
    flat_precision = find_training(stability, "clamped", "saturated").average_precision
    assert flat_precision is not None
    for form in OURS:
        training = find_training(stability, form, "saturated")
        assert training.first_nan_step is None
        assert training.zero_gradient_share == 0
        assert training.loss_before > 40
        assert training.loss_after is not None
        assert training.loss_after < 0.2
        assert training.average_precision is not None
        assert training.average_precision > flat_precision + 0.3


def test_from_an_ordinary_start_hand_written_still_ends_in_nan(stability: Stability) -> None:
    training = find_training(stability, "hand-written", "ordinary")
    assert training.first_nan_step is not None
    assert 0 < training.first_nan_step < STEPS
    for form in (*FLAT, "ours"):
        other = find_training(stability, form, "ordinary")
        assert other.first_nan_step is None
        assert other.loss_after is not None
        assert other.loss_after < 0.01


def test_all_forms_start_alike(stability: Stability) -> None:
    for start in STARTS:
        assert len({t.loss_before for t in stability.training if t.start == start}) == 1


def test_the_seed_decides() -> None:
    first, again, other = (
        train("ours", FORMS["ours"], "saturated", alpha=ALPHA, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.losses != other.losses


def test_torch_s_own_random_numbers_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    train("hand-written", FORMS["hand-written"], "saturated", alpha=ALPHA, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_alpha_out_of_range(alpha: float) -> None:
    with pytest.raises(WeightsError, match="alpha must be above 0"):
        measure(alpha=alpha)


@pytest.mark.parametrize("gamma", [-0.1, math.nan, math.inf])
def test_gamma_out_of_range(gamma: float) -> None:
    with pytest.raises(WeightsError, match="gamma must be from 0"):
        measure(gamma=gamma)


def test_documents_hold_no_nan_and_no_curve(stability: Stability) -> None:
    document: dict[str, Any] = json.loads(json.dumps(stability.to_dict(), allow_nan=False))
    assert list(document) == ["alpha", "gamma", "seed", "logits", "sweep", "training"]
    assert document["logits"] == [-200, 200]
    assert list(document["sweep"][0]) == [
        "form",
        "dtype",
        "target",
        "first_not_finite_loss",
        "first_not_finite_gradient",
        "first_weak_gradient",
        "zero_gradient",
        "largest_relative_error",
    ]
    assert list(document["training"][0]) == [
        "form",
        "start",
        "loss_before",
        "loss_after",
        "first_nan_step",
        "zero_gradient_share",
        "average_precision",
    ]
