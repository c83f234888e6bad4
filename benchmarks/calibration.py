"""How well calibrated each loss is where the truth is known: python benchmarks/calibration.py.

Rows are simulated with a known probability eta of a positive, about 1 % on average. `imbtrain fit`
trains the same network with the same seed by each loss; the expected calibration error of its
probabilities is then taken against eta itself on 100,000 other rows, so that no chance of drawn
targets is in it. "link alone" is the inverse link without the Platt step that `calibration.method:
auto` may add; "sigmoid" is what the logits would say by themselves.

Shapes: N rows, F features.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import torch

from imbalance_cli.calibration import Calibration
from imbalance_cli.config import Config
from imbalance_cli.metrics import expected_calibration_error
from imbalance_cli.predictor import Predictor
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.workflows import Observers, fit

LOSSES = ("bce", "weighted_bce", "focal", "asymmetric")
GOALS = {"weighted_bce": 1.25, "focal": 1.25, "asymmetric": 1.25}
ROWS, UNSEEN, FEATURES, PREVALENCE = 100_000, 100_000, 6, 0.01


def simulate(rows: int, seed: int) -> tuple[pl.DataFrame, torch.Tensor]:
    """Return features with a drawn target y, and eta, (N, 1) float64."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES))
    score = 1.2 * x[:, 0] - 0.8 * x[:, 1] + 0.6 * x[:, 2] * x[:, 3] + 0.5 * np.abs(x[:, 4])
    # the intercept at which eta is 1 % on average over a large sample of the same scores
    eta = 1 / (1 + np.exp(-(score - 6.2)))
    drawn = (random.random(rows) < eta).astype(np.int8)
    columns = {f"x{i}": x[:, i] for i in range(FEATURES)}
    return pl.DataFrame(columns | {"y": drawn}), torch.from_numpy(eta)[:, None]


def calibration_errors(loss: str, seed: int, folder: Path) -> tuple[float, float, float]:
    """Return the error as `fit` leaves it, of the inverse link alone, and of the plain sigmoid."""
    train, unseen = folder / f"train{seed}.csv", folder / f"unseen{seed}.csv"
    frame, _ = simulate(ROWS, seed)
    frame.write_csv(train)
    frame, eta = simulate(UNSEEN, seed + 1000)
    frame.write_csv(unseen)
    config = Config.model_validate(
        {
            "data": {"train": [str(train)], "labels": ["y"]},
            "loss": {"name": loss},
            "weighting": {"strategy": "ratio" if loss == "weighted_bce" else "none"},
            "training": {"seed": seed, "epochs": 30, "patience": 8},
            "report": {"bootstrap": 0},
        }
    )
    run = folder / f"{loss}{seed}"
    fit(config, run, Observers(()), overwrite=False)
    predictor = Predictor.load(run, torch.device("cpu"))
    table = read_table([open_source(str(unseen))], predictor.preprocessing.columns)
    link = dataclasses.replace(predictor, calibration=Calibration.identity(1))
    raw = dataclasses.replace(link, undo_loss=False)
    calibrated, linked, plain = (
        float(expected_calibration_error(kind.probabilities(table), eta))
        for kind in (predictor, link, raw)
    )
    return calibrated, linked, plain


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--seeds", default=5, type=int)
    options = parser.parse_args()
    lines = [
        "| loss | ECE | of that of bce | goal | | link alone | sigmoid |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    baseline = None
    with tempfile.TemporaryDirectory() as folder:
        for loss in LOSSES:
            pairs = [calibration_errors(loss, seed, Path(folder)) for seed in range(options.seeds)]
            calibrated, linked, plain = np.mean(pairs, axis=0)
            baseline = baseline or calibrated
            ratio, goal = calibrated / baseline, GOALS.get(loss)
            verdict = "" if goal is None else "met" if ratio <= goal else "missed"
            shown = "" if goal is None else f"at most {goal}"
            lines.append(
                f"| {loss} | {calibrated:.5f} | {ratio:.2f} | {shown} | {verdict} "
                f"| {linked:.5f} | {plain:.5f} |"
            )
    print("\n".join(lines))
    print(
        f"\n{ROWS:,} rows of which {PREVALENCE:.0%} positive; mean of {options.seeds} seeds. "
        f"{dt.datetime.now().astimezone().date()}; torch {version('torch')}; CPU."
    )


if __name__ == "__main__":
    main()
