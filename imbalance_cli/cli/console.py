"""Where a command's output goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.codes import code_of, with_code
from imbalance_cli.errors import escape_name, explain_write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from imbalance_cli.evaluation import Evaluation


UNKNOWN_WIDTH = 80


def default_format() -> str:
    """Return "table" on a terminal, "csv" in a pipe."""
    return "table" if sys.stdout.isatty() else "csv"


def warn(message: str) -> None:
    """Write a warning to stderr."""
    sys.stderr.write(f"{show_warning(message)}\n")


def show_warning(message: str) -> str:
    """Return a warning as a line."""
    return f"warning: {with_code(escape_name(message), code_of(message))}"


def note(message: str) -> None:
    """Write what was done to stderr."""
    sys.stderr.write(f"note: {escape_name(message)}\n")


def write_result(content: bytes, output: Path | None) -> None:
    """Write a result to a file, all of it or nothing, or to stdout.

    A result for a device or a named pipe is written straight to it.

    Raises:
        OutputError: the file cannot be written.
    """
    with explain_write(output or "stdout"):
        if output is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        elif output.exists() and not output.is_file():  # a device or a pipe cannot be replaced
            output.write_bytes(content)
        else:
            _replace(output.resolve(), content)


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def draw(drawing: RenderableType) -> None:
    """Draw on stdout, emoji codes and markup in names as they are, lines without blank ends."""
    from rich.console import Console

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    if not console.width:  # COLUMNS=0, by which some shells mean that they do not know
        console.width = UNKNOWN_WIDTH
    with console.capture() as captured:
        console.print(drawing, crop=False)  # tables fit; where a run is stays one line
    for line in captured.get().removesuffix("\n").split("\n"):
        sys.stdout.write(line.rstrip() + "\n")


def show_report(
    evaluation: Evaluation,
    run: Path,
    output_format: str,
    *,
    sort: str | None = None,
    page: Path | None = None,
    held_out: bool = True,
    thresholds: Mapping[str, float] | None = None,
) -> None:
    """Write an evaluation to stdout as a table, CSV or JSON.

    Args:
        evaluation: to write.
        run: the run directory, which the table and the JSON name.
        output_format: table, csv or json.
        sort: what the labels are sorted by; None is by prevalence in a table.
        page: the file that shows more of it, which the table names, if there is one.
        held_out: whether the rows are a part of what the run was made from, as test.
        thresholds: given in place of those of the run, by name or glob of labels.
    """
    from imbalance_cli import workflows
    from imbalance_cli.report import documents
    from imbalance_cli.report.ordering import PREVALENCE, sort_evaluation
    from imbalance_cli.run.directory import METRICS_JSON, read_file

    peer = documents.peer_from_json(read_file(run, METRICS_JSON)) if held_out else None
    if output_format == "table":
        from rich.text import Text

        from imbalance_cli.report.decisions import describe_given
        from imbalance_cli.report.terminal import Report

        decisions = describe_given(thresholds) if thresholds else workflows.read_decisions(run)
        order, given = sort or PREVALENCE, bool(thresholds)
        draw(Report(evaluation, str(run), order, held_out, decisions, given))
        if peer is not None:
            draw(Text(peer["conclusion"]))
        if page is not None:
            name_page(page)
        sys.stdout.flush()
        return
    evaluation = evaluation if sort is None else sort_evaluation(evaluation, sort)
    if output_format == "csv":
        write_result(documents.to_csv(evaluation), None)
    else:
        write_result(documents.to_json(evaluation, str(run), peer, thresholds), None)


def name_page(page: Path) -> None:
    """Write where the page of a run is, under its table; a terminal opens it by a click."""
    shown = str(page)
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        shown = f"\x1b]8;;{page.resolve().as_uri()}\x1b\\{page}\x1b]8;;\x1b\\"
    sys.stdout.write(f"report: {shown}\n")


def read_sort(sort: str | None) -> str | None:
    """Return what --sort names, of what labels can be sorted by.

    Raises:
        ConfigError: it names nothing of that; the nearest is suggested.
    """
    if sort is None:
        return None
    from imbalance_cli.report import ordering

    return ordering.read_sort(sort)
