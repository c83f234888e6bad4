"""Rows that no table holds, on which an exported model is compared with its run.

Shapes: N rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from imbalance_cli.features.preprocessing import LARGEST
from imbalance_cli.readers import batch_table
from imbalance_cli.readers.cells import SECONDS_A_DAY
from imbalance_cli.readers.source import row_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.features import Preprocessing
    from imbalance_cli.readers import Table

NAME = "made-up rows"
ROWS = 256
MISSING_SHARE = 0.1
WIDE, FAR = 2.0, 1000.0  # scales around the median: of most numbers, and of rows 2 and 3


def make_rows(preprocessing: Preprocessing) -> Table:
    """Return rows with numbers in and far beyond their range, and cells missing and unknown.

    In the first row all cells are missing; in the second all numbers are far too small and all
    categories unknown; in the third all numbers are far too large.
    """
    random = np.random.default_rng(0)
    columns = {}
    for feature in preprocessing.numeric:
        away = WIDE * random.standard_normal(ROWS)
        away[1:3] = -FAR, FAR
        values = np.clip(feature.median + (feature.scale or 1.0) * away, -LARGEST, LARGEST)
        cells = pl.Series(values)
        if feature.kind == "date":
            seconds = pl.Series(np.rint(values * SECONDS_A_DAY).astype(np.int64))
            cells = (1_000_000 * seconds).cast(pl.Datetime("us"))
        columns[feature.column] = cells.set(_draw_missing(random), None)
    for category in preprocessing.categorical:
        unknown = "?" * (1 + max(map(len, category.categories), default=0))
        texts = random.choice(np.array([unknown, *category.categories], object), ROWS)
        texts[1] = unknown
        cells = pl.Series(texts.tolist(), dtype=pl.String)
        columns[category.column] = cells.set(_draw_missing(random), None)
    return batch_table(row_batch(pl.DataFrame(columns), 0), NAME)


def _draw_missing(random: np.random.Generator) -> pl.Series:
    """Return which cells of a column are missing, (N,)."""
    missing: NDArray[np.bool_] = random.random(ROWS) < MISSING_SHARE
    missing[:3] = True, False, False
    return pl.Series(missing)
