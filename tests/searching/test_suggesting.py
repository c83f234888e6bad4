"""What Optuna suggests: from a file of any name, the same by the same seed, never the config."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from test_space import make_space

from imbalance_cli.searching import Tried
from imbalance_cli.searching.suggesting import Suggestions

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.searching.space import Settings

SPACE = make_space(labels=2)
STATES = (
    Tried("config", {}, "finished", [-0.4], 9, 1.0, 1.0, folds=[0.5, 0.6]),
    Tried("plain", {"model.recipe": "plain"}, "stopped", [-0.5], 3, 1.0, 2.0),
    Tried("wide", {"model.hidden": [300]}, "failed", [], 0, 1.0, 3.0, reason="diverged"),
)


def suggest(path: Path, number: int) -> list[Settings]:
    suggestions = Suggestions(path, SPACE, 2**40, STATES, -1)
    found = []
    for i in range(number):
        trial, settings = suggestions.ask()
        found.append(settings)
        name = f"trial_{trial.number}"
        suggestions.tell(trial, Tried(name, settings, "finished", [0.0], 9, 1.0, 4.0, [0.1 * i]))
    suggestions.close()
    return found


def test_it_needs_only_its_file_and_a_seed(tmp_path: Path) -> None:
    folder = tmp_path / "a?b %20 #c"
    folder.mkdir()
    first = suggest(folder / "search.sqlite", 12)
    assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]
    assert [entry.name for entry in folder.iterdir()] == ["search.sqlite"]
    assert suggest(folder / "search.sqlite", 12) == first  # written anew
    assert len({str(settings) for settings in first}) == 12
    for settings in first:
        config = SPACE.config(settings)
        rate = config.training.learning_rate
        assert rate == "auto" or math.isfinite(rate)
