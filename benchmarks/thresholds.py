"""Do thresholds hold on rows they were not chosen on? python benchmarks/thresholds.py TABLE...

Each table is cut, trained on and scored as `imbtrain fit` does, once a seed. Every way of choosing
a threshold then sees the same validation probabilities, and its F1 is taken on the same test rows.
Ways: 0.5; the best on the label's own validation rows; and each row counted as positive in part, as
what all labels together say of its score and as its own target, which weigh the same with m
validation positives (`thresholds.minimum_positives`; the default among them).

A label counts where it has a positive among the test rows. Means are over labels of a table, then
over tables, so that one of many labels counts as much as one of few.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from imbalance_cli.config import Config, ThresholdsSection, resolve_weighting
from imbalance_cli.decisions.thresholds import choose_thresholds
from imbalance_cli.errors import ImbtrainError
from imbalance_cli.metrics import Confusion
from imbalance_cli.network.processes import train_on_cores
from imbalance_cli.run.scored_rows import CalibratedRows
from imbalance_cli.workflows import fitting
from imbalance_cli.workflows.deciding import decide
from imbalance_cli.workflows.networks import plan_networks, recipe_of, start_model
from imbalance_cli.workflows.observing import Observers
from imbalance_cli.workflows.preparing import prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

HALF, OWN = "0.5", "own"
MINIMA = (10, 30, 100, 300, 1000)
WAYS = (HALF, OWN, *(f"m = {minimum:,}" for minimum in MINIMA))
GROUPS = {
    "0 to 4": (0, 5),
    "5 to 9": (5, 10),
    "10 to 29": (10, 30),
    "30 to 99": (30, 100),
    "100 or more": (100, math.inf),
}


def score(table: Path, seed: int) -> tuple[torch.Tensor, ...]:
    """Return probabilities and targets of validation and of test rows, (N, L) each."""
    config = resolve_weighting(
        Config.model_validate(
            {
                "data": {"train": [str(table)]},
                "split": {"seed": seed},
                "training": {"seed": seed, "device": "cpu"},
            }
        ),
        "config",
    )
    prepared = prepare(config, Observers(()), folds=None)
    recipe = recipe_of(config, prepared)
    networks = plan_networks(config, recipe, prepared)
    model = start_model(recipe, prepared, [networks], seed)
    for _ in train_on_cores(model, prepared.rows, networks.members, recipe):
        pass
    predictor = fitting.make_predictor(model, prepared, networks, config)
    scores = fitting.score_held_out(predictor, prepared, networks)
    known = prepared.targets.take(prepared.held_out)
    predictor, _ = decide(predictor, scores, known, config, weights=None)
    valid = CalibratedRows(scores, known, predictor.calibration)
    test = fitting.choose_held_out(predictor, prepared, scores)
    learned = torch.tensor(prepared.learnable)
    cells = *valid.columns(), test.probabilities, test.targets
    return tuple(matrix[:, learned].double() for matrix in cells)


def score_once(table: Path, seed: int, kept: Path | None) -> tuple[torch.Tensor, ...]:
    """Return what `score` does, read from a directory if it is kept there."""
    if kept is None:
        return score(table, seed)
    path = kept / f"{table.name.partition('.')[0]}_{seed}.safetensors"
    if not path.exists():
        names = [str(i) for i in range(4)]
        save_file(dict(zip(names, score(table, seed), strict=True)), path)
    found = load_file(path)
    return tuple(found[name] for name in sorted(found))


def choose(way: str, p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the thresholds of one way, (L,)."""
    if way == HALF:
        return torch.full((p.shape[1],), 0.5, dtype=torch.float64)
    minimum = 0 if way == OWN else MINIMA[WAYS.index(way) - 2]
    return choose_thresholds(p, y, ThresholdsSection(minimum_positives=minimum)).values


def measure(
    table: Path, seeds: Sequence[int], kept: Path | None
) -> list[tuple[int, dict[str, float]]]:
    """Return, of each label and seed, its validation positives and its test F1 by each way."""
    found = []
    for seed in seeds:
        p, y, unseen, truth = score_once(table, seed, kept)
        positives = (y == 1).sum(dim=0).tolist()
        values = {
            way: Confusion.of(unseen >= choose(way, p, y), truth).f_beta().tolist() for way in WAYS
        }
        for i, count in enumerate(positives):
            if not math.isnan(values[HALF][i]):
                found.append((count, {way: values[way][i] for way in WAYS}))
    return found


def print_row(name: str, rows: Sequence[dict[str, float]]) -> None:
    """Print the mean of each way as a row of a table."""
    cells = [f"{mean(row[way] for row in rows):.3f}" for way in WAYS]
    print(f"| {name} | {len(rows)} | {' | '.join(cells)} |")


def print_head(first: str, counted: str) -> None:
    """Print the head of a table."""
    print(f"| {first} | {counted} | {' | '.join(WAYS)} |\n|---|{'---:|' * (len(WAYS) + 1)}")


def main() -> None:
    """Print F1 on unseen rows by each way, by table and by how many positives there were."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scores", type=Path, help="a directory that keeps what was scored")
    given = parser.parse_args()
    found, refused = {}, []
    for table in sorted(given.tables):
        try:
            found[table.name.partition(".")[0]] = measure(table, range(given.seeds), given.scores)
        except ImbtrainError as error:
            refused.append(f"{table.name}: {error.message}")
    print_head("table", "labels x seeds")
    for name, labels in found.items():
        print_row(name, [values for _, values in labels])
    print()
    by_table = {name: [values for _, values in labels] for name, labels in found.items()}
    averages = {
        name: {way: mean(values[way] for values in labels) for way in WAYS}
        for name, labels in by_table.items()
    }
    print_head("mean over", "tables")
    for kind in ("of several labels", "of one label"):
        chosen = [
            values
            for name, values in averages.items()
            if (len(by_table[name]) > given.seeds) == (kind == "of several labels")
        ]
        print_row(f"tables {kind}", chosen)
    print()
    print_head("validation positives", "labels x seeds")
    everything = [entry for labels in found.values() for entry in labels]
    for name, (least, below) in GROUPS.items():
        print_row(name, [values for count, values in everything if least <= count < below])
    print(f"\nF1 on test rows; {given.seeds} seeds; {dt.date.today()}; torch {version('torch')}.")  # noqa: DTZ011  the day here
    for sentence in refused:
        print(f"left out: {sentence}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
