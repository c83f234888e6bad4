"""`imbtrain export`: a run as one ONNX file, which needs no imbtrain."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Literal

import typer

from imbalance_cli.cli.console import note, write_result
from imbalance_cli.cli.options import Debug, Run
from imbalance_cli.errors import ConfigError, DependencyError, OutputError, number_of

ENDING = ".onnx"


def export(
    run: Run,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the file goes.  [default: model.onnx in the run]",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float64"],
        typer.Option(help="What the networks compute in, and the type of a probability."),
    ] = "float32",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file that is there.")
    ] = False,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Write a run as one ONNX file, from raw columns to probabilities; print its path.

    ONNX Runtime must give what the run gives, on rows that were held out and on made-up ones,
    before the file is kept. docs/serving.md shows how to serve it.
    """
    from imbalance_cli.run.directory import ONNX, read_document

    read_document(run)
    target = run / ONNX if output is None else output
    _check_file(target, run, overwrite=overwrite)
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise DependencyError("imbtrain export", "onnx", package)
    from imbalance_cli import workflows

    exported = workflows.export(run, target, precision)
    for sentence in exported.notes:
        note(sentence)
    where = number_of(exported.made_up, "made-up row")
    if exported.rows:
        where = f"{number_of(exported.rows, 'held-out row')} and {where}"
    note(
        f"ONNX Runtime gives what the run gives on {where}: no probability differs by more than "
        f"{exported.largest:.1e}, and no decision"
    )
    write_result(f"{target}\n".encode(), None)


def _check_file(target: Path, run: Path, *, overwrite: bool) -> None:
    """Raise unless the file may be written.

    Raises:
        ConfigError: its name is not that of an ONNX file.
        OutputError: something is there, or it would be in a run under another name.
    """
    from imbalance_cli.run.directory import ONNX, RUN

    if target.suffix.lower() != ENDING:
        raise ConfigError(
            f"-o {target}: the name of an ONNX file should end in {ENDING}",
            hint=f"-o {target.with_suffix(ENDING) if target.name else run / ONNX}",
        )
    if (target.parent / RUN).exists() and target.name != ONNX:
        raise OutputError(
            f"{target}: a run directory holds nothing but the run",
            hint=f"a file elsewhere, or {target.parent / ONNX}",
        )
    if target.is_dir():
        raise OutputError(f"{target}: is a directory", hint="another -o")
    if target.exists() and not overwrite:
        raise OutputError(
            f"{target}: is there already", hint="--overwrite replaces it; or another -o"
        )
    if not target.parent.is_dir():
        raise OutputError(f"{target}: there is no directory {target.parent}")
