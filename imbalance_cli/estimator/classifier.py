"""`fit` as a classifier of scikit-learn.

Shapes: N rows, F features, C classes, L labels.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from imbalance_cli.estimator.rows import (
    as_polars,
    as_value_errors,
    group_copies,
    is_frame,
    name_column,
    name_columns,
    order_rows,
    read_cell_weights,
    read_groups,
    read_target,
    refuse_one_class,
)
from imbalance_cli.estimator.settings import KEYS, make_config
from imbalance_cli.run.directory import ESTIMATOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray


class ImbalanceClassifier(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn has no types
    ClassifierMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A small network for rare positives, with calibrated probabilities and chosen thresholds.

    The arguments are keys of the config (docs/config.md says what each does); what is left out is
    as in `imbtrain fit`. `weighting` is the strategy of `pos_weight`, None for no weights.

    Args:
        valid: the share of rows that choose the epoch, the calibration and the thresholds.
        test: the share of rows that only the report is of; 0: it is of the `valid` rows, and so
            flatters the model.
        threshold: what thresholds maximise; auto: F1, unless there are two classes and the rarer
            one has a fifth of the rows or more: then a half.
        random_state: an int for the same result each time.
        config: further keys, by section: `{"data": {"categories": ["branch"]}}`.

    Attributes:
        classes_: the values of y, sorted, (C,); of several labels (0, 1) each.
        positive_: of two classes the rarer one, which the report and `thresholds_` are of.
        thresholds_: the probability from which a label is decided positive, (L,).
        pos_weight_: what positives weigh in the loss, (L,).
        calibration_: the step per label after the inverse link of the loss.
        report_: the metrics per label, with intervals.
        n_features_in_: F.
        feature_names_in_: of X, where it has column names.
    """

    def __init__(
        self,
        *,
        loss: str = "auto",
        gamma: float = 2.0,
        alpha: float | None = None,
        gamma_positive: float = 1.0,
        gamma_negative: float = 4.0,
        margin: float = 0.05,
        tau: float = 1.0,
        weighting: str | None = None,
        cap: float | None = None,
        smoothing: float = 0.0,
        beta: float = 0.9999,
        recipe: str = "tabular",
        hidden: list[int] | str = "auto",
        activation: str = "auto",
        dropout: float | str = "auto",
        numeric_embedding: str = "auto",
        members: int | str = "auto",
        sharing: str = "auto",
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
        weight_decay: float | str = "auto",
        schedule: str = "auto",
        monitor: str = "auto",
        patience: int | str | None = "auto",
        sampler: str = "shuffle",
        folds: int | None = None,
        refit: bool = True,
        device: str = "auto",
        precision: str = "auto",
        calibration: str = "auto",
        threshold: str = "auto",
        minimum_positives: int = 100,
        false_positive_cost: float = 1.0,
        false_negative_cost: float = 1.0,
        target: float | None = None,
        valid: float = 0.15,
        test: float = 0.0,
        bootstrap: int = 200,
        confidence: float = 0.95,
        random_state: int | np.random.RandomState | None = 0,
        config: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.loss = loss
        self.gamma = gamma
        self.alpha = alpha
        self.gamma_positive = gamma_positive
        self.gamma_negative = gamma_negative
        self.margin = margin
        self.tau = tau
        self.weighting = weighting
        self.cap = cap
        self.smoothing = smoothing
        self.beta = beta
        self.recipe = recipe
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.numeric_embedding = numeric_embedding
        self.members = members
        self.sharing = sharing
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.monitor = monitor
        self.patience = patience
        self.sampler = sampler
        self.folds = folds
        self.refit = refit
        self.device = device
        self.precision = precision
        self.calibration = calibration
        self.threshold = threshold
        self.minimum_positives = minimum_positives
        self.false_positive_cost = false_positive_cost
        self.false_negative_cost = false_negative_cost
        self.target = target
        self.valid = valid
        self.test = test
        self.bootstrap = bootstrap
        self.confidence = confidence
        self.random_state = random_state
        self.config = config

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn should know of the classifier."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.classifier_tags.multi_label = True
        return tags

    @with_callbacks  # type: ignore[untyped-decorator]  # as above
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on rows, whatever their order.

        Args:
            X: (N, F) a data frame, array or sparse matrix; NaN is a missing cell. Texts, categories
                and dates are features in a frame.
            y: (N,) classes, or (N, L) of 0 and 1; NaN is a missing label.
            sample_weight: (N,); whole numbers count rows. Of several labels also (N, L), a weight
                for each cell of y.
            groups: (N,); rows of one group are in one part.

        Raises:
            ValueError: X, y or an argument cannot be used.
        """
        if y is None:
            name = type(self).__name__
            raise ValueError(f"{name} requires y to be passed, but the target y is None")
        cells = self._validate(X, reset=True)
        frame = as_polars(cells)
        self._columns = frame.columns if is_frame(cells) else None
        rows = len(frame) or np.shape(X)[0]
        frame = frame.select(c.name for c in frame if c.null_count() < len(frame))
        target = read_target(y, rows, frame.columns)
        if not frame.width:
            raise ValueError(f"X has no column with a value, in {rows} rows")
        columns, data = list(target.columns), dict(target.data)
        if groups is not None:
            columns.append(name_column("groups", read_groups(groups, len(frame)), frame))
            data["group"] = columns[-1].name
        weights = None
        if sample_weight is not None:
            if target.classes is None and np.ndim(sample_weight) > 1:
                labels = slice(len(target.columns))
                columns[labels], weights = read_cell_weights(sample_weight, target.columns)
            else:
                weights = _check_sample_weight(
                    sample_weight, X, dtype=np.float64, ensure_non_negative=True
                )
            if not weights.any():
                raise ValueError("sample_weight is zero for all samples: one must be positive")
        table, weights = order_rows(frame.with_columns(columns), weights)
        if weights is not None and weights.ndim > 1:
            of_cells = name_columns("cell_weight", weights, table)
            table = table.with_columns(of_cells)
            data["cell_weights"] = {
                label: column.name for label, column in zip(data["labels"], of_cells, strict=True)
            }
        elif weights is not None:
            column = name_column("sample_weight", weights, table)
            table, data["sample_weight"] = table.with_columns(column), column.name
        elif groups is None and (copies := group_copies(table)) is not None:
            table, data["group"] = table.with_columns(copies), copies.name
        refuse_one_class(table, [column.name for column in target.columns])
        with tempfile.TemporaryDirectory() as folder, as_value_errors():
            from imbalance_cli import api
            from imbalance_cli.estimator.progress import Follower
            from imbalance_cli.estimator.run import Run

            directory = Path(folder, "run")
            config = make_config(self, target, data)
            self.report_ = api.fit(config, table, run_dir=directory, observer=Follower(self))
            self.run_ = Run.read(directory)
        classes = None if target.classes is None else target.classes.tolist()
        kept = {"classes": classes, "positive": target.positive, "texts": target.texts}
        self.run_.keep(ESTIMATOR, json.dumps(kept, default=str).encode())
        self._adopt(target.classes, target.positive, target.texts)
        return self

    def _adopt(
        self, classes: NDArray[Any] | None, positive: int | None, texts: Sequence[str]
    ) -> None:
        """Take the attributes that a fitted classifier has from its run."""
        labels = len(self.run_.labels)
        self._order = [self.run_.labels.index(text) for text in texts]
        self.classes_ = [np.array([0, 1])] * labels if classes is None else classes
        self._positive = positive
        if positive is not None and classes is not None:
            self.positive_ = classes[positive]
        self.thresholds_ = self.run_.thresholds
        self.pos_weight_ = self.run_.pos_weight
        self.calibration_ = self.run_.calibration

    def _validate(self, X: Any, *, reset: bool) -> Any:
        """Return X as an array, a sparse matrix or a frame.

        The columns of a frame are found by name, in any order, and further ones are left alone.
        """
        if is_frame(X):
            if reset:
                validate_data(self, X, skip_check_array=True)
            return X
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype="numeric",
            ensure_all_finite="allow-nan",
        )

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities: (N, C) of classes, or (N, L) of several labels."""
        check_is_fitted(self)
        cells = self._validate(X, reset=False)
        frame = as_polars(cells)
        if is_frame(cells) and self._columns is None and "x0" not in frame.columns:
            frame.columns = [f"x{i}" for i in range(frame.width)]  # learned from an array
        elif not is_frame(cells) and self._columns is not None:
            frame.columns = self._columns
        with as_value_errors():
            found = self.run_.predict_proba(frame)
        if isinstance(self.classes_, list):
            return found
        if self._positive is not None:
            return np.hstack([found, 1 - found] if self._positive == 0 else [1 - found, found])
        found = found[:, self._order]
        total = found.sum(axis=1, keepdims=True)
        even = np.full_like(found, 1 / found.shape[1])
        shares: NDArray[np.float64] = np.divide(found, total, out=even, where=total > 0)
        return shares

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated log-odds: (N,) of the second of two classes, else (N, C) or (N, L)."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            odds: NDArray[np.float64] = np.log(found) - np.log1p(-found)
        return odds if self._positive is None else odds[:, 1]

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row, (N,), or 0 and 1 of each label, (N, L).

        Two classes and several labels are decided by `thresholds_`, more classes by the highest
        probability.
        """
        found = self.predict_proba(X)
        if isinstance(self.classes_, list):
            return (found >= self.thresholds_).astype(int)
        if self._positive is None:
            chosen: NDArray[Any] = self.classes_[found.argmax(axis=1)]
            return chosen
        is_positive = found[:, self._positive] >= self.thresholds_[0]
        return self.classes_[np.where(is_positive, self._positive, 1 - self._positive)]

    def save(self, directory: str | Path) -> None:
        """Write the run to a new directory, for `imbtrain predict`, `evaluate` and `report`.

        Raises:
            OutputError: something is there already, or it cannot be written.
        """
        check_is_fitted(self)
        self.run_.save(directory)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Return the classifier of a run that `save` or `imbtrain fit` left.

        Raises:
            RunError: it cannot be used.
        """
        from imbalance_cli.estimator.run import Run

        run = Run.read(directory)
        config = run.config.model_dump(by_alias=True)
        keys = {name: key.split(".") for name, key in KEYS.items()}
        given = {name: config[section][key] for name, (section, key) in keys.items()}
        classifier = cls(**given, random_state=config["training"]["seed"])
        classifier.run_, classifier.report_ = run, run.report
        classifier.n_features_in_ = len(run.columns)
        classifier._columns = run.columns
        kept = run.kept(ESTIMATOR)
        if kept is not None:
            found = json.loads(kept)
            classes = None if found["classes"] is None else np.array(found["classes"])
            classifier._adopt(classes, found["positive"], found["texts"])
            return classifier
        is_binary = len(run.labels) == 1
        is_multi_label = not is_binary and config["data"]["encoding"] != "one_vs_rest"
        classes = None if is_multi_label else np.array([0, 1] if is_binary else run.labels)
        texts = [] if is_binary or is_multi_label else run.labels
        classifier._adopt(classes, 1 if is_binary else None, texts)
        return classifier
