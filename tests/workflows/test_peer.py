"""report.peer: another kind of model on the same rows, in the report, the page and the JSON."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score
from small_runs import fit_run, make_columns, refuse, succeed, write_config, write_csv

from imbalance_cli.comparison.boosted_trees import LEAVES, PATIENCE, RATE, ROUNDS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from small_runs import FittedRun

FEATURES = ["amount", "age"]
PEER = {"peer": "boosted_trees"}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit one label of two numbers on parts that are given, with a peer and a page."""
    folder = tmp_path_factory.mktemp("peer")
    parts = {}
    for seed, part in enumerate(["valid", "test"], 5):
        parts[part] = str(write_csv(folder / f"{part}.csv", make_columns(300, seed)))
    data = {**parts, "labels": ["y_some"], "exclude": ["y_often", "y_rare", "colour", "city"]}
    report = {**PEER, "plots": True, "bootstrap": 50}
    return fit_run(folder, make_columns(600), data=data, report=report)


def peer_of(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "metrics.json").read_bytes())["peer"]
    return document


def read_part(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return numbers, NaN where blank, and targets, of rows with a known one."""
    frame = pl.read_csv(path, null_values="").filter(pl.col("y_some").is_not_null())
    return frame.select(FEATURES).cast(pl.Float64).to_numpy(), frame["y_some"].to_numpy()


def test_the_peer_is_trained_stopped_and_scored_as_the_network_is(fitted: FittedRun) -> None:
    folder = fitted.table.parent
    (x, y), valid, test = (read_part(folder / f"{name}.csv") for name in ("table", "valid", "test"))
    classifier = HistGradientBoostingClassifier(
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        max_iter=ROUNDS,
        n_iter_no_change=PATIENCE,
        early_stopping=True,
        random_state=0,
    )
    classifier.fit(x, y, X_val=valid[0], y_val=valid[1])
    wanted = average_precision_score(test[1], classifier.decision_function(test[0]))
    network, trees = peer_of(fitted.path)["models"]
    assert trees["macro"]["average_precision"]["value"] == pytest.approx(wanted, abs=1e-12)
    assert trees["labels"][0]["support"] == len(test[1])
    evaluation = fitted.outcome.document["splits"]["test"]["labels"][0]
    for name in ("average_precision", "f1", "log_loss", "ece"):
        value = evaluation[name]
        value = value["value"] if isinstance(value, dict) else value
        assert network["macro"][name]["value"] == pytest.approx(value, abs=1e-9), name
    gap = trees["macro"]["average_precision"]
    assert gap["difference"] == pytest.approx(
        wanted - network["macro"]["average_precision"]["value"], abs=1e-12
    )
    assert gap["difference_low"] < gap["difference"] < gap["difference_high"]
    assert network["seconds"] > 0
    assert trees["seconds"] > 0


def test_one_line_under_the_report_and_a_row_in_the_page(fitted: FittedRun) -> None:
    said = peer_of(fitted.path)["conclusion"]
    assert said.startswith("The network (weighted_bce) ")
    assert "boosted_trees" in said
    assert (
        said.endswith("Raise training.epochs.")
        == peer_of(fitted.path)["models"][0]["still_improving"]
    )
    table = succeed("report", fitted.path, "--format", "table").text
    lines = table.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("The network"))
    assert " ".join(lines[first:-1]) == said
    assert lines[-1] == f"report: {fitted.path / 'report.html'}"
    page = html.unescape((fitted.path / "report.html").read_text())
    assert "Beside boosted_trees" in page
    assert said in page
    shown = page.replace("<wbr>", "")
    rows = re.findall(
        r'<tr><th scope="row">(weighted_bce|boosted_trees)</th>(.*?)</tr>', shown, re.DOTALL
    )
    metrics = peer_of(fitted.path)["models"][1]["macro"]
    assert [name for name, _ in rows] == ["weighted_bce", "boosted_trees"] * len(metrics)
    found = metrics["average_precision"]
    assert f"<td>{found['value']:.3f}<" in rows[1][1]
    ends = f"{found['difference_low']:+.3f} to {found['difference_high']:+.3f}"
    assert f"<td>{found['difference']:+.3f}<small>{ends}</small></td>" in rows[1][1]


def test_the_json_of_fit_and_report_holds_it_and_that_of_other_rows_does_not(
    fitted: FittedRun,
) -> None:
    assert fitted.outcome.document["peer"] == peer_of(fitted.path)
    again = succeed("report", fitted.path, "--format", "json").document
    assert again == fitted.outcome.document
    other = succeed("evaluate", fitted.path, fitted.table, "--format", "json").document
    assert "peer" not in other


def test_folds_are_averaged_and_an_unlearned_label_has_no_numbers(tmp_path: Path) -> None:
    columns = make_columns(300)
    columns["y_rare"] = ["0"] * 300
    run = fit_run(tmp_path, columns, training={"folds": 2, "epochs": 1}, report=PEER)
    _, trees = peer_of(run.path)["models"]
    found = {label["label"]: label["metrics"]["average_precision"] for label in trees["labels"]}
    assert found["y_often"]["value"] > 0.3
    assert found["y_rare"]["value"] is None
    assert run.outcome.document["peer"]["name"] == "boosted_trees"
    assert run.document["data"]["rows"]["cross_fitted"] == 255


def test_without_one_nothing_is_said(tmp_path: Path) -> None:
    run = fit_run(tmp_path, make_columns(300), training={"epochs": 1})
    assert "peer" not in run.outcome.document
    assert "boosted_trees" not in succeed("report", run.path, "--format", "table").text


@pytest.mark.parametrize(
    ("settings", "says", "hint"),
    [
        (["report.peer=boosted_tree"], "'boosted_tree' should be boosted_trees", "boosted_trees"),
        (["report.peer=7"], "report.peer", ""),
        (
            ["report.peer=boosted_trees", "data.in_memory=false"],
            "report.peer is boosted_trees, which needs all rows in memory",
            "leave data.in_memory or report.peer out",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(
    settings: list[str], says: str, hint: str, tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns(100))
    config = write_config(tmp_path / "config.yaml", table)
    overrides = [part for setting in settings for part in ("--set", setting)]
    refuse("fit", config, "--run-dir", tmp_path / "run", *overrides, says=says, hint=hint)
    assert not (tmp_path / "run").exists()


def test_rows_that_do_not_fit_the_memory_have_no_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imbalance_cli.workflows.preparing.is_streamed", lambda *_: True)
    table = write_csv(tmp_path / "table.csv", make_columns(100))
    config = write_config(tmp_path / "config.yaml", table, report=PEER)
    refuse(
        *("fit", config, "--run-dir", tmp_path / "run"),
        says="report.peer is boosted_trees, which needs all rows in memory",
        hint="leave report.peer out",
    )
