"""A format that is registered is read by its suffix, its first bytes and its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_runs import refuse, succeed

from imbalance_cli.readers.delimited import DelimitedSource
from imbalance_cli.readers.formats import FORMAT_SPECS, FormatSpec, Opening, register_format

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imbalance_cli.readers.source import Source


def open_tilde(found: Opening) -> Source:
    return DelimitedSource(found.name, "~")


@pytest.fixture(autouse=True)
def tilde() -> Iterator[None]:
    """Register text whose cells stand between tildes."""
    register_format(FormatSpec("tilde", (".tilde",), open_tilde, b"x!", is_binary=False))
    yield
    del FORMAT_SPECS["tilde"]


def test_by_suffix_by_first_bytes_and_by_name(tmp_path: Path) -> None:
    for name, header in (("a.tilde", "x~y"), ("a.unknown", "x!~y"), ("a.csv", "x~y")):
        path = tmp_path / name
        path.write_text(f"{header}\n" + "1~1\n2~0\n3~0\n" * 5)
        named = ("--input-format", "tilde") if name == "a.csv" else ()
        labels = ("--labels", "y")
        document = succeed("weights", path, *labels, *named, "--format", "json").document
        [label] = document["labels"]
        assert (label["positives"], label["negatives"]) == (5, 10)


def test_it_is_among_those_that_a_wrong_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,1\n")
    refuse("weights", path, "--input-format", "tilda", says="'tilda'", hint="'tilde'")
