"""What texts show by their first lines, and the delimiters that may be given for them."""

from __future__ import annotations

import io
import string
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import dump_svmlight_file
from small_runs import refuse, succeed, write_config

from imbalance_cli.config import load_config
from imbalance_cli.labels import count_sources
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.readers.dialect import Dialect, parse_delimiter
from imbalance_cli.readers.text_formats import choose_delimiter, format_of_text, is_svmlight

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFile

DELIMITERS = [*string.punctuation.replace('"', ""), " ", "\t", "\x01", "\x1f"]
BIG_ROWS = 20_000  # past what is read record by record
SHORT: dict[str, dict[str, object]] = {
    "training": {"epochs": 1, "device": "cpu"},
    "report": {"bootstrap": 0},
}


def make_table(rows: int = 300) -> pl.DataFrame:
    """Return two features, one of texts with delimiters in them, and a label."""
    random = np.random.default_rng(0)
    x = random.normal(size=rows).round(3)
    texts = [f"a{DELIMITERS[i % len(DELIMITERS)]}b, {i % 3}" for i in range(rows)]
    return pl.DataFrame({"x": x, "text": texts, "y": (x > 1).astype(np.int8)})


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_any_delimiter_that_is_given(write: WriteFile, delimiter: str) -> None:
    expected = make_table().with_columns(pl.all().cast(pl.String))
    path = write("t.csv", make_table().write_csv(separator=delimiter, quote_style="always"))
    table = read_table([open_source(path, dialect=Dialect(delimiter))], ["x", "text", "y"])
    assert table.frame.equals(expected)


@pytest.mark.parametrize("delimiter", ["@", " ", "\x1f", "#"])
@pytest.mark.parametrize("kind", ["digits", "numbers and blanks", "texts"])
@pytest.mark.parametrize("where", ["stdin", "a file"])
def test_each_way_of_counting_takes_it(
    write: WriteFile, delimiter: str, kind: str, where: str
) -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(random.integers(0, 2, (BIG_ROWS, 3)), schema=["y_0", "y_1", "y_2"])
    if kind == "numbers and blanks":
        frame[7, "y_2"] = None
    if kind == "texts":
        frame = frame.with_columns(text=pl.lit(f'a{delimiter}"b'))
    content = frame.write_csv(separator=delimiter)
    expected = frame.select(pl.col("y_0", "y_1", "y_2").sum()).row(0)
    if where == "stdin":
        counted = succeed(
            "weights", "-", "--labels", "y_*", "--delimiter", delimiter, stdin=content.encode()
        )
        found = pl.read_csv(counted.out)["positives"]
        assert tuple(found) == expected
        return
    source = open_source(write("t.csv", content), dialect=Dialect(delimiter))
    labels = count_sources([source], ["y_*"]).labels
    assert tuple(label.positives for label in labels) == expected


@pytest.mark.parametrize("written", ["\\t", "tab", "\t"])
def test_a_tab_as_it_is_written(written: str) -> None:
    assert parse_delimiter(written) == "\t"


