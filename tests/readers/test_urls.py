"""URLs as names of sources: what is a URL, and what of it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import SourceError
from imbalance_cli.readers import open_source
from imbalance_cli.readers.partitions import is_glob, is_table_of_files
from imbalance_cli.readers.urls import address_of, hide_credentials, is_url, name_url, name_urls

WORDS = st.text("abcXYZ019%-_.~:;,?#&=+!$*()", min_size=1)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://example.org/a.csv", "https://example.org/a.csv"),
        ("https://me:secret@example.org/a.csv", "https://example.org/a.csv"),
        ("https://me:p@ss@example.org:8443/a.csv", "https://example.org:8443/a.csv"),
        ("https://me:p?ss@example.org/a.csv", "https://example.org/a.csv"),
        ("https://example.org/a.csv?X-Amz-Signature=secret", "https://example.org/a.csv"),
        ("https://example.org/a.csv?secret", "https://example.org/a.csv"),
        ("https://example.org/a.csv#secret", "https://example.org/a.csv"),
        ("https://example.org/my 'own'.csv?key=secret", "https://example.org/my 'own'.csv"),
        ("https://example.org?key=secret", "https://example.org"),
        ("s3://bucket/part-?.parquet", "s3://bucket/part-?.parquet"),
        ("hf://datasets/a/b@refs%2Fpr%2F1/c.csv", "hf://datasets/a/b@refs%2Fpr%2F1/c.csv"),
        ("data/a.csv", "data/a.csv"),
        ("-", "-"),
    ],
)
def test_a_url_is_named_without_what_is_secret(given: str, shown: str) -> None:
    assert name_url(given) == name_url(shown) == shown
    assert "secret" not in shown
    assert address_of(shown) == given


@given(WORDS, WORDS, WORDS)
def test_nothing_of_user_and_query_is_shown(user: str, password: str, query: str) -> None:
    shown = hide_credentials(f"see https://{user}:{password}@example.org/a.csv?{query} there")
    assert shown == "see https://example.org/a.csv there"


def test_each_url_of_a_line_is_shown_without_what_is_secret() -> None:
    line = (
        "imbtrain fit c.yaml --set 'data.train=[https://a.org/x.csv?s=1,https://u:p@b.org/y.csv]'"
    )
    hidden = "imbtrain fit c.yaml --set 'data.train=[https://a.org/x.csv,https://b.org/y.csv]'"
    assert hide_credentials(line) == hidden
    assert hide_credentials("is it a.csv?") == "is it a.csv?"


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ("htps://u:secret@a.org/x.csv?secret", "no scheme 'htps'", "did you mean 'https://'?"),
        ("s4://bucket/x.csv", "no scheme 's4'", "did you mean 's3://'?"),
        ("gopher://a.org/x.csv", "no scheme 'gopher'", "one of https://, http://, s3://"),
        ("file:///tmp/x.csv", "a file here", "its path alone: /tmp/x.csv"),
        ("https:///x.csv", "names no file", "such as https://HOST/FILE"),
        ("s3://", "names no file", "such as s3://BUCKET/FILE"),
        ("s3://bucket/x.csv?versionId=secret", "only s3://BUCKET/FILE", "https://"),
        ("az://box@secret.net/x.csv?sig=secret", "only az://CONTAINER/FILE", "https://"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_in_a_line(given: str, message: str, hint: str) -> None:
    assert is_url(given)
    with pytest.raises(SourceError, match=message) as raised:
        name_url(given)
    assert hint in str(raised.value.hint)
    assert "u:secret" not in str(raised.value)
    assert "=secret" not in str(raised.value)


def test_a_url_that_was_made_a_path_is_told() -> None:
    with pytest.raises(SourceError, match="no such file") as raised:
        open_source(str(Path("https://a.org/x.csv")))
    assert raised.value.hint == "a URL begins with https://, and is a str in Python"


def test_two_urls_that_differ_in_what_is_secret_alone_are_refused() -> None:
    urls = ["https://a.org/x.csv?month=1", "https://a.org/x.csv?month=2"]
    with pytest.raises(SourceError, match=r"^https://a.org/x.csv: is given twice"):
        name_urls(urls)
    assert name_urls([urls[0], urls[0], "b.csv"]) == ["https://a.org/x.csv"] * 2 + ["b.csv"]


def test_a_store_has_patterns_and_directories_and_the_web_has_none() -> None:
    assert is_glob("s3://bucket/*.parquet")
    assert is_table_of_files("s3://bucket/table/")
    assert not is_table_of_files("s3://bucket/table")
    assert not is_table_of_files("https://a.org/table/")
    assert not is_glob("http://[::1]/x.csv")
