"""The loop: repeatable, keeps the best epoch, stops in time, and says when it diverged.

Of several members each learns what it would learn alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.metrics import log_loss as sklearn_log_loss
from small_runs import PLAIN, TABULAR

from imbalance_cli.config import MONITORS
from imbalance_cli.errors import TrainingError
from imbalance_cli.losses.family import (
    Loss,
    asymmetric,
    compute_loss,
    focal,
    stack_losses,
    weighted_bce,
)
from imbalance_cli.losses.link import inverse_link
from imbalance_cli.network.epochs import EpochResult, MemberResult
from imbalance_cli.network.model import MultilayerPerceptron, Shape, build_model, score_rows
from imbalance_cli.network.monitors import LOWER_IS_BETTER, mean_score, score_labels
from imbalance_cli.network.monitors import MONITORS as METRICS
from imbalance_cli.network.optimization import SCHEDULES, Optimizer
from imbalance_cli.network.sampling import balanced_rates
from imbalance_cli.network.steps import Steps
from imbalance_cli.network.training import Group, Member, Training, _select_once, _stack_rows
from imbalance_cli.rows.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.network.recipes import Recipe

CPU = torch.device("cpu")
SHAPE = Shape(numeric=6, cardinalities=[4], labels=2, hidden=[16], dropout=0.2)
HEADED = dataclasses.replace(
    SHAPE, continuous=6, frequencies=[0.1, 0.5, 1.0], heads=3, is_scaled=True
)
SMOOTH, SMOOTH_HEADED = (
    dataclasses.replace(shape, activation="gelu", dropout=0.0) for shape in (SHAPE, HEADED)
)
LOSS = weighted_bce(torch.tensor([4.0, 9.0]))
STACKED = stack_losses([LOSS], 2)
FAST, FAST_HEADED = (
    dataclasses.replace(recipe, epochs=4, batch_size=64, learning_rate=rate)
    for recipe, rate in ((PLAIN, 0.01), (TABULAR, 0.04))
)
KINDS = pytest.mark.parametrize(
    ("shape", "recipe"), [(SHAPE, FAST), (HEADED, FAST_HEADED)], ids=["plain", "heads"]
)


def validation_score(
    logits: torch.Tensor,
    targets: torch.Tensor,
    loss: Loss,
    monitor: str,
    weights: torch.Tensor | None = None,
) -> float:
    """Return the monitored metric, macro over the labels."""
    return mean_score(score_labels(logits, targets, loss, monitor, weights), monitor)


def make_rows(rows: int, seed: int = 0) -> Dataset:
    """Return rows whose labels depend on the first numbers and the code; some are missing."""
    random = torch.Generator().manual_seed(seed)
    numeric = torch.randn(rows, 6, generator=random)
    codes = torch.randint(4, (rows, 1), generator=random)
    noise = torch.randn(rows, 2, generator=random)
    targets = (numeric[:, :2] + codes + noise > torch.tensor([3.0, 4.0])).float()
    targets[torch.rand(rows, 2, generator=random) < 0.1] = math.nan
    return Dataset(numeric, codes, targets)


ROWS = make_rows(800)
LEARNED, HELD_OUT = torch.arange(500), torch.arange(500, 800)
TRAIN, VALID = ROWS.take(LEARNED), ROWS.take(HELD_OUT)


def make_member(
    train: torch.Tensor = LEARNED,
    valid: torch.Tensor = HELD_OUT,
    loss: Loss = LOSS,
    *,
    seed: int = 0,
    rates: torch.Tensor | None = None,
    name: str = "",
) -> Member:
    return Member(train, valid, loss, seed, rates, name)


def run(
    recipe: Recipe,
    rows: Dataset = ROWS,
    members: Sequence[Member] | None = None,
    *,
    shape: Shape = SHAPE,
    together: bool | None = None,
    between: Callable[[], object] = lambda: None,
) -> tuple[MultilayerPerceptron, list[EpochResult]]:
    """Train, calling `between` after each epoch as a consumer might."""
    members = members or [make_member()]
    model = build_model(shape, [member.seed for member in members])
    results = []
    for result in Training(model, rows, members, recipe, together=together):
        results.append(result)
        between()
    return model, results


def same_weights(a: MultilayerPerceptron, b: MultilayerPerceptron) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def replace_targets(rows: Dataset, numbers: torch.Tensor, targets: float) -> Dataset:
    """Return the rows with other targets where the numbers say."""
    changed = rows.targets.clone()
    changed[numbers] = targets
    return dataclasses.replace(rows, targets=changed)


# ------------------------------------------------------------------------------------- one member


@KINDS
def test_same_seed_same_weights_to_the_bit(shape: Shape, recipe: Recipe) -> None:
    first, results = run(recipe, shape=shape)
    again, same = run(recipe, shape=shape)
    other, _ = run(recipe, members=[make_member(seed=1)], shape=shape)
    assert [result.members for result in results] == [result.members for result in same]
    assert same_weights(first, again)
    assert not same_weights(first, other)


@pytest.mark.parametrize("together", [False, True])
def test_consumers_draw_random_numbers_as_they_like(*, together: bool) -> None:
    """They do not change the training, and it does not change theirs."""
    members = [make_member(seed=0), make_member(seed=1)]
    quiet, _ = run(FAST, members=members, together=together)
    torch.manual_seed(5)
    wanted = [torch.rand(1) for _ in range(4)]
    torch.manual_seed(5)
    drawn: list[torch.Tensor] = []
    busy, _ = run(
        FAST, members=members, together=together, between=lambda: drawn.append(torch.rand(1))
    )
    assert same_weights(quiet, busy)
    assert drawn == wanted


@KINDS
def test_learns(shape: Shape, recipe: Recipe) -> None:
    model, results = run(
        dataclasses.replace(recipe, epochs=15, monitor="average_precision"), shape=shape
    )
    assert results[-1].loss < results[0].loss
    assert results[-1].best_score > 0.5
    assert results[0].rows_per_second > 0
    assert [result.epoch for result in results] == list(range(1, 16))
    assert not model.training


def test_reaches_the_minimum_that_sklearn_finds() -> None:
    """Without hidden layers it is a weighted logistic regression."""
    rows = make_rows(400, seed=2)
    rows = Dataset(rows.numeric, rows.codes[:, :0], (rows.numeric[:, :1] > 1).float())
    rows.targets[::10] = 1 - rows.targets[::10]
    settings = dataclasses.replace(
        PLAIN,
        epochs=150,
        batch_size=400,
        learning_rate=0.05,
        weight_decay=0.0,
        monitor="log_loss",
        patience=None,
    )
    model = build_model(Shape(6, [], 1, []), [0])
    weight = torch.tensor([3.0])
    loss = weighted_bce(weight)
    everything = torch.arange(400)
    for _ in Training(model, rows, [make_member(everything, everything, loss)], settings):
        pass
    y = rows.targets[:, 0].numpy()
    optimizer = Optimizer(model, settings, 1)
    stacked = stack_losses([loss], 1)
    batches = iter([rows])
    ours = Steps(model, stacked, optimizer, precision="float32").epoch(batches)
    theirs = LogisticRegression(C=math.inf, class_weight={0: 1.0, 1: 3.0}).fit(rows.numeric, y)
    z = torch.from_numpy(theirs.decision_function(rows.numeric))[:, None]
    best = torch.nn.functional.binary_cross_entropy_with_logits(
        z, rows.targets.double(), pos_weight=weight
    )
    assert ours.item() == pytest.approx(best.item(), rel=0.02)


def test_keeps_the_best_epoch() -> None:
    """At the end the model scores what the best epoch scored; of equal ones the last is best."""
    model, results = run(dataclasses.replace(FAST, epochs=8, learning_rate=0.3))
    best = max(results, key=lambda result: (result.score, result.epoch))
    assert results[-1].members[0].best_epoch == best.epoch != results[-1].epoch
    logits = score_rows(model, VALID, "float32")
    assert validation_score(logits, VALID.targets, LOSS, FAST.monitor) == best.score
    assert [r.epoch for r in results if r.members[0].best_epoch == r.epoch][-1] == best.epoch


@pytest.mark.parametrize("monitor", LOWER_IS_BETTER)
def test_lower_is_better_for_losses(monitor: str) -> None:
    _, results = run(dataclasses.replace(FAST, epochs=6, monitor=monitor))
    assert results[-1].best_score == min(result.score for result in results)


@pytest.mark.parametrize("monitor", LOWER_IS_BETTER)
def test_losses_are_of_the_probabilities_that_scores_stand_for(monitor: str) -> None:
    """As a proper score they are least for the loss that the scores were learned with."""
    model, _ = run(dataclasses.replace(FAST, epochs=15))
    logits = score_rows(model, VALID, "float32")
    own = validation_score(logits, VALID.targets, LOSS, monitor)
    assert LOSS.pos_weight is not None
    odds = logits - LOSS.pos_weight.log()
    assert own == pytest.approx(validation_score(odds, VALID.targets, Loss(), monitor), rel=1e-6)
    assert own < validation_score(logits, VALID.targets, Loss(), monitor)


@pytest.mark.parametrize("monitor", ["average_precision", "roc_auc"])
def test_rankings_do_not_depend_on_the_loss(monitor: str) -> None:
    logits = score_rows(build_model(SHAPE, [0]), VALID, "float32")
    own = validation_score(logits, VALID.targets, LOSS, monitor)
    assert own == validation_score(logits, VALID.targets, Loss(), monitor)


def test_dropout_is_of_the_seed() -> None:
    """Of one batch, whose order says little, and of the same first weights."""
    settings = dataclasses.replace(FAST, batch_size=500, epochs=1)
    shape = dataclasses.replace(SHAPE, dropout=0.5)

    def first_loss(seed: int) -> float:
        model = build_model(shape, [0])
        (result,) = Training(model, ROWS, [make_member(seed=seed)], settings)
        return result.loss

    assert first_loss(1) == first_loss(1)
    assert first_loss(1) != pytest.approx(first_loss(2), rel=1e-5)


def test_every_monitor_has_a_metric() -> None:
    assert set(METRICS) == set(MONITORS)


def test_patience() -> None:
    settings = dataclasses.replace(FAST, epochs=60, learning_rate=0.3, patience=2)
    _, results = run(settings)
    assert len(results) < 60
    assert results[-1].epoch - results[-1].members[0].best_epoch == 2
    _, all_of_them = run(dataclasses.replace(settings, epochs=9, patience=None))
    assert len(all_of_them) == 9


@pytest.mark.parametrize("seed", range(6))
def test_patience_of_a_cycle(seed: int) -> None:
    """Training ends with the third of four cycles, if that brought nothing better."""
    settings = dataclasses.replace(FAST, epochs=30, learning_rate=0.3, schedule="coslog4")
    members = [make_member(seed=seed)]
    _, results = run(dataclasses.replace(settings, patience=None), members=members)
    is_idle = results[14 - 1].members[0].best_epoch <= 6
    stopping = dataclasses.replace(settings, patience="cycle")
    _, stopped = run(stopping, members=members)
    assert stopped[-1].epoch == (14 if is_idle else 30)
    if is_idle:
        assert stopped[-1].members[0].best_epoch == results[14 - 1].members[0].best_epoch


@pytest.mark.parametrize(("schedule", "epochs"), [("coslog4", 14), ("cosine", 30)])
def test_patience_of_a_cycle_needs_cycles_of_an_epoch(schedule: str, epochs: int) -> None:
    settings = dataclasses.replace(FAST, schedule=schedule, learning_rate=0.3, patience="cycle")
    for seed in range(6):
        member = make_member(seed=seed)
        _, results = run(dataclasses.replace(settings, epochs=epochs), members=[member])
        assert results[-1].epoch == epochs


def test_high_learning_rate_diverges_with_a_hint() -> None:
    settings = dataclasses.replace(FAST, learning_rate=1e6, epochs=50, patience=None)
    with pytest.raises(TrainingError, match="training diverged in epoch") as caught:
        run(settings)
    assert "lower training.learning_rate (now 1e+06)" in (caught.value.hint or "")


def test_infinite_features_diverge() -> None:
    rows = dataclasses.replace(ROWS, numeric=ROWS.numeric.clone())
    rows.numeric[7, 0] = math.inf
    with pytest.raises(TrainingError, match="diverged in epoch 1: the loss is nan"):
        run(FAST, rows)


def test_weights_that_became_infinite_in_the_last_step() -> None:
    """The loss of the epoch was still finite, but what it left behind is no model."""
    settings = dataclasses.replace(
        FAST, learning_rate=1e38, epochs=1, batch_size=500, weight_decay=1e3
    )
    with pytest.raises(TrainingError, match="scores of validation rows are not finite"):
        run(settings)


def test_nothing_to_learn() -> None:
    """Not even where a label could be learned from rows that are not for learning."""
    rows = replace_targets(ROWS, LEARNED, math.nan)
    with pytest.raises(TrainingError, match="no label can be learned"):
        run(FAST, rows)
    fold = make_member(HELD_OUT)
    with pytest.raises(TrainingError, match="no label can be learned"):
        run(FAST, rows, [fold, make_member()])


def test_undefined_monitor() -> None:
    rows = replace_targets(ROWS, HELD_OUT, 0.0)
    with pytest.raises(TrainingError, match="average_precision on the validation rows") as caught:
        run(FAST, rows)
    assert "split.valid" in (caught.value.hint or "")


@KINDS
def test_label_that_is_missing_everywhere_changes_nothing(shape: Shape, recipe: Recipe) -> None:
    rows = dataclasses.replace(ROWS, targets=ROWS.targets.clone())
    rows.targets[LEARNED, 1] = math.nan
    before = build_model(shape, [0]).output.bias
    model, _ = run(dataclasses.replace(recipe, weight_decay=0.0), rows, shape=shape)
    assert torch.equal(model.output.bias[:, 1], before[:, 1])
    assert (model.output.bias[:, 0] != before[:, 0]).all()


def test_batch_without_a_known_target() -> None:
    model = build_model(SHAPE, [0])
    optimizer = Optimizer(model, FAST, 2)
    empty = dataclasses.replace(VALID, targets=torch.full_like(VALID.targets, math.nan))
    batches = iter([empty, TRAIN])
    both = Steps(model, STACKED, optimizer, precision="float32").epoch(batches)
    assert both.isfinite().all()
    assert all(p.isfinite().all() for p in model.parameters())


def test_mean_loss_is_over_known_cells() -> None:
    model = build_model(dataclasses.replace(SHAPE, dropout=0.0), [0])
    settings = dataclasses.replace(
        PLAIN, learning_rate=1e-30, weight_decay=0.0, schedule="constant"
    )
    optimizer = Optimizer(model, settings, 8)
    batches = TRAIN.batches(torch.arange(len(TRAIN)), 64)
    loss = Steps(model, STACKED, optimizer, precision="float32").epoch(batches)
    known = ~TRAIN.targets.isnan()
    elements = torch.nn.functional.binary_cross_entropy_with_logits(
        score_rows(model, TRAIN, "float32")[0],
        TRAIN.targets.nan_to_num(),
        pos_weight=LOSS.pos_weight,
        reduction="none",
    )
    torch.testing.assert_close(loss, elements[known].mean()[None])


@KINDS
@pytest.mark.parametrize("together", [False, True])
def test_bfloat16_on_the_cpu(shape: Shape, recipe: Recipe, *, together: bool) -> None:
    members = [make_member(seed=0), make_member(seed=1)]
    full, _ = run(recipe, members=members, shape=shape, together=together)
    lower = dataclasses.replace(recipe, precision="bfloat16")
    low, results = run(lower, members=members, shape=shape, together=together)
    assert results[-1].loss < results[0].loss
    assert not same_weights(full, low)
    assert all(p.dtype == torch.float32 for p in low.parameters())


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedule_runs_over_all_epochs(name: str) -> None:
    _, results = run(dataclasses.replace(FAST, schedule=name, patience=None))
    for result in results:
        wanted = 0.01 * SCHEDULES[name](result.epoch / 4)
        assert result.learning_rate == pytest.approx(wanted, abs=1e-9)


def test_metrics_where_there_is_no_float64() -> None:
    """On MPS the metrics are computed on the host; a tensor that claims to live there shows it."""

    class OnMps(torch.Tensor):
        device = torch.device("mps")

        def double(self, *_: object, **__: object) -> torch.Tensor:
            raise TypeError("MPS has no float64")

        def cpu(self, *_: object, **__: object) -> torch.Tensor:
            return self.as_subclass(torch.Tensor)

    logits = score_rows(build_model(SHAPE, [0]), VALID, "float32")
    score = validation_score(logits, VALID.targets, LOSS, "brier")
    z, y = (tensor.as_subclass(OnMps) for tensor in (logits, VALID.targets))
    assert validation_score(z, y, LOSS, "brier") == score


# ----------------------------------------------------------------------------------------- heads


class Descent(Optimizer):
    """Plain gradient descent at a rate of 1."""

    @torch.no_grad()
    def step(self) -> None:
        """Go down the gradient."""
        for parameter in self._model.parameters():
            assert parameter.grad is not None
            parameter.sub_(parameter.grad)


def cell_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return LOSS of every cell as torch computes it; 0 where a target is missing."""
    targets = targets.expand_as(logits)
    cells = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(), pos_weight=LOSS.pos_weight, reduction="none"
    )
    return cells.where(~targets.isnan(), 0.0)


