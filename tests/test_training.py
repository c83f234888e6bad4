"""The loop: repeatable, keeps the best epoch, stops in time, and says when it diverged."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from imbalance_cli.config import MONITORS, TrainingSection
from imbalance_cli.dataset import Dataset
from imbalance_cli.errors import TrainingError
from imbalance_cli.model import MultilayerPerceptron, Shape, build_model, score_rows
from imbalance_cli.training import (
    LOWER_IS_BETTER,
    SCHEDULES,
    EpochResult,
    build_optimizer,
    choose_batch_size,
    train,
    train_epoch,
    validation_score,
)
from imbalance_cli.training import MONITORS as METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = torch.device("cpu")
SHAPE = Shape(numeric=6, cardinalities=[4], labels=2, hidden=[16], dropout=0.2)
WEIGHT = torch.tensor([4.0, 9.0])
FAST = TrainingSection(epochs=4, batch_size=64, learning_rate=0.01, device="cpu")
Schedule = Literal["cosine", "coslog4", "constant"]


def make_rows(rows: int, seed: int = 0) -> Dataset:
    """Return rows whose labels depend on the first numbers and the code; some are missing."""
    random = torch.Generator().manual_seed(seed)
    numeric = torch.randn(rows, 6, generator=random)
    codes = torch.randint(4, (rows, 1), generator=random)
    noise = torch.randn(rows, 2, generator=random)
    targets = (numeric[:, :2] + codes + noise > torch.tensor([3.0, 4.0])).float()
    targets[torch.rand(rows, 2, generator=random) < 0.1] = math.nan
    return Dataset(numeric, codes, targets)


TRAIN, VALID = make_rows(500), make_rows(300, seed=1)


def run(
    settings: TrainingSection,
    rows: Dataset = TRAIN,
    valid: Dataset = VALID,
    between: Callable[[], object] = lambda: None,
) -> tuple[MultilayerPerceptron, list[EpochResult]]:
    """Train, calling `between` after each epoch as a consumer might."""
    model = build_model(SHAPE, settings.seed)
    results = []
    for result in train(model, rows, valid, WEIGHT, settings):
        results.append(result)
        between()
    return model, results


def same_weights(a: MultilayerPerceptron, b: MultilayerPerceptron) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_same_seed_same_weights_to_the_bit() -> None:
    first, _ = run(FAST)
    again, _ = run(FAST)
    other, _ = run(FAST.model_copy(update={"seed": 1}))
    assert same_weights(first, again)
    assert not same_weights(first, other)


def test_consumers_draw_random_numbers_as_they_like() -> None:
    """They do not change the training, and it does not change theirs."""
    quiet, _ = run(FAST)
    torch.manual_seed(5)
    wanted = [torch.rand(1) for _ in range(4)]
    torch.manual_seed(5)
    drawn: list[torch.Tensor] = []
    busy, _ = run(FAST, between=lambda: drawn.append(torch.rand(1)))
    assert same_weights(quiet, busy)
    assert drawn == wanted


def test_learns() -> None:
    model, results = run(FAST.model_copy(update={"epochs": 15}))
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
    settings = TrainingSection(
        epochs=150,
        batch_size=400,
        learning_rate=0.05,
        weight_decay=0.0,
        monitor="log_loss",
        patience=None,
    )
    model = build_model(Shape(6, [], 1, []), 0)
    weight = torch.tensor([3.0])
    for _ in train(model, rows, rows, weight, settings):
        pass
    y = rows.targets[:, 0].numpy()
    optimizer, schedule = build_optimizer(model, settings, 1)
    loss = train_epoch(model, [rows], weight, optimizer, schedule, precision="float32").item()
    theirs = LogisticRegression(C=math.inf, class_weight={0: 1.0, 1: 3.0}).fit(rows.numeric, y)
    z = torch.from_numpy(theirs.decision_function(rows.numeric))[:, None]
    best = torch.nn.functional.binary_cross_entropy_with_logits(
        z, rows.targets.double(), pos_weight=weight
    )
    assert loss == pytest.approx(best.item(), rel=0.02)


def test_keeps_the_best_epoch() -> None:
    """At the end the model scores what the best epoch scored."""
    model, results = run(FAST.model_copy(update={"epochs": 8, "learning_rate": 0.3}))
    best = max(results, key=lambda result: result.score)
    assert results[-1].best_epoch == best.epoch != results[-1].epoch
    logits = score_rows(model, VALID, "float32")
    assert validation_score(logits, VALID.targets, WEIGHT, FAST.monitor) == best.score
    assert [r.epoch for r in results if r.is_best][-1] == best.epoch


@pytest.mark.parametrize("monitor", LOWER_IS_BETTER)
def test_lower_is_better_for_losses(monitor: str) -> None:
    _, results = run(FAST.model_copy(update={"epochs": 6, "monitor": monitor}))
    assert results[-1].best_score == min(result.score for result in results)


def test_every_monitor_has_a_metric() -> None:
    assert set(METRICS) == set(MONITORS)


def test_patience() -> None:
    settings = FAST.model_copy(update={"epochs": 60, "learning_rate": 0.3, "patience": 2})
    _, results = run(settings)
    assert len(results) < 60
    assert results[-1].epoch - results[-1].best_epoch == 2
    _, all_of_them = run(settings.model_copy(update={"epochs": 9, "patience": None}))
    assert len(all_of_them) == 9


def test_high_learning_rate_diverges_with_a_hint() -> None:
    settings = FAST.model_copy(update={"learning_rate": 1e6, "epochs": 50, "patience": None})
    with pytest.raises(TrainingError, match="training diverged in epoch") as caught:
        run(settings)
    assert "lower training.learning_rate (now 1e+06)" in (caught.value.hint or "")


def test_infinite_features_diverge() -> None:
    rows = dataclasses.replace(TRAIN, numeric=TRAIN.numeric.clone())
    rows.numeric[7, 0] = math.inf
    with pytest.raises(TrainingError, match="diverged in epoch 1: the loss is nan"):
        run(FAST, rows)


def test_weights_that_became_infinite_in_the_last_step() -> None:
    """The loss of the epoch was still finite, but what it left behind is no model."""
    settings = FAST.model_copy(
        update={"learning_rate": 1e38, "epochs": 1, "batch_size": len(TRAIN), "weight_decay": 1e3}
    )
    with pytest.raises(TrainingError, match="scores of validation rows are not finite"):
        run(settings)


def test_nothing_to_learn() -> None:
    rows = dataclasses.replace(TRAIN, targets=torch.full_like(TRAIN.targets, math.nan))
    with pytest.raises(TrainingError, match="no label can be learned"):
        run(FAST, rows)


def test_undefined_monitor() -> None:
    valid = dataclasses.replace(VALID, targets=torch.zeros_like(VALID.targets))
    with pytest.raises(TrainingError, match="average_precision on the validation rows") as caught:
        run(FAST, valid=valid)
    assert "split.valid" in (caught.value.hint or "")


def test_label_that_is_missing_everywhere_changes_nothing() -> None:
    rows = dataclasses.replace(TRAIN, targets=TRAIN.targets.clone())
    rows.targets[:, 1] = math.nan
    model = build_model(SHAPE, 0)
    before = model.output.bias.detach().clone()
    settings = FAST.model_copy(update={"weight_decay": 0.0})
    for _ in train(model, rows, VALID, WEIGHT, settings):
        pass
    assert model.output.bias[1] == before[1]
    assert model.output.bias[0] != before[0]


def test_batch_without_a_known_target() -> None:
    model = build_model(SHAPE, 0)
    optimizer, schedule = build_optimizer(model, FAST, 2)
    empty = dataclasses.replace(VALID, targets=torch.full_like(VALID.targets, math.nan))
    both = train_epoch(model, [empty, TRAIN], WEIGHT, optimizer, schedule, precision="float32")
    assert both.isfinite()
    assert all(p.isfinite().all() for p in model.parameters())


def test_mean_loss_is_over_known_cells() -> None:
    model = build_model(dataclasses.replace(SHAPE, dropout=0.0), 0)
    settings = TrainingSection(learning_rate=1e-30, weight_decay=0.0, schedule="constant")
    optimizer, schedule = build_optimizer(model, settings, 8)
    batches = TRAIN.batches(torch.arange(len(TRAIN)), 64)
    loss = train_epoch(model, batches, WEIGHT, optimizer, schedule, precision="float32")
    known = ~TRAIN.targets.isnan()
    elements = torch.nn.functional.binary_cross_entropy_with_logits(
        score_rows(model, TRAIN, "float32"),
        TRAIN.targets.nan_to_num(),
        pos_weight=WEIGHT,
        reduction="none",
    )
    torch.testing.assert_close(loss, elements[known].mean())


def test_bfloat16_on_the_cpu() -> None:
    full, _ = run(FAST)
    low, results = run(FAST.model_copy(update={"precision": "bfloat16"}))
    assert results[-1].loss < results[0].loss
    assert not same_weights(full, low)
    assert all(p.dtype == torch.float32 for p in low.parameters())


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("cosine", {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
        ("constant", {0.0: 1.0, 1.0: 1.0}),
        # four cycles that end at 1/15, 3/15, 7/15 and 1
        ("coslog4", {0.0: 0.0, 1 / 15: 0.0, 3 / 15: 0.0, 7 / 15: 0.0, 1.0: 0.0}),
    ],
)
def test_schedules(name: Schedule, at: dict[float, float]) -> None:
    for progress, factor in at.items():
        assert SCHEDULES[name](progress) == pytest.approx(factor, abs=1e-12)
    assert max(SCHEDULES[name](i / 1000) for i in range(1001)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedule_runs_over_all_epochs(name: Schedule) -> None:
    _, results = run(FAST.model_copy(update={"schedule": name, "patience": None}))
    for result in results:
        wanted = 0.01 * SCHEDULES[name](result.epoch / 4)
        assert result.learning_rate == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "size"),
    [(1, 32), (100, 32), (6400, 128), (17_000, 256), (60_000, 1024), (10**9, 1024)],
)
def test_automatic_batch_size(rows: int, size: int) -> None:
    assert choose_batch_size(TrainingSection(), rows) == size
    assert choose_batch_size(TrainingSection(batch_size=7), rows) == 7


def test_metrics_where_there_is_no_float64() -> None:
    """On MPS the metrics are computed on the host; a tensor that claims to live there shows it."""

    class OnMps(torch.Tensor):
        device = torch.device("mps")

        def double(self, *_: object, **__: object) -> torch.Tensor:
            raise TypeError("MPS has no float64")

        def cpu(self, *_: object, **__: object) -> torch.Tensor:
            return self.as_subclass(torch.Tensor)

    logits = score_rows(build_model(SHAPE, 0), VALID, "float32")
    score = validation_score(logits, VALID.targets, WEIGHT, "brier")
    z, y, w = (tensor.as_subclass(OnMps) for tensor in (logits, VALID.targets, WEIGHT))
    assert validation_score(z, y, w, "brier") == score


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_learns_as_the_cpu_does() -> None:
    device = torch.device("cuda")

    def put(rows: Dataset) -> Dataset:
        tensors = (rows.numeric, rows.codes, rows.targets)
        return Dataset(*(tensor.to(device) for tensor in tensors))

    for precision in ("float32", "bfloat16"):
        settings = FAST.model_copy(update={"epochs": 15, "precision": precision})
        _, on_cpu = run(settings)
        state = torch.cuda.get_rng_state()
        model = build_model(SHAPE, settings.seed).to(device)
        on_device = list(train(model, put(TRAIN), put(VALID), WEIGHT.to(device), settings))
        assert torch.equal(state, torch.cuda.get_rng_state())
        assert next(model.parameters()).device.type == "cuda"
        assert on_device[-1].best_score == pytest.approx(on_cpu[-1].best_score, abs=0.05)
