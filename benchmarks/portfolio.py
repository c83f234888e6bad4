"""Choose the portfolio of `imbtrain search`: the few candidates that together suit the most tables.

    python benchmarks/portfolio.py [--data DIR] [--tables NAME ...] [--size 6] [--cache FILE]

Each candidate of the pool is trained on the same three folds of each table, and scored by its mean
average precision on the rows held out. A set of candidates is worth the mean over tables of the
best score in it, the default config included. The portfolio is chosen greedily: in each round the
candidate that raises this worth the most. The tables are the six of the fewest rows among those
with at most 300 columns. Leaving each table out in turn shows what the choice is worth on tables it
was not made by.

With --cache FILE scores are kept, one JSON object a line, and none that is there is computed again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from imbalance_cli import workflows
from imbalance_cli.config import Config
from imbalance_cli.searching import PORTFOLIO
from imbalance_cli.searching.results import CONFIG

FOLDS, TABLES, MOST_COLUMNS = 3, 6, 300
POOL: dict[str, dict[str, Any]] = {
    **PORTFOLIO,  # what was chosen before
    "focal_2": {"loss.name": "focal", "loss.gamma": 2.0},
    "weighted_sqrt": {"loss.name": "weighted_bce", "weighting.strategy": "sqrt"},
    "asymmetric": {"loss.name": "asymmetric"},
    "wide": {"model.hidden": [256, 256], "model.dropout": 0.3},
    "deep": {"model.hidden": [128, 128, 128]},
    "slow": {"training.learning_rate": 0.02},
    "fast": {"training.learning_rate": 0.08},
    "dropout": {"model.dropout": 0.35},
    "no_embedding": {"model.numeric_embedding": "none"},
    "plain_raw": {
        "model.recipe": "plain",
        "model.numeric_embedding": "none",
        "model.hidden": [64, 64],
    },
}


def find_tables(folder: Path, names: list[str] | None) -> dict[str, Path]:
    """Return the paths of the tables to choose by."""
    paths = {path.name.split(".csv")[0]: path for path in sorted(folder.glob("*.csv*"))}
    if names:
        return {name: paths[name] for name in names}
    listed = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    small = [table for table in listed if table["n_features"] <= MOST_COLUMNS]
    chosen = sorted(small, key=lambda table: table["rows"])[:TABLES]
    return {table["name"]: paths[table["name"]] for table in chosen}


def score_table(path: Path) -> tuple[dict[str, float], float]:
    """Return the score of every candidate on one table, and the seconds that took."""
    columns = list(pd.read_csv(path, nrows=0).columns)
    labels = ["y"] if "y" in columns else [name for name in columns if name.startswith("y_")]
    config = Config.model_validate({"data": {"train": str(path), "labels": labels}})
    began = time.perf_counter()
    searching = "imbalance_cli.workflows.searching"
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(PORTFOLIO, POOL, clear=True),
        mock.patch(f"{searching}.is_optuna_installed", return_value=False),
        mock.patch(f"{searching}.Halving.goes_on", return_value=True),
    ):
        result = workflows.search(
            config, 1e6, Path(folder) / "run", workflows.Observer(), folds=FOLDS, overwrite=False
        )
    scores = {one.name: one.score or 0.0 for one in result.tried}
    return scores, time.perf_counter() - began


def choose(table: pd.DataFrame, size: int) -> list[str]:
    """Return candidates in the order of the greedy choice, at most `size`, the config first."""
    chosen = [CONFIG]
    while len(chosen) <= size:
        worth = {name: table[[*chosen, name]].max(axis=1).mean() for name in table.columns}
        best = max(worth, key=lambda name: worth[name])
        if worth[best] <= table[chosen].max(axis=1).mean():
            break
        chosen.append(best)
    return chosen


def main() -> None:
    """Score the pool, choose, and print what was chosen and what lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tables", nargs="*")
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    cached: dict[str, dict[str, float]] = {}
    if options.cache and options.cache.exists():
        lines = options.cache.read_text(encoding="utf-8").splitlines()
        cached = {entry["table"]: entry["scores"] for entry in map(json.loads, lines)}
    for name, path in find_tables(options.data, options.tables).items():
        if name in cached:
            continue
        cached[name], seconds = score_table(path)
        print(f"{name}: {len(cached[name])} candidates in {seconds:.0f} s", flush=True)
        if options.cache:
            with options.cache.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"table": name, "scores": cached[name]}) + "\n")
    table = pd.DataFrame(cached).T[[CONFIG, *POOL]]
    chosen = choose(table, options.size)
    print(table.sub(table[CONFIG], axis=0).round(4).T.to_string())
    print("\nbest score so far, mean over tables:")
    for number in range(1, len(chosen) + 1):
        print(f"{chosen[number - 1]:16} {table[chosen[:number]].max(axis=1).mean():.4f}")
    left_out = []
    for name in table.index:
        others = choose(table.drop(index=name), options.size)
        left_out.append(float(table.loc[name, others].max()))
    all_ = float(table.max(axis=1).mean())
    print(f"left out in turn {np.mean(left_out):.4f}, whole pool {all_:.4f}")
    means = table.mean().sort_values(ascending=False)
    print("\nalone: " + ", ".join(f"{name} {value:.4f}" for name, value in means.items()))


if __name__ == "__main__":
    main()
