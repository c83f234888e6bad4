"""From sources to labelled rows in parts: roles, missing labels, given parts and strategies."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from small_runs import LABELS, load_sections, make_columns, make_config, write_csv

from imbalance_cli.config import Config
from imbalance_cli.errors import ConfigError, ImbtrainError, LabelError, SourceError, SplitError
from imbalance_cli.labels import match_columns
from imbalance_cli.rows.encoders import positive_text
from imbalance_cli.rows.loading import LabelledTable, read_labelled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from small_runs import Columns

    from imbalance_cli.rows.roles import Roles


def read(train: object, **sections: Mapping[str, object]) -> tuple[Roles, LabelledTable]:
    """Read by a config of sections."""
    return read_labelled(Config.model_validate(make_config(train, **sections)))


def fail(
    kind: type[ImbtrainError], train: object, **sections: Mapping[str, object]
) -> ImbtrainError:
    """Return the error of reading by a config."""
    with pytest.raises(kind) as caught:
        read(train, **sections)
    return caught.value


def parts_of(data: LabelledTable) -> list[np.ndarray]:
    """Return the row numbers of train, valid and test."""
    return [data.split.train, data.split.valid, data.split.test]


@pytest.fixture(scope="module")
def columns() -> Columns:
    """Return a table with a group and a time beside features and labels."""
    columns = make_columns(300)
    columns["household"] = [f"h{i % 60}" for i in range(300)]
    columns["day"] = [f"2013-02-{1 + (7 * i) % 28:02}" for i in range(300)]
    return columns


@pytest.fixture(scope="module")
def table(columns: Columns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write it."""
    return write_csv(tmp_path_factory.mktemp("labelled") / "table.csv", columns)


def test_every_column_has_one_role(table: Path) -> None:
    data = {"exclude": ["c*", "day"], "group": "household"}
    roles, _ = read(table, data=data)
    assert roles.label_columns == LABELS
    assert roles.features == ["amount", "age"]
    assert roles.group == "household"
    assert roles.columns == ["amount", "age", *LABELS, "household"]


def test_targets_are_what_the_cells_say(table: Path, columns: Columns) -> None:
    _, data = read(table)
    wanted = [[np.nan if cell == "" else float(cell) for cell in columns[c]] for c in LABELS]
    np.testing.assert_array_equal(data.targets.dense(), np.array(wanted, np.float32).T)
    assert np.isnan(data.targets.dense()).any()


