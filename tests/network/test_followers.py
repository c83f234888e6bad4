"""Networks that learn from the validation rows too, for as many epochs as another says."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

import polars as pl
import pytest
import torch
from small_runs import TABULAR, make_columns, succeed, write_csv

from imbalance_cli.config import load_config
from imbalance_cli.losses.family import weighted_bce
from imbalance_cli.network.epochs import MemberResult
from imbalance_cli.network.model import Shape, build_model, score_rows
from imbalance_cli.network.processes import train_on_cores
from imbalance_cli.network.recipes import FOLLOWERS, NETWORKS, REFITTED
from imbalance_cli.network.scoring import KeptLogits
from imbalance_cli.network.training import Group, Member, Training
from imbalance_cli.rows.dataset import Dataset
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.run.scored_rows import Scores
from imbalance_cli.workflows.fitting import (
    choose_members,
    describe,
    make_predictor,
    score_held_out,
)
from imbalance_cli.workflows.networks import Networks, prepare_networks
from imbalance_cli.workflows.observing import Observer, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.network.state import State

SHAPE = Shape(
    numeric=4,
    cardinalities=[],
    labels=1,
    hidden=[16],
    dropout=0.2,
    continuous=4,
    frequencies=[0.1, 0.5],
    heads=2,
    is_scaled=True,
)
RECIPE = dataclasses.replace(TABULAR, epochs=15, batch_size=64, followers=2)
TRAIN, VALID = torch.arange(400), torch.arange(400, 520)
BOTH = torch.arange(520)
CPU = torch.device("cpu")
LOSS = weighted_bce(torch.tensor([2.0]))


def make_rows() -> Dataset:
    """Return noisy rows, on which later epochs are not the better ones."""
    random = torch.Generator().manual_seed(0)
    numeric = torch.randn(520, 4, generator=random)
    noise = 2 * torch.randn(520, generator=random)
    targets = (numeric[:, 0] + noise > 1).float()[:, None]
    return Dataset(numeric, torch.empty(520, 0, dtype=torch.long), targets)


ROWS = make_rows()
LEADERS = [0, 3]
SEEDS = [0, 1, 1, 3, 4, 4]
MEMBERS = [
    Member(BOTH if m % 3 else TRAIN, VALID, LOSS, SEEDS[m], follows=m % 3 > 0) for m in range(6)
]


def train(
    processes: int | None = None, state: State | None = None
) -> tuple[torch.Tensor, list[EpochResult]]:
    """Return the logits of all members, and every epoch."""
    model = build_model(SHAPE, SEEDS)
    results = [
        progress.result
        for progress in train_on_cores(
            model, ROWS, MEMBERS, RECIPE, processes=processes, state=state
        )
    ]
    return score_rows(model, ROWS, "float32"), results


def train_alone(member: Member, epochs: int) -> torch.Tensor:
    """Return the logits of a network after so many epochs of the same schedule."""
    model = build_model(SHAPE, [member.seed])
    recipe = dataclasses.replace(RECIPE, patience=None)
    training = Training(model, ROWS, [dataclasses.replace(member, follows=False)], recipe)
    for _ in itertools.islice(training, epochs):
        pass
    return score_rows(model, ROWS, "float32")


def test_a_follower_is_a_network_of_all_rows_that_is_kept_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the epochs that were best, and at the next end of a cycle or after the last one."""
    logits, results = train()
    last = results[-1].members
    monkeypatch.setattr(Group, "restore", lambda *_: None)  # alone, too, the last weights are kept
    for first in LEADERS:
        best, end = last[first].best_epoch, last[first].epoch
        later = min([epoch for epoch in (1, 3, 7, 15) if best < epoch <= end], default=best)
        for m, epochs in ((first + 1, best), (first + 2, later)):
            assert last[m].best_epoch == epochs
            assert math.isnan(last[m].score)
            assert torch.equal(logits[2 * m : 2 * m + 2], train_alone(MEMBERS[m], epochs))
    assert all(last[m + 2].best_epoch > last[m + 1].best_epoch for m in LEADERS)


def test_leaders_are_what_they_would_be_without_followers() -> None:
    logits, results = train()
    model = build_model(SHAPE, LEADERS)
    alone = list(Training(model, ROWS, [MEMBERS[m] for m in LEADERS], RECIPE))
    of_leaders = logits.reshape(6, 2, *logits.shape[1:])[LEADERS].flatten(0, 1)
    assert torch.equal(of_leaders, score_rows(model, ROWS, "float32"))
    assert [r.score for r in results[: len(alone)]] == [r.score for r in alone]


def test_processes_train_what_one_does_to_the_bit() -> None:
    one, _ = train(1)
    two, results = train(2)
    assert torch.equal(one, two)
    assert not any(member.is_training for member in results[-1].members)


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("stop", [3, 14, 17, 23, 30])
def test_training_goes_on_from_any_epoch_twice(stop: int, processes: int) -> None:
    wanted, results = train(1)
    state: State | None = None
    for epochs in (stop, 2):
        training = train_on_cores(
            build_model(SHAPE, SEEDS), ROWS, MEMBERS, RECIPE, processes=processes, state=state
        )
        for progress in itertools.islice(training, epochs):
            state = {name: tensor.clone() for name, tensor in progress.state().items()}
        training.close()
    found, rest = train(processes, state)
    assert torch.equal(found, wanted)
    # as text, of which one nan is like another
    assert [f"{r.members}" for r in rest] == [f"{r.members}" for r in results[stop + 2 :]]


