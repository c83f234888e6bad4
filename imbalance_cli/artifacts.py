"""The run directory: what `fit` leaves behind, written whole or not at all, and read with care.

Nothing in it is a pickle. run.json holds the checksum of every other file that a run is read
from, and one of itself.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch

from imbalance_cli.errors import OutputError, RunError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

FORMAT_VERSION = 1
MODEL, RUN, CONFIG, CHECKPOINT = "model.safetensors", "run.json", "config.yaml", "checkpoint"


class RunDirectory:
    """A run directory being written.

    Args:
        path: where; parents are made.
        overwrite: whether a run that is there may be replaced; anything else never is.

    Raises:
        OutputError: it is there already, or cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self._checksums: dict[str, str] = {}
        if path.exists():
            _clear(path, overwrite=overwrite)
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / ".probe"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name, then rename it.

        Raises:
            OutputError: it cannot be written.
        """
        target = self.path / name
        temporary = target.with_name(f".{target.name}.partial")
        try:
            target.parent.mkdir(exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(target)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written: {error.strerror}") from error
        self._checksums[name] = _sha256(content)

    def write_tensors(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        """Write tensors as safetensors."""
        on_host = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        self.write(name, safetensors.torch.save(on_host))

    def write_json(self, name: str, document: dict[str, Any]) -> None:
        """Write plain data as JSON; NaN and infinity are refused, as JSON does."""
        self.write(name, _to_json(document))

    def append_line(self, name: str, line: str) -> None:
        """Append a line to a file that grows, such as the history."""
        try:
            with (self.path / name).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise OutputError(f"{self.path / name}: cannot be written: {error.strerror}") from error

    def finish(self, document: dict[str, Any]) -> None:
        """Write run.json, which makes the directory a run."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        whole = {
            "format_version": FORMAT_VERSION,
            "created": now,
            **document,
            "checksums": {name: self._checksums[name] for name in (CONFIG, MODEL)},
        }
        self.write_json(RUN, whole | {"checksum": _sha256(_to_json(whole))})


def load_run(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read a run.

    Args:
        path: its directory.

    Returns:
        The document in run.json and the tensors of the model.

    Raises:
        RunError: it is no run, unfinished, of another format version, or was changed.
    """
    if not path.exists():
        raise RunError(f"{path}: no such run directory")
    if not (path / RUN).is_file():
        if (path / CHECKPOINT).is_dir():
            raise RunError(f"{path}: the run was not finished: there is a checkpoint and no {RUN}")
        raise RunError(f"{path}: not a run directory: there is no {RUN}", hint="imbtrain fit")
    document = _read_document(path / RUN)
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise RunError(
            f"{path / RUN}: format version {version}, and this imbtrain reads {FORMAT_VERSION}"
        )
    claimed = document.pop("checksum", None)
    if claimed != _sha256(_to_json(document)):
        raise _changed(path / RUN)
    contents = {}
    for name, checksum in document["checksums"].items():
        contents[name] = _read(path / name)
        if _sha256(contents[name]) != checksum:
            raise _changed(path / name)
    return document, safetensors.torch.load(contents[MODEL])


def _clear(path: Path, *, overwrite: bool) -> None:
    is_run = path.is_dir() and ((path / RUN).is_file() or (path / CHECKPOINT).is_dir())
    if path.is_dir() and not any(path.iterdir()):
        return
    if not is_run:
        raise OutputError(f"{path}: is there already and is not a run", hint="another --run-dir")
    if not overwrite:
        raise OutputError(
            f"{path}: holds a run already", hint="--overwrite replaces it, or another --run-dir"
        )
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be replaced: {error.strerror}") from error


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path))
    except ValueError as error:
        raise RunError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RunError(f"{path}: a JSON object is needed, not a {type(document).__name__}")
    return document


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error


def _changed(path: Path) -> RunError:
    return RunError(
        f"{path}: was changed after the run was written: its checksum differs",
        hint="copy the run again, or fit again",
    )


def _to_json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
