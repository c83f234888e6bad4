"""`imbtrain stability`: its table, CSV, JSON and plot."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import torch
from rich.console import Console
from small_runs import refuse, succeed

import imbalance_cli.losses.stability
from imbalance_cli.losses.stability import Stability, measure
from imbalance_cli.report.stability import draw_stability

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", autouse=True)
def _few_steps() -> Iterator[None]:
    """Train less than the command does; tests/losses/test_stability.py trains in full."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imbalance_cli.losses.stability, "STEPS", 5)
        yield


@pytest.fixture(scope="module")
def measured() -> Stability:
    """Run both experiments once."""
    return measure()


@pytest.fixture
def at_once(measured: Stability, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command take what was measured before."""
    monkeypatch.setattr(imbalance_cli.losses.stability, "measure", lambda *_: measured)


def draw(stability: Stability) -> list[str]:
    """Return the lines of the table on a terminal of 80 columns."""
    console = Console(file=io.StringIO(), width=80, markup=False, emoji=False, highlight=False)
    console.print(draw_stability(stability))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_command_computes_and_passes_its_options_on() -> None:
    arguments = ("stability", "--format", "json", "--alpha", 9, "--gamma", 1, "--seed", 3)
    document = succeed(*arguments).document
    assert (document["alpha"], document["gamma"], document["seed"]) == (9, 1, 3)
    assert (len(document["sweep"]), len(document["training"])) == (24, 12)
    assert document == measure(9, 1, 3).to_dict()


@pytest.mark.usefixtures("at_once")
def test_csv_is_what_a_pipe_gets() -> None:
    outcome = succeed("stability")
    assert outcome.err == ""
    rows = list(csv.DictReader(io.StringIO(outcome.text)))
    assert list(rows[0]) == [
        "experiment",
        "form",
        "dtype",
        "target",
        "first_not_finite_loss",
        "first_not_finite_gradient",
        "first_weak_gradient",
        "zero_gradient",
        "largest_relative_error",
        "start",
        "loss_before",
        "loss_after",
        "first_nan_step",
        "zero_gradient_share",
        "average_precision",
    ]
    assert [row["experiment"] for row in rows] == ["sweep"] * 24 + ["training"] * 12
    [clamped] = [
        row
        for row in rows
        if (row["form"], row["dtype"], row["target"]) == ("clamped", "float32", "1")
    ]
    assert clamped["zero_gradient"] == "-200..-16"
    assert clamped["first_not_finite_loss"] == clamped["start"] == ""
    assert "nan" not in [cell for row in rows for cell in row.values()]


def test_the_table_fits_80_columns_and_says_how_to_read_it(measured: Stability) -> None:
    lines = [line.rstrip() for line in draw(measured)]
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    rows = [line.split() for line in lines]
    assert ["hand-written", "float32", "17", "17", "-", "-", "0.01"] in rows
    assert ["clamped", "bfloat16", "-", "-", "6..200", "-200..-5", "0.98"] in rows
    assert [row[:4] for row in rows if row[:2] == ["ours", "float32"]] == [
        ["ours", "float32", "-", "-"]
    ]
    text = " ".join(" ".join(row) for row in rows)
    assert "sigmoid + BCELoss, y=1: the gradient is less than half" in text
    assert "saturated hand-written 46.4 nan 0 0 % -" in text
    assert "saturated clamped 46.4 46.4 - 100 % 0.220" in text


@pytest.mark.usefixtures("at_once")
def test_the_command_draws_the_table() -> None:
    outcome = succeed("stability", "--format", "table")
    assert outcome.text.startswith("Logits from -200 to 200, positives weigh 4, gamma 2\n")
    assert "\x1b" not in outcome.text


@pytest.mark.usefixtures("at_once")
def test_the_plot_is_svg_and_the_same_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.SVG"
    for path in (first, second):
        assert succeed("stability", "--plot", path, "--format", "json").document["alpha"] == 4
    assert first.read_bytes() == second.read_bytes()
    root = ET.fromstring(first.read_bytes())  # noqa: S314  our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall(".//*[@id='legend_1']")) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.SVG"]


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where the command computes."""

    def measure(*_: object) -> Stability:
        raise AssertionError("it computed first")

    monkeypatch.setattr(imbalance_cli.losses.stability, "measure", measure)


@pytest.mark.usefixtures("never")
def test_a_plot_that_cannot_be_is_refused_before_computing(tmp_path: Path) -> None:
    refuse("stability", "--plot", tmp_path / "a.png", says="suffix '.png' is not .svg", hint=".svg")
    refuse("stability", "--plot", tmp_path / "a", says="suffix '' is not .svg")
    refuse("stability", "--plot", tmp_path / "no" / "a.svg", says="there is no directory")


@pytest.mark.usefixtures("at_once")
def test_a_plot_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a.svg"
    folder.mkdir()
    refuse("stability", "--plot", folder, says="cannot be written: Is a directory")


def test_options_out_of_range_are_refused() -> None:
    refuse("stability", "--alpha", 0, says="alpha must be above 0")
    refuse("stability", "--gamma", -1, says="gamma must be from 0")
    refuse("stability", "--seed", -1, says="--seed")
