"""What is shown of a pipe or a URL before a command has a progress of its own."""

from __future__ import annotations

import functools
import json
import sys
from typing import TYPE_CHECKING

import pytest

from imbalance_cli.cli import progress, reading, stage_clock
from imbalance_cli.cli.reading import tell_slow_reading
from imbalance_cli.progress import Stage, tell_nobody, tell_reading

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "fetching https://a.org/x.csv"
HALF, WHOLE = Stage(URL, 600_000, 1_200_000, "bytes"), Stage(URL, 1_200_000, 1_200_000, "bytes")
FETCHED = "fetched https://a.org/x.csv: 1.2 MB"
SOME, ALL = Stage("reading", 7, None, "lines"), Stage("reading", 9, 9, "lines")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stage_clock, "SECONDS", 0.0)
    monkeypatch.setattr(reading, "SECONDS", 0.0)
    token = tell_reading.set(tell_nobody)
    yield
    tell_reading.reset(token)


def test_a_terminal_has_a_bar_that_ends_as_what_came(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    tell_slow_reading(["weights"], as_json=False)(HALF)
    for stage in (WHOLE, SOME, ALL):
        tell_reading.get()(stage)
    shown = capsys.readouterr().err
    assert f"{URL} 0.6 of 1.2 MB" in shown
    assert f"note: {FETCHED}\n" in shown
    assert "reading 7 lines" in shown
    assert shown.endswith("\r\x1b[1A\x1b[2K")  # the bar's own line is gone


def test_elsewhere_there_are_lines_or_events_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stages = (HALF, HALF, WHOLE, SOME, SOME, ALL)
    tell_slow_reading(["weights"], as_json=False)(stages[0])
    for stage in stages[1:]:
        tell_reading.get()(stage)
    lines = [f"{URL} 0.6 of 1.2 MB", f"note: {FETCHED}", "reading 7 lines"]
    assert capsys.readouterr().err.splitlines() == lines

    tell_slow_reading(["fit"], as_json=True)(stages[0])
    for stage in stages[1:]:
        tell_reading.get()(stage)
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


def test_what_was_shown_ends_where_a_command_has_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    tell_slow_reading(["inspect"], as_json=False)(SOME)
    shown = tell_reading.get()
    assert isinstance(shown, functools.partial)
    before = shown.args[0]
    assert before._progress.live.is_started
    progress.choose_progress(quiet=True)
    assert not before._progress.live.is_started
    capsys.readouterr()
