"""How well calibrated each loss is where the truth is known: python benchmarks/calibration.py.

Rows are simulated with a known probability eta of a positive, about 1 % on average. `imbtrain fit`
trains the same network with the same seed by each loss; the expected calibration error of its
probabilities is then taken against eta itself on 100,000 other rows, so that no chance of drawn
targets is in it. "link alone" is the inverse link without the step that `calibration.method: auto`
may add; "sigmoid" is what the logits would say by themselves.

With `--tables FOLDER` the methods are compared on real tables instead: each .csv.gz or .csv there
with one label `y` is cut 60/20/20, stratified, at each seed and fitted as the config's defaults
say. Every method is then fitted on the validation rows, and kept always or only where it lowers
their log loss by more than some standard errors; what it changes of the test log loss is against
the inverse link alone.

Shapes: N rows, F features.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.model_selection import train_test_split
from torch.nn.functional import binary_cross_entropy_with_logits

from imbalance_cli import fit as fit_frames
from imbalance_cli.config import Config
from imbalance_cli.decisions.calibration import Calibration, Method, fit_calibration
from imbalance_cli.metrics import expected_calibration_error
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.readers.frames import FrameSource
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.run.scored_rows import calibrate
from imbalance_cli.workflows import Observers, fit

LOSSES = ("bce", "weighted_bce", "focal", "asymmetric")
GOALS = {"weighted_bce": 1.25, "focal": 1.25, "asymmetric": 1.25}
FEW = 60  # validation positives
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
    kinds = (predictor, link, raw)
    probabilities = [calibrate(k.scores(table).log_odds(), k.calibration) for k in kinds]
    calibrated, linked, plain = (float(expected_calibration_error(p, eta)) for p in probabilities)
    return calibrated, linked, plain


@dataclasses.dataclass(frozen=True)
class Odds:
    """Log-odds of the inverse link and targets of the validation and the test rows, (N, 1) each."""

    valid: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]

    @property
    def positives(self) -> int:
        """The validation rows that are positive."""
        return int(self.valid[1].sum())

    def change(self, method: Method, least: float | None) -> tuple[float, float]:
        """Return the test log loss of the inverse link alone, and what a method changes of it.

        Args:
            method: of calibration.
            least: standard errors by which the validation log loss has to fall; None: as it is.
        """
        step = fit_calibration(*self.valid, method)
        (before, after), (test_before, test_after) = (
            (losses(u, y), losses(step.apply(u), y)) for u, y in (self.valid, self.test)
        )
        gain = before - after
        is_kept = least is None or gain.mean() > least * gain.std() / len(gain) ** 0.5
        return float(test_before.mean()), float((test_after - test_before).mean()) * is_kept


def losses(log_odds: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the log loss of each row, (N, 1)."""
    return binary_cross_entropy_with_logits(log_odds.double(), y, reduction="none")


def odds_of_table(path: Path, seed: int, options: argparse.Namespace) -> Odds | None:
    """Return what the network of a table says of its held-out rows; None without one label `y`."""
    frame = pl.read_csv(path, infer_schema_length=None)
    if "y" not in frame.columns:
        return None
    frame = frame[[column.name for column in frame if column.null_count() < len(column)]]
    numbers, y = np.arange(len(frame)), frame["y"].to_numpy()
    if len(frame) > options.rows:
        numbers = cut(numbers, y, options.rows, seed)[0]
    rest, test = cut(numbers, y, 0.8, seed)
    train, valid = cut(rest, y, 0.75, seed)
    training = {"seed": seed} | ({"epochs": options.epochs} if options.epochs else {})
    config = {
        "data": {"labels": ["y"]},
        "training": training,
        "calibration": {"method": "analytic"},
        "report": {"bootstrap": 0, "plots": False},
    }
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        run = Path(folder) / "run"
        parts = {"train": frame[train], "valid": frame[valid], "test": frame[test]}
        fit_frames(config, parts["train"], valid=parts["valid"], test=parts["test"], run_dir=run)
        predictor = Predictor.load(run, torch.device("cpu"))
    held_out = []
    for part in ("valid", "test"):
        table = read_table([FrameSource(parts[part])], predictor.preprocessing.columns)
        targets = torch.tensor(parts[part]["y"].to_list(), dtype=torch.float64)[:, None]
        held_out.append((predictor.scores(table).log_odds(), targets))
    return Odds(*held_out)


def cut(numbers: np.ndarray, y: np.ndarray, first: float, seed: int) -> list[np.ndarray]:
    """Return two stratified parts of rows, the first of so many or of that share."""
    parts: list[np.ndarray] = train_test_split(
        numbers, train_size=first, stratify=y[numbers], random_state=seed
    )
    return parts


def fit_tables(options: argparse.Namespace) -> list[Odds]:
    """Return what every table's networks say, one of each seed."""
    fits = []
    for path in sorted(options.tables.glob("*.csv*")):
        for seed in range(options.seeds):
            odds = odds_of_table(path, seed, options)
            if odds is not None:
                fits.append(odds)
                print(f"{path.name}, seed {seed}: {odds.positives} positives", file=sys.stderr)
    return fits


def compare_methods(fits: list[Odds]) -> list[str]:
    """Return a table of the methods; `quadratic` is gated by itself."""
    lines = [
        "| method | kept | changed | log loss | of it | made worse | by most | few | many |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    kinds: tuple[Method, ...] = ("temperature", "platt")
    gates: list[tuple[Method, float | None]] = [("auto", None)]
    gates += [(method, least) for method in kinds for least in (None, 1.0, 2.0)]
    gates += [("quadratic", 1.0), ("quadratic", 2.0)]
    for method, least in gates:
        before, change = np.array([odds.change(method, least) for odds in fits]).T
        share, is_few = change / before, np.array([odds.positives < FEW for odds in fits])
        shown = "by itself" if method == "auto" else "always" if least is None else f"{least:g} SE"
        lines.append(
            f"| {method} | {shown} | {np.mean(change != 0):.0%} | {change.mean():+.5f} "
            f"| {share.mean():+.2%} | {np.mean(change > 0):.0%} | {max(0.0, share.max()):+.1%} "
            f"| {show_mean(share[is_few])} | {show_mean(share[~is_few])} |"
        )
    few = sum(odds.positives < FEW for odds in fits)
    return [*lines, "", f"{len(fits)} fits, {few} of few (below {FEW}) validation positives."]


def show_mean(shares: np.ndarray) -> str:
    """Return the mean of shares, (N,), as text."""
    return f"{shares.mean():+.2%}" if len(shares) else "none"


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--seeds", default=5, type=int)
    parser.add_argument("--tables", type=Path, help="compare the methods on the tables there")
    parser.add_argument("--rows", default=10**9, type=int, help="of a table, at most")
    parser.add_argument("--epochs", type=int, help="instead of the default")
    options = parser.parse_args()
    if options.tables is not None:
        print("\n".join(compare_methods(fit_tables(options))))
        return
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
