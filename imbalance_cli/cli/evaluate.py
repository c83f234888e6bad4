"""`imbtrain evaluate`: the report of a run on labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imbalance_cli.cli.console import default_format, read_sort, show_report
from imbalance_cli.cli.inputs import read_thresholds, refuse_early
from imbalance_cli.cli.label_options import (
    Comment,
    Delimiter,
    Header,
    InputFormat,
    SkipLines,
    SkipRows,
)
from imbalance_cli.cli.options import (
    CostOption,
    Debug,
    Device,
    LogFormat,
    ReportFormat,
    Run,
    Sort,
    Strict,
    ThresholdOption,
)
from imbalance_cli.codes import Warned
from imbalance_cli.readers.dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imbalance_cli.evaluation import Evaluation, LabelEvaluation


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
            min=0,
            help="Bootstrap replicates; 0 for none, else at least 10.  [default: report.bootstrap "
            "of the run]",
        ),
    ] = None,
    threshold: ThresholdOption = None,
    cost: CostOption = None,
    slices: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Break the report down by the values of a column, by name or glob; repeatable.  "
            "[default: report.slices of the run]",
            show_default=False,
        ),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Where the labels are, if SOURCE is an array of features alone."
        ),
    ] = None,
    input_format: InputFormat = None,
    delimiter: Delimiter = None,
    header: Header = None,
    skip_lines: SkipLines = None,
    skip_rows: SkipRows = None,
    comment: Comment = None,
    strict: Strict = False,
    device: Device = "auto",
    log_format: LogFormat = "text",
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Report per label how a run does on labelled rows."""
    refuse_early(run, source)
    from imbalance_cli import workflows
    from imbalance_cli.cli.progress import choose_progress

    sort = read_sort(sort)
    thresholds = read_thresholds(threshold or (), cost)
    with choose_progress(quiet=False, log_format=log_format) as log:
        evaluation = workflows.evaluate(
            run,
            source,
            device,
            log.warned,
            bootstrap=bootstrap,
            input_format=input_format,
            dialect=Dialect(delimiter, header, skip_lines, skip_rows, comment),
            targets_file=targets,
            thresholds=thresholds,
            slices=slices,
            strict=strict,
            tell=log.stage,
        )
        for sentence in _describe_lacks(evaluation):
            log.warned(sentence)
        log.finished(workflows.Finish.of_evaluation("evaluate", run, evaluation))
    show_report(
        evaluation,
        run,
        output_format or default_format(),
        sort=sort,
        held_out=False,
        thresholds=thresholds,
    )


def _describe_lacks(evaluation: Evaluation) -> Iterator[str]:
    """Yield which learned labels lack a class or all targets, and what is undefined for that."""
    lacking: dict[str, list[LabelEvaluation]] = {}
    for label in evaluation.labels:
        if label.learnable and label.positives in {0, label.support}:
            side = "no positives" if not label.positives else "no negatives"
            lacking.setdefault(side if label.support else "no known target", []).append(label)
    for reason, labels in lacking.items():
        names = ", ".join(repr(label.label) for label in labels)
        undefined = [name for name, why in labels[0].undefined.items() if why == reason]
        metrics = ", ".join(undefined) if labels[0].support else "all metrics"
        yield Warned("IMB120", f"{reason} in these rows for {names}; undefined: {metrics}")
