"""Commands that are given URLs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from small_runs import make_columns, make_config, refuse, succeed, to_csv
from web_server import Web, serve

from imbalance_cli.readers.fetching import forget_fetched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRETS = "?X-Amz-Signature=hush&month=1"


@pytest.fixture
def web() -> Iterator[tuple[str, type[Web]]]:
    with serve() as (host, handler):
        handler.table = to_csv(make_columns(200)).encode()
        yield f"http://me:hush@{host}/a.csv{SECRETS}", handler
    forget_fetched()


def test_a_run_of_a_url_knows_its_content_and_none_of_its_secrets(
    web: tuple[str, type[Web]], tmp_path: Path
) -> None:
    url, handler = web
    name = url.replace("me:hush@", "").removesuffix(SECRETS)
    config = json.dumps(make_config(url, data={"labels": ["y_often"]}, training={"epochs": 1}))
    run = tmp_path / "run"
    fitted = succeed("fit", "-", "--run-dir", run, "--format", "json", stdin=config.encode())
    assert fitted.err.startswith(f"note: fetched {name}: 0.0 MB\nreading {name}\n")
    assert len(handler.asked) == 1
    (file,) = json.loads((run / "run.json").read_text())["data"]["files"]
    assert (file["path"], file["bytes"]) == (name, len(handler.table))

    written = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert name.encode() in written
    assert b"hush" not in written
    assert b"month" not in written

    path = tmp_path / "a.csv"
    path.write_bytes(handler.table)
    of_url, of_file = (succeed("predict", run, rows).out for rows in (url, path))
    assert of_url == of_file
    assert succeed("evaluate", run, url, "--format", "csv").out.count(b"\n") == 2

    explained = ("explain", run, "--labels", "y_often", "--repeats", "1", "--format", "csv")
    forget_fetched()
    assert succeed(*explained).out
    handler.table += b"\n"
    forget_fetched()
    refuse(*explained, says=f"{name} was changed since the run was made")


def test_a_url_takes_the_place_of_a_config(web: tuple[str, type[Web]]) -> None:
    url, _ = web
    shown = succeed("fit", url, "--labels", "y_often", "--print-config").text
    assert f"  train:\n  - {url.replace('me:hush@', '').removesuffix(SECRETS)}\n" in shown
    assert "hush" not in shown
    at_once = succeed("init", url, "--labels", "y_often", "--minimal").text
    assert "hush" not in at_once
    refuse(
        "fit", "https://a.org/config.yaml?hush", says="a config is a file here", hint="| imbtrain"
    )


def test_transfers_are_shown_as_the_log_is_asked_for(web: tuple[str, type[Web]]) -> None:
    url, _ = web
    config = json.dumps(make_config(url, data={"labels": ["y_often"]}))
    loud = succeed("check", "-", "--log-format", "json", stdin=config.encode()).err
    assert json.loads(loud.splitlines()[0])["message"].startswith("fetched http://127.0.0.1")
    forget_fetched()
    assert "fetched" not in succeed("check", "-", "--quiet", stdin=config.encode()).err


def test_what_is_wrong_is_said_without_secrets(web: tuple[str, type[Web]]) -> None:
    url, _ = web
    for given in (url.replace("a.csv", "nope.csv"), url.replace("http", "htp")):
        outcome = refuse("weights", given, says=f"error: {given[:4].rstrip(':')}")
        assert "hush" not in outcome.err
    assert "hush" not in refuse("weights", url, "--labels", "none").err


def test_a_termination_leaves_nothing_fetched(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))  # accepts, and never answers
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/table.csv"
    process = subprocess.Popen(
        [sys.executable, "-m", "imbalance_cli", "weights", address],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
    )
    with listener, listener.accept()[0]:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said.decode().endswith("error: interrupted\n")
    assert list(tmp_path.iterdir()) == []
