"""The config as typed sections; every key, its default and its range stand here.

A key that is not here is refused with the nearest name. Keys and values of the plan that do
nothing yet are refused by name in `_NOT_YET`, so that a config never asks for what it does not get.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from imbalance_cli.errors import ConfigError, nearest
from imbalance_cli.yaml_text import KeyPath, parse_mapping, parse_scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

DEVICES = re.compile(r"auto|cpu|cuda(:\d+)?|mps")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _check_device(name: str) -> str:
    if not DEVICES.fullmatch(name):
        raise PydanticCustomError("device", "Input should be auto, cpu, cuda, cuda:N or mps")
    return name


Share = Annotated[float, Field(ge=0, lt=1)]
Names = Annotated[list[str], BeforeValidator(_as_list)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what torch and numpy both take


class Section(BaseModel):
    """A section: unknown keys are refused, and a value has the type it is written as."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class DataSection(Section):
    """What is read, and what its columns mean."""

    train: Annotated[Names, Field(min_length=1)]
    valid: Names | None = None
    test: Names | None = None
    labels: Names = Field(default_factory=list)
    encoding: Literal["auto", "binary", "one_vs_rest", "tags"] = "auto"
    tag_separator: str = ";"
    positive: str | int | float | bool | None = None
    exclude: Names = Field(default_factory=list)
    missing_labels: Literal["mask", "negative", "drop", "error"] = "mask"
    sample_weight: str | None = None
    group: str | None = None
    time: str | None = None


class SplitSection(Section):
    """How the rows are cut into train, valid and test."""

    strategy: Literal["auto", "random", "stratified", "iterative", "grouped", "time"] = "auto"
    valid: Share = 0.15
    test: Share = 0.15
    seed: Seed = 0


class WeightingSection(Section):
    """How pos_weight is made from the counts of the training rows."""

    strategy: Literal["ratio", "sqrt", "effective", "balanced", "none"] = "ratio"
    cap: Positive | None = None
    smoothing: NonNegative = 0.0
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    from_: str | None = Field(default=None, alias="from")


class LossSection(Section):
    """The loss and its parameters."""

    name: Literal[
        "bce",
        "weighted_bce",
        "focal",
        "class_balanced",
        "asymmetric",
        "logit_adjusted",
        "distribution_balanced",
    ] = "weighted_bce"
    gamma: NonNegative = 2.0
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    gamma_positive: NonNegative = 1.0
    gamma_negative: NonNegative = 4.0
    margin: Share = 0.05
    tau: NonNegative = 1.0


class ModelSection(Section):
    """The network: a multilayer perceptron with one logit a label."""

    hidden: list[Count] = Field(default_factory=lambda: [256, 256])
    activation: Literal["relu", "gelu", "silu", "selu"] = "relu"
    dropout: Share = 0.1
    numeric_embedding: Literal["auto", "none", "piecewise_linear", "periodic"] = "auto"
    members: Count = 1


class TrainingSection(Section):
    """How the network is trained."""

    epochs: Count = 100
    batch_size: Count | Literal["auto"] = "auto"
    learning_rate: Positive = 0.001
    weight_decay: NonNegative = 0.0001
    schedule: Literal["cosine", "coslog4", "constant"] = "cosine"
    monitor: str = "average_precision"
    patience: Count | None = 15
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    folds: Annotated[int, Field(ge=2)] | None = None
    seed: Seed = 0
    device: Annotated[str, AfterValidator(_check_device)] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every: Count = 1


class CalibrationSection(Section):
    """How scores become probabilities, after the loss's own inverse link."""

    method: Literal["auto", "analytic", "platt", "isotonic", "temperature", "none"] = "auto"


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
    target: float | None = None


class ReportSection(Section):
    """What the report holds beside the point estimates."""

    bootstrap: Annotated[int, Field(ge=0)] = 200
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    plots: bool = True


class OutputSection(Section):
    """Where the run directory goes."""

    directory: str = "runs"
    name: str | None = None


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

    def to_yaml(self) -> str:
        """Return every key with its value, as YAML that `load_config` reads back."""
        document = self.model_dump(by_alias=True, mode="json")
        if self.weighting.from_ is not None:
            del document["weighting"]["strategy"]
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