def steepest(shape: Shape, loss: Callable[[torch.Tensor], torch.Tensor]) -> MultilayerPerceptron:
    """Return two networks after a step down the gradient of a loss of all logits on TRAIN."""
    model = build_model(shape, [0, 1])
    torch.autograd.backward(loss(model(TRAIN.numeric, TRAIN.codes)))
    Descent(model, FAST, 1).step()
    return model


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_of_the_mean_of_the_heads_losses(*, weighted: bool) -> None:
    """Never of the loss of their mean: each head learns to be right by itself."""
    weights = torch.rand(500, generator=torch.Generator().manual_seed(3)) if weighted else None
    mass = (~TRAIN.targets.isnan()).float()
    mass = mass if weights is None else mass * weights[:, None]

    def mean_of_losses(logits: torch.Tensor) -> torch.Tensor:
        of_heads = (cell_losses(logits, TRAIN.targets) * mass).sum(dim=(1, 2)) / mass.sum()
        return of_heads.reshape(2, 3).mean(dim=1)

    def loss_of_mean(logits: torch.Tensor) -> torch.Tensor:
        mean = logits.sigmoid().reshape(2, 3, *logits.shape[1:]).mean(dim=1).logit()
        return (cell_losses(mean, TRAIN.targets) * mass).sum(dim=(1, 2)) / mass.sum()

    model = build_model(SMOOTH_HEADED, [0, 1])
    stacked = stack_losses([LOSS, LOSS], 2)
    steps = Steps(model, stacked, Descent(model, FAST, 1), precision="float32")
    tensors = dataclasses.replace(TRAIN, weights=weights).tensors()
    batch = Dataset(*(tensor.expand(2, *tensor.shape) for tensor in tensors))
    losses = steps.epoch(iter([batch]))
    start = build_model(SMOOTH_HEADED, [0, 1])
    with torch.no_grad():
        wanted = mean_of_losses(start(TRAIN.numeric, TRAIN.codes))
    torch.testing.assert_close(losses, wanted)
    assert_alike(model, steepest(SMOOTH_HEADED, lambda z: mean_of_losses(z).sum()))
    other = dict(steepest(SMOOTH_HEADED, lambda z: loss_of_mean(z).sum()).named_parameters())
    assert not torch.allclose(model.output.weight, other["output.weight"], rtol=1e-2)


