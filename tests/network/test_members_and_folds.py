"""Losses, ensembles and cross-fitting from end to end, by the command line."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from small_runs import (
    COLOURS,
    LABELS,
    FittedRun,
    Silent,
    fit_run,
    make_columns,
    refuse,
    succeed,
    to_csv,
    write_config,
    write_csv,
)

from imbalance_cli.config import load_config
from imbalance_cli.config.sections import WeightingSection
from imbalance_cli.decisions.calibration import PRIOR_PRECISION
from imbalance_cli.losses.registry import LOSS_SPECS
from imbalance_cli.network.model import score_rows
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.workflows import networks
from imbalance_cli.workflows.preparing import Prepared, prepare

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CPU = torch.device("cpu")
LOSSES = tuple(LOSS_SPECS)
STRATEGIES = get_args(WeightingSection.model_fields["strategy"].annotation)
TAKES = {"bce": ("none",), "class_balanced": ("effective",)}  # of the strategies; else all
COMBINATIONS = [
    (loss, strategy, sampler)
    for loss in LOSSES
    for strategy in TAKES.get(loss, STRATEGIES)
    for sampler in ("shuffle", "balanced")
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table with three labels."""
    return write_csv(tmp_path_factory.mktemp("members") / "table.csv", make_columns(300))


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit three networks with the focal loss and weights, which stop at different epochs."""
    return fit_run(
        tmp_path_factory.mktemp("ensemble"),
        make_columns(300),
        loss={"name": "focal", "gamma": 1.5},
        weighting={"strategy": "sqrt"},
        model={"recipe": "plain", "members": 3, "sharing": "none"},
        training={"epochs": 12, "patience": 2, "learning_rate": 0.05, "seed": 5},
        calibration={"method": "platt"},
        split={"seed": 3},
    )


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit two networks on each of three folds."""
    return fit_run(
        tmp_path_factory.mktemp("folded"),
        make_columns(300),
        loss={"name": "focal"},
        weighting={"strategy": "ratio"},
        model={"members": 2, "sharing": "none"},
        training={"folds": 3, "seed": 11},
        calibration={"method": "platt"},
        thresholds={"minimum_positives": 0},
    )


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit a network of three heads on each of two folds, with weighted rows."""
    columns = make_columns(300)
    columns["w"] = [str(1 + row % 3) for row in range(300)]
    return fit_run(
        tmp_path_factory.mktemp("headed"),
        columns,
        data={"sample_weight": "w"},
        loss={"name": "focal"},
        weighting={"strategy": "ratio"},
        model={"members": 3},
        training={"folds": 2, "seed": 4},
        calibration={"method": "platt"},
    )


@pytest.fixture(scope="module")
def without_test(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit folds with no test part."""
    return fit_run(
        tmp_path_factory.mktemp("without_test"),
        make_columns(300),
        training={"folds": 3, "epochs": 2},
        split={"test": 0.0},
    )


# every combination


@pytest.mark.parametrize(("loss", "strategy", "sampler"), COMBINATIONS)
def test_every_loss_trains_with_every_weight_and_sampler(
    table: Path, tmp_path: Path, loss: str, strategy: str, sampler: str
) -> None:
    config = write_config(
        tmp_path / "c.yaml",
        table,
        loss={"name": loss},
        weighting={"strategy": strategy, "allow_double_counting": True},
        training={"sampler": sampler, "epochs": 2},
        model={"members": 2, "sharing": ("trunk", "none")[len(strategy) % 2]},
        report={"bootstrap": 0},
    )
    run = tmp_path / "run"
    outcome = succeed("fit", config, "--run-dir", run, "--format", "json", "-q")
    document = json.loads((run / "run.json").read_text())
    assert document["loss"] == loss
    is_weighted = strategy != "none"
    for entry in document["labels"]:
        assert (min(entry["pos_weight"]) > 1) == is_weighted
        assert len(entry["pos_weight"]) == document["members"] == 1 + len(strategy) % 2
    rows = succeed("predict", run, table)
    predicted = pl.read_csv(rows.out)
    evaluation = succeed("evaluate", run, table, "--format", "json").document["splits"]["test"]
    for entry, reported in zip(
        evaluation["labels"], outcome.document["splits"]["test"]["labels"], strict=True
    ):
        p = predicted[f"{entry['label']}_probability"]
        assert p.is_between(0, 1, closed="none").all()
        assert p.n_unique() > 100
        # these networks hardly learned anything yet: what they say is near the prevalence
        assert p.mean() == pytest.approx(entry["prevalence"], rel=0.6)
        assert entry["threshold"] == reported["threshold"]
        assert entry["roc_auc"]["value"] > 0.5


