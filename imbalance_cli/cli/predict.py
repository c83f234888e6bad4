"""`imbtrain predict`: probabilities and decisions, row by row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbalance_cli.cli.console import warn
from imbalance_cli.cli.inputs import read_thresholds, refuse_early, refuse_features
from imbalance_cli.cli.label_options import (
    Comment,
    Delimiter,
    Header,
    InputFormat,
    SkipLines,
    SkipRows,
)
from imbalance_cli.cli.options import (
    CostOption,
    Debug,
    Device,
    Run,
    Strict,
    ThresholdOption,
)
from imbalance_cli.cli.rows import RowFormat, open_rows
from imbalance_cli.errors import OutputError
from imbalance_cli.progress import follow
from imbalance_cli.readers.dialect import Dialect


def predict(
    run: Run,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Rows with the feature columns; - for stdin.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .csv, .ndjson, .json or .parquet file instead of stdout.",
        ),
    ] = None,
    row_format: Annotated[
        RowFormat | None,
        typer.Option("--format", help="How to write the rows.  [default: by -o, or csv]"),
    ] = None,
    threshold: ThresholdOption = None,
    cost: CostOption = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="A column to put before the predictions, by name or glob; repeatable.",
            show_default=False,
        ),
    ] = None,
    input_format: InputFormat = None,
    delimiter: Delimiter = None,
    header: Header = None,
    skip_lines: SkipLines = None,
    skip_rows: SkipRows = None,
    comment: Comment = None,
    strict: Strict = False,
    device: Device = "auto",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Write a probability and a decision per label for every row, in the order of the rows."""
    dialect = Dialect(delimiter, header, skip_lines, skip_rows, comment)
    refuse_early(run, source)
    refuse_features(run, source, input_format, dialect)
    from imbalance_cli import workflows
    from imbalance_cli.cli.progress import choose_progress

    if output is not None and output.resolve() == Path(source).resolve():
        raise OutputError(f"{output}: is the source itself", hint="another -o")
    frames = workflows.predict(
        run,
        source,
        device,
        keep or (),
        input_format,
        dialect,
        warn=warn,
        thresholds=read_thresholds(threshold or (), cost),
        strict=strict,
    )
    is_between_rows = output is None and sys.stdout.isatty() and sys.stderr.isatty()
    with (
        choose_progress(quiet=is_between_rows) as progress,
        open_rows(output, row_format) as write,
    ):
        for frame in follow(frames, progress.stage, "predicting", lambda rows: rows.height):
            write(frame)
