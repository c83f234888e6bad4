"""Very many labels: sparse from the file to the report, with the numbers that dense ones give."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file
from small_runs import refuse, run_command, succeed, write_config

from imbalance_cli.config import Config, load_config
from imbalance_cli.labels import select_labels
from imbalance_cli.network.scoring import LABEL_BLOCK
from imbalance_cli.readers import open_source
from imbalance_cli.readers.source import MOST_DENSE
from imbalance_cli.rows.loading import read_labelled

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ROWS, LABELS, FEATURES = 400, 300, 4
SETTINGS: dict[str, Any] = {
    "model": {"hidden": [8]},
    "training": {"epochs": 2, "device": "cpu"},
    "report": {"bootstrap": 0, "plots": True},
}


def make_cells() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return features (N, 4) that text holds exactly, and labels (N, L), each with some rows."""
    random = np.random.default_rng(0)
    features = (random.integers(-64, 64, (ROWS, FEATURES)) / 64).astype(np.float32)
    labels = random.random((ROWS, LABELS)) < 0.03
    labels[random.integers(ROWS, size=(6, LABELS)), np.arange(LABELS)] = True
    return features, labels


def write_svmlight(path: Path) -> Path:
    """Write the rows as svmlight text."""
    lines = []
    for row, own in zip(*make_cells(), strict=True):
        cells = " ".join(f"{i}:{value}" for i, value in enumerate(row.tolist(), start=1))
        lines.append(f"{','.join(map(str, np.flatnonzero(own)))} {cells}\n")
    path.write_text("".join(lines))
    return path


def write_dense(path: Path) -> Path:
    """Write the rows with a column a label."""
    features, labels = make_cells()
    columns = {f"x_{i + 1}": features[:, i] for i in range(FEATURES)}
    columns |= {f"y_{i}": labels[:, i].astype(np.int8) for i in range(LABELS)}
    pl.DataFrame(columns).write_parquet(path)
    return path


def write_tags(path: Path) -> Path:
    """Write the rows with a column of tags."""
    features, labels = make_cells()
    names = np.array([str(i) for i in range(LABELS)])
    columns: dict[str, Any] = {f"x_{i + 1}": features[:, i] for i in range(FEATURES)}
    columns["tags"] = [";".join(names[own]) for own in labels]
    pl.DataFrame(columns).write_csv(path)
    return path