@pytest.mark.parametrize(
    ("loss", "strategy"),
    [
        (loss, strategy)
        for loss, taken in TAKES.items()
        for strategy in STRATEGIES
        if strategy not in taken
    ],
)
def test_weights_that_a_loss_does_not_take_are_refused(
    table: Path, tmp_path: Path, loss: str, strategy: str
) -> None:
    config = write_config(
        tmp_path / "c.yaml", table, loss={"name": loss}, weighting={"strategy": strategy}
    )
    refuse("fit", config, "--run-dir", tmp_path / "run", says=f"loss.name {loss} ")


# ensembles


def eta(logits: torch.Tensor, gamma: float, weights: torch.Tensor) -> Floats:
    """Return L0' / (L0' - L1') of the weighted focal loss as it is published, by autograd."""
    z = logits.double().requires_grad_()
    p = torch.sigmoid(z)
    positive = -weights * (1 - p) ** gamma * p.log()
    negative = -(p**gamma) * (1 - p).log()
    [slope_1] = torch.autograd.grad(positive.sum(), z, retain_graph=True)
    [slope_0] = torch.autograd.grad(negative.sum(), z)
    result: Floats = (slope_0 / (slope_0 - slope_1)).numpy()
    return result


def calibrate(probabilities: Floats, document: dict[str, Any]) -> Floats:
    """Return calibrated probabilities, by run.json."""
    steps = [entry["calibration"] for entry in document["labels"]]
    slope = np.array([step["slope"] for step in steps])
    intercept = np.array([step["intercept"] for step in steps])
    odds = np.log(probabilities / (1 - probabilities))
    calibrated: Floats = 1 / (1 + np.exp(-(slope * odds + intercept)))
    return calibrated


def prepare_run(run: FittedRun) -> Prepared:
    """Read the table of a run as `fit` did."""
    config = load_config(str(run.config))
    return prepare(config, Silent(), folds=config.training.folds)


def member_probabilities(run: FittedRun, prepared: Prepared, gamma: float) -> list[Floats]:
    """Return each head's probabilities of all rows, before calibration, network by network."""
    predictor = Predictor.load(run.path, CPU)
    weights = torch.tensor([entry["pos_weight"] for entry in run.document["labels"]]).T.double()
    assert torch.equal(weights, load_file(run.path / "model.safetensors")["loss.pos_weight"][:, 0])
    return [
        eta(logits, gamma, weights[m])
        for m in range(run.document["members"])
        for logits in score_rows(predictor.model.member(m), prepared.rows, "float32")
    ]


def test_ensemble_averages_the_probabilities_of_its_members(ensemble: FittedRun) -> None:
    members = member_probabilities(ensemble, prepare_run(ensemble), gamma=1.5)
    assert len(members) == 3
    assert np.abs(members[0] - members[1]).max() > 0.01
    wanted = calibrate(np.mean(members, axis=0), ensemble.document)
    predicted = pl.read_csv(succeed("predict", ensemble.path, ensemble.table).out)
    given = predicted.select(f"{label}_probability" for label in LABELS).to_numpy()
    np.testing.assert_allclose(given, wanted, rtol=1e-9)


