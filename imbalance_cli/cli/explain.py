"""`imbtrain explain`: which columns a run's answers rest on."""

from __future__ import annotations

from typing import Annotated

import typer

from imbalance_cli.cli.console import default_format, draw, warn, write_result
from imbalance_cli.cli.inputs import refuse_early
from imbalance_cli.cli.label_options import (
    Comment,
    Delimiter,
    Header,
    InputFormat,
    SkipLines,
    SkipRows,
)
from imbalance_cli.cli.options import Debug, Device, LogFormat, ReportFormat, Run
from imbalance_cli.errors import ConfigError
from imbalance_cli.readers.dialect import Dialect


def explain(
    run: Run,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="Labelled rows, or with --row any; - for stdin.  [default: the test rows of the "
            "run]",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="A label to explain, by name or glob; repeatable.  [default: all, at most 20]",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="A column to shuffle, by name or glob; repeatable.  [default: all]",
            show_default=False,
        ),
    ] = None,
    row: Annotated[
        list[int] | None,
        typer.Option(
            help="Say too what moves this row's probability; numbered from 0 as in the run's "
            "predictions, or in SOURCE; repeatable. In a pipe this is JSON.",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often each column is shuffled.  [default: 5 times, of more than 2,000 rows "
            "less often]",
            show_default=False,
        ),
    ] = None,
    output_format: ReportFormat = None,
    input_format: InputFormat = None,
    delimiter: Delimiter = None,
    header: Header = None,
    skip_lines: SkipLines = None,
    skip_rows: SkipRows = None,
    comment: Comment = None,
    device: Device = "auto",
    log_format: LogFormat = "text",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Show which columns a run's answers rest on, and why single rows have theirs."""
    if row and output_format == "csv":
        raise ConfigError(
            "--row: CSV has a line per column and label, and no place for single rows",
            hint="--format json, or --format table",
        )
    chosen = output_format or default_format()
    if row and chosen == "csv":
        chosen = "json"
    refuse_early(run, source)
    from imbalance_cli import workflows
    from imbalance_cli.cli.progress import choose_progress
    from imbalance_cli.report import explanation as drawing

    with choose_progress(quiet=False, log_format=log_format) as progress:
        found = workflows.explain(
            run,
            source,
            device,
            progress.warned,
            labels=labels or (),
            columns=columns or (),
            numbers=row or (),
            repeats=repeats,
            input_format=input_format,
            dialect=Dialect(delimiter, header, skip_lines, skip_rows, comment),
            tell=progress.stage,
        )
    if chosen == "table":
        draw(drawing.draw_explanation(found))
    else:
        write_result(drawing.to_csv(found) if chosen == "csv" else drawing.to_json(found), None)
    if source is None and not labels and not columns:  # else less would stand in its place
        workflows.keep_explanation(found, warn)
