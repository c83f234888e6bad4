"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

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
CONFIG_HELP = "A YAML file, or - for stdin; or a table, with default settings."
ConfigFile = Annotated[str, typer.Argument(metavar="CONFIG", help=CONFIG_HELP, show_default=False)]
TableLabels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        help="A label column of the table, by name or glob; repeatable.  [default: y, label, "
        "target and y_*]",
        show_default=False,
    ),
]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print every key with its value; do nothing else.")
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


def read_directory(text: str) -> Path:
    """Return the path of a directory; nothing, as of a variable that is not set, is refused."""
    if not text:
        raise typer.BadParameter("is empty; . is the current directory")
    return Path(text)


RunDir = Annotated[
    Path | None,
    typer.Option(
        help="Where the run goes.  [default: by output in the config]",
        metavar="PATH",
        parser=read_directory,
    ),
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
ThresholdOption = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="[LABEL=]NUMBER",
        help="Decide by another threshold than the run's, of one label, of those of a glob or "
        "of all; repeatable.",
        show_default=False,
    ),
]
CostOption = Annotated[
    str | None,
    typer.Option(
        "--cost",
        metavar="FP:FN",
        help="Decide at the least expected cost, as 1:20 where a missed positive costs 20 "
        "times a false alarm.",
        show_default=False,
    ),
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
