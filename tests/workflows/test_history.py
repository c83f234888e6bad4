"""history.csv: a reader that tails it sees whole lines, epoch by epoch, while training runs."""

from __future__ import annotations

import csv
import mmap
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import polars as pl
import pytest
from small_runs import load_sections, make_columns, succeed, write_config, write_csv

from imbalance_cli import workflows

if TYPE_CHECKING:
    from pathlib import Path

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.workflows import Finish, Start


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table."""
    return write_csv(tmp_path_factory.mktemp("history") / "table.csv", make_columns())


class Tail(workflows.Observer):
    """An observer that reads the history whenever it is told of an epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[list[dict[str, str]]] = []

    def started(self, start: Start) -> None:
        """Nothing was trained."""
        assert start.epochs

    def epoch(self, result: EpochResult) -> None:
        """Read what is there, and hold it to what was told."""
        text = self.path.read_text()
        assert text.endswith("\n")
        rows = list(csv.DictReader(text.splitlines()))
        now = [row for row in rows if int(row["epoch"]) == result.epoch]
        there = [m for m, member in enumerate(result.members) if member.epoch == result.epoch]
        assert [int(row["member"]) for row in now] == there
        for row in now:
            member = result.members[int(row["member"])]
            assert (float(row["loss"]), float(row["score"])) == (member.loss, member.score)
        self.seen.append(rows)

    def finished(self, finish: Finish) -> None:
        """Hold the whole to what was seen last."""
        assert finish.rows
        assert list(csv.DictReader(self.path.read_text().splitlines())) == self.seen[-1]


@pytest.mark.parametrize(
    ("training", "members"),
    [({}, 1), ({"patience": 1, "epochs": 6}, 3), ({"folds": 3, "patience": 1, "epochs": 6}, 2)],
)
def test_an_epoch_is_there_when_it_is_told(
    table: Path, tmp_path: Path, training: dict[str, object], members: int
) -> None:
    config = load_sections(
        tmp_path, table, training=training, model={"members": members, "sharing": "none"}
    )
    tail = Tail(tmp_path / "run" / "history.csv")
    workflows.fit(config, tmp_path / "run", tail, overwrite=False)
    lengths = [len(rows) for rows in tail.seen]
    assert lengths == sorted(set(lengths))
    assert {row["member"] for row in tail.seen[0]} == {
        str(m) for m in range(members * int(str(training.get("folds", 1))))
    }


def test_of_a_comparison(table: Path, tmp_path: Path) -> None:
    config = load_sections(tmp_path, table, training={"epochs": 3}).with_repeats(2, 2)
    tail = Tail(tmp_path / "run" / "history.csv")
    workflows.compare(config, ["focal"], [], tmp_path / "run", tail, overwrite=False)
    assert len(tail.seen[-1]) == 3 * 2 * 2 * 2


def test_another_process_reads_whole_lines_while_it_grows(table: Path, tmp_path: Path) -> None:
    """40 members write some 5,000 bytes an epoch; every read ends at the end of an epoch.

    Or where the system ends a page, since a write of several pages may be seen in part.
    """
    training = {"epochs": 100_000, "patience": None, "checkpoint_every": 100_000}
    config = write_config(
        tmp_path / "c.yaml",
        table,
        training=training,
        model={"members": 40, "sharing": "none", "hidden": []},
    )
    command = [sys.executable, "-m", "imbalance_cli.cli.app", "fit", str(config), "-q"]
    history = tmp_path / "run" / "history.csv"
    sizes: set[int] = set()
    with subprocess.Popen(
        [*command, "--run-dir", str(tmp_path / "run")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    ) as process:
        try:
            deadline = time.monotonic() + 90
            while len(sizes) < 4 and time.monotonic() < deadline:
                content = history.read_bytes() if history.exists() else b""
                if content and len(content) % mmap.PAGESIZE:
                    assert content.endswith(b"\n")
                    assert (content.count(b"\n") - 1) % 40 == 0
                    sizes.add(len(content))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
    assert len(sizes) == 4


def test_a_run_reads_it_whole(table: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", table, training={"folds": 2, "epochs": 2})
    succeed("fit", config, "--run-dir", tmp_path / "run")
    frame = pl.read_csv(tmp_path / "run" / "history.csv")
    assert frame["member"].to_list() == [0, 1, 0, 1]
    assert frame["epoch"].to_list() == [1, 1, 2, 2]
