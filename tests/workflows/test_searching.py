"""search: the clock, resuming, what is refused, and scikit-learn's scores of the same folds."""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING, Any

import optuna
import polars as pl
import pytest
import torch
from sklearn.metrics import average_precision_score
from small_runs import Silent, make_columns, succeed, write_config, write_csv

from imbalance_cli import workflows
from imbalance_cli.config import load_config
from imbalance_cli.errors import ConfigError, OutputError, RunError, TrainingError
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.searching import PORTFOLIO
from imbalance_cli.workflows import searching

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.progress import Stage
    from imbalance_cli.searching import SearchResult

DATA = {"labels": ["y_often"], "exclude": ["y_some", "y_rare"]}
FOLDS = 2
NO_OPTUNA = 1000.0  # minutes: the search ends after the portfolio


class Clock:
    """A clock that is a second later at each look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self.seconds += 1
        return self.seconds


class Noting(Silent):
    """Keeps notes and warnings; stops where a candidate is begun."""

    def __init__(self, stops_at: str | None = None) -> None:
        self.said: list[str] = []
        self._stops_at = stops_at

    def noted(self, sentence: str) -> None:
        """Keep it."""
        self.said.append(sentence)

    def warned(self, sentence: str) -> None:
        """Keep it."""
        self.said.append(sentence)

    def stage(self, stage: Stage) -> None:
        """Press Ctrl-C."""
        if stage.name == f"searching: {self._stops_at}":
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a config whose loss and widths are free."""
    folder = tmp_path_factory.mktemp("search")
    table = write_csv(folder / "t.csv", make_columns(240, seed=3))
    split = {"valid": 0.2, "test": 0.2}
    path = write_config(folder / "c.yaml", table, data=DATA, model={"hidden": "auto"}, split=split)
    text = path.read_text().replace("loss:\n  name: weighted_bce\n", "")
    path.write_text(text)
    return path


def search(config: Path | dict[str, Any], directory: Path, minutes: float, **options: Any) -> Any:  # noqa: ANN401
    """Search by a clock that the machine has no part in."""
    given = config if isinstance(config, dict) else str(config)
    settings = {"overwrite": False, "clock": Clock(), "observer": Silent(), **options}
    observer = settings.pop("observer")
    loaded = load_config(given, for_any_loss=True)
    return workflows.search(loaded, minutes, directory, observer, folds=FOLDS, **settings)


@pytest.fixture(scope="module")
def found(config: Path) -> SearchResult:
    """Search a while, beyond the portfolio."""
    result: SearchResult = search(config, config.parent / "run", 2.4)
    return result


