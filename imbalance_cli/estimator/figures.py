"""Figures of the held-out rows of a run, as matplotlib draws them in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    precision_recall_curve,
    roc_curve,
)

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

    def confusion(self, label: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw how many rows of each class are decided as each."""
        name, columns = self._columns(label)
        decided = columns["y_score"] >= self._threshold(name)
        axes: Axes = ConfusionMatrixDisplay.from_predictions(
            columns["y_true"],
            decided.astype(int),
            sample_weight=columns.get("sample_weight"),
            display_labels=["negative", "positive"],
            ax=ax,
        ).ax_
        return axes

    def thresholds(self, label: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw precision, recall and F1 against the threshold, and the chosen one as a line."""
        name, columns = self._columns(label)
        precision, recall, thresholds = precision_recall_curve(**columns)
        both = precision + recall
        f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
        axes = _open_axes(ax)
        for title, values in (("precision", precision), ("recall", recall), ("F1", f1)):
            axes.plot(thresholds, values[:-1], label=title)
        return self._mark_threshold(axes, name, "share")

    def classes(self, label: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw where the probabilities of each class lie, and the threshold as a line."""
        name, columns = self._columns(label)
        axes = _open_axes(ax)
        for value, title in ((0, "negatives"), (1, "positives")):
            own = columns["y_true"] == value
            weights = columns.get("sample_weight", np.ones(len(own)))[own]
            axes.hist(
                columns["y_score"][own],
                bins=4 * BINS,
                range=(0, 1),
                weights=weights / max(weights.sum(), 1),
                alpha=0.5,
                label=title,
            )
        return self._mark_threshold(axes, name, "share of the class")

    def benefit(self, label: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the decision curve: net benefit against the threshold (Vickers & Elkin 2006).

        It is the share of true positives less that of false positives times the odds of the
        threshold; beside it stands that of acting on all rows.
        """
        name, columns = self._columns(label)
        falses, trues, thresholds = roc_curve(**columns, drop_intermediate=False)
        weights = columns.get("sample_weight", np.ones(len(columns["y_true"])))
        share = float(np.average(columns["y_true"], weights=weights))
        inside = thresholds < 1
        at, odds = thresholds[inside], thresholds[inside] / (1 - thresholds[inside])
        axes = _open_axes(ax)
        axes.plot(at, share * trues[inside] - (1 - share) * falses[inside] * odds, label="model")
        axes.plot(at, share - (1 - share) * odds, "--", label="act on all")
        axes.axhline(0, linestyle=":", label="act on none")
        axes.set_ylim(-share / 2, share)
        return self._mark_threshold(axes, name, "net benefit of a row")

    def _threshold(self, label: str) -> float:
        found = {entry.label: entry.threshold for entry in self._report.labels}[label]
        if found is None:
            raise ConfigError(f"{label!r} could not be learned, and has no threshold")
        return found

    def _mark_threshold(self, axes: Axes, label: str, title: str) -> Axes:
        chosen = self._threshold(label)
        axes.axvline(chosen, color="black", linestyle="--", label=f"threshold {chosen:.3g}")
        axes.set(title=label, xlabel="threshold or probability", ylabel=title)
        axes.legend()
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


def _open_axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    axes: Axes = plt.subplots()[1]
    return axes
