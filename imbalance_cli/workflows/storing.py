"""Rows that are larger than memory: whether they are, and their way into a cache on disk."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import imbalance_cli
from imbalance_cli.codes import Warned
from imbalance_cli.machine.free_memory import free_memory
from imbalance_cli.rows.cache import (
    Contents,
    ModelRows,
    cache_key,
    cached_rows,
    check_place,
    look_at_sources,
)
from imbalance_cli.rows.labelled import find_files, read_labelled
from imbalance_cli.workflows.packing import pack, unpack
from imbalance_cli.workflows.scanning import scan_stream, stream_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imbalance_cli.config import Config
    from imbalance_cli.rows.cache import RowCache
    from imbalance_cli.rows.labelled import LabelledTable, Roles
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.scanning import Scan

COMPRESSED = frozenset({".gz", ".zst", ".bz2", ".xz", ".parquet", ".pq", ".npz"})
UNFOLDS_TO = 3  # times its size on disk
SHARE = 4  # sources past memory / SHARE are streamed: reading and training keep several copies
KEY_LETTERS = 16  # of the key, that name a cache


def is_streamed(config: Config, observer: Observer) -> bool:
    """Return whether the sources are streamed rather than read into memory."""
    data = config.data
    if data.frames:  # are in memory as it is
        return False
    if data.in_memory != "auto":
        return not data.in_memory
    size = sum(
        path.stat().st_size * (UNFOLDS_TO if path.suffix.lower() in COMPRESSED else 1)
        for path in find_files(data)
        if path.is_file()
    )
    free = free_memory()
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
        problem = f"{about}, yet all rows are read into memory: {kept[0]} cannot be streamed"
        observer.warned(Warned("IMB113", problem))
        return False
    observer.noted(f"{about}: rows are streamed from disk (data.in_memory)")
    return True


@dataclasses.dataclass(frozen=True)
class Stored:
    """Rows that were streamed into a cache, now or by an earlier fit.

    Attributes:
        roles: what the columns are.
        data: the rows and their parts, without features.
        scan: what was fitted on the features, and noticed in them.
        cache: the features, as the model takes them.
    """

    roles: Roles
    data: LabelledTable
    scan: Scan
    cache: RowCache


def store_rows(directory: Path, config: Config, observer: Observer) -> Stored:
    """Return all rows of a config's sources, from a cache that is made where it is not there.

    The cache is known by all bytes of the sources, by the settings that say what their columns
    mean and how the rows are cut, and by the code that reads them; what is trained on the rows
    plays no part.

    Args:
        directory: of caches.
        config: names the sources.
        observer: is told what happens to the disk.

    Raises:
        ImbtrainError: a source, a column or a cell cannot be used, the rows cannot be cut, or the
            cache cannot be written.
    """
    check_place(directory)
    sources = look_at_sources(find_files(config.data), directory)
    key = cache_key(sources.identities(), **_settings(config))

    def make() -> Contents:
        roles, data = read_labelled(config, with_features=False, tell=observer.stage)
        scan = scan_stream(roles, data, data.split.train, observer.stage)

        def batches() -> Iterator[ModelRows]:
            columns = scan.preprocessing.columns
            for _, table in stream_rows(data, columns, observer.stage, "storing rows"):
                features = scan.preprocessing.transform(table)
                yield ModelRows(features.numeric, features.codes)
            sources.refuse_changes()

        return Contents(*pack(roles, data, scan), batches())

    cache = cached_rows(directory / key[:KEY_LETTERS], key, make, observer.noted)
    return Stored(*unpack(cache.document, cache.arrays), cache)


def _settings(config: Config) -> dict[str, Any]:
    """Return all that rows depend on beside their sources, as plain data."""
    data = config.data
    return {
        "data": data.model_dump(mode="json", exclude={"in_memory"}),
        "given": sorted(data.model_fields_set - {"in_memory"}),
        "split": config.split.model_dump(mode="json"),
        "minimum_positives": config.thresholds.minimum_positives,
        "code": _code_digest(),
        "versions": {"polars": pl.__version__, "numpy": np.__version__},
    }


@functools.cache
def _code_digest() -> str:
    """Return a checksum of this package: its version says nothing of a working copy."""
    folder = Path(imbalance_cli.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
