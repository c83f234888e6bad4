"""`imbtrain report`: the page and the plots of a run, again; or several runs side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from imbalance_cli.cli.console import (
    default_format,
    draw,
    note,
    read_sort,
    show_report,
    warn,
    write_result,
)
from imbalance_cli.cli.options import Debug, Sort
from imbalance_cli.cli.page_file import check_page_file
from imbalance_cli.codes import Warned
from imbalance_cli.errors import ConfigError


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Run directories that fit left; several are compared with the first.",
            show_default=False,
        ),
    ],
    output_format: Annotated[
        Literal["table", "csv", "json"] | None,
        typer.Option(
            "--format",
            help="How to write the report; of one run, in place of the path.  [default of several: "
            "table on a terminal, csv in a pipe]",
        ),
    ] = None,
    sort: Sort = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Replicates for several runs; 0 for none, else at least 10.  [default: "
            "report.bootstrap of the first]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the page there, an .html file: of several runs, which have none otherwise, "
            "or of one, in which nothing is written then.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Write report.html and plots/ of a run from its saved predictions; print the page's path.

    With --format or --sort, print the report itself. Of several runs, which must have held out the
    same rows, print them side by side, with paired intervals of the differences to the first;
    --output writes a page of them.
    """
    from imbalance_cli.run.directory import read_document

    check_page_file(output)
    for run in runs:
        read_document(run)
    if len(runs) > 1:
        _compare(runs, output_format or default_format(), sort, bootstrap, output)
        return
    if bootstrap is not None:
        raise ConfigError(
            "--bootstrap goes with several runs: the intervals of one are saved with it",
            hint="imbtrain evaluate RUN SOURCE --bootstrap computes others",
        )
    _draw_again(runs[0], output_format, read_sort(sort), output)


def _draw_again(
    run: Path, output_format: str | None, sort: str | None, output: Path | None
) -> None:
    from imbalance_cli import workflows

    if output is None:
        page = workflows.draw_report(run, warn)
    else:
        page = output
        write_result(workflows.draw_page(run), output)
    evaluation = workflows.read_evaluation(run)
    flattery = workflows.describe_flattery(evaluation.part)
    if flattery is not None:
        warn(Warned("IMB112", flattery))
    if output_format is None and sort is None:
        write_result(f"{page}\n".encode(), None)
        return
    shown = output_format or default_format()
    show_report(evaluation, run, shown, sort=sort, page=page)
    _name_page(output, shown)


def _compare(
    runs: list[Path],
    output_format: str,
    sort: str | None,
    bootstrap: int | None,
    output: Path | None,
) -> None:
    from imbalance_cli import workflows
    from imbalance_cli.report import comparison as drawing
    from imbalance_cli.report import ordering

    sort = ordering.read_sort(sort, drawing.list_sorts())
    if output is None:
        comparison = workflows.compare_runs(runs, warn, bootstrap=bootstrap)
    else:
        comparison, page = workflows.draw_runs(runs, warn, bootstrap=bootstrap)
        write_result(page, output)
    if output_format == "table":
        draw(drawing.Drawing(comparison, sort))
        if output is not None:
            sys.stdout.write(f"report: {output}\n")
    elif output_format == "csv":
        write_result(drawing.to_csv(comparison, sort), None)
    else:
        write_result(drawing.to_json(comparison, {}), None)
    _name_page(output, output_format)


def _name_page(output: Path | None, output_format: str) -> None:
    """Say where the page went, where stdout does not."""
    if output is not None and output_format != "table":
        note(f"the page is {output}")
