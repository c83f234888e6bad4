"""`--log-format json`: every line of stderr is one event, whatever happens."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import os
import signal
import subprocess
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from small_runs import LABELS, TABULAR, make_columns, run_command, succeed, write_config, write_csv

import imbalance_cli.workflows
from imbalance_cli.cli import stage_clock
from imbalance_cli.cli.events import EventLog, write_event
from imbalance_cli.network.monitors import LOWER_IS_BETTER
from imbalance_cli.progress import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import FittedRun

    from imbalance_cli.workflows import Observer

JSON = ("--log-format", "json")
IMBTRAIN = (sys.executable, "-m", "imbalance_cli.cli.app")
FIELDS = {
    "reading": "sources",
    "stage": "name done total unit",
    "start": "command version run rows folds epochs monitor members",
    "epoch": "epoch loss score best_score learning_rate rows_per_second members",
    "best": "epoch member score",
    "note": "message",
    "warning": "message",
    "done": "command run seconds part rows scores",
    "error": "message hint exit_code",
}


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def read_events(text: str | bytes) -> list[dict[str, Any]]:
    """Return the events on stderr; each line is one, with its fields and a time with a zone."""
    shown = text.decode() if isinstance(text, bytes) else text
    events = [json.loads(line, parse_constant=_refuse_constant) for line in shown.splitlines()]
    for event in events:
        wanted = {"event", "time", *FIELDS[event["event"]].split()}
        assert wanted <= set(event) <= wanted | {"source", "traceback", "code"}
        assert dt.datetime.fromisoformat(event["time"]).tzinfo is not None
    return [event for event in events if event["event"] != "reading"]


def test_a_stage_that_takes_long_is_an_event(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 5.0])
    monkeypatch.setattr(stage_clock, "monotonic", lambda: next(clock))
    for quiet in (False, True):
        with EventLog(quiet=quiet) as log:
            for done in (0, 70):
                log.stage(Stage("reading", done, None, "rows"))
    [event] = read_events(capsys.readouterr().err)
    del event["time"]
    assert event == {"event": "stage", "name": "reading", "done": 70, "total": None, "unit": "rows"}


def names(events: list[dict[str, Any]]) -> list[str]:
    """Return what the events are."""
    return [event["event"] for event in events]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table with three labels."""
    return write_csv(tmp_path_factory.mktemp("events") / "table.csv", make_columns())


@pytest.fixture
def config(table: Path, tmp_path: Path) -> Path:
    """Write a config for it."""
    return write_config(tmp_path / "config.yaml", table)


def test_a_fit(config: Path, tmp_path: Path) -> None:
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json", *JSON)
    first = json.loads(outcome.err.splitlines()[0])
    assert (first["event"], len(first["sources"])) == ("reading", 1)
    start, *epochs, done = events = read_events(outcome.err)
    assert start["event"] == "start"
    assert start["rows"] == {"train": 280, "valid": 60, "test": 60}
    assert (start["command"], start["epochs"], start["folds"]) == ("fit", 3, None)
    assert start["members"] == [{"member": 0, "candidate": None, "fold": 0, "seed": 0}]
    trained = [event for event in epochs if event["event"] == "epoch"]
    assert [event["epoch"] for event in trained] == [1, 2, 3]
    for event in trained:
        [member] = event["members"]
        assert (member["loss"], member["score"]) == (event["loss"], event["score"])
        assert event["rows_per_second"] > 0
    best = [event for event in epochs if event["event"] == "best"]
    assert best
    assert start["monitor"] == TABULAR.monitor
    scores = [event["score"] for event in best]
    assert scores == sorted(scores, reverse=TABULAR.monitor in LOWER_IS_BETTER)
    assert done["scores"] == [
        {"candidate": None, "macro": outcome.document["splits"]["test"]["macro"]}
    ]
    assert (done["run"], done["part"], done["rows"]) == (str(tmp_path / "run"), "test", 60)
    times = [event["time"] for event in events]
    assert times == sorted(times)


def test_the_best_of_each_member(config: Path, tmp_path: Path) -> None:
    settings = (
        "--set",
        "training.folds=2",
        "--set",
        "model.members=2",
        "--set",
        "model.sharing=none",
    )
    events = read_events(
        succeed("fit", config, "--run-dir", tmp_path / "run", *settings, *JSON).err
    )
    assert [(m["fold"], m["seed"]) for m in events[0]["members"]] == [
        (0, 0), (0, 1), (1, 0), (1, 1)
    ]  # fmt: skip
    last = [event for event in events if event["event"] == "epoch"][-1]
    for member in last["members"]:
        best = [e for e in events if e["event"] == "best" and e["member"] == member["member"]][-1]
        assert (best["epoch"], best["score"]) == (member["best_epoch"], member["best_score"])
    assert events[0]["rows"] == {"cross_fitted": 340, "test": 60}


