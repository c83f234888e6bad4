"""What every key of a config does, in a sentence: for the JSON schema and the written configs.

Types, choices, ranges and defaults are read off the sections themselves.
"""

from __future__ import annotations

from typing import Any

from imbalance_cli.config.sections import Config

SECTIONS = {
    "data": "What is read, and what its columns mean.",
    "split": "How the rows are cut into train, valid and test, where those are not given.",
    "weighting": "How pos_weight is made from the counts of the training rows.",
    "loss": "What is minimised; a parameter goes with the losses that read it.",
    "model": "The network: a multilayer perceptron with one logit a label.",
    "training": "How the network is trained.",
    "calibration": "How scores become probabilities, after the loss's own inverse link.",
    "thresholds": "How the decision threshold of each label is chosen.",
    "report": "What the report holds beside the point estimates.",
    "output": "Where the run directory goes.",
}

DESCRIPTIONS = {
    "data.train": "A path, a glob, a list of them, or - for stdin.",
    "data.valid": "Rows for early stopping, calibration and thresholds; null: cut from train.",
    "data.test": "Rows for the report; null: cut from train.",
    "data.labels": "Names or globs of the label columns; none: y, label, target and y_*, "
    "or the arrays targets or labels.",
    "data.encoding": "How a label column is read: 0/1, one column of classes, or one of tags.",
    "data.tag_separator": "What stands between two tags of a cell that is no list.",
    "data.positive": "The value that means 1, where a label is not 0/1, yes/no or true/false.",
    "data.exclude": "Names or globs of columns that are neither feature nor label: ids, leaks.",
    "data.missing_labels": "A blank label: in no count and no loss, a 0, a reason to leave the "
    "row out, or an error.",
    "data.sample_weight": "A column with the weight of each row.",
    "data.group": "A column whose rows of one value stay in one part.",
    "data.time": "A column of times: train on the past, test on the future.",
    "data.part": "A column that says train, valid or test of each row.",
    "data.input_format": "What the sources are; null: as their names and first bytes say.",
    "data.delimiter": "Between two cells of delimited text, such as ; or \\t; null: read off the "
    "header.",
    "data.missing_values": "Further words that mean a missing value, such as ['?'], or by column: "
    "{glucose: ['?', '-']}. Among numbers and dates N/A, None, NaT and the like always do.",
    "data.categories": "Names or globs of number columns that hold names, such as branch codes.",
    "data.decimal": "Before the decimals of a number: . or , ; null: as each column shows.",
    "data.thousands": "Between groups of three digits: , . ' or a blank; null: as each column "
    "shows.",
    "data.date_format": "How the dates of a column are written, where not as ISO 8601: {visit: "
    "'%d/%m/%Y'}.",
    "data.header": "Whether the first line of delimited text names the columns; false calls them "
    "column_1, column_2, ...; null: it does, unless it seems to be a row.",
    "data.skip_lines": "Lines before the header of delimited text, such as titles.",
    "data.skip_rows": "Lines below the header that are no rows, such as units.",
    "data.comment": "What lines of delimited text begin with that are left out, such as '#'.",
    "data.in_memory": "Whether all rows are read into memory; false streams them from disk; auto "
    "does where they would not fit.",
    "split.strategy": "auto chooses by what is given: time, groups, several labels, or one.",
    "split.valid": "The share of the rows that is for validation.",
    "split.test": "The share of the rows that is for the report.",
    "split.seed": "Another seed cuts other parts.",
    "weighting.strategy": "ratio: negatives / positives; sqrt: its root; effective: effective "
    "numbers of samples; balanced: the same as ratio; none: 1.",
    "weighting.cap": "The largest weight.",
    "weighting.smoothing": "a in (negatives + a) / (positives + a).",
    "weighting.beta": "Of strategy effective; nearer to 1 is nearer to ratio.",
    "weighting.from": "A file that imbtrain weights wrote, or -, in place of a strategy.",
    "weighting.allow_double_counting": "Allow two keys that each make up for the imbalance.",
    "loss.name": "auto: weighted_bce where weighting is given, else bce; compare tries them all.",
    "loss.gamma": "How much focal, class_balanced and distribution_balanced turn away from easy "
    "cells.",
    "loss.alpha": "The weight of positives in focal; negatives weigh 1 - alpha.",
    "loss.gamma_positive": "The exponent of asymmetric for positives.",
    "loss.gamma_negative": "The exponent of asymmetric for negatives.",
    "loss.margin": "The probability below which asymmetric ignores a negative.",
    "loss.tau": "How far logit_adjusted moves logits by the log-odds of the prevalence.",
    "model.recipe": "Where auto values come from: tabular, tuned for tables; or plain.",
    "model.hidden": "The width of each hidden layer; [] is a linear model.",
    "model.activation": "Between two layers.",
    "model.dropout": "The share of hidden units left out in a training step.",
    "model.numeric_embedding": "How a number enters the network.",
    "model.members": "Networks whose probabilities are averaged; auto: by the training rows.",
    "model.sharing": "trunk: members share all but their last layers; none: they are independent.",
    "training.epochs": "Passes over the training rows; auto: by a budget of steps.",
    "training.batch_size": "Rows a step.",
    "training.learning_rate": "The step size at its highest.",
    "training.weight_decay": "How much weights shrink in a step, as in AdamW.",
    "training.schedule": "How the learning rate changes over the epochs.",
    "training.monitor": "The macro average on validation rows that chooses the epoch.",
    "training.patience": "Epochs without a better score until training stops; null: never; auto: "
    "those of the third of coslog4's four cycles, if none of them brings one.",
    "training.sampler": "balanced draws rows of rare labels more often, up to 50 times, "
    "and probabilities make up for it.",
    "training.folds": "Train one network a fold and average them; null: no cross-fitting.",
    "training.seed": "Of first weights, dropout and the order of the rows.",
    "training.device": "auto, cpu, cuda, cuda:N or mps.",
    "training.precision": "Of the forward pass; the loss is always computed in float32.",
    "training.checkpoint_every": "Epochs between two checkpoints.",
    "calibration.method": "A step per label fitted on validation rows; auto keeps it only where it "
    "helps.",
    "thresholds.objective": "What a threshold makes as good as it can on validation rows.",
    "thresholds.minimum_positives": "With so many validation positives, a label's own and what the "
    "scores of all labels promise count alike; with fewer, its own count less; 0: its own alone.",
    "thresholds.false_positive_cost": "Of objective cost.",
    "thresholds.false_negative_cost": "Of objective cost.",
    "thresholds.target": "The least precision of recall_at_precision, the least recall of "
    "precision_at_recall, the validation rows (below 1: their share) of top_k.",
    "report.bootstrap": "Replicates for the intervals; 0 for none, else at least 10.",
    "report.confidence": "How often an interval should hold the true value.",
    "report.plots": "Whether curves are drawn into the run.",
    "report.top_k": "How many rows precision_at_k is of: as many as can be looked at.",
    "report.at_precision": "The precision that recall_at_precision asks for.",
    "report.peer": "Another kind of model, trained on the same rows and reported beside the "
    "network; boosted_trees is scikit-learn's HistGradientBoostingClassifier, one a label.",
    "output.directory": "Where runs go.",
    "output.name": "What the run is called; null: the time it began.",
}
"""By section and key, as `section.key`."""


def list_keys() -> dict[str, list[tuple[str, Any]]]:
    """Return (key, default) of each section, as a config spells them; `...` has no default."""
    keys = {}
    for section, field in Config.model_fields.items():
        fields = getattr(field.annotation, "model_fields", {})
        keys[section] = [
            (
                inner.alias or name,
                ... if inner.is_required() else inner.get_default(call_default_factory=True),
            )
            for name, inner in fields.items()
        ]
    return keys
