"""The labelled rows that a run is explained by: its own test rows, or those of a source.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import torch

from imbalance_cli.codes import Warned
from imbalance_cli.errors import ConfigError, RunError, number_of
from imbalance_cli.explaining.columns import take_rows
from imbalance_cli.features import FeatureRows
from imbalance_cli.progress import follow
from imbalance_cli.readers import batch_table, stream_tables
from imbalance_cli.readers.cells import parse_texts
from imbalance_cli.rows.loading import read_labelled
from imbalance_cli.rows.sources import describe_change
from imbalance_cli.run.directory import read_document, recorded_files
from imbalance_cli.workflows.applying import batches_or_empty, open_labelled_rows, with_features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from imbalance_cli.config import Config
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers import Table
    from imbalance_cli.readers.source import Source
    from imbalance_cli.run.predictor import Predictor

MOST_ROWS = 10_000  # that are shuffled
MOST_KEPT = 200_000  # of which these are drawn


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows that an explanation is made of.

    Attributes:
        source: what they were read from.
        part: test, where they are the run's own; else None.
        read: how many labelled rows there were.
        features: as the model reads them, of N.
        cells: as they are written.
        targets: (N, L), NaN where missing.
        weights: (N,), how much each row counts, or (N, L) each cell; None for alike.
        groups: (N,) the number of each row's group, or None.
        asked: the rows to explain one by one, in the order of their numbers.
        asked_cells: as they are written.
        asked_of: the source of these, where it is another one.
    """

    source: str
    part: str | None
    read: int
    features: FeatureRows
    cells: pl.DataFrame
    targets: torch.Tensor
    weights: torch.Tensor | None
    groups: torch.Tensor | None
    asked: FeatureRows
    asked_cells: pl.DataFrame
    asked_of: str | None = None


def read_own(
    directory: Path, predictor: Predictor, config: Config, asked: Sequence[int], tell: Tell
) -> Rows:
    """Return the test rows of a run, read again from where they were.

    Raises:
        RunError: they are not there, or not what they were.
    """
    other = "name labelled rows: imbtrain explain RUN SOURCE"
    change = describe_change(config.data, recorded_files(read_document(directory)))
    if change is not None:
        raise RunError(f"{directory}: {change}", hint=other)
    _, labelled = read_labelled(config, with_features=False, tell=tell)
    test = labelled.split.test
    if not len(test):
        raise RunError(f"{directory}: has no test rows", hint=other)
    columns = predictor.preprocessing.columns
    tables = stream_tables(labelled.reopen(), columns)
    is_test = np.zeros(len(labelled.targets), np.bool_)
    is_test[test] = True

    def pairs() -> Iterator[tuple[Table, NDArray[np.bool_]]]:
        first = 0
        for table in follow(tables, tell, "reading", lambda table: table.frame.height):
            yield table, is_test[first : first + table.frame.height]
            first += table.frame.height

    kept = _Kept.of(pairs(), predictor, asked, labelled.sources["test"])
    return kept.draw(
        "test", labelled.targets, labelled.weights, labelled.groups, labelled.sources["test"]
    )


def read_others(
    source: Source,
    predictor: Predictor,
    config: Config,
    asked: Sequence[int],
    warn: Callable[[str], None],
    tell: Tell,
) -> Rows:
    """Return the labelled rows of a source."""
    source, _, reader, batches = open_labelled_rows(source, predictor, config, warn=warn)
    tables = follow(batches, tell, "reading", lambda table: table.frame.height)
    kept = _Kept.of(((table, reader.add(table)) for table in tables), predictor, asked, source.name)
    for sentence in source.remarks:
        warn(Warned("IMB114", sentence))
    keys = reader.finish(source.name)
    return kept.draw(None, keys.targets, keys.weights, keys.groups, source.name)


def read_unlabelled(
    source: Source,
    predictor: Predictor,
    config: Config,
    asked: Sequence[int],
    warn: Callable[[str], None],
    tell: Tell,
) -> tuple[FeatureRows, pl.DataFrame]:
    """Return rows of a source without labels, as the model reads them and as they are written."""
    source = with_features(source, predictor, config.data, warn)
    batches = batches_or_empty(source, predictor.preprocessing.columns)
    tables = follow(
        (batch_table(batch, source.name) for batch in batches),
        tell,
        "reading",
        lambda table: table.frame.height,
    )
    pairs = ((table, np.zeros(table.frame.height, np.bool_)) for table in tables)
    kept = _Kept.of(pairs, predictor, asked, source.name)
    return kept.asked, kept.asked_cells


