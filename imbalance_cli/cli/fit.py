"""`imbtrain fit`: train a model, save the run, report on held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbalance_cli.cli.console import default_format, show_report
from imbalance_cli.cli.options import Debug, ReportFormat


def fit(
    config: Annotated[
        str,
        typer.Argument(metavar="CONFIG", help="A YAML file, or - for stdin.", show_default=False),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a value of the config, as training.epochs=5; repeatable.",
            show_default=False,
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Where the run goes.  [default: by output in the config]"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that is there.")
    ] = False,
    output_format: ReportFormat = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr.")
    ] = False,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Train a model by a config, save the run, and report per label on held-out rows."""
    from imbalance_cli import workflows
    from imbalance_cli.cli.progress import choose_progress
    from imbalance_cli.config import load_config

    settings = load_config(config, overrides or ())
    directory = run_dir or workflows.default_directory(settings)
    with choose_progress(quiet=quiet) as progress:
        evaluation = workflows.fit(settings, directory, progress, overwrite=overwrite)
    show_report(evaluation, directory, output_format or default_format())
