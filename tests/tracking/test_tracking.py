"""What trackers keep and call it, and what becomes of a fit whose tracker fails."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name
from small_runs import TABULAR, make_columns, refuse, succeed, write_config, write_csv

from imbalance_cli.config import Config
from imbalance_cli.errors import DependencyError, ImbtrainError, OutputError
from imbalance_cli.network.epochs import EpochResult, MemberResult
from imbalance_cli.tracking import MOST_LABELS, Guarded, TensorBoardTracker
from imbalance_cli.tracking.guarded import describe_failure, explain_tracker, hide_passwords
from imbalance_cli.tracking.series import (
    epoch_means,
    epoch_members,
    flatten_config,
    group_members,
    held_out_scores,
    plain_names,
)
from imbalance_cli.workflows import Finish, Start
from imbalance_cli.workflows.observing import HeldOutScores, Origin, Scores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def make_config(**loss: object) -> Config:
    """Return a config with one section changed."""
    return Config.model_validate({"data": {"train": "t.csv"}, "loss": loss})


def make_start(path: Path, origins: Sequence[Origin], folds: int | None = None) -> Start:
    """Return the start of a fit, or of a comparison where origins have candidates."""
    names = dict.fromkeys(origin.candidate for origin in origins if origin.candidate)
    return Start(
        command="compare" if names else "fit",
        directory=path / "run",
        config=make_config(),
        recipe=TABULAR,
        rows={"train": 10},
        folds=folds,
        members=tuple(origins),
        candidates={name: make_config(name="focal") for name in names},
    )


def make_epoch(*losses: float, epoch: int = 2, stopped: Sequence[int] = ()) -> EpochResult:
    """Return an epoch in which some members took no part."""
    members = tuple(
        MemberResult(loss, loss / 2, 1, loss, epoch=epoch - (m in stopped))
        for m, loss in enumerate(losses)
    )
    return EpochResult(epoch, members, learning_rate=0.01, rows_per_second=1000.0)


# series


def test_one_member_is_kept_once(tmp_path: Path) -> None:
    [group] = group_members(make_start(tmp_path, [Origin(None, 0, 0)]))
    assert (group.candidate, group.members, group.names) == (None, [0], {})
    assert epoch_means(group, make_epoch(4.0), "roc_auc") == {
        "train/loss": 4.0,
        "valid/roc_auc": 2.0,
        "train/learning_rate": 0.01,
        "train/rows_per_second": 1000.0,
    }
    assert epoch_members(group, make_epoch(4.0), "roc_auc") == {}


@pytest.mark.parametrize(
    ("origins", "folds", "names"),
    [
        ([(0, 3), (0, 4)], None, ["seed_3", "seed_4"]),
        ([(0, 3), (1, 3)], 2, ["fold_0", "fold_1"]),
        ([(0, 0), (0, 1), (1, 0), (1, 1)], 2,
         ["fold_0_seed_0", "fold_0_seed_1", "fold_1_seed_0", "fold_1_seed_1"]),
    ],
)  # fmt: skip
def test_names_of_members(
    tmp_path: Path, origins: list[tuple[int, int]], folds: int | None, names: list[str]
) -> None:
    start = make_start(tmp_path, [Origin(None, *origin) for origin in origins], folds)
    [group] = group_members(start)
    assert list(group.names.values()) == names
    losses = [2.0 * m for m in range(len(origins))]
    kept = epoch_members(group, make_epoch(*losses, stopped=[1]), "brier")
    assert list(kept) == [name for m, name in enumerate(names) if m != 1]
    assert kept[names[0]] == {"train/loss": 0.0, "valid/brier": 0.0}
    means = epoch_means(group, make_epoch(*losses, stopped=[1]), "brier")
    assert means["train/loss"] == sum(losses) / len(losses)


def test_groups_of_a_comparison(tmp_path: Path) -> None:
    origins = [Origin(name, fold, 0) for name in ("bce", "focal") for fold in range(2)]
    everyone, bce, focal = group_members(make_start(tmp_path, origins, 2))
    assert (everyone.candidate, everyone.members, everyone.names) == (None, [0, 1, 2, 3], {})
    assert (bce.candidate, bce.members, bce.names) == ("bce", [0, 1], {0: "fold_0", 1: "fold_1"})
    assert (focal.members, focal.config.loss.name) == ([2, 3], "focal")
    epoch = make_epoch(1.0, 3.0, 5.0, 7.0, stopped=[0, 1])
    assert epoch_means(everyone, epoch, "roc_auc")["train/loss"] == 4.0
    assert epoch_means(bce, epoch, "roc_auc") == {}  # it has stopped
    assert epoch_means(focal, epoch, "roc_auc") == {
        "train/loss": 6.0,
        "valid/roc_auc": 3.0,
        "train/learning_rate": 0.01,
    }
    finish = Finish(
        "compare",
        tmp_path,
        "held_out",
        9,
        [
            HeldOutScores(name, {"f1": value}, [("y", {"f1": value, "ece": None})])
            for name, value in (("bce", 0.5), ("focal", 0.75))
        ],
    )
    assert held_out_scores(everyone, finish) == {}
    assert held_out_scores(focal, finish) == {
        "held_out/macro/f1": 0.75,
        "held_out/label/y/f1": 0.75,
    }


def test_a_config_becomes_text() -> None:
    flat = flatten_config(make_config(name="focal", alpha=0.25))
    assert flat["data.train"] == '["t.csv"]'
    assert (flat["loss.name"], flat["loss.alpha"], flat["loss.gamma"]) == ("focal", "0.25", "2.0")
    assert (flat["data.group"], flat["report.plots"]) == ("null", "true")
    assert "weighting.from" in flat


def test_names_that_were_looked_at() -> None:
    assert plain_names(["y", "a/b", "a_b", "é ü", "..", "", '<script>"\n', "x" * 500]) == [
        "y",
        "a_b",
        "a_b_2",
        "é ü",
        "_",
        "__2",
        "_script___",
        "x" * 100,
    ]


@given(st.lists(st.text(), unique=True))
def test_plain_names_are_different_and_taken_by_mlflow(names: list[str]) -> None:
    plain = plain_names(names)
    assert len(set(plain)) == len(names)
    for name in plain:
        _validate_metric_name(f"test/label/{name}/average_precision")  # type: ignore[no-untyped-call]


def test_passwords_are_hidden() -> None:
    assert hide_passwords("at http://me:pa@host:1/x and b@c") == "at http://***@host:1/x and b@c"
    assert describe_failure(ValueError("one.\ntwo https://a:b@c")) == "one"
    assert describe_failure(ValueError()) == "ValueError"


# guarded


class Failing:
    """A tracker that fails when it is told of one thing."""

    name = "--failing"

    def __init__(self, when: str) -> None:
        self.when = when
        self.told: list[str] = []

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if what == self.when:
            raise ValueError("gone\nfor good")

    def started(self, start: Start) -> None:
        """Note it."""
        assert start
        self._tell("started")

    def epoch(self, result: EpochResult) -> None:
        """Note it."""
        assert result
        self._tell("epoch")

    def finished(self, finish: Finish) -> None:
        """Note it."""
        assert finish
        self._tell("finished")

    def close(self, error: BaseException | None) -> None:
        """Note it."""
        self._tell("closed" if error is None else f"closed by {type(error).__name__}")


def tell_all(tracker: Failing, path: Path, labels: int = 1) -> list[str]:
    """Tell a guarded tracker of a whole fit and return the warnings."""
    warned: list[str] = []
    scores = [HeldOutScores(None, {}, [(f"y_{i}", {}) for i in range(labels)])]
    with Guarded(tracker, warned.append) as guarded:
        guarded.warned("nothing to it")
        guarded.started(make_start(path, [Origin(None, 0, 0)]))
        guarded.epoch(make_epoch(1.0))
        guarded.epoch(make_epoch(1.0))
        guarded.finished(Finish("fit", path, "test", 9, scores))
    return warned


def test_before_training_a_failure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="--failing: gone") as caught:
        tell_all(tracker := Failing("started"), tmp_path)
    assert tracker.told == ["started", "closed by OutputError"]
    assert str(caught.value) == "--failing: gone"


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("epoch", ["started", "epoch"]),
        ("finished", ["started", "epoch", "epoch", "finished"]),
        ("closed", ["started", "epoch", "epoch", "finished", "closed"]),
    ],
)
def test_in_training_a_failure_is_a_warning(tmp_path: Path, when: str, told: list[str]) -> None:
    tracker = Failing(when)
    assert tell_all(tracker, tmp_path) == [
        "--failing: cannot be written: gone; training goes on without it"
    ]
    assert tracker.told == told


def test_of_many_labels_macro_alone(tmp_path: Path) -> None:
    [warning] = tell_all(Failing("never"), tmp_path, labels=MOST_LABELS + 1)
    assert "there are 101 labels, and of more than 100 only macro scores are kept" in warning
    labels: list[tuple[str, Scores]] = [(f"y_{i}", {"f1": 0.5}) for i in range(MOST_LABELS + 1)]
    [group] = group_members(make_start(tmp_path, [Origin(None, 0, 0)]))
    for kept, count in ((labels, 1), (labels[1:], 1 + MOST_LABELS)):
        finish = Finish("fit", tmp_path, "test", 9, [HeldOutScores(None, {"f1": 0.5}, kept)])
        assert len(held_out_scores(group, finish)) == count


def test_our_own_errors_stay_what_they_are() -> None:
    with pytest.raises(DependencyError, match="--x needs y, which is not"), explain_tracker("a"):
        raise DependencyError("--x", "y")
    with pytest.raises(ImbtrainError, match="a: b") as caught, explain_tracker("a", hint="c"):
        raise ValueError("b")
    assert caught.value.hint == "c"


# from the command line


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a table, and a config for it."""
    return write_config(tmp_path / "c.yaml", write_csv(tmp_path / "t.csv", make_columns()))


