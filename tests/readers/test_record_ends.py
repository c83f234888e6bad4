"""Comments between records, wherever a block ends and whatever quotes are in them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.readers import delimited, read_table
from imbalance_cli.readers.delimited import DelimitedSource
from imbalance_cli.readers.dialect import Dialect
from imbalance_cli.readers.record_ends import find_record, list_comments

TEXTS = st.text(st.sampled_from('#,"\nab'), max_size=5).filter(lambda text: text[:1] != "#")
RECORDS = st.lists(st.tuples(TEXTS, st.sampled_from("01")), min_size=1, max_size=8)
COMMENTS = st.lists(st.text(st.sampled_from('#,"ab'), max_size=5), max_size=2)


@settings(deadline=None)
@given(RECORDS, st.data(), st.sampled_from(["#", "#a"]), st.integers(1, 30), st.booleans())
def test_rows_between_comments(
    rows: list[tuple[str, str]],
    data: st.DataObject,
    mark: str,
    block: int,
    is_ended: bool,  # noqa: FBT001  drawn by hypothesis
) -> None:
    text, lines = 'x,"y"\n', []
    for row in rows:
        text += "".join(f"{mark}{comment}\n" for comment in data.draw(COMMENTS))
        lines.append(1 + text.count("\n"))
        written = io.StringIO()
        csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(row)
        text += written.getvalue()
    text += f"{mark}b" + "\n" * is_ended
    with (
        TemporaryDirectory() as folder,
        mock.patch.multiple(delimited, SMALL=1, BLOCK=block, COUNTED_BLOCK=block),
    ):
        path = Path(folder) / "t.csv"
        path.write_text(text, newline="")

        def source() -> DelimitedSource:
            return DelimitedSource(str(path), ",", Dialect(comment=mark))

        table = read_table([source()], ["x", "y"])
        tally = source().tally(["y"])
    assert table.frame.rows() == rows
    assert [table.place(i).rpartition(" ")[2] for i in range(len(rows))] == list(map(str, lines))
    labels = [label for _, label in rows]
    assert tally.rows == len(rows)
    assert tally.columns["y"].counts == {
        label: labels.count(label) for label in dict.fromkeys(labels)
    }
    places = {label: f"line {lines[labels.index(label)]}" for label in labels}
    assert tally.columns["y"].places == places


def test_where_comments_are() -> None:
    assert list(list_comments(b"#a\n#b\n1\n#c", b"#")) == [(0, 3), (3, 6), (8, 10)]
    assert list(list_comments(b'"\n#a\n"\n#"\n1\n', b"#")) == [(7, 10)]
    assert list(list_comments(b"#a\n", b"")) == []


def test_where_a_record_stands_again() -> None:
    assert find_record(b"1,2\na,y\n", b"a,y") == 4
    assert find_record(b"\xef\xbb\xbfa,y\r\n", b"a,y") == 3
    assert find_record(b'ba,y\na,y2\n"\na,y\n"\n', b"a,y") == -1
