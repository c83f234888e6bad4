"""`imbtrain report`: the page and the plots again, from what a run holds."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest
from small_runs import DRAWN, LABELS, fit_run, make_columns, refuse, succeed, write_csv

from imbalance_cli.evaluation.curves import compute_curves
from imbalance_cli.report.ordering import keep_judged
from imbalance_cli.run.directory import load_run
from imbalance_cli.workflows.reporting import choose_labels, read_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from small_runs import FittedRun

EVERY_LABEL = [
    *("precision_recall", "roc", "thresholds", "benefit", "reliability", "scores", "confusion"),
]
OF_A_RUN = ["training_loss", "validation"]
OF_LABELS = ["labels", "labels_roc_auc", "labels_f1", "together"]


@pytest.fixture
def copied(multi_run: FittedRun, tmp_path: Path) -> Path:
    """Copy a run, so that it may be changed."""
    return shutil.copytree(multi_run.path, tmp_path / "run")


def files_of(run: Path) -> dict[str, bytes]:
    """Return what is drawn in a run, by its path there."""
    paths = [run / "report.html", run / "model_card.md", *(run / "plots").iterdir()]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def rewrite(run: Path, name: str, change: Callable[[Path], None]) -> None:
    """Change a file of a run and write its checksum anew, as nobody does by accident."""
    from imbalance_cli.run import directory as artifacts

    change(run / name)
    document = json.loads((run / "run.json").read_text())
    del document["checksum"]
    document["checksums"][name] = artifacts._sha256((run / name).read_bytes())
    whole = document | {"checksum": artifacts._sha256(artifacts._to_json(document))}
    (run / "run.json").write_bytes(artifacts._to_json(whole))


def test_fit_draws_the_page_and_every_plot_twice(multi_run: FittedRun) -> None:
    files = set(files_of(multi_run.path))
    stems = {*OF_A_RUN, *OF_LABELS}
    stems |= {f"{i}-{label}-{kind}" for i, label in enumerate(LABELS, 1) for kind in EVERY_LABEL}
    plots = {f"plots/{stem}.{suffix}" for stem in stems for suffix in ("svg", "png")}
    assert files == plots | {"report.html", "model_card.md"}


def test_report_draws_the_same_again_and_prints_where(copied: Path) -> None:
    before = files_of(copied)
    run = copied.rename(copied.with_name("moved"))
    shutil.rmtree(run / "plots")
    for name in ("report.html", "model_card.md"):
        (run / name).unlink()
    outcome = succeed("report", run)
    assert outcome.text == f"{run / 'report.html'}\n"
    assert outcome.err == ""
    after = files_of(run)
    assert after.keys() == before.keys()
    same = {name for name in before if before[name] == after[name]}
    assert set(before) - same == {"report.html", "model_card.md"}  # which name the run
    load_run(run)  # drawing changes no file that has a checksum


def test_report_takes_away_plots_that_are_drawn_no_more(copied: Path) -> None:
    stale = copied / "plots" / "9-gone-roc.svg"
    stale.write_text("<svg/>")
    succeed("report", copied)
    assert not stale.exists()
    assert not [path for path in copied.rglob("*") if path.name.endswith(".partial")]


def test_fit_without_plots_draws_none_and_report_does(tmp_path: Path) -> None:
    run = fit_run(tmp_path, make_columns())
    assert not (run.path / "report.html").exists()
    assert not (run.path / "plots").exists()
    succeed("report", run.path)
    assert (run.path / "report.html").exists()


def test_table_ends_with_the_path_of_the_page(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = f"data: {{train: '{table}'}}\ntraining: {{epochs: 2}}\nreport: {{bootstrap: 10}}\n"
    arguments = ("--run-dir", tmp_path / "run", "--format", "table")
    outcome = succeed("fit", "-", *arguments, stdin=config.encode())
    assert outcome.text.splitlines()[-1] == f"report: {tmp_path / 'run' / 'report.html'}"
    without = ("--overwrite", "--set", "report.plots=false")
    outcome = succeed("fit", "-", *arguments, *without, stdin=config.encode())
    assert "report.html" not in outcome.text


def test_page_shows_what_metrics_json_and_predictions_say(multi_run: FittedRun) -> None:
    report = read_report(multi_run.path)
    assert report.evaluation.to_dict() == multi_run.outcome.document["splits"]["test"]
    predictions = pl.read_parquet(multi_run.path / "predictions.parquet")
    assert [curves.label for curves in report.curves] == LABELS
    for curves in report.curves:
        known = predictions[f"{curves.label}_target"].is_not_null()
        targets = predictions[f"{curves.label}_target"].filter(known)
        decided = predictions[f"{curves.label}_decision"].filter(known)
        assert curves.rows == len(targets)
        assert curves.positives == targets.sum()
        assert curves.decisions.true_positives == ((targets == 1) & (decided == 1)).sum()
        assert curves.decisions.false_positives == ((targets == 0) & (decided == 1)).sum()
        assert curves.before
    data = report.document["data"]
    table = pl.read_csv(multi_run.table)
    assert sum(data["rows"].values()) == len(table)
    for label, counts in zip(LABELS, data["training"], strict=True):
        assert 0 < counts["positives"] < table[label].sum()
    assert report.together is not None
    together = predictions.filter(pl.col("y_often_target") == 1)["y_some_target"].drop_nulls()
    assert report.together.shares[0][1] == pytest.approx(together.mean())
    assert report.together.rows[0][1] == together.sum()


def test_training_is_read_from_the_history(multi_run: FittedRun) -> None:
    [network] = read_report(multi_run.path).training
    history = pl.read_csv(multi_run.path / "history.csv")
    assert list(network.epochs) == history["epoch"].to_list()
    assert list(network.losses) == history["loss"].to_list()
    assert list(network.scores) == history["score"].to_list()
    assert network.best_epoch == history["best_epoch"][-1]


def test_report_without_a_test_part_says_that_it_flatters(tmp_path: Path) -> None:
    run = fit_run(tmp_path, make_columns(), split={"test": 0})
    succeed("report", run.path)
    assert "the numbers flatter the model" in (run.path / "report.html").read_text()


def test_a_test_part_of_few_groups_is_told(tmp_path: Path) -> None:
    run = fit_run(tmp_path, make_columns(), data={"group": "city"}, report=DRAWN)
    [told] = [line for line in run.outcome.err.splitlines() if "say little of other groups" in line]
    assert told.startswith("warning: the test part is of ")
    assert told.endswith(
        " of city: its numbers say little of other groups, and have no interval, which takes 5 "
        "[IMB105]"
    )
    text = succeed("report", run.path, "--format", "table").text
    assert "Too few groups for an interval (fewer than 5 have a positive" in " ".join(text.split())
    assert "say little of other groups" in (run.path / "report.html").read_text()


def test_many_labels_get_figures_where_they_matter(tmp_path: Path) -> None:
    columns = make_columns(300)
    cells = columns.pop("y_often")
    for name in ("y_some", "y_rare"):
        del columns[name]
    for i in range(30):  # ever rarer
        ones = [j for j, cell in enumerate(cells) if cell == "1"][: 80 - 2 * i]
        columns[f"y_{i:02}"] = ["1" if j in ones else "0" for j in range(len(cells))]
    run = fit_run(tmp_path, columns, report=DRAWN)
    report = read_report(run.path)
    chosen = choose_labels(report.evaluation)
    assert {curves.label for curves in report.curves} == set(chosen)
    assert 8 <= len(chosen) <= 24
    judged = keep_judged(report.evaluation.labels, "average_precision")
    assert 0 < len(judged) < 30
    by_ap = sorted(judged, key=lambda a: a.average_precision.value or 0.0)
    assert "among the worst" in chosen[by_ap[0].label]
    assert "among the best" in chosen[by_ap[-1].label]
    rarest = min(report.evaluation.labels, key=lambda label: label.positives)
    assert "among the rarest" in chosen[rarest.label]
    page = (run.path / "report.html").read_text()
    assert f"Of 30 labels, {len(chosen)} are drawn" in page
    assert report.together is not None
    assert len(report.together.labels) == 20


def test_a_label_that_could_not_be_learned_has_no_figures(tmp_path: Path) -> None:
    columns = make_columns()
    columns["y_never"] = ["0"] * len(columns["y_often"])
    run = fit_run(tmp_path, columns, report=DRAWN)
    assert [curves.label for curves in read_report(run.path).curves] == LABELS
    assert "not learned" in (run.path / "report.html").read_text()


def test_weighted_rows_are_weighted_in_the_figures(tmp_path: Path) -> None:
    columns = make_columns()
    columns["w"] = [str(1 + i % 3) for i in range(len(columns["y_often"]))]
    data = {"labels": ["y_often"], "exclude": ["y_some", "y_rare"], "sample_weight": "w"}
    run = fit_run(tmp_path, columns, data=data, report=DRAWN)
    report = read_report(run.path)
    predictions = pl.read_parquet(run.path / "predictions.parquet")
    [curves] = report.curves
    again = compute_curves(
        "y_often",
        predictions["y_often_probability"].to_numpy(),
        predictions["y_often_score"].cast(pl.Float64).to_numpy(),
        predictions["y_often_target"].cast(pl.Float64).to_numpy(),
        threshold=curves.threshold,
        costs=curves.costs,
        confidence=0.95,
        weights=predictions["sample_weight"].cast(pl.Float64).to_numpy(),
    )
    assert curves == again
    assert "weighted by the sample weights" in (run.path / "report.html").read_text()


def test_names_of_labels_that_break_markup_are_fitted_and_drawn(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", "a \"b\" 'c' & d", "two\nlines", "x" * 500]
    columns = make_columns()
    cells = [columns.pop(label) for label in LABELS]
    header = ["amount", "age", "colour", "city"]
    rows = zip(*(columns[name] for name in header), *cells, cells[0], strict=True)
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in [*header, *names])
    table = tmp_path / "table.csv"
    table.write_text("\n".join([quoted, *(",".join(row) for row in rows)]) + "\n")
    config = {"data": {"train": str(table), "labels": names}, "model": {"hidden": [8]}}
    config |= {"training": {"epochs": 2}, "report": {"bootstrap": 10}}
    succeed("fit", "-", "--run-dir", tmp_path / "run", stdin=json.dumps(config).encode())
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in page


# ------------------------------------------------------------------------------ what is refused


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def test_missing_predictions_are_named(copied: Path) -> None:
    (copied / "predictions.parquet").unlink()
    refuse("report", copied, says="there is no predictions.parquet", hint="imbtrain fit CONFIG")


def test_damaged_predictions_are_named(copied: Path) -> None:
    with (copied / "predictions.parquet").open("ab") as file:
        file.write(b"more")
    refuse("report", copied, says="predictions.parquet: was changed", hint="copy the run again")


def test_predictions_that_are_no_parquet_are_named(copied: Path) -> None:
    rewrite(copied, "predictions.parquet", lambda path: _write(path, "no parquet"))
    refuse("report", copied, says="predictions.parquet: not Parquet that can be read")


def test_predictions_of_other_labels_are_named(copied: Path) -> None:
    def rename(path: Path) -> None:
        pl.read_parquet(path).rename({"y_some_probability": "z_probability"}).write_parquet(path)

    rewrite(copied, "predictions.parquet", rename)
    says = "without the column 'y_some_probability': it is of other labels than the run"
    refuse("report", copied, says=says, hint="imbtrain fit CONFIG")


def test_numbers_of_another_version_are_named(copied: Path) -> None:
    rewrite(copied, "metrics.json", lambda path: _write(path, '{"splits": {}}'))
    refuse("report", copied, says="metrics.json: not as this imbtrain writes it")


def test_a_run_that_is_none_is_named(tmp_path: Path) -> None:
    refuse("report", tmp_path / "nowhere", says="no such run directory")
    refuse("report", tmp_path, says="not a run directory", hint="imbtrain fit CONFIG")


def test_a_place_that_cannot_be_written_is_named(copied: Path) -> None:
    shutil.rmtree(copied / "plots")
    (copied / "plots").write_text("a file where the plots go")
    refuse("report", copied, says=f"{copied / 'plots'}: cannot be written")
