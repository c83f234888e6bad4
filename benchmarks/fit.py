"""Time one training epoch of ours against other ways to write it: python benchmarks/fit.py.

All train the same network (hidden 256-256, 8 labels) on the same synthetic rows (200,000 x 64) in
batches of 1,024. Contestants take turns within a repetition, so that whatever else the machine
does falls on all of them; a ratio is the median over repetitions of the paired ratios.

Shapes: N rows, F features, L labels.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import os
import platform
import statistics
import time
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from imbalance_cli.config import Config
from imbalance_cli.features import FeatureRows
from imbalance_cli.losses.family import stack_losses, weighted_bce
from imbalance_cli.machine.allocation import keep_freed_memory
from imbalance_cli.network.model import Shape, build_model
from imbalance_cli.network.optimization import Optimizer
from imbalance_cli.network.recipes import choose_recipe
from imbalance_cli.network.steps import Steps
from imbalance_cli.rows.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Epoch = Callable[[], None]

ROWS, FEATURES, LABELS, HIDDEN, BATCH = 200_000, 64, 8, 256, 1024
POS_WEIGHT = 9.0
GOALS = {"hand-written loop over tensors": 0.95, "skorch NeuralNet": 2.0}


def make_rows(rows: int) -> tuple[Floats, Floats]:
    """Return features (N, F) and targets (N, L) of which about a tenth are positive."""
    random = np.random.default_rng(0)
    features = random.standard_normal((rows, FEATURES), np.float32)
    directions = random.standard_normal((FEATURES, LABELS), np.float32)
    scores = features @ directions
    return features, (scores > np.quantile(scores, 0.9, axis=0)).astype(np.float32)


def network() -> nn.Sequential:
    """Return the network that all contestants train."""
    return nn.Sequential(
        nn.Linear(FEATURES, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, LABELS),
    )


def ours(features: Floats, targets: Floats, device: torch.device) -> Epoch:
    """Return an epoch of imbalance_cli.network.training, as `fit` runs it."""
    codes = np.empty((len(features), 0), np.int64)
    rows = Dataset.from_rows(FeatureRows(features, codes), targets, device)
    shape = Shape(numeric=FEATURES, cardinalities=[], labels=LABELS, hidden=[HIDDEN, HIDDEN])
    model = build_model(shape, seeds=[0]).to(device)
    config = Config.model_validate({"data": {"train": "-"}, "model": {"recipe": "plain"}})
    recipe = choose_recipe(config, rows=len(rows), numbers=FEATURES, labels=LABELS)
    recipe = dataclasses.replace(recipe, dropout=0.0, schedule="constant")
    loss = stack_losses([weighted_bce(torch.full((LABELS,), POS_WEIGHT))], LABELS).to(device)
    optimizer = Optimizer(model, recipe, steps=-(-len(rows) // BATCH))
    steps = Steps(model, loss, optimizer, precision="float32")
    keep_freed_memory()

    def epoch() -> None:
        order = torch.randperm(len(rows), device=device)
        float(steps.epoch(rows.batches(order, BATCH)))

    return epoch


def hand_written(features: Floats, targets: Floats, device: torch.device) -> Epoch:
    """Return an epoch of the loop one writes over tensors in memory."""
    x, y = torch.from_numpy(features).to(device), torch.from_numpy(targets).to(device)
    model = network().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.full((LABELS,), POS_WEIGHT, device=device))

    def epoch() -> None:
        for rows in torch.split(torch.randperm(len(x), device=device), BATCH):
            loss = criterion(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        float(loss.detach())

    return epoch


def data_loader(features: Floats, targets: Floats, device: torch.device) -> Epoch:
    """Return an epoch of the same loop over a DataLoader."""
    rows = torch.utils.data.TensorDataset(torch.from_numpy(features), torch.from_numpy(targets))
    loader = torch.utils.data.DataLoader(rows, batch_size=BATCH, shuffle=True)
    model = network().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.full((LABELS,), POS_WEIGHT, device=device))

    def epoch() -> None:
        for x, y in loader:
            loss = criterion(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        float(loss.detach())

    return epoch


def skorch_net(features: Floats, targets: Floats, device: torch.device) -> Epoch:
    """Return an epoch of skorch."""
    import skorch

    net = skorch.NeuralNet(
        network(),
        nn.BCEWithLogitsLoss,
        criterion__pos_weight=torch.full((LABELS,), POS_WEIGHT, device=device),
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=1e-4,
        optimizer__fused=True,
        lr=1e-3,
        max_epochs=1,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device=str(device),
    )
    net.initialize()

    def epoch() -> None:
        net.partial_fit(features, targets)

    return epoch


def sklearn_mlp(features: Floats, targets: Floats, _device: torch.device) -> Epoch:
    """Return an epoch of scikit-learn's MLPClassifier, on the CPU and without weights."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((HIDDEN, HIDDEN), batch_size=BATCH, max_iter=1)

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch is what we ask for
            model.fit(features, targets)

    return epoch


CONTESTANTS = {
    "imbtrain": ours,
    "hand-written loop over tensors": hand_written,
    "DataLoader loop": data_loader,
    "skorch NeuralNet": skorch_net,
    "sklearn MLPClassifier": sklearn_mlp,
}


def measure(epochs: dict[str, Epoch], repetitions: int) -> dict[str, list[float]]:
    """Return the seconds of each contestant's epochs, one a repetition, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for repetition in range(repetitions + 1):
        # every other round the other way around, so that no one always follows the same one
        for name in list(epochs) if repetition % 2 else reversed(epochs):
            began = time.perf_counter()
            epochs[name]()
            if repetition:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def table(seconds: dict[str, list[float]], rows: int) -> str:
    """Return a Markdown table of samples a second, and of how much faster ours is."""
    lines = [
        "| one epoch | samples/s | imbtrain is x times as fast | goal | |",
        "|---|---:|---:|---:|---|",
    ]
    for name, times in seconds.items():
        pairs = zip(times, seconds["imbtrain"], strict=True)
        ratio = statistics.median(theirs / own for theirs, own in pairs)
        goal = GOALS.get(name)
        verdict = "" if goal is None else "met" if ratio >= goal else "missed"
        speed = f"{rows / statistics.median(times):,.0f}"
        shown = "" if goal is None else f"{goal:.2f}"
        lines.append(f"| {name} | {speed} | {ratio:.2f} | {shown} | {verdict} |")
    return "\n".join(lines)


def conditions(device: torch.device, repetitions: int) -> str:
    """Return what the numbers hold for: versions, device, cores and date."""
    packages = ("torch", "scikit-learn", "skorch", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    is_cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if is_cuda else platform.machine()
    return (
        f"Median of {repetitions} interleaved repetitions, float32, fused AdamW for all. "
        f"{dt.datetime.now().astimezone().date()}; Python {platform.python_version()}, {versions}; "
        f"device {device.type} ({name}), {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} torch threads."
    )


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--repetitions", default=7, type=int)
    parser.add_argument("--rows", default=ROWS, type=int)
    options = parser.parse_args()
    torch.manual_seed(0)
    features, targets = make_rows(options.rows)
    epochs = {name: make(features, targets, options.device) for name, make in CONTESTANTS.items()}
    seconds = measure(epochs, options.repetitions)
    print(f"{options.rows:,} rows x {FEATURES} features, {LABELS} labels, batches of {BATCH:,}\n")
    print(table(seconds, options.rows))
    print(f"\n{conditions(options.device, options.repetitions)}")


if __name__ == "__main__":
    main()
