"""Compare `imbtrain fit` with boosted trees and networks on a folder of tables.

    python benchmarks/quality.py [--data DIR] [--tables NAME ...] [--contestants NAME ...]

The folder holds .csv.gz or .csv files. A label is the column `y`, or every column that begins with
`y_`; a MANIFEST.json that counts them (`name`, `n_labels`) is held against that. Each table is cut
60/20/20 by scikit-learn's `train_test_split`, twice, at a seed: a fifth is the test part, a quarter
of the rest the validation part. One label is stratified by; of several, rows are stratified by the
rarest label that they have (labels with fewer than ten such rows together, rows without one apart),
which keeps positives of rare labels in each part where there are enough.

Every contestant is a process of its own that reads the same files, with the same number of threads,
and they take turns table by table. Ours are whole `imbtrain fit` commands with the default config,
and with one setting changed for the variants; their decisions are those of the run. The others are
at their defaults, stop early by the validation part (CatBoost and LightGBM after 50 rounds without
a lower log loss), and their thresholds maximise F1 on it; of several labels each has its own model.
All metrics are computed by the same code from the probabilities of the test part; those of several
labels are means over the labels that have both classes there and in the training part.

With --cache FILE results are kept, one JSON object a line, and a result that is there is not
computed again: its key is the contestant with the version of its library (of ours: a checksum of
the package's sources), the table with its checksum, the seed and the threads.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from quality_contestants import FITS
from quality_summary import (
    OURS,
    YARDSTICK,
    best_threshold,
    by_contestant,
    complete_tables,
    markdown,
    score,
    several_label_goals,
    single_label_goals,
    summarise,
)
from sklearn.model_selection import train_test_split

from imbalance_cli.losses.registry import LOSS_SPECS

FEWEST = 10  # rows of a stratum, so that each part has two
VARIANTS: dict[str, list[str]] = {
    OURS: [],
    f"{OURS}:plain": ["model.recipe=plain"],
    **{f"{OURS}:{name}": [f"loss.name={name}"] for name in LOSS_SPECS},
}
PACKAGES = {"hist_gradient_boosting": "scikit-learn", "realmlp": "pytabkit", "tabm": "pytabkit"}
INSTALL = "pip install 'imbtrain[quality]'"


@dataclasses.dataclass(frozen=True)
class Table:
    """A file of rows and the columns that are its labels."""

    name: str
    path: Path
    labels: list[str]
    rows: int
    checksum: str


@dataclasses.dataclass(frozen=True)
class Job:
    """A table's parts in a folder, for the contestants to learn from.

    Attributes:
        targets: (N, L) of each part, NaN where unknown.
    """

    folder: Path
    labels: list[str]
    targets: dict[str, np.ndarray]
    seed: int
    options: argparse.Namespace


class ContestantError(Exception):
    """A contestant ended without a result; the message is the last line that it wrote."""


def find_tables(folder: Path, names: list[str] | None) -> list[Table]:
    """Return the tables of a folder, those with one label first.

    Raises:
        ValueError: a name is no table, or a table's labels are not what the manifest says.
    """
    paths = {path.name.split(".csv")[0]: path for path in sorted(folder.glob("*.csv*"))}
    manifest = folder / "MANIFEST.json"
    listed = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else []
    counts = {table["name"]: table["n_labels"] for table in listed}
    if unknown := sorted(set(names or []) - set(paths)):
        raise ValueError(f"no table {', '.join(unknown)} in {folder}; there are {', '.join(paths)}")
    tables = []
    for name in names or paths:
        columns = list(pd.read_csv(paths[name], nrows=0).columns)
        labels = ["y"] if "y" in columns else [c for c in columns if c.startswith("y_")]
        if not labels or len(labels) != counts.get(name, len(labels)):
            expected = counts.get(name, "at least one")
            raise ValueError(
                f"{paths[name]}: {len(labels)} columns are named y or y_*, expected {expected}"
            )
        rows = len(pd.read_csv(paths[name], usecols=labels))
        checksum = hashlib.sha256(paths[name].read_bytes()).hexdigest()[:12]
        tables.append(Table(name, paths[name], labels, rows, checksum))
    return sorted(tables, key=lambda table: len(table.labels) > 1)


def strata(targets: np.ndarray) -> np.ndarray:
    """Return (N,) what rows are stratified by: the rarest of the labels (N, L) that a row has.

    Rows without a label are of stratum -1; strata of fewer than ten rows are one, L, which joins
    -1 where it is as small itself.
    """
    positive = np.nan_to_num(targets) > 0
    by_rarity = np.argsort(positive.sum(axis=0), kind="stable")
    own = np.where(positive.any(axis=1), by_rarity[positive[:, by_rarity].argmax(axis=1)], -1)
    for merged in (targets.shape[1], -1):
        values, counts = np.unique(own, return_counts=True)
        own = np.where(np.isin(own, values[counts < FEWEST]), merged, own)
    return own


def split_rows(targets: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the row numbers of each part, by the targets (N, L)."""
    by = targets[:, 0] if targets.shape[1] == 1 else strata(targets)
    rows = np.arange(len(targets))
    rest, test = train_test_split(rows, test_size=0.2, stratify=by, random_state=seed)
    train, valid = train_test_split(rest, test_size=0.25, stratify=by[rest], random_state=seed)
    return {"train": train, "valid": valid, "test": test}


