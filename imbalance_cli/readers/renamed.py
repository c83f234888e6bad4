"""A source whose columns are called otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.readers.joined import feature_names
from imbalance_cli.readers.source import Batch, Source, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class FeatureSource(Source):
    """A source of features alone: the columns y, y_0, ... of a bare array are x, x_0, ...

    Args:
        source: any source; one that is no bare array keeps its names.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._new_names = feature_names(source)
        self._old_names = {new: old for old, new in self._new_names.items()}
        self.name = source.name
        self.columns = list(self._old_names)

    def tally(self, columns: Sequence[str]) -> Tally:
        """Count the distinct cell texts of the columns."""
        tally = self._source.tally([self._old_names[column] for column in columns])
        return Tally(tally.rows, {self._new_names[old]: c for old, c in tally.columns.items()})

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield the columns, some rows at a time."""
        for batch in self._source.batches([self._old_names[column] for column in columns]):
            yield Batch(batch.frame.rename(self._new_names, strict=False), batch.place)
