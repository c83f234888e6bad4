"""Rows that are larger than memory: whether they are, and their way into a cache on disk.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli import __version__
from imbalance_cli.device import available_memory
from imbalance_cli.labelled import find_files
from imbalance_cli.row_cache import ModelRows, cache_key, cached_rows, source_identity
from imbalance_cli.stored_rows import StoredRows
from imbalance_cli.workflows.scanning import stream_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.config import Config
    from imbalance_cli.features import Preprocessing
    from imbalance_cli.labelled import LabelledTable
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.workflows.preparing import Observer

COMPRESSED = frozenset({".gz", ".zst", ".bz2", ".xz", ".parquet", ".pq", ".npz"})
UNFOLDS_TO = 3  # times its size on disk
SHARE = 4  # sources past memory / SHARE are streamed: reading and training keep several copies
KEY_LETTERS = 16  # of the key, that name a cache


def is_streamed(config: Config, observer: Observer) -> bool:
    """Return whether the sources are streamed rather than read into memory."""
    data = config.data
    if data.in_memory != "auto":
        return not data.in_memory
    size = sum(
        path.stat().st_size * (UNFOLDS_TO if path.suffix.lower() in COMPRESSED else 1)
        for path in find_files(data)
        if path.is_file()
    )
    free = available_memory(torch.device("cpu"))
    if size <= free / SHARE:
        return False
    about = f"the sources unfold to about {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free"
    kept = [
        key
        for key, is_given in (
            ("training.folds", config.training.folds is not None),
            ("training.sampler: balanced", config.training.sampler == "balanced"),
            ("stdin", "-" in [*data.train, *(data.valid or []), *(data.test or [])]),
        )
        if is_given
    ]
    if kept:
        observer.warned(f"{about}, yet all rows are read into memory: {kept[0]} cannot be streamed")
        return False
    observer.warned(f"{about}: rows are streamed from disk (data.in_memory)")
    return True


def store_rows(
    directory: Path,
    config: Config,
    data: LabelledTable,
    preprocessing: Preprocessing,
    targets: Targets,
    *,
    weights: NDArray[np.float32] | None,
    device: torch.device,
) -> StoredRows:
    """Return all rows as the model takes them, from a cache that is written where it is not there.

    Args:
        directory: of caches.
        config: names the sources.
        data: the rows.
        preprocessing: fitted.
        targets: (N, L).
        weights: (N,) of the rows in the loss, or None.
        device: where batches go.

    Raises:
        ImbtrainError: a cell is not of its column's kind, or the cache cannot be written.
    """

    def batches() -> Iterator[ModelRows]:
        for part, table in stream_rows(data, preprocessing.columns):
            features = preprocessing.transform(table)
            own = None if weights is None else weights[part]
            yield ModelRows(features.numeric, features.codes, targets.take(part).dense(), own)

    key = cache_key(
        [source_identity(path) for path in find_files(config.data)],
        preprocessing=preprocessing.to_dict(),
        targets=targets.digest(),
        weights=None if weights is None else _digest(weights),
        version=__version__,
    )
    cache = cached_rows(directory / key[:KEY_LETTERS], key, batches)
    return StoredRows(
        cache,
        np.arange(len(targets)),
        torch.from_numpy(targets.dense()).to(device),
        None if weights is None else torch.from_numpy(weights).to(device),
    )


def _digest(values: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
