"""`imbtrain fit`: train a model, save the run, report on held-out rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbalance_cli.cli.console import (
    default_format,
    name_page,
    read_sort,
    show_report,
    write_result,
)
from imbalance_cli.cli.inputs import choose_directory, read_config, write_command
from imbalance_cli.cli.options import (
    CONFIG_HELP,
    Debug,
    FinishNow,
    LogFormat,
    Mlflow,
    MlflowExperiment,
    Overrides,
    Overwrite,
    PrintConfig,
    Quiet,
    ReportFormat,
    Resume,
    RunDir,
    Sort,
    TableLabels,
    TensorBoard,
)
from imbalance_cli.errors import ConfigError, escape_name
from imbalance_cli.progress import Stage


def fit(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Argument(metavar="CONFIG", help=CONFIG_HELP, show_default=False),
    ] = None,
    labels: TableLabels = None,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    finish: FinishNow = False,
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
    from_search: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Instead of CONFIG, a run that search left: its best candidate, no training.",
            show_default=False,
        ),
    ] = None,
    print_config: PrintConfig = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train nothing: as imbtrain check.")
    ] = False,
    output_format: ReportFormat = None,
    sort: Sort = None,
    tensorboard: TensorBoard = None,
    mlflow: Mlflow = None,
    mlflow_experiment: MlflowExperiment = "Default",
    quiet: Quiet = False,
    log_format: LogFormat = "text",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Train a model by a config, save the run, and report per label on held-out rows."""
    from imbalance_cli import workflows
    from imbalance_cli.run.directory import REPORT

    sort = read_sort(sort)
    given = {
        "CONFIG": config is not None,
        "--set": bool(overrides),
        "--labels": labels is not None,
        "--tensorboard": tensorboard is not None,
        "--mlflow": mlflow is not None,
        "--resume": resume,
        "--finish": finish,
        "--dry-run": dry_run,
        "--print-config": print_config,
    }
    trained = _choose_trained(from_compare, choose, from_search, given)
    draw_last = False
    if trained is not None:
        from imbalance_cli.cli.progress import choose_progress

        with (progress := choose_progress(quiet=quiet, log_format=log_format)):
            evaluation, directory = workflows.choose(
                trained,
                choose,
                run_dir,
                progress,
                overwrite=overwrite,
                command=write_command(context),
            )
    else:
        settings = read_config("-" if config is None else config, labels, overrides)
        if print_config:
            write_result(settings.to_yaml().encode(), None)
            return
        directory, going_on = choose_directory(
            settings, run_dir, overwrite=overwrite, resume=resume, finish=finish
        )
        if dry_run:
            from imbalance_cli.cli.check import show_plan

            show_plan(settings, directory, output_format, quiet=quiet, log_format=log_format)
            return
        draw_last = settings.report.plots and mlflow is None  # which is sent the page
        from imbalance_cli.cli.observers import open_observers
        from imbalance_cli.cli.progress import choose_progress

        progress = choose_progress(quiet=quiet, log_format=log_format)
        progress.reading(settings.data.train)
        with open_observers(progress, tensorboard, mlflow, mlflow_experiment) as observer:
            evaluation = workflows.fit(
                settings,
                directory,
                observer,
                overwrite=overwrite,
                resume=going_on,
                draw=not draw_last,
                command=write_command(context),
            )
    shown = output_format or default_format()
    try:
        show_report(evaluation, directory, shown, sort=sort)
    finally:  # also where the reader goes away before its end
        if draw_last:
            with progress:
                progress.stage(Stage("drawing the page"))
                workflows.draw_report(directory, progress.warned)
    if shown != "table" and run_dir is None and not quiet and log_format == "text":
        sys.stderr.write(f"run: {escape_name(str(directory))}\n")
    page = directory / REPORT
    if shown == "table" and page.exists():  # report.plots: false draws none
        name_page(page)


def _choose_trained(
    from_compare: Path | None,
    choose: str | None,
    from_search: Path | None,
    given: dict[str, bool],
) -> Path | None:
    """Return the run whose networks are taken; None where a config says what is trained.

    Args:
        from_compare: as of `fit`.
        choose: as of `fit`.
        from_search: as of `fit`.
        given: whether CONFIG and each option that goes with training is there.

    Raises:
        ConfigError: there is neither a run nor a config, or there are two of them, or something
            goes with the other.
    """
    if from_search is not None and (from_compare is not None or choose is not None):
        other = "--choose" if from_compare is None else "--from-compare"
        raise ConfigError(
            f"--from-search and {other} contradict each other: a search has one best candidate",
            hint=f"leave {other} out",
        )
    if (from_compare is None) != (choose is None):
        raise ConfigError(
            "--from-compare and --choose go together", hint="--from-compare RUN --choose NAME"
        )
    trained = from_search or from_compare
    if trained is None and not given["CONFIG"]:
        raise ConfigError(
            "CONFIG is missing",
            hint="imbtrain fit CONFIG, or TABLE --labels NAME, or --from-search RUN, or "
            "--from-compare RUN --choose NAME",
        )
    wrong = [name for name, is_there in given.items() if is_there]
    if trained is not None and wrong:
        command = "compare" if from_search is None else "search"
        is_tracker = wrong[0] in {"--tensorboard", "--mlflow"}
        hint = ", or train with imbtrain fit CONFIG"
        if is_tracker:
            hint = f", or give it to imbtrain {command}" if command == "compare" else ""
        raise ConfigError(
            f"{wrong[0]} and --from-{command} contradict each other: its models are trained "
            "already",
            hint=f"leave {wrong[0]} out{hint}",
        )
    return trained
