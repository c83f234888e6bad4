"""Time `inspect` and `fit` of tables with very many columns: python benchmarks/wide.py [N...].

Each command runs in a process of its own; what is timed is the whole of it, and the processor time
that it took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

ROWS = 200
COLUMNS = (1_000, 20_000)
GOALS = {"inspect": 15.0, "fit": 60.0}  # seconds for 20,000 columns, on two cores


def write_table(path: Path, columns: int) -> None:
    """Write decimals, and a label that the first of them tells in part."""
    random = np.random.default_rng(0)
    cells = random.normal(size=(ROWS, columns)).round(4)
    score = cells[:, 0] + random.normal(size=ROWS)
    frame = pl.DataFrame(cells, schema=[f"f{number}" for number in range(columns)])
    label = (score > np.quantile(score, 0.8)).astype(int)
    frame.with_columns(pl.Series("y", label)).write_csv(path)


def run(*arguments: str) -> tuple[float, float]:
    """Return the seconds of a command, and those of processors in it."""
    start, before = time.perf_counter(), os.times()
    command = [sys.executable, "-m", "imbalance_cli", *arguments]
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - start, used - before.children_user - before.children_system


def main() -> None:
    """Print a row a command and width."""
    print("| columns | command | seconds | processor seconds | goal |")
    print("|---:|---|---:|---:|---:|")
    for columns in [int(text) for text in sys.argv[1:]] or COLUMNS:
        with tempfile.TemporaryDirectory() as folder:
            table, config = Path(folder) / "wide.csv", Path(folder) / "config.yaml"
            write_table(table, columns)
            config.write_text(f"data:\n  train: {table}\n  labels: [y]\n")
            fit = ("fit", str(config), "--run-dir", f"{folder}/run", "--format", "json")
            for command in (("inspect", str(table), "--format", "json"), fit):
                seconds, used = run(*command)
                goal = GOALS[command[0]] if columns == max(COLUMNS) else ""
                print(f"| {columns:,} | {command[0]} | {seconds:.1f} | {used:.1f} | {goal} |")


if __name__ == "__main__":
    main()
