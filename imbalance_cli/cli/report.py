"""`imbtrain report`: the page and the plots of a run, again."""

from __future__ import annotations

from imbalance_cli.cli.console import write_result
from imbalance_cli.cli.options import Debug, Run


def report(
    run: Run,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Write report.html and plots/ of a run from its saved predictions; print the page's path."""
    from imbalance_cli import workflows

    path = workflows.draw_report(run)
    write_result(f"{path}\n".encode(), None)
