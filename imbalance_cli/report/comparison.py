"""A comparison, of candidates or of runs, as a table on a terminal, CSV and JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from imbalance_cli.comparison import list_same
from imbalance_cli.errors import show_percent
from imbalance_cli.metrics import METRIC_SPECS, compared_metrics, lower_is_better
from imbalance_cli.report.encoding import encode_document, encode_rows
from imbalance_cli.report.names import cell_width, fold_name
from imbalance_cli.report.terminal import name_run
from imbalance_cli.report.wording import name_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from imbalance_cli.comparison import Candidate, Compared, Comparison, LabelComparison

RANKING = "average_precision"
COUNTS = ("prevalence", "label", "positives", "support")
"""What labels can be sorted by, beside the metrics."""
PRIMARY = (RANKING, "f1")
"""The metrics that a comparison is read by first."""
WITH_DIFFERENCE = (*PRIMARY, "log_loss")
UNDEFINED = "-"
MARKS = {"better": "▲", "worse": "▼"}
STYLES = {"better": "green", "worse": "red"}
NARROWEST, WIDEST = 8, 22  # characters of a line of a name
EACH = 3  # candidates that are all shown per label; of more the baseline and the best
MOST_LABELS, SHOWN = 40, 20
OTHERS = (
    "{:,} labels in all, the {} of the largest differences above: --format csv and --format json "
    "have the others."
)

Columns = dict[str, list[str | Text]]  # a cell per row, by the heading


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A comparison on a terminal: the averages, the numbers per label, and what they say.

    Attributes:
        comparison: what is drawn.
        sort: what the labels are sorted by; where it is a metric, their numbers are of it.
        run: where the candidates were saved, if they were.
    """

    comparison: Comparison
    sort: str | None = None
    run: str | None = None

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Draw tables as wide as the terminal."""
        comparison, width = self.comparison, options.max_width
        labels = comparison.candidates[0].labels
        several = len(labels) > 1
        rows = name_rows(comparison.rows, comparison.part)
        scope = "macro averages" if several else labels[0].label
        yield Text(f"{rows} of {comparison.source}: {scope}", style="bold")
        if len(list_same(comparison)) == len(comparison.candidates) - 1 > 0:
            yield from map(Text, comparison.conclusions)
            return
        others = [metric for metric in comparison.metrics if metric not in PRIMARY]
        for metrics in (PRIMARY, others):
            yield from _draw_averages(comparison, metrics, width)
        if several:
            yield from _draw_labels(comparison, self.sort, width)
        yield from map(Text, comparison.conclusions)
        if len(comparison.candidates) > 1:
            yield Text(describe_marks(comparison), style="dim")
        if self.run is not None:
            yield name_run(self.run)


def to_csv(comparison: Comparison, sort: str | None = None) -> bytes:
    """Return one row a candidate, scope and metric; what is undefined is blank.

    Args:
        comparison: to write.
        sort: what the labels are sorted by, of the first candidate; None leaves their order.
    """
    if sort is not None:
        order = _sort_labels(comparison.candidates[0].labels, sort)
        candidates = [
            dataclasses.replace(candidate, labels=[candidate.labels[i] for i in order])
            for candidate in comparison.candidates
        ]
        comparison = dataclasses.replace(comparison, candidates=candidates)
    return encode_rows(comparison.flat_rows())


def to_json(comparison: Comparison, before: Mapping[str, Any]) -> bytes:
    """Return what stands before the comparison, and this; what is undefined is null."""
    return encode_document({**before, **comparison.to_dict()})


def list_sorts() -> tuple[str, ...]:
    """Return what labels can be sorted by."""
    return (*COUNTS, *compared_metrics())


def _draw_averages(
    comparison: Comparison, metrics: Sequence[str], width: int
) -> Iterator[RenderableType]:
    """Yield tables of metrics, as few as the width allows, the best average precision first."""
    order = comparison.candidates
    if comparison.kind != "size":  # which rise
        order = sorted(
            order, key=lambda c: (c.name != comparison.baseline, -_height(c.macro[RANKING]))
        )
    groups = []
    for metric in metrics:
        is_curve = comparison.kind == "size" and metric == RANKING
        heading = METRIC_SPECS[metric].column if is_curve else ""  # with its interval
        groups.append(_columns(metric, [c.macro[metric] for c in order], heading))
    room = max(NARROWEST, min(WIDEST, width - max(map(_width, groups))))
    heading = comparison.kind if len(comparison.kind) <= room else "name"
    names: Columns = {heading: [fold_name(candidate.name, room) for candidate in order]}
    if comparison.kind == "size":
        names["train pos."] = [f"{size.positives or 0:,.0f}" for size in order]
    used = _width(names) - 1
    while groups:
        table = [groups.pop(0)]
        while groups and used + sum(map(_width, [*table, groups[0]])) <= width:
            table.append(groups.pop(0))
        yield _fill_table(names, *table)
        yield Text()


def _draw_labels(comparison: Comparison, sort: str | None, width: int) -> Iterator[RenderableType]:
    """Yield the table of one metric per label, by falling prevalence if they are not sorted."""
    metric = sort if sort in METRIC_SPECS else RANKING
    labels = comparison.candidates[0].labels
    shown = _choose_labels(comparison, metric, sort)
    rows = [(i, n, c) for i in shown for n, c in enumerate(_choose_each(comparison, i, metric))]
    counts: Columns = {"pos.": ["" if n else f"{labels[i].positives:,}" for i, n, _ in rows]}
    numbers = _columns(metric, [c.labels[i].metrics[metric] for i, _, c in rows], "value")
    longest = [
        min(max(map(cell_width, names)), WIDEST)
        for names in ([_name(labels[i]) for i in shown], [c.name for *_, c in rows])
    ]
    narrow = 2 * NARROWEST
    for needed, spared in ((sum(longest), "interval"), (narrow, "pos."), (narrow, "low high")):
        room = width - _width(counts) - _width(numbers) - 1
        if room < needed:
            for heading in spared.split():
                counts.pop(heading, None)
                numbers.pop(heading, None)
    room = width - _width(counts) - _width(numbers) - 1
    left = max(NARROWEST, min(longest[0], room - longest[1]))
    names: list[str | Text] = ["" if n else fold_name(_name(labels[i]), left) for i, n, _ in rows]
    whose: list[str | Text] = [fold_name(c.name, max(room - left, NARROWEST)) for *_, c in rows]
    yield Text(f"{METRIC_SPECS[metric].title or METRIC_SPECS[metric].heading} per label", "bold")
    yield _fill_table({"label": names}, counts, {comparison.kind: whose}, numbers)
    yield Text()
    if len(shown) < len(labels):
        yield Text(OTHERS.format(len(labels), len(shown)), style="dim")


def _columns(metric: str, found: Sequence[Compared], heading: str = "") -> Columns:
    """Return the columns of a metric: its values and, of some or under a heading, differences."""
    places = METRIC_SPECS[metric].digits
    columns: Columns = {
        heading or METRIC_SPECS[metric].column: [show_value(each, places) for each in found]
    }
    if heading:
        columns["interval"] = [_show_interval(each) for each in found]
    if heading or metric in WITH_DIFFERENCE:
        columns["diff"] = [_show_difference(each, places) for each in found]
        columns["low"] = [show_signed(each.difference_low, places) for each in found]
        columns["high"] = [show_signed(each.difference_high, places) for each in found]
    return columns


def _width(columns: Columns) -> int:
    """Return how many cells of a terminal the columns take, with a blank before each."""
    return sum(
        1 + max(cell_width(line) for text in (heading, *cells) for line in str(text).split("\n"))
        for heading, cells in columns.items()
    )


def _fill_table(*parts: Columns) -> Table:
    """Return a table of columns: names to the left, numbers to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    columns = [column for part in parts for column in part.items()]
    for heading, _ in columns:
        is_name = heading in {"label", "candidate", "run", "size", "name"}
        table.add_column(
            heading, justify="left" if is_name else "right", no_wrap=True, vertical="top"
        )
    for row in zip(*(cells for _, cells in columns), strict=True):
        table.add_row(*row)
    return table


