"""`imbtrain weights`: counts and pos_weight per label."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from imbalance_cli.cli.console import default_format, draw, warn, write_result
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
from imbalance_cli.errors import OutputError, WeightsError
from imbalance_cli.readers.dialect import Dialect


def weights(
    *,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Tables or arrays (docs/data.md lists the formats), their URLs, or - for stdin; "
            "several are counted as one.",
            show_default=False,
        ),
    ],
    labels: Labels = None,
    positive: Positive = None,
    encoding: Encoding = "auto",
    tag_separator: TagSeparator = None,
    missing_labels: Annotated[
        Literal["mask", "negative", "drop", "error"] | None,
        typer.Option(
            help="How to treat missing labels: mask (ignore), negative (0), drop (the row) or "
            "error.  [default: mask]",
            show_default=False,
        ),
    ] = None,
    sample_weight: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Count each row as much as this column says."),
    ] = None,
    cell_weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Count each cell of a label as much as a column says: '{label}_weight', or "
            "LABEL=COLUMN, once a label.",
            show_default=False,
        ),
    ] = None,
    input_format: InputFormat = None,
    delimiter: Delimiter = None,
    header: Header = None,
    skip_lines: SkipLines = None,
    skip_rows: SkipRows = None,
    comment: Comment = None,
    strategy: Annotated[
        Literal["ratio", "sqrt", "effective", "balanced", "none"],
        typer.Option(
            help="ratio: negatives / positives; sqrt: its root; effective: effective numbers of "
            "samples; balanced: the same ratio; none: 1."
        ),
    ] = "ratio",
    beta: Annotated[
        float | None, typer.Option(help="Of --strategy effective.  [default: 0.9999]")
    ] = None,
    cap: Annotated[float | None, typer.Option(help="The largest weight.")] = None,
    smoothing: Annotated[float, typer.Option(help="a in (negatives + a) / (positives + a).")] = 0.0,
    merge: Annotated[
        bool, typer.Option("--merge", help="Add up counts that --format json wrote elsewhere.")
    ] = False,
    output_format: Annotated[
        Literal["table", "csv", "json", "yaml", "npy", "safetensors", "pt"] | None,
        typer.Option(
            "--format",
            help="How to write the result.  [default: by the suffix of -o; else table on a "
            "terminal, csv in a pipe]",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to a file instead of stdout.")
    ] = None,
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Count positives and negatives per label and derive pos_weight."""
    from imbalance_cli.labels import add_counts, count_sources
    from imbalance_cli.readers.joined import open_counted
    from imbalance_cli.readers.urls import name_url
    from imbalance_cli.weighting.files import encode, read_counts
    from imbalance_cli.weighting.pos_weight import Strategy, weigh

    chosen = _choose_format(output_format, output)
    if beta is not None and strategy != "effective":
        raise WeightsError(f"--beta {beta} goes with --strategy effective, not {strategy}")
    recipe = Strategy(strategy, cap, smoothing, 0.9999 if beta is None else beta)
    reading = dataclasses.replace(
        read_settings(positive, encoding, tag_separator),
        missing=missing_labels,
        sample_weight=sample_weight,
        cell_weights=_read_cell_weights(cell_weights or []),
    )
    dialect = Dialect(delimiter, header, skip_lines, skip_rows, comment)
    if merge:
        given = {
            "labels": bool(labels),
            "positive": positive is not None,
            "encoding": encoding != "auto",
            "missing-labels": missing_labels is not None,
            "sample-weight": sample_weight is not None,
            "cell-weights": cell_weights is not None,
            "input-format": input_format is not None,
            **dict.fromkeys(dialect.given(), True),
        }
        idle = [option.replace("_", "-") for option, is_given in given.items() if is_given]
        if idle:
            raise WeightsError(
                f"--merge adds counts as they are, so --{idle[0]} says nothing to it",
                hint="choose labels where the counts are made: imbtrain weights PART --format json",
            )
        counts = add_counts([(name, read_counts(name)) for name in sources])
    else:
        opened, patterns = open_counted(sources, labels or (), input_format, dialect)
        counts = count_sources(opened, patterns, reading)
    names = ["stdin" if name == "-" else name_url(name) for name in sources]
    result = weigh(counts, recipe, names[0] if len(names) == 1 else names)
    for sentence in result.warnings:
        warn(sentence)
    if chosen == "table":
        from imbalance_cli.report.weights import WeightsTable

        draw(WeightsTable(result))
    else:
        write_result(encode(result, chosen), output)


def _read_cell_weights(given: list[str]) -> str | dict[str, str] | None:
    """Return one pattern, or the column of each label that has one; None where none is given."""
    if not given:
        return None
    pairs = [one.partition("=") for one in given]
    if len(given) == 1 and not pairs[0][1]:
        return given[0]
    wrong = [one for one, (_, equals, _) in zip(given, pairs, strict=True) if not equals]
    if wrong:
        raise WeightsError(
            f"--cell-weights {wrong[0]}: not of the form LABEL=COLUMN",
            hint="a pattern such as '{label}_weight' alone, or LABEL=COLUMN once a label",
        )
    return {label: column for label, _, column in pairs}


def _choose_format(given: str | None, output: Path | None) -> str:
    from imbalance_cli.weighting.files import BINARY_FORMATS, FORMATS, format_of

    if output is None:
        chosen = given or default_format()
        if chosen in BINARY_FORMATS and sys.stdout.isatty():
            raise OutputError(
                f"--format {chosen} is binary, and stdout is a terminal",
                hint=f"-o weights.{chosen}, or redirect stdout",
            )
        return chosen
    chosen = given or format_of(output)
    if chosen not in FORMATS:
        known = f"--format {' | '.join(FORMATS)}"
        if chosen == "table":
            raise OutputError(f"{output}: a table is drawn on stdout only", hint=known)
        raise OutputError(f"{output}: the suffix {output.suffix!r} names no format", hint=known)
    return chosen