@pytest.mark.parametrize("monitor", MONITORS)
def test_the_score_is_of_the_mean_probability_of_the_heads(monitor: str) -> None:
    """Each through its inverse link; and not the mean of the heads' scores."""
    logits = score_rows(build_model(HEADED, [0]), VALID, "float32")
    score = validation_score(logits, VALID.targets, LOSS, monitor)
    p = inverse_link(logits, LOSS).mean(dim=0)
    odds = (p.log() - (1 - p).log())[None]
    assert score == pytest.approx(validation_score(odds, VALID.targets, Loss(), monitor), rel=1e-6)
    alone = [validation_score(one[None], VALID.targets, LOSS, monitor) for one in logits]
    assert score != pytest.approx(sum(alone) / len(alone), rel=1e-4)
    if monitor == "average_precision":
        wanted = [
            average_precision_score(y[~y.isnan()], one[~y.isnan()])
            for one, y in zip(p.T, VALID.targets.T, strict=True)
        ]
        assert score == pytest.approx(sum(wanted) / 2, rel=1e-9)


def test_the_log_loss_of_the_ensemble_chooses_the_epoch() -> None:
    recipe = dataclasses.replace(FAST_HEADED, epochs=8, learning_rate=0.5, monitor="log_loss")
    model, results = run(recipe, shape=HEADED)
    scores = [result.score for result in results]
    best = results[-1].members[0]
    assert best.best_score == min(scores) == scores[best.best_epoch - 1]
    assert best.best_epoch < 8
    p = inverse_link(score_rows(model, VALID, "float32"), LOSS).mean(dim=0)
    wanted = [
        sklearn_log_loss(y[~y.isnan()], one[~y.isnan()])
        for one, y in zip(p.T, VALID.targets.T, strict=True)
    ]
    assert best.best_score == pytest.approx(sum(wanted) / 2, rel=1e-6)


