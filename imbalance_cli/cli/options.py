"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="A run directory that fit left.", show_default=False),
]
ReportFormat = Annotated[
    Literal["table", "csv", "json"] | None,
    typer.Option(
        "--format",
        help="How to write the report.  [default: table on a terminal, csv in a pipe]",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
