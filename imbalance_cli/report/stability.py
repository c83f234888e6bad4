"""The experiments of `imbtrain stability` as a table, CSV, JSON and a plot."""

from __future__ import annotations

import io
import itertools
import math
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import show_percent
from imbalance_cli.report.encoding import encode_document, encode_rows
from imbalance_cli.report.fonts import silence_matplotlib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from rich.console import RenderableType

    from imbalance_cli.losses.stability import Stability, Sweep, TrialTraining

UNDEFINED = "-"
READ_SWEEP = (
    "y: the target; not finite: the least |logit|, on either side, from which loss or gradient is "
    "nan or inf; zero gradient: the logits where the cell is wrong and nothing is learned from it; "
    "error: the largest relative one of the loss where the cell is wrong, against float64."
)
READ_TRAINING = (
    "ordinary: He's first weights; saturated: the same, with every logit near 60. Loss: of the "
    "training rows, by one stable loss in float64 for all; nan at: the first step, from 0, that "
    "gave nan or inf; stopped: the share of steps whose gradient is 0 for every weight; AP: "
    "average precision on rows not trained on."
)


def to_json(stability: Stability) -> bytes:
    """Return the settings and both experiments; what is undefined is null."""
    return encode_document(stability.to_dict())


def to_csv(stability: Stability) -> bytes:
    """Return one row a sweep and one a training; what is undefined is blank."""
    return encode_rows(stability.flat_rows())


# ------------------------------------------------------------------------------------- the table


def draw_stability(stability: Stability) -> RenderableType:
    """Return a table of the sweep, one of the training, and how to read them."""
    return Group(
        Text(
            f"Logits from -200 to 200, positives weigh {stability.alpha:g}, "
            f"gamma {stability.gamma:g}",
            style="bold",
        ),
        _draw_sweep(stability.sweep),
        *(Text(sentence, style="dim") for sentence in (READ_SWEEP, *_weak(stability.sweep))),
        Text(),
        Text("The same network of four hidden layers, trained with each", style="bold"),
        _draw_training(stability.training),
        Text(READ_TRAINING, style="dim"),
    )


def _draw_sweep(sweep: Sequence[Sweep]) -> Table:
    """Return a table with one row a form and type; the two targets stand side by side."""
    table = _make_table("form", "type")
    for name in ("not finite\ny=0", "\ny=1", "zero gradient\ny=0", "\ny=1", "\nerror"):
        table.add_column(name, justify="right", no_wrap=True)
    for zero, one in zip(sweep[::2], sweep[1::2], strict=True):
        errors = [zero.largest_relative_error, one.largest_relative_error]
        known = [error for error in errors if error is not None]
        table.add_row(
            zero.form,
            zero.dtype,
            *(_number(_first_not_finite(series), "g") for series in (zero, one)),
            *(_intervals(series) for series in (zero, one)),
            _number(max(known, default=None), ".2g"),
        )
    return table


def _first_not_finite(series: Sweep) -> float | None:
    found = (series.first_not_finite_loss, series.first_not_finite_gradient)
    return min((logit for logit in found if logit is not None), default=None)


def _intervals(series: Sweep) -> str:
    return " ".join(f"{a:g}..{b:g}" for a, b in series.zero_gradient) or UNDEFINED


def _weak(sweep: Sequence[Sweep]) -> list[str]:
    """Return a sentence for each form whose gradient fades, in float32, before it is 0."""
    return [
        f"{series.form}, y={series.target}: the gradient is less than half of what it should be "
        f"from |logit| {series.first_weak_gradient:g} on, before it is 0."
        for series in sweep
        if series.dtype == "float32"
        and series.first_weak_gradient is not None
        and series.first_weak_gradient not in map(abs, itertools.chain(*series.zero_gradient))
    ]


