"""`imbtrain init`: a commented config for a source."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from imbalance_cli.cli.console import write_result
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
from imbalance_cli.cli.options import Debug
from imbalance_cli.readers.dialect import Dialect, parse_delimiter


def init(
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
    group: Annotated[
        str | None, typer.Option(help="A column whose rows of one value stay in one part.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="A column of times: train on the past, test on the future."),
    ] = None,
    minimal: Annotated[
        bool,
        typer.Option("--minimal", help="Only the keys that have no default or need another one."),
    ] = False,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Write a commented config for a source, which fit takes as it is."""
    from imbalance_cli.config.template import write_minimal, write_template
    from imbalance_cli.inspection import inspect_source, propose_config
    from imbalance_cli.readers.joined import open_labelled
    from imbalance_cli.readers.urls import name_url

    settings = read_settings(positive, encoding, tag_separator)
    dialect = Dialect(delimiter, header, skip_lines, skip_rows, comment)
    opened, patterns = open_labelled(source, labels or (), input_format, dialect)
    found = inspect_source(opened, patterns, settings)
    if delimiter is not None:
        dialect = dataclasses.replace(dialect, delimiter=parse_delimiter(delimiter))
    chosen = {"group": group, "time": time, "input_format": input_format, **dialect.given()}
    given = {key: value for key, value in chosen.items() if value is not None}
    file = name_url(labels[0]) if labels and not patterns else None
    proposal = propose_config(name_url(source), found, settings, given, targets_file=file)
    write = write_minimal if minimal else write_template
    write_result(write(proposal).encode(), None)
