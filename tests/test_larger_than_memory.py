"""Fitting rows that are streamed: the same rows and numbers as in memory, and less of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from small_runs import (
    LABELS,
    Columns,
    Silent,
    load_sections,
    make_columns,
    refuse,
    run_command,
    succeed,
    write_config,
    write_csv,
)

from imbalance_cli.errors import SourceError
from imbalance_cli.labels.targets import ALL, SparseTargets
from imbalance_cli.readers import delimited, find_row, open_source
from imbalance_cli.rows.loading import read_labelled
from imbalance_cli.workflows import preparing, storing
from imbalance_cli.workflows.preparing import Prepared, prepare
from imbalance_cli.workflows.scanning import scan_stream, stream_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imbalance_cli.readers.source import Batch


@pytest.fixture(autouse=True)
def many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 2**12)
    monkeypatch.setattr(delimited, "SMALL", 2**11)


def both(folder: Path, table: object, **data: object) -> list[Prepared]:
    """Return what is prepared in memory, and streamed."""
    prepared = []
    for in_memory in (True, False):
        config = load_sections(folder, table, data=data | {"in_memory": in_memory})
        prepared.append(prepare(config, Silent(), folds=None, scratch=folder))
    return prepared


def assert_same(held: Prepared, streamed: Prepared) -> None:
    for part, rows in held.data.split.rows_of_parts().items():
        assert np.array_equal(rows, streamed.data.split.rows_of_parts()[part])
    assert streamed.preprocessing == held.preprocessing
    assert streamed.learnable == held.learnable
    targets = [prepared.rows.columns(ALL).nan_to_num(-1) for prepared in (held, streamed)]
    assert targets[0].equal(targets[1])
    blocks = zip(streamed.rows.blocks(100), held.rows.blocks(100), strict=True)
    for one, other in blocks:
        assert one.numeric.equal(other.numeric)
        assert one.codes.equal(other.codes)
        assert (one.weights is None) == (other.weights is None)
        if one.weights is not None and other.weights is not None:
            assert one.weights.equal(other.weights)


def with_more(columns: Columns) -> Columns:
    rows = len(columns["amount"])
    random = np.random.default_rng(3)
    return columns | {
        "who": [f"g{i // 4}" for i in range(rows)],
        "when": [f"2024-01-{1 + i % 28:02} 10:00:00" for i in range(rows)],
        "weight": [f"{weight:.3f}" for weight in random.uniform(0, 2, rows).clip(0.3)],
        "named": random.choice(["train", "valid", "test"], rows, p=[0.6, 0.2, 0.2]).tolist(),
        "kind": random.choice(["a", "b", "c"], rows).tolist(),
        "tags": random.choice(["p;q", "p", "q", ""], rows).tolist(),
    }


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"missing_labels": "drop"},
        {"missing_labels": "negative"},
        {"group": "who"},
        {"time": "when"},
        {"part": "named"},
        {"sample_weight": "weight"},
        {"labels": ["kind"], "encoding": "one_vs_rest"},
        {"labels": ["tags"], "encoding": "tags"},
    ],
    ids=str,
)
def test_the_rows_are_those_in_memory(data: dict[str, Any], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", with_more(make_columns()))
    assert_same(*both(tmp_path, table, **data))


def test_several_sources_and_given_parts(tmp_path: Path) -> None:
    tables = [write_csv(tmp_path / f"{i}.csv", make_columns(300, seed=i)) for i in range(4)]
    held, streamed = both(
        tmp_path,
        [str(tables[0]), str(tables[1])],
        valid=str(tables[2]),
        test=str(tmp_path / "[3].csv"),
    )
    assert_same(held, streamed)
    assert len(streamed.rows) == 1200


@pytest.mark.parametrize("suffix", [".parquet", ".ndjson", ".csv.gz", ".arrow"])
def test_formats(suffix: str, tmp_path: Path) -> None:
    frame = pl.DataFrame(make_columns())
    path = tmp_path / f"table{suffix}"
    if suffix == ".csv.gz":
        frame.write_csv(path, compression="gzip")
    else:
        writers = {".parquet": "write_parquet", ".ndjson": "write_ndjson", ".arrow": "write_ipc"}
        getattr(frame, writers[suffix])(path)
    assert_same(*both(tmp_path, path))


def test_arrays_with_their_targets_in_a_file_beside(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 3))
    np.save(tmp_path / "x.npy", features)
    np.save(tmp_path / "y.npy", (features[:, 0] > 0.5).astype(int))
    assert_same(*both(tmp_path, tmp_path / "x.npy", labels=[str(tmp_path / "y.npy")]))


def test_fit_gives_the_same_counts_rows_and_nearly_the_same_numbers(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns(3000))
    training = {"epochs": 12, "batch_size": 128, "learning_rate": 0.02}
    documents, frames, runs = [], [], []
    for in_memory in (True, False):
        data = {"in_memory": in_memory}
        config = write_config(tmp_path / "config.yaml", table, data=data, training=training)
        run = tmp_path / f"run_{in_memory}"
        outcome = succeed("fit", config, "--run-dir", run, "--format", "json")
        documents.append(outcome.document["splits"]["test"])
        frames.append(pl.read_parquet(run / "predictions.parquet"))
        runs.append(json.loads((run / "run.json").read_bytes()))
    same = ["row", *(column for column in frames[0].columns if column.endswith("_target"))]
    assert frames[0][same].equals(frames[1][same])
    assert runs[0]["features"] == runs[1]["features"]
    for one, other in zip(runs[0]["labels"], runs[1]["labels"], strict=True):
        assert one["pos_weight"] == other["pos_weight"]
        assert one["validation_positives"] == other["validation_positives"]
    for one, other in zip(documents[0]["labels"], documents[1]["labels"], strict=True):
        assert one["positives"] == other["positives"]
    held, streamed = (document["macro"]["average_precision"] for document in documents)
    assert streamed == pytest.approx(held, abs=0.05)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the columns of each pass over a CSV file, as they come to be made."""
    made: list[list[str]] = []
    batches = delimited.DelimitedSource.batches

    def note(source: delimited.DelimitedSource, columns: list[str]) -> Iterator[Batch]:
        made.append(list(columns))
        return batches(source, columns)

    monkeypatch.setattr(delimited.DelimitedSource, "batches", note)
    return made


