"""Means, ranks, paired intervals and goals of the results that benchmarks/quality.py collects.

A result is a contestant's metrics on the test part of one table at one seed. Seeds are averaged
first: a table is the unit, of ranks and of intervals.

Shapes: N rows, L labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

METRICS = ("average_precision", "roc_auc", "f1", "brier", "log_loss", "ece")
BINS = 15
OURS, YARDSTICK = "ours", "catboost"


def calibration_error(targets: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Return the mean gap of probability and frequency over bins of equal width (Guo et al. 2017).

    Both are (N,); bins count by their rows.
    """
    own = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(own, targets - probabilities, bins)
    return float(np.abs(gaps).sum() / len(targets))


def best_threshold(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the score, (N,) each, from which on calling positive has the highest F1.

    Without a positive nothing can be tuned: 0.5.
    """
    if not targets.any():
        return 0.5
    precision, recall, thresholds = metrics.precision_recall_curve(targets, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return float(thresholds[np.argmax(f1[:-1])])


def has_both_classes(targets: np.ndarray) -> np.ndarray:
    """Return (L,) whether a label has a 0 and a 1 among the targets (N, L)."""
    return np.asarray((targets == 0).any(axis=0) & (targets == 1).any(axis=0))


def score(
    train: np.ndarray, targets: np.ndarray, probabilities: np.ndarray, decisions: np.ndarray
) -> dict[str, float]:
    """Return the metrics of (N, L) predictions, means over the labels that can be learnt and told.

    These have both classes in the training targets `train`, which may have other rows, and in
    `targets`. Targets are 0, 1 or NaN, which counts nowhere.

    Raises:
        ValueError: a row whose target is known has no probability, or there is no such label.
    """
    labels = []
    for label in np.flatnonzero(has_both_classes(train) & has_both_classes(targets)):
        known = ~np.isnan(targets[:, label])
        y, p = targets[known, label].astype(int), probabilities[known, label]
        called = decisions[known, label]
        labels.append(
            [
                metrics.average_precision_score(y, p),
                metrics.roc_auc_score(y, p),
                metrics.f1_score(y, called, zero_division=0),
                metrics.brier_score_loss(y, p),
                metrics.log_loss(y, p),
                calibration_error(y, p),
            ]
        )
    if not labels:
        raise ValueError("no label has both classes in the training and the test part")
    return {
        **dict(zip(METRICS, np.mean(labels, axis=0).tolist(), strict=True)),
        "labels": len(labels),
    }


def complete_tables(results: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the means over seeds, by table and contestant, and the tables left out.

    A table is left out where a contestant lacks a result: all are compared on the same tables.
    """
    counts = results.pivot_table(
        index="table", columns="contestant", values="seconds", aggfunc="count", fill_value=0
    )
    whole = counts.index[counts.min(axis=1) == results["seed"].nunique()]
    names = [*METRICS, "seconds", "training_seconds", "rows"]
    means = results.groupby(["table", "contestant"])[names].mean()
    return means.loc[list(whole)], sorted(set(counts.index) - set(whole))


def by_contestant(means: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one metric, a row a table and a column a contestant."""
    return means.reset_index().pivot_table(index="table", columns="contestant", values=metric)


def mean_ranks(means: pd.DataFrame, metric: str, contestants: Sequence[str]) -> pd.Series:
    """Return each contestant's mean rank over tables; 1 is best, ties share their mean rank."""
    table = by_contestant(means, metric)[list(contestants)]
    return table.rank(axis=1, ascending=metric in {"log_loss", "brier", "ece"}).mean()


def paired_interval(differences: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Return Student's interval for the mean of the differences over tables; NaN for one table."""
    if len(differences) < 2:  # noqa: PLR2004
        return np.nan, np.nan
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    reach = student.ppf((1 + confidence) / 2, len(differences) - 1) * error
    return float(differences.mean() - reach), float(differences.mean() + reach)


def summarise(means: pd.DataFrame, contestants: Sequence[str]) -> pd.DataFrame:
    """Return a row a contestant, as text; ranks are among these contestants."""
    ranks = {
        name: mean_ranks(means, name, contestants) for name in ("average_precision", "log_loss")
    }
    rows = []
    for contestant in contestants:
        own = means.xs(contestant, level="contestant")
        row = {"contestant": contestant}
        row |= {name.replace("_", " "): f"{own[name].mean():.4f}" for name in METRICS}
        row["rank by AP / log loss"] = " / ".join(f"{r[contestant]:.2f}" for r in ranks.values())
        row |= _against_yardstick(means, contestant)
        row["median s, whole process"] = f"{own['seconds'].median():.2f}"
        row["of which training"] = f"{own['training_seconds'].median():.2f}"
        rows.append(row)
    return pd.DataFrame(rows)


def _against_yardstick(means: pd.DataFrame, contestant: str) -> dict[str, str]:
    """Return the wins and the paired differences against CatBoost, where it took part."""
    if YARDSTICK not in means.index.get_level_values("contestant"):
        return {}
    cells = {}
    for metric, name, sign in (("average_precision", "AP", 1), ("log_loss", "log loss", -1)):
        table = by_contestant(means, metric)
        differences = (table[contestant] - table[YARDSTICK]).to_numpy()
        low, high = paired_interval(differences)
        text = f"{differences.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        won = f"{(sign * differences > 0).sum()} of {len(differences)}"
        is_itself = contestant == YARDSTICK
        cells[f"wins by {name}"] = "" if is_itself else won
        cells[f"{name} less CatBoost's [95 %]"] = "" if is_itself else text
    return cells


def single_label_goals(means: pd.DataFrame) -> list[str]:
    """Return a line a goal of quality and cost; none where ours or CatBoost has no results.

    The rank is among all contestants of `means`.
    """
    if not _has_both(means):
        return []
    of = means.groupby("contestant").mean().to_dict()
    median = means.groupby("contestant").median().to_dict()
    ranks = mean_ranks(means, "log_loss", list(of["log_loss"]))
    precision, log_loss, f1 = of["average_precision"], of["log_loss"], of["f1"]
    training = 8 * median["training_seconds"][YARDSTICK]
    largest = str(by_contestant(means, "rows")[OURS].idxmax())
    seconds = by_contestant(means, "seconds")[OURS].loc[largest]
    return [
        _at_least("mean average precision", precision[OURS], precision[YARDSTICK] + 0.005),
        _at_most("mean log loss", log_loss[OURS], log_loss[YARDSTICK]),
        _at_most("mean rank by log loss, first", ranks[OURS], ranks.drop(OURS).min()),
        _at_least("mean F1", f1[OURS], f1[YARDSTICK]),
        _at_most("mean ECE", of["ece"][OURS], 0.012),
        _at_most("median s, 8 x CatBoost's training", median["seconds"][OURS], training),
        _at_most(f"s on the largest table, {largest}", seconds, 30),
    ]


def several_label_goals(means: pd.DataFrame) -> list[str]:
    """Return a line a goal on the tables of several labels, as `single_label_goals` does."""
    if not _has_both(means):
        return []
    macro = means["average_precision"].groupby("contestant").mean()
    return [_at_least("several labels, mean macro AP", macro[OURS], macro[YARDSTICK])]


def _has_both(means: pd.DataFrame) -> bool:
    return {OURS, YARDSTICK} <= set(means.index.get_level_values("contestant"))


def _at_least(what: str, value: float, bound: float) -> str:
    verdict = "met" if value >= bound else "missed"
    return f"{what}: {value:.4f}, goal at least {bound:.4f}: {verdict}"


def _at_most(what: str, value: float, bound: float) -> str:
    verdict = "met" if value <= bound else "missed"
    return f"{what}: {value:.4f}, goal at most {bound:.4f}: {verdict}"


def markdown(table: pd.DataFrame) -> str:
    """Return a table of text as Markdown, its columns aligned."""
    cells = [list(table.columns), *table.to_numpy().tolist()]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [cells[0], rule, *cells[1:]]
    return "\n".join("| " + " | ".join(_pad(row, widths)) + " |" for row in lines)


def _pad(row: list[str], widths: list[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
