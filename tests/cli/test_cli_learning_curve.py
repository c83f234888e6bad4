"""`imbtrain compare --sizes`: the same folds learned from fewer rows, scikit-learn's numbers."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
import torch
from sklearn import metrics
from small_runs import make_columns, refuse, run_command, succeed, write_config, write_csv

from imbalance_cli.comparison import Candidate, compare_candidates
from imbalance_cli.evaluation import Resampling

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import Outcome

DATA = {"labels": ["y_often"], "exclude": ["y_some", "y_rare"]}
PLAIN = {"name": "bce"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a config."""
    folder = tmp_path_factory.mktemp("sizes")
    table = write_csv(folder / "t.csv", make_columns(300, seed=2))
    report = {"bootstrap": 20, "plots": True}
    return write_config(folder / "c.yaml", table, data=DATA, loss=PLAIN, report=report)


@pytest.fixture(scope="module")
def compared(config: Path) -> Outcome:
    """Compare three sizes."""
    options = ("--sizes", "1,0.2,0.5", "--folds", 2, "--format", "json")
    return succeed("compare", config, "--run-dir", config.parent / "run", *options)


def test_sizes_rise_and_say_how_many_positives_they_have(compared: Outcome) -> None:
    document = compared.document
    sizes = document["candidates"]
    assert [size["name"] for size in sizes] == ["0.2", "0.5", "1"]
    assert document["baseline"] == "0.5"
    counts = [size["training_positives"][0] for size in sizes]
    assert counts[:2] == pytest.approx([0.2 * counts[2], 0.5 * counts[2]], abs=1)
    first, *_ = document["conclusions"]
    assert first.startswith(
        f"From {counts[1]:,.0f} to {counts[2]:,.0f} training positives (0.5 to 1 of the rows) "
        "average precision "
    )


def test_the_whole_is_what_compare_trains_without_sizes(compared: Outcome, config: Path) -> None:
    usual = config.parent / "usual"
    succeed("compare", config, "--run-dir", usual, "--losses", "bce", "--folds", 2)
    ours = pl.read_parquet(config.parent / "run" / "predictions.parquet")
    theirs = pl.read_parquet(usual / "predictions.parquet")
    assert ours["row"].equals(theirs["row"])
    assert ours["1/y_often_probability"].equals(theirs["bce/y_often_probability"], null_equal=True)
    small = ours["0.2/y_often_probability"]
    assert not small.equals(ours["1/y_often_probability"])
    y, fold = ours["y_often_target"].to_numpy(), ours["fold"].to_numpy()
    wanted = [
        metrics.average_precision_score(y[fold == k], small.to_numpy()[fold == k]) for k in (0, 1)
    ]
    found = compared.document["candidates"][0]["macro"]["average_precision"]
    assert found["value"] == pytest.approx(np.mean(wanted))
    assert found["low"] <= found["value"] <= found["high"]


def test_page_table_and_csv_have_the_curve(compared: Outcome, config: Path) -> None:
    assert compared.code == 0
    run = config.parent / "run"
    page = (run / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="learning"')[2].partition("</section>")[0]
    assert "Would more positives help?" in page
    assert "Average precision over training positives" in section
    assert "<svg" in section
    rows = list(csv.DictReader((run / "comparison.csv").read_text().splitlines()))
    assert next(iter(rows[0])) == "size"
    assert {row["size"] for row in rows} == {"0.2", "0.5", "1"}
    assert float(rows[-1]["training_positives"]) > float(rows[0]["training_positives"])
    chosen = ("--from-compare", run, "--choose", "1", "--run-dir", config.parent / "chosen")
    assert succeed("fit", *chosen, "--format", "json").document["splits"]


def test_the_table_has_positives_and_intervals(config: Path) -> None:
    options = ("--sizes", "0.5,1", "--folds", 2, "--format", "table", "-q")
    table = succeed("compare", config, "--run-dir", config.parent / "table", *options).text
    heading = next(line for line in table.splitlines() if line.startswith("size"))
    assert heading.split()[:5] == ["size", "train", "pos.", "AP", "interval"]


@pytest.mark.parametrize("sizes", ["1", "0.1,x", "0,1", "0.5,1.5", "", "0.5,nan"])
def test_other_sizes_are_refused(config: Path, sizes: str) -> None:
    says = f"--sizes: {sizes!r} should be two or more shares"
    refuse("compare", config, "--sizes", sizes, says=says, hint="--sizes 0.1,0.3,1")


@pytest.mark.parametrize(
    "other", [("--losses", "focal"), ("--strategies", "sqrt"), ("--mlflow", "sqlite:///m.db")]
)
def test_what_does_not_go_with_sizes_is_refused(config: Path, other: tuple[str, str]) -> None:
    says = f"--sizes and {other[0]} contradict each other"
    refuse("compare", config, "--sizes", "0.5,1", *other, says=says, hint=f"leave {other[0]} out")


def test_an_interrupted_comparison_begins_again(config: Path) -> None:
    options = ("--sizes", "0.5,1", "--folds", 2, "--run-dir", config.parent / "again", "-q")
    succeed("compare", config, *options)
    assert run_command("compare", config, *options).code == 2  # it is there
    succeed("compare", config, *options, "--overwrite")


@pytest.mark.parametrize(
    ("skills", "says"),
    [
        ([0.0, 1.0, 3.0], "it is still rising, and more positives would help."),
        ([0.0, 2.0, 2.0], "these rows do not show that more positives would help."),
        ([0.0, 3.0, 1.0], "average precision falls by"),
    ],
)
def test_what_is_concluded_of_scores(skills: list[float], says: str) -> None:
    random = torch.Generator().manual_seed(0)
    y = (torch.rand(600, 1, generator=random) < 0.2).double()
    noise = torch.randn(3, 600, 1, generator=random, dtype=torch.float64)
    sizes = [
        Candidate(name, "bce", None, None, p, p > 0.5, training_positives=[float(count)])
        for name, count, p in zip(
            ("0.1", "0.3", "1"),
            (12, 36, 120),
            [(skill * y + own).sigmoid() for skill, own in zip(skills, noise, strict=True)],
            strict=True,
        )
    ]
    comparison = compare_candidates(
        sizes,
        y,
        ["y"],
        learnable=[True],
        groups=None,
        baseline="0.3",
        resampling=Resampling(50),
        kind="size",
    )
    first, *_ = comparison.conclusions
    assert first.startswith("From 36 to 120 training positives (0.3 to 1 of the rows) ")
    assert says in first
