"""What is shown while a URL is fetched."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from imbalance_cli.cli import stage_clock, transfers
from imbalance_cli.cli.transfers import TransferLine, choose_transfers
from imbalance_cli.progress import Stage, tell_nobody

if TYPE_CHECKING:
    import pytest

URL = "fetching https://a.org/x.csv"
HALF, WHOLE = Stage(URL, 600_000, 1_200_000, "bytes"), Stage(URL, 1_200_000, 1_200_000, "bytes")
UNKNOWN = Stage(URL, 600_000, None, "bytes")


def test_a_terminal_has_one_line_that_ends_as_what_came(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "21")
    monkeypatch.setattr(transfers, "SECONDS", 0.0)
    show = choose_transfers(["weights"], as_json=False)
    assert isinstance(show, TransferLine)
    for stage in (HALF, UNKNOWN, WHOLE):
        show(stage)
    assert (
        capsys.readouterr().err.split("\r\x1b[K")
        == [
            "",
            "/x.csv 0.6 of 1.2 MB",  # what 21 columns hold without a break
            "ps://a.org/x.csv 0.6 MB"[-20:],
            "fetched https://a.org/x.csv: 1.2 MB\n",
        ]
    )


def test_elsewhere_there_are_lines_or_events_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_clock, "SECONDS", 0.0)
    for as_json in (False, True):
        show = choose_transfers(["weights"], as_json=as_json)
        for stage in (HALF, HALF, WHOLE):
            show(stage)
        lines = capsys.readouterr().err.splitlines()
        if not as_json:
            assert lines == [f"{URL} 0.6 of 1.2 MB", "fetched https://a.org/x.csv: 1.2 MB"]
            continue
        half, whole = map(json.loads, lines)
        assert (half["event"], half["done"], half["unit"]) == ("stage", 600_000, "bytes")
        assert (whole["event"], whole["message"]) == ("note", "fetched https://a.org/x.csv: 1.2 MB")
    assert choose_transfers(["fit", "-q"], as_json=False) is tell_nobody
