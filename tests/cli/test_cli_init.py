"""`imbtrain init`: a config that fit takes as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from small_runs import refuse, succeed

from imbalance_cli.config import load_config

if TYPE_CHECKING:
    from conftest import RunCommand, WriteFile

    from imbalance_cli.config import Config

ROOT = Path(__file__).parents[2]
ROWS = 240
FAST = (
    "training.epochs=2",
    "report.bootstrap=0",
    "report.plots=false",
    "model.hidden=[8]",
    "calibration.method=analytic",
)


def make_table(**columns: list[str]) -> str:
    """Return a table of two features, a binary label y and what is given."""
    random = np.random.default_rng(0)
    known = {
        "x": [f"{value:.3f}" for value in random.normal(size=ROWS)],
        "colour": random.choice(["red", "green", "blue"], ROWS).tolist(),
        "y": random.choice(["0", "1"], ROWS, p=[0.8, 0.2]).tolist(),
    }
    return pl.DataFrame({**known, **columns}).write_csv()


def init(imbtrain: RunCommand, write: WriteFile, *arguments: str) -> tuple[str, Config]:
    done = imbtrain("init", *arguments)
    assert (done.code, done.err) == (0, "")
    text = done.out.decode()
    return text, load_config(write("made.yaml", text))


ODD = {
    "key": [f"k-{i}" for i in range(ROWS)],
    "row": [str(i) for i in range(ROWS)],
    "story": [f"{'many words of somebody ' * 3}{i}" for i in range(ROWS)],
    "same: one": ["1"] * ROWS,
    "no": [""] * ROWS,
    "customer_id": [f"c{i // 4}" for i in range(ROWS)],
    "day": [f"2013-02-{1 + i // 10:02}" for i in range(ROWS)],
}


def test_what_fit_would_refuse_is_left_out(imbtrain: RunCommand, write: WriteFile) -> None:
    text, config = init(imbtrain, write, write("a.csv", make_table(**ODD)))
    assert config.data.labels == ["y"]
    assert set(config.data.exclude) == {"key", "row", "story", "same: one", "no"}
    assert '- "no"  # every cell is missing\n' in text
    assert "- key  # looks like an id" in text
    assert "# group: customer_id  # 60 values, 4 rows each\n" in text
    assert "# time: day  # 2013-02-01 to 2013-02-24\n" in text


def test_leaks_are_left_out(imbtrain: RunCommand, write: WriteFile) -> None:
    labels = pl.read_csv(make_table().encode())["y"].to_list()
    table = make_table(outcome=[f"{5 * label + 1}" for label in labels])
    text, config = init(imbtrain, write, write("a.csv", table))
    assert config.data.exclude == ["outcome"]
    assert "- outcome  # may be a leak: 'outcome' alone tells 'y'" in text


def test_what_is_given_is_in_it(imbtrain: RunCommand, write: WriteFile) -> None:
    table = write("a.csv", make_table(**ODD, sold=["yes please", "nay"] * (ROWS // 2)))
    _, config = init(
        imbtrain, write, table, "--labels", "sold", "--positive", "yes please",
        "--group", "customer_id", "--time", "day", "--input-format", "csv",
    )  # fmt: skip
    data = config.data
    assert (data.labels, data.positive) == (["sold"], "yes please")
    assert (data.group, data.time, data.input_format) == ("customer_id", "day", "csv")
    _, config = init(imbtrain, write, table, "--group", "key")
    assert "key" not in config.data.exclude


@pytest.mark.parametrize(
    ("columns", "arguments"),
    [
        ({}, ()),
        (ODD, ()),
        (ODD, ("--group", "customer_id")),
        (ODD, ("--time", "day")),
        ({"kind": [f"k{i % 3}" for i in range(ROWS)]},
         ("--labels", "kind", "--encoding", "one_vs_rest")),
        ({"tags": [("a|b", "b", "c|a")[i % 3] for i in range(ROWS)]},
         ("--labels", "tags", "--encoding", "tags", "--tag-separator", "|")),
        ({"tags": [("['a', 'b']", "['b']", "[]")[i % 3] for i in range(ROWS)]},
         ("--labels", "tags", "--encoding", "tags")),
        ({'it\'s: "1e5"': [str(i % 2) for i in range(ROWS)]}, ("--labels", "it's*")),
        ({"two\nlines": [f"z{i}" for i in range(ROWS)], "a*b": [""] * ROWS}, ()),
        ({"y_é": [("1", "0", "")[i % 3] for i in range(ROWS)]}, ()),
    ],
)  # fmt: skip
def test_fit_takes_it_as_it_is(
    imbtrain: RunCommand,
    write: WriteFile,
    tmp_path: Path,
    columns: dict[str, list[str]],
    arguments: tuple[str, ...],
) -> None:
    path = write("t.csv", make_table(**columns))
    made = imbtrain("init", path, *arguments)
    assert (made.code, made.err) == (0, "")
    options = [part for override in FAST for part in ("--set", override)]
    done = imbtrain(
        "fit", write("c.yaml", made.out), *options, "--run-dir", tmp_path / "run", "--quiet"
    )
    assert done.code == 0, done.err


def test_minimal_has_what_matters_and_one_line_that_names_the_rest(
    imbtrain: RunCommand, write: WriteFile
) -> None:
    table = write("odd.csv", make_table(**ODD))
    arguments = ("--group", "customer_id")
    text, config = init(imbtrain, write, table, *arguments, "--minimal")
    whole, same = init(imbtrain, write, table, *arguments)
    assert config == same
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("#")] == lines[:1]
    assert "imbtrain init" in lines[0]
    assert "--minimal" in lines[0]
    keys = [
        line.split(":")[0].strip() for line in lines if line.startswith("  ") and line[2] != " "
    ]
    assert keys == ["train", "labels", "group", "exclude"]
    assert len(whole.splitlines()) > 3 * len(lines)


def test_it_pipes_into_fit(write: WriteFile, tmp_path: Path) -> None:
    command = (
        '"$0" -m imbalance_cli.cli.app init "$1" | "$0" -m imbalance_cli.cli.app fit - '
        '--run-dir "$2" --quiet --set training.epochs=1 --set report.bootstrap=0 '
        "--set report.plots=false"
    )
    arguments = [sys.executable, write("t.csv", make_table()), str(tmp_path / "run")]
    subprocess.run(["sh", "-c", command, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["flights_multilabel.csv", "flights.csv"])
def test_the_shipped_tables(imbtrain: RunCommand, write: WriteFile, name: str) -> None:
    labels = () if "multi" in name else ("--labels", "cancelled")
    _, config = init(imbtrain, write, str(ROOT / "data" / name), *labels)
    assert config.data.exclude == []
    assert len(config.data.labels) == (1 if labels else 7)


def test_without_a_label_the_candidates_are_named(imbtrain: RunCommand, write: WriteFile) -> None:
    path = write("a.csv", "size,sold,state\n1,0,ok\n2,1,ok\n3,0,not ok\n4,0,ok\n5,1,ok\n")
    done = imbtrain("init", path)
    assert (done.code, done.out) == (2, b"")
    assert "columns of two values: state, sold" in done.err
    assert "--labels state --positive 'not ok'" in done.err


def test_without_a_candidate_other_encodings_are_named(
    imbtrain: RunCommand, write: WriteFile
) -> None:
    done = imbtrain("init", write("a.csv", "size,kind\n1,a\n2,b\n3,c\n"))
    assert done.code == 2
    assert "none has two values" in done.err
    assert "--encoding one_vs_rest" in done.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--group", "custom"], "--group: "),
        (["--time", "y"], "--time: 'y' is a label"),
        (["--labels", "colour"], "is not a binary label"),
        (["--labels", "colour", "--positive", "red"], "is a third value"),
    ],
)
def test_what_cannot_be_used(
    imbtrain: RunCommand, write: WriteFile, arguments: list[str], problem: str
) -> None:
    done = imbtrain("init", write("a.csv", make_table()), *arguments)
    assert (done.code, done.out) == (2, b"")
    assert problem in done.err


def test_stdin(write: WriteFile, tmp_path: Path) -> None:
    table = make_table()
    made = succeed("init", "-", stdin=table.encode()).text
    assert 'train: "-"' in made
    assert "# data.train is stdin: imbtrain fit CONFIG < TABLE; or name a file there." in made
    named = succeed("init", write("t.csv", table)).text
    assert "is stdin" not in named
    overrides = [part for override in FAST for part in ("--set", override)]
    config = write("c.yaml", made)
    run = tmp_path / "run"
    succeed("fit", config, "--run-dir", run, "-q", *overrides, stdin=table.encode())
    refuse("fit", "-", stdin=made.encode(), says="the config and data.train would read it")


def test_leaks_of_classes_are_left_out_too(imbtrain: RunCommand, write: WriteFile) -> None:
    kinds = [("ant", "bee", "cat")[i % 3] for i in range(ROWS)]
    codes = [f"c{len(kind)}{kind[0]}" for kind in kinds]
    table = write("a.csv", make_table(kind=kinds, code=codes))
    arguments = ("--labels", "kind", "--encoding", "one_vs_rest")
    text, config = init(imbtrain, write, table, *arguments)
    assert config.data.exclude == ["code"]
    assert "- code  # may be a leak: 'code' alone tells 'ant'" in text


def test_a_leak_stays_where_nothing_else_could_be_learned_from(
    imbtrain: RunCommand, write: WriteFile
) -> None:
    rows = "".join(f"{i % 5 + 10 * (i % 2)},{i},{i % 2}\n" for i in range(ROWS))
    text, config = init(imbtrain, write, write("a.csv", "x,row,y\n" + rows))
    assert config.data.exclude == ["row"]
    assert "# x: may be a leak: 'x' alone tells 'y'" in text


@pytest.mark.parametrize(
    ("key", "cells", "problem"),
    [
        ("time", ["soon"] * ROWS, "line 2: column 'c': 'soon' is not a time"),
        ("time", ["2020-01-01"] * 9 + ["x"] * (ROWS - 9), "line 11: column 'c': 'x' is not a time"),
        ("time", ["7"] * 9 + ["NA"] * (ROWS - 9), "line 11: column 'c': the time is missing"),
        ("group", ["a", "a", ""] * (ROWS // 3), "line 4: column 'c': the group is missing"),
    ],
)
def test_a_role_that_fit_would_refuse(
    imbtrain: RunCommand, write: WriteFile, key: str, cells: list[str], problem: str
) -> None:
    table = write("a.csv", make_table(c=cells))
    done = imbtrain("init", table, f"--{key}", "c")
    assert (done.code, done.out) == (2, b"")
    assert f"error: --{key}: {table}: {problem}" in done.err, done.err
    config = write("c.yaml", f"data: {{train: {table}, {key}: c}}\n")
    refused = imbtrain("fit", config)
    assert refused.code == 2
    assert problem.partition(": '")[0].partition(": the")[0] in refused.err


@pytest.mark.parametrize("key", ["group", "time"])
def test_a_role_of_lists(imbtrain: RunCommand, tmp_path: Path, key: str) -> None:
    table = tmp_path / "a.parquet"
    frame = pl.DataFrame({"y": [0, 1] * 50, "x": range(100), "c": [[1]] * 100})
    frame.write_parquet(table)
    done = imbtrain("init", table, f"--{key}", "c")
    assert (done.code, done.out) == (2, b"")
    assert "column 'c' holds List(Int64)" in done.err