def lines(run: Path) -> list[dict[str, Any]]:
    """Return what a search noted of its candidates."""
    text = (run / "candidates.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()[1:]]


def test_the_minutes_end_it(found: SearchResult, config: Path) -> None:
    assert found.tried[0].name == "config"
    assert found.tried[-1].name.startswith("trial_")
    assert found.tried[-1].spent <= 2.4 * 60 <= found.seconds < 2.4 * 60 + 20
    assert [one["name"] for one in lines(config.parent / "run")] == [x.name for x in found.tried]
    document = json.loads((config.parent / "run" / "search.json").read_bytes())
    assert document["best"] == found.best.name
    assert document["selection"] == dataclasses.asdict(found.selection)
    assert len(document["candidates"]) == len(found.tried)


def test_stopped_candidates_are_scored_on_no_fold(found: SearchResult) -> None:
    states = {one.state: one for one in found.tried}
    assert states.keys() == {"finished", "stopped"}
    assert states["stopped"].folds == []
    assert states["stopped"].rungs
    assert len(states["finished"].folds) == FOLDS


def test_the_study_can_be_opened(found: SearchResult, config: Path) -> None:
    storage = f"sqlite:///{config.parent / 'run' / 'search.sqlite'}"
    study = optuna.load_study(study_name="search", storage=storage)
    told = {
        trial.user_attrs["candidate"]: trial
        for trial in study.trials
        if trial.state != optuna.trial.TrialState.RUNNING
    }
    assert told.keys() == {one.name for one in found.tried}
    states = {"finished": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
    for one in found.tried:
        assert told[one.name].state.name == states[one.state]
        if one.score is not None:
            assert told[one.name].value == pytest.approx(one.score)


def test_scores_are_those_of_compare_and_of_scikit_learn(found: SearchResult, config: Path) -> None:
    run = config.parent / "compared"
    succeed("compare", config, "--run-dir", run, "--losses", "bce", "--folds", FOLDS)
    rows = pl.read_parquet(run / "predictions.parquet").drop_nulls("y_often_target")
    wanted = [
        average_precision_score(part["y_often_target"], part["bce/y_often_probability"])
        for _, part in sorted(rows.group_by("fold"), key=lambda pair: str(pair[0]))
    ]
    assert found.tried[0].folds == pytest.approx(wanted)


def test_the_test_part_has_no_part_in_it(config: Path, tmp_path: Path) -> None:
    columns = make_columns(80, seed=4)
    flipped = columns | {"y_often": [str(1 - int(cell)) for cell in columns["y_often"]]}
    scores = []
    for name, held_out in (("a", columns), ("b", flipped)):
        test = write_csv(tmp_path / f"{name}.csv", held_out)
        document = load_config(str(config), for_any_loss=True).model_dump(
            by_alias=True, exclude_unset=True
        )
        document["data"]["test"] = [str(test)]
        result = search(document, tmp_path / name, 0.8)
        scores.append([(one.name, one.folds, one.rungs) for one in result.tried])
    assert scores[0] == scores[1]


def test_the_best_is_a_config_and_a_model(found: SearchResult, config: Path) -> None:
    run = config.parent / "run"
    text = (run / "best.yaml").read_text()
    assert text.count("# by the search") == len(found.best.settings)
    ours = load_config(str(run / "best.yaml"))
    saved = json.loads((run / "run.json").read_bytes())["candidates"]
    [theirs] = [load_config(candidate["config"]) for candidate in saved]
    folded = ours.with_repeats(folds=FOLDS, networks=None)
    assert folded.model_dump() == theirs.model_dump()
    chosen = config.parent / "chosen"
    outcome = succeed("fit", "--from-search", run, "--run-dir", chosen, "--format", "json")
    assert outcome.document["splits"]["test"]
    assert Predictor.load(chosen, torch.device("cpu")).model.members == FOLDS


@pytest.fixture
def _no_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "is_optuna_installed", lambda: False)


@pytest.mark.usefixtures("_no_optuna")
def test_an_interrupted_search_goes_on(config: Path, tmp_path: Path) -> None:
    whole = search(config, tmp_path / "whole", NO_OPTUNA)
    observer, run = Noting(stops_at="plain"), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        search(config, run, NO_OPTUNA, observer=observer)
    done = [one["name"] for one in lines(run)]
    assert done
    assert done == [one.name for one in whole.tried[: len(done)]]
    assert observer.said[-1].endswith(f"--resume goes on after {len(done)} candidates")
    with (run / "candidates.jsonl").open("a") as file:
        file.write('{"name": "cut sho')  # by a machine that went down
    again = Noting()
    result = search(config, run, NO_OPTUNA, observer=again, resume="train")
    assert f"{run}: goes on after {len(done)} candidates" in again.said
    facts = [
        [(one.name, one.state, one.folds, one.rungs) for one in each.tried]
        for each in (result, whole)
    ]
    assert facts[0] == facts[1]
    for name in ("best.yaml", "model.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.usefixtures("_no_optuna")
def test_without_optuna_the_portfolio_is_tried_and_a_warning_says_so(
    config: Path, tmp_path: Path
) -> None:
    observer = Noting()
    result = search(config, tmp_path / "run", NO_OPTUNA, observer=observer)
    assert any("pip install 'imbtrain[search]'" in sentence for sentence in observer.said)
    assert {one.name for one in result.tried} == {"config", *PORTFOLIO}
    assert not (tmp_path / "run" / "search.sqlite").exists()


def test_a_finished_search_goes_on_for_more_minutes(
    found: SearchResult, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(config.parent / "run", run)
    with pytest.raises(OutputError, match="holds a run already") as refused:
        search(config, run, 4)
    assert refused.value.hint is not None
    assert "--resume goes on with it" in refused.value.hint
    with pytest.raises(ConfigError, match=r"the search took .* minutes already"):
        search(config, run, 2.4, resume="train")
    assert (run / "run.json").exists()
    result = search(config, run, 3.2, resume="train")
    assert [one.to_dict() for one in result.tried[: len(found.tried)]] == [
        one.to_dict() for one in found.tried
    ]
    assert len(result.tried) > len(found.tried)
    assert len({one.name for one in result.tried}) == len(result.tried)
    succeed("fit", "--from-search", run, "--run-dir", tmp_path / "chosen")


def test_without_time_for_one_candidate_it_says_what_one_takes(
    config: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"too short for one candidate: .* epoch 1 of 3") as error:
        search(config, tmp_path / "run", 1 / 60)
    assert error.value.hint is not None
    assert "--minutes" in error.value.hint
    result = search(config, tmp_path / "run", 1, resume="train")
    assert result.tried[0].state == "finished"


def test_another_config_other_rows_or_another_score_are_refused(
    found: SearchResult, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(config.parent / "run", run)
    assert found.score == "average_precision"
    with pytest.raises(RunError, match="begun with --score average_precision, not brier"):
        search(config, run, 9, resume="train", score="brier")
    changed = tmp_path / "c.yaml"
    changed.write_text(config.read_text().replace("batch_size: 32", "batch_size: 64"))
    with pytest.raises(RunError, match=r"begun with training\.batch_size: 32"):
        search(changed, run, 9, resume="train")
    table = write_csv(tmp_path / "t.csv", make_columns(240, seed=5))
    changed.write_text(config.read_text().replace(str(config.parent / "t.csv"), str(table)))
    with pytest.raises(RunError, match=f"begun with other rows than {table} holds now"):
        search(changed, run, 9, resume="train")


@pytest.mark.parametrize(
    "text", ["not JSON\n", "[1]\n", '{"score": "x"}\n{"name": "a"}\n', '{"name": "a"}\n']
)
def test_candidates_that_were_changed_are_refused(
    found: SearchResult, config: Path, tmp_path: Path, text: str
) -> None:
    assert found
    run = tmp_path / "run"
    shutil.copytree(config.parent / "run", run)
    (run / "candidates.jsonl").write_text(text)
    with pytest.raises(RunError, match=r"candidates\.jsonl: was changed"):
        search(config, run, 9, resume="train")


def test_networks_that_are_lost_are_named(
    found: SearchResult, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(config.parent / "run", run)
    (run / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match=f"does not hold the networks of {found.best.name}"):
        search(config, run, 9, resume="train")


@pytest.mark.usefixtures("_no_optuna")
def test_a_candidate_that_fails_is_left_out(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio = {"fast": {"training.learning_rate": 1e30}, "wide": {"model.hidden": [12]}}
    monkeypatch.setattr(searching, "PORTFOLIO", portfolio)
    result = search(config, tmp_path / "run", NO_OPTUNA)
    states = {one.name: one.state for one in result.tried}
    assert states["fast"] == "failed"
    assert "diverged" in str(result.tried[1].reason)
    assert states["config"] == "finished"
    broken = tmp_path / "c.yaml"
    broken.write_text(
        config.read_text().replace("epochs: 3", "epochs: 3\n  learning_rate: 1.0e+30")
    )
    with pytest.raises(TrainingError, match="diverged"):
        search(broken, tmp_path / "broken", NO_OPTUNA)
