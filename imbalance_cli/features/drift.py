"""How rows differ from those of training, feature by feature.

Each feature is counted in bins: numbers by their place on the scale of training, categories by
their index, missing cells apart. Two such counts are compared by the population stability index,
the sum of (p - q) log(p / q) over the bins, where above 0.25 is commonly called a major shift
(Siddiqi 2006).

Shapes: N rows, b bins of a feature.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_cli.errors import show_cell, show_percent
from imbalance_cli.features.kinds import MISSING, OTHER
from imbalance_cli.readers.cells import show_days

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray


EDGES = np.array([-2.8, -2, -1.4, -1, -0.7, -0.4, -0.2, 0, 1e-7, 0.2, 0.4, 0.7, 1, 1.4, 2, 2.8])
"""Of numbers, in units of their interquartile range from the median."""
ROWS_A_BATCH = 2**14  # that are counted, evenly spaced
MOST_SAMPLED = 2**12  # rows of a column that its median is of
MAJOR = 0.25
LEAST_SHARE = 1e-3  # of a bin, so that one row in an empty bin is no shift
LEAST_ROWS = 30  # that an index is computed of
SURE = 1e-6  # chance of so many unknown values, over all features
MORE_UNKNOWN = 1.5  # times those of training: rare values of these were known to it
FAR = 2.0  # times a mean probability is the prevalence, or the other way round
LEAST_APART = 10.0  # positives by which they differ
OTHER_UNITS = 8.0  # times a median is that of training, or the other way round


class EvenSample:
    """Numbers of evenly spaced rows, the same however the rows come in batches.

    A `QuantileSketch` is nearer to the median of many rows, but sorts all values: 40 ns for each
    where this takes less than one, in every row that is predicted.
    """

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float64]] = []
        self._step, self._seen, self._kept = 1, 0, 0

    def add(self, values: NDArray[np.float64]) -> None:
        """Take those of the next rows, NaN where missing."""
        chosen = values[-self._seen % self._step :: self._step]
        self._seen += len(values)
        self._parts.append(chosen.copy())
        self._kept += len(chosen)
        while self._kept > MOST_SAMPLED:
            thinned = np.concatenate(self._parts)[::2]
            self._parts, self._kept, self._step = [thinned], len(thinned), 2 * self._step

    def median(self) -> float | None:
        """Return the median, None where all are missing."""
        values = np.concatenate(self._parts) if self._parts else np.empty(0)
        known = values[~np.isnan(values)]
        if not len(known):
            return None
        middle = len(known) // 2
        below = middle - (len(known) % 2 == 0)
        # numpy.median takes ten times as long for few values
        ordered = np.partition(known, [below, middle])
        return float(ordered[below] + ordered[middle]) / 2


@dataclasses.dataclass
class ColumnCounts:
    """What was counted of one feature.

    Attributes:
        bins: (b,) rows in each bin; of a category by its index, none of them MISSING.
        missing: rows without a value.
        sample: numbers of some rows, in the column's unit.
        unknown: a category that is not known from training.
        is_date: whether the numbers are days since 1970.
    """

    bins: NDArray[np.int64]
    missing: int = 0
    sample: EvenSample = dataclasses.field(default_factory=EvenSample)
    unknown: str | None = None
    is_date: bool = False

    @property
    def rows(self) -> int:
        """N."""
        return int(self.bins.sum()) + self.missing


class FeatureCounts:
    """Counts rows as they are transformed."""

    def __init__(self) -> None:
        self.columns: dict[str, ColumnCounts] = {}

    def add_number(
        self,
        column: str,
        values: NDArray[np.float64],
        scaled: NDArray[np.float32] | None,
        *,
        is_date: bool,
    ) -> None:
        """Count a column of numbers: in its unit, NaN where missing, and as the model takes it."""
        counts = self.columns.setdefault(column, ColumnCounts(np.zeros(len(EDGES) + 1, np.int64)))
        counts.is_date = is_date
        counts.sample.add(values)
        step = max(len(values) // ROWS_A_BATCH, 1)
        chosen = values[::step]
        known = ~np.isnan(chosen)
        counts.missing += int((~known).sum())
        if not known.any():
            return
        places = np.zeros(int(known.sum()), np.int64)
        if scaled is not None:
            places = np.searchsorted(EDGES, scaled[::step][known], side="right")
        counts.bins += np.bincount(places, minlength=len(counts.bins))

    def add_category(
        self, column: str, texts: pl.Series, indices: NDArray[np.int64], size: int
    ) -> None:
        """Count a column of categories: as texts, and as indices below `size`."""
        counts = self.columns.setdefault(column, ColumnCounts(np.zeros(size, np.int64)))
        step = max(len(indices) // ROWS_A_BATCH, 1)
        found = np.bincount(indices[::step], minlength=size)
        counts.missing += int(found[MISSING])
        found[MISSING] = 0
        counts.bins += found
        if counts.unknown is None and found[OTHER]:
            counts.unknown = texts[int((indices == OTHER).argmax())]

    def profile(self) -> dict[str, dict[str, Any]]:
        """Return the counts as plain data, as a run keeps those of its training rows."""
        return {
            column: {
                "bins": counts.bins.tolist(),
                "missing": counts.missing,
                "median": counts.sample.median(),
            }
            for column, counts in self.columns.items()
        }


@dataclasses.dataclass(frozen=True)
class FeatureDrift:
    """How a feature differs from training.

    Attributes:
        column: its name.
        psi: the population stability index; None of fewer than LEAST_ROWS rows.
        missing, training_missing: shares of missing cells.
        unknown, training_unknown: shares of categories that training rows did not have, or rarely.
        median, training_median: of numbers; of dates as ISO texts.
        problem: what is wrong, in a sentence; None where nothing is.
    """

    column: str
    psi: float | None
    missing: float
    training_missing: float
    unknown: float | None = None
    training_unknown: float | None = None
    median: float | str | None = None
    training_median: float | str | None = None
    problem: str | None = None


@dataclasses.dataclass(frozen=True)
class LabelDrift:
    """The mean probability of a label beside its share of positives in training."""

    label: str
    mean_probability: float
    training_prevalence: float

    def describe(self, rows: int) -> str | None:
        """Say that they are far apart; None where they are not, or rows are few."""
        low, high = sorted([self.mean_probability, self.training_prevalence])
        if high < FAR * low or rows * (high - low) < LEAST_APART:
            return None
        return (
            f"the mean probability of {self.label} is {show_percent(self.mean_probability)}, and "
            f"{show_percent(self.training_prevalence)} of the training rows were positive"
        )


@dataclasses.dataclass(frozen=True)
class Drift:
    """How rows differ from those of training.

    Attributes:
        rows: how many there are.
        features: each that training had a profile of.
        labels: each that was learned.
    """

    rows: int
    features: list[FeatureDrift]
    labels: list[LabelDrift]

    def sentences(self) -> list[str]:
        """Return what to know before the predictions are believed, the worst first."""
        features = sorted(self.features, key=lambda found: -(found.psi or 0))
        found = [f"{f.column}: {f.problem}" for f in features if f.problem is not None]
        return found + [text for text in (d.describe(self.rows) for d in self.labels) if text]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return dataclasses.asdict(self)


def compare_counts(
    found: FeatureCounts,
    profile: Mapping[str, Mapping[str, Any]],
    categories: Mapping[str, Sequence[str]],
) -> list[FeatureDrift]:
    """Return how counted rows differ from those of training.

    Args:
        found: the counts.
        profile: those of the training rows, as `FeatureCounts.profile` gives them.
        categories: of each categorical feature, those known from training.
    """
    columns = [column for column in found.columns if column in profile]
    return [
        _compare(column, found.columns[column], profile[column], categories.get(column), columns)
        for column in columns
        if found.columns[column].rows
    ]


def _compare(
    column: str,
    now: ColumnCounts,
    before: Mapping[str, Any],
    categories: Sequence[str] | None,
    columns: Sequence[str],
) -> FeatureDrift:
    past = np.array(before["bins"], np.int64)
    rows, past_rows = now.rows, int(past.sum()) + before["missing"]
    psi = None
    if rows >= LEAST_ROWS:
        psi = _stability(np.append(now.bins, now.missing), np.append(past, before["missing"]))
    drift = FeatureDrift(
        column,
        psi,
        missing=now.missing / rows,
        training_missing=before["missing"] / past_rows,
    )
    if categories is None:
        medians = [now.sample.median(), before["median"]]
        if now.is_date:
            medians = [None if median is None else show_days(median) for median in medians]
        drift = dataclasses.replace(drift, median=medians[0], training_median=medians[1])
    else:
        unknown, unknown_before = int(now.bins[OTHER]), int(past[OTHER])
        drift = dataclasses.replace(
            drift, unknown=unknown / rows, training_unknown=unknown_before / past_rows
        )
        expected = rows * (MORE_UNKNOWN * unknown_before + 1) / (past_rows + 1)
        if _tail(unknown, expected) < SURE / len(columns):
            return dataclasses.replace(drift, problem=_describe_unknown(drift, now, categories))
    noise = 2 * len(past) * (1 / rows + 1 / past_rows)
    if psi is None or psi <= MAJOR + noise:
        return drift
    of_known = _stability(now.bins, past) if now.bins.any() and past.any() else 0.0
    both = np.array([[now.bins.sum(), now.missing], [past.sum(), before["missing"]]])
    of_missing = _stability(both[0], both[1])
    problem = _describe_missing(drift) if of_missing > of_known else _describe_shift(drift)
    return dataclasses.replace(drift, problem=problem)


def _stability(now: NDArray[np.int64], past: NDArray[np.int64]) -> float:
    p = np.maximum(now / now.sum(), LEAST_SHARE)
    q = np.maximum(past / past.sum(), LEAST_SHARE)
    return float(((p - q) * np.log(p / q)).sum())


def _tail(seen: int, expected: float) -> float:
    """Return a bound on the chance of at least so many (Chernoff's of a Poisson number)."""
    if seen <= expected:
        return 1.0
    return math.exp(seen - expected - seen * math.log(seen / expected))


def _describe_unknown(drift: FeatureDrift, now: ColumnCounts, categories: Sequence[str]) -> str:
    example = str(now.unknown)
    alike = {text.strip().casefold(): text for text in categories}.get(example.strip().casefold())
    known = f"training has {show_cell(alike)}" if alike else f"training has {_list(categories)}"
    return (
        f"{show_percent(drift.unknown or 0.0)} of the values are unknown from training "
        f"({show_percent(drift.training_unknown or 0.0)} there), such as {show_cell(example)}; "
        f"{known}"
    )


def _list(categories: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(show_cell(category) for category in categories[:most])
    return shown + (", ..." if len(categories) > most else "")


def _describe_missing(drift: FeatureDrift) -> str:
    here, there = show_percent(drift.missing), show_percent(drift.training_missing)
    return f"{here} of the cells are missing, {there} in training"


def _describe_shift(drift: FeatureDrift) -> str:
    now, before = drift.median, drift.training_median
    if now is None or before is None:
        return f"other shares of the categories than in training (PSI {drift.psi:.2g})"
    units = ""
    if isinstance(now, float) and isinstance(before, float):
        times = now / before if before else 0.0
        units = "; in other units?" if max(times, 1 / times if times else 0) >= OTHER_UNITS else ""
        now, before = f"{now:,.6g}", f"{before:,.6g}"
    return (
        f"other values than in training (PSI {drift.psi:.2g}): median {now}, {before} in training"
        f"{units}"
    )
