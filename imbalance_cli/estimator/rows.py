"""What scikit-learn calls X, y and sample_weight, as the frame and the config that `fit` takes.

Shapes: N rows, F features, L labels.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from imbalance_cli.errors import ImbtrainError
from imbalance_cli.readers.frames import EQUAL_ROWS, FrameSource
from imbalance_cli.readers.source import is_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

MOST_REPEATED = 10  # times the rows, up to which whole weights are counts of rows
ZERO = ("0", "False")  # as the positive class, what nobody expects of a label called after y
TWO = 2  # classes of a label
RARE = 0.2  # share of rows below which a class is rare


@dataclasses.dataclass(frozen=True)
class Target:
    """What is to be learned.

    Attributes:
        columns: the label columns, (N,) each.
        classes: the values of one column, sorted; None of several, which hold 0 and 1.
        positive: which of two classes is the rarer one, whose probability is learned.
        data: the keys of `data` in the config that say how the columns are read.
        is_even: whether there are two classes, and the rarer one is not rare.
        texts: the labels of a run of more classes than two, (C,).
    """

    columns: list[pl.Series]
    classes: NDArray[Any] | None
    positive: int | None
    data: dict[str, Any]
    is_even: bool = False
    texts: list[str] = dataclasses.field(default_factory=list)


def read_target(y: Any, rows: int, taken: Sequence[str]) -> Target:
    """Return what y asks to learn: one of two classes, one of several, or several labels.

    Args:
        y: (N,) classes, or (N, L) of 0 and 1; NaN is a missing label.
        rows: N.
        taken: names of features, which no label may have.

    Raises:
        ValueError: it is no such array, or has one class.
    """
    names = list(map(str, y.columns)) if hasattr(y, "columns") else None
    if names and len(set(names)) < len(names):
        raise ValueError(f"two columns of y have the same name: {', '.join(names)}")
    name = getattr(y, "name", None)
    if scipy.sparse.issparse(y):
        y = y.toarray()
    values = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if values.dtype.kind == "c":
        raise ValueError("Complex data not supported: y")
    if values.ndim > 1 and values.shape[1] > 1:
        own = [_free(label, 1, taken)[0] for label in names or ()]
        return _read_labels(values, rows, own or _free("y", values.shape[1], taken))
    values = column_or_1d(values, warn=True)
    if len(values) != rows:
        raise ValueError(f"X has {rows} rows, and y has {len(values)}")
    missing = pd.isna(values)
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise ValueError("Input y contains infinity or a value too large for dtype('float64').")
    known = _read_classes(values[~missing])
    classes, counts = np.unique(known, return_counts=True)
    if len(classes) < TWO:
        raise ValueError(
            f"y has {len(classes)} class{'' if len(classes) == 1 else 'es'}: "
            "there must be at least two to learn from"
        )
    texts = _texts_of(classes)
    codes = np.searchsorted(classes, known)
    cells = np.full(rows, None, dtype=object)
    cells[~missing] = np.array(texts, dtype=object)[codes]
    positive = 0 if counts[0] < counts[1] else 1
    stem = "y" if name is None else str(name)
    is_zero = len(classes) == TWO and texts[positive] in ZERO
    label = _free(f"{stem}={texts[positive]}" if is_zero else stem, 1, taken)[0]
    column = pl.Series(label, cells.tolist(), pl.String)
    if len(classes) > TWO:
        data = {"labels": [label], "encoding": "one_vs_rest"}
        return Target([column], classes, None, data, texts=texts)
    data = {"labels": [label], "encoding": "binary", "positive": texts[positive]}
    is_even = counts.min() >= RARE * counts.sum()
    return Target([column], classes, positive, data, is_even=bool(is_even))


def _read_classes(known: NDArray[Any]) -> NDArray[Any]:
    """Return classes as an array of one type."""
    if known.dtype == object and len({isinstance(value, str) for value in known}) > 1:
        raise ValueError("y holds texts and other values: classes should be of one type")
    if known.dtype == object and len(known) and not isinstance(known[0], str):
        known = np.array(known.tolist())
    check_classification_targets(known)
    return known


def _read_labels(values: NDArray[Any], rows: int, names: list[str]) -> Target:
    if len(values) != rows:
        raise ValueError(f"X has {rows} rows, and y has {len(values)}")
    cells = check_array(values, dtype="float64", ensure_all_finite="allow-nan", input_name="y")
    wrong = ~(np.isnan(cells) | (cells == 0) | (cells == 1))
    if wrong.any():
        raise ValueError(
            "Unknown label type: y of several columns should hold 0, 1 and NaN, and holds "
            f"{cells[wrong][0]:g}"
        )
    for name, column in zip(names, cells.T, strict=True):
        known = column[~np.isnan(column)]
        if not len(known) or known.min() == known.max():
            raise ValueError(
                f"label {name!r} of y has one class: there must be a 0 and a 1 to learn from"
            )
    columns = [
        pl.Series(name, column, nan_to_null=True)
        for name, column in zip(names, cells.T, strict=True)
    ]
    data = {"labels": names, "encoding": "binary"}
    return Target(columns, None, None, data)


def _texts_of(classes: NDArray[Any]) -> list[str]:
    """Return how each class is written in a label column, (C,).

    Raises:
        ValueError: two are written alike, or one as a missing label is.
    """
    whole = classes.dtype.kind == "f" and bool((classes == classes.astype(np.int64)).all())
    texts = [str(value) for value in (classes.astype(np.int64) if whole else classes)]
    read: dict[object, str] = {}
    for text in texts:
        if is_missing(text):
            raise ValueError(f"a class of y is {text!r}, which is read as a missing label")
        word: object = text.strip().casefold()
        with contextlib.suppress(ValueError):
            word = float(text)
        if word in read:
            raise ValueError(f"the classes {read[word]!r} and {text!r} of y are read as the same")
        read[word] = text
    return texts


def _free(stem: str, number: int, taken: Sequence[str]) -> list[str]:
    """Return names of label columns that no feature has."""
    while True:
        names = [stem] if number == 1 else [f"{stem}{i}" for i in range(number)]
        if not set(names) & set(taken):
            return names
        stem += "_"


def is_frame(X: object) -> TypeGuard[pd.DataFrame | pl.DataFrame]:
    """Return whether X has columns with names and types of their own."""
    return isinstance(X, (pd.DataFrame, pl.DataFrame))


def as_polars(X: Any) -> pl.DataFrame:
    """Return the cells of a frame, or those of an array as columns x0, x1, ...

    Raises:
        ValueError: a column of a frame is of a type that no feature has.
    """
    if is_frame(X):
        with as_value_errors():
            source = FrameSource(X)
            return pl.concat([batch.frame for batch in source.batches(source.columns)])
    array = X.toarray() if scipy.sparse.issparse(X) else X
    return pl.DataFrame({f"x{i}": column for i, column in enumerate(array.T)}, nan_to_null=True)


def order_rows(
    frame: pl.DataFrame, weights: NDArray[np.float64] | None
) -> tuple[pl.DataFrame, NDArray[np.float64] | None]:
    """Return rows in an order that depends on their cells alone, and the weights left to them.

    A row of weight 0 is left out. Whole weights are counts of rows, and each row is repeated as
    often, so that fitting with them is fitting the repeated rows; unless there would be ten times
    as many. Those of cells are left as they are.

    Args:
        frame: (N) rows.
        weights: (N,) or (N, L), not negative.
    """
    order = frame.hash_rows(seed=0).to_numpy().argsort(kind="stable")
    if weights is None:
        return frame[order], None
    order = order[weights[order] > 0 if weights.ndim == 1 else weights[order].any(axis=1)]
    own = weights[order]
    if own.ndim == 1 and (own == np.floor(own)).all() and own.sum() <= MOST_REPEATED * len(frame):
        return frame[np.repeat(order, own.astype(np.int64))], None
    return frame[order], own


def read_cell_weights(
    sample_weight: ArrayLike, targets: Sequence[pl.Series]
) -> tuple[list[pl.Series], NDArray[np.float64]]:
    """Return targets, without those of weight 0, and weights (N, L), 1 where there is no target.

    Args:
        sample_weight: (N, L).
        targets: L of (N,), null where missing.

    Raises:
        ValueError: they are of another shape, or a weight is negative or no number.
    """
    values = np.array(sample_weight, np.float64)
    shape = (len(targets[0]), len(targets))
    if values.shape != shape:
        raise ValueError(
            f"sample_weight of shape {values.shape}, where y of several labels takes "
            f"{shape[:1]} or {shape}"
        )
    missing = np.stack([column.is_null().to_numpy() for column in targets], axis=1)
    values[missing] = 1
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("sample_weight holds NaN, infinity or a negative number")
    known = [
        column.set(pl.Series(weights == 0), None)
        for column, weights in zip(targets, values.T, strict=True)
    ]
    return known, values


def group_copies(frame: pl.DataFrame) -> pl.Series | None:
    """Return numbers that equal rows share, (N,), so that all copies of a row are in one part.

    None where no two rows are equal, or where they have more than ten copies each: then they are
    combinations of few values, which every part may have.
    """
    hashes = frame.hash_rows(seed=0)
    distinct = hashes.n_unique()
    if distinct == len(frame) or len(frame) > MOST_REPEATED * distinct:
        return None
    return name_column(EQUAL_ROWS, hashes.rank("dense").to_numpy(), frame)


def refuse_one_class(table: pl.DataFrame, labels: Sequence[str]) -> None:
    """Raise where the rows that are left have one class of a label.

    Raises:
        ValueError: it names the label.
    """
    for label in labels:
        if table[label].drop_nulls().n_unique() < TWO:
            raise ValueError(
                f"{label!r} has one class among the rows of positive weight: two are needed"
            )


def read_groups(groups: ArrayLike, rows: int) -> list[str]:
    """Return the group of each row, (N,).

    Raises:
        ValueError: they are not one a row.
    """
    values = np.asarray(groups)
    if values.shape != (rows,):
        raise ValueError(f"groups should be one value for each of the {rows} rows of X")
    numbers, _ = pd.factorize(values)
    if (numbers < 0).any():
        raise ValueError("groups: a value is missing")
    return [f"g{number}" for number in numbers.tolist()]


def name_column(
    stem: str, values: Sequence[str] | NDArray[np.float64], table: pl.DataFrame
) -> pl.Series:
    """Return a column beside those of a table, by a name that none of them has."""
    return pl.Series(_free(stem, 1, table.columns)[0], values)


def name_columns(stem: str, values: NDArray[np.float64], table: pl.DataFrame) -> list[pl.Series]:
    """Return columns (N, L) beside those of a table, by names that none of them has."""
    names = _free(stem, values.shape[1], table.columns)
    return [pl.Series(name, column) for name, column in zip(names, values.T, strict=True)]


@contextlib.contextmanager
def as_value_errors() -> Iterator[None]:
    """Raise what the package refuses as scikit-learn expects it."""
    try:
        yield
    except ImbtrainError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise ValueError(f"{error.message}{hint}") from error
