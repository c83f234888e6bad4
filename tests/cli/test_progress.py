"""How a fit shows on stderr: a bar on a terminal, lines elsewhere, or warnings only."""

from __future__ import annotations

import dataclasses
import io
import math
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import TABULAR, make_columns, write_config, write_csv

from imbalance_cli.cli import progress, stage_clock
from imbalance_cli.cli.console import name_page
from imbalance_cli.cli.progress import (
    BarProgress,
    LineProgress,
    QuietProgress,
    choose_progress,
    describe_epoch,
    describe_parts,
)
from imbalance_cli.config import Config
from imbalance_cli.network.epochs import EpochResult, MemberResult
from imbalance_cli.progress import Stage
from imbalance_cli.workflows import Start
from imbalance_cli.workflows.observing import Origin

ROWS = {"train": 17466, "valid": 3743, "test": 0}


def make_start(epochs: int = 100) -> Start:
    """Return the start of a fit of one member."""
    config = Config.model_validate({"data": {"train": "t.csv"}})
    recipe = dataclasses.replace(TABULAR, epochs=epochs, followers=0)
    return Start("fit", Path("run"), config, recipe, ROWS, None, (Origin(None, 0, 0),))


def make_result(epoch: int = 3, *, rate: float = 71_234.0, going: int = 1) -> EpochResult:
    """Return an epoch of one member that goes on, or of several of which two have stopped."""
    member = MemberResult(loss=0.98768, score=0.5, best_epoch=2, best_score=0.61, epoch=epoch)
    stopped = dataclasses.replace(member, best_epoch=1, is_training=False, epoch=2)
    members = (member,) * going + (stopped,) * (2 if going != 1 else 0)
    return EpochResult(epoch, members, learning_rate=0.001, rows_per_second=rate)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_descriptions() -> None:
    assert describe_parts(ROWS, None) == "rows: train 17,466, valid 3,743"
    folds = {"cross_fitted": 21_209, "test": 3_742}
    assert describe_parts(folds, 5) == "rows: in 5 folds 21,209, test 3,742"
    assert describe_epoch(make_result()) == "loss 0.9877  valid 0.5000  best 0.6100 @2  71k rows/s"
    assert describe_epoch(make_result(rate=871.0)).endswith("  871 rows/s")
    assert describe_epoch(make_result(rate=7_123_456.0)).endswith("  7,123k rows/s")


def test_description_of_several_members() -> None:
    """The numbers are means; it says how many members have not stopped."""
    good, bad = (
        MemberResult(loss=loss, score=loss / 2, best_epoch=3, best_score=loss / 4, epoch=3)
        for loss in (0.5, 0.25)
    )
    stopped = dataclasses.replace(bad, is_training=False, epoch=2)
    result = EpochResult(3, (good, stopped), learning_rate=0.001, rows_per_second=2000.0)
    assert describe_epoch(result) == "loss 0.3750  valid 0.1875  best 0.0938  1/2 on  2k rows/s"
    result = dataclasses.replace(result, members=(stopped, stopped))
    assert "best 0.0625  0/2 on" in describe_epoch(result)
    waiting = MemberResult(math.nan, math.nan, 0, math.nan)  # for the one that it follows
    result = dataclasses.replace(result, members=(good, waiting))
    assert "best 0.1250  1/2 on" in describe_epoch(result)


def test_quiet_shows_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    with QuietProgress() as quiet:
        quiet.started(make_start())
        quiet.epoch(make_result())
        quiet.warned("mind the gap")
        quiet.noted("a column is gone")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "warning: mind the gap\n")


def test_lines_come_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 11.0, 12.0, 14.0, 15.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
    with LineProgress() as lines:
        lines.started(make_start())
        lines.noted("a column is gone")
        for epoch in range(1, 6):
            lines.epoch(make_result(epoch))
    first, noted, *epochs = capsys.readouterr().err.splitlines()
    assert first == "rows: train 17,466, valid 3,743"
    assert noted == "note: a column is gone"
    assert [line.split()[1] for line in epochs] == ["1/100", "4/100", "5/100"]
    assert epochs[0].endswith(describe_epoch(make_result()))


def test_the_last_epoch_is_not_written_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as lines:
        lines.started(make_start(epochs=1))
        lines.epoch(make_result(1))
    assert capsys.readouterr().err.count("epoch") == 1
    with LineProgress():
        pass
    assert capsys.readouterr().err == ""


def make_stage(done: int, name: str = "calibrating") -> Stage:
    return Stage(name, done, 10_000, "labels")


def test_a_stage_has_lines_once_it_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 11.0, 13.5, 14.0, 17.0])
    monkeypatch.setattr(stage_clock, "monotonic", lambda: next(clock))
    with LineProgress() as lines, QuietProgress() as quiet:
        for done in range(5):
            lines.stage(make_stage(done))
            quiet.stage(make_stage(done))
    assert capsys.readouterr().err.splitlines() == [
        "calibrating 2 of 10,000 labels",
        "calibrating 4 of 10,000 labels",
    ]


