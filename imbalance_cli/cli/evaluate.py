"""`imbtrain evaluate`: the report of a run on labelled rows."""

from __future__ import annotations

from typing import Annotated

import typer

from imbalance_cli.cli.console import check_sort, default_format, show_report, warn
from imbalance_cli.cli.label_options import InputFormat
from imbalance_cli.cli.options import Debug, Device, ReportFormat, Run, Sort


def evaluate(
    run: Run,
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Labelled rows; - for stdin.", show_default=False),
    ],
    output_format: ReportFormat = None,
    sort: Sort = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(
            min=0, help="Bootstrap replicates; 0 for none.  [default: report.bootstrap of the run]"
        ),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Where the labels are, if SOURCE is an array of features alone."
        ),
    ] = None,
    input_format: InputFormat = None,
    device: Device = "auto",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Report per label how a run does on labelled rows."""
    from imbalance_cli import workflows

    check_sort(sort)
    evaluation = workflows.evaluate(
        run,
        source,
        device,
        warn,
        bootstrap=bootstrap,
        input_format=input_format,
        targets_file=targets,
    )
    without = [
        repr(label.label)
        for label in evaluation.labels
        if label.learnable and label.average_precision.value is None
    ]
    if without:
        warn(f"no positive in these rows for {', '.join(without)}: its scores are undefined")
    show_report(evaluation, run, output_format or default_format(), sort=sort)
