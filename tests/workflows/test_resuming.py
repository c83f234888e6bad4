"""A run that was killed anywhere goes on to what it would have been, to the bit."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small_runs import Silent, load_sections, make_columns, refuse, succeed, write_config, write_csv

from imbalance_cli import workflows
from imbalance_cli.errors import OutputError, RunError
from imbalance_cli.run import checkpoints, directory
from imbalance_cli.run.checkpoints import Checkpoint, read_checkpoints, write_checkpoint
from imbalance_cli.workflows import resuming

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imbalance_cli.config import Config

TRAINING: dict[str, object] = {"epochs": 4, "checkpoint_every": 1, "batch_size": 64}
FORMS: dict[str, dict[str, dict[str, object]]] = {
    "in memory": {"model": {"members": 2, "sharing": "none", "hidden": [16]}},
    "stored": {"data": {"in_memory": False}, "model": {"members": 2, "hidden": [16]}},
    "folds": {"model": {"members": 1, "hidden": [16]}, "training": {"folds": 2}},
}
WRITES = 12  # about: the history, 4 checkpoints, config.yaml, predictions, model, metrics, run.json


class Killed(BaseException):
    """Ends what a signal would end: no handler of errors sees it."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table."""
    return write_csv(tmp_path_factory.mktemp("resuming") / "table.csv", make_columns())


def load(folder: Path, table: Path, form: str = "in memory", **training: object) -> Config:
    """Return the config of a form."""
    sections = {name: dict(section) for name, section in FORMS[form].items()}
    sections["training"] = {**TRAINING, **sections.get("training", {}), **training}
    sections["report"] = {"bootstrap": 20, "plots": False}
    return load_sections(folder, table, **sections)


def fit(config: Config, run: Path, **options: Any) -> None:  # noqa: ANN401  of the workflow
    """Fit, and say nothing."""
    workflows.fit(config, run, Silent(), **{"overwrite": False, **options})


def contents(run: Path) -> dict[str, object]:
    """Return what a run holds but times and its place."""
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["run"]
    history = pl.read_csv(run / "history.csv").drop("rows_per_second")
    return {
        "files": sorted(path.name for path in run.iterdir()),
        "model": (run / "model.safetensors").read_bytes(),
        "metrics": metrics,
        "history": history.rows(),
        "predictions": pl.read_parquet(run / "predictions.parquet").rows(),
    }


