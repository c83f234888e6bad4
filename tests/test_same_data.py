"""The same data gives the same counts, parts and model, however it is stored."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
import zstandard
from safetensors.numpy import save_file
from safetensors.torch import load_file
from sklearn.datasets import dump_svmlight_file
from small_runs import make_config, succeed, write_config

import imbalance_cli
from imbalance_cli.labels import count_labels
from imbalance_cli.readers import open_source
from imbalance_cli.readers.frames import FrameSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.labels import Counts

ROWS = 300
FEATURES = [f"x_{i}" for i in range(1, 5)]
LABELS = ["y_0", "y_1"]
SETTINGS: dict[str, dict[str, Any]] = {
    "training": {"epochs": 2, "device": "cpu"},
    "report": {"bootstrap": 0},
}


def make_arrays() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features (N, 4) that every format holds exactly, zeros among them, and labels."""
    random = np.random.default_rng(0)
    features = random.integers(-128, 128, (ROWS, 4)) / np.float32(64)
    features[random.random((ROWS, 4)) < 0.2] = 0
    labels = features[:, :2] + random.normal(size=(ROWS, 2)) > 1.5
    return features.astype(np.float32), labels.astype(np.float32)


def make_frame() -> pl.DataFrame:
    """Return the arrays as a table."""
    features, labels = make_arrays()
    columns = dict(zip(FEATURES, features.T, strict=True))
    return pl.DataFrame(columns | dict(zip(LABELS, labels.T.astype(np.int8), strict=True)))


def csv_bytes(separator: str = ",") -> bytes:
    """Return the table as text."""
    return make_frame().write_csv(separator=separator).encode()


def write_parquet(path: Path) -> None:
    """Write one file."""
    make_frame().write_parquet(path)


def write_directory(path: Path) -> None:
    """Write two files of a directory."""
    path.mkdir()
    frame = make_frame()
    frame[:100].write_parquet(path / "a.parquet")
    frame[100:].write_parquet(path / "b.parquet")


def write_arrow(path: Path) -> None:
    """Write Arrow IPC."""
    make_frame().write_ipc(path)


def write_ndjson(path: Path) -> None:
    """Write JSON lines."""
    make_frame().write_ndjson(path)


def write_npz(path: Path) -> None:
    """Write two arrays."""
    features, labels = make_arrays()
    np.savez(path, x=features, y=labels)


def write_pt(path: Path) -> None:
    """Write two tensors."""
    features, labels = make_arrays()
    torch.save({"x": torch.from_numpy(features), "y": torch.from_numpy(labels)}, path)


def write_safetensors(path: Path) -> None:
    """Write two tensors."""
    features, labels = make_arrays()
    save_file({"x": features, "y": labels}, path)


def write_svmlight(path: Path) -> None:
    """Write what is not 0."""
    features, labels = make_arrays()
    content = io.BytesIO()
    dump_svmlight_file(features, labels, content, zero_based=False, multilabel=True)
    path.write_bytes(content.getvalue())


def text(change: Callable[[bytes], bytes] = bytes, separator: str = ",") -> Callable[[Path], None]:
    """Return a writer of CSV, changed in some way."""

    def write(path: Path) -> None:
        path.write_bytes(change(csv_bytes(separator)))

    return write


WRITERS: dict[str, Callable[[Path], None]] = {
    "a.csv": text(),
    "a.tsv": text(separator="\t"),
    "semicolons.csv": text(separator=";"),
    "a.csv.gz": text(gzip.compress),
    "a.csv.bz2": text(bz2.compress),
    "a.csv.xz": text(lzma.compress),
    "a.csv.zst": text(lambda data: zstandard.ZstdCompressor().compress(data)),
    "a.parquet": write_parquet,
    "directory": write_directory,
    "a.arrow": write_arrow,
    "a.feather": write_arrow,
    "a.ndjson": write_ndjson,
    "a.npz": write_npz,
    "a.pt": write_pt,
    "a.safetensors": write_safetensors,
    "a.svm": write_svmlight,
}


FRAMES: dict[str, Callable[[], pl.DataFrame | pd.DataFrame]] = {
    "polars": make_frame,
    "pandas": lambda: pd.DataFrame(make_frame().to_dict(as_series=False)),
    "pandas, nullable": lambda: pd.DataFrame(make_frame().to_dict(as_series=False)).convert_dtypes(
        dtype_backend="numpy_nullable"
    ),
    "pandas, texts": lambda: pd.DataFrame(make_frame().to_dict(as_series=False)).astype(str),
}


def fit(folder: Path, name: str) -> dict[str, Any]:
    """Fit what a writer wrote, and return what has to be the same."""
    path = folder / name
    WRITERS[name](path)
    config = write_config(folder / "config.yaml", str(path), **SETTINGS)
    run = folder / "run"
    report = succeed(
        "fit", config, "--run-dir", run, "--format", "json", "--set", "data.labels=null"
    )
    labels = [entry["label"] for entry in report.document["splits"]["test"]["labels"]]
    return results(run, count_labels(open_source(str(path)), LABELS), labels)


def fit_frame(folder: Path, kind: str) -> dict[str, Any]:
    """Fit a frame from Python, and return what has to be the same."""
    frame = FRAMES[kind]()
    config = make_config("no file", **SETTINGS)
    report = imbalance_cli.fit(config, frame, run_dir=folder / "run")
    counted = count_labels(FrameSource(frame), LABELS)
    return results(folder / "run", counted, [label.label for label in report.labels])


def results(run: Path, counted: Counts, labels: list[str]) -> dict[str, Any]:
    """Return the counts, the test rows, the labels and the weights of a run."""
    return {
        "counts": counted,
        "rows": pl.read_parquet(run / "predictions.parquet")["row"].to_list(),
        "labels": labels,
        "weights": load_file(run / "model.safetensors"),
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What plain CSV gives."""
    return fit(tmp_path_factory.mktemp("csv"), "a.csv")


@pytest.mark.parametrize("name", [*WRITERS, *FRAMES])
def test_it_gives_what_csv_gives(name: str, expected: dict[str, Any], tmp_path: Path) -> None:
    found = (fit_frame if name in FRAMES else fit)(tmp_path, name)
    assert found["counts"] == expected["counts"]
    assert found["rows"] == expected["rows"]
    assert found["labels"] == expected["labels"] == LABELS
    assert found["weights"].keys() == expected["weights"].keys()
    for key, tensor in found["weights"].items():
        assert torch.allclose(tensor, expected["weights"][key], rtol=1e-5, atol=1e-6), key
