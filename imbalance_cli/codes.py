"""The stable codes of warnings and errors: what each means, and what to do.

docs/warnings.md is made of this. A code is never given to anything else.
"""

from __future__ import annotations

from typing import NamedTuple, Self


class Code(NamedTuple):
    """A kind of warning or error.

    Attributes:
        title: in a few words.
        meaning: what it says of the numbers.
        action: what to do.
    """

    title: str
    meaning: str
    action: str


class Warned(str):
    """A sentence of a warning, with its code; as text it is the sentence alone."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, code: str, sentence: str) -> Self:
        """Return the sentence, which has the code."""
        warned = super().__new__(cls, sentence)
        warned.code = code
        return warned


def code_of(sentence: str) -> str | None:
    """Return the code of a sentence, if it has one."""
    return sentence.code if isinstance(sentence, Warned) else None


def with_code(sentence: str, code: str | None) -> str:
    """Return a sentence as a line ends: with its code, if it has one."""
    return sentence if code is None else f"{sentence} [{code}]"


WARNINGS = {
    "IMB101": Code(
        "a feature is called like a label",
        "A column called y, label, target or y_* is used as a feature. If it is a label, it "
        "gives the others away, and the numbers are too good.",
        "Name it in data.labels, or in data.exclude.",
    ),
    "IMB102": Code(
        "a feature is called like an id",
        "It holds a different whole number in every row, so that nothing can be learned from it "
        "but the order of the rows.",
        "Name it in data.exclude.",
    ),
    "IMB103": Code(
        "a part has no positives of a label",
        "Without positives among the validation rows the threshold rests on the other labels; "
        "without positives among the test rows average precision and recall are undefined.",
        "Use more rows, or larger shares in split.valid and split.test.",
    ),
    "IMB104": Code(
        "a label has very different prevalences in the parts",
        "What was chosen on the validation rows, or learned from the training rows, may not suit "
        "the test rows. With data.time this is change over time.",
        "Check the split; with data.time read the numbers as those of later rows.",
    ),
    "IMB105": Code(
        "few groups in the test part",
        "The numbers say little about other groups, and have no intervals.",
        "Use more groups, or a larger share in split.test.",
    ),
    "IMB106": Code(
        "one row outweighs the others",
        "A sample weight is so large that counts, loss and metrics depend on a single row.",
        "Check data.sample_weight and data.cell_weights.",
    ),
    "IMB107": Code(
        "duplicate rows across parts",
        "Held-out rows have the same features as training rows, so that the model may know them. "
        "If they are many, the numbers are too good.",
        "Remove duplicates, or name in data.group what they have in common.",
    ),
    "IMB108": Code(
        "a likely leak",
        "A single feature predicts a label nearly without mistakes. It may not be known when "
        "predictions are made.",
        "Name it in data.exclude, unless it is known then.",
    ),
    "IMB109": Code(
        "the test rows are unlike the training rows",
        "A feature has other values, or more missing ones, in the test part than in the training "
        "part, beyond chance.",
        "Check the split; with data.time or data.group the numbers are those of other rows.",
    ),
    "IMB110": Code(
        "a label cannot be learned",
        "The training part has only positives or only negatives of it. It is left out of the "
        "averages, and its predictions are blank.",
        "Use more rows; if blank cells mean 0, data.missing_labels: negative.",
    ),
    "IMB111": Code(
        "a target of thresholds.objective cannot be reached",
        "No threshold reaches it on the validation rows; the nearest is taken.",
        "Set another thresholds.target.",
    ),
    "IMB112": Code(
        "no test part",
        "The report is of rows on which the epoch, the calibration or the thresholds were chosen, "
        "so the numbers are too good.",
        "Give test rows, or a share in split.test.",
    ),
    "IMB113": Code(
        "more rows than memory",
        "The rows may not fit in memory, and another key needs all of them there.",
        "Leave that key out, so that the rows are streamed.",
    ),
    "IMB114": Code(
        "something about the source or its labels",
        "Cells or files are read in a way that may not be meant, such as blank labels, words "
        "that may be missing values, or other sheets and files.",
        "The warning says what was read, and the key that reads it otherwise.",
    ),
    "IMB115": Code(
        "rows unlike those of training",
        "A feature has unknown values, more missing cells or other values than in training, or "
        "the mean probability of a label is far from its prevalence.",
        "Write the columns as in training. If the world has changed, train again.",
    ),
    "IMB116": Code(
        "the group column is missing",
        "Intervals treat rows as independent, and are too narrow if they are not.",
        "Add the column of data.group.",
    ),
    "IMB117": Code(
        "classes or tags that are unknown from training",
        "Rows of an unknown class count as negatives of all labels; an unknown tag is ignored.",
        "Train with them, if they are to be predicted.",
    ),
    "IMB118": Code(
        "letters that no font has",
        "Names are drawn with gaps in the plots.",
        "Install a font with these letters.",
    ),
    "IMB119": Code(
        "labels that not every run has learned",
        "They are left out of the comparison.",
        "Compare runs of the same training rows.",
    ),
    "IMB120": Code(
        "a label with one class in these rows",
        "Metrics that need both are undefined.",
        "Evaluate more rows.",
    ),
    "IMB121": Code(
        "a weight that says little",
        "A label without positives or negatives gets weight 1; few positives make the weight "
        "uncertain.",
        "Count more rows; if blank cells mean 0, --missing-labels negative.",
    ),
    "IMB122": Code(
        "a tracker failed",
        "TensorBoard or MLflow could not be written to. Training goes on without it.",
        "See the message of the tracker.",
    ),
    "IMB123": Code(
        "a damaged checkpoint",
        "It was cut short or changed after it was written. Training goes on from the one before, "
        "and comes to the same model.",
        "None is needed; look after the disk.",
    ),
    "IMB124": Code(
        "training was ended early",
        "--finish made a run of the best epochs so far, before the learning rate had fallen. More "
        "epochs would probably be better.",
        "Train to the end: the same command with --overwrite.",
    ),
    "IMB125": Code(
        "rows that the run was trained on",
        "The file is one of those in data.train or data.valid, so that the model has seen its "
        "rows, or most of them. The numbers are better than on new rows.",
        "Use rows that the run has not seen. The report of the run is of its own test rows.",
    ),
    "IMB126": Code(
        "a search ended after the portfolio",
        "Optuna, which suggests further candidates, is not installed: nothing beyond the fixed "
        "portfolio was tried.",
        "pip install 'imbtrain[search]', then the same command with --resume.",
    ),
}
"""Of warnings, in the order of docs/warnings.md."""

ERRORS = {
    "ConfigError": ("IMB201", "The YAML, a key in it, or a --set cannot be used."),
    "SourceError": ("IMB202", "A file, stream or array cannot be read as a table."),
    "NoRowsError": ("IMB203", "A table has columns and no rows."),
    "LabelError": (
        "IMB204",
        "No label was found, or a cell of a label is neither 1, 0 nor missing.",
    ),
    "WeightsError": ("IMB205", "A weighting strategy or a weights file cannot be used."),
    "SplitError": ("IMB206", "The rows cannot be split as asked."),
    "FeatureError": ("IMB207", "A column cannot be made into a feature."),
    "TrainingError": ("IMB208", "Training cannot start, or diverged."),
    "EvaluationError": ("IMB209", "Predictions cannot be evaluated."),
    "DriftError": ("IMB210", "Rows are unlike those of training, with --strict."),
    "RunError": ("IMB211", "A run directory cannot be used."),
    "OutputError": ("IMB212", "A file or directory cannot be written."),
    "DependencyError": ("IMB213", "A package of an extra is not installed."),
    "ExportError": ("IMB214", "A run cannot be exported, or its export gives other numbers."),
}
"""The code and meaning of errors by their class in Python; the hint of each says what to do."""
