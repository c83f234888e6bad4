"""`imbtrain search`: what it prints, and what it and `fit --from-search` refuse."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from small_runs import make_columns, refuse, succeed, write_config, write_csv

from imbalance_cli.workflows import searching

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import FittedRun, Outcome

DATA = {"labels": ["y_often", "y_some"], "exclude": ["y_rare"]}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a config."""
    folder = tmp_path_factory.mktemp("search")
    table = write_csv(folder / "t.csv", make_columns(200, seed=3))
    return write_config(folder / "c.yaml", table, data=DATA)


@pytest.fixture(scope="module")
def searched(config: Path) -> Outcome:
    """Search the portfolio."""
    portfolio = {"plain": {"model.recipe": "plain"}, "dropout": {"model.dropout": 0.4}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "is_optuna_installed", lambda: False)
        patch.setattr(searching, "PORTFOLIO", portfolio)
        options = ("--folds", 2, "--run-dir", config.parent / "run", "--format", "json")
        return succeed("search", config, *options)


def test_streams(searched: Outcome) -> None:
    document = searched.document
    assert [one["name"] for one in document["candidates"]] == ["config", "plain", "dropout"]
    assert document["folds"] == 2
    assert document["kept"] == ["loss.name", "model.hidden"]
    notes = searched.err.splitlines()
    assert "note: kept as the config has them: loss.name, model.hidden" in notes
    assert any("pip install 'imbtrain[search]'" in line and "[IMB126]" in line for line in notes)


def test_table_and_csv(searched: Outcome, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert searched.code == 0
    monkeypatch.setattr(searching, "is_optuna_installed", lambda: False)
    options = ("--folds", 2, "--run-dir", config.parent / "run", "--resume", "-q")
    table = succeed("search", config, *options, "--format", "table").text
    assert ["candidate", "AP", "diff", "s"] in [line.split()[:4] for line in table.splitlines()]
    assert "finished candidate" in table
    assert f"run: {config.parent / 'run'}" in table.splitlines()
    rows = list(csv.DictReader(succeed("search", config, *options).text.splitlines()))
    assert rows[0]["candidate"] == "config"
    folds = [float(rows[0][f"fold_{k}"]) for k in (1, 2)]
    assert float(rows[0]["average_precision"]) == pytest.approx(sum(folds) / 2)


@pytest.mark.parametrize("minutes", ["0", "-3", "nan", "inf", "-inf", "1e9"])
def test_minutes_that_are_none_are_refused(config: Path, minutes: str) -> None:
    says = f"--minutes {float(minutes):g}: a number above 0"
    refuse("search", config, f"--minutes={minutes}", says=says, hint="--minutes 10")
    refuse("search", config, "--minutes=soon", says="'soon' is not a valid")


def test_a_time_too_short_is_refused(config: Path, tmp_path: Path) -> None:
    options = ("--minutes", 1e-6, "--run-dir", tmp_path / "run")
    says = "--minutes 1e-06: is too short for one candidate"
    refuse("search", config, *options, says=says, hint="--minutes 1 or more")
    refuse("fit", "--from-search", tmp_path / "run", says="the run was not finished", hint="search")


def test_a_run_that_is_there_is_refused(
    searched: Outcome, config: Path, single_run: FittedRun
) -> None:
    assert searched.code == 0
    run = config.parent / "run"
    refuse("search", config, "--run-dir", run, says="holds a run already", hint="--resume")
    refuse("search", config, "--resume", says="which run is not known")
    says = "holds a finished run already"
    refuse("search", config, "--run-dir", single_run.path, "--resume", says=says)
    refuse("compare", config, "--run-dir", run, "--resume", says=says)


def test_only_a_search_has_a_best_candidate(
    searched: Outcome, config: Path, single_run: FittedRun, tmp_path: Path
) -> None:
    assert searched.code == 0
    run = config.parent / "run"
    given = ("fit", "--from-search")
    says = "is a model, and a search is needed"
    refuse(*given, single_run.path, says=says, hint="imbtrain search CONFIG")
    refuse(*given, tmp_path, says="not a run directory", hint="imbtrain search CONFIG")
    refuse(*given, tmp_path / "none", says="no such run directory")
    refuse(*given, run, "--run-dir", run, says="is the search that the model is taken from")
    for other in ("--choose", "--from-compare"):
        refuse(*given, run, other, "plain", says=f"--from-search and {other} contradict")
    refuse(*given, run, "--set", "training.seed=1", says="--set and --from-search contradict")
    refuse(*given, run, "--mlflow", "sqlite:///m.db", says="--mlflow and --from-search")
    refuse("fit", config, "--from-search", run, says="CONFIG and --from-search contradict")
    hint = f"imbtrain fit --from-search {run}"
    refuse("predict", run, config.parent / "t.csv", says="is a search", hint=hint)
    refuse("fit", "--from-compare", run, "--choose", "plain", says="is a search", hint=hint)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("data.time=age", "training.folds deals the rows out at random"),
        ("data.in_memory=false", "data.in_memory is false, and"),
        ("loss.tau=0.5", "loss.tau"),
        ("report.peer=boosted_trees", "report.peer: boosted_trees: search trains networks"),
    ],
)
def test_configs_that_cannot_be_searched_are_refused(config: Path, setting: str, says: str) -> None:
    refuse("search", config, "--set", setting, says=says)