def test_heads_of_all_folds_are_averaged_as_networks_are(headed: FittedRun) -> None:
    """Each by the inverse link with the weights of its fold; and they are not all the same."""
    assert headed.document["members"] == 2
    heads = member_probabilities(headed, prepare_run(headed), gamma=2.0)
    assert len(heads) == 2 * 3
    for first, second in ((0, 1), (1, 2), (0, 3)):
        assert np.abs(heads[first] - heads[second]).max() > 0.001
    wanted = calibrate(np.mean(heads, axis=0), headed.document)
    predicted = pl.read_csv(succeed("predict", headed.path, headed.table).out)
    given = predicted.select(f"{label}_probability" for label in LABELS).to_numpy()
    np.testing.assert_allclose(given, wanted, rtol=1e-9)


def test_ensemble_evaluates_to_what_fit_reported(
    ensemble: FittedRun, folded: FittedRun, headed: FittedRun
) -> None:
    for run in (ensemble, folded, headed):
        rows = pl.read_parquet(run.path / "predictions.parquet")["row"].to_list()
        table = pl.read_csv(run.table, infer_schema=False)[rows].write_csv().encode()
        outcome = succeed("evaluate", run.path, "-", "--format", "json", stdin=table)
        evaluated = outcome.document["splits"]["test"]["labels"]
        assert evaluated == run.outcome.document["splits"]["test"]["labels"]


def test_a_row_is_predicted_the_same_to_the_bit_among_any_others(
    ensemble: FittedRun, headed: FittedRun
) -> None:
    for run in (ensemble, headed):
        lines = succeed("predict", run.path, run.table).text.splitlines()[1:]
        table = run.table.read_text().splitlines(keepends=True)
        for chosen in ([0], [299], list(range(17)), [5, 299, 0, 130], list(range(299, 0, -3))):
            text = "".join([table[0], *(table[1 + row] for row in chosen)])
            outcome = succeed("predict", run.path, "-", stdin=text.encode())
            assert outcome.text.splitlines()[1:] == [lines[row] for row in chosen]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["training.sampler=balanced", "weighting.strategy=none"],
        ["loss.name=distribution_balanced", "loss.gamma=2.0", "weighting.strategy=none"],
        ["training.monitor=log_loss", "training.schedule=constant", "training.patience=null"],
        ["model.recipe=tabular", "model.sharing=none", "training.epochs=4"],
    ],
)
def test_member_is_the_network_that_is_trained_alone(
    ensemble: FittedRun, tmp_path: Path, overrides: list[str]
) -> None:
    settings = [part for override in overrides for part in ("--set", override)]
    together = ensemble.path
    if overrides:
        together = tmp_path / "together"
        succeed("fit", ensemble.config, "--run-dir", together, "-q", *settings)
    whole = load_file(together / "model.safetensors")
    trained = json.loads((together / "run.json").read_text())["trained"]
    assert [member["seed"] for member in trained] == [5, 6, 7]
    for m, member in enumerate(trained):
        own = ["--set", "model.members=1", "--set", f"training.seed={5 + m}"]
        run = tmp_path / f"alone-{m}"
        succeed("fit", ensemble.config, "--run-dir", run, "-q", *settings, *own)
        alone = load_file(run / "model.safetensors")
        assert set(alone) == set(whole)
        for name, tensor in alone.items():
            mine = whole[name] if name.endswith("bins.edges") else whole[name][m : m + 1]
            if name.endswith("embedding.offsets"):
                mine = whole[name]
            assert torch.equal(tensor, mine), name
        assert json.loads((run / "run.json").read_text())["trained"] == [member]


