"""What a table larger than memory takes: python benchmarks/larger_than_memory.py --megabytes 4000.

The table, a CSV file, is made first, or found where an earlier call with --folder left it. `fit` of
one epoch, `evaluate` and `predict` of all rows then run one after the other, each in a process that
may take no more than --limit of private memory (RLIMIT_DATA; mapped files do not count).

Times of the processor are told beside those on the wall, which other work on the machine makes
longer. With --rows 1000000 4000000 16000000 it does so for tables of so many rows, and says what a
row takes in each.

Shapes: N rows, F features.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli import workflows

if TYPE_CHECKING:
    from collections.abc import Iterator

FEATURES = 20
NOISE = 4.0
SHARE = 0.016  # of positives
CHUNK = 50_000  # rows made at a time
CATEGORIES = [f"c{i:02}" for i in range(40)]
COMMANDS = ("fit", "evaluate", "predict")


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        code: its exit code.
        seconds: from start to end.
        busy: seconds of the processor.
        peak: bytes that were resident at most.
        phases: CPU seconds of the parts of a fit, by name.
    """

    code: int
    seconds: float
    busy: float
    peak: int
    phases: dict[str, float]


class Clock(workflows.Observer):
    """An observer of a fit that notes when its parts end."""

    def __init__(self) -> None:
        self.times = {"began": time.process_time()}

    def started(self, *_: object) -> None:
        """Note that all is ready to train on."""
        self.times["started"] = time.process_time()

    def epoch(self, _: object) -> None:
        """Note that the epoch has ended, with its validation."""
        self.times["trained"] = time.process_time()

    def warned(self, sentence: str) -> None:
        """Pass a warning on."""
        sys.stderr.write(f"warning: {sentence}\n")

    def noted(self, sentence: str) -> None:
        """Pass a note on."""
        sys.stderr.write(f"note: {sentence}\n")

    def phases(self) -> dict[str, float]:
        """Return CPU seconds until training, of the epoch and of the report."""
        began, started, trained = self.times.values()
        return {
            "prepare": started - began,
            "train": trained - started,
            "report": time.process_time() - trained,
        }


def write_table(path: Path, *, size: float = np.inf, rows: float = np.inf, features: int) -> int:
    """Write rows until the file has so many bytes or rows, and return how many rows there are."""
    random = np.random.default_rng(0)
    slopes = random.normal(size=features)
    cut = np.sqrt((slopes**2).sum() + NOISE**2) * 2.144  # above which lie SHARE of the scores
    written = 0
    with path.open("wb") as stream:
        while stream.tell() < size and written < rows:
            cells = random.normal(size=(CHUNK, features))
            score = cells @ slopes + NOISE * random.normal(size=CHUNK)
            frame = pl.DataFrame({f"x{i}": cells[:, i] for i in range(features)}).with_columns(
                kind=pl.Series(random.choice(CATEGORIES, CHUNK)),
                y=pl.Series((score > cut).astype(np.int8)),
            )
            frame.write_csv(stream, include_header=not written, float_precision=6)
            written += CHUNK
    return written


def run_limited(arguments: list[str], limit: int, threads: int) -> Cost:
    """Run this program as a child with so many bytes of private memory."""
    began = time.perf_counter()
    environment = {"OMP_NUM_THREADS": str(threads), "POLARS_MAX_THREADS": str(threads)}
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", *arguments],
        stdout=subprocess.PIPE,
        env=os.environ | environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),  # noqa: PLW1509  no threads here
    )
    last = b"{}"
    for line in process.stdout or ():
        last = line if line.startswith(b"{") else last
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    seconds = time.perf_counter() - began
    busy = usage.ru_utime + usage.ru_stime
    return Cost(process.returncode, seconds, busy, usage.ru_maxrss * unit, json.loads(last))


def run_child(command: str, folder: Path, table: Path, more: list[str]) -> int:
    """Be the child: run a command, and print the phases of a fit."""
    from imbalance_cli.cli.app import main as run_command

    run = folder / "run"
    if command != "fit":
        with (folder / f"{command}.csv").open("w") as out, contextlib.redirect_stdout(out):
            return run_command([command, str(run), str(table), *more])
    from imbalance_cli.config import load_config

    clock = Clock()
    config = load_config(str(folder / "config.yaml"))
    workflows.fit(config, run, clock, overwrite=True)
    print(json.dumps(clock.phases()))
    return 0


def measure(
    folder: Path, table: Path, limit: int, threads: int, hidden: list[int]
) -> Iterator[tuple[str, Cost]]:
    """Yield each command and what it took."""
    (folder / "config.yaml").write_text(
        f"data: {{train: {table}, in_memory: false}}\n"
        f"model: {{hidden: {hidden}}}\n"
        "training: {epochs: 1, device: cpu}\n"
        "report: {bootstrap: 0, plots: false}\n"
    )
    for command in COMMANDS:
        more = ["--bootstrap", "0"] if command == "evaluate" else []
        arguments = [command, str(folder), str(table), *more]
        yield command, run_limited(arguments, limit, threads)


def describe(command: str, cost: Cost, rows: int) -> str:
    """Return a row of a Markdown table."""
    phases = ", ".join(f"{name} {1e6 * s / rows:.1f}" for name, s in cost.phases.items())
    outcome = "" if cost.code == 0 else f" (exit code {cost.code})"
    return (
        f"| {rows:,} | {command}{outcome} | {cost.seconds:,.1f} | {cost.busy:,.1f} | "
        f"{1e6 * cost.busy / rows:.1f} | {phases} | {cost.peak / 1e6:,.0f} |"
    )


def main() -> None:
    """Make the tables, run the commands, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=300, help="of the table")
    parser.add_argument("--rows", type=int, nargs="+", help="of several tables, instead")
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--limit", type=int, default=2000, help="megabytes of private memory")
    parser.add_argument("--hidden", type=int, nargs="*", default=[256, 256], help="layers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the tables are kept")
    options = parser.parse_args()
    sizes = [{"rows": rows} for rows in options.rows or ()]
    sizes = sizes or [{"size": options.megabytes * 10**6}]
    print("| rows | command | s | CPU s | CPU us a row | of which, us a row | peak resident, MB |")
    print("|---:|---|---:|---:|---:|---|---:|")
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            kept = options.folder or folder
            table = kept / f"table-{'-'.join(map(str, size.values()))}-{options.features}.csv"
            if not table.exists():
                write_table(table, **size, features=options.features)
            with table.open("rb") as stream:
                rows = (
                    sum(block.count(b"\n") for block in iter(lambda: stream.read(2**20), b"")) - 1
                )
            print(f"{table.stat().st_size / 1e6:,.0f} MB", file=sys.stderr)
            for command, cost in measure(
                folder, table, options.limit * 10**6, options.threads, options.hidden
            ):
                print(describe(command, cost, rows), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(run_child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:]))
    main()