@pytest.mark.parametrize("monitor", MONITORS)
def test_the_last_of_equal_best_epochs_is_kept(monitor: str) -> None:
    """Of networks that do not change all epochs are equal, and none is without a better one."""
    still = dataclasses.replace(
        FAST, learning_rate=1e-30, weight_decay=0.0, monitor=monitor, patience=1
    )
    _, results = run(still)
    assert [result.members[0].best_epoch for result in results] == [1, 2, 3, 4]
    assert len({result.score for result in results}) == 1


# --------------------------------------------------------------------------------- several members


def varied_members() -> list[Member]:
    """Return members that differ in loss, rows, seed, and how they draw; two are the same."""
    rates = balanced_rates(TRAIN.targets)
    return [
        make_member(seed=3),
        make_member(LEARNED[:431], HELD_OUT[:200], focal(), seed=3),
        make_member(LEARNED[40:], loss=asymmetric(), seed=8),
        make_member(loss=Loss(prior_shift=torch.tensor([2.0, 3.0])), seed=1, rates=rates),
        make_member(torch.arange(300, 800), torch.arange(300), Loss(), seed=2),
        make_member(seed=3),
    ]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_member_of_many_is_the_same_trained_alone_to_the_bit(precision: str) -> None:
    """Weights, losses, scores and the epoch it stops after, with dropout, on the CPU."""
    settings = dataclasses.replace(
        FAST, epochs=9, learning_rate=0.1, patience=2, precision=precision
    )
    members = varied_members()
    model, results = run(settings, members=members)
    stopped = set()
    for index, member in enumerate(members):
        alone, own = run(settings, members=[member])
        assert same_weights(model.member(index), alone)
        for epoch, result in enumerate(results):
            assert result.members[index] == own[min(epoch, len(own) - 1)].members[0]
        stopped.add(len(own))
    assert len(stopped) > 1
    assert len(results) == max(stopped)
    assert results[-1].members[0] == results[-1].members[-1]
    assert not model.training


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_networks_with_heads_are_the_same_trained_alone_to_the_bit(precision: str) -> None:
    """Also once their dropout fades, each by how far it has come."""
    members = varied_members()
    recipe = dataclasses.replace(FAST_HEADED, precision=precision)
    model, results = run(recipe, members=members, shape=HEADED)
    for index, member in enumerate(members):
        alone, own = run(recipe, members=[member], shape=HEADED)
        assert same_weights(model.member(index), alone)
        assert [r.members[index] for r in results] == [r.members[0] for r in own]


