"""Checkpoints of a run: what training goes on from after an epoch, the last two of them.

A checkpoint is one safetensors file, whose name holds the epoch and the start of its checksum, so
that one that was cut short or changed is not gone on from.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import safetensors.torch

from imbalance_cli.errors import explain_write
from imbalance_cli.network.state import pack, to_bytes, unpack
from imbalance_cli.run.directory import CHECKPOINT, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imbalance_cli.network.state import State

KEPT = 2  # where the last is damaged, the one before is gone on from
DIGITS = 16  # of the checksum
DOCUMENT = "document"  # among the tensors, of which no other is named so


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What training goes on from.

    Attributes:
        epoch: after which.
        document: plain data that is kept with the tensors.
        state: as `network.training.Training` returns it.
    """

    epoch: int
    document: dict[str, Any]
    state: State


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint of a run, and delete all but the last before it.

    Raises:
        OutputError: it cannot be written.
    """
    content = to_bytes(checkpoint.state | {DOCUMENT: pack(checkpoint.document)})
    folder = directory / CHECKPOINT
    name = f"{checkpoint.epoch:07}-{_checksum(content)}.safetensors"
    write_whole(folder / name, content, lasting=True)
    earlier = [path for path in _files(directory) if path.name <= name]
    with explain_write(folder):
        for path in set(folder.iterdir()).difference(earlier[:KEPT]):
            path.unlink()


def read_checkpoints(directory: Path) -> Iterator[tuple[Path, Checkpoint | None]]:
    """Yield the checkpoints of a run, the last first; None for one that is damaged."""
    for path in _files(directory):
        content = path.read_bytes()
        epoch, _, checksum = path.stem.partition("-")
        if checksum != _checksum(content):
            yield path, None
            continue
        state = safetensors.torch.load(content)
        yield path, Checkpoint(int(epoch), unpack(state.pop(DOCUMENT)), state)


def _files(directory: Path) -> list[Path]:
    return sorted((directory / CHECKPOINT).glob("*-*.safetensors"), reverse=True)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
