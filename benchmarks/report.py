"""How long report.html and plots/ of a run take, and how large they are.

python benchmarks/report.py

A run of made-up predictions is written as `fit` writes it, and drawn as `imbtrain report` draws it.
Seconds are of the process's own work (CPU) and of the clock; the command itself takes the time on
top that Python takes to load torch, polars and matplotlib.
"""

from __future__ import annotations

import platform
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
import torch

from imbalance_cli.config import Config
from imbalance_cli.evaluation import DenseRows, Resampling, evaluate_rows
from imbalance_cli.report import documents
from imbalance_cli.report.plots import draw_plots
from imbalance_cli.report.run_page import to_html
from imbalance_cli.run.directory import CONFIG, METRICS_JSON, MODEL, PREDICTIONS, RunDirectory
from imbalance_cli.workflows.drawing_runs import draw_runs
from imbalance_cli.workflows.predictions import encode_parquet
from imbalance_cli.workflows.reporting import read_report
from imbalance_cli.workflows.saving import versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Result = TypeVar("Result")
SIZES = ((20, 100_000), (10_000, 500))  # labels, rows
GOAL_SECONDS, GOAL_MEGABYTES = 2.0, 3.0  # of the page of 20 labels
REPEATS = 3
REPLICATES = 10  # of the comparison of two runs, which is most of its time
THRESHOLD = 0.3


def main() -> None:
    """Measure each size and print the table of RESULTS.md."""
    torch.set_num_threads(1)
    print("| labels | rows | what | CPU s | s | MB | goal | |")
    print("|---:|---:|---|---:|---:|---:|---|---|")
    for labels, rows in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            directory, other = Path(folder) / "run", Path(folder) / "other"
            write_run(directory, labels, rows)
            measure(directory, labels, rows)
            write_run(other, labels, rows, noise=1.0)
            measure_two(directory, other, labels, rows)
    print(
        f"\nPython {platform.python_version()}, polars {pl.__version__}, "
        f"torch {torch.__version__}; one thread; {datetime.now().astimezone():%Y-%m-%d}; the "
        f"least of {REPEATS} runs."
    )


def measure(directory: Path, labels: int, rows: int) -> None:
    """Time the page, then the plots, and print a line each."""
    page_cpu, page_clock, page = least(lambda: to_html(read_report(directory)))
    size = len(page) / 1e6
    is_met = page_cpu <= GOAL_SECONDS and size <= GOAL_MEGABYTES
    has_goal = labels == SIZES[0][0]
    goal = f"{GOAL_SECONDS:g} s, {GOAL_MEGABYTES:g} MB" if has_goal else ""
    verdict = ("met" if is_met else "missed") if has_goal else ""
    start = f"| {labels:,} | {rows:,} |"
    print(
        f"{start} the page | {page_cpu:.2f} | {page_clock:.2f} | {size:.2f} | {goal} | {verdict} |"
    )
    report = read_report(directory)
    cpu, clock, plots = least(lambda: dict(draw_plots(report)))
    size = sum(map(len, plots.values())) / 1e6
    print(f"{start} {len(plots):,} plots | {cpu:.2f} | {clock:.2f} | {size:.2f} | | |")


def measure_two(directory: Path, other: Path, labels: int, rows: int) -> None:
    """Time the page of two runs side by side, their bootstrap included, and print a line."""
    cpu, clock, page = least(lambda: draw_runs([directory, other], print, bootstrap=REPLICATES)[1])
    size = len(page) / 1e6
    start = f"| {labels:,} | {rows:,} | the page of two runs, {REPLICATES} replicates"
    print(f"{start} | {cpu:.2f} | {clock:.2f} | {size:.2f} | | |")


def least(work: Callable[[], Result]) -> tuple[float, float, Result]:
    """Return the least seconds of CPU and of the clock, and the last result."""
    cpu, clock = [], []
    for _ in range(REPEATS):
        started = time.process_time(), time.perf_counter()
        result = work()
        cpu.append(time.process_time() - started[0])
        clock.append(time.perf_counter() - started[1])
    return min(cpu), min(clock), result


def write_run(directory: Path, labels: int, rows: int, noise: float = 0.0) -> None:
    """Write a run whose labels get rarer, as far as a report reads it."""
    names = [f"tag_{i:05}" for i in range(labels)]
    p, targets = make_predictions(labels, rows, noise)
    evaluation = evaluate_rows(
        DenseRows(torch.from_numpy(p), torch.from_numpy(targets)),
        torch.full((labels,), THRESHOLD, dtype=torch.float64),
        names,
        part="test",
        source="made_up.csv",
        learnable=[True] * labels,
        resampling=Resampling(20 if labels <= SIZES[0][0] else 5),
    )
    config = Config.model_validate({"data": {"train": "made_up.csv"}})
    run = RunDirectory(directory)
    run.start()
    run.write(CONFIG, config.to_yaml().encode())
    run.write_tensors(MODEL, {"weight": torch.ones(1)})
    run.write(METRICS_JSON, documents.to_json(evaluation, "run"))
    columns = {"row": pl.Series(range(rows))}
    for i, name in enumerate(names):
        columns[f"{name}_target"] = pl.Series(targets[:, i]).cast(pl.Int8)
        columns[f"{name}_probability"] = pl.Series(p[:, i])
        columns[f"{name}_decision"] = pl.Series(p[:, i] >= THRESHOLD).cast(pl.Int8)
        columns[f"{name}_score"] = pl.Series(np.sqrt(p[:, i]).astype(np.float32))
    run.write(PREDICTIONS, encode_parquet(pl.DataFrame(columns)))
    step = {"slope": 1.0, "intercept": 0.0, "fitted": False}
    entry = {"learnable": True, "pos_weight": [4.0], "threshold": THRESHOLD, "calibration": step}
    entry |= {"validation_positives": 9, "threshold_pooled": False, "threshold_reached": None}
    entry |= {"validation_counts": [6.0, 3.0, 3.0, 8.0]}
    document = {
        "labels": [{"label": name, **entry} for name in names],
        "features": {"numeric": [], "categorical": []},
        "loss": "weighted_bce",
        "undo_loss": True,
        "data": None,
        "versions": versions(),
    }
    run.finish(document)


def make_predictions(
    labels: int, rows: int, noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return probabilities, noisy in log-odds, and targets that follow those without the noise.

    Both are (rows, labels).
    """
    random = np.random.default_rng(0)
    share = np.geomspace(0.3, 0.01, labels)
    odds = 1.5 * random.normal(size=(rows, labels)) + np.log(share / (1 - share))
    p = 1 / (1 + np.exp(-odds))
    targets = (random.random(p.shape) < p).astype(np.float32)
    return 1 / (1 + np.exp(-odds - noise * random.normal(size=p.shape))), targets


if __name__ == "__main__":
    main()