def assert_alike(
    a: MultilayerPerceptron, b: MultilayerPerceptron, *, tolerance: float = 1e-5
) -> None:
    """Hold the distance of each parameter to a share of its length."""
    others = dict(b.named_parameters())
    for name, parameter in a.named_parameters():
        distance = (parameter - others[name].to(parameter.device)).norm()
        assert distance <= tolerance * parameter.norm(), name


SMOOTH_KINDS = pytest.mark.parametrize(
    ("shape", "recipe", "tolerance"),
    [(SMOOTH, FAST, 1e-5), (SMOOTH_HEADED, FAST_HEADED, 1e-3)],
    ids=["plain", "heads"],
)


@SMOOTH_KINDS
def test_members_that_step_together_learn_what_each_learns_alone(
    shape: Shape, recipe: Recipe, tolerance: float
) -> None:
    """As on a GPU, but for rounding; also of unequal numbers of rows, if of as many batches."""
    settings = dataclasses.replace(recipe, epochs=3, monitor="log_loss")
    members = varied_members()
    assert {len(member.train) for member in members} == {431, 460, 500}
    settings = dataclasses.replace(settings, batch_size=72)  # 6 batches or 7
    members[1] = dataclasses.replace(members[1], train=LEARNED[:441])  # 7 batches, as the others
    model, results = run(settings, members=members, shape=shape, together=True)
    for index, member in enumerate(members):
        alone, own = run(settings, members=[member], shape=shape, together=False)
        assert_alike(model.member(index), alone, tolerance=tolerance)
        for ours, theirs in zip(results, own, strict=True):
            result, wanted = ours.members[index], theirs.members[0]
            assert result.loss == pytest.approx(wanted.loss, rel=tolerance)
            assert result.score == pytest.approx(wanted.score, rel=tolerance)
            assert result.best_epoch == wanted.best_epoch
            assert ours.learning_rate == theirs.learning_rate


def test_one_member_steps_alone_also_where_all_step_together() -> None:
    first, results = run(FAST, together=True)
    second, same = run(FAST, together=False)
    assert same_weights(first, second)
    assert results[-1].members == same[-1].members


STOPPING = dataclasses.replace(FAST, epochs=25, learning_rate=0.3, patience=2)


@pytest.mark.parametrize("monitor", ["average_precision", "log_loss"])
@pytest.mark.parametrize("together", [False, True])
def test_each_member_keeps_its_own_best_epoch(monitor: str, *, together: bool) -> None:
    members = [make_member(seed=seed) for seed in range(4)]
    settings = dataclasses.replace(STOPPING, monitor=monitor)
    model, results = run(settings, members=members, together=together)
    best = min if monitor in LOWER_IS_BETTER else max
    lasts = []
    logits = score_rows(model, VALID, "float32")
    for index in range(4):
        own = [result.members[index] for result in results]
        last = next((r.epoch for r in own if not r.is_training), 25)
        lasts.append(last)
        took_part = own[:last]
        assert [result.epoch for result in took_part] == list(range(1, last + 1))
        assert all(result == took_part[-1] for result in own[last:])
        assert own[-1].best_score == best(result.score for result in took_part)
        assert took_part[own[-1].best_epoch - 1].score == own[-1].best_score
        assert last == min(own[-1].best_epoch + 2, 25)
        score = validation_score(logits[index : index + 1], VALID.targets, LOSS, monitor)
        assert score == own[-1].best_score
    assert len(set(lasts)) > 1
    assert len(results) == max(lasts) < 25
    assert not any(result.is_training for result in results[-1].members)
    assert all(any(r.is_training for r in result.members) for result in results[:-1])


