"""`--mlflow`: what MLflow's own client finds in a database after a fit, however it ended."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
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

from imbalance_cli.config import load_config
from imbalance_cli.tracking import MlflowTracker
from imbalance_cli.tracking.mlflow import ARTIFACTS
from imbalance_cli.tracking.series import flatten_config

if TYPE_CHECKING:
    from mlflow.entities import Run

IMBTRAIN = (sys.executable, "-m", "imbalance_cli.cli.app")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table with three labels."""
    return write_csv(tmp_path_factory.mktemp("mlflow") / "table.csv", make_columns())


@pytest.fixture
def config(table: Path, tmp_path: Path) -> Path:
    """Write a config for it."""
    return write_config(tmp_path / "config.yaml", table)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database once: its tables take seconds."""
    folder = tmp_path_factory.mktemp("database")
    with contextlib.chdir(folder):  # where it makes a folder for artifacts
        # MLflow makes the tables of an address once a process: a relative one may be known
        MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}", "Default")
    return folder / "mlflow.db"


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a database without runs; artifacts go to ./mlruns."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def read_runs(uri: str, experiment: str = "Default") -> list[Run]:
    """Return the runs of an experiment, the oldest first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy and MLflow, of each other
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        assert found is not None
        return list(client.search_runs([found.experiment_id], order_by=["start_time ASC"]))


def read_metric(uri: str, run: Run, key: str) -> dict[int, float]:
    """Return the values of a metric by step."""
    points = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, key)
    return {point.step: point.value for point in points}


def read_artifacts(uri: str, run: Run) -> dict[str, Path]:
    """Return the files of a run, those of its model apart."""
    client = MlflowClient(tracking_uri=uri)
    return {
        entry.path: Path(client.download_artifacts(run.info.run_id, entry.path))
        for entry in client.list_artifacts(run.info.run_id)
        if not entry.is_dir
    }


