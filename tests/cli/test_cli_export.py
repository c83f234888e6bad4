"""`imbtrain export`: the file gives what `predict` writes, and what is in the way is said."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import torch
from small_runs import LABELS, fit_run, make_columns, refuse, succeed, write_csv

from imbalance_cli import __version__, load
from imbalance_cli.errors import ExportError, OutputError
from imbalance_cli.export import checking
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.workflows import exporting

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from small_runs import FittedRun

CPU = ["CPUExecutionProvider"]


@pytest.fixture(scope="module")
def exported(multi_run: FittedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the run with three labels."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    outcome = succeed("export", multi_run.path, "-o", path)
    assert outcome.text == f"{path}\n"
    assert outcome.err.startswith(
        "note: ONNX Runtime gives what the run gives on 90 held-out rows and 256 made-up rows: "
    )
    return path


def read_feeds(table: Path) -> dict[str, NDArray[Any]]:
    """Return the inputs of a table of `make_columns`, read without this package."""
    frame = pl.read_csv(table)
    feeds: dict[str, NDArray[Any]] = {
        name: frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()[:, None]
        for name in ("amount", "age")
    }
    for name in ("colour", "city"):
        feeds[name] = np.array(frame[name].fill_null("").to_list(), object)[:, None]
    return feeds


def compare(model: Path, run: Path, table: Path, tolerance: float) -> None:
    """Hold a file to what `predict` writes."""
    session = onnxruntime.InferenceSession(model, providers=CPU)
    probabilities, decisions = session.run(["probability", "decision"], read_feeds(table))
    said = pl.read_csv(succeed("predict", run, table).out)
    for i, label in enumerate(json.loads(read_metadata(model)["labels"])):
        wanted = said[f"{label}_probability"].to_numpy()
        np.testing.assert_allclose(probabilities[:, i], wanted, rtol=0, atol=tolerance)
        assert decisions[:, i].tolist() == said[f"{label}_decision"].cast(pl.Boolean).to_list()


def read_metadata(model: Path) -> dict[str, str]:
    """Return what a model says of itself."""
    return {each.key: each.value for each in onnx.load(model).metadata_props}


def test_it_gives_what_predict_writes(exported: Path, multi_run: FittedRun, tmp_path: Path) -> None:
    columns = make_columns(300, seed=9)
    columns["colour"][:2] = ["mauve", ""]  # of an unknown category, and a missing one
    compare(exported, multi_run.path, write_csv(tmp_path / "new.csv", columns), 1e-6)


def test_inputs_outputs_and_metadata(exported: Path, multi_run: FittedRun) -> None:
    session = onnxruntime.InferenceSession(exported, providers=CPU)
    assert [(each.name, each.type, each.shape) for each in session.get_inputs()] == [
        ("amount", "tensor(double)", ["rows", 1]),
        ("age", "tensor(double)", ["rows", 1]),
        ("colour", "tensor(string)", ["rows", 1]),
        ("city", "tensor(string)", ["rows", 1]),
    ]
    assert [(each.name, each.type, each.shape) for each in session.get_outputs()] == [
        ("probability", "tensor(float)", ["rows", 3]),
        ("decision", "tensor(bool)", ["rows", 3]),
    ]
    run = multi_run.document
    said = read_metadata(exported)
    assert json.loads(said["labels"]) == LABELS
    assert json.loads(said["thresholds"]) == [label["threshold"] for label in run["labels"]]
    assert json.loads(said["prevalence"]) == [label["prevalence"] for label in run["labels"]]
    assert json.loads(said["learnable"]) == [True] * 3
    assert json.loads(said["inputs"]) == {
        "amount": "number",
        "age": "number",
        "colour": "category",
        "city": "category",
    }
    assert said["positive"] == "null"
    assert said["loss"] == "weighted_bce"
    assert said["run_checksum"] == run["checksum"]
    assert said["run_created"] == run["created"]
    assert said["imbtrain_version"] == __version__
    assert said["created"].endswith("+00:00")
    assert said["date_unit"].startswith("microseconds since 1970-01-01 UTC")
    assert onnx.load(exported).doc_string == f"imbtrain {__version__}: y_often, y_some, y_rare"


def test_float64_and_folds_of_the_default_networks(tmp_path: Path) -> None:
    columns = make_columns(300, seed=2)
    columns["seen"] = [f"2024-01-{1 + i % 28:02} 10:00" if i % 9 else "" for i in range(300)]
    run = fit_run(
        tmp_path,
        columns,
        data={"labels": ["y_often"], "exclude": ["y_some", "y_rare"]},
        loss={"name": "focal"},
        model={"sharing": "auto", "hidden": [8]},
        training={"folds": 2, "epochs": 1},
        calibration={"method": "quadratic"},
    )
    outcome = succeed("export", run.path, "--precision", "float64")
    assert outcome.text == f"{run.path / 'model.onnx'}\n"
    assert "on 45 held-out rows and 256 made-up rows" in outcome.err
    session = onnxruntime.InferenceSession(run.path / "model.onnx", providers=CPU)
    feeds = read_feeds(run.table)
    moments = np.array([cell or "NaT" for cell in columns["seen"]], "datetime64[us]")
    feeds["seen"] = moments.astype(np.int64)[:, None]
    (probabilities,) = session.run(["probability"], feeds)
    said = pl.read_csv(succeed("predict", run.path, run.table).out)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(
        probabilities[:, 0], said["y_often_probability"].to_numpy(), rtol=0, atol=1e-6
    )
    refuse("export", run.path, says="model.onnx: is there already", hint="--overwrite")
    succeed("export", run.path, "--overwrite")
    session = onnxruntime.InferenceSession(run.path / "model.onnx", providers=CPU)
    assert session.get_outputs()[0].type == "tensor(float)"
    succeed("fit", run.config, "--run-dir", run.path, "--overwrite")
    assert not (run.path / "model.onnx").exists(), "it was of the run before"


def test_a_file_that_gives_other_numbers_is_not_kept(
    multi_run: FittedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "TOLERANCES", {"float32": 0.0})
    target = tmp_path / "model.onnx"
    target.write_bytes(b"before")
    refuse(
        *("export", multi_run.path, "-o", target, "--overwrite"),
        says=": ONNX Runtime gives ",
        hint="--precision float64",
    )
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("change", ["gone", "changed", "no predictions"])
def test_without_its_rows_a_run_is_compared_on_made_up_ones(tmp_path: Path, change: str) -> None:
    run = fit_run(tmp_path, make_columns(120), training={"epochs": 1})
    if change == "gone":
        run.table.unlink()
    elif change == "changed":
        run.table.write_text(run.table.read_text().replace("red", "blue"))
    else:
        (run.path / "predictions.parquet").unlink()
    outcome = succeed("export", run.path, "-o", tmp_path / "m.onnx")
    assert "gives on 256 made-up rows: " in outcome.err
    assert "note: no held-out rows were compared" in outcome.err


def test_held_out_rows_are_compared_where_they_stand(
    multi_run: FittedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = pl.read_parquet(multi_run.path / "predictions.parquet")["row"].to_list()
    seen: list[str] = []

    def note_places(_: object, table: Any) -> None:  # noqa: ANN401  a Table
        seen.extend(table.place(row) for row in range(table.frame.height))

    monkeypatch.setattr(checking.Comparison, "add", note_places)
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 7)
    exporting.export(multi_run.path, tmp_path / "m.onnx", "float32")
    assert seen[256:] == [f"{multi_run.table}: line {row + 2}" for row in sorted(held_out)]


def test_a_threshold_that_is_a_score_of_the_run_moves_below_it(multi_run: FittedRun) -> None:
    """Of labels whose validation rows are all decided positive; the others stay to the bit."""
    labels = multi_run.document["labels"]
    labels[1]["validation_counts"][2:] = [0.0, 0.0]
    predictor = Predictor.load(multi_run.path, torch.device("cpu"))
    moved = exporting._clear_thresholds(predictor, labels)
    before, after = predictor.thresholds.tolist(), moved.thresholds.tolist()
    assert [after[0], after[2]] == [before[0], before[2]]
    assert 0 < before[1] - after[1] < 1e-6


def test_bfloat16_is_said(tmp_path: Path) -> None:
    run = fit_run(tmp_path, make_columns(120), training={"epochs": 1, "precision": "bfloat16"})
    outcome = succeed("export", run.path, "-o", tmp_path / "m.onnx")
    assert outcome.err.startswith("note: the run computes in bfloat16, and the file in float32")


def test_what_is_in_the_way_is_said(
    multi_run: FittedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = multi_run.path
    refuse("export", tmp_path / "none", says="no such run directory")
    refuse("export", run, "-o", tmp_path / "m.pt", says="should end in .onnx", hint="m.onnx")
    refuse("export", run, "-o", tmp_path / "a" / "m.onnx", says="there is no directory")
    refuse("export", run, "-o", run / "m.onnx", says="holds nothing but the run", hint="model.onnx")
    (tmp_path / "d.onnx").mkdir()
    refuse("export", run, "-o", tmp_path / "d.onnx", "--overwrite", says="d.onnx: is there already")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    refuse(
        *("export", run, "-o", tmp_path / "m.onnx"),
        says="imbtrain export needs onnxruntime, which is not installed",
        hint="pip install 'imbtrain[onnx]'",
    )


def test_a_run_in_python(
    exported: Path, multi_run: FittedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load(multi_run.path)
    path = run.export(tmp_path / "model.onnx")
    assert path == tmp_path / "model.onnx"
    assert onnx.load(path).graph == onnx.load(exported).graph
    with pytest.raises(OutputError, match=r"overwrite=True replaces"):
        run.export(path)
    monkeypatch.setattr(checking, "TOLERANCES", {"float32": 0.0})
    with pytest.raises(ExportError, match=r"precision='float64'"):
        run.export(tmp_path / "other.onnx")
