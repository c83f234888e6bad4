"""Where an exported model may go, and whether one can be made: asked before torch is loaded."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from imbalance_cli.errors import ConfigError, DependencyError, OutputError
from imbalance_cli.run.directory import ONNX, RUN

if TYPE_CHECKING:
    from pathlib import Path

ENDING = ".onnx"


def check_onnx_file(target: Path, *, overwrite: bool) -> None:
    """Raise unless an ONNX file can be made, and written there.

    Raises:
        ConfigError: its name is not that of an ONNX file.
        OutputError: something is there, or it would be in a run under another name.
        DependencyError: what makes or checks it is not installed.
    """
    if target.suffix.lower() != ENDING:
        raise ConfigError(
            f"{target}: the name of an ONNX file should end in {ENDING}",
            hint=f"{target.with_suffix(ENDING) if target.name else ONNX}",
        )
    folder = target.resolve().parent
    if (folder / RUN).exists() and target.name != ONNX:
        raise OutputError(
            f"{target}: a run directory holds nothing but the run",
            hint=f"a file elsewhere, or {target.with_name(ONNX)}",
        )
    if not folder.is_dir():
        raise OutputError(f"{target}: there is no directory {target.parent}")
    if target.exists() and (not overwrite or not target.is_file()):
        what = "is there already" if target.is_file() else "is there already, and no file"
        raise OutputError(f"{target}: {what}", hint="--overwrite replaces a file; or another name")
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise DependencyError("imbtrain export", "onnx", package)
