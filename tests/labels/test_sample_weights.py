"""Weights of the cells of labels: which columns they are, how cells are read, what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import ConfigError, LabelError
from imbalance_cli.labels import LabelCounts, LabelSettings, count_sources
from imbalance_cli.labels.sample_weights import WeightColumns
from imbalance_cli.labels.targets import DenseTargets, SparseTargets
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.readers.frames import FrameSource

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFile

    from imbalance_cli.readers import Table

TABLE = "toxic,insult,toxic_w,insult_w,w\n1,0,2,1,1\n0,,0.5,,2\n0,1,3,0,1\n,1,,4,3\n"
BOTH = {"toxic": "toxic_w", "insult": "insult_w"}


def count(path: str, **settings: Any) -> list[LabelCounts]:  # noqa: ANN401  as LabelSettings takes them
    """Count both labels."""
    return count_sources([open_source(path)], ["toxic", "insult"], LabelSettings(**settings)).labels


def table_of(**columns: list[Any]) -> Table:
    """Return columns as they are read."""
    import polars as pl

    return read_table([FrameSource(pl.DataFrame(columns, strict=False))], list(columns))


def test_cells_count_what_they_weigh(write: WriteFile) -> None:
    path = write("a.csv", TABLE)
    wanted = [LabelCounts("toxic", 2, 3.5, 1), LabelCounts("insult", 4, 1, 1)]
    assert count(path, cell_weights="{label}_w") == count(path, cell_weights=BOTH) == wanted


def test_a_row_weight_multiplies(write: WriteFile) -> None:
    path = write("a.csv", TABLE)
    wanted = [LabelCounts("toxic", 2, 4, 3), LabelCounts("insult", 12, 1, 2)]
    assert count(path, cell_weights=BOTH, sample_weight="w") == wanted


def test_a_label_without_a_column_weighs_one(write: WriteFile) -> None:
    path = write("a.csv", TABLE)
    toxic, insult = count(path, cell_weights={"toxic": "toxic_w"})
    assert toxic == LabelCounts("toxic", 2, 3.5, 1)
    assert insult == LabelCounts("insult", 2, 1, 1)


@given(
    st.lists(
        st.tuples(st.sampled_from(["0", "1", ""]), st.integers(0, 3), st.integers(0, 3)),
        min_size=1,
        max_size=12,
    )
)
def test_whole_weights_of_a_label_are_repeated_rows(rows: list[tuple[str, int, int]]) -> None:
    cells = [{"1": 1.0, "0": 0.0, "": np.nan}[cell] for cell, _, _ in rows]
    targets = DenseTargets.of(np.array([cells, cells]).T)
    table = table_of(a=[one for _, one, _ in rows], b=[other for _, _, other in rows])
    weights, kept = WeightColumns(None, {"x": "a", "y": "b"}).read(table, targets, ["x", "y"])
    for label in (0, 1):
        times = [(one, other)[label] for _, one, other in rows]
        repeated = targets.take(np.repeat(np.arange(len(rows)), times)).counts()
        np.testing.assert_array_equal(kept.counts(weights)[:2, label], repeated[:2, label])


def test_a_cell_of_weight_0_is_as_if_missing() -> None:
    targets = DenseTargets.of(np.array([[1.0, 0.0], [0.0, 1.0]]))
    table = table_of(a=[0, 2], b=[1, 0], w=[5.0, 1.0])
    weights, kept = WeightColumns("w", {"x": "a", "y": "b"}).read(table, targets, ["x", "y"])
    np.testing.assert_array_equal(kept.dense(), [[np.nan, 0], [0, np.nan]])
    np.testing.assert_array_equal(weights, [[0, 5], [2, 0]])


@pytest.mark.parametrize("cell", ["-1", "", "inf", "much", "nan", "1e10"])
def test_a_weight_that_is_none_is_refused(write: WriteFile, cell: str) -> None:
    path = write("a.csv", f"toxic,insult,v\n1,0,1\n0,1,{cell}\n")
    with pytest.raises(LabelError, match=r"line 3: column 'v': .* is not a sample weight") as error:
        count(path, cell_weights={"toxic": "v"})
    assert "0 leaves the cell out" in str(error.value.hint)


@pytest.mark.parametrize("cell", ["-1", "inf", "much"])
def test_beside_a_missing_target_only_a_blank_is_no_weight(write: WriteFile, cell: str) -> None:
    path = write("a.csv", f"toxic,insult,v\n1,0,1\n,1,{cell}\n")
    with pytest.raises(LabelError, match="line 3: column 'v': "):
        count(path, cell_weights={"toxic": "v"})


def test_every_weight_0_is_refused(write: WriteFile) -> None:
    path = write("a.csv", "toxic,insult,v,w\n1,0,0,0\n0,1,0,0\n")
    with pytest.raises(LabelError, match="columns 'v', 'w': every sample weight is 0"):
        count(path, cell_weights={"toxic": "v", "insult": "w"})


def test_one_heavy_cell_is_told(write: WriteFile) -> None:
    rows = "".join(f"{row % 2},1,1,1\n" for row in range(300))
    path = write("a.csv", f"toxic,insult,v,w\n1,0,1000000,1\n{rows}")
    settings = LabelSettings(cell_weights={"toxic": "v", "insult": "w"})
    counted = count_sources([open_source(path)] * 2, ["toxic", "insult"], settings)
    (remark,) = counted.remarks
    assert remark.startswith("column 'v': one row of 602 has 50 % of all sample weight (1,000,000)")


@pytest.mark.parametrize(
    ("given", "says", "hint"),
    [
        ("v", "'v' is the same column for every label", "{label}_weight"),
        ("{label}_v", "no column 'toxic_v'", "toxic_w"),
        ({"toxc": "w"}, "no label 'toxc'; the labels are toxic, insult", "toxic"),
        ({"toxic": "toxic_v"}, "no column 'toxic_v'", "toxic_w"),
        (
            {"toxic": "insult"},
            "'insult', for the weights of 'toxic', is a label",
            "name the labels",
        ),
        (
            {"toxic": "w"},
            "'w', for the weights of 'toxic', is also the sample weight",
            "multiplies",
        ),
    ],
)
def test_columns_that_are_no_weights_are_refused(
    write: WriteFile, given: str | dict[str, str], says: str, hint: str
) -> None:
    path = write("a.csv", TABLE)
    with pytest.raises(ConfigError, match=says) as error:
        count(path, cell_weights=given, sample_weight="w")
    assert hint in str(error.value.hint)


@pytest.mark.parametrize("encoding", ["one_vs_rest", "tags"])
def test_values_of_a_column_have_no_weights_each(write: WriteFile, encoding: str) -> None:
    path = write("a.csv", "toxic,v\na,1\nb,1\n")
    settings = LabelSettings(encoding=encoding, cell_weights="{label}_w")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cell weights go with labels that are columns"):
        count_sources([open_source(path)], ["toxic"], settings)


def test_labels_listed_row_by_row_have_none() -> None:
    targets = SparseTargets.of(np.array([0]), np.array([1]), (2, 2))
    with pytest.raises(LabelError, match="the labels are listed row by row"):
        WeightColumns(None, {"x": "a"}).read(table_of(a=[1, 1]), targets, ["x", "y"])


def test_an_array_has_a_column_a_label(tmp_path: Path) -> None:
    y, w = np.array([[1, 0], [0, 1], [0, 1]]), np.array([[2.0, 1], [3, 1], [1, 4]])
    np.savez(tmp_path / "a.npz", y=y, w=w, v=np.ones((3, 3)))
    source = open_source(str(tmp_path / "a.npz"))
    counted = count_sources([source], ["y"], LabelSettings(cell_weights="w"))
    assert counted.labels == [LabelCounts("y_0", 2, 4), LabelCounts("y_1", 5, 1)]
    with pytest.raises(ConfigError, match="the array 'v' has 3 columns for 2 labels"):
        count_sources([source], ["y"], LabelSettings(cell_weights="v"))
