"""How label columns are named and read on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from imbalance_cli.errors import LabelError

if TYPE_CHECKING:
    from imbalance_cli.labels import LabelSettings

Labels = Annotated[
    list[str] | None,
    typer.Option(
        help="A label column, by name or glob; repeatable; or a file of labels beside SOURCE.  "
        "[default: y, label, target and y_*, or the arrays targets or labels]",
        show_default=False,
    ),
]
Positive = Annotated[
    str | None, typer.Option(help="The value that means 1, where a label is not 0/1 or yes/no.")
]
Encoding = Annotated[
    Literal["auto", "binary", "one_vs_rest", "tags"],
    typer.Option(
        help="What a label cell holds: binary (auto): yes or no; one_vs_rest: a class, which "
        "becomes a label; tags: several, as a;b;c or ['a', 'b'], each a label."
    ),
]
TagSeparator = Annotated[
    str | None, typer.Option(help="Between two tags of a cell.  [default: ;]", show_default=False)
]


InputFormat = Annotated[
    str | None,
    typer.Option(
        help="What SOURCE is, where its name and first bytes do not say: csv, tsv, parquet, arrow, "
        "ndjson, excel, npy, npz, pt, safetensors or svmlight.",
        show_default=False,
    ),
]

Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Between two cells of delimited text, such as ';' or '\\t'.  [default: read off the "
        "header]",
        show_default=False,
    ),
]


Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of delimited text names the columns; without them they are "
        "column_1, column_2, ...  [default: it does, unless it seems to be a row]",
        show_default=False,
    ),
]
SkipLines = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Lines before the header of delimited text, such as titles.",
        show_default=False,
    ),
]
SkipRows = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Lines below the header that are no rows, such as units.",
        show_default=False,
    ),
]
Comment = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What lines of delimited text begin with that are left out, such as '#'.",
        show_default=False,
    ),
]


def read_settings(positive: str | None, encoding: str, separator: str | None) -> LabelSettings:
    """Return how labels are read.

    Raises:
        LabelError: an option does nothing beside another one.
    """
    from imbalance_cli.labels import LabelSettings

    if positive is not None and encoding in {"one_vs_rest", "tags"}:
        raise LabelError(
            f"--positive {positive} goes with --encoding binary, not {encoding}",
            hint="leave one of them out",
        )
    if separator is not None and (encoding != "tags" or not separator):
        raise LabelError(
            f"--tag-separator {separator!r} goes with --encoding tags, not {encoding}"
            if separator
            else "--tag-separator is empty",
            hint="leave it out, or --encoding tags --tag-separator ';'",
        )
    return LabelSettings(positive, encoding, separator)  # type: ignore[arg-type]
