"""Drawing rows: how often each comes, and what that does to the odds that a net learns."""

from __future__ import annotations

import math

import pytest
import torch

from imbalance_cli.losses.family import Loss, compute_loss
from imbalance_cli.losses.link import inverse_link
from imbalance_cli.machine.device import generator
from imbalance_cli.network.sampling import LARGEST_RATE, balanced_rates, draw_rows, prior_shift

CPU = torch.device("cpu")
NAN = math.nan


def one_label(positives: int, negatives: int, missing: int = 0) -> torch.Tensor:
    """Return the targets of one label, (N, 1)."""
    cells = [1.0] * positives + [0.0] * negatives + [NAN] * missing
    return torch.tensor(cells)[:, None]


# ------------------------------------------------------------------------------------- the rates


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (1, 3), (10, 490), (3, 148)])
def test_both_classes_of_one_label_come_alike_often(positives: int, negatives: int) -> None:
    rates = balanced_rates(one_label(positives, negatives, missing=5))
    assert rates[:positives].sum() == pytest.approx(negatives)
    assert rates[positives:].tolist() == [1.0] * (negatives + 5)
    assert rates.dtype == torch.float64


def test_no_row_comes_more_often_than_the_bound() -> None:
    assert LARGEST_RATE == 50
    assert balanced_rates(one_label(1, 50)).tolist() == [50.0] + [1.0] * 50
    assert balanced_rates(one_label(1, 999)).tolist() == [50.0] + [1.0] * 999


@pytest.mark.parametrize("targets", [one_label(5, 0), one_label(0, 5), one_label(0, 0, 5)])
def test_without_both_classes_all_rows_come_alike(targets: torch.Tensor) -> None:
    assert balanced_rates(targets).tolist() == [1.0] * 5


def test_common_positives_come_as_often_as_negatives() -> None:
    """Only what is rare is drawn more often."""
    assert balanced_rates(one_label(8, 2)).tolist() == [1.0] * 10


def test_a_row_comes_as_often_as_its_rarest_positive() -> None:
    targets = torch.zeros(24, 3)
    targets[:8, 0] = 1  # 16 / 8 = 2
    targets[6:9, 1] = 1  # 21 / 3 = 7
    targets[8, 2] = 1  # 23 / 1, of which some are missing
    targets[20:, 2] = NAN
    wanted = [2.0] * 6 + [7.0] * 2 + [19.0] + [1.0] * 15
    assert balanced_rates(targets).tolist() == wanted


def test_missing_targets_count_for_neither_class() -> None:
    targets = torch.tensor([[1, NAN], [0, 1], [0, NAN], [NAN, 0], [NAN, NAN], [0, 0], [NAN, 0]])
    assert balanced_rates(targets).tolist() == [3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0]


# ------------------------------------------------------------------------------------- the shift


def reference_shift(targets: torch.Tensor, weights: torch.Tensor) -> list[float]:
    """Return the mean weight of the positives over that of the negatives, cell by cell."""
    shifts = []
    for label in range(targets.shape[1]):
        column = targets[:, label].tolist()
        sums: dict[float, list[float]] = {0.0: [], 1.0: []}
        for row, target in enumerate(column):
            if not math.isnan(target):
                sums[target].append(weights[row, label if weights.shape[1] > 1 else 0].item())
        means = [sum(part) / len(part) if part else NAN for part in (sums[1.0], sums[0.0])]
        shift = means[0] / means[1]
        shifts.append(1.0 if math.isnan(shift) else shift)
    return shifts


@pytest.mark.parametrize("columns", [1, 4])
def test_shift_is_the_ratio_of_the_mean_weights(columns: int) -> None:
    random = generator(CPU, 0)
    targets = (torch.rand(60, 4, generator=random) < torch.tensor([0.1, 0.5, 0.0, 1.0])).float()
    targets[torch.rand(60, 4, generator=random) < 0.2] = NAN
    weights = torch.rand(60, columns, generator=random, dtype=torch.float64) + 0.5
    shift = prior_shift(targets, weights)
    assert shift.dtype == torch.float32  # as every parameter of a loss
    torch.testing.assert_close(shift, torch.tensor(reference_shift(targets, weights)))
    assert shift[2:].tolist() == [1.0, 1.0]  # where a class is not there


