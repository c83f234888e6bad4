"""How errors show what they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_runs import run_command

from imbalance_cli.errors import nearest, number_of, shorten, show_bytes, show_cell

if TYPE_CHECKING:
    from conftest import WriteFile

ROWS = 60
LONG = 400  # digits


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("", "''"),
        ("red", "'red'"),
        ("1" * 60, f"'{'1' * 60}'"),
        ("1" * LONG, f"'{'1' * 57}...'"),
        (None, "None"),
        (1.5, "1.5"),
        (10**LONG, "1" + "0" * 56 + "..."),
    ],
)
def test_a_cell_is_shown_short(cell: object, shown: str) -> None:
    assert show_cell(cell) == shown


def test_a_text_of_the_longest_length_is_whole() -> None:
    assert shorten("abcd", 4) == "abcd"
    assert shorten("abcde", 4) == "a..."


@pytest.mark.parametrize(
    ("column", "settings"),
    [
        ("x", ""),
        ("y", ""),
        ("w", ", sample_weight: w"),
        ("t", ", time: t"),
        ("p", ", part: p"),
        ("i", ""),
    ],
)
@pytest.mark.parametrize("command", ["fit", "inspect"])
def test_no_cell_is_echoed_whole(
    write: WriteFile, column: str, settings: str, command: str
) -> None:
    columns = {
        "x": [str(i % 7 + 0.5) for i in range(ROWS)],
        "y": [str(i % 2) for i in range(ROWS)],
        "w": ["1"] * ROWS,
        "t": [str(i) for i in range(ROWS)],
        "p": ["train", "valid", "test"] * (ROWS // 3),
        "i": ["k" * LONG + str(i) for i in range(ROWS)],
    }
    if column != "i":
        columns[column][5] = "1" * LONG + "x"
        del columns["i"]
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    table = write("a.csv", "\n".join(lines) + "\n")
    config = write("config.yaml", f"data: {{train: {table}{settings}}}\n")
    done = run_command(*(["fit", config] if command == "fit" else ["inspect", table]))
    assert done.code == (2 if command == "fit" else 0)
    assert "1" * LONG not in done.err + done.text
    assert "k" * LONG not in done.err + done.text


def test_a_column_of_a_long_name_ends_a_message(write: WriteFile) -> None:
    done = run_command("weights", write("a.csv", f"{'n' * 10_000},x\n1,5\n"), "--labels", "y")
    assert done.code == 2
    assert done.err.splitlines()[0].endswith("... [IMB204]")
    assert len(done.err) < 5_000


def test_one_and_several() -> None:
    assert number_of(1, "class", "classes") == "1 class"
    assert number_of(0, "class", "classes") == "0 classes"
    assert number_of(2_000, "row") == "2,000 rows"


def test_another_case_is_nearest() -> None:
    assert nearest("Y", ["x", "y", "Yes"]) == "did you mean 'y'?"
    assert nearest("", ["x"]) is None


def test_bytes_are_in_the_unit_of_which_there_is_one() -> None:
    counts = (12, 1_530_000, 2_000_000_000, 3.25e13)
    assert [show_bytes(count) for count in counts] == ["0.0 kB", "1.5 MB", "2.0 GB", "32.5 TB"]
