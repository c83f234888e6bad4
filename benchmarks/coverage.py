"""How often the intervals of a label cover what they are of, on simulated rows.

    python benchmarks/coverage.py
    python benchmarks/coverage.py --sets 4000 --replicates 400
    python benchmarks/coverage.py --only calibration --sets 300

Each data set has calibrated probabilities whose log-odds are normal, and targets drawn from them,
so that the number of positives varies as it does in rows that are drawn. The truth of a metric is
its value on four million rows. Beside our interval stand the percentiles of the same replicates.

The calibration error of such rows is 0. Of other errors there is a table of its own, for
probabilities whose log-odds are moved and stretched; there the truth is the mean gap between
probability and chance over ten bins of four million rows. So is there one of averages, of labels
whose log-odds and targets both depend on the others'.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

import numpy as np
import torch

from imbalance_cli.evaluation import (
    LEAST_FOR_INTERVAL,
    DenseRows,
    Interval,
    Resampling,
    evaluate_rows,
    resampling,
)
from imbalance_cli.evaluation.label_numbers import Found
from imbalance_cli.evaluation.resampling import draw_apart
from imbalance_cli.metrics import (
    DEFAULT_LEVELS,
    METRIC_SPECS,
    BandCounts,
    Bands,
    expected_calibration_error,
)
from imbalance_cli.metrics.bands import BINS

METRICS = tuple(METRIC_SPECS)

SHOWN = (
    "average_precision",
    "roc_auc",
    "brier",
    "f1",
    "precision",
    "recall",
    "recall_at_precision",
    "balanced_accuracy",
    "mcc",
    "log_loss",
    "brier_skill",
    "ece",
)
Bounded: TypeAlias = tuple[float | None, Interval | None]
Bounds: TypeAlias = tuple[torch.Tensor, torch.Tensor]
TRUTH_ROWS = 4_000_000
SETTINGS = (  # rows, prevalence, spread of the log-odds
    (2_000, 0.05, 1.5),
    (2_000, 0.1, 2.0),
    (5_000, 0.01, 1.5),
    (5_000, 0.01, 3.0),
    (20_000, 0.01, 2.0),
    (20_000, 0.05, 2.0),
    (2_000, 0.01, 2.0),
    (1_000, 0.01, 2.0),
    (1_000, 0.005, 2.0),
)
DISTORTIONS = ((1.0, 0.0), (1.0, 0.15), (1.0, 0.5), (1.2, 0.0), (0.6, 0.0), (1.5, 1.0))
"""Slope and shift of log-odds, from calibrated to far off."""
CALIBRATION_SETTINGS = SETTINGS[:2] + SETTINGS[2:4] + SETTINGS[5:7]
TABLES = ("labels", "calibration", "averages")
PREVALENCES = (0.3, 0.1, 0.05, 0.02, 0.01)
AVERAGED_ROWS = 2_000
AVERAGED = ("average_precision", "roc_auc", "brier", "f1", "recall", "log_loss", "ece")
ECE = METRICS.index("ece")


def find_offset(prevalence: float, spread: float) -> float:
    """Return the mean of the log-odds at which the prevalence is what it should be."""
    normal = spread * np.random.default_rng(0).standard_normal(1_000_000)
    low, high = -30.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        is_low = float((1 / (1 + np.exp(-middle - normal))).mean()) < prevalence
        low, high = (middle, high) if is_low else (low, middle)
    return low


def simulate(
    rows: int,
    offset: float,
    spread: float,
    random: np.random.Generator,
    distortion: tuple[float, float] = (1.0, 0.0),
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return probabilities, targets, and chances of these, (N,)."""
    normal = spread * random.standard_normal(rows)
    slope, shift = distortion
    chance = 1 / (1 + np.exp(-offset - normal))
    p = 1 / (1 + np.exp(-offset - shift - slope * normal))
    y = (random.random(rows) < chance).astype(float)
    return torch.from_numpy(p), torch.from_numpy(y), torch.from_numpy(chance)


def bound(
    p: torch.Tensor, y: torch.Tensor, threshold: float, replicates: int, number: int
) -> Bounds:
    """Return the intervals of one data set."""
    bands = Bands.of(p, y, threshold)
    counts = BandCounts.of(bands)
    found = Found.of(counts, DEFAULT_LEVELS)
    merged = counts.merged(bands.merged(), bands)
    drawn = draw_apart(merged, Resampling(replicates, seed=1), number, DEFAULT_LEVELS)
    tails = torch.tensor([0.025, 0.975], dtype=torch.float64)
    return (
        found.intervals(drawn, min(int(y.sum()), int((1 - y).sum())), 0.95),
        drawn.metrics.nanquantile(tails, dim=1).T,
    )


def measure(rows: int, prevalence: float, spread: float, sets: int, replicates: int) -> None:
    """Print the coverage of each metric."""
    random = np.random.default_rng(1)
    offset, threshold = find_offset(prevalence, spread), 2 * prevalence
    p, y, _ = simulate(TRUTH_ROWS, offset, spread, random)
    values = BandCounts.of(Bands.of(p, y, threshold)).itself().metrics(DEFAULT_LEVELS)[:, 0]
    values[ECE] = 0.0
    covered = np.zeros((2, len(METRICS)))
    above = np.zeros(len(METRICS))
    used = 0
    for number in range(sets):
        p, y, _ = simulate(rows, offset, spread, random)
        if y.sum() < LEAST_FOR_INTERVAL:
            continue
        used += 1
        intervals = bound(p, y, threshold, replicates, number)
        for kind, ends in enumerate(intervals):
            covered[kind] += ((ends[:, 0] <= values) & (values <= ends[:, 1])).numpy()
        above += (intervals[0][:, 0] > values).numpy()
    print(
        f"\n{rows:,} rows, {prevalence:.1%} positives ({rows * prevalence:.0f}), log-odds of "
        f"spread {spread:g}: {used} sets\n"
        f"{'metric':20s} truth  ours (too high, too low)  percentiles"
    )
    for name in SHOWN:
        i = METRICS.index(name)
        own, plain = 100 * covered[:, i] / used
        high = 100 * above[i] / used
        print(
            f"{name:20s} {float(values[i]):5.3f}  {own:4.1f} ({high:4.1f}, "
            f"{100 - own - high:4.1f})         {plain:4.1f}",
            flush=True,
        )


