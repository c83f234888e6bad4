"""The sections of a config; every key, its default and its range stand here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
)
from pydantic_core import PydanticCustomError

from imbalance_cli.dialect import COMMENT_RULE, RULE, Dialect, check_comment, parse_delimiter
from imbalance_cli.losses.registry import LOSS_SPECS

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def _as_words(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_words(words) for key, words in value.items()}
    return [value] if isinstance(value, str | int | float) else value


def _check_date_format(text: str) -> str:
    if "%" not in text:
        raise PydanticCustomError("date_format", "Input should be a format such as %d/%m/%Y")
    return text


def _check_name(name: str) -> str:
    # a path would put the run outside of output.directory, and no file system takes a null byte
    if name in {"", ".", ".."} or not {"/", "\\", "\0"}.isdisjoint(name):
        raise PydanticCustomError("name", "Input should be a name, without / or \\")
    return name


def _check_replicates(count: int) -> int:
    if 0 < count < LEAST_REPLICATES:
        raise PydanticCustomError(
            "replicates",
            "Input should be 0, for no intervals, or at least {least}",
            {"least": LEAST_REPLICATES},
        )
    return count


def _check_device(name: str) -> str:
    if not DEVICES.fullmatch(name):
        raise PydanticCustomError("device", "Input should be auto, cpu, cuda, cuda:N or mps")
    return name


def _check_loss(name: object) -> object:
    names = (*LOSS_SPECS, "auto")
    if name not in names:
        expected = {"expected": ", ".join(f"'{known}'" for known in names)}
        raise PydanticCustomError("literal_error", "Input should be {expected}", expected)
    return name


def _list_losses(schema: dict[str, Any]) -> None:
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
Paths = Annotated[list[str], BeforeValidator(_as_paths)]
Names = Annotated[list[str], BeforeValidator(_as_names)]
Word = str | int | float
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


class Section(BaseModel):
    """A section: unknown keys are refused, and a value has the type it is written as."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class DataSection(Section):
    """What is read, and what its columns mean."""

    train: Annotated[Paths, Field(min_length=1)]
    valid: Paths | None = None
    test: Paths | None = None
    labels: Names = Field(default_factory=list)
    encoding: Literal["auto", "binary", "one_vs_rest", "tags"] = "auto"
    tag_separator: Annotated[str, Field(min_length=1)] = ";"
    positive: str | int | float | bool | None = None
    exclude: Names = Field(default_factory=list)
    missing_labels: Literal["mask", "negative", "drop", "error"] = "mask"
    sample_weight: str | None = None
    group: str | None = None
    time: str | None = None
    part: str | None = None
    input_format: str | None = None
    delimiter: Delimiter | None = None
    missing_values: Words = Field(default_factory=list)
    categories: Names = Field(default_factory=list)
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'"] | None = None
    date_format: dict[str, DateFormat] = Field(default_factory=dict)
    header: bool | None = None
    skip_lines: Lines | None = None
    skip_rows: Lines | None = None
    comment: Comment | None = None
    in_memory: bool | Literal["auto"] = "auto"
    _frames: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def dialect(self) -> Dialect:
        """How delimited text is written."""
        return Dialect(self.delimiter, self.header, self.skip_lines, self.skip_rows, self.comment)

    @property
    def frames(self) -> Mapping[str, Any]:
        """The data frames that sources stand for, by the names they have in train, valid, test."""
        return self._frames


class SplitSection(Section):
    """How the rows are cut into train, valid and test."""

    strategy: Literal["auto", "random", "stratified", "iterative", "grouped", "time"] = "auto"
    valid: Share = 0.15
    test: Share = 0.15
    seed: Seed = 0


class WeightingSection(Section):
    """How pos_weight is made from the counts of the training rows."""

    strategy: StrategyName = "ratio"
    cap: Positive | None = None
    smoothing: NonNegative = 0.0
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    from_: str | None = Field(default=None, alias="from")
    allow_double_counting: bool = False

    @property
    def gives_weights(self) -> bool:
        """Whether any label may get a weight other than 1."""
        return self.from_ is not None or self.strategy != "none"


class LossSection(Section):
    """The loss and its parameters."""

    name: Annotated[str, BeforeValidator(_check_loss), Field(json_schema_extra=_list_losses)] = (
        "auto"
    )
    gamma: Exponent = 2.0
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    gamma_positive: Exponent = 1.0
    gamma_negative: Exponent = 4.0
    margin: Share = 0.05
    tau: Exponent = 1.0


