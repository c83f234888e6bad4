"""Train one of the other libraries on a folder of parts, as benchmarks/quality.py asks for it.

`python benchmarks/quality_contestants.py NAME FOLDER SEED THREADS` reads train.csv, valid.csv,
test.csv and labels.json in FOLDER, trains a model a label at the library's defaults and writes
scores.npz: the probabilities of `valid` and `test`, (N, L) each, and `seconds`, what the calls of
`fit` took. It is a process of its own, so that its start and its reading are timed as ours are.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    Scorer = Callable[[pd.DataFrame], np.ndarray]

PARTS = ("train", "valid", "test")
PATIENCE = 50  # rounds without a lower validation log loss
MOST_BINS = 255  # of HistGradientBoosting, which takes no more categories than that


class Problem(NamedTuple):
    """What a contestant learns from: the known rows of one label."""

    rows: pd.DataFrame
    targets: pd.Series
    valid_rows: pd.DataFrame
    valid_targets: pd.Series
    seed: int
    threads: int


def text_columns(rows: pd.DataFrame) -> list[str]:
    """Return the names of the columns that are not numbers."""
    return [str(name) for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]


def read_parts(folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Return the features and the targets of each part; columns that are not numbers are text.

    The columns are renamed: LightGBM refuses some of the characters that names have.
    """
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    parts = {name: pd.read_csv(folder / f"{name}.csv", low_memory=False) for name in PARTS}
    table = pd.concat(parts)
    targets, rows = table[labels].astype(float), table.drop(columns=labels)
    rows.columns = pd.Index([f"f{number}" for number in range(rows.shape[1])])
    for name in rows:
        if pd.api.types.is_bool_dtype(rows[name]) or not pd.api.types.is_numeric_dtype(rows[name]):
            rows[name] = rows[name].astype(object).where(rows[name].isna(), rows[name].astype(str))
    return {name: rows.loc[name] for name in PARTS}, {name: targets.loc[name] for name in PARTS}


def with_levels(parts: dict[str, pd.DataFrame], most: int | None = None) -> None:
    """Make text categorical, its levels the most frequent of the training rows, others missing."""
    for name in text_columns(parts["train"]):
        levels = parts["train"][name].value_counts().index[:most]
        for part in PARTS:
            parts[part] = parts[part].assign(
                **{name: pd.Categorical(parts[part][name], categories=levels)}
            )


def fit_catboost(problem: Problem) -> Scorer:
    """Train CatBoost, which keeps its best iteration."""
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(
        random_seed=problem.seed,
        thread_count=problem.threads,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(
        problem.rows,
        problem.targets,
        cat_features=text_columns(problem.rows),
        eval_set=(problem.valid_rows, problem.valid_targets),
        early_stopping_rounds=PATIENCE,
    )
    return lambda rows: np.asarray(model.predict_proba(rows))[:, 1]


def fit_lightgbm(problem: Problem) -> Scorer:
    """Train LightGBM, which keeps its best iteration."""
    from lightgbm import LGBMClassifier, early_stopping

    model = LGBMClassifier(random_state=problem.seed, n_jobs=problem.threads, verbosity=-1)
    model.fit(
        problem.rows,
        problem.targets,
        eval_set=[(problem.valid_rows, problem.valid_targets)],
        callbacks=[early_stopping(PATIENCE, verbose=False)],
    )
    return lambda rows: np.asarray(model.predict_proba(rows))[:, 1]


def fit_hist_gradient_boosting(problem: Problem) -> Scorer:
    """Train scikit-learn's, with early stopping by the validation rows.

    It fails on a column without any value, which is left out.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    kept = problem.rows.columns[problem.rows.notna().any()]
    model = HistGradientBoostingClassifier(early_stopping=True, random_state=problem.seed)
    model.fit(
        problem.rows[kept],
        problem.targets,
        X_val=problem.valid_rows[kept],
        y_val=problem.valid_targets,
    )
    return lambda rows: np.asarray(model.predict_proba(rows[kept]))[:, 1]


def fit_pytabkit(problem: Problem, name: str) -> Scorer:
    """Train a network of pytabkit, its epoch chosen by log loss; it reads no missing numbers."""
    import pytabkit

    settings: dict[str, Any] = {"use_ls": False} if name.startswith("RealMLP") else {}
    model = getattr(pytabkit, name)(
        device="cpu",
        random_state=problem.seed,
        n_threads=problem.threads,
        val_metric_name="cross_entropy",
        **settings,
    )
    medians = problem.rows.median(numeric_only=True).fillna(0)
    model.fit(
        problem.rows.fillna(medians),
        problem.targets.astype(int),
        problem.valid_rows.fillna(medians),
        problem.valid_targets.astype(int),
        cat_col_names=text_columns(problem.rows),
    )
    return lambda rows: np.asarray(model.predict_proba(rows.fillna(medians)))[:, 1]


FITS: dict[str, Callable[[Problem], Scorer]] = {
    "catboost": fit_catboost,
    "lightgbm": fit_lightgbm,
    "hist_gradient_boosting": fit_hist_gradient_boosting,
    "realmlp": lambda problem: fit_pytabkit(problem, "RealMLP_TD_Classifier"),
    "tabm": lambda problem: fit_pytabkit(problem, "TabM_D_Classifier"),
}
TAKES_CATEGORIES = {"lightgbm": None, "hist_gradient_boosting": MOST_BINS - 1}


def main() -> None:
    """Read the parts, train a model a label, write the probabilities."""
    name, folder, seed, threads = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:5])
    rows, targets = read_parts(folder)
    if name in TAKES_CATEGORIES:
        with_levels(rows, TAKES_CATEGORIES[name])
    else:
        absent = dict.fromkeys(text_columns(rows["train"]), "missing")
        rows = {part: rows[part].fillna(absent) for part in PARTS}
    scores = {part: np.empty(targets[part].shape) for part in ("valid", "test")}
    seconds = 0.0
    for column, label in enumerate(map(str, targets["train"])):
        known = {part: targets[part][label].notna() for part in PARTS}
        y = {part: targets[part][label][known[part]] for part in PARTS}
        began = time.perf_counter()
        if y["train"].nunique() < 2:  # noqa: PLR2004  there is nothing to tell apart
            share = y["train"].mean() if len(y["train"]) else 0.0
            for score in scores.values():
                score[:, column] = share
            continue
        problem = Problem(
            rows["train"][known["train"]],
            y["train"],
            rows["valid"][known["valid"]],
            y["valid"],
            seed,
            threads,
        )
        predict = FITS[name](problem)
        seconds += time.perf_counter() - began
        for part, score in scores.items():
            score[:, column] = predict(rows[part])
    np.savez(folder / "scores.npz", seconds=seconds, valid=scores["valid"], test=scores["test"])


if __name__ == "__main__":
    main()