def measure_calibration(
    rows: int, prevalence: float, spread: float, sets: int, replicates: int
) -> None:
    """Print the coverage of calibration errors from 0 up."""
    offset = find_offset(prevalence, spread)
    print(
        f"\n{rows:,} rows, {prevalence:.1%} positives, log-odds of spread {spread:g}: {sets} sets\n"
        "slope shift  truth    mean     ours (too high, too low)  mean width"
    )
    for distortion in DISTORTIONS:
        random = np.random.default_rng(1)
        p, _, chance = simulate(TRUTH_ROWS, offset, spread, random, distortion)
        bins = (p - chance)[p.argsort()].reshape(BINS, -1)
        truth = float(bins.mean(dim=1).abs().mean())
        found = []
        for number in range(sets):
            p, y, _ = simulate(rows, offset, spread, random, distortion)
            if y.sum() >= LEAST_FOR_INTERVAL:
                value = expected_calibration_error(p[:, None], y[:, None], debias=True)
                low, high = bound(p, y, 0.5, replicates, number)[0][ECE].tolist()
                found.append((float(value), low, high))
        values, low, high = np.array(found).T
        above, below = (100 * wrong.mean() for wrong in (low > truth, high < truth))
        print(
            f"{distortion[0]:<6g}{distortion[1]:<6g} {truth:.5f}  {values.mean():.5f}  "
            f"{100 - above - below:4.1f} ({above:4.1f}, {below:4.1f})         "
            f"{(high - low).mean():.5f}",
            flush=True,
        )


def simulate_labels(
    rows: int, offsets: torch.Tensor, random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return calibrated probabilities and targets, (N, L), that labels share a part of."""

    def draw() -> torch.Tensor:
        shared = random.standard_normal((rows, 1))
        return torch.from_numpy(shared + random.standard_normal((rows, len(offsets)))) / 2**0.5

    p = torch.sigmoid(offsets + 2 * draw())
    return p, (torch.special.ndtr(draw()) < p).double()


def evaluate(p: torch.Tensor, y: torch.Tensor, replicates: int) -> dict[str, Bounded]:
    """Return value and interval of each metric of the averages."""
    labels = p.shape[1]
    evaluation = evaluate_rows(
        DenseRows(p, y),
        torch.full((labels,), 0.2, dtype=torch.float64),
        [str(label) for label in range(labels)],
        part="test",
        source="simulated",
        learnable=[True] * labels,
        resampling=Resampling(replicates, seed=1),
    )
    kinds = {
        "macro": (evaluation.macro, evaluation.macro_intervals),
        "micro": (evaluation.micro, evaluation.micro_intervals),
        "weighted": (evaluation.weighted_average, evaluation.weighted_intervals),
        "rows": (evaluation.multilabel, evaluation.multilabel_intervals),
    }
    return {
        f"{kind} {name}": (values[name], intervals.get(name))
        for kind, (values, intervals) in kinds.items()
        for name in values
        if kind == "rows" or name in AVERAGED
    }


def measure_averages(sets: int, replicates: int) -> None:
    """Print the coverage of averages over labels, rows drawn one by one and in blocks."""
    offsets = torch.tensor([find_offset(prevalence, 2.0) for prevalence in PREVALENCES])
    random = np.random.default_rng(1)
    values = evaluate(*simulate_labels(TRUTH_ROWS // 10, offsets, random), 0)
    truth = {
        name: 0.0 if value is None or name.endswith(" ece") else value
        for name, (value, _) in values.items()
    }
    wrong = {name: np.zeros((sets, 2, 2)) for name in truth}
    cells = resampling.JOINT_CELLS
    for number in range(sets):
        p, y = simulate_labels(AVERAGED_ROWS, offsets, random)
        for kind, most in enumerate((cells, 0)):
            resampling.JOINT_CELLS = most
            for name, (_, ends) in evaluate(p, y, replicates).items():
                is_off = (
                    (True, True)
                    if ends is None
                    else (ends.low > truth[name], ends.high < truth[name])
                )
                wrong[name][number, kind] = is_off
    print(
        f"\n{AVERAGED_ROWS:,} rows x {len(offsets)} labels of {PREVALENCES}: {sets} sets\n"
        "metric                                    truth  rows (too high, too low)  blocks"
    )
    for name, off in wrong.items():
        of_rows, of_blocks = (
            f"{100 - high - low:4.1f} ({high:4.1f}, {low:4.1f})"
            for high, low in 100 * off.mean(axis=0)
        )
        print(f"{name:40s} {truth[name]:6.3f}  {of_rows}         {of_blocks}")


def main() -> None:
    """Print a table a setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--only", choices=TABLES, help="one kind of tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = TABLES if options.only is None else (options.only,)
    if "labels" in chosen:
        for setting in SETTINGS:
            measure(*setting, options.sets, options.replicates)
    if "calibration" in chosen:
        for setting in CALIBRATION_SETTINGS:
            measure_calibration(*setting, options.sets, options.replicates)
    if "averages" in chosen:
        measure_averages(options.sets, options.replicates)


if __name__ == "__main__":
    main()
