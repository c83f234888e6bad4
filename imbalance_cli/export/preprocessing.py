"""The first stage of the graph: from raw columns to what the networks take.

Shapes: N rows, F numeric features after fitting, C columns of categories, V continuous numbers.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_cli.export.graph import ML_DOMAIN, Graph, Value
from imbalance_cli.features.kinds import FIRST_CATEGORY, MISSING, OTHER
from imbalance_cli.features.preprocessing import CLIP
from imbalance_cli.readers.cells import SECONDS_A_DAY
from imbalance_cli.readers.source import MISSING_TEXTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from imbalance_cli.features import Preprocessing
    from imbalance_cli.features.preprocessing import CategoricalFeature

MICROSECONDS_A_DAY = 1_000_000 * SECONDS_A_DAY
MISSING_DATE = int(np.iinfo(np.int64).min)  # what numpy's NaT is
FAR = 1e150  # whose square is a float64 yet
CAPITALS = (str.lower, str.upper, str.title)


@dataclasses.dataclass(frozen=True)
class Features:
    """What the networks take.

    Attributes:
        continuous: (N, V), the first columns of `numeric`; None where no column is a number.
        numeric: (N, F); None where there are none.
        codes: (N, C) rows of a table in which one embedded column stands after the other; None
            where none is embedded.
    """

    continuous: Value | None
    numeric: Value | None
    codes: Value | None


def add_preprocessing(graph: Graph, preprocessing: Preprocessing, dtype: np.dtype[Any]) -> Features:
    """Add the inputs of the graph and what is made of them.

    Numbers enter as float64, and are centred and scaled there, as the run does it: that 1010.4 is
    rounded to float32 may alone move a probability by more than 1e-6.

    Args:
        graph: to add to.
        preprocessing: of the run.
        dtype: of what is returned.
    """
    blocks: list[Value] = []
    continuous = None
    if preprocessing.numeric:
        values = _add_values(graph, preprocessing)
        continuous, indicators = _add_numbers(values, preprocessing, dtype)
        blocks = [block for block in (continuous, indicators) if block is not None]
    one_hot = [feature for feature in preprocessing.categorical if feature.one_hot]
    embedded = [feature for feature in preprocessing.categorical if not feature.one_hot]
    if one_hot:
        rows = _add_codes(graph, preprocessing, one_hot)
        blocks.append(_add_one_hot(graph, rows, one_hot, dtype))
    codes = _add_codes(graph, preprocessing, embedded) if embedded else None
    return Features(continuous, graph.concatenate(blocks, 1) if blocks else None, codes)


def _add_values(graph: Graph, preprocessing: Preprocessing) -> Value:
    """Return the numbers and the days of all columns, (N, columns) float64, NaN where missing."""
    inputs = {
        feature.column: graph.input(
            feature.column, np.int64 if feature.kind == "date" else np.float64
        )
        for feature in preprocessing.numeric
    }
    numbers = [value for value in inputs.values() if value.dtype == np.float64]
    dates = [value for value in inputs.values() if value.dtype == np.int64]
    blocks = [graph.concatenate(numbers, 1)] if numbers else []
    if dates:
        moments = graph.concatenate(dates, 1)
        missing = moments.equals(np.array(MISSING_DATE))
        days = moments.cast(np.float64) / MICROSECONDS_A_DAY
        blocks.append(graph.constant(np.nan).where(missing, days))
    order = [value.name for value in numbers + dates]
    places = [order.index(column) for column in inputs]
    return graph.concatenate(blocks, 1).take(places, 1, len(order))


def _add_numbers(
    values: Value, preprocessing: Preprocessing, dtype: np.dtype[Any]
) -> tuple[Value | None, Value | None]:
    """Return the scaled numbers, and whether cells were missing, where either is a feature."""
    features = preprocessing.numeric
    missing = values.is_nan()
    flagged = [i for i, feature in enumerate(features) if feature.indicator]
    indicators = missing.take(flagged, 1, len(features)).cast(dtype) if flagged else None
    scaled = [i for i, feature in enumerate(features) if feature.scale is not None]
    if not scaled:
        return None, indicators
    medians = np.array([features[i].median for i in scaled])
    scales = np.array([float(features[i].scale or 0) for i in scaled])
    away = (values.take(scaled, 1, len(features)) - medians).clip(-FAR, FAR)
    nothing = values.graph.constant(0.0, np.dtype(np.float64))
    centred = nothing.where(missing.take(scaled, 1, len(features)), away)
    clipped = centred / CLIP
    size = (clipped * clipped + scales * scales).apply("Sqrt")
    return (centred / size).cast(np.float32).cast(dtype), indicators


def _add_codes(
    graph: Graph, preprocessing: Preprocessing, features: list[CategoricalFeature]
) -> Value:
    """Return rows of a table in which one column's categories stand after another's, (N, C)."""
    codes, offset = [], 0
    for feature in features:
        notation = preprocessing.notations.get(feature.column)
        indices = _number_texts(feature, () if notation is None else notation.missing)
        codes.append(
            graph.add(
                "LabelEncoder",
                graph.input(feature.column, object),
                dtype=np.int64,
                domain=ML_DOMAIN,
                keys_strings=list(indices),
                values_int64s=[offset + index for index in indices.values()],
                default_int64=offset + OTHER,
            )
        )
        offset += feature.size
    return graph.concatenate(codes, 1)


def _number_texts(feature: CategoricalFeature, missing: Collection[str]) -> dict[str, int]:
    """Return the index of each text that has one."""
    words = {"NaN", *missing, *(write(word) for word in MISSING_TEXTS for write in CAPITALS)}
    known = {text: FIRST_CATEGORY + i for i, text in enumerate(feature.categories)}
    return dict.fromkeys(sorted(words), MISSING) | known


def _add_one_hot(
    graph: Graph, codes: Value, features: list[CategoricalFeature], dtype: np.dtype[Any]
) -> Value:
    """Return the one-hot columns of all features, (N, columns)."""
    blocks = [feature.encode(np.arange(feature.size)) for feature in features]
    height, width = (sum(block.shape[axis] for block in blocks) for axis in (0, 1))
    table = np.zeros((height, width), dtype)
    top = left = 0
    for block in blocks:
        table[top : top + block.shape[0], left : left + block.shape[1]] = block
        top, left = top + block.shape[0], left + block.shape[1]
    rows = graph.add("Gather", graph.constant(table), codes, axis=0, dtype=dtype)
    if len(features) == 1:
        return rows.reshape(-1, width)
    return graph.add("ReduceSum", rows, np.array([1], np.int64), keepdims=0)
