"""The services of docs/serving.md answer what `predict` writes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from small_runs import fit_run, make_columns, succeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from small_runs import FittedRun

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imbtrain-tests"
NODE_PACKAGE = "onnxruntime-node@1.30.0"
TRIES = 600  # tenths of a second until a service is up


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit a run with a number, a date and two categories, and export it."""
    columns = make_columns(200)
    for label in ("y_some", "y_rare"):
        del columns[label]
    columns["cancelled"] = columns.pop("y_often")
    columns["seen"] = [f"2024-01-{1 + i % 28:02}T10:00" if i % 9 else "" for i in range(200)]
    folder = tmp_path_factory.mktemp("served")
    run = fit_run(folder, columns, data={"labels": ["cancelled"]}, training={"epochs": 1})
    succeed("export", run.path, "-o", folder / "model.onnx")
    return run


def read_program(language: str) -> str:
    """Return the one program of a language that the page shows."""
    [program] = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(program)


@contextlib.contextmanager
def serve(*command: object) -> Iterator[str]:
    """Run a service, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([*map(str, command), str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(TRIES):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert process.poll() is None, "the service ended"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def post(address: str, rows: object) -> tuple[int, Any]:
    """Return the status and the answer of a service."""
    try:
        with urllib.request.urlopen(address, json.dumps(rows).encode()) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def compare(address: str, run: FittedRun) -> None:
    """Hold a service to `predict`, and what it refuses to name the column."""
    frame = pl.read_csv(run.table).drop("cancelled")
    frame = frame.with_columns(pl.col("colour").replace({"red": "mauve"}))
    changed = run.table.with_name("changed.csv")
    frame.write_csv(changed)
    status, answers = post(address, frame.to_dicts())
    assert status == 200
    said = pl.read_csv(succeed("predict", run.path, changed).out)
    for answer, probability, decision in zip(answers, *said.get_columns(), strict=True):
        assert answer["cancelled"]["probability"] == pytest.approx(probability, abs=1e-6)
        assert answer["cancelled"]["decision"] is bool(decision)
    status, answer = post(address, frame.drop("city").to_dicts())
    assert status == 400
    assert "city" in answer["error"]


def test_the_service_in_python(run: FittedRun) -> None:
    program = run.path.with_name("serve.py")
    program.write_text(read_program("py"))
    with serve(sys.executable, program, run.path.with_name("model.onnx")) as address:
        compare(address, run)


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """Return a folder with onnxruntime-node, installed once for all runs of the tests."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = CACHE / NODE_PACKAGE
    if not (folder / "node_modules").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefix", scratch)
            command = [npm, "install", *quiet, NODE_PACKAGE]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{NODE_PACKAGE} cannot be had: {done.stderr[-200:]}")
            folder.mkdir(exist_ok=True)
            Path(scratch, "node_modules").replace(folder / "node_modules")
    return folder / "node_modules"


def test_the_service_in_javascript(run: FittedRun, node_modules: Path) -> None:
    program = run.path.with_name("serve.mjs")
    program.write_text(read_program("js"))
    run.path.with_name("node_modules").symlink_to(node_modules)
    with serve("node", program, run.path.with_name("model.onnx")) as address:
        compare(address, run)
