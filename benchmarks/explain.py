"""How long `imbtrain explain` takes.

    python benchmarks/explain.py [--rows 20000] [--features 30]

A run is fitted on made-up rows of one label, for an epoch, and explained by as many test rows: the
whole process of `imbtrain explain RUN SOURCE`, beside `imbtrain predict` of the same rows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

IMBTRAIN = [sys.executable, "-m", "imbalance_cli"]


def make_rows(rows: int, features: int, seed: int) -> pl.DataFrame:
    """Return rows of which 3 % are positive, by the first five of the features."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, features)).astype(np.float32)
    score = values[:, :5].sum(axis=1) + random.normal(size=rows)
    columns = {f"x{i}": values[:, i] for i in range(features)}
    return pl.DataFrame(columns | {"y": (score > np.quantile(score, 0.97)).astype(np.int8)})


def time_command(*arguments: str) -> float:
    """Return the seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run([*IMBTRAIN, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train, test, run = (str(Path(folder, name)) for name in ("a.parquet", "b.parquet", "run"))
        make_rows(options.rows, options.features, 0).write_parquet(train)
        make_rows(options.rows, options.features, 1).write_parquet(test)
        time_command("fit", train, "--labels", "y", "--run-dir", run, "--set", "training.epochs=1")
        predict = time_command("predict", run, test)
        explain = time_command("explain", run, test, "--row", "0")
    print(f"{options.rows:,} rows x {options.features} features")
    print(f"imbtrain predict  {predict:6.1f} s")
    print(f"imbtrain explain  {explain:6.1f} s")


if __name__ == "__main__":
    main()