def kill_at_write(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    """End the process, as it were, in the middle of a write; return what counts them."""
    seen = 0
    write_whole = directory.write_whole

    def write(target: Path, content: bytes, *, lasting: bool = False) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            target.with_name(f".{target.name}.partial").write_bytes(content[: len(content) // 2])
            raise Killed
        write_whole(target, content, lasting=lasting)

    monkeypatch.setattr(directory, "write_whole", write)
    monkeypatch.setattr(checkpoints, "write_whole", write)
    return lambda: seen


@pytest.mark.parametrize("form", FORMS)
def test_killed_inside_every_write(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    config = load(tmp_path, table, form)
    fit(config, tmp_path / "whole")
    wanted = contents(tmp_path / "whole")
    for number in range(1, 100):
        run = tmp_path / f"killed-{number}"
        with monkeypatch.context() as patch:
            count = kill_at_write(patch, number)
            with contextlib.suppress(Killed):
                fit(config, run)
        if count() < number:
            break
        fit(config, run, resume="train")
        assert contents(run) == wanted, number
    assert WRITES - 4 <= count() <= WRITES + 4


def test_killed_while_a_run_replaces_another(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run = load(tmp_path, table), tmp_path / "run"
    fit(load(tmp_path, table, seed=9), run)
    before = contents(run)
    fit(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_at_write(patch, 5)
        with pytest.raises(Killed):
            fit(config, run, overwrite=True)
    (run / ".writer").unlink()
    (run / ".next").rename(tmp_path / "next")
    assert contents(run) == before  # and of use meanwhile
    (tmp_path / "next").rename(run / ".next")
    fit(config, run, resume="train")
    assert contents(run) == contents(tmp_path / "whole")


@pytest.mark.parametrize("moved", range(7))
def test_killed_while_a_whole_run_is_put_in_its_place(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    config, run = load(tmp_path, table), tmp_path / "run"
    fit(load(tmp_path, table, seed=9), run)
    fit(config, tmp_path / "whole")
    replace = type(run).replace

    def stop(self: Path, target: Path) -> Path:
        nonlocal moved
        if self.parent.name == ".next" and not self.name.endswith(".partial"):
            if not moved:
                raise Killed
            moved -= 1
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(run), "replace", stop)
        with contextlib.suppress(Killed):
            fit(config, run, overwrite=True)
    if (run / ".next").exists():
        with pytest.raises(RunError, match="not finished"):
            directory.load_run(run)
        with pytest.raises(OutputError, match="holds a finished run"):
            fit(config, run, resume="train")
    assert contents(run) == contents(tmp_path / "whole")


def test_a_damaged_checkpoint_is_passed_over(table: Path, tmp_path: Path) -> None:
    config, run = load(tmp_path, table), tmp_path / "run"
    fit(config, tmp_path / "whole")
    leave_unfinished(config, run)
    last, before = [path for path, _ in read_checkpoints(run)]
    last.write_bytes(last.read_bytes()[:-1])
    notes = Noting()
    workflows.fit(config, run, notes, overwrite=False, resume="train")
    assert notes.warnings == [f"{last}: is damaged: its checksum differs; it is passed over"]
    assert notes.notes == [f"{run}: goes on after epoch {int(before.name[:7])}"]
    assert contents(run) == contents(tmp_path / "whole")


def test_without_a_checkpoint_training_begins(table: Path, tmp_path: Path) -> None:
    config, run = load(tmp_path, table), tmp_path / "run"
    fit(config, tmp_path / "whole")
    leave_unfinished(config, run)
    for path, _ in [*read_checkpoints(run)]:
        path.write_bytes(b"")
    notes = Noting()
    workflows.fit(config, run, notes, overwrite=False, resume="train")
    assert notes.notes == [f"{run}: there is no checkpoint: training begins"]
    assert contents(run) == contents(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["garbage\n", "epoch,member\n1,0", None])
@pytest.mark.parametrize("resume", ["train", "finish"])
def test_a_damaged_history_is_made_again(
    table: Path, tmp_path: Path, resume: str, damage: str | None
) -> None:
    config = load(tmp_path, table)
    wanted, run = tmp_path / "whole", tmp_path / "run"
    leave_unfinished(config, wanted)
    fit(config, wanted, resume=resume)
    leave_unfinished(config, run)
    (run / "history.csv").unlink()
    if damage is not None:
        (run / "history.csv").write_text(damage)
    fit(config, run, resume=resume)
    assert contents(run) == contents(wanted)


def test_a_changed_config_of_an_unfinished_run(table: Path, tmp_path: Path) -> None:
    config, run = load(tmp_path, table), tmp_path / "run"
    leave_unfinished(config, run)
    for text in ("a: [", "- 1", "\xff"):
        (run / "config.yaml").write_bytes(text.encode("latin-1"))
        with pytest.raises(RunError, match=r"config\.yaml: was changed after the run was begun"):
            fit(config, run, resume="train")


def test_a_run_that_was_to_replace_another_is_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run = load(tmp_path, table), tmp_path / "run"
    fit(config, run)
    with monkeypatch.context() as patch:
        kill_at_write(patch, 5)
        with pytest.raises(Killed):
            fit(config, run, overwrite=True)
    with pytest.raises(OutputError, match="holds a run already") as caught:
        fit(config, run)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("--resume goes on with the one that was to replace it, ")


def test_an_interrupt_before_the_first_checkpoint(table: Path, tmp_path: Path) -> None:
    notes, run = Interrupting(), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        workflows.fit(load(tmp_path, table, checkpoint_every="auto"), run, notes, overwrite=False)
    assert notes.notes == [f"{run}: there is no checkpoint yet: --resume begins to train again"]


def test_finish_takes_the_best_epochs_so_far(table: Path, tmp_path: Path) -> None:
    config, run = load(tmp_path, table), tmp_path / "run"
    leave_unfinished(config, run)
    fit(config, run, resume="finish")
    history = pl.read_csv(run / "history.csv")
    assert history["epoch"].max() == 3
    best = history.filter(pl.col("epoch") == 3)["best_epoch"].to_list()
    document = json.loads((run / "run.json").read_text())
    assert [member["best_epoch"] for member in document["trained"]] == best
    assert document["data"]["remarks"] == ["training was ended after epoch 3 of 4"]


def test_finish_of_a_training_that_had_ended_doubts_nothing(table: Path, tmp_path: Path) -> None:
    config, run = load(tmp_path, table, epochs=3), tmp_path / "run"
    leave_unfinished(config, run)
    fit(config, run, resume="finish")
    assert json.loads((run / "run.json").read_text())["data"]["remarks"] == []


@pytest.mark.parametrize(
    ("every", "seconds", "wanted"),
    [(1, 1e9, [1, 2, 3, 4]), (3, 1e9, [3]), ("auto", 1e9, []), ("auto", 0.0, [1, 2, 3, 4])],
)
def test_when_a_checkpoint_is_due(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every: int | str,
    seconds: float,
    wanted: list[int],
) -> None:
    written: list[int] = []

    def note(directory: Path, checkpoint: Checkpoint) -> None:
        written.append(checkpoint.epoch)
        write_checkpoint(directory, checkpoint)
        assert len([*(directory / "checkpoint").iterdir()]) == min(len(written), 2)

    monkeypatch.setattr(resuming, "write_checkpoint", note)
    monkeypatch.setattr(resuming, "FIRST_SECONDS", seconds)
    fit(load(tmp_path, table, checkpoint_every=every), tmp_path / "run")
    assert written == wanted


def test_the_first_checkpoint_is_due_soon_and_later_ones_less_often(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    ticks = itertools.count()  # a second each: one at the start, one an epoch, one a checkpoint

    def note(_directory: Path, checkpoint: Checkpoint) -> None:
        written.append(checkpoint.epoch)

    monkeypatch.setattr(resuming, "write_checkpoint", note)
    monkeypatch.setattr(resuming, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    fit(load(tmp_path, table, checkpoint_every="auto", epochs=48), tmp_path / "run")
    assert written == [1, 3, 7, 15, 30, 45]


def test_finish_needs_a_checkpoint(table: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no checkpoint to finish from"):
        fit(load(tmp_path, table), tmp_path / "run", resume="finish")


def test_another_config_is_refused_by_its_key(table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    leave_unfinished(load(tmp_path, table), run)
    other = load(tmp_path, table, seed=3)
    with pytest.raises(RunError, match=r"was begun with training\.seed: 0, and the config has 3"):
        fit(other, run, resume="train")
    fit(load(tmp_path, table, checkpoint_every=2), run, resume="train")  # of no consequence


def test_other_rows_are_refused_by_their_source(table: Path, tmp_path: Path) -> None:
    path, run = tmp_path / "own.csv", tmp_path / "run"
    path.write_bytes(table.read_bytes())
    leave_unfinished(load(tmp_path, path), run)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]))
    with pytest.raises(RunError, match=r"begun with other rows than .*own\.csv holds now"):
        fit(load(tmp_path, path), run, resume="train")
    path.write_bytes(table.read_bytes())
    fit(load(tmp_path, path), run, resume="train")


def test_a_comparison_goes_on(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(tmp_path, table).with_repeats(2, 1)

    def compare(run: Path, **options: Any) -> None:  # noqa: ANN401  of the workflow
        workflows.compare(config, ["focal"], [], run, Silent(), overwrite=False, **options)

    compare(tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_at_write(patch, 5)
        with pytest.raises(Killed):
            compare(tmp_path / "run")
    compare(tmp_path / "run", resume="train")
    for name in ("comparison.csv", "model.safetensors"):
        found, wanted = ((tmp_path / run / name).read_bytes() for run in ("run", "whole"))
        assert found == wanted
    frames = [pl.read_parquet(tmp_path / run / "predictions.parquet") for run in ("run", "whole")]
    assert_frame_equal(*frames)


def test_killed_by_a_signal_and_gone_on_with_by_the_command(table: Path, tmp_path: Path) -> None:
    training = {**TRAINING, "epochs": 30, "patience": None}
    report = {"bootstrap": 20, "plots": False}
    config = write_config(
        tmp_path / "c.yaml", table, training=training, model={"hidden": [16]}, report=report
    )
    succeed("fit", config, "--run-dir", tmp_path / "whole")
    run = tmp_path / "run"
    command = [sys.executable, "-m", "imbalance_cli", "fit", str(config), "--run-dir", str(run)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not list(run.glob("checkpoint/0*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    refuse("fit", config, "--run-dir", run, says="holds an unfinished run", hint="--resume")
    done = succeed("fit", config, "--run-dir", run, "--resume")
    assert f"note: {run}: goes on after epoch " in done.err
    assert contents(run) == contents(tmp_path / "whole")
    refuse("fit", config, "--run-dir", run, "--resume", says="holds a finished run")


def test_which_run_must_be_known(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", table)
    refuse("fit", config, "--resume", says="which run is not known", hint="--run-dir")
    run = tmp_path / "run"
    refuse("fit", config, "--resume", "--finish", "--run-dir", run, says="contradict each other")


class Noting(Silent):
    """An observer that keeps sentences."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def warned(self, sentence: str) -> None:
        """Keep it."""
        self.warnings.append(sentence)

    def noted(self, sentence: str) -> None:
        """Keep it."""
        self.notes.append(sentence)


class Interrupting(Noting):
    """An observer that is interrupted after the first epoch."""

    def epoch(self, _: object) -> None:
        """Press Ctrl-C."""
        raise KeyboardInterrupt


class Stopping(Silent):
    """An observer that ends the process after the third epoch."""

    def epoch(self, result: object) -> None:
        """End it."""
        if getattr(result, "epoch", 0) == 3:
            raise Killed


def leave_unfinished(config: Config, run: Path) -> None:
    """Leave a run that was killed after its third epoch."""
    with pytest.raises(Killed):
        workflows.fit(config, run, Stopping(), overwrite=False)
