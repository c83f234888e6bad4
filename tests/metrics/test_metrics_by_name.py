"""A metric that is registered is in every report, in sorting and in compare, with its interval."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from small_runs import make_columns, run_command, succeed, write_config, write_csv

from imbalance_cli.metrics import METRIC_SPECS, MetricSpec, register_metric
from imbalance_cli.metrics.scales import FISHER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

YOUDEN = MetricSpec(
    "youden",
    "Youden's J",
    "Youd.",
    "recall and specificity less 1; 0 without skill",
    lambda drawn: drawn.confusion.recall() + drawn.confusion.specificity() - 1,
    scale=FISHER,
    is_compared=True,
)


@pytest.fixture(autouse=True)
def youden() -> Iterator[None]:
    """Register it for each test."""
    register_metric(YOUDEN)
    yield
    del METRIC_SPECS["youden"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a config for a table with three labels."""
    table = write_csv(tmp_path / "table.csv", make_columns())
    return write_config(tmp_path / "config.yaml", table)


def test_a_new_metric_is_in_what_fit_prints_and_leaves(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    drawn = ("--set", "report.plots=true")
    outcome = succeed("fit", config, "--run-dir", run, "--format", "json", *drawn)
    part = outcome.document["splits"]["test"]
    judged = [label for label in part["labels"] if "mcc" in label["intervals"]]
    assert judged
    for label in judged:
        ends = label["intervals"]["youden"]
        assert label["youden"] == pytest.approx(2 * label["balanced_accuracy"] - 1)
        assert -1 <= ends["low"] < label["youden"] < ends["high"] <= 1
    assert part["macro"]["youden"] is not None
    with (run / "metrics.csv").open() as file:
        assert {"youden", "youden_low", "youden_high"} <= set(next(csv.DictReader(file)))
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Youden&#39;s J" in page
    assert YOUDEN.meaning in page
    again = succeed("report", run, "--format", "json").document
    assert again["splits"]["test"]["labels"] == part["labels"]


def test_labels_can_be_sorted_by_it(config: Path, tmp_path: Path) -> None:
    arguments = ("fit", config, "--run-dir", tmp_path / "run", "--overwrite")
    for name in ("youden", "Youden's J", "youd."):
        text = succeed(*arguments, "--sort", name, "--format", "csv").text
        found = [float(row["youden"]) for row in csv.DictReader(text.splitlines())]
        assert found == sorted(found, reverse=True)
    assert "hint: did you mean 'youden'" in run_command(*arguments, "--sort", "youdn").err


def test_it_is_compared(config: Path, tmp_path: Path) -> None:
    arguments = ("--losses", "focal", "--folds", 2, "--run-dir", tmp_path / "run")
    document = succeed("compare", config, *arguments, "--format", "json").document
    assert document["metrics"][-1] == "youden"
    _, focal = document["candidates"]
    compared = focal["macro"]["youden"]
    assert compared["difference_low"] <= compared["difference"] <= compared["difference_high"]


def test_it_says_why_it_is_undefined(config: Path, tmp_path: Path) -> None:
    columns = make_columns()
    name = next(name for name in columns if name.startswith("y"))
    columns[name] = ["0"] * len(columns[name])
    table = write_csv(tmp_path / "none.csv", columns)
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json")
    assert outcome.code == 0
    found = succeed("evaluate", tmp_path / "run", table, "--format", "json").document
    label = next(each for each in found["splits"]["test"]["labels"] if each["label"] == name)
    assert label["youden"] is None
    assert label["undefined"]["youden"] == "no positives"
