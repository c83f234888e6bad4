"""An array without a key, where it holds features and not labels."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from imbalance_cli.readers.source import BARE_KEY, Batch, Source, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

FEATURES_KEY = "x"  # the key of an array of features that has none


class FeatureSource(Source):
    """An array without a key whose columns y, y_0, y_1, ... are called x, x_0, x_1, ...

    Args:
        source: is bare, as `is_bare` says.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._old_names = {
            FEATURES_KEY + column.removeprefix(BARE_KEY): column for column in source.columns
        }
        self._new_names = {old: new for new, old in self._old_names.items()}
        self.name = source.name
        self.columns = list(self._old_names)

    @property
    def keys(self) -> Mapping[str, Sequence[str]]:
        """All columns, by the key that arrays of features have."""
        return MappingProxyType({FEATURES_KEY: self.columns})

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns."""
        tally = self._source.tally([self._old_names[column] for column in columns])
        return Tally(tally.rows, {self._new_names[old]: c for old, c in tally.columns.items()})

    def types(self, columns: Sequence[str]) -> Mapping[str, pl.DataType]:
        """Return the types of the columns that have any."""
        types = self._source.types([self._old_names[column] for column in columns])
        return {self._new_names[old]: dtype for old, dtype in types.items()}

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns, some rows at a time."""
        for batch in self._source.batches([self._old_names[column] for column in columns]):
            yield Batch(batch.frame.rename(self._new_names, strict=False), batch.place)


def is_bare(source: Source) -> bool:
    """Return whether a source is one array without a key, which may hold labels or features."""
    return list(source.keys) == [BARE_KEY] and list(source.keys[BARE_KEY]) == source.columns


def as_features(source: Source) -> Source:
    """Return a source whose columns are features: an array without a key gets their names."""
    return FeatureSource(source) if is_bare(source) else source