def test_what_is_over_before_followers_began_has_the_leaders_best_weights() -> None:
    model = build_model(SHAPE, SEEDS)
    training = Training(model, ROWS, MEMBERS, RECIPE)
    results = [next(training) for _ in range(3)]
    ended = build_model(SHAPE, SEEDS)
    assert list(Training(ended, ROWS, MEMBERS, RECIPE, state=training.state(), is_over=True)) == []
    logits = score_rows(ended, ROWS, "float32").reshape(6, 2, 520, 1)
    for m in LEADERS:
        best = results[-1].members[m].best_epoch
        training = Training(build_model(SHAPE, [SEEDS[m]]), ROWS, [MEMBERS[m]], RECIPE)
        *_, state = (training.state() for _ in itertools.islice(training, best))
        again = build_model(SHAPE, [SEEDS[m]])
        assert not list(Training(again, ROWS, [MEMBERS[m]], RECIPE, state=state, is_over=True))
        assert torch.equal(logits[m], score_rows(again, ROWS, "float32"))


@pytest.mark.parametrize(
    ("kept", "chosen"),
    [
        ([], [0, 3]),
        ([1], [1, 3]),
        ([1, 2], [1, 2, 3]),
        ([1, 2, 4], [1, 2, 4]),
        ([4, 5], [0, 4, 5]),
        ([1, 2, 4, 5], [1, 2, 4, 5]),
    ],
)
def test_the_model_is_of_what_was_kept_and_of_networks_that_none_followed(
    kept: list[int], chosen: list[int]
) -> None:
    results = [MemberResult(0.5, 0.5, 3, 0.5, m not in kept, 3) for m in range(6)]
    networks = Networks(MEMBERS, [Origin(None, 0, seed) for seed in SEEDS], torch.zeros(6, 1))
    assert choose_members(networks, results) == chosen
    described = describe(networks, results)
    assert [network["seed"] for network in described] == [
        SEEDS[m] for m in range(6) if m in {*LEADERS, *kept}
    ]
    assert sum("refitted" in network for network in described) == len(kept)


def test_validation_rows_are_scored_by_networks_that_have_not_learned_them(
    tmp_path: Path,
) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns(300))
    config = load_config({"data": {"train": str(table), "labels": ["y_often"]}})
    prepared, recipe, networks, model = prepare_networks(config, Observer(), tmp_path)
    learned = [set(member.train.tolist()) for member in networks.members]
    held_out = set(prepared.held_out.tolist())
    test = set(prepared.data.split.test.tolist())
    leaders = [0, 1 + FOLLOWERS]
    followers = [m for m in range(REFITTED) if m not in leaders]
    assert [m for m, rows in enumerate(learned) if rows & held_out] == followers
    assert not any(rows & test for rows in learned)
    predictor = make_predictor(model, prepared, networks, config)
    scores = score_held_out(predictor, prepared, networks)
    rows = prepared.rows.part(torch.from_numpy(prepared.held_out))
    alone = torch.cat([score_rows(model.member(m), rows, recipe.precision) for m in leaders])
    wanted = Scores([(KeptLogits(alone), predictor.keep_members(leaders).link_loss)])
    assert torch.equal(scores.log_odds(), wanted.log_odds())

    kept = predictor.keep_members(followers)
    assert kept.model.members == len(followers)
    assert model.heads == [
        recipe.leading_heads if m in leaders else recipe.heads for m in range(REFITTED)
    ]
    assert kept.model.heads == [recipe.heads] * len(followers)
    assert [part.members for part in kept.model.parts()] == [FOLLOWERS, FOLLOWERS]
    alone = torch.cat([score_rows(model.member(m), rows, recipe.precision) for m in followers])
    assert torch.equal(score_rows(kept.model, rows, recipe.precision), alone)
    assert kept.to_document()["members"] == len(followers)


def test_a_fit_has_followers_unless_it_is_told_not_to(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns(300))
    options = ("--labels", "y_often", "--set", "training.epochs=5", "--set", "report.plots=false")
    run = tmp_path / "run"
    outcome = succeed("fit", table, *options, "--run-dir", run, "--format", "json")
    predictor = Predictor.load(run, CPU)
    assert predictor.model.members == 2 * FOLLOWERS
    document = pl.read_csv(run / "history.csv")
    assert document.filter(pl.col("score").is_null())["member"].unique().sort().to_list() == [
        *range(1, 1 + FOLLOWERS),
        *range(2 + FOLLOWERS, REFITTED),
    ]
    assert outcome.document["splits"]["test"]["rows"] > 0
    again = succeed("fit", table, *options, "--run-dir", tmp_path / "b", "--format", "json")
    assert again.document["splits"] == outcome.document["splits"]
    off = (*options, "--set", "training.refit=false")
    succeed("fit", table, *off, "--run-dir", tmp_path / "off")
    assert Predictor.load(tmp_path / "off", CPU).model.members == NETWORKS[0][1]
