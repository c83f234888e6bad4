"""`imbtrain report RUN RUN...`: side by side on the same rows, or an error says what differs."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, f1_score
from small_runs import (
    LABELS,
    make_columns,
    refuse,
    succeed,
    write_config,
    write_csv,
)

from imbalance_cli.cli.app import main
from imbalance_cli.metrics import compared_metrics
from imbalance_cli.report.wording import show_interval
from imbalance_cli.run import directory as artifacts
from imbalance_cli.workflows import compare_runs
from imbalance_cli.workflows.comparing_runs import (
    choose_resampling,
    compare_cells,
    evaluate_runs,
)
from imbalance_cli.workflows.drawing_runs import find_differences
from imbalance_cli.workflows.reporting import read_evaluation
from imbalance_cli.workflows.saved_runs import read_runs, read_saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imbalance_cli.workflows.saved_runs import SavedRun

METRICS = compared_metrics()

PLAIN = {"loss": {"name": "bce"}, "weighting": {"strategy": "none"}}
KINDS = ("macro", *LABELS)


def fit(folder: Path, name: str, table: Path, **sections: Any) -> Path:  # noqa: ANN401  a config's
    """Fit a run on a table that others are fitted on too."""
    config = write_config(folder / f"{name}.yaml", table, **sections)
    succeed("fit", config, "--run-dir", folder / name, "--quiet")
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return two runs of the same rows."""
    folder = tmp_path_factory.mktemp("several")
    table = write_csv(folder / "table.csv", make_columns(600, seed=1))
    return fit(folder, "weighted", table), fit(folder, "plain", table, **PLAIN)