def test_a_comparison(config: Path, tmp_path: Path) -> None:
    outcome = succeed(
        *("compare", config, "--run-dir", tmp_path / "run", "--format", "json", *JSON),
        *("--losses", "focal", "--folds", 2),
    )
    start, *_, done = read_events(outcome.err)
    assert [member["candidate"] for member in start["members"]] == ["bce", "bce", "focal", "focal"]
    assert done["command"] == "compare"
    for scores, candidate in zip(done["scores"], outcome.document["candidates"], strict=True):
        assert scores["candidate"] == candidate["name"]
        assert scores["macro"] == {
            name: found["value"] for name, found in candidate["macro"].items()
        }


def test_a_chosen_candidate_and_an_evaluation(config: Path, table: Path, tmp_path: Path) -> None:
    run, chosen = tmp_path / "run", tmp_path / "chosen"
    succeed("compare", config, "--run-dir", run, "--losses", "focal", "--folds", 2)
    arguments = ("fit", "--from-compare", run, "--choose", "focal", "--run-dir", chosen)
    [done] = read_events(succeed(*arguments, *JSON).err)
    assert (done["event"], done["run"]) == ("done", str(chosen))
    outcome = succeed("evaluate", chosen, table, "--format", "json", *JSON)
    [warning, done] = read_events(outcome.err)
    assert warning["code"] == "IMB125"  # the rows of training
    assert (done["command"], done["rows"]) == ("evaluate", 400)
    assert done["scores"][0]["macro"] == outcome.document["splits"]["test"]["macro"]


def test_warnings(config: Path, single_run: FittedRun, tmp_path: Path) -> None:
    arguments = ("fit", config, "--run-dir", tmp_path / "run", "--set", "split.test=0.0", *JSON)
    events = read_events(succeed(*arguments).err)
    [warning] = [event for event in events if event["event"] == "warning"]
    assert warning["message"].startswith("there is no test part: ")
    columns = make_columns(40)
    columns["y_often"] = ["0"] * 40
    rows = write_csv(tmp_path / "no.csv", columns)
    events = read_events(succeed("evaluate", single_run.path, rows, *JSON).err)
    assert "no positives in these rows for 'y_often'" in events[0]["message"]
    assert events[-1]["scores"][0]["macro"]["average_precision"] is None


def test_notes(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns() | {"same": ["1"] * 400})
    config = write_config(tmp_path / "c.yaml", table, training={"epochs": 1})
    arguments = ("fit", config, "--run-dir", tmp_path / "run", "--overwrite", *JSON)
    events = read_events(succeed(*arguments).err)
    [note] = [event for event in events if event["event"] == "note"]
    assert note["message"] == "constant in the training rows, and so dropped: same"
    assert succeed(*arguments, "-q").err == ""


def test_quiet_leaves_warnings_and_errors(config: Path, tmp_path: Path) -> None:
    assert succeed("fit", config, "--run-dir", tmp_path / "a", "-q", *JSON).err == ""
    arguments = ("fit", config, "--run-dir", tmp_path / "b", "-q", "--set", "split.test=0.0", *JSON)
    assert names(read_events(succeed(*arguments).err)) == ["warning"]
    outcome = run_command("fit", config, "--run-dir", tmp_path / "b", "-q", *JSON)
    assert names(read_events(outcome.err)) == ["error"]