def _draw_training(trainings: Sequence[TrialTraining]) -> Table:
    table = _make_table("start", "form")
    for name in ("loss before", "after", "nan at", "stopped", "AP"):
        table.add_column(name, justify="right", no_wrap=True)
    for training in trainings:
        table.add_row(
            training.start,
            training.form,
            _number(training.loss_before, ".3g"),
            "nan" if training.loss_after is None else f"{training.loss_after:.3g}",
            _number(training.first_nan_step, "d"),
            show_percent(training.zero_gradient_share),
            _number(training.average_precision, ".3f"),
        )
    return table


def _make_table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True, vertical="bottom")
    return table


def _number(value: float | None, spec: str) -> str:
    return UNDEFINED if value is None else format(value, spec)


# -------------------------------------------------------------------------------------- the plot

STYLES: dict[str, dict[str, Any]] = {
    "hand-written": {"color": "#d62728", "linewidth": 1, "zorder": 3},
    "hand-written focal": {"color": "#d62728", "linewidth": 1, "linestyle": ":", "zorder": 3},
    "clamped": {"color": "#ff9900"},
    "sigmoid + BCELoss": {"color": "#7b3fa0", "linestyle": "--"},
    "ours": {"color": "#9ecae1", "linewidth": 5, "zorder": 1},  # wide, below: others lie on it
    "ours, focal": {"color": "#08519c", "linestyle": (0, (1, 2)), "linewidth": 2.5},
}
CROSS: dict[str, Any] = {
    "marker": "x",
    "linestyle": "",
    "color": "#d62728",
    "markersize": 7,
    "zorder": 4,
}
SWEEP_PANELS = [
    ("loss", 0, "float32"),
    ("gradient", 0, "float32"),
    ("gradient", 1, "float32"),
    ("gradient", 0, "bfloat16"),
]
TRAINING_PANELS = ["ordinary", "saturated"]


def to_svg(stability: Stability) -> bytes:
    """Return the curves of both experiments as SVG, the same bytes for the same numbers."""
    silence_matplotlib()
    import matplotlib as mpl  # noqa: PLC0415  half a second that table, CSV and JSON do without
    from matplotlib import style  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415  pyplot would look for a display

    content = io.BytesIO()
    with style.context("default"), mpl.rc_context({"svg.hashsalt": "imbtrain", "font.size": 9}):
        figure = Figure(figsize=(11, 6.6), layout="constrained")
        panels = figure.subplots(2, 3).flat
        for panel in SWEEP_PANELS:
            _plot_sweep(next(panels), stability.sweep, *panel)
        for start in TRAINING_PANELS:
            last = next(panels)
            _plot_training(last, stability.training, start)
        last.plot([], [], label="nan or inf from here on", **CROSS)
        handles, names = last.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _plot_sweep(axes: Axes, sweep: Sequence[Sweep], curve: str, target: int, dtype: str) -> None:
    for series in sweep:
        if (series.target, series.dtype) == (target, dtype):
            values = series.losses if curve == "loss" else series.gradients
            _plot_curve(axes, series.form, series.logits, values)
    axes.set_title(f"{curve}, y={target}, {dtype}")
    axes.set_xlabel("logit")


def _plot_training(axes: Axes, trainings: Sequence[TrialTraining], start: str) -> None:
    for training in trainings:
        if training.start == start:
            _plot_curve(axes, training.form, range(len(training.losses)), training.losses)
    axes.set_title(f"training, {start} start")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_yscale("log")


def _plot_curve(axes: Axes, form: str, x: Sequence[float], y: Sequence[float]) -> None:
    """Draw a curve as far as it is finite, with a cross at each end that nan or inf cuts off."""
    known = [value if math.isfinite(value) else math.nan for value in y]
    axes.plot(x, known, label=form, **{"linewidth": 1.5} | STYLES[form])
    ends = [
        (x[i], known[i])
        for i in range(len(known))
        if not math.isnan(known[i])
        and any(math.isnan(known[j]) for j in (i - 1, i + 1) if 0 <= j < len(known))
    ]
    if ends:
        axes.plot(*zip(*ends, strict=True), **CROSS)