class ModelSection(Section):
    """The network: a multilayer perceptron with one logit per label."""

    recipe: Literal["tabular", "plain"] = "tabular"
    hidden: list[Count] | Auto = "auto"
    activation: Literal["auto", "relu", "gelu", "silu", "selu"] = "auto"
    dropout: Share | Auto = "auto"
    numeric_embedding: Literal["auto", "none", "piecewise_linear", "periodic", "both"] = "auto"
    members: Count | Auto = "auto"
    sharing: Literal["auto", "trunk", "none"] = "auto"


class TrainingSection(Section):
    """How the network is trained."""

    epochs: Count | Auto = "auto"
    batch_size: Count | Auto = "auto"
    learning_rate: Positive | Auto = "auto"
    weight_decay: NonNegative | Auto = "auto"
    schedule: Literal["auto", "cosine", "coslog4", "constant"] = "auto"
    monitor: Monitor | Auto = "auto"
    patience: Count | Auto | None = "auto"
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    folds: Annotated[int, Field(ge=2)] | None = None
    seed: Seed = 0
    device: Annotated[str, AfterValidator(_check_device)] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every: Count | Auto = "auto"


class CalibrationSection(Section):
    """How scores become probabilities, after the loss's own inverse link."""

    method: Literal["auto", "analytic", "temperature", "platt", "quadratic", "none"] = "auto"


class ThresholdsSection(Section):
    """How the decision threshold of each label is chosen on the validation rows."""

    objective: Literal[
        "f1",
        "f2",
        "mcc",
        "balanced_accuracy",
        "cost",
        "recall_at_precision",
        "precision_at_recall",
        "top_k",
        "half",
    ] = "f1"
    minimum_positives: Annotated[int, Field(ge=0)] = 10
    false_positive_cost: Positive = 1.0
    false_negative_cost: Positive = 1.0
    target: Positive | None = None


Peer = Literal["boosted_trees"]


class ReportSection(Section):
    """What the report holds beside the point estimates."""

    bootstrap: Annotated[
        int,
        Field(
            ge=0,
            json_schema_extra={
                "not": {"exclusiveMinimum": 0, "exclusiveMaximum": LEAST_REPLICATES}
            },
        ),
        AfterValidator(_check_replicates),
    ] = 200
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    plots: bool = True
    top_k: Count = 100
    at_precision: Annotated[float, Field(gt=0, le=1)] = 0.5
    peer: Peer | None = None


class OutputSection(Section):
    """Where the run directory goes."""

    directory: str = "runs"
    name: RunName | None = None


class Config(Section):
    """A whole config."""

    data: DataSection
    split: SplitSection = Field(default_factory=SplitSection)
    weighting: WeightingSection = Field(default_factory=WeightingSection)
    loss: LossSection = Field(default_factory=LossSection)
    model: ModelSection = Field(default_factory=ModelSection)
    training: TrainingSection = Field(default_factory=TrainingSection)
    calibration: CalibrationSection = Field(default_factory=CalibrationSection)
    thresholds: ThresholdsSection = Field(default_factory=ThresholdsSection)
    report: ReportSection = Field(default_factory=ReportSection)
    output: OutputSection = Field(default_factory=OutputSection)

    def with_frames(self, frames: Mapping[str, Any]) -> Config:
        """Return the same config, where the names of these data frames stand for them."""
        data = self.data.model_copy()
        data._frames = dict(frames)  # noqa: SLF001  never a key of the YAML
        return self.model_copy(update={"data": data})

    def with_repeats(self, folds: int, networks: int | None) -> Config:
        """Return the same config, to be trained in so many folds.

        Args:
            folds: how many.
            networks: independent ones per fold; None for what the config says.
        """
        training = self.training.model_copy(update={"folds": folds})
        model = self.model
        if networks is not None:
            model = model.model_copy(update={"members": networks, "sharing": "none"})
        return self.model_copy(update={"training": training, "model": model})

    def to_yaml(self) -> str:
        """Return every key with its value, as YAML that `load_config` reads back."""
        document = self.model_dump(by_alias=True, mode="json")
        if self.weighting.from_ is not None:
            del document["weighting"]["strategy"]
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
