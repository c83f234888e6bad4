"""Time M networks trained in one pass against M single fits: python benchmarks/members.py.

Everything is trained by `imbalance_cli.network.training.train`, validation and early stopping
included, for the same epochs on the same synthetic rows; the M differ in their seeds. On the CPU
members take turns; on a GPU all take each step as one batched product. The two sides take turns
within a repetition; a ratio is the median of the paired ratios.

Shapes: M members, N rows, F features, L labels.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import os
import platform
import statistics
import time
from importlib.metadata import version

import numpy as np
import torch

from imbalance_cli.config import Config
from imbalance_cli.features import FeatureRows
from imbalance_cli.losses.family import weighted_bce
from imbalance_cli.network.model import Shape, build_model
from imbalance_cli.network.recipes import choose_recipe
from imbalance_cli.network.training import Member, Training
from imbalance_cli.rows.dataset import Dataset

FEATURES, LABELS, HIDDEN, BATCH, EPOCHS = 64, 8, 256, 1024, 2
VALID_SHARE = 0.15
GOAL_ON_CPU = 1.05


def make_rows(rows: int, device: torch.device) -> Dataset:
    """Return rows of which about a tenth are positive."""
    random = np.random.default_rng(0)
    features = random.standard_normal((rows, FEATURES), np.float32)
    scores = features @ random.standard_normal((FEATURES, LABELS), np.float32)
    targets = (scores > np.quantile(scores, 0.9, axis=0)).astype(np.float32)
    return Dataset.from_rows(FeatureRows(features, np.empty((rows, 0), np.int64)), targets, device)


def seconds_to_train(rows: Dataset, seeds: list[int]) -> float:
    """Return how long one call of `train` takes for a network a seed."""
    device = rows.targets.device
    shape = Shape(
        numeric=FEATURES, cardinalities=[], labels=LABELS, hidden=[HIDDEN, HIDDEN], dropout=0.1
    )
    model = build_model(shape, seeds).to(device)
    order = torch.arange(len(rows), device=device)
    cut = int(len(rows) * VALID_SHARE)
    loss = weighted_bce(torch.full((LABELS,), 9.0, device=device))
    members = [Member(order[cut:], order[:cut], loss, seed) for seed in seeds]
    config = Config.model_validate({"data": {"train": "-"}, "model": {"recipe": "plain"}})
    recipe = choose_recipe(config, rows=len(rows), numbers=FEATURES, labels=LABELS)
    recipe = dataclasses.replace(recipe, epochs=EPOCHS, batch_size=BATCH, patience=None)
    began = time.perf_counter()
    for _ in Training(model, rows, members, recipe):
        pass
    return time.perf_counter() - began


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--members", default=[5, 10], type=int, nargs="+")
    parser.add_argument("--repetitions", default=15, type=int)
    parser.add_argument("--rows", default=20_000, type=int)
    options = parser.parse_args()
    rows = make_rows(options.rows, options.device)
    seconds_to_train(rows, [0])  # to warm up
    lines = [
        "| M | M members, s | M single fits, s | ratio | of one fit | goal | |",
        "|---:|---:|---:|---:|---:|---|---|",
    ]
    for number in options.members:
        together, apart = [], []
        for repetition in range(options.repetitions):
            # every other round the other way around, so that neither always follows the other
            for is_together in (True, False) if repetition % 2 else (False, True):
                if is_together:
                    together.append(seconds_to_train(rows, list(range(number))))
                else:
                    apart.append(sum(seconds_to_train(rows, [seed]) for seed in range(number)))
        ratio = statistics.median(t / a for t, a in zip(together, apart, strict=True))
        is_cpu = options.device.type == "cpu"
        goal = f"at most {GOAL_ON_CPU}" if is_cpu else ""
        verdict = ("met" if ratio <= GOAL_ON_CPU else "missed") if is_cpu else ""
        lines.append(
            f"| {number} | {statistics.median(together):.2f} | {statistics.median(apart):.2f} "
            f"| {ratio:.3f} | {ratio * number:.2f} | {goal} | {verdict} |"
        )
    print(f"{options.rows:,} rows x {FEATURES} features, {LABELS} labels, {EPOCHS} epochs\n")
    print("\n".join(lines))
    is_cuda = options.device.type == "cuda"
    name = torch.cuda.get_device_name(options.device) if is_cuda else platform.machine()
    print(
        f"\nMedian of {options.repetitions} interleaved repetitions. "
        f"{dt.datetime.now().astimezone().date()}; torch {version('torch')}; device "
        f"{options.device.type} ({name}), {os.cpu_count()} cores."
    )


if __name__ == "__main__":
    main()