@pytest.fixture
def copied(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    """Return a copy of the second run, that may be changed."""
    return shutil.copytree(runs[1], tmp_path / "copied")


def change_predictions(run: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change what a run says it predicted, and every checksum, as nobody does by accident."""
    path = run / "predictions.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
    document = json.loads((run / "run.json").read_text())
    del document["checksum"]
    document["checksums"]["predictions.parquet"] = artifacts._sha256(path.read_bytes())
    whole = document | {"checksum": artifacts._sha256(artifacts._to_json(document))}
    (run / "run.json").write_bytes(artifacts._to_json(whole))


def test_each_value_is_that_of_the_run_and_differences_are_theirs(
    runs: tuple[Path, Path],
) -> None:
    document = succeed("report", *runs, "--format", "json").document
    assert document["baseline"] == str(runs[0])
    assert document["part"] == "test"
    assert [run["run"] for run in document["runs"]] == [str(run) for run in runs]
    assert [run["loss"] for run in document["runs"]] == ["weighted_bce", "bce"]
    metrics = [json.loads((run / "metrics.json").read_text()) for run in runs]
    own = [each["splits"]["test"]["labels"] for each in metrics]
    for i in range(len(LABELS)):
        pair = [run["labels"][i]["metrics"] for run in document["runs"]]
        for name in ("average_precision", "roc_auc", "f1", "mcc", "brier", "log_loss"):
            for compared, labels in zip(pair, own, strict=True):
                saved = labels[i][name]
                expected = saved["value"] if isinstance(saved, dict) else saved
                assert compared[name]["value"] == pytest.approx(expected, abs=1e-12)
            change = pair[1][name]["value"] - pair[0][name]["value"]
            assert pair[1][name]["difference"] == pytest.approx(change, abs=1e-12)
            low, high = pair[1][name]["difference_low"], pair[1][name]["difference_high"]
            assert low <= change <= high
            assert pair[0][name]["difference"] is None
    assert any("no run beats" in text or "beats" in text for text in document["conclusions"])
    assert any("over 1.96 standard errors." in text for text in document["conclusions"])


def test_csv_has_a_row_a_run_scope_and_metric(runs: tuple[Path, Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(succeed("report", *runs).text)))
    assert list(rows[0])[:4] == ["run", "scope", "label", "metric"]
    assert len(rows) == 2 * (1 + len(LABELS)) * 7
    assert {row["run"] for row in rows} == {str(run) for run in runs}


def test_the_same_numbers_twice(runs: tuple[Path, Path]) -> None:
    first, again = (succeed("report", *runs, "--format", "json").out for _ in range(2))
    assert first == again


def test_order_decides_who_is_compared_with_whom(runs: tuple[Path, Path]) -> None:
    ahead = succeed("report", *runs, "--format", "json").document["runs"]
    behind = succeed("report", *runs[::-1], "--format", "json").document["runs"]
    there, back = ahead[1]["macro"]["f1"], behind[1]["macro"]["f1"]
    assert there["difference"] == -back["difference"]
    assert there["difference_low"] == pytest.approx(-back["difference_high"])


def test_a_run_and_its_copy_do_not_differ(runs: tuple[Path, Path], copied: Path) -> None:
    comparison = compare_runs([runs[1], copied], pytest.fail)
    for compared in comparison.candidates[1].macro.values():
        assert compared.difference == 0
        assert compared.verdict in {"unclear", None}


def test_rows_are_paired_by_number_whatever_their_order(
    runs: tuple[Path, Path], copied: Path
) -> None:
    change_predictions(copied, lambda frame: frame.reverse())
    shuffled, plain = (compare_runs([runs[0], run], pytest.fail) for run in (copied, runs[1]))
    assert shuffled.candidates[1].labels == plain.candidates[1].labels


def draw(*arguments: object, width: int = 80, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    return succeed("report", *arguments, "--format", "table").text.splitlines()


def test_the_table_is_drawn_label_by_label(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = draw(*runs, monkeypatch=monkeypatch)
    text = "\n".join(lines)
    assert "average precision per label" in text
    places = [text.index(label) for label in LABELS]
    assert places == sorted(places)
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    by_f1 = draw(*runs, "--sort", "f1", monkeypatch=monkeypatch)
    assert "F1 per label" in "\n".join(by_f1)
    by_name = "\n".join(draw(*runs, "--sort", "label", monkeypatch=monkeypatch))
    places = [by_name.index(label) for label in sorted(LABELS)]
    assert places == sorted(places)
    for name in ("positives", "brier"):
        assert draw(*runs, "--sort", name, monkeypatch=monkeypatch)


def test_one_label_has_no_table_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    data = {"labels": ["y_often"], "exclude": ["y_some", "y_rare"]}
    pair = fit(tmp_path, "a", table, data=data), fit(tmp_path, "b", table, data=data, **PLAIN)
    text = "\n".join(draw(*pair, monkeypatch=monkeypatch))
    assert "a label" not in text
    assert "y_often" in text
    succeed("report", *pair, "-o", tmp_path / "page.html")
    menu = re.findall(r'<a href="#averages">([^<]+)<', (tmp_path / "page.html").read_text())
    assert menu == ["Numbers"]


def test_of_many_labels_those_that_differ_most_are_shown(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imbalance_cli.report.comparison.MOST_LABELS", 2)
    monkeypatch.setattr("imbalance_cli.report.comparison.SHOWN", 1)
    text = "\n".join(draw(*runs, monkeypatch=monkeypatch))
    assert sum(label in text for label in LABELS) == 1
    assert "3 labels in all, the 1 of the largest differences above" in " ".join(text.split())


def intervals_of(numbers: dict[str, Any]) -> list[float]:
    """Return both ends of the interval of each metric that a comparison has."""
    return [numbers[name][end] for name in METRICS for end in ("low", "high")]


def test_a_value_has_the_interval_of_the_report_of_its_run(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    compared = succeed("report", *runs, "--format", "json", "-o", page).document["runs"]
    for run, document in zip(runs, compared, strict=True):
        saved = json.loads((run / "metrics.json").read_text())["splits"]["test"]
        own = [label["intervals"] for label in saved["labels"]] + [saved["macro_intervals"]]
        found = [label["metrics"] for label in document["labels"]] + [document["macro"]]
        for here, there in zip(found, own, strict=True):
            assert intervals_of(here) == pytest.approx(intervals_of(there), abs=1e-12)
        micro = saved["micro_intervals"]["f1"]
        assert show_interval(micro["low"], micro["high"]) in text_of(page)


def test_an_evaluation_that_is_computed_again_is_that_of_the_run(
    runs: tuple[Path, Path],
) -> None:
    saved = read_runs(runs)
    resampling = choose_resampling(saved[0], None)
    others = [
        dataclasses.replace(run, evaluation=dataclasses.replace(run.evaluation, replicates=0))
        for run in saved
    ]
    for run, again in zip(saved, evaluate_runs(others, resampling), strict=True):
        for kind in ("macro_intervals", "micro_intervals"):
            for name, ends in getattr(run.evaluation, kind).items():
                found = getattr(again, kind)[name]
                assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
        for one, other in zip(run.evaluation.labels, again.labels, strict=True):
            assert one.f1.high == pytest.approx(other.f1.high)


def test_no_replicates_give_points_alone(runs: tuple[Path, Path]) -> None:
    document = succeed("report", *runs, "--bootstrap", "0", "--format", "json").document
    f1 = document["runs"][1]["macro"]["f1"]
    assert f1["difference"] is not None
    assert f1["difference_low"] is None
    assert f1["verdict"] is None


# ------------------------------------------------------------------------------------- one run


def test_one_run_prints_its_report_where_a_format_is_named(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    document = succeed("report", runs[0], "--format", "json").document
    assert document["splits"] == json.loads((runs[0] / "metrics.json").read_text())["splits"]
    text = succeed("report", runs[0], "--format", "table", "--sort", "recall").text
    assert "test rows of" in text
    assert text.endswith(f"report: {runs[0] / 'report.html'}\n")
    rows = list(csv.DictReader(io.StringIO(succeed("report", runs[0], "--sort", "brier").text)))
    values = [float(row["brier"]) for row in rows]
    assert values == sorted(values)


# ------------------------------------------------------------------------------------ bad input


def test_bootstrap_goes_with_several_runs(runs: tuple[Path, Path]) -> None:
    refuse("report", runs[0], "--bootstrap", 5, says="--bootstrap goes with several runs")


def test_few_replicates_are_no_interval(runs: tuple[Path, Path]) -> None:
    refuse("report", *runs, "--bootstrap", 1, says="made of 1 replicate", hint="at least 10")


def test_csv_is_sorted_by_a_metric_of_the_first_run(runs: tuple[Path, Path]) -> None:
    text = succeed("report", *runs, "--format", "csv", "--sort", "ece").text
    first = [
        row
        for row in csv.DictReader(io.StringIO(text))
        if row["run"] == str(runs[0]) and row["scope"] == "label" and row["metric"] == "ece"
    ]
    values = [float(row["value"]) for row in first if row["value"]]
    assert len(values) > 1
    assert values == sorted(values)
    assert succeed("report", *runs, "--sort", "no skill").code == 0


def test_sorting_by_nothing_there_is(runs: tuple[Path, Path]) -> None:
    refuse("report", *runs, "--sort", "brierr", says="no metric 'brierr'", hint="'brier'")
    refuse("report", *runs, "--sort", "threshold", says="'threshold' of several runs", hint="takes")


def test_a_run_named_twice(runs: tuple[Path, Path]) -> None:
    again = runs[0] / ".." / runs[0].name
    refuse("report", runs[0], again, says=f"error: {again} is named twice", hint="once")


def test_runs_that_are_the_same_are_said_to_be(
    runs: tuple[Path, Path], copied: Path, tmp_path: Path
) -> None:
    said = "and {} are the same: every probability and every decision of these {} rows is equal."
    rows = read_evaluation(copied).rows
    shown = "".join(succeed("report", copied, runs[1], "--format", "table").text.split())
    assert shown.endswith("".join(f"{runs[1]} {said.format(copied, rows)}".split()))
    assert "+0.000" not in shown
    document = succeed("report", copied, runs[1], "--format", "json").document
    assert document["conclusions"] == [f"{runs[1]} {said.format(copied, rows)}"]
    several = succeed("report", copied, *runs, "--format", "json").document["conclusions"]
    assert several[0] == document["conclusions"][0]
    assert any(sentence.startswith("Average precision: ") for sentence in several)
    page = tmp_path / "page.html"
    succeed("report", copied, runs[1], "-o", page, "--format", "csv")
    assert "every decision of these" in page.read_text()


def test_runs_of_different_labels(runs: tuple[Path, Path], tmp_path: Path) -> None:
    table = runs[0].parent / "table.csv"
    data = {"labels": ["y_often", "y_rare"], "exclude": ["y_some"]}
    other = fit(tmp_path, "other", table, data=data)
    refuse("report", runs[0], other, says="only the first has y_some", hint="data.labels")
    refuse("report", other, runs[0], says="only the second has y_some", hint="data.labels")


def test_runs_of_different_rows(runs: tuple[Path, Path], tmp_path: Path) -> None:
    table = runs[0].parent / "table.csv"
    other = fit(tmp_path, "other", table, split={"seed": 5})
    refuse("report", runs[0], other, says=f"{other} held out different rows: ", hint="split.seed")
    elsewhere = write_csv(tmp_path / "elsewhere.csv", make_columns(600, seed=1))
    other = fit(tmp_path, "elsewhere", elsewhere)
    refuse("report", runs[0], other, says="different sources", hint="the same data")


def test_runs_of_different_targets_and_weights(runs: tuple[Path, Path], copied: Path) -> None:
    frame = pl.read_parquet(copied / "predictions.parquet").filter(
        pl.col("y_some_target").is_not_null()
    )
    row = frame["row"].sort()[0]
    known = pl.col("row") != row
    target = pl.when(known).then("y_some_target").cast(pl.Int8)
    change_predictions(copied, lambda frame: frame.with_columns(y_some_target=target))
    said = f"1 targets differ, first that of 'y_some' in row {row}"
    refuse("report", runs[0], copied, says=said, hint="data.missing_labels")
    shutil.copy(runs[1] / "predictions.parquet", copied)
    change_predictions(copied, lambda frame: frame.with_columns(sample_weight=pl.lit(2.0)))
    refuse("report", runs[0], copied, says="the weights of their rows", hint="data.sample_weight")


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), None])
def test_predictions_that_are_no_probabilities(
    runs: tuple[Path, Path], copied: Path, value: float | None
) -> None:
    wrong = pl.when(pl.col("row") == pl.col("row").max()).then(pl.lit(value))
    column = wrong.otherwise("y_often_probability").alias("y_often_probability")
    change_predictions(copied, lambda frame: frame.with_columns(column.cast(pl.Float64)))
    row = int(pl.read_parquet(copied / "predictions.parquet")["row"].max())  # type: ignore[arg-type]
    said = f"row {row} predicts {'nan' if value is None else f'{value:g}'} for label 'y_often'"
    refuse("report", runs[0], copied, says=said, hint="numbers from 0 to 1")


def test_predictions_of_other_rows_than_the_numbers(runs: tuple[Path, Path], copied: Path) -> None:
    change_predictions(copied, lambda frame: frame.head(10))
    refuse("report", runs[0], copied, says="10 rows, and the run's numbers are of ")


def test_predictions_of_other_labels_than_the_run(runs: tuple[Path, Path], copied: Path) -> None:
    change_predictions(copied, lambda frame: frame.drop("y_rare_decision"))
    refuse("report", runs[0], copied, says="without the column 'y_rare_decision'")


def test_predictions_that_are_not_there_or_no_parquet(
    runs: tuple[Path, Path], copied: Path
) -> None:
    (copied / "predictions.parquet").write_bytes(b"PAR1")
    refuse("report", runs[0], copied, says="was changed after the run was written")
    (copied / "predictions.parquet").unlink()
    refuse("report", runs[0], copied, says="predictions.parquet")
    refuse("report", runs[0], copied / "nothing", says="no such run directory")


def test_a_run_without_a_held_out_part_is_told_to_flatter(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    table = runs[0].parent / "table.csv"
    pair = [
        fit(tmp_path, name, table, split={"test": 0.0}, **sections)
        for name, sections in (("a", {}), ("b", PLAIN))
    ]
    outcome = succeed("report", *pair)
    caution = "there is no test part: the report is of the validation rows"
    assert outcome.err.count(caution) == 2
    assert caution in succeed("report", pair[0], "--format", "json").err
    page = tmp_path / "page.html"
    succeed("report", pair[0], "-o", page)
    assert "on which its epoch, calibration and thresholds were chosen; it had" in text_of(page)
    succeed("report", *pair, "-o", page)
    assert "trained on, but which each was chosen and tuned on. Each is compared" in text_of(page)
    refuse("report", runs[0], pair[0], says="held out different rows")


def test_a_label_that_one_run_did_not_learn_is_left_out(
    runs: tuple[Path, Path], copied: Path
) -> None:
    metrics = json.loads((copied / "metrics.json").read_text())
    metrics["splits"]["test"]["labels"][2]["learnable"] = False
    content = artifacts._to_json(metrics)
    (copied / "metrics.json").write_bytes(content)
    document = json.loads((copied / "run.json").read_text())
    document["checksums"]["metrics.json"] = artifacts._sha256(content)
    (copied / "run.json").write_bytes(artifacts._to_json(document))
    change_predictions(copied, lambda frame: frame)
    outcome = succeed("report", runs[0], copied, "--format", "json")
    assert "warning: not learned by every run, and so left out: y_rare [IMB119]\n" in outcome.err
    assert outcome.document["runs"][0]["labels"][2]["metrics"]["f1"]["value"] is None


def test_weights_and_groups_are_read(tmp_path: Path) -> None:
    columns = make_columns(600, seed=2)
    random = np.random.default_rng(0)
    columns["weight"] = [f"{value:.3f}" for value in 0.5 + random.random(600)]
    columns["clinic"] = [f"c{i}" for i in random.integers(60, size=600)]
    table = write_csv(tmp_path / "table.csv", columns)
    data = {"sample_weight": "weight", "group": "clinic"}
    pair = [fit(tmp_path, "a", table, data=data), fit(tmp_path, "b", table, data=data, **PLAIN)]
    saved = read_saved(pair[0])
    assert saved.weights is not None
    assert saved.groups is not None
    document = succeed("report", *pair, "--format", "json").document
    assert document["resampled"] == "groups"


def test_many_labels_are_compared_from_their_lists(
    runs: tuple[Path, Path], copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = succeed("report", *runs, "--format", "json").document["runs"][1]
    known = pl.all_horizontal(pl.col(f"{label}_target").is_null() for label in LABELS).not_()

    def numbers(kind: str, value: int | None = 1) -> pl.Expr:
        flagged = [
            pl.when(pl.col(f"{label}_{kind}").eq_missing(value)).then(pl.lit(i, pl.UInt32))
            for i, label in enumerate(LABELS)
        ]
        return pl.concat_list(flagged).list.drop_nulls()

    probabilities = pl.concat_list(f"{label}_probability" for label in LABELS)

    def as_lists(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(
            "row",
            known.alias("known"),
            pl.when(known).then(numbers("target", None)).otherwise([]).alias("missing"),
            numbers("target").alias("positives"),
            numbers("decision").alias("decided"),
            probabilities.list.to_array(len(LABELS)).alias("probabilities"),
        )

    first = shutil.copytree(runs[0], copied.with_name("first"))
    for run in (first, copied):
        change_predictions(run, as_lists)
    lists = succeed("report", first, copied, "--format", "json").document["runs"][1]
    for number in range(len(LABELS)):
        found = [run["labels"][number]["metrics"]["f1"]["value"] for run in (lists, plain)]
        assert found[0] == pytest.approx(found[1])
    monkeypatch.setattr("imbalance_cli.workflows.saved_runs.BYTES_A_CELL", 10**15)
    refuse("report", first, copied, says="rows x 3 labels needs ", hint="--format csv")


# ------------------------------------------------------------------------------------- the page


def text_of(page: Path) -> str:
    """Return what a reader sees, on one line."""
    body = page.read_text().partition("<body>")[2].partition("<script>")[0]
    seen = re.sub(r"<[^>]+>", " ", body.replace("<wbr>", ""))
    return " ".join(html.unescape(seen).split())


def test_a_page_of_several_runs_is_written_where_it_is_told(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "comparison.html"
    before = [{path: path.stat().st_mtime_ns for path in run.rglob("*")} for run in runs]
    outcome = succeed("report", *runs, "--output", page, "--format", "json")
    assert outcome.out == succeed("report", *runs, "--format", "json").out
    after = [{path: path.stat().st_mtime_ns for path in run.rglob("*")} for run in runs]
    assert after == before
    text = text_of(page)
    assert "weighted and plain" in text
    assert "weighting.strategy ratio none" in text
    assert "loss.name weighted_bce bce" in text
    macro = outcome.document["runs"][1]["macro"]["average_precision"]
    for value in (f"{macro['value']:.3f}", f"{macro['difference']:+.3f}"):
        assert value in text
    for compared in (label["metrics"]["f1"] for label in outcome.document["runs"][1]["labels"]):
        ends = f"{compared['difference_low']:+.3f} to {compared['difference_high']:+.3f}"
        assert ends in text


def test_the_table_ends_with_the_path_of_the_page(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "comparison.html"
    assert draw(*runs, "-o", page, monkeypatch=monkeypatch)[-1] == f"report: {page}"


def test_micro_of_the_page_is_of_all_cells_with_their_rows_drawn_together(
    runs: tuple[Path, Path],
) -> None:
    saved = read_runs(runs)
    resampling = choose_resampling(saved[0], 50)
    cells = compare_cells(saved, evaluate_runs(saved, resampling), resampling)
    known = ~saved[0].targets.isnan()
    targets = saved[0].targets[known].numpy()
    for run, compared in zip(saved, cells.candidates, strict=True):
        metrics = compared.labels[0].metrics
        p, decisions = run.probabilities[known].numpy(), run.decisions[known].numpy()
        assert metrics["average_precision"].value == pytest.approx(
            average_precision_score(targets, p)
        )
        assert metrics["f1"].value == pytest.approx(f1_score(targets, decisions))
        assert metrics["brier"].value == pytest.approx(np.mean((p - targets) ** 2))
    change = cells.candidates[1].labels[0].metrics["brier"]
    # a row's cells are drawn together: more chance than of so many rows of their own
    spread = [
        np.mean(per_row)
        for per_row in np.random.default_rng(0).choice(_brier_of_rows(saved), (2000, len(known)))
    ]
    assert change.difference_high is not None
    assert change.difference_low is not None
    width = change.difference_high - change.difference_low
    assert width == pytest.approx(2 * 1.96 * np.std(spread), rel=0.35)


def _brier_of_rows(saved: list[SavedRun]) -> np.ndarray:
    """Return what each row adds to the difference of the mean squared errors of all cells."""
    first, other = saved
    known = ~first.targets.isnan()
    errors = [(run.probabilities - first.targets).square() for run in (other, first)]
    of_rows = (errors[0] - errors[1]).where(known, 0.0).sum(dim=1)
    return of_rows.numpy() * len(known) / int(known.sum())


def test_runs_of_one_name_are_called_by_their_paths(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    other = shutil.copytree(runs[1], tmp_path / "weighted")
    page = tmp_path / "comparison.html"
    succeed("report", runs[0], other, "-o", page, "--bootstrap", "0")
    text = text_of(page)
    assert f"compared with the first, {runs[0]}"[:80] in text
    assert "There are no intervals: no bootstrap replicates were asked for." in text


def test_runs_of_one_config_differ_in_nothing(
    runs: tuple[Path, Path], copied: Path, tmp_path: Path
) -> None:
    page = tmp_path / "comparison.html"
    succeed("report", runs[1], copied, "-o", page, "--bootstrap", "10")
    assert "Nothing but where they were written" in text_of(page)


def test_more_runs_than_colours_are_listed_and_not_drawn(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    copies = [shutil.copytree(runs[0], tmp_path / f"copy{i}") for i in range(6)]
    page = tmp_path / "comparison.html"
    succeed("report", runs[1], *copies, "-o", page, "--bootstrap", "10")
    text = text_of(page)
    assert "The figures have the first 6 runs." in text
    assert "plain, copy0, copy1 and 4 more" in text


def test_the_page_says_what_its_numbers_should_be_read_with(
    tmp_path: Path,
) -> None:
    data = {"sample_weight": "age"}
    columns = make_columns(600, seed=1)
    columns["age"] = [value or "1" for value in columns["age"]]
    columns["age"] = [f"{abs(float(value)):.3f}" for value in columns["age"]]
    table = write_csv(tmp_path / "table.csv", columns)
    pair = [
        fit(tmp_path, name, table, split={"test": 0.0}, data=data, **sections)
        for name, sections in (("a", {}), ("b", PLAIN))
    ]
    page = tmp_path / "comparison.html"
    succeed("report", *pair, "-o", page)
    assert "Read with care" in text_of(page)
    assert "there is no test part" in text_of(page)


def test_a_page_of_one_run_is_written_elsewhere_and_nothing_in_the_run(
    runs: tuple[Path, Path], copied: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    shutil.rmtree(copied / "plots", ignore_errors=True)
    (copied / "report.html").unlink(missing_ok=True)
    assert succeed("report", copied, "--output", page).text == f"{page}\n"
    assert "Model report" in text_of(page)
    assert not (copied / "plots").exists()
    assert not (copied / "report.html").exists()
    refuse("report", *runs, "-o", tmp_path / "nowhere" / "x.html", says="cannot be written")
    refuse("report", *runs, "-o", tmp_path, says=f"{tmp_path}: cannot be written")


def test_a_page_replaces_nothing_but_a_page(runs: tuple[Path, Path], tmp_path: Path) -> None:
    page, data = tmp_path / "page.html", tmp_path / "my.csv"
    data.write_text("a,b\n")
    page.touch()  # as mktemp leaves it
    for _ in range(2):
        assert f"note: the page is {page}\n" in succeed("report", *runs, "-o", page).err
    refuse("report", runs[0], "-o", data, says="end in .html or .htm", hint="my.html")
    refuse("report", runs[0], "-o", "-", says="-o -: the page goes to a file", hint="report.html")
    page.write_text("<!doctype html>\n<p>by hand")
    refuse("report", *runs, "-o", page, says="is there, and is no page of imbtrain", hint="name")
    assert page.read_text().endswith("by hand")
    for inside in ("predictions.parquet", "other.html", "plots/x.html"):
        refuse("report", runs[0], "-o", runs[1] / inside, says="a run directory holds")
    succeed("report", runs[1], "-o", runs[1] / "report.html")
    succeed("report", runs[0], "-o", "/dev/null")


def test_configs_differ_by_what_a_key_holds() -> None:
    one = {"model": {"hidden": [8]}, "loss": {"name": "bce"}, "output": {"name": "a"}}
    two = {"model": {"hidden": [8, 8]}, "loss": {"name": "bce"}, "output": {"name": "b"}}
    assert find_differences([one, two]) == {"model.hidden": ["[8]", "[8, 8]"]}
    assert find_differences([one, one]) == {}
    three = {"model": {"hidden": None, "members": 2}}
    told = find_differences([one, three])
    assert told["model.hidden"] == ["[8]", "null"]
    assert told["model.members"] == ["\N{EN DASH}", "2"]


def test_help_names_both_uses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--help"]) == 0
    assert "side by side" in " ".join(capsys.readouterr().out.split())