@pytest.mark.parametrize("weight", [1.0, 0.25, 7.0])
@pytest.mark.parametrize("columns", [1, 3])
def test_shift_of_equal_weights_is_one(weight: float, columns: int) -> None:
    targets = torch.tensor([[0, 1, NAN], [1, 0, NAN], [0, 1, NAN], [NAN, 1, NAN]])
    assert prior_shift(targets, torch.full((4, columns), weight)).tolist() == [1.0, 1.0, 1.0]


def test_shift_of_balanced_rows_is_the_ratio_of_the_classes() -> None:
    targets = one_label(10, 90, missing=7)
    assert prior_shift(targets, balanced_rates(targets)[:, None]).tolist() == [9.0]
    rare = one_label(1, 200)
    assert prior_shift(rare, balanced_rates(rare)[:, None]).tolist() == [50.0]


def test_shift_makes_probabilities_of_balanced_draws_exact() -> None:
    """A logistic regression on drawn rows finds the odds the data were made with.

    Of eta = sigmoid(x - 4), one row in 27 is a positive; without the shift every probability is
    far too high.
    """
    random = generator(CPU, 1)
    x = torch.randn(60_000, 1, generator=random, dtype=torch.float64)
    eta = torch.sigmoid(x - 4)
    targets = (torch.rand(eta.shape, generator=random) < eta).float()
    rates = balanced_rates(targets)
    drawn = draw_rows(rates, random)
    assert targets[drawn].mean().item() == pytest.approx(0.5, abs=0.01)

    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = compute_loss(line[0] + line[1] * x[drawn], targets[drawn], Loss())
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    logits = (line[0] + line[1] * x).detach()
    shifted = inverse_link(logits, Loss(prior_shift=prior_shift(targets, rates[:, None])))
    assert shifted.mean() == pytest.approx(targets.mean().item(), rel=0.03)
    torch.testing.assert_close(torch.logit(shifted), torch.logit(eta), rtol=0, atol=0.25)
    plain = inverse_link(logits, Loss())
    assert plain.mean() > 10 * targets.mean()


# ------------------------------------------------------------------------------------- the draws


@pytest.mark.parametrize("rows", [7, 37, 1000])
def test_rows_are_drawn_as_often_as_they_should(rows: int) -> None:
    """Pearson's chi-square of the counts stays within five deviations of its mean."""
    random = generator(CPU, 3)
    rates = 1 + 49 * torch.rand(rows, generator=random, dtype=torch.float64) ** 3
    draws = 60_000 // rows
    counts = torch.zeros(rows, dtype=torch.float64)
    for _ in range(draws):
        drawn = draw_rows(rates, random)
        assert len(drawn) == rows
        counts += drawn.bincount(minlength=rows)
    wanted = rates / rates.sum() * draws * rows
    chi_square = ((counts - wanted) ** 2 / wanted).sum().item()
    freedom = rows - 1
    assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom)


def test_draws_are_seeded() -> None:
    rates = balanced_rates(one_label(20, 300))
    state = torch.get_rng_state()
    first, again, other = (draw_rows(rates, generator(CPU, seed)) for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())
    assert first.dtype == torch.int64
    random = generator(CPU, 4)
    assert torch.equal(draw_rows(rates, random), first)
    assert not torch.equal(draw_rows(rates, random), first)  # the next epoch has other rows


def test_rows_of_rate_zero_never_come() -> None:
    """At the ends and in between, also where a point falls on their edge."""
    rates = torch.tensor([0.0, 0.0, 1.0, 0.0, 2.0, 1.0, 0.0], dtype=torch.float64)
    random = generator(CPU, 0)
    drawn = torch.cat([draw_rows(rates, random) for _ in range(500)])
    assert set(drawn.tolist()) == {2, 4, 5}


