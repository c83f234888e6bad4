"""`imbtrain fit`: train a model, save the run, report on held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbalance_cli.cli.console import default_format, show_report
from imbalance_cli.cli.options import Debug, Overrides, Overwrite, Quiet, ReportFormat, RunDir
from imbalance_cli.errors import ConfigError


def fit(
    config: Annotated[
        str | None,
        typer.Argument(metavar="CONFIG", help="A YAML file, or - for stdin.", show_default=False),
    ] = None,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    overwrite: Overwrite = False,
    from_compare: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Instead of CONFIG, a run that compare left: no training.",
            show_default=False,
        ),
    ] = None,
    choose: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its candidate to take.", show_default=False),
    ] = None,
    output_format: ReportFormat = None,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Train a model by a config, save the run, and report per label on held-out rows."""
    from imbalance_cli import workflows
    from imbalance_cli.artifacts import REPORT
    from imbalance_cli.cli.progress import choose_progress
    from imbalance_cli.config import load_config

    _check_arguments(config, overrides, from_compare, choose)
    with choose_progress(quiet=quiet) as progress:
        if from_compare is not None and choose is not None:
            evaluation, directory = workflows.choose(
                from_compare, choose, run_dir, progress, overwrite=overwrite
            )
        else:
            settings = load_config(config or "-", overrides or ())
            directory = run_dir or workflows.default_directory(settings)
            evaluation = workflows.fit(settings, directory, progress, overwrite=overwrite)
    page = directory / REPORT
    shown = page if page.exists() else None  # report.plots: false draws none
    show_report(evaluation, directory, output_format or default_format(), shown)


def _check_arguments(
    config: str | None, overrides: list[str] | None, from_compare: Path | None, choose: str | None
) -> None:
    """Raise unless there is a config, or a comparison and a name, and not both."""
    if (from_compare is None) != (choose is None):
        raise ConfigError(
            "--from-compare and --choose go together", hint="--from-compare RUN --choose NAME"
        )
    if from_compare is None and config is None:
        raise ConfigError(
            "CONFIG is missing", hint="imbtrain fit CONFIG, or --from-compare RUN --choose NAME"
        )
    if from_compare is not None and (config is not None or overrides):
        given = "CONFIG" if config is not None else "--set"
        raise ConfigError(
            f"{given} and --from-compare contradict each other: its models are trained already",
            hint=f"leave {given} out, or train with imbtrain fit CONFIG",
        )
