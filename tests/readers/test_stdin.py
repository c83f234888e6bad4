"""What comes on stdin, compressed or not, is what a file of it would be."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
import zstandard
from small_runs import refuse, succeed, write_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECTIONS: dict[str, dict[str, object]] = {
    "training": {"epochs": 1, "device": "cpu"},
    "report": {"bootstrap": 0},
}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".csv": bytes,
    ".csv.gz": gzip.compress,
    ".csv.bz2": bz2.compress,
    ".csv.xz": lzma.compress,
    ".csv.zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def make_frame() -> pl.DataFrame:
    """Return two features and a label."""
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2)).round(3)
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": (x[:, 0] > 1).astype(np.int8)})


def write(path: Path) -> None:
    """Write the frame in the format that the name says."""
    frame = make_frame()
    match path.name.partition(".")[2]:
        case "parquet":
            frame.write_parquet(path)
        case "arrow":
            frame.write_ipc(path)
        case "stream.arrow":
            frame.write_ipc_stream(path)
        case "ndjson":
            frame.write_ndjson(path)
        case suffix:
            path.write_bytes(COMPRESS[f".{suffix}"](frame.write_csv().encode()))


@pytest.mark.parametrize("suffix", [*COMPRESS, ".parquet", ".arrow", ".stream.arrow", ".ndjson"])
def test_every_command_reads_it(suffix: str, tmp_path: Path) -> None:
    table = tmp_path / f"t{suffix}"
    write(table)
    content = table.read_bytes()
    found: list[list[bytes]] = []
    for name, stdin in ((table, b""), ("-", content)):
        config = write_config(tmp_path / "c.yaml", name, **SECTIONS)
        run = tmp_path / f"run{len(found)}"
        report = succeed("fit", config, "--run-dir", run, "--format", "csv", "-q", stdin=stdin)
        found.append(
            [
                report.out,
                succeed("evaluate", run, name, "--bootstrap", 0, stdin=stdin).out,
                succeed("predict", run, name, stdin=stdin).out,
                succeed("weights", name, stdin=stdin).out,
                succeed("inspect", name, stdin=stdin).out,
            ]
        )
    assert found[0] == found[1]


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst"])
def test_what_is_cut_off_is_refused(suffix: str, tmp_path: Path) -> None:
    table = tmp_path / f"t{suffix}"
    write(table)
    cut = table.read_bytes()[:-20]
    config = write_config(tmp_path / "c.yaml", "-", **SECTIONS)
    refuse("fit", config, "--run-dir", tmp_path / "run", stdin=cut, says="stdin: ")
    table.write_bytes(cut)
    config = write_config(tmp_path / "c.yaml", table, **SECTIONS)
    refuse("fit", config, "--run-dir", tmp_path / "run", says=f"{table}: ")
    assert not (tmp_path / "run").exists()


def test_lone_carriage_returns_are_named_by_every_command(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes(make_frame().write_csv().encode().replace(b"\n", b"\r"))
    config = write_config(tmp_path / "c.yaml", table, **SECTIONS)
    says, hint = "line 1: a lone carriage return outside quotes", r"tr '\r' '\n'"
    for command in (["weights", table], ["inspect", table], ["init", table], ["fit", config]):
        refuse(*command, says=says, hint=hint)


@pytest.mark.parametrize("suffix", [".csv.bz2", ".csv.gz", ".ndjson.bz2", ".csv.zst", ".csv.xz"])
def test_a_pipe_that_is_larger_than_a_look_at_it(suffix: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"x": random.random(30_000), "y": random.integers(0, 2, 30_000)})
    content = frame.write_ndjson() if "ndjson" in suffix else frame.write_csv()
    compress = COMPRESS[f".csv.{suffix.rpartition('.')[2]}"]
    (tmp_path / "t").write_bytes(compress(content.encode()))
    command = f"cat {tmp_path / 't'} | {sys.executable} -m imbalance_cli.cli.app weights -"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    positives = int(frame["y"].sum())
    assert done.stdout.splitlines()[1].startswith(f"y,{positives},{30_000 - positives},0,")