def test_a_note_comes_after_the_epochs_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as progress:
        progress.started(make_start())
        for epoch in (1, 2):  # the second is held back
            progress.epoch(make_result(epoch))
        progress.noted("a checkpoint is kept")
    *_, first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith("epoch 1/100")
    assert second.startswith("epoch 2/100")
    assert last == "note: a checkpoint is kept"


def test_a_stage_takes_the_place_of_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")

    def drawn() -> str:
        terminal.truncate(terminal.seek(0))
        bar._progress.refresh()
        return terminal.getvalue()

    with BarProgress() as bar:
        bar.stage(Stage("reading", 70_000, None, "rows"))
        assert "reading 70,000 rows" in drawn()
        bar.started(make_start())
        bar.epoch(make_result(3))
        assert "epoch 3/100" in (shown := drawn())
        assert "reading" not in shown
        bar.stage(make_stage(0))
        bar.stage(make_stage(1_200))
        assert "calibrating 1,200 of 10,000 labels" in (shown := drawn())
        assert "epoch" not in shown
        bar.stage(make_stage(7, "evaluating"))
        assert "evaluating 7 of 10,000 labels" in (shown := drawn())
        assert "calibrating" not in shown


def test_with_patience_the_bar_ends_where_training_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    start = make_start()
    patient = dataclasses.replace(start, recipe=dataclasses.replace(start.recipe, patience=15))
    for given, end in ((start, 100), (patient, 17)):  # the best epoch is the second
        with BarProgress() as bar:
            bar.started(given)
            bar.epoch(make_result(3))
            bar.stage(Stage("drawing the page"))
            task, stage = bar._progress.tasks
            assert (task.completed, task.total, stage.description) == (3, end, "drawing the page")


def test_with_followers_the_bar_ends_after_what_they_are_to_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    start = make_start()
    follows = dataclasses.replace(start, recipe=dataclasses.replace(start.recipe, followers=2))
    assert follows.epochs == 200
    [leader] = make_result(3).members
    ended = dataclasses.replace(leader, is_training=False)
    waiting = MemberResult(math.nan, math.nan, 0, math.nan)
    # the best is epoch 2, and the next end of a cycle 7 of 100
    for members, end in (((leader, waiting), 107), ((ended, waiting), 5)):
        with BarProgress() as bar:
            bar.started(follows)
            bar.epoch(dataclasses.replace(make_result(3), members=members))
            assert bar._progress.tasks[0].total == end


def test_a_terminal_gets_a_link_to_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "a run" / "report.html"
    written = []
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("TERM", "xterm")
        name_page(page)
        written.append(stream.getvalue())
    plain, linked = written
    assert plain == f"report: {page}\n"
    assert linked == f"report: \x1b]8;;{page.as_uri()}\x1b\\{page}\x1b]8;;\x1b\\\n"


def test_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(choose_progress(quiet=True)) is QuietProgress
    assert type(choose_progress(quiet=False)) is LineProgress
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(choose_progress(quiet=False)) is BarProgress


@pytest.mark.parametrize(("going", "best"), [(1, "@2"), (3, "3/5 on"), (23, "23/25 on")])
@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_shows_all_of_it(
    monkeypatch: pytest.MonkeyPatch, columns: int, going: int, best: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with BarProgress() as bar:
        bar.warned("before [bold]the[/] bar")
        bar.started(make_start())
        for epoch in (1, 2, 3):
            bar.epoch(make_result(epoch, going=going))
        bar._progress.refresh()
        bar.warned("over the bar")
        bar.noted("[also] over the bar")
    text = terminal.getvalue()
    assert "warning: before [bold]the[/] bar" in text
    assert "rows: train 17,466, valid 3,743" in text
    assert "epoch 3/100" in text
    assert "warning: over the bar" in text
    assert "note: [also] over the bar" in text
    for part in ("loss 0.9877", "valid 0.5000", f"best 0.6100 {best}", "71k rows/s"):
        assert part in text
    assert "…" not in text
    assert "━" in text or "╸" in text


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", make_columns())
    config = write_config(tmp_path / "c.yaml", table)
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "imbalance_cli.cli.app", "fit", str(config)]
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--run-dir", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environment,
    ) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:  # the other side was closed
                break
            if not piece:
                break
            shown += piece
        assert process.stdout is not None
        out = process.stdout.read()
        assert process.wait(timeout=60) == 0
    os.close(leader)
    assert out.startswith(b"label,support,")
    assert b"\x1b" not in out
    assert b"epoch " in shown
    assert b"\x1b[" in shown
    assert "━".encode() in shown or "╸".encode() in shown
