"""Time cutting rows, and looking for leaks, at scale: python benchmarks/splits.py.

All rows are in memory; what is timed is `cut`, `find_leaks` and `count_duplicates`. A
split is also held to what it promises: no label with positives enough is without one in a part.

Shapes: N rows, L labels, F features.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import os
import platform
import statistics
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.config import SplitSection
from imbalance_cli.leaks import count_duplicates, find_leaks, hash_rows
from imbalance_cli.readers import Table
from imbalance_cli.splits import PARTS, Split, cut, labels_without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

ROWS, LABELS, FEATURES, FEW_LABELS = 1_000_000, 20, 30, 5
GROUPS = 500_000
WIDE_ROWS, WIDE_LABELS = 100_000, 1_000
GOAL = 5.0  # seconds for the first case, on two cores


def make_targets(rows: int, labels: int, *, rarest: float) -> NDArray[np.float32]:
    """Return targets (N, L) whose prevalence falls from a half to `rarest`."""
    random = np.random.default_rng(0)
    prevalence = np.geomspace(0.5, rarest, labels, dtype=np.float32)
    return (random.random((rows, labels), np.float32) < prevalence).astype(np.float32)


def check_cut(targets: NDArray[np.float32], groups: NDArray[np.intp] | None = None) -> None:
    """Cut rows and hold the parts to what is promised.

    Raises:
        RuntimeError: a part is without a label that has enough positives.
    """
    split = cut(targets, SplitSection(), groups=groups)
    enough = (targets == 1).sum(axis=0) >= len(PARTS)
    for part, without in labels_without(split, targets).items():
        if enough[without].any():
            raise RuntimeError(f"{part} is without labels {without[enough[without]].tolist()}")


def make_cases() -> Iterator[tuple[str, Callable[[], object], float | None]]:
    """Yield what is timed, with its title and its goal in seconds."""
    targets = make_targets(ROWS, LABELS, rarest=1e-5)
    yield f"cut {ROWS:,} rows x {LABELS} labels", functools.partial(check_cut, targets), GOAL
    groups = np.random.default_rng(0).integers(GROUPS, size=ROWS)
    title = f"cut {ROWS:,} rows x {LABELS} labels in {GROUPS:,} groups"
    yield title, functools.partial(check_cut, targets, groups), None
    wide = make_targets(WIDE_ROWS, WIDE_LABELS, rarest=1e-4)
    title = f"cut {WIDE_ROWS:,} rows x {WIDE_LABELS:,} labels"
    yield title, functools.partial(check_cut, wide), None
    targets = np.ascontiguousarray(targets[:, :FEW_LABELS])
    values = np.random.default_rng(1).standard_normal((ROWS, FEATURES), np.float32)
    numbers = pl.from_numpy(values, schema=[f"x_{i}" for i in range(FEATURES)])
    split, labels = cut(targets, SplitSection()), [f"y_{i}" for i in range(FEW_LABELS)]
    for kind, frame in (("numbers", numbers), ("texts", numbers.cast(pl.String))):
        shape = f"{ROWS:,} rows x {FEATURES} {kind}"
        table = Table("rows", frame, str)
        look = functools.partial(find_leaks, table, frame.columns, labels, targets, split.train)
        yield f"leaks: {shape} x {FEW_LABELS} labels, in training rows", look, None
        count = functools.partial(_count, frame, split, targets)
        yield f"duplicates: {shape}", count, None


def _count(frame: pl.DataFrame, split: Split, targets: np.ndarray) -> object:
    return count_duplicates(hash_rows(frame, frame.columns), split, targets)


def time_calls(call: Callable[[], object], repetitions: int) -> float:
    """Return the median of the seconds that calls take."""
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Time each case and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "polars"))
    print(f"Python {platform.python_version()}, {versions}; {os.cpu_count()} CPUs;", end=" ")
    print(f"{dt.datetime.now(dt.UTC).date()}; median of {options.repetitions} runs.\n")
    print("| what | seconds | goal | |")
    print("|---|---:|---:|---|")
    for title, call, goal in make_cases():
        seconds = time_calls(call, options.repetitions)
        verdict = "" if goal is None else "met" if seconds <= goal else "missed"
        cells = [title, f"{seconds:.2f}", "" if goal is None else f"at most {goal:g}", verdict]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
