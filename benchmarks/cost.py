"""How much CPU small commands take, beside a Python that imports what they are made of.

    python benchmarks/cost.py
    python benchmarks/cost.py --repetitions 9

Whole processes: the user and system time of each, with one thread, one after another in turns, so
that whatever else the machine does falls on all of them; a ratio is the median over repetitions of
the paired ratios. The yardsticks are Pythons that import libraries, word for word. Each
runs once before, so that the compiled modules are there, as they are in an installed package.
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
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROWS, FEATURES = 1000, 8
OF_FIT, OF_A_RUN = "import torch, polars, sklearn", "import torch, polars"
GOALS = {  # the yardstick, and times its CPU
    "imbtrain fit": (OF_FIT, 1.25),
    "imbtrain fit, report.plots=false": (OF_FIT, None),
    "imbtrain evaluate": (OF_A_RUN, 1.5),
    "imbtrain predict": (OF_A_RUN, 1.5),
}


def main() -> None:
    """Run the programs in turns and print the table of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programs = make_programs(Path(folder))
        seconds: dict[str, list[float]] = {title: [] for title in programs}
        for repetition in range(options.repetitions + 1):
            for title, command in programs.items():
                taken = cpu_seconds(command, folder)
                if repetition:
                    seconds[title].append(taken)
    print(f"{ROWS:,} rows x {FEATURES} numbers and a category, one label; a `fit` of one epoch\n")
    print("| process | CPU s | of the imports | goal | |")
    print("|---|---:|---:|---|---|")
    for title, spent in seconds.items():
        yardstick, goal = GOALS.get(title, (title, None))
        pairs = zip(spent, seconds[yardstick], strict=True)
        ratio = statistics.median(ours / imports for ours, imports in pairs)
        verdict = " | "
        if goal is not None:
            verdict = f"at most {goal} | {'met' if ratio <= goal else 'missed'}"
        print(f"| {title} | {statistics.median(spent):.2f} | {ratio:.2f} | {verdict} |")
    names = ("torch", "polars", "scikit-learn")
    print(f"\nPython {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in names), end="; ")
    print(f"{os.cpu_count()} CPUs; {dt.datetime.now(dt.UTC).date()}; ", end="")
    print(f"median of {options.repetitions} runs.")


def make_programs(folder: Path) -> dict[str, list[str]]:
    """Write a table and return the commands by title."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, FEATURES))
    y = random.random(ROWS) < 1 / (1 + np.exp(2.2 - x[:, 0] - 0.5 * x[:, 1] * x[:, 2]))
    lines = [",".join([*(f"x{i}" for i in range(FEATURES)), "kind", "y"])]
    for row, kind, label in zip(x, random.integers(3, size=ROWS), y, strict=True):
        lines.append(",".join([*(f"{value:.4f}" for value in row), "abc"[kind], str(int(label))]))
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "config.yaml").write_text("data: {train: rows.csv, labels: [y]}\n")
    command = "import sys; from imbalance_cli.__main__ import main; sys.exit(main())"
    ours = [sys.executable, "-c", command]
    fit = [*ours, "fit", "config.yaml", "--set", "training.epochs=1"]
    fit += ["--run-dir", "run", "--overwrite", "--quiet", "--format", "json"]
    return {
        OF_FIT: [sys.executable, "-c", OF_FIT],
        "imbtrain fit": fit,
        "imbtrain fit, report.plots=false": [*fit, "--set", "report.plots=false"],
        OF_A_RUN: [sys.executable, "-c", OF_A_RUN],
        "imbtrain evaluate": [*ours, "evaluate", "run", "rows.csv", "--format", "json"],
        "imbtrain predict": [*ours, "predict", "run", "rows.csv"],
    }


def cpu_seconds(command: list[str], folder: str) -> float:
    """Return the user and system time of a process that ends well."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
