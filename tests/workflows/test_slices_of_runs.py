"""report.slices and evaluate --slices: of columns that need be no features, streamed or not."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics
from small_runs import fit_run, make_columns, refuse, succeed, write_config, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import Columns, FittedRun

ROWS = 600


def make_table(seed: int = 0) -> Columns:
    """Return a table with one label, a column that is no feature, and one of 600 names."""
    columns = make_columns(ROWS, seed)
    del columns["y_some"], columns["y_rare"]
    site = np.random.default_rng(seed).choice(["north", "south", ""], ROWS)
    ids = [f"id{i}" for i in range(ROWS)]
    return columns | {"site": site.tolist(), "id": ids}


DATA = {"labels": ["y_often"], "exclude": ["site", "id"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit a run that is broken down by a feature and by a column that is none."""
    report = {"slices": ["site", "age"], "plots": True, "bootstrap": 40}
    return fit_run(tmp_path_factory.mktemp("sliced"), make_table(), data=DATA, report=report)


def slices_of(document: dict[str, Any]) -> dict[str, Any]:
    [part] = document["splits"].values()
    slices: dict[str, Any] = part["slices"]
    return slices


def test_a_run_has_the_groups_of_its_test_rows(run: FittedRun) -> None:
    slices = slices_of(run.outcome.document)
    assert slices == slices_of(json.loads((run.path / "metrics.json").read_bytes()))
    predictions = pl.read_parquet(run.path / "predictions.parquet")
    site = np.array(make_table()["site"])[predictions["row"].to_numpy()]
    [label] = run.document["labels"]
    for group in ("north", "south", None):
        rows = pl.Series(site == (group or ""))
        own = predictions.filter(rows)
        y, p = own["y_often_target"].to_numpy(), own["y_often_probability"].to_numpy()
        [found] = [g for g in slices["groups"] if (g["slice"], g["group"]) == ("site", group)]
        assert (found["rows"], found["positives"]) == (rows.sum(), y.sum())
        assert found["decided"]["value"] == pytest.approx((p >= label["threshold"]).mean())
        if y.sum() < 10:
            assert found["undefined"]["recall"] == "fewer than 10 positives"
            continue
        recall = metrics.recall_score(y, p >= label["threshold"])
        assert found["recall"]["value"] == pytest.approx(recall)
        ap = metrics.average_precision_score(y, p)
        assert found["average_precision"]["value"] == pytest.approx(ap)
    ages = [g["group"] for g in slices["groups"] if g["slice"] == "age"]
    assert len(ages) == 5  # quantiles, and missing cells
    assert ages[-1] is None


def test_the_page_and_the_table_have_them(run: FittedRun) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="slices"')[2].partition("</section>")[0]
    assert "<h3>site</h3>" in section
    assert "<h3>age</h3>" in section
    assert '<th scope="row">north</th>' in section
    assert 'href="#slices"' in page
    table = succeed("report", run.path, "--format", "table").text
    assert "site and age" in " ".join(table.split()) or "site = " in table or "age = " in table


def test_streamed_rows_have_the_same_groups(run: FittedRun, tmp_path: Path) -> None:
    streamed = ("--set", "data.in_memory=false", "--set", "report.plots=false")
    outcome = succeed(
        *("fit", run.config, "--run-dir", tmp_path / "run", "--format", "json", *streamed)
    )
    ours, theirs = slices_of(outcome.document), slices_of(run.outcome.document)
    counts = [
        [(g["slice"], g["group"], g["rows"], g["positives"]) for g in found["groups"]]
        for found in (ours, theirs)
    ]
    assert counts[0] == counts[1]


def test_new_rows_are_broken_down_as_the_run_or_as_asked(run: FittedRun, tmp_path: Path) -> None:
    fresh = write_csv(tmp_path / "fresh.csv", make_table(seed=5))
    own = succeed("evaluate", run.path, fresh, "--format", "json").document
    assert {g["slice"] for g in slices_of(own)["groups"]} == {"site", "age"}
    asked = ("--slices", "colour", "--slices", "sit*")
    groups = slices_of(succeed("evaluate", run.path, fresh, *asked, "--format", "json").document)
    found = {(g["slice"], g["group"]) for g in groups["groups"]}
    colours = {("colour", name) for name in ("red", "green", "blue", None)}
    assert found == colours | {("site", name) for name in ("north", "south", None)}
    assert sum(g["rows"] for g in groups["groups"] if g["slice"] == "site") == ROWS
    lines = succeed("evaluate", run.path, fresh, *asked, "--format", "csv").text.splitlines()
    rows = list(csv.DictReader(lines))
    assert [row["slice"] for row in rows] == ["", *["colour"] * 4, *["site"] * 3]


def test_new_rows_without_the_column_of_the_run_are_warned_of(
    run: FittedRun, tmp_path: Path
) -> None:
    columns = make_table(seed=5)
    del columns["site"]
    outcome = succeed("evaluate", run.path, write_csv(tmp_path / "fresh.csv", columns))
    assert "without the column 'site' of report.slices" in outcome.err


@pytest.mark.parametrize(
    ("column", "says", "hint"),
    [
        ("sight", "no column 'sight'", "did you mean 'site'?"),
        ("id", "column 'id' holds more than 50 names", "a column with fewer"),
        ("y_often", "'y_often' is a label", ""),
    ],
)
def test_columns_that_cannot_be_used_are_refused_by_name(
    run: FittedRun, tmp_path: Path, column: str, says: str, hint: str
) -> None:
    given = ("--set", f"report.slices=[{column}]")
    refuse("fit", run.config, "--run-dir", tmp_path / "run", *given, says=says, hint=hint)
    refuse("evaluate", run.path, run.table, "--slices", column, says=f"--slices: {says}"[:10])
    outcome = refuse("evaluate", run.path, run.table, "--slices", column, says=says, hint=hint)
    assert "--slices" in outcome.err


def test_a_glob_leaves_labels_out(run: FittedRun) -> None:
    found = succeed("evaluate", run.path, run.table, "--slices", "[sy]*", "--format", "json")
    assert {group["slice"] for group in slices_of(found.document)["groups"]} == {"site"}


def test_a_run_chosen_from_a_comparison_is_broken_down_too(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", make_table())
    config = write_config(
        tmp_path / "c.yaml",
        table,
        data=DATA,
        training={"epochs": 1, "folds": 2},
        report={"slices": ["site"]},
    )
    compared = tmp_path / "compared"
    succeed("compare", config, "--losses", "bce", "--run-dir", compared)
    chosen = ("--from-compare", compared, "--choose", "bce", "--run-dir", tmp_path / "run")
    slices = slices_of(succeed("fit", *chosen, "--format", "json").document)
    assert [group["group"] for group in slices["groups"]] == ["north", "south", None]


def test_a_run_says_how_far_its_threshold_would_move(run: FittedRun) -> None:
    [label] = run.document["labels"]
    low, high = label["threshold_interval"]
    assert low <= high
    assert low < label["threshold"] + 0.2
    [shown] = run.outcome.document["splits"]["test"]["labels"]
    assert shown["threshold_interval"] == {"low": low, "high": high}
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert f"<td>{label['threshold']:.3g} ({low:.3g} to {high:.3g})</td>" in page
    again = succeed("report", run.path, "--format", "json").document
    assert again["splits"]["test"]["labels"] == [shown]