LONGEST_NAME = 200  # characters of a path in an error
MONITORS = ("average_precision", "roc_auc", "brier", "log_loss")

EXPECTED = {  # in words of the config, by pydantic's type of error
    "bool_type": "be true or false",
    "float_type": "be a number",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "invalid_key": "be text, as all keys are",
    "list_type": "be a list",
    "model_type": "be a mapping of keys",
    "string_type": "be text",
    "too_short": "hold something",
}

_NOT_YET: dict[tuple[str, str], tuple[object, ...]] = {
    # what works today, by key; anything else is refused by name
    ("data", "encoding"): ("auto", "binary"),
    ("data", "sample_weight"): (None,),
    ("loss", "name"): ("bce", "weighted_bce"),
    ("loss", "gamma"): (2.0,),
    ("loss", "alpha"): (None,),
    ("loss", "gamma_positive"): (1.0,),
    ("loss", "gamma_negative"): (4.0,),
    ("loss", "margin"): (0.05,),
    ("loss", "tau"): (1.0,),
    ("model", "numeric_embedding"): ("auto", "none", "piecewise_linear"),
    ("model", "members"): (1,),
    ("training", "monitor"): MONITORS,
    ("training", "sampler"): ("shuffle",),
    ("training", "folds"): (None,),
    ("calibration", "method"): ("auto", "analytic", "platt", "none"),
    ("thresholds", "objective"): ("f1", "f2", "mcc", "balanced_accuracy", "cost", "half"),
    ("thresholds", "target"): (None,),
}


def load_config(name: str, overrides: Sequence[str] = ()) -> Config:
    """Read and check a config.

    Args:
        name: a YAML file, or "-" for stdin.
        overrides: "section.key=value", as given to --set.

    Raises:
        ConfigError: it cannot be read, is not YAML, or holds wrong keys or values; all of them
            are named at once.
    """
    shown = "stdin" if name == "-" else name
    document, lines = parse_mapping(_read(name), shown)
    places = {path: f"line {line}" for path, line in lines.items()}
    for key in document:
        if document[key] is None:  # a section whose keys are all commented out
            document[key] = {}
    for override in overrides:
        _override(document, override, places)
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        raise _wrong_values(error.errors(), places, shown) from error
    _refuse_not_yet(config, places, shown)
    _refuse_contradictions(config, shown)
    _refuse_second_reader(config, is_stdin=name == "-")
    if config.loss.name == "bce":
        config = config.model_copy(update={"weighting": WeightingSection(strategy="none")})
    return config


def _read(name: str) -> str:
    try:
        if name == "-":
            return _read_stdin()
        path = Path(name)
        if path.is_dir():
            raise ConfigError(f"{name}: is a directory, not a YAML file")
        if not path.exists():
            siblings = [str(path.with_name(p.name)) for p in path.parent.glob("*.y*ml")]
            raise ConfigError(f"{name}: no such file", hint=nearest(name, siblings))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{'stdin' if name == '-' else name}: not UTF-8 text: byte {error.start + 1} is "
            f"0x{error.object[error.start]:02x}",
            hint="a config is a YAML file",
        ) from error
    except OSError as error:
        shown = name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "..."
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from error


def _read_stdin() -> str:
    if sys.stdin is None:
        raise ConfigError("stdin is closed", hint="pipe a config in, or name a file")
    return sys.stdin.buffer.read().decode()


def _override(document: dict[str, Any], override: str, places: dict[KeyPath, str]) -> None:
    dotted, equals, text = override.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"--set {override}: not of the form section.key=value",
            hint="--set training.epochs=5",
        )
    section: Any = document
    for depth, key in enumerate(keys[:-1], start=1):
        section = section.setdefault(key, {})
        places.setdefault(tuple(keys[:depth]), "--set")
        if not isinstance(section, dict):
            raise ConfigError(f"--set {override}: {'.'.join(keys[:depth])} holds no keys")
    section[keys[-1]] = parse_scalar(text, f"--set {dotted}")
    places[tuple(keys)] = "--set"