def test_history_has_a_line_a_member_while_it_trains(ensemble: FittedRun) -> None:
    with (ensemble.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    last = {}
    for m, trained in enumerate(ensemble.document["trained"]):
        mine = [row for row in rows if row["member"] == str(m)]
        assert [int(row["epoch"]) for row in mine] == list(range(1, len(mine) + 1))
        assert [row["is_training"] for row in mine] == ["True"] * (len(mine) - 1) + ["False"]
        best = max(mine, key=lambda row: float(row["score"]))
        assert int(best["epoch"]) == trained["best_epoch"] == int(mine[-1]["best_epoch"])
        assert float(mine[-1]["best_score"]) == float(best["score"])
        assert len(mine) == min(12, trained["best_epoch"] + 2)
        last[m] = len(mine)
    assert len(rows) == sum(last.values())
    assert len(set(last.values())) > 1  # or nothing was seen of a member that stops before others


def test_every_tensor_has_an_axis_of_members(
    ensemble: FittedRun, folded: FittedRun, headed: FittedRun
) -> None:
    """Or of their heads, where these have something of their own."""
    for run, members, heads in ((ensemble, 3, 1), (folded, 6, 1), (headed, 2, 3)):
        tensors = load_file(run.path / "model.safetensors")
        assert run.document["members"] == members
        for name, tensor in tensors.items():
            if name.startswith("loss."):
                assert tensor.shape == (members, 1, 3)
            elif {"scale", "output"} & set(name.split(".")):
                assert len(tensor) == members * heads
            elif name.endswith(("weight", "bias")):
                assert len(tensor) == members
        assert {n for n in tensors if n.startswith("loss.")} == {
            "loss.pos_weight",
            "loss.gamma_positive",
            "loss.gamma_negative",
        }


# folds


def test_members_of_the_folds_are_listed(folded: FittedRun) -> None:
    trained = folded.document["trained"]
    assert [(entry["fold"], entry["seed"]) for entry in trained] == [
        (fold, seed) for fold in range(3) for seed in (11, 12)
    ]
    assert all(1 <= entry["best_epoch"] <= 3 for entry in trained)


def test_weights_of_a_fold_are_counted_in_its_training_rows(folded: FittedRun) -> None:
    prepared = prepare_run(folded)
    for label, entry in enumerate(folded.document["labels"]):
        column = prepared.data.targets.dense()[:, label]
        wanted = []
        for fold in prepared.folds:
            cells = column[fold.train]
            wanted += [(cells == 0).sum() / (cells == 1).sum()] * 2
        assert entry["pos_weight"] == pytest.approx(wanted, rel=1e-6)


def out_of_fold(run: FittedRun, prepared: Prepared) -> tuple[Floats, Floats]:
    """Return probabilities before calibration, and targets, of rows held out of each fold."""
    members = member_probabilities(run, prepared, gamma=2.0)
    folds = [entry["fold"] for entry in run.document["trained"]]
    probabilities, targets = [], []
    for number, fold in enumerate(prepared.folds):
        own = [p[fold.held_out] for p, its in zip(members, folds, strict=True) if its == number]
        assert len(own) == 2
        probabilities.append(np.mean(own, axis=0))
        targets.append(prepared.data.targets.take(fold.held_out).dense().astype(np.float64))
    return np.concatenate(probabilities), np.concatenate(targets)


def platt_gradient(p: Floats, y: Floats, slope: float, intercept: float) -> list[float]:
    """Return the gradient of the log loss with a normal prior around (1, 0), which is convex."""
    u = np.log(p / (1 - p))
    wrong = 1 / (1 + np.exp(-(slope * u + intercept))) - y
    of_intercept, of_slope, _ = PRIOR_PRECISION
    return [
        float((wrong * u).sum() + of_slope * (slope - 1)),
        float(wrong.sum() + of_intercept * intercept),
    ]


def f1(p: Floats, y: Floats, threshold: float) -> float:
    """Return F1 of deciding at a threshold."""
    decided = p >= threshold
    return float(2 * (decided & (y == 1)).sum() / (decided.sum() + (y == 1).sum()))


def test_calibration_and_thresholds_come_from_out_of_fold_scores(folded: FittedRun) -> None:
    prepared = prepare_run(folded)
    raw, targets = out_of_fold(folded, prepared)
    assert len(raw) == 255  # all but the test part, each once
    calibrated = calibrate(raw, folded.document)
    for label, entry in enumerate(folded.document["labels"]):
        known = ~np.isnan(targets[:, label])
        p, y = raw[known, label], targets[known, label]
        step = entry["calibration"]
        assert step["fitted"]
        assert step["slope"] != 1
        gradient = platt_gradient(p, y, step["slope"], step["intercept"])
        assert gradient == pytest.approx([0, 0], abs=1e-6)  # so there is no better step
        p = calibrated[known, label]
        best = max(f1(p, y, threshold) for threshold in p)
        assert f1(p, y, entry["threshold"]) == pytest.approx(best, abs=1e-12)
        nearest = np.sort(np.abs(p - entry["threshold"]))[:2]
        assert nearest[0] == pytest.approx(nearest[1], rel=1e-6)  # half way between two scores
        assert entry["validation_positives"] == int(y.sum())
        assert entry["threshold_pooled"] is False


def test_members_of_all_folds_are_the_model(folded: FittedRun) -> None:
    prepared = prepare_run(folded)
    members = member_probabilities(folded, prepared, gamma=2.0)
    assert len(members) == 6
    wanted = calibrate(np.mean(members, axis=0), folded.document)
    frame = pl.read_parquet(folded.path / "predictions.parquet")
    given = frame.select(f"{label}_probability" for label in LABELS).to_numpy()
    assert frame["row"].to_list() == prepared.data.split.test.tolist()
    np.testing.assert_allclose(given, wanted[prepared.data.split.test], rtol=1e-9)


def test_no_row_is_held_out_of_a_fold_that_saw_it(folded: FittedRun) -> None:
    prepared = prepare_run(folded)
    test = set(prepared.data.split.test.tolist())
    held_out = np.concatenate([fold.held_out for fold in prepared.folds])
    assert sorted([*held_out.tolist(), *test]) == list(range(300))
    for fold in prepared.folds:
        seen = {*fold.train.tolist(), *fold.valid.tolist()}
        assert not seen & (test | set(fold.held_out.tolist()))


def test_without_a_test_part_the_report_is_out_of_fold(without_test: FittedRun) -> None:
    assert list(without_test.outcome.document["splits"]) == ["out_of_fold"]
    part = without_test.outcome.document["splits"]["out_of_fold"]
    assert part["rows"] == 300
    assert part["source"] == str(without_test.table)
    frame = pl.read_parquet(without_test.path / "predictions.parquet")
    assert sorted(frame["row"].to_list()) == list(range(300))
    table = pl.read_csv(without_test.table)[frame["row"].to_list()]
    for label in LABELS:
        assert frame[f"{label}_target"].to_list() == table[label].to_list()
    [warning] = [x for x in without_test.outcome.err.splitlines() if x.startswith("warning: ")]
    assert "there is no test part: the report is of the rows held out of each fold" in warning
    assert "the epoch" not in warning
    # the model has learned from these rows by now, and so says something else of them
    predicted = pl.read_csv(succeed("predict", without_test.path, without_test.table).out)
    again = predicted["y_often_probability"].to_numpy()[frame["row"].to_numpy()]
    assert np.abs(again - frame["y_often_probability"].to_numpy()).max() > 1e-6


def test_out_of_fold_table(without_test: FittedRun, tmp_path: Path) -> None:
    arguments = ("--run-dir", tmp_path / "run", "--format", "table", "-q")
    text = succeed("fit", without_test.config, *arguments).text
    assert text.startswith("300 out-of-fold rows of")


@pytest.mark.parametrize("strategy", ["auto", "random"])
def test_same_seed_same_model_with_members_and_folds(
    folded: FittedRun, tmp_path: Path, strategy: str
) -> None:
    first, again = folded, tmp_path / "again"
    settings = ["--set", f"split.strategy={strategy}"] if strategy != "auto" else []
    if settings:
        succeed("fit", folded.config, "--run-dir", tmp_path / "first", "-q", *settings)
        first = dataclasses.replace(folded, path=tmp_path / "first")
    succeed("fit", folded.config, "--run-dir", again, "-q", *settings)
    content = (first.path / "model.safetensors").read_bytes()
    assert (again / "model.safetensors").read_bytes() == content
    one, two = (json.loads((path / "run.json").read_text()) for path in (first.path, again))
    assert one["labels"] == two["labels"]
    if settings:
        assert content != (folded.path / "model.safetensors").read_bytes()


def test_given_validation_rows_stop_every_fold(table: Path, tmp_path: Path) -> None:
    valid = write_csv(tmp_path / "valid.csv", make_columns(150, seed=4))
    test = write_csv(tmp_path / "test.csv", make_columns(150, seed=5))
    given = {"valid": str(valid), "test": str(test)}
    run = fit_run(tmp_path, make_columns(300), data=given, training={"folds": 3})
    prepared = prepare_run(run)
    assert all(fold.valid.tolist() == list(range(300, 450)) for fold in prepared.folds)
    held_out = np.concatenate([fold.held_out for fold in prepared.folds])
    assert sorted(held_out.tolist()) == list(range(300))
    assert run.outcome.document["splits"]["test"]["rows"] == 150
    for entry, label in zip(run.document["labels"], LABELS, strict=True):
        assert entry["validation_positives"] == make_columns(300)[label].count("1")
    succeed("evaluate", run.path, table)


def test_groups_stay_together_across_folds(tmp_path: Path) -> None:
    columns = make_columns(300)
    columns["household"] = [f"h{i % 60}" for i in range(300)]
    run = fit_run(tmp_path, columns, data={"group": "household"}, training={"folds": 3})
    households = np.array(columns["household"])
    prepared = prepare_run(run)
    for fold in prepared.folds:
        parts = [set(households[part]) for part in (fold.train, fold.valid, fold.held_out)]
        parts.append(set(households[prepared.data.split.test]))
        assert sum(map(len, parts)) == 60


def test_label_that_only_some_folds_can_learn(tmp_path: Path) -> None:
    columns = make_columns(300) | {"y_rare": ["1", "1", "1"] + ["0"] * 297}
    run = fit_run(
        tmp_path, columns, training={"folds": 2}, split={"test": 0.0}, model={"members": 2}
    )
    assert run.document["labels"][2]["validation_positives"] == 3
    assert all(weight >= 1 for weight in run.document["labels"][2]["pos_weight"])
    succeed("evaluate", run.path, run.table)


# what is refused


def test_too_many_folds_are_refused_before_anything_is_written(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", table, split={"test": 0.0})
    positives = make_columns(300)["y_rare"].count("1")
    outcome = refuse(
        "fit",
        config,
        "--run-dir",
        tmp_path / "run",
        "--set",
        f"training.folds={positives + 1}",
        says=f"training.folds: {positives + 1} folds, and label 'y_rare' has {positives} positives",
        hint=f"at most {positives} folds",
    )
    assert "epoch" not in outcome.err
    assert not (tmp_path / "run").exists()
    arguments = ("--set", f"training.folds={positives}", "--set", "training.epochs=1", "-q")
    succeed("fit", config, "--run-dir", tmp_path / "run", *arguments)


def test_folds_that_nothing_could_be_learned_in_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    columns = {"amount": make_columns(200)["amount"], "y": ["1", "1", "1", *["0"] * 197]}
    table = write_csv(tmp_path / "t.csv", columns)
    config = write_config(tmp_path / "c.yaml", table, split={"test": 0.0})
    run = tmp_path / "run"
    refuse(
        "fit",
        config,
        "--run-dir",
        run,
        "--set",
        "training.folds=2",
        says="no label has a positive and a negative both to learn from and to stop by",
        hint="a larger split.valid, another number of folds",
    )
    assert not run.exists()
    succeed("fit", config, "--run-dir", run, "-q", "--set", "training.folds=3")


@pytest.mark.parametrize("folds", ["null", "3"])
def test_far_too_many_members_are_refused_at_once(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folds: str
) -> None:
    monkeypatch.setattr(networks, "available_memory", lambda _device: 10**9)
    config = write_config(tmp_path / "c.yaml", table)
    overrides = ("model.members=100000000", "model.sharing=none", f"training.folds={folds}")
    settings = [part for override in overrides for part in ("--set", override)]
    outcome = refuse(
        "fit",
        config,
        "--run-dir",
        tmp_path / "run",
        *settings,
        says="model.members: ",
        hint=" would fit",
    )
    assert "1.0 GB of memory are free" in outcome.err
    most = outcome.err.rpartition(" would fit")[0].split()[-1].replace(",", "")
    assert 1000 < int(most) < 10**8
    assert not (tmp_path / "run").exists()


def test_weights_file_of_other_labels_names_them(table: Path, tmp_path: Path) -> None:
    others = make_columns(50)
    others["y_odd"] = others.pop("y_rare")
    weights = tmp_path / "w.json"
    succeed("weights", write_csv(tmp_path / "o.csv", others), "-o", weights)
    config = write_config(
        tmp_path / "c.yaml", table, weighting={"from": str(weights)}, loss={"name": "focal"}
    )
    for folds in ("null", "3"):
        refuse(
            "fit",
            config,
            "--run-dir",
            tmp_path / "run",
            "--set",
            f"training.folds={folds}",
            says=f"{weights}: label 'y_odd' is only in the file",
        )
    assert not (tmp_path / "run").exists()


def test_weights_file_gives_every_fold_the_same_weights(table: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.json"
    succeed("weights", table, "--strategy", "sqrt", "--format", "json", "-o", weights)
    wanted = json.loads(weights.read_text())["labels"]
    run = fit_run(
        tmp_path,
        make_columns(300),
        weighting={"from": str(weights)},
        loss={"name": "asymmetric"},
        training={"folds": 2, "epochs": 1},
        model={"members": 2, "sharing": "none"},
    )
    for entry, label in zip(run.document["labels"], wanted, strict=True):
        assert entry["pos_weight"] == [pytest.approx(label["pos_weight"], rel=1e-6)] * 4


def test_run_of_the_older_format_is_refused_by_name(single_run: FittedRun, tmp_path: Path) -> None:
    path = shutil.copytree(single_run.path, tmp_path / "run")
    document = json.loads((path / "run.json").read_text())
    del document["checksum"], document["members"], document["trained"]
    document |= {"format_version": 1, "best_epoch": 2}
    whole = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    document["checksum"] = hashlib.sha256(whole).hexdigest()
    (path / "run.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    says = f"{path}/run.json: format version 1, and this imbtrain reads 5"
    refuse("evaluate", path, single_run.table, says=says)
    refuse("predict", path, single_run.table, says=says)


def test_divergence_names_the_member(table: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "c.yaml",
        table,
        model={"members": 2},
        training={"folds": 2, "learning_rate": 1e9},
    )
    for sharing, seed in (("none", ", seed 0"), ("trunk", "")):
        settings = ("--set", f"model.sharing={sharing}", "--overwrite")
        says = f"training of fold 1{seed} diverged in epoch "
        refuse("fit", config, "--run-dir", tmp_path / "run", *settings, says=says)


def test_unseen_categories_and_blanks_go_through_an_ensemble(ensemble: FittedRun) -> None:
    columns = make_columns(20) | {"colour": ["mauve", "", *COLOURS, *["red"] * 15]}
    outcome = succeed("predict", ensemble.path, "-", stdin=to_csv(columns).encode())
    assert len(outcome.text.splitlines()) == 21
