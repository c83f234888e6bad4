"""Rows that have changed since training are warned of, and others are not."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import DRAWN, fit_run, run_command, succeed

from imbalance_cli.features import FeatureCounts, FeatureDrift, Preprocessing, fit_preprocessing
from imbalance_cli.features.drift import EDGES, MOST_SAMPLED, EvenSample, LabelDrift
from imbalance_cli.readers import Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 4000


def make_frame(seed: int, rows: int = ROWS) -> pl.DataFrame:
    """Return rows of one kind: a number with gaps, a count of mostly 0, a category, a flag."""
    random = np.random.default_rng(seed)
    glucose = random.lognormal(4.6, 0.3, rows).round(1)
    return pl.DataFrame(
        {
            "glucose": pl.Series(glucose).set(pl.Series(random.random(rows) < 0.1), None),
            "visits": random.poisson(0.2, rows),
            "site": random.choice(["north", "south", "east"], rows, p=[0.5, 0.45, 0.05]),
            "consent": random.choice(["Yes", "No"], rows),
        }
    )


def table_of(frame: pl.DataFrame) -> Table:
    """Return a frame as a table."""
    return Table("rows.csv", frame, lambda row: f"rows.csv: line {row + 2}")


@pytest.fixture(scope="module")
def trained() -> Preprocessing:
    """Fit on rows of one kind."""
    table = table_of(make_frame(0))
    return fit_preprocessing(table, table.frame.columns, np.arange(ROWS)).profiled(table)


def look(trained: Preprocessing, frame: pl.DataFrame, parts: int = 1) -> dict[str, FeatureDrift]:
    """Return the drift of each column."""
    counts = FeatureCounts()
    for part in np.array_split(np.arange(frame.height), parts):
        trained.transform(table_of(frame[part.tolist()]), counts)
    return {found.column: found for found in trained.drift(counts)}


@pytest.mark.parametrize("rows", [1, 5, 40, 500, ROWS])
def test_rows_of_the_same_kind_have_no_drift(trained: Preprocessing, rows: int) -> None:
    for seed in range(1, 21):
        found = look(trained, make_frame(seed, rows), parts=min(rows, 3))
        assert [drift.problem for drift in found.values()] == [None] * 4


CHANGES: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str, str]] = {
    "case": (
        lambda frame: frame.with_columns(pl.col("consent").str.to_lowercase()),
        "consent",
        "100 % of the values are unknown from training (0 % there), such as 'yes'; training has",
    ),
    "padding": (
        lambda frame: frame.with_columns(site=pl.lit("the ") + pl.col("site")),
        "site",
        "training has 'east', 'north', 'south'",
    ),
    "flags": (
        lambda frame: frame.with_columns(consent=(pl.col("consent") == "Yes").cast(pl.Int8)),
        "consent",
        "training has",
    ),
    "blank": (
        lambda frame: frame.with_columns(glucose=pl.lit(None, pl.Float64)),
        "glucose",
        "100 % of the cells are missing, 10.4 % in training",
    ),
    "unit": (
        lambda frame: frame.with_columns(glucose=pl.col("glucose") * 1000),
        "glucose",
        "other values than in training",
    ),
    "half": (
        lambda frame: frame.with_columns(
            site=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("west")).otherwise("site")
        ),
        "site",
        "50 % of the values are unknown from training",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named_and_no_other_column(trained: Preprocessing, change: str) -> None:
    edit, column, problem = CHANGES[change]
    found = look(trained, edit(make_frame(1)), parts=3)
    assert problem in str(found[column].problem)
    assert [name for name, drift in found.items() if drift.problem] == [column]


def test_a_few_rows_with_unknown_values_are_enough(trained: Preprocessing) -> None:
    frame = make_frame(1, 6).with_columns(consent=pl.lit("Y"))
    assert "100 % of the values are unknown" in str(look(trained, frame)["consent"].problem)


def test_the_index_is_that_of_its_formula(trained: Preprocessing) -> None:
    frame = make_frame(1).with_columns(pl.col("glucose") * 1.2)
    shares = []
    for rows in (frame, make_frame(0)):
        column = rows["glucose"].drop_nulls().to_numpy()
        feature = trained.numeric[0]
        assert feature.scale is not None
        x = (column - feature.median) / feature.scale
        bins, _ = np.histogram(x / np.sqrt(1 + (x / 3) ** 2), [-np.inf, *EDGES, np.inf])
        shares.append(np.maximum(np.append(bins, rows.height - len(column)) / rows.height, 1e-3))
    p, q = shares
    psi = look(trained, frame)["glucose"].psi
    assert psi == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=1e-6)


def test_a_profile_comes_back_from_json(trained: Preprocessing) -> None:
    again = Preprocessing.from_dict(json.loads(json.dumps(trained.to_dict())))
    frame = make_frame(3)
    assert look(again, frame) == look(trained, frame)


def test_a_mean_probability_far_from_training_is_told() -> None:
    assert LabelDrift("y", 0.05, 0.06).describe(10_000) is None
    assert LabelDrift("y", 0.5, 0.05).describe(5) is None
    assert LabelDrift("y", 0.15, 0.05).describe(1000) == (
        "the mean probability of y is 15 %, and 5 % of the training rows were positive"
    )


def test_commands_warn_and_are_strict(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = make_frame(0, 600)
    score = (frame["consent"] == "Yes").to_numpy() + random.normal(size=600)
    frame = frame.with_columns(y=pl.Series((score > 1.8).astype(int)))
    other = frame.with_columns(consent=(pl.col("consent") == "Yes").cast(pl.Int8))
    other.write_csv(tmp_path / "other.csv")
    columns = {c.name: c.cast(pl.String).fill_null("").to_list() for c in frame}
    run = fit_run(tmp_path, columns, data={"labels": ["y"]})
    assert "unlike" not in succeed("evaluate", run.path, run.table).err
    outcome = succeed("evaluate", run.path, tmp_path / "other.csv", "--format", "json")
    sentence = (
        "other.csv: unlike the training rows: consent: 100 % of the values are unknown from "
        "training (0 % there), such as '0'"
    )
    assert sentence in outcome.err
    drift = json.loads(outcome.out)["splits"]["test"]["drift"]
    assert [f["column"] for f in drift["features"] if f["problem"]] == ["consent"]
    assert drift["labels"][0]["training_prevalence"] == pytest.approx(frame["y"].mean(), abs=0.01)
    assert sentence in succeed("predict", run.path, tmp_path / "other.csv").err
    for command in ("evaluate", "predict"):
        failed = run_command(command, run.path, tmp_path / "other.csv", "--strict")
        assert failed.code == 2
        assert sentence in failed.err


def test_what_a_shift_is_of_is_said() -> None:
    days = pl.date_range(dt.date(2020, 1, 1), dt.date(2020, 12, 31), eager=True)
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "day": days,
            "mass": random.normal(70, 10, len(days)),
            "iron": random.normal(5, 1, len(days)),
            "number": np.arange(len(days)),
        }
    )
    table = table_of(frame)
    trained = fit_preprocessing(table, ["day", "mass", "iron"], np.arange(len(days))).profiled(
        table
    )
    later = frame.with_columns(
        pl.col("day").dt.offset_by("1y"),
        mass=1000 * pl.col("mass"),
        iron=pl.when(pl.col("number") % 5 > 0).then("iron"),
    )
    problems = {column: str(found.problem) for column, found in look(trained, later).items()}
    assert problems["day"].endswith("median 2021-07-01 12:00:00, 2020-07-01 12:00:00 in training")
    assert problems["mass"].endswith("in training; in other units?")
    assert problems["iron"] == "20.2 % of the cells are missing, 0 % in training"


@pytest.mark.parametrize("in_memory", [True, False])
def test_fit_says_where_its_own_test_rows_are_unlike_those_of_training(
    tmp_path: Path, *, in_memory: bool
) -> None:
    frame = make_frame(0, 600).with_columns(y=pl.Series([0, 0, 1] * 200), hour=pl.int_range(600))
    frame = frame.with_columns(
        glucose=pl.when(pl.col("hour") < 510).then("glucose").otherwise(pl.col("glucose") * 3)
    )
    columns = {c.name: c.cast(pl.String).fill_null("").to_list() for c in frame}
    data = {"labels": ["y"], "time": "hour", "in_memory": in_memory}
    run = fit_run(tmp_path, columns, data=data, report=DRAWN)
    document = json.loads((run.path / "run.json").read_text())
    told = [remark for remark in document["data"]["remarks"] if "are unlike" in remark]
    assert len(told) == 1
    assert told[0].startswith("the test rows are unlike the training rows: glucose: other values")
    assert "the test rows are unlike the training rows" in (run.path / "report.html").read_text()


@given(
    st.lists(st.integers(1, 4_000), min_size=1, max_size=8),
    st.integers(1, 9_000),
    st.integers(0, 99),
)
def test_a_median_is_the_same_however_rows_come(sizes: list[int], rows: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=rows).round(2)
    values[values > 1] = np.nan
    whole, parts = EvenSample(), EvenSample()
    whole.add(values)
    first = 0
    for size in [*sizes, rows]:
        parts.add(values[first : first + size])
        first += size
    assert parts.median() == whole.median()
    known = values[~np.isnan(values)]
    median = whole.median()
    if median is None or rows <= MOST_SAMPLED:
        assert median == (np.median(known) if len(known) else None)
    else:
        assert (known < median).mean() == pytest.approx(0.5, abs=0.05)