def test_a_stopped_member_learns_no_more() -> None:
    """On the CPU it costs nothing: its weights stay as they were until it gets its best ones."""
    members = [make_member(seed=seed) for seed in range(4)]
    model = build_model(SHAPE, range(4))
    before: dict[int, torch.Tensor] = {}
    for result in Training(model, ROWS, members, STOPPING):
        for index, own in enumerate(result.members):
            weights = model.output.weight[index].detach().clone()
            if own.epoch < result.epoch:
                assert torch.equal(weights, before[index])
            elif index in before:
                assert not torch.equal(weights, before[index])
            before[index] = weights


def test_no_patience_trains_all_epochs() -> None:
    settings = dataclasses.replace(STOPPING, epochs=6, patience=None)
    members = [make_member(seed=seed) for seed in range(2)]
    _, results = run(settings, members=members)
    assert len(results) == 6
    assert [member.epoch for member in results[-1].members] == [6, 6]


def test_an_epoch_is_the_mean_of_its_members() -> None:
    one = MemberResult(loss=0.5, score=0.25, best_epoch=2, best_score=0.75, epoch=4)
    two = MemberResult(loss=1.0, score=0.75, best_epoch=3, best_score=1.0, epoch=4)
    result = EpochResult(4, (one, two), learning_rate=0.1, rows_per_second=1.0)
    assert (result.loss, result.score, result.best_score) == (0.75, 0.5, 0.875)


@pytest.mark.parametrize("together", [False, True])
def test_divergence_names_the_member(*, together: bool) -> None:
    """And not the other one, whose numbers are all right."""
    rows = dataclasses.replace(ROWS, numeric=ROWS.numeric.clone())
    rows.numeric[450] = math.inf
    members = [make_member(LEARNED[:440]), make_member(seed=1, name="focal, seed 1")]
    with pytest.raises(TrainingError) as caught:
        run(FAST, rows, members, together=together)
    assert "training of focal, seed 1 diverged in epoch 1: the loss is nan" in str(caught.value)
    assert "lower training.learning_rate (now 0.01)" in (caught.value.hint or "")


def test_validation_rows_that_members_share_are_selected_once() -> None:
    first, same, other = _select_once([HELD_OUT, HELD_OUT, HELD_OUT.clone()], ROWS)
    assert first is same
    assert other is not first
    ours, its = (next(rows.blocks(len(ROWS))) for rows in (first, other))
    assert torch.equal(ours.numeric, its.numeric)


# ------------------------------------------------------------------------------------- the batches


def epoch_batches(
    members: Sequence[Member], batch_size: int, epochs: int = 1
) -> list[list[Dataset]]:
    """Return each epoch's batches of rows whose first feature is their number.

    All their targets are known.
    """
    numeric = torch.zeros(800, 6)
    numeric[:, 0] = torch.arange(800)
    rows = Dataset(numeric, torch.zeros(800, 1, dtype=torch.int64), torch.zeros(800, 2))
    settings = dataclasses.replace(FAST, batch_size=batch_size)
    model = build_model(SHAPE, [member.seed for member in members])
    valid = [rows.take(member.valid) for member in members]
    group = Group(model, rows, members, valid, settings, 0)
    return [list(group._batches()) for _ in range(epochs)]


@pytest.mark.parametrize(
    ("rows", "size"), [(500, 64), (65, 64), (64, 64), (63, 64), (10, 1), (7, 3), (1, 5)]
)
def test_each_row_comes_once_an_epoch(rows: int, size: int) -> None:
    train_rows = torch.randperm(600, generator=torch.Generator().manual_seed(0))[:rows]
    epochs = epoch_batches([make_member(train_rows)], size, epochs=2)
    orders = []
    for batches in epochs:
        sizes = [len(batch) for batch in batches]
        assert len(sizes) == math.ceil(rows / size)
        assert max(sizes) <= size
        assert max(sizes) - min(sizes) <= 1
        orders.append([int(number) for batch in batches for number in batch.numeric[:, 0]])
        assert sorted(orders[-1]) == sorted(train_rows.tolist())
    assert rows < 5 or orders[0] != orders[1]


def test_rows_of_several_members_are_filled_up_with_missing_targets() -> None:
    trains = [torch.arange(50), torch.arange(20, 61), torch.arange(60, 63)]
    members = [make_member(rows, seed=seed) for seed, rows in enumerate(trains)]
    (batches,) = epoch_batches(members, 8)
    assert len(batches) == 7
    found: list[list[int]] = [[], [], []]
    for batch in batches:
        assert batch.numeric.shape[:2] == batch.codes.shape[:2] == batch.targets.shape[:2]
        assert batch.numeric.shape[0] == 3
        assert batch.numeric.shape[1] <= 8
        for index in range(3):
            known = ~batch.targets[index].isnan().all(dim=1)
            assert not batch.targets[index][known].isnan().any()
            found[index] += batch.numeric[index, known, 0].int().tolist()
    assert [sorted(numbers) for numbers in found] == [rows.tolist() for rows in trains]
    orders = [epoch_batches([member], 8)[0] for member in members]
    for index, alone in enumerate(orders):  # in the order of the member alone
        assert found[index] == [int(n) for batch in alone for n in batch.numeric[:, 0]]


