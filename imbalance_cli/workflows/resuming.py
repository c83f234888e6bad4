"""Going on with a run whose training was interrupted, to what it would have been.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Literal

import yaml

from imbalance_cli.codes import Warned
from imbalance_cli.errors import RunError
from imbalance_cli.network.epochs import STATE
from imbalance_cli.network.model import SCORING_ROWS
from imbalance_cli.network.scoring import label_blocks
from imbalance_cli.run.checkpoints import Checkpoint, read_checkpoints, write_checkpoint
from imbalance_cli.run.directory import CONFIG, RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import torch

    from imbalance_cli.config import Config
    from imbalance_cli.network.processes import Progress
    from imbalance_cli.network.training import Member
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.preparing import Prepared

Resume = Literal["no", "train", "finish"]
"""Whether an unfinished run is gone on with: trained on, or ended with its best epochs so far."""

FIRST_SECONDS = 1.0  # to the first checkpoint, where the config leaves it to us; twice that to
SECONDS = 15.0  # the next, and so on up to this
FREE = ("output", "report", "thresholds", "calibration")  # sections that training does not read
FREE_KEYS = ("training.checkpoint_every", "data.train", "data.valid", "data.test")
"""The rows themselves are compared, wherever they lie."""


def open_run(
    directory: Path,
    config: Config,
    *,
    overwrite: bool,
    resume: Resume,
    kind: str = "model",
) -> RunDirectory:
    """Return the run to be written, new or gone on with.

    Args:
        directory: of the run.
        config: of what is trained.
        overwrite: whether a run that is there may be replaced.
        resume: whether an unfinished run that is there is gone on with.
        kind: as of `RunDirectory`.

    Raises:
        OutputError: another run is there, or nothing can be written there.
        RunError: the unfinished run was begun with other settings; it names the first such key.
    """
    run = RunDirectory(directory, overwrite=overwrite, resume=resume != "no", kind=kind)
    if resume != "no":
        _refuse_other_config(config, run)
    return run


def _refuse_other_config(config: Config, run: RunDirectory) -> None:
    path = run.place / CONFIG
    if not path.exists():  # it was stopped before it began
        return
    try:
        before = dict(_keys(yaml.safe_load(path.read_bytes())))
    except (yaml.YAMLError, AttributeError) as error:
        raise RunError(
            f"{path}: was changed after the run was begun", hint="--overwrite begins again"
        ) from error
    now = dict(_keys(config.model_dump(by_alias=True, mode="json")))
    for key in before | now:
        is_free = key.partition(".")[0] in FREE or key in FREE_KEYS
        if not is_free and before.get(key) != now.get(key):
            raise RunError(
                f"{run.path}: was begun with {key}: {before.get(key)}, and the config has "
                f"{now.get(key)}",
                hint="the config it was begun with, or --overwrite to begin again",
            )


def _keys(document: dict[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Yield dotted keys and their values."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _find_checkpoint(
    run: RunDirectory, prepared: Prepared, members: Sequence[Member], observer: Observer
) -> Checkpoint | None:
    """Return the last checkpoint that is whole, or None where there is none."""
    for path, checkpoint in read_checkpoints(run.place):
        if checkpoint is None:
            observer.warned(
                Warned("IMB123", f"{path}: is damaged: its checksum differs; it is passed over")
            )
            continue
        if STATE not in checkpoint.state:
            raise RunError(
                f"{path}: was written by an earlier version of imbtrain",
                hint="that version, to go on from it, or --overwrite to begin again",
            )
        refuse_other_rows(run, checkpoint.document["rows"], prepared, members)
        return checkpoint
    return None


def refuse_other_rows(
    run: RunDirectory, before: str, prepared: Prepared, members: Sequence[Member]
) -> None:
    """Raise unless a run was begun with the rows at hand.

    Args:
        run: that is gone on with.
        before: what `digest_of` was when it was begun.
        prepared: the rows.
        members: that learn from them.

    Raises:
        RunError: they are others.
    """
    if before != digest_of(prepared, members):
        sources = ", ".join(dict.fromkeys(prepared.data.sources.values()))
        raise RunError(
            f"{run.path}: was begun with other rows than {sources} holds now",
            hint="the rows it was begun with, or --overwrite to begin again",
        )


def digest_of(prepared: Prepared, members: Sequence[Member]) -> str:
    """Return a checksum of all that networks learn from: rows, folds, losses and the device."""
    digest = hashlib.sha256(prepared.device.type.encode())
    rows = prepared.rows
    for block in rows.blocks(SCORING_ROWS):
        _add(digest, block.numeric, block.codes)
    for labels in label_blocks(rows.labels):
        _add(digest, rows.columns(labels))
    if rows.weights is not None:
        _add(digest, rows.weights)
    for member in members:
        digest.update(f"{member.seed}".encode())
        _add(digest, member.train, member.valid, *member.loss.parameters().values())
    return digest.hexdigest()


def _add(digest: hashlib._Hash, *tensors: torch.Tensor) -> None:
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)


class Checkpoints:
    """The checkpoints of a run: the one that is gone on from, and those that are written.

    Args:
        run: to be written.
        resume: whether it is gone on with.
        every: epochs between two; auto: FIRST_SECONDS, and twice as long each time.
        prepared: the rows.
        members: (M,) what is trained.
        observer: receives where training resumes, and warnings of damaged checkpoints.

    Raises:
        RunError: the unfinished run is of other rows, or has no checkpoint to finish from.
    """

    def __init__(
        self,
        run: RunDirectory,
        resume: Resume,
        every: int | Literal["auto"],
        prepared: Prepared,
        members: Sequence[Member],
        observer: Observer,
    ) -> None:
        self.run, self.is_over = run, resume == "finish"
        self._every, self._prepared, self._members = every, prepared, members
        self._observer = observer
        self._rows: str | None = None
        self._time, self._pause = time.monotonic(), FIRST_SECONDS
        self.begun: Checkpoint | None = None
        if resume != "no":
            self.begun = _find_checkpoint(run, prepared, members, observer)
            observer.noted(self._describe())
        self._last = 0 if self.begun is None else self.begun.epoch

    def _describe(self) -> str:
        """Return what is gone on from."""
        if self.begun is not None:
            if self.is_over:
                return f"{self.run.path}: ends with the best epochs so far"
            return f"{self.run.path}: goes on after epoch {self.begun.epoch}"
        if self.is_over:
            raise RunError(
                f"{self.run.path}: there is no checkpoint to finish from",
                hint="--resume begins to train",
            )
        return f"{self.run.path}: there is no checkpoint: training begins"

    def after(self, progress: Progress, describe: Callable[[], dict[str, Any]]) -> None:
        """Write one of an epoch, if it is due.

        Args:
            progress: of the epoch.
            describe: returns the record of the training so far as plain data.

        Raises:
            OutputError: it cannot be written.
        """
        epoch = progress.result.epoch
        if self._every == "auto":
            is_due = time.monotonic() - self._time >= self._pause
        else:
            is_due = epoch - self._last >= self._every
        if self.is_over or not is_due:
            return
        self._rows = self._rows or digest_of(self._prepared, self._members)
        document = {"record": describe(), "rows": self._rows}
        write_checkpoint(self.run.place, Checkpoint(epoch, document, progress.state()))
        self._last, self._time = epoch, time.monotonic()
        self._pause = min(2 * self._pause, SECONDS)

    def interrupted(self) -> None:
        """Say what can be done with the last one, or that there is none yet."""
        kept = "there is no checkpoint yet: --resume begins to train again"
        if self._last:
            kept = (
                f"a checkpoint of epoch {self._last} is kept: --resume goes on from it, --finish "
                "makes a run of the best epochs so far"
            )
        self._observer.noted(f"{self.run.path}: {kept}")
