"""What observers are told, of a fit and of a comparison, and several observers as one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from small_runs import LABELS, load_sections, make_columns, write_csv

from imbalance_cli import workflows
from imbalance_cli.progress import Stage
from imbalance_cli.workflows import Finish, Observer, Observers

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import FittedRun

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.workflows import Start


@dataclasses.dataclass
class Diary(Observer):
    """An observer that keeps what it is told, in its order."""

    told: list[tuple[str, Any]] = dataclasses.field(default_factory=list)
    stages: list[Stage] = dataclasses.field(default_factory=list)

    def stage(self, stage: Stage) -> None:
        """Keep the stage, apart from all else: they come any number of times."""
        self.stages.append(stage)

    def warned(self, sentence: str) -> None:
        """Keep the sentence."""
        self.told.append(("warned", sentence))

    def noted(self, sentence: str) -> None:
        """Keep the sentence."""
        self.told.append(("noted", sentence))

    def started(self, start: Start) -> None:
        """Keep the start."""
        self.told.append(("started", start))

    def epoch(self, result: EpochResult) -> None:
        """Keep the epoch."""
        self.told.append(("epoch", result))

    def finished(self, finish: Finish) -> None:
        """Keep the finish."""
        self.told.append(("finished", finish))

    def all(self, kind: str) -> list[Any]:
        """Return all of a kind."""
        return [what for name, what in self.told if name == kind]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table."""
    return write_csv(tmp_path_factory.mktemp("observing") / "table.csv", make_columns())


def test_several_observers_are_told_the_same(table: Path, tmp_path: Path) -> None:
    config = load_sections(tmp_path, table, split={"test": 0.0})
    first, second = Diary(), Diary()
    workflows.fit(config, tmp_path / "run", Observers([first, second]), overwrite=False)
    assert first.told == second.told
    assert first.stages == second.stages
    kinds = [kind for kind, _ in first.told]
    assert kinds == ["started", "epoch", "epoch", "epoch", "warned", "finished"]


@pytest.mark.parametrize("in_memory", [True, False])
def test_everything_that_may_take_long_is_told(
    table: Path,
    tmp_path: Path,
    in_memory: bool,  # noqa: FBT001  a parameter of pytest
) -> None:
    config = load_sections(tmp_path, table, data={"in_memory": in_memory})
    diary = Diary()
    workflows.fit(config, tmp_path / "run", diary, overwrite=False)
    read = ["reading"] if in_memory else ["reading labels", "scanning features", "storing rows"]
    after = ["calibrating", "choosing thresholds of", "evaluating"]
    assert list(dict.fromkeys(stage.name for stage in diary.stages)) == read + after
    last = {stage.name: stage for stage in diary.stages}
    assert last[read[0]].done == 400
    labels = len(LABELS)
    assert all(last[name] == Stage(name, labels, labels, "labels") for name in after)


def test_members_of_folds_and_seeds(table: Path, tmp_path: Path) -> None:
    model = {"members": 2, "sharing": "none"}
    config = load_sections(tmp_path, table, training={"folds": 3, "epochs": 1}, model=model)
    diary = Diary()
    workflows.fit(config, tmp_path / "run", diary, overwrite=False)
    [start] = diary.all("started")
    assert (start.command, start.folds, start.epochs) == ("fit", 3, 1)
    assert start.rows == {"cross_fitted": 340, "test": 60}
    assert [(m.candidate, m.fold, m.seed) for m in start.members] == [
        (None, fold, seed) for fold in range(3) for seed in range(2)
    ]
    [epoch] = diary.all("epoch")
    assert len(epoch.members) == len(start.members)


def test_the_recipe_is_told(table: Path, tmp_path: Path) -> None:
    """With nothing left to choose, so that epochs that the config leaves to it are known."""
    ways: list[tuple[dict[str, object], int | None]] = [
        ({"epochs": 2}, 2),
        ({"epochs": "auto", "batch_size": 2000}, None),
    ]
    for given, wanted in ways:
        config = load_sections(tmp_path, table, training=given, model={"members": 3})
        diary = Diary()
        workflows.fit(config, tmp_path / "run", diary, overwrite=True)
        [start] = diary.all("started")
        assert (start.recipe.heads, start.recipe.networks) == (3, 1)
        assert start.epochs == start.recipe.epochs == (wanted or start.recipe.epochs)
        assert len(start.members) == 1
        assert len(diary.all("epoch")) == start.epochs
        assert start.config == config


def test_a_comparison(table: Path, tmp_path: Path) -> None:
    config = load_sections(tmp_path, table, training={"epochs": 1}).with_repeats(2, 1)
    diary = Diary()
    comparison = workflows.compare(config, ["focal"], [], tmp_path / "run", diary, overwrite=False)
    [start] = diary.all("started")
    assert start.command == "compare"
    assert list(start.candidates) == ["bce", "focal"]
    assert start.candidates["focal"].loss.name == "focal"
    assert [(m.candidate, m.fold) for m in start.members] == [
        ("bce", 0),
        ("bce", 1),
        ("focal", 0),
        ("focal", 1),
    ]
    [finish] = diary.all("finished")
    assert (finish.command, finish.part, finish.rows) == ("compare", "held_out", 340)
    for scores, candidate in zip(finish.scores, comparison.candidates, strict=True):
        assert scores.candidate == candidate.name
        assert scores.macro == {name: one.value for name, one in candidate.macro.items()}
        assert [name for name, _ in scores.labels] == LABELS
        assert scores.labels[2][1]["f1"] == candidate.labels[2].metrics["f1"].value


def test_a_chosen_candidate_only_finishes(table: Path, tmp_path: Path) -> None:
    config = load_sections(tmp_path, table, training={"epochs": 1}).with_repeats(2, 1)
    workflows.compare(config, ["focal"], [], tmp_path / "c", Diary(), overwrite=False)
    diary = Diary()
    workflows.choose(tmp_path / "c", "bce", tmp_path / "run", diary, overwrite=False)
    [(kind, finish)] = diary.told
    assert kind == "finished"
    assert (finish.directory, finish.part) == (tmp_path / "run", "test")


def test_scores_are_those_of_the_report(multi_run: FittedRun) -> None:
    evaluation = workflows.evaluate(
        multi_run.path, str(multi_run.table), "cpu", lambda _: None, bootstrap=0
    )
    finish = Finish.of_evaluation("evaluate", multi_run.path, evaluation)
    for (name, scores), label in zip(finish.scores[0].labels, evaluation.labels, strict=True):
        assert name == label.label
        assert scores["average_precision"] == label.average_precision.value
        assert set(scores) == set(evaluation.macro)
        assert all(score is None or isinstance(score, float) for score in scores.values())
