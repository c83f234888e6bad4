"""What the tests of fit, evaluate and predict share: tables, configs, the command."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml

from imbalance_cli.cli.app import main
from imbalance_cli.config import Config, load_config
from imbalance_cli.network.recipes import choose_recipe
from imbalance_cli.workflows import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imbalance_cli.network.recipes import Recipe

CITIES = [f"city{i:02}" for i in range(14)]  # more than one-hot columns are made for
COLOURS = ["red", "green", "blue"]
LABELS = ["y_often", "y_some", "y_rare"]
DRAWN = {"plots": True}


def _choose(name: str) -> Recipe:
    config = Config.model_validate({"data": {"train": "t.csv"}, "model": {"recipe": name}})
    return choose_recipe(config, rows=500, numbers=5, labels=3)


TABULAR, PLAIN = _choose("tabular"), _choose("plain")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """What it wrote on stdout."""
        return self.out.decode()

    @property
    def document(self) -> dict[str, Any]:
        """The JSON on stdout."""
        document: dict[str, Any] = json.loads(self.out, parse_constant=_refuse_constant)
        return document


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def run_command(*arguments: object, stdin: bytes = b"") -> Outcome:
    """Run the command in this process, with streams of its own."""
    torch.set_num_threads(1)  # nets this small only lose by more
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(_stdin(stdin))
        code = main([str(argument) for argument in arguments])
    out.flush()
    err.flush()
    written = [stream.buffer for stream in (out, err)]
    assert all(isinstance(buffer, io.BytesIO) for buffer in written)
    stdout, stderr = (buffer.getvalue() for buffer in written if isinstance(buffer, io.BytesIO))
    return Outcome(code, stdout, stderr.decode())


@contextlib.contextmanager
def _stdin(content: bytes) -> Iterator[None]:
    before = sys.stdin
    buffer = io.BufferedReader(io.BytesIO(content))  # as that of a process, it can be peeked at
    sys.stdin = io.TextIOWrapper(buffer, encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = before


def succeed(*arguments: object, stdin: bytes = b"") -> Outcome:
    """Run the command and hold it to exit code 0."""
    outcome = run_command(*arguments, stdin=stdin)
    assert outcome.code == 0, outcome.err
    return outcome


def refuse(*arguments: object, stdin: bytes = b"", says: str = "", hint: str = "") -> Outcome:
    """Run the command and hold it to how bad input ends.

    Exit code 2, nothing on stdout, one `error:` line that holds `says`, and after it at most a
    `hint:` line, which holds `hint`.
    """
    outcome = run_command(*arguments, stdin=stdin)
    assert outcome.code == 2, outcome.err
    assert outcome.out == b""
    lines = [
        line for line in outcome.err.splitlines() if not line.startswith(("warning: ", "note: "))
    ]
    shown = ("fetched ", "reading ", "rows: ", "epoch ")
    lines = [line for line in lines if not line.startswith(shown)]
    assert lines[0].startswith("error: "), outcome.err
    assert says in lines[0]
    assert len(lines) <= 2, outcome.err
    hints = [line for line in lines[1:] if line.startswith("hint: ")]
    assert len(hints) == len(lines) - 1, outcome.err
    if hint:
        assert hints, outcome.err
        assert hint in hints[0]
    return outcome


Columns = dict[str, list[str]]


def make_columns(rows: int = 400, seed: int = 0) -> Columns:
    """Return the cells of a table with four features, three labels, and blanks in both."""
    random = np.random.default_rng(seed)
    amount, age = random.normal(size=(2, rows))
    colour = random.integers(len(COLOURS), size=rows)
    city = random.integers(len(CITIES), size=rows)
    score = amount + 0.5 * age + 0.6 * (colour == 1) + 0.3 * (city == 2) + random.normal(size=rows)
    columns = {
        "amount": [f"{value:.6f}" for value in amount],
        "age": _with_blanks([f"{value:.3f}" for value in age], random, 0.1),
        "colour": _with_blanks([COLOURS[i] for i in colour], random, 0.1),
        "city": [CITIES[i] for i in city],
    }
    for label, share in zip(LABELS, (0.3, 0.12, 0.06), strict=True):
        cut = np.quantile(score, 1 - share)
        noisy = score + 0.2 * random.normal(size=rows)
        cells = [str(int(value)) for value in noisy > cut]
        columns[label] = _with_blanks(cells, random, 0.0 if label == "y_often" else 0.1)
    return columns


def _with_blanks(cells: list[str], random: np.random.Generator, share: float) -> list[str]:
    return [
        "" if blank else cell
        for cell, blank in zip(cells, random.random(len(cells)) < share, strict=True)
    ]


def to_csv(columns: Mapping[str, list[str]]) -> str:
    """Return columns as CSV."""
    lines = [",".join(columns), *(",".join(cells) for cells in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def write_csv(path: Path, columns: Mapping[str, list[str]]) -> Path:
    """Write columns as a CSV file."""
    path.write_text(to_csv(columns), encoding="utf-8")
    return path


def make_config(train: object, **sections: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Return a config that trains in a moment; sections add to it or change it."""
    config: dict[str, dict[str, Any]] = {
        "data": {"train": str(train) if not isinstance(train, list) else train},
        "loss": {"name": "weighted_bce"},
        "model": {"hidden": [8], "sharing": "trunk"},  # one network, for the sake of time
        "training": {"epochs": 3, "batch_size": 32, "device": "cpu"},
        "report": {"bootstrap": 10, "plots": False},  # drawing takes longer than such a training
    }
    for name, section in sections.items():
        config.setdefault(name, {}).update(section)
    return config


