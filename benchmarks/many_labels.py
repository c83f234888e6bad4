"""Time 10,000 labels of 100,000 rows: python benchmarks/many_labels.py.

Each row has up to seven labels, the common ones more often; they are written as svmlight and as a
column of tags. What is timed is the whole command, from the start of Python on: `weights`,
`inspect`, and `fit`, which also trains "a column a label" where that is asked for and fits: then
all targets are dense.

Shapes: N rows, F features, L labels.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
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
import polars as pl

ROWS, FEATURES, LABELS = 100_000, 20, 10_000
MOST = 8  # labels a row, less one


def write_files(folder: Path, rows: int, features: int, labels: int) -> dict[str, list[str]]:
    """Write the same rows as svmlight and as tags, and return the arguments that read each."""
    random = np.random.default_rng(0)
    share = 1 / np.arange(2, labels + 2) ** 0.8
    share /= share.sum()
    svmlight, tags = folder / "many.svm", folder / "many.csv"
    with svmlight.open("w") as sparse, tags.open("w") as table:
        table.write(",".join(f"x{i}" for i in range(features)) + ",tags\n")
        for _ in range(rows):
            own = np.unique(random.choice(labels, size=random.integers(MOST), p=share))
            cells = random.normal(size=features).round(3)
            values = " ".join(f"{i}:{value}" for i, value in enumerate(cells, start=1))
            sparse.write(f"{','.join(map(str, own))} {values}\n")
            table.write(f"{','.join(map(str, cells))},{';'.join(map(str, own))}\n")
    return {
        "svmlight": [str(svmlight)],
        "tags": [str(tags), "--labels", "tags", "--encoding", "tags"],
    }


TAGS: dict[str, object] = {"labels": ["tags"], "encoding": "tags", "missing_labels": "negative"}
FORMS: dict[str, tuple[str, dict[str, object]]] = {
    "svmlight": ("many.svm", {}),
    "tags": ("many.csv", TAGS),
    "a column a label": ("many.parquet", {"labels": ["y_*"]}),
}


def write_columns(folder: Path) -> None:
    """Write the rows of the tags again, with a column a label."""
    table = pl.read_csv(folder / "many.csv")
    own = table["tags"].str.split(";").explode().cast(pl.Int64, strict=False).drop_nulls()
    tags = table["tags"].fill_null("").str.split(";")
    columns = [
        tags.list.contains(str(label)).cast(pl.Int8).alias(f"y_{label}")
        for label in own.unique().sort().to_list()
    ]
    table.drop("tags").with_columns(columns).write_parquet(folder / "many.parquet")


def train(
    folder: Path, form: str, epochs: int, hidden: int, device: str
) -> tuple[float, list[float], float]:
    """Return the seconds of the command, those of each epoch, and the peak memory in MB."""
    name, data = FORMS[form]
    config = {
        "data": {"train": str(folder / name), **data},
        "model": {"hidden": [hidden]},
        "training": {"epochs": epochs, "device": device},
        "report": {"bootstrap": 0, "plots": False},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))  # which is YAML too
    run = folder / "run"
    command = [sys.executable, "-c", PEAK, "fit", str(path), "--run-dir", str(run), "--overwrite"]
    began = time.perf_counter()
    done = subprocess.run([*command, "-q"], capture_output=True, check=True, text=True)
    seconds = time.perf_counter() - began
    history = pl.read_csv(run / "history.csv")
    rows = json.loads((run / "run.json").read_text())["data"]["rows"]["train"]
    return seconds, (rows / history["rows_per_second"]).to_list(), float(done.stdout.split()[-1])


PEAK = """
import resource, sys
from imbalance_cli.cli.app import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
sys.exit(code)
"""


def count(folder: Path, commands: dict[str, list[str]], repetitions: int) -> None:
    """Print a table of what counting takes."""
    print("| what | labels counted | seconds | peak MB so far |\n|---|---:|---:|---:|")
    for name, arguments in commands.items():
        command = [sys.executable, "-m", "imbalance_cli", "weights", *arguments]
        seconds, counted = [], 0
        for _ in range(repetitions):
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=folder)
            seconds.append(time.perf_counter() - began)
            counted = done.stdout.count("\n") - 1
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
        print(f"| {name} | {counted:,} | {statistics.median(seconds):.2f} | {peak:.0f} |")


PROCESSOR = """
import resource, sys
from imbalance_cli.cli.app import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10, file=sys.stderr)
sys.exit(code)
"""


def inspect(folder: Path, commands: dict[str, list[str]], repetitions: int) -> None:
    """Print a table of what inspecting takes; the seconds are the processor's."""
    print("\n| inspect | labels | CPU seconds | peak MB |\n|---|---:|---:|---:|")
    for name, arguments in commands.items():
        command = [sys.executable, "-c", PROCESSOR, "inspect", *arguments, "--format", "json"]
        used, labels = [], 0
        for _ in range(repetitions):
            done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=folder)
            used.append([float(number) for number in done.stderr.split()[-2:]])
            labels = len(json.loads(done.stdout)["labels"])
        seconds, peak = (statistics.median(numbers) for numbers in zip(*used, strict=True))
        print(f"| {name} | {labels:,} | {seconds:.1f} | {peak:.0f} |", flush=True)


def main() -> None:
    """Print tables of seconds and peak memory, of counting, inspecting and training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--labels", type=int, default=LABELS)
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--repetitions", type=int, default=5, help="of counting; 0 for none")
    parser.add_argument("--inspections", type=int, default=3, help="repetitions; 0 for none")
    parser.add_argument("--train", nargs="*", choices=list(FORMS), default=["svmlight", "tags"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--device", default="cpu", help="that is trained on")
    chosen = parser.parse_args()
    versions = f"polars {version('polars')}; {os.cpu_count()} CPUs; {dt.date.today()}"  # noqa: DTZ011  the day here
    print(f"Python {platform.python_version()}, {versions}; median of {chosen.repetitions} runs.\n")
    print(f"{chosen.rows:,} rows, {chosen.features} features, {chosen.labels:,} labels\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = write_files(folder, chosen.rows, chosen.features, chosen.labels)
        if chosen.repetitions:
            count(folder, commands, chosen.repetitions)
        if chosen.inspections:
            inspect(folder, commands, chosen.inspections)
        if not chosen.train:
            return
        if "a column a label" in chosen.train:
            write_columns(folder)
        head = f"| fit ({chosen.device}) | seconds | of which an epoch | peak MB |"
        print(f"\n{head}\n|---|---:|---:|---:|")
        for form in chosen.train:
            seconds, epochs, peak = train(folder, form, chosen.epochs, chosen.hidden, chosen.device)
            each = statistics.median(epochs)
            print(f"| {form} | {seconds:.0f} | {each:.1f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
