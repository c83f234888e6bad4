"""`imbtrain export`: a run as one ONNX file, which needs no imbtrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from imbalance_cli.cli.console import note, write_result
from imbalance_cli.cli.options import Debug, Run
from imbalance_cli.errors import number_of


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
    from imbalance_cli.run.onnx_file import check_onnx_file

    read_document(run)
    target = run / ONNX if output is None else output
    check_onnx_file(target, overwrite=overwrite)
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
