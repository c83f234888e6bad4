"""How often the intervals of a label cover what they are of, on simulated rows.

    python benchmarks/coverage.py
    python benchmarks/coverage.py --sets 4000 --replicates 400

Each data set has calibrated probabilities whose log-odds are normal, and targets drawn from them,
so that the number of positives varies as it does in rows that are drawn. The truth of a metric is
its value on four million rows. Beside our interval stand the percentiles of the same replicates,
and of replicates that all have as many positives as the data (a stratified bootstrap).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from imbalance_cli.evaluation import LEAST_FOR_INTERVAL, Resampling
from imbalance_cli.evaluation.resampling import draw_apart
from imbalance_cli.metrics import DEFAULT_LEVELS, METRICS, BandCounts, Bands, make_intervals

SHOWN = (
    "average_precision",
    "roc_auc",
    "brier",
    "f1",
    "recall",
    "mcc",
    "log_loss",
    "brier_skill",
    "ece",
)
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
    rows: int, offset: float, spread: float, random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities and targets, (N,)."""
    p = 1 / (1 + np.exp(-offset - spread * random.standard_normal(rows)))
    return torch.from_numpy(p), torch.from_numpy((random.random(rows) < p).astype(float))


def measure(rows: int, prevalence: float, spread: float, sets: int, replicates: int) -> None:
    """Print the coverage of each metric."""
    random = np.random.default_rng(1)
    offset, threshold = find_offset(prevalence, spread), 2 * prevalence
    truth = BandCounts.of(Bands.of(*simulate(TRUTH_ROWS, offset, spread, random), threshold))
    values = truth.itself().metrics(DEFAULT_LEVELS)[:, 0]
    covered = np.zeros((3, len(METRICS)))
    above = np.zeros(len(METRICS))
    used = 0
    for number in range(sets):
        p, y = simulate(rows, offset, spread, random)
        positives = int(y.sum())
        if positives < LEAST_FOR_INTERVAL:
            continue
        used += 1
        bands = Bands.of(p, y, threshold)
        whole = BandCounts.of(bands)
        points = whole.itself().metrics(DEFAULT_LEVELS)[:, 0]
        counts = whole.merged(bands.merged(), bands)
        drawn = [
            draw_apart(
                counts,
                Resampling(replicates, seed=1, hold_prevalence=hold),
                number,
                DEFAULT_LEVELS,
            )
            for hold in (False, True)
        ]
        intervals = [make_intervals(points, drawn[0], positives, 0.95)]
        tails = torch.tensor([0.025, 0.975], dtype=torch.float64)
        intervals += [draws.nanquantile(tails, dim=1).T for draws in drawn]
        for kind, ends in enumerate(intervals):
            covered[kind] += ((ends[:, 0] <= values) & (values <= ends[:, 1])).numpy()
        above += (intervals[0][:, 0] > values).numpy()
    print(
        f"\n{rows:,} rows, {prevalence:.1%} positives ({rows * prevalence:.0f}), log-odds of "
        f"spread {spread:g}: {used} sets\n"
        f"{'metric':20s} truth  ours (too high, too low)  percentiles  stratified percentiles"
    )
    for name in SHOWN:
        i = METRICS.index(name)
        own, plain, held = 100 * covered[:, i] / used
        high = 100 * above[i] / used
        print(
            f"{name:20s} {float(values[i]):5.3f}  {own:4.1f} ({high:4.1f}, "
            f"{100 - own - high:4.1f})         {plain:4.1f}         {held:4.1f}",
            flush=True,
        )


def main() -> None:
    """Print a table a setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--replicates", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for setting in SETTINGS:
        measure(*setting, options.sets, options.replicates)


if __name__ == "__main__":
    main()
