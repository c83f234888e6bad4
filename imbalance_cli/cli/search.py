"""`imbtrain search`: the best configuration that some minutes find."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import typer

from imbalance_cli.cli.console import default_format, draw, write_result
from imbalance_cli.cli.inputs import choose_directory, read_config
from imbalance_cli.cli.options import (
    ConfigFile,
    Debug,
    LogFormat,
    Overrides,
    Overwrite,
    Quiet,
    ReportFormat,
    RunDir,
    TableLabels,
)
from imbalance_cli.errors import ConfigError

DEFAULT_FOLDS = 4
LONGEST = 60 * 24 * 365  # minutes


def search(
    config: ConfigFile,
    labels: TableLabels = None,
    minutes: Annotated[
        float,
        typer.Option(
            metavar="NUMBER", help="Of the whole search; no epoch is begun that would end later."
        ),
    ] = 10,
    score: Annotated[
        Literal["average_precision", "roc_auc", "brier", "log_loss"],
        typer.Option(help="What candidates are ranked by: its mean over labels and folds."),
    ] = "average_precision",
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="How many.  [default: training.folds, or 4]", show_default=False),
    ] = None,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the search in --run-dir, up to --minutes."),
    ] = False,
    output_format: ReportFormat = None,
    quiet: Quiet = False,
    log_format: LogFormat = "text",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Try configurations on the same folds for some minutes, and say what the best one gains.

    First the config itself, then a fixed portfolio, then what Optuna suggests. Keys that CONFIG
    gives are kept. imbtrain fit --from-search makes a model of the best.
    """
    if not (0 < minutes <= LONGEST):
        shown = f"{minutes:g}" if math.isfinite(minutes) else str(minutes)
        raise ConfigError(
            f"--minutes {shown}: a number above 0 and at most {LONGEST:,} is needed",
            hint="--minutes 10",
        )
    base = read_config(config, labels, overrides, for_any_loss=True)
    directory, going_on = choose_directory(
        base, run_dir, "search", overwrite=overwrite, resume=resume, finish=False
    )
    from imbalance_cli.cli.progress import choose_progress

    progress = choose_progress(quiet=quiet, log_format=log_format)
    progress.reading(base.data.train)
    from imbalance_cli import workflows
    from imbalance_cli.cli.observers import open_observers
    from imbalance_cli.report import search as drawing

    with open_observers(progress, None, None, "") as observer:
        result = workflows.search(
            base,
            minutes,
            directory,
            observer,
            folds=folds or base.training.folds or DEFAULT_FOLDS,
            score=score,
            overwrite=overwrite,
            resume=going_on,
        )
    chosen = output_format or default_format()
    if chosen == "table":
        draw(drawing.draw_search(result, str(directory)))
    elif chosen == "csv":
        write_result(drawing.to_csv(result), None)
    else:
        write_result(drawing.to_json(result, str(directory)), None)
