"""`imbtrain check`: what fit would refuse, warn of and train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imbalance_cli.cli.console import default_format, draw, write_result
from imbalance_cli.cli.inputs import choose_directory, read_config
from imbalance_cli.cli.options import (
    CONFIG_HELP,
    Debug,
    LogFormat,
    Overrides,
    Overwrite,
    Quiet,
    ReportFormat,
    RunDir,
    TableLabels,
)

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.config import Config


def check(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help=CONFIG_HELP, show_default=False)],
    labels: TableLabels = None,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    overwrite: Overwrite = False,
    output_format: ReportFormat = None,
    quiet: Quiet = False,
    log_format: LogFormat = "text",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Show what fit would refuse, warn of and train, and how long it would take at most.

    It reads the rows, trains an epoch of one network of each kind to take its time, and writes
    nothing.
    """
    settings = read_config(config, labels, overrides)
    directory, _ = choose_directory(
        settings, run_dir, overwrite=overwrite, resume=False, finish=False
    )
    show_plan(settings, directory, output_format, quiet=quiet, log_format=log_format)


def show_plan(
    settings: Config,
    directory: Path,
    output_format: ReportFormat,
    *,
    quiet: bool,
    log_format: LogFormat,
) -> None:
    """Check a config, and write what was found to stdout.

    Raises:
        ImbtrainError: fit would raise it.
    """
    from imbalance_cli import workflows
    from imbalance_cli.cli.progress import choose_progress
    from imbalance_cli.report.encoding import encode_document, encode_rows
    from imbalance_cli.report.plan import draw_plan

    with (progress := choose_progress(quiet=quiet, log_format=log_format)):
        progress.reading(settings.data.train)
        plan = workflows.check(settings, directory.parent, progress).to_dict()
    chosen = output_format or default_format()
    if chosen == "table":
        draw(draw_plan(plan))
    else:
        write_result(
            encode_rows(plan["labels"]) if chosen == "csv" else encode_document(plan), None
        )
