"""`imbtrain inspect`: streams, formats, labels, and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

if TYPE_CHECKING:
    from conftest import RunCommand, WriteFile

DATA = Path(__file__).parents[2] / "data"
TABLE = "y_a,y_b,x,who\n1,0,1.5,u\n0,,2,v\n0,1,,u\n1,1,3,u\n"
IMBTRAIN = [sys.executable, "-m", "imbalance_cli.cli.app"]


def test_a_pipe_gets_csv(imbtrain: RunCommand, write: WriteFile) -> None:
    done = imbtrain("inspect", write("a.csv", TABLE))
    assert (done.code, done.err) == (0, "")
    frame = pl.read_csv(done.out)
    assert frame["column"].to_list() == ["y_a", "y_b", "x", "who"]
    assert frame["role"].to_list() == ["label", "label", "feature", "feature"]
    assert frame["missing"].to_list() == [0, 1, 1, 0]
    assert frame["positives"].to_list() == [2, 2, None, None]


def test_a_table_in_a_pipe_has_no_colours_and_80_columns(
    imbtrain: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = imbtrain("inspect", DATA / "flights_multilabel.csv", "--format", "table").out.decode()
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "y_departed_180_late" in shown
    assert "lift" in shown


def test_json_of_the_shipped_table_agrees_with_weights(imbtrain: RunCommand) -> None:
    path = DATA / "flights_multilabel.csv"
    found = json.loads(imbtrain("inspect", path, "--format", "json").out)
    weights = json.loads(imbtrain("weights", path, "--format", "json").out)
    keys = ("label", "positives", "negatives", "missing", "prevalence")
    assert [{k: label[k] for k in keys} for label in weights["labels"]] == found["labels"]
    assert found["rows"] == weights["rows"]


def test_stdin_is_read() -> None:
    done = subprocess.run(
        [*IMBTRAIN, "inspect", "-", "--format", "json"],
        input=TABLE.encode(),
        capture_output=True,
        check=True,
        env={**os.environ},
    )
    assert json.loads(done.stdout)["source"] == "stdin"


def test_labels_can_be_named(imbtrain: RunCommand, write: WriteFile) -> None:
    path = write("a.csv", TABLE)
    found = json.loads(
        imbtrain("inspect", path, "--labels", "who", "--positive", "v", "--format", "json").out
    )
    assert found["labels"] == [
        {"label": "who", "positives": 1, "negatives": 3, "missing": 0, "prevalence": 0.25}
    ]
    assert not found["guessed_labels"]


def test_classes_and_tags(imbtrain: RunCommand, write: WriteFile) -> None:
    path = write("a.csv", "kind,x\na|b,1\nb,2\na|b,3\nc,4\n")
    for encoding, expected in (
        (("one_vs_rest",), {"a|b": 2, "b": 1, "c": 1}),
        (("tags", "--tag-separator", "|"), {"a": 2, "b": 3, "c": 1}),
    ):
        done = imbtrain(
            "inspect", path, "--labels", "kind", "--encoding", *encoding, "--format", "json"
        )
        labels = json.loads(done.out)["labels"]
        assert {label["label"]: label["positives"] for label in labels} == expected


def test_no_label_is_no_error(imbtrain: RunCommand, write: WriteFile) -> None:
    done = imbtrain("inspect", write("a.csv", "a,b\n1,x\n0,z\n0,x\n"), "--format", "json")
    assert done.code == 0
    document = json.loads(done.out)
    assert [candidate["column"] for candidate in document["candidates"]] == ["a", "b"]
    assert document["findings"][0]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--labels", "nope"], "no column 'nope'"),
        (["--encoding", "tags", "--positive", "1"], "--positive 1 goes with --encoding binary"),
        (["--tag-separator", "|"], "--tag-separator '|' goes with --encoding tags"),
        (["--encoding", "tags", "--tag-separator", ""], "--tag-separator is empty"),
        (["--encoding", "tags"], "reads one column"),
        (["--positive", "NA"], "stands for a missing cell"),
        (["--encoding", "nope"], "'nope' is not one of"),
        (["--input-format", "nope"], "nope"),
    ],
)
def test_bad_options(
    imbtrain: RunCommand, write: WriteFile, arguments: list[str], problem: str
) -> None:
    done = imbtrain("inspect", write("a.csv", TABLE), *arguments)
    assert (done.code, done.out) == (2, b"")
    assert problem in done.err
    assert len(done.err.splitlines()) <= 2


def test_a_missing_file(imbtrain: RunCommand) -> None:
    done = imbtrain("inspect", "nowhere.csv")
    assert done.code == 2
    assert done.err.startswith("error: nowhere.csv: no such file")


def test_starting_does_not_load_polars() -> None:
    program = (
        "import sys; import imbalance_cli.cli.app; "
        "print([m for m in ('torch', 'polars', 'pydantic', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_inspecting_never_loads_torch(write: WriteFile) -> None:
    program = (
        "import sys; from imbalance_cli.cli.app import main; main(sys.argv[1:]); "
        "sys.exit(int('torch' in sys.modules))"
    )
    subprocess.run(
        [sys.executable, "-c", program, "inspect", write("a.csv", TABLE)],
        check=True,
        capture_output=True,
    )
