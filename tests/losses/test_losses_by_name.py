"""A loss that is registered is known wherever losses are: in help, schema, report and compare."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from small_runs import make_columns, refuse, run_command, succeed, write_config, write_csv

from imbalance_cli.losses.registry import LOSS_SPECS, LossSpec, losses_with, register_loss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEEP = LossSpec(
    "steep",
    "positives that are wrong weigh all the more",
    lambda family, settings, *_: family.asymmetric(settings.gamma, 0.0, 0.0),
    keys=("gamma",),
    corrects_prior=True,
)
REGISTER = """
from imbalance_cli.losses.registry import LossSpec, register_loss
register_loss(LossSpec("steep", "", lambda *_: None))
"""


@pytest.fixture
def steep() -> Iterator[None]:
    """Register it for one test."""
    register_loss(STEEP)
    yield
    del LOSS_SPECS["steep"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write a table with three labels."""
    return write_csv(tmp_path / "table.csv", make_columns())


@pytest.mark.usefixtures("steep")
def test_a_new_loss_is_fitted_and_its_scores_are_probabilities(table: Path, tmp_path: Path) -> None:
    loss = {"name": "steep", "gamma": 3.0}
    config = write_config(tmp_path / "config.yaml", table, loss=loss)
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json")
    labels = outcome.document["splits"]["test"]["labels"]
    assert all(0 <= label["brier"] < 0.5 for label in labels)
    again = succeed("evaluate", tmp_path / "run", table, "--format", "json")
    assert len(again.document["splits"]["test"]["labels"]) == 3


@pytest.mark.usefixtures("steep")
def test_a_new_loss_is_compared(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", table, loss={"name": "auto"})
    arguments = ("--losses", "steep", "--folds", 2, "--run-dir", tmp_path / "run")
    outcome = succeed("compare", config, *arguments, "--format", "json")
    assert [c["name"] for c in outcome.document["candidates"]] == ["bce", "steep"]


@pytest.mark.usefixtures("steep")
def test_a_new_loss_is_held_to_what_it_takes(table: Path, tmp_path: Path) -> None:
    def fit(*settings: str) -> Any:  # noqa: ANN401  what is refused
        parts = [part for setting in settings for part in ("--set", setting)]
        return ("fit", config, "--run-dir", tmp_path / "run", *parts)

    config = write_config(tmp_path / "config.yaml", table, loss={"name": "steep"})
    twice = "loss.name steep would count the imbalance twice"
    refuse(*fit("weighting.strategy=ratio"), says=twice)
    refuse(*fit("loss.tau=2"), says="loss.tau", hint="loss.name: logit_adjusted")
    refuse(*fit("loss.name=stepe"), says="'stepe' should be one of bce", hint="'steep'")


@pytest.mark.usefixtures("steep")
def test_a_new_loss_is_in_the_schema_and_in_a_written_config(table: Path) -> None:
    name = succeed("schema").document["properties"]["loss"]["properties"]["name"]
    assert name["anyOf"][0]["enum"] == list(LOSS_SPECS)
    assert "steep: positives that are wrong weigh all the more" in name["description"]
    assert "steep" in succeed("init", table).text


def test_a_new_loss_is_in_help() -> None:
    code = f"{REGISTER}\nfrom imbalance_cli.cli.app import main; main(['compare', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "steep" in done.stdout
    assert "steep" not in run_command("compare", "--help").text


def test_keys_of_losses_are_keys_of_the_section() -> None:
    assert losses_with("gamma") == ["focal", "class_balanced", "distribution_balanced"]
    assert losses_with("tau") == ["logit_adjusted"]
    assert not losses_with("name")
    assert all(spec.summary for spec in LOSS_SPECS.values())
