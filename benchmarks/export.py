"""What a row costs in ONNX Runtime, beside `imbtrain predict` in this process.

    python benchmarks/export.py
    python benchmarks/export.py --repetitions 5000

Medians of single calls on one thread ("quiet": the first decile, where other processes run), with
rows as each takes them: inputs of the model, or a table of texts for imbtrain. The networks are
those of the recipe, trained for one epoch.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime
import torch

from imbalance_cli.export import to_feeds
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.run.scored_rows import calibrate

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.readers import Table

GOAL = 0.3  # milliseconds of one row
MANY, PREDICTIONS = 1000, 40
QUICK = ("training.epochs=1", "report.bootstrap=0", "report.plots=false")
RUNS = {
    "flights, `tabular`": ("configs/quickstart.yaml",),
    "flights, `plain`": ("configs/quickstart.yaml", "model.recipe=plain"),
    "flights of several labels, `tabular`": ("configs/flights_multilabel.yaml",),
}


def main() -> None:
    """Fit, export and time each run, and print the table of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| run | networks x heads | one row | quiet | goal | | `predict` | of 1,000 | `predict` |"
    )
    print("|---|---|---:|---:|---|---|---:|---:|---:|")
    for title, (config, *settings) in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            print(measure(title, Path(folder, "run"), config, settings, options.repetitions))
    print("\nMilliseconds a row, of one alone and of 1,000 together. ", end="")
    print(f"Python {platform.python_version()}, onnxruntime {version('onnxruntime')}, ", end="")
    print(f"torch {version('torch')}; {os.cpu_count()} CPUs; {dt.datetime.now(dt.UTC).date()}.")


def measure(title: str, run: Path, config: str, settings: list[str], repetitions: int) -> str:
    """Return a line of the table."""
    command = [sys.executable, "-m", "imbalance_cli"]
    overrides = [part for each in (*QUICK, *settings) for part in ("--set", each)]
    fit = [*command, "fit", config, "--run-dir", str(run), "--quiet", *overrides]
    for each in (fit, [*command, "export", str(run)]):
        subprocess.run(each, check=True, capture_output=True)
    predictor = Predictor.load(run, torch.device("cpu"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        run / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    source = "data/flights_multilabel.csv" if "multilabel" in config else "data/flights.csv"
    whole = read_table([open_source(source)], predictor.preprocessing.columns)
    alone, some = take(whole, 1), take(whole, MANY)
    single, many = (to_feeds(predictor, table) for table in (alone, some))
    quiet, median = time_calls(partial(session.run, None, single), repetitions)
    figures = [
        median,
        quiet,
        time_calls(partial(predict, predictor, alone), PREDICTIONS)[1],
        time_calls(partial(session.run, None, many), PREDICTIONS)[1] / MANY,
        time_calls(partial(predict, predictor, some), PREDICTIONS)[1] / MANY,
    ]
    networks = f"{predictor.model.members} x {predictor.model.shape.heads}"
    verdict = "met" if median <= GOAL else "missed"
    one, best, own, *of_many = (f"{figure:.3g}" for figure in figures)
    return (
        f"| {title} | {networks} | {one} | {best} | at most {GOAL} | {verdict} | {own} | "
        f"{' | '.join(of_many)} |"
    )


def take(table: Table, rows: int) -> Table:
    """Return the first rows of a table."""
    return type(table)(table.name, table.frame.head(rows), table.place)


def predict(predictor: Predictor, table: Table) -> None:
    """Score rows as `imbtrain predict` does."""
    calibrate(predictor.scores(table).log_odds(), predictor.calibration)


def time_calls(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Return the first decile and the median of the time of a call, in milliseconds."""
    seconds = []
    for number in range(calls + 5):
        start = time.perf_counter()
        call()
        if number >= 5:  # noqa: PLR2004  the first warm caches up
            seconds.append(time.perf_counter() - start)
    return 1000 * statistics.quantiles(seconds, n=10)[0], 1000 * statistics.median(seconds)


if __name__ == "__main__":
    main()
