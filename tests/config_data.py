"""Small data that the shipped configs are run on, as someone might have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS = 600
SHIPPED = Path(__file__).parents[1] / "data"


def _signal(seed: int, labels: int = 1) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return features (N, 4) and labels (N, L) that they tell much about."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(ROWS, 4))
    scores = features @ random.normal(size=(4, labels)) * 2 + random.normal(size=(ROWS, labels))
    return features, scores > np.quantile(scores, 0.85, axis=0)


def _table(features: NDArray[np.float64]) -> dict[str, object]:
    return {f"x{i}": features[:, i] for i in range(features.shape[1])}


def write_flights(folder: Path, every: int) -> None:
    """The tables that are shipped, with one flight in so many of every day."""
    for name in ("flights.csv", "flights_multilabel.csv"):
        pl.read_csv(SHIPPED / name).gather_every(every).write_csv(folder / name)


def write_assays(folder: Path) -> None:
    """Three labels, two fifths of whose cells are blank, and an id."""
    features, labels = _signal(1, 3)
    random = np.random.default_rng(1)
    columns = _table(features) | {"compound": [f"C{i:05}" for i in range(ROWS)]}
    for i in range(labels.shape[1]):
        known = random.random(ROWS) < 0.6
        column = pl.Series(labels[:, i]).cast(pl.Int8).set(pl.Series(~known), None)
        columns[f"active_{i}"] = column
    pl.DataFrame(columns).write_csv(folder / "assays.csv")


def write_defects(folder: Path) -> None:
    """One column of three classes, one of them most of the rows."""
    features, labels = _signal(2, 2)
    defect = np.where(labels[:, 0], "scratch", np.where(labels[:, 1], "dent", "none"))
    pl.DataFrame(_table(features) | {"defect": defect}).write_csv(folder / "defects.csv")


def write_comments(folder: Path) -> None:
    """A column of tags; most rows have none."""
    features, labels = _signal(3, 3)
    names = np.array(["toxic", "insult", "threat"])
    tags = [";".join(names[row]) for row in labels]
    pl.DataFrame(_table(features) | {"tags": tags}).write_csv(folder / "comments.csv")


def write_visits(folder: Path) -> None:
    """Three rows a patient."""
    features, labels = _signal(4)
    readmitted = np.where(labels[:, 0], "readmitted", "home")
    patient = [f"P{i // 3:04}" for i in range(ROWS)]
    frame = pl.DataFrame(_table(features) | {"patient": patient, "readmitted": readmitted})
    frame.write_csv(folder / "visits.csv")


def write_payments(folder: Path) -> None:
    """One row an hour, in no order."""
    features, labels = _signal(5)
    moments = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(ROWS) * np.timedelta64(1, "h")
    columns = _table(features) | {"paid_at": moments, "is_fraud": labels[:, 0].astype(int)}
    frame = pl.DataFrame(columns).sample(fraction=1, shuffle=True, seed=5)
    frame.write_csv(folder / "payments.csv", datetime_format="%Y-%m-%d %H:%M:%S")


def write_survey(folder: Path) -> None:
    """Rows with a part and a weight each."""
    features, labels = _signal(6)
    random = np.random.default_rng(6)
    part = random.choice(["train", "valid", "test"], ROWS, p=[0.6, 0.2, 0.2])
    columns = _table(features) | {"weight": random.uniform(0.5, 2, ROWS), "part": part}
    pl.DataFrame(columns | {"ill": labels[:, 0]}).write_parquet(folder / "survey.parquet")


def write_embeddings(folder: Path) -> None:
    """Arrays by key."""
    features, labels = _signal(7, 2)
    np.savez(
        folder / "embeddings.npz",
        features=features.astype(np.float32),
        targets=labels.astype(np.float32),
    )


def write_documents(folder: Path) -> None:
    """Write svmlight text with several labels a row."""
    features, labels = _signal(8, 3)
    lines = []
    for row, own in zip(features, labels, strict=True):
        cells = " ".join(f"{i + 1}:{value:.4f}" for i, value in enumerate(row) if abs(value) > 0.3)
        lines.append(f"{','.join(str(i) for i in np.flatnonzero(own))} {cells}\n")
    (folder / "documents.svm").write_text("".join(lines))


def write_clicks(folder: Path) -> None:
    """One label."""
    features, labels = _signal(9)
    pl.DataFrame(_table(features) | {"clicked": labels[:, 0]}).write_csv(folder / "clicks.csv")


WRITERS: dict[str, Callable[[Path], None]] = {
    "missing_labels": write_assays,
    "one_vs_rest": write_defects,
    "tags": write_comments,
    "grouped": write_visits,
    "time": write_payments,
    "given_parts": write_survey,
    "tensors": write_embeddings,
    "sparse": write_documents,
    "larger_than_memory": write_clicks,
}
"""What makes the data of a config, by its name; the others run on what stands in data/."""