def test_sizes_that_rare_labels_cost_are_told(table: Path, tmp_path: Path) -> None:
    # each label has three rows of its own, of which every part needs one
    shared = {f"y_{i}": [str(int(row // 3 == i)) for row in range(30)] for i in range(10)}
    rare = write_csv(tmp_path / "rare.csv", shared | {"x": [str(row) for row in range(30)]})
    _, data = read(rare)
    assert [len(part) for part in parts_of(data)] == [10, 10, 10]
    remark = (
        "split: 10 (70 %) rows for train, 10 (15 %) for valid and 10 (15 %) for test, with what "
        "was asked for in brackets: many labels have so few positives that one in each part "
        "takes more"
    )
    assert data.remarks == [remark]
    assert not read(table)[1].remarks


def test_parts_are_all_rows_once(table: Path) -> None:
    _, data = read(table)
    assert data.split.strategy == "iterative"
    rows = np.concatenate(parts_of(data))
    assert sorted(rows.tolist()) == list(range(300))
    assert [len(part) for part in parts_of(data)] == [210, 45, 45]
    assert data.sources == dict.fromkeys(("train", "valid", "test"), str(table))


@pytest.mark.parametrize(
    ("strategy", "labels"),
    [("auto", 1), ("stratified", 1), ("random", 3), ("iterative", 3), ("random", 1)],
)
def test_strategies_without_columns(table: Path, strategy: str, labels: int) -> None:
    data = {"labels": LABELS[:labels], "exclude": [*LABELS[labels:], "household", "day"]}
    _, read_data = read(table, data=data, split={"strategy": strategy})
    assert read_data.split.strategy == ("stratified" if strategy == "auto" else strategy)
    assert [len(part) for part in parts_of(read_data)] == [210, 45, 45]


def test_groups_stay_together(table: Path, columns: Columns) -> None:
    _, data = read(table, data={"group": "household"})
    assert data.split.strategy == "grouped"
    households = [{columns["household"][i] for i in part} for part in parts_of(data)]
    assert all(households)
    assert len(set.union(*households)) == sum(map(len, households))


def test_groups_are_numbered_in_all_rows(table: Path, columns: Columns) -> None:
    _, data = read(table, data={"group": "household"})
    assert data.groups is not None
    assert len(data.groups) == 300
    pairs = set(zip(columns["household"], data.groups.tolist(), strict=True))
    assert len(pairs) == 60
    assert {number for _, number in pairs} == set(range(60))
    _, data = read(table)
    assert data.groups is None


def test_time_goes_forward(table: Path, columns: Columns) -> None:
    _, data = read(table, data={"time": "day"})
    assert data.split.strategy == "time"
    train, valid, test = ([columns["day"][i] for i in part] for part in parts_of(data))
    assert max(train) < min(valid)
    assert max(valid) < min(test)


def test_time_may_be_numbers(tmp_path: Path, columns: Columns) -> None:
    hours = [str((17 * i) % 300) for i in range(300)]
    table = write_csv(tmp_path / "t.csv", columns | {"day": hours})
    _, data = read(table, data={"time": "day"})
    train, _, test = ([int(hours[i]) for i in part] for part in parts_of(data))
    assert max(train) < min(test)


def test_given_parts_stay_what_they_are(tmp_path: Path, columns: Columns, table: Path) -> None:
    held_out = write_csv(tmp_path / "held_out.csv", make_columns(80, seed=5) | few(columns, 80))
    _, data = read(table, data={"test": str(held_out)})
    assert data.split.test.tolist() == list(range(300, 380))
    assert len(data.split.train) + len(data.split.valid) == 300
    assert data.sources == {"train": str(table), "valid": str(table), "test": str(held_out)}
    assert data.table.place(0) == f"{table}: line 2"
    assert data.table.place(300) == f"{held_out}: line 2"
    assert data.table.place(379) == f"{held_out}: line 81"

    with pytest.raises(SplitError, match=r"data\.test: .*held_out\.csv is in data\.valid as well"):
        read(table, data={"test": [str(held_out)], "valid": [str(held_out)]})
    valid = shutil.copy(held_out, tmp_path / "valid.csv")
    _, data = read(table, data={"test": [str(held_out)], "valid": [str(valid)]})
    assert data.split.strategy == "given"
    assert data.split.train.tolist() == list(range(300))
    assert data.split.valid.tolist() == list(range(300, 380))
    assert data.split.test.tolist() == list(range(380, 460))


def few(columns: Columns, rows: int) -> Columns:
    """Return the columns that only this module's table has, shorter."""
    return {name: columns[name][:rows] for name in ("household", "day")}


def test_no_test_part(table: Path) -> None:
    _, data = read(table, split={"test": 0.0})
    assert [len(part) for part in parts_of(data)] == [255, 45, 0]


def test_globs_and_lists_of_files(
    tmp_path: Path, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [
        {name: cells[first : first + 60] for name, cells in columns.items()}
        for first in range(0, 300, 60)
    ]
    for number, piece in enumerate(pieces):
        write_csv(tmp_path / f"part-{number}.csv", piece)
    _, absolute = read(str(tmp_path / "part-*.csv"))
    monkeypatch.chdir(tmp_path)
    names = [f"part-{number}.csv" for number in range(5)]
    above = f"../{tmp_path.name}/part-[0-9].csv"
    for train in ("part-*.csv", above, names, ["part-0.csv", "part-*.csv"]):
        _, data = read(train)
        assert data.table.frame.equals(absolute.table.frame)
        assert data.sources["test"].endswith("part-2.csv, ... (5 in all)")
    assert data.table.place(60).endswith("part-1.csv: line 2")
    write_csv(tmp_path / "a[1].csv", columns)
    _, data = read("a[1].csv")
    assert len(data.targets) == 300
    error = fail(SourceError, "nothing-*.csv")
    assert error.message == "data.train: no file matches 'nothing-*.csv'"


def test_sources_with_other_columns(tmp_path: Path, columns: Columns, table: Path) -> None:
    lacking = {k: v for k, v in columns.items() if k not in {"age", "y_rare"}} | {
        "aeg": ["1"] * 300
    }
    other = write_csv(tmp_path / "other.csv", lacking)
    message = f"{other}: without the columns 'age', 'y_rare', which {table} has"
    for train, data in (
        ([str(table), str(other)], {}),
        (str(table), {"test": str(other)}),
        (str(table), {"valid": str(other)}),
    ):
        error = fail(SourceError, train, data=data)
        assert error.message == message
        assert error.hint == "did you mean 'aeg'?"


def test_sources_of_other_types(tmp_path: Path, table: Path) -> None:
    frame = pl.read_csv(table)
    frame.write_parquet(tmp_path / "other.parquet")
    error = fail(SourceError, table, data={"test": str(tmp_path / "other.parquet")})
    assert "columns of different types" in error.message
    assert str(table) in error.message


def test_missing_labels(table: Path, columns: Columns) -> None:
    blanks = np.array([[cell == "" for cell in columns[label]] for label in LABELS]).T
    _, masked = read(table)
    assert (np.isnan(masked.targets.dense()) == blanks).all()
    _, negative = read(table, data={"missing_labels": "negative"})
    assert (negative.targets.dense()[blanks] == 0).all()
    assert len(np.concatenate(parts_of(negative))) == 300
    _, dropped = read(table, data={"missing_labels": "drop"})
    assert sorted(np.concatenate(parts_of(dropped))) == np.flatnonzero(~blanks.any(axis=1)).tolist()
    error = fail(LabelError, table, data={"missing_labels": "error"})
    row, label = np.argwhere(blanks)[0]
    place = f"{table}: line {row + 2}: column {LABELS[label]!r}"
    assert error.message == (f"{place}: the label is missing, and data.missing_labels is error")
    assert "mask" in (error.hint or "")


def test_missing_labels_error_passes_where_none_is(table: Path) -> None:
    data = {"labels": ["y_often"], "exclude": LABELS[1:], "missing_labels": "error"}
    read(table, data=data)


@pytest.mark.parametrize(
    ("positive", "text"), [(None, None), ("late", "late"), (True, "true"), (2, "2"), (1.5, "1.5")]
)
def test_the_positive_value_as_text(positive: object, text: str | None) -> None:
    config = Config.model_validate(make_config("a.csv", data={"positive": positive}))
    assert positive_text(config.data) == text


def test_positive_names_the_value_that_means_1(tmp_path: Path, columns: Columns) -> None:
    words = {"0": "fine", "1": "broken", "": ""}
    spoken = columns | {"y_some": [words[cell] for cell in columns["y_some"]]}
    table = write_csv(tmp_path / "t.csv", spoken)
    data = {"labels": ["y_some"], "exclude": ["y_often", "y_rare"]}
    error = fail(LabelError, table, data=data)
    assert "is not a binary label" in error.message
    _, read_data = read(table, data=data | {"positive": "broken"})
    assert int(read_data.targets.counts()[0].sum()) == columns["y_some"].count("1")


@pytest.mark.parametrize("key", ["group", "time"])
def test_columns_that_are_not_there(table: Path, key: str) -> None:
    error = fail(ConfigError, table, data={key: "housheold"})
    assert error.message.startswith(f"data.{key}: {table} has no column 'housheold'; the columns")
    assert error.hint == "did you mean 'household'?"
    error = fail(ConfigError, table, data={key: "y_some"})
    assert error.message == f"data.{key}: 'y_some' is a label"


def test_excluded_columns_that_are_not_there(table: Path) -> None:
    error = fail(ConfigError, table, data={"exclude": ["colour", "ctiy"]})
    assert error.message.startswith(f"data.exclude: {table}: no column 'ctiy'")
    assert error.hint == "did you mean 'city'?"
    error = fail(ConfigError, table, data={"exclude": ["y_*"]})
    assert error.message == "data.exclude: 'y_often' is a label"


def test_labels_that_are_not_there(table: Path, tmp_path: Path, columns: Columns) -> None:
    error = fail(LabelError, table, data={"labels": ["y_oftn"]})
    assert error.hint == "did you mean 'y_often'?"
    bare = {name: cells for name, cells in columns.items() if name not in LABELS}
    error = fail(LabelError, write_csv(tmp_path / "t.csv", bare))
    assert "no column is called y, label, target or y_*" in error.message
    assert "data.labels" in (error.hint or "")


def test_groups_and_times_that_are_missing(tmp_path: Path, columns: Columns) -> None:
    table = write_csv(tmp_path / "t.csv", columns | {"household": ["a", ""] * 150})
    error = fail(SplitError, table, data={"group": "household"})
    assert error.message == f"{table}: line 3: column 'household': the group is missing"
    for cell in ("", "soon"):
        days = [*columns["day"][:4], cell, *columns["day"][5:]]
        table = write_csv(tmp_path / "t.csv", columns | {"day": days})
        error = fail(SplitError, table, data={"time": "day"})
        assert error.message == f"{table}: line 6: column 'day': {cell!r} is not a time"
        assert "2013-02-08" in (error.hint or "")


def test_no_validation_rows(table: Path) -> None:
    error = fail(SplitError, table, split={"valid": 0.0})
    assert error.message.startswith("split.valid is 0: early stopping")


def test_a_split_too_small_for_its_label(tmp_path: Path) -> None:
    columns = make_columns(60) | {"y_often": ["1", "1", *["0"] * 58]}
    table = write_csv(tmp_path / "t.csv", columns)
    data = {"labels": ["y_often"], "exclude": ["y_some", "y_rare"]}
    error = fail(SplitError, table, data=data)
    assert error.message.startswith(
        "the split is too small for label 'y_often': positives and negatives are train "
    )
    assert "each part needs one of both" in error.message
    assert "split.seed" in (error.hint or "")


def test_blank_cells_that_may_be_all_negatives_have_a_hint(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", {"x": ["1", "2", "3"] * 9, "y": ["1", "", ""] * 9})
    error = fail(LabelError, table, data={"labels": ["y"]})
    assert error.message.endswith("label 'y' has no negative in 27 rows")
    assert str(error.hint).startswith("if blank means 0: data.missing_labels: negative")
    _, data = read(table, data={"labels": ["y"], "missing_labels": "negative"})
    assert data.targets.counts()[:, 0].tolist() == [9, 18, 0]


@pytest.mark.parametrize("with_features", [True, False])
def test_lists_of_tags_are_those_with_a_separator(tmp_path: Path, *, with_features: bool) -> None:
    cells = [["a", "b"], [], ["b"], ["a", "c"]] * 15
    columns = {"x": [str(i) for i in range(60)]}
    separated = write_csv(tmp_path / "s.csv", columns | {"y": [";".join(row) for row in cells]})
    frame = pl.DataFrame(columns | {"y": [str(row) for row in cells]})
    frame.write_csv(tmp_path / "l.csv")
    data = {"labels": ["y"], "encoding": "tags", "missing_labels": "negative"}
    one, other = (
        read_labelled(
            Config.model_validate(make_config(table, data=data)), with_features=with_features
        )[1]
        for table in (separated, tmp_path / "l.csv")
    )
    assert one.labels == other.labels == ["a", "b", "c"]
    np.testing.assert_array_equal(one.targets.dense(), other.targets.dense())


def test_another_separator_of_tags_is_refused_unless_it_was_given(tmp_path: Path) -> None:
    cells = ["a|b", "a", "b", "c", "b|c"] * 12
    table = write_csv(tmp_path / "t.csv", {"x": [str(i) for i in range(60)], "y": cells})
    data = {"labels": ["y"], "encoding": "tags"}
    error = fail(LabelError, table, data=data)
    assert "'|' would make 3 tags of its 5 different values" in error.message
    assert 'data.tag_separator: "|"' in str(error.hint)
    _, read_as_one = read(table, data=data | {"tag_separator": ";"})
    assert len(read_as_one.labels) == 5
    assert "no cell holds ';' between tags" in read_as_one.remarks[0]
    _, parted = read(table, data=data | {"tag_separator": "|"})
    assert parted.labels == ["a", "b", "c"]


def test_columns_by_name_or_glob() -> None:
    columns = ["id", "x*", "x1", "y"]
    assert match_columns(["y", "x*", "i?"], columns, "--keep: t.csv") == ["y", "x*", "id"]
    assert match_columns(["x[0-9]", "y", "y"], columns, "--keep: t.csv") == ["x1", "y"]
    with pytest.raises(ConfigError, match=r"--keep: t\.csv: no column 'z\*'"):
        match_columns(["z*"], columns, "--keep: t.csv")


@pytest.mark.parametrize(
    ("key", "own", "shared", "words"),
    [
        ("group", "b", "a", r"a group is in \w+ and in test: .*: unit a; .*: unit a"),
        ("time", "2020-01-02", "2020-01-01", r"test begins before \w+ has ended: .*01-02 is in"),
    ],
)
def test_given_parts_are_checked_too(
    tmp_path: Path, key: str, own: str, shared: str, words: str
) -> None:
    train = [
        f"{i},{i // 2 % 2},{own if i % 2 else shared}{i if key == 'group' and i % 2 else ''}"
        for i in range(40)
    ]
    test = [f"{i},{i % 2},{shared}" for i in range(40)]
    for name, rows in (("train", train), ("test", test)):
        (tmp_path / f"{name}.csv").write_text("x,y,unit\n" + "\n".join(rows) + "\n")
    data = {"test": str(tmp_path / "test.csv"), key: "unit"}
    config = load_sections(tmp_path, str(tmp_path / "train.csv"), data=data)
    with pytest.raises(SplitError, match=words):
        read_labelled(config)


def test_a_column_names_the_parts(tmp_path: Path) -> None:
    names = ["train", "Validation", "test", "dev", "train"] * 8
    rows = [f"{i % 7},{i // 5 % 2},{name}" for i, name in enumerate(names)]
    (tmp_path / "a.csv").write_text("x,y,part\n" + "\n".join(rows) + "\n")
    config = load_sections(tmp_path, str(tmp_path / "a.csv"), data={"part": "part"})
    roles, data = read_labelled(config)
    assert roles.features == ["x"]
    assert data.split.strategy == "given"
    assert data.split.test.tolist() == [i for i, name in enumerate(names) if name == "test"]
    assert len(data.split.valid) == 16
