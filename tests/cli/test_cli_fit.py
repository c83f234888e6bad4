"""`imbtrain fit`: what it leaves, what it writes where, and every way in which it says no."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import yaml
from small_runs import (
    LABELS,
    TABULAR,
    fit_run,
    make_columns,
    make_config,
    refuse,
    run_command,
    succeed,
    to_csv,
    write_config,
    write_csv,
)

from imbalance_cli import workflows
from imbalance_cli.cli.app import main
from imbalance_cli.config import load_config
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.network.monitors import LOWER_IS_BETTER
from imbalance_cli.workflows import draw_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from small_runs import FittedRun

METRICS = tuple(METRIC_SPECS)

OTHERS = ["y_some", "y_rare"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table with three labels."""
    return write_csv(tmp_path_factory.mktemp("fit") / "table.csv", make_columns())


@pytest.fixture
def config(table: Path, tmp_path: Path) -> Path:
    """Write a config for it."""
    return write_config(tmp_path / "config.yaml", table)


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401  as Popen's
    """Start the command as a process of its own."""
    command = [sys.executable, "-m", "imbalance_cli.cli.app", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **(streams | options))


# what a run is


@pytest.mark.parametrize("kind", ["single_run", "multi_run"])
def test_run_directory_is_complete(kind: str, request: pytest.FixtureRequest) -> None:
    run: FittedRun = request.getfixturevalue(kind)
    names = sorted(path.relative_to(run.path).as_posix() for path in run.path.rglob("*"))
    assert [name for name in names if not name.startswith("plots/")] == [
        "config.yaml",
        "history.csv",
        "metrics.csv",
        "metrics.json",
        "model.safetensors",
        "model_card.md",
        "plots",
        "predictions.parquet",
        "report.html",
        "run.json",
    ]
    for path in (path for path in run.path.rglob("*") if path.is_file()):
        assert not path.read_bytes().startswith((b"\x80", b"PK")), f"{path} is a pickle or a zip"