def test_filled_up_rows_add_nothing_to_loss_or_gradient() -> None:
    numbers = [torch.arange(100, 112), torch.arange(200, 205), torch.arange(0)]
    batch = _stack_rows(ROWS, numbers)
    assert batch.numeric.shape == (3, 12, 6)
    losses = stack_losses([LOSS, focal(), asymmetric()], 2)
    model = build_model(SMOOTH, [0, 1, 2])
    cells = compute_loss(model(batch.numeric, batch.codes), batch.targets, losses, reduction="none")
    assert not cells[1, 5:].any()
    assert not cells[2].any()
    torch.autograd.backward(cells.sum())
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    for index, loss in enumerate((LOSS, focal(), asymmetric())):
        alone = build_model(SMOOTH, [index])
        rows = ROWS.take(numbers[index])
        logits = alone(rows.numeric, rows.codes)[0]
        total = compute_loss(logits, rows.targets, loss, reduction="sum")
        torch.testing.assert_close(cells[index].sum(), total)
        torch.autograd.backward(total)
        for name, parameter in alone.named_parameters():
            whole = gradients[name]
            assert whole is not None
            assert parameter.grad is not None
            torch.testing.assert_close(whole[index], parameter.grad[0], rtol=1e-4, atol=1e-6)


def test_a_member_with_fewer_rows_than_batches() -> None:
    """It has none in some batches, and learns from the others."""
    members = [make_member(), make_member(torch.tensor([3, 41, 77]), seed=1)]
    settings = dataclasses.replace(FAST, epochs=2)
    model, results = run(settings, members=members, together=True)
    assert all(math.isfinite(member.loss) for member in results[-1].members)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert results[1].members[1].loss < results[0].members[1].loss


def test_balanced_draws_are_as_many_as_there_are_rows() -> None:
    train_rows = torch.arange(200, 300)
    rates = torch.zeros(100, dtype=torch.float64)
    rates[::2] = 1
    rates[10] = 50  # of 99
    member = make_member(train_rows, rates=rates, seed=4)
    first, second = epoch_batches([member], 32, epochs=2)
    (again,) = epoch_batches([member], 32)
    orders = [
        [int(n) for batch in batches for n in batch.numeric[:, 0]]
        for batches in (first, second, again)
    ]
    assert [len(order) for order in orders] == [100, 100, 100]
    assert orders[0] == orders[2] != orders[1]
    for order in orders:
        assert all(number in range(200, 300, 2) for number in order)
        assert 30 < order.count(210) < 70


def test_speed_is_that_of_the_members_that_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    timer = "imbalance_cli.network.training.time.perf_counter"
    monkeypatch.setattr(timer, lambda: float(next(clock)))
    members = [make_member(seed=seed) for seed in range(4)]
    _, results = run(STOPPING, members=members)
    assert len({sum(member.is_training for member in result.members) for result in results}) > 1
    assert {result.rows_per_second for result in results} == {500}  # 500 rows a second, in turns


# ------------------------------------------------------------------------------------ on a device


def put(rows: Dataset, device: torch.device) -> Dataset:
    tensors = (rows.numeric, rows.codes, rows.targets)
    return Dataset(*(tensor.to(device) for tensor in tensors))


def put_member(member: Member, device: torch.device) -> Member:
    """Return the member with its row numbers on the device, and the rest on the host."""
    train, valid = member.train.to(device), member.valid.to(device)
    return dataclasses.replace(member, train=train, valid=valid)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_learns_as_the_cpu_does() -> None:
    device = torch.device("cuda")
    for precision in ("float32", "bfloat16"):
        settings = dataclasses.replace(FAST, epochs=15, precision=precision)
        _, on_cpu = run(settings)
        state = torch.cuda.get_rng_state()
        model = build_model(SHAPE, [0]).to(device)
        members = [put_member(make_member(), device)]
        on_device = list(Training(model, put(ROWS, device), members, settings))
        assert torch.equal(state, torch.cuda.get_rng_state())
        assert next(model.parameters()).device.type == "cuda"
        assert on_device[-1].best_score == pytest.approx(on_cpu[-1].best_score, abs=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_steps_as_the_cpu_does() -> None:
    """With rows drawn on the host, all members together take the same steps on both."""
    device = torch.device("cuda")
    settings = dataclasses.replace(FAST, epochs=3, monitor="log_loss", precision="float32")
    rates = balanced_rates(ROWS.targets)
    members = [
        dataclasses.replace(member, rates=rates[member.train]) for member in varied_members()
    ]
    on_cpu, wanted = run(settings, members=members, shape=SMOOTH, together=True)
    model = build_model(SMOOTH, [member.seed for member in members]).to(device)
    there = [put_member(member, device) for member in members]
    results = list(Training(model, put(ROWS, device), there, settings))
    assert_alike(model, on_cpu, tolerance=1e-3)
    for result, theirs in zip(results[-1].members, wanted[-1].members, strict=True):
        assert result.loss == pytest.approx(theirs.loss, rel=1e-3)
        assert result.score == pytest.approx(theirs.score, rel=1e-3)
    logits = score_rows(model, put(VALID, device), "float32").cpu()
    torch.testing.assert_close(logits, score_rows(on_cpu, VALID, "float32"), rtol=0, atol=1e-2)


# ---------------------------------------------------------------------------------- sample weights


def whole_weights(rows: int = 800, seed: int = 0) -> torch.Tensor:
    """Return weights from 0 to 3."""
    return torch.randint(4, (rows,), generator=torch.Generator().manual_seed(seed)).float()


def step(
    rows: Dataset, loss: Loss = LOSS, shape: Shape = SMOOTH
) -> tuple[float, MultilayerPerceptron]:
    """Return the loss of one step down the gradient on all rows, and the network after it."""
    model = build_model(shape, [0])
    steps = Steps(model, stack_losses([loss], 2), Descent(model, FAST, 1), precision="float32")
    return steps.epoch(iter([rows])).item(), model


@pytest.mark.parametrize("shape", [SMOOTH, SMOOTH_HEADED], ids=["plain", "heads"])
@pytest.mark.parametrize("loss", [LOSS, focal(), asymmetric()])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 500.0])
def test_a_step_on_whole_weights_is_one_on_repeated_rows(
    loss: Loss, scale: float, shape: Shape
) -> None:
    weights = whole_weights()
    weighted = dataclasses.replace(ROWS, weights=scale * weights)
    repeated = ROWS.take(torch.arange(800).repeat_interleave(weights.long()))
    (ours, model), (wanted, other) = (step(rows, loss, shape) for rows in (weighted, repeated))
    assert ours == pytest.approx(wanted, rel=1e-5)
    assert_alike(model, other)
    assert ours != pytest.approx(step(ROWS, loss, shape)[0], rel=1e-3)


