"""`--tensorboard`: what TensorBoard's own reader finds in the files of a fit and a comparison."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from small_runs import (
    LABELS,
    TABULAR,
    history,
    make_columns,
    refuse,
    succeed,
    write_config,
    write_csv,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

if TYPE_CHECKING:
    from pathlib import Path


IMBTRAIN = (sys.executable, "-m", "imbalance_cli.cli.app")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table with three labels."""
    return write_csv(tmp_path_factory.mktemp("tensorboard") / "table.csv", make_columns())


@pytest.fixture
def config(table: Path, tmp_path: Path) -> Path:
    """Write a config for it."""
    return write_config(tmp_path / "config.yaml", table)


def read(place: Path) -> EventAccumulator:
    """Return what TensorBoard reads of one of its runs."""
    events = EventAccumulator(str(place))
    events.Reload()
    return events


def scalars(place: Path, tag: str) -> dict[int, float]:
    """Return the values of a tag by step."""
    events = read(place).Scalars(tag)
    return {event.step: event.value for event in events}


def test_a_fit(config: Path, tmp_path: Path) -> None:
    run, logs = tmp_path / "run", tmp_path / "deep" / "tb"
    outcome = succeed("fit", config, "--run-dir", run, "--tensorboard", logs, "--format", "json")
    assert [path.name for path in logs.iterdir()] == ["run"]
    place = logs / "run"
    for tag, column in (
        ("train/loss", "loss"),
        (f"valid/{TABULAR.monitor}", "score"),
        ("train/learning_rate", "learning_rate"),
        ("train/rows_per_second", "rows_per_second"),
    ):
        assert scalars(place, tag) == pytest.approx(history(run, column), rel=1e-6)
    part = outcome.document["splits"]["test"]
    tags = read(place).Tags()["scalars"]
    for metric, value in part["macro"].items():
        assert (f"test/macro/{metric}" in tags) is (value is not None)
        if value is not None:
            assert scalars(place, f"test/macro/{metric}") == {0: pytest.approx(value, rel=1e-6)}
    for label in part["labels"]:
        found = scalars(place, f"test/label/{label['label']}/roc_auc")
        assert found == {0: pytest.approx(label["roc_auc"]["value"], rel=1e-6)}
    [text] = read(place).Tensors("config/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    assert shown.startswith("    data:\n      train:\n")
    assert "      epochs: 3\n" in shown
    plugins = read(place).summary_metadata  # the hyperparameters, for the tab of that name
    assert plugins["_hparams_/session_start_info"].plugin_data.plugin_name == "hparams"
    assert b"training.learning_rate" in plugins["_hparams_/session_start_info"].plugin_data.content


def test_members_are_runs_below(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = ("training.folds=2", "model.members=2", "model.sharing=none")
    arguments = [part for setting in settings for part in ("--set", setting)]
    succeed("fit", config, "--run-dir", run, "--tensorboard", tmp_path / "tb", *arguments)
    names = [f"fold_{fold}_seed_{seed}" for fold in range(2) for seed in range(2)]
    place = tmp_path / "tb" / "run"
    assert sorted(path.name for path in place.iterdir() if path.is_dir()) == names
    for m, name in enumerate(names):
        wanted = history(run, "score", m)
        assert scalars(place / name, f"valid/{TABULAR.monitor}") == pytest.approx(wanted, rel=1e-6)
    mean = sum(history(run, "loss", m)[3] for m in range(4)) / 4
    assert scalars(place, "train/loss")[3] == pytest.approx(mean, rel=1e-6)


def test_a_comparison(config: Path, tmp_path: Path) -> None:
    outcome = succeed(
        *("compare", config, "--run-dir", tmp_path / "run", "--tensorboard", tmp_path / "tb"),
        *("--losses", "weighted_bce", "--strategies", "ratio", "--folds", 2, "--format", "json"),
    )
    place = tmp_path / "tb" / "run"
    assert {path.name for path in place.iterdir() if path.is_dir()} == {
        "bce",
        "weighted_bce_ratio",
    }
    for candidate in outcome.document["candidates"]:
        below = place / candidate["name"].replace(":", "_")
        assert {path.name for path in below.iterdir() if path.is_dir()} == {"fold_0", "fold_1"}
        assert len(scalars(below, "train/loss")) == 3
        found = scalars(below, f"held_out/label/{LABELS[0]}/f1")
        assert found[0] == pytest.approx(candidate["labels"][0]["metrics"]["f1"]["value"], rel=1e-6)


def test_a_second_fit_of_the_same_name_gets_a_place_of_its_own(
    config: Path, tmp_path: Path
) -> None:
    arguments = ("fit", config, "--run-dir", tmp_path / "run", "--tensorboard", tmp_path / "tb")
    for _ in range(3):
        succeed(*arguments, "--overwrite")
    places = sorted((tmp_path / "tb").iterdir())
    assert [place.name for place in places] == ["run", "run-2", "run-3"]
    assert all(len(scalars(place, "train/loss")) == 3 for place in places)


def test_it_can_be_watched_and_an_interrupt_loses_nothing(table: Path, tmp_path: Path) -> None:
    training = {"epochs": 100_000, "patience": None}
    config = write_config(tmp_path / "c.yaml", table, training=training)
    place = tmp_path / "tb" / "run"
    with subprocess.Popen(
        [*IMBTRAIN, "fit", str(config), "-q", "--run-dir", "run", "--tensorboard", "tb"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    ) as process:
        seen: dict[int, float] = {}
        deadline = time.monotonic() + 90
        while len(seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            if place.exists() and "train/loss" in read(place).Tags()["scalars"]:
                seen = scalars(place, "train/loss")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert len(seen) >= 2
    told = read(place)
    told.Reload()
    last = max(history(tmp_path / "run", "loss"))
    kept = [event.step for event in told.Scalars("train/loss")]
    assert kept[-1] in (last, last - 1)  # the history is written first


def test_places_that_cannot_be_used(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "tb"):
        outcome = refuse(
            *("fit", config, "--run-dir", tmp_path / "run", "--tensorboard", place),
            says=f"{place}: cannot be written: {tmp_path / 'file'} is a file",
        )
        assert "rows: " not in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_config_that_fails_leaves_nothing(config: Path, tmp_path: Path) -> None:
    arguments = ("--tensorboard", tmp_path / "tb", "--set", "data.group=nope")
    refuse("fit", config, "--run-dir", tmp_path / "run", *arguments, says="data.group")
    assert not (tmp_path / "tb").exists()
