"""Every label's AP, ROC AUC, Brier and F1 with intervals, against scikit-learn's points alone.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --rows 3000000 --labels 1 --whole
    python benchmarks/metrics.py --device cuda
    python benchmarks/metrics.py --rows 15000 --labels 10000 --prevalence 0.0005 --whole

Both sides start from the same arrays in memory, and run once, one after the other. "labels alone"
is every metric of each label with its interval; a whole report has the metrics over all cells and
of whole rows as well. --whole leaves scikit-learn out. With --device, scores and targets lie on
that device before the clock starts; scikit-learn's are on the host.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn.metrics as reference
import torch

from imbalance_cli.evaluation import DenseRows, Resampling, evaluate_rows
from imbalance_cli.evaluation.label_numbers import Shared, evaluate_label
from imbalance_cli.machine.device import choose_device
from imbalance_cli.metrics import DEFAULT_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = torch.device("cpu")
METRICS = ("average_precision", "roc_auc", "brier", "f1")
THRESHOLD = 0.3


def simulate(rows: int, labels: int, prevalence: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return calibrated float64 probabilities, and float32 targets drawn from them, (N, L)."""
    random = np.random.default_rng(0)
    p = torch.empty(rows, labels, dtype=torch.float64)
    y = torch.empty(rows, labels)
    for label in range(labels):
        odds = np.log(prevalence / (1 - prevalence)) - 1.0 + 1.5 * random.standard_normal(rows)
        column = 1 / (1 + np.exp(-odds))
        p[:, label] = torch.from_numpy(column)
        y[:, label] = torch.from_numpy(random.random(rows) < column)
    return p, y


def score_by_scikit_learn(p: torch.Tensor, y: torch.Tensor) -> list[list[float]]:
    """Return the four metrics of each label."""
    values = []
    for scores, targets in zip(p.numpy().T, y.numpy().T, strict=True):
        truth = targets.astype(int)
        values.append(
            [
                reference.average_precision_score(truth, scores),
                reference.roc_auc_score(truth, scores),
                reference.brier_score_loss(truth, scores),
                reference.f1_score(truth, scores >= THRESHOLD),
            ]
        )
    return values


def timed(
    work: Callable[[], list[Any]], device: torch.device
) -> tuple[list[Any], tuple[float, float]]:
    """Return what some work on a device comes to, and its seconds by the clock and of the CPU."""
    wait_for(device)
    clock, cpu = time.perf_counter(), time.process_time()
    result = work()
    wait_for(device)
    return result, (time.perf_counter() - clock, time.process_time() - cpu)


def wait_for(device: torch.device) -> None:
    """Return when a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def name_device(device: torch.device) -> str:
    """Return what a device is called."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def show(seconds: tuple[float, float]) -> str:
    """Return seconds by the clock and of the CPU."""
    return f"{seconds[0]:.1f} s by the clock, {seconds[1]:.1f} s of the CPU"


def peak() -> float:
    """Return the most memory the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Time both, and say how far apart their values are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--prevalence", type=float, default=0.02)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--device", default="cpu", help="where our side computes")
    parser.add_argument("--whole", action="store_true", help="without scikit-learn")
    options = parser.parse_args()
    p, y = simulate(options.rows, options.labels, options.prevalence)
    device = choose_device(options.device)
    thresholds = torch.full((options.labels,), THRESHOLD, dtype=torch.float64, device=device)
    scores, targets = p.to(device), y.to(device)
    names = [f"y_{label}" for label in range(options.labels)]
    before = peak()
    print(
        f"{options.rows:,} rows x {options.labels:,} labels, {float(y.mean()):.2%} positives, "
        f"{options.replicates} replicates, on {name_device(device)}"
    )

    def evaluate() -> list[list[float]]:
        evaluation = evaluate_rows(
            DenseRows(scores, targets),
            thresholds,
            names,
            part="test",
            source="simulated",
            learnable=[True] * options.labels,
            resampling=Resampling(options.replicates),
            device=device,
        )
        return [[getattr(label, name).value for name in METRICS] for label in evaluation.labels]

    whole, seconds = timed(evaluate, device)
    print(f"whole report: {show(seconds)}; {peak() - before:,.0f} MB more at most")
    if options.whole:
        return
    counted = torch.ones_like(thresholds, dtype=torch.bool)
    shared = Shared(Resampling(options.replicates), DEFAULT_LEVELS, thresholds, counted)
    _, of_labels = timed(
        lambda: [
            evaluate_label(scores[:, i], targets[:, i], i, shared) for i in range(options.labels)
        ],
        device,
    )
    theirs, reference_seconds = timed(lambda: score_by_scikit_learn(p, y), CPU)
    apart = float(np.abs(np.array(whole) - np.array(theirs)).max())
    print(f"labels alone, all metrics with intervals: {show(of_labels)}")
    print(f"scikit-learn, four points: {show(reference_seconds)}; {apart:.1e} apart at most")
    for name, own in (("labels alone", of_labels), ("whole report", seconds)):
        ratios = [mine / its for mine, its in zip(own, reference_seconds, strict=True)]
        print(f"{name} / scikit-learn: {ratios[0]:.2f} by the clock, {ratios[1]:.2f} of the CPU")


if __name__ == "__main__":
    main()
