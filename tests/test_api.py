"""Frames from Python: the same numbers as the commands on the same rows in a file."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from small_runs import LABELS, make_columns, succeed

import imbalance_cli
from imbalance_cli.api import export
from imbalance_cli.errors import (
    ConfigError,
    ImbtrainError,
    LabelError,
    OutputError,
    SourceError,
)
from imbalance_cli.weighting.pos_weight import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imbalance_cli.api import Rows
    from imbalance_cli.evaluation import Evaluation

ROWS = 400
CONFIG: dict[str, Any] = {
    "data": {"exclude": ["city"]},
    "training": {"epochs": 2, "device": "cpu"},
    "model": {"hidden": [8]},
    "report": {"bootstrap": 0},
}


def make_frame(rows: int = ROWS) -> pl.DataFrame:
    """Return a table of numbers, categories, dates, blanks and three labels, as typed columns."""
    columns = make_columns(rows)
    return pl.read_csv("\n".join([
        ",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))
    ]).encode(), infer_schema_length=None)  # fmt: skip


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Return the frame as one of pandas, with an index of its own."""
    return pd.DataFrame(frame.to_dict(as_series=False), index=[f"r{i}" for i in range(len(frame))])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    """A run of a polars frame, and its evaluation."""
    run = tmp_path_factory.mktemp("api") / "run"
    return run, imbalance_cli.fit(CONFIG, make_frame(), run_dir=run)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("convert", [lambda frame: frame, to_pandas], ids=["polars", "pandas"])
