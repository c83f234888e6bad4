"""Time counting 10,000 labels of 100,000 rows: python benchmarks/many_labels.py.

Each row has up to seven labels, the common ones more often; they are written as svmlight and as a
column of tags. What is timed is the whole command, from the start of Python on.

Shapes: N rows, F features, L labels.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROWS, FEATURES, LABELS = 100_000, 20, 10_000
MOST = 8  # labels a row, less one


def write_files(folder: Path, rows: int, labels: int) -> dict[str, list[str]]:
    """Write the same rows as svmlight and as tags, and return the command that counts each."""
    random = np.random.default_rng(0)
    share = 1 / np.arange(2, labels + 2) ** 0.8
    share /= share.sum()
    svmlight, tags = folder / "many.svm", folder / "many.csv"
    with svmlight.open("w") as sparse, tags.open("w") as table:
        table.write(",".join(f"x{i}" for i in range(FEATURES)) + ",tags\n")
        for _ in range(rows):
            own = np.unique(random.choice(labels, size=random.integers(MOST), p=share))
            cells = random.normal(size=FEATURES).round(3)
            values = " ".join(f"{i}:{value}" for i, value in enumerate(cells, start=1))
            sparse.write(f"{','.join(map(str, own))} {values}\n")
            table.write(f"{','.join(map(str, cells))},{';'.join(map(str, own))}\n")
    return {
        "svmlight": [str(svmlight)],
        "tags": [str(tags), "--labels", "tags", "--encoding", "tags"],
    }


def main() -> None:
    """Print a table of the seconds and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--labels", type=int, default=LABELS)
    parser.add_argument("--repetitions", type=int, default=5)
    chosen = parser.parse_args()
    versions = f"polars {version('polars')}; {os.cpu_count()} CPUs; {dt.date.today()}"  # noqa: DTZ011  the day here
    print(f"Python {platform.python_version()}, {versions}; median of {chosen.repetitions} runs.\n")
    print("| what | labels counted | seconds | peak MB so far |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in write_files(Path(folder), chosen.rows, chosen.labels).items():
            command = [sys.executable, "-m", "imbalance_cli.cli.app", "weights", *arguments]
            seconds, counted = [], 0
            for _ in range(chosen.repetitions):
                began = time.perf_counter()
                done = subprocess.run(command, capture_output=True, check=True, text=True)
                seconds.append(time.perf_counter() - began)
                counted = done.stdout.count("\n") - 1
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
            print(f"| {name} | {counted:,} | {statistics.median(seconds):.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