@dataclasses.dataclass(frozen=True)
class _Kept:
    """Rows that were read, at most MOST_KEPT of them, drawn by chance.

    Attributes:
        numbers: (K,) of the rows, rising.
        features: of these.
        cells: of these.
        read: how many there were.
        asked: the rows to explain one by one.
        asked_cells: of these.
    """

    numbers: NDArray[np.intp]
    features: FeatureRows
    cells: pl.DataFrame
    read: int
    asked: FeatureRows
    asked_cells: pl.DataFrame

    @classmethod
    def of(
        cls,
        tables: Iterable[tuple[Table, NDArray[np.bool_]]],
        predictor: Predictor,
        asked: Sequence[int],
        name: str,
    ) -> _Kept:
        """Read tables, and keep the rows that are marked.

        Raises:
            ConfigError: a row that is asked for is not there.
        """
        random = np.random.default_rng(0)
        columns = predictor.preprocessing.columns
        pieces: list[_Piece] = []
        singles: list[tuple[FeatureRows, pl.DataFrame]] = []
        first = read = 0
        for table, is_marked in tables:
            height = table.frame.height
            features = predictor.preprocessing.transform(table)
            for number in asked:
                if first <= number < first + height:
                    own = np.array([number - first])
                    singles.append((take_rows(features, own), _texts(table.frame[own], columns)))
            some = np.flatnonzero(is_marked)
            keys = random.random(len(some))
            cells = _texts(table.frame[some], columns)
            pieces.append(_Piece(keys, some + first, take_rows(features, some), cells))
            first, read = first + height, read + len(some)
            if sum(len(piece.keys) for piece in pieces) > 2 * MOST_KEPT:
                pieces = [_thin(pieces)]
        beyond = [number for number in asked if not 0 <= number < first]
        if beyond:
            raise ConfigError(
                f"--row {beyond[0]}: {name} has {number_of(first, 'row')}, numbered from 0"
            )
        _, numbers, features, cells = _thin(pieces)
        empty = take_rows(features, np.empty(0, np.intp))
        rows = _join([features for features, _ in singles]) if singles else empty
        shown = pl.concat([own for _, own in singles]) if singles else cells.clear()
        return cls(numbers, features, cells, read, rows, shown)

    def draw(
        self,
        part: str | None,
        targets: Targets,
        weights: NDArray[np.float64] | None,
        groups: NDArray[np.integer[Any]] | None,
        name: str,
    ) -> Rows:
        """Return at most MOST_ROWS rows.

        As many as half of them are positive for a label, as far as there are so many; rows weigh
        what the rows weigh that they stand for.

        Args:
            part: which rows of the run these are.
            targets: of all rows that were read.
            weights: of the same.
            groups: of the same.
            name: of what they were read from.
        """
        dense = targets.take(self.numbers).dense()
        own = None if weights is None else weights[self.numbers]
        chosen, factors = _draw((dense == 1).any(axis=1))
        if factors is not None:
            own = factors if own is None else (own[chosen].T * factors).T
        elif own is not None:
            own = own[chosen]
        numbers = self.numbers[chosen]
        of_group = None if groups is None else torch.from_numpy(groups[numbers].astype(np.int64))
        return Rows(
            source=name,
            part=part,
            read=self.read,
            features=take_rows(self.features, chosen),
            cells=self.cells[chosen],
            targets=torch.from_numpy(dense[chosen]),
            weights=None if own is None else torch.from_numpy(own),
            groups=of_group,
            asked=self.asked,
            asked_cells=self.asked_cells,
        )


def _texts(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return cells as texts, null where they are missing."""
    return pl.DataFrame({column: parse_texts(frame[column]) for column in columns})


class _Piece(NamedTuple):
    """Rows of a table: what they are drawn by, their numbers, features and cells."""

    keys: NDArray[np.float64]
    numbers: NDArray[np.intp]
    features: FeatureRows
    cells: pl.DataFrame


def _thin(pieces: Sequence[_Piece]) -> _Piece:
    """Return pieces as one, of the MOST_KEPT rows with the least keys."""
    keys = np.concatenate([piece.keys for piece in pieces])
    numbers = np.concatenate([piece.numbers for piece in pieces])
    features = _join([piece.features for piece in pieces])
    cells = pl.concat([piece.cells for piece in pieces])
    if len(keys) <= MOST_KEPT:
        return _Piece(keys, numbers, features, cells)
    kept = np.sort(np.argpartition(keys, MOST_KEPT)[:MOST_KEPT])
    return _Piece(keys[kept], numbers[kept], take_rows(features, kept), cells[kept])


def _join(pieces: Sequence[FeatureRows]) -> FeatureRows:
    return FeatureRows(
        np.concatenate([piece.numeric for piece in pieces]),
        np.concatenate([piece.codes for piece in pieces]),
    )


def _draw(is_positive: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.float64] | None]:
    """Return rows by their numbers, and how many rows each stands for, or None for itself alone."""
    if len(is_positive) <= MOST_ROWS:
        return np.arange(len(is_positive)), None
    random = np.random.default_rng(0)
    positives, others = np.flatnonzero(is_positive), np.flatnonzero(~is_positive)
    number = min(len(positives), max(MOST_ROWS // 2, MOST_ROWS - len(others)))
    sizes = (number, MOST_ROWS - number)
    chosen, factors = [], []
    for rows, size in zip((positives, others), sizes, strict=True):
        chosen.append(random.permutation(rows)[:size])
        factors.append(np.full(size, len(rows) / max(size, 1)))
    together = np.concatenate(chosen)
    order = np.argsort(together)
    return together[order], np.concatenate(factors)[order]
