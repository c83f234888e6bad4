"""`imbtrain evaluate`: the numbers are scikit-learn's on what `imbtrain predict` writes."""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sklearn import metrics
from small_runs import fit_run, make_columns, refuse, succeed, to_csv, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import FittedRun


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write rows that no run has seen."""
    return write_csv(tmp_path_factory.mktemp("fresh") / "fresh.csv", make_columns(500, seed=9))


def test_numbers_equal_scikit_learn_on_predictions(multi_run: FittedRun, fresh: Path) -> None:
    evaluation = succeed("evaluate", multi_run.path, fresh, "--format", "json").document
    predictions = pl.read_csv(succeed("predict", multi_run.path, fresh).out)
    targets = pl.read_csv(fresh)
    macro = []
    for entry in evaluation["splits"]["test"]["labels"]:
        label = entry["label"]
        known = targets[label].is_not_null()
        y = targets[label].filter(known).to_numpy()
        p = predictions[f"{label}_probability"].filter(known).to_numpy()
        decided = predictions[f"{label}_decision"].filter(known).to_numpy()
        assert entry["support"] == len(y)
        assert entry["positives"] == y.sum()
        assert (decided == (p >= entry["threshold"])).all()
        for name, value in {
            "average_precision": metrics.average_precision_score(y, p),
            "roc_auc": metrics.roc_auc_score(y, p),
        }.items():
            assert entry[name]["value"] == pytest.approx(value, abs=1e-9)
            assert entry[name]["low"] <= entry[name]["value"] <= entry[name]["high"]
        for name, value in {
            "recall": metrics.recall_score(y, decided),
            "f1": metrics.f1_score(y, decided),
            "mcc": metrics.matthews_corrcoef(y, decided),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, decided),
            "brier": metrics.brier_score_loss(y, p),
            "log_loss": metrics.log_loss(y, p),
        }.items():
            assert entry[name] == pytest.approx(value, abs=1e-9)
        if decided.any():
            wanted = metrics.precision_score(y, decided)
            assert entry["precision"] == pytest.approx(wanted, abs=1e-9)
        macro.append(metrics.average_precision_score(y, p))
    averages = evaluation["splits"]["test"]["macro"]
    assert averages["average_precision"] == pytest.approx(np.mean(macro), abs=1e-9)


def test_held_out_rows_evaluate_to_what_fit_reported(single_run: FittedRun, tmp_path: Path) -> None:
    rows = pl.read_parquet(single_run.path / "predictions.parquet")["row"].to_list()
    held_out = tmp_path / "held_out.csv"
    pl.read_csv(single_run.table, infer_schema=False)[rows].write_csv(held_out)
    outcome = succeed("evaluate", single_run.path, held_out, "--format", "json")
    [reported] = single_run.outcome.document["splits"]["test"]["labels"]
    [evaluated] = outcome.document["splits"]["test"]["labels"]
    assert evaluated == reported
    assert outcome.err == ""


def test_rows_of_training_are_warned_of(single_run: FittedRun, tmp_path: Path) -> None:
    said = "the run was trained on it, so the numbers are too good [IMB125]"
    outcome = succeed("evaluate", single_run.path, single_run.table)
    assert outcome.err == f"warning: {single_run.table}: {said}\n"
    shutil.copy(single_run.table, copy := tmp_path / "copy.csv")
    assert said in succeed("evaluate", single_run.path, copy).err
    content = copy.read_bytes()
    copy.write_bytes(content[:-1] + b" ")  # as many bytes
    assert said not in succeed("evaluate", single_run.path, copy).err


@pytest.mark.parametrize("suffix", ["parquet", "tsv", "csv.gz"])
def test_other_formats_give_the_same(
    single_run: FittedRun, fresh: Path, tmp_path: Path, suffix: str
) -> None:
    table = tmp_path / f"t.{suffix}"
    match suffix:
        case "parquet":
            pl.read_csv(fresh).write_parquet(table)
        case "tsv":
            table.write_text(fresh.read_text().replace(",", "\t"))
        case "csv.gz":
            import gzip

            table.write_bytes(gzip.compress(fresh.read_bytes()))
    wanted = succeed("evaluate", single_run.path, fresh).out
    assert succeed("evaluate", single_run.path, table).out == wanted


def test_stdin_csv_and_table(single_run: FittedRun, fresh: Path) -> None:
    outcome = succeed("evaluate", single_run.path, "-", stdin=fresh.read_bytes())
    [row] = csv.DictReader(io.StringIO(outcome.text))
    assert row["label"] == "y_often"
    assert row["support"] == "500"
    outcome = succeed(
        "evaluate", single_run.path, "-", "--format", "table", stdin=fresh.read_bytes()
    )
    assert outcome.text.startswith("500 rows of stdin")
    assert f"run: {single_run.path}".replace("\n", "") in outcome.text.replace("\n", "")


def test_bootstrap_replicates(single_run: FittedRun, fresh: Path) -> None:
    arguments = ("evaluate", single_run.path, fresh, "--format", "json")
    [entry] = succeed(*arguments, "--bootstrap", 0).document["splits"]["test"]["labels"]
    assert entry["average_precision"]["value"] is not None
    assert entry["average_precision"]["low"] is None
    assert succeed(*arguments, "--bootstrap", 30).document["splits"]["test"]["replicates"] == 30
    assert succeed(*arguments).document["splits"]["test"]["replicates"] == 10
    refuse(*arguments, "--bootstrap", -1, says="--bootstrap")
    refuse(*arguments, "--bootstrap", 9, says="made of 9 replicates", hint="0, for no intervals")


def test_a_label_without_positives_is_null(multi_run: FittedRun) -> None:
    columns = make_columns(100) | {"y_some": ["0"] * 100}
    outcome = succeed(
        "evaluate", multi_run.path, "-", "--format", "json", stdin=to_csv(columns).encode()
    )
    entry = outcome.document["splits"]["test"]["labels"][1]
    for name in ("average_precision", "roc_auc"):
        assert entry[name] == {"value": None, "low": None, "high": None}
    assert entry["recall"] is None
    assert outcome.document["splits"]["test"]["macro"]["roc_auc"] is not None
    told = (
        "warning: no positives in these rows for 'y_some'; undefined: average_precision, roc_auc, "
    )
    assert " ".join(outcome.err.split()).startswith(told)


@pytest.mark.parametrize(
    ("cell", "told", "undefined"),
    [
        ("0", "no positives", "average_precision"),
        ("1", "no negatives", "roc_auc"),
        ("", "no known target", "all metrics"),
    ],
)
def test_what_a_label_lacks_is_told_apart(
    multi_run: FittedRun, cell: str, told: str, undefined: str
) -> None:
    columns = make_columns(100) | {"y_some": [cell] * 100}
    arguments = ("evaluate", multi_run.path, "-", "--format", "json")
    outcome = succeed(*arguments, stdin=to_csv(columns).encode())
    warning = next(line for line in outcome.err.splitlines() if "y_some" in line)
    assert warning.startswith(f"warning: {told} in these rows for 'y_some'; undefined: {undefined}")
    assert ("average_precision" in warning) == (cell == "0")


def test_rows_that_cannot_be_evaluated(
    multi_run: FittedRun, single_run: FittedRun, tmp_path: Path
) -> None:
    columns = make_columns(50)

    def write(**changes: list[str] | None) -> Path:
        changed = {**columns, **changes}
        return write_csv(
            tmp_path / "t.csv", {name: cells for name, cells in changed.items() if cells}
        )

    run = multi_run.path
    refuse("evaluate", run, write(y_rare=None), says="t.csv: no column 'y_rare'")
    table = write(age=None, colour=None)
    refuse("evaluate", run, table, says="without the feature columns 'age', 'colour'")
    table = write(y_some=["2"] * 50)
    refuse("evaluate", run, table, says="t.csv: line 2: column 'y_some': '2' is not a binary")
    table = write(age=["old"] * 50)
    refuse("evaluate", run, table, says="t.csv: line 2: column 'age': 'old' is not a number")
    refuse("evaluate", run, tmp_path / "none.csv", says="no such file")
    refuse("evaluate", single_run.table, table, says="not a run directory")
    refuse("evaluate", tmp_path / "none", table, says="no such run directory")
    refuse("evaluate", run, table, "--device", "gpu", says="'gpu' should be auto, cpu, cuda")
    refuse("evaluate", run, table, "--device", "cuda:9", says="'cuda:9' is not there")


def test_a_changed_run_is_refused(single_run: FittedRun, fresh: Path, tmp_path: Path) -> None:
    path = shutil.copytree(single_run.path, tmp_path / "run")
    document = json.loads((path / "run.json").read_text())
    document["labels"][0]["threshold"] = 0.9
    (path / "run.json").write_text(json.dumps(document, indent=2))
    says = f"{path}/run.json: was changed after the run was written"
    for command in ("evaluate", "predict"):
        refuse(command, path, fresh, says=says, hint="make it again")


def test_intervals_are_by_group_where_the_rows_have_them(tmp_path: Path) -> None:
    """In fit and in evaluate; rows without the column are told of."""
    columns = make_columns(400)
    columns["household"] = [str(row // 4) for row in range(400)]
    run = fit_run(tmp_path, columns, data={"labels": ["y_often"], "group": "household"})
    [part] = run.outcome.document["splits"].values()
    assert part["resampled"] == "groups"
    held_out = pl.read_parquet(run.path / "predictions.parquet")
    assert held_out["group"].n_unique() < held_out.height
    arguments = ("evaluate", run.path, "-", "--format", "json")
    grouped = succeed(*arguments, stdin=to_csv(columns).encode())
    assert grouped.document["splits"]["test"]["resampled"] == "groups"
    assert grouped.err == ""
    columns.pop("household")
    rows = succeed(*arguments, stdin=to_csv(columns).encode())
    assert rows.document["splits"]["test"]["resampled"] == "rows"
    assert "without the group column 'household'" in rows.err


def test_given_thresholds_decide_as_predict_has_them(multi_run: FittedRun, fresh: Path) -> None:
    given = ("--cost", "1:9", "--threshold", "y_r*=0.25")
    document = succeed("evaluate", multi_run.path, fresh, "--format", "json", *given).document
    assert document["given_thresholds"] == {"*": 0.1, "y_r*": 0.25}
    predictions = pl.read_csv(succeed("predict", multi_run.path, fresh, *given).out)
    targets = pl.read_csv(fresh)
    thresholds = {"y_often": 0.1, "y_some": 0.1, "y_rare": 0.25}
    for entry in document["splits"]["test"]["labels"]:
        label = entry["label"]
        assert entry["threshold"] == thresholds[label]
        known = targets[label].is_not_null()
        decided = predictions[f"{label}_decision"].filter(known)
        wanted = metrics.f1_score(targets[label].filter(known), decided)
        assert entry["f1"] == pytest.approx(wanted, abs=1e-9)


def test_report_says_that_thresholds_were_given(multi_run: FittedRun, fresh: Path) -> None:
    def shown(*given: str) -> str:
        arguments = ("--format", "table", "--bootstrap", "10")
        return " ".join(succeed("evaluate", multi_run.path, fresh, *arguments, *given).text.split())

    assert "Thresholds were given: 0.2 for all labels." in shown("--threshold", "0.2")
    one = shown("--threshold", "y_rare=0.2")
    assert "Thresholds were given: 0.2 for y_rare; other labels keep the run's." in one
    assert "at the given thresholds" in one
    assert "were given" not in shown()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--threshold", "1.5"), "a probability from 0 to 1 is needed"),
        (("--threshold", "y_often"), "a probability from 0 to 1 is needed"),
        (("--threshold", "nobody=0.5"), "no label 'nobody'"),
        (("--cost", "1"), "not two costs above 0"),
        (("--cost", "1:9", "--threshold", "0.3"), "--cost 1:9 and --threshold 0.3 contradict"),
    ],
)
def test_thresholds_that_are_none_are_refused(
    multi_run: FittedRun, fresh: Path, given: tuple[str, ...], says: str
) -> None:
    refuse("evaluate", multi_run.path, fresh, *given, says=says)
