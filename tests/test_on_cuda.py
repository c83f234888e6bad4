"""Whole commands on a CUDA device: what they compute there is what the CPU computes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import torch
from small_runs import make_columns, refuse, succeed, write_config, write_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

TRAINING = {"device": "cuda", "precision": "float32"}
WAYS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {},
    "plain": {"model": {"recipe": "plain"}},
    "streamed": {"data": {"in_memory": False}},
    "heads and folds": {"model": {"members": 2}, "training": {"folds": 2}},
    "networks and folds": {
        "model": {"members": 2, "sharing": "none"},
        "training": {"folds": 2},
    },
    "both embeddings": {"model": {"numeric_embedding": "both"}},
    "balanced": {"training": {"sampler": "balanced"}, "weighting": {"strategy": "none"}},
    "bfloat16": {"training": {"precision": "bfloat16"}},
    "focal": {"loss": {"name": "focal"}},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table of three labels, two with blanks."""
    return write_csv(tmp_path_factory.mktemp("cuda") / "table.csv", make_columns(800))


def fit(folder: Path, table: Path, sections: Mapping[str, Mapping[str, object]]) -> Path:
    """Fit on the device, and return the run."""
    training = TRAINING | dict(sections.get("training", {}))
    config = write_config(folder / "c.yaml", table, **(dict(sections) | {"training": training}))
    succeed("fit", config, "--run-dir", folder / "run")
    return folder / "run"


def evaluate(run: Path, table: Path, device: str) -> dict[str, dict[str, Any]]:
    """Return the numbers of each label."""
    outcome = succeed("evaluate", run, table, "--device", device, "--format", "json")
    labels = outcome.document["splits"]["test"]["labels"]
    return {numbers["label"]: numbers for numbers in labels}


def assert_alike(run: Path, table: Path, tolerance: float) -> None:
    there, here = (evaluate(run, table, device) for device in ("cuda", "cpu"))
    for label, numbers in here.items():
        for metric in ("average_precision", "roc_auc"):
            wanted = numbers[metric]["value"]
            assert there[label][metric]["value"] == pytest.approx(wanted, abs=tolerance), label
        for metric in ("brier", "log_loss"):
            assert there[label][metric] == pytest.approx(numbers[metric], abs=tolerance), label


def predict(run: Path, table: Path, device: str) -> pl.DataFrame:
    """Return the predictions as a table."""
    path = run.with_name(f"{device}.parquet")
    succeed("predict", run, table, "--output", path, "--device", device)
    return pl.read_parquet(path)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_made_there_says_the_same_here(table: Path, tmp_path: Path, way: str) -> None:
    run = fit(tmp_path, table, WAYS[way])
    tolerance = 2e-2 if way == "bfloat16" else 1e-5
    assert_alike(run, table, tolerance)
    metrics = json.loads((run / "metrics.json").read_bytes())
    assert metrics["splits"]["test"]["macro"]["roc_auc"] > 0.7
    there, here = (predict(run, table, device) for device in ("cuda", "cpu"))
    assert there.columns == here.columns
    for name, dtype in here.schema.items():
        if dtype.is_float():
            difference = (there[name] - here[name]).abs().max()
            assert isinstance(difference, float)
            assert difference < tolerance


def test_many_sparse_labels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((400, 4))
    labels = random.random((400, 300)) < 0.03
    labels[random.integers(400, size=(6, 300)), np.arange(300)] = True
    lines = [
        f"{','.join(map(str, np.flatnonzero(own)))} "
        + " ".join(f"{i}:{value:.6f}" for i, value in enumerate(row, start=1))
        for row, own in zip(features, labels, strict=True)
    ]
    table = tmp_path / "many.svm"
    table.write_text("\n".join(lines) + "\n")
    run = fit(tmp_path, table, {"report": {"bootstrap": 0}})
    assert_alike(run, table, 1e-5)


def test_the_same_seed_gives_the_same_weights(table: Path, tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run = fit(tmp_path / name, table, {})
        contents.append((run / "model.safetensors").read_bytes())
    assert contents[0] == contents[1]


def test_a_comparison(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", table, training=TRAINING)
    arguments = ("--losses", "weighted_bce,focal", "--folds", 2, "--format", "json")
    document = succeed("compare", config, "--run-dir", tmp_path / "run", *arguments).document
    for candidate in document["candidates"]:
        assert candidate["macro"]["roc_auc"]["value"] > 0.6


def test_a_device_that_is_not_there(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", table, training={"device": "cuda:63"})
    refuse("fit", config, "--run-dir", tmp_path / "run", says="device 'cuda:63' is not there")


def test_too_large_for_the_device(table: Path, tmp_path: Path) -> None:
    """The memory that is free is looked at before a network is made that cannot fit."""
    sections = {"model": {"hidden": [4_000_000, 100_000]}}
    config = write_config(tmp_path / "c.yaml", table, training=TRAINING, **sections)
    refuse("fit", config, "--run-dir", tmp_path / "run", says="memory")
