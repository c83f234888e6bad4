"""Figures of the held-out rows of a run, as matplotlib draws them in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

from imbalance_cli.errors import ConfigError, nearest

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from imbalance_cli.evaluation import Evaluation

BINS = 10  # of the reliability diagram, with as many rows each


class Figures:
    """Draws a label of a run; every method returns the matplotlib axes.

    Args:
        predictions: the targets and probabilities of the held-out rows.
        report: of the same rows.
    """

    def __init__(self, predictions: pl.DataFrame, report: Evaluation) -> None:
        self._predictions = predictions
        self._report = report

    def precision_recall(self, label: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw precision against recall, and the threshold as a dot.

        Args:
            label: its name; None where there is one.
            ax: to draw on; None for a new figure.

        Raises:
            ConfigError: there is no such label.
        """
        name, columns = self._columns(label)
        axes: Axes = PrecisionRecallDisplay.from_predictions(
            **columns, name=name, plot_chance_level=True, ax=ax
        ).ax_
        found = {entry.label: entry.metrics for entry in self._report.labels}[name]
        axes.plot(*(np.array([found[name].value]) for name in ("recall", "precision")), "o")
        return axes

    def roc(self, label: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw recall against the false positive rate; the arguments are those above."""
        name, columns = self._columns(label)
        axes: Axes = RocCurveDisplay.from_predictions(
            **columns, name=name, plot_chance_level=True, ax=ax
        ).ax_
        return axes

    def reliability(self, label: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw observed shares of positives against probabilities, in bins of as many rows."""
        name, columns = self._columns(label)
        axes: Axes = CalibrationDisplay.from_predictions(
            columns["y_true"],
            columns["y_score"],
            n_bins=BINS,
            strategy="quantile",
            name=name,
            ax=ax,
        ).ax_
        return axes

    def _columns(self, label: str | None) -> tuple[str, dict[str, NDArray[Any]]]:
        """Return a label's name, targets, probabilities and weights where it is known."""
        names = [entry.label for entry in self._report.labels]
        if label is None and len(names) == 1:
            label = names[0]
        columns = self._predictions.columns
        if label not in names or f"{label}_target" not in columns:
            shown = "no label is given" if label is None else f"no label {label!r}"
            raise ConfigError(
                f"{shown}: the run has {', '.join(names[:10])}", hint=nearest(str(label), names)
            )
        kinds = {"y_true": f"{label}_target", "y_score": f"{label}_probability"}
        known = self._predictions.drop_nulls([f"{label}_target", f"{label}_probability"])
        found = {kind: known[column].to_numpy() for kind, column in kinds.items()}
        if "sample_weight" in columns:
            weights = known["sample_weight"].to_numpy()
            found["sample_weight"] = (
                weights if weights.ndim == 1 else weights[:, names.index(label)]
            )
        return label, found