@pytest.mark.parametrize(
    ("point", "row"),
    [(0.0, 1), (0.25, 3), (0.5, 3), (0.75, 4), (1 - 2**-53, 4), (1.0, 4)],
)
def test_points_on_the_edges(monkeypatch: pytest.MonkeyPatch, point: float, row: int) -> None:
    """A row's share begins at its lower edge; a point rounded up to the top is the last row's."""
    rates = torch.tensor([0.0, 1.0, 0.0, 2.0, 1.0], dtype=torch.float64)
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), point, dtype=torch.float64))
    assert draw_rows(rates, generator(CPU, 0)).tolist() == [row] * 5


def test_one_row() -> None:
    assert draw_rows(torch.tensor([3.0], dtype=torch.float64), generator(CPU, 0)).tolist() == [0]


# ---------------------------------------------------------------------------------- sample weights


def draw_cells(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return targets (N, L), some of them missing, and whole weights (N,)."""
    random = generator(CPU, seed)
    targets = (torch.rand(200, 3, generator=random) < torch.tensor([0.05, 0.3, 0.6])).float()
    targets[torch.rand(200, 3, generator=random) < 0.1] = NAN
    return targets, torch.randint(4, (200,), generator=random).float()


def test_each_label_has_the_rates_of_its_own_weights() -> None:
    targets, _ = draw_cells(0)
    weights = torch.rand(200, 3, generator=generator(CPU, 1)) + 0.1
    shift = prior_shift(targets, torch.ones(1, 1), weights)
    torch.testing.assert_close(shift, torch.ones(3))
    of_labels = [balanced_rates(targets[:, [i]], weights[:, i]) for i in range(3)]
    torch.testing.assert_close(balanced_rates(targets, weights), torch.stack(of_labels).amax(dim=0))
    weights[5], weights[6, 1:] = 0, 0
    rates = balanced_rates(targets, weights)
    assert rates[5] == 0
    assert rates[6] > 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1.0, 1e-4, 300.0])
def test_rates_of_whole_weights_are_those_of_repeated_rows(seed: int, scale: float) -> None:
    targets, weights = draw_cells(seed)
    times = weights.long()
    rates = balanced_rates(targets, scale * weights)
    wanted = balanced_rates(targets.repeat_interleave(times, dim=0))
    torch.testing.assert_close(rates.repeat_interleave(times), wanted, rtol=1e-6, atol=0)
    assert not rates[times == 0].any()


def test_both_classes_of_one_label_weigh_alike() -> None:
    targets = one_label(10, 90, missing=5)
    weights = torch.rand(105, generator=generator(CPU, 0)) + 0.1
    drawn = balanced_rates(targets, weights) * weights
    assert drawn[:10].sum().item() == pytest.approx(drawn[10:100].sum().item())


@pytest.mark.parametrize("targets", [one_label(5, 0), one_label(0, 5), one_label(0, 0, 5)])
def test_weighted_rows_of_one_class_come_alike(targets: torch.Tensor) -> None:
    weights = torch.tensor([0.1, 1, 0, 2, 3])
    assert balanced_rates(targets, weights).tolist() == [1.0, 1.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1.0, 1e-4, 300.0])
def test_shift_of_whole_weights_is_that_of_repeated_rows(seed: int, scale: float) -> None:
    targets, weights = draw_cells(seed)
    cells = torch.rand(200, 3, generator=generator(CPU, seed), dtype=torch.float64) + 0.5
    repeated = (tensor.repeat_interleave(weights.long(), dim=0) for tensor in (targets, cells))
    ours = prior_shift(targets, cells, scale * weights)
    torch.testing.assert_close(ours, prior_shift(*repeated))


def test_sample_weights_alone_shift_nothing() -> None:
    targets, weights = draw_cells(0)
    assert prior_shift(targets, torch.ones(200, 1), weights).tolist() == [1.0, 1.0, 1.0]
