"""A comparison of candidates as the table, CSV and JSON of `imbtrain compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import escape_name
from imbalance_cli.report.encoding import encode_document, encode_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from imbalance_cli.comparison import CandidateComparison, Compared, Comparison, LabelComparison

UNDEFINED = "-"
MARKS = {"better": "▲", "worse": "▼"}
STYLES = {"better": "green", "worse": "red"}
DIFFERENCE = ("diff", "low", "high")  # the headings of a difference and its interval
RANKING = "average_precision"


def draw_comparison(comparison: Comparison, run: str) -> RenderableType:
    """Return the macro averages of each candidate, the best one a label, and what they say."""
    several = len(comparison.candidates[0].labels) > 1
    scope = "macro averages" if several else comparison.candidates[0].labels[0].label
    parts: list[RenderableType] = [
        Text(f"{comparison.rows:,} rows, out of fold: {scope}", style="bold"),
        draw_decisions(comparison, "candidate"),
        Text(),
        draw_probabilities(comparison, "candidate"),
        Text(),
    ]
    if several and len(comparison.candidates) > 1:
        title = f"AP of {comparison.baseline} per label, and the candidate with the highest AP"
        parts += [Text(title, style="bold"), _by_label(comparison), Text()]
    parts += [Text(sentence) for sentence in comparison.conclusions]
    if len(comparison.candidates) > 1:
        parts.append(Text(describe_marks(comparison), style="dim"))
    return Group(*parts, Text(f"run: {run}"))


def to_csv(comparison: Comparison) -> bytes:
    """Return one row a candidate, scope and metric; what is undefined is blank."""
    return encode_rows(comparison.flat_rows())


def to_json(comparison: Comparison, run: str, extra: Mapping[str, Any]) -> bytes:
    """Return {"run", what is extra, the comparison}; what is undefined is null."""
    return encode_document({"run": run, **extra, **comparison.to_dict()})


def draw_decisions(comparison: Comparison, heading: str) -> Table:
    """Draw AP and F1 of each candidate, or whatever the heading calls it, with differences."""
    table = make_table(heading, "AP", *DIFFERENCE, "F1", *DIFFERENCE)
    for name, macro in _by_ranking(comparison):
        ranking, f1 = macro[RANKING], macro["f1"]
        table.add_row(
            name, show_value(ranking), *show_change(ranking), show_value(f1), *show_change(f1)
        )
    return table


def draw_probabilities(comparison: Comparison, heading: str) -> Table:
    """Draw the other metrics; the smaller ones have a digit more."""
    table = make_table(heading, "AUC", "MCC", "Brier", "log\nloss", *DIFFERENCE, "ECE")
    for name, macro in _by_ranking(comparison):
        table.add_row(
            name,
            show_value(macro["roc_auc"]),
            show_value(macro["mcc"]),
            show_value(macro["brier"], 4),
            show_value(macro["log_loss"], 4),
            *show_change(macro["log_loss"], 4),
            show_value(macro["ece"]),
        )
    return table


def _by_label(comparison: Comparison) -> Table:
    """Draw one row a label, rarest last."""
    table = make_table("label", "pos.", "AP", "best", *DIFFERENCE)
    table.columns[3].justify = "left"
    baseline = next(c for c in comparison.candidates if c.name == comparison.baseline)
    order = sorted(range(len(baseline.labels)), key=lambda i: -_prevalence(baseline.labels[i]))
    for i in order:
        label = baseline.labels[i]
        own = label.metrics[RANKING]
        best = max(comparison.candidates, key=lambda c: _height(c.labels[i].metrics))
        # at equal AP the baseline stays the best, whatever its place
        if _height(best.labels[i].metrics) <= _height(label.metrics):
            best = baseline
        table.add_row(
            escape_name(label.label) + ("" if label.learnable else " (not learned)"),
            f"{label.positives:,}",
            show_value(own),
            UNDEFINED if own.value is None else best.name,
            *show_change(best.labels[i].metrics[RANKING]),
        )
    return table


def make_table(name: str, *columns: str) -> Table:
    """Return a table with a column of names and others of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(name, overflow="fold", min_width=9, vertical="bottom")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _by_ranking(comparison: Comparison) -> list[tuple[str, dict[str, Compared]]]:
    """Return the macro averages of each candidate, the baseline first, then by falling AP."""

    def place(candidate: CandidateComparison) -> tuple[bool, float]:
        return candidate.name != comparison.baseline, -_height(candidate.macro)

    return [(c.name, c.macro) for c in sorted(comparison.candidates, key=place)]


def _height(metrics: dict[str, Compared]) -> float:
    value = metrics[RANKING].value
    return -1.0 if value is None else value


def _prevalence(label: LabelComparison) -> float:
    return label.positives / max(label.support, 1)


def describe_marks(comparison: Comparison) -> str:
    """Return what the columns of a difference and the marks in them mean."""
    if not comparison.replicates:
        return f"diff: to {comparison.baseline}."
    interval = f"low, high: its {comparison.confidence:.0%} interval"
    return f"diff: to {comparison.baseline}; {interval}; ▲ better, ▼ worse."


def show_value(compared: Compared, places: int = 3) -> str:
    """Return a metric, or a dash."""
    return UNDEFINED if compared.value is None else f"{compared.value:.{places}f}"


def show_change(compared: Compared, places: int = 3) -> tuple[Text, str, str]:
    """Return a difference with its mark, and the ends of its interval."""
    verdict = compared.verdict or "unclear"
    # a blank where there is no mark, so that the digits stay below each other
    marked = show_signed(compared.difference, places) + MARKS.get(verdict, " ")
    low, high = compared.difference_low, compared.difference_high
    return (
        Text(marked, STYLES.get(verdict, "")),
        show_signed(low, places),
        show_signed(high, places),
    )


def show_signed(number: float | None, places: int) -> str:
    """Return a difference with its sign, or a dash; zero has no minus, also where rounded to it."""
    return UNDEFINED if number is None else f"{round(number, places) + 0.0:+.{places}f}"
