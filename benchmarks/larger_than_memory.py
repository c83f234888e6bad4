"""Fit a CSV file with little memory: python benchmarks/larger_than_memory.py --megabytes 300.

The file is made first. An epoch of `imbtrain fit` then runs in a process of its own that may take
no more than --limit of private memory (RLIMIT_DATA; mapped files do not count), with rows streamed.
It is then fitted again, which finds the cache of the first time.

Shapes: N rows, F features.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

FEATURES = 20
THRESHOLD = 12.0  # of what makes a positive
CHUNK = 50_000  # rows made at a time
CATEGORIES = [f"c{i:02}" for i in range(40)]
COMMAND = "import sys; from imbalance_cli.cli.app import main; sys.exit(main(sys.argv[1:]))"


def write_table(path: Path, size: int) -> int:
    """Write rows until the file has so many bytes, and return how many rows there are."""
    random = np.random.default_rng(0)
    slopes = random.normal(size=FEATURES)
    rows = 0
    with path.open("wb") as stream:
        while stream.tell() < size:
            features = random.normal(size=(CHUNK, FEATURES))
            score = features @ slopes + 4 * random.normal(size=CHUNK)
            columns = {f"x{i}": features[:, i] for i in range(FEATURES)}
            frame = pl.DataFrame(columns).with_columns(
                kind=pl.Series(random.choice(CATEGORIES, CHUNK)),
                y=pl.Series((score > THRESHOLD).astype(np.int8)),
            )
            frame.write_csv(stream, include_header=not rows, float_precision=6)
            rows += CHUNK
    return rows


def fit(folder: Path, table: Path, limit: int, in_memory: str) -> tuple[int, float, int]:
    """Return the exit code, seconds and peak resident bytes of a fit of one epoch."""
    config = folder / "config.yaml"
    config.write_text(f"data:\n  train: {table}\n  in_memory: {in_memory}\n")
    command = [sys.executable, "-c", COMMAND, "fit", str(config), "--run-dir", str(folder / "run")]
    settings = ["training.epochs=1", "training.device=cpu", "report.bootstrap=0"]
    command += [part for setting in settings for part in ("--set", setting)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--overwrite", "--quiet"],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),  # noqa: PLW1509  no threads here
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return process.returncode, time.perf_counter() - began, usage.ru_maxrss * unit


def main() -> None:
    """Make the table, fit it twice, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--limit", type=int, default=2000, help="megabytes of private memory")
    parser.add_argument("--in-memory", action="store_true", help="all rows in memory, to compare")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "table.csv"
        rows = write_table(table, options.megabytes * 10**6)
        print(f"{rows:,} rows of {FEATURES + 1} features, {table.stat().st_size / 1e6:,.0f} MB")
        for case in ("first", "again"):
            in_memory = "true" if options.in_memory else "false"
            code, seconds, peak = fit(folder, table, options.limit * 10**6, in_memory)
            print(
                f"{case}: exit code {code}, {seconds:.1f} s, {seconds / rows * 1e6:.1f} us a row, "
                f"peak {peak / 1e6:,.0f} MB resident, at most {options.limit:,} MB private"
            )


if __name__ == "__main__":
    main()
