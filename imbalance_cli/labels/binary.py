"""Cells that are yes or no: which texts mean 1, which 0, and which are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import LabelError, nearest, show_cell
from imbalance_cli.readers.source import (
    DISTINCT_LIMIT,
    MISSING_TEXTS,
    MISSING_WORDS,
    Tally,
    is_missing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from imbalance_cli.labels.targets import DenseTargets
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import ColumnTally

POSITIVE_TEXTS = frozenset({"1", "true", "yes", "t", "y"})
LIKE_MISSING = frozenset({"nil", "missing", "unknown", "-", "?", "."}) | MISSING_WORDS
"""Texts, in lower case, that some write for a missing value, and that are not read as one."""
MISSING_HINT = "a missing label is blank, NA, NaN or null, in any case: write one of these"
NEGATIVE_TEXTS = frozenset({"0", "false", "no", "f", "n"})
FLAGS = {"true": "1", "false": "0"}  # how a typed boolean is written, and its number


def is_missing_name(text: str) -> bool:
    """Return whether a text where words are expected stands for a missing value."""
    return text.strip().lower() in MISSING_TEXTS


def check_positive(positive: str | None) -> None:
    """Raise if the text that means 1 is one that stands for a missing value.

    Raises:
        LabelError: it is.
    """
    if positive is not None and is_missing_name(positive):
        raise LabelError(
            f"the positive value is {show_cell(positive)}, which stands for a missing cell",
            hint="name another text that means 1, or leave it out",
        )


def encode_labels(
    table: Table, labels: Sequence[str], positive: str | None, seen: Tally | None = None
) -> DenseTargets:
    """Return the targets of a table, (N, L).

    Args:
        table: holds the label columns, as strings or typed.
        labels: the columns, L of them.
        positive: the text that means 1; the other one then means 0.
        seen: the texts of earlier batches of the same columns, which are added to.

    Raises:
        LabelError: a label has a text that is neither, or three values.
    """
    import numpy as np
    import polars as pl

    from imbalance_cli.labels.targets import MISSING, DenseTargets
    from imbalance_cli.readers.source import are_numbers, tally_frame, texts

    check_positive(positive)
    tally = Tally.empty(labels) if seen is None else seen
    for label, text, row in tally_frame(table.frame, tally):
        tally.columns[label].places[text] = table.place(row)
    numbers = {label for label in labels if are_numbers(table.frame[label])}
    frame = texts(table.frame[[label for label in labels if label not in numbers]])
    targets = np.full((table.frame.height, len(labels)), MISSING, np.int8)
    for i, (label, column) in enumerate(tally.columns.items()):
        sides = read_texts(column, positive, "", label)
        codes = {text: MISSING if side is None else int(side) for text, side in sides.items()}
        if label in numbers:
            cells = table.frame[label].to_numpy()
            for number, code in zip(
                _as_numbers(codes, table.frame[label].dtype), codes.values(), strict=True
            ):
                targets[cells == number, i] = code
        else:  # polars takes a name such as ^y$ for a pattern
            named = frame[label].alias("cell")
            targets[:, i] = named.replace_strict(codes, return_dtype=pl.Int8).to_numpy()
    return DenseTargets(targets)


def _as_numbers(found: Iterable[str], dtype: pl.DataType) -> pl.Series:
    """Return the number of a type that each text stands for, null where it is of another type."""
    import polars as pl

    written = pl.Series([FLAGS.get(text, text) for text in found], dtype=pl.String)
    return written.cast(pl.UInt8() if dtype == pl.Boolean else dtype, strict=False)


def read_texts(
    column: ColumnTally, positive: str | None, prefix: str, label: str
) -> dict[str, bool | None]:
    """Say of each text of a column whether it is positive, negative or missing (None).

    Raises:
        LabelError: a text is neither, or there are three values.
    """
    sides = {text: _side(text, positive) for text in column.counts}

    def place(text: str) -> str:
        return f"{prefix}{column.places[text]}: " if text in column.places else prefix

    known = [text for text, side in sides.items() if side is not None]
    for text, side in sides.items():
        if side is None and not is_missing(text):
            raise LabelError(
                f"{place(text)}column {label!r}: {show_cell(text)} is not a binary label",
                hint=MISSING_HINT
                if text.strip().lower() in LIKE_MISSING and known
                else "0/1, true/false, yes/no, t/f, y/n are; --positive VALUE (data.positive in a "
                "config) names another value that means 1; --encoding one_vs_rest or tags "
                "(data.encoding) makes each class or tag a label",
            )
    own = next((text for text in sides if text.strip() == label.strip()), None)
    numbers = [text for text in sides if _is_number(text)]
    if own is not None and not _is_number(own) and 0 < len(numbers) == len(sides) - 1:
        raise LabelError(
            f"{place(own)}column {label!r}: its own name, {show_cell(own)}, among numbers: the "
            "header again?",
            hint="leave out that line; or write 0 and 1 alone",
        )
    negatives = [text for text, side in sides.items() if side is False]
    third = [text for text in negatives if not _same_value(text, negatives[0])]
    if positive is not None and third and True not in sides.values():
        raise LabelError(
            f"{place(third[0])}column {label!r}: holds {show_cell(negatives[0])} and "
            f"{show_cell(third[0])}, and not {show_cell(positive)}",
            hint=nearest(positive, [text.strip() for text in negatives])
            or "--positive VALUE (data.positive in a config) names the one that means 1",
        )
    if positive is not None and third:
        raise LabelError(
            f"{place(third[0])}column {label!r}: {show_cell(third[0])} is a third value beside "
            f"{show_cell(positive)} and {show_cell(negatives[0])}",
            hint=MISSING_HINT
            if any(text.strip().lower() in LIKE_MISSING for text in negatives)
            else "a binary label has two values",
        )
    if column.overflow:
        raise LabelError(
            f"{prefix}column {label!r} has more than {DISTINCT_LIMIT} spellings of its two values",
            hint="write each value in one way, for instance 0 and 1",
        )
    return sides


def _side(text: str, positive: str | None) -> bool | None:
    if positive is not None:
        if _same_value(text, positive):
            return True
        missing = is_missing(text) if _is_number(positive) else is_missing_name(text)
        return None if missing else False
    word = text.strip().lower()
    if word in POSITIVE_TEXTS or _same_value(word, "1"):
        return True
    return False if word in NEGATIVE_TEXTS or _same_value(word, "0") else None


def _same_value(text: str, other: str) -> bool:
    if text.strip() == other.strip():
        return True
    return _is_number(text) and _is_number(other) and float(text) == float(other)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # which float reads as if it were not there
