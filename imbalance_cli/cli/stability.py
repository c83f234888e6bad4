"""`imbtrain stability`: where a loss written by hand stops working, and ours does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbalance_cli.cli.console import default_format, draw, write_result
from imbalance_cli.cli.options import Debug, ReportFormat
from imbalance_cli.errors import OutputError


def stability(
    *,
    output_format: ReportFormat = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Also draw the curves.", show_default=False),
    ] = None,
    alpha: Annotated[float, typer.Option(help="The weight of positives.")] = 4.0,
    gamma: Annotated[float, typer.Option(help="Of the focal forms.")] = 2.0,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of the rows and the first weights.")
    ] = 0,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Show where a loss written by hand fails and ours does not."""
    if plot is not None:
        _check_place(plot)
    import torch

    from imbalance_cli.losses.stability import measure
    from imbalance_cli.report import stability as report

    torch.set_num_threads(1)  # a network this small loses by more, and sums keep their order
    result = measure(alpha, gamma, seed)
    if plot is not None:
        write_result(report.to_svg(result), plot)
    chosen = output_format or default_format()
    if chosen == "table":
        draw(report.draw_stability(result))
    else:
        write_result(report.to_csv(result) if chosen == "csv" else report.to_json(result), None)


def _check_place(plot: Path) -> None:
    """Refuse what cannot be written before computing for seconds."""
    if plot.suffix.lower() != ".svg":
        raise OutputError(
            f"{plot}: the suffix {plot.suffix!r} is not .svg", hint="--plot stability.svg"
        )
    if not plot.parent.is_dir():
        raise OutputError(f"{plot}: there is no directory {str(plot.parent)!r}")