def test_weights_that_are_alike_are_no_weights() -> None:
    (ours, model), (wanted, other) = (
        step(rows) for rows in (dataclasses.replace(ROWS, weights=torch.full((800,), 7.0)), ROWS)
    )
    assert ours == pytest.approx(wanted, rel=1e-6)
    assert_alike(model, other)


def weights_of_cells(rows: int = 800) -> torch.Tensor:
    """Return weights (N, 2)."""
    return torch.rand(rows, 2, generator=torch.Generator().manual_seed(1)) + 0.5


def test_cells_of_a_row_that_weigh_alike_are_a_weighted_row() -> None:
    weights = whole_weights() + 0.5
    (ours, model), (wanted, other) = (
        step(dataclasses.replace(ROWS, weights=each))
        for each in (weights[:, None].expand(800, 2), weights)
    )
    assert ours == wanted
    assert same_weights(model, other)


@pytest.mark.parametrize("of_cells", [False, True])
def test_the_loss_of_an_epoch_is_weighted_over_its_batches(*, of_cells: bool) -> None:
    weights = whole_weights(500) + torch.rand(500, generator=torch.Generator().manual_seed(1))
    if of_cells:
        weights = weights_of_cells(500)
    rows = dataclasses.replace(TRAIN, weights=weights)
    model = build_model(SMOOTH, [0])
    settings = dataclasses.replace(
        PLAIN, learning_rate=1e-30, weight_decay=0.0, schedule="constant"
    )
    optimizer = Optimizer(model, settings, 8)
    batches = rows.batches(torch.arange(500), 64)
    loss = Steps(model, STACKED, optimizer, precision="float32").epoch(batches)
    known = ~TRAIN.targets.isnan()
    cells = torch.nn.functional.binary_cross_entropy_with_logits(
        score_rows(model, TRAIN, "float32")[0],
        TRAIN.targets.nan_to_num(),
        pos_weight=LOSS.pos_weight,
        reduction="none",
    )
    mass = weights.reshape(500, -1) * known
    torch.testing.assert_close(loss, ((cells * mass).sum() / mass.sum())[None])


def test_a_batch_without_weight_changes_nothing() -> None:
    model = build_model(SHAPE, [0])
    optimizer = Optimizer(model, FAST, 2)
    light = dataclasses.replace(VALID, weights=torch.zeros(len(VALID)))
    batches = iter([light, dataclasses.replace(TRAIN, weights=whole_weights(500))])
    loss = Steps(model, STACKED, optimizer, precision="float32").epoch(batches)
    assert loss.isfinite().all()
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("weights", [whole_weights() + 0.5, weights_of_cells()])
@SMOOTH_KINDS
def test_members_that_step_together_weigh_their_own_rows(
    shape: Shape, recipe: Recipe, tolerance: float, weights: torch.Tensor
) -> None:
    rows = dataclasses.replace(ROWS, weights=weights)
    settings = dataclasses.replace(recipe, epochs=3, monitor="log_loss", batch_size=72)
    members = varied_members()
    members[1] = dataclasses.replace(members[1], train=LEARNED[:441])
    model, results = run(settings, rows, members, shape=shape, together=True)
    for index, member in enumerate(members):
        alone, own = run(settings, rows, [member], shape=shape, together=False)
        assert_alike(model.member(index), alone, tolerance=tolerance)
        for ours, theirs in zip(results, own, strict=True):
            result, wanted = ours.members[index], theirs.members[0]
            assert result.loss == pytest.approx(wanted.loss, rel=tolerance)
            assert result.score == pytest.approx(wanted.score, rel=tolerance)


@pytest.mark.parametrize("monitor", METRICS)
def test_the_score_of_weighted_rows_is_that_of_repeated_ones(monitor: str) -> None:
    """But for the prior of a temperature, against which weighted rows count as fewer."""
    tolerance = 1e-3 if monitor == "calibrated_log_loss" else 1e-6
    logits = score_rows(build_model(SHAPE, [0]), VALID, "float32")
    weights = whole_weights(300)
    ours = validation_score(logits, VALID.targets, LOSS, monitor, weights)
    z, y = (t.repeat_interleave(weights.long(), dim=-2) for t in (logits, VALID.targets))
    assert ours == pytest.approx(validation_score(z, y, LOSS, monitor), rel=tolerance)


def test_validation_is_weighted() -> None:
    weights = whole_weights()
    weights[LEARNED] = 1
    rows = dataclasses.replace(ROWS, weights=weights)
    model, results = run(dataclasses.replace(FAST, epochs=1), rows)
    logits = score_rows(model, VALID, "float32")
    wanted = validation_score(logits, VALID.targets, LOSS, FAST.monitor, weights[HELD_OUT])
    assert results[0].score == wanted
    assert wanted != validation_score(logits, VALID.targets, LOSS, FAST.monitor)


def test_rows_without_weight_are_nothing_to_learn() -> None:
    weights = torch.ones(800)
    weights[LEARNED] = 0
    with pytest.raises(TrainingError, match="no label can be learned"):
        run(FAST, dataclasses.replace(ROWS, weights=weights))
