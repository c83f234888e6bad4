"""`imbtrain compare`: does any correction help on this table?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from imbalance_cli.cli.console import default_format, draw, write_result
from imbalance_cli.cli.inputs import choose_directory, read_config
from imbalance_cli.cli.options import (
    ConfigFile,
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
    TableLabels,
    TensorBoard,
)
from imbalance_cli.errors import ConfigError
from imbalance_cli.losses.registry import compared_losses

DEFAULT_FOLDS = 4


def compare(
    config: ConfigFile,
    labels: TableLabels = None,
    losses: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help=f"{', '.join(compared_losses())}; bce is always among them.  "
            f"[default: {', '.join(compared_losses(by_default=True))}]",
            show_default=False,
        ),
    ] = None,
    strategies: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Weights of weighted_bce, as of imbtrain weights.  [default: "
            "ratio,sqrt,effective]",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="How many.  [default: training.folds, or 4]", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Networks a fold, whose probabilities are averaged.  [default: model.members]",
            show_default=False,
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE,...",
            help="Instead of losses, shares of the training rows, as 0.1,0.3,1: would more "
            "positives help?",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    finish: FinishNow = False,
    print_config: PrintConfig = False,
    output_format: ReportFormat = None,
    tensorboard: TensorBoard = None,
    mlflow: Mlflow = None,
    mlflow_experiment: MlflowExperiment = "Default",
    quiet: Quiet = False,
    log_format: LogFormat = "text",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Train candidate losses on the same folds and say what the held-out rows say of them.

    The config gives everything but loss.name, weighting.strategy and training.sampler, which are
    what is tried. Boosted trees stand beside the networks, as a yardstick. With --sizes, the same
    config learns from shares of the training rows.
    """
    if sizes is not None:
        _refuse_beside_sizes(
            {
                "--losses": losses,
                "--strategies": strategies,
                "--tensorboard": tensorboard,
                "--mlflow": mlflow,
            }
        )
    base = read_config(config, labels, overrides, for_any_loss=sizes is None)
    if print_config:
        write_result(base.to_yaml().encode(), None)
        return
    changed = base.with_repeats(folds=folds or base.training.folds or DEFAULT_FOLDS, networks=seeds)
    directory, going_on = choose_directory(
        changed, run_dir, "compare", overwrite=overwrite, resume=resume, finish=finish
    )
    from imbalance_cli.cli.progress import choose_progress

    progress = choose_progress(quiet=quiet, log_format=log_format)
    progress.reading(changed.data.train)
    from imbalance_cli import workflows
    from imbalance_cli.cli.observers import open_observers
    from imbalance_cli.report import comparison as drawing

    with open_observers(progress, tensorboard, mlflow, mlflow_experiment) as observer:
        if sizes is not None:
            comparison = workflows.compare_sizes(
                changed, sizes, directory, observer, overwrite=overwrite, resume=going_on
            )
        else:
            comparison = workflows.compare(
                changed,
                _names(losses),
                _names(strategies),
                directory,
                observer,
                overwrite=overwrite,
                resume=going_on,
            )
    chosen = output_format or default_format()
    if chosen == "table":
        draw(drawing.Drawing(comparison, run=str(directory)))
    elif chosen == "csv":
        write_result(drawing.to_csv(comparison), None)
    else:
        write_result((directory / "comparison.json").read_bytes(), None)


def _refuse_beside_sizes(given: Mapping[str, object]) -> None:
    for option, value in given.items():
        if value is not None:
            raise ConfigError(
                f"--sizes and {option} contradict each other: sizes of one config are trained one "
                "after the other",
                hint=f"leave {option} out",
            )


def _names(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",")]
