"""Model-ready rows in memory-mapped files, and batches drawn from them in shuffled blocks.

A cache is a directory: `row_cache.json`, one file of shape (N, W) for the columns of a section
(numeric, codes) that have the same type, the smallest that holds every value of the column exactly,
and files of other arrays. It is written under another name and renamed, so it is whole or not
there.
"""

from __future__ import annotations

from imbalance_cli.rows.cache.blocks import ShuffledBlocks
from imbalance_cli.rows.cache.identity import SourceContents, look_at_sources
from imbalance_cli.rows.cache.layout import Contents, ModelRows, cache_key
from imbalance_cli.rows.cache.reading import RowCache, cached_rows, open_cache
from imbalance_cli.rows.cache.writing import check_place, write_cache

__all__ = [
    "Contents",
    "ModelRows",
    "RowCache",
    "ShuffledBlocks",
    "SourceContents",
    "cache_key",
    "cached_rows",
    "check_place",
    "look_at_sources",
    "open_cache",
    "write_cache",
]
