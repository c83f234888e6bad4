"""URLs are fetched once, from servers on this machine, and read as files are."""

from __future__ import annotations

import io
import logging
import re
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl
import pytest
from web_server import TABLE, USER, Web, serve

from imbalance_cli import api
from imbalance_cli.errors import DependencyError, SourceError
from imbalance_cli.progress import Stage, tell_reading
from imbalance_cli.readers import downloads, fetching, open_source, read_table
from imbalance_cli.readers.fetching import forget_fetched, local_file, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Put = Callable[[str, bytes], object]


@pytest.fixture
def web() -> Iterator[tuple[str, type[Web]]]:
    with serve() as served:
        yield served
    forget_fetched()


def test_a_url_is_fetched_once_and_read_as_its_file_is(web: tuple[str, type[Web]]) -> None:
    host, handler = web
    url = f"http://{host}/a.csv"
    stages: list[Stage] = []
    token = tell_reading.set(stages.append)
    try:
        for _ in range(2):
            table = read_table([open_source(f"{url}?signature=secret")], ["x", "y"])
            assert table.frame["y"].to_list() == ["0", "1", "0"]
            assert table.place(2) == f"{url}: line 4"
    finally:
        tell_reading.reset(token)
    assert handler.asked == [("/a.csv?signature=secret", None)]
    assert stages[-1] == Stage(f"fetching {url}", len(TABLE), len(TABLE), "bytes")
    assert str(stages[-1]) == f"fetching {url} 0.0 MB"
    assert local_file(url).read_bytes() == TABLE
    assert name_of(local_file(url)) == url


def test_from_python_each_call_fetches_anew(web: tuple[str, type[Web]]) -> None:
    host, handler = web
    paths = set()
    for _ in range(2):
        assert api.weights(f"http://{host}/a.csv").by_label == {"y": 2.0}
        paths.add(local_file(f"http://{host}/a.csv"))
    assert len(handler.asked) == len(paths) == 2
    assert sum(path.exists() for path in paths) == 1


def test_a_password_goes_to_its_server_alone(web: tuple[str, type[Web]]) -> None:
    host, handler = web
    source = open_source(f"http://me:p%40ss@{host}/own.csv")
    assert source.name == f"http://{host}/own.csv"
    with serve() as (other, stranger):
        handler.other = f"http://{other}/a.csv"
        open_source(f"http://me:p%40ss@{host}/elsewhere.csv")
    assert handler.asked == [("/own.csv", USER), ("/elsewhere.csv", USER)]
    assert stranger.asked == [("/a.csv", None)]


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("nope.csv", "no such file", None),
        ("*.csv", "no such file", "name each of them"),
        ("own.csv", "may not be read: HTTP Error 401", "USER:PASSWORD@ before the host"),
        ("busy.csv", "cannot be fetched: HTTP Error 503", "try again"),
        ("page.csv", r"is a web page \(text/html\), not a table", "Raw or Download"),
        ("short.csv", "ended after 16 of 1,000 bytes", "try again"),
        ("huge.csv", "has 1,000,000.0 TB, and .* are free in", "TMPDIR=DIR"),
        ("empty.csv", "the file is empty", None),
        ("silent.csv", "no answer in 0.3 seconds", "download it, and name the file"),
        ("stuck.csv", "no answer in 0.3 seconds", "download it, and name the file"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_a_line(
    web: tuple[str, type[Web]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    message: str,
    hint: str | None,
) -> None:
    monkeypatch.setattr(downloads, "SILENCE", 0.3)
    url = f"http://{web[0]}/{path}"
    with pytest.raises(SourceError, match=f"^{re.escape(url)}: {message}") as raised:
        open_source(f"{url}?signature=secret")
    assert hint is None or hint in str(raised.value.hint)
    assert "secret" not in str(raised.value)


def test_a_server_that_is_not_there_is_said_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot be fetched: .*Connection refused"):
        open_source(f"http://127.0.0.1:{port}/a.csv")


def test_names_with_blanks_are_fetched(web: tuple[str, type[Web]]) -> None:
    assert open_source(f"http://{web[0]}/a b.csv").columns == ["x", "y"]


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("s3://bucket/a.csv", "s3fs"),
        ("gs://bucket/a.csv", "gcsfs"),
        ("az://box/a.csv", "adlfs"),
        ("hf://datasets/me/it/a.csv", "huggingface_hub"),
    ],
)
def test_a_store_whose_package_is_missing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, url: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match=f"^{url} needs {package}, which is") as raised:
        open_source(url)
    assert raised.value.hint == "pip install 'imbtrain[cloud]'"


