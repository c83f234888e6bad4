"""What every key of a config does, in a sentence: for the JSON schema and the written configs.

Types, choices, ranges and defaults are read off the sections themselves.
"""

from __future__ import annotations

from typing import Any

from imbalance_cli.config.sections import Config

SECTIONS = {
    "data": "What to read, and what its columns mean.",
    "split": "How rows are split into train, valid and test, where these are not given.",
    "weighting": "How pos_weight is computed from the counts of the training rows.",
    "loss": "The loss; each parameter belongs to the losses that use it.",
    "model": "The network: a multilayer perceptron with one logit per label.",
    "training": "How the network is trained.",
    "calibration": "How scores become probabilities, after the inverse link of the loss.",
    "thresholds": "How the decision threshold of each label is chosen.",
    "report": "What the report contains besides the point estimates.",
    "output": "Where the run directory is written.",
}

DESCRIPTIONS = {
    "data.train": "A path, a glob, a list of them, or - for stdin.",
    "data.valid": "Rows for early stopping, calibration and thresholds; null: split from train.",
    "data.test": "Rows for the report; null: split off from train.",
    "data.labels": "Names or globs of the label columns; empty: the columns y, label, target and "
    "y_*, or the arrays y, labels or targets.",
    "data.encoding": "What a label column holds: 0/1, one class per row, or several tags per row.",
    "data.tag_separator": "The separator between tags in a cell, unless cells are lists.",
    "data.positive": "The value that means 1, where labels are not 0/1, yes/no or true/false.",
    "data.exclude": "Names or globs of columns that are neither features nor labels: ids, leaks.",
    "data.missing_labels": "How to treat a missing label: mask (ignore the cell), negative (0), "
    "drop (leave the row out) or error.",
    "data.sample_weight": "A column with the weight of each row; not a feature.",
    "data.group": "A column; rows with the same value stay in one part; not a feature.",
    "data.time": "A column of times: train on the past, test on the future; not a feature.",
    "data.part": "A column with train, valid or test for each row; not a feature.",
    "data.input_format": "The format of the sources; null: detected from names and first bytes.",
    "data.delimiter": "Between two cells of delimited text, such as ; or \\t; null: detected from "
    "the header.",
    "data.missing_values": "Further words for missing values, such as ['?'], or per column: "
    "{glucose: ['?', '-']}. N/A, None and the like are missing among numbers and dates anyway.",
    "data.categories": "Names or globs of number columns that hold names, such as branch codes.",
    "data.decimal": "The decimal mark of numbers; null: detected per column.",
    "data.thousands": "The mark between groups of three digits; null: detected per column.",
    "data.date_format": "The format of dates per column, unless it is ISO 8601: {visit: "
    "'%d/%m/%Y'}.",
    "data.header": "Whether the first line of delimited text names the columns; false: they are "
    "called column_1, column_2, ...; null: it does, unless it looks like a row.",
    "data.skip_lines": "How many lines to skip before the header, such as titles.",
    "data.skip_rows": "How many lines to skip below the header, such as units.",
    "data.comment": "Skip lines of delimited text that begin with this, such as '#'.",
    "data.in_memory": "Whether all rows are read into memory; false: streamed from disk; auto: "
    "streamed only if they would not fit.",
    "split.strategy": "auto: by time, by group, iterative (several labels) or stratified (one).",
    "split.valid": "The share of rows for validation.",
    "split.test": "The share of rows for the report.",
    "split.seed": "The random seed of the split.",
    "weighting.strategy": "ratio: negatives / positives; sqrt: its square root; effective: "
    "effective numbers of samples; balanced: the same as ratio; none: 1.",
    "weighting.cap": "The largest weight.",
    "weighting.smoothing": "a in (negatives + a) / (positives + a).",
    "weighting.beta": "For strategy effective; the nearer to 1, the nearer to ratio.",
    "weighting.from": "A file written by imbtrain weights, or -, instead of a strategy.",
    "weighting.allow_double_counting": "Allow two corrections of the imbalance at once.",
    "loss.name": "auto: weighted_bce if a key of weighting is given, else bce; compare tries all.",
    "loss.gamma": "How strongly focal, class_balanced and distribution_balanced down-weight easy "
    "cells.",
    "loss.alpha": "The weight of positives in focal; negatives get 1 - alpha.",
    "loss.gamma_positive": "The exponent of asymmetric for positives.",
    "loss.gamma_negative": "The exponent of asymmetric for negatives.",
    "loss.margin": "The probability below which asymmetric ignores a negative.",
    "loss.tau": "How far logit_adjusted shifts logits by the log-odds of the prevalence.",
    "model.recipe": "The defaults behind every auto: tabular, tuned on real tables; or plain, a "
    "textbook network of [256, 256] trained with AdamW at 0.001 and early stopping.",
    "model.hidden": "The width of each hidden layer; [] is a linear model; auto: [128, 128].",
    "model.activation": "The activation function; auto: relu.",
    "model.dropout": "The share of hidden units dropped in a training step; auto: 0.15, fading.",
    "model.numeric_embedding": "How numbers enter the network; auto: periodic embeddings, and "
    "learned bins of numbers that are mostly one value; in half of several networks, of all.",
    "model.members": "Networks or heads whose probabilities are averaged; auto: 4 heads per "
    "network, and 4 networks (up to 20,000 training rows), 2 (up to 200,000), or 1.",
    "model.sharing": "trunk: members share all but the last layer; none: independent networks.",
    "training.epochs": "Passes over the training rows; auto: a budget of 57 steps times the cube "
    "root of the training rows, in 10 to 64 epochs.",
    "training.batch_size": "Rows per step; auto: 256.",
    "training.learning_rate": "The highest learning rate; auto: 0.04, divided by the square root "
    "of a layer's inputs.",
    "training.weight_decay": "The weight decay of AdamW; auto: 0.02.",
    "training.schedule": "How the learning rate changes; auto: coslog4, which has four cycles.",
    "training.monitor": "The macro average on validation rows that selects the epoch; auto: "
    "calibrated_log_loss, the log loss after temperature scaling.",
    "training.patience": "Epochs without improvement until training stops; null: never; auto: "
    "after the third of the four cycles, if it brought no improvement.",
    "training.sampler": "balanced: draw rows with rare labels up to 50 times more often, and "
    "correct the probabilities for it.",
    "training.folds": "Cross-fitting: one network per fold, thresholds and calibration from "
    "held-out scores of all training rows; null: none.",
    "training.seed": "The random seed of weights, dropout and batches; the same seed on the same "
    "CPU gives the same weights, bit for bit.",
    "training.device": "auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:N or mps.",
    "training.precision": "Of the forward pass; auto: bfloat16 on CUDA, else float32; the loss is "
    "always computed in float32.",
    "training.checkpoint_every": "Epochs between two checkpoints, from which fit --resume goes on; "
    "auto: 15 seconds.",
    "calibration.method": "A step per label fitted on validation rows; auto: temperature scaling "
    "where it lowers confidence, and more only where it clearly helps; analytic: the inverse link "
    "alone; none: not even that.",
    "thresholds.objective": "What the threshold maximises, or must reach, on the validation rows.",
    "thresholds.minimum_positives": "With this many validation positives, a label's own rows and "
    "the pooled estimate of all labels count equally; with fewer, its own count less; 0: only its "
    "own.",
    "thresholds.false_positive_cost": "For objective cost.",
    "thresholds.false_negative_cost": "For objective cost.",
    "thresholds.target": "The least precision for recall_at_precision, the least recall for "
    "precision_at_recall, the number (below 1: the share) of validation rows for top_k.",
    "report.bootstrap": "Bootstrap replicates for the intervals, at least 10; 0: no intervals.",
    "report.confidence": "The confidence level of the intervals.",
    "report.plots": "Whether the page and the plots are drawn.",
    "report.top_k": "The number of top-ranked rows for precision_at_k.",
    "report.at_precision": "The precision for recall_at_precision.",
    "report.peer": "Another model, trained on the same rows and reported beside the network: "
    "boosted_trees, scikit-learn's HistGradientBoostingClassifier, one per label.",
    "output.directory": "The folder of the runs.",
    "output.name": "The name of the run; null: the table and the time.",
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
