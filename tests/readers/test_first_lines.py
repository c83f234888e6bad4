"""First lines that are no header: what is said of them, and how they are read all the same."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_runs import refuse, succeed

from imbalance_cli.errors import SourceError
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.readers.dialect import Dialect

if TYPE_CHECKING:
    from conftest import WriteFile

ROWS = "1,2.5,0\n2,2.6,1\n3,2.9,0\n"
REPORT = "Report of 2024\n\nMade by the lab; all rights\nid,a,y\n" + ROWS
UNITS = "age,height,y\nyears,cm,\n34,170,0\n35,171,1\n36,172,0\n"
NO_HEADER = "5.1,3.5,1.4,1.4,0\n4.9,3.0,1.4,0.2,1\n4.7,3.2,1.3,0.2,0\n"


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        (REPORT, "line 1: 'Report of 2024' seems to be a title", "--skip-lines 3 (data.skip_lines"),
        (
            "A, b; c\n" + REPORT.replace(",", ";"),
            "line 1: 'A, b; c' seems to be a title: the lines from 5 on have 3 cells",
            "if line 5 is the header: id, a, y",
        ),
        ("# it's odd\n# b, c\nid,a,y\n" + ROWS, "line 1", "--comment '#' (data.comment: '#')"),
        ("#x,y\n# b\na,y\n1,0\n2,1\n", "line 1: '#x, y' seems", "--comment '#'"),
        (
            UNITS,
            "line 2 holds words where the lines below hold numbers: 'years, cm'",
            "--skip-rows 1",
        ),
        ("age  height y\n34   170    0\n35   171    1\n", "to be parted by blanks", "tr -s"),
        ("age  city\nold  rome\n", "to be parted by blanks", "tr -s"),
        ("age height y\n34 170 0\n35 171 1\n", "to be parted by blanks", "tr -s"),
        ('"x" "y"\n"1" 2.5 0\n"2" 3.5 1\n', "each row to begin with its name", "row.names = FALSE"),
        ("x,y\n1,0,\n2,1,\n", "each line ends with ',' but the header", "sed '1s/$/,/' FILE"),
        ("N0,-0.8,0\nN1,0.7,1\n", "line 1 is partly numbers", "--no-header"),
        ("A,u,0\nB,v,1\nA,u,0\n", "the header again", "--no-header"),
        ("x,y\n1,2.5,0\n2,3.5,1\n", "2 names, and 3 cells in each line below", "row.names = FALSE"),
        ("Report,,\n,,\nid,a,y\n" + ROWS, "line 1: 'Report' seems to be a title", "--skip-lines 2"),
        ("; made by hand\nid,a,y\n" + ROWS, "line 1", "--comment ';'"),
        (
            "Blood,,Other,\nsodium,iron,age,y\n" + "1.5,2,34,0\n" * 3,
            "lines 1 and 2 both hold names: 'Blood, Other'",
            "--skip-lines 1",
        ),
        (NO_HEADER, "line 1 is all numbers, '5.1, 3.5, 1.4, 1.4, 0'", "--no-header"),
        ("3,7,0\n" * 4, "line 1 is all numbers", "data.header: true"),
        ("1,5;2,5\n3,5;1\n".replace(",", "."), "line 1 is all numbers", "--no-header"),
        ("a,y\n1,0\n2,1\na,y\n3,1\n", "line 4: the header again", "one by one"),
        ("a,y\n1,0\n\ufeffa,y\n3,1\n", "line 3: the header again", "one by one"),
        ("a,y\n1,0\n# b\n3,1\n", "line 3: 1 cell where the header has 2", "--comment '#'"),
    ],
)
def test_what_is_no_header_is_named(write: WriteFile, content: str, says: str, hint: str) -> None:
    path = write("t.csv", content)
    refuse("weights", path, says=says, hint=hint)
    refuse("inspect", path, says=says, hint=hint)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("more", ["", "\ufeff"])
def test_a_header_among_many_rows(write: WriteFile, more: str, *, big: bool) -> None:
    rows = 20_000 if big else 3
    path = write("t.csv", "a,y\n" + "1,y\n2,n\n" * rows + more + "a,y\n3,y\n")
    refuse("weights", path, "--labels", "y", says=f"line {2 * rows + 2}: the header again")
    refuse("inspect", path, "--labels", "y", says=f"line {2 * rows + 2}: the header again")
    quoted = write("q.csv", "a,y\n" + "1,y\n2,n\n" * rows + '"b\na,y\nc",y\n')
    [label] = succeed("weights", quoted, "--format", "json").document["labels"]
    assert (label["positives"], label["negatives"]) == (rows + 1, rows)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("0,1,2\n1,2,3\n", ["0", "1", "2"]),
        ("1,2,3\n1,2,3\n", ["1", "2", "3"]),
        (",0,1\n0,2,3\n", ["column_1", "0", "1"]),
        ("0,1,2,label\n1,2,3,0\n", ["0", "1", "2", "label"]),
        ("2019,2021,2020\n1,2,3\n", ["2019", "2021", "2020"]),
        ("410.5,411,412,415,420,425\n1,2,3,4,5,6\n", ["410.5", "411", "412", "415", "420", "425"]),
        ("7,3,9\n1,1,1\n", ["7", "3", "9"]),
        ("0\n1\n", ["0"]),
        ("a,b\nlow,high\n1,2\n", ["a", "b"]),
        ("a,y\nunknown,1\n1,0\n2,0\n3,0\n4,1\n", ["a", "y"]),
        ("a,y,z\n?,?,?\n1,0,1\n2,0,1\n3,0,1\n", ["a", "y", "z"]),
        ("a,y,z\nx,yes,\n1,0,1\n2,0,1\nb,0,1\nb,0,1\n", ["a", "y", "z"]),
        ("text\nfree  text\nand more of it\n", ["text"]),
        ("#,y\n#1,0\n#2,1\n", ["#", "y"]),
        ("tags\na;b\nc;d\n", ["tags"]),
    ],
)
def test_what_is_meant_as_it_stands(write: WriteFile, content: str, columns: list[str]) -> None:
    source = open_source(write("t.csv", content))
    assert source.columns == columns
    table = read_table([source], columns)
    assert table.frame.height == content.count("\n") - 1


def test_numbers_that_are_asked_for_by_name_are_names(write: WriteFile) -> None:
    path = write("t.csv", "7,3,9\n2,5,1\n3,5,0\n")
    assert succeed("weights", path, "--labels", "9").text.splitlines()[1].startswith("9,1,1,")
    refuse("weights", path, "--labels", "8", says="line 1 is all numbers")
    refuse("weights", path, says="line 1 is all numbers")
    refuse("weights", path, "--header", says="no column is called y")


def test_each_is_read_where_it_is_said_how(write: WriteFile) -> None:
    def read(content: str, **given: object) -> tuple[list[str], list[tuple[str, ...]], str]:
        source = open_source(write("t.csv", content), dialect=Dialect(**given))  # type: ignore[arg-type]
        table = read_table([source], source.columns)
        return source.columns, table.frame.rows(), table.place(0).rpartition(": ")[2]

    rows = [tuple(line.split(",")) for line in ROWS.splitlines()]
    assert read(REPORT, skip_lines=3) == (["id", "a", "y"], rows, "line 5")
    commented = "# it's odd\n\nid,a,y\n# \"it's\n" + ROWS
    assert read(commented, comment="#") == (["id", "a", "y"], rows, "line 5")
    assert read(UNITS, skip_rows=1)[1:] == (
        [("34", "170", "0"), ("35", "171", "1"), ("36", "172", "0")],
        "line 3",
    )
    assert read(UNITS, skip_rows=0)[1][0] == ("years", "cm", "")
    columns, cells, place = read(NO_HEADER, header=False)
    assert columns == [f"column_{i}" for i in range(1, 6)]
    assert (cells[0], len(cells), place) == (("5.1", "3.5", "1.4", "1.4", "0"), 3, "line 1")
    assert read("Title\n" + ROWS, header=False, skip_lines=1)[1:] == (rows, "line 2")


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
@pytest.mark.parametrize("name", ["t.csv", "t", "-"])
def test_the_delimiter_that_excel_names(write: WriteFile, mark: str, name: str) -> None:
    content = f"\ufeffsep={mark}\r\na{mark}y\r\n1.5{mark}0\r\n2.5{mark}1\r\n"
    path = name if name == "-" else write(name, content)
    weigh = functools.partial(succeed, "weights", path, stdin=content.encode())
    assert weigh().text.splitlines()[1].startswith("y,1,1,")
    assert open_source(write("u.csv", content)).columns == ["a", "y"]


def test_a_header_with_a_quote_inside_a_name_loses_no_row(write: WriteFile) -> None:
    source = open_source(write("t.csv", 'height 5",y\n1,0\n2,1\n3",1\n4,0\n'))
    assert source.columns == ['height 5"', "y"]
    table = read_table([source], source.columns)
    assert table.frame['height 5"'].to_list() == ["1", "2", '3"', "4"]
    assert table.place(3).endswith("line 5")


def test_nothing_but_what_is_left_out(write: WriteFile) -> None:
    for content, dialect in (("a,y\n1,0\n", Dialect(skip_lines=5)), ("#a\n", Dialect(comment="#"))):
        with pytest.raises(SourceError, match="only blank lines, comments and lines to skip"):
            open_source(write("t.csv", content), dialect=dialect)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--no-header",), "--no-header (data.header) does not go with"),
        (("--header",), "--header (data.header) does not go with"),
        (("--skip-lines", 2), "--skip-lines 2 (data.skip_lines) does not go with"),
        (("--comment", "#"), "--comment '#' (data.comment) does not go with"),
    ],
)
def test_what_says_nothing_to_other_formats(
    write: WriteFile, options: tuple[object, ...], says: str
) -> None:
    refuse("weights", write("t.svm", "1 1:2\n0 1:3\n"), *options, says=says)
    refuse(
        "weights",
        "--merge",
        write("w.json", "{}"),
        *options,
        says=f"so {options[0]} says".replace("no-", ""),
    )


@pytest.mark.parametrize("comment", ["", " ", '"', "a b"])
def test_what_no_comment_begins_with(write: WriteFile, comment: str) -> None:
    path = write("t.csv", "a,y\n1,0\n2,1\n")
    refuse("weights", path, "--comment", comment, says="--comment (data.comment): ")


def test_a_row_among_the_names_is_thought_of(write: WriteFile) -> None:
    refuse("weights", write("t.csv", "5.1,3.5,a\n4.9,3.1,b\n"), hint="--no-header (data.header")
    twice = write("u.csv", "5.1,5.1,a\n4.9,3.1,b\n")
    refuse("weights", twice, says="is partly numbers", hint="--no-header")


def test_a_row_of_values_is_never_left_out_as_units(write: WriteFile) -> None:
    with_units = write("u.csv", UNITS)
    plain = write("p.csv", UNITS.replace(UNITS.splitlines()[1] + "\n", ""))
    assert succeed("weights", with_units, "--skip-rows", 1).out
    hint = "--skip-rows 0 (data.skip_rows: 0) reads it"
    refuse("weights", plain, "--skip-rows", 1, says="line 2 would be left out", hint=hint)
    lines = Path(plain).read_text().splitlines(keepends=True)
    one = write("one.csv", "".join(lines[:2]))
    refuse("weights", one, "--skip-rows", 1, says="line 2 would be left out", hint=hint)
    rows = write("r.csv", "".join(lines[1:]))
    refuse(
        "weights",
        rows,
        "--no-header",
        "--skip-lines",
        1,
        "--labels",
        "column_1",
        says="line 1 would be left out",
        hint="--skip-lines 0 (data.skip_lines: 0) reads it",
    )