@pytest.mark.parametrize(
    ("option", "module"),
    [("--tensorboard", "torch.utils.tensorboard"), ("--mlflow", "mlflow")],
)
def test_without_the_extra(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    module: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    extra = option.removeprefix("--")
    for command in ("fit", "compare"):
        outcome = refuse(
            *(command, config, "--run-dir", tmp_path / "run", option, "sqlite:///m.db"),
            says=f"{option} needs {extra}, which is not installed",
            hint=f"pip install 'imbtrain[{extra}]'",
        )
        assert "rows: " not in outcome.err
    assert not (tmp_path / "run").exists()


def test_without_the_option_nothing_of_it_is_imported(config: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from imbalance_cli.cli.app import main\n"
        f"code = main(['fit', {str(config)!r}, '--run-dir', {str(tmp_path / 'run')!r}])\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "bad = loaded & {'tensorboard', 'mlflow', 'google', 'sqlalchemy', 'alembic', 'requests'}\n"
        "sys.exit(code or ','.join(sorted(bad)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", ["--tensorboard", "--mlflow"])
def test_a_chosen_candidate_has_no_epochs(tmp_path: Path, option: str) -> None:
    refuse(
        *("fit", "--from-compare", tmp_path, "--choose", "bce", option, "x"),
        says=f"{option} and --from-compare contradict each other",
        hint=f"leave {option} out",
    )


def test_a_tracker_that_breaks_does_not_end_the_fit(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TensorBoardTracker, "epoch", fail)
    outcome = succeed(
        *("fit", config, "--run-dir", tmp_path / "run", "--tensorboard", tmp_path / "tb")
    )
    [warning] = [line for line in outcome.err.splitlines() if line.startswith("warning: ")]
    assert "No space left on device; training goes on without it" in warning
    assert (tmp_path / "run" / "run.json").exists()