def test_weights_are_those_of_the_command(
    convert: Callable[[pl.DataFrame], Rows], tmp_path: Path
) -> None:
    frame = make_frame()
    frame.write_csv(tmp_path / "a.csv")
    for arguments, options in (
        ([], {}),
        (["--strategy", "sqrt", "--cap", "3"], {"strategy": Strategy("sqrt", cap=3)}),
        (["--labels", "y_s*"], {"labels": ["y_s*"]}),
        (["--labels", "colour", "--encoding", "one_vs_rest"],
         {"labels": ["colour"], "encoding": "one_vs_rest"}),
    ):  # fmt: skip
        command = ("weights", tmp_path / "a.csv", *arguments, "--format", "json")
        shown = {
            label["label"]: label["pos_weight"] for label in succeed(*command).document["labels"]
        }
        assert imbalance_cli.weights(convert(frame), **options).by_label == shown
    assert imbalance_cli.weights(tmp_path / "a.csv").by_label.keys() == set(LABELS)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_evaluate_and_predict_are_those_of_the_commands(
    fitted: tuple[Path, Evaluation], tmp_path: Path
) -> None:
    run, _ = fitted
    fresh = make_frame(150)
    fresh.write_csv(tmp_path / "a.csv")
    shown = succeed("predict", run, tmp_path / "a.csv").out
    expected = pl.read_csv(shown)
    ours, theirs = (imbalance_cli.predict(run, fresh), imbalance_cli.predict(run, to_pandas(fresh)))
    assert isinstance(ours, pl.DataFrame)
    assert list(theirs.index) == [f"r{i}" for i in range(150)]
    for predicted in (ours, theirs):
        assert list(predicted.columns) == expected.columns
        for column in expected.columns:
            assert predicted[column].to_list() == expected[column].to_list(), column
    told = succeed("evaluate", run, tmp_path / "a.csv", "--format", "json").document
    for given in (fresh, to_pandas(fresh), tmp_path / "a.csv", str(tmp_path / "a.csv")):
        report = imbalance_cli.evaluate(run, given)
        assert report.macro == told["splits"]["test"]["macro"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_given_parts_and_a_file_beside_frames(tmp_path: Path) -> None:
    frame = make_frame()
    frame[300:].write_parquet(tmp_path / "test.parquet")
    config = CONFIG | {"data": {"exclude": ["city"], "test": [str(tmp_path / "test.parquet")]}}
    mixed = imbalance_cli.fit(
        config, frame[:200], valid=to_pandas(frame[200:300]), run_dir=tmp_path / "a"
    )
    frames = imbalance_cli.fit(
        CONFIG, frame[:200], valid=frame[200:300], test=frame[300:], run_dir=tmp_path / "b"
    )
    assert (mixed.rows, frames.rows) == (100, 100)
    assert mixed.macro == frames.macro
    assert (mixed.source, frames.source) == (str(tmp_path / "test.parquet"), "test frame")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_config_may_be_a_file_and_is_not_changed(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("data: {train: other.csv, exclude: [city]}\ntraining: {epochs: 1}\n")
    imbalance_cli.fit(config, make_frame(), run_dir=tmp_path / "run")
    assert config.read_text().startswith("data: {train: other.csv")
    assert "train:\n  - frame\n" in (tmp_path / "run" / "config.yaml").read_text()
    given = {"data": {"exclude": ["city"]}, "training": {"epochs": 1}}
    imbalance_cli.fit(given, make_frame(), run_dir=tmp_path / "run", overwrite=True)
    assert given == {"data": {"exclude": ["city"]}, "training": {"epochs": 1}}


def test_what_a_command_would_warn_of_is_a_warning(tmp_path: Path) -> None:
    numbers = np.arange(200)
    frame = pl.DataFrame({"x": numbers // 3, "same": [1] * 200, "y": numbers % 5 == 0})
    with pytest.warns(UserWarning, match="repeat training rows") as caught:
        imbalance_cli.fit(CONFIG | {"data": {}}, frame, run_dir=tmp_path / "run")
    assert caught[0].filename.endswith(".py")
    assert not any("constant" in str(warning.message) for warning in caught)  # that is a note
    with pytest.warns(UserWarning, match="has no positives: its weight is 1") as caught:
        imbalance_cli.weights(pl.DataFrame({"y": [0, 0]}))
    assert caught[0].filename == __file__


def test_labels_may_be_one_name_and_tags_have_settings() -> None:
    frame = pl.DataFrame({"cancelled": [1, None, None], "tags": ["a|b", "a", "b"]})
    cancelled = imbalance_cli.weights(frame, labels="cancelled", missing_labels="negative")
    assert cancelled.by_label == {"cancelled": 2}
    tags = imbalance_cli.weights(frame, labels="tags", encoding="tags", tag_separator="|")
    assert tags.by_label == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize("make", [list, tuple, set, np.array, str])
def test_pandas_columns_of_lists_hold_tags(make: Callable[[list[str]], object]) -> None:
    frame = pd.DataFrame({"tags": [make(["a", "b"]), make(["b"]), make(["c"])]})
    tags = imbalance_cli.weights(frame, labels="tags", encoding="tags")
    assert tags.by_label == {"a": 2, "b": 0.5, "c": 2}


def test_what_cannot_be_used(fitted: tuple[Path, Evaluation], tmp_path: Path) -> None:
    run, _ = fitted
    frame = make_frame()
    with pytest.raises(SourceError, match="'list' is no data frame of pandas or polars"):
        imbalance_cli.predict(run, [1, 2])  # type: ignore[type-var]
    with pytest.raises(SourceError, match="LazyFrame' is no data frame"):
        imbalance_cli.fit(CONFIG, frame.lazy(), run_dir=tmp_path / "a")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"training\.epoch: no such key"):
        imbalance_cli.fit({"training": {"epoch": 1}}, frame, run_dir=tmp_path / "a")
    with pytest.raises(ConfigError, match="a frame is in memory as it is"):
        imbalance_cli.fit({"data": {"in_memory": False}}, frame, run_dir=tmp_path / "a")
    with pytest.raises(LabelError, match="frame: no column 'z'"):
        imbalance_cli.fit({"data": {"labels": ["z"]}}, frame, run_dir=tmp_path / "a")
    odd = frame.with_columns(y_often=pl.Series(["1"] * 7 + ["maybe"] + ["0"] * (ROWS - 8)))
    with pytest.raises(LabelError, match="frame: row 8: column 'y_often': 'maybe'"):
        imbalance_cli.fit(CONFIG, odd, run_dir=tmp_path / "a")
    with pytest.raises(ImbtrainError, match="without the feature column"):
        imbalance_cli.predict(run, frame.select("age"))
    assert not (tmp_path / "a").exists()
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        imbalance_cli.train  # noqa: B018


def test_errors_name_arguments_and_show_their_hint(
    fitted: tuple[Path, Evaluation], tmp_path: Path
) -> None:
    run, _ = fitted
    frame = make_frame()
    with pytest.raises(OutputError, match="holds a run already") as caught:
        imbalance_cli.fit(CONFIG, frame, run_dir=run)
    assert caught.value.hint == "overwrite=True replaces it; or another run_dir"
    assert caught.value.__notes__ == [f"hint: {caught.value.hint}"]
    (tmp_path / "begun" / "checkpoint").mkdir(parents=True)
    with pytest.raises(OutputError, match="an unfinished run") as caught:
        imbalance_cli.fit(CONFIG, frame, run_dir=tmp_path / "begun")
    assert caught.value.hint == "overwrite=True replaces it; or another run_dir"
    with pytest.raises(LabelError, match="no column is called y") as unnamed:
        imbalance_cli.weights(frame.select("age"))
    assert str(unnamed.value.hint).startswith("say which are labels: labels='NAME'")
    with pytest.raises(LabelError, match="is not a binary label") as texts:
        imbalance_cli.weights(pl.DataFrame({"y": ["a", "b"]}))
    assert "; encoding='one_vs_rest' or tags (data.encoding)" in str(texts.value.hint)
    with pytest.raises(ConfigError, match=r"^thresholds: no label 'nobody'"):
        imbalance_cli.predict(run, frame, thresholds={"nobody": 0.5})
    with pytest.raises(ConfigError, match=r"^labels: no label 'nobody'"):
        imbalance_cli.explain(run, frame, labels="nobody")
    for wrong in (2, -0.1, float("nan")):
        with pytest.raises(ConfigError, match=f"^thresholds: {wrong}: a probability from 0 to 1"):
            imbalance_cli.evaluate(run, frame, thresholds=wrong)
    with pytest.raises(ConfigError, match=r"^precision='double': float32 or float64 is needed"):
        export(run, tmp_path / "m.onnx", precision="double")  # type: ignore[arg-type]  # refused
    both = {"data": {"labels": ["y_often"], "part": "age"}}
    with pytest.raises(ConfigError) as contradicting:
        imbalance_cli.fit(both, frame, valid=frame, run_dir=tmp_path / "a")
    assert "--set" not in contradicting.value.message


def test_one_label_may_be_a_text(tmp_path: Path) -> None:
    config = {**CONFIG, "data": {"labels": "y_often"}, "report": {"plots": False, "bootstrap": 0}}
    frame = make_frame().drop("y_some", "y_rare")
    report = imbalance_cli.fit(config, frame, run_dir=tmp_path / "run")
    assert [label.label for label in report.labels] == ["y_often"]


def test_one_name_is_not_read_by_letters(fitted: tuple[Path, Evaluation]) -> None:
    frame = make_frame()
    found = imbalance_cli.evaluate(fitted[0], frame, slices="colour").slices
    assert found is not None
    assert {group.slice for group in found.groups} == {"colour"}
    explained = imbalance_cli.explain(
        fitted[0], frame, labels=LABELS[0], columns="colour", numbers=3, repeats=1
    )
    assert explained.labels == LABELS[:1]
    assert [each.columns for each in explained.importance] == [["colour"]]
    assert {row.row for row in explained.explained} == {3}


def test_warnings_are_of_the_line_that_called(tmp_path: Path) -> None:
    frame = make_frame().with_columns(y_none=pl.lit(0))
    with pytest.warns(UserWarning, match="y_none") as caught:
        imbalance_cli.weights(frame, labels=["y_none"])
    assert {warning.filename for warning in caught} == {__file__}
    frame = frame.drop("y_some", "y_rare")
    config = {**CONFIG, "data": {"labels": ["y_often", "y_none"]}}
    with pytest.warns(UserWarning, match="y_none") as caught:
        imbalance_cli.fit(config, frame, run_dir=tmp_path / "run")
    assert {warning.filename for warning in caught} == {__file__}


def test_a_label_that_could_not_be_learned_is_missing_in_either_frame(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": np.arange(200) / 3, "y": np.arange(200) % 5 == 0, "y_no": [0] * 200})
    with pytest.warns(UserWarning, match="'y_no' has no positive"):
        imbalance_cli.fit(CONFIG | {"data": {}}, frame, run_dir=tmp_path / "run")
    ours = imbalance_cli.predict(tmp_path / "run", frame)
    theirs = imbalance_cli.predict(tmp_path / "run", to_pandas(frame))
    for column in ("y_no_probability", "y_no_decision"):
        assert ours[column].null_count() == 200
        assert theirs[column].isna().all()


def test_the_package_alone_imports_nothing_heavy() -> None:
    program = (
        "import sys, imbalance_cli, imbalance_cli.cli.app; "
        "assert not {'torch', 'pandas', 'polars', 'imbalance_cli.api'} & set(sys.modules); "
        "from imbalance_cli import fit; assert 'pandas' in sys.modules; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
