"""`imbtrain check` and `fit --dry-run`: what fit would do, without a trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from small_runs import make_columns, refuse, succeed, write_config, write_csv

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table with three labels."""
    return write_csv(tmp_path_factory.mktemp("check") / "table.csv", make_columns())


def test_it_says_what_fit_then_does(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", table)
    weighted = ("--set", "loss.name=weighted_bce", "--run-dir", tmp_path / "run")
    checked = succeed("check", config, *weighted, "--format", "json")
    assert not (tmp_path / "run").exists()
    dry = succeed("fit", config, *weighted, "--dry-run", "--format", "json")
    timed = {"seconds": checked.document["seconds"]}
    assert dry.document | timed == checked.document
    fitted = succeed("fit", config, *weighted, "--format", "json")
    plan, run = checked.document, json.loads((tmp_path / "run" / "run.json").read_text())
    assert [warning["sentence"] for warning in plan["warnings"]] == run["data"]["remarks"]
    assert plan["rows"]["test"] == fitted.document["splits"]["test"]["rows"]
    assert [label["pos_weight"] for label in plan["labels"]] == pytest.approx(
        [label["pos_weight"][0] for label in run["labels"]]
    )
    features = run["features"]
    assert plan["columns"] == len(features["numeric"]) + len(features["categorical"])
    assert plan["seconds"] > 0


def test_counts_are_weighted(tmp_path: Path) -> None:
    parts = ["train", "train", "valid", "test"] * 100
    columns = make_columns() | {
        "part": parts,
        "votes": ["3", "0.5", "1", "1"] * 100,
        "often_votes": ["0.3"] * 200 + ["2"] * 200,
    }
    table = write_csv(tmp_path / "table.csv", columns)
    data = {"labels": ["y_often"], "part": "part", "sample_weight": "votes"}
    for cells in ({}, {"y_often": "often_votes"}):
        config = write_config(tmp_path / "c.yaml", table, data=data | {"cell_weights": cells})
        rows = pl.read_csv(table).filter(part="train")
        weights = rows["votes"] * (rows["often_votes"] if cells else 1)
        for side, value in (("positives", 1), ("negatives", 0)):
            [label] = succeed("check", config, "--format", "json").document["labels"]
            assert label[side] == pytest.approx(weights.filter(rows["y_often"] == value).sum())
    assert "e+" not in succeed("check", config, "--format", "table").text


def test_a_table_and_rows_are_for_people_and_for_scripts(table: Path, tmp_path: Path) -> None:
    given = (table, "--labels", "y_*", "--run-dir", tmp_path / "run")
    rows = succeed("check", *given, "--format", "csv").text.splitlines()
    assert rows[0] == "label,positives,negatives,missing,pos_weight"
    assert len(rows) == 4
    shown = succeed("check", *given, "--format", "table").text
    assert shown.startswith("rows: train ")
    assert "fit would refuse nothing" in shown


def test_what_fit_refuses_is_refused(table: Path, tmp_path: Path) -> None:
    refuse("check", table, "--labels", "y_*", "--set", "training.folds=40", says="40 folds")
    (tmp_path / "there").write_text("a file")
    refuse("check", table, "--labels", "y_*", "--run-dir", tmp_path / "there", says="there")
