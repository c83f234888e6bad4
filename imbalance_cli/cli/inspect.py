"""`imbtrain inspect`: what is in a source, and what fit would say to it."""

from __future__ import annotations

from typing import Annotated

import typer

from imbalance_cli.cli.console import default_format, draw, write_result
from imbalance_cli.cli.label_options import (
    Comment,
    Delimiter,
    Encoding,
    Header,
    InputFormat,
    Labels,
    Positive,
    SkipLines,
    SkipRows,
    TagSeparator,
    read_settings,
)
from imbalance_cli.cli.options import Debug, ReportFormat
from imbalance_cli.readers.dialect import Dialect


def inspect(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A table, or its URL; - for stdin.", show_default=False
        ),
    ],
    labels: Labels = None,
    positive: Positive = None,
    encoding: Encoding = "auto",
    tag_separator: TagSeparator = None,
    input_format: InputFormat = None,
    delimiter: Delimiter = None,
    header: Header = None,
    skip_lines: SkipLines = None,
    skip_rows: SkipRows = None,
    comment: Comment = None,
    output_format: ReportFormat = None,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Show columns, missing cells, labels, and what fit would refuse or warn of."""
    from imbalance_cli.cli.progress import choose_progress
    from imbalance_cli.inspection import inspect_source
    from imbalance_cli.readers.joined import open_labelled
    from imbalance_cli.report import inspection as drawing

    settings = read_settings(positive, encoding, tag_separator)
    dialect = Dialect(delimiter, header, skip_lines, skip_rows, comment)
    opened, patterns = open_labelled(source, labels or (), input_format, dialect)
    with choose_progress(quiet=False) as progress:
        found = inspect_source(opened, patterns, settings, progress.stage)
    chosen = output_format or default_format()
    if chosen == "table":
        draw(drawing.draw_inspection(found))
    else:
        write_result(drawing.to_csv(found) if chosen == "csv" else drawing.to_json(found), None)
