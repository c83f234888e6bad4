"""model_card.md: what a model is, for whom it is, and how good it is, in the form of Hugging Face.

The form is that of https://huggingface.co/docs/hub/model-cards: YAML that the hub reads, then
sections after Mitchell et al. 2019, Model cards for model reporting.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.errors import escape_name
from imbalance_cli.labels import list_names
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.names import show_name
from imbalance_cli.report.next_steps import list_steps, name_source
from imbalance_cli.report.page_template import open_templates
from imbalance_cli.report.provenance import (
    data_of,
    describe_data,
    describe_labels,
    describe_making,
    describe_weights,
)
from imbalance_cli.report.run_figures import describe_training
from imbalance_cli.report.summary import (
    HEADING,
    write_lead,
    write_lede,
    write_reading,
    write_title,
)
from imbalance_cli.report.wording import (
    show_interval,
    show_number,
    show_share,
    show_threshold,
)
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imbalance_cli.evaluation import Estimate, Interval, LabelEvaluation
    from imbalance_cli.report.contents import RunReport

SHOWN = ("average_precision", "roc_auc", "precision", "recall", "f1", "ece")
"""The metrics of the table, and those that the hub shows."""
SPECIAL = re.compile(r"[\\`*{}\[\]<>|#~]|(?<![^\W_])_|_(?![^\W_])")  # one in a word is one
MOST_FEATURES = 200  # named one by one


def to_model_card(report: RunReport) -> bytes:
    """Return the card of a run."""
    evaluation, document = report.evaluation, report.document
    data = report.settings["data"]
    source = name_source(report)
    numbers = evaluation.macro if len(evaluation.labels) > 1 else _values(evaluation.labels[0])
    averaged = "" if len(evaluation.labels) == 1 else "Macro "
    environment = open_templates(autoescape=False)
    environment.filters["md"] = escape_markdown
    environment.filters["yaml"] = quote
    card = environment.get_template("model_card.md.j2").render(
        name=Path(report.run).name,
        run=report.run,
        title=write_title(report),
        lede=write_lede(report),
        labels=evaluation.labels,
        task=", ".join(data["labels"]) or write_title(report),
        dataset=evaluation.source,
        part=evaluation.part,
        metrics=[
            {"type": name, "name": f"{averaged}{METRIC_SPECS[name].heading}", "value": value}
            for name, value in numbers.items()
            if name in SHOWN and value is not None
        ],
        members=document["members"],
        loss=document["loss"],
        versions=document["versions"],
        making=list(describe_making(report)),
        meaning=describe_labels(report),
        features={
            kind: list_names([feature["column"] for feature in features], MOST_FEATURES)
            for kind, features in (
                ("Numbers and dates", document["features"]["numeric"]),
                ("Categories", document["features"]["categorical"]),
            )
            if features
        },
        steps=list_steps(report)[:2],
        source=source,
        reader="read_parquet" if source.endswith(".parquet") else "read_csv",
        data=list(describe_data(report)),
        weights=describe_weights(report),
        training=describe_training(report),
        reading=write_reading(evaluation),
        table_note=_write_note(report),
        columns=["Label", "Positives", "Threshold", *(METRIC_SPECS[m].heading for m in SHOWN)],
        rows=list(_list_rows(report)),
        findings=[
            write_lead(evaluation),
            *report.findings,
            *data_of(report).get("remarks", []),
        ],
    )
    return (card + "\n").encode(errors="replace")


def escape_markdown(text: str) -> str:
    """Return a text on one line that Markdown shows as it stands."""
    return SPECIAL.sub(lambda found: f"\\{found[0]}", escape_name(" ".join(text.split())))


def _write_note(report: RunReport) -> str:
    """Return which labels the table leaves out."""
    shown, total = len(report.curves), len(report.evaluation.labels)
    left_out = f"The table has {shown:,} of {total:,} labels; `metrics.csv` has all."
    return left_out if shown < total else ""


def _list_rows(report: RunReport) -> Iterator[list[str]]:
    """Yield the cells of each label that has figures, and of the averages."""
    evaluation = report.evaluation
    drawn = {curves.label for curves in report.curves}
    for label in evaluation.labels:
        if label.label in drawn:
            positives = f"{label.positives:,} of {label.support:,} ({show_share(label.prevalence)})"
            facts = [show_name(label.label, HEADING), positives, show_threshold(label.threshold)]
            yield [*facts, *(_show(label.metrics[m].value, label.metrics[m]) for m in SHOWN)]
    if len(evaluation.labels) > 1:
        for name, values, ends in (
            ("Macro average", evaluation.macro, evaluation.macro_intervals),
            ("Micro average", evaluation.micro, evaluation.micro_intervals),
        ):
            yield [name, "", "", *(_show(values[m], ends.get(m)) for m in SHOWN)]


def _show(value: float | None, ends: Estimate | Interval | None) -> str:
    """Return a number and its interval."""
    interval = "" if ends is None else show_interval(ends.low, ends.high)
    return f"{show_number(value, ends)} ({interval})" if interval else show_number(value, ends)


def _values(label: LabelEvaluation) -> dict[str, float | None]:
    return {name: estimate.value for name, estimate in label.metrics.items()}
