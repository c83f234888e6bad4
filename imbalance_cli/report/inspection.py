"""An inspection as the table, CSV and JSON of `imbtrain inspect`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import shorten, show_percent
from imbalance_cli.features.kinds import KINDS, LABELS
from imbalance_cli.report.encoding import encode_document, encode_rows
from imbalance_cli.report.weights import draw_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from imbalance_cli.inspection import Column, Inspection
    from imbalance_cli.labels import LabelCounts

UNDEFINED = "-"
MOST_COLUMNS = 50  # in the table; CSV and JSON hold all
MOST_LABELS = 60  # that are all shown, and
SHOWN = 20  # of each kind where there are more: as in ordering.py, which needs torch
LEAST_BAR, WIDEST_BAR = 8, 60
SHOWN_VALUES = 3
BINARY = 2
LONGEST_VALUE = 14
LONGEST_FINDING = 300
LONGEST_NAME = 26
MOST_STRONGEST = 5  # labels whose strongest features are shown
COMES_FIRST = {
    "higher": "higher",
    "lower": "lower",
    "missing": "missing",
    "known": "known",
    "category": "by category",
}
STYLES = {"refused": "red", "warned": "yellow"}


def to_csv(inspection: Inspection) -> bytes:
    """Return one row a column, and one a finding of the whole table; what is undefined is blank."""
    return encode_rows(inspection.flat_rows())


def to_json(inspection: Inspection) -> bytes:
    """Return the whole inspection; what is undefined is null.

    {"source", "rows", "repeated_rows",
     "columns": [{"column", "role", "type", "known", "missing", "missing_share", "distinct",
                  "distinct_is_exact", "minimum", "maximum", "example"}],
     "labels": [{"label", "positives", "negatives", "missing", "prevalence"}], "guessed_labels",
     "pairs": [{"first", "second", "together", "lift"}],
     "leaks": [{"column", "label", "how", "rule", "rows", "hits", "positives", "prevalence"}],
     "strongest": [{"label", "column", "average_precision", "how"}],
     "candidates": [{"column", "positive", "needs_positive", "positives", "negatives"}],
     "findings": [{"outcome", "column", "problem", "hint"}]}
    """
    return encode_document(inspection.to_dict())


def draw_inspection(inspection: Inspection) -> RenderableType:
    """Return the columns, the labels, the pairs, and what fit would say to them."""
    width = len(inspection.columns)
    parts: list[RenderableType] = [
        Text(f"{inspection.source}: {inspection.size}", style="bold"),
        _draw_columns(inspection),
    ]
    if width > MOST_COLUMNS:
        parts.append(Text(f"and {width - MOST_COLUMNS:,} more; --format csv lists all"))
    if inspection.labels:
        parts += [Text(), _draw_labels(inspection)]
        if len(inspection.labels) > MOST_LABELS:
            parts.append(Text("--format json lists all labels", style="dim"))
        parts.append(Text("bar: prevalence on a log scale, 0.01 % to 100 %", style="dim"))
    if inspection.pairs:
        parts += [Text(), _draw_pairs(inspection)]
        parts.append(
            Text("lift: times as often as if the two were independent", style="dim"),
        )
    if inspection.strongest:
        parts += [Text(), _draw_strongest(inspection)]
        more = len({strength.label for strength in inspection.strongest}) > MOST_STRONGEST
        all_of_them = "; --format json has all labels" if more else ""
        legend = (
            "average precision of one feature as the score, by chance about the prevalence; comes "
            f"first: which of its values are most likely positive{all_of_them}"
        )
        parts.append(Text(legend, style="dim"))
    if inspection.candidates:
        parts += [Text(), _draw_candidates(inspection)]
    return Group(*parts, *_draw_findings(inspection))


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    return table


def _draw_columns(inspection: Inspection) -> Table:
    table = _table()
    table.add_column("column", no_wrap=True)
    table.add_column("type", no_wrap=True)
    for name in ("missing", "share", "distinct"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("values")
    label_columns = frozenset(inspection.label_columns)
    for column in inspection.columns[:MOST_COLUMNS]:
        is_label = column.name in label_columns and column.kind != LABELS
        table.add_row(
            _name(column.name),
            "label" if is_label else column.kind,
            f"{column.missing:,}" if column.missing else UNDEFINED,
            show_percent(column.missing_share) if column.missing else UNDEFINED,
            f"{'' if column.distinct_is_exact else '~'}{column.distinct:,}",
            # the one column that gives way, so that names and numbers are whole
            Text(_show_values(column), no_wrap=True, overflow="ellipsis"),
        )
    return table


def _show_values(column: Column) -> str:
    """Return the range of a number or date, or the most frequent values."""
    # of 0 and 1 the counts say more than the range
    has_range = KINDS[column.kind].is_date or len(column.values) > BINARY or not column.values
    if column.minimum is not None and has_range:
        return f"{_end(column.minimum)} to {_end(column.maximum)}"
    if not column.values:
        example = shorten(_clean(column.example or ""), LONGEST_VALUE)
        return f"{example}, ..." if example else UNDEFINED
    shown = [
        f"{shorten(_clean(value), LONGEST_VALUE)} {count:,}"
        for value, count in list(column.values.items())[:SHOWN_VALUES]
    ]
    return ", ".join(shown) + (", ..." if len(column.values) > SHOWN_VALUES else "")


def _name(text: str) -> str:
    return shorten(_clean(text), LONGEST_NAME)


def _end(value: float | str | None) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _clean(value: str) -> str:
    """Return a value that keeps to its line."""
    return "".join(letter if letter.isprintable() else "?" for letter in value)


def _draw_labels(inspection: Inspection) -> Table:
    table = _table("label")
    for name in ("positives", "negatives", "missing", "prevalence"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True)
    table.expand = True
    for heading, labels in _choose_labels(inspection.labels).items():
        if heading:
            table.add_row(Text(heading, style="italic"))
        for label in labels:
            table.add_row(
                _name(label.label),
                f"{label.positives:,}",
                f"{label.negatives:,}",
                f"{label.missing:,}" if label.missing else UNDEFINED,
                UNDEFINED if label.prevalence is None else show_percent(label.prevalence),
                PrevalenceBar(label.prevalence or 0.0),
            )
    return table


def _choose_labels(labels: Sequence[LabelCounts]) -> dict[str, list[LabelCounts]]:
    """Return the labels to show, the rarest last, under headings where they are not all.

    Of more than MOST_LABELS they are the commonest, and the rarest of those with a positive.
    """
    rarest_last = sorted(labels, key=lambda label: -(label.prevalence or 0))
    if len(labels) <= MOST_LABELS:
        return {"": rarest_last}
    present = [label for label in rarest_last if label.positives]
    return {
        f"commonest {SHOWN}": rarest_last[:SHOWN],
        f"rarest {SHOWN}": present[-SHOWN:],
        f"all {len(labels):,}": [],
    }


def _draw_pairs(inspection: Inspection) -> Table:
    table = _table("labels that occur together", "")
    for name in ("rows", "lift"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in inspection.pairs:
        table.add_row(
            _name(pair.first),
            _name(pair.second),
            f"{pair.together:,}",
            f"{pair.lift:.3g}",
        )
    return table


def _draw_strongest(inspection: Inspection) -> Table:
    """Return the strongest features of the commonest labels."""
    table = _table("label", "feature alone")
    table.add_column("average precision", justify="right", no_wrap=True)
    table.add_column("comes first", no_wrap=True)
    commonest = sorted(inspection.labels, key=lambda label: -(label.prevalence or 0))
    shown = commonest[: MOST_STRONGEST if len(commonest) <= MOST_LABELS else 1]
    for label in shown:
        own = [strength for strength in inspection.strongest if strength.label == label.label]
        for place, strength in enumerate(own):
            table.add_row(
                "" if place else _name(label.label),
                _name(strength.column),
                f"{strength.average_precision:.3f}",
                COMES_FIRST[strength.how],
            )
    return table


def _draw_candidates(inspection: Inspection) -> Table:
    table = _table("may be a label", "option")
    for name in ("positives", "negatives"):
        table.add_column(name, justify="right", no_wrap=True)
    for candidate in inspection.candidates[:MOST_COLUMNS]:
        option = (
            f"--positive {shlex.quote(candidate.positive)}"
            if candidate.needs_positive
            else UNDEFINED
        )
        table.add_row(
            _name(candidate.column),
            _name(option),
            f"{candidate.positives:,}",
            f"{candidate.negatives:,}",
        )
    return table


def _draw_findings(inspection: Inspection) -> Iterator[Text]:
    yield Text()
    if not inspection.findings:
        yield Text("fit would refuse nothing and warn of nothing")
    for finding in inspection.findings:
        about = "" if finding.column is None else f"{_clean(finding.column)}: "
        hint = "" if finding.hint is None else f" ({finding.hint})"
        yield Text.assemble(
            (f"{finding.outcome}: ", STYLES[finding.outcome]),
            shorten(about + _clean(finding.problem), LONGEST_FINDING) + hint,
        )


class PrevalenceBar:
    """A share as a bar on a log scale, as wide as there is place.

    Args:
        share: from 0 to 1.
    """

    def __init__(self, share: float) -> None:
        self._share = share

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = min(options.max_width, WIDEST_BAR)
        yield Text(draw_share(self._share, width).rstrip(), no_wrap=True)

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(LEAST_BAR, min(options.max_width, WIDEST_BAR))
