"""The table of an inspection: widths, bars, odd names, and its CSV and JSON."""

from __future__ import annotations

import dataclasses
import io
import json

import polars as pl
import pytest
from rich.console import Console

from imbalance_cli.inspection import Column, Finding, Inspection, LabelCandidate, LabelPair
from imbalance_cli.labels import LabelCounts
from imbalance_cli.leaks import Strength
from imbalance_cli.report.inspection import PrevalenceBar, draw_inspection, to_csv, to_json

FOUND = Inspection(
    source="t.csv",
    rows=1000,
    columns=[
        Column("size", "number", 990, 10, 400, minimum=0.5, maximum=12.25, example="1"),
        Column(
            "colour",
            "category",
            1000,
            0,
            5,
            values=dict(zip("abcde", range(5, 0, -1), strict=True)),
        ),
        Column("day", "date", 1000, 0, 9, minimum="2013-02-01", maximum="2013-02-09"),
        Column(
            "a\x1b[31mname\n" + "w" * 60,
            "text",
            1000,
            0,
            900,
            example="some\nwords",
            problem="looks like free text",
        ),
        Column("nothing", "empty", 0, 1000, 0),
        Column("y_a", "number", 1000, 0, 2, minimum=0.0, maximum=1.0, values={"0": 990, "1": 10}),
        Column("y_b", "number", 1000, 0, 2, values={"0": 500, "1": 500}),
    ],
    label_columns=["y_a", "y_b"],
    labels=[LabelCounts("y_a", 10, 990), LabelCounts("y_b", 500, 400, 100)],
    guessed=True,
    pairs=[LabelPair("y_a", "y_b", 7, 1.4)],
    leaks=[],
    repeated_rows=3,
    candidates=[],
    findings=[
        Finding("refused", "nothing", "every cell is missing", "data.exclude: [nothing]"),
        Finding("warned", None, "3 rows equal to an earlier one"),
    ],
)


def draw(inspection: Inspection, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width, markup=False, emoji=False, highlight=False).print(
        draw_inspection(inspection)
    )
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit(width: int) -> None:
    shown = draw(FOUND, width)
    assert max(len(line) for line in shown.splitlines()) <= width
    assert "\x1b" not in shown


def test_numbers_and_names_are_there() -> None:
    shown = draw(FOUND, 100)
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line}
    assert lines["size"][1:] == ["number", "10", "1", "%", "400", "0.5", "to", "12.25"]
    assert lines["colour"][-7:] == ["a", "5,", "b", "4,", "c", "3,", "..."]
    assert lines["day"][-3:] == ["2013-02-01", "to", "2013-02-09"]
    assert "y_a y_b 7 1.4" in " ".join(shown.split())
    assert "refused: nothing: every cell is missing (data.exclude: [nothing])" in shown
    assert "warned: 3 rows equal to an earlier one" in shown


def bar(share: float, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(PrevalenceBar(share))
    return file.getvalue().strip()


def test_bars_are_logarithmic_and_as_wide_as_the_place() -> None:
    assert bar(1, 40) == "█" * 40
    assert "…" not in draw(dataclasses.replace(FOUND, columns=[], labels=[LabelCounts("y", 5, 0)]))
    assert bar(0.01, 40) == "█" * 20
    assert bar(0, 40) == ""
    assert bar(1e-9, 40) == "▏"
    assert bar(1, 500) == "█" * 60


def test_a_wide_terminal_gets_wide_bars() -> None:
    narrow, wide = (draw(FOUND, width).count("█") for width in (80, 160))
    assert wide > 1.5 * narrow


def test_a_bar_measures_itself() -> None:
    console = Console(width=100)
    measured = console.measure(PrevalenceBar(0.5))
    assert (measured.minimum, measured.maximum) == (8, 60)


def test_many_columns_are_cut_in_the_table_alone() -> None:
    columns = [Column(f"c{i}", "number", 5, 0, 5) for i in range(70)]
    found = Inspection("t", 5, columns, [], [], True, [], [], 0, [], [])
    assert "and 20 more; --format csv lists all" in draw(found)
    assert "fit would refuse nothing and warn of nothing" in draw(found)
    assert len(pl.read_csv(to_csv(found))) == 70


def test_candidates_say_what_to_give() -> None:
    candidates = [
        LabelCandidate("state", "not ok", True, 3, 7),
        LabelCandidate("sold", "1", False, 2, 8),
    ]
    found = Inspection("t", 10, [], [], [], True, [], [], 0, candidates, [])
    assert "--positive 'not ok'" in draw(found)


def test_csv_has_a_row_a_column_and_one_a_finding_of_the_table() -> None:
    frame = pl.read_csv(to_csv(FOUND))
    assert frame["column"].to_list() == [*(column.name for column in FOUND.columns), None]
    assert frame.row(-1, named=True) == {
        **dict.fromkeys(frame.columns),
        "role": "table",
        "finding": "3 rows equal to an earlier one",
    }
    label = frame.filter(pl.col("column") == "y_b").row(0, named=True)
    assert (label["role"], label["positives"], label["negatives"]) == ("label", 500, 400)
    assert label["prevalence"] == pytest.approx(500 / 900)
    assert frame["finding"][4] == "every cell is missing"


def test_json_has_these_keys() -> None:
    document = json.loads(to_json(FOUND))
    assert list(document) == [
        "source",
        "rows",
        "repeated_rows",
        "columns",
        "labels",
        "guessed_labels",
        "pairs",
        "leaks",
        "strongest",
        "candidates",
        "findings",
    ]
    assert list(document["columns"][0]) == [
        "column",
        "role",
        "type",
        "known",
        "missing",
        "missing_share",
        "distinct",
        "distinct_is_exact",
        "minimum",
        "maximum",
        "example",
    ]
    assert list(document["labels"][0]) == [
        "label",
        "positives",
        "negatives",
        "missing",
        "prevalence",
    ]
    assert list(document["pairs"][0]) == ["first", "second", "together", "lift"]
    assert list(document["findings"][0]) == ["outcome", "column", "problem", "hint"]


def test_the_strongest_features_are_a_table() -> None:
    strongest = [
        Strength("y_b", "size", 0.8125, "higher"),
        Strength("y_b", "colour", 0.7, "category"),
        Strength("y_a", "day", 0.25, "missing"),
    ]
    shown = draw(dataclasses.replace(FOUND, strongest=strongest))
    lines = [line.split() for line in shown.splitlines()]
    start = lines.index(["label", "feature", "alone", "average", "precision", "comes", "first"])
    assert lines[start + 1 : start + 4] == [
        ["y_b", "size", "0.812", "higher"],
        ["colour", "0.700", "by", "category"],
        ["y_a", "day", "0.250", "missing"],
    ]
    document = json.loads(to_json(dataclasses.replace(FOUND, strongest=strongest)))
    assert document["strongest"][0] == {
        "label": "y_b",
        "column": "size",
        "average_precision": 0.8125,
        "how": "higher",
    }