def _wrong_values(
    errors: Iterable[ErrorDetails], places: Mapping[KeyPath, str], name: str
) -> ConfigError:
    problems: dict[KeyPath, list[str]] = {}
    hints: dict[KeyPath, str] = {}
    for error in errors:
        path = _known_path(error["loc"], places, missing=error["type"] == "missing")
        problem, hint = _describe(error, path)
        if path in problems:  # another member of a union: "'big' should be a number or be 'auto'"
            problem = problem.partition(" should ")[2]
        problems.setdefault(path, []).append(problem)
        hints |= {path: hint} if hint else {}
    lines = [
        f"{_dotted(path)}{f' ({places[path]})' if path in places else ''}: "
        + " or ".join(dict.fromkeys(found))
        for path, found in problems.items()
    ]
    count = f"{len(lines)} values are wrong: " if len(lines) > 1 else ""
    told = [f"{_dotted(p)}: {h}" if len(hints) > 1 else h for p, h in hints.items()]
    return ConfigError(f"{name}: {count}{'; '.join(lines)}", hint="; ".join(told) or None)


def _known_path(loc: KeyPath, places: Mapping[KeyPath, str], *, missing: bool) -> KeyPath:
    """Drop what pydantic adds to a path for the members of a union."""
    if missing:
        return loc
    while loc and loc not in places and loc[:-1]:
        loc = loc[:-1]
    return loc


def _describe(error: ErrorDetails, path: KeyPath) -> tuple[str, str | None]:
    seen = f"{error['input']!r}"
    if error["type"] == "extra_forbidden":
        section: type[BaseModel] = Config
        for key in path[:-1]:
            annotation = section.model_fields[str(key)].annotation
            section = annotation if isinstance(annotation, type) else Config
        known = [field.alias or key for key, field in section.model_fields.items()]
        return "no such key", nearest(str(path[-1]), known) or f"the keys are {', '.join(known)}"
    if error["type"] == "missing":
        return "is needed and not given", None
    expected = EXPECTED.get(error["type"])
    if expected is None:
        expected = "be " + error["msg"].removeprefix("Input should be ")
    return f"{seen} should {expected}", None


def _refuse_not_yet(config: Config, places: Mapping[KeyPath, str], name: str) -> None:
    for (section, key), works in _NOT_YET.items():
        value = getattr(getattr(config, section), key)
        if value not in works:
            place = f" ({places[section, key]})" if (section, key) in places else ""
            shown = ", ".join("null" if w is None else str(w) for w in works)
            raise ConfigError(
                f"{name}: {section}.{key}{place}: {value!r} is not supported yet",
                hint=f"works today: {shown}",
            )


def _refuse_contradictions(config: Config, name: str) -> None:
    """Raise for what one key alone cannot show.

    Raises:
        ConfigError: two keys contradict each other, or the parts leave nothing to train on.
    """
    weighting = config.weighting
    plain = WeightingSection()
    changed = [
        key
        for key in ("strategy", "cap", "smoothing", "beta")
        if key in weighting.model_fields_set
        and (key == "strategy" or getattr(weighting, key) != getattr(plain, key))
    ]
    if weighting.from_ is not None and changed:
        raise ConfigError(
            f"{name}: weighting.from and weighting.{changed[0]} would count the imbalance twice",
            hint="give weighting.from alone, or a strategy",
        )
    if config.loss.name == "bce" and (
        weighting.from_ is not None or (changed and weighting.strategy != "none")
    ):
        key = "from" if weighting.from_ is not None else changed[0]
        raise ConfigError(
            f"{name}: loss.name bce takes no weights, and weighting.{key} asks for them",
            hint="loss.name: weighted_bce, or weighting.strategy: none",
        )
    held_out = config.split.valid + config.split.test
    if held_out >= 1:
        raise ConfigError(
            f"{name}: split.valid + split.test is {held_out:g}, which leaves nothing to train on"
        )


def _refuse_second_reader(config: Config, *, is_stdin: bool) -> None:
    readers = ["the config"] if is_stdin else []
    for part in ("train", "valid", "test"):
        readers += [f"data.{part}"] * (getattr(config.data, part) or []).count("-")
    readers += ["weighting.from"] if config.weighting.from_ == "-" else []
    if len(readers) > 1:
        raise ConfigError(
            f"stdin can be read once, and {' and '.join(readers)} would read it",
            hint="name a file instead of -",
        )


def _dotted(path: KeyPath) -> str:
    return ".".join(str(key) for key in path)
