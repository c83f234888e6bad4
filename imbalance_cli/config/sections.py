"""The sections of a config: every key, its default, its range and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from imbalance_cli.config.values import (
    LEAST_REPLICATES,
    Auto,
    CellWeights,
    Comment,
    Count,
    DateFormat,
    Delimiter,
    Exponent,
    Lines,
    Monitor,
    Names,
    NonNegative,
    Paths,
    Positive,
    RunName,
    Seed,
    Share,
    StrategyName,
    Targets,
    Words,
    check_device,
    check_loss,
    check_replicates,
    list_losses,
)
from imbalance_cli.readers.dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping


class Section(BaseModel):
    """A section: unknown keys are refused, and a value has the type it is written as."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class DataSection(Section):
    """What to read, and what its columns mean."""

    train: Annotated[Paths, Field(min_length=1)]
    """A path, a URL, a glob, a list of them, or - for stdin."""
    valid: Paths | None = None
    """Rows for early stopping, calibration and thresholds; null: split from train."""
    test: Paths | None = None
    """Rows for the report; null: split off from train."""
    labels: Targets = Field(default_factory=list)
    """Names or globs of the label columns; empty: the columns y, label, target and y_*, or the
    arrays y, labels or targets.
    """
    encoding: Literal["auto", "binary", "one_vs_rest", "tags"] = "auto"
    """What a label column holds: 0/1, one class per row, or several tags per row."""
    tag_separator: Annotated[str, Field(min_length=1)] = ";"
    """The separator between tags in a cell, unless cells are lists."""
    positive: str | int | float | bool | None = None
    """The value that means 1, where labels are not 0/1, yes/no or true/false."""
    exclude: Names = Field(default_factory=list)
    """Names or globs of columns that are neither features nor labels: ids, leaks."""
    missing_labels: Literal["mask", "negative", "drop", "error"] = "mask"
    """How to treat a missing label: mask (ignore the cell), negative (0), drop (leave the row out)
    or error.
    """
    sample_weight: str | None = None
    """A column with the weight of each row; not a feature."""
    cell_weights: CellWeights = None
    """Columns of each label's weights, '{label}_weight' or {toxic: toxic_weight}; not features."""
    group: str | None = None
    """A column; rows with the same value stay in one part; not a feature."""
    time: str | None = None
    """A column of times: train on the past, test on the future; not a feature."""
    part: str | None = None
    """A column with train, valid or test for each row; not a feature."""
    input_format: str | None = None
    """The format of the sources; null: detected from names and first bytes."""
    delimiter: Delimiter | None = None
    """Between two cells of delimited text, such as ; or \\t; null: detected from the header."""
    missing_values: Words = Field(default_factory=list)
    """Further words for missing values, such as ['?'], or per column: {glucose: ['?', '-']}. N/A,
    None and the like are missing among numbers and dates anyway.
    """
    categories: Names = Field(default_factory=list)
    """Names or globs of number columns that hold names, such as branch codes."""
    decimal: Literal[".", ","] | None = None
    """The decimal mark of numbers; null: detected per column."""
    thousands: Literal[",", ".", " ", "'"] | None = None
    """The mark between groups of three digits; null: detected per column."""
    date_format: dict[str, DateFormat] = Field(default_factory=dict)
    """The format of dates per column, unless it is ISO 8601: {visit: '%d/%m/%Y'}."""
    header: bool | None = None
    """Whether the first line of delimited text names the columns; false: they are called column_1,
    column_2, ...; null: it does, unless it looks like a row.
    """
    skip_lines: Lines | None = None
    """How many lines to skip before the header, such as titles."""
    skip_rows: Lines | None = None
    """How many lines to skip below the header, such as units."""
    comment: Comment | None = None
    """Skip lines of delimited text that begin with this, such as '#'."""
    in_memory: bool | Literal["auto"] = "auto"
    """Whether all rows are read into memory; false: streamed from disk; auto: streamed only if they
    would not fit.
    """
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
    """How rows are split into train, valid and test, where these are not given."""

    strategy: Literal["auto", "random", "stratified", "iterative", "grouped", "time"] = "auto"
    """auto: by time, by group, iterative (several labels) or stratified (one)."""
    valid: Share = 0.15
    """The share of rows for validation."""
    test: Share = 0.15
    """The share of rows for the report."""
    seed: Seed = 0
    """The random seed of the split."""