def write_config(path: Path, train: object, **sections: Mapping[str, object]) -> Path:
    """Write `make_config` as YAML."""
    path.write_text(yaml.safe_dump(make_config(train, **sections)), encoding="utf-8")
    return path


def load_sections(folder: Path, train: object, **sections: Mapping[str, object]) -> Config:
    """Return `make_config` as the command reads it."""
    return load_config(str(write_config(folder / "loaded.yaml", train, **sections)))


class Silent(Observer):
    """An observer that keeps nothing."""


@dataclasses.dataclass(frozen=True)
class FittedRun:
    """A run, with what it was made from and what fit wrote.

    Attributes:
        path: the run directory.
        table: the CSV file it was trained on.
        config: the config file.
        outcome: of the command, with --format json.
    """

    path: Path
    table: Path
    config: Path
    outcome: Outcome

    @property
    def document(self) -> dict[str, Any]:
        """What run.json holds."""
        document: dict[str, Any] = json.loads((self.path / "run.json").read_bytes())
        return document


def fit_run(folder: Path, columns: Columns, **sections: Mapping[str, object]) -> FittedRun:
    """Fit a model on a table in a folder."""
    table = write_csv(folder / "table.csv", columns)
    config = write_config(folder / "config.yaml", table, **sections)
    outcome = succeed("fit", config, "--run-dir", folder / "run", "--format", "json")
    return FittedRun(folder / "run", table, config, outcome)


def history(run: Path, column: str, member: int = 0) -> dict[int, float]:
    """Return a column of history.csv by epoch."""
    with (run / "history.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["member"]) == member]
    return {int(row["epoch"]): float(row[column]) for row in rows}


@pytest.fixture(scope="session")
def single_run(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Return a run with one label; the other two are excluded."""
    data = {"labels": ["y_often"], "exclude": ["y_some", "y_rare"]}
    return fit_run(tmp_path_factory.mktemp("single"), make_columns(), data=data, report=DRAWN)


@pytest.fixture(scope="session")
def multi_run(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Return a run with three labels, two of them with missing cells."""
    return fit_run(tmp_path_factory.mktemp("multi"), make_columns(600, seed=1), report=DRAWN)
