"""model_card.md: YAML that the hub reads, and Markdown that names cannot break."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from report_data import NASTY, make_report

from imbalance_cli.report.model_card import SHOWN, escape_markdown, to_model_card

if TYPE_CHECKING:
    from imbalance_cli.report.contents import RunReport

SECTIONS = [
    "Model details",
    "Intended use",
    "How to get started",
    "Training data",
    "Training procedure",
    "Evaluation",
    "Bias, risks and limitations",
]


def read_card(report: RunReport) -> tuple[dict[str, Any], str]:
    """Return the YAML at the head of a card, and the Markdown below."""
    empty, head, body = to_model_card(report).decode().split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(head), body


def cells_of(body: str) -> list[list[str]]:
    """Return the rows of the table below its head; a pipe in a cell is escaped."""
    lines = [line for line in body.splitlines() if line.startswith("| ")][1:]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


def test_head_has_the_test_metrics_of_one_label() -> None:
    report = make_report(["y_odd"])
    head, body = read_card(report)
    assert head["library_name"] == "imbtrain"
    assert "license" not in head
    assert "binary-classification" in head["tags"]
    [model] = head["model-index"]
    assert model["name"] == "made_up"
    [result] = model["results"]
    assert result["task"] == {"type": "tabular-classification", "name": "y_odd"}
    assert result["dataset"] == {"type": "made_up.csv", "name": "made_up.csv", "split": "test"}
    [label] = report.evaluation.labels
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == {
        name: label.metrics[name].value for name in SHOWN
    }
    assert head["metrics"] == [metric["type"] for metric in result["metrics"]]
    assert re.findall(r"^## (.*)$", body, flags=re.MULTILINE) == SECTIONS


def test_head_of_several_labels_has_their_means() -> None:
    report = make_report(["a", "b", "c"])
    head, body = read_card(report)
    [result] = head["model-index"][0]["results"]
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert values["Macro AP"] == report.evaluation.macro["average_precision"]
    assert [row[0].strip() for row in cells_of(body)] == [
        "a",
        "b",
        "c",
        "Macro average",
        "Micro average",
    ]


def test_body_says_what_it_is_for_and_what_was_found() -> None:
    _, body = read_card(make_report(["y_odd"], findings=["Something was found."]))
    for said in (
        "- Labels: y_odd: a row is positive where the cell is 1, true or yes",
        "- Numbers and dates: amount, day",
        "- Categories: city",
        "```bash\nimbtrain predict runs/made_up made_up.csv > scored.csv\n```",
        "made_up.csv: 1,234 bytes, SHA-256 0123abcd",
        "- Command: imbtrain fit made\\_up.yaml".replace("\\", ""),
        "- Seeds: split.seed 0, training.seed 0",
        "- Something was found.",
        "weights of epoch 2 were kept",
    ):
        assert said in body


def test_the_table_stops_where_the_figures_do() -> None:
    _, body = read_card(make_report([f"y{i}" for i in range(9)], drawn=6))
    assert "The table has 6 of 9 labels; `metrics.csv` has all." in body
    assert len(cells_of(body)) == 6 + 2


def test_names_break_neither_the_head_nor_the_table() -> None:
    names = [*NASTY, "a | b", "# c", "[d](e) *f* __g__"]
    head, body = read_card(make_report(names, drawn=len(names)))
    assert head["model-index"][0]["name"] == "made_up"
    rows = cells_of(body)
    assert len(rows) == len(names) + 2
    assert {len(row) for row in rows} == {3 + len(SHOWN)}
    assert "<script>" not in re.sub(r"\\<", "", body)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("y_often", "y_often"),
        ("__a__", r"\_\_a\_\_"),
        ("a|b\n*c*", r"a\|b \*c\*"),
        ("p < 0.5", r"p \< 0.5"),
    ],
)
def test_markdown_is_escaped(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown
