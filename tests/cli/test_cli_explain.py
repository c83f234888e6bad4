"""`imbtrain explain`: of a run's own rows and of others, in every format, and bad input."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest
from small_runs import LABELS, make_columns, refuse, succeed, write_csv

import imbalance_cli as imbtrain
from imbalance_cli.errors import ConfigError
from imbalance_cli.explaining.results import Explanation

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import FittedRun

FEATURES = {"amount", "age", "colour", "city"}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 300 labelled rows."""
    columns = make_columns(300, seed=5)
    return write_csv(tmp_path_factory.mktemp("others") / "others.csv", columns)


@pytest.fixture
def own_run(single_run: FittedRun, tmp_path: Path) -> FittedRun:
    """Return the run of one label at a place of its own, since `explain` writes into it."""
    path = tmp_path / "own" / "run"
    shutil.copytree(single_run.path, path)
    return dataclasses.replace(single_run, path=path)


def value_of(metric: float | dict[str, float]) -> float:
    """Return a metric of a report, which has an interval or none."""
    return metric["value"] if isinstance(metric, dict) else metric


def test_a_run_is_explained_by_its_test_rows(own_run: FittedRun) -> None:
    predictions = pl.read_parquet(own_run.path / "predictions.parquet")
    row = int(predictions["row"][0])
    found = succeed("explain", own_run.path, "--format", "json", "--row", row).document
    held_out = own_run.outcome.document["splits"]["test"]["labels"][0]
    assert (found["part"], found["rows"], found["labels"]) == (
        "test",
        len(predictions),
        ["y_often"],
    )
    metrics = found["metrics"]["y_often"]
    assert metrics == pytest.approx({name: value_of(held_out[name]) for name in metrics})
    assert {column for each in found["importance"] for column in each["columns"]} == FEATURES
    assert found["importance"][0]["columns"] == ["amount"]
    assert found["importance"][0]["macro"]["log_loss"]["is_real"]
    page = (own_run.path / "report.html").read_text()
    assert 'id="rests"' in page
    assert "if all rows had this amount" in page
    assert json.loads((own_run.path / "explanation.json").read_bytes()) == found
    [explained] = found["explained"]
    assert explained["probability"] == pytest.approx(predictions["y_often_probability"][0])
    total = sum(each["log_odds"] for each in explained["contributions"])
    assert total == pytest.approx(explained["log_odds"] - explained["usual"])


def test_other_rows_explain_it_too(multi_run: FittedRun, others: Path) -> None:
    found = succeed("explain", multi_run.path, others, "--format", "json", "--row", 299).document
    evaluated = succeed("evaluate", multi_run.path, others, "--format", "json").document
    assert (found["part"], found["source"], found["labels"]) == (None, str(others), LABELS)
    for label in evaluated["splits"]["test"]["labels"]:
        metrics = found["metrics"][label["label"]]
        assert metrics == pytest.approx({name: value_of(label[name]) for name in metrics})
    predicted = pl.read_csv(succeed("predict", multi_run.path, others).out)
    for each in found["explained"]:
        assert each["probability"] == pytest.approx(predicted[f"{each['label']}_probability"][299])


def test_python_gives_the_same(multi_run: FittedRun, others: Path) -> None:
    frame = pl.read_csv(others)
    found = imbtrain.load(multi_run.path).explain(frame, columns=["c*"], numbers=[3], repeats=1)
    chosen = ("--columns", "c*", "--row", 3, "--repeats", 1, "--format", "json")
    wanted = succeed("explain", multi_run.path, others, *chosen).document
    document = found.to_dict()
    for row in found.explained:  # the columns that were not chosen are together
        assert ["amount", "age"] in [each.columns for each in row.contributions]
        total = sum(each.log_odds for each in row.contributions)
        assert total == pytest.approx(row.log_odds - row.usual)
    assert document["importance"] == wanted["importance"]
    assert Explanation.from_dict(wanted).explained == found.explained
    with pytest.raises(ConfigError, match="numbers 300: "):
        imbtrain.explain(multi_run.path, frame, numbers=[300])


def test_rows_without_labels_are_explained_one_by_one(
    multi_run: FittedRun, others: Path, tmp_path: Path
) -> None:
    pl.read_csv(others).drop(LABELS).write_csv(served := tmp_path / "served.csv")
    options = ("--row", 7, "--repeats", 1, "--format", "json")
    found = succeed("explain", multi_run.path, served, *options).document
    shutil.copytree(multi_run.path, run := tmp_path / "run")  # which its explanation is kept in
    own = succeed("explain", run, "--repeats", 1, "--format", "json").document
    assert found["remarks"][0].startswith(f"{served} has no labels: its rows are explained beside")
    assert found["importance"] == own["importance"]
    predicted = pl.read_csv(succeed("predict", multi_run.path, served).out)
    for each in found["explained"]:
        assert each["row"] == 7
        assert each["probability"] == pytest.approx(predicted[f"{each['label']}_probability"][7])
    refuse("explain", multi_run.path, served, says="y_often")
    refuse("explain", multi_run.path, served, "--row", "300", says="served.csv has 300 rows")


