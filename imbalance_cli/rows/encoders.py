"""How the label columns of a config are read into labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.errors import number_of
from imbalance_cli.labels import list_names, only_column
from imbalance_cli.labels.encoding import LabelEncoder, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imbalance_cli.config import Config, DataSection
    from imbalance_cli.readers import Table

FEW_ROWS = 10  # a class or tag in fewer is named


def fit_encoder(
    config: Config, tables: Iterable[Table], name: str, columns: list[str]
) -> tuple[LabelEncoder, list[str]]:
    """Return how label columns are read, and what to remark on.

    Args:
        config: says how they are encoded.
        tables: hold the columns, and are read where classes or tags have to be known first.
        name: of the sources, for errors.
        columns: of the labels.

    Raises:
        LabelError: there are several columns of classes or tags, or too few or too many of them.
    """
    data = config.data
    if data.encoding in {"auto", "binary"}:
        return encoder_of(data, columns, columns), []
    column = only_column(columns, data.encoding, name)
    separator = data.tag_separator if "tag_separator" in data.model_fields_set else None
    vocabulary = Vocabulary(column, data.encoding, separator)  # type: ignore[arg-type]
    for table in tables:
        vocabulary.add(table)
    labels = vocabulary.labels(name)
    rare = vocabulary.rare(FEW_ROWS)
    is_given = "missing_labels" in data.model_fields_set
    remarks = vocabulary.remarks(missing_is_given=is_given)
    if rare:
        kinds = ("class", "classes") if data.encoding == "one_vs_rest" else ("tag", "tags")
        remarks.append(
            f"{number_of(len(rare), *kinds)} of {column!r} in fewer than "
            f"{FEW_ROWS} rows: {list_names(rare, most=10)}"
        )
    return encoder_of(data, columns, labels), remarks


def encoder_of(data: DataSection, columns: list[str], labels: list[str]) -> LabelEncoder:
    """Return how the columns are read into labels that are known."""
    encoding = "binary" if data.encoding == "auto" else data.encoding
    return LabelEncoder(encoding, columns, labels, positive_text(data), data.tag_separator)


def positive_text(data: DataSection) -> str | None:
    """Return the text that means 1, as the cells are written."""
    if data.positive is None:
        return None
    return str(data.positive).lower() if isinstance(data.positive, bool) else str(data.positive)
