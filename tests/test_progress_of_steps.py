"""What is told of how far a command is, from the first row to the last label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.cli import stage_clock
from imbalance_cli.cli.stage_clock import StageClock
from imbalance_cli.progress import Stage, follow

if TYPE_CHECKING:
    import pytest


def test_following_items_tells_how_many_came_by() -> None:
    told: list[str] = []
    items = follow(
        ["abc", "de"], lambda stage: told.append(str(stage)), "reading", len, total=5_000
    )
    assert list(items) == ["abc", "de"]
    assert told == ["reading 0 of 5,000 rows", "reading 3 of 5,000 rows", "reading 5 of 5,000 rows"]


def test_a_stage_of_unknown_length() -> None:
    assert str(Stage("reading", 1_200, None, "rows")) == "reading 1,200 rows"
    assert str(Stage("calibrating", 7, 10_000, "labels")) == "calibrating 7 of 10,000 labels"


def test_only_what_takes_long_is_worth_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StageClock()
    shown = []
    for now, name in [(0, "a"), (2, "a"), (3, "a"), (5, "a"), (6, "b"), (6, "a"), (8, "a")]:
        monkeypatch.setattr(stage_clock, "monotonic", lambda now=now: float(now))
        if clock.is_due(Stage(name, 0, None, "rows")):
            shown.append((now, name))
    assert shown == [(3, "a")]