@pytest.mark.parametrize("plots", ["true", "false"])
def test_fit_loads_nothing_that_it_does_not_need(plots: str, config: Path, tmp_path: Path) -> None:
    """All of these are loaded by a call of torch, scipy or matplotlib that has a cheaper one."""
    program = (
        "import sys; from imbalance_cli.cli.app import main; code = main()\n"
        "sys.stderr.write(','.join(sys.modules)); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "fit", str(config), "--quiet"]
    command += ["--run-dir", str(tmp_path / "run"), "--set", f"report.plots={plots}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded = set(done.stderr.split(","))
    heavy = {"torch._dynamo", "sympy", "scipy.stats", "scipy.optimize", "sklearn", "pandas"}
    heavy |= {"matplotlib.figure"}
    if plots == "false":
        heavy |= {"matplotlib", "jinja2", "imbalance_cli.comparison"}
    assert "torch" in loaded
    assert not heavy & loaded


@pytest.mark.parametrize("command", ["fit", "compare"])
def test_a_config_that_is_not_there_loads_nothing_that_is_slow(command: str) -> None:
    program = (
        "import sys; from imbalance_cli.cli.app import main; code = main()\n"
        "sys.stderr.write(','.join(sys.modules)); sys.exit(code)"
    )
    given = [sys.executable, "-c", program, command, "nope.yaml"]
    done = subprocess.run(given, check=False, capture_output=True, text=True)
    message, loaded = done.stderr.splitlines()
    assert (done.returncode, message) == (2, "error: nope.yaml: no such file [IMB201]")
    assert not {"pydantic", "rich", "numpy", "polars", "torch"} & set(loaded.split(","))


@pytest.mark.parametrize("shown", ["csv", "table"])
def test_report_is_shown_before_the_page_is_drawn(
    shown: str,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = []

    def draw(run: Path, warn: Callable[[str], None]) -> Path:
        before.append(capfd.readouterr().out)
        assert not (run / "report.html").exists()
        return draw_report(run, warn)

    monkeypatch.setattr(workflows, "draw_report", draw)
    run = tmp_path / "run"
    arguments = ["--run-dir", str(run), "--format", shown, "--set", "report.plots=true"]
    assert main(["fit", str(config), *arguments]) == 0
    [report] = before
    assert "y_rare" in report
    after = capfd.readouterr().out
    assert after == (f"report: {run / 'report.html'}\n" if shown == "table" else "")
    assert (run / "report.html").exists()


def test_saved_config_is_the_config(multi_run: FittedRun) -> None:
    assert load_config(str(multi_run.path / "config.yaml")) == load_config(str(multi_run.config))


def test_run_json(multi_run: FittedRun) -> None:
    document = multi_run.document
    assert document["format_version"] == 5
    assert [entry["label"] for entry in document["labels"]] == LABELS
    assert document["loss"] == "weighted_bce"
    [trained] = document["trained"]
    assert trained == {"seed": 0, "fold": 0, "best_epoch": trained["best_epoch"]}
    assert 1 <= trained["best_epoch"] <= 3
    assert document["members"] == 1
    assert set(document["versions"]) == {"imbtrain", "python", "torch", "numpy", "polars"}
    whole = {path.name for path in multi_run.path.iterdir() if path.is_file()}
    assert set(document["checksums"]) == whole - {"run.json", "report.html", "model_card.md"}
    content = multi_run.table.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    [file] = document["data"]["files"]
    assert file == {"path": str(multi_run.table), "bytes": len(content), "sha256": sha256}
    arguments = ["--run-dir", str(multi_run.path), "--format", "json"]
    assert shlex.split(document["command"]) == [
        *("imbtrain", "fit", str(multi_run.config)),
        *arguments,
    ]
    numeric = {feature["column"] for feature in document["features"]["numeric"]}
    categorical = {feature["column"] for feature in document["features"]["categorical"]}
    assert numeric == {"amount", "age"}
    assert categorical == {"colour", "city"}


def test_a_password_of_a_tracker_is_not_kept(config: Path, tmp_path: Path) -> None:
    directory = f"--run-dir={tmp_path / 'run'}"
    address = "http://me:secret@host:5000"
    typed = ["fit", str(config), directory, "--set", f"output.directory={address}", "--quiet"]
    succeed(*typed)
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "output.directory=http://host:5000" in shlex.split(document["command"])


def test_metrics_on_stdout_are_those_in_the_run(multi_run: FittedRun) -> None:
    assert multi_run.outcome.out == (multi_run.path / "metrics.json").read_bytes()
    document = multi_run.outcome.document
    assert list(document) == ["run", "splits"]
    assert document["run"] == str(multi_run.path)
    assert list(document["splits"]) == ["test"]
    part = document["splits"]["test"]
    assert part["rows"] == 90
    assert part["source"] == str(multi_run.table)
    assert [entry["label"] for entry in part["labels"]] == LABELS
    for entry in part["labels"]:
        assert {"label", "support", "positives", "threshold", "intervals", "undefined"} <= set(
            entry
        )
        assert set(METRICS) <= set(entry)
        assert set(entry["average_precision"]) == {"value", "low", "high"}
    for average in ("macro", "macro_labels", "micro", "weighted_average"):
        assert tuple(part[average]) == METRICS
    with (multi_run.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, entry in zip(rows, part["labels"], strict=True):
        assert float(row["average_precision"]) == entry["average_precision"]["value"]
        assert {f"{name}_{end}" for name in METRICS for end in ("low", "high")} <= set(row)


def test_history_has_a_line_an_epoch(multi_run: FittedRun) -> None:
    best_epoch = multi_run.document["trained"][0]["best_epoch"]
    with (multi_run.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "epoch",
        "member",
        "loss",
        "score",
        "best_epoch",
        "best_score",
        "is_training",
        "learning_rate",
        "rows_per_second",
    ]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert {row["member"] for row in rows} == {"0"}
    assert [row["is_training"] for row in rows] == ["True", "True", "False"]
    sign = -1 if TABULAR.monitor in LOWER_IS_BETTER else 1
    best = max(rows, key=lambda row: (sign * float(row["score"]), int(row["epoch"])))
    assert int(best["epoch"]) == best_epoch == int(rows[-1]["best_epoch"])


def test_predictions_are_of_the_held_out_rows(multi_run: FittedRun) -> None:
    frame = pl.read_parquet(multi_run.path / "predictions.parquet")
    assert frame.columns == [
        "row",
        *(f"{label}_target" for label in LABELS),
        *(f"{label}_{kind}" for label in LABELS for kind in ("probability", "decision")),
        *(f"{label}_score" for label in LABELS),
    ]
    assert {frame[f"{label}_score"].dtype for label in LABELS} == {pl.Float32}
    table = pl.read_csv(multi_run.table)[frame["row"].to_list()]
    for label in LABELS:
        assert frame[f"{label}_target"].to_list() == table[label].to_list()
    rows = to_csv({name: table[name].cast(str).fill_null("").to_list() for name in table.columns})
    predicted = succeed("predict", multi_run.path, "-", stdin=rows.encode())
    assert pl.read_csv(predicted.out).to_dict(as_series=False) == frame.drop(
        "row", *(f"{label}_{kind}" for label in LABELS for kind in ("target", "score"))
    ).to_dict(as_series=False)


def test_labels_whose_names_look_like_outputs(tmp_path: Path) -> None:
    columns = make_columns(200)
    names = dict(zip(LABELS, ("row", "a", "a_decision"), strict=True))
    renamed = {names.get(name, name): cells for name, cells in columns.items()}
    run = fit_run(tmp_path, renamed, data={"labels": list(names.values())})
    frame = pl.read_parquet(run.path / "predictions.parquet")
    assert frame.width == 1 + 4 * 3


# the same again


def test_same_seed_same_weights_bit_for_bit(single_run: FittedRun, tmp_path: Path) -> None:
    succeed("fit", single_run.config, "--run-dir", tmp_path / "again")
    content = (single_run.path / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == content
    succeed("fit", single_run.config, "--run-dir", tmp_path / "b", "--set", "training.seed=1")
    assert (tmp_path / "b" / "model.safetensors").read_bytes() != content


def test_same_seed_same_weights_in_another_process(single_run: FittedRun, tmp_path: Path) -> None:
    process = start("fit", single_run.config, "--run-dir", tmp_path / "run", "--format", "json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    content = (single_run.path / "model.safetensors").read_bytes()
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == content
    assert out.replace(str(tmp_path / "run").encode(), b"") == single_run.outcome.out.replace(
        str(single_run.path).encode(), b""
    )


def test_a_saved_config_fits_the_same_model(single_run: FittedRun, tmp_path: Path) -> None:
    succeed("fit", single_run.path / "config.yaml", "--run-dir", tmp_path / "again")
    content = (single_run.path / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == content


# streams


def test_csv_in_a_pipe_and_progress_on_stderr(config: Path, tmp_path: Path) -> None:
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run")
    assert outcome.out == (tmp_path / "run" / "metrics.csv").read_bytes()
    lines = outcome.err.splitlines()
    assert lines.pop(0).startswith("reading ")
    assert lines[0] == "rows: train 280, valid 60, test 60"
    assert lines[1].startswith("epoch 1/3  loss ")
    assert lines[-1].startswith("epoch 3/3  loss ")
    assert "\x1b" not in outcome.err


def test_a_table_where_asked(config: Path, tmp_path: Path) -> None:
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "table")
    lines = outcome.text.splitlines()
    assert lines[0].startswith("60 test rows of")
    assert f"run: {tmp_path / 'run'}" in lines[-2:]
    assert all(any(line.startswith(label) for line in lines) for label in [*LABELS, "macro"])
    assert "\x1b" not in outcome.text


def test_quiet_leaves_warnings_only(config: Path, tmp_path: Path) -> None:
    assert succeed("fit", config, "--run-dir", tmp_path / "a", "--quiet").err == ""
    outcome = succeed("fit", config, "--run-dir", tmp_path / "b", "-q", "--set", "split.test=0.0")
    [line] = outcome.err.splitlines()
    assert line.startswith("warning: there is no test part: the report is of the validation rows")
    assert list(json.loads((tmp_path / "b" / "metrics.json").read_text())["splits"]) == ["valid"]


def test_config_on_stdin(table: Path, tmp_path: Path) -> None:
    text = yaml.safe_dump(make_config(table)).encode()
    succeed("fit", "-", "--run-dir", tmp_path / "run", stdin=text)
    assert (tmp_path / "run" / "run.json").exists()


def test_data_on_stdin(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", "-")
    rows = to_csv(make_columns()).encode()
    outcome = succeed(
        "fit", config, "--set", f"output.directory={tmp_path}/runs", "--format", "json", stdin=rows
    )
    [run] = (tmp_path / "runs").iterdir()
    assert run.name.startswith("stdin-")
    assert outcome.document["run"] == str(run)
    assert outcome.document["splits"]["test"]["source"] == "stdin"


@pytest.mark.parametrize(
    ("train", "overrides", "start_of_name"),
    [
        ("table.csv", [], "table-20"),
        ("t*.csv", [], "t-20"),
        ("*", [], "run-20"),
        ("table.csv", ["output.name=first"], "first"),
    ],
)
def test_where_a_run_goes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    train: str,
    overrides: list[str],
    start_of_name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_csv(tmp_path / "data" / "table.csv", make_columns(200))
    config = write_config(tmp_path / "c.yaml", f"data/{train}", training={"epochs": 1})
    settings = [part for override in overrides for part in ("--set", override)]
    succeed("fit", config, *settings)
    [run] = (tmp_path / "runs").iterdir()
    assert run.name.startswith(start_of_name)


# weights


def test_pos_weight_is_negatives_over_positives_of_training_rows(tmp_path: Path) -> None:
    train, valid, test = (make_columns(200, seed=seed) for seed in range(3))
    names = {
        "valid": str(write_csv(tmp_path / "v.csv", valid)),
        "test": str(write_csv(tmp_path / "t.csv", test)),
    }
    run = fit_run(tmp_path, train, data=names)
    for entry in run.document["labels"]:
        cells = train[entry["label"]]
        wanted = cells.count("0") / cells.count("1")
        assert entry["pos_weight"] == [pytest.approx(wanted, rel=1e-6)]


def test_held_out_labels_do_not_touch_the_weights(tmp_path: Path) -> None:
    columns = make_columns()
    columns["day"] = [f"{i}" for i in range(400)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = fit_run(tmp_path / "a", columns, data={"time": "day"})
    last = columns["y_often"][280:]
    columns["y_often"][280:] = ["1" if cell == "0" else "0" for cell in last]
    after = fit_run(tmp_path / "b", columns, data={"time": "day"})
    weights = [[entry["pos_weight"] for entry in run.document["labels"]] for run in (before, after)]
    assert weights[0] == weights[1]
    assert (
        before.outcome.document["splits"]["test"]["labels"][0]["positives"]
        != (after.outcome.document["splits"]["test"]["labels"][0]["positives"])
    )


@pytest.mark.parametrize(
    ("weighting", "weight"),
    [
        ({"strategy": "none"}, 1.0),
        ({"strategy": "sqrt"}, None),
        ({"cap": 2.0}, 2.0),
    ],
)
def test_strategies_reach_the_run(
    single_run: FittedRun, tmp_path: Path, weighting: dict[str, object], weight: float | None
) -> None:
    data = {"labels": ["y_often"], "exclude": OTHERS}
    run = fit_run(tmp_path, make_columns(), data=data, weighting=weighting)
    [entry] = run.document["labels"]
    [ratio] = single_run.document["labels"][0]["pos_weight"]
    assert entry["pos_weight"] == [pytest.approx(weight or ratio**0.5, rel=1e-6)]


def test_bce_has_no_weights_and_can_be_used(tmp_path: Path) -> None:
    run = fit_run(tmp_path, make_columns(), loss={"name": "bce"})
    assert [entry["pos_weight"] for entry in run.document["labels"]] == [[1.0], [1.0], [1.0]]
    succeed("evaluate", run.path, run.table)


@pytest.mark.parametrize("file_format", ["csv", "json", "yaml", "npy", "safetensors", "pt"])
def test_weights_from_a_file(table: Path, tmp_path: Path, file_format: str) -> None:
    weights = tmp_path / f"w.{file_format}"
    succeed("weights", table, "--strategy", "sqrt", "--format", file_format, "-o", weights)
    wanted = succeed("weights", table, "--strategy", "sqrt", "--format", "json").document["labels"]
    config = write_config(tmp_path / "c.yaml", table, weighting={"from": str(weights)})
    succeed("fit", config, "--run-dir", tmp_path / "run", "--set", "training.epochs=1")
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    for entry, label in zip(document["labels"], wanted, strict=True):
        assert entry["pos_weight"] == [pytest.approx(label["pos_weight"], rel=1e-6)]


def test_weights_from_a_pipe(table: Path, config: Path, tmp_path: Path) -> None:
    weights = succeed("weights", table, "--cap", 3, "--format", "json").out
    arguments = ("--run-dir", tmp_path / "run", "--set", "weighting.from=-")
    succeed("fit", config, *arguments, stdin=weights)
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [entry["pos_weight"] for entry in document["labels"]][1:] == [[3.0], [3.0]]


def test_weights_of_other_labels(table: Path, config: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.json"
    succeed("weights", table, "--labels", "y_often", "-o", weights)
    refuse(
        "fit",
        config,
        "--run-dir",
        tmp_path / "run",
        "--set",
        f"weighting.from={weights}",
        says=f"{weights}: labels 'y_rare', 'y_some' are only in the data",
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("cell", "side"), [("0", "positive"), ("1", "negative")])
def test_a_label_no_one_can_learn(tmp_path: Path, cell: str, side: str) -> None:
    columns = make_columns()
    columns["y_rare"] = [cell] * 400
    run = fit_run(tmp_path, columns)
    assert (
        f"warning: label 'y_rare' has no {side} in the training part: it cannot be learned and is "
        "left out of macro averages"
    ) in run.outcome.err
    part = run.outcome.document["splits"]["test"]
    often, some, rare = part["labels"]
    assert rare["learnable"] is False
    assert rare["average_precision"]["value"] in ((None,) if cell == "0" else (None, 1.0))
    assert rare["roc_auc"]["value"] is None
    mean = (often["roc_auc"]["value"] + some["roc_auc"]["value"]) / 2
    assert part["macro"]["roc_auc"] == pytest.approx(mean)
    mean = (often["brier"] + some["brier"]) / 2
    assert part["macro"]["brier"] == pytest.approx(mean)
    assert run.document["labels"][2]["pos_weight"] == [1.0]
    succeed("evaluate", run.path, run.table)


def test_constant_columns_are_dropped_with_a_note(tmp_path: Path) -> None:
    columns = make_columns() | {"always": ["7"] * 400}
    run = fit_run(tmp_path, columns)
    assert "note: constant in the training rows, and so dropped: always" in run.outcome.err
    succeed("predict", run.path, "-", stdin=to_csv(make_columns(20)).encode())


# settings that reach the model


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.numeric_embedding=none"],
        ["model.numeric_embedding=piecewise_linear"],
        ["model.numeric_embedding=both", "model.members=2", "model.sharing=none"],
        ["model.recipe=plain"],
        ["model.recipe=plain", "model.members=2", "model.sharing=trunk"],
        ["model.hidden=[]"],
        ["model.dropout=0.0", "model.activation=selu"],
        ["training.monitor=log_loss", "training.schedule=constant"],
        ["training.precision=bfloat16"],
        ["calibration.method=none", "thresholds.objective=cost"],
        ["calibration.method=platt", "thresholds.objective=mcc"],
        ["training.patience=null", "training.checkpoint_every=2", "report.bootstrap=0"],
        ["data.exclude=[amount, age]"],
        ["data.exclude=[colour, city]"],
    ],
)
def test_settings(table: Path, config: Path, tmp_path: Path, overrides: list[str]) -> None:
    settings = [part for override in overrides for part in ("--set", override)]
    succeed("fit", config, "--run-dir", tmp_path / "run", *settings)
    outcome = succeed("evaluate", tmp_path / "run", table, "--format", "json")
    assert outcome.document["splits"]["test"]["rows"] == 400


@pytest.mark.parametrize("policy", ["mask", "negative", "drop"])
def test_missing_label_policies(tmp_path: Path, policy: str) -> None:
    columns = make_columns(600)
    run = fit_run(tmp_path, columns, data={"missing_labels": policy})
    whole = sum(all(columns[label][i] for label in LABELS) for i in range(600))
    evaluation = succeed("evaluate", run.path, run.table, "--format", "json").document
    part = evaluation["splits"]["test"]
    assert part["rows"] == (whole if policy == "drop" else 600)
    support = {"mask": columns["y_rare"].count("0") + columns["y_rare"].count("1"), "negative": 600}
    assert part["labels"][2]["support"] == support.get(policy, whole)


@pytest.mark.parametrize(
    ("data", "strategy"),
    [
        ({"group": "household"}, "auto"),
        ({"time": "day"}, "auto"),
        ({"exclude": ["day", "household"]}, "random"),
        ({"exclude": ["day", "household"]}, "iterative"),
        ({"labels": "y_often", "exclude": ["day", "household", *OTHERS]}, "stratified"),
    ],
)
def test_split_strategies(tmp_path: Path, data: dict[str, object], strategy: str) -> None:
    columns = make_columns()
    columns["household"] = [f"h{i % 70}" for i in range(400)]
    columns["day"] = [f"2013-02-{1 + i // 15:02}" for i in range(400)]
    run = fit_run(tmp_path, columns, data=data, split={"strategy": strategy})
    rows = pl.read_parquet(run.path / "predictions.parquet")["row"].to_list()
    assert len(rows) == run.outcome.document["splits"]["test"]["rows"]
    if "group" in data:
        inside = {columns["household"][i] for i in rows}
        outside = {columns["household"][i] for i in range(400) if i not in set(rows)}
        assert not inside & outside
    if "time" in data:
        first = min(columns["day"][i] for i in rows)
        assert all(columns["day"][i] < first for i in range(400) if i not in set(rows))


# what is refused


def test_divergence_stops_with_what_to_change(config: Path, tmp_path: Path) -> None:
    outcome = refuse(
        "fit",
        config,
        "--run-dir",
        tmp_path / "run",
        "--set",
        "training.learning_rate=1e9",
        says="training diverged in epoch ",
        hint="lower training.learning_rate (now 1e+09)",
    )
    assert "Traceback" not in outcome.err
    refuse("predict", tmp_path / "run", config, says="the run was not finished")
    refuse("fit", config, "--run-dir", tmp_path / "run", says="holds an unfinished run already")
    succeed("fit", config, "--run-dir", tmp_path / "run", "--overwrite")


@pytest.mark.parametrize(
    ("override", "says", "hint"),
    [
        ("training.epoch=5", "training.epoch (--set): no such key", "did you mean 'epochs'?"),
        ("loss.name=focl", "'focl' should be one of bce, weighted_bce, focal", "'focal'"),
        ("loss.gamma=1.0", "1.0 goes with loss.name focal", "loss.name: focal"),
        ("training.sampler=balanced", "would count the imbalance twice", "weighting.strategy"),
        ("training.folds=400", "400 folds, and label 'y_rare' has ", "at most "),
        ("model.members=0", "0 should be greater than or equal to 1", ""),
        ("data.labels=y_oftn", "no column 'y_oftn'", "did you mean 'y_often'?"),
        ("data.labels=colour", "is not a binary label", "--positive"),
        ("data.labels=[age]", "column 'age'", ""),
        ("data.group=cty", "data.group: ", "did you mean 'city'?"),
        ("data.time=agee", "data.time: ", "did you mean 'age'?"),
        ("data.exclude=[colr]", "data.exclude: ", "did you mean 'colour'?"),
        ("data.train=no.csv", "no.csv: no such file", ""),
        ("data.train=no-*.csv", "data.train: no file matches 'no-*.csv'", ""),
        ("data.positive=1.5", "column 'y_", ""),
        ("split.strategy=grouped", "split.strategy grouped needs a column of groups", "data.group"),
        ("split.strategy=stratified", "is for one label, and there are 3", "iterative"),
        ("split.valid=0.0", "split.valid is 0", "0.15"),
        ("training.device=cuda:7", "device 'cuda:7' is not there", "auto"),
        ("weighting.from=no.json", "no.json", ""),
    ],
)
def test_refused_before_anything_is_written(
    config: Path, tmp_path: Path, override: str, says: str, hint: str
) -> None:
    run = tmp_path / "runs" / "a"
    refuse("fit", config, "--run-dir", run, "--set", override, says=says, hint=hint)
    assert not run.parent.exists()


BAD_TABLES: list[tuple[dict[str, list[str]], str, str]] = [
    ({"gap": [""] * 400}, "column 'gap': every cell is missing", "data.exclude: [gap]"),
    (
        {"gap": ["1.5"] * 7 + ["inf"] + ["2"] * 392},
        "line 9: column 'gap': 'inf' is infinite",
        "fin",
    ),
    ({"id": [f"customer {i}" for i in range(400)]}, "column 'id' looks like an id", "data.exclude"),
    ({"id": [str(1000 + i) for i in range(400)]}, "column 'id' looks like an id", "data.exclude"),
    ({"gap": ["1.5"] * 399 + ["??"]}, "line 401: column 'gap': '??' is not a number", "mend it"),
    ({"y_often": ["0"] * 399 + ["2"]}, "line 401: column 'y_often': '2' is not a binary", ""),
    (
        {"y_often": ["0"] * 400, "y_some": ["0"] * 400, "y_rare": ["1"] + ["0"] * 399},
        "too small",
        "",
    ),
]


@pytest.mark.parametrize(("columns", "says", "hint"), BAD_TABLES)
def test_tables_that_cannot_be_learned_from(
    tmp_path: Path, columns: dict[str, list[str]], says: str, hint: str
) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns() | columns)
    config = write_config(tmp_path / "c.yaml", table)
    refuse("fit", config, "--run-dir", tmp_path / "run", says=says, hint=hint)
    assert not (tmp_path / "run").exists()


def test_a_ragged_table(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    lines = to_csv(make_columns(50)).splitlines()
    table.write_text("\n".join([*lines[:20], lines[20] + ",9", *lines[21:]]))
    config = write_config(tmp_path / "c.yaml", table)
    refuse("fit", config, "--run-dir", tmp_path / "run", says=f"{table}: line 21: ")
    assert not (tmp_path / "run").exists()


def test_no_feature_left(config: Path, tmp_path: Path) -> None:
    refuse(
        "fit",
        config,
        "--run-dir",
        tmp_path / "run",
        "--set",
        "data.exclude=[amount, age, colour, city]",
        says="no feature is left",
    )


def test_configs_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    refuse("fit", tmp_path / "empty.yaml", says="a mapping of sections is needed, not nothing")
    refuse("fit", tmp_path / "emty.yaml", says="no such file", hint="empty.yaml")
    refuse("fit", tmp_path, says="is a directory, not a YAML file")
    refuse("fit", "-", says="stdin: a mapping of sections is needed, not nothing")
    refuse("fit", "-", stdin=b"a: [", says="stdin: line 1: not YAML")
    refuse("fit", says="CONFIG is missing", hint="imbtrain fit CONFIG")


def test_places_that_are_taken(single_run: FittedRun, config: Path, tmp_path: Path) -> None:
    before = (single_run.path / "run.json").read_bytes()
    refuse("fit", config, "--run-dir", single_run.path, says="holds a run already", hint="--overw")
    assert (single_run.path / "run.json").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    arguments = ("fit", config, "--run-dir", tmp_path / "mine", "--overwrite")
    refuse(*arguments, says="is there already and is not a run", hint="another --run-dir")
    assert (tmp_path / "mine" / "notes.txt").exists()
    refuse("fit", config, "--run-dir", config / "run", says=f"{config} is a file")


def test_an_unusable_place_is_found_before_the_data_is_read(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arguments = ("--run-dir", tmp_path / "file" / "run", "--set", "data.train=no-such-file.csv")
    refuse("fit", config, *arguments, says="cannot be written")


def test_overwrite_keeps_the_old_run_where_the_new_one_fails(
    single_run: FittedRun, config: Path, tmp_path: Path
) -> None:
    succeed("fit", single_run.config, "--run-dir", tmp_path / "run")
    bad = ("--set", "data.group=nope")
    refuse("fit", config, "--run-dir", tmp_path / "run", "--overwrite", *bad, says="data.group")
    succeed("evaluate", tmp_path / "run", single_run.table)


@pytest.mark.parametrize(("columns", "width"), [("0", 80), ("40", 40)])
def test_the_table_is_as_wide_as_the_terminal(
    single_run: FittedRun, monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = succeed("report", single_run.path, "--format", "table").text.splitlines()
    assert len(shown) > 5
    table = [line for line in shown if not line.startswith(("run: ", "report: "))]
    assert width // 2 < max(map(len, table)) <= width


def test_a_table_in_place_of_a_config(table: Path, tmp_path: Path) -> None:
    quick = ("--set", "training.epochs=1", "--set", "report.plots=false")
    outcome = succeed("fit", table, "--labels", "y_*", "--run-dir", tmp_path / "run", *quick)
    assert outcome.err.splitlines()[0] == f"reading {table}"
    made = succeed("fit", table, "--labels", "y_*", *quick, "--print-config").out
    assert made == (tmp_path / "run" / "config.yaml").read_bytes()
    (tmp_path / "made.yaml").write_bytes(made)
    again = succeed("fit", tmp_path / "made.yaml", "--run-dir", tmp_path / "again")
    assert again.out == outcome.out


def test_a_pipe_is_told_where_the_run_is(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = succeed("fit", config)
    [run] = (tmp_path / "runs").iterdir()
    assert outcome.err.splitlines()[-1] == f"run: {run.relative_to(tmp_path)}"
    assert "run: " not in succeed("fit", config, "--quiet").err


def test_labels_of_a_table_alone(config: Path, tmp_path: Path) -> None:
    refuse("fit", config, "--labels", "y", says="contradict each other", hint="data.labels='[y]'")
    refuse("fit", tmp_path / "none.csv", says="none.csv: no such file")
    refuse("fit", tmp_path / "none.csv", "--labels", "y", says="none.csv: no such file")


def test_an_empty_run_dir_is_none(config: Path) -> None:
    refuse("fit", config, "--run-dir", "", says="Invalid value for '--run-dir': is empty")


# processes


def test_interrupt_keeps_the_checkpoint(table: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "c.yaml",
        table,
        training={"epochs": 100_000, "patience": None, "checkpoint_every": 1},
    )
    process = start("fit", config, "--run-dir", tmp_path / "run")
    folder = tmp_path / "run" / "checkpoint"
    deadline = time.monotonic() + 60
    while not list(folder.glob("*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == b""
    *_, note, last = err.decode().splitlines()
    assert note.startswith(f"note: {tmp_path / 'run'}: a checkpoint of epoch ")
    assert note.endswith("--resume goes on from it, --finish makes a run of the best epochs so far")
    assert last == "error: interrupted"
    assert b"Traceback" not in err
    assert list(folder.glob("*.safetensors"))
    assert not (tmp_path / "run" / "run.json").exists()
    refuse("evaluate", tmp_path / "run", table, says="the run was not finished")


def test_a_reader_that_goes_away_ends_it_quietly(config: Path, tmp_path: Path) -> None:
    process = start("fit", config, "--run-dir", tmp_path / "run")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert all(line.startswith(("reading ", "rows: ", "epoch ")) for line in err.splitlines())
    assert (tmp_path / "run" / "run.json").exists()


def test_full_disk_on_stdout(config: Path, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  a device
        process = start("fit", config, "--run-dir", tmp_path / "run", "-q", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.decode().splitlines() == [
        "error: stdout: cannot be written: No space left on device [IMB212]"
    ]


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    outcome = run_command("fit", tmp_path / "no.yaml", "--debug")
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: ")
