"""A fit as event files that TensorBoard draws while it runs.

The means of all members are one of TensorBoard's runs, DIR/<run>; candidates and members that are
kept one by one are runs below it, so that its charts lay them over each other.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from imbalance_cli.errors import DependencyError, explain_write
from imbalance_cli.run.directory import check_writable
from imbalance_cli.tracking import series

if TYPE_CHECKING:
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.workflows import Finish, Start


class TensorBoardTracker:
    """Writes event files below a directory, and flushes them every epoch.

    Args:
        directory: as of `tensorboard --logdir`; made when training starts.

    Raises:
        DependencyError: TensorBoard is not installed.
        OutputError: nothing can be written there.
    """

    def __init__(self, directory: Path) -> None:
        self.name = f"--tensorboard {directory}"
        try:
            from torch.utils.tensorboard import SummaryWriter, summary
        except ImportError as error:
            raise DependencyError("--tensorboard", "tensorboard") from error
        check_writable(directory)
        self._directory = directory
        self._make_writer, self._summary = SummaryWriter, summary
        self._root = directory
        self._writers: dict[str, SummaryWriter] = {}
        self._groups: list[series.Group] = []
        self._monitor = ""

    def started(self, start: Start) -> None:
        """Write the config, as text and as hyperparameters."""
        self._root = _free_place(self._directory, start.directory.resolve().name)
        self._groups = series.group_members(start)
        self._monitor = start.recipe.monitor
        with explain_write(self._root):
            for group in self._groups:
                writer = self._writer(group.candidate)
                writer.add_text("config", _as_code(group.config.to_yaml()))
                shown = {f"valid/{self._monitor}": 0.0}
                params: dict[str, Any] = dict(series.flatten_config(group.config))
                begin, session, _ = self._summary.hparams(params, shown)  # type: ignore[no-untyped-call]
                for part in (begin, session):
                    writer.file_writer.add_summary(part)  # type: ignore[attr-defined]  # torch says None
                writer.flush()

    def epoch(self, result: EpochResult) -> None:
        """Write the numbers of an epoch."""
        for group in self._groups:
            self._write(series.epoch_means(group, result, self._monitor), result.epoch, group)
            for name, scalars in series.epoch_members(group, result, self._monitor).items():
                self._write(scalars, result.epoch, group, name)

    def finished(self, finish: Finish) -> None:
        """Write the held-out scores."""
        for group in self._groups:
            self._write(series.held_out_scores(group, finish), 0, group)

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002  event files have no state
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def _write(
        self, scalars: series.Scalars, step: int, group: series.Group, member: str | None = None
    ) -> None:
        if not scalars:
            return
        writer = self._writer(group.candidate, member)
        for tag, value in scalars.items():
            writer.add_scalar(tag, value, step)
        writer.flush()

    def _writer(self, *below: str | None) -> SummaryWriter:
        names = series.plain_names([name for name in below if name is not None])
        place = os.fspath(self._root.joinpath(*names))
        if place not in self._writers:
            self._writers[place] = self._make_writer(place)
        return self._writers[place]


def _free_place(directory: Path, name: str) -> Path:
    """Return directory/name, or name-2, name-3, ...: curves of two fits in one place would mix."""
    place, number = directory / name, 1
    while place.exists():
        number += 1
        place = directory / f"{name}-{number}"
    return place


def _as_code(text: str) -> str:
    """Return text that Markdown shows as it is: indented by four blanks."""
    return "".join(f"    {line}\n" for line in text.splitlines())
