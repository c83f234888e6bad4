"""What values the keys of a config take: types with their ranges, and what YAML spells them as."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from imbalance_cli.losses.registry import LOSS_SPECS
from imbalance_cli.readers.dialect import COMMENT_RULE, RULE, check_comment, parse_delimiter
from imbalance_cli.readers.formats import is_table_url
from imbalance_cli.readers.urls import name_url, name_urls

LEAST_REPLICATES = 10
"""Fewer leave the spread that an interval is made of unknown: of 10 by a quarter already."""
DEVICES = re.compile(r"auto|cpu|cuda(:\d+)?|mps")


def _as_paths(value: object) -> object:
    if not isinstance(value, (str, list)):
        raise PydanticCustomError("paths", "Input should be a path or a list of them")
    return [value] if isinstance(value, str) else value


def _as_names(value: object) -> object:
    if value is None:  # none given, as for every other key of data
        return []
    if not isinstance(value, (str, list)):
        raise PydanticCustomError("names", "Input should be a name or a list of them")
    return [value] if isinstance(value, str) else value


def _name_targets(labels: list[str]) -> list[str]:
    """Return labels, of which one may be the URL of a file, as it may be shown."""
    return [name_url(label) if is_table_url(label) else label for label in labels]


def _as_words(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_words(words) for key, words in value.items()}
    return [value] if isinstance(value, str | int | float) else value


def _check_cell_weights(value: object) -> object:
    texts = [*value.keys(), *value.values()] if isinstance(value, dict) else [value]
    if value is not None and not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError(
            "cell_weights",
            "Input should be a pattern such as '{pattern}', in quotes, or a column by label",
            {"pattern": "{label}_weight"},
        )
    return value


def _check_date_format(text: str) -> str:
    if "%" not in text:
        raise PydanticCustomError("date_format", "Input should be a format such as %d/%m/%Y")
    return text


def _check_name(name: str) -> str:
    # a path would put the run outside of output.directory, and no file system takes a null byte
    if name in {"", ".", ".."} or not {"/", "\\", "\0"}.isdisjoint(name):
        raise PydanticCustomError("name", "Input should be a name, without / or \\")
    return name


def check_replicates(count: int) -> int:
    """Return a number of replicates that intervals can be made of, or 0."""
    if 0 < count < LEAST_REPLICATES:
        raise PydanticCustomError(
            "replicates",
            "Input should be 0, for no intervals, or at least {least}",
            {"least": LEAST_REPLICATES},
        )
    return count


def check_device(name: str) -> str:
    """Return the name of a device."""
    if not DEVICES.fullmatch(name):
        raise PydanticCustomError("device", "Input should be auto, cpu, cuda, cuda:N or mps")
    return name


def check_loss(name: object) -> object:
    """Return the name of a loss, or auto."""
    names = (*LOSS_SPECS, "auto")
    if name not in names:
        expected = {"expected": ", ".join(f"'{known}'" for known in names)}
        raise PydanticCustomError("literal_error", "Input should be {expected}", expected)
    return name


def list_losses(schema: dict[str, Any]) -> None:
    """Put the names of the losses into the JSON schema of loss.name."""
    del schema["type"]
    schema["anyOf"] = [
        {"enum": list(LOSS_SPECS), "type": "string"},
        {"const": "auto", "type": "string"},
    ]


def _read_delimiter(text: str) -> str:
    try:
        return parse_delimiter(text)
    except ValueError as error:
        raise PydanticCustomError("delimiter", f"Input should be {RULE}") from error


def _check_comment(text: str) -> str:
    try:
        return check_comment(text)
    except ValueError as error:
        raise PydanticCustomError("comment", f"Input should be {COMMENT_RULE}") from error


Share = Annotated[float, Field(ge=0, lt=1)]
Paths = Annotated[list[str], BeforeValidator(_as_paths), AfterValidator(name_urls)]
Names = Annotated[list[str], BeforeValidator(_as_names)]
Targets = Annotated[Names, AfterValidator(_name_targets)]
Word = str | int | float
CellWeights = Annotated[str | dict[str, str] | None, BeforeValidator(_check_cell_weights)]
Words = Annotated[list[Word] | dict[str, list[Word]], BeforeValidator(_as_words)]
DateFormat = Annotated[str, AfterValidator(_check_date_format)]
Delimiter = Annotated[str, AfterValidator(_read_delimiter)]
Comment = Annotated[str, AfterValidator(_check_comment)]
Lines = Annotated[int, Field(ge=0)]
RunName = Annotated[str, AfterValidator(_check_name)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Exponent = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
"""Of a loss; far past any use, and past it a cell has no gradient before it is right."""
Count = Annotated[int, Field(ge=1)]
Auto = Literal["auto"]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what torch and numpy both take
StrategyName = Literal["ratio", "sqrt", "effective", "balanced", "none"]
TARGETS = {
    "recall_at_precision": "the least precision, up to 1",
    "precision_at_recall": "the least recall, up to 1",
    "top_k": "a whole number of validation rows, or below 1 their share",
}
"""What thresholds.target is, by the objective that needs one."""
Monitor = Literal["average_precision", "roc_auc", "brier", "log_loss", "calibrated_log_loss"]
MONITORS: tuple[Monitor, ...] = get_args(Monitor)
