"""Fitting rows that are streamed: the same rows and numbers as in memory, and less of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from small_runs import (
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
from imbalance_cli.readers import delimited
from imbalance_cli.workflows import storing
from imbalance_cli.workflows.preparing import Prepared, prepare
from imbalance_cli.workflows.scanning import stream_rows

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 2**12)
    monkeypatch.setattr(delimited, "SMALL", 2**11)


def both(folder: Path, table: object, **data: object) -> list[Prepared]:
    """Return what is prepared in memory, and streamed."""
    prepared = []
    for in_memory in (True, False):
        config = load_sections(folder, table, data=data | {"in_memory": in_memory})
        prepared.append(prepare(config, Silent(), folds=None, cache=folder / "cache"))
    return prepared


def assert_same(held: Prepared, streamed: Prepared) -> None:
    for part, rows in held.data.split.rows_of_parts().items():
        assert np.array_equal(rows, streamed.data.split.rows_of_parts()[part])
    assert streamed.preprocessing == held.preprocessing
    assert streamed.learnable == held.learnable
    blocks = zip(streamed.rows.blocks(100), held.rows.blocks(100), strict=True)
    for one, other in blocks:
        assert one.numeric.equal(other.numeric)
        assert one.codes.equal(other.codes)
        assert one.targets.nan_to_num(-1).equal(other.targets.nan_to_num(-1))
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
    training = {"epochs": 12, "learning_rate": 0.01}
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


def test_the_same_config_gives_the_same_predictions_and_the_cache_is_found_again(
    tmp_path: Path,
) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = write_config(tmp_path / "config.yaml", table, data={"in_memory": False})
    contents, caches = [], []
    for name in ("one", "two"):
        succeed("fit", config, "--run-dir", tmp_path / name, "-q")
        contents.append((tmp_path / name / "predictions.parquet").read_bytes())
        caches.append({p: p.stat().st_mtime_ns for p in (tmp_path / ".imbtrain-cache").glob("*/*")})
    assert contents[0] == contents[1]
    assert caches[0] == caches[1]
    assert caches[0]
    write_csv(table, make_columns(seed=5))
    succeed("fit", config, "--run-dir", tmp_path / "three", "-q")
    assert len(list((tmp_path / ".imbtrain-cache").iterdir())) == 2


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
    outcome = refuse("compare", config, "--run-dir", tmp_path / "run", says="data.in_memory")
    assert "training.folds" in outcome.err
    config = write_config(tmp_path / "config.yaml", "-", data=data)
    refuse("fit", config, stdin=table.read_bytes(), says="data.train is stdin", hint="name a file")


def test_auto_streams_what_would_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = write_config(tmp_path / "config.yaml", table)
    command = ("fit", config, "--overwrite", "--run-dir", tmp_path / "run")
    size = table.stat().st_size
    monkeypatch.setattr(storing, "available_memory", lambda _: 4 * size)
    assert "streamed" not in succeed(*command).err
    assert not (tmp_path / ".imbtrain-cache").exists()
    monkeypatch.setattr(storing, "available_memory", lambda _: 4 * size - 1)
    outcome = succeed(*command, "--set", "training.folds=2")
    assert "training.folds cannot be streamed" in outcome.err
    assert not (tmp_path / ".imbtrain-cache").exists()
    assert "rows are streamed from disk" in succeed(*command).err
    assert (tmp_path / ".imbtrain-cache").exists()


def test_a_bad_cell_is_named_by_its_line(tmp_path: Path) -> None:
    columns = make_columns()
    columns["y_some"][300] = "perhaps"
    table = write_csv(tmp_path / "table.csv", columns)
    outcomes = []
    for in_memory in (True, False):
        config = write_config(tmp_path / "config.yaml", table, data={"in_memory": in_memory})
        outcomes.append(refuse("fit", config, says="line 302"))
    assert outcomes[0].err == outcomes[1].err


def test_a_source_that_grew_while_it_was_read(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    _, streamed = both(tmp_path, table)
    for columns in (make_columns(401), make_columns(399)):
        write_csv(table, columns)
        with pytest.raises(SourceError, match="had 400 when the labels were read"):
            list(stream_rows(streamed.data, ["amount"]))


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
MORE = 260 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts private memory on Linux")
@pytest.mark.parametrize(("in_memory", "fits"), [(False, True), (True, False)])
def test_it_fits_where_all_rows_do_not(
    in_memory: bool,  # noqa: FBT001  a parameter of pytest
    fits: bool,  # noqa: FBT001  as above
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(500_000, 16))
    frame = pl.DataFrame(features).with_columns(y=pl.Series(features[:, 0] > 1.5).cast(pl.Int8))
    configs = []
    for name, rows in (("small", frame[:500]), ("large", frame)):
        rows.write_csv(tmp_path / f"{name}.csv", float_precision=3)
        configs.append(
            write_config(
                tmp_path / f"{name}.yaml",
                tmp_path / f"{name}.csv",
                data={"in_memory": in_memory},
                training={"epochs": 1},
                output={"directory": str(tmp_path / "runs"), "name": name},
            )
        )
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