@pytest.mark.parametrize("text", ["", "a", "7", '"', "\n", "\r", "\0", "é", ";;", "\\n", "comma"])
def test_what_is_no_delimiter(write: WriteFile, tmp_path: Path, text: str) -> None:
    path = write("t.csv", "a;y\n1;0\n")
    refuse("weights", path, "--delimiter", text, says="should be one ASCII character", hint="';'")
    config = write_config(tmp_path / "c.yaml", path, data={"delimiter": text}, **SHORT)
    refuse("fit", config, says="data.delimiter (line ")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("t.parquet", ()),
        ("t.ndjson", ()),
        ("t.csv", ("--input-format", "ndjson")),
        ("t.csv", ("--input-format", "tsv")),
    ],
)
def test_a_delimiter_of_what_has_none(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    path = tmp_path / name
    frame = make_table()
    if name.endswith("parquet"):
        frame.write_parquet(path)
    else:
        path.write_text(frame.write_ndjson() if name.endswith("ndjson") else frame.write_csv())
    for command in ("weights", "inspect", "init"):
        refuse(
            command, path, "--delimiter", ";", *options,
            says="which --delimiter ';' (data.delimiter) does not go with",
            hint="--input-format csv",
        )  # fmt: skip


def test_a_suffix_that_says_tab_is_overruled(write: WriteFile) -> None:
    source = open_source(write("t.tsv", "a,b@y\n1@0\n"), dialect=Dialect("@"))
    assert source.columns == ["a,b", "y"]


def test_init_writes_it_and_a_run_remembers_it(tmp_path: Path) -> None:
    table, commas = tmp_path / "t.csv", tmp_path / "commas.csv"
    table.write_text(make_table().write_csv(separator="@"))
    commas.write_text(make_table().write_csv())
    run, config = tmp_path / "run", tmp_path / "c.yaml"
    config.write_text(succeed("init", table, "--delimiter", "@").text)
    assert '  delimiter: "@"\n' in config.read_text()
    overrides = ("--set", "training.epochs=1", "--set", "report.bootstrap=0")
    succeed("fit", config, "--run-dir", run, "-q", *overrides)
    streamed = tmp_path / "streamed"
    succeed("fit", config, "--run-dir", streamed, "-q", *overrides, "--set", "data.in_memory=false")
    predicted = succeed("predict", run, table).out
    assert succeed("predict", streamed, table).out.count(b"\n") == predicted.count(b"\n")
    assert succeed("predict", run, "-", stdin=table.read_bytes()).out == predicted
    # other rows may come with other delimiters, as any file may
    assert succeed("predict", run, commas).out == predicted
    assert succeed("predict", run, table, "--delimiter", "@").out == predicted
    frame = tmp_path / "t.parquet"
    make_table().write_parquet(frame)
    assert succeed("predict", run, frame).out == predicted
    report = succeed("evaluate", run, table).out
    assert succeed("evaluate", run, commas, "--delimiter", ",").out == report
    refuse("predict", run, commas, "--delimiter", "@", says="separated by ',', not by '@'")
    refuse("predict", run, frame, "--delimiter", "@", says="does not go with")


def test_init_writes_first_lines_and_a_run_remembers_them(tmp_path: Path) -> None:
    plain, odd = tmp_path / "plain.csv", tmp_path / "odd.csv"
    table = make_table().select("x", pl.col("x").alias("z") * 2, "y")
    plain.write_text(table.write_csv(include_header=False))
    commented = table.write_csv(include_header=False).replace("\n", "\n# it's a comment\n", 3)
    odd.write_text("A title\n# x;z;y\n" + commented.replace(",", ";"))
    overrides = ("--set", "training.epochs=1", "--set", "report.bootstrap=0")
    runs = {}
    for path, options in (
        (plain, ("--no-header",)),
        (odd, ("--no-header", "--skip-lines", 1, "--comment", "#")),
    ):
        config, runs[path] = tmp_path / "c.yaml", tmp_path / path.stem
        config.write_text(succeed("init", path, "--labels", "column_3", *options).text)
        assert "  header: false\n" in config.read_text()
        succeed("fit", config, "--run-dir", runs[path], "-q", *overrides)
    assert "  skip_lines: 1\n" in config.read_text()
    assert '  comment: "#"\n' in config.read_text()
    predicted = succeed("predict", runs[plain], plain).out
    assert predicted.count(b"\n") == table.height + 1
    assert succeed("predict", runs[odd], odd).out == predicted
    assert succeed("predict", runs[odd], "-", stdin=odd.read_bytes()).out == predicted
    assert (
        succeed("predict", runs[plain], odd, "--skip-lines", 1, "--comment", "#").out == predicted
    )
    frame = tmp_path / "t.parquet"  # which the lines of a text say nothing to
    table.rename(lambda name: f"column_{'xzy'.index(name) + 1}").write_parquet(frame)
    assert succeed("predict", runs[odd], frame).out == predicted
    reports = [succeed("evaluate", runs[path], path, "--bootstrap", 0).out for path in runs]
    assert reports[0] == reports[1]


def test_the_usual_delimiter_is_that_of_a_header_that_holds_it() -> None:
    assert choose_delimiter(b"a@b\n", ",", "@") == "@"
    assert choose_delimiter(b'"a@b",c\n', ",", "@") == ","
    assert choose_delimiter(b"", ",", "@") == "@"  # a pipe, which is not looked into
    assert choose_delimiter(b"a,b\n", ",", None) == ","


def test_a_lone_column_that_looks_like_several_has_a_hint(write: WriteFile) -> None:
    path = write("t.csv", "a@b@y\n1@2@0\n")
    refuse("weights", path, says="the columns are a@b@y", hint="--delimiter")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"a,b\n1,2\n", "csv"),
        (b"a\tb\n1\t2\n", "csv"),
        (b"a^b\n1^2\n", "csv"),
        (b"a,b", "csv"),
        (b"a,b\n1,", "csv"),  # cut off
        (b"\xef\xbb\xbfa,b\n1,2\n", "csv"),
        (b"caf\xc3\xa9,b\n1,\xc3", "csv"),  # cut off inside a character
        (b'"a,b",c\n1,2\n', "csv"),
        (b"a,b,c\n1,2\n", None),
        (b"a\n1\n", None),
        (b"caf\xe9,b\n1,2\n", None),
        (b"a,b\n1,\0\n", None),
        ("a,b\n1,2\n".encode("utf-16"), None),
        (b"", None),
        (b"1 3:0.5 9:1\n0 1:2\n", "svmlight"),
        (b"-1 1:nan\n+1 2:1e-3\n", "svmlight"),
        (b"3,7 1:0.5\n 2:1\n7 1:1\n", "svmlight"),
        (b"# comment\n1 qid:3 1:0.5 # more\n", "svmlight"),
        (b"3 5 2\n0,1 1:0.5\n1 2:1\n", "svmlight"),  # sizes, as the XC repository writes them
        (b"1 3:0.5 9:1", "svmlight"),
        (b"1\n0 3:1\n", "svmlight"),
        (b"y x\n1 3:0.5\n", None),
        (b"12:30\n13:45\n", None),
        (b"1\n0\n", None),
    ],
)
def test_what_a_text_shows(head: bytes, expected: str | None) -> None:
    assert format_of_text(head) == expected