def test_rows_of_training_are_warned_of(multi_run: FittedRun) -> None:
    outcome = succeed("explain", multi_run.path, multi_run.table, "--repeats", 1)
    assert f"{multi_run.table}: the run was trained on it" in outcome.err


def test_a_changed_explanation_is_named(own_run: FittedRun) -> None:
    (own_run.path / "explanation.json").write_text('{"run": 1}')
    refuse("report", own_run.path, says="explanation.json", hint="imbtrain explain RUN writes it")


def test_stdin_and_chosen_labels_and_columns(multi_run: FittedRun, others: Path) -> None:
    chosen = ("--labels", "y_s*", "--columns", "c*", "--repeats", "1")
    named = succeed("explain", multi_run.path, others, "--format", "csv", *chosen).text
    piped = succeed(
        "explain", multi_run.path, "-", "--format", "csv", *chosen, stdin=others.read_bytes()
    ).text
    assert named == piped
    rows = [*csv.DictReader(io.StringIO(named))]
    assert {row["columns"] for row in rows} == {"colour", "city"}
    assert {row["label"] for row in rows} == {"", "y_some"}
    assert {row["metric"] for row in rows} == {"average_precision", "log_loss"}


def test_a_table_of_80_columns(
    multi_run: FittedRun, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = succeed("explain", multi_run.path, others, "--format", "table").text
    assert max(map(len, shown.splitlines())) <= 80
    assert "amount" in shown
    assert "amount* " in shown
    assert "than chance explains (*)" in shown
    assert "if all rows had this amount" in shown
    assert "log loss of y_rare: " in shown


def test_rows_that_are_gone_or_changed(own_run: FittedRun) -> None:
    table = own_run.table
    content = table.read_bytes()
    try:
        table.write_bytes(content.replace(b"red", b"blue", 1))
        refuse("explain", own_run.path, says="was changed since the run was made", hint="SOURCE")
        table.unlink()
        refuse("explain", own_run.path, says="is not there any more", hint="SOURCE")
    finally:
        table.write_bytes(content)
    succeed("explain", own_run.path, "--repeats", "1")


def test_what_cannot_be_explained(
    multi_run: FittedRun, single_run: FittedRun, others: Path, tmp_path: Path
) -> None:
    refuse("explain", tmp_path / "none", says="no such run")
    refuse("explain", multi_run.path, "nothing.csv", says="no such file")
    refuse("explain", multi_run.path, "--labels", "y_sone", says="y_sone", hint="y_some")
    refuse("explain", multi_run.path, "--columns", "colur", says="colur", hint="colour")
    json_of = ("explain", multi_run.path, others, "--format", "json")
    refuse(*json_of, "--row", "300", says="has 300 rows, numbered from 0")
    negatives = pl.read_csv(others).with_columns(y_often=pl.lit(0))
    negatives.write_csv(path := tmp_path / "negatives.csv")
    refuse("explain", single_run.path, path, says="no label has both positive and negative rows")


def test_what_changes_nothing_and_what_has_no_place(
    single_run: FittedRun, own_run: FittedRun, others: Path, tmp_path: Path
) -> None:
    pl.read_csv(others).with_columns(age=pl.lit(1.5)).write_csv(path := tmp_path / "same.csv")
    found = succeed("explain", single_run.path, path, "--format", "json").document
    assert found["remarks"] == [
        "the same in all these rows, so that shuffling changes nothing: age"
    ]
    of_row = ("explain", single_run.path, others, "--row", 0)
    refuse(*of_row, "--format", "csv", says="--row: CSV", hint="--format json")
    assert len(succeed(*of_row).document["explained"]) == 1  # JSON, where nothing is said
    succeed("explain", own_run.path, "--columns", "age")
    assert not (own_run.path / "explanation.json").exists()  # less than all is not kept
    with pytest.raises(ConfigError, match="repeats: 0"):
        imbtrain.load(single_run.path).explain(pl.read_csv(others), repeats=0)


def test_a_json_document_has_no_nan(single_run: FittedRun, others: Path) -> None:
    few = others.with_name("few.csv")
    lines = others.read_text().splitlines()
    few.write_text("\n".join(lines[:9]))
    found = succeed("explain", single_run.path, few, "--format", "json")
    assert json.loads(found.out)["importance"][0]["macro"]["log_loss"]["low"] is None