def _choose_labels(comparison: Comparison, metric: str, sort: str | None) -> list[int]:
    """Return the numbers of the labels to show, sorted; of many those that differ most."""
    order = _sort_labels(comparison.candidates[0].labels, sort)
    if len(order) <= MOST_LABELS:
        return order

    def difference(i: int) -> float:
        changes = [c.labels[i].metrics[metric].difference for c in comparison.candidates]
        return max((abs(change) for change in changes if change is not None), default=-1.0)

    kept = set(sorted(order, key=difference, reverse=True)[:SHOWN])
    return [i for i in order if i in kept]


def _choose_each(comparison: Comparison, i: int, metric: str) -> list[Candidate]:
    """Return the candidates to show of a label: all of few, else the baseline and the best."""
    if len(comparison.candidates) <= EACH:
        return comparison.candidates
    sign = -1 if lower_is_better(metric) else 1

    def height(candidate: Candidate) -> tuple[bool, float]:
        value = candidate.labels[i].metrics[metric].value
        return value is not None, sign * (value or 0.0)

    baseline = next(c for c in comparison.candidates if c.name == comparison.baseline)
    best = max(comparison.candidates, key=height)
    return [baseline, best] if height(best) > height(baseline) else [baseline]


def _sort_labels(labels: Sequence[LabelComparison], by: str | None) -> list[int]:
    """Return the numbers of labels: the best or the most first, undefined last."""

    def place(i: int) -> tuple[bool, float, str]:
        label = labels[i]
        if by == "label":
            return False, 0.0, label.label
        if by in METRIC_SPECS:
            value = label.metrics[by].value
            sign = 1 if lower_is_better(by) else -1
            return value is None, sign * (value or 0.0), ""
        if by in {"positives", "support"}:
            return False, -float(getattr(label, by)), ""
        return False, -label.positives / max(label.support, 1), ""

    return sorted(range(len(labels)), key=place)


def _height(ranking: Compared) -> float:
    return -1.0 if ranking.value is None else ranking.value


def _name(label: LabelComparison) -> str:
    return label.label + ("" if label.learnable else " (not learned)")


def describe_marks(comparison: Comparison) -> str:
    """Return what the columns of a difference and the marks in them mean."""
    if not comparison.replicates:
        return f"diff: to {comparison.baseline}."
    interval = f"low, high: its {show_percent(comparison.confidence)} interval"
    return f"diff: to {comparison.baseline}; {interval}; ▲ better, ▼ worse."


def show_value(compared: Compared, places: int) -> str:
    """Return a metric, or a dash."""
    return UNDEFINED if compared.value is None else f"{compared.value:.{places}f}"


def show_signed(number: float | None, places: int) -> str:
    """Return a difference with its sign, or a dash; zero has no minus, also where rounded to it."""
    return UNDEFINED if number is None else f"{round(number, places) + 0.0:+.{places}f}"


def _show_interval(compared: Compared) -> str:
    ends = (compared.low, compared.high)
    return "-".join(f"{end:.2f}" for end in ends if end is not None) or UNDEFINED


def _show_difference(compared: Compared, places: int) -> Text:
    verdict = compared.verdict or "tie"
    # a blank where there is no mark, so that the digits stay below each other
    marked = show_signed(compared.difference, places) + MARKS.get(verdict, " ")
    return Text(marked, STYLES.get(verdict, ""))