def test_a_fit(config: Path, tmp_path: Path, uri: str) -> None:
    outcome = succeed(
        *("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri, "--format", "json")
    )
    [run] = read_runs(uri)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    assert run.data.tags["mlflow.source.name"] == "imbtrain fit"
    assert run.data.tags["imbtrain.run"] == str(tmp_path / "run")
    resolved = load_config(str(tmp_path / "run" / "config.yaml"))
    assert run.data.params == flatten_config(resolved)
    for key, column in (
        ("train/loss", "loss"),
        (f"valid/{TABULAR.monitor}", "score"),
        ("train/learning_rate", "learning_rate"),
        ("train/rows_per_second", "rows_per_second"),
    ):
        assert read_metric(uri, run, key) == history(tmp_path / "run", column)
    part = outcome.document["splits"]["test"]
    for metric, value in part["macro"].items():  # what is undefined is not there
        assert run.data.metrics.get(f"test/macro/{metric}") == value
    for label in part["labels"]:
        assert run.data.metrics[f"test/label/{label['label']}/brier"] == label["brier"]
    artifacts = read_artifacts(uri, run)
    assert set(artifacts) >= {"config.yaml", "metrics.json"}
    for name, path in artifacts.items():
        assert path.read_bytes() == (tmp_path / "run" / name).read_bytes()
    assert json.loads(artifacts["metrics.json"].read_bytes()) == outcome.document
    assert [line.split()[0] for line in outcome.err.splitlines()] == [
        "reading",
        "rows:",
        "epoch",
        "epoch",
    ]


def test_the_page_of_a_run_is_an_artifact(config: Path, tmp_path: Path, uri: str) -> None:
    assert "report.html" in ARTIFACTS
    succeed("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri)
    there = {path.name for path in (tmp_path / "run").iterdir()}
    assert set(read_artifacts(uri, read_runs(uri)[0])) == there & set(ARTIFACTS)


def test_the_model_of_a_run_is_kept_with_a_signature_and_an_example(
    config: Path, table: Path, tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri)
    [run] = read_runs(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow, of itself
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
        example = model.input_example
        frame = pl.read_csv(table)
        numbers, texts = (
            {name: frame[name].cast(kind).fill_null(missing).to_numpy()[:, None] for name in names}
            for kind, missing, names in (
                (pl.Float64, np.nan, ("amount", "age")),
                (pl.String, "", ("colour", "city")),
            )
        )
        found = model.predict(numbers | texts)
    said = pl.read_csv(succeed("predict", tmp_path / "run", table).out)
    for i, label in enumerate(LABELS):
        wanted = said[f"{label}_probability"].to_numpy()
        np.testing.assert_allclose(found["probability"][:, i], wanted, rtol=0, atol=1e-6)
        assert found["decision"][:, i].tolist() == said[f"{label}_decision"].to_list()
    assert [column.name for column in model.metadata.signature.inputs] == [*numbers, *texts]
    assert [column.name for column in model.metadata.signature.outputs] == [*found]
    assert {name: cells.shape for name, cells in example.items()} == dict.fromkeys(
        [*numbers, *texts], (3, 1)
    )


def test_why_there_is_no_model_is_a_tag(tmp_path: Path, uri: str) -> None:
    columns = {name.replace("amount", "decision"): c for name, c in make_columns(200).items()}
    config = write_config(tmp_path / "c.yaml", write_csv(tmp_path / "t.csv", columns))
    succeed("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri)
    [run] = read_runs(uri)
    assert run.info.status == "FINISHED"
    assert run.data.tags["imbtrain.no_model"].startswith("column 'decision': no input of an ONNX")


def test_members_of_folds_and_seeds(config: Path, tmp_path: Path, uri: str) -> None:
    settings = ("training.folds=2", "model.members=2", "model.sharing=none")
    arguments = [part for setting in settings for part in ("--set", setting)]
    succeed("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri, *arguments)
    [run] = read_runs(uri)
    names = [f"fold_{fold}_seed_{seed}" for fold in range(2) for seed in range(2)]
    losses = [read_metric(uri, run, f"{name}/train/loss") for name in names]
    assert losses == [history(tmp_path / "run", "loss", m) for m in range(4)]
    mean = sum(loss[3] for loss in losses) / 4
    assert read_metric(uri, run, "train/loss")[3] == pytest.approx(mean)


def test_a_comparison_is_a_run_with_one_below_it_for_each_candidate(
    config: Path, tmp_path: Path, uri: str
) -> None:
    outcome = succeed(
        *("compare", config, "--run-dir", tmp_path / "run", "--mlflow", uri, "--format", "json"),
        *("--losses", "focal", "--folds", 2, "--mlflow-experiment", "losses and weights"),
    )
    whole, bce, focal = read_runs(uri, "losses and weights")
    assert [run.info.run_name for run in (whole, bce, focal)] == ["run", "bce", "focal"]
    assert {run.info.status for run in (whole, bce, focal)} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in (bce, focal)} == {whole.info.run_id}
    assert (bce.data.params["loss.name"], focal.data.params["loss.name"]) == ("bce", "focal")
    for m, run in enumerate((bce, bce, focal, focal)):
        found = read_metric(uri, run, f"fold_{m % 2}/valid/{TABULAR.monitor}")
        assert found == history(tmp_path / "run", "score", m)
    for run, candidate in zip((bce, focal), outcome.document["candidates"], strict=True):
        wanted = candidate["macro"]["average_precision"]["value"]
        assert run.data.metrics["held_out/macro/average_precision"] == wanted
    assert set(read_artifacts(uri, whole)) == {"comparison.json", "config.yaml"}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_fit(table: Path, tmp_path: Path, uri: str, sent: signal.Signals) -> None:
    training = {"epochs": 100_000, "patience": None, "checkpoint_every": 1}
    config = write_config(tmp_path / "c.yaml", table, training=training)
    with subprocess.Popen(
        [*IMBTRAIN, "fit", str(config), "--run-dir", str(tmp_path / "run"), "--mlflow", uri],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        folder = tmp_path / "run" / "checkpoint"
        deadline = time.monotonic() + 90
        while not list(folder.glob("*.safetensors")) and time.monotonic() < deadline:
            time.sleep(0.05)
        [running] = read_runs(uri)
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1] == "error: interrupted"
    assert running.info.status == "RUNNING"
    [run] = read_runs(uri)
    assert run.info.status == "KILLED"
    losses = history(tmp_path / "run", "loss")
    kept = read_metric(uri, run, "train/loss")  # what was waiting was sent
    assert kept == {step: losses[step] for step in kept}
    assert len(kept) >= len(losses) - 1


def test_a_failed_fit(config: Path, tmp_path: Path, uri: str) -> None:
    refuse(
        *("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri),
        *("--set", "training.learning_rate=1e9"),
        says="training diverged",
    )
    [run] = read_runs(uri)
    assert run.info.status == "FAILED"
    assert run.info.end_time is not None


def test_a_config_that_fails_leaves_no_run(config: Path, tmp_path: Path, uri: str) -> None:
    arguments = ("--mlflow", uri, "--mlflow-experiment", "new", "--set", "data.group=nope")
    refuse("fit", config, "--run-dir", tmp_path / "run", *arguments, says="data.group")
    assert read_runs(uri) == []
    assert MlflowClient(tracking_uri=uri).get_experiment_by_name("new") is None


def test_the_experiment_of_the_environment(
    config: Path, tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of the shell")
    succeed("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri)
    assert len(read_runs(uri, "of the shell")) == 1


def test_a_deleted_experiment(config: Path, tmp_path: Path, uri: str) -> None:
    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.create_experiment("gone"))
    refuse(
        *("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri),
        *("--mlflow-experiment", "gone"),
        says="the experiment 'gone' was deleted",
        hint="another --mlflow-experiment",
    )


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "--mlflow: the address is empty"),
        ("gopher://x", "--mlflow gopher://x: "),
        ("http://me:secret@127.0.0.1:9", "--mlflow http://127.0.0.1:9: API request to"),
        ("sqlite:////dev/null/m.db", "--mlflow sqlite:////dev/null/m.db: "),
        ("mlruns", "--mlflow mlruns: The filesystem tracking backend"),
    ],
)
def test_addresses_that_cannot_be_used(
    config: Path, tmp_path: Path, address: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    outcome = refuse(
        *("fit", config, "--run-dir", tmp_path / "run", "--mlflow", address),
        says=says,
        hint="sqlite:///mlflow.db",
    )
    assert "secret" not in outcome.err
    assert "rows: " not in outcome.err
    assert not (tmp_path / "run").exists()


def test_the_file_store_where_it_is_allowed(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow refuses it unless told otherwise; its users are served as its own client does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "store").as_uri()
    succeed("fit", config, "--run-dir", tmp_path / "run", "--mlflow", uri)
    [run] = read_runs(uri)
    assert read_metric(uri, run, "train/loss") == history(tmp_path / "run", "loss")


PROGRAM = """
import socket, sys
def refuse(*arguments, **_):
    sys.stderr.write(f"network: {arguments}\\n")
    raise OSError("no network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
socket.create_connection = refuse
from imbalance_cli.cli.app import main
sys.exit(main())
"""


def test_no_telemetry_and_no_chatter(config: Path, tmp_path: Path) -> None:
    """MLflow sends what is called to its makers, unless in tests; so this looks like none."""
    tests = ("PYTEST", "CI", "GITHUB", "MLFLOW")
    plain = {key: value for key, value in os.environ.items() if not key.startswith(tests)}
    options = ("--mlflow", "sqlite:///new.db", "--log-format", "json", "--format", "csv")
    done = subprocess.run(
        [*(sys.executable, "-c", PROGRAM), "fit", str(config), "--run-dir", "run", *options],
        cwd=tmp_path,
        env=plain | {"OMP_NUM_THREADS": "1", "GIT_PYTHON_GIT_EXECUTABLE": "/no/git"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (tmp_path / "run" / "metrics.csv").read_text()
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert set(events) == {"reading", "start", "epoch", "best", "done"}
    [run] = read_runs(f"sqlite:///{tmp_path / 'new.db'}")
    assert run.info.status == "FINISHED"
