"""Very many labels: sparse from the file to the report, with the numbers that dense ones give."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file
from small_runs import refuse, run_command, succeed, write_config

from imbalance_cli.readers.source import MOST_DENSE
from imbalance_cli.scoring import LABEL_BLOCK

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ROWS, LABELS, FEATURES = 400, 300, 4
SETTINGS: dict[str, Any] = {
    "model": {"hidden": [8]},
    "training": {"epochs": 2, "device": "cpu"},
    "report": {"bootstrap": 0},
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
    assert lists.columns == ["row", "known", "positives", "decided", "probabilities"]
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
