"""From a config to rows that can be trained on, and the folds they are trained in.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli.codes import Warned
from imbalance_cli.labels import Counts, LabelCounts, list_names
from imbalance_cli.labels.targets import SparseTargets
from imbalance_cli.machine.device import choose_device
from imbalance_cli.rows.dataset import Dataset
from imbalance_cli.rows.loading import LabelledTable, read_labelled
from imbalance_cli.rows.sources import find_files
from imbalance_cli.rows.sparse import SparseDataset
from imbalance_cli.rows.stored import StoredRows
from imbalance_cli.splits import Fold, cut_folds
from imbalance_cli.workflows.data_warnings import list_doubts, list_facts
from imbalance_cli.workflows.scanning import scan_stream, scan_table
from imbalance_cli.workflows.storing import WatchedFiles, is_streamed, store_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.config import Config
    from imbalance_cli.features import FeatureRows, Preprocessing
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.rows.dataset import Rows
    from imbalance_cli.workflows.observing import Observer

MOST_NAMED = 5  # labels that cannot be learned, each in a warning of its own


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows to train on.

    Attributes:
        labels: names, (L,).
        data: the table, its targets and its parts.
        learnable: whether the rows to learn from have both classes of a label, (L,).
        preprocessing: fitted on the rows to learn from.
        targets: (N, L); those of labels that cannot be learned are missing.
        rows: all N rows with these targets, on the device or stored on disk.
        folds: what is trained on, and what it is then scored on to choose thresholds; without
            cross-fitting one fold, whose held out rows are the validation rows.
        counts: of the rows to learn from.
        remarks: what was noticed that the numbers should be read with.
    """

    labels: list[str]
    data: LabelledTable
    learnable: list[bool]
    preprocessing: Preprocessing
    targets: Targets
    rows: Rows
    folds: list[Fold]
    counts: Counts
    remarks: list[str]

    @property
    def is_cross_fitted(self) -> bool:
        """Whether rows are held out in turn."""
        return len(self.folds) > 1

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.rows.device

    @functools.cached_property
    def fold_rows(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The rows that each fold learns from and is stopped by, on the device.

        Made once: networks of one fold share its rows, and their copy, by being given one tensor.
        """
        return [
            (
                torch.from_numpy(fold.train).to(self.device),
                torch.from_numpy(fold.valid).to(self.device),
            )
            for fold in self.folds
        ]

    @property
    def held_out(self) -> NDArray[np.intp]:
        """The rows held out of each fold, fold after fold, (N_held_out,)."""
        return np.concatenate([fold.held_out for fold in self.folds])

    def held_out_targets(self) -> torch.Tensor:
        """Return the targets of `held_out`, (N_held_out, L) on the host."""
        return torch.from_numpy(self.targets.take(self.held_out).dense())

    def weights_of(self, rows: NDArray[np.intp]) -> torch.Tensor | None:
        """Return the sample weights of some row numbers, (N,) or (N, L) float64, or None."""
        weights = self.data.weights
        return None if weights is None else torch.from_numpy(weights[rows])

    def groups_of(self, rows: NDArray[np.intp]) -> torch.Tensor | None:
        """Return the groups of some row numbers, (N,), or None."""
        groups = self.data.groups
        return None if groups is None else torch.from_numpy(groups[rows])

    def parts(self) -> dict[str, int]:
        """Return how many rows are used for what: train, valid, test, or cross_fitted."""
        split = self.data.split
        if self.is_cross_fitted:
            return {"cross_fitted": len(self.held_out), "test": len(split.test)}
        return {"train": len(split.train), "valid": len(split.valid), "test": len(split.test)}


def prepare(
    config: Config, observer: Observer, *, folds: int | None, scratch: Path | None = None
) -> Prepared:
    """Read the sources, cut the rows, fit the preprocessing and put all rows on the device.

    Sources larger than memory are streamed, and their rows are stored on disk.

    Args:
        config: what to read.
        observer: receives what was noticed.
        folds: how many; None for a plain train and validation part.
        scratch: a folder for rows larger than memory; None keeps all in memory.

    Raises:
        ImbtrainError: the device, a source, a cell or a split cannot be used.
    """
    device = choose_device(config.training.device)
    streamed_to = scratch if scratch is not None and is_streamed(config, observer) else None
    watched = WatchedFiles.of([] if streamed_to is None else find_files(config.data))
    roles, data = read_labelled(config, with_features=streamed_to is None, tell=observer.stage)
    cut = _cut_folds(config, data, folds)
    remarks: list[str] = []

    def warn(sentence: str) -> None:
        remarks.append(sentence)
        observer.warned(sentence)

    learned = data.split.train
    if folds:
        learned = np.unique(np.concatenate([np.append(fold.train, fold.valid) for fold in cut]))
    counts = count_targets(data.targets.take(learned), data.labels)
    learnable = _find_learnable(counts, warn)
    if streamed_to is None:
        scan = scan_table(roles, data, learned)
    else:
        scan = scan_stream(roles, data, learned, observer.stage)
    preprocessing = scan.preprocessing
    for sentence in list_doubts(roles, data, learnable, scan):
        warn(sentence)
    for sentence in list_facts(roles, data, scan):
        remarks.append(sentence)
        observer.noted(sentence)
    # a label that cannot be learned is missing everywhere, and so adds nothing to any loss
    targets = data.targets.mask(labels=np.asarray(learnable))
    weights = _training_weights(data.weights)
    rows: Rows
    if streamed_to is None:
        features = preprocessing.transform(data.table)
        rows = _put_rows(features, targets, device, weights)
    else:
        stored = store_rows(streamed_to, data, preprocessing, observer)
        watched.refuse_changes()
        rows = StoredRows(stored, targets, device, weights)
    return Prepared(
        data.labels,
        data,
        learnable,
        preprocessing,
        targets=targets,
        rows=rows,
        folds=cut,
        counts=counts,
        remarks=remarks,
    )


def _put_rows(
    features: FeatureRows,
    targets: Targets,
    device: torch.device,
    weights: NDArray[np.float32] | None,
) -> Rows:
    """Put rows on a device, their targets in the form that they have."""
    if isinstance(targets, SparseTargets):
        return SparseDataset.of(features, targets, device, weights)
    return Dataset.from_rows(features, targets.dense(), device, weights)


def _training_weights(weights: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
    """Return weights near 1, scaled by a power of two, which rounds nothing.

    None where all are alike, so that such weights change no bit of the training.
    """
    if weights is None or not (weights > 0).any():
        return None
    counted = weights[weights > 0]
    if (counted == counted[0]).all():  # the rows of weight 0 are in no part
        return None
    _, exponent = np.frexp(np.median(counted))
    scaled: NDArray[np.float64] = np.ldexp(weights, -int(exponent))
    return scaled.astype(np.float32)


def count_targets(
    targets: Targets, labels: Sequence[str], weights: NDArray[np.float64] | None = None
) -> Counts:
    """Count targets (N, L); with weights, a row, (N,), or a cell, (N, L), counts what it weighs."""
    counts = targets.counts(weights)
    sides = counts if weights is not None else counts.astype(np.int64)
    rows = zip(labels, *sides.tolist(), strict=True)
    return Counts(len(targets), [LabelCounts(*row) for row in rows])


def _cut_folds(config: Config, data: LabelledTable, folds: int | None) -> list[Fold]:
    split = data.split
    if not folds:
        return [Fold(split.train, split.valid, split.valid)]
    is_given = config.data.valid is not None
    tested = 0.0 if config.data.test is not None else config.split.test
    return cut_folds(
        data.targets,
        split.train if is_given else np.sort(np.append(split.train, split.valid)),
        config.split,
        number=folds,
        labels=data.labels,
        groups=data.groups,
        share=config.split.valid / (1 - tested),  # as large a share as without folds
        valid=split.valid if is_given else None,
    )


def _find_learnable(counts: Counts, warn: Callable[[str], None]) -> list[bool]:
    """Return whether each label has both classes, (L,), and warn of those that have not."""
    learnable = [bool(label.positives and label.negatives) for label in counts.labels]
    lacking: dict[str, list[LabelCounts]] = {}
    for label, can_learn in zip(counts.labels, learnable, strict=True):
        if not can_learn:
            side = "negative" if label.positives else "positive"
            lacking.setdefault(side, []).append(label)
    for side, labels in lacking.items():
        hints = {label.blank_hint for label in labels} - {None}
        ending = "".join(f"; {hint}" for hint in hints)
        if len(labels) > MOST_NAMED:
            names = list_names([label.label for label in labels], most=10)
            problem = (
                f"{len(labels):,} labels have no {side} in the training part: they cannot be "
                f"learned and are left out of macro averages: {names}{ending}"
            )
            warn(Warned("IMB110", problem))
            continue
        for label in labels:
            problem = (
                f"label {label.label!r} has no {side} in the training part: it cannot be learned "
                f"and is left out of macro averages{ending}"
            )
            warn(Warned("IMB110", problem))
    return learnable