def test_what_scikit_learn_writes_is_svmlight() -> None:
    random = np.random.default_rng(0)
    features = np.where(random.random((50, 6)) < 0.5, 0, random.normal(size=(50, 6)))
    for zero_based in (True, False):
        written = io.BytesIO()
        dump_svmlight_file(features, np.arange(50) % 2, written, zero_based=zero_based)
        assert is_svmlight(written.getvalue())


def test_a_header_of_many_numbers_is_told_at_once() -> None:
    header = b",".join(b"%03d" % number for number in range(1_000)) + b",y\n"
    assert not is_svmlight(header + b"0," * 1_000 + b"1\n")


@pytest.mark.parametrize("name", ["table", "table.dump", "table.txt", "table.2024"])
def test_a_name_that_says_nothing(write: WriteFile, name: str) -> None:
    assert open_source(write(name, "a,y\n1,0\n2,1\n")).columns == ["a", "y"]
    assert open_source(write(name, "1 1:0.5\n0 2:1\n")).columns == ["y", "x_1", "x_2"]


def test_a_name_and_first_bytes_that_say_nothing(write: WriteFile) -> None:
    path = write("notes.md", "# Notes\n\nSome words\n")
    refuse("weights", path, says="neither the suffix '.md' nor the first bytes say", hint=".csv")
    assert open_source(path, dialect=Dialect(",")).columns == ["# Notes"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "npy", "npz", "pt", "safetensors"])
def test_a_table_of_text_under_another_name(write: WriteFile, suffix: str) -> None:
    path = write(f"lie.{suffix}", "a,y\n1,0\n2,1\n")
    says = f"is called .{suffix}, and begins as delimited text"
    for command in ("weights", "inspect", "init"):
        refuse(command, path, says=says, hint="--input-format csv")
    assert "y,1,1" in succeed("weights", path, "--input-format", "csv").text
    path = write(f"lie.{suffix}", "1 1:0.5\n0 2:1\n")
    refuse("weights", path, says="begins as svmlight text", hint="--input-format svmlight")


def test_svmlight_on_stdin(tmp_path: Path) -> None:
    content = b"1 1:0.5 3:2\n0 2:1\n1 3:1\n"
    (tmp_path / "t.svm").write_bytes(content)
    expected = succeed("weights", tmp_path / "t.svm").out
    assert succeed("weights", "-", stdin=content).out == expected
    refuse(
        "weights", "-", "--input-format", "csv", stdin=content,
        says="line 1: a row of svmlight text, where a header is read",
        hint="--input-format svmlight",
    )  # fmt: skip


@pytest.mark.parametrize("mark", sorted(set(DELIMITERS) - set("~[{")))
def test_a_lone_mark_in_the_shell_is_text(write: WriteFile, mark: str) -> None:
    path = write("c.yaml", "data: {train: t.csv}")
    assert load_config(path, [f"data.delimiter={mark}"]).data.delimiter == mark