@pytest.mark.parametrize("style", [("--log-format", "json"), ("--log-format=json",)])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "training.epoch=5"], "no such key"),
        (["--set", "training.learning_rate=1e9"], "training diverged in epoch "),
        (["--set", "data.train=no.csv"], "no.csv: no such file"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_a_failing_fit(
    config: Path, tmp_path: Path, arguments: list[str], message: str, style: tuple[str, ...]
) -> None:
    outcome = run_command("fit", config, "--run-dir", tmp_path / "run", *arguments, *style)
    events = read_events(outcome.err)
    assert (outcome.code, outcome.out) == (2, b"")
    assert names(events).count("error") == 1
    error = events[-1]
    assert message in error["message"]
    assert error["exit_code"] == 2
    assert "done" not in names(events)


def test_the_last_log_format_counts(tmp_path: Path) -> None:
    assert run_command("fit", tmp_path, *JSON, "--log-format", "text").err.startswith("error: ")
    assert run_command("fit", tmp_path, "--log-format").err.startswith("error: ")
    assert run_command("fit", tmp_path, "--log-format", "xml").err.startswith("error: ")


@pytest.mark.parametrize("command", ["compare", "evaluate"])
def test_other_commands_that_fail(command: str, tmp_path: Path) -> None:
    outcome = run_command(command, tmp_path / "no", *([tmp_path] * (command == "evaluate")), *JSON)
    [error] = read_events(outcome.err)
    assert outcome.code == error["exit_code"] == 2


def test_our_fault_and_debug_keep_the_traceback(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [error] = read_events(run_command("fit", tmp_path / "no.yaml", "--debug", *JSON).err)
    assert error["traceback"].startswith("Traceback (most recent call last):")

    def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("by\nnought")

    monkeypatch.setattr(imbalance_cli.workflows, "fit", fail)
    outcome = run_command("fit", config, "--run-dir", tmp_path / "run", *JSON)
    [error] = read_events(outcome.err)
    assert outcome.code == error["exit_code"] == 1
    assert "ZeroDivisionError: by nought" in error["message"]
    assert "ZeroDivisionError: by\nnought" in error["traceback"]


def test_what_other_libraries_say_is_an_event(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(_config: object, _run: Path, observer: Observer, **_options: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            logging.captureWarnings(capture=True)  # pytest put its own in between
            warnings.warn("old\nways", FutureWarning, stacklevel=1)
        logging.getLogger("library").warning("disk %s", "slow")
        logging.getLogger("library").info("nothing")
        observer.warned("ours")
        raise KeyboardInterrupt

    monkeypatch.setattr(imbalance_cli.workflows, "fit", warn)
    outcome = run_command("fit", config, "--run-dir", tmp_path / "run", *JSON)
    old, disk, ours, error = read_events(outcome.err)
    assert (old["source"], disk["source"], disk["message"]) == (
        "py.warnings",
        "library",
        "disk slow",
    )
    assert "FutureWarning: old ways" in old["message"]
    assert "source" not in ours
    assert (error["message"], error["hint"], error["exit_code"]) == ("interrupted", None, 130)
    assert outcome.code == 130


@pytest.mark.parametrize("command", ["fit", "compare"])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt(table: Path, tmp_path: Path, command: str, sent: signal.Signals) -> None:
    training = {"epochs": 100_000, "patience": None}
    config = write_config(tmp_path / "c.yaml", table, training=training)
    with subprocess.Popen(
        [*IMBTRAIN, command, str(config), "--run-dir", str(tmp_path / "run"), *JSON],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # communicate() does not read what a buffer has read ahead
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stderr is not None
        lines: list[bytes] = []
        deadline = time.monotonic() + 90
        while not any(b'"epoch", ' in line for line in lines) and time.monotonic() < deadline:
            lines.append(process.stderr.readline())  # events come as they happen
        process.send_signal(sent)
        out, rest = process.communicate(timeout=60)
    events = read_events(b"".join(lines) + rest)
    assert (process.returncode, out) == (130, b"")
    assert names(events)[:2] == ["start", "epoch"]
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("error", 130)


def test_numbers_that_are_not_finite_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    write_event("best", epoch=1, member=0, score=math.nan)
    write_event("start", rows={"train": -math.inf, "names": ["é", math.inf, None, True, 3]})
    best, start = map(json.loads, capsys.readouterr().err.splitlines())
    assert best["score"] is None
    assert start["rows"] == {"train": None, "names": ["é", None, None, True, 3]}


def test_lines_are_ascii_and_one_each(config: Path, tmp_path: Path) -> None:
    """A name may hold anything, and stderr may not take it."""
    strange = tmp_path / "zwei\nZeilen \u2028 é"
    outcome = succeed("fit", config, "--run-dir", strange, *JSON)
    assert outcome.err.isascii()
    assert read_events(outcome.err)[0]["run"] == str(strange)


def test_the_log_leaves_the_logging_of_others_as_it_was() -> None:
    handlers = list(logging.getLogger().handlers)
    with EventLog(quiet=False) as log:
        assert len(logging.getLogger().handlers) == len(handlers) + 1
        assert log is not None
    assert logging.getLogger().handlers == handlers


def test_labels_are_not_in_the_log(multi_run: FittedRun) -> None:
    """Ten thousand labels would make a line of megabytes; stdout and metrics.json have them."""
    outcome = succeed("evaluate", multi_run.path, multi_run.table, *JSON)
    assert not any(label in outcome.err for label in LABELS)
