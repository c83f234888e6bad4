"""Thresholds as `fit` chooses them: their target, what is told of it, and what run.json holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from small_runs import LABELS, make_columns, refuse, succeed, write_config, write_csv

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "table.csv", make_columns())


def test_a_target_that_cannot_be_reached_is_told(table: Path, tmp_path: Path) -> None:
    thresholds = {"objective": "recall_at_precision", "target": 1.0, "minimum_positives": 0}
    config = write_config(tmp_path / "config.yaml", table, thresholds=thresholds)
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json")
    labels = json.loads((tmp_path / "run" / "run.json").read_text())["labels"]
    missed = {label["label"]: label["threshold_reached"] for label in labels}
    missed = {name: value for name, value in missed.items() if value is not None}
    assert missed
    [told] = [line for line in outcome.err.splitlines() if "thresholds.target" in line]
    assert told.startswith("warning: thresholds.target: precision 1 cannot be reached on the valid")
    for name, value in missed.items():
        assert f"{name!r} ({value:.3g})" in told


def test_run_json_says_how_much_each_threshold_rests_on(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", table)
    succeed("fit", config, "--run-dir", tmp_path / "run", "--quiet")
    labels = json.loads((tmp_path / "run" / "run.json").read_text())["labels"]
    assert [label["label"] for label in labels] == LABELS
    for label in labels:
        positives = label["validation_positives"]
        assert label["threshold_shrinkage"] == pytest.approx(100 / (100 + positives))
        assert label["threshold_pooled"] == (positives < 100)
        assert label["threshold_reached"] is None


def test_top_k_decides_so_many_validation_rows(table: Path, tmp_path: Path) -> None:
    thresholds = {"objective": "top_k", "target": 0.25}
    config = write_config(
        tmp_path / "config.yaml", table, thresholds=thresholds, split={"test": 0.0}
    )
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json")
    [part] = outcome.document["splits"].values()
    for label in part["labels"]:  # of the validation rows, since there are no others
        decided = label["recall"] * label["positives"] / label["precision"]
        assert decided / label["support"] == pytest.approx(0.25, abs=0.02)


def test_an_objective_without_its_target_is_refused(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", table)
    refuse(
        "fit",
        config,
        "--set",
        "thresholds.objective=top_k",
        says="thresholds.objective (--set): top_k needs thresholds.target",
        hint="thresholds.target=100",
    )


def test_sorting_by_an_unknown_metric_is_refused_before_training(
    table: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", table)
    run = tmp_path / "run"
    refuse(
        *("fit", config, "--run-dir", run, "--sort", "averge_precision"),
        says="--sort: no metric 'averge_precision'",
        hint="did you mean 'average_precision'?",
    )
    assert not run.exists()
    succeed("fit", config, "--run-dir", run, "--quiet", "--sort", "recall")
    refuse("evaluate", run, table, "--sort", "f11", says="--sort: no metric 'f11'", hint="'f1'")