def test_a_fit_makes_four_passes_and_is_the_same_again(
    tmp_path: Path, passes: list[list[str]]
) -> None:
    columns = make_columns() | {"y_never": ["0"] * 400}  # something to warn of
    table = write_csv(tmp_path / "table.csv", columns)
    config = write_config(tmp_path / "config.yaml", table, data={"in_memory": False})
    features = ["amount", "age", "colour", "city"]
    told, contents = [], []
    for name in ("one", "two"):
        outcome = succeed("fit", config, "--run-dir", tmp_path / name)
        lines = outcome.err.splitlines()
        told.append([line for line in lines if line.startswith(("warning: ", "note: "))])
        files = ("predictions.parquet", "model.safetensors", "metrics.csv")
        contents.append([(tmp_path / name / file).read_bytes() for file in files])
        # how columns are written, the labels, the features' scales, their rows
        assert passes == [features, [*LABELS, "y_never"], features, features]
        passes.clear()
    assert contents[0] == contents[1]
    assert told[0] == told[1]
    (about_disk,) = (line for line in told[0] if "ready for the model" in line)
    assert about_disk == (
        "note: 400 rows ready for the model take 0.0 MB in temporary files in "
        f"{tmp_path}, until the fit ends"
    )
    assert any("y_never" in line for line in told[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only there files without a name are listed")
def test_a_fit_leaves_nothing_but_its_run(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = write_config(tmp_path / "config.yaml", table, data={"in_memory": False})
    succeed("fit", config, "--run-dir", runs / "one")
    assert [entry.name for entry in runs.iterdir()] == ["one"]
    assert str(runs) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_fit_that_is_ended_leaves_no_rows(tmp_path: Path, number: signal.Signals) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    training = {"epochs": 100_000, "patience": None}
    config = write_config(
        tmp_path / "config.yaml", table, data={"in_memory": False}, training=training
    )
    arguments = ("fit", str(config), "--run-dir", str(tmp_path / "run"))
    command = [sys.executable, "-m", "imbalance_cli", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "run" / "history.csv").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        _, told = process.communicate()
    assert b"rows ready for the model" in told
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {"table.csv", "config.yaml", "run"}


def test_a_source_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = make_columns()
    table = write_csv(tmp_path / "table.csv", columns)
    config = write_config(tmp_path / "config.yaml", table, data={"in_memory": False})
    scan = scan_stream

    def change(*arguments: Any) -> object:  # noqa: ANN401  those of scan_stream
        columns["amount"][7] = "0.000001"
        write_csv(table, columns)
        return scan(*arguments)

    monkeypatch.setattr(preparing, "scan_stream", change)
    refuse("fit", config, says="was changed while it was read", hint="nothing writes to it")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["config.yaml", "table.csv"]
    monkeypatch.undo()
    succeed("fit", config, "--run-dir", tmp_path / "run")


def test_evaluate_gives_the_run_s_own_numbers(tmp_path: Path) -> None:
    columns = make_columns(900)
    rows = [{c: cells[i::2] for c, cells in columns.items()} for i in range(2)]
    train, test = (write_csv(tmp_path / f"{i}.csv", part) for i, part in enumerate(rows))
    data = {"in_memory": False, "test": str(test)}
    config = write_config(tmp_path / "config.yaml", train, data=data)
    fitted = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json").document
    again = succeed("evaluate", tmp_path / "run", test, "--format", "json").document
    ours, its = fitted["splits"]["test"], again["splits"]["test"]
    assert ours["macro"] == its["macro"]
    assert ours["labels"] == its["labels"]


@pytest.mark.parametrize(
    ("section", "key", "value"), [("training", "folds", 2), ("training", "sampler", "balanced")]
)
def test_what_needs_all_rows_in_memory_is_refused(
    section: str, key: str, value: object, tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    sections: dict[str, dict[str, object]] = {section: {key: value}}
    sections["weighting"] = {"strategy": "none"}
    sections["loss"] = {"name": "bce"}
    config = write_config(tmp_path / "config.yaml", table, data={"in_memory": False}, **sections)
    outcome = refuse("fit", config, "--run-dir", tmp_path / "run", says="data.in_memory")
    assert f"{section}.{key}" in outcome.err


def test_stdin_and_compare_are_refused(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    data = {"in_memory": False}
    config = write_config(tmp_path / "config.yaml", table, data=data)
    says, hint = "compare needs all rows in memory", "leave data.in_memory out"
    outcome = refuse("compare", config, "--run-dir", tmp_path / "run", says=says, hint=hint)
    assert "training.folds" not in outcome.err
    config = write_config(tmp_path / "config.yaml", "-", data=data)
    refuse("fit", config, stdin=table.read_bytes(), says="data.train is stdin", hint="name a file")


def test_auto_streams_what_would_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = write_config(tmp_path / "config.yaml", table)
    command = ("fit", config, "--overwrite", "--run-dir", tmp_path / "run")
    size = table.stat().st_size
    monkeypatch.setattr(storing, "free_memory", lambda: 4 * size)
    assert "streamed" not in succeed(*command).err
    monkeypatch.setattr(storing, "free_memory", lambda: 4 * size - 1)
    outcome = succeed(*command, "--set", "training.folds=2")
    assert "training.folds cannot be streamed" in outcome.err
    assert "ready for the model" not in outcome.err
    outcome = succeed(*command)
    assert "rows are streamed from disk" in outcome.err
    assert "ready for the model" in outcome.err


def cells_of(column: str, rows: dict[int, str]) -> Callable[[Columns], Columns]:
    """Return what changes some cells of a table."""

    def change(columns: Columns) -> Columns:
        changed = [rows.get(i, cell) for i, cell in enumerate(columns[column])]
        return columns | {column: changed}

    return change


@pytest.mark.parametrize(
    ("change", "data", "says"),
    [
        (cells_of("y_some", {300: "perhaps"}), {}, "line 302"),
        (cells_of("y_some", {390: "2"}), {}, "line 392"),
        (cells_of("who", {250: ""}), {"group": "who"}, "line 252: column 'who': the group"),
        (cells_of("when", {310: "soon"}), {"time": "when"}, "line 312: column 'when': 'soon'"),
        (cells_of("when", {310: "17"}), {"time": "when"}, "line 312: column 'when': '17'"),
        (cells_of("weight", {2: "-1"}), {"sample_weight": "weight"}, "line 4: column 'weight'"),
        (
            cells_of("weight", dict.fromkeys(range(400), "0")),
            {"sample_weight": "weight"},
            "every sample weight is 0",
        ),
        (cells_of("named", {399: "later"}), {"part": "named"}, "line 401: column 'named'"),
        (
            cells_of("named", dict.fromkeys(range(400), "test")),
            {"part": "named"},
            "table.csv: column 'named': no row is for train",
        ),
        (
            cells_of("named", dict.fromkeys(range(400), "train")),
            {"part": "named"},
            "table.csv: column 'named': no row is for valid",
        ),
        (
            cells_of("tags", {333: "p;;q"}),
            {"labels": ["tags"], "encoding": "tags"},
            "line 335: column 'tags'",
        ),
        (cells_of("y_rare", {11: ""}), {"missing_labels": "error"}, "the label is missing"),
        (cells_of("amount", {211: "1e400"}), {}, "line 213: column 'amount'"),
        (cells_of("y_often", dict.fromkeys(range(400), "")), {"labels": ["y_often"]}, "y_often"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_are_those_in_memory(
    change: Callable[[Columns], Columns], data: dict[str, Any], says: str, tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "table.csv", change(with_more(make_columns())))
    outcomes = []
    for in_memory in (True, False):
        sections = {"data": data | {"in_memory": in_memory}}
        config = write_config(tmp_path / "config.yaml", table, **sections)
        outcomes.append(refuse("fit", config, says=says))
    assert outcomes[0].err == outcomes[1].err


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"group": "who"}, "line 5: who g0; "),
        ({"time": "when"}, "line 24: when 2024-01-23 10:00:00 is in train"),
    ],
)
def test_given_parts_that_touch_are_shown(data: dict[str, str], says: str, tmp_path: Path) -> None:
    train, valid = (
        write_csv(tmp_path / f"{i}.csv", with_more(make_columns(60, seed=i))) for i in range(2)
    )
    outcomes = []
    for in_memory in (True, False):
        sections = {"data": data | {"in_memory": in_memory, "valid": str(valid)}}
        config = write_config(tmp_path / "config.yaml", train, **sections)
        outcomes.append(refuse("fit", config, says=says))
    assert outcomes[0].err == outcomes[1].err
    assert "1.csv: line 2: w" in outcomes[0].err


def test_rows_of_which_every_label_is_missing(tmp_path: Path) -> None:
    columns = make_columns()
    for label in LABELS:
        columns[label][100:150] = [""] * 50
    table = write_csv(tmp_path / "table.csv", columns)
    for policy in ("mask", "drop"):
        held, streamed = both(tmp_path, table, missing_labels=policy)
        assert_same(held, streamed)


def test_no_validation_rows(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    data = {"in_memory": False}
    config = write_config(tmp_path / "config.yaml", table, data=data, split={"valid": 0.0})
    refuse("fit", config, says="split.valid is 0")


def test_very_many_tags(tmp_path: Path) -> None:
    """Their targets are sparse."""
    random = np.random.default_rng(0)
    cells = [";".join(f"t{i}" for i in random.choice(150, 6, replace=False)) for _ in range(900)]
    table = write_csv(tmp_path / "table.csv", make_columns(900) | {"tags": cells})
    data = {"labels": ["tags"], "encoding": "tags", "exclude": LABELS}
    held, streamed = both(tmp_path, table, **data)
    assert isinstance(streamed.data.targets, SparseTargets)
    assert_same(held, streamed)


def test_sources_of_other_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(make_columns())
    frame.write_parquet(tmp_path / "a.parquet")
    frame.with_columns(pl.col("y_some").cast(pl.Int8, strict=False)).write_parquet(
        tmp_path / "b.parquet"
    )
    train = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    for in_memory in (True, False):
        data = {"in_memory": in_memory}
        config = write_config(tmp_path / "config.yaml", train, data=data)
        refuse("fit", config, says="columns of different types")


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "npz"])
def test_whole_numbers_in_one_file_and_decimals_in_another(suffix: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        amount = random.normal(size=300)
        whole = random.integers(0, 2**40, 300)
        label = (amount > 1).astype(np.int8)
        columns = {
            "amount": amount,
            "whole": whole if name == "a" else whole + 0.5,
            "weight": random.integers(1, 3, 300) / (1 if name == "a" else 2.0),
            "who": random.integers(0, 40, 300).astype(np.int64 if name == "a" else np.float64),
            "y": label if name == "a" else label.astype(np.float64),
        }
        if name == "a":
            columns["weight"] = columns["weight"].astype(np.int64)
        path = tmp_path / f"{name}.{suffix}"
        if suffix == "npz":
            np.savez(path, allow_pickle=False, **columns)
        elif suffix == "arrow":
            pl.DataFrame(columns).write_ipc(path)
        else:
            pl.DataFrame(columns).write_parquet(path)
    train = str(tmp_path / f"*.{suffix}")
    assert_same(*both(tmp_path, train, group="who", sample_weight="weight"))
    assert_same(*both(tmp_path, train, labels=["y"], encoding="one_vs_rest", exclude=["who"]))
    files = sorted(str(path) for path in tmp_path.glob(f"*.{suffix}"))
    expected = succeed("weights", *files, "--sample-weight", "weight").out
    if suffix == "parquet":  # a glob is one table
        assert succeed("weights", train, "--sample-weight", "weight").out == expected
        assert succeed("inspect", train, "--format", "json").document["rows"] == 600


def test_a_source_that_grew_between_two_passes(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = load_sections(tmp_path, table)
    _, data = read_labelled(config, with_features=False)
    for columns in (make_columns(401), make_columns(399)):
        write_csv(table, columns)
        with pytest.raises(SourceError, match="had 400 when the labels were read"):
            list(stream_rows(data, ["amount"]))


def test_a_row_that_is_gone(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns(20))
    assert find_row([open_source(str(table))], ["city"], 19)[0] == f"{table}: line 21"
    with pytest.raises(SourceError, match="20 rows are left"):
        find_row([open_source(str(table))], ["city"], 20)


LIMITED = """
import resource, sys
import psutil
from imbalance_cli.cli.app import main
from imbalance_cli.readers import delimited
delimited.BLOCK = 2**20
small, large, more = sys.argv[1:]
if main(["fit", small, "-q", "--overwrite"]):  # loads all that is needed
    sys.exit("the small fit failed")
limit = psutil.Process().memory_info().data + int(more)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.exit(main(["fit", large, "-q", "--overwrite"]))
"""
MORE = 370 * 2**20  # 300 are just enough for streamed rows, and 450 for all in memory


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write very many rows, and the first ones of them."""
    folder = tmp_path_factory.mktemp("many_rows")
    features = np.random.default_rng(0).normal(size=(500_000, 16))
    frame = pl.DataFrame(features).with_columns(y=pl.Series(features[:, 0] > 1.5).cast(pl.Int8))
    frame[:500].write_csv(folder / "small.csv", float_precision=3)
    frame.write_csv(folder / "large.csv", float_precision=3)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts private memory on Linux")
@pytest.mark.parametrize(("in_memory", "fits"), [(False, True), (True, False)])
def test_it_fits_where_all_rows_do_not(
    in_memory: bool,  # noqa: FBT001  a parameter of pytest
    fits: bool,  # noqa: FBT001  as above
    many_rows: Path,
    tmp_path: Path,
) -> None:
    configs = [
        write_config(
            tmp_path / f"{name}.yaml",
            many_rows / f"{name}.csv",
            data={"in_memory": in_memory},
            training={"epochs": 1, "batch_size": 1024},
            output={"directory": str(tmp_path / "runs"), "name": name},
        )
        for name in ("small", "large")
    ]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, configs), str(MORE)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is fits, done.stderr


def test_bins_are_fitted_on_some_of_very_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imbalance_cli.workflows import networks

    monkeypatch.setattr(networks, "BINNED_ROWS", 50)
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = write_config(tmp_path / "config.yaml", table, data={"in_memory": False})
    assert run_command("fit", config, "--run-dir", tmp_path / "run", "-q").code == 0
