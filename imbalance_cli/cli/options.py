"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from imbalance_cli.errors import ConfigError

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
Sort = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC",
        help="Sort labels by a metric (a column of --format csv), prevalence, positives or label.  "
        "[default: prevalence in a table, else as they come]",
        show_default=False,
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="End with an error where rows are unlike those of training."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
ConfigFile = Annotated[
    str,
    typer.Argument(metavar="CONFIG", help="A YAML file, or - for stdin.", show_default=False),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a value of the config, as training.epochs=5; repeatable.",
        show_default=False,
    ),
]
RunDir = Annotated[
    Path | None,
    typer.Option(help="Where the run goes.  [default: by output in the config]"),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the run that is there, once this one is whole.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the unfinished run in --run-dir.")
]
FinishNow = Annotated[
    bool,
    typer.Option(
        "--finish", help="Train no more: make the unfinished run one of its best epochs so far."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr.")]
LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option(help="Of stderr; json is an object an event, one a line."),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option(
        "--tensorboard",
        metavar="DIR",
        help="Also write event files below DIR, as the run goes.",
        show_default=False,
    ),
]
Mlflow = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        metavar="URI",
        help="Also track in MLflow: a server, or sqlite:///mlflow.db.",
        show_default=False,
    ),
]
MlflowExperiment = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        envvar="MLFLOW_EXPERIMENT_NAME",
        help="Of MLflow; made where there is none.",
    ),
]


def choose_resume(
    *, resume: bool, finish: bool, is_named: bool
) -> Literal["no", "train", "finish"]:
    """Return whether an unfinished run is gone on with.

    Args:
        resume: --resume.
        finish: --finish.
        is_named: whether it is known where the run is.

    Raises:
        ConfigError: both are given, or it is not known.
    """
    if resume and finish:
        raise ConfigError(
            "--resume and --finish contradict each other",
            hint="--resume trains on, --finish takes the best epochs so far",
        )
    if (resume or finish) and not is_named:
        raise ConfigError(
            f"--{'resume' if resume else 'finish'}: which run is not known",
            hint="--run-dir, or output.name in the config",
        )
    return "train" if resume else "finish" if finish else "no"