def write_parts(table: Table, seed: int, folder: Path, options: argparse.Namespace) -> Job:
    """Write the parts of a table, cells as they stand, without columns of no value at all."""
    cells = pd.read_csv(table.path, dtype=str, keep_default_na=False)
    cells = cells.loc[:, (cells != "").any()]
    targets = cells[table.labels].replace("", "nan").astype(float).to_numpy()
    parts = split_rows(targets, seed)
    for name, rows in parts.items():
        cells.iloc[rows].to_csv(folder / f"{name}.csv", index=False)
    (folder / "labels.json").write_text(json.dumps(table.labels), encoding="utf-8")
    own = {name: targets[rows] for name, rows in parts.items()}
    return Job(folder, table.labels, own, seed, options)


def time_command(job: Job, arguments: list[str]) -> float:
    """Run Python with arguments in the job's folder and return how many seconds it took.

    Raises:
        ContestantError: it failed, or took longer than it may.
    """
    threads, timeout = str(job.options.threads), job.options.timeout
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=job.folder,
            env=os.environ | {"OMP_NUM_THREADS": threads, "POLARS_MAX_THREADS": threads},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ContestantError(f"took longer than {timeout:g} s") from None
    seconds = time.perf_counter() - began
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error: ")]
        raise ContestantError((errors or lines or [f"exit code {done.returncode}"])[-1])
    return seconds