def fit(folder: Path, table: Path, **data: object) -> Path:
    """Fit a table, and return the run."""
    config = write_config(folder / "config.yaml", table, data=data, **SETTINGS)
    run = folder / f"run_{table.suffix.removeprefix('.')}"
    succeed("fit", config, "--run-dir", run)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The runs of one table as svmlight, as tags and with a column a label."""
    folder = tmp_path_factory.mktemp("runs")
    tags = {"labels": ["tags"], "encoding": "tags", "missing_labels": "negative"}
    return {
        "svmlight": fit(folder, write_svmlight(folder / "t.svm")),
        "tags": fit(folder, write_tags(folder / "t.csv"), **tags),
        "dense": fit(folder, write_dense(folder / "t.parquet"), labels=["y_*"]),
    }


def read_numbers(run: Path) -> pl.DataFrame:
    return pl.read_csv(run / "metrics.csv").drop("label")


@pytest.mark.parametrize("form", ["svmlight", "tags"])
def test_sparse_labels_give_what_dense_ones_give(runs: dict[str, Path], form: str) -> None:
    assert max(MOST_DENSE, LABEL_BLOCK) < LABELS
    sparse, dense = runs[form], runs["dense"]
    mine, its = (load_file(run / "model.safetensors") for run in (sparse, dense))
    assert mine.keys() == its.keys()
    for name, tensor in mine.items():
        np.testing.assert_allclose(tensor.numpy(), its[name].numpy(), rtol=1e-4, atol=1e-6)
    rows = [pl.read_parquet(run / "predictions.parquet") for run in (sparse, dense)]
    assert rows[0]["row"].equals(rows[1]["row"])
    assert rows[0]["positives"].equals(rows[1]["positives"])
    for column in ("positives", "support"):
        assert read_numbers(sparse)[column].equals(read_numbers(dense)[column])
    for column in ("average_precision", "roc_auc", "log_loss"):
        first, second = (read_numbers(run)[column].to_numpy() for run in (sparse, dense))
        np.testing.assert_allclose(first, second, rtol=1e-3)


def test_predictions_of_many_labels_are_lists(runs: dict[str, Path]) -> None:
    run = runs["svmlight"]
    lists = pl.read_parquet(run / "predictions.parquet")
    assert lists.columns == ["row", "known", "missing", "positives", "decided", "probabilities"]
    _, labels = make_cells()
    wanted = [np.flatnonzero(labels[row]).tolist() for row in lists["row"]]
    assert lists["positives"].to_list() == wanted
    document = json.loads((run / "run.json").read_text())
    thresholds = np.array([label["threshold"] for label in document["labels"]])
    decided = lists["probabilities"].to_numpy() >= thresholds.astype(np.float32)
    assert lists["decided"].to_list() == [np.flatnonzero(row).tolist() for row in decided]


def test_predict_and_evaluate_say_what_fit_said(runs: dict[str, Path], tmp_path: Path) -> None:
    run, table = runs["svmlight"], runs["svmlight"].parent / "t.svm"
    held_out = pl.read_parquet(run / "predictions.parquet")
    succeed("predict", run, table, "-o", tmp_path / "p.parquet")
    predicted = pl.read_parquet(tmp_path / "p.parquet").select("^y_.*_probability$")
    assert predicted.width == LABELS
    own = predicted[held_out["row"]].cast(pl.Float32).to_numpy()
    np.testing.assert_array_equal(own, held_out["probabilities"].to_numpy())
    lines = table.read_text().splitlines(keepends=True)
    (tmp_path / "test.svm").write_text("".join(lines[row] for row in held_out["row"]))
    said = succeed("evaluate", run, tmp_path / "test.svm", "--format", "json").document
    test = json.loads((run / "metrics.json").read_text())["splits"]["test"]
    for key in ("labels", "macro", "micro", "multilabel"):
        assert said["splits"]["test"][key] == test[key]


def test_the_report_has_the_rarest_the_worst_and_the_best(runs: dict[str, Path]) -> None:
    outcome = run_command(
        "evaluate", runs["svmlight"], runs["svmlight"].parent / "t.svm", "--format", "table"
    )
    assert outcome.code == 0, outcome.err
    for heading in ("best 20", "worst 20", "rarest 20", f"all {LABELS}", "macro", "micro"):
        assert heading in outcome.text
    assert outcome.text.count("y_") < LABELS
    assert pl.read_csv(runs["svmlight"] / "metrics.csv").height == LABELS
    assert (runs["svmlight"] / "report.html").exists()


def test_listed_labels_cannot_be_read_as_something_else(runs: dict[str, Path]) -> None:
    folder = runs["svmlight"].parent
    config = write_config(folder / "bad.yaml", folder / "t.svm", data={"positive": "0"}, **SETTINGS)
    refuse("fit", config, says="and 1 means 1")


def inspect(*arguments: object) -> dict[str, Any]:
    document: dict[str, Any] = succeed("inspect", *arguments, "--format", "json").document
    return document


def test_inspecting_sparse_labels_finds_what_it_finds_of_columns(tmp_path: Path) -> None:
    sparse, dense = (
        inspect(write_svmlight(tmp_path / "t.svm")),
        inspect(write_dense(tmp_path / "t.parquet")),
    )
    keys = ("rows", "repeated_rows", "labels", "guessed_labels", "pairs", "leaks", "findings")
    for key in keys:
        assert sparse[key] == dense[key]
    assert sparse["columns"][1:] == dense["columns"][:FEATURES]
    (line,) = (column for column in sparse["columns"] if column["role"] == "label")
    assert (line["column"], line["type"], line["known"]) == ("y_*", "labels", ROWS * LABELS)


def test_what_is_said_of_many_labels_is_short(tmp_path: Path) -> None:
    path = write_svmlight(tmp_path / "t.svm")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:150]))
    found = inspect(path)
    labels = len(found["labels"])
    problems = [finding["problem"] for finding in found["findings"]]
    few = [label for label in found["labels"] if label["positives"] < 10]
    assert len(few) > 20
    assert problems[0].startswith(f"{len(few)} of {labels} labels have fewer than 10 positives: ")
    rarest = min(few, key=lambda label: label["positives"])["label"]
    assert f"scatter widely: {rarest}, " in problems[0]
    assert problems[1].startswith(f"likely leaks were looked for in 256 of {labels} labels")
    assert len(problems) == 2


def test_equal_rows_of_sparse_labels_are_told(tmp_path: Path) -> None:
    path = write_svmlight(tmp_path / "t.svm")
    lines = path.read_text().splitlines(keepends=True)
    # the last has the features of the first, and other labels
    other = lines[1].split(" ", 1)[0] + " " + lines[0].split(" ", 1)[1]
    path.write_text("".join([*lines, *lines[:3], other]))
    assert inspect(path)["repeated_rows"] == 3


def test_a_leak_of_a_common_label_is_found_among_many(tmp_path: Path) -> None:
    path = write_svmlight(tmp_path / "t.svm")
    _, labels = make_cells()
    lines = path.read_text().splitlines()
    number = int(labels.sum(axis=0).argmax())
    told = [f"{line} 9:{3 * own}\n" for line, own in zip(lines, labels[:, number], strict=True)]
    path.write_text("".join(told))
    (leak,) = inspect(path)["leaks"]
    assert (leak["column"], leak["label"], leak["how"]) == ("x_9", f"y_{number}", "higher")


def test_init_writes_a_short_config_that_fit_takes(tmp_path: Path) -> None:
    made = succeed("init", write_svmlight(tmp_path / "t.svm")).text
    assert f'    - "y_*"  # {LABELS} labels\n' in made
    assert len(made.splitlines()) < 240
    (tmp_path / "c.yaml").write_text(made)
    config = load_config(str(tmp_path / "c.yaml"))
    assert (config.data.labels, config.data.exclude) == (["y_*"], [])
    source = open_source(str(tmp_path / "t.svm"))
    assert select_labels(source.columns, config.data.labels, "") == list(source.own_labels)


def test_thousands_of_tags_are_inspected(tmp_path: Path) -> None:
    tags = [f"{i};{(7 * i) % 3_000}" for i in range(3_000)]
    path = tmp_path / "t.csv"
    pl.DataFrame(
        {"tags": [*tags, "0;7", "0;7"], "x": [str(i % 9) for i in range(3_002)]}
    ).write_csv(path)
    found = inspect(path, "--labels", "tags", "--encoding", "tags")
    assert len(found["labels"]) == 3_000
    assert found["labels"][7] == {
        "label": "7",
        "positives": 4,
        "negatives": 2_998,
        "missing": 0,
        "prevalence": 4 / 3_002,
    }
    first = found["pairs"][0]
    assert ({first["first"], first["second"]}, first["together"]) == ({"0", "7"}, 2)
    assert [column["column"] for column in found["columns"]] == ["tags", "x"]


def test_the_table_of_many_labels_is_trimmed(tmp_path: Path) -> None:
    shown = run_command("inspect", write_svmlight(tmp_path / "t.svm"), "--format", "table").text
    for line in ("commonest 20", "rarest 20", f"all {LABELS}", "--format json lists all labels"):
        assert line in shown.splitlines()
    size = f"{ROWS} rows, {FEATURES} features, {LABELS} labels"
    assert size in " ".join(shown.split())
    assert len(shown.splitlines()) < 90


def test_some_of_many_listed_labels_leave_the_others_as_features(tmp_path: Path) -> None:
    found = inspect(write_svmlight(tmp_path / "t.svm"), "--labels", "y_3")
    assert [label["label"] for label in found["labels"]] == ["y_3"]
    assert len(found["columns"]) == LABELS + FEATURES


def test_listed_labels_are_not_inspected_as_something_else(tmp_path: Path) -> None:
    refuse("inspect", write_svmlight(tmp_path / "t.svm"), "--positive", "0", says="and 1 means 1")


def test_a_label_that_is_not_asked_for_is_no_feature(tmp_path: Path) -> None:
    path = write_svmlight(tmp_path / "many.svm")
    config = {"data": {"train": [str(path)], "labels": ["y_3"]}, "split": {"seed": 1}}
    roles, data = read_labelled(Config.model_validate(config))
    assert roles.features == [f"x_{i + 1}" for i in range(FEATURES)]
    assert data.labels == ["y_3"]
    assert data.targets.dense()[:, 0].tolist() == make_cells()[1][:, 3].tolist()