class WeightingSection(Section):
    """How pos_weight is computed from the counts of the training rows."""

    strategy: StrategyName = "ratio"
    """ratio: negatives / positives; sqrt: its square root; effective: effective numbers of samples;
    balanced: the same as ratio; none: 1.
    """
    cap: Positive | None = None
    """The largest weight."""
    smoothing: NonNegative = 0.0
    """a in (negatives + a) / (positives + a)."""
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    """For strategy effective; the nearer to 1, the nearer to ratio."""
    from_: str | None = Field(default=None, alias="from")
    """A file written by imbtrain weights, or -, instead of a strategy."""
    allow_double_counting: bool = False
    """Allow two corrections of the imbalance at once."""

    @property
    def gives_weights(self) -> bool:
        """Whether any label may get a weight other than 1."""
        return self.from_ is not None or self.strategy != "none"


class LossSection(Section):
    """The loss; each parameter belongs to the losses that use it."""

    name: Annotated[str, BeforeValidator(check_loss), Field(json_schema_extra=list_losses)] = "auto"
    """auto: weighted_bce if a key of weighting is given, else bce; compare tries all."""
    gamma: Exponent = 2.0
    """How strongly focal, class_balanced and distribution_balanced down-weight easy cells."""
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The weight of positives in focal; negatives get 1 - alpha."""
    gamma_positive: Exponent = 1.0
    """The exponent of asymmetric for positives."""
    gamma_negative: Exponent = 4.0
    """The exponent of asymmetric for negatives."""
    margin: Share = 0.05
    """The probability below which asymmetric ignores a negative."""
    tau: Exponent = 1.0
    """How far logit_adjusted shifts logits by the log-odds of the prevalence."""


class ModelSection(Section):
    """The network: a multilayer perceptron with one logit per label."""

    recipe: Literal["tabular", "plain"] = "tabular"
    """The defaults behind every auto: tabular, tuned on real tables; or plain, a textbook network
    of [256, 256] trained with AdamW at 0.001 and early stopping.
    """
    hidden: list[Count] | Auto = "auto"
    """The width of each hidden layer; [] is a linear model; auto: [128, 128]."""
    activation: Literal["auto", "relu", "gelu", "silu", "selu"] = "auto"
    """The activation function; auto: silu; relu where model.recipe is plain."""
    dropout: Share | Auto = "auto"
    """The share of hidden units dropped in a training step; auto: 0.15, fading."""
    numeric_embedding: Literal["auto", "none", "piecewise_linear", "periodic", "both"] = "auto"
    """How numbers enter the network; auto: periodic embeddings, and learned bins of numbers that
    are mostly one value; in half of a model's networks, of all (of more than 16, bins alone).
    """
    members: Count | Auto = "auto"
    """Networks or heads whose probabilities are averaged; auto: 4 heads per network, and 4
    networks (up to 20,000 training rows), 2 (up to 200,000), or 1.
    """
    sharing: Literal["auto", "trunk", "none"] = "auto"
    """trunk: members share all but the last layer; none: independent networks."""


class TrainingSection(Section):
    """How the network is trained."""

    epochs: Count | Auto = "auto"
    """Passes over the training rows; auto: a budget of 57 steps times the cube root of the training
    rows, in 10 to 64 epochs.
    """
    batch_size: Count | Auto = "auto"
    """Rows per step; auto: 128, and of more than 20,000 training rows 256; where model.recipe is
    plain 32 to 1,024, by the rows.
    """
    learning_rate: Positive | Auto = "auto"
    """The highest learning rate; auto: 0.04, divided by the square root of a layer's inputs."""
    weight_decay: NonNegative | Auto = "auto"
    """The weight decay of AdamW; auto: 0.02."""
    schedule: Literal["auto", "cosine", "coslog4", "constant"] = "auto"
    """How the learning rate changes; auto: coslog4, which has four cycles."""
    monitor: Monitor | Auto = "auto"
    """The macro average on validation rows that selects the epoch; auto: calibrated_log_loss, the
    log loss after temperature scaling.
    """
    patience: Count | Auto | None = "auto"
    """Epochs without improvement until training stops; null: never; auto: after the third of the
    four cycles, if it brought no improvement.
    """
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    """balanced: draw rows with rare labels up to 50 times more often, and correct the probabilities
    for it.
    """
    folds: Annotated[int, Field(ge=2)] | None = None
    """Cross-fitting: one network per fold, thresholds and calibration from held-out scores of all
    training rows; null: none.
    """
    refit: bool = True
    """Whether, up to 20,000 training rows, the networks of the model learn from the validation rows
    too, for as many epochs as were best for two others of the training rows alone, and some more;
    calibration and thresholds rest on those two. false: four networks of the training rows.
    """
    seed: Seed = 0
    """The random seed of weights, dropout and batches; the same seed on the same CPU gives the same
    weights, bit for bit.
    """
    device: Annotated[str, AfterValidator(check_device)] = "auto"
    """auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:N or mps."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the forward pass; auto: bfloat16 on CUDA, else float32; the loss is always computed in
    float32.
    """
    checkpoint_every: Count | Auto = "auto"
    """Epochs between two checkpoints, from which fit --resume goes on; auto: after a second, 2, 4
    and 8 more, then every 15 seconds."""