@pytest.fixture(scope="module")
def put() -> Iterator[Put]:
    """Put objects into a bucket of S3 on this machine."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "*")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "me")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import boto3

        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        yield lambda key, body: client.put_object(Bucket="bucket", Key=key, Body=body)
        client.close()
    server.stop()
    forget_fetched()


def test_a_file_in_s3_is_read_as_one_here(put: Put) -> None:
    put("a.csv", TABLE)
    table = read_table([open_source("s3://bucket/a.csv")], ["y"])
    assert table.frame["y"].to_list() == ["0", "1", "0"]
    assert table.place(0) == "s3://bucket/a.csv: line 2"


def test_files_in_s3_are_one_table(put: Put) -> None:
    for year in (2024, 2025):
        file = io.BytesIO()
        pl.DataFrame({"x": [year, 0], "y": [0, 1]}).write_parquet(file)
        put(f"table/year={year}/a.parquet", file.getvalue())
    put("table/_SUCCESS", b"")
    put("table/readme.txt", b"")
    table = open_source("s3://bucket/table/")
    assert table.columns == ["x", "y", "year"]
    (remark,) = table.remarks
    assert remark.startswith("s3://bucket/table/: 1 file beside the Parquet files is not read: s3:")
    found = read_table([table], ["x", "year"])
    assert found.frame.rows() == [(2024, 2024), (0, 2024), (2025, 2025), (0, 2025)]
    assert found.place(2) == "s3://bucket/table/: s3://bucket/table/year=2025/a.parquet: row 1"
    assert read_table([open_source("s3://bucket/table/year=202?/*")], ["x"]).frame.height == 4


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("s3://bucket/nope.csv", "no such file", "a directory of files ends in /"),
        ("s3://no-bucket/a.csv", "no such file", "a directory"),
        ("s3://bucket/none-*.parquet", "no file matches", None),
        ("s3://bucket/none/", "no file is below it", None),
        ("s3://bucket/*.csv", "matches s3://bucket/a.csv, which is no Parquet file", "one by one"),
    ],
)
def test_what_s3_does_not_have_is_said_in_a_line(
    put: Put, url: str, message: str, hint: str | None
) -> None:
    put("a.csv", TABLE)
    with pytest.raises(SourceError) as raised:
        open_source(url)
    assert str(raised.value) == f"{url}: {message}"
    assert hint is None or hint in str(raised.value.hint)


@pytest.mark.usefixtures("put")
def test_s3_without_credentials_says_where_they_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(
        SourceError, match="may not be read: Unable to locate credentials"
    ) as raised:
        open_source("s3://bucket/b.csv")
    assert "AWS_PROFILE" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("logged", "message", "hint"),
    [
        ("no credentials were found\nat all", "seconds: no credentials were found", "AWS_PROFILE"),
        ("some news", "seconds", "see whether"),
    ],
)
def test_a_store_that_says_nothing_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logged: str,
    message: str,
    hint: str,
) -> None:
    def read(*_: object) -> None:
        logging.getLogger("a library").warning(logged)
        time.sleep(1)

    monkeypatch.setattr(downloads, "STORE_SILENCE", 0.2)
    monkeypatch.setattr(fetching, "read_store", read)
    with pytest.raises(
        SourceError, match=f"^s3://bucket/c.csv: no answer in 0.2 {message}$"
    ) as raised:
        open_source("s3://bucket/c.csv")
    assert hint in str(raised.value.hint)
    assert capsys.readouterr().err == ""
