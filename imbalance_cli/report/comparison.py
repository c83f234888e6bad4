"""A comparison of candidates as the table, CSV and JSON of `imbtrain compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

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
        _decisions(comparison),
        Text(),
        _probabilities(comparison),
        Text(),
    ]
    if several and len(comparison.candidates) > 1:
        title = f"AP of {comparison.baseline} a label, and the candidate of the highest AP"
        parts += [Text(title, style="bold"), _by_label(comparison), Text()]
    parts += [Text(sentence) for sentence in comparison.conclusions]
    if len(comparison.candidates) > 1:
        parts.append(Text(_legend(comparison), style="dim"))
    return Group(*parts, Text(f"run: {run}"))


def to_csv(comparison: Comparison) -> bytes:
    """Return one row a candidate, scope and metric; what is undefined is blank."""
    return encode_rows(comparison.flat_rows())


def to_json(comparison: Comparison, run: str, extra: Mapping[str, Any]) -> bytes:
    """Return {"run", what is extra, the comparison}; what is undefined is null."""
    return encode_document({"run": run, **extra, **comparison.to_dict()})


def _decisions(comparison: Comparison) -> Table:
    """Draw AP and F1 with their differences."""
    table = _table("candidate", "AP", *DIFFERENCE, "F1", *DIFFERENCE)
    for name, macro in _by_ranking(comparison):
        ranking, f1 = macro[RANKING], macro["f1"]
        table.add_row(name, _value(ranking), *_change(ranking), _value(f1), *_change(f1))
    return table


def _probabilities(comparison: Comparison) -> Table:
    """Draw the other metrics; the smaller ones have a digit more."""
    table = _table("candidate", "AUC", "MCC", "Brier", "log\nloss", *DIFFERENCE, "ECE")
    for name, macro in _by_ranking(comparison):
        table.add_row(
            name,
            _value(macro["roc_auc"]),
            _value(macro["mcc"]),
            _value(macro["brier"], 4),
            _value(macro["log_loss"], 4),
            *_change(macro["log_loss"], 4),
            _value(macro["ece"]),
        )
    return table


def _by_label(comparison: Comparison) -> Table:
    """Draw one row a label, rarest last."""
    table = _table("label", "pos.", "AP", "best", *DIFFERENCE)
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
            label.label + ("" if label.learnable else " (not learned)"),
            f"{label.positives:,}",
            _value(own),
            UNDEFINED if own.value is None else best.name,
            *_change(best.labels[i].metrics[RANKING]),
        )
    return table


def _table(name: str, *columns: str) -> Table:
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


def _legend(comparison: Comparison) -> str:
    if not comparison.replicates:
        return f"diff: to {comparison.baseline}."
    interval = f"low, high: its {comparison.confidence:.0%} interval"
    return f"diff: to {comparison.baseline}; {interval}; ▲ better, ▼ worse."


def _value(compared: Compared, places: int = 3) -> str:
    return UNDEFINED if compared.value is None else f"{compared.value:.{places}f}"


def _change(compared: Compared, places: int = 3) -> tuple[Text, str, str]:
    """Return a difference with its mark, and the ends of its interval."""
    verdict = compared.verdict or "unclear"
    # a blank where there is no mark, so that the digits stay below each other
    marked = _signed(compared.difference, places) + MARKS.get(verdict, " ")
    low, high = compared.difference_low, compared.difference_high
    return Text(marked, STYLES.get(verdict, "")), _signed(low, places), _signed(high, places)


def _signed(number: float | None, places: int) -> str:
    # zero has no minus, also where rounding made it
    return UNDEFINED if number is None else f"{round(number, places) + 0.0:+.{places}f}"
