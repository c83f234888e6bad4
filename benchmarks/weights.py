"""Time `imbtrain weights` against the one-liners people write: python benchmarks/weights.py.

Whole processes are timed, from start to exit, on files that are in the page cache. The programs
take turns within a repetition, so that whatever else the machine does falls on all of them; a
ratio is the median over repetitions of the paired ratios. All programs have to count the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SEED = 0
OURS = "imbtrain weights"
MEBIBYTE = 2**20

POLARS = """
import polars as pl, sys
print(pl.scan_csv(sys.argv[1]).select(pl.col('^y_.*$').sum()).collect().row(0))"""
DUCKDB = """
import duckdb, sys
print(duckdb.sql(f"select sum(columns('^y_.*$')) from read_csv('{sys.argv[1]}')").fetchall()[0])"""
PANDAS = """
import pandas as pd, sys
print(pd.read_csv(sys.argv[1], usecols=lambda c: c.startswith('y_')).sum().tolist())"""


@dataclasses.dataclass(frozen=True)
class Case:
    """One file, the programs that count it, and how much faster ours has to be.

    Attributes:
        title: what the file holds.
        rows: how many rows it has.
        features: how many float columns.
        labels: how many 0/1 columns.
        rivals: the programs that the goal speaks of; the fastest of them counts.
        goal: the largest ratio of our time to theirs, if one was set.
        texts: how many columns of texts.
    """

    title: str
    rows: int
    features: int
    labels: int
    rivals: tuple[str, ...]
    goal: float | None
    texts: int = 0


CASES = (
    Case("2,000,000 x 20 labels", 2_000_000, 0, 20, ("polars", "DuckDB", "pandas"), 0.4),
    Case("1,000,000 x (30 floats + 5 labels)", 1_000_000, 30, 5, ("polars",), 1.15),
    Case("1,000,000 x (text + 30 floats + 5 labels)", 1_000_000, 30, 5, ("polars",), None, 1),
    Case("100 x 5 labels", 100, 0, 5, ("import typer",), 2.5),
)


@dataclasses.dataclass
class Program:
    """A program's times in seconds, one a repetition, its largest peak in bytes, its counts."""

    command: list[str]
    times: list[float] = dataclasses.field(default_factory=list)
    peak: int = 0
    counts: list[int] | None = None

    def run(self) -> None:
        """Run it once and note what it took and what it counted."""
        started = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE)
        if process.stdout is None:
            raise RuntimeError("no pipe")
        output = process.stdout.read().decode()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.times.append(time.perf_counter() - started)
        if process.returncode:
            raise RuntimeError(f"{self.command} exited with {process.returncode}")
        unit = 1 if sys.platform == "darwin" else 1024
        self.peak = max(self.peak, usage.ru_maxrss * unit)
        self.counts = parse_counts(output)


def parse_counts(output: str) -> list[int] | None:
    """Return the positives of each label: from our CSV, or from a list that a one-liner prints."""
    if output.startswith("label,"):
        return [int(line.split(",")[1]) for line in output.splitlines()[1:]]
    if output.startswith(("(", "[")):
        return [int(number) for number in re.findall(r"\d+", output)]
    return None


def programs_for(case: Case, path: Path) -> dict[str, Program]:
    """Return the programs that take turns on a file, ours first."""
    python, name = sys.executable, str(path)
    ours = str(Path(python).with_name("imbtrain"))
    commands = {OURS: [ours, "weights", name, "--format", "csv"]}
    if "import typer" in case.rivals:
        commands["import typer"] = [python, "-c", "import typer"]
    else:
        one_liners = {"polars": POLARS, "DuckDB": DUCKDB, "pandas": PANDAS}
        commands |= {title: [python, "-c", code, name] for title, code in one_liners.items()}
        commands["wc -l"] = [shutil.which("wc") or "wc", "-l", name]
    return {title: Program(command) for title, command in commands.items()}


def write_case(case: Case, path: Path) -> None:
    """Write a case's file: labels of falling prevalence, after float features if it has any."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(SEED)
    columns: dict[str, object] = {
        f"text_{i}": ["some words"] * case.rows for i in range(case.texts)
    }
    columns |= {
        f"x_{i}": random.standard_normal(case.rows, np.float32) for i in range(case.features)
    }
    columns |= {
        f"y_{i}": (random.random(case.rows) < 0.5 / (i + 1)).astype(np.int8)
        for i in range(case.labels)
    }
    pl.DataFrame(columns).write_csv(path)


def measure(case: Case, path: Path, repetitions: int) -> dict[str, Program]:
    """Let the programs take turns, after one run each that is not counted.

    Raises:
        RuntimeError: two programs count differently.
    """
    programs = programs_for(case, path)
    for repetition in range(repetitions + 1):
        for program in programs.values():
            program.run()
        if repetition == 0:
            for program in programs.values():
                program.times.clear()
    counts = {title: p.counts for title, p in programs.items() if p.counts is not None}
    if any(theirs != counts[OURS] for theirs in counts.values()):
        raise RuntimeError(f"{case.title}: the programs count differently: {counts}")
    return programs


def draw_rows(case: Case, programs: dict[str, Program]) -> list[str]:
    """Return the rows of the Markdown table for one file."""
    rival = min(case.rivals, key=lambda title: statistics.median(programs[title].times))
    rows = []
    for title, program in programs.items():
        pairs = zip(programs[OURS].times, program.times, strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        goal = case.goal if title == rival else None
        cells = [
            case.title,
            title,
            f"{statistics.median(program.times):.3f}",
            f"{program.peak / MEBIBYTE:.0f}",
            "" if title == OURS else f"{ratio:.2f}",
            "" if goal is None else f"at most {goal}",
            "" if goal is None else "met" if ratio <= goal else "missed",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def main() -> None:
    """Write the files, time the programs and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=11)
    parser.add_argument("--write", nargs=2, metavar=("CASE", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_case(CASES[int(options.write[0])], Path(options.write[1]))
        return
    names = ("polars", "duckdb", "pandas", "typer")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"Python {platform.python_version()}, {versions}; {os.cpu_count()} CPUs;", end=" ")
    print(f"{dt.datetime.now(dt.UTC).date()}; median of {options.repetitions} runs.\n")
    print("| data | program | seconds | peak MB | imbtrain takes, of its time | goal | |")
    print("|---|---|---:|---:|---:|---|---|")
    for i, case in enumerate(CASES):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "data.csv"
            # in a process of its own: what a child is said to have used starts at its parent's peak
            subprocess.run([sys.executable, __file__, "--write", str(i), str(path)], check=True)
            rows = draw_rows(case, measure(case, path, options.repetitions))
        print("\n".join(rows), flush=True)


if __name__ == "__main__":
    main()
