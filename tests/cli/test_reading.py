"""What is shown of a pipe or a URL before a command has a progress of its own."""

from __future__ import annotations

import json
import sys

import pytest

from imbalance_cli.cli import progress, reading, stage_clock
from imbalance_cli.cli.reading import tell_slow_reading
from imbalance_cli.progress import Stage, tell_nobody

URL = "fetching https://a.org/x.csv"
HALF, WHOLE = Stage(URL, 600_000, 1_200_000, "bytes"), Stage(URL, 1_200_000, 1_200_000, "bytes")
FETCHED = "fetched https://a.org/x.csv: 1.2 MB"
SOME, ALL = Stage("reading", 7, None, "lines"), Stage("reading", 9, 9, "lines")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_clock, "SECONDS", 0.0)
    monkeypatch.setattr(reading, "SECONDS", 0.0)


def test_a_terminal_has_a_bar_that_ends_as_what_came(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    show = tell_slow_reading(["weights"], as_json=False)
    for stage in (HALF, WHOLE, SOME, ALL):
        show(stage)
    shown = capsys.readouterr().err
    assert f"{URL} 0.6 of 1.2 MB" in shown
    assert f"note: {FETCHED}\n" in shown
    assert "reading 7 lines" in shown
    assert shown.endswith("\r\x1b[1A\x1b[2K")  # the bar's own line is gone


def test_elsewhere_there_are_lines_or_events_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stages = (HALF, HALF, WHOLE, SOME, SOME, ALL)
    show = tell_slow_reading(["weights"], as_json=False)
    for stage in stages:
        show(stage)
    lines = [f"{URL} 0.6 of 1.2 MB", f"note: {FETCHED}", "reading 7 lines"]
    assert capsys.readouterr().err.splitlines() == lines

    show = tell_slow_reading(["fit"], as_json=True)
    for stage in stages:
        show(stage)
    half, whole, some = map(json.loads, capsys.readouterr().err.splitlines())
    assert (half["event"], half["done"], half["unit"]) == ("stage", 600_000, "bytes")
    assert (whole["event"], whole["message"]) == ("note", FETCHED)
    assert (some["event"], some["done"], some["unit"]) == ("stage", 7, "lines")
    assert tell_slow_reading(["fit", "-q"], as_json=False) is tell_nobody


def test_what_is_fast_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SECONDS", 3600.0)
    show = tell_slow_reading(["weights"], as_json=False)
    for stage in (SOME, ALL, HALF):
        show(stage)
    assert capsys.readouterr().err == ""
    show(WHOLE)
    assert capsys.readouterr().err == f"note: {FETCHED}\n"


def test_rows_take_the_place_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    bar = progress.choose_progress(quiet=False)
    assert isinstance(bar, progress.BarProgress)
    with bar:
        for stage in (SOME, Stage("reading", 6, None, "rows"), SOME):
            bar.stage(stage)
        shown = [task.description for task in bar._progress.tasks if task.visible]
    assert shown == ["reading 6 rows"]


def test_a_terminal_that_draws_nothing_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress.choose_progress(quiet=False), progress.LineProgress)