def run_ours(contestant: str, job: Job) -> dict[str, float]:
    """Return the metrics and the seconds of `imbtrain fit`; those of training are its epochs'."""
    data = {name: f"{name}.csv" for name in job.targets} | {"labels": job.labels}
    config = {"data": data, "training": {"seed": job.seed}}
    (job.folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # is YAML too
    run = job.folder / "run"
    command = ["-m", "imbalance_cli", "fit", "config.yaml", "--run-dir", "run", "--quiet"]
    settings = [f"--set={setting}" for setting in VARIANTS[contestant] + job.options.set]
    seconds = time_command(job, [*command, "--overwrite", *settings])
    held_out = pl.read_parquet(run / "predictions.parquet")  # its rows are those with a label
    rows = held_out["row"].to_numpy() - len(job.targets["train"]) - len(job.targets["valid"])
    shape = job.targets["test"].shape
    called = {}
    for what in ("target", "probability", "decision"):
        columns = held_out.select(pl.col(f"{label}_{what}" for label in job.labels))
        called[what] = np.full(shape, np.nan)
        called[what][rows] = columns.cast(pl.Float64).fill_null(np.nan).to_numpy()
    np.testing.assert_array_equal(called["target"], job.targets["test"])  # rows as we count them
    history = pd.read_csv(run / "history.csv")  # a row an epoch and member, the rate is of all
    training = float((len(job.targets["train"]) / history["rows_per_second"]).sum())
    times = {"seconds": seconds, "training_seconds": training}
    parts = job.targets["train"], job.targets["test"]
    return score(*parts, called["probability"], called["decision"]) | times


def run_other(contestant: str, job: Job) -> dict[str, float]:
    """Return the metrics and the seconds of another library."""
    program = str(Path(__file__).with_name("quality_contestants.py").resolve())
    command = [program, contestant, ".", str(job.seed), str(job.options.threads)]
    seconds = time_command(job, command)
    with np.load(job.folder / "scores.npz") as scores:
        valid, test, training = scores["valid"], scores["test"], float(scores["seconds"])
    thresholds = []
    for y, p in zip(job.targets["valid"].T, valid.T, strict=True):
        known = ~np.isnan(y)
        thresholds.append(best_threshold(y[known], p[known]))
    times = {"seconds": seconds, "training_seconds": training}
    parts = job.targets["train"], job.targets["test"]
    return score(*parts, test, test >= np.array(thresholds)) | times


def installed_version(contestant: str, settings: list[str]) -> str | None:
    """Return the version of what a contestant runs, None where it is not installed.

    Ours is a checksum of the package's sources, and the settings beside the default config.
    """
    if contestant in VARIANTS:
        spec = importlib.util.find_spec("imbalance_cli")
        (package,) = map(Path, spec.submodule_search_locations or [] if spec else [])
        digest = hashlib.sha256()
        for path in sorted(package.rglob("*.py")):
            digest.update(path.read_bytes())
        return " ".join([digest.hexdigest()[:12], *settings])
    try:
        return version(PACKAGES.get(contestant, contestant))
    except PackageNotFoundError:
        return None


Key = tuple[object, ...]
KEY = ("contestant", "version", "table", "checksum", "seed", "threads")


def read_cache(path: Path | None) -> dict[Key, dict[str, Any]]:
    """Return the results that a file holds, by their keys."""
    if path is None or not path.exists():
        return {}
    results = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {tuple(result[name] for name in KEY): result for result in results}


def collect(
    tables: list[Table], versions: dict[str, str], options: argparse.Namespace
) -> pd.DataFrame:
    """Return a row a result, computing those that the cache lacks.

    A contestant whose first run fails is not tried again.
    """
    cache = read_cache(options.cache)
    results: list[dict[str, Any]] = []
    failed: set[str] = set()
    names = list(versions)
    for turn, (seed, table) in enumerate((s, t) for s in options.seeds for t in tables):
        fixed = (table.name, table.checksum, seed, options.threads)
        first = turn % len(names)  # none always follows the same other
        with tempfile.TemporaryDirectory() as folder:
            job = None
            for name in names[first:] + names[:first]:
                own = (name, versions[name], *fixed)
                if own not in cache:
                    if name in failed:
                        continue
                    try:
                        job = job or write_parts(table, seed, Path(folder), options)
                        numbers = (run_ours if name in VARIANTS else run_other)(name, job)
                    except (ContestantError, ValueError) as error:  # of scikit-learn: few positives
                        print(f"no result: {table.name}, {name}: {error}", file=sys.stderr)
                        is_first = not any(result["contestant"] == name for result in results)
                        if is_first and isinstance(error, ContestantError):
                            failed.add(name)
                        continue
                    cache[own] = dict(zip(KEY, own, strict=True)) | numbers
                    log(cache[own], options.cache)
                results.append(cache[own])
    return pd.DataFrame(results)


def log(result: dict[str, Any], cache: Path | None) -> None:
    """Say how a contestant did, and keep it."""
    numbers = f"AP {result['average_precision']:.4f}, log loss {result['log_loss']:.4f}"
    where = f"{result['table']}, seed {result['seed']}, {result['contestant']}"
    print(f"{where}: {numbers}, {result['seconds']:.1f} s", file=sys.stderr, flush=True)
    if cache is not None:
        with cache.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")


def print_section(title: str, results: pd.DataFrame, contestants: list[str]) -> pd.DataFrame:
    """Print the summary of contestants and what each got table by table.

    Returns:
        The means of the tables that all these have a result on.
    """
    present = [name for name in contestants if name in set(results["contestant"])]
    means, left_out = complete_tables(results[results["contestant"].isin(present)])
    tables = means.index.get_level_values("table").nunique()
    print(f"\n## {title}, {tables} tables")
    if left_out:
        print(f"\nLeft out, for a contestant has no result there: {', '.join(left_out)}.")
    if tables:
        print(f"\n{markdown(summarise(means, present))}")
        for metric in ("average_precision", "log_loss"):
            cells = by_contestant(means, metric)[present].map("{:.4f}".format)
            print(f"\n{markdown(cells.reset_index(names=metric.replace('_', ' ')))}")
    return means


def parse() -> argparse.Namespace:
    """Parse the command line."""
    known = [*VARIANTS, *FITS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), metavar="DIR")
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="of them all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], metavar="SEED")
    parser.add_argument(
        "--contestants", nargs="+", choices=known, metavar="NAME", help=", ".join(known)
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for ours")
    parser.add_argument("--threads", type=int, default=2, help="of every contestant")
    parser.add_argument(
        "--timeout", type=float, default=3600, help="seconds a contestant and table"
    )
    parser.add_argument("--cache", type=Path, metavar="FILE", help="of results, kept and read")
    parser.add_argument("--format", choices=["markdown", "csv"], default="markdown")
    return parser.parse_args()


def find_contestants(options: argparse.Namespace) -> dict[str, str]:
    """Return the version of each contestant that is asked for.

    Raises:
        ValueError: one that is asked for by name is not installed; others are left out.
    """
    versions = {}
    for contestant in options.contestants or [*VARIANTS, *FITS]:
        found = installed_version(contestant, options.set)
        if found is not None:
            versions[contestant] = found
            continue
        package = PACKAGES.get(contestant, contestant)
        line = f"{contestant}: {package} is not installed; {INSTALL}"
        if options.contestants:
            raise ValueError(line)
        print(f"left out {line}", file=sys.stderr)
    return versions


def main() -> None:
    """Run what is asked for and print the tables and the goals."""
    options = parse()
    try:
        versions = find_contestants(options)
        tables = find_tables(options.data, options.tables)
    except ValueError as error:
        sys.exit(f"error: {error}")
    results = collect(tables, versions, options)
    if results.empty:
        sys.exit("error: no contestant has a result")
    if options.format == "csv":
        results.to_csv(sys.stdout, index=False)
        return
    results["rows"] = results["table"].map({table.name: table.rows for table in tables})
    is_several = results["table"].isin([table.name for table in tables if len(table.labels) > 1])
    others = [name for name in versions if name not in VARIANTS]
    variants = [name for name in versions if name in VARIANTS]
    peers = [OURS] * (OURS in variants) + others
    lines = []
    for what, rows, goals in (
        ("One label", ~is_several, single_label_goals),
        ("Several labels, their means", is_several, several_label_goals),
    ):
        if rows.any():
            lines += goals(print_section(what, results[rows], peers))
            if set(variants) - {OURS}:
                beside = variants + [YARDSTICK] * (YARDSTICK in others)
                print_section(f"{what}: settings of ours", results[rows], beside)
    if lines:
        print("\n## Goals\n")
        print("\n".join(f"- {line}" for line in lines))
    libraries = sorted({f"{PACKAGES.get(n, n)} {v}" for n, v in versions.items() if n in FITS})
    print(
        f"\nSeeds {', '.join(map(str, options.seeds))}; {', '.join(libraries)}; Python "
        f"{platform.python_version()}; {options.threads} threads of {os.cpu_count()} CPUs; "
        f"{dt.datetime.now().astimezone().date()}."
    )


if __name__ == "__main__":
    main()
