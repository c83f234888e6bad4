"""Rows that are larger than memory: whether they are, and their way into files on disk."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imbalance_cli.codes import Warned
from imbalance_cli.errors import SourceError, show_bytes
from imbalance_cli.machine.free_memory import free_memory
from imbalance_cli.rows.sources import find_files
from imbalance_cli.rows.stored_features import store_features
from imbalance_cli.workflows.scanning import stream_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imbalance_cli.config import Config
    from imbalance_cli.features import Preprocessing
    from imbalance_cli.rows.loading import LabelledTable
    from imbalance_cli.rows.stored_features import StoredFeatures
    from imbalance_cli.workflows.observing import Observer

COMPRESSED = frozenset({".gz", ".zst", ".bz2", ".xz", ".parquet", ".pq", ".npz"})
UNFOLDS_TO = 3  # times its size on disk
SHARE = 4  # sources past memory / SHARE are streamed: reading and training keep several copies


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
    about = f"the sources unfold to about {show_bytes(size)}, and {show_bytes(free)} are free"
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
class WatchedFiles:
    """Files that are read more than once.

    Attributes:
        states: what the system said of each when it was looked at first.
    """

    states: dict[Path, list[int]]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> WatchedFiles:
        """Look at files.

        Raises:
            SourceError: one cannot be read.
        """
        return cls({path: _state_of(path) for path in paths})

    def refuse_changes(self) -> None:
        """Raise where a file is no longer what it was.

        Raises:
            SourceError: it names the file.
        """
        for path, state in self.states.items():
            if _state_of(path) != state:
                raise SourceError(
                    f"{path}: was changed while it was read",
                    hint="fit again once nothing writes to it any more",
                )


def _state_of(path: Path) -> list[int]:
    """Return what distinguishes one content of a file from another.

    That includes the time of the last change of any kind (ctime), which no program can set: a file
    that was written to and given its old time and size has another.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def store_rows(
    folder: Path, data: LabelledTable, preprocessing: Preprocessing, observer: Observer
) -> StoredFeatures:
    """Return the features of all rows, streamed from their sources into files on disk.

    Args:
        folder: on the disk to write to.
        data: the rows, without features.
        preprocessing: fitted on them.
        observer: receives the progress, and notes on the use of the disk.

    Raises:
        ImbtrainError: a cell cannot be used, a source has other rows than before, or the files
            cannot be written.
    """
    tables = stream_rows(data, preprocessing.columns, observer.stage, "storing rows")
    batches = (preprocessing.transform(table) for _, table in tables)
    features = store_features(
        folder,
        batches,
        continuous=preprocessing.continuous,
        cardinalities=preprocessing.cardinalities,
    )
    observer.noted(
        f"{len(features):,} rows ready for the model take {features.size / 1e6:,.1f} MB in "
        f"temporary files in {folder}, until the fit ends"
    )
    return features
