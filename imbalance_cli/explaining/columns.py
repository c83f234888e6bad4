"""The features that each column became, and columns that say much the same.

Shapes: N rows, F numeric features, C embedded categories.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imbalance_cli.features import FeatureRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from imbalance_cli.features import FeaturePlaces

CORRELATED = 0.9  # correlation, or Cramer's V, from which columns are shuffled together


@dataclasses.dataclass(frozen=True)
class ColumnGroup:
    """Columns that change together.

    Attributes:
        columns: their names.
        numeric: their numeric features.
        codes: their embedded categories.
    """

    columns: list[str]
    numeric: list[int]
    codes: list[int]

    @classmethod
    def of(cls, columns: Sequence[str], places: Mapping[str, FeaturePlaces]) -> ColumnGroup:
        """Return the features of some columns."""
        own = [places[column] for column in columns]
        numeric = [place for each in own for place in (*each.values, *each.indicators)]
        return cls([*columns], numeric, [place for each in own for place in each.codes])

    def mix(self, rows: FeatureRows, others: FeatureRows) -> FeatureRows:
        """Return rows that have these columns of as many others."""
        numeric, codes = rows.numeric.copy(), rows.codes.copy()
        numeric[:, self.numeric] = others.numeric[:, self.numeric]
        codes[:, self.codes] = others.codes[:, self.codes]
        return FeatureRows(numeric, codes)


def take_rows(rows: FeatureRows, numbers: NDArray[np.intp]) -> FeatureRows:
    """Return rows by their numbers."""
    return FeatureRows(rows.numeric[numbers], rows.codes[numbers])


def draw_rows(
    rows: int, most: int, weights: NDArray[np.float64] | None, random: np.random.Generator
) -> NDArray[np.intp]:
    """Return the numbers of rows that stand for all, drawn by their weights where they have any.

    Args:
        rows: N.
        most: that are drawn.
        weights: (N,); None for alike.
        random: draws them.
    """
    if weights is not None:
        return random.choice(rows, most, p=weights / weights.sum())
    return random.permutation(rows)[:most]


def group_columns(places: Mapping[str, FeaturePlaces], rows: FeatureRows) -> list[ColumnGroup]:
    """Return columns, those that are correlated together, in the order of their first.

    Numbers and one-hot categories are correlated as the model reads them, whether cells are missing
    left aside; other categories by Cramer's V. If a is correlated with b, and b with c, all three
    are together.

    Args:
        places: of the features of each column.
        rows: N.
    """
    names = list(places)
    pairs = [*_correlated_numbers(places, rows), *_correlated_codes(places, rows)]
    left, right = np.array(pairs, np.intp).reshape(-1, 2).T
    links = coo_array((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    _, group = connected_components(links, directed=False)
    members: dict[int, list[str]] = {}
    for name, number in zip(names, group.tolist(), strict=True):
        members.setdefault(number, []).append(name)
    return [ColumnGroup.of(columns, places) for columns in members.values()]


def _correlated_numbers(
    places: Mapping[str, FeaturePlaces], rows: FeatureRows
) -> list[tuple[int, int]]:
    """Return pairs of columns, by their numbers, of which two features are correlated."""
    owners = np.array([i for i, own in enumerate(places.values()) for _ in own.values], np.intp)
    features = [place for own in places.values() for place in own.values]
    values = rows.numeric[:, features].astype(np.float64)
    values -= values.mean(axis=0)
    lengths = np.linalg.norm(values, axis=0)
    values /= np.where(lengths > 0, lengths, 1.0)
    left, right = np.nonzero(np.triu(np.abs(values.T @ values) >= CORRELATED, k=1))
    found = zip(owners[left].tolist(), owners[right].tolist(), strict=True)
    return [(i, j) for i, j in found if i != j]


def _correlated_codes(
    places: Mapping[str, FeaturePlaces], rows: FeatureRows
) -> list[tuple[int, int]]:
    owners = [(i, code) for i, own in enumerate(places.values()) for code in own.codes]
    return [
        (i, j)
        for (i, a), (j, b) in itertools.combinations(owners, 2)
        if i != j and _cramers_v(rows.codes[:, a], rows.codes[:, b]) >= CORRELATED
    ]


def _cramers_v(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Return Cramer's V of two categories, (N,) each, without the part that is chance.

    Bergsma (2013), A bias-correction for Cramer's V and Tschuprow's T.
    """
    a, b = (np.unique(codes, return_inverse=True)[1] for codes in (a, b))
    height, width, rows = a.max() + 1, b.max() + 1, len(a)
    counts = np.bincount(a * width + b, minlength=height * width).reshape(height, width)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / rows
    freedom = (height - 1) * (width - 1)
    phi = max(((counts - expected) ** 2 / expected).sum() / rows - freedom / (rows - 1), 0.0)
    least = min(size - (size - 1) ** 2 / (rows - 1) for size in (height, width)) - 1
    return float(np.sqrt(phi / least)) if least > 0 else 0.0