class CalibrationSection(Section):
    """How scores become probabilities, after the inverse link of the loss."""

    method: Literal["auto", "analytic", "temperature", "platt", "quadratic", "none"] = "auto"
    """A step per label fitted on validation rows; auto: temperature scaling where it lowers
    confidence, and more only where it clearly helps; analytic: the inverse link alone; none: not
    even that.
    """


class ThresholdsSection(Section):
    """How the decision threshold of each label is chosen."""

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
    """What the threshold maximises, or must reach, on the validation rows."""
    minimum_positives: Annotated[int, Field(ge=0)] = 100
    """With this many validation positives, a label's own targets and its calibrated probabilities
    count equally; with fewer, its own targets count less; 0: only these.
    """
    false_positive_cost: Positive = 1.0
    """For objective cost."""
    false_negative_cost: Positive = 1.0
    """For objective cost."""
    target: Positive | None = None
    """The least precision for recall_at_precision, the least recall for precision_at_recall, the
    number (below 1: the share) of validation rows for top_k.
    """


Peer = Literal["boosted_trees"]


class ReportSection(Section):
    """What the report contains besides the point estimates."""

    bootstrap: Annotated[
        int,
        Field(
            ge=0,
            json_schema_extra={
                "not": {"exclusiveMinimum": 0, "exclusiveMaximum": LEAST_REPLICATES}
            },
        ),
        AfterValidator(check_replicates),
    ] = 200
    """Bootstrap replicates for the intervals, at least 10; 0: no intervals."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """The confidence level of the intervals."""
    plots: bool = True
    """Whether the page and the plots are drawn."""
    top_k: Count = 100
    """The number of top-ranked rows for precision_at_k."""
    at_precision: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The precision for recall_at_precision."""
    slices: Names = Field(default_factory=list)
    """Names or globs of columns by whose values the report is broken down; features or not."""
    peer: Peer | None = None
    """Another model, trained on the same rows and reported beside the network: boosted_trees,
    scikit-learn's HistGradientBoostingClassifier, one per label.
    """


class OutputSection(Section):
    """Where the run directory is written."""

    directory: str = "runs"
    """The folder of the runs."""
    name: RunName | None = None
    """The name of the run; null: the table and the time."""


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
