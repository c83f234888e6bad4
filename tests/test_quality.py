"""benchmarks/quality.py: its parts, metrics, ranks and goals, and a run on a small folder."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("quality")


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("quality_summary")


def write_tables(folder: Path) -> None:
    """Write a table with one label and one with two, text and missing cells among the features."""
    random = np.random.default_rng(0)
    for name, rows, labels in (("one", 300, ["y"]), ("two", 250, ["y_a", "y_b"])):
        x = random.normal(size=(rows, 2))
        table = pd.DataFrame({"size, [mm]": x[:, 0], "weight": x[:, 1]})
        table["colour"] = np.where(x[:, 0] > 0.5, "red", "blue")
        table.loc[::9, ["weight", "colour"]] = None
        for label in labels:
            table[label] = (x[:, 0] + random.normal(size=rows) > 1).astype(int)
        table.to_csv(folder / f"{name}.csv.gz", index=False)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "quality.py"), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_small_folder_prints_tables_and_reuses_results(tmp_path: Path) -> None:
    write_tables(tmp_path)
    cache = tmp_path / "results.jsonl"
    arguments = [
        *("--data", tmp_path, "--seeds", 0, "--threads", 1, "--cache", cache),
        *("--contestants", "ours", "hist_gradient_boosting"),
        *("--set", "training.epochs=1", "--set", "report.bootstrap=0"),
        *("--set", "report.plots=false"),
    ]
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "## One label, 1 tables" in done.stdout
    assert "## Several labels, their means, 1 tables" in done.stdout
    assert done.stderr.count(", seed 0, ours: AP") == 2
    results = [json.loads(line) for line in cache.read_text(encoding="utf-8").splitlines()]
    assert len(results) == 4
    for result in results:
        assert f"{result['average_precision']:.4f}" in done.stdout
        assert 0 < result["training_seconds"] < result["seconds"]
        assert result["labels"] == (2 if result["table"] == "two" else 1)
    again = run(*arguments)
    assert again.stderr == ""
    assert again.stdout == done.stdout


def test_refused_setting_and_unknown_table_say_so(tmp_path: Path) -> None:
    write_tables(tmp_path)
    done = run("--data", tmp_path, "--tables", "one", "--contestants", "ours", "--set", "model.x=1")
    assert done.returncode == 1
    first, last = done.stderr.splitlines()
    assert first.startswith("no result: one, ours: error: ")
    assert "model.x" in first
    assert last == "error: no contestant has a result"
    done = run("--data", tmp_path, "--tables", "three")
    assert done.stderr.splitlines()[-1].startswith("error: no table three in ")


def test_contestant_that_is_not_installed_says_what_to_do(
    quality: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(quality.PACKAGES, "tabm", "no-such-package")
    monkeypatch.setattr(sys, "argv", ["quality.py", "--contestants", "tabm"])
    with pytest.raises(
        ValueError, match=r"no-such-package is not installed; pip install 'imbtrain\["
    ):
        quality.find_contestants(quality.parse())
    monkeypatch.setattr(sys, "argv", ["quality.py"])
    assert "tabm" not in quality.find_contestants(quality.parse())
    assert "left out tabm: no-such-package is not installed; pip" in capsys.readouterr().err


def test_label_columns_are_held_against_the_manifest(quality: ModuleType, tmp_path: Path) -> None:
    write_tables(tmp_path)
    one, two = quality.find_tables(tmp_path, None)
    assert (one.labels, one.rows, two.labels) == (["y"], 300, ["y_a", "y_b"])
    manifest = [{"name": "two", "n_labels": 3}]
    (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ValueError, match="2 columns are named y or y_\\*, expected 3"):
        quality.find_tables(tmp_path, None)


def test_rows_are_stratified_by_their_rarest_label(quality: ModuleType) -> None:
    nan = np.nan
    targets = np.array([[1, 0, 1]] * 12 + [[1, 0, 0]] * 20 + [[0, 1, 1]] * 3 + [[0, nan, 0]] * 15)
    # the second label has 3 rows, too few: a stratum of its own that joins the rows without one
    expected = np.repeat([2, 0, -1, -1], [12, 20, 3, 15])
    assert quality.strata(targets).tolist() == expected.tolist()
    parts = quality.split_rows(targets, seed=3)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(50))
    assert [len(parts[name]) for name in ("train", "valid", "test")] == [30, 10, 10]
    for rows in parts.values():
        assert np.isin([0, 2], expected[rows]).all()


def test_metrics_are_means_over_labels_with_both_classes(summary: ModuleType) -> None:
    nan = np.nan
    targets = np.array([[0, 0, 1], [1, 0, nan], [0, 0, 0], [1, 0, nan]], float)
    probabilities = np.array([[0.1, 0.2, 0.9], [0.8, 0.2, nan], [0.6, 0.2, 0.3], [0.5, 0.2, nan]])
    scored = summary.score(targets, targets, probabilities, probabilities >= 0.5)
    assert scored["labels"] == 2
    # the first label ranks 1, 0, 1, 0: precision 1 at the first positive, 2/3 at the second
    assert scored["average_precision"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert scored["roc_auc"] == pytest.approx((3 / 4 + 1) / 2)
    assert scored["f1"] == pytest.approx((0.8 + 1) / 2)
    first, third = (0.01 + 0.04 + 0.36 + 0.25) / 4, (0.01 + 0.09) / 2
    assert scored["brier"] == pytest.approx((first + third) / 2)
    logs = [-np.log([0.9, 0.8, 0.4, 0.5]).mean(), -np.log([0.9, 0.7]).mean()]
    assert scored["log_loss"] == pytest.approx(np.mean(logs))
    with pytest.raises(ValueError, match="both classes"):
        summary.score(targets, targets[:, [1, 1, 1]], probabilities, probabilities > 0)
    with pytest.raises(ValueError, match="both classes"):
        summary.score(targets[:, [1, 1, 1]], targets, probabilities, probabilities > 0)


def test_calibration_error_of_known_bins(summary: ModuleType) -> None:
    probabilities = np.array([0.1, 0.3, 0.7, 0.9, 1.0])
    targets = np.array([0, 1, 1, 0, 1])
    gaps = abs(0.4 - 1) + abs(2.6 - 2)  # two bins, sums of their rows
    assert summary.calibration_error(targets, probabilities, bins=2) == pytest.approx(gaps / 5)


def test_best_threshold_has_the_highest_f1(summary: ModuleType) -> None:
    random = np.random.default_rng(1)
    scores = random.random(80).round(2)
    targets = (random.random(80) < scores).astype(int)
    found = summary.best_threshold(targets, scores)
    best = max(f1_score(targets, scores >= cut) for cut in scores)
    assert f1_score(targets, scores >= found) == pytest.approx(best)
    assert summary.best_threshold(np.zeros(3), scores[:3]) == 0.5


def make_results() -> pd.DataFrame:
    """Return two seeds of three contestants on tables a, b and c; one lacks c at the second."""
    precision = {"ours": [0.5, 0.7, 0.9], "catboost": [0.5, 0.6, 0.8], "other": [0.4, 0.8, 0.9]}
    rows = [
        {
            **dict.fromkeys(["roc_auc", "f1", "brier", "ece"], 0.01),
            "contestant": contestant,
            "table": table,
            "seed": seed,
            "average_precision": value + 0.01 * (2 * seed - 1),
            "log_loss": 1 - value,
            "seconds": 2.0,
            "training_seconds": 0.5 + (table == "b"),
            "rows": 100 + 10 * (table == "b"),
        }
        for contestant, values in precision.items()
        for table, value in zip("abc", values, strict=True)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows[:-1])


def test_ranks_intervals_and_goals_by_hand(summary: ModuleType) -> None:
    means, left_out = summary.complete_tables(make_results())
    assert left_out == ["c"]
    names = ["ours", "catboost", "other"]
    assert means.loc[("a", "ours"), "average_precision"] == pytest.approx(0.5)
    ranks = summary.mean_ranks(means, "average_precision", names)
    # a: 0.5, 0.5, 0.4 share ranks 1 and 2; b: 0.7, 0.6, 0.8
    assert ranks.to_dict() == {"ours": 1.75, "catboost": 2.25, "other": 2.0}
    differences = np.array([0.0, 0.1])
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert summary.paired_interval(differences) == pytest.approx((interval.low, interval.high))
    table = summary.summarise(means, names).set_index("contestant")
    assert table.loc["ours", "average precision"] == "0.6000"
    assert table.loc["ours", "rank by AP / log loss"] == "1.75 / 1.75"
    assert table.loc["ours", "wins by AP"] == "1 of 2"
    assert table.loc["ours", "AP less CatBoost's [95 %]"] == "+0.0500 [-0.5853, +0.6853]"
    assert table.loc["catboost", "wins by AP"] == ""
    lines = summary.single_label_goals(means)
    assert lines[:3] == [
        "mean average precision: 0.6000, goal at least 0.5550: met",
        "mean log loss: 0.4000, goal at most 0.4500: met",
        "mean rank by log loss, first: 1.7500, goal at most 2.0000: met",
    ]
    assert lines[5] == "median s, 8 x CatBoost's training: 2.0000, goal at most 8.0000: met"
    assert lines[6] == "s on the largest table, b: 2.0000, goal at most 30.0000: met"
    assert summary.several_label_goals(means)[0].endswith("0.6000, goal at least 0.5500: met")
    assert summary.single_label_goals(means.drop("catboost", level="contestant")) == []
