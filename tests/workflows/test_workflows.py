"""fit, evaluate and predict as functions: what observers are told, and in what order."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from small_runs import LABELS, make_columns, make_config, write_csv

from imbalance_cli import workflows
from imbalance_cli.config import Config
from imbalance_cli.errors import OutputError
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.network.epochs import MemberResult
from imbalance_cli.run.directory import read_document
from imbalance_cli.workflows.applying import load_predictor
from imbalance_cli.workflows.preparing import count_targets
from imbalance_cli.workflows.recording import TrainingRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from small_runs import FittedRun

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.workflows import Finish, Start


@dataclasses.dataclass
class Notes(workflows.Observer):
    """An observer that keeps what it is told."""

    starts: list[Start] = dataclasses.field(default_factory=list)
    epochs: list[EpochResult] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    finishes: list[Finish] = dataclasses.field(default_factory=list)

    @property
    def rows(self) -> dict[str, int]:
        """The rows that training started with."""
        [start] = self.starts
        return start.rows

    def started(self, start: Start) -> None:
        """Keep the start; the directory of the run is there by then."""
        assert not self.epochs
        assert (start.directory / "config.yaml").exists()
        self.starts.append(start)

    def epoch(self, result: EpochResult) -> None:
        """Keep the epoch."""
        assert self.starts
        self.epochs.append(result)

    def finished(self, finish: Finish) -> None:
        """Keep the finish; the run is whole by then."""
        assert (finish.directory / "run.json").exists()
        self.finishes.append(finish)

    def warned(self, sentence: str) -> None:
        """Keep the warning; none comes once training began, but for the report's own."""
        assert not self.epochs or "no test part" in sentence
        self.warnings.append(sentence)

    def noted(self, sentence: str) -> None:
        """Nothing is to be noted in these rows."""
        raise AssertionError(sentence)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table."""
    return write_csv(tmp_path_factory.mktemp("workflows") / "table.csv", make_columns())


def load(table: Path, **sections: Mapping[str, object]) -> Config:
    """Return a config for the table."""
    config = make_config(table, **sections)
    config["data"]["train"] = [config["data"]["train"]]
    return Config.model_validate(config)


def test_an_observer_is_told_all_of_it(table: Path, tmp_path: Path) -> None:
    notes = Notes()
    evaluation = workflows.fit(load(table), tmp_path / "run", notes, overwrite=False)
    assert notes.rows == {"train": 280, "valid": 60, "test": 60}
    assert [result.epoch for result in notes.epochs] == [1, 2, 3]
    [finish] = notes.finishes
    assert (finish.part, finish.rows) == ("test", 60)
    [scores] = finish.scores
    assert (scores.candidate, scores.macro) == (None, evaluation.macro)
    assert [name for name, _ in scores.labels] == LABELS
    assert notes.warnings == []
    assert [label.label for label in evaluation.labels] == LABELS
    assert evaluation.part == "test"


def test_an_observer_is_told_of_all_members_of_all_folds(table: Path, tmp_path: Path) -> None:
    notes = Notes()
    model = {"members": 2, "sharing": "none"}
    config = load(table, model=model, training={"folds": 3, "epochs": 2})
    evaluation = workflows.fit(config, tmp_path / "run", notes, overwrite=False)
    assert [result.epoch for result in notes.epochs] == [1, 2]
    assert all(len(result.members) == 6 for result in notes.epochs)
    last = notes.epochs[-1]
    assert not any(member.is_training for member in last.members)
    scores = [member.score for member in last.members]
    assert last.score == pytest.approx(sum(scores) / 6)
    assert last.best_score >= last.score
    assert len(set(scores)) > 1
    assert notes.warnings == []
    assert evaluation.part == "test"
    assert sum(notes.rows.values()) == 400


def test_report_without_a_test_part_says_what_it_flatters_by(table: Path, tmp_path: Path) -> None:
    for folds, part, chosen_on in ((None, "valid", "the epoch, "), (2, "out_of_fold", "")):
        notes = Notes()
        model = {"sharing": "auto", "hidden": [4]}
        training = {"folds": folds, "epochs": 1}
        config = load(table, split={"test": 0.0}, training=training, model=model)
        evaluation = workflows.fit(config, tmp_path / part, notes, overwrite=False)
        assert evaluation.part == part
        [warning] = notes.warnings
        assert f"on which {chosen_on}the calibration and the thresholds were chosen" in warning
        refitted = any("refitted" in one for one in read_document(tmp_path / part)["trained"])
        assert warning.endswith("and the model of others") == refitted == (folds is None)


def test_features_called_like_labels_are_named(table: Path, tmp_path: Path) -> None:
    notes = Notes()
    config = load(table, data={"train": str(table), "labels": ["y_often"]})
    workflows.fit(config, tmp_path / "run", notes, overwrite=False)
    (warning,) = notes.warnings
    assert warning.startswith("used as features, though they are called like labels: ")
    assert all(label in warning for label in LABELS if label != "y_often")


def test_labels_without_a_positive_in_a_part_are_named(tmp_path: Path) -> None:
    columns = make_columns()
    columns["y_once"] = ["1", "1", *["0"] * 398]
    path = write_csv(tmp_path / "table.csv", columns)
    notes = Notes()
    evaluation = workflows.fit(load(path), tmp_path / "run", notes, overwrite=False)
    assert len(notes.warnings) == 1
    assert notes.warnings[0].split(":")[0].endswith("part for y_once")
    assert evaluation.labels[-1].average_precision.value is None or "valid" in notes.warnings[0]


def test_early_stopping_keeps_the_best_epoch(table: Path, tmp_path: Path) -> None:
    notes = Notes()
    training = {"epochs": 60, "patience": 3, "learning_rate": 0.05}
    config = load(table, training=training, model={"recipe": "plain"})
    workflows.fit(config, tmp_path / "run", notes, overwrite=False)
    last = notes.epochs[-1]
    [member] = last.members
    assert last.epoch == member.epoch == member.best_epoch + 3 < 60
    assert not member.is_training
    predictor, _ = load_predictor(tmp_path / "run", "cpu")
    saved = torch.nn.utils.parameters_to_vector(predictor.model.parameters())
    assert saved.isfinite().all()


def test_starting_scores_stand_for_the_prevalence(table: Path, tmp_path: Path) -> None:
    config = load(
        table,
        training={"learning_rate": 1e-12, "epochs": 1},
        calibration={"method": "analytic"},
    )
    evaluation = workflows.fit(config, tmp_path / "run", Notes(), overwrite=False)
    [frame] = workflows.predict(tmp_path / "run", str(table), "cpu", (), warn=print)
    for label in evaluation.labels:
        assert label.prevalence is not None
        mean = frame[f"{label.label}_probability"].mean()
        assert mean == pytest.approx(label.prevalence, rel=0.35)


def test_the_undone_weights_change_the_scale_and_not_the_order(table: Path, tmp_path: Path) -> None:
    values = {}
    for method in ("analytic", "none"):
        config = load(table, calibration={"method": method}, model={"recipe": "plain"})
        values[method] = workflows.fit(config, tmp_path / method, Notes(), overwrite=False)
    for undone, plain in zip(values["analytic"].labels, values["none"].labels, strict=True):
        assert undone.average_precision.value == plain.average_precision.value
        assert undone.brier.value is not None
        assert plain.brier.value is not None
        assert undone.brier.value < plain.brier.value


def test_nothing_is_written_by_a_run_that_cannot_start(table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        workflows.fit(load(table), tmp_path / "file" / "run", Notes(), overwrite=False)


def test_predict_reads_nothing_before_it_is_asked(single_run: FittedRun) -> None:
    frames = workflows.predict(single_run.path, "no-such-file.csv", "cpu", (), warn=print)
    with pytest.raises(Exception, match="no such file"):
        next(frames)


def test_counting_targets() -> None:
    targets = np.array([[1, 0], [1, np.nan], [0, np.nan]], np.float32)
    counts = count_targets(as_targets(targets), ["a", "b"])
    assert counts.rows == 3
    assert [(c.label, c.positives, c.negatives, c.missing) for c in counts.labels] == [
        ("a", 2, 1, 0),
        ("b", 0, 1, 2),
    ]


@pytest.mark.parametrize(
    ("scores", "best", "improves"),
    [
        ([0.5, 0.6, 0.65, 0.66], 4, True),  # the last of four epochs brought a sixteenth
        ([0.5, 0.6, 0.66, 0.6601], 4, False),  # a last touch, as at the end of a schedule
        ([0.5, 0.6, 0.66, 0.65], 3, False),
        ([0.20, 0.15, 0.13, 0.12], 4, True),  # of a score that is better when lower
        ([0.11, 0.08, 0.12], 2, False),
        ([0.5], 1, True),  # one epoch has nothing to have stopped at
        ([0.5, 0.5], 2, False),
    ],
)
def test_whether_a_network_was_still_improving(
    scores: list[float], best: int, *, improves: bool
) -> None:
    result = MemberResult(0.1, scores[-1], best, scores[best - 1], epoch=len(scores))
    others = MemberResult(0.1, 0.6, 2, 0.6, epoch=3)
    record = TrainingRecord((result, result, others), [scores, scores, [0.5, 0.6, 0.6]], 3.0)
    assert record.is_still_improving == improves
    assert not TrainingRecord((result, others), [scores, [0.5, 0.6, 0.6]], 3.0).is_still_improving


def test_the_time_of_training_is_shared_out_by_epochs() -> None:
    results = tuple(MemberResult(0.1, 0.5, 1, 0.5, epoch=n) for n in (1, 3))
    record = TrainingRecord(results, [[0.5], [0.5, 0.4, 0.3]], 8.0)
    assert record.part(0, 1).seconds == 2.0
    assert record.part(1, 2) == TrainingRecord(results[1:], [[0.5, 0.4, 0.3]], 6.0)
