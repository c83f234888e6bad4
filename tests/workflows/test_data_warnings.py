"""What is said of parts unlike each other, and of a row that outweighs the others."""

from __future__ import annotations

import numpy as np
import polars as pl

from imbalance_cli.labels.sample_weights import WeightColumns, describe_heaviest
from imbalance_cli.labels.targets import DenseTargets
from imbalance_cli.readers import Table
from imbalance_cli.rows.loading import LabelledTable
from imbalance_cli.rows.roles import Roles
from imbalance_cli.splits import Split
from imbalance_cli.workflows.data_warnings import list_doubts
from imbalance_cli.workflows.scanning import scan_table


def doubts_of(
    rates: dict[str, tuple[float, float, float]], weights: dict[int, float] | None = None
) -> list[str]:
    """Return the sentences for labels with these rates of positives in 1,000 rows of each part."""
    rows = np.arange(3_000)
    targets = np.column_stack(
        [
            np.concatenate([np.arange(1_000) < 1_000 * rate for rate in its])
            for its in rates.values()
        ]
    )
    row_weights = np.ones(3_000)
    for row, weight in (weights or {}).items():
        row_weights[row] = weight
    data = LabelledTable(
        table=Table("a.csv", pl.DataFrame({"x": rows * 7 % 3_001}), str),
        labels=list(rates),
        targets=DenseTargets(targets.astype(np.int8)),
        split=Split("time", rows[:1_000], rows[1_000:2_000], rows[2_000:]),
        sources=dict.fromkeys(("train", "valid", "test"), "a.csv"),
        weights=None if weights is None else row_weights,
    )
    roles = Roles(list(rates), ["x"], weights=WeightColumns(None if weights is None else "w"))
    scan = scan_table(roles, data, data.split.train)
    return list(list_doubts(roles, data, [True] * len(rates), scan))


def test_parts_of_other_prevalences_are_named() -> None:
    (sentence,) = doubts_of({"y": (0.006, 0.077, 0.08), "even": (0.1, 0.11, 0.09)})
    assert sentence == (
        "'y' is positive in 0.6 % of train, 7.7 % of valid, 8 % of test: the epoch, the "
        "calibration and the thresholds are chosen on rows unlike those learned from"
    )
    (sentence,) = doubts_of({"y": (0.05, 0.07, 0.15)})
    assert sentence.endswith("the report is of rows unlike those learned from")


def test_many_labels_of_other_prevalences_are_summed_up() -> None:
    sentences = doubts_of({f"y{i}": (0.01, 0.1, 0.1) for i in range(7)})
    assert len(sentences) == 6
    assert sentences[-1].startswith("7 labels in all differ so between parts: y0, ")


def test_parts_that_differ_little_or_by_chance_are_not() -> None:
    assert not doubts_of({"y": (0.3, 0.5, 0.5)})  # beyond chance, and less than twice
    assert not doubts_of({"y": (0.002, 0.008, 0.006)})  # 2 and 8 rows
    assert doubts_of({"y": (0.05, 0, 0.05)}) == [
        "no positive in the valid part for y: its threshold is chosen without a positive of its own"
    ]


def test_a_row_that_outweighs_the_others_is_told() -> None:
    (sentence,) = doubts_of({"y": (0.1, 0.1, 0.1)}, {500: 1e7})
    assert sentence == (
        "column 'w': one row of 1,000 has 100 % of all sample weight (10,000,000): what is "
        "counted, learned and measured depends on that row"
    )
    assert not doubts_of({"y": (0.1, 0.1, 0.1)}, {500: 20.0})
    assert not describe_heaviest("w", 1.0, 3.0, 3)
    assert not describe_heaviest("w", 0.0, 0.0, 5)
    assert describe_heaviest("w", 60.0, 1_000.0, 5_000)
