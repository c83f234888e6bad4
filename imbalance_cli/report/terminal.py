"""The report that `fit`, `evaluate` and `report` draw on a terminal."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import escape_name, show_percent
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.bars import BarScale
from imbalance_cli.report.label_columns import (
    UNDEFINED,
    choose_columns,
    room_for_names,
    show_number,
)
from imbalance_cli.report.names import cell_width, fold_name, show_name
from imbalance_cli.report.ordering import MOST_LABELS, PREVALENCE, choose_labels, ranking_of
from imbalance_cli.report.sentences import describe_findings
from imbalance_cli.report.slices import describe_slices
from imbalance_cli.report.wording import name_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from imbalance_cli.evaluation import Evaluation, LabelEvaluation
from imbalance_cli.report.label_columns import TerminalColumn

OTHERS = (
    "{:,} labels in all, best and worst by {}: metrics.csv in the run, --format csv and --format "
    "json have the others."
)
NOT_LEARNED = " (not learned)"
NARROWEST, WIDEST = 9, 40  # characters of a line of a label's name
NO_POSITIVE = "a row without positives: ranking AP 1, coverage error 0"
MULTILABEL = {
    "samples_f1": "samples F1",
    "subset_accuracy": "subset accuracy",
    "hamming_loss": "Hamming loss",
    "label_ranking_average_precision": "ranking AP",
    "coverage_error": "coverage error",
}


@dataclasses.dataclass(frozen=True)
class Report:
    """One row a label, the averages, what was found, and how to read it.

    Of more than MOST_LABELS labels it has the best and the worst by AP, and the rarest of those
    with a positive.

    Attributes:
        evaluation: what is drawn.
        run: where it is from.
        sort: what the labels are sorted by.
        held_out: whether the rows are a part of what the run was made from, to be named.
        decisions: what the thresholds were chosen for, in sentences.
        given: whether they were given, and not chosen.
    """

    evaluation: Evaluation
    run: str
    sort: str = PREVALENCE
    held_out: bool = True
    decisions: Sequence[str] = ()
    given: bool = False

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Draw as many columns as the terminal is wide enough for."""
        evaluation = self.evaluation
        rows = name_rows(evaluation.rows, evaluation.part if self.held_out else None)
        source = show_name(evaluation.source, options.max_width)
        yield Text(f"{rows} of {source}", style="bold")
        groups = choose_labels(evaluation.labels, self.sort)
        shown = [label for labels in groups.values() for label in labels]
        room = room_for_names(shown, options.max_width, self.sort)
        names = [*map(_name, shown), *_averages(evaluation)]
        width = max(NARROWEST, min(max(map(cell_width, names)), WIDEST, room))
        columns = choose_columns(shown, options.max_width - width, self.sort)
        yield _draw_table(evaluation, groups, columns, width)
        if evaluation.multilabel:
            yield Text(_of_whole_rows(evaluation))
        yield from (Text(line, style="dim") for line in describe_slices(evaluation))
        findings = [*describe_findings(evaluation, given=self.given), *self.decisions]
        if findings:
            yield Text()
            yield from map(Text, findings)
            yield Text()
        if len(evaluation.labels) > MOST_LABELS:
            others = OTHERS.format(
                len(evaluation.labels), METRIC_SPECS[ranking_of(self.sort)].heading
            )
            yield Text(others, style="dim")
        yield from (Text(line, style="dim") for line in _legend(evaluation, columns, shown))
        yield name_run(self.run)


def name_run(run: str) -> Text:
    """Return a line that says where a run is, which is never broken, so that it can be copied."""
    return Text(f"run: {escape_name(run)}", no_wrap=True, overflow="ignore")


def _name(label: LabelEvaluation) -> str:
    return escape_name(label.label) + ("" if label.learnable else NOT_LEARNED)


def _draw_table(
    evaluation: Evaluation,
    groups: dict[str, list[LabelEvaluation]],
    columns: dict[str, TerminalColumn],
    width: int,
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("label", width=width, vertical="bottom")
    for column in columns.values():
        table.add_column(
            column.heading,
            justify="left" if column.is_bar else "right",
            no_wrap=True,
            vertical="bottom",
        )
    for heading, labels in groups.items():
        if heading:
            table.add_row(Text(heading, style="italic"))
        for label in labels:
            cells = [column.cell(label) for column in columns.values()]
            table.add_row(fold_name(_name(label), width), *cells)
    for name, values in _averages(evaluation).items():
        cells = [column.average(values) for column in columns.values()]
        table.add_row(Text(name, style="italic"), *cells)
    return table


def _averages(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    """Return the averages by what they are called; none of one label."""
    if len(evaluation.labels) == 1:
        return {}
    return {
        f"macro of {evaluation.macro_labels['average_precision']:,}": evaluation.macro,
        "micro": evaluation.micro,
        "weighted": evaluation.weighted_average,
    }


def _of_whole_rows(evaluation: Evaluation) -> str:
    numbers = [
        f"{words} {show_number(evaluation.multilabel[name])}" for name, words in MULTILABEL.items()
    ]
    return f"a row's labels together: {', '.join(numbers)} ({NO_POSITIVE})"


def _legend(
    evaluation: Evaluation, columns: dict[str, TerminalColumn], shown: Sequence[LabelEvaluation]
) -> list[str]:
    first = f"AP: average precision, {_prevalences(evaluation)} without skill; AUC: ROC AUC"
    lines = [first + ("; ECE: calibration error." if "ece" in columns else ".")]
    if len(evaluation.labels) > 1:
        fewer = _fewer_labels(evaluation, columns)
        over = f" ({fewer})" if fewer else ""
        lines.append(
            f"macro: mean over labels where a number is defined{over}; weighted: by positives."
        )
    if evaluation.weighted:
        lines.append("every number but the positives is weighted by the sample weights.")
    scale = BarScale.of(shown)
    is_scored = any(label.average_precision.value is not None for label in shown)
    if any(label.average_precision.low is not None for label in shown):
        drawn = "bar, interval" if "interval" in columns else "bar"
        lines.append(
            f"{drawn}: {show_percent(evaluation.confidence)} of AP by {evaluation.replicates} "
            f"bootstrap replicates of these {evaluation.resampled}, without training again; "
            f"{scale.describe()}."
        )
    elif "bar" in columns and is_scored and scale.low < scale.high:
        lines.append(f"bar: AP; {scale.describe()}.")
    return lines


def _fewer_labels(evaluation: Evaluation, columns: dict[str, TerminalColumn]) -> str:
    """Return which averages are over other labels than that of AP."""
    most = evaluation.macro_labels["average_precision"]
    others = [
        f"{column.heading.replace(chr(10), ' ')} {evaluation.macro_labels[column.metric]:,}"
        for column in columns.values()
        if column.metric is not None and evaluation.macro_labels[column.metric] != most
    ]
    return ", ".join(others)


def _prevalences(evaluation: Evaluation) -> str:
    known = [
        label.prevalence
        for label in evaluation.labels
        if label.average_precision.value is not None and label.prevalence is not None
    ]
    if not known:
        return UNDEFINED
    low, high = min(known), max(known)
    return f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
